//! Balances real connections over several servers, from several threads, with nothing but the standard library.
//!
//! ```sh
//! cargo run -p mesh-lb --example balance            # watch it for a few seconds
//! cargo run -p mesh-lb --example balance -- --check # assert that it does what it should
//! ```
//!
//! Five servers on the loopback interface answer a line with a line. One of them begins to fail: it is ejected after
//! three failures in a row, is left alone for its time, and comes back. Least request chooses, a circuit breaker
//! limits what is under way, and guards keep the counts right.
//!
//! What a proxy has to add to the library is all here: a clock, one generator and one balancer a worker, a sweep once
//! an interval, and a new view whenever the verdicts change.
#![allow(
    missing_docs,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a program for people, and it is the program that has the clock"
)]

use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mesh_lb::{
    ActiveCounts, ActiveRequests, CircuitBreaker, Endpoint, EndpointSet, LeastRequest, LeastRequestConfig,
    Limits, Monotonic, Outcome, OutlierAction, OutlierConfig, OutlierDetector, OutlierEvent, PrioritySet,
    PrioritySetConfig, Published, Resource, SplitMix64, Weight,
};

const SERVERS: usize = 5;
const WORKERS: u64 = 4;
/// The server that fails for a while.
const FAILING: usize = 2;

/// A server, as its own counts see it.
#[derive(Default)]
struct Server {
    answered: AtomicU64,
    failing: AtomicBool,
}

/// Answers every line with a status until the listener's process ends.
fn serve(listener: &TcpListener, server: &Server) {
    for stream in listener.incoming().flatten() {
        let mut line = String::new();
        if BufReader::new(&stream).read_line(&mut line).is_ok() && !line.is_empty() {
            server.answered.fetch_add(1, Ordering::Relaxed);
            let status = if server.failing.load(Ordering::Relaxed) { "503\n" } else { "200\n" };
            // A client that has gone away will not miss the answer.
            let _ = (&stream).write_all(status.as_bytes());
        }
    }
}

/// What the workers share.
struct Cluster {
    set: EndpointSet<SocketAddr>,
    active: ActiveCounts,
    breaker: CircuitBreaker,
    detector: OutlierDetector,
    view: Arc<Published<PrioritySet>>,
    start: Instant,
    stop: AtomicBool,
    answered: AtomicU64,
    failed: AtomicU64,
    refused: AtomicU64,
}

impl Cluster {
    fn new(addresses: &[SocketAddr]) -> Result<Self, Box<dyn Error>> {
        let set = EndpointSet::new(addresses.iter().map(|address| Endpoint::new(*address, Weight::ONE)))?;
        let outlier = OutlierConfig::new()
            .consecutive_5xx_errors(3)
            .interval(Duration::from_millis(50))
            .base_ejection_time(Duration::from_millis(500))
            .max_ejection_percent(40);
        let detector = OutlierDetector::new(outlier, set.len())?;
        let view = PrioritySet::new(&set, &PrioritySetConfig::default(), &detector);
        Ok(Self {
            active: ActiveCounts::new(set.len()),
            breaker: CircuitBreaker::new(Limits::new().max_requests(3)),
            view: Arc::new(Published::new(view)),
            set,
            detector,
            start: Instant::now(),
            stop: AtomicBool::new(false),
            answered: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        })
    }

    fn now(&self) -> Monotonic {
        Monotonic::new(self.start.elapsed())
    }

