//! One client connection: serving requests on it, ending it when it is idle for too long, handing it over to an upgrade.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Poll, Waker};

use http::HeaderValue;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::Worker;
use super::listener::Listener;
use super::metered::Metered;
use crate::exchange::{self, Upgrade};
use crate::snapshot::Role;

/// Request heads above this are answered with 431 (`PROXY` 3.11).
const MAX_REQUEST_HEAD: usize = 60 * 1024;

/// What hyper may buffer for one connection and direction (`PROXY` 3.11: 256 KiB).
const MAX_BUFFER: usize = 256 * 1024;

/// An idle connection is closed after an hour (`PROXY` 3.8).
const IDLE_SECONDS: u32 = 3600;

/// A head must arrive within a minute at a gateway (`PROXY` 3.11); sidecars trust their application.
const HEADER_SECONDS: u32 = 60;

/// A client connection.
pub(crate) struct Downstream {
    worker: Rc<Worker>,
    listener: Rc<Listener>,
    id: u64,
    peer: SocketAddr,
    local: SocketAddr,
    /// Both ends as logs write them.
    peer_name: Box<str>,
    local_name: Box<str>,
    /// The peer's address as `x-forwarded-for` writes it.
    peer_value: HeaderValue,
    phase: Cell<Phase>,
    /// The worker's second in which `phase` was entered.
    since: Cell<u32>,
    ending: Cell<bool>,
    waker: RefCell<Option<Waker>>,
    upgrade: RefCell<Option<Upgrade>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Between requests, nothing read.
    Idle,
    /// Something of a head has been read.
    Head,
    /// A request is in flight.
    Busy,
}

impl Downstream {
    pub(crate) fn worker(&self) -> &Rc<Worker> {
        &self.worker
    }

    pub(crate) fn listener(&self) -> &Listener {
        &self.listener
    }

    /// A number that no other connection of this worker has.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    pub(crate) fn peer(&self) -> SocketAddr {
        self.peer
    }

    pub(crate) fn local(&self) -> SocketAddr {
        self.local
    }

    pub(crate) fn peer_name(&self) -> &str {
        &self.peer_name
    }

    pub(crate) fn local_name(&self) -> &str {
        &self.local_name
    }

    pub(crate) fn peer_value(&self) -> &HeaderValue {
        &self.peer_value
    }

    fn enter(&self, phase: Phase) {
        self.phase.set(phase);
        self.since.set(self.worker.second());
    }

    pub(crate) fn begin_request(&self) {
        self.enter(Phase::Busy);
        self.worker.cells.downstream_rq_total.add(1);
        self.worker.cells.downstream_rq_active.add(1);
    }

    pub(crate) fn end_request(&self) {
        self.enter(Phase::Idle);
        self.worker.cells.downstream_rq_active.sub(1);
    }

    pub(super) fn note_read(&self) {
        if self.phase.get() == Phase::Idle {
            self.enter(Phase::Head);
        }
    }

    /// Whether a request is in flight.
    pub(super) fn is_busy(&self) -> bool {
        self.phase.get() == Phase::Busy
    }

    /// Leaves an upgraded exchange for the connection's task to run once hyper has let go of the socket.
    pub(crate) fn set_upgrade(&self, upgrade: Upgrade) {
        self.upgrade.replace(Some(upgrade));
    }

    /// Ends the connection after the request in flight, if any.
    pub(super) fn end(&self) {
        self.ending.set(true);
        if let Some(waker) = self.waker.borrow().as_ref() {
            waker.wake_by_ref();
        }
    }

    pub(super) fn check_timeouts(&self, second: u32) {
        let age = second.saturating_sub(self.since.get());
        match self.phase.get() {
            Phase::Idle if age > IDLE_SECONDS => {
                self.worker.cells.downstream_cx_idle_timeout.add(1);
                self.end();
            }
            // DIFFERENCE PROXY-TIME-04: Istio sets no header timeout at a gateway outside its edge profile, which
            // leaves it open to clients that never finish a head. The connection is closed without a 408.
            Phase::Head if age > HEADER_SECONDS && self.listener.role() == Role::Gateway => {
                self.worker.cells.downstream_rq_header_timeout.add(1);
                self.end();
            }
            _ => {}
        }
    }
}

