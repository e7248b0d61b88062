//! Picking an endpoint and counting it, beside tower's power of two choices and pingora's selection (`--features
//! pingora`).
//!
//! What is compared with what: a pick of ours returns the number of an endpoint, its priority and whether there is
//! panic. pingora's `select` returns a clone of the backend's reference count after it has looked at its health.
//! tower's balancer is a service: a pick is `poll_ready` and `call`, whose future is dropped at once, and which counts
//! the request as pending meanwhile; beside it stands `least-request-counted`, a pick with a guard that is taken and
//! dropped. Every answer is checked in the loop.
#![allow(missing_docs, reason = "criterion's macros define public items")]

use std::hint::black_box;
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use mesh_lb::{
    ActiveCounts, AllUsable, BalanceFactor, BoundedLoad, Change, CircuitBreaker, Draw, Endpoint,
    EndpointIndex, EndpointSet, LatencyEstimates, LeastRequest, LeastRequestConfig, Limits, Maglev,
    Monotonic, Outcome, OutlierConfig, OutlierDetector, PeakEwma, PeakEwmaConfig, Picked, PrioritySet,
    PrioritySetConfig, Published, Random, Resource, RingHash, RingHashConfig, RoundRobin, SplitMix64,
    SuccessRate, TableSize, Weight,
};

const SIZES: [usize; 4] = [3, 10, 1_000, 10_000];

fn address(number: usize) -> String {
    format!("10.{}.{}.1:80", number / 250, number % 250 + 1)
}

fn endpoints(size: usize, weight: impl Fn(usize) -> u32) -> EndpointSet<String> {
    let all = (0..size).map(|number| Endpoint::new(address(number), Weight::or_one(weight(number))));
    EndpointSet::new(all).expect("a valid set")
}

fn view(set: &EndpointSet<String>) -> Arc<PrioritySet> {
    Arc::new(PrioritySet::new(set, &PrioritySetConfig::default(), &AllUsable))
}

fn ring_config(set: &EndpointSet<String>) -> RingHashConfig {
    // At least one point an endpoint, as Envoy would have it.
    RingHashConfig::new(1_024.max(set.len() as u64), 8 * 1_024 * 1_024).expect("a valid size")
}

/// An answer is one of the endpoints, chosen because it is healthy.
#[inline]
fn check(picked: Option<Picked>, size: usize) {
    let picked = picked.expect("all endpoints are healthy");
    assert!(black_box(picked.endpoint.get()) < size && !picked.panic);
}