    /// One worker: a balancer and a generator of its own, everything else shared.
    fn work(&self, seed: u64) {
        let mut draw = SplitMix64::new(seed);
        let mut views = self.view.subscribe();
        let config = LeastRequestConfig::default();
        let mut balancer = LeastRequest::new(Arc::clone(views.latest()), config, &self.active, &mut draw);
        while !self.stop.load(Ordering::Relaxed) {
            if let Some(view) = views.changed() {
                balancer.update(Arc::clone(view), &self.active);
            }
            // The permit and the guard end with this round of the loop, whatever happens in it.
            let Ok(_permit) = self.breaker.try_request(self.now()) else {
                self.refused.fetch_add(1, Ordering::Relaxed);
                std::thread::sleep(Duration::from_micros(200));
                continue;
            };
            let Some(picked) = balancer.pick(&self.active, &mut draw) else { continue };
            let Some(endpoint) = self.set.get(picked.endpoint) else { continue };
            let _guard = self.active.start(picked.endpoint);
            let outcome = exchange(*endpoint.key());
            let good = outcome == Outcome::Status(200);
            let counter = if good { &self.answered } else { &self.failed };
            counter.fetch_add(1, Ordering::Relaxed);
            let log = |event| self.log(event);
            self.detector.record_with(picked.endpoint, outcome, self.now(), &mut draw, log);
        }
    }

    /// The owner: sweeps, and publishes a view whenever a verdict has changed.
    fn watch(&self) {
        let mut draw = SplitMix64::new(u64::MAX);
        let mut seen = self.detector.generation();
        let mut due = self.detector.first_sweep(self.now());
        while !self.stop.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(1));
            if self.now() >= due {
                let sweep = self.detector.sweep(self.now(), &mut draw);
                due = sweep.next;
                sweep.events.into_iter().for_each(|event| self.log(event));
            }
            let generation = self.detector.generation();
            if generation != seen {
                seen = generation;
                let config = PrioritySetConfig::default();
                self.view.publish(PrioritySet::new(&self.set, &config, &self.detector));
            }
        }
    }

    fn log(&self, event: OutlierEvent) {
        let Some(endpoint) = self.set.get(event.endpoint) else { return };
        let millis = event.at.since_start().as_millis();
        match event.action {
            OutlierAction::Eject { cause, enforced: true, .. } => {
                let (address, cause) = (endpoint.key(), cause.stat_name());
                println!("{millis:5} ms  {address} is ejected for the {}. time: {cause}", event.ejections);
            }
            OutlierAction::Uneject => println!("{millis:5} ms  {} may be used again", endpoint.key()),
            _ => (),
        }
    }
}

/// Sends a line and reads the answer.
fn exchange(address: SocketAddr) -> Outcome {
    let Ok(mut stream) = TcpStream::connect(address) else { return Outcome::ConnectFailure };
    let mut line = String::new();
    let sent = stream.write_all(b"hello\n").and_then(|()| BufReader::new(stream).read_line(&mut line));
    match (sent, line.trim().parse()) {
        (Ok(_), Ok(status)) => Outcome::Status(status),
        _ => Outcome::Reset,
    }
}

/// What each server had answered at a moment.
fn answered(servers: &[Arc<Server>]) -> Vec<u64> {
    servers.iter().map(|server| server.answered.load(Ordering::Relaxed)).collect()
}

/// How many requests each server got in a while.
fn during(servers: &[Arc<Server>], while_: Duration) -> Vec<u64> {
    let before = answered(servers);
    std::thread::sleep(while_);
    answered(servers).iter().zip(before).map(|(after, before)| after - before).collect()
}

