//! A lookup allocates nothing (ROUTE-PERF-18), and a large table takes little.
#![allow(
    unsafe_code,
    clippy::unwrap_used,
    clippy::panic,
    reason = "an allocator that counts is unsafe, and tests fail by panicking"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use mesh_route::{
    Conditions, Limits, NoHeaders, PathMatch, RequestHead, RouteTable, StringMatch, VirtualHost,
    WeightedSplit,
};

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
    /// Bytes allocated and not freed by this thread, and the most there were. A test's thread frees a little that another
    /// one allocated, so the number may be negative.
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

fn size(layout: Layout) -> isize {
    // INVARIANT: no layout is larger.
    isize::try_from(layout.size()).unwrap_or(isize::MAX)
}

struct Counting;

// SAFETY: hands everything on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        LIVE.set(LIVE.get() + size(layout));
        PEAK.set(PEAK.get().max(LIVE.get()));
        // SAFETY: the caller keeps the contract of `GlobalAlloc::alloc`, which is that of `System::alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.set(LIVE.get() - size(layout));
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

/// Every kind of condition, enough rules for an index, and many prefixes of one path.
fn table() -> RouteTable<WeightedSplit<usize>> {
    let regex = |text: &str| StringMatch::regex(text, &Limits::new()).unwrap();
    let mut host =
        VirtualHost::new("a", ["a.example.com", "*.example.com", "b*"].map(|d| d.parse().unwrap()));
    for i in 0..40 {
        let long = "/p".repeat(i);
        let path = match i % 5 {
            0 => PathMatch::exact(&format!("/e/{i}")),
            1 => PathMatch::prefix(&long),
            2 => PathMatch::segment_prefix(&long),
            3 => PathMatch::regex(&format!("{long}[a-z]+{i}"), &Limits::new()).unwrap(),
            _ => PathMatch::prefix(&long).ignore_case(),
        };
        let when = Conditions::any()
            .path(path)
            .method(StringMatch::exact("GET"))
            .header("x-user", regex(&format!("u{i}")))
            .without_header("x-no", StringMatch::present())
            .query_param("k", StringMatch::prefix("v"));
        host.push(when, WeightedSplit::new([(i, 1), (i + 100, 3)]).unwrap());
    }
    host.push(Conditions::any().path(PathMatch::prefix("/p/p/p/p")), WeightedSplit::single(7));
    RouteTable::builder().virtual_host(host).build().unwrap()
}

#[test]
fn a_lookup_allocates_nothing() {
    let (built, table) = allocations(table);
    assert!(built > 0, "the allocator does not count");
    let (deep, lines) = ("/p".repeat(39), [("x-user", "u38"), ("X-User", "u36"), ("other", "x")]);
    let guarded = format!("{deep}/q?a=1&k=v");
    let mut found = 0;
    for (authority, target) in [
        ("a.example.com", "/e/35?k=v"),
        ("A.Example.Com:8080", guarded.as_str()),
        ("deep.er.example.com", deep.as_str()),
        ("b-and-more", "/p/p/p/p/p/p"),
        ("nobody.org", "/"),
        ("", "*"),
    ] {
        let head = RequestHead::new("GET", authority, target, &lines);
        // The regex engine fills its caches at first use.
        let warm = table.lookup(&head).route().map(|found| found.rule);
        let (count, again) =
            allocations(|| table.lookup(&head).route().map(|hit| (hit.rule, *hit.action.pick(5))));
        assert_eq!(count, 0, "{authority}{target}");
        assert_eq!(again.map(|(rule, _)| rule), warm);
        found += usize::from(again.is_some());
    }
    assert_eq!(found, 3, "the requests should reach rules");
}

/// Rules behind every index: users by header, regexes with a common beginning, regexes too large for an automaton,
/// more nested prefixes than a lookup reads side by side.
#[test]
fn no_index_allocates_route_perf_18() {
    let regex = |text: String| Conditions::any().path(PathMatch::regex(&text, &Limits::new()).unwrap());
    let user = |at: usize| StringMatch::exact(format!("user-{at}"));
    let mut host =
        VirtualHost::new("a", (0..40).map(|at| format!("*.{}com", "x.".repeat(at)).parse().unwrap()));
    for at in 0..100 {
        host.push(Conditions::any().path(PathMatch::prefix("/users")).header("x-user", user(at)), at);
        host.push(Conditions::any().header("x-tenant", user(at)), 100 + at);
        host.push(Conditions::any().path(PathMatch::exact("/q")).query_param("id", user(at)), 200 + at);
        host.push(regex(format!("/api/v[0-9]+/service{at}/.*")).method(StringMatch::exact("GET")), 300 + at);
        let nested = Conditions::any().path(PathMatch::prefix(&"/n".repeat(at)));
        host.push(nested.header("x-user", StringMatch::prefix("nobody")), 400 + at);
    }
    for at in 0..8 {
        host.push(regex(format!("/(a|b)*a(a|b){{18}}{at}")), 500 + at);
    }
    let table = RouteTable::builder().virtual_host(host).build().unwrap();
    let deep = "/n".repeat(120);
    let large = format!("/{}7", "ab".repeat(20));
    for (target, lines, want) in [
        ("/users/7", &[("x-user", "user-99"), ("X-User", "user-98")][..], Some(98)),
        ("/", &[("x-tenant", "user-99")], Some(199)),
        ("/q?id=user-99", &[], Some(299)),
        ("/api/v1/service99/x", &[], Some(399)),
        (&deep, &[("x-user", "nobod")], None),
        (&deep, &[("x-user", "nobody")], Some(400)),
        (&large, &[("x-user", "a"); 20], None),
        ("/nowhere", &[("x-user", "a"), ("x-tenant", "a")], None),
    ] {
        let head = RequestHead::new("GET", "www.x.x.x.com:8080", target, &lines);
        // The regex engine fills its caches at first use.
        let warm = table.lookup(&head).route().map(|found| *found.action);
        let (count, found) = allocations(|| table.lookup(&head).route().map(|found| *found.action));
        assert_eq!((count, found), (0, warm), "{target}");
        assert_eq!(found, want, "{target}");
    }
}

#[test]
fn a_hundred_thousand_routes_take_little_memory() {
    let before = LIVE.get();
    PEAK.set(before);
    let mut host = VirtualHost::new("a", ["a.example.com".parse().unwrap()]);
    for at in 0..100_000 {
        host.push(Conditions::any().path(PathMatch::prefix(&format!("/api/v1/service-{at:06}/"))), at);
    }
    let table = RouteTable::builder().virtual_host(host).build().unwrap();
    let (peak, live) = (PEAK.get() - before, LIVE.get() - before);
    println!("100,000 prefix routes: {} KiB, {} KiB while it is built", live >> 10, peak >> 10);
    let head = RequestHead::new("GET", "a.example.com", "/api/v1/service-099999/x", &NoHeaders);
    assert_eq!(table.lookup(&head).route().map(|found| *found.action), Some(99_999));
    assert!(live > 1 << 20, "the allocator does not count");
    assert!(live <= 32 << 20 && peak <= 100 << 20, "{live} bytes, {peak} while it is built");
}
