//! IP addresses and CIDR blocks of policies.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A block of addresses of one family. Bits beyond the prefix length are ignored, and IPv4 and
/// IPv4-mapped IPv6 never match each other (AUTHZ-SRC-09).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum IpBlock {
    V4 { network: u32, mask: u32 },
    V6 { network: u128, mask: u128 },
}

impl IpBlock {
    /// Reads an address, or an address with a prefix length.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(prefix_length(length)?)),
            None => (text, None),
        };
        match address.parse::<IpAddr>().ok()? {
            IpAddr::V4(address) => {
                let shift = 32_u32.checked_sub(length.unwrap_or(32))?;
                let mask = u32::MAX.checked_shl(shift).unwrap_or(0);
                Some(Self::V4 { network: address.to_bits() & mask, mask })
            }
            IpAddr::V6(address) => {
                let shift = 128_u32.checked_sub(length.unwrap_or(128))?;
                let mask = u128::MAX.checked_shl(shift).unwrap_or(0);
                Some(Self::V6 { network: address.to_bits() & mask, mask })
            }
        }
    }

    pub(crate) fn contains(self, ip: IpAddr) -> bool {
        match (self, ip) {
            (Self::V4 { network, mask }, IpAddr::V4(ip)) => ip.to_bits() & mask == network,
            (Self::V6 { network, mask }, IpAddr::V6(ip)) => ip.to_bits() & mask == network,
            _ => false,
        }
    }
}

impl std::fmt::Display for IpBlock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match *self {
            Self::V4 { network, mask } => {
                write!(f, "{}/{}", Ipv4Addr::from_bits(network), mask.leading_ones())
            }
            Self::V6 { network, mask } => {
                write!(f, "{}/{}", Ipv6Addr::from_bits(network), mask.leading_ones())
            }
        }
    }
}

/// Decimal digits without a sign and without a leading zero, as CIDR notation has them.
fn prefix_length(text: &str) -> Option<u32> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if plain { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_cover_their_family_only() {
        // AUTHZ-SRC-09, AUTHZ-LAW-15
        let has = |block: &str, ip: &str| IpBlock::parse(block).unwrap().contains(ip.parse().unwrap());
        assert!(has("127.9.9.9/8", "127.0.0.1"));
        assert!(has("0.0.0.0/0", "255.255.255.255"));
        assert!(!has("0.0.0.0/0", "::1"));
        assert!(has("::/0", "::ffff:1.2.3.4"));
        assert!(!has("1.2.3.4", "::ffff:1.2.3.4"));
        assert!(!has("::ffff:1.2.3.4", "1.2.3.4"));
        assert!(has("2001:db8::/32", "2001:db8:ffff::1"));
        assert!(!has("2001:db8::/32", "2001:db9::"));
        assert!(has("10.0.0.4/31", "10.0.0.5") && !has("10.0.0.4/31", "10.0.0.6"));
    }

    #[test]
    fn text_that_is_no_block() {
        // AUTHZ-SRC-09: zones and leading zeros are not supported
        for text in [
            "",
            "1.2.3",
            "01.2.3.4",
            "1.2.3.4/33",
            "1.2.3.4/-1",
            "1.2.3.4/+8",
            "1.2.3.4/",
            "::1/129",
            "fe80::1%eth0",
            "1.2.3.4/08",
        ] {
            assert_eq!(IpBlock::parse(text), None, "{text}");
        }
    }
}
