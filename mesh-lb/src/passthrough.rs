//! PASSTHROUGH: to the address the client asked for (spec 2.7).

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};

use crate::error::{BuildError, BuildErrorKind};
use crate::sync::{AtomicBool, Ordering};

/// How the destination of a request is found (LB-ODST-01).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OriginalDestination {
    header: Option<Box<str>>,
    port: Option<u16>,
}

/// Where a request may say that it wants to go.
#[derive(Clone, Copy, Debug, Default)]
#[allow(
    clippy::exhaustive_structs,
    reason = "the sources of LB-ODST-01, given by the caller as plain values"
)]
pub struct DestinationInput<'r> {
    /// An address that a filter has put on the request.
    pub request_override: Option<SocketAddr>,
    /// An address in the request's metadata.
    pub metadata: Option<SocketAddr>,
    /// The value of the header that [`OriginalDestination::header_name`] names.
    pub header: Option<&'r [u8]>,
    /// The destination of the connection, only if it was redirected here and restored.
    pub connection: Option<SocketAddr>,
}

/// The answer of [`OriginalDestination::find`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Destination {
    /// Where to connect; `None` means that there is no endpoint (LB-ODST-03).
    pub address: Option<SocketAddr>,
    /// Whether the header was there and no address. Envoy counts this as `original_dst_host_invalid`.
    pub invalid_header: bool,
}

impl OriginalDestination {
    /// The header that Envoy reads when a header is enabled without a name.
    pub const DEFAULT_HEADER: &'static str = "x-envoy-original-dst-host";

    /// No header is read, the port is kept.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads a header, [`DEFAULT_HEADER`](Self::DEFAULT_HEADER) for an empty name. Any client that can send it can
    /// then reach any address.
    #[must_use]
    pub fn header(self, name: &str) -> Self {
        let name = if name.is_empty() { Self::DEFAULT_HEADER } else { name };
        Self { header: Some(name.to_ascii_lowercase().into()), ..self }
    }

    /// Replaces the port of every destination.
    ///
    /// # Errors
    /// [`OutOfRange`](BuildErrorKind::OutOfRange) for 0.
    pub fn port(self, port: u16) -> Result<Self, BuildError> {
        if port == 0 {
            let (field, max) = ("upstreamPortOverride", u64::from(u16::MAX));
            return Err(BuildErrorKind::OutOfRange { field, min: 1, max, found: 0 }.into());
        }
        Ok(Self { port: Some(port), ..self })
    }

    /// The name of the header to read, in lower case, if one is enabled.
    #[must_use]
    pub fn header_name(&self) -> Option<&str> {
        self.header.as_deref()
    }

    /// The destination: the first of override, metadata, header and connection. A header that is no `ip:port` is
    /// passed over.
    #[must_use]
    pub fn find(&self, input: &DestinationInput<'_>) -> Destination {
        let mut invalid_header = false;
        let from_header = || {
            let value = input.header.filter(|_| self.header.is_some())?;
            let address = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
            invalid_header = address.is_none();
            address
        };
        let found = input.request_override.or(input.metadata).or_else(from_header).or(input.connection);
        let with_port = |mut address: SocketAddr| {
            address.set_port(self.port.unwrap_or(address.port()));
            address
        };
        Destination { address: found.map(with_port), invalid_header }
    }
}

/// The endpoints of an original-destination cluster: made on first use, dropped when nobody uses them (LB-ODST-02).
///
/// Shared by all workers. Each has weight 1; circuit breakers apply to the cluster, outlier detection and localities
/// do not (LB-ODST-04). A worker keeps the `Arc` of an endpoint for as long as it has connections to it.
///
/// Cost: a read lock and a look-up for a known address; a write lock and allocations for a new one.
///
/// ```
/// use std::net::SocketAddr;
/// use mesh_lb::OriginalHosts;
/// let hosts = OriginalHosts::new(|_: &SocketAddr| "a connection pool");
/// let address = SocketAddr::from(([10, 0, 0, 1], 80));
/// assert_eq!(*hosts.get(address).value(), "a connection pool");
/// assert_eq!(hosts.sweep(), 0); // used since the last sweep
/// assert_eq!(hosts.sweep(), 1); // not used for a whole period, and nobody holds it
/// ```
pub struct OriginalHosts<A, T, F> {
    hosts: RwLock<BTreeMap<A, Arc<OriginalHost<T>>>>,
    make: F,
}

/// One endpoint, with what the caller keeps for it.
#[derive(Debug)]
pub struct OriginalHost<T> {
    used: AtomicBool,
    value: T,
}

impl<T> OriginalHost<T> {
    /// What was made for the address.
    pub fn value(&self) -> &T {
        &self.value
    }
}

impl<A, T, F> std::fmt::Debug for OriginalHosts<A, T, F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OriginalHosts").field("len", &self.len()).finish_non_exhaustive()
    }
}

impl<A, T, F> OriginalHosts<A, T, F> {
    /// The number of endpoints there are now.
    pub fn len(&self) -> usize {
        self.hosts.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<A: Ord, T, F: Fn(&A) -> T> OriginalHosts<A, T, F> {
    /// No endpoints yet; `make` makes what is kept for each.
    pub fn new(make: F) -> Self {
        Self { hosts: RwLock::new(BTreeMap::new()), make }
    }

    /// The endpoint with this address, made if there is none.
    pub fn get(&self, address: A) -> Arc<OriginalHost<T>> {
        // A panic of `make` leaves the map as it was, so a poisoned lock is as good.
        if let Some(host) = self.hosts.read().unwrap_or_else(PoisonError::into_inner).get(&address) {
            // Written only when it changes: all workers read this line.
            if !host.used.load(Ordering::Relaxed) {
                host.used.store(true, Ordering::Relaxed);
            }
            return Arc::clone(host);
        }
        let mut hosts = self.hosts.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(host) = hosts.get(&address) {
            return Arc::clone(host);
        }
        let host = Arc::new(OriginalHost { used: AtomicBool::new(true), value: (self.make)(&address) });
        hosts.insert(address, Arc::clone(&host));
        host
    }

    /// Drops the endpoints that were not used since the last sweep and that nobody holds; gives their number.
    /// Envoy's period is five seconds; Istio's inbound passthrough never sweeps.
    pub fn sweep(&self) -> usize {
        let mut hosts = self.hosts.write().unwrap_or_else(PoisonError::into_inner);
        let before = hosts.len();
        hosts.retain(|_, host| host.used.swap(false, Ordering::Relaxed) || Arc::strong_count(host) > 1);
        before - hosts.len()
    }
}

#[cfg(test)]
#[path = "tests/passthrough.rs"]
mod tests;
