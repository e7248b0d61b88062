//! Backends: threads that read requests strictly and answer with raw bytes.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use super::{Head, Wire};

/// A request as a backend got it.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) head: Head,
    pub(crate) body: Vec<u8>,
    /// Number of the connection, from 0.
    pub(crate) connection: usize,
    /// Number of the request on its connection, from 0.
    pub(crate) on_connection: usize,
    /// Number of the request, from 0.
    pub(crate) number: usize,
}

impl Request {
    pub(crate) fn method(&self) -> &str {
        self.head.start.split(' ').next().unwrap_or_default()
    }

    pub(crate) fn target(&self) -> &str {
        self.head.start.split(' ').nth(1).unwrap_or_default()
    }

    pub(crate) fn header(&self, name: &str) -> Option<String> {
        self.head.header(name)
    }
}

/// A listening backend. It ends with its value; connections end when the proxy closes them.
pub(crate) struct Backend {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    connections: AtomicUsize,
    closed: AtomicUsize,
    requests: Mutex<Vec<Request>>,
    stop: AtomicBool,
}

impl Shared {
    fn requests(&self) -> MutexGuard<'_, Vec<Request>> {
        self.requests.lock().expect("no test panics while it holds this")
    }
}

/// A complete response; `headers` are whole lines with their ends.
pub(crate) fn answer(status: &str, headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let mut out =
        format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n", body.len()).into_bytes();
    out.extend_from_slice(body);
    out
}

/// A response with status 200.
pub(crate) fn ok(body: impl AsRef<[u8]>) -> Vec<u8> {
    answer("200 OK", "", body)
}

impl Backend {
    /// Answers each request with the bytes that `respond` returns; closes instead when there are none, and afterwards
    /// when they say `connection: close`.
    pub(crate) fn http(respond: impl Fn(&Request) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let shared = Arc::new(Shared::default());
        let seen = Arc::clone(&shared);
        Self::start(shared, move |mut wire, connection| {
            for on_connection in 0.. {
                // Whatever ends the connection, the proxy's answer to its client is what the test looks at.
                let Ok(Some(head)) = wire.head() else { return };
                let Ok(body) = wire.body(&head) else { return };
                let request = {
                    let mut requests = seen.requests();
                    let number = requests.len();
                    let body = body.unwrap_or_default();
                    requests.push(Request { head, body, connection, on_connection, number });
                    requests[number].clone()
                };
                let bytes = respond(&request);
                let closes = bytes.is_empty() || contains(&bytes, b"connection: close\r\n");
                if wire.send(bytes).is_err() || closes {
                    return;
                }
            }
        })
    }

    /// Answers every request with its method and target.
    pub(crate) fn echo() -> Self {
        Self::http(|request| ok(format!("{} {}", request.method(), request.target())))
    }

    /// Answers every request with a name.
    pub(crate) fn named(name: &'static str) -> Self {
        Self::http(move |_| ok(name))
    }

    /// Leaves each connection, numbered from 0, to `serve`, on a thread of its own.
    pub(crate) fn raw(serve: impl Fn(Wire, usize) + Send + Sync + 'static) -> Self {
        Self::start(Arc::new(Shared::default()), serve)
    }

    fn start(shared: Arc<Shared>, serve: impl Fn(Wire, usize) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let counted = Arc::clone(&shared);
        let serve = Arc::new(serve);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if counted.stop.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let connection = counted.connections.fetch_add(1, Ordering::SeqCst);
                let (serve, counted) = (Arc::clone(&serve), Arc::clone(&counted));
                std::thread::spawn(move || {
                    serve(Wire::new(stream), connection);
                    counted.closed.fetch_add(1, Ordering::SeqCst);
                });
            }
        });
        Self { address, shared }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connections accepted so far.
    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// Connections that are still being served.
    pub(crate) fn open_connections(&self) -> usize {
        self.connections() - self.shared.closed.load(Ordering::SeqCst)
    }

    /// The requests received so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.shared.requests().clone()
    }

    /// The only request that came.
    pub(crate) fn only_request(&self) -> Request {
        let requests = self.requests();
        assert_eq!(requests.len(), 1, "one request was expected: {requests:#?}");
        requests[0].clone()
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}
