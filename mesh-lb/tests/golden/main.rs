//! The golden vectors of `testdata/lb`, observed on a running Envoy: LB-TEST-11, 0 differences.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may panic, that is how they fail"
)]

mod bounded;
mod hash;
mod load;
mod sources;
mod world;
