//! The state that workers share, under many threads: what is counted up is counted down, however a request ends.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may panic"
)]

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use mesh_lb::{
    ActiveCounts, ActiveGuard, ActiveRequests, AllUsable, CircuitBreaker, Draw, EjectionCause, Endpoint,
    EndpointIndex, EndpointSet, LeastRequest, LeastRequestConfig, Limits, Monotonic, Outcome, OutlierConfig,
    OutlierDetector, Overflow, Permit, PrioritySet, PrioritySetConfig, Published, Random, Resource,
    RetryBudget, RoundRobin, SplitMix64, Usable, Weight,
};

const WORKERS: u64 = 8;
const ENDPOINTS: usize = 5;

fn at(index: usize) -> EndpointIndex {
    EndpointIndex::new(index).unwrap()
}

fn set(keys: impl IntoIterator<Item = usize>) -> EndpointSet<usize> {
    EndpointSet::new(keys.into_iter().map(|key| Endpoint::new(key, Weight::ONE))).unwrap()
}

/// What a cluster's workers share.
#[derive(Clone)]
struct Shared {
    active: Arc<ActiveCounts>,
    breaker: CircuitBreaker,
    detector: Arc<OutlierDetector>,
}

/// Waits for the given number of polls.
struct Wait(u64);

impl Future for Wait {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        let Some(left) = self.0.checked_sub(1) else { return Poll::Ready(()) };
        self.0 = left;
        Poll::Pending
    }
}

/// A request as a proxy makes it: pending, then on a connection, perhaps with a retry. Panics if told to.
async fn request(shared: Shared, endpoint: EndpointIndex, fate: u64) -> Result<(), Overflow> {
    let now = Monotonic::new(Duration::from_millis(fate % 100));
    let pending = Permit::new(shared.breaker.clone(), Resource::PendingRequests, now)?;
    let connection = if fate.is_multiple_of(7) {
        Permit::first_connection(shared.breaker.clone())
    } else {
        Permit::new(shared.breaker.clone(), Resource::Connections, now)?
    };
    Wait(fate % 3).await;
    let admitted = Permit::new(shared.breaker.clone(), Resource::Requests, now)?;
    let active = ActiveGuard::new(Arc::clone(&shared.active), endpoint);
    drop(pending);
    Wait(fate % 5).await;
    assert!(shared.active.active_requests(endpoint) > 0);
    if fate.is_multiple_of(11) {
        let _retry = Permit::new(shared.breaker.clone(), Resource::Retries, now)?;
        Wait(1).await;
    }
    if fate.is_multiple_of(13) {
        resume_unwind(Box::new("the caller's panic"));
    }
    shared.detector.record(endpoint, Outcome::Status(200), now, &mut SplitMix64::new(fate));
    drop((active, admitted, connection));
    Ok(())
}

/// How requests ended.
#[derive(Default, Debug)]
struct Ends {
    finished: AtomicU64,
    refused: AtomicU64,
    cancelled: AtomicU64,
    unwound: AtomicU64,
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// A request under way that is given up after some polls.
struct Running<'r> {
    future: Pin<Box<dyn Future<Output = Result<(), Overflow>> + 'r>>,
    patience: u64,
}

impl<'r> Running<'r> {
    fn new(future: impl Future<Output = Result<(), Overflow>> + 'r, patience: u64) -> Self {
        Self { future: Box::pin(future), patience }
    }

    /// Polls once; gives the request back if it goes on, drops it where it stands if patience is over.
    fn step(mut self, ends: &Ends) -> Option<Self> {
        let Some(patience) = self.patience.checked_sub(1) else {
            count(&ends.cancelled);
            return None;
        };
        self.patience = patience;
        let polled = catch_unwind(AssertUnwindSafe(|| {
            self.future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
        }));
        match polled {
            Ok(Poll::Pending) => return Some(self),
            Ok(Poll::Ready(Ok(()))) => count(&ends.finished),
            Ok(Poll::Ready(Err(_))) => count(&ends.refused),
            Err(_) => count(&ends.unwound),
        }
        None
    }
}

