//! The running proxy: workers, listeners, configuration, admin interface, and their orderly end.

use std::collections::HashSet;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::admin::{self, Admin, Loaded, Phase, Request};
use crate::bind;
use crate::config::{Findings, Source, Watcher};
use crate::live::Live;
use crate::log::LogLevels;
use crate::shared::Shared;
use crate::snapshot::{Context, HttpListener, ListenerKey, Role, Snapshot};
use crate::telemetry::access_log::{ISTIO_DEFAULT, LogFormat, LogWriter};
use crate::worker::{Command, WorkerHandle, spawn};

/// Settings that are read once, at start (`PROXY-CFG-03`).
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// Files and directories with objects.
    pub(crate) config: Vec<PathBuf>,
    /// Worker threads; `None` means one per usable core (`PROXY-START-04`).
    pub(crate) concurrency: Option<NonZeroUsize>,
    /// Where the admin interface listens; `None` means nowhere.
    pub(crate) admin: Option<SocketAddr>,
    /// Binds gateway listeners to this address instead of the Gateway's `bind` or every address.
    pub(crate) bind: Option<IpAddr>,
    /// Access log; when `None`, `meshConfig.accessLogFile` decides.
    pub(crate) access_log: Option<PathBuf>,
    /// How long clients are asked to leave before the process ends (`PROXY-DRAIN-01`).
    pub(crate) drain: Duration,
    /// Whether draining may end as soon as no client connection is left (`PROXY-DRAIN-04`).
    pub(crate) exit_on_zero_connections: bool,
    /// Who the proxy is.
    pub(crate) context: Context,
}

impl Options {
    /// The defaults of `mesh-proxy run`.
    #[must_use]
    pub(crate) fn new(config: Vec<PathBuf>) -> Self {
        Self {
            config,
            concurrency: None,
            admin: Some(SocketAddr::from(([127, 0, 0, 1], 15000))),
            bind: None,
            access_log: None,
            drain: Duration::from_secs(5),
            exit_on_zero_connections: true,
            context: Context::default(),
        }
    }
}

/// Why the proxy did not start: one line that names the thing and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct StartError(String);

impl From<String> for StartError {
    fn from(text: String) -> Self {
        Self(text)
    }
}

/// A proxy whose listeners are bound and whose workers serve.
pub(crate) struct Engine {
    options: Options,
    shared: Arc<Shared>,
    admin: Arc<Admin>,
    admin_socket: Option<tokio::net::TcpListener>,
    source: Source,
    workers: Vec<WorkerHandle>,
    bound: HashSet<ListenerKey>,
    log: Option<LogWriter>,
    requests: UnboundedReceiver<Request>,
    report: Box<dyn Fn(&Findings)>,
    /// What has been reported already.
    shown: HashSet<String>,
}

/// What ended [`Engine::run`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Drain,
    Now,
}

impl Engine {
    /// Reads the configuration, binds everything and starts the workers. Must be called within a tokio
    /// [`LocalRuntime`](tokio::runtime::LocalRuntime). `report` is told of every finding about the configuration, now
    /// and whenever it changes.
    ///
    /// # Errors
    ///
    /// Configuration that cannot be read or has nothing to serve, an address that cannot be bound, an access log that
    /// cannot be opened.
    pub(crate) fn start(
        options: Options,
        levels: LogLevels,
        report: Box<dyn Fn(&Findings)>,
    ) -> Result<Self, StartError> {
        let mut source = Source::new(options.config.clone(), options.context.clone());
        let admin_socket = options.admin.map(bind_admin).transpose()?;
        let (snapshot, mut findings) = source.load().map_err(|error| error.to_string())?;
        let issues = findings.lines();
        let mut shown = HashSet::new();
        findings.retain_news(&mut shown);
        report(&findings);
        if snapshot.listeners().is_empty() {
            return Err(nothing_to_serve(&options).into());
        }
        let log = open_log(&options, &snapshot)?;
        let concurrency = options.concurrency.map_or_else(usable_cores, NonZeroUsize::get);
        let sockets: Vec<_> = snapshot
            .listeners()
            .iter()
            .map(|listener| {
                let address = bind_address(&options, listener);
                let sockets = bind::listen(address, concurrency)
                    .map_err(|error| bind::explain(&listener.name, address, &error))?;
                Ok((listener.key, listener.role, sockets))
            })
            .collect::<Result<_, String>>()?;

        let shared = Arc::new(Shared::new(Live::new(snapshot)));
        let dropped = log.as_ref().map(|(_, writer)| writer.dropped()).unwrap_or_default();
        let (sender, requests) = unbounded_channel();
        let admin = Arc::new(Admin::new(Arc::clone(&shared), levels, sender, concurrency, dropped));
        admin.set_loaded(Loaded { objects: source.objects(), issues });
        let workers = (0..concurrency)
            .map(|index| {
                let sink = log.as_ref().map(|(format, writer)| (Arc::clone(format), writer.sink()));
                spawn(index, Arc::clone(&shared), sink)
            })
            .collect::<io::Result<Vec<_>>>()
            .map_err(|error| format!("workers: {error}"))?;
        let mut engine = Self {
            options,
            shared,
            admin,
            admin_socket,
            source,
            workers,
            bound: HashSet::new(),
            log: log.map(|(_, writer)| writer),
            requests,
            report,
            shown,
        };
        for (key, role, sockets) in sockets {
            engine.bound.insert(key);
            for (worker, socket) in engine.workers.iter().zip(sockets) {
                worker.send(Command::Listen(key, role, socket));
            }
        }
        Ok(engine)
    }

