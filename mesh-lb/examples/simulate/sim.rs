//! A deterministic simulator: seeded arrivals and service times, a virtual clock, and the crate's own balancers,
//! counters and outlier detection in between.
//!
//! Requests arrive as a Poisson process, whatever the answers (an open loop). An endpoint serves one request at a time,
//! first come, first served, for an exponentially distributed time. A caller that has waited too long gives up; the
//! endpoint does not notice. The same scenario, algorithm and seed give the same report, request by request.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use mesh_lb::{
    ActiveCounts, ActiveGuard, ActiveRequests, BalanceFactor, BoundedLoad, Draw, Endpoint, EndpointIndex,
    EndpointSet, LatencyEstimates, LeastRequest, LeastRequestConfig, Maglev, Monotonic, Outcome,
    OutlierConfig, OutlierDetector, PeakEwma, PeakEwmaConfig, Picked, PrioritySet, PrioritySetConfig, Random,
    RingHash, RingHashConfig, RoundRobin, SplitMix64, TableSize, Weight,
};

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    RoundRobin,
    Random,
    WeightedRandom,
    LeastRequest,
    LeastRequestFullScan,
    PeakEwma,
    RingHash,
    Maglev,
    BoundedMaglev,
}

impl Algorithm {
    pub const ALL: [Self; 9] = [
        Self::RoundRobin,
        Self::Random,
        Self::WeightedRandom,
        Self::LeastRequest,
        Self::LeastRequestFullScan,
        Self::PeakEwma,
        Self::RingHash,
        Self::Maglev,
        Self::BoundedMaglev,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::RoundRobin => "round robin",
            Self::Random => "random",
            Self::WeightedRandom => "random, weighted",
            Self::LeastRequest => "least request",
            Self::LeastRequestFullScan => "least request, full scan",
            Self::PeakEwma => "peak EWMA",
            Self::RingHash => "ring hash",
            Self::Maglev => "maglev",
            Self::BoundedMaglev => "maglev, bounded load 125 %",
        }
    }
}

/// An endpoint of a scenario.
#[derive(Clone, Debug)]
pub struct Host {
    pub weight: u32,
    /// The mean service time.
    pub service: Duration,
    /// From when to when it answers 503, in a millisecond.
    pub failing: Option<(Duration, Duration)>,
}

impl Host {
    pub fn new(weight: u32, service_millis: u64) -> Self {
        Self { weight, service: Duration::from_millis(service_millis), failing: None }
    }
}

/// What the balancers have to cope with.
#[derive(Clone, Debug)]
pub struct Scenario {
    pub name: &'static str,
    /// What more there is to say, for the picture.
    pub detail: &'static str,
    pub hosts: Vec<Host>,
    /// Requests a second.
    pub rate: f64,
    /// How many requests there are.
    pub requests: usize,
    /// How long a caller waits.
    pub patience: Duration,
    pub outlier: Option<OutlierConfig>,
    /// How many callers there are to hash by; each sends the same share of the requests.
    pub callers: u64,
}

impl Scenario {
    /// Endpoints that are this busy when every one does what it can.
    pub fn new(name: &'static str, detail: &'static str, hosts: Vec<Host>, utilisation: f64) -> Self {
        let capacity: f64 = hosts.iter().map(|host| 1.0 / host.service.as_secs_f64()).sum();
        Self {
            name,
            detail,
            rate: capacity * utilisation,
            hosts,
            requests: 60_000,
            patience: Duration::from_secs(1),
            outlier: None,
            callers: 10_000,
        }
    }

    /// The same, shorter or longer.
    #[allow(dead_code, reason = "for tests, which want to be quick")]
    pub fn with_requests(mut self, requests: usize) -> Self {
        let factor = requests as f64 / self.requests as f64;
        for host in &mut self.hosts {
            host.failing = host.failing.map(|(from, to)| (from.mul_f64(factor), to.mul_f64(factor)));
        }
        Self { requests, ..self }
    }

    /// Ten endpoints of 10 ms.
    pub fn alike() -> Self {
        Self::new("ten alike", "70 % busy", vec![Host::new(1, 10); 10], 0.7)
    }

    /// LB-BENCH-04: ten endpoints of 10 ms, one ten times slower, 80 % busy.
    pub fn one_slow() -> Self {
        let mut hosts = vec![Host::new(1, 10); 10];
        hosts[0].service = Duration::from_millis(100);
        Self::new("one of ten 10 times slower", "80 % busy", hosts, 0.8)
    }

