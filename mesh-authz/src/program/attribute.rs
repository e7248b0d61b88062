//! The attributes that clauses look at, and the keys of conditions.

use crate::error::BuildErrorKind;

/// An attribute. The number is an index into a table of the [`Program`](super::Program).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Attribute {
    Principal,
    Namespace,
    ServiceAccount,
    TrustDomain,
    SourceIp,
    RemoteIp,
    DestinationIp,
    DestinationPort,
    Sni,
    Metadata(u32),
    /// The SPIFFE id of the peer as ztunnel compares it, and parts of it (AUTHZ-ZT-07, AUTHZ-ZT-08).
    MeshPrincipal,
    MeshNamespace,
    MeshAccount,
    // From here on: known on HTTP only.
    Host,
    Method,
    Path,
    Header(u32),
    RequestPrincipal,
    Claim(u32),
}

impl Attribute {
    /// Whether the attribute exists on HTTP only (AUTHZ-TCP-01).
    pub(crate) fn is_http(self) -> bool {
        matches!(
            self,
            Self::Host
                | Self::Method
                | Self::Path
                | Self::Header(_)
                | Self::RequestPrincipal
                | Self::Claim(_)
        )
    }

    /// Whether the attribute says who the peer is or what its token says, which a `Custom` policy may not
    /// ask (AUTHZ-VAL-09).
    pub(crate) fn is_identity(self) -> bool {
        matches!(
            self,
            Self::Principal
                | Self::Namespace
                | Self::ServiceAccount
                | Self::TrustDomain
                | Self::MeshPrincipal
                | Self::MeshNamespace
                | Self::MeshAccount
                | Self::RequestPrincipal
                | Self::Claim(_)
        )
    }

    /// What it costs to look, in no particular unit: clauses of a rule are tried in this order
    /// (AUTHZ-PERF-19).
    pub(crate) fn cost(self) -> u32 {
        match self {
            Self::DestinationPort => 0,
            Self::Method => 1,
            Self::SourceIp | Self::RemoteIp | Self::DestinationIp => 2,
            Self::Principal | Self::ServiceAccount | Self::TrustDomain | Self::Sni => 3,
            Self::MeshPrincipal | Self::MeshNamespace | Self::MeshAccount => 3,
            Self::Path => 4,
            Self::Host => 5,
            Self::Namespace => 6,
            Self::Header(_) | Self::Metadata(_) => 7,
            Self::RequestPrincipal | Self::Claim(_) => 8,
        }
    }
}

/// A header that a condition names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HeaderName {
    /// `:authority`, and its alias `host` (AUTHZ-HDR-01).
    Authority,
    Method,
    /// `:path` with its query.
    Path,
    Scheme,
    /// Any other, in lower case.
    Named(Box<str>),
}

impl HeaderName {
    fn new(name: &str) -> Self {
        let name = name.to_ascii_lowercase();
        match &*name {
            ":authority" | "host" => Self::Authority,
            ":method" => Self::Method,
            ":path" => Self::Path,
            ":scheme" => Self::Scheme,
            _ => Self::Named(name.into()),
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Authority => ":authority",
            Self::Method => ":method",
            Self::Path => ":path",
            Self::Scheme => ":scheme",
            Self::Named(name) => name,
        }
    }
}

/// Namespace and entry of filter metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MetadataKey {
    pub(crate) namespace: Box<str>,
    pub(crate) entry: Box<str>,
}

/// The key of a condition (AUTHZ-COND-01).
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Key {
    /// One of the fixed attributes.
    Fixed(Attribute),
    Header(HeaderName),
    Claim(Vec<Box<str>>),
    Metadata(MetadataKey),
}

impl Key {
    pub(crate) fn parse(key: &str) -> Result<Self, BuildErrorKind> {
        let fixed = match key {
            "source.ip" => Attribute::SourceIp,
            "remote.ip" => Attribute::RemoteIp,
            "source.namespace" => Attribute::Namespace,
            "source.serviceAccount" => Attribute::ServiceAccount,
            "source.trustDomain" => Attribute::TrustDomain,
            "source.principal" => Attribute::Principal,
            "request.auth.principal" => Attribute::RequestPrincipal,
            "destination.ip" => Attribute::DestinationIp,
            "destination.port" => Attribute::DestinationPort,
            "connection.sni" => Attribute::Sni,
            // `aud` and `azp` under names of their own.
            "request.auth.audiences" => return Ok(Self::Claim(vec!["aud".into()])),
            "request.auth.presenter" => return Ok(Self::Claim(vec!["azp".into()])),
            _ => return Self::parse_bracketed(key),
        };
        Ok(Self::Fixed(fixed))
    }

