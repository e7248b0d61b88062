//! Whether a rule matches a request, read straight off the tables.

use std::net::IpAddr;

use super::clause::Quick;
use super::{Attribute, Clause, HeaderName, Pattern, Program, Rule, Span, Test, Text, equal};
use crate::identity::{Name, PeerIdentity};
use crate::path_template;
use crate::request::{HttpAttributes, Request};
use crate::spiffe::SCHEME;

impl Program {
    /// Whether all clauses of `rule` hold, and one alternative of each of its groups.
    ///
    /// On TCP, clauses about HTTP attributes count as true: that is what DENY, AUDIT and CUSTOM want
    /// (AUTHZ-TCP-03). ALLOW rules that have such a clause must be left out before (AUTHZ-TCP-02).
    #[inline]
    pub(crate) fn rule_matches(&self, rule: &Rule, request: &Request<'_>) -> bool {
        self.all_hold(rule.clauses, request)
            && (rule.groups.is_empty()
                || rule.groups.of(&self.groups).iter().all(|group| self.any_holds(*group, request)))
    }

    /// Whether one of the alternatives holds.
    fn any_holds(&self, group: Span, request: &Request<'_>) -> bool {
        group.of(&self.alternatives).iter().any(|&entry| self.all_hold(entry, request))
    }

    #[inline]
    fn all_hold(&self, clauses: Span, request: &Request<'_>) -> bool {
        clauses.of(&self.clauses).iter().all(|clause| self.clause_holds(clause, request))
    }

    /// One field and its negation (AUTHZ-RULE-03). A missing attribute passes no test, so that only the
    /// negation holds (AUTHZ-RULE-05).
    ///
    /// What most rules consist of, one value for one of the usual fields, is decided here; the rest has
    /// loops and calls that would slow it down.
    #[inline(never)]
    pub(crate) fn clause_holds(&self, clause: &Clause, request: &Request<'_>) -> bool {
        let text = clause.text();
        match clause.quick {
            Quick::MethodIs => match &request.http {
                Some(http) => equal(http.method, self.texts.bytes(text)),
                None => true,
            },
            // The text has no `?` and no `#`, so it need not be known where the query starts.
            Quick::PathIs => request.http.as_ref().is_none_or(|http| {
                let (whole, len) = (http.path_and_query, text.len());
                matches!(whole.get(len), None | Some(b'?' | b'#'))
                    && whole.get(..len).is_some_and(|path| equal(path, self.texts.bytes(text)))
            }),
            Quick::PathStarts => request.http.as_ref().is_none_or(|http| {
                let start = http.path_and_query.get(..text.len());
                start.is_some_and(|start| equal(start, self.texts.bytes(text)))
            }),
            Quick::PrincipalIs => self.principal_is(text, request),
            Quick::PrincipalStarts => self.any_principal(Pattern::Prefix(text), request),
            Quick::PrincipalEnds => self.any_principal(Pattern::Suffix(text), request),
            Quick::PortIs => u32::from(request.destination.port()) == clause.number(),
            Quick::SourceIn => self.source_in(clause.number(), request),
            Quick::No => self.slowly_holds(clause, request),
        }
    }

    #[inline(never)]
    fn slowly_holds(&self, clause: &Clause, request: &Request<'_>) -> bool {
        if request.http.is_none() && clause.attribute.is_http() {
            return true;
        }
        let tests = self.tests(clause);
        let (wanted, excluded) = (tests.wanted(), tests.excluded());
        (wanted.is_empty() || self.any_passes(clause.attribute, wanted, request))
            && (excluded.is_empty() || !self.any_passes(clause.attribute, excluded, request))
    }

    #[inline(never)]
    fn principal_is(&self, text: Text, request: &Request<'_>) -> bool {
        let wanted = self.texts.bytes(text);
        let names = request.peer.identity.map_or(&[][..], PeerIdentity::parsed_names);
        for name in names {
            if name.principal().is_some_and(|principal| equal(principal, wanted)) {
                return true;
            }
        }
        false
    }