    /// Machines of three sizes, with weights that say so.
    pub fn sizes() -> Self {
        let sizes = [(1, 20), (2, 10), (4, 5)];
        let hosts = sizes.iter().flat_map(|&(weight, service)| vec![Host::new(weight, service); 3]).collect();
        Self::new("weights 1, 2, 4", "and as fast; 70 % busy", hosts, 0.7)
    }

    /// One of ten endpoints fails fast for the middle half of the time.
    pub fn one_failing(outlier: Option<OutlierConfig>) -> Self {
        let mut scenario = Self::new(
            "one of ten fails fast",
            "half of the time; requests failed",
            vec![Host::new(1, 10); 10],
            0.6,
        );
        let span = Duration::from_secs_f64(scenario.requests as f64 / scenario.rate);
        scenario.hosts[3].failing = Some((span / 4, span * 3 / 4));
        Self { outlier, ..scenario }
    }
}

/// What came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// How long callers waited for an answer that was no failure, or until they gave up; in order. The first tenth of
    /// the requests is left out.
    latencies: Vec<Duration>,
    /// How many requests each endpoint was given.
    pub picks: Vec<u32>,
    weights: Vec<u32>,
    pub failed: u32,
    pub given_up: u32,
    pub ejections: u64,
    /// How many ejected endpoints were picked.
    pub picks_of_ejected: u32,
    /// The requests still counted as active when all was over.
    pub left_active: u32,
    /// The ends of the times out.
    pub returns: usize,
}

impl Report {
    /// The latency that so many of a thousand stay below.
    pub fn permille(&self, permille: usize) -> Duration {
        let at = (self.latencies.len() * permille / 1_000).min(self.latencies.len() - 1);
        self.latencies[at]
    }

    /// What the busiest endpoint was given, over what its weight entitles it to.
    pub fn imbalance(&self) -> f64 {
        let total: u32 = self.picks.iter().sum();
        let weights: u32 = self.weights.iter().sum();
        let over = |(picks, weight): (&u32, &u32)| {
            f64::from(*picks) / (f64::from(total) * f64::from(*weight) / f64::from(weights))
        };
        self.picks.iter().zip(&self.weights).map(over).fold(0.0, f64::max)
    }

    /// Requests that got no good answer, in percent.
    pub fn errors(&self) -> f64 {
        let total: u32 = self.picks.iter().sum();
        100.0 * f64::from(self.failed + self.given_up) / f64::from(total)
    }
}

/// The chosen algorithm with its state.
enum Balancer {
    RoundRobin(RoundRobin),
    Random(Random),
    LeastRequest(LeastRequest),
    PeakEwma(PeakEwma),
    RingHash(RingHash),
    Maglev(Maglev),
    Bounded(BoundedLoad<Maglev>),
}

struct Cluster {
    set: EndpointSet<String>,
    algorithm: Algorithm,
    active: Rc<ActiveCounts>,
    estimates: LatencyEstimates,
    balancer: Balancer,
}

impl Cluster {
    fn balancer(
        algorithm: Algorithm,
        set: &EndpointSet<String>,
        view: &Arc<PrioritySet>,
        active: &ActiveCounts,
        draw: &mut SplitMix64,
    ) -> Balancer {
        let maglev = || Maglev::new(set, view, TableSize::default());
        match algorithm {
            Algorithm::RoundRobin => Balancer::RoundRobin(RoundRobin::new(Arc::clone(view), draw)),
            Algorithm::Random => Balancer::Random(Random::new(Arc::clone(view))),
            Algorithm::WeightedRandom => Balancer::Random(Random::weighted(Arc::clone(view))),
            Algorithm::LeastRequest | Algorithm::LeastRequestFullScan => {
                let config = match algorithm {
                    Algorithm::LeastRequest => LeastRequestConfig::new(),
                    _ => LeastRequestConfig::new().full_scan(),
                };
                Balancer::LeastRequest(LeastRequest::new(Arc::clone(view), config, active, draw))
            }
            Algorithm::PeakEwma => Balancer::PeakEwma(PeakEwma::new(Arc::clone(view), draw)),
            Algorithm::RingHash => Balancer::RingHash(RingHash::new(set, view, &RingHashConfig::default())),
            Algorithm::Maglev => Balancer::Maglev(maglev()),
            Algorithm::BoundedMaglev => {
                let factor = BalanceFactor::new(125).expect("at least 100");
                Balancer::Bounded(BoundedLoad::new(Arc::new(maglev()), factor))
            }
        }
    }