    /// Worker threads.
    pub(crate) fn concurrency(&self) -> usize {
        self.workers.len()
    }

    /// The listeners in force, by name.
    pub(crate) fn listeners(&self) -> Vec<(String, SocketAddr)> {
        let published = self.shared.live().current().load();
        let listeners = published.snapshot.listeners().iter();
        listeners.map(|listener| (listener.name.clone(), bind_address(&self.options, listener))).collect()
    }

    /// Serves until `stop` resolves or the admin interface asks for the end, then drains.
    pub(crate) async fn run(mut self, stop: impl Future<Output = ()>, again: impl Future<Output = ()>) {
        if let Some(socket) = self.admin_socket.take() {
            tokio::task::spawn_local(admin::serve(Arc::clone(&self.admin), socket));
        }
        self.admin.set_phase(Phase::Live);
        let mut watcher = Watcher::new(&self.options.config);
        let mut stop = std::pin::pin!(stop);
        let mut hangup = Signal::hangup();
        let mut reopen = Signal::user1();
        let end = loop {
            tokio::select! {
                () = &mut stop => break End::Drain,
                () = watcher.changed() => self.reload(),
                () = hangup.received() => self.reload(),
                () = reopen.received() => self.reopen_logs(),
                request = self.requests.recv() => match request {
                    Some(Request::Quit) | None => break End::Now,
                    Some(Request::Drain) => self.start_draining(),
                    Some(Request::ReopenLogs) => self.reopen_logs(),
                },
            }
        };
        if end == End::Drain {
            tokio::select! {
                () = self.drain() => {}
                () = again => tracing::info!("told to stop again, ending now"),
            }
        }
        self.finish();
    }

    fn reopen_logs(&self) {
        if let Some(log) = &self.log {
            log.reopen();
        }
    }

    /// Reads the configuration again and publishes what is new. What cannot be used keeps its last good form.
    fn reload(&mut self) {
        let (snapshot, mut findings) = match self.source.reload() {
            Ok(Some(loaded)) => loaded,
            Ok(None) => return,
            Err(error) => {
                tracing::error!("{error}; the configuration in force stays");
                return;
            }
        };
        self.admin.set_loaded(Loaded { objects: self.source.objects(), issues: findings.lines() });
        findings.retain_news(&mut self.shown);
        (self.report)(&findings);
        if snapshot.listeners().is_empty() {
            tracing::error!("the new configuration has no listener left; the configuration in force stays");
            return;
        }
        let mut new = Vec::new();
        for listener in snapshot.listeners().iter().filter(|listener| !self.bound.contains(&listener.key)) {
            match bind::listen(bind_address(&self.options, listener), self.workers.len()) {
                Ok(sockets) => new.push((listener.key, listener.role, sockets)),
                // PROXY-START-02: at run time, an issue of this one listener.
                Err(error) => {
                    tracing::error!(
                        "{}",
                        bind::explain(&listener.name, bind_address(&self.options, listener), &error)
                    );
                }
            }
        }
        let wanted: HashSet<ListenerKey> = snapshot.listeners().iter().map(|listener| listener.key).collect();
        self.shared.live().publish(snapshot);
        for (key, role, sockets) in new {
            self.bound.insert(key);
            for (worker, socket) in self.workers.iter().zip(sockets) {
                worker.send(Command::Listen(key, role, socket));
            }
        }
        let gone: Vec<ListenerKey> =
            self.bound.iter().filter(|key| !wanted.contains(*key)).copied().collect();
        for key in gone {
            self.bound.remove(&key);
            for worker in &self.workers {
                worker.send(Command::Close(key));
            }
        }
        let generation = self.shared.live().current().load().generation;
        tracing::info!("configuration {generation} in force: {}", self.source.summary());
    }

