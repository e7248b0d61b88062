//! Checking and compiling rules.

use super::JwtAuthentication;
use super::error::{FieldError, JwtBuildError, JwtBuildErrorKind as Kind};
use super::keys::KeySet;
use super::location::Place;
use super::rule::{JwtRule, RequestAuthentication};
use super::store::KeySource;

/// AUTHZ-VAL-11.
const MAX_RULES: usize = 4096;
const MAX_SPACE_DELIMITED: usize = 64;

/// A rule, checked.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    pub(crate) issuer: String,
    /// As [`sanitized`].
    pub(crate) audiences: Vec<String>,
    pub(crate) keys: Keys,
    pub(crate) places: Vec<Place>,
    pub(crate) forward_original_token: bool,
    pub(crate) payload_header: Option<String>,
    /// Header and the names that lead to the claim.
    pub(crate) claim_headers: Vec<(String, Vec<String>)>,
    pub(crate) space_delimited: Vec<String>,
}

#[derive(Debug, Clone)]
pub(crate) enum Keys {
    Inline(KeySet),
    Fetched(KeySource),
    /// The rule could not be understood: it refuses every token.
    Unusable,
}

/// An audience as it is compared (AUTHZ-JWT-24).
pub(crate) fn sanitized(audience: &str) -> &str {
    let rest = audience.strip_prefix("http://").or_else(|| audience.strip_prefix("https://"));
    let rest = rest.unwrap_or(audience);
    rest.strip_suffix('/').unwrap_or(rest)
}

/// Collects what [`JwtAuthentication`] is built from.
#[derive(Debug, Clone, Default)]
pub struct JwtAuthenticationBuilder {
    policies: Vec<RequestAuthentication>,
    keep_invalid: bool,
}

impl JwtAuthenticationBuilder {
    /// Adds a request authentication.
    #[must_use]
    pub fn policy(mut self, policy: RequestAuthentication) -> Self {
        self.policies.push(policy);
        self
    }

    /// Adds several.
    #[must_use]
    pub fn policies(mut self, policies: impl IntoIterator<Item = RequestAuthentication>) -> Self {
        self.policies.extend(policies);
        self
    }

    /// Keeps rules that cannot be built instead of refusing all: such a rule refuses every token at its places,
    /// unless another rule verifies it. Requests without a token pass, as they do for any rule. The errors are at
    /// [`JwtAuthentication::invalid`].
    #[must_use]
    pub fn keep_invalid(mut self) -> Self {
        self.keep_invalid = true;
        self
    }

    /// Checks and sorts the rules.
    ///
    /// # Errors
    ///
    /// The first rule, in the order in which they were added, that holds a value or a combination that means
    /// nothing. Never with [`keep_invalid`](Self::keep_invalid).
    pub fn build(self) -> Result<JwtAuthentication, JwtBuildError> {
        let (mut rules, mut invalid) = (Vec::new(), Vec::new());
        for policy in &self.policies {
            for (i, rule) in policy.rules.iter().enumerate() {
                let checked = match check(i, rule) {
                    Ok(checked) => checked,
                    Err(at) => {
                        let error = JwtBuildError::new(&policy.id, i, at);
                        if !self.keep_invalid {
                            return Err(error);
                        }
                        invalid.push(error);
                        compile(rule, Keys::Unusable)
                    }
                };
                rules.push(checked);
            }
        }
        // Stable: rules of one issuer stay in the order of their policies (AUTHZ-JWT-01).
        rules.sort_by(|a, b| a.issuer.cmp(&b.issuer));
        Ok(JwtAuthentication::new(rules, invalid))
    }
}

