//! RequestAuthentication (MODEL-RA).

use super::jwks::{self, Secret};
use super::report::{At, Report, show};
use super::selector::policy_targets;
use super::strings::duration;
use super::url;
use crate::security::RequestAuthentication;
use crate::security::request_authentication::{ClaimToHeader, JwtRule};
use std::collections::BTreeSet;

pub(super) fn check(report: &mut Report<'_>, policy: &RequestAuthentication) {
    let spec = At::OBJECT.field("spec");
    let RequestAuthentication { selector, target_ref, target_refs, .. } = policy;
    policy_targets(report, &spec, selector.as_ref(), target_ref.as_ref(), target_refs);
    if selector.is_none() && target_ref.is_none() && target_refs.is_empty() {
        report.meant_for_the_mesh();
    }
    let at = spec.field("jwtRules");
    if policy.jwt_rules.len() > 4096 {
        report
            .error(
                "MODEL-RA-1",
                &at,
                format!("{} rules are given, at most 4096 are allowed", policy.jwt_rules.len()),
            )
            .help("split the policy");
    }
    let mut issuers = BTreeSet::new();
    for (index, rule) in policy.jwt_rules.iter().enumerate() {
        let at = at.index(index);
        jwt_rule(report, &at, rule);
        if !rule.issuer.is_empty() && !issuers.insert(&rule.issuer) {
            report
                .warning(
                    "MODEL-RA-8",
                    &at.field("issuer"),
                    format!("the issuer `{}` is given twice", show(&rule.issuer)),
                )
                .help("put its settings into one rule");
        }
    }
}

fn jwt_rule(report: &mut Report<'_>, at: &At<'_>, rule: &JwtRule) {
    if rule.issuer.is_empty() && rule.jwks_uri.is_empty() {
        report
            .error("MODEL-RA-2", &at.field("issuer"), "neither `issuer` nor `jwksUri` is given")
            .help("add `issuer`, the `iss` claim of the tokens")
            .absent();
    }
    if !rule.jwks_uri.is_empty() {
        jwks_uri(report, &at.field("jwksUri"), &rule.jwks_uri);
    }
    if !rule.jwks_uri.is_empty() && !rule.jwks.is_empty() {
        report
            .error("MODEL-RA-4", at, "only one of `jwksUri` and `jwks` may be set")
            .help("remove `jwks` if the keys are to be fetched");
    }
    if !rule.jwks.is_empty() {
        key_set(report, &at.field("jwks"), &rule.jwks);
    }
    tokens(report, at, rule);
    claims(report, at, rule);
    let at_timeout = at.field("timeout");
    if rule.timeout.is_some_and(|timeout| timeout.as_nanos() == 0) {
        report
            .error("MODEL-RA-7", &at_timeout, "`0s` is too short, at least 1ms is needed")
            .help("write 5s, the default");
    } else {
        duration(report, "MODEL-RA-7", &at_timeout, rule.timeout);
    }
}

/// MODEL-RA-3
fn jwks_uri(report: &mut Report<'_>, at: &At<'_>, text: &str) {
    const CODE: &str = "MODEL-RA-3";
    let length = text.chars().count();
    if length > 2048 {
        report
            .error(CODE, at, format!("it has {length} characters, at most 2048 are allowed"))
            .help("write a shorter URL");
        return;
    }
    let parsed = match url::parse(text) {
        Ok(parsed) => parsed,
        Err(fault) => {
            report
                .error(CODE, at, format!("`{}` is not a URL: {fault}", show(text)))
                .help("write https://<host>/<path>");
            return;
        }
    };
    if !matches!(parsed.scheme.as_str(), "http" | "https") {
        let added =
            report.error(CODE, at, format!("`{}` begins with neither http:// nor https://", show(text)));
        if parsed.scheme.is_empty() {
            added.help(format!("write https://{}", show(text.trim_start_matches('/'))));
        } else {
            added.help("the keys are fetched over HTTP, write https://<host>/<path>");
        }
        return;
    }
    if !parsed.port.is_empty() && parsed.port.parse::<i64>().is_err() {
        report
            .error(CODE, at, format!("the port `{}` is not a port, 1..65535", show(parsed.port)))
            .help("write the number of the port");
    } else if !parsed.port.is_empty() && !parsed.port.parse::<u16>().is_ok_and(|port| port > 0) {
        report
            .warning(CODE, at, format!("the port `{}` is not a port, 1..65535", show(parsed.port)))
            .help("write the number of the port");
    }
    if parsed.host.is_empty() {
        report
            .warning(CODE, at, format!("`{}` has no host, nothing can be fetched", show(text)))
            .help("write https://<host>/<path>");
    }
}

