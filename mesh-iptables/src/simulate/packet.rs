//! The packet to simulate (rule `SIM-10`).

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use crate::chain::Family;
use crate::config::InterfaceName;
use crate::rule::{ConnectionState, Protocol};

/// Where a packet begins its way.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Direction {
    /// A local process sends it.
    Out,
    /// It arrives from outside.
    In,
}

/// Who made the socket a packet leaves from: the file-system ids, primary group only (`SIM-23`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Owner {
    /// The user.
    pub uid: u32,
    /// The group.
    pub gid: u32,
}

/// One packet, by default the first of a TCP flow (rule `SIM-10`).
///
/// Also made from text, as `--packet` takes it: a direction, then `key=value` words in any order.
///
/// | word | meaning | default |
/// |---|---|---|
/// | `out`, `in` | sent by a local process, arriving from outside; the first word | needed |
/// | `dst=10.0.0.7:80`, `dst=[fd00::7]:80` | destination; the port only for TCP, UDP and SCTP | needed |
/// | `src=10.0.0.9`, `src=[fd00::9]:40000` | source, with or without a port | the namespace's choice |
/// | `sport=53` | source port alone | one no rule asks for |
/// | `proto=` | `tcp`, `udp`, `sctp`, `icmp` | `tcp` |
/// | `uid=1000`, `gid=1000` | who sends it; only for `out` | an ordinary process: 1000; the gid is as the uid |
/// | `owner=none` | no process sends it, the kernel does; only for `out` | |
/// | `iface=eth0` | the interface it arrives or leaves on | the namespace's choice |
/// | `mark=0x539`, `connmark=0x111` | packet and connection mark | 0 |
/// | `state=` | `new`, `established`, `related`, `invalid`, `untracked` | `new` |
/// | `flow=127.0.0.1:15001` | with `state=established`: where the flow's first packet was sent | as addressed |
///
/// # Examples
/// ```
/// use mesh_iptables::{Direction, Packet};
/// let packet: Packet = "out uid=1000 dst=10.0.0.7:80".parse()?;
/// assert_eq!(packet, Packet::out("10.0.0.7:80".parse()?).owner(1000, 1000));
/// let error = "out uid=1000 dst=10.0.0.7".parse::<Packet>().unwrap_err();
/// assert_eq!(error.to_string(), "`dst=10.0.0.7`: a port is missing, write `dst=10.0.0.7:80`");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[must_use]
pub struct Packet {
    pub(super) direction: Direction,
    pub(super) interface: Option<InterfaceName>,
    pub(super) protocol: Protocol,
    pub(super) source: Option<IpAddr>,
    pub(super) source_port: Option<u16>,
    pub(super) destination: SocketAddr,
    pub(super) owner: Option<Owner>,
    pub(super) mark: u32,
    pub(super) connection_mark: u32,
    pub(super) state: ConnectionState,
    pub(super) flow: Option<SocketAddr>,
}

impl Packet {
    fn new(direction: Direction, destination: SocketAddr, owner: Option<Owner>) -> Self {
        Self {
            direction,
            interface: None,
            protocol: Protocol::Tcp,
            source: None,
            source_port: None,
            destination: SocketAddr::new(destination.ip(), destination.port()),
            owner,
            mark: 0,
            connection_mark: 0,
            state: ConnectionState::New,
            flow: None,
        }
    }

    /// A packet that a process with UID and GID 1000 sends.
    pub fn out(destination: SocketAddr) -> Self {
        Self::new(Direction::Out, destination, Some(Owner { uid: 1000, gid: 1000 }))
    }

    /// A packet that arrives.
    pub fn arriving(destination: SocketAddr) -> Self {
        Self::new(Direction::In, destination, None)
    }

    /// Who sends it.
    pub fn owner(mut self, uid: u32, gid: u32) -> Self {
        self.owner = Some(Owner { uid, gid });
        self
    }

    /// No process sends it: the kernel does, or it is passed on.
    pub fn unowned(mut self) -> Self {
        self.owner = None;
        self
    }