/// Runs one request to its end.
fn drive(mut running: Running<'_>, ends: &Ends) {
    while let Some(next) = running.step(ends) {
        running = next;
    }
}

/// LB-CB-20, LB-CB-28: connections, pending, requests and retries go down as often as up.
#[test]
fn every_gauge_returns_to_zero_on_every_path_lb_test_40() {
    let per_worker = if cfg!(debug_assertions) { 3_000 } else { 30_000 };
    let limits = Limits::new()
        .max_connections(6)
        .max_pending_requests(6)
        .max_requests(6)
        .retry_budget(RetryBudget::new().budget_interval(Duration::from_millis(50)));
    let shared = Shared {
        active: Arc::new(ActiveCounts::new(ENDPOINTS)),
        breaker: CircuitBreaker::new(limits),
        detector: Arc::new(OutlierDetector::new(OutlierConfig::new(), ENDPOINTS).unwrap()),
    };
    let ends = Ends::default();
    std::thread::scope(|scope| {
        for worker in 0..WORKERS {
            let (shared, ends) = (shared.clone(), &ends);
            scope.spawn(move || {
                let (mut draw, mut running) = (SplitMix64::new(worker), Vec::new());
                for _ in 0..per_worker {
                    let fate = draw.next_u64();
                    let endpoint = at(usize::try_from(fate % ENDPOINTS as u64).unwrap());
                    running.push(Running::new(request(shared.clone(), endpoint, fate), fate % 17));
                    running = running.into_iter().filter_map(|request| request.step(ends)).collect();
                    assert!(shared.breaker.current(Resource::Requests) <= 6); // LB-TEST-41
                }
                for request in running {
                    drive(request, ends);
                }
            });
        }
    });
    let Ends { finished, refused, cancelled, unwound } = &ends;
    let all = [finished, refused, cancelled, unwound].map(|counter| counter.load(Ordering::Relaxed));
    assert_eq!(all.iter().sum::<u64>(), WORKERS * per_worker, "{ends:?}");
    assert!(all.iter().all(|ends| *ends > 0), "each kind of end must have occurred: {ends:?}");
    for resource in [Resource::Connections, Resource::PendingRequests, Resource::Requests, Resource::Retries]
    {
        assert_eq!(shared.breaker.current(resource), 0, "{resource}");
    }
    for endpoint in 0..ENDPOINTS {
        assert_eq!(shared.active.active_requests(at(endpoint)), 0);
    }
    let overflows = [Resource::Connections, Resource::PendingRequests, Resource::Requests, Resource::Retries];
    let overflows: u64 = overflows.iter().map(|resource| shared.breaker.overflows(*resource)).sum();
    assert_eq!(overflows, refused.load(Ordering::Relaxed));
}

/// LB-CB-41, LB-OD-15: requests that never reached an endpoint say nothing about it. A refusal is not an outcome, so
/// nothing can be reported, and nothing is by the breaker itself.
#[test]
fn refusals_and_cancellations_eject_nobody_lb_cb_41() {
    let config = OutlierConfig::new().consecutive_5xx_errors(1).max_ejection_percent(100);
    let shared = Shared {
        active: Arc::new(ActiveCounts::new(ENDPOINTS)),
        breaker: CircuitBreaker::new(Limits::new().max_requests(0).max_pending_requests(1)),
        detector: Arc::new(OutlierDetector::new(config, ENDPOINTS).unwrap()),
    };
    let ends = Ends::default();
    for fate in 1..1_000 {
        // Refused when it is to be sent, or cancelled before.
        drive(Running::new(request(shared.clone(), at(0), fate), fate % 4), &ends);
    }
    assert!(ends.refused.into_inner() > 300 && ends.cancelled.into_inner() > 300);
    assert_eq!(shared.detector.stats(), OutlierDetector::new(OutlierConfig::new(), 1).unwrap().stats());
    assert!((0..ENDPOINTS).all(|endpoint| shared.detector.is_usable(at(endpoint))));
}