/// MODEL-RA-5
fn key_set(report: &mut Report<'_>, at: &At<'_>, text: &str) {
    const CODE: &str = "MODEL-RA-5";
    match jwks::check(text) {
        Err(fault) => {
            report
                .error(CODE, at, format!("the key set cannot be read: {fault}"))
                .help(r#"write the JSON of the issuer's key set, {"keys": [...]}"#);
        }
        Ok(keys) => {
            if keys.count == 0 {
                report
                    .warning(CODE, at, "the key set is empty, no token is valid")
                    .help("add the public keys of the issuer");
            }
            for (index, secret) in keys.secrets {
                let (what, help) = match secret {
                    Secret::Private => (
                        "a private key",
                        "keep its public members only, and replace the key: it was given away",
                    ),
                    Secret::Symmetric => (
                        "symmetric: whoever can read it can make tokens",
                        "sign with a key pair and give the public key",
                    ),
                };
                report.warning(CODE, at, format!("key {index} is {what}")).help(help);
            }
        }
    }
}

/// Where tokens are looked for, and for whom they are (MODEL-RA-6).
fn tokens(report: &mut Report<'_>, at: &At<'_>, rule: &JwtRule) {
    const CODE: &str = "MODEL-RA-6";
    for (name, list, what) in [
        ("audiences", &rule.audiences, "the audience"),
        ("fromParams", &rule.from_params, "the parameter's name"),
        ("fromCookies", &rule.from_cookies, "the cookie's name"),
        ("spaceDelimitedClaims", &rule.space_delimited_claims, "the claim's name"),
    ] {
        let at = at.field(name);
        for (index, _) in list.iter().enumerate().filter(|(_, value)| value.is_empty()) {
            report.error(CODE, &at.index(index), format!("{what} is empty")).help("remove it, or fill it in");
        }
    }
    if rule.space_delimited_claims.len() > 64 {
        report
            .error(
                CODE,
                &at.field("spaceDelimitedClaims"),
                format!("{} claims are given, at most 64 are allowed", rule.space_delimited_claims.len()),
            )
            .help("name those that policies ask for");
    }
    let at = at.field("fromHeaders");
    for (index, _) in rule.from_headers.iter().enumerate().filter(|(_, header)| header.name.is_empty()) {
        report
            .error(CODE, &at.index(index).field("name"), "the header has no name")
            .help("add `name`, such as Authorization")
            .absent();
    }
}

/// Claims copied to headers (MODEL-RA-6, MODEL-RA-8).
fn claims(report: &mut Report<'_>, at: &At<'_>, rule: &JwtRule) {
    const CODE: &str = "MODEL-RA-6";
    let at = at.field("outputClaimToHeaders");
    let mut seen = BTreeSet::new();
    for (index, ClaimToHeader { header, claim }) in rule.output_claim_to_headers.iter().enumerate() {
        let at = at.index(index);
        let at_header = at.field("header");
        if header.is_empty() {
            report.error(CODE, &at_header, "the header has no name").help("add `header`").absent();
        } else if !header.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_')) {
            report
                .error(CODE, &at_header, format!("`{}` is not a header's name here", show(header)))
                .help("letters, digits, `-` and `_`");
        } else if !seen.insert(header.to_ascii_lowercase()) {
            report
                .warning("MODEL-RA-8", &at_header, format!("the header `{}` is given twice", show(header)))
                .help("copy each claim to a header of its own");
        }
        if claim.is_empty() {
            report.error(CODE, &at.field("claim"), "the claim has no name").help("add `claim`").absent();
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::Object;
    use crate::security::RequestAuthentication;
    use crate::security::request_authentication::JwtRule;
    use crate::validate::{Settings, validate};

    #[test]
    fn a_policy_has_at_most_4096_rules_model_ra_1() {
        let codes = |count: usize| -> Vec<&str> {
            let rule = |n: usize| JwtRule { issuer: n.to_string(), ..JwtRule::default() };
            let policy = RequestAuthentication {
                jwt_rules: (0..count).map(rule).collect(),
                ..RequestAuthentication::default()
            };
            let found = validate(&Object::new("shop", "own", policy), &Settings::default());
            found.iter().map(|found| found.code).collect()
        };
        assert!(codes(4096).is_empty());
        assert_eq!(codes(4097), ["MODEL-RA-1"]);
    }
}
