//! A lookup allocates nothing (ROUTE-PERF-18).
#![allow(
    unsafe_code,
    clippy::unwrap_used,
    clippy::panic,
    reason = "an allocator that counts is unsafe, and tests fail by panicking"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use mesh_route::{
    Conditions, Limits, PathMatch, RequestHead, RouteTable, StringMatch, VirtualHost, WeightedSplit,
};

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: hands everything on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        // SAFETY: the caller keeps the contract of `GlobalAlloc::alloc`, which is that of `System::alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
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
