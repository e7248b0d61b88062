//! Listeners that say who they are, and callers with an owner.

use std::fmt;
use std::io::{Read as _, Write as _};
use std::mem::MaybeUninit;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use mesh_iptables::apply::probe::original_destination;
use nix::unistd::{Gid, Uid, setfsgid, setfsuid};
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use super::rig::{Namespace, Net, OTHER, PEER, VIP};

/// Longer than any answer takes, short enough for the rows that have none.
const PATIENCE: Duration = Duration::from_secs(2);

pub fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub fn to(address: &str, port: u16) -> SocketAddr {
    SocketAddr::new(ip(address), port)
}

/// Listeners of one namespace. They end with this.
pub struct Listeners {
    tcp: Vec<TcpListener>,
    udp: Vec<UdpSocket>,
}

/// What answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// The listener's namespace: `pod` or `peer`.
    pub who: String,
    /// The listener's own port.
    pub port: u16,
    /// The address on which it was reached, as it sees it.
    pub local: SocketAddr,
    /// The caller, as it sees it.
    pub caller: SocketAddr,
    /// Where the connection was meant to go.
    pub meant: Option<SocketAddr>,
}

impl Answer {
    fn parse(line: &str) -> Self {
        let mut words = line.split_whitespace();
        let mut word = || words.next().unwrap_or_else(|| panic!("short answer `{line}`"));
        Self {
            who: word().to_owned(),
            port: word().parse().unwrap(),
            local: canonical(word().parse().unwrap()),
            caller: canonical(word().parse().unwrap()),
            meant: word().parse().ok().map(canonical),
        }
    }
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let meant = self.meant.map_or("-".to_owned(), |meant| meant.to_string());
        write!(f, "{} {} {} {} {meant}", self.who, self.port, self.local, self.caller)
    }
}

/// Whether listeners take connections addressed to others (`TST-13`).
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Plain,
    Transparent,
}

impl Listeners {
    /// TCP listeners on the wildcard address of both families.
    pub fn tcp(namespace: &Namespace, who: &'static str, ports: &[u16], kind: Kind) -> Self {
        let tcp: Vec<TcpListener> = namespace.enter(|| {
            let addresses = [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)];
            let all = ports.iter().flat_map(|port| addresses.map(|address| SocketAddr::new(address, *port)));
            all.map(|address| listen(address, kind)).collect()
        });
        for listener in &tcp {
            let listener = listener.try_clone().unwrap();
            std::thread::spawn(move || serve(&listener, who));
        }
        Self { tcp, udp: Vec::new() }
    }

    /// Adds UDP sockets on these addresses.
    pub fn udp(self, namespace: &Namespace, who: &'static str, addresses: &[SocketAddr]) -> Self {
        self.udp_of(Caller::new(0, 0), namespace, who, addresses)
    }

    /// Adds UDP sockets of this owner, by whom the zone of their answers is told (`IPT-DNS-05`).
    pub fn udp_of(
        mut self,
        owner: Caller,
        namespace: &Namespace,
        who: &'static str,
        addresses: &[SocketAddr],
    ) -> Self {
        let bound = |address: &SocketAddr| {
            let socket = Caller { from: Some(*address), ..owner }.socket(*address, Type::DGRAM);
            UdpSocket::from(socket)
        };
        let sockets: Vec<UdpSocket> = namespace.enter(|| addresses.iter().map(bound).collect());
        for socket in sockets {
            let own = socket.try_clone().unwrap();
            std::thread::spawn(move || {
                let mut buffer = [MaybeUninit::uninit(); 64];
                // Shut down, it reads nothing from nobody.
                while let Ok((_, caller)) = SockRef::from(&own).recv_from(&mut buffer) {
                    let Some(caller) = caller.as_socket() else { break };
                    let local = own.local_addr().unwrap();
                    let answer =
                        Answer { who: who.to_owned(), port: local.port(), local, caller, meant: None };
                    let _unreachable = own.send_to(answer.to_string().as_bytes(), caller);
                }
            });
            self.udp.push(socket);
        }
        self
    }
}

impl Drop for Listeners {
    fn drop(&mut self) {
        for listener in &self.tcp {
            let _gone = SockRef::from(listener).shutdown(std::net::Shutdown::Both);
        }
        for socket in &self.udp {
            let _gone = SockRef::from(socket).shutdown(std::net::Shutdown::Both);
        }
    }
}

fn listen(address: SocketAddr, kind: Kind) -> TcpListener {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP)).unwrap();
    socket.set_reuse_address(true).unwrap();
    if address.is_ipv6() {
        socket.set_only_v6(true).unwrap();
    }
    if kind == Kind::Transparent {
        transparent(&socket, address);
    }
    socket.bind(&address.into()).unwrap();
    socket.listen(64).unwrap();
    socket.into()
}

fn transparent(socket: &Socket, address: SocketAddr) {
    match address {
        SocketAddr::V4(_) => socket.set_ip_transparent_v4(true).unwrap(),
        SocketAddr::V6(_) => socket.set_ip_transparent_v6(true).unwrap(),
    }
}

fn serve(listener: &TcpListener, who: &str) {
    let port = listener.local_addr().unwrap().port();
    while let Ok((mut stream, caller)) = listener.accept() {
        let Ok(local) = stream.local_addr() else { continue };
        let meant = original_destination(&stream).ok();
        let answer = Answer { who: who.to_owned(), port, local, caller, meant };
        // The caller may have left.
        let _gone = stream.write_all(answer.to_string().as_bytes());
    }
}

/// Who calls: its owner, its mark, the address it comes from.
#[derive(Clone, Copy, Debug)]
pub struct Caller {
    pub uid: u32,
    pub gid: u32,
    pub mark: u32,
    pub from: Option<SocketAddr>,
    /// `from` is somebody else's address.
    pub transparent: bool,
}