fn main() -> Result<(), Box<dyn Error>> {
    let check = match std::env::args().nth(1).as_deref() {
        None => false,
        Some("--check") => true,
        Some(other) => return Err(format!("`{other}` is not known, the only option is --check").into()),
    };
    let mut addresses = Vec::new();
    let servers: Vec<Arc<Server>> = (0..SERVERS).map(|_| Arc::default()).collect();
    for server in &servers {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        addresses.push(listener.local_addr()?);
        let server = Arc::clone(server);
        // Ends with the process.
        std::thread::spawn(move || serve(&listener, &server));
    }
    let cluster = Cluster::new(&addresses)?;
    let story = std::thread::scope(|scope| {
        for worker in 0..WORKERS {
            let cluster = &cluster;
            scope.spawn(move || cluster.work(worker));
        }
        scope.spawn(|| cluster.watch());
        let story = story(&cluster, &servers);
        cluster.stop.store(true, Ordering::Relaxed);
        story
    });
    let stats = cluster.detector.stats();
    let [answered, failed, refused] =
        [&cluster.answered, &cluster.failed, &cluster.refused].map(|counter| counter.load(Ordering::Relaxed));
    println!("requests a server while all was well      {:?}", story.well);
    println!("while number {FAILING} failed and was out           {:?}", story.out);
    println!("after it had come back                    {:?}", story.back);
    println!("{answered} answered, {failed} failed, {refused} refused by the circuit breaker");
    println!("{} ejections, {} refused", stats.ejections_enforced_total, stats.ejections_overflow);
    if check { story.check(&cluster) } else { Ok(()) }
}

/// The requests each server got, by act.
struct Story {
    well: Vec<u64>,
    out: Vec<u64>,
    back: Vec<u64>,
    /// Whether it was ejected, and returned, in time.
    ejected: bool,
    returned: bool,
}

/// Waits for something to become true.
fn wait_for(mut what: impl FnMut() -> bool) -> bool {
    let give_up = Instant::now() + Duration::from_secs(10);
    while !what() {
        if Instant::now() > give_up {
            return false;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    true
}

fn story(cluster: &Cluster, servers: &[Arc<Server>]) -> Story {
    let active = || cluster.detector.stats().ejections_active;
    let well = during(servers, Duration::from_millis(400));
    if let Some(server) = servers.get(FAILING) {
        server.failing.store(true, Ordering::Relaxed);
    }
    let ejected = wait_for(|| active() == 1);
    // The workers that are on their way there still arrive.
    std::thread::sleep(Duration::from_millis(20));
    let out = during(servers, Duration::from_millis(100));
    if let Some(server) = servers.get(FAILING) {
        server.failing.store(false, Ordering::Relaxed);
    }
    let returned = wait_for(|| active() == 0);
    std::thread::sleep(Duration::from_millis(20));
    let back = during(servers, Duration::from_millis(400));
    Story { well, out, back, ejected, returned }
}

impl Story {
    fn check(&self, cluster: &Cluster) -> Result<(), Box<dyn Error>> {
        let ensure = |holds: bool, what: &str| if holds { Ok(()) } else { Err(what.to_owned()) };
        let even = |requests: &[u64]| {
            let (least, most) = (requests.iter().min(), requests.iter().max());
            matches!((least, most), (Some(&least), Some(&most)) if least > 0 && most <= 3 * least)
        };
        ensure(even(&self.well), "the servers must get about as many requests each")?;
        ensure(self.ejected && self.returned, "the failing server must be ejected and come back")?;
        ensure(self.out.get(FAILING) == Some(&0), "an ejected server must get no requests")?;
        ensure(self.out.iter().filter(|requests| **requests > 0).count() == SERVERS - 1, "the others must")?;
        ensure(even(&self.back), "the server that came back must get its share again")?;
        let stats = cluster.detector.stats();
        // Three failures in a row and those that were under way on the other workers, for each ejection.
        let failed = cluster.failed.load(Ordering::Relaxed);
        let most = stats.ejections_enforced_total * (3 + WORKERS);
        ensure(failed <= most, "failures must end with the ejection")?;
        let idle = cluster.set.iter().all(|(index, _)| cluster.active.active_requests(index) == 0);
        ensure(idle, "no request may be left active")?;
        ensure(cluster.breaker.current(Resource::Requests) == 0, "no permit may be left")?;
        let refused = cluster.refused.load(Ordering::Relaxed);
        ensure(cluster.breaker.overflows(Resource::Requests) == refused, "refusals must be counted")?;
        ensure(refused > 0, "four workers must at times meet a limit of three")?;
        println!("all as it should be");
        Ok(())
    }
}
