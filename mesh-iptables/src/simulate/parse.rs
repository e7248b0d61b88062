//! A packet from the words of `--packet`.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use super::packet::{Direction, Owner, Packet, has_ports};
use crate::numeral::Numeral;
use crate::rule::{ConnectionState, Protocol};

/// Text that describes no packet. It names the word at fault and what to write instead.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{message}")]
pub struct ParsePacketError {
    word: String,
    message: String,
}

impl ParsePacketError {
    fn new(word: &str, why: &str) -> Self {
        Self { word: word.to_owned(), message: format!("`{word}`: {why}") }
    }

    /// The word at fault; empty if one is missing.
    pub fn word(&self) -> &str {
        &self.word
    }
}

/// The words as far as they are read. Ports and owners are put together at the end, because words may come in
/// any order.
struct Words<'t> {
    destination: Option<(&'t str, IpAddr, Option<u16>)>,
    protocol: Option<Protocol>,
    uid: Option<u32>,
    gid: Option<u32>,
    unowned: bool,
}

impl FromStr for Packet {
    type Err = ParsePacketError;

    fn from_str(text: &str) -> Result<Self, ParsePacketError> {
        let mut words = text.split_whitespace();
        let first = words.next().unwrap_or_default();
        let direction = match first {
            "out" => Direction::Out,
            "in" => Direction::In,
            "" => {
                let message =
                    "a packet is missing, write for example `out uid=1000 dst=10.0.0.7:80`".to_owned();
                return Err(ParsePacketError { word: String::new(), message });
            }
            other => return Err(ParsePacketError::new(other, "begin with `out` or `in`")),
        };
        let mut packet = Self::arriving(SocketAddr::from(([0, 0, 0, 0], 0)));
        packet.direction = direction;
        let mut given = Words { destination: None, protocol: None, uid: None, gid: None, unowned: false };
        for word in words {
            read(word, &mut packet, &mut given)?;
        }
        let Some((word, address, port)) = given.destination else {
            let message = "a destination is missing, write `dst=10.0.0.7:80`".to_owned();
            return Err(ParsePacketError { word: String::new(), message });
        };
        packet.protocol = match given.protocol.unwrap_or(Protocol::Tcp) {
            Protocol::Icmp if address.is_ipv6() => Protocol::Icmpv6,
            protocol => protocol,
        };
        if !has_ports(packet.protocol) && (port.is_some() || packet.source_port.is_some()) {
            return Err(ParsePacketError::new(
                word,
                "a packet of this protocol has no ports, leave them out",
            ));
        }
        let port = match port {
            None if has_ports(packet.protocol) => {
                let whole = SocketAddr::new(address, 80);
                return Err(ParsePacketError::new(word, &format!("a port is missing, write `dst={whole}`")));
            }
            port => port.unwrap_or_default(),
        };
        packet.destination = SocketAddr::new(address, port);
        if let Some(source) = packet.source.filter(|source| source.is_ipv4() != address.is_ipv4()) {
            let why = format!("the destination `{address}` is of the other address family");
            return Err(ParsePacketError::new(&format!("src={source}"), &why));
        }
        if let Some(flow) = packet.flow.filter(|flow| flow.is_ipv4() != address.is_ipv4()) {
            let why = format!("the destination `{address}` is of the other address family");
            return Err(ParsePacketError::new(&format!("flow={flow}"), &why));
        }
        if direction == Direction::Out && !given.unowned {
            let uid = given.uid.unwrap_or(1000);
            packet.owner = Some(Owner { uid, gid: given.gid.unwrap_or(uid) });
        }
        Ok(packet)
    }
}

fn read<'t>(word: &'t str, packet: &mut Packet, given: &mut Words<'t>) -> Result<(), ParsePacketError> {
    let refuse = |why: &str| ParsePacketError::new(word, why);
    let Some((key, value)) = word.split_once('=') else {
        return Err(refuse("write `key=value`, such as `dst=10.0.0.7:80`"));
    };
    let number = || Numeral::parse(value).value().ok_or_else(|| refuse("a number is needed"));
    match key {
        "dst" => {
            let (address, port) = address(value).map_err(refuse)?;
            given.destination = Some((word, address, port));
        }
        "src" => {
            let (address, port) = address(value).map_err(refuse)?;
            packet.source = Some(address);
            packet.source_port = port;
        }
        "sport" => packet.source_port = Some(port(value).map_err(refuse)?),
        "flow" => match address(value).map_err(refuse)? {
            (address, Some(port)) => packet.flow = Some(SocketAddr::new(address, port)),
            (_, None) => return Err(refuse("a port is needed, write `flow=127.0.0.1:15001`")),
        },
        "iface" if value.is_empty() => return Err(refuse("an interface name is needed")),
        "iface" => packet.interface = Some(value.into()),
        "proto" => {
            given.protocol = Some(match value {
                "tcp" => Protocol::Tcp,
                "udp" => Protocol::Udp,
                "sctp" => Protocol::Sctp,
                "icmp" => Protocol::Icmp,
                _ => return Err(refuse("write `tcp`, `udp`, `sctp` or `icmp`")),
            });
        }
        "uid" | "gid" | "owner" if packet.direction == Direction::In => {
            return Err(refuse("only a packet that is sent has an owner, begin with `out`"));
        }
        "uid" => given.uid = Some(number()?),
        "gid" => given.gid = Some(number()?),
        "owner" if value == "none" => given.unowned = true,
        "owner" => return Err(refuse("write `owner=none`, or `uid=` and `gid=`")),
        "mark" => packet.mark = number()?,
        "connmark" => packet.connection_mark = number()?,
        "state" => {
            packet.state = match value {
                "new" => ConnectionState::New,
                "established" => ConnectionState::Established,
                "related" => ConnectionState::Related,
                "invalid" => ConnectionState::Invalid,
                "untracked" => ConnectionState::Untracked,
                _ => {
                    return Err(refuse("write `new`, `established`, `related`, `invalid` or `untracked`"));
                }
            }
        }
        _ => {
            return Err(refuse(
                "no such word, there are dst, src, sport, proto, uid, gid, owner, iface, mark, connmark, state and flow",
            ));
        }
    }
    Ok(())
}

/// `1.2.3.4`, `1.2.3.4:80`, `fd00::1`, `[fd00::1]` or `[fd00::1]:80`.
fn address(text: &str) -> Result<(IpAddr, Option<u16>), &'static str> {
    const FORM: &str = "an address is needed, such as `10.0.0.7:80` or `[fd00::7]:80`";
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok((address, None));
    }
    let (host, rest) = match text.strip_prefix('[') {
        Some(bracketed) => bracketed.split_once(']').ok_or("the bracket is not closed")?,
        None => text.split_at_checked(text.find(':').ok_or(FORM)?).ok_or(FORM)?,
    };
    let address: IpAddr = match host.parse() {
        Ok(address) => address,
        Err(_) if text.matches(':').count() > 1 && !text.starts_with('[') => {
            return Err("put an IPv6 address with a port in brackets, such as `[fd00::7]:80`");
        }
        Err(_) => return Err(FORM),
    };
    if text.starts_with('[') && address.is_ipv4() {
        return Err("brackets are for IPv6 addresses");
    }
    match rest.strip_prefix(':') {
        Some(text) => Ok((address, Some(port(text)?))),
        None if rest.is_empty() => Ok((address, None)),
        None => Err(FORM),
    }
}

fn port(text: &str) -> Result<u16, &'static str> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten().ok_or("a port is a number from 0 to 65535")
}
