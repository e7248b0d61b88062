//! Picks do not allocate.
#![allow(
    unsafe_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a counting allocator cannot be written without unsafe code, and tests may panic"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use mesh_lb::{
    ActiveCounts, AllUsable, BalanceFactor, BoundedLoad, CircuitBreaker, CookiePolicy, Draw, Endpoint,
    EndpointIndex, EndpointSet, FirstHealthy, HashInput, HashPolicies, HashPolicy, LatencyEstimates,
    LeastRequest, LeastRequestConfig, Limits, LocalCluster, Locality, LocalityWeights, Maglev, Monotonic,
    Outcome, OutlierConfig, OutlierDetector, OverrideHost, PeakEwma, PeakEwmaConfig, PrioritySet,
    PrioritySetConfig, Random, RetryBudget, RingHash, RingHashConfig, RoundRobin, SessionCarrier, SplitMix64,
    SubsetConfig, SubsetSelector, Subsets, TableSize, Warmup, Weight, ZoneAware, reselect,
};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call is passed on to the system allocator unchanged; the counter is a plain thread-local cell
// without a destructor, so touching it neither allocates nor runs at thread exit.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn assert_no_allocation(what: &str, mut pick: impl FnMut(u64)) {
    let before = ALLOCATIONS.with(Cell::get);
    for round in 0..2_000 {
        pick(round);
    }
    let after = ALLOCATIONS.with(Cell::get);
    assert_eq!(after - before, 0, "{what} allocates");
}

/// Plain, weighted, spread over two priorities, weighted by locality, and with a round too long to lay out.
fn worlds() -> Vec<(&'static str, EndpointSet<String>, Arc<PrioritySet>)> {
    let endpoint =
        |at: u32, weight: u32| Endpoint::new(format!("10.0.0.{at}:80"), Weight::new(weight).unwrap());
    let places = [Locality::parse("r/a"), Locality::parse("r/b")];
    let weights = LocalityWeights::new(places.iter().map(|place| (0, place.clone(), 3))).unwrap();
    let plain = PrioritySetConfig::new();
    let located = PrioritySetConfig::new().locality_weights(weights);
    let lists: [(&str, Vec<Endpoint<String>>, PrioritySetConfig); 5] = [
        ("plain", (0..10).map(|at| endpoint(at, 1)).collect(), plain.clone()),
        ("weighted", (0..10).map(|at| endpoint(at, at + 1)).collect(), plain.clone()),
        ("long round", (0..10).map(|at| endpoint(at, at + 100_003)).collect(), plain.clone()),
        ("priorities", (0..10).map(|at| endpoint(at, at + 1).priority(u8::from(at > 4))).collect(), plain),
        (
            "localities",
            (0..10).map(|at| endpoint(at, at + 1).locality(places[usize::from(at > 3)].clone())).collect(),
            located,
        ),
    ];
    lists
        .into_iter()
        .map(|(name, endpoints, config)| {
            let set = EndpointSet::new(endpoints).unwrap();
            let some = |index: EndpointIndex| !(1..=2).contains(&index.get());
            let view = if name == "priorities" {
                PrioritySet::new(&set, &config, &some)
            } else {
                PrioritySet::new(&set, &config, &AllUsable)
            };
            (name, set, Arc::new(view))
        })
        .collect()
}

#[test]
fn no_algorithm_allocates() {
    for (name, set, view) in worlds() {
        let mut draw = SplitMix64::new(1);
        let counts = ActiveCounts::new(set.len());
        let mut round_robin = RoundRobin::new(Arc::clone(&view), &mut draw);
        assert_no_allocation(&format!("round robin, {name}"), |_| {
            black_box(round_robin.pick(&mut draw).unwrap());
        });
        for random in [Random::new(Arc::clone(&view)), Random::weighted(Arc::clone(&view))] {
            assert_no_allocation(&format!("random, {name}"), |_| {
                black_box(random.pick(&mut draw).unwrap());
            });
        }
        for config in [
            LeastRequestConfig::new(),
            LeastRequestConfig::new().full_scan(),
            LeastRequestConfig::new().distinct_choices(),
            LeastRequestConfig::new().weighted_draw(),
        ] {
            let mut least = LeastRequest::new(Arc::clone(&view), config, &counts, &mut draw);
            assert_no_allocation(&format!("least request, {name}"), |_| {
                let picked = least.pick(&counts, &mut draw).unwrap();
                let _guard = black_box(counts.start(picked.endpoint));
            });
        }
        let estimates = LatencyEstimates::new(PeakEwmaConfig::new(), set.len(), Monotonic::ZERO);
        let mut latency = PeakEwma::new(Arc::clone(&view), &mut draw);
        assert_no_allocation(&format!("peak EWMA, {name}"), |round| {
            let now = Monotonic::new(Duration::from_millis(round));
            let picked = latency.pick(&estimates, &counts, now, &mut draw).unwrap();
            estimates.record(picked.endpoint, Duration::from_millis(round % 70), now);
        });
        let session = OverrideHost::persistent_session();
        let value = SessionCarrier::encode("10.0.0.4:80");
        assert_no_allocation(&format!("override host, {name}"), |_| {
            let address = SessionCarrier::decode(value.as_bytes()).unwrap();
            let named = set.iter().find(|(_, endpoint)| *endpoint.key() == address.as_str());
            black_box(session.resolve(&view, named.map(|(index, _)| index)));
        });
        let ring = Arc::new(RingHash::new(&set, &view, &RingHashConfig::default()));
        let maglev = Arc::new(Maglev::new(&set, &view, TableSize::new(1_021).unwrap()));
        assert_no_allocation(&format!("hash, {name}"), |round| {
            let hash = draw.next_u64();
            black_box(ring.pick(hash, 0).unwrap());
            black_box(maglev.pick(hash, 0).unwrap());
            black_box(reselect(5, |attempt| ring.pick(hash, attempt), |_| round % 2 == 0));
        });
        let mut bounded = BoundedLoad::new(maglev, BalanceFactor::new(100).unwrap());
        let busy = |index: EndpointIndex| if index.get().is_multiple_of(3) { 0 } else { 50 };
        assert_no_allocation(&format!("bounded load, {name}"), |_| {
            black_box(bounded.pick(draw.next_u64(), 0, &busy, 100).unwrap());
        });
    }
}