fn mesh(criterion: &mut Criterion) {
    for (kind, weight) in [("equal", [1, 1, 1]), ("weighted", [1, 2, 5])] {
        let mut group = criterion.benchmark_group(format!("lb/{kind}"));
        for size in SIZES {
            let set = endpoints(size, |number| weight[number % 3]);
            let view = view(&set);
            let mut draw = SplitMix64::new(7);

            let mut round_robin = RoundRobin::new(view.clone(), &mut draw);
            group.bench_function(BenchmarkId::new("round-robin/mesh-lb", size), |bencher| {
                bencher.iter(|| check(round_robin.pick(&mut draw), size));
            });
            let random =
                if kind == "equal" { Random::new(view.clone()) } else { Random::weighted(view.clone()) };
            group.bench_function(BenchmarkId::new("random/mesh-lb", size), |bencher| {
                bencher.iter(|| check(random.pick(&mut draw), size));
            });
            let active = ActiveCounts::new(size);
            let mut least =
                LeastRequest::new(view.clone(), LeastRequestConfig::default(), &active, &mut draw);
            group.bench_function(BenchmarkId::new("least-request/mesh-lb", size), |bencher| {
                bencher.iter(|| check(least.pick(&active, &mut draw), size));
            });
            let config = LeastRequestConfig::new().weighted_draw();
            let mut drawn = LeastRequest::new(view.clone(), config, &active, &mut draw);
            group.bench_function(BenchmarkId::new("least-request-drawn/mesh-lb", size), |bencher| {
                bencher.iter(|| check(drawn.pick(&active, &mut draw), size));
            });
            group.bench_function(BenchmarkId::new("least-request-counted/mesh-lb", size), |bencher| {
                bencher.iter(|| {
                    let picked = least.pick(&active, &mut draw);
                    let guard = picked.and_then(|picked| active.start(picked.endpoint));
                    assert!(black_box(guard).is_some());
                    check(picked, size);
                });
            });
            let estimates = LatencyEstimates::new(PeakEwmaConfig::default(), size, Monotonic::ZERO);
            let mut ewma = PeakEwma::new(view.clone(), &mut draw);
            let now = Monotonic::new(Duration::from_secs(1));
            group.bench_function(BenchmarkId::new("peak-ewma/mesh-lb", size), |bencher| {
                bencher.iter(|| check(ewma.pick(&estimates, &active, now, &mut draw), size));
            });
            let ring = RingHash::new(&set, &view, &ring_config(&set));
            group.bench_function(BenchmarkId::new("ring-hash/mesh-lb", size), |bencher| {
                bencher.iter(|| check(ring.pick(draw.next_u64(), 0), size));
            });
            let maglev = Arc::new(Maglev::new(&set, &view, TableSize::default()));
            group.bench_function(BenchmarkId::new("maglev/mesh-lb", size), |bencher| {
                bencher.iter(|| check(maglev.pick(draw.next_u64(), 0), size));
            });
            let factor = BalanceFactor::new(150).expect("a valid factor");
            let mut bounded = BoundedLoad::new(maglev, factor);
            let idle = |_: EndpointIndex| 0;
            group.bench_function(BenchmarkId::new("maglev-bounded/mesh-lb", size), |bencher| {
                bencher.iter(|| check(bounded.pick(draw.next_u64(), 0, &idle, 0), size));
            });
        }
        group.finish();
    }
}

/// Weights whose round is longer than what is laid out in advance, 65,536 picks, and a ring of as many points.
fn long(criterion: &mut Criterion) {
    let mut draw = SplitMix64::new(7);
    let mut group = criterion.benchmark_group("lb/weighted");
    for size in SIZES {
        // More than 131,072 in sum, and neighbours that have no divisor in common.
        let set = endpoints(size, |number| u32::try_from(131_072 / size + number % 7 + 1).expect("small"));
        let mut round_robin = RoundRobin::new(view(&set), &mut draw);
        group.bench_function(BenchmarkId::new("round-robin-long/mesh-lb", size), |bencher| {
            bencher.iter(|| check(round_robin.pick(&mut draw), size));
        });
    }
    group.finish();
    let mut group = criterion.benchmark_group("lb/equal");
    let set = endpoints(LONG_RING_HOSTS, |_| 1);
    let ring = long_ring(&set, &view(&set));
    assert_eq!(ring.statistics(0).map(|statistics| statistics.min_entries_per_host), Some(1_024));
    group.bench_function(BenchmarkId::new("ring-hash-102400/mesh-lb", LONG_RING_HOSTS), |bencher| {
        bencher.iter(|| check(ring.pick(draw.next_u64(), 0), LONG_RING_HOSTS));
    });
    group.finish();
}

const LONG_RING_HOSTS: usize = 100;

/// 1,024 points an endpoint.
fn long_ring(set: &EndpointSet<String>, view: &PrioritySet) -> RingHash {
    let points = 1_024 * set.len() as u64;
    let config = RingHashConfig::new(points, RingHashConfig::LARGEST).expect("a valid size");
    RingHash::new(set, view, &config)
}