    fn parse_bracketed(key: &str) -> Result<Self, BuildErrorKind> {
        let bad = BuildErrorKind::InvalidConditionKey;
        if let Some(rest) = key.strip_prefix("request.headers") {
            Ok(Self::Header(HeaderName::new(in_brackets(rest).ok_or(bad)?)))
        } else if let Some(rest) = key.strip_prefix("request.auth.claims") {
            Ok(Self::Claim(claim_path(rest).ok_or(bad)?))
        } else if let Some(rest) = key.strip_prefix("experimental.")
            && rest.starts_with("envoy.filters.")
        {
            let at = rest.find('[').ok_or(bad)?;
            let (namespace, entry) = rest.split_at(at);
            let entry = in_brackets(entry).ok_or(bad)?;
            Ok(Self::Metadata(MetadataKey { namespace: namespace.into(), entry: entry.into() }))
        } else {
            // COND-02 lets an unknown key take the whole rule away, which opens a door if it is a `Deny`.
            // DIFFERENCE AUTHZ-COND-02: it is an error, or on request a policy that denies.
            Err(BuildErrorKind::UnknownConditionKey)
        }
    }
}

/// What stands between the first and the last bracket; they must be there, and something between them.
fn in_brackets(text: &str) -> Option<&str> {
    text.strip_prefix('[')?.strip_suffix(']').filter(|inner| !inner.is_empty())
}

/// The names of nested claims (AUTHZ-COND-04): a clean sequence of bracket groups, or else one name in
/// the outermost brackets.
fn claim_path(text: &str) -> Option<Vec<Box<str>>> {
    let whole = in_brackets(text)?;
    let mut names = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let group = rest.strip_prefix('[').and_then(|r| {
            let end = r.find(['[', ']']).filter(|&i| r.as_bytes().get(i) == Some(&b']'))?;
            Some((r.get(..end)?, r.get(end + 1..)?))
        });
        let Some((name, after)) = group else { return Some(vec![whole.into()]) };
        names.push(name.into());
        rest = after;
    }
    Some(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(key: &str) -> Vec<String> {
        match Key::parse(key).unwrap() {
            Key::Claim(names) => names.iter().map(ToString::to_string).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn claims_split_at_brackets_only() {
        // AUTHZ-COND-04
        assert_eq!(claim("request.auth.claims[a]"), ["a"]);
        assert_eq!(claim("request.auth.claims[a][b][c]"), ["a", "b", "c"]);
        assert_eq!(claim("request.auth.claims[o.k]"), ["o.k"]);
        assert_eq!(claim("request.auth.claims[https://x/roles]"), ["https://x/roles"]);
        assert_eq!(claim("request.auth.claims[key[1]]"), ["key[1]"]);
        assert_eq!(claim("request.auth.claims[a]x[b]"), ["a]x[b"]);
        assert_eq!(claim("request.auth.audiences"), ["aud"]);
        assert_eq!(claim("request.auth.presenter"), ["azp"]);
    }

    #[test]
    fn keys_that_are_refused() {
        // AUTHZ-COND-02, AUTHZ-COND-03, AUTHZ-VAL-08
        for (key, kind) in [
            ("source.foo", BuildErrorKind::UnknownConditionKey),
            ("Source.ip", BuildErrorKind::UnknownConditionKey),
            ("", BuildErrorKind::UnknownConditionKey),
            ("destination.namespace", BuildErrorKind::UnknownConditionKey),
            ("destination.labels[a]", BuildErrorKind::UnknownConditionKey),
            ("destination.user", BuildErrorKind::UnknownConditionKey),
            ("destination.name", BuildErrorKind::UnknownConditionKey),
            ("experimental.other[a]", BuildErrorKind::UnknownConditionKey),
            ("request.headers", BuildErrorKind::InvalidConditionKey),
            ("request.headers[]", BuildErrorKind::InvalidConditionKey),
            ("request.headers[a", BuildErrorKind::InvalidConditionKey),
            ("request.headers.a", BuildErrorKind::InvalidConditionKey),
            ("request.auth.claims", BuildErrorKind::InvalidConditionKey),
            ("request.auth.claims[]", BuildErrorKind::InvalidConditionKey),
            ("experimental.envoy.filters.a.b", BuildErrorKind::InvalidConditionKey),
            ("experimental.envoy.filters.a.b[]", BuildErrorKind::InvalidConditionKey),
        ] {
            assert_eq!(Key::parse(key), Err(kind), "{key}");
        }
    }

    #[test]
    fn headers_and_metadata() {
        // AUTHZ-HDR-01, AUTHZ-COND-09
        let header = |name: &str| Key::parse(&format!("request.headers[{name}]")).unwrap();
        assert_eq!(header("X-A"), Key::Header(HeaderName::Named("x-a".into())));
        assert_eq!(header("Host"), header(":authority"));
        assert_eq!(header(":path"), Key::Header(HeaderName::Path));
        assert_eq!(
            Key::parse("experimental.envoy.filters.a.b[c]"),
            Ok(Key::Metadata(MetadataKey { namespace: "envoy.filters.a.b".into(), entry: "c".into() })),
        );
    }
}