struct Request;

impl HashInput for Request {
    fn header_values<'i>(&'i self, name: &'i str) -> impl Iterator<Item = &'i [u8]> {
        let values: &[&[u8]] = match name {
            "x-user" => &[b"b", b"a", b"c"],
            "cookie" => &[b"z=1; q=\"2\""],
            _ => &[],
        };
        values.iter().copied()
    }

    fn query(&self) -> Option<&[u8]> {
        Some(b"a=1&k=2")
    }

    fn source_ip(&self) -> Option<IpAddr> {
        Some([10, 0, 0, 1].into())
    }

    fn connection(&self) -> Option<(std::net::SocketAddr, std::net::SocketAddr)> {
        Some((([10, 0, 0, 1], 5).into(), ([10, 0, 0, 2], 80).into()))
    }
}

#[test]
fn neither_warm_up_nor_zones_nor_a_changing_schedule_allocate() {
    let places = [Locality::parse("r/a"), Locality::parse("r/b")];
    let endpoint = |at: usize| {
        Endpoint::new(at, Weight::or_one(u32::try_from(at % 7).unwrap())).locality(places[at % 2].clone())
    };
    let set = EndpointSet::new((0..300).map(endpoint)).unwrap();
    let callers = LocalCluster::new(places[0].clone(), places.iter().cloned().zip([5, 3]));
    let config = PrioritySetConfig::new().zone_aware(ZoneAware::new(callers));
    let now = |round| Monotonic::new(Duration::from_millis(round));
    let first = FirstHealthy::new(&set, now(0));
    let view = PrioritySet::new(&set, &config, &AllUsable);
    let view = Arc::new(view.warming_up(Warmup::new(Duration::from_secs(1)), &first, now(0)));
    let mut draw = SplitMix64::new(1);
    let random = Random::weighted(Arc::clone(&view));
    let mut round_robin = RoundRobin::at(Arc::clone(&view), now(0), &mut draw);
    let busy = std::cell::Cell::new(0);
    let load = |_: EndpointIndex| busy.get();
    let mut least = LeastRequest::at(view, LeastRequestConfig::new(), now(0), &load, &mut draw);
    assert_no_allocation("warm-up and zones", |round| {
        // The effective weights change a millionfold, so that the calendar is cut anew.
        busy.set(if round % 1_000 < 500 { 0 } else { 1_000_000 });
        round_robin.advance(now(round));
        least.advance(now(round));
        black_box(round_robin.pick(&mut draw).unwrap());
        black_box(least.pick(&load, &mut draw).unwrap());
        black_box(random.pick(&mut draw).unwrap());
    });

    let metadata = |key: &usize, _: &str| vec![(key % 3).to_string()];
    let selectors = SubsetConfig::new([SubsetSelector::new(["version"])]);
    let subsets = Subsets::new(&set, &PrioritySetConfig::new(), &selectors, &AllUsable, metadata);
    assert_no_allocation("subsets", |_| {
        black_box(subsets.find(&[("version", "2")]).unwrap());
        black_box(subsets.find(&[("version", "9")]).is_none());
    });
}

#[test]
fn neither_hashing_nor_counting_allocates() {
    let made = CookiePolicy::new("user").unwrap().ttl(Duration::ZERO);
    let policies = HashPolicies::new([
        HashPolicy::header("x-user").unwrap(),
        HashPolicy::cookie(made),
        HashPolicy::cookie(CookiePolicy::new("q").unwrap()),
        HashPolicy::source_ip(),
        HashPolicy::query_parameter("k").unwrap(),
    ]);
    assert_no_allocation("hashing", |_| {
        black_box(policies.compute(&Request).hash.unwrap());
    });

    let limits = Limits::new()
        .max_requests(5)
        .retry_budget(RetryBudget::new().budget_interval(Duration::from_secs(1)));
    let breaker = CircuitBreaker::new(limits);
    assert_no_allocation("circuit breaking", |round| {
        let now = Monotonic::new(Duration::from_millis(round));
        let _permits = black_box((breaker.try_pending(), breaker.try_request(now), breaker.try_retry(now)));
    });

    let detector = OutlierDetector::new(OutlierConfig::new().max_ejection_percent(100), 4).unwrap();
    let mut draw = SplitMix64::new(1);
    assert_no_allocation("outlier detection", |round| {
        let host = EndpointIndex::new(usize::try_from(round % 4).unwrap()).unwrap();
        let status = if round % 3 == 0 { 200 } else { 503 };
        black_box(detector.record(host, Outcome::Status(status), Monotonic::ZERO, &mut draw));
    });
}
