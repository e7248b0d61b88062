//! What the tests share: clients, backends, configuration, the process.

mod backend;
mod client;
mod log;
mod process;
pub(crate) mod tokens;
mod wire;
mod world;

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

pub(crate) use self::backend::{Backend, Request, answer, ok};
pub(crate) use self::client::{Client, Response, get};
pub(crate) use self::log::LogLine;
pub(crate) use self::process::{Finished, Proxy, signal};
pub(crate) use self::wire::{Head, Wire};
pub(crate) use self::world::{World, service, virtual_service};

/// How long anything may take that is not expected to take long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Asks again and again until there is an answer; fails with `what` after [`PATIENCE`].
pub(crate) fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A port that nothing listens on. It lies below the range from which the system takes the ports of connections, so
/// that none of the many connections of these tests gets it between here and its use.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    const FIRST: u16 = 20_000;
    const COUNT: u16 = 12_000;
    // Two runs of these tests at the same time begin at different places.
    let start = u16::try_from(std::process::id() % u32::from(COUNT)).expect("less than the count");
    for _ in 0..COUNT {
        let at = u32::from(start) * 97 + u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = FIRST + u16::try_from(at % u32::from(COUNT)).expect("less than the count");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() && TcpListener::bind(("0.0.0.0", port)).is_ok() {
            return port;
        }
    }
    panic!("no port is free");
}
