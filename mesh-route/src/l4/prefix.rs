//! IP prefixes, and the longest that covers an address.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::error::{BuildError, BuildErrorKind};

/// A range of addresses, `10.0.0.0/8`; bits behind the length are cleared. A lone address covers itself.
///
/// # Examples
/// ```
/// use mesh_route::IpPrefix;
///
/// let prefix: IpPrefix = "10.1.2.3/8".parse()?;
/// assert_eq!(prefix.to_string(), "10.0.0.0/8");
/// assert!(prefix.contains("10.9.9.9".parse().unwrap()));
/// assert!("10.0.0.0/33".parse::<IpPrefix>().is_err());
/// # Ok::<(), mesh_route::BuildError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IpPrefix {
    address: IpAddr,
    length: u8,
}

impl IpPrefix {
    /// The addresses that share their first `length` bits with `address`.
    ///
    /// # Errors
    /// When `length` is more than 32, or 128 for IPv6.
    pub fn new(address: IpAddr, length: u8) -> Result<Self, BuildError> {
        let bits = bits(address);
        if length > bits {
            let message =
                format!("prefix length of `{address}/{length}` is {length}, must be at most {bits}");
            return Err(BuildError::new(BuildErrorKind::Prefix, message));
        }
        Ok(Self { address: masked(address, length), length })
    }

    /// The first address.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// How many bits count.
    pub fn length(&self) -> u8 {
        self.length
    }

    /// Whether `address` is in the range. IPv4 and IPv6 are different worlds, mapped addresses too.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.address.is_ipv4() == address.is_ipv4() && masked(address, self.length) == self.address
    }
}

fn bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// `address` with all bits behind the first `length` cleared; `length` is at most what the address has.
fn masked(address: IpAddr, length: u8) -> IpAddr {
    let length = u32::from(length);
    match address {
        IpAddr::V4(ip) => {
            let mask = u32::MAX.checked_shl(32 - length.min(32)).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from_bits(ip.to_bits() & mask))
        }
        IpAddr::V6(ip) => {
            let mask = u128::MAX.checked_shl(128 - length.min(128)).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & mask))
        }
    }
}

impl From<IpAddr> for IpPrefix {
    fn from(address: IpAddr) -> Self {
        Self { address, length: bits(address) }
    }
}

impl FromStr for IpPrefix {
    type Err = BuildError;

    fn from_str(text: &str) -> Result<Self, BuildError> {
        let fault = || {
            let message = format!("`{text}` is no address or prefix, write one such as `10.0.0.0/8`");
            BuildError::new(BuildErrorKind::Prefix, message)
        };
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| fault())?;
        match length {
            None => Ok(address.into()),
            Some(length) => {
                // `u8` would read `+8` too.
                let digits = length.bytes().all(|byte| byte.is_ascii_digit());
                Self::new(address, length.parse().ok().filter(|_| digits).ok_or_else(fault)?)
            }
        }
    }
}

impl fmt::Display for IpPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

/// Values by prefix, and one for addresses that no prefix covers. One hash probe for each distinct length.
#[derive(Debug)]
pub(super) struct Prefixes<T> {
    entries: HashMap<IpPrefix, T, FixedState>,
    /// Distinct lengths of IPv4 and of IPv6, longest first.
    lengths: [Vec<u8>; 2],
    any: Option<Box<T>>,
}

impl<T> Default for Prefixes<T> {
    fn default() -> Self {
        Self {
            entries: HashMap::with_hasher(FixedState::with_seed(0)),
            lengths: [const { Vec::new() }; 2],
            any: None,
        }
    }
}

impl<T: Default> Prefixes<T> {
    /// The value of `prefix`, or of all addresses, made when it is new.
    pub(super) fn entry(&mut self, prefix: Option<IpPrefix>) -> &mut T {
        let Some(prefix) = prefix else { return self.any.get_or_insert_default() };
        let [four, six] = &mut self.lengths;
        let lengths = if prefix.address.is_ipv4() { four } else { six };
        if let Err(at) = lengths.binary_search_by(|length| prefix.length.cmp(length)) {
            lengths.insert(at, prefix.length);
        }
        self.entries.entry(prefix).or_default()
    }
}

impl<T> Prefixes<T> {
    /// The longest prefix that covers `address`, else the value for all; an address that is not known is covered by
    /// no prefix.
    pub(super) fn find(&self, address: Option<IpAddr>) -> Option<(Option<IpPrefix>, &T)> {
        let covering = address.and_then(|address| {
            self.covering(address).find_map(|prefix| Some((Some(prefix), self.entries.get(&prefix)?)))
        });
        // DIFFERENCE ROUTE-L4-02: for a chain without prefixes Envoy makes one of length 0, and where another chain
        // names that very prefix one of the two is lost by chance. Here the named one counts as the longer.
        covering.or_else(|| self.any.as_deref().map(|any| (None, any)))
    }

    /// The prefixes of all lengths that occur which cover `address`, longest first; not all of them have a value.
    fn covering(&self, address: IpAddr) -> impl Iterator<Item = IpPrefix> {
        let [four, six] = &self.lengths;
        let lengths = if address.is_ipv4() { four } else { six };
        lengths.iter().map(move |&length| IpPrefix { address: masked(address, length), length })
    }

    /// What else covers `address` when `chosen` is the longest.
    pub(super) fn shorter(&self, address: Option<IpAddr>, chosen: Option<IpPrefix>) -> Vec<Option<IpPrefix>> {
        let Some((address, chosen)) = address.zip(chosen) else { return Vec::new() };
        let covering =
            self.covering(address).filter(|prefix| *prefix != chosen && self.entries.contains_key(prefix));
        covering.map(Some).chain(self.any.as_ref().map(|_| None)).collect()
    }

    /// All prefixes, in order.
    pub(super) fn keys(&self) -> Vec<IpPrefix> {
        let mut keys: Vec<_> = self.entries.keys().copied().collect();
        keys.sort_unstable();
        keys
    }
}