fn check(index: usize, rule: &JwtRule) -> Result<Rule, FieldError> {
    let fail = |field: &str, kind, value: &str| Err(FieldError::new(field, kind, value));
    if index >= MAX_RULES {
        return fail("", Kind::TooManyRules, &rule.issuer);
    }
    if let Some(name) = rule.space_delimited_claims.get(MAX_SPACE_DELIMITED) {
        return fail(&format!("spaceDelimitedClaims[{MAX_SPACE_DELIMITED}]"), Kind::TooManyClaims, name);
    }
    if rule.issuer.is_empty() && rule.jwks_uri.is_none() {
        return fail("issuer", Kind::IssuerOrUriRequired, "");
    }
    if let Some(uri) = &rule.jwks_uri {
        if rule.jwks.is_some() || rule.keys.is_some() {
            return fail("jwksUri", Kind::JwksAndUri, uri);
        }
        if !uri.starts_with("https://") && !uri.starts_with("http://") {
            return fail("jwksUri", Kind::InvalidUri, uri);
        }
    }
    not_empty("audiences", "", &rule.audiences)?;
    not_empty("fromHeaders", ".name", rule.from_headers.iter().map(|(name, _)| name))?;
    not_empty("fromParams", "", &rule.from_params)?;
    not_empty("fromCookies", "", &rule.from_cookies)?;
    not_empty("spaceDelimitedClaims", "", &rule.space_delimited_claims)?;
    not_empty("outputClaimToHeaders", ".claim", rule.output_claim_to_headers.iter().map(|(_, claim)| claim))?;
    if let Some(name) = rule.output_payload_to_header.as_deref().filter(|name| !is_header_name(name)) {
        return fail("outputPayloadToHeader", Kind::InvalidHeaderName, name);
    }
    for (i, (name, _)) in rule.output_claim_to_headers.iter().enumerate() {
        if !is_header_name(name) {
            return fail(&format!("outputClaimToHeaders[{i}].header"), Kind::InvalidHeaderName, name);
        }
    }
    let keys = match (&rule.keys, &rule.jwks) {
        (Some(keys), _) => Keys::Inline(keys.clone()),
        (None, Some(text)) => match KeySet::parse(text) {
            Ok(keys) => Keys::Inline(keys),
            Err(failure) => return fail("jwks", Kind::InvalidJwks(failure), ""),
        },
        (None, None) => Keys::Fetched(KeySource::new(&rule.issuer, rule.jwks_uri.as_deref())),
    };
    Ok(compile(rule, keys))
}

fn not_empty<'a>(
    field: &str,
    member: &str,
    values: impl IntoIterator<Item = &'a String>,
) -> Result<(), FieldError> {
    match values.into_iter().position(String::is_empty) {
        Some(i) => Err(FieldError::new(format!("{field}[{i}]{member}"), Kind::EmptyValue, "")),
        None => Ok(()),
    }
}

/// AUTHZ-VAL-13.
fn is_header_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

/// Compiles a rule that is right, or that will refuse everything: whatever has no meaning is left out.
fn compile(rule: &JwtRule, keys: Keys) -> Rule {
    let headers = rule.from_headers.iter().filter(|(name, _)| !name.is_empty());
    let headers = headers
        .map(|(name, prefix)| Place::Header { name: name.to_ascii_lowercase(), prefix: prefix.clone() });
    let params = rule.from_params.iter().cloned().map(Place::Param);
    let cookies = rule.from_cookies.iter().cloned().map(Place::Cookie);
    let mut places: Vec<_> = headers.chain(params).chain(cookies).collect();
    if places.is_empty() {
        places = Place::defaults();
    }
    let header = |name: &String| is_header_name(name).then(|| name.to_ascii_lowercase());
    let claim_header = |(name, claim): &(String, String)| {
        Some((header(name)?, claim.split('.').map(str::to_owned).collect()))
    };
    Rule {
        issuer: rule.issuer.clone(),
        audiences: rule.audiences.iter().map(|audience| sanitized(audience).to_owned()).collect(),
        keys,
        places,
        forward_original_token: rule.forward_original_token,
        payload_header: rule.output_payload_to_header.as_ref().and_then(header),
        claim_headers: rule.output_claim_to_headers.iter().filter_map(claim_header).collect(),
        space_delimited: rule.space_delimited_claims.clone(),
    }
}
