//! Which listener a connection belongs to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use hashbrown::hash_map::Entry;

use crate::error::{BuildError, BuildErrorKind};

/// Listeners by address: the very address and port, else the unspecified address with that port (`0.0.0.0:80`,
/// `[::]:80`), else a fallback (ROUTE-L4-01).
///
/// # Examples
/// ```
/// use mesh_route::Listeners;
///
/// let mut listeners = Listeners::new();
/// listeners.insert("10.0.0.1:80".parse()?, "the service at 10.0.0.1")?;
/// listeners.insert("0.0.0.0:80".parse()?, "port 80")?;
/// listeners.set_fallback("unknown");
/// assert_eq!(listeners.find("10.0.0.1:80".parse()?), Some(&"the service at 10.0.0.1"));
/// assert_eq!(listeners.find("10.0.0.2:80".parse()?), Some(&"port 80"));
/// assert_eq!(listeners.find("10.0.0.1:81".parse()?), Some(&"unknown"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Listeners<T> {
    bound: HashMap<SocketAddr, T, FixedState>,
    fallback: Option<T>,
}

impl<T> Default for Listeners<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Listeners<T> {
    /// No listener.
    pub fn new() -> Self {
        Self { bound: HashMap::with_hasher(FixedState::with_seed(0)), fallback: None }
    }

    /// Adds a listener.
    ///
    /// # Errors
    /// When one is bound to that address.
    pub fn insert(&mut self, address: SocketAddr, listener: T) -> Result<(), BuildError> {
        match self.bound.entry(plain(address)) {
            Entry::Vacant(entry) => {
                entry.insert(listener);
                Ok(())
            }
            Entry::Occupied(_) => {
                let message = format!("two listeners are bound to {address}, one is allowed");
                Err(BuildError::new(BuildErrorKind::DuplicateListener, message))
            }
        }
    }

    /// Sets what takes connections that no listener is bound to.
    pub fn set_fallback(&mut self, listener: T) {
        self.fallback = Some(listener);
    }

    /// What takes connections that no listener is bound to.
    pub fn fallback(&self) -> Option<&T> {
        self.fallback.as_ref()
    }

    /// The listener of a connection to `destination`.
    pub fn find(&self, destination: SocketAddr) -> Option<&T> {
        let unspecified = match destination.ip() {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        let wide = SocketAddr::new(unspecified, destination.port());
        self.get(destination).or_else(|| self.bound.get(&wide)).or(self.fallback.as_ref())
    }

    /// The listener that is bound to this very address.
    pub fn get(&self, address: SocketAddr) -> Option<&T> {
        self.bound.get(&plain(address))
    }

    /// All listeners with their addresses, in order; the fallback is not among them.
    pub fn iter(&self) -> impl Iterator<Item = (SocketAddr, &T)> {
        let mut all: Vec<_> = self.bound.iter().map(|(address, listener)| (*address, listener)).collect();
        all.sort_by_key(|(address, _)| *address);
        all.into_iter()
    }
}

/// Flow and scope of an IPv6 address are not part of where a listener is bound.
fn plain(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip(), address.port())
}
