//! The client's address out of `X-Forwarded-For`.

use std::net::IpAddr;

/// How a listener finds the client's address, `remote.ip`, in `X-Forwarded-For`.
///
/// What a policy on `remoteIpBlocks` is worth depends on who wrote the header. At a sidecar any caller
/// can write what it likes (AUTHZ-XFF-01).
///
/// ```
/// use mesh_authz::ForwardedFor;
/// use std::net::IpAddr;
///
/// let peer = IpAddr::from([10, 0, 0, 1]);
/// let header = "6.6.6.6, 203.0.113.9, 198.51.100.2";
/// let client = |how: ForwardedFor| how.client_address(peer, [header]).to_string();
/// assert_eq!(client(ForwardedFor::Sidecar), "198.51.100.2");
/// assert_eq!(client(ForwardedFor::Gateway { trusted_proxies: 0 }), "10.0.0.1");
/// assert_eq!(client(ForwardedFor::Gateway { trusted_proxies: 2 }), "203.0.113.9");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ForwardedFor {
    /// Sidecars and waypoints take the last entry and append nothing (AUTHZ-XFF-01).
    Sidecar,
    /// Gateways take the `trusted_proxies`-th entry from the right, or the peer's address if that is 0
    /// (AUTHZ-XFF-02).
    Gateway {
        /// The mesh or pod setting `numTrustedProxies`.
        trusted_proxies: usize,
    },
}

impl ForwardedFor {
    /// The client's address, given the peer's and the values of the header's lines in order, as they came
    /// in. It is the peer's address if there are too few entries or the entry is no address.
    ///
    /// Lines count as if they were joined with commas. Spaces around an entry do not matter; a port,
    /// brackets, a zone or leading zeros make it no address (AUTHZ-XFF-03). Cost: linear in the header.
    // DIFFERENCE AUTHZ-XFF-03: Envoy takes a zone that names an existing interface. Which interfaces exist
    // is nothing that a pure function can know, and the reference recommends to refuse zones.
    pub fn client_address<V, L>(self, peer: IpAddr, lines: L) -> IpAddr
    where
        V: AsRef<[u8]>,
        L: IntoIterator<Item = V, IntoIter: DoubleEndedIterator>,
    {
        let mut wanted = match self {
            Self::Sidecar => 1,
            Self::Gateway { trusted_proxies: 0 } => return peer,
            Self::Gateway { trusted_proxies } => trusted_proxies,
        };
        for line in lines.into_iter().rev() {
            for entry in line.as_ref().rsplit(|&byte| byte == b',') {
                wanted -= 1;
                if wanted == 0 {
                    return parse(entry).unwrap_or(peer);
                }
            }
        }
        peer
    }
}

fn parse(entry: &[u8]) -> Option<IpAddr> {
    std::str::from_utf8(entry.trim_ascii()).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(how: ForwardedFor, lines: &[&str]) -> String {
        how.client_address("10.0.0.1".parse().unwrap(), lines).to_string()
    }

    fn gateway(trusted_proxies: usize) -> ForwardedFor {
        ForwardedFor::Gateway { trusted_proxies }
    }

    #[test]
    fn sidecars_take_the_last_entry() {
        // AUTHZ-XFF-01, AUTHZ-XFF-05, AUTHZ-CASE-59
        assert_eq!(client(ForwardedFor::Sidecar, &["1.1.1.1, 9.9.9.9"]), "9.9.9.9");
        assert_eq!(client(ForwardedFor::Sidecar, &[]), "10.0.0.1");
        assert_eq!(client(ForwardedFor::Sidecar, &["9.9.9.9", "1.1.1.1"]), "1.1.1.1");
    }

    #[test]
    fn gateways_count_from_the_right() {
        // AUTHZ-XFF-02
        assert_eq!(client(gateway(0), &["9.9.9.9"]), "10.0.0.1");
        assert_eq!(client(gateway(1), &["9.9.9.9,8.8.8.8"]), "8.8.8.8");
        assert_eq!(client(gateway(2), &["9.9.9.9,8.8.8.8"]), "9.9.9.9");
        assert_eq!(client(gateway(2), &["9.9.9.9", "8.8.8.8"]), "9.9.9.9");
        assert_eq!(client(gateway(3), &["9.9.9.9,8.8.8.8"]), "10.0.0.1");
        assert_eq!(client(gateway(usize::MAX), &["9.9.9.9,8.8.8.8"]), "10.0.0.1");
    }

    #[test]
    fn entries_that_are_no_address() {
        // AUTHZ-XFF-03
        for entry in [
            "9.9.9.9:80",
            "[::1]",
            "[::1]:80",
            "09.9.9.9",
            "9.9.9",
            "9.9.9.9,",
            "fe80::1%eth0",
            "x",
            "",
            "unknown",
        ] {
            assert_eq!(client(ForwardedFor::Sidecar, &[entry]), "10.0.0.1", "{entry}");
        }
        assert_eq!(client(ForwardedFor::Sidecar, &[" \t2001:db8::1 "]), "2001:db8::1");
        assert_eq!(client(ForwardedFor::Sidecar, &["::ffff:1.2.3.4"]), "::ffff:1.2.3.4");
    }
}
