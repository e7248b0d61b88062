//! Picking an endpoint, beside pingora's selection (`--features pingora`).
#![allow(missing_docs, reason = "criterion's macros define public items")]

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use mesh_lb::{
    ActiveCounts, AllUsable, Endpoint, EndpointSet, LeastRequest, LeastRequestConfig, Picked, PrioritySet,
    PrioritySetConfig, Random, RoundRobin, SplitMix64, Weight,
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

/// An answer is one of the endpoints, chosen because it is healthy.
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
            let mut least = LeastRequest::new(view, LeastRequestConfig::default(), &active, &mut draw);
            group.bench_function(BenchmarkId::new("least-request/mesh-lb", size), |bencher| {
                bencher.iter(|| check(least.pick(&active, &mut draw), size));
            });
        }
        group.finish();
    }
}

#[cfg(feature = "pingora")]
fn pingora(criterion: &mut Criterion) {
    use pingora_load_balancing::LoadBalancer;
    use pingora_load_balancing::selection::{BackendIter, BackendSelection, Consistent, Random, RoundRobin};

    fn run<S>(criterion: &mut Criterion, name: &str, size: usize)
    where
        S: BackendSelection + 'static,
        S::Iter: BackendIter,
    {
        let balancer = LoadBalancer::<S>::try_from_iter((0..size).map(address)).expect("addresses");
        let mut group = criterion.benchmark_group("lb/equal");
        group.bench_function(BenchmarkId::new(format!("{name}/pingora"), size), |bencher| {
            let mut key = 0_u64;
            bencher.iter(|| {
                key = key.wrapping_add(1);
                let picked =
                    balancer.select(&black_box(key).to_ne_bytes(), 16).expect("all backends are healthy");
                assert_eq!(black_box(picked).addr.as_inet().map(std::net::SocketAddr::port), Some(80));
            });
        });
        group.finish();
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

criterion_group!(benches, mesh, pingora);
criterion_main!(benches);
