//! Accepting connections, and what the snapshot in force says about a listener.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::AbortHandle;

use super::{Worker, WorkerSnapshot, downstream};
use crate::snapshot::{HttpListener, ListenerKey, Role};

/// How long accepting pauses after the process ran out of something (`PROXY-OVL-02`).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// One bound address on one worker.
pub(crate) struct Listener {
    key: ListenerKey,
    role: Role,
    view: RefCell<Option<Rc<ListenerView>>>,
}

/// A listener in one snapshot. A request holds it to its end, so that it sees one version only (`PROXY-SHAPE-01`).
pub(crate) struct ListenerView {
    snapshot: Rc<WorkerSnapshot>,
    at: usize,
    role: Role,
}

impl ListenerView {
    pub(crate) fn snapshot(&self) -> &Rc<WorkerSnapshot> {
        &self.snapshot
    }

    pub(crate) fn role(&self) -> Role {
        self.role
    }

    /// What the snapshot says. `None` only if the snapshot were another one than the view was made from.
    pub(crate) fn compiled(&self) -> Option<&HttpListener> {
        self.snapshot.compiled().listeners().get(self.at)
    }
}

impl Listener {
    pub(crate) fn role(&self) -> Role {
        self.role
    }

    /// The listener as the newest snapshot that has it says, and whether that is the one in force: once a snapshot no
    /// longer has the listener, its connections are served to their end by the last one that had (`PROXY-SNAP-06`).
    pub(crate) fn view(&self, worker: &Worker) -> Option<(Rc<ListenerView>, bool)> {
        let snapshot = worker.snapshot();
        let mut view = self.view.borrow_mut();
        if let Some(current) = &*view
            && Rc::ptr_eq(&current.snapshot, &snapshot)
        {
            return Some((Rc::clone(current), true));
        }
        match snapshot.compiled().listeners().iter().position(|listener| listener.key == self.key) {
            Some(at) => {
                let new = Rc::new(ListenerView { snapshot, at, role: self.role });
                *view = Some(Rc::clone(&new));
                Some((new, true))
            }
            None => view.as_ref().map(|last| (Rc::clone(last), false)),
        }
    }
}

/// Accepts on `socket` until aborted.
pub(super) fn start(worker: &Rc<Worker>, key: ListenerKey, role: Role, socket: TcpListener) -> AbortHandle {
    let worker = Rc::clone(worker);
    let listener = Rc::new(Listener { key, role, view: RefCell::new(None) });
    tokio::task::spawn_local(async move {
        loop {
            match socket.accept().await {
                Ok((stream, peer)) => {
                    let (worker, listener) = (Rc::clone(&worker), Rc::clone(&listener));
                    tokio::task::spawn_local(downstream::serve(worker, listener, stream, peer));
                }
                Err(error) => {
                    // The client gave up while it was queued, or the process is out of descriptors. Neither ends
                    // the listener; only the second needs a pause.
                    worker.cells.accept_error.add(1);
                    if error.kind() != std::io::ErrorKind::ConnectionAborted {
                        tracing::warn!("accepting on {}: {error}", listener.key);
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                }
            }
        }
    })
    .abort_handle()
}