    /// Another protocol than TCP. ICMP has no ports; the destination's is then not looked at.
    pub fn protocol(mut self, protocol: Protocol) -> Self {
        self.protocol = protocol;
        self
    }

    /// The source address; otherwise what routing chooses.
    pub fn source(mut self, source: IpAddr) -> Self {
        self.source = Some(source);
        self
    }

    /// The source port; otherwise one no rule asks for.
    pub fn source_port(mut self, port: u16) -> Self {
        self.source_port = Some(port);
        self
    }

    /// The interface it arrives on, or leaves through; otherwise what routing chooses.
    pub fn interface(mut self, name: impl Into<InterfaceName>) -> Self {
        self.interface = Some(name.into());
        self
    }

    /// The packet mark at the start, such as a socket's `SO_MARK`.
    pub fn mark(mut self, mark: u32) -> Self {
        self.mark = mark;
        self
    }

    /// The mark of the packet's connection.
    pub fn connection_mark(mut self, mark: u32) -> Self {
        self.connection_mark = mark;
        self
    }

    /// What connection tracking thinks of it. Only a new flow's packets meet the nat table (`SIM-05`).
    pub fn state(mut self, state: ConnectionState) -> Self {
        self.state = state;
        self
    }

    /// Where the first packet of this known flow was redirected to.
    pub fn flow(mut self, translated: SocketAddr) -> Self {
        self.flow = Some(translated);
        self
    }

    /// Where it begins.
    pub fn direction(&self) -> Direction {
        self.direction
    }

    /// Where it is addressed to.
    pub fn destination(&self) -> SocketAddr {
        self.destination
    }

    /// The address family.
    pub fn family(&self) -> Family {
        if self.destination.is_ipv4() { Family::Ipv4 } else { Family::Ipv6 }
    }
}

impl fmt::Display for Packet {
    /// The words it can be made from again; defaults are left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.direction {
            Direction::Out => "out",
            Direction::In => "in",
        })?;
        if self.protocol != Protocol::Tcp {
            write!(f, " proto={}", protocol_word(self.protocol))?;
        }
        match (self.direction, self.owner) {
            (Direction::In, _) => {}
            (Direction::Out, None) => f.write_str(" owner=none")?,
            (Direction::Out, Some(Owner { uid, gid })) => write!(f, " uid={uid} gid={gid}")?,
        }
        match (self.source, self.source_port) {
            (Some(source), Some(port)) => write!(f, " src={}", SocketAddr::new(source, port))?,
            (Some(source), None) => write!(f, " src={source}")?,
            (None, Some(port)) => write!(f, " sport={port}")?,
            (None, None) => {}
        }
        if has_ports(self.protocol) {
            write!(f, " dst={}", self.destination)?;
        } else {
            write!(f, " dst={}", self.destination.ip())?;
        }
        if let Some(name) = &self.interface {
            write!(f, " iface={name}")?;
        }
        for (word, mark) in [("mark", self.mark), ("connmark", self.connection_mark)] {
            if mark != 0 {
                write!(f, " {word}={mark:#x}")?;
            }
        }
        if self.state != ConnectionState::New {
            write!(f, " state={}", state_word(self.state))?;
        }
        self.flow.map_or(Ok(()), |flow| write!(f, " flow={flow}"))
    }
}

pub(super) fn has_ports(protocol: Protocol) -> bool {
    matches!(protocol, Protocol::Tcp | Protocol::Udp | Protocol::Sctp)
}

pub(super) fn protocol_word(protocol: Protocol) -> &'static str {
    match protocol {
        // One word for both families.
        Protocol::Icmpv6 => "icmp",
        other => other.name(),
    }
}

pub(super) fn state_word(state: ConnectionState) -> &'static str {
    match state {
        ConnectionState::New => "new",
        ConnectionState::Invalid => "invalid",
        ConnectionState::Related => "related",
        ConnectionState::Established => "established",
        ConnectionState::Untracked => "untracked",
    }
}
