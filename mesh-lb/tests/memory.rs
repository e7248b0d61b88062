//! What the structures hold: the table of the crate page, printed and bounded.
//!
//! ```sh
//! cargo test -p mesh-lb --test memory -- --nocapture
//! ```
#![allow(
    unsafe_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a counting allocator cannot be written without unsafe code, and tests may panic"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::SocketAddr;
use std::sync::Arc;

use mesh_lb::{
    ActiveCounts, AllUsable, CircuitBreaker, Endpoint, EndpointSet, LatencyEstimates, LeastRequest,
    LeastRequestConfig, Limits, Maglev, Monotonic, OutlierConfig, OutlierDetector, PeakEwmaConfig,
    PrioritySet, PrioritySetConfig, Random, RingHash, RingHashConfig, RoundRobin, SplitMix64, TableSize,
    Weight,
};

struct Counting;

thread_local! {
    static LIVE: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call is passed on to the system allocator unchanged; the counter is a plain thread-local cell
// without a destructor, so touching it neither allocates nor runs at thread exit.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.with(|live| live.set(live.get().wrapping_add(layout.size())));
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.with(|live| live.set(live.get().wrapping_sub(layout.size())));
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The bytes on the heap that the value made holds.
fn held<T>(make: impl FnOnce() -> T) -> usize {
    let before = LIVE.with(Cell::get);
    let value = make();
    let after = LIVE.with(Cell::get);
    drop(value);
    after.wrapping_sub(before)
}

fn set(size: usize, weighted: bool) -> EndpointSet<SocketAddr> {
    let endpoint = |number: usize| {
        let number = u32::try_from(number).unwrap();
        let address = SocketAddr::new(std::net::Ipv4Addr::from(0x0a00_0000 + number).into(), 80);
        Endpoint::new(address, Weight::or_one(if weighted { number % 5 + 1 } else { 1 }))
    };
    EndpointSet::new((0..size).map(endpoint)).unwrap()
}

fn view<K>(set: &EndpointSet<K>) -> PrioritySet {
    PrioritySet::new(set, &PrioritySetConfig::default(), &AllUsable)
}

/// Bytes for 10, 1,000 and 10,000 endpoints, and the most that an endpoint may add.
struct Line {
    name: &'static str,
    bytes: [usize; 3],
    per_endpoint: usize,
}

fn measure(name: &'static str, per_endpoint: usize, held: impl Fn(usize) -> usize) -> Line {
    Line { name, bytes: [10, 1_000, 10_000].map(held), per_endpoint }
}

#[test]
fn structures_are_as_large_as_documented() {
    let ring = |minimum| RingHashConfig::new(minimum, 8 * 1_024 * 1_024).unwrap();
    let lines = [
        measure("`EndpointSet<SocketAddr>`", 80, |size| held(|| set(size, false))),
        measure("`PrioritySet`", 48, |size| {
            let set = set(size, false);
            held(|| view(&set))
        }),
        measure("`RoundRobin`, equal weights", 0, |size| {
            let view = Arc::new(view(&set(size, false)));
            held(|| RoundRobin::new(view.clone(), &mut SplitMix64::new(1)))
        }),
        measure("`LeastRequest`, weights differ", 96, |size| {
            let view = Arc::new(view(&set(size, true)));
            let (config, idle) = (LeastRequestConfig::default(), |_| 0);
            held(|| LeastRequest::new(view.clone(), config, &idle, &mut SplitMix64::new(1)))
        }),
        measure("`Random::weighted`", 24, |size| {
            let view = Arc::new(view(&set(size, true)));
            held(|| Random::weighted(view.clone()))
        }),
        measure("`Maglev`, 65,537 slots", 32, |size| {
            let (set, view) = (set(size, false), view(&set(size, false)));
            held(|| Maglev::new(&set, &view, TableSize::default()))
        }),
        measure("`RingHash`, 1,024 points or one an endpoint", 64, |size| {
            let (set, view) = (set(size, false), view(&set(size, false)));
            held(|| RingHash::new(&set, &view, &ring(1_024)))
        }),
        measure("`RingHash`, 65,536 points", 64, |size| {
            let (set, view) = (set(size, false), view(&set(size, false)));
            held(|| RingHash::new(&set, &view, &ring(65_536)))
        }),
        measure("`ActiveCounts`", 136, |size| held(|| ActiveCounts::new(size))),
        measure("`LatencyEstimates`", 8, |size| {
            held(|| LatencyEstimates::new(PeakEwmaConfig::default(), size, Monotonic::ZERO))
        }),
        measure("`OutlierDetector`", 520, |size| {
            held(|| OutlierDetector::new(OutlierConfig::default(), size).unwrap())
        }),
        measure("`CircuitBreaker`", 0, |_| held(|| CircuitBreaker::new(Limits::default()))),
    ];
    println!("| structure | 10 endpoints | 1,000 | 10,000 |");
    println!("|---|---|---|---|");
    for Line { name, bytes, per_endpoint } in lines {
        let kilobytes = bytes.map(|bytes| format!("{}.{}", bytes / 1_024, bytes % 1_024 * 10 / 1_024));
        println!("| {name} | {} KiB | {} KiB | {} KiB |", kilobytes[0], kilobytes[1], kilobytes[2]);
        let added = bytes[2].saturating_sub(bytes[0]);
        assert!(added <= per_endpoint * 9_990 + 4_096, "{name}: {added} bytes for 9,990 endpoints");
    }
}

#[test]
fn a_maglev_table_takes_two_bytes_a_slot() {
    // Section 6.4 of the reference: 131 KB with 16-bit indices
    let (set, view) = (set(10, false), view(&set(10, false)));
    let bytes = held(|| Maglev::new(&set, &view, TableSize::default()));
    assert!((65_537..=132_500).contains(&bytes), "{bytes}");
}