/// What is built when endpoints come and go.
fn build(criterion: &mut Criterion) {
    const MANY: usize = 10_000;
    let mut group = criterion.benchmark_group("lb/build");
    for size in [10, 100, 1_000, 10_000] {
        let set = endpoints(size, |_| 1);
        group.bench_function(BenchmarkId::new("view", size), |bencher| {
            bencher.iter(|| assert_eq!(view(&set).endpoints(), size));
        });
        let view = view(&set);
        group.bench_function(BenchmarkId::new("maglev-65537", size), |bencher| {
            bencher.iter(|| check(Maglev::new(&set, &view, TableSize::default()).pick(7, 0), size));
        });
        group.bench_function(BenchmarkId::new("ring-1024", size), |bencher| {
            bencher.iter(|| check(RingHash::new(&set, &view, &ring_config(&set)).pick(7, 0), size));
        });
    }
    let set = endpoints(LONG_RING_HOSTS, |_| 1);
    let of_set = view(&set);
    group.bench_function(BenchmarkId::new("ring-102400", LONG_RING_HOSTS), |bencher| {
        bencher.iter(|| check(long_ring(&set, &of_set).pick(7, 0), LONG_RING_HOSTS));
    });

    // One of many has left.
    let before = endpoints(MANY, |_| 1);
    let after = before.with_changes([Change::Remove(address(MANY / 2))]).expect("others stay");
    let (old, new) = (view(&before), view(&after));
    let maglev = Maglev::new(&before, &old, TableSize::default());
    let ring = RingHash::new(&before, &old, &ring_config(&before));
    group.bench_function(BenchmarkId::new("set-less-one", MANY), |bencher| {
        bencher.iter(|| {
            let after = before.with_changes([Change::Remove(address(MANY / 2))]).expect("others stay");
            assert_eq!(after.len(), MANY - 1);
        });
    });
    group.bench_function(BenchmarkId::new("maglev-65537-less-one", MANY), |bencher| {
        bencher.iter(|| check(maglev.rebuilt(&before, &after, &new).pick(7, 0), MANY - 1));
    });
    group.bench_function(BenchmarkId::new("ring-10000-less-one", MANY), |bencher| {
        bencher.iter(|| check(ring.rebuilt(&before, &after, &new).pick(7, 0), MANY - 1));
    });
    group.finish();
}

/// The shared state of one request: outcome, circuit breaker, count, look for a new view.
fn state(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("lb/state");
    let at = EndpointIndex::new(3).expect("a small index");
    let (now, mut draw) = (Monotonic::new(Duration::from_secs(1)), SplitMix64::new(7));
    let detector = OutlierDetector::new(OutlierConfig::new(), 10).expect("valid settings");
    let rates = OutlierConfig::new().success_rate(SuccessRate::new());
    let rates = OutlierDetector::new(rates, 10).expect("valid settings");
    for (name, limits) in [("unlimited", Limits::new()), ("limited", Limits::new().max_requests(1_024))] {
        let breaker = CircuitBreaker::new(limits);
        group.bench_function(format!("record-and-breaker/{name}"), |bencher| {
            bencher.iter(|| {
                let permit = breaker.try_request(now).expect("below the limit");
                assert!(detector.record(at, black_box(Outcome::Status(200)), now, &mut draw).is_none());
                assert_eq!(black_box(&permit).resource(), Resource::Requests);
            });
        });
    }
    group.bench_function("record/success", |bencher| {
        bencher
            .iter(|| assert!(detector.record(at, black_box(Outcome::Status(200)), now, &mut draw).is_none()));
    });
    group.bench_function("record/success-with-rates", |bencher| {
        bencher.iter(|| assert!(rates.record(at, black_box(Outcome::Status(200)), now, &mut draw).is_none()));
    });
    group.bench_function("record/failure-then-success", |bencher| {
        bencher.iter(|| {
            assert!(detector.record(at, black_box(Outcome::Status(503)), now, &mut draw).is_none());
            assert!(detector.record(at, black_box(Outcome::Status(200)), now, &mut draw).is_none());
        });
    });
    let active = ActiveCounts::new(10);
    group.bench_function("active-guard", |bencher| {
        bencher.iter(|| assert!(black_box(active.start(at)).is_some()));
    });
    let published = Arc::new(Published::new(7_u32));
    let mut subscriber = published.subscribe();
    group.bench_function("published-look", |bencher| {
        bencher.iter(|| assert!(black_box(&mut subscriber).changed().is_none()));
    });
    group.bench_function("sweep/1000", |bencher| {
        let detector = OutlierDetector::new(OutlierConfig::new(), 1_000).expect("valid settings");
        bencher.iter(|| assert!(detector.sweep(now, &mut draw).returned.is_empty()));
    });
    group.finish();
}

