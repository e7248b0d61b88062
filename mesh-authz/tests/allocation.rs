//! A decision allocates nothing, and a rule takes little memory (AUTHZ-PERF-21, AUTHZ-PERF-33).
#![allow(
    unsafe_code,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "an allocator that counts is unsafe, and tests fail by panicking"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use mesh_authz::{
    Action, Claims, Condition, HttpAttributes, Operation, Peer, PeerIdentity, Policy, PolicyId, PolicySet,
    Request, Rule, Source, Value, Verdict,
};

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
    /// Bytes that have been asked for and not given back.
    static LIVE: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: hands everything on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        LIVE.set(LIVE.get().wrapping_add(layout.size()));
        // SAFETY: the caller keeps the contract of `GlobalAlloc::alloc`, which is that of `System::alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.set(LIVE.get().wrapping_sub(layout.size()));
        // SAFETY: the pointer comes from `System::alloc` above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn allocations<T>(run: impl FnOnce() -> T) -> (usize, T) {
    let before = COUNT.get();
    let result = run();
    (COUNT.get() - before, result)
}

/// Policies that use every field and condition, enough of them for an index.
fn policies() -> Vec<Policy> {
    let actions = [Action::Allow, Action::Deny, Action::Audit];
    let identity = |i: u32, action| {
        let source = Source::new()
            .principals([
                format!("cluster.local/ns/shop/sa/a{i}"),
                "td/ns/x*".to_owned(),
                format!("*/sa/b{i}"),
            ])
            .not_principals(["x"])
            .namespaces(["shop", "s*p"])
            .service_accounts([format!("a{i}"), "other/b".to_owned()])
            .trust_domains(["cluster.local", "td*"])
            .ip_blocks([format!("10.0.{i}.0/24"), "10.0.0.0/8".to_owned()])
            .not_remote_ip_blocks(["2001:db8::/32"]);
        let other = Source::new().request_principals(["iss/*"]).not_namespaces([format!("n{i}")]);
        let operation = Operation::new()
            .hosts([format!("h{i}.example.com"), "*.example.com".to_owned()])
            .methods(["GET", "P*"])
            .ports(["8080"])
            .paths([format!("/a/{i}/*"), format!("/t/{i}/{{*}}/{{**}}"), "*.html".to_owned()])
            .not_paths(["/secret*"]);
        let rule = Rule::new().from(source).from(other).to(operation);
        Policy::new(PolicyId::new("shop", &format!("p{i}")), action).rule(rule)
    };
    let conditions = |i: u32, action| {
        let rule = Rule::new()
            .when(Condition::new("request.headers[x-a]").values([format!("v{i}"), "w*".to_owned()]))
            .when(Condition::new("request.headers[:path]").not_values(["/no"]))
            .when(Condition::new("request.auth.claims[groups]").values([format!("g{i}"), "*s".to_owned()]))
            .when(Condition::new("request.auth.audiences").values(["aud"]))
            .when(Condition::new("destination.ip").values(["10.0.0.0/8"]))
            .when(Condition::new("connection.sni").values(["*.example.com", "*"]));
        Policy::new(PolicyId::new("shop", &format!("q{i}")), action).rule(rule)
    };
    let all = (0..40).flat_map(|i| {
        actions.iter().flat_map(move |action| [identity(i, action.clone()), conditions(i, action.clone())])
    });
    let dry_run = identity(1, Action::Deny).dry_run();
    let custom = Rule::new().to(Operation::new().paths(["/custom*"]));
    let custom = Policy::new(PolicyId::new("shop", "custom"), Action::Custom("p".into())).rule(custom);
    all.chain([dry_run, custom]).collect()
}

#[test]
fn decisions_do_not_allocate() {
    let set = PolicySet::builder().policies(policies()).provider("p").build().unwrap();
    let identity = PeerIdentity::certificate(
        ["spiffe://cluster.local/ns/shop/sa/a3", "spiffe://cluster.local/ns/shop/x/sa/a4"],
        ["a.example.com"],
        "CN=a",
    );
    let claims = Claims::new()
        .claim("iss", "iss")
        .claim("sub", "sub")
        .claim("aud", "aud")
        .claim("groups", Value::list(["g7", "devs"]));
    let headers = [("X-A", "v7"), ("x-a", "w")];
    let long = "a".repeat(300);
    let plain = Request::new(Peer::new([10, 0, 3, 1].into()), ([10, 0, 0, 9], 8080).into());
    let mtls =
        Request::new(Peer::new([10, 0, 3, 1].into()).identity(&identity), ([10, 0, 0, 9], 8080).into())
            .sni("a.example.com");
    let http =
        |path| HttpAttributes::new("GET", path).host("H3.example.com").headers(&headers).claims(&claims);
    let requests = [
        plain,
        mtls,
        plain.http(HttpAttributes::new("PUT", "/")),
        mtls.http(http("/a/3/x?q")),
        mtls.http(http("/t/3/x/y")),
        mtls.http(http("/custom")),
        mtls.http(http("/secret.html").host(&long)),
    ];
    let mut denied = 0;
    for request in &requests {
        for request in [*request, request.allowed_by_providers()] {
            let (count, decision) = allocations(|| set.evaluate(&request));
            assert_eq!(count, 0, "evaluate {request:?}");
            denied += usize::from(decision.verdict == Verdict::Deny);
            let (count, _) = allocations(|| set.dry_run(&request));
            assert_eq!(count, 0, "dry_run {request:?}");
            let (count, _) = allocations(|| set.delegated_to(&request).count());
            assert_eq!(count, 0, "delegated_to {request:?}");
        }
    }
    assert!(denied > 0, "the requests reach the policies");
    let (count, _) = allocations(|| set.explain(&requests[0]));
    assert!(count > 0, "the allocator counts");
}

#[test]
fn a_simple_rule_takes_at_most_250_bytes() {
    // AUTHZ-PERF-33: with all texts, and the names of the policies
    let policy = |number: usize| {
        let rule = Rule::new()
            .from(Source::new().principals([format!("cluster.local/ns/web/sa/caller-{number:06}")]))
            .to(Operation::new().methods(["GET"]).paths([format!("/api/v1/service-{number:06}/*")]));
        Policy::new(PolicyId::new("shop", &format!("policy-{number:06}")), Action::Allow).rule(rule)
    };
    let block = |number: usize| {
        let source = Source::new().ip_blocks([format!("10.{}.{}.0/24", number / 256, number % 256)]);
        Policy::new(PolicyId::new("shop", &format!("policy-{number:06}")), Action::Deny)
            .rule(Rule::new().from(source))
    };
    let shapes: [(&str, &dyn Fn(usize) -> Policy); 2] =
        [("principal, method and path", &policy), ("address block", &block)];
    for (shape, policy) in shapes {
        for size in [64, 1_000, 10_000] {
            let before = LIVE.get();
            let set = PolicySet::builder().policies((0..size).map(policy)).build().unwrap();
            let bytes = (LIVE.get().wrapping_sub(before) + size_of::<PolicySet>()) / size;
            drop(set);
            assert_eq!(LIVE.get(), before, "everything is given back");
            println!("{shape}: {bytes} bytes a rule with {size} rules");
            assert!(bytes <= 250, "{shape}: {bytes} bytes a rule with {size} rules");
        }
    }
}
