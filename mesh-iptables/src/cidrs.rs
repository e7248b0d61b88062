//! Sets of address ranges.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::error::{ConfigError, ConfigErrorKind};
use crate::ports::split_list;

/// The outbound destinations to capture by range (rules `IPT-CFG-11`, `IPT-CFG-12`, `IPT-CFG-55`).
///
/// Order and duplicates are kept, because they are visible in the rules. Host bits are kept as well; the
/// kernel masks them.
///
/// # Examples
/// ```
/// use mesh_iptables::CidrSet;
/// let ranges = CidrSet::parse("*", "10.0.0.0/8,fd00::/8")?;
/// assert!(ranges.contains("192.0.2.1".parse()?));
/// assert!(!ranges.contains("10.1.2.3".parse()?));
/// assert_eq!(CidrSet::all().except(["10.0.0.0/8".parse()?, "fd00::/8".parse()?]), ranges);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct CidrSet {
    include: Include,
    exclude: Vec<IpNet>,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Include {
    All,
    Only(Vec<IpNet>),
}

impl Default for Include {
    fn default() -> Self {
        Self::Only(Vec::new())
    }
}

impl CidrSet {
    /// No range: nothing is captured by range.
    pub const fn none() -> Self {
        Self { include: Include::Only(Vec::new()), exclude: Vec::new() }
    }

    /// Every destination, Istio's `*`.
    pub const fn all() -> Self {
        Self { include: Include::All, exclude: Vec::new() }
    }

    /// These ranges, in this order.
    pub fn only(ranges: impl IntoIterator<Item = IpNet>) -> Self {
        Self { include: Include::Only(ranges.into_iter().collect()), exclude: Vec::new() }
    }

    /// The set without these ranges: an exclude wins over an include.
    #[must_use]
    pub fn except(mut self, ranges: impl IntoIterator<Item = IpNet>) -> Self {
        self.exclude.extend(ranges);
        self
    }

    /// Reads `istio-service-cidr` and `istio-service-exclude-cidr`.
    ///
    /// # Errors
    /// A range that is not `address/length` in plain form (`IPT-CFG-55`), or `*` among the excludes
    /// (`IPT-CFG-12`). The exclude is read first, as Istio does.
    pub fn parse(include: &str, exclude: &str) -> Result<Self, ConfigError> {
        const INCLUDE: &str = "istio-service-cidr";
        const EXCLUDE: &str = "istio-service-exclude-cidr";
        if exclude == "*" {
            return Err(ConfigError::new(
                EXCLUDE,
                exclude,
                "IPT-CFG-12",
                ConfigErrorKind::WildcardNotAllowed,
                "`*` cannot be excluded, list ranges or leave the include empty".to_owned(),
            ));
        }
        let exclude = parse_ranges(EXCLUDE, exclude)?;
        let include = match include {
            "*" => Include::All,
            list => Include::Only(parse_ranges(INCLUDE, list)?),
        };
        Ok(Self { include, exclude })
    }

    /// Whether `address` is captured by range: included and not excluded.
    pub fn contains(&self, address: IpAddr) -> bool {
        let within = |ranges: &[IpNet]| ranges.iter().any(|range| range.contains(&address));
        let included = match &self.include {
            Include::All => true,
            Include::Only(ranges) => within(ranges),
        };
        included && !within(&self.exclude)
    }

    /// Whether every destination is included.
    pub fn is_all(&self) -> bool {
        self.include == Include::All
    }

    /// The included ranges; empty for [`CidrSet::all`].
    pub fn included(&self) -> &[IpNet] {
        match &self.include {
            Include::All => &[],
            Include::Only(ranges) => ranges,
        }
    }

    /// The excluded ranges.
    pub fn excluded(&self) -> &[IpNet] {
        &self.exclude
    }

    /// Whether an included range starts at a loopback address, in either family (rule `IPT-OUT-05`: the
    /// pod's calls to itself are then wanted).
    pub fn includes_loopback(&self) -> bool {
        self.included().iter().any(|range| is_loopback(range.addr()))
    }
}

/// Loopback as Istio's address library sees it: an IPv4-mapped address counts by its IPv4 part.
pub(crate) fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

fn parse_ranges(option: &'static str, list: &str) -> Result<Vec<IpNet>, ConfigError> {
    split_list(list).map(|item| parse_range(option, item)).collect()
}

