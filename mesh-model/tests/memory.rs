//! What loading takes: allocations and bytes in proportion to the objects, 100,000 of them in less than 1 GB.
//!
//! So many are loaded and analyzed with optimization only; without it, the same is asked of each of 1,000:
//!
//! ```sh
//! cargo test --release -p mesh-model --test memory -- --nocapture --test-threads 1
//! ```
#![allow(
    unsafe_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "an allocator that counts is unsafe, tests fail by panicking, and what was measured is printed"
)]

mod mixed;

use mesh_model::validate::analyze;
use mesh_model::{LoadState, Options, Source, load};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Instant;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

struct Counting;

fn add(bytes: isize) {
    LIVE.set(LIVE.get() + bytes);
    PEAK.set(PEAK.get().max(LIVE.get()));
}

fn size(bytes: usize) -> isize {
    isize::try_from(bytes).unwrap_or(isize::MAX)
}

// SAFETY: hands everything on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        add(size(layout.size()));
        // SAFETY: the caller keeps the contract of `GlobalAlloc::alloc`, which is that of `System::alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        add(-size(layout.size()));
        // SAFETY: as above; the pointer came from `System`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new: usize) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        add(size(new) - size(layout.size()));
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, new) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What one load took.
struct Cost {
    allocations: usize,
    /// Bytes held at the worst moment, and by what was loaded; the text is in neither.
    peak: isize,
    kept: isize,
}

fn cost(count: usize) -> Cost {
    let text = mixed::objects(count);
    let (allocations, before) = (COUNT.get(), LIVE.get());
    PEAK.set(before);
    let start = Instant::now();
    let loaded = load([Source::new("mixed.yaml", &text)], &Options::default());
    let took = start.elapsed();
    let cost =
        Cost { allocations: COUNT.get() - allocations, peak: PEAK.get() - before, kept: LIVE.get() - before };
    let first = loaded.diagnostics.first().map(ToString::to_string);
    assert_eq!((loaded.objects.len(), first), (count, None));
    assert!(loaded.objects.iter().all(|object| object.state == LoadState::Clean));
    println!(
        "{count:>7} objects, {:>6} kB of text: {:>7.1} ms, {:>9} allocations, {:>7} kB at the peak, {:>7} kB kept",
        text.len() / 1000,
        took.as_secs_f64() * 1000.0,
        cost.allocations,
        cost.peak / 1000,
        cost.kept / 1000,
    );
    cost
}

/// What analyzing objects takes.
fn analysis(count: usize) -> Cost {
    let text = mixed::objects(count);
    let loaded = load([Source::new("mixed.yaml", &text)], &Options::default());
    let (allocations, before) = (COUNT.get(), LIVE.get());
    PEAK.set(before);
    let start = Instant::now();
    let found = analyze(&loaded.objects);
    let took = start.elapsed();
    let cost =
        Cost { allocations: COUNT.get() - allocations, peak: PEAK.get() - before, kept: LIVE.get() - before };
    println!(
        "{count:>7} objects analyzed: {:>7.1} ms, {:>9} allocations, {:>7} kB at the peak, {} findings",
        took.as_secs_f64() * 1000.0,
        cost.allocations,
        cost.peak / 1000,
        found.len(),
    );
    cost
}

/// Ten times the objects take ten times the allocations and bytes: what a load does for one object does not depend on
/// the others.
#[test]
fn what_loading_takes_is_linear() {
    let (small, large) = (cost(200), cost(2_000));
    let times_ten = |small: usize, large: usize| large <= small * 11 && large * 10 >= small * 90;
    assert!(times_ten(small.allocations, large.allocations), "{} {}", small.allocations, large.allocations);
    let bytes = |bytes: isize| usize::try_from(bytes).unwrap();
    assert!(times_ten(bytes(small.kept), bytes(large.kept)), "{} {}", small.kept, large.kept);
}

/// How many objects are tried; more would take minutes without optimization.
fn counts() -> &'static [usize] {
    if cfg!(debug_assertions) {
        println!("10,000 and 100,000 objects are left out: this build is not optimized");
        return &[1_000];
    }
    &[1_000, 10_000, 100_000]
}

/// Asserts that no object takes more than `limit` bytes at the worst moment, of however many.
fn at_most(limit: isize, count: usize, cost: &Cost) {
    let each = cost.peak / isize::try_from(count).unwrap();
    assert!(each < limit, "{each} bytes for each of {count} objects");
}

#[test]
fn a_hundred_thousand_objects_take_less_than_a_gigabyte() {
    for &count in counts() {
        at_most(9_000, count, &cost(count));
    }
}

/// Neither do the analyzers compare each object with each other one.
#[test]
fn what_analyzing_takes_is_linear() {
    let (small, large) = (analysis(200), analysis(2_000));
    assert!(large.allocations <= small.allocations * 11, "{} {}", small.allocations, large.allocations);
    assert!(large.peak <= small.peak * 12, "{} {}", small.peak, large.peak);
}

#[test]
fn analyzing_a_hundred_thousand_objects_takes_less_than_half_a_gigabyte() {
    for &count in counts() {
        at_most(5_000, count, &analysis(count));
    }
}
