//! The processes of the Bookinfo example, folded into one thread.
//!
//! Each workload (`productpage-v1`, `reviews-v1`, `reviews-v2`, ...) has its own port on 127.0.0.1, as it
//! would have its own pod address in a cluster, and says in every answer who it is: header
//! `x-served-by`, member `served_by`. The port numbers are those of the EndpointSlices in
//! `docs/examples/bookinfo/services.yaml`.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdListener};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

use super::call::Mesh;
use super::io::Io;
use super::services::{self, Service};

/// An answer of a demo service: whole, in memory.
pub(super) type Answer = Response<Full<Bytes>>;

/// One version of one service: a pod of its own in a cluster, a port of its own here.
#[derive(Debug)]
pub(super) struct Workload {
    /// Name of the pod, `reviews-v2`.
    pub(super) name: &'static str,
    pub(super) service: Service,
    /// Port on 127.0.0.1.
    pub(super) port: u16,
}

/// All workloads, in the order of the file `services.yaml`.
pub(super) static WORKLOADS: [Workload; 7] = [
    Workload { name: "productpage-v1", service: Service::Productpage, port: 19080 },
    Workload { name: "details-v1", service: Service::Details, port: 19081 },
    Workload { name: "reviews-v1", service: Service::Reviews { stars: None }, port: 19082 },
    Workload { name: "reviews-v2", service: Service::Reviews { stars: Some("black") }, port: 19083 },
    Workload { name: "reviews-v3", service: Service::Reviews { stars: Some("red") }, port: 19084 },
    Workload { name: "ratings-v1", service: Service::Ratings, port: 19085 },
    Workload { name: "echo-v1", service: Service::Echo, port: 19086 },
];

/// The running services. They stop when this is dropped.
///
/// All of them share one thread with a single-threaded runtime, so that they take no more than one core
/// from the proxy they are there to show.
#[derive(Debug)]
pub(crate) struct Backends {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Backends {
    /// Starts every service; their calls to one another go to the proxy listening at `mesh`.
    ///
    /// The proxy need not listen yet: a call that cannot be made shows as a service that is
    /// unavailable. When this returns, all ports accept connections.
    ///
    /// # Errors
    /// A port that is taken, named in the message together with its service; also a system that gives
    /// no thread or no event queue.
    pub(crate) fn spawn(mesh: SocketAddr) -> io::Result<Self> {
        let listeners = WORKLOADS
            .iter()
            .map(|workload| Ok((workload, bind(workload, workload.port)?)))
            .collect::<io::Result<Vec<_>>>()?;
        Self::serve(listeners, mesh)
    }

    /// Serves each workload on its listener.
    pub(super) fn serve(
        listeners: Vec<(&'static Workload, StdListener)>,
        mesh: SocketAddr,
    ) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let entered = runtime.enter();
        let listeners = listeners
            .into_iter()
            .map(|(workload, listener)| Ok((workload, TcpListener::from_std(listener)?)))
            .collect::<io::Result<Vec<_>>>()?;
        drop(entered);

        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name("demo-backends".to_owned())
            .spawn(move || run(&runtime, listeners, Mesh::at(mesh), stopped))?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Backends {
    fn drop(&mut self) {
        // Dropping the sender is the signal.
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            // A panic over there has already been reported by that thread; nothing is left to do.
            let _ = thread.join();
        }
    }
}

/// A listener for `workload` on loopback, ready for the runtime.
pub(super) fn bind(workload: &Workload, port: u16) -> io::Result<StdListener> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let listener = StdListener::bind(address).map_err(|error| {
        let advice = match error.kind() {
            io::ErrorKind::AddrInUse => "; stop the program that has this port, perhaps another demo",
            _ => "",
        };
        let service = workload.name;
        io::Error::new(
            error.kind(),
            format!("demo service `{service}` cannot listen on {address}: {error}{advice}"),
        )
    })?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// The body of the thread: accepts on every listener until told to stop.
fn run(
    runtime: &Runtime,
    listeners: Vec<(&'static Workload, TcpListener)>,
    mesh: Mesh,
    stopped: oneshot::Receiver<()>,
) {
    runtime.block_on(async move {
        for (workload, listener) in listeners {
            tokio::spawn(accept(workload, listener, mesh));
        }
        // Either way of ending means the owner is gone.
        let _ = stopped.await;
    });
}

/// Accepts connections for one workload, for ever.
async fn accept(workload: &'static Workload, listener: TcpListener, mesh: Mesh) {
    loop {
        match listener.accept().await {
            Ok((socket, _)) => {
                tokio::spawn(connection(workload, socket, mesh));
            }
            // Out of file descriptors, most likely: without a pause this loop would spin.
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

/// Answers the requests of one connection.
async fn connection(workload: &'static Workload, socket: TcpStream, mesh: Mesh) {
    // Answers are written whole; waiting to fill a packet would only delay them.
    let _ = socket.set_nodelay(true);
    let handler =
        service_fn(move |request| async move { Ok::<_, Infallible>(respond(workload, mesh, request).await) });
    // A client that goes away in the middle of a request is not an event worth a word here.
    let _ = http1::Builder::new().serve_connection(Io(socket), handler).await;
}

/// The service's answer, signed with the name of the workload.
async fn respond(workload: &Workload, mesh: Mesh, request: Request<Incoming>) -> Answer {
    let mut answer = services::answer(workload, mesh, request).await;
    answer.headers_mut().insert("x-served-by", HeaderValue::from_static(workload.name));
    answer
}

#[cfg(test)]
#[path = "backends_tests.rs"]
mod tests;