    fn start_draining(&self) {
        self.admin.set_phase(Phase::Draining);
        for worker in &self.workers {
            worker.send(Command::Drain);
        }
    }

    fn active_connections(&self) -> u64 {
        self.shared.sum(|cells| cells.downstream_cx_active.get())
    }

    /// `PROXY-DRAIN-01`, `-02`: clients are asked to leave and new ones still served; idle connections are closed in
    /// the last second, because closing one at once races with a request that is on its way.
    async fn drain(&self) {
        self.start_draining();
        tracing::info!("draining for up to {} s", self.options.drain.as_secs_f32());
        let end = tokio::time::Instant::now() + self.options.drain;
        let idle_from = end.checked_sub(Duration::from_secs(1)).unwrap_or(end);
        let mut told = false;
        while tokio::time::Instant::now() < end {
            if self.options.exit_on_zero_connections && self.active_connections() == 0 {
                return;
            }
            if !told && tokio::time::Instant::now() >= idle_from {
                told = true;
                for worker in &self.workers {
                    worker.send(Command::CloseIdle);
                }
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn finish(mut self) {
        let cut = self.shared.sum(|cells| cells.downstream_rq_active.get());
        if cut > 0 {
            tracing::warn!("ending with {cut} requests in flight");
        }
        for worker in &self.workers {
            worker.send(Command::Stop);
        }
        for worker in &mut self.workers {
            worker.join();
        }
    }
}

/// Where a listener is bound: where it says, unless the options narrow gateways to one address.
fn bind_address(options: &Options, listener: &HttpListener) -> SocketAddr {
    match (options.bind, listener.role) {
        (Some(ip), Role::Gateway) => SocketAddr::new(ip, listener.key.port),
        _ => listener.key.address(),
    }
}

fn bind_admin(address: SocketAddr) -> Result<tokio::net::TcpListener, String> {
    let explain = |error: io::Error| bind::explain("admin interface", address, &error);
    let socket = bind::listen(address, 1).map_err(explain)?.pop();
    let socket = socket.ok_or_else(|| "admin interface: no socket".to_owned())?;
    tokio::net::TcpListener::from_std(socket).map_err(explain)
}

fn open_log(options: &Options, snapshot: &Snapshot) -> Result<Option<(Arc<LogFormat>, LogWriter)>, String> {
    let mesh = snapshot.access_log();
    let Some(path) = options.access_log.clone().or_else(|| mesh.file.as_ref().map(PathBuf::from)) else {
        return Ok(None);
    };
    let format = LogFormat::compile(mesh.format.as_deref().unwrap_or(ISTIO_DEFAULT))?;
    let writer = LogWriter::open(&path).map_err(|error| {
        format!("access log `{}`: {error}, choose a file that can be written", path.display())
    })?;
    Ok(Some((Arc::new(format), writer)))
}

fn nothing_to_serve(options: &Options) -> String {
    let labels = options.context.gateway.as_ref().map(crate::snapshot::ProxyIdentity::labels_text);
    match labels {
        Some(labels) => format!(
            "nothing to serve: no Gateway selects this proxy (labels `{labels}`) and no Sidecar binds an egress \
             listener; add one, or pass --gateway-label with the labels that your Gateway's selector names"
        ),
        None => "nothing to serve: no Sidecar binds an egress listener for this proxy".to_owned(),
    }
}

/// The cores this process may use, from its affinity and control group (`PROXY-START-04`).
fn usable_cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

/// A Unix signal, or nothing where there are none.
struct Signal(Option<tokio::signal::unix::Signal>);

impl Signal {
    fn hangup() -> Self {
        Self::of(tokio::signal::unix::SignalKind::hangup())
    }

    fn user1() -> Self {
        Self::of(tokio::signal::unix::SignalKind::user_defined1())
    }

    fn of(kind: tokio::signal::unix::SignalKind) -> Self {
        Self(tokio::signal::unix::signal(kind).ok())
    }

    async fn received(&mut self) {
        match &mut self.0 {
            Some(signal) => {
                signal.recv().await;
            }
            None => std::future::pending().await,
        }
    }
}
