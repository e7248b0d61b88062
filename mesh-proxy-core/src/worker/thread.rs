//! A worker's thread and the commands it takes.

use std::collections::HashMap;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::LocalOptions;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::AbortHandle;

use super::{Worker, listener};
use crate::shared::Shared;
use crate::snapshot::{ListenerKey, Role};
use crate::telemetry::access_log::{LogFormat, LogSink};

/// What the control thread tells a worker.
#[derive(Debug)]
pub(crate) enum Command {
    /// Accept on this socket, which is bound and listening.
    Listen(ListenerKey, Role, std::net::TcpListener),
    /// Stop accepting; connections go on.
    Close(ListenerKey),
    /// Responses ask clients to close (`PROXY-DRAIN-02`).
    Drain,
    /// Close connections without a request in flight.
    CloseIdle,
    /// End the thread, cutting what is left.
    Stop,
}

/// The control thread's end of a worker.
#[derive(Debug)]
pub(crate) struct WorkerHandle {
    commands: UnboundedSender<Command>,
    thread: Option<JoinHandle<()>>,
}

impl WorkerHandle {
    /// Sends a command. A worker that is gone has nothing to do with it any more.
    pub(crate) fn send(&self, command: Command) {
        let _ = self.commands.send(command);
    }

    /// Waits for the thread to end; call after [`Command::Stop`].
    pub(crate) fn join(&mut self) {
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Starts worker number `index`.
///
/// # Errors
///
/// When the operating system refuses a thread or its event queue.
pub(crate) fn spawn(
    index: usize,
    shared: Arc<Shared>,
    log: Option<(Arc<LogFormat>, LogSink)>,
) -> io::Result<WorkerHandle> {
    let (commands, receiver) = unbounded_channel();
    let runtime = move || {
        tokio::runtime::Builder::new_current_thread().enable_all().build_local(LocalOptions::default())
    };
    // The runtime is made on its thread, where it stays; the channel tells whether that went well.
    let (ready, started) = std::sync::mpsc::sync_channel(1);
    let thread =
        std::thread::Builder::new().name(format!("worker-{index}")).spawn(move || match runtime() {
            Ok(runtime) => {
                let _ = ready.send(Ok(()));
                runtime.block_on(run(&shared, log, receiver));
                runtime.shutdown_background();
            }
            Err(error) => {
                let _ = ready.send(Err(error));
            }
        })?;
    started.recv().unwrap_or_else(|_| Err(io::Error::other("the worker ended at once")))?;
    Ok(WorkerHandle { commands, thread: Some(thread) })
}

async fn run(
    shared: &Arc<Shared>,
    log: Option<(Arc<LogFormat>, LogSink)>,
    mut commands: UnboundedReceiver<Command>,
) {
    let worker = Worker::new(shared, log);
    let mut listeners: HashMap<ListenerKey, AbortHandle> = HashMap::new();
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            command = commands.recv() => match command {
                Some(Command::Listen(key, role, socket)) => match tokio::net::TcpListener::from_std(socket) {
                    Ok(socket) => {
                        let accepting = listener::start(&worker, key, role, socket);
                        if let Some(previous) = listeners.insert(key, accepting) {
                            previous.abort();
                        }
                    }
                    Err(error) => tracing::error!("listener {key}: {error}"),
                },
                Some(Command::Close(key)) => {
                    if let Some(accepting) = listeners.remove(&key) {
                        accepting.abort();
                    }
                }
                Some(Command::Drain) => worker.draining.set(true),
                Some(Command::CloseIdle) => close_idle(&worker),
                Some(Command::Stop) | None => return,
            },
            _ = ticks.tick() => worker.tick(),
        }
    }
}

fn close_idle(worker: &Rc<Worker>) {
    for (_, connection) in &*worker.connections.borrow() {
        if !connection.is_busy() {
            connection.end();
        }
    }
}
