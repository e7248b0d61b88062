//! Authorization decisions. cedar-policy and casbin will stand beside them once the policies are translated.
#![allow(missing_docs, reason = "criterion's macros define public items")]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use mesh_authz::{
    Action, HttpAttributes, Operation, Peer, PeerIdentity, Policy, PolicyId, PolicySet, Reason, Request,
    Rule, Source,
};

const SIZES: [usize; 3] = [64, 1_000, 10_000];

fn id(number: usize) -> PolicyId {
    PolicyId::new("shop", &format!("policy-{number:06}"))
}

fn caller(number: usize) -> PeerIdentity {
    let name = format!("spiffe://cluster.local/ns/web/sa/caller-{number:06}");
    PeerIdentity::certificate([name.as_str()], [], "")
}

/// One principal, one method, one path prefix each: the shape of a generated per-caller policy.
fn allow_policy(number: usize) -> Policy {
    let rule = Rule::new()
        .from(Source::new().principals([format!("cluster.local/ns/web/sa/caller-{number:06}")]))
        .to(Operation::new().methods(["GET"]).paths([format!("/api/v1/service-{number:06}/*")]));
    Policy::new(id(number), Action::Allow).rule(rule)
}

fn deny_policy(number: usize) -> Policy {
    let block = format!("10.{}.{}.0/24", number / 256, number % 256);
    Policy::new(id(number), Action::Deny).rule(Rule::new().from(Source::new().ip_blocks([block])))
}

fn set_of(policies: impl IntoIterator<Item = Policy>) -> PolicySet {
    PolicySet::builder().policies(policies).build().expect("valid policies")
}

fn evaluate(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("authz/allow");
    for size in SIZES {
        let set = set_of((0..size).map(allow_policy));
        let last = size - 1;
        let (expected, identity) = (id(last), caller(last));
        let path = format!("/api/v1/service-{last:06}/items/42");
        let peer = Peer::new([10, 0, 0, 7].into()).identity(&identity);
        let connection = Request::new(peer, ([10, 0, 0, 9], 8080).into());

        group.bench_function(BenchmarkId::new("last-policy/mesh-authz", size), |bencher| {
            bencher.iter(|| {
                let request = connection.http(HttpAttributes::new("GET", black_box(&path)));
                let decision = set.evaluate(&request);
                assert_eq!(decision.reason, Reason::AllowedBy { policy: &expected, rule: 0 });
            });
        });
        group.bench_function(BenchmarkId::new("no-policy/mesh-authz", size), |bencher| {
            bencher.iter(|| {
                let request = connection.http(HttpAttributes::new("POST", black_box(&path)));
                assert_eq!(set.evaluate(&request).reason, Reason::NoAllowMatched);
            });
        });
    }
    group.finish();

    let mut group = criterion.benchmark_group("authz/deny-ip-block");
    let size = 1_000;
    let set = set_of((0..size).map(deny_policy));
    let expected = id(size - 1);
    let inside = Request::new(Peer::new([10, 3, 231, 9].into()), ([10, 9, 0, 9], 8080).into());
    let outside = Request::new(Peer::new([192, 0, 2, 9].into()), ([10, 9, 0, 9], 8080).into());
    group.bench_function(BenchmarkId::new("inside/mesh-authz", size), |bencher| {
        bencher.iter(|| {
            let decision = set.evaluate(black_box(&inside));
            assert_eq!(decision.reason, Reason::DeniedBy { policy: &expected, rule: 0 });
        });
    });
    group.bench_function(BenchmarkId::new("outside/mesh-authz", size), |bencher| {
        bencher.iter(|| assert_eq!(set.evaluate(black_box(&outside)).reason, Reason::NoAllowPolicies));
    });
    group.finish();
}

fn build(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("authz/build");
    group.sample_size(10);
    for size in [64, 10_000] {
        group.bench_function(BenchmarkId::new("allow/mesh-authz", size), |bencher| {
            let policies: Vec<Policy> = (0..size).map(allow_policy).collect();
            bencher.iter(|| {
                let set = set_of(policies.iter().cloned());
                assert!(set.invalid().is_empty());
                set
            });
        });
    }
    group.finish();
}

criterion_group!(benches, evaluate, build);
criterion_main!(benches);