    /// Whether any name has the form, which is not presence.
    #[inline(never)]
    fn any_principal(&self, pattern: Pattern, request: &Request<'_>) -> bool {
        let names = request.peer.identity.map_or(&[][..], PeerIdentity::parsed_names);
        for name in names {
            if name.principal().is_some_and(|principal| self.has_form(pattern, principal, true)) {
                return true;
            }
        }
        false
    }

    #[inline(never)]
    fn source_in(&self, block: u32, request: &Request<'_>) -> bool {
        self.blocks.get(block as usize).is_some_and(|block| block.contains(request.peer.ip))
    }

    #[inline]
    fn principal_passes(&self, pattern: Pattern, name: &Name) -> bool {
        match pattern {
            // Any name proves an identity, whether or not it is a SPIFFE id (AUTHZ-SRC-01).
            Pattern::Present => !name.text().is_empty(),
            _ => name.principal().is_some_and(|principal| self.has_form(pattern, principal, true)),
        }
    }

    /// Whether the attribute, or one of its values if it has several, passes one of `tests`.
    pub(crate) fn any_passes(&self, attribute: Attribute, tests: &[Test], request: &Request<'_>) -> bool {
        match attribute {
            Attribute::Principal
            | Attribute::Namespace
            | Attribute::ServiceAccount
            | Attribute::TrustDomain => {
                let Some(identity) = request.peer.identity else { return false };
                identity.parsed_names().iter().any(|name| tests.iter().any(|&t| self.name_passes(t, name)))
            }
            Attribute::MeshPrincipal | Attribute::MeshNamespace | Attribute::MeshAccount => {
                let name = request.peer.identity.and_then(PeerIdentity::mesh_name);
                name.is_some_and(|name| tests.iter().any(|&test| self.mesh_passes(attribute, test, name)))
            }
            Attribute::SourceIp => self.ip_passes(tests, request.peer.ip),
            Attribute::RemoteIp => self.ip_passes(tests, request.remote_ip),
            Attribute::DestinationIp => self.ip_passes(tests, request.destination.ip()),
            Attribute::DestinationPort => {
                let port = request.destination.port();
                tests.iter().any(|test| matches!(test, Test::Port(p) if *p == port))
            }
            Attribute::Sni => {
                let sni = request.sni;
                tests.iter().any(|&test| self.text_passes(test, sni, !sni.is_empty()))
            }
            Attribute::Metadata(key) => tests.iter().any(|&test| self.metadata_passes(key, test, request)),
            _ => request.http.as_ref().is_some_and(|http| self.any_passes_http(attribute, tests, http)),
        }
    }

    fn any_passes_http(&self, attribute: Attribute, tests: &[Test], http: &HttpAttributes<'_>) -> bool {
        match attribute {
            Attribute::Host => http.host.is_some_and(|host| {
                let passes = |pattern| self.has_form_ignoring_case(pattern, host, !host.is_empty());
                tests.iter().any(|&test| matches!(test, Test::String(pattern) if passes(pattern)))
            }),
            Attribute::Method => tests.iter().any(|&test| self.text_passes(test, http.method, true)),
            Attribute::Path => {
                let path = http.path();
                tests.iter().any(|&test| self.path_passes(test, path))
            }
            // A header is present as soon as it has a line, an empty one too (AUTHZ-STR-03).
            Attribute::Header(header) => self.any_header(header, http, &mut |value| {
                tests.iter().any(|&test| self.text_passes(test, value, true))
            }),
            Attribute::RequestPrincipal => {
                let claim = |name| http.claims.and_then(|claims| claims.string(name));
                let (Some(issuer), Some(subject)) = (claim("iss"), claim("sub")) else { return false };
                tests.iter().any(|&test| self.request_principal_passes(test, issuer, subject))
            }
            Attribute::Claim(path) => {
                let path = self.claims.get(path as usize);
                let value = path.zip(http.claims).and_then(|(path, claims)| claims.at(path));
                value.is_some_and(|value| {
                    value.any_string(&mut |s| tests.iter().any(|&t| self.text_passes(t, s, !s.is_empty())))
                })
            }
            _ => false,
        }
    }

