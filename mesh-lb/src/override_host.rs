//! Sending a request to an endpoint that was named beforehand: session persistence and override lists (spec 2.13).

use std::fmt;

use crate::endpoint::{Health, HealthStatus};
use crate::hash::StackText;
use crate::priority::{Picked, PrioritySet};
use crate::set::{EndpointIndex, EndpointSet};

/// What became of a named endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(
    clippy::exhaustive_enums,
    reason = "the three outcomes of LB-AFF-01; a fourth must not compile unnoticed"
)]
pub enum Override {
    /// It is used; the algorithm is not run.
    Use(Picked),
    /// It cannot be used: pick as usual.
    Balance,
    /// It cannot be used, and nothing else may be.
    Fail,
}

/// Which named endpoints are used although the algorithm did not choose them (LB-AFF-01).
///
/// ```
/// use mesh_lb::{Endpoint, EndpointSet, HealthStatus, Override, OverrideHost, PrioritySet, PrioritySetConfig,
///               AllUsable, Weight};
/// let set = EndpointSet::new([
///     Endpoint::new("a:80", Weight::ONE),
///     Endpoint::new("b:80", Weight::ONE).health(HealthStatus::Draining),
/// ])?;
/// let view = PrioritySet::new(&set, &PrioritySetConfig::default(), &AllUsable);
/// let session = OverrideHost::persistent_session(); // goes on until the endpoint is gone
/// assert!(matches!(session.resolve(&view, set.find(&"b:80")), Override::Use(_)));
/// assert_eq!(OverrideHost::new().resolve(&view, set.find(&"b:80")), Override::Balance);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OverrideHost {
    draining: bool,
    unhealthy: bool,
    degraded: bool,
    strict: bool,
}

impl Default for OverrideHost {
    fn default() -> Self {
        Self { draining: false, unhealthy: false, degraded: true, strict: false }
    }
}

impl OverrideHost {
    /// Allows endpoints of unknown health, healthy and degraded ones.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same and draining ones, as Istio's persistent sessions do.
    #[must_use]
    pub fn persistent_session() -> Self {
        Self::new().allow(HealthStatus::Draining)
    }

    /// Allows endpoints with a status. One that is unhealthy or timed out allows ejected endpoints too (LB-AFF-02).
    #[must_use]
    pub fn allow(self, status: HealthStatus) -> Self {
        self.set(status, true)
    }

    /// Forbids endpoints with a status; those that are healthy or of unknown health are always allowed.
    #[must_use]
    pub fn forbid(self, status: HealthStatus) -> Self {
        self.set(status, false)
    }

    fn set(self, status: HealthStatus, allowed: bool) -> Self {
        match status {
            HealthStatus::Unknown | HealthStatus::Healthy => self,
            HealthStatus::Degraded => Self { degraded: allowed, ..self },
            HealthStatus::Unhealthy | HealthStatus::Timeout => Self { unhealthy: allowed, ..self },
            HealthStatus::Draining => Self { draining: allowed, ..self },
        }
    }

    /// Answers "no endpoint" when the named one cannot be used.
    #[must_use]
    pub fn strict(self) -> Self {
        Self { strict: true, ..self }
    }

    /// Whether the named endpoint is used. `named` is where [`EndpointSet::find`] found it, whatever its priority.
    #[must_use]
    pub fn resolve(&self, view: &PrioritySet, named: Option<EndpointIndex>) -> Override {
        match self.explain(view, named) {
            Ok(picked) => Override::Use(picked),
            Err(_) if self.strict => Override::Fail,
            Err(_) => Override::Balance,
        }
    }

    /// The named endpoint, or why it is not used.
    ///
    /// # Errors
    /// The reason.
    pub fn explain(
        &self,
        view: &PrioritySet,
        named: Option<EndpointIndex>,
    ) -> Result<Picked, OverrideRefusal> {
        let endpoint = named.ok_or(OverrideRefusal::Unknown)?;
        let standing = view.explain(endpoint).ok_or(OverrideRefusal::Unknown)?;
        if !standing.usable && !self.unhealthy {
            return Err(OverrideRefusal::Ejected); // LB-AFF-02: whatever discovery says
        }
        let is_allowed = match (standing.status, standing.health) {
            (HealthStatus::Draining, _) => self.draining,
            (_, Health::Unhealthy) => self.unhealthy,
            (_, Health::Degraded) => self.degraded,
            (_, Health::Healthy) => true,
        };
        if !is_allowed {
            return Err(OverrideRefusal::Status(standing.status));
        }
        Ok(Picked { endpoint, priority: standing.priority, panic: false })
    }
}

/// Why a named endpoint is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OverrideRefusal {
    /// There is no such endpoint.
    Unknown,
    /// It is ejected.
    Ejected,
    /// Its status is not among those allowed.
    Status(HealthStatus),
}

