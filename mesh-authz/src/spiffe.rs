//! SPIFFE ids as Istio writes them.

use std::error::Error;
use std::fmt;

/// The scheme in front of every SPIFFE id.
pub(crate) const SCHEME: &str = "spiffe://";

/// The id `spiffe://TRUST-DOMAIN/ns/NAMESPACE/sa/SERVICE-ACCOUNT`, borrowed from its text.
///
/// Parsing is strict about the shape and nothing else: five parts between slashes, of which the second
/// is `ns` and the fourth `sa`. Parts may be empty, letters keep their case, nothing is decoded
/// (AUTHZ-ID-01). Policies are matched against the text of a certificate's name, not against this type,
/// so names of another shape can still be named by a policy.
///
/// ```
/// use mesh_authz::SpiffeId;
///
/// let id = SpiffeId::parse("spiffe://cluster.local/ns/shop/sa/cart")?;
/// assert_eq!((id.trust_domain, id.namespace, id.service_account), ("cluster.local", "shop", "cart"));
/// assert_eq!(id.principal().to_string(), "cluster.local/ns/shop/sa/cart");
/// # Ok::<(), mesh_authz::SpiffeIdError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(clippy::exhaustive_structs, reason = "the format has these three parts and no others")]
pub struct SpiffeId<'a> {
    /// The trust domain, such as `cluster.local`.
    pub trust_domain: &'a str,
    /// The Kubernetes namespace.
    pub namespace: &'a str,
    /// The Kubernetes service account.
    pub service_account: &'a str,
}

impl<'a> SpiffeId<'a> {
    /// Reads `text`.
    ///
    /// # Errors
    ///
    /// The text does not start with `spiffe://`, or does not have the five parts described above.
    pub fn parse(text: &'a str) -> Result<Self, SpiffeIdError> {
        let Some(rest) = text.strip_prefix(SCHEME) else {
            return Err(SpiffeIdError { text: text.into(), scheme: true });
        };
        let mut parts = rest.split('/');
        let found = (parts.next(), parts.next(), parts.next(), parts.next(), parts.next(), parts.next());
        match found {
            (Some(trust_domain), Some("ns"), Some(namespace), Some("sa"), Some(service_account), None) => {
                Ok(Self { trust_domain, namespace, service_account })
            }
            _ => Err(SpiffeIdError { text: text.into(), scheme: false }),
        }
    }

    /// The id as a policy names it: without `spiffe://` (AUTHZ-ID-03).
    pub fn principal(&self) -> impl fmt::Display + 'a {
        Principal(*self)
    }
}

/// Writes the id. An `@` in the trust domain becomes `.`, as when Istio issues an identity (AUTHZ-ID-01).
impl fmt::Display for SpiffeId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}", Principal(*self))
    }
}

struct Principal<'a>(SpiffeId<'a>);

impl fmt::Display for Principal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, piece) in self.0.trust_domain.split('@').enumerate() {
            f.write_str(if i == 0 { "" } else { "." })?;
            f.write_str(piece)?;
        }
        write!(f, "/ns/{}/sa/{}", self.0.namespace, self.0.service_account)
    }
}

/// A text that is no SPIFFE id of the form Istio uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpiffeIdError {
    text: Box<str>,
    scheme: bool,
}

impl fmt::Display for SpiffeIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.scheme {
            write!(f, "`{}` is not a SPIFFE id: it must start with `spiffe://`", self.text)
        } else {
            write!(
                f,
                "`{}` is not a SPIFFE id of the form `spiffe://TRUST-DOMAIN/ns/NAMESPACE/sa/ACCOUNT`",
                self.text
            )
        }
    }
}

impl Error for SpiffeIdError {}