    /// Goes over to what is usable now.
    fn update(&mut self, view: &Arc<PrioritySet>, draw: &mut SplitMix64) {
        match &mut self.balancer {
            Balancer::RoundRobin(balancer) => balancer.update(Arc::clone(view)),
            Balancer::LeastRequest(balancer) => balancer.update(Arc::clone(view), &*self.active),
            Balancer::PeakEwma(balancer) => balancer.update(Arc::clone(view)),
            balancer => *balancer = Self::balancer(self.algorithm, &self.set, view, &self.active, draw),
        }
    }

    fn pick(&mut self, hash: u64, now: Monotonic, draw: &mut SplitMix64) -> Picked {
        let active = &*self.active;
        let picked = match &mut self.balancer {
            Balancer::RoundRobin(balancer) => balancer.pick(draw),
            Balancer::Random(balancer) => balancer.pick(draw),
            Balancer::LeastRequest(balancer) => balancer.pick(active, draw),
            Balancer::PeakEwma(balancer) => balancer.pick(&self.estimates, active, now, draw),
            Balancer::RingHash(balancer) => balancer.pick(hash, 0),
            Balancer::Maglev(balancer) => balancer.pick(hash, 0),
            Balancer::Bounded(balancer) => {
                let total = (0..self.set.len()).map(|host| active.active_requests(at(host))).sum::<u32>();
                balancer.pick(hash, 0, active, total)
            }
        };
        picked.expect("some endpoint is always left")
    }
}

fn at(index: usize) -> EndpointIndex {
    EndpointIndex::new(index).expect("few endpoints")
}

/// An exponentially distributed time.
fn exponential(mean: f64, draw: &mut SplitMix64) -> Duration {
    let unit = ((draw.next_u64() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
    Duration::from_secs_f64(-unit.ln() * mean)
}

/// In order of the time; at the same time in the order they were planned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Arrival,
    Done { host: usize },
    GiveUp { request: usize },
    Sweep,
}

struct Request {
    host: usize,
    arrived: Duration,
    /// Counts while the caller waits.
    guard: Option<ActiveGuard<Rc<ActiveCounts>>>,
}

#[derive(Default)]
struct Server {
    serving: Option<(usize, u16)>,
    queue: VecDeque<usize>,
}

struct World<'s> {
    scenario: &'s Scenario,
    now: Duration,
    planned: u64,
    events: BinaryHeap<Reverse<(Duration, u64, Event)>>,
    servers: Vec<Server>,
    requests: Vec<Request>,
    /// Service times come from a generator of their own, so that all algorithms meet the same arrivals.
    service: SplitMix64,
}

impl World<'_> {
    fn plan(&mut self, after: Duration, event: Event) {
        self.planned += 1;
        self.events.push(Reverse((self.now + after, self.planned, event)));
    }

    fn serve_next(&mut self, host: usize) {
        // Those who gave up while they waited are passed over.
        let next = loop {
            match self.servers[host].queue.pop_front() {
                Some(request) if self.requests[request].guard.is_none() => (),
                next => break next,
            }
        };
        let Some(request) = next else { return };
        let config = &self.scenario.hosts[host];
        let failing = config.failing.is_some_and(|(from, to)| (from..to).contains(&self.now));
        let (status, after) = if failing {
            (503, Duration::from_millis(1))
        } else {
            (200, exponential(config.service.as_secs_f64(), &mut self.service))
        };
        self.servers[host].serving = Some((request, status));
        self.plan(after, Event::Done { host });
    }
}

