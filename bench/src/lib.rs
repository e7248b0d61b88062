//! Inputs that the benchmarks share. A benchmark is named `area/case/library/size` and asserts its answer
//! inside the timed loop, so that it cannot measure a miss.

/// The sizes of a table or set that most benchmarks run through.
pub const SIZES: [usize; 4] = [10, 1_000, 10_000, 100_000];

/// The path prefix of service `number`. All share their first bytes, as paths of one API do.
pub fn service_prefix(number: usize) -> String {
    format!("/api/v1/service-{number:06}/")
}

/// A path below [`service_prefix`].
pub fn service_path(number: usize) -> String {
    format!("/api/v1/service-{number:06}/items/42")
}

/// Numbers below `size` in an order that defeats caches and prefetchers, the same in every run.
pub fn scattered(size: usize, count: usize) -> Vec<usize> {
    // A linear congruential generator modulo 2^64; the upper bits are the good ones.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap_or(0)
    };
    (0..count).map(|_| next() % size.max(1)).collect()
}