    fn ip_passes(&self, tests: &[Test], ip: IpAddr) -> bool {
        let block = |number: u32| self.blocks.get(number as usize);
        tests.iter().any(|test| matches!(test, Test::Block(n) if block(*n).is_some_and(|b| b.contains(ip))))
    }

    fn text_passes(&self, test: Test, value: &[u8], present: bool) -> bool {
        matches!(test, Test::String(pattern) if self.has_form(pattern, value, present))
    }

    /// Calls `test` with the value of each line of the header (AUTHZ-HDR-01, AUTHZ-HDR-02), or with all of
    /// them as one (AUTHZ-HDR-03).
    pub(crate) fn any_header(
        &self,
        header: u32,
        http: &HttpAttributes<'_>,
        test: &mut dyn FnMut(&[u8]) -> bool,
    ) -> bool {
        match self.headers.get(header as usize) {
            Some(HeaderName::Authority) => http.host.is_some_and(test),
            Some(HeaderName::Method) => test(http.method),
            Some(HeaderName::Path) => test(http.path_and_query),
            Some(HeaderName::Scheme) => http.scheme.is_some_and(test),
            Some(HeaderName::Named(name)) if self.joined_headers => joined_header(name, http, test),
            Some(HeaderName::Named(name)) => http.headers.any(name, test),
            None => false,
        }
    }

    fn path_passes(&self, test: Test, path: &[u8]) -> bool {
        match test {
            Test::Template(template) => path_template::matches(self.texts.bytes(template), path),
            // `*` asks for one or more characters (AUTHZ-STR-03).
            _ => self.text_passes(test, path, !path.is_empty()),
        }
    }

    fn request_principal_passes(&self, test: Test, issuer: &[u8], subject: &[u8]) -> bool {
        let Test::RequestPrincipal(number) = test else { return false };
        self.request_principals.get(number as usize).is_some_and(|&(i, s)| {
            self.has_form(i, issuer, !issuer.is_empty()) && self.has_form(s, subject, !subject.is_empty())
        })
    }

    fn metadata_passes(&self, key: u32, test: Test, request: &Request<'_>) -> bool {
        let key = self.metadata.get(key as usize);
        let value = key.zip(request.metadata).and_then(|(key, m)| m.at(&key.namespace, &key.entry));
        match (test, value) {
            (Test::Listed(number), Some(value)) => self.listed.get(number as usize).is_some_and(|&pattern| {
                value.any_listed_string(&mut |s| self.has_form(pattern, s, !s.is_empty()))
            }),
            (Test::String(pattern), Some(crate::claims::Value::String(text))) => {
                self.has_form(pattern, text.as_bytes(), !text.is_empty())
            }
            _ => false,
        }
    }

    /// AUTHZ-ZT-08. Without an identity nothing passes (AUTHZ-ZT-09): a namespace that is empty has no form.
    fn mesh_passes(&self, attribute: Attribute, test: Test, name: &Name) -> bool {
        match (attribute, test) {
            (_, Test::ServiceAccount(key)) => name.account_key() == Some(self.texts.bytes(key)),
            (Attribute::MeshNamespace, _) => {
                let namespace = name.namespace().unwrap_or_default();
                self.text_passes(test, namespace, !namespace.is_empty())
            }
            _ => self.text_passes(test, name.principal().unwrap_or_default(), true),
        }
    }

    fn name_passes(&self, test: Test, name: &Name) -> bool {
        match test {
            Test::String(pattern) => self.principal_passes(pattern, name),
            Test::Namespace(needle) => namespace_passes(self.texts.bytes(needle), name),
            Test::StrictNamespace(needle) => {
                let glob = glob_of(self.texts.bytes(needle));
                name.namespace().is_some_and(|namespace| glob_matches(glob, namespace))
            }
            Test::ServiceAccount(key) => service_account_passes(self.texts.bytes(key), name),
            Test::TrustDomain(pattern) => trust_domain_passes(self.texts.bytes(pattern), name),
            _ => false,
        }
    }
}