/// How long the given number of picks takes when so many threads make it at the same time; `pick` is made on each.
fn on_threads<P: FnMut()>(threads: usize, picks: u64, pick: impl Fn(usize) -> P + Sync) -> Duration {
    // Many, so that starting threads does not count.
    let rounds = picks.max(300_000);
    let barrier = Barrier::new(threads);
    let slowest = std::thread::scope(|scope| {
        let run = |number| {
            let (pick, barrier) = (&pick, &barrier);
            scope.spawn(move || {
                let mut pick = pick(number);
                barrier.wait();
                let start = Instant::now();
                for _ in 0..rounds {
                    pick();
                }
                start.elapsed()
            })
        };
        let handles: Vec<_> = (0..threads).map(run).collect();
        handles.into_iter().map(|handle| handle.join().expect("no panic")).max().unwrap_or_default()
    });
    #[allow(clippy::cast_precision_loss, reason = "a share")]
    let share = picks as f64 / rounds as f64;
    slowest.mul_f64(share)
}

/// One thread and two on the same shared state.
fn threads(criterion: &mut Criterion) {
    const SIZE: usize = 10;
    let set = endpoints(SIZE, |_| 1);
    let view = view(&set);
    let (active, breaker) = (ActiveCounts::new(SIZE), CircuitBreaker::new(Limits::new()));
    let maglev = Maglev::new(&set, &view, TableSize::default());
    let ring = RingHash::new(&set, &view, &ring_config(&set));
    let random = Random::new(view.clone());
    let detector = OutlierDetector::new(OutlierConfig::new(), SIZE).expect("valid settings");
    let mut group = criterion.benchmark_group("lb/threads");
    for threads in [1, 2] {
        macro_rules! bench {
            ($name:literal, |$draw:ident| $setup:expr, $pick:expr) => {
                group.bench_function(BenchmarkId::new($name, threads), |bencher| {
                    bencher.iter_custom(|picks| {
                        on_threads(threads, picks, |number| {
                            #[allow(unused_mut, reason = "not every algorithm has a state")]
                            let (mut $draw, mut state) = {
                                let mut $draw = SplitMix64::new(number as u64);
                                let state = $setup;
                                ($draw, state)
                            };
                            let pick = $pick;
                            move || pick(&mut state, &mut $draw)
                        })
                    });
                });
            };
        }
        bench!("round-robin/mesh-lb", |draw| RoundRobin::new(view.clone(), &mut draw), {
            |state: &mut RoundRobin, draw: &mut SplitMix64| check(state.pick(draw), SIZE)
        });
        bench!("random/mesh-lb", |draw| (), {
            let random = &random;
            move |(): &mut (), draw: &mut SplitMix64| check(random.pick(draw), SIZE)
        });
        bench!("maglev/mesh-lb", |draw| (), {
            let maglev = &maglev;
            move |(): &mut (), draw: &mut SplitMix64| check(maglev.pick(draw.next_u64(), 0), SIZE)
        });
        bench!("ring-hash/mesh-lb", |draw| (), {
            let ring = &ring;
            move |(): &mut (), draw: &mut SplitMix64| check(ring.pick(draw.next_u64(), 0), SIZE)
        });
        let least = |draw: &mut SplitMix64| {
            LeastRequest::new(view.clone(), LeastRequestConfig::default(), &active, draw)
        };
        bench!("least-request/mesh-lb", |draw| least(&mut draw), {
            let active = &active;
            move |state: &mut LeastRequest, draw: &mut SplitMix64| check(state.pick(active, draw), SIZE)
        });
        bench!("least-request-counted/mesh-lb", |draw| least(&mut draw), {
            let active = &active;
            move |state: &mut LeastRequest, draw: &mut SplitMix64| {
                let picked = state.pick(active, draw);
                let guard = picked.and_then(|picked| active.start(picked.endpoint));
                assert!(black_box(guard).is_some());
            }
        });
        bench!("record-and-breaker/mesh-lb", |draw| EndpointIndex::new(3).expect("small"), {
            let (breaker, detector) = (&breaker, &detector);
            move |at: &mut EndpointIndex, draw: &mut SplitMix64| {
                let permit = breaker.try_request(Monotonic::ZERO).expect("no limit");
                assert!(detector.record(*at, Outcome::Status(200), Monotonic::ZERO, draw).is_none());
                drop(black_box(permit));
            }
        });
    }
    group.finish();
}