/// LB-CB-03: the limits are those of the cluster in this proxy, whatever number of workers and endpoints there is.
#[test]
fn workers_share_one_limit_lb_cb_03() {
    let breaker = CircuitBreaker::new(Limits::new().max_requests(10));
    let admitted: usize = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..4)
            .map(|_| {
                let breaker = breaker.clone();
                scope.spawn(move || {
                    let permits: Vec<_> = (0..10)
                        .filter_map(|_| {
                            Permit::new(breaker.clone(), Resource::Requests, Monotonic::ZERO).ok()
                        })
                        .collect();
                    std::mem::forget(permits); // still running when the others ask
                    breaker.current(Resource::Requests)
                })
            })
            .collect();
        for worker in workers {
            assert!(worker.join().unwrap() <= 10);
        }
        usize::try_from(breaker.current(Resource::Requests)).unwrap()
    });
    assert_eq!(admitted, 10);
    assert_eq!(breaker.overflows(Resource::Requests), 30);
    // Another cluster, say another subset or port of the same host, has its own.
    assert!(CircuitBreaker::new(breaker.limits().clone()).try_request(Monotonic::ZERO).is_ok());
}

/// LB-TEST-44: endpoints come and go while requests to them run, and the counters stay with their endpoints.
#[test]
fn counts_survive_replaced_sets_lb_test_44() {
    let first = set(0..6);
    let published = Arc::new(Published::new((first.clone(), ActiveCounts::new(first.len()))));
    std::thread::scope(|scope| {
        for worker in 0..WORKERS {
            let mut latest = published.subscribe();
            scope.spawn(move || {
                let (mut draw, mut running) = (SplitMix64::new(worker), Vec::new());
                for _ in 0..2_000 {
                    let version = Arc::clone(latest.latest());
                    let endpoint = at(usize::try_from(draw.next_u64() % version.0.len() as u64).unwrap());
                    running.push(ActiveGuard::new(Counts(version), endpoint).unwrap());
                    if running.len() > 5 {
                        let ended = usize::try_from(draw.next_u64() % 6).unwrap();
                        drop(running.swap_remove(ended));
                    }
                }
            });
        }
        let mut draw = SplitMix64::new(99);
        for _ in 0..200 {
            let before = published.load();
            let next = set((0..6)
                .filter(|key| *key == 0 || !(draw.next_u64() + key).is_multiple_of(3))
                .map(|key| usize::try_from(key).unwrap()));
            let counts = before.1.carried_over(&before.0, &next);
            published.publish((next, counts));
        }
    });
    let (set, counts) = &*published.load();
    for (index, _) in set.iter() {
        assert_eq!(counts.active_requests(index), 0);
    }
}

/// A guard may hold the counts by whatever keeps them alive, here together with the set they belong to.
struct Counts(Arc<(EndpointSet<usize>, ActiveCounts)>);

impl std::borrow::Borrow<ActiveCounts> for Counts {
    fn borrow(&self) -> &ActiveCounts {
        &self.0.1
    }
}

/// N workers are N independent rotations over one view: together they are as even as one, up to one round each.
#[test]
fn rotations_of_workers_are_independent() {
    let set = set(0..ENDPOINTS);
    let view = Arc::new(PrioritySet::new(&set, &PrioritySetConfig::default(), &AllUsable));
    let rounds = 100_u64;
    let hits: Vec<AtomicU64> = (0..ENDPOINTS).map(|_| AtomicU64::new(0)).collect();
    let starts: Vec<usize> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS)
            .map(|worker| {
                let (view, hits) = (Arc::clone(&view), &hits);
                scope.spawn(move || {
                    let mut draw = SplitMix64::new(worker);
                    let mut balancer = RoundRobin::new(view, &mut draw);
                    let picks: Vec<usize> = (0..rounds * ENDPOINTS as u64)
                        .map(|_| balancer.pick(&mut draw).unwrap().endpoint.get())
                        .collect();
                    for endpoint in &picks {
                        count(&hits[*endpoint]);
                    }
                    picks[0]
                })
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).collect()
    });
    assert!(hits.iter().all(|hits| hits.load(Ordering::Relaxed) == rounds * WORKERS));
    assert!(starts.iter().any(|start| *start != starts[0])); // they do not move in step (LB-RR-01)
}

