//! The hash of a request (spec 2.12).

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use smallvec::SmallVec;

use crate::error::{BuildError, BuildErrorKind};
use crate::hash::cookie::{CookiePolicy, GeneratedCookie, cookie_value};
use crate::hash::function::{hash_bytes, xxh64};
use crate::hash::query::query_parameter;
use crate::hash::text::StackText;

/// What a request is hashed by. Every method but the first may answer "none", and then that source gives no hash.
pub trait HashInput {
    /// The values of all header lines with this name, given in lower case, in the order received.
    fn header_values<'i>(&'i self, name: &'i str) -> impl Iterator<Item = &'i [u8]>;

    /// The authority of the request: the `host` header or the `:authority` pseudo-header (LB-HASH-02).
    fn authority(&self) -> Option<&[u8]> {
        None
    }

    /// What follows the `?` of the request target, as it was received.
    fn query(&self) -> Option<&[u8]> {
        None
    }

    /// The address of the client, after `x-forwarded-for` where the listener trusts it (LB-HASH-06).
    fn source_ip(&self) -> Option<IpAddr> {
        None
    }

    /// The hash that an object of the request's filter state gives for itself (LB-HASH-08).
    fn object_hash(&self, key: &str) -> Option<u64> {
        let _ = key;
        None
    }

    /// Both ends of the downstream connection, remote and local, for the value of a cookie that is made.
    fn connection(&self) -> Option<(SocketAddr, SocketAddr)> {
        None
    }
}

/// One source of the request hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HashPolicy {
    source: Source,
    terminal: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Source {
    Header(Box<str>),
    Authority,
    Cookie(CookiePolicy),
    Client,
    QueryParameter(Box<str>),
    Object(Box<str>),
}

impl HashPolicy {
    /// Hashes all values of a header, in sorted order (LB-HASH-01). The name `host` means the authority
    /// (LB-HASH-02).
    ///
    /// # Errors
    /// [`EmptyName`](BuildErrorKind::EmptyName).
    pub fn header(name: &str) -> Result<Self, BuildError> {
        let name = non_empty(name, "httpHeaderName")?.to_ascii_lowercase();
        Ok(Self::from_source(if name == "host" { Source::Authority } else { Source::Header(name.into()) }))
    }

    /// Hashes a cookie, or the one that is made in its place (LB-HASH-03, LB-HASH-04).
    #[must_use]
    pub fn cookie(policy: CookiePolicy) -> Self {
        Self::from_source(Source::Cookie(policy))
    }

    /// Hashes the address of the client, without the port (LB-HASH-06).
    #[must_use]
    pub fn source_ip() -> Self {
        Self::from_source(Source::Client)
    }

    /// Hashes the first query parameter with this name (LB-HASH-07).
    ///
    /// # Errors
    /// [`EmptyName`](BuildErrorKind::EmptyName).
    pub fn query_parameter(name: &str) -> Result<Self, BuildError> {
        Ok(Self::from_source(Source::QueryParameter(non_empty(name, "httpQueryParameterName")?.into())))
    }

    /// Takes the hash of an object in the request's filter state (LB-HASH-08). Istio never sets this.
    ///
    /// # Errors
    /// [`EmptyName`](BuildErrorKind::EmptyName).
    pub fn filter_state(key: &str) -> Result<Self, BuildError> {
        Ok(Self::from_source(Source::Object(non_empty(key, "filterState.key")?.into())))
    }

    /// Ends the list here for requests that have a hash by now (LB-HASH-09). Istio never sets this.
    #[must_use]
    pub fn terminal(self) -> Self {
        Self { terminal: true, ..self }
    }

    fn from_source(source: Source) -> Self {
        Self { source, terminal: false }
    }
}

fn non_empty<'n>(name: &'n str, field: &'static str) -> Result<&'n str, BuildError> {
    if name.is_empty() { Err(BuildErrorKind::EmptyName { field }.into()) } else { Ok(name) }
}

