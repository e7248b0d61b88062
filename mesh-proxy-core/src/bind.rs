//! Listening sockets: bound by the control thread, one per worker and address, so that the kernel spreads connections
//! over workers and a failure is known before anything is served.

use std::io;
use std::net::SocketAddr;

use socket2::{Domain, Protocol, Socket, Type};

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 4096;

/// Binds `count` sockets to `address`.
///
/// # Errors
///
/// [`io::ErrorKind::AddrInUse`] when something listens there already, even if it would share the port; else what the
/// operating system says.
pub(crate) fn listen(address: SocketAddr, count: usize) -> io::Result<Vec<std::net::TcpListener>> {
    // With SO_REUSEPORT alone, a second proxy of the same user would quietly take half of the connections.
    drop(socket(address, false)?);
    let first = socket(address, true)?;
    // Port 0 is chosen by the first socket; the others join it.
    let address = first.local_addr()?.as_socket().unwrap_or(address);
    let mut sockets = vec![first];
    for _ in 1..count {
        sockets.push(socket(address, true)?);
    }
    Ok(sockets.into_iter().map(Into::into).collect())
}

fn socket(address: SocketAddr, share: bool) -> io::Result<Socket> {
    let socket =
        Socket::new(Domain::for_address(address), Type::STREAM.nonblocking().cloexec(), Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    if share {
        socket.set_reuse_port(true)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket)
}

/// A sentence for a person: what cannot be bound, why, and what to do.
pub(crate) fn explain(what: &str, address: SocketAddr, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => format!(
            "{what}: port {} on {} is in use by another process, stop it or choose another port",
            address.port(),
            address.ip()
        ),
        io::ErrorKind::PermissionDenied => format!(
            "{what}: no permission to bind {address}, choose a port from 1024 up or grant CAP_NET_BIND_SERVICE"
        ),
        io::ErrorKind::AddrNotAvailable => {
            format!("{what}: {} is not an address of this machine", address.ip())
        }
        _ => format!("{what}: cannot bind {address}: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_share_a_port_and_strangers_do_not() {
        let sockets = listen(([127, 0, 0, 1], 0).into(), 3).expect("bound");
        let address = sockets[0].local_addr().expect("an address");
        assert!(sockets.iter().all(|socket| socket.local_addr().expect("an address") == address));
        let error = listen(address, 1).expect_err("in use");
        assert_eq!(
            explain("listener http", address, &error),
            format!(
                "listener http: port {} on 127.0.0.1 is in use by another process, stop it or choose another port",
                address.port()
            )
        );
    }
}