/// Keeps the worker's list of connections and its gauge right, whatever ends the task.
struct Registration {
    connection: Rc<Downstream>,
    at: usize,
}

impl Registration {
    fn new(connection: &Rc<Downstream>) -> Self {
        let worker = &connection.worker;
        worker.cells.downstream_cx_total.add(1);
        worker.cells.downstream_cx_active.add(1);
        let at = worker.connections.borrow_mut().insert(Rc::clone(connection));
        Self { connection: Rc::clone(connection), at }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let worker = &self.connection.worker;
        worker.cells.downstream_cx_active.sub(1);
        worker.connections.borrow_mut().try_remove(self.at);
        // The waker refers to the task that holds this connection.
        self.connection.waker.borrow_mut().take();
    }
}

/// Serves `stream` to its end.
pub(super) async fn serve(worker: Rc<Worker>, listener: Rc<Listener>, stream: TcpStream, peer: SocketAddr) {
    // The only failure is a connection that is gone already.
    let Ok(local) = stream.local_addr() else { return };
    let _ = stream.set_nodelay(true);
    let connection = Rc::new(Downstream {
        peer_value: address_value(peer.ip()),
        peer_name: peer.to_string().into(),
        local_name: local.to_string().into(),
        phase: Cell::new(Phase::Idle),
        since: Cell::new(worker.second()),
        ending: Cell::new(false),
        waker: RefCell::new(None),
        upgrade: RefCell::new(None),
        id: worker.cells.downstream_cx_total.get(),
        worker,
        listener,
        peer,
        local,
    });
    let _registration = Registration::new(&connection);
    let service = {
        let connection = Rc::clone(&connection);
        service_fn(move |request| exchange::handle(Rc::clone(&connection), request))
    };
    // The HTTP engine decides what a message is. It differs from Envoy here:
    // DIFFERENCE PROXY-REQ-01: what it refuses gets the status (400, 431) and no body.
    // DIFFERENCE PROXY-SMUG-01: of `content-length` and `transfer-encoding: chunked` together the chunks count and the
    // length is dropped; Envoy answers 400. The upstream gets one framing, written anew.
    // DIFFERENCE PROXY-SMUG-02: a bare line feed ends a line; Envoy answers 400.
    let mut http = hyper::server::conn::http1::Builder::new()
        .header_read_timeout(None)
        .max_header_size(MAX_REQUEST_HEAD)
        .max_buf_size(MAX_BUFFER)
        .serve_connection(TokioIo::new(Metered::new(stream, Rc::clone(&connection))), service);
    let mut shutting_down = false;
    let served = std::future::poll_fn(|cx| {
        if connection.waker.borrow().is_none() {
            connection.waker.replace(Some(cx.waker().clone()));
        }
        if connection.ending.get() && !shutting_down {
            shutting_down = true;
            if connection.phase.get() == Phase::Busy {
                Pin::new(&mut http).graceful_shutdown();
            } else {
                return Poll::Ready(Ok(()));
            }
        }
        Pin::new(&mut http).poll(cx)
    })
    .await;
    match served {
        Ok(()) => {}
        Err(error) if error.is_parse() => {
            connection.worker.cells.downstream_cx_protocol_error.add(1);
            tracing::debug!(peer = %connection.peer, "client broke the protocol: {error}");
        }
        Err(error) => tracing::debug!(peer = %connection.peer, "client connection ended: {error}"),
    }
    let upgrade = connection.upgrade.take();
    if let Some(upgrade) = upgrade {
        let parts = http.into_parts();
        connection.enter(Phase::Busy);
        upgrade.run(parts.io.into_inner().into_inner(), parts.read_buf).await;
    }
}

fn address_value(address: IpAddr) -> HeaderValue {
    // An address is always a valid header value; an IPv4-mapped one is written as the client wrote it.
    HeaderValue::from_str(&address.to_canonical().to_string()).unwrap_or(HeaderValue::from_static("unknown"))
}