/// Calls `test` with the values of all lines, joined with commas; not at all if there is no line.
fn joined_header(name: &str, http: &HttpAttributes<'_>, test: &mut dyn FnMut(&[u8]) -> bool) -> bool {
    let mut lines = 0_usize;
    http.headers.any(name, &mut |_| {
        lines += 1;
        lines > 1
    });
    if lines <= 1 {
        return http.headers.any(name, test);
    }
    let mut joined = Vec::new();
    http.headers.any(name, &mut |value| {
        joined.extend_from_slice(value);
        joined.push(b',');
        false
    });
    joined.pop();
    test(&joined)
}

/// AUTHZ-SRC-05: `needle` is `/ns/GLOB/` and may start anywhere.
fn namespace_passes(needle: &[u8], name: &Name) -> bool {
    if let Some(segment) = name.namespace_segment()
        && memchr::memchr(b'*', needle).is_none()
        && memchr::memchr_iter(b'/', needle).count() == 3
    {
        return segment == needle;
    }
    let mut rest = name.text();
    // Unanchored, so that taking the leftmost place of each piece never loses a match.
    for piece in needle.split(|&b| b == b'*') {
        let Some(at) = memchr::memmem::find(rest, piece) else { return false };
        rest = rest.get(at + piece.len()..).unwrap_or_default();
    }
    true
}

/// The glob in `/ns/GLOB/`.
fn glob_of(needle: &[u8]) -> &[u8] {
    needle.get(4..needle.len().saturating_sub(1)).unwrap_or_default()
}

/// `*` in `glob` stands for any run of characters; the whole text must match.
fn glob_matches(glob: &[u8], text: &[u8]) -> bool {
    let mut pieces = glob.split(|&b| b == b'*');
    let Some(mut rest) = text.strip_prefix(pieces.next().unwrap_or_default()) else { return false };
    let Some(last) = pieces.next_back() else { return rest.is_empty() };
    for piece in pieces {
        let Some(at) = memchr::memmem::find(rest, piece) else { return false };
        rest = rest.get(at + piece.len()..).unwrap_or_default();
    }
    rest.ends_with(last)
}

/// AUTHZ-SRC-06, for `key` = `NAMESPACE/sa/ACCOUNT`.
fn service_account_passes(key: &[u8], name: &Name) -> bool {
    if let Some(theirs) = name.account_key() {
        return theirs == key && name.trust_domain().is_some_and(|domain| !domain.is_empty());
    }
    // Not of Istio's form: more segments may stand between the namespace and `sa`, and after the account.
    let slash = memchr::memrchr(b'/', key).unwrap_or_default();
    let (namespace, account) = key.split_at(slash.saturating_sub("/sa".len()));
    let Some(rest) = name.text().strip_prefix(SCHEME.as_bytes()) else { return false };
    let mut tails = places(rest, b"/ns/").filter_map(|at| {
        let after = rest.get(at + 4..)?.strip_prefix(namespace)?;
        // The trust domain in front may not be empty.
        if at > 0 && after.first() == Some(&b'/') { Some(after) } else { None }
    });
    let Some(tail) = tails.next() else { return false };
    // `account` is `/sa/ACCOUNT`, and `tail` starts with a slash as well.
    places(tail, account).any(|at| {
        let after = tail.get(at + account.len()..).unwrap_or_default();
        // An empty segment in front or behind is no segment.
        at != 1 && (after.is_empty() || (after.starts_with(b"/") && after.len() > 1))
    })
}

/// Every place of `needle` in `text`, also where two of them overlap.
fn places<'t>(text: &'t [u8], needle: &'t [u8]) -> impl Iterator<Item = usize> + 't {
    let mut from = 0;
    std::iter::from_fn(move || {
        let at = from + memchr::memmem::find(text.get(from..)?, needle)?;
        from = at + 1;
        Some(at)
    })
}

/// AUTHZ-SRC-07.
fn trust_domain_passes(pattern: &[u8], name: &Name) -> bool {
    if pattern == b"*" {
        return name.principal().is_some();
    }
    let Some(domain) = name.trust_domain() else { return false };
    match memchr::memchr(b'*', pattern) {
        None => domain == pattern,
        Some(star) => {
            let (head, tail) = pattern.split_at(star);
            let tail = tail.get(1..).unwrap_or_default();
            domain.strip_prefix(head).is_some_and(|rest| rest.ends_with(tail))
        }
    }
}