/// The ordered hash policies of a route. A weighted route has one for each destination that hashes (LB-MAP-10).
///
/// Cost: one pass over the values of each source. Allocates only if a header has more than four lines.
///
/// ```
/// use mesh_lb::{HashInput, HashPolicies, HashPolicy, hash_bytes};
/// struct Request;
/// impl HashInput for Request {
///     fn header_values<'i>(&'i self, name: &'i str) -> impl Iterator<Item = &'i [u8]> {
///         (name == "x-user").then_some(b"user-0".as_slice()).into_iter()
///     }
/// }
/// let policies = HashPolicies::new([HashPolicy::header("X-User")?]);
/// assert_eq!(policies.compute(&Request).hash, Some(hash_bytes(b"user-0")));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HashPolicies {
    policies: Box<[HashPolicy]>,
}

/// The hash of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HashOutcome<'p> {
    /// The hash, the same for all retries (LB-HASH-10); with `None` a random value takes its place (LB-HASH-11).
    pub hash: Option<u64>,
    /// The cookies the response must set.
    cookies: SmallVec<[GeneratedCookie<'p>; 1]>,
}

impl<'p> HashOutcome<'p> {
    /// The cookies that were made, which the response must set (LB-HASH-05). Usually none.
    #[must_use]
    pub fn set_cookies(&self) -> &[GeneratedCookie<'p>] {
        &self.cookies
    }
}

impl HashPolicies {
    /// The policies in order.
    #[must_use]
    pub fn new(policies: impl IntoIterator<Item = HashPolicy>) -> Self {
        Self { policies: policies.into_iter().collect() }
    }

    /// Whether there is nothing to hash by.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.policies.is_empty()
    }

    /// The policies to hash a request with: those of the cluster if it has any, else those of the route (LB-HASH-10).
    #[must_use]
    pub fn or_of_route<'p>(&'p self, route: &'p Self) -> &'p Self {
        if self.is_empty() { route } else { self }
    }

    /// The hash of a request (LB-HASH-09).
    pub fn compute<'p>(&'p self, input: &impl HashInput) -> HashOutcome<'p> {
        let mut outcome = HashOutcome { hash: None, cookies: SmallVec::new() };
        for policy in &self.policies {
            if let Some(hash) = policy.hash(input, &mut outcome.cookies) {
                outcome.hash = Some(outcome.hash.map_or(hash, |before| before.rotate_left(1) ^ hash));
            }
            if policy.terminal && outcome.hash.is_some() {
                break;
            }
        }
        outcome
    }
}

impl HashPolicy {
    fn hash<'p>(
        &'p self,
        input: &impl HashInput,
        cookies: &mut SmallVec<[GeneratedCookie<'p>; 1]>,
    ) -> Option<u64> {
        match &self.source {
            Source::Header(name) => hash_header(input.header_values(name)),
            Source::Authority => input.authority().map(hash_bytes),
            Source::Object(key) => input.object_hash(key),
            Source::Client => input.source_ip().map(hash_ip),
            Source::QueryParameter(name) => query_parameter(input.query()?, name.as_bytes()).map(hash_bytes),
            Source::Cookie(policy) => {
                let name = policy.name().as_bytes();
                let value = input.header_values("cookie").find_map(|header| cookie_value(header, name));
                if let Some(value) = value.filter(|value| !value.is_empty()) {
                    return Some(hash_bytes(value));
                }
                let (remote, local) = input.connection()?;
                let made = policy.generate(remote, local)?;
                cookies.push(made);
                Some(made.hash())
            }
        }
    }
}

/// LB-HASH-01: the order of the lines does not matter, so they are sorted first.
fn hash_header<'i>(values: impl Iterator<Item = &'i [u8]>) -> Option<u64> {
    let mut values: SmallVec<[&[u8]; 4]> = values.collect();
    values.sort_unstable();
    let (first, rest) = values.split_first()?;
    Some(rest.iter().fold(hash_bytes(first), |hash, value| xxh64(value, hash)))
}

/// The canonical text of the address, without an allocation.
fn hash_ip(ip: IpAddr) -> u64 {
    let mut text = StackText::default();
    let _ = write!(text, "{ip}");
    hash_bytes(text.as_bytes())
}

#[cfg(test)]
#[path = "../tests/policy.rs"]
mod tests;
