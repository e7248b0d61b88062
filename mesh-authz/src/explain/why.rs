//! Why a clause does not hold.

use std::fmt::Write as _;

use super::Failure;
use crate::identity::PeerIdentity;
use crate::program::{Attribute, Clause, Origin, Pattern, Program, Rule, Span, Test};
use crate::request::{HttpAttributes, Request};

impl Program {
    /// The clauses of `rule` that do not hold; none if the rule matches.
    pub(super) fn failures(&self, rule: &Rule, request: &Request<'_>) -> Vec<Failure> {
        let mut failures = self.failed(rule.clauses, request);
        for group in rule.groups.of(&self.groups) {
            let entries = group.of(&self.alternatives);
            let failed: Vec<_> = entries.iter().map(|&entry| self.failed(entry, request)).collect();
            if failed.iter().all(|failed| !failed.is_empty()) {
                failures.extend(failed.into_iter().flatten());
            }
        }
        failures
    }

    fn failed(&self, clauses: Span, request: &Request<'_>) -> Vec<Failure> {
        let clauses = clauses.of(&self.clauses).iter();
        let mut failed: Vec<_> = clauses.filter(|clause| !self.clause_holds(clause, request)).collect();
        // In the order in which they were written, not the one in which they are tried.
        failed.sort_by_key(|clause| clause.origin);
        failed.into_iter().map(|clause| self.failure(clause, request)).collect()
    }

    fn failure(&self, clause: &Clause, request: &Request<'_>) -> Failure {
        let tests = self.tests(clause);
        let (tests, excluded) = (tests.wanted(), tests.excluded());
        let negated = tests.is_empty() || self.any_passes(clause.attribute, tests, request);
        let listed = if negated { excluded } else { tests };
        let wanted: Vec<_> = listed.iter().map(|&test| format!("`{}`", self.written(test))).collect();
        let wanted = wanted.join(" or ");
        let mut why = match self.observed(clause.attribute, request) {
            Ok(found) => format!("found {found}"),
            Err(missing) => missing.to_owned(),
        };
        let _ = write!(why, ", {} {wanted}", if negated { "excluded by" } else { "wanted" });
        if let Some(hint) = if negated { None } else { self.hint(clause.attribute, tests, request) } {
            let _ = write!(why, "; {hint}");
        }
        Failure { field: field(clause, negated), why }
    }

    /// A test as it would be written in a policy.
    fn written(&self, test: Test) -> String {
        let text = |text| String::from_utf8_lossy(self.texts.bytes(text)).into_owned();
        match test {
            Test::String(pattern) => self.pattern(pattern),
            Test::Namespace(needle) | Test::StrictNamespace(needle) => {
                text(needle).trim_start_matches("/ns/").trim_end_matches('/').to_owned()
            }
            Test::ServiceAccount(key) => text(key).replacen("/sa/", "/", 1),
            Test::TrustDomain(domain) => text(domain),
            Test::RequestPrincipal(number) => match self.request_principals.get(number as usize) {
                Some((Pattern::Present, Pattern::Present)) | None => "*".to_owned(),
                Some((issuer, subject)) => format!("{}/{}", self.pattern(*issuer), self.pattern(*subject)),
            },
            Test::Template(template) => text(template),
            Test::Block(number) => {
                self.blocks.get(number as usize).map(ToString::to_string).unwrap_or_default()
            }
            Test::Port(port) => port.to_string(),
            Test::Listed(number) => {
                let pattern = self.listed.get(number as usize).map(|&pattern| self.pattern(pattern));
                format!("[{}]", pattern.unwrap_or_default())
            }
        }
    }

    fn pattern(&self, pattern: Pattern) -> String {
        let text = |text| String::from_utf8_lossy(self.texts.bytes(text));
        match pattern {
            Pattern::Exact(exact) => text(exact).into_owned(),
            Pattern::Prefix(prefix) => format!("{}*", text(prefix)),
            Pattern::Suffix(suffix) => format!("*{}", text(suffix)),
            Pattern::Present => "*".to_owned(),
        }
    }

