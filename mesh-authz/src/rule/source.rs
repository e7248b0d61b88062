//! Who calls.

use super::{Values, field};

/// One entry of a rule's `from`: all of its fields must hold (AUTHZ-RULE-02).
///
/// A field that is given no value, or an empty list, constrains nothing. Every setter adds to what is
/// there already. A negated field is true for a caller who lacks the attribute: a source with nothing
/// but `not_principals` admits callers without any identity (AUTHZ-RULE-05, AUTHZ-SRC-10).
///
/// ```
/// use mesh_authz::Source;
///
/// let source = Source::new().namespaces(["prod"]).not_ip_blocks(["10.9.0.0/16"]);
/// # let _ = source;
/// ```
#[derive(Debug, Clone, Default)]
pub struct Source {
    pub(crate) principals: Values,
    pub(crate) request_principals: Values,
    pub(crate) namespaces: Values,
    pub(crate) service_accounts: Values,
    pub(crate) trust_domains: Values,
    pub(crate) ip_blocks: Values,
    pub(crate) remote_ip_blocks: Values,
}

impl Source {
    /// A source that takes every caller.
    pub fn new() -> Self {
        Self::default()
    }

    field! {
        /// Peer identities, `TRUST-DOMAIN/ns/NAMESPACE/sa/ACCOUNT` without `spiffe://`: exact, `p*`, `*s`
        /// or `*` (AUTHZ-SRC-01, AUTHZ-SRC-04). Rewritten for trust-domain aliases (AUTHZ-SRC-11).
        principals,
        /// Negation of [`principals`](Self::principals).
        not_principals
    }
    field! {
        /// Issuer and subject of the verified token, `ISSUER/SUBJECT` (AUTHZ-SRC-08). HTTP only.
        request_principals,
        /// Negation of [`request_principals`](Self::request_principals).
        not_request_principals
    }
    field! {
        /// Namespaces of the peer; `*` stands for any run of characters (AUTHZ-SRC-05).
        namespaces,
        /// Negation of [`namespaces`](Self::namespaces).
        not_namespaces
    }
    field! {
        /// Service accounts, `ACCOUNT` in the policy's own namespace or `NAMESPACE/ACCOUNT`, in any
        /// trust domain (AUTHZ-SRC-06).
        service_accounts,
        /// Negation of [`service_accounts`](Self::service_accounts).
        not_service_accounts
    }
    field! {
        /// Trust domains of the peer, with at most one `*`, first or last (AUTHZ-SRC-07).
        trust_domains,
        /// Negation of [`trust_domains`](Self::trust_domains).
        not_trust_domains
    }
    field! {
        /// Addresses or CIDR blocks of the directly connected peer (AUTHZ-SRC-09).
        ip_blocks,
        /// Negation of [`ip_blocks`](Self::ip_blocks).
        not_ip_blocks
    }
    field! {
        /// Addresses or CIDR blocks of the client as X-Forwarded-For or the PROXY protocol names it
        /// (AUTHZ-SRC-09).
        remote_ip_blocks,
        /// Negation of [`remote_ip_blocks`](Self::remote_ip_blocks).
        not_remote_ip_blocks
    }
}