/// Runs a scenario.
pub fn run(scenario: &Scenario, algorithm: Algorithm, seed: u64) -> Report {
    let hosts = scenario.hosts.len();
    let endpoint = |(number, host): (usize, &Host)| {
        Endpoint::new(format!("10.0.0.{}:8080", number + 1), Weight::or_one(host.weight))
    };
    let set = EndpointSet::new(scenario.hosts.iter().enumerate().map(endpoint)).expect("a valid set");
    let watched = scenario.outlier.clone();
    let detector = OutlierDetector::new(watched.clone().unwrap_or_default(), hosts).expect("valid settings");
    let view = |detector: &OutlierDetector| {
        Arc::new(PrioritySet::new(&set, &PrioritySetConfig::default(), detector))
    };

    let mut arrivals = SplitMix64::new(seed);
    let mut draw = SplitMix64::new(seed ^ 0xb5);
    let active = Rc::new(ActiveCounts::new(hosts));
    let balancer = Cluster::balancer(algorithm, &set, &view(&detector), &active, &mut draw);
    let estimates = LatencyEstimates::new(PeakEwmaConfig::default(), hosts, Monotonic::ZERO);
    let mut cluster = Cluster { set: set.clone(), algorithm, active, estimates, balancer };
    let mut generation = detector.generation();
    let mut world = World {
        scenario,
        now: Duration::ZERO,
        planned: 0,
        events: BinaryHeap::new(),
        servers: (0..hosts).map(|_| Server::default()).collect(),
        requests: Vec::with_capacity(scenario.requests),
        service: SplitMix64::new(seed ^ 0x5e),
    };
    let mut report = Report {
        latencies: Vec::with_capacity(scenario.requests),
        picks: vec![0; hosts],
        weights: scenario.hosts.iter().map(|host| host.weight).collect(),
        failed: 0,
        given_up: 0,
        ejections: 0,
        picks_of_ejected: 0,
        left_active: 0,
        returns: 0,
    };
    world.plan(Duration::ZERO, Event::Arrival);
    world.plan(detector.first_sweep(Monotonic::ZERO).since_start(), Event::Sweep);
    while let Some(Reverse((now, _, event))) = world.events.pop() {
        world.now = now;
        let moment = Monotonic::new(now);
        match event {
            Event::Arrival => {
                let number = world.requests.len();
                let caller = arrivals.next_u64() % scenario.callers;
                let picked = cluster.pick(mesh_lb::hash_bytes(&caller.to_le_bytes()), moment, &mut draw);
                let host = picked.endpoint.get();
                report.picks[host] += 1;
                report.picks_of_ejected += u32::from(!mesh_lb::Usable::is_usable(&detector, picked.endpoint));
                let guard = ActiveGuard::new(Rc::clone(&cluster.active), picked.endpoint);
                world.requests.push(Request { host, arrived: now, guard });
                world.servers[host].queue.push_back(number);
                if world.servers[host].serving.is_none() {
                    world.serve_next(host);
                }
                world.plan(scenario.patience, Event::GiveUp { request: number });
                if number + 1 < scenario.requests {
                    let gap = exponential(1.0 / scenario.rate, &mut arrivals);
                    world.plan(gap, Event::Arrival);
                }
            }
            Event::Done { host } => {
                let Some((number, status)) = world.servers[host].serving.take() else { continue };
                let request = &mut world.requests[number];
                // Nobody waits for it any more: nobody reports either.
                if request.guard.take().is_some() {
                    if LatencyEstimates::is_failure(status, None) {
                        cluster.estimates.record_failure(at(host), None, moment);
                    } else {
                        cluster.estimates.record(at(host), now.saturating_sub(request.arrived), moment);
                    }
                    if status == 200 {
                        if number >= scenario.requests / 10 {
                            report.latencies.push(now.saturating_sub(request.arrived));
                        }
                    } else {
                        report.failed += 1;
                    }
                    if watched.is_some() {
                        detector.record(at(host), Outcome::Status(status), moment, &mut draw);
                    }
                }
                world.serve_next(host);
            }
            Event::GiveUp { request: number } => {
                let request = &mut world.requests[number];
                if request.guard.take().is_some() {
                    report.given_up += 1;
                    cluster.estimates.record_failure(at(request.host), None, moment);
                    if number >= scenario.requests / 10 {
                        report.latencies.push(now.saturating_sub(request.arrived));
                    }
                    if watched.is_some() {
                        detector.record(at(request.host), Outcome::Timeout, moment, &mut draw);
                    }
                }
            }
            Event::Sweep => {
                let sweep = detector.sweep(moment, &mut draw);
                report.returns += sweep.returned.len();
                if !world.events.is_empty() {
                    world.plan(sweep.next.since(moment), Event::Sweep);
                }
            }
        }
        if detector.generation() != generation {
            generation = detector.generation();
            cluster.update(&view(&detector), &mut draw);
        }
    }
    report.latencies.sort_unstable();
    report.ejections = detector.stats().ejections_enforced_total;
    report.left_active = (0..hosts).map(|host| cluster.active.active_requests(at(host))).sum();
    report
}