impl fmt::Display for OverrideRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("the cluster has no such endpoint"),
            Self::Ejected => f.write_str("the endpoint is ejected"),
            Self::Status(status) => {
                let status = match status {
                    HealthStatus::Unknown => "unknown",
                    HealthStatus::Healthy => "healthy",
                    HealthStatus::Degraded => "degraded",
                    HealthStatus::Unhealthy => "unhealthy",
                    HealthStatus::Timeout => "timed out",
                    HealthStatus::Draining => "draining",
                };
                write!(f, "the endpoint is {status}, which is not among the allowed states")
            }
        }
    }
}

/// Where a persistent session keeps its endpoint, from the labels of a service (LB-AFF-03).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionCarrier {
    /// A session cookie.
    Cookie {
        /// The name of the cookie.
        name: Box<str>,
        /// The path of the cookie.
        path: Box<str>,
    },
    /// A request and response header.
    Header(Box<str>),
}

impl SessionCarrier {
    /// The carrier that a service asks for with the label for cookies, `name:path` or `name`, or the one for headers.
    /// The cookie wins; an empty name is none.
    #[must_use]
    pub fn from_labels(cookie: Option<&str>, header: Option<&str>) -> Option<Self> {
        if let Some(label) = cookie.filter(|label| !label.is_empty() && !label.starts_with(':')) {
            let (name, path) = label.split_once(':').unwrap_or((label, ""));
            let path = if path.is_empty() { "/" } else { path };
            return Some(Self::Cookie { name: name.into(), path: path.into() });
        }
        header.filter(|name| !name.is_empty()).map(|name| Self::Header(name.into()))
    }

    /// The value that a response carries for the address of the endpoint that answered. Allocates.
    #[must_use]
    pub fn encode(address: &str) -> String {
        let mut value = String::with_capacity(address.len().div_ceil(3) * 4);
        for chunk in address.as_bytes().chunks(3) {
            let byte = |at: usize| chunk.get(at).copied().map_or(0, u32::from);
            let bits = (byte(0) << 16) | (byte(1) << 8) | byte(2);
            for at in 0..4_u32 {
                let digit = usize::try_from((bits >> (18 - 6 * at)) & 63).unwrap_or(0);
                let is_padding = usize::try_from(at).is_ok_and(|at| at > chunk.len());
                value.push(if is_padding {
                    '='
                } else {
                    ALPHABET.get(digit).copied().map_or('=', char::from)
                });
            }
        }
        value
    }

    /// The address that a request carries; `None` if the value is not the base64 of a short text.
    #[must_use]
    pub fn decode(value: &[u8]) -> Option<SessionAddress> {
        let mut text = StackText::default();
        let (mut bits, mut have) = (0_u32, 0);
        if !value.len().is_multiple_of(4) {
            return None;
        }
        let digits = value.strip_suffix(b"==").or_else(|| value.strip_suffix(b"=")).unwrap_or(value);
        for digit in digits {
            let digit = ALPHABET.iter().position(|known| known == digit)?;
            bits = (bits << 6) | u32::try_from(digit).ok()?;
            have += 6;
            if have >= 8 {
                have -= 8;
                text.push_byte(u8::try_from((bits >> have) & 0xff).ok()?)?;
            }
        }
        std::str::from_utf8(text.as_bytes()).ok()?;
        (bits & ((1 << have) - 1) == 0).then_some(SessionAddress(text))
    }
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// An address that a request carried, kept without an allocation.
#[derive(Clone, Debug)]
pub struct SessionAddress(StackText);

impl SessionAddress {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.0.as_bytes()).unwrap_or_default()
    }
}

/// The endpoints that a request names in a header or in metadata, in order of preference and separated by commas, as
/// inference gateways do (LB-AFF-04).
///
/// Each attempt takes the next one. Their health is not looked at.
#[derive(Clone, Copy, Debug)]
pub struct OverrideList<'t> {
    rest: Option<&'t str>,
}

impl<'t> OverrideList<'t> {
    /// The list in a text.
    #[must_use]
    pub fn new(text: &'t str) -> Self {
        Self { rest: Some(text) }
    }

    /// The endpoint for the next attempt. [`Override::Balance`] when the list is at its end or names an endpoint
    /// that does not exist; Istio's fallback is ROUND_ROBIN. `find` looks an address up.
    pub fn next_host<K>(
        &mut self,
        set: &EndpointSet<K>,
        find: impl FnOnce(&str) -> Option<EndpointIndex>,
    ) -> Override {
        let Some(text) = self.rest else { return Override::Balance };
        let (first, rest) = text.split_once(',').map_or((text, None), |(first, rest)| (first, Some(rest)));
        self.rest = rest;
        let found = find(first.trim()).and_then(|index| Some((index, set.get(index)?)));
        found.map_or(Override::Balance, |(endpoint, known)| {
            Override::Use(Picked { endpoint, priority: known.level(), panic: false })
        })
    }
}

#[cfg(test)]
#[path = "tests/override_host.rs"]
mod tests;
