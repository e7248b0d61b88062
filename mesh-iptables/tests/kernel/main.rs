//! Rules in a real kernel (section 9.2 of the reference).
//!
//! Every test makes network namespaces of its own, a pod and a peer joined by a pair of interfaces, and does
//! everything there: the machine's own tables are never read nor written. The namespaces have no name and end
//! with the test, also when it panics or is killed. Without root, or without the tools, each test says on
//! standard error that it skips.
#![allow(
    unreachable_pub,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail loudly"
)]

mod agree;
mod ambient;
mod dns;
mod failures;
mod lifecycle;
mod outcomes;
mod probe;
mod rig;
mod tproxy;
mod traffic;
mod vectors;
