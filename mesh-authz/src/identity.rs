//! Who the peer has proved to be.

use crate::program::hash;
use crate::spiffe::{SCHEME, SpiffeId};

/// The names in a verified peer certificate, or the one name that a trusted hop has forwarded.
///
/// Made once a connection; every request of the connection borrows it. A connection without TLS, or
/// without a client certificate, has no `PeerIdentity` at all (AUTHZ-SRC-02).
///
/// ```
/// use mesh_authz::PeerIdentity;
///
/// let peer = PeerIdentity::certificate(["spiffe://cluster.local/ns/web/sa/frontend"], [], "");
/// assert_eq!(peer.spiffe_id().map(|id| id.namespace), Some("web"));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PeerIdentity {
    names: Vec<Name>,
}

impl PeerIdentity {
    /// The names of a certificate that the TLS handshake has verified: its URI names, its DNS names and
    /// its subject (RFC 2253 text). Identity fields match if any of them matches (AUTHZ-SRC-01); an empty
    /// subject does not count.
    pub fn certificate<'a>(
        uri_names: impl IntoIterator<Item = &'a str>,
        dns_names: impl IntoIterator<Item = &'a str>,
        subject: &'a str,
    ) -> Self {
        let subject = Some(subject).filter(|s| !s.is_empty());
        Self { names: uri_names.into_iter().chain(dns_names).chain(subject).map(Name::new).collect() }
    }

    /// The one name that a waypoint is told about the original caller (AUTHZ-SRC-03), such as
    /// `spiffe://cluster.local/ns/web/sa/frontend`.
    pub fn forwarded(principal: &str) -> Self {
        Self { names: vec![Name::new(principal)] }
    }

    /// The first name that is a SPIFFE id of Istio's form.
    pub fn spiffe_id(&self) -> Option<SpiffeId<'_>> {
        self.names.iter().find_map(|name| SpiffeId::parse(&name.text).ok())
    }

    /// All names as they were given, in the order URI, DNS, subject.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(|name| &*name.text)
    }

    /// The name of [`spiffe_id`](Self::spiffe_id).
    pub(crate) fn mesh_name(&self) -> Option<&Name> {
        self.names.iter().find(|name| name.namespace.is_some())
    }

    pub(crate) fn parsed_names(&self) -> &[Name] {
        &self.names
    }
}

/// One name with what the matchers want to know about it, found out once a connection rather than once a
/// request (AUTHZ-PERF-16).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name {
    text: Box<str>,
    /// Whether the text starts with `spiffe://`.
    spiffe: bool,
    /// Where the slash behind the trust domain is, if there is one.
    domain_end: Option<u32>,
    /// Where the namespace starts, if the text has the five parts of [`SpiffeId`].
    namespace: Option<u32>,
    /// Length of the namespace.
    namespace_len: u32,
    principal_hash: u64,
    domain_hash: u64,
    account_hash: u64,
    segment_hash: u64,
}

/// A part of a name and its hash.
pub(crate) type Hashed<'n> = (&'n [u8], u64);

impl Name {
    fn new(text: &str) -> Self {
        let id = SpiffeId::parse(text).ok();
        // `spiffe://` TD `/ns/` NAMESPACE
        let start = id.and_then(|id| u32::try_from(SCHEME.len() + id.trust_domain.len() + 4).ok());
        let len = id.and_then(|id| u32::try_from(id.namespace.len()).ok());
        let known = start.zip(len);
        let principal = text.strip_prefix(SCHEME);
        let domain_end = principal.and_then(|rest| u32::try_from(SCHEME.len() + rest.find('/')?).ok());
        let mut name = Self {
            text: text.into(),
            spiffe: principal.is_some(),
            domain_end,
            namespace: known.map(|(start, _)| start),
            namespace_len: known.map_or(0, |(_, len)| len),
            principal_hash: 0,
            domain_hash: 0,
            account_hash: 0,
            segment_hash: 0,
        };
        let of = |part: Option<&[u8]>| part.map_or(0, hash);
        name.principal_hash = of(name.principal());
        name.domain_hash = of(name.trust_domain());
        name.account_hash = of(name.account_key());
        name.segment_hash = of(name.namespace_segment());
        name
    }

    /// The name as it stands in the certificate.
    pub(crate) fn text(&self) -> &[u8] {
        self.text.as_bytes()
    }

    /// What follows `spiffe://`, if that is how the name starts.
    pub(crate) fn principal(&self) -> Option<&[u8]> {
        if self.spiffe { self.text().get(SCHEME.len()..) } else { None }
    }

    /// The trust domain: what stands between `spiffe://` and the next slash, which must exist.
    pub(crate) fn trust_domain(&self) -> Option<&[u8]> {
        self.text().get(SCHEME.len()..self.domain_end? as usize)
    }

    /// The namespace of a name that has the five parts.
    pub(crate) fn namespace(&self) -> Option<&[u8]> {
        let start = self.namespace? as usize;
        self.text().get(start..start + self.namespace_len as usize)
    }

    /// `/ns/NAMESPACE/` of a name that has the five parts and nowhere else a segment `ns` that another
    /// segment follows: the one place where a namespace without `*` and `/` can match (AUTHZ-SRC-05).
    pub(crate) fn namespace_segment(&self) -> Option<&[u8]> {
        let start = self.namespace? as usize;
        let segment = self.text().get(start.checked_sub(4)?..=start + self.namespace_len as usize);
        segment.filter(|_| self.namespace() != Some(b"ns") && self.trust_domain() != Some(b"ns"))
    }

    /// `NAMESPACE/sa/ACCOUNT` of a name that has the five parts.
    pub(crate) fn account_key(&self) -> Option<&[u8]> {
        self.text().get(self.namespace? as usize..)
    }

    /// [`principal`](Self::principal) with its hash.
    pub(crate) fn hashed_principal(&self) -> Option<Hashed<'_>> {
        Some((self.principal()?, self.principal_hash))
    }

    /// [`trust_domain`](Self::trust_domain) with its hash.
    pub(crate) fn hashed_trust_domain(&self) -> Option<Hashed<'_>> {
        Some((self.trust_domain()?, self.domain_hash))
    }

    /// [`account_key`](Self::account_key) with its hash.
    pub(crate) fn hashed_account_key(&self) -> Option<Hashed<'_>> {
        Some((self.account_key()?, self.account_hash))
    }

    /// [`namespace_segment`](Self::namespace_segment) with its hash.
    pub(crate) fn hashed_namespace_segment(&self) -> Option<Hashed<'_>> {
        Some((self.namespace_segment()?, self.segment_hash))
    }
}