/// Reads one `address/length` (rule `IPT-CFG-55`): no bare address, no sign, no leading zero, no zone.
///
/// # Errors
/// Anything else, naming `option` and the item.
pub(crate) fn parse_range(option: &str, item: &str) -> Result<IpNet, ConfigError> {
    let refuse = |why: String| {
        let message = format!("`{item}` is not a range: {why}");
        ConfigError::new(option, item, "IPT-CFG-55", ConfigErrorKind::Invalid, message)
    };
    let Some((address, length)) = item.rsplit_once('/') else {
        return Err(refuse(match item.parse::<IpAddr>() {
            Ok(IpAddr::V4(_)) => format!("a length is missing, write `{item}/32`"),
            Ok(IpAddr::V6(_)) => format!("a length is missing, write `{item}/128`"),
            Err(_) => "write address/length, such as `10.0.0.0/8`".to_owned(),
        }));
    };
    let plain = !length.is_empty()
        && length.bytes().all(|byte| byte.is_ascii_digit())
        && (length == "0" || !length.starts_with('0'));
    if !plain {
        return Err(refuse(format!(
            "the length `{length}` must be a decimal number without sign or leading zero"
        )));
    }
    // The two parsers refuse octets with leading zeros, blanks and zones themselves.
    if let Ok(address) = address.parse::<Ipv4Addr>() {
        return match length.parse().ok().and_then(|length| Ipv4Net::new(address, length).ok()) {
            Some(range) => Ok(range.into()),
            None => Err(refuse("the length of an IPv4 range is at most 32".to_owned())),
        };
    }
    if let Ok(address) = address.parse::<Ipv6Addr>() {
        return match length.parse().ok().and_then(|length| Ipv6Net::new(address, length).ok()) {
            Some(range) => Ok(range.into()),
            None => Err(refuse("the length of an IPv6 range is at most 128".to_owned())),
        };
    }
    Err(refuse(format!("`{address}` is not an address in plain form")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ipt_cfg_55_only_plain_ranges_are_read() {
        let accepted = [
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("10.1.2.3/8", "10.1.2.3/8"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("2001:DB8:0::/32", "2001:db8::/32"),
            ("::1.2.3.4/128", "::102:304/128"),
            ("::ffff:10.0.0.1/128", "::ffff:10.0.0.1/128"),
        ];
        for (text, want) in accepted {
            assert_eq!(parse_range("o", text).unwrap().to_string(), want);
        }
        let refused = [
            "10.0.0.0",
            "fd00::1",
            "10.0.0.0/+8",
            "10.0.0.0/08",
            "10.0.0.0/-1",
            "010.0.0.0/8",
            "10.0.0.0/33",
            "fd00::/129",
            " 10.0.0.0/8",
            "10.0.0.0/8 ",
            "fe80::1%eth0/64",
            "*",
            "/8",
            "10.0.0.0/",
            "x/8",
            "1.2.3.4/256",
        ];
        for text in refused {
            assert_eq!(parse_range("o", text).unwrap_err().rule(), "IPT-CFG-55", "{text}");
        }
    }

    #[test]
    fn ipt_cfg_55_a_mapped_range_is_ipv6_and_may_be_loopback() {
        let mapped = CidrSet::parse("::ffff:127.0.0.1/128", "").unwrap();
        assert!(matches!(mapped.included(), [IpNet::V6(_)]));
        assert!(mapped.includes_loopback());
        assert!(CidrSet::parse("127.1.2.3/32", "").unwrap().includes_loopback());
        assert!(!CidrSet::parse("10.0.0.0/8", "127.0.0.0/8").unwrap().includes_loopback());
    }

    #[test]
    fn ipt_cfg_12_a_wildcard_exclude_is_an_error() {
        let error = CidrSet::parse("*", "*").unwrap_err();
        assert_eq!(error.kind(), ConfigErrorKind::WildcardNotAllowed);
        assert_eq!(
            error.to_string(),
            "istio-service-exclude-cidr: `*` cannot be excluded, list ranges or leave the include empty (IPT-CFG-12)"
        );
        // The exclude is read first.
        assert_eq!(CidrSet::parse("bad", "*").unwrap_err().rule(), "IPT-CFG-12");
    }
}
