//! Whether traffic really is captured: the self-test of the validation container (rules `APP-40` to `APP-42`).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::sys::socket::{
    self, AddressFamily, Backlog, SockFlag, SockType, SockaddrStorage, bind, connect, getsockopt, setsockopt,
    socket, sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike as _};

use super::error::{ApplyError, ApplyErrorKind};
use super::namespace;

/// The exit code of a failed self-test, which Istio's repair controller looks for.
pub const EXIT_CODE: u8 = 126;

/// What to listen on and whom to call.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Probe {
    /// The family to test.
    pub ipv6: bool,
    /// The ports to listen on: outbound and inbound.
    pub listen: [u16; 2],
    /// The port to call, which nobody listens on.
    pub port: u16,
    /// How long it may take.
    pub timeout: Duration,
}

impl Probe {
    /// The baseline's: ports 15001 and 15006, 15002 called, five seconds.
    pub fn new(ipv6: bool) -> Self {
        Self { ipv6, listen: [15001, 15006], port: 15002, timeout: Duration::from_secs(5) }
    }

    /// Listens in place of the proxy and calls the proxy's own address, again every second, until a connection
    /// arrives that was meant for the probe port (`APP-40`).
    ///
    /// It must run with a proxy UID, since only a proxy's call is captured (`APP-41`).
    ///
    /// # Errors
    /// A listener cannot be opened, or the timeout passes without the connection.
    pub fn run(&self, network_namespace: Option<&Path>) -> Result<(), ApplyError> {
        namespace::inside(network_namespace, || self.listen_and_call())
    }

    fn listen_and_call(&self) -> Result<(), ApplyError> {
        let (loopback, target): (IpAddr, IpAddr) = if self.ipv6 {
            (Ipv6Addr::LOCALHOST.into(), Ipv6Addr::new(0, 0, 0, 0, 0, 0, 0, 6).into())
        } else {
            (Ipv4Addr::LOCALHOST.into(), Ipv4Addr::new(127, 0, 0, 6).into())
        };
        let listeners = self
            .listen
            .map(|port| (port, listen(SocketAddr::new(loopback, port))))
            .into_iter()
            .map(|(port, listener)| {
                listener.map_err(|error| {
                    let message = format!("cannot listen on {loopback} port {port}: {error}");
                    ApplyError::new(ApplyErrorKind::Validation, message)
                })
            })
            .collect::<Result<Vec<_>, _>>()?;
        let end = now() + self.timeout;
        let captured = AtomicBool::new(false);
        std::thread::scope(|scope| {
            // The caller, beside the loop that accepts.
            scope.spawn(|| {
                while !captured.load(Ordering::Relaxed) && now() < end {
                    let wait = Duration::from_secs(1).min(end.saturating_duration_since(now()));
                    let stream = call(loopback, SocketAddr::new(target, self.port), wait.max(TICK));
                    let next = now() + wait;
                    while !captured.load(Ordering::Relaxed) && now() < next {
                        std::thread::sleep(TICK);
                    }
                    drop(stream);
                }
            });
            while now() < end {
                for stream in listeners.iter().filter_map(|listener| listener.accept().ok()) {
                    // Any tracked flow has an original destination, so its port is what counts (`APP-42`).
                    if original_destination(&stream.0).is_ok_and(|meant| meant.port() == self.port) {
                        captured.store(true, Ordering::Relaxed);
                        return Ok(());
                    }
                }
                std::thread::sleep(TICK);
            }
            let message = format!(
                "a connection to {} did not reach the proxy's ports within {:?}: the rules are not in force, or \
                 user {}, who asks, is not the proxy's (APP-41)",
                SocketAddr::new(target, self.port),
                self.timeout,
                nix::unistd::geteuid()
            );
            Err(ApplyError::new(ApplyErrorKind::Validation, message))
        })
    }
}

const TICK: Duration = Duration::from_millis(10);

#[allow(clippy::disallowed_methods, reason = "a timeout of the outside world needs its clock")]
fn now() -> Instant {
    Instant::now()
}

/// Connects from the loopback address itself: left to choose, the kernel may take the proxy's address, which is
/// never captured.
fn call(from: IpAddr, to: SocketAddr, timeout: Duration) -> io::Result<TcpStream> {
    let socket = tcp(to, SockFlag::SOCK_CLOEXEC)?;
    setsockopt(
        &socket,
        sockopt::SendTimeout,
        &TimeVal::milliseconds(i64::try_from(timeout.as_millis()).unwrap_or(i64::MAX)),
    )?;
    bind(socket.as_raw_fd(), &SockaddrStorage::from(SocketAddr::new(from, 0)))?;
    connect(socket.as_raw_fd(), &SockaddrStorage::from(to))?;
    Ok(TcpStream::from(socket))
}

fn tcp(address: SocketAddr, flags: SockFlag) -> nix::Result<OwnedFd> {
    let family = if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    socket(family, SockType::Stream, flags, None)
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = tcp(address, SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK)?;
    // The proxy may be starting beside us.
    setsockopt(&socket, sockopt::ReuseAddr, &true)?;
    setsockopt(&socket, sockopt::ReusePort, &true)?;
    bind(socket.as_raw_fd(), &SockaddrStorage::from(address))?;
    socket::listen(&socket, Backlog::new(16)?)?;
    Ok(TcpListener::from(socket))
}

/// Where a redirected connection was meant to go (`APP-42`): its local address if nothing redirected it.
///
/// The family that counts is that of the peer: an IPv4 peer on an IPv6 listener is asked for in IPv4.
///
/// # Errors
/// Connection tracking does not know the connection.
pub fn original_destination(stream: &TcpStream) -> io::Result<SocketAddr> {
    let peer = stream.peer_addr()?.ip().to_canonical();
    let socket = stream.as_fd();
    if peer.is_ipv4() {
        let found = getsockopt(&socket, sockopt::OriginalDst)?;
        let address = Ipv4Addr::from(u32::from_be(found.sin_addr.s_addr));
        Ok(SocketAddr::new(address.into(), u16::from_be(found.sin_port)))
    } else {
        let found = getsockopt(&socket, sockopt::Ip6tOriginalDst)?;
        let address = Ipv6Addr::from(found.sin6_addr.s6_addr);
        Ok(SocketAddr::new(address.into(), u16::from_be(found.sin6_port)))
    }
}
