//! Authorization decisions, beside cedar-policy and casbin with the feature `authz-peers`.
//!
//! The peers get policies that say the same in their own language, and requests that are made outside the
//! timed loop; mesh-authz makes its request inside it.
#![allow(missing_docs, reason = "criterion's macros define public items")]

use std::hint::black_box;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, criterion_group, criterion_main};
use mesh_authz::{
    Action, HttpAttributes, Operation, Peer, PeerIdentity, Policy, PolicyId, PolicySet, Reason, Request,
    Rule, Source,
};

const SIZES: [usize; 3] = [64, 1_000, 10_000];

fn id(number: usize) -> PolicyId {
    PolicyId::new("shop", &format!("policy-{number:06}"))
}

/// The principal of caller `number` as policies name it.
fn principal(number: usize) -> String {
    format!("cluster.local/ns/web/sa/caller-{number:06}")
}

fn caller(number: usize) -> PeerIdentity {
    let name = format!("spiffe://{}", principal(number));
    PeerIdentity::certificate([name.as_str()], [], "")
}

fn prefix(number: usize) -> String {
    format!("/api/v1/service-{number:06}/")
}

fn path(number: usize) -> String {
    format!("{}items/42", prefix(number))
}

fn block(number: usize) -> String {
    format!("10.{}.{}.0/24", number / 256, number % 256)
}

/// One principal, one method, one path prefix each: the shape of a generated per-caller policy.
fn allow_policy(number: usize) -> Policy {
    let rule = Rule::new()
        .from(Source::new().principals([principal(number)]))
        .to(Operation::new().methods(["GET"]).paths([format!("{}*", prefix(number))]));
    Policy::new(id(number), Action::Allow).rule(rule)
}

fn deny_policy(number: usize) -> Policy {
    Policy::new(id(number), Action::Deny).rule(Rule::new().from(Source::new().ip_blocks([block(number)])))
}

fn set_of(policies: impl IntoIterator<Item = Policy>) -> PolicySet {
    PolicySet::builder().policies(policies).build().expect("valid policies")
}

fn connection(identity: &PeerIdentity) -> Request<'_> {
    let peer = Peer::new([10, 0, 0, 7].into()).identity(identity);
    Request::new(peer, ([10, 0, 0, 9], 8080).into())
}

fn allow(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("authz/allow");
    for size in SIZES {
        let set = set_of((0..size).map(allow_policy));
        let last = size - 1;
        let (expected, identity, path) = (id(last), caller(last), path(last));
        let connection = connection(&identity);
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
        scattered(&mut group, &set, size);
        #[cfg(feature = "authz-peers")]
        peers::allow(&mut group, size);
    }
    group.finish();
}

/// Another caller and path for each decision, so that neither caches nor branch predictors know them.
fn scattered(group: &mut BenchmarkGroup<'_, WallTime>, set: &PolicySet, size: usize) {
    let requests: Vec<_> = mesh_bench::scattered(size, 4_096)
        .into_iter()
        .map(|number| (caller(number), path(number), id(number)))
        .collect();
    group.bench_function(BenchmarkId::new("scattered/mesh-authz", size), |bencher| {
        let mut next = requests.iter().cycle();
        bencher.iter(|| {
            let Some((identity, path, expected)) = next.next() else { return };
            let request = connection(identity).http(HttpAttributes::new("GET", path));
            assert_eq!(set.evaluate(&request).reason, Reason::AllowedBy { policy: expected, rule: 0 });
        });
    });
}

fn deny(criterion: &mut Criterion) {
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
    #[cfg(feature = "authz-peers")]
    peers::deny(&mut group, size);
    group.finish();
}