/// tower's power of two choices over pending requests.
fn tower(criterion: &mut Criterion) {
    use std::convert::Infallible;
    use std::future::{Future, Ready, ready};
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use tower::Service;
    use tower::balance::p2c::Balance;
    use tower::discover::ServiceList;
    use tower::load::{CompleteOnResponse, PendingRequests};

    /// Always ready; answers its number.
    struct Numbered(usize);

    impl Service<()> for Numbered {
        type Response = usize;
        type Error = Infallible;
        type Future = Ready<Result<usize, Infallible>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, (): ()) -> Self::Future {
            ready(Ok(self.0))
        }
    }

    let mut group = criterion.benchmark_group("lb/equal");
    for size in SIZES {
        let services =
            (0..size).map(|number| PendingRequests::new(Numbered(number), CompleteOnResponse::default()));
        let mut balance = Balance::<_, ()>::new(ServiceList::new::<()>(services));
        let mut context = Context::from_waker(Waker::noop());
        // Takes all services in.
        assert!(matches!(balance.poll_ready(&mut context), Poll::Ready(Ok(()))));
        group.bench_function(BenchmarkId::new("least-request-counted/tower", size), |bencher| {
            bencher.iter(|| {
                assert!(matches!(balance.poll_ready(&mut context), Poll::Ready(Ok(()))));
                let Poll::Ready(Ok(answer)) = pin!(balance.call(())).poll(&mut context) else {
                    panic!("the service is ready")
                };
                assert!(black_box(answer) < size);
            });
        });
    }
    group.finish();
}

#[cfg(feature = "pingora")]
fn pingora(criterion: &mut Criterion) {
    use pingora_load_balancing::LoadBalancer;
    use pingora_load_balancing::selection::{BackendIter, BackendSelection, Consistent, Random, RoundRobin};

    fn select<S>(balancer: &LoadBalancer<S>, key: u64)
    where
        S: BackendSelection + 'static,
        S::Iter: BackendIter,
    {
        let picked = balancer.select(&black_box(key).to_ne_bytes(), 16).expect("all backends are healthy");
        assert_eq!(black_box(picked).addr.as_inet().map(std::net::SocketAddr::port), Some(80));
    }

    fn run<S>(criterion: &mut Criterion, name: &str, size: usize)
    where
        S: BackendSelection + Send + Sync + 'static,
        S::Iter: BackendIter,
    {
        let balancer = LoadBalancer::<S>::try_from_iter((0..size).map(address)).expect("addresses");
        let mut group = criterion.benchmark_group("lb/equal");
        group.bench_function(BenchmarkId::new(format!("{name}/pingora"), size), |bencher| {
            let mut key = 0_u64;
            bencher.iter(|| {
                key = key.wrapping_add(1);
                select(&balancer, key);
            });
        });
        group.finish();
        if size == 10 {
            let mut group = criterion.benchmark_group("lb/threads");
            for threads in [1, 2] {
                group.bench_function(BenchmarkId::new(format!("{name}/pingora"), threads), |bencher| {
                    bencher.iter_custom(|picks| {
                        on_threads(threads, picks, |_| {
                            let (balancer, mut key) = (&balancer, 0_u64);
                            move || {
                                key = key.wrapping_add(1);
                                select(balancer, key);
                            }
                        })
                    });
                });
            }
            group.finish();
        }
    }
    for size in SIZES {
        run::<RoundRobin>(criterion, "round-robin", size);
        run::<Random>(criterion, "random", size);
        run::<Consistent>(criterion, "ketama", size);
    }
}

#[cfg(not(feature = "pingora"))]
fn pingora(_: &mut Criterion) {
    eprintln!("lb: pingora-load-balancing is left out; build with `--features pingora` to measure it");
}

criterion_group!(benches, mesh, long, build, state, threads, tower, pingora);
criterion_main!(benches);