pub const APP: Caller = Caller::new(1000, 1000);
pub const PROXY: Caller = Caller::new(1337, 1337);

impl Caller {
    pub const fn new(uid: u32, gid: u32) -> Self {
        Self { uid, gid, mark: 0, from: None, transparent: false }
    }

    pub fn from(self, address: &str) -> Self {
        Self { from: Some(to(address, 0)), ..self }
    }

    pub fn marked(self, mark: u32) -> Self {
        Self { mark, ..self }
    }

    /// The socket with this owner. The owner that rules see is the file-system identity of whoever makes the
    /// socket (`TST-10`); the thread keeps its capabilities and ends afterwards.
    fn socket(self, to: SocketAddr, kind: Type) -> Socket {
        setfsgid(Gid::from_raw(self.gid));
        setfsuid(Uid::from_raw(self.uid));
        let socket = Socket::new(Domain::for_address(to), kind, None).unwrap();
        if self.mark != 0 {
            socket.set_mark(self.mark).unwrap();
        }
        if self.transparent {
            transparent(&socket, to);
        }
        if let Some(from) = self.from {
            // A process another test is just starting may hold a closed socket for a moment longer.
            let bound = (0..100).any(|_| {
                socket.bind(&from.into()).is_ok() || {
                    std::thread::sleep(Duration::from_millis(10));
                    false
                }
            });
            assert!(bound, "{from} is in use");
        }
        socket
    }

    /// Connects from inside and reads who answered; the error says why nobody did.
    pub fn tcp(self, namespace: &Namespace, to: SocketAddr) -> Result<Answer, String> {
        namespace.enter(|| {
            let socket = self.socket(to, Type::STREAM);
            socket.connect_timeout(&to.into(), PATIENCE).map_err(|error| error.to_string())?;
            let mut stream = TcpStream::from(socket);
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            let mut line = String::new();
            stream.read_to_string(&mut line).map_err(|error| error.to_string())?;
            Ok(Answer::parse(&line))
        })
    }

    /// Sends a datagram and reads the answer together with the address it came from.
    pub fn udp(self, namespace: &Namespace, to: SocketAddr) -> Result<(Answer, SocketAddr), String> {
        namespace.enter(|| {
            let socket = UdpSocket::from(self.socket(to, Type::DGRAM));
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
            socket.send_to(b"?", to).map_err(|error| error.to_string())?;
            let mut buffer = [0; 256];
            let (length, from) = socket.recv_from(&mut buffer).map_err(|error| error.to_string())?;
            Ok((Answer::parse(std::str::from_utf8(&buffer[..length]).unwrap()), canonical(from)))
        })
    }
}

/// The listeners of section 9.2 in both namespaces.
pub fn everyone(net: &Net) -> [Listeners; 2] {
    everyone_but(net, Kind::Plain)
}

/// As [`everyone`]; the proxy's inbound listener may be transparent.
pub fn everyone_but(net: &Net, inbound: Kind) -> [Listeners; 2] {
    let mut pod = Listeners::tcp(
        &net.pod,
        "pod",
        &[15001, 15008, 15020, 15021, 15090, 8080, 22, 3306, 53],
        Kind::Plain,
    );
    let mut listening = Listeners::tcp(&net.pod, "pod", &[15006], inbound);
    pod.tcp.append(&mut listening.tcp);
    let agents = [to("127.0.0.1", 15053), to("::1", 15053)];
    let agent = Listeners::tcp_on(&net.pod, "pod", &agents);
    pod.tcp.extend(agent);
    let pod = pod.udp_of(PROXY, &net.pod, "pod", &agents);
    let own = [PEER, VIP, OTHER].into_iter().flatten();
    let udp: Vec<SocketAddr> = own.flat_map(|address| [to(address, 53), to(address, 443)]).collect();
    let peer =
        Listeners::tcp(&net.peer, "peer", &[80, 443, 53, 3306], Kind::Plain).udp(&net.peer, "peer", &udp);
    [pod, peer]
}

impl Listeners {
    /// TCP listeners on these addresses only.
    fn tcp_on(namespace: &Namespace, who: &'static str, addresses: &[SocketAddr]) -> Vec<TcpListener> {
        let all: Vec<TcpListener> =
            namespace.enter(|| addresses.iter().map(|address| listen(*address, Kind::Plain)).collect());
        for listener in &all {
            let listener = listener.try_clone().unwrap();
            std::thread::spawn(move || serve(&listener, who));
        }
        all
    }
}

/// What must become of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Want {
    /// The one it was meant for answers.
    Direct,
    /// A listener of the proxy answers and knows where it was meant to go.
    Redirect(u16),
    /// Nobody answers.
    Nobody,
}

/// Connects and compares; `None` if all is as wanted.
pub fn differs(namespace: &Namespace, caller: Caller, target: SocketAddr, want: Want) -> Option<String> {
    let found = caller.tcp(namespace, target);
    let fine = match (&found, want) {
        (Ok(answer), Want::Direct) => answer.port == target.port() && answer.local == target,
        // The peer's address is never translated; the original destination is (`SIM-30`..`SIM-32`).
        (Ok(answer), Want::Redirect(port)) => {
            answer.who == "pod" && answer.port == port && answer.meant == Some(target)
        }
        (Err(_), Want::Nobody) => true,
        _ => false,
    };
    let found = found.map_or_else(|error| format!("nobody ({error})"), |answer| answer.to_string());
    (!fine).then(|| format!("{}:{} to {target}: want {want:?}, found {found}", caller.uid, caller.gid))
}