    /// The values of the attribute, or why there is none.
    fn observed(&self, attribute: Attribute, request: &Request<'_>) -> Result<String, &'static str> {
        const NO_HTTP: &str = "this is a TCP connection";
        const NO_TOKEN: &str = "the request has no verified token";
        let quoted = |text: &[u8]| format!("`{}`", String::from_utf8_lossy(text));
        let http = || request.http.as_ref().ok_or(NO_HTTP);
        let claims = || http()?.claims.ok_or(NO_TOKEN);
        Ok(match attribute {
            Attribute::Principal
            | Attribute::Namespace
            | Attribute::ServiceAccount
            | Attribute::TrustDomain => {
                let no_identity =
                    "the peer has no identity (plain text, or TLS without a client certificate)";
                let names: Vec<_> = request.peer.identity.ok_or(no_identity)?.names().collect();
                let quoted: Vec<_> = names.iter().map(|name| quoted(name.as_bytes())).collect();
                if quoted.is_empty() {
                    return Err(no_identity);
                }
                quoted.join(", ")
            }
            Attribute::MeshPrincipal | Attribute::MeshNamespace | Attribute::MeshAccount => {
                let no_id = "the peer has no SPIFFE id";
                let id = request.peer.identity.and_then(PeerIdentity::mesh_name).ok_or(no_id)?;
                quoted(id.text())
            }
            Attribute::SourceIp => quoted(request.peer.ip.to_string().as_bytes()),
            Attribute::RemoteIp => quoted(request.remote_ip.to_string().as_bytes()),
            Attribute::DestinationIp => quoted(request.destination.ip().to_string().as_bytes()),
            Attribute::DestinationPort => quoted(request.destination.port().to_string().as_bytes()),
            Attribute::Sni if request.sni.is_empty() => return Err("the connection has no SNI"),
            Attribute::Sni => quoted(request.sni),
            Attribute::Metadata(_) => return Err("the metadata has no such value"),
            Attribute::Host => quoted(http()?.host.ok_or("the request has no host")?),
            Attribute::Method => quoted(http()?.method),
            Attribute::Path => quoted(http()?.path()),
            Attribute::Header(header) => {
                let mut lines = Vec::new();
                self.any_header(header, http()?, &mut |value| {
                    lines.push(quoted(value));
                    false
                });
                if lines.is_empty() {
                    return Err("the request has no such header");
                }
                lines.join(", ")
            }
            Attribute::RequestPrincipal => {
                let claims = claims()?;
                let no_principal = "the token lacks `iss` or `sub` as a string";
                let issuer = claims.string("iss").ok_or(no_principal)?;
                let subject = claims.string("sub").ok_or(no_principal)?;
                quoted(&[issuer, b"/", subject].concat())
            }
            Attribute::Claim(path) => {
                let path = self.claims.get(path as usize);
                let value = claims()?.at(path.map_or(&[][..], |path| path));
                let mut strings = Vec::new();
                value.ok_or("the token has no such claim")?.any_string(&mut |s| {
                    strings.push(quoted(s));
                    false
                });
                if strings.is_empty() {
                    return Err("the claim is neither a string nor a list of strings");
                }
                strings.join(", ")
            }
        })
    }

    /// What would have made the clause hold, if it is one of the usual slips (AUTHZ-EXPL-03).
    fn hint(&self, attribute: Attribute, tests: &[Test], request: &Request<'_>) -> Option<&'static str> {
        let http = request.http.as_ref()?;
        let holds = |changed: HttpAttributes<'_>| self.any_passes(attribute, tests, &request.http(changed));
        match attribute {
            Attribute::Host => {
                let host = http.host?;
                let name = host.get(..memchr::memrchr(b':', host)?)?;
                holds(http.host(name)).then_some("the port makes the difference")
            }
            Attribute::Method => {
                let (upper, lower) = (http.method.to_ascii_uppercase(), http.method.to_ascii_lowercase());
                let other = |method| HttpAttributes { method, ..*http };
                (holds(other(&upper)) || holds(other(&lower)))
                    .then_some("the letter case makes the difference")
            }
            Attribute::Path => {
                let longer = [http.path(), b"/"].concat();
                let shorter = http.path().strip_suffix(b"/").unwrap_or(http.path());
                let other = |path_and_query| HttpAttributes { path_and_query, ..*http };
                (holds(other(&longer)) || holds(other(shorter)))
                    .then_some("the slash at the end makes the difference")
            }
            _ => None,
        }
    }
}

/// The path of the field below its rule.
fn field(clause: &Clause, negated: bool) -> String {
    let name = match clause.attribute {
        Attribute::Principal | Attribute::MeshPrincipal => "principals",
        Attribute::Namespace | Attribute::MeshNamespace => "namespaces",
        Attribute::ServiceAccount | Attribute::MeshAccount => "serviceAccounts",
        Attribute::TrustDomain => "trustDomains",
        Attribute::SourceIp => "ipBlocks",
        Attribute::RemoteIp => "remoteIpBlocks",
        Attribute::RequestPrincipal => "requestPrincipals",
        Attribute::DestinationPort => "ports",
        Attribute::Host => "hosts",
        Attribute::Method => "methods",
        Attribute::Path => "paths",
        // Conditions only, which are named by their place.
        Attribute::DestinationIp
        | Attribute::Sni
        | Attribute::Metadata(_)
        | Attribute::Header(_)
        | Attribute::Claim(_) => "",
    };
    let entry = match clause.origin {
        Origin::When(i) => {
            return format!("when[{i}].{}", if negated { "notValues" } else { "values" });
        }
        Origin::From(i) => format!("from[{i}].source"),
        Origin::To(i) => format!("to[{i}].operation"),
    };
    let (first, rest) = name.split_at_checked(1).unwrap_or_default();
    if negated {
        format!("{entry}.not{}{rest}", first.to_ascii_uppercase())
    } else {
        format!("{entry}.{name}")
    }
}