/// LB-TEST-21: random ejections, returns and picks on several threads. A pick comes from the view that was current
/// when it began, so after a worker has taken over a view nothing ejected in it is picked.
#[test]
fn nothing_ejected_in_its_view_is_picked_lb_test_21() {
    let set = set(0..8);
    let config = OutlierConfig::new().consecutive_5xx_errors(3).max_ejection_percent(70);
    let config = config.base_ejection_time(Duration::from_millis(10)).interval(Duration::from_millis(10));
    let config = config.max_ejection_time(Duration::from_millis(30));
    let detector = OutlierDetector::new(config, set.len()).unwrap();
    let view = |detector: &OutlierDetector| {
        let eligible: Vec<bool> = (0..8).map(|endpoint| detector.is_usable(at(endpoint))).collect();
        let view = PrioritySet::new(&set, &PrioritySetConfig::default(), &|index: EndpointIndex| {
            eligible[index.get()]
        });
        (eligible.clone(), Arc::new(view))
    };
    let published = Arc::new(Published::new(view(&detector)));
    // Time goes by with the requests. Whoever finds the sweep due makes it, one at a time.
    let clock = AtomicU64::new(0);
    let owner = Mutex::new((detector.first_sweep(Monotonic::ZERO), detector.generation()));
    std::thread::scope(|scope| {
        for worker in 0..WORKERS / 2 {
            let mut views = published.subscribe();
            let (detector, clock, owner, published) = (&detector, &clock, &owner, &published);
            scope.spawn(move || {
                let mut draw = SplitMix64::new(worker);
                let counts = ActiveCounts::new(8);
                let mut version = Arc::clone(views.latest());
                let mut round_robin = RoundRobin::new(Arc::clone(&version.1), &mut draw);
                let mut random = Random::new(Arc::clone(&version.1));
                let least = LeastRequestConfig::default();
                let mut least = LeastRequest::new(Arc::clone(&version.1), least, &counts, &mut draw);
                for _ in 0..3_000 {
                    if let Some(changed) = views.changed() {
                        version = Arc::clone(changed);
                        round_robin.update(Arc::clone(&version.1));
                        random = Random::new(Arc::clone(&version.1));
                        least.update(Arc::clone(&version.1), &counts);
                    }
                    let picks =
                        [round_robin.pick(&mut draw), random.pick(&mut draw), least.pick(&counts, &mut draw)];
                    for picked in picks {
                        let picked = picked.unwrap();
                        assert!(version.0[picked.endpoint.get()] && !picked.panic);
                        let millis = clock.fetch_add(1, Ordering::Relaxed) / 50;
                        let status = if draw.next_u64().is_multiple_of(2) { 500 } else { 200 };
                        let now = Monotonic::new(Duration::from_millis(millis));
                        detector.record(picked.endpoint, Outcome::Status(status), now, &mut draw);
                    }
                    let now = Monotonic::new(Duration::from_millis(clock.load(Ordering::Relaxed) / 50));
                    let Ok(mut owner) = owner.try_lock() else { continue };
                    let (due, seen) = &mut *owner;
                    if now >= *due {
                        *due = detector.sweep(now, &mut draw).next;
                    }
                    if detector.generation() != *seen {
                        *seen = detector.generation();
                        published.publish(view(detector));
                    }
                }
            });
        }
    });
    let stats = detector.stats();
    assert!(stats.enforced(EjectionCause::Consecutive5xx) > 20, "{stats:?}");
    let marked = (0..8).filter(|endpoint| !detector.is_usable(at(*endpoint))).count();
    assert_eq!(usize::try_from(stats.ejections_active).unwrap(), marked); // LB-TEST-34
}