/// The long answer walks every rule.
fn explain(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("authz/explain");
    group.sample_size(10);
    for size in [1, 64, 1_000] {
        let set = set_of((0..size).map(allow_policy));
        let (identity, path) = (caller(size - 1), path(size - 1));
        let request = connection(&identity).http(HttpAttributes::new("GET", &path));
        group.bench_function(BenchmarkId::new("last-policy/mesh-authz", size), |bencher| {
            bencher.iter(|| {
                let explanation = set.explain(black_box(&request));
                assert!(explanation.decision.is_allowed());
                explanation
            });
        });
    }
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

#[cfg(feature = "authz-peers")]
mod peers {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use casbin::{CoreApi, DefaultModel, Enforcer, MemoryAdapter, MgmtApi};
    use cedar_policy::{Authorizer, Decision, Entities, EntityUid};

    use super::{BenchmarkGroup, BenchmarkId, WallTime, black_box, block, path, prefix, principal};

    pub(super) fn allow(group: &mut BenchmarkGroup<'_, WallTime>, size: usize) {
        let last = size - 1;
        cedar_allow(group, size);
        let matcher = "r.sub == p.sub && r.act == p.act && keyMatch(r.path, p.path)";
        let policies = (0..size).map(|n| vec![principal(n), "GET".to_owned(), format!("{}*", prefix(n))]);
        let enforcer = casbin("sub, act, path", "some(where (p.eft == allow))", matcher, policies.collect());
        for (case, method, expected) in [("last-policy", "GET", true), ("no-policy", "POST", false)] {
            let (caller, path) = (principal(last), path(last));
            group.bench_function(BenchmarkId::new(format!("{case}/casbin"), size), |bencher| {
                bencher.iter(|| {
                    let request = (caller.as_str(), method, black_box(path.as_str()));
                    assert_eq!(enforcer.enforce(request).ok(), Some(expected));
                });
            });
        }
    }

    pub(super) fn deny(group: &mut BenchmarkGroup<'_, WallTime>, size: usize) {
        let policies: String = (0..size)
            .map(|n| {
                let block = block(n);
                format!(
                    "forbid(principal, action, resource) when {{ context.ip.isInRange(ip(\"{block}\")) }};\n"
                )
            })
            .chain(["permit(principal, action, resource);".to_owned()])
            .collect();
        let policies: cedar_policy::PolicySet = policies.parse().expect("valid policies");
        let policy = (0..size).map(|n| vec![block(n), "deny".to_owned()]).collect();
        let enforcer = casbin("ip", "!some(where (p.eft == deny))", "ipMatch(r.ip, p.ip)", policy);
        for (case, ip, allowed) in [("inside", "10.3.231.9", false), ("outside", "192.0.2.9", true)] {
            let request = cedar_request("anyone", "GET", &format!("{{ ip: ip(\"{ip}\") }}"));
            cedar(group, &format!("{case}/cedar-policy"), size, &policies, &request, allowed);
            group.bench_function(BenchmarkId::new(format!("{case}/casbin"), size), |bencher| {
                bencher.iter(|| assert_eq!(enforcer.enforce((black_box(ip),)).ok(), Some(allowed)));
            });
        }
    }

    fn cedar_allow(group: &mut BenchmarkGroup<'_, WallTime>, size: usize) {
        let policies: String = (0..size)
            .map(|n| {
                let (principal, prefix) = (principal(n), prefix(n));
                format!(
                    "permit(principal == Caller::\"{principal}\", action == Action::\"GET\", resource) \
                     when {{ context.path like \"{prefix}*\" }};\n"
                )
            })
            .collect();
        let policies: cedar_policy::PolicySet = policies.parse().expect("valid policies");
        for (case, method, expected) in [("last-policy", "GET", true), ("no-policy", "POST", false)] {
            let context = format!("{{ path: \"{}\" }}", path(size - 1));
            let request = cedar_request(&principal(size - 1), method, &context);
            cedar(group, &format!("{case}/cedar-policy"), size, &policies, &request, expected);
        }
    }

    fn cedar(
        group: &mut BenchmarkGroup<'_, WallTime>,
        name: &str,
        size: usize,
        policies: &cedar_policy::PolicySet,
        request: &cedar_policy::Request,
        allowed: bool,
    ) {
        let (authorizer, entities) = (Authorizer::new(), Entities::empty());
        let expected = if allowed { Decision::Allow } else { Decision::Deny };
        group.bench_function(BenchmarkId::new(name, size), |bencher| {
            bencher.iter(|| {
                let response = authorizer.is_authorized(black_box(request), policies, &entities);
                assert_eq!(response.decision(), expected);
            });
        });
    }

    /// `context` is a record in Cedar's language.
    fn cedar_request(principal: &str, method: &str, context: &str) -> cedar_policy::Request {
        let uid = |text: String| text.parse::<EntityUid>().expect("a valid id");
        let pairs = context.trim_matches(['{', '}', ' ']).split_once(": ").expect("one pair");
        let value = pairs.1.parse().expect("a valid expression");
        let context = cedar_policy::Context::from_pairs([(pairs.0.to_owned(), value)]).expect("a record");
        cedar_policy::Request::new(
            uid(format!("Caller::\"{principal}\"")),
            uid(format!("Action::\"{method}\"")),
            uid("Workload::\"shop\"".to_owned()),
            context,
            None,
        )
        .expect("there is no schema to violate")
    }

    fn casbin(request: &str, effect: &str, matcher: &str, policies: Vec<Vec<String>>) -> Enforcer {
        let with_effect = if effect.contains("deny") { ", eft" } else { "" };
        let model = format!(
            "[request_definition]\nr = {request}\n[policy_definition]\np = {request}{with_effect}\n\
             [policy_effect]\ne = {effect}\n[matchers]\nm = {matcher}\n"
        );
        ready(async {
            let model = DefaultModel::from_str(&model).await.expect("a valid model");
            let mut enforcer = Enforcer::new(model, MemoryAdapter::default()).await.expect("no policies yet");
            assert!(enforcer.add_policies(policies).await.expect("valid policies"));
            enforcer
        })
    }

    /// The adapter is memory: nothing ever waits.
    fn ready<T>(future: impl Future<Output = T>) -> T {
        match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(value) => value,
            Poll::Pending => panic!("it waits for something"),
        }
    }
}

criterion_group!(benches, allow, deny, explain, build);
criterion_main!(benches);
