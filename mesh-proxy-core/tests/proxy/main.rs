//! The running proxy over real sockets: the built binary, configured by YAML files, between clients that write raw
//! bytes and backends that are plain threads.
//!
//! Every test has a proxy process of its own and may run beside any other. Nothing here asserts that something is fast:
//! what takes time is waited for, up to a deadline that a loaded machine meets easily.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed, and says where"
)]

mod support;

mod admin;
mod authority;
mod backpressure;
mod bodies;
mod drain;
mod edge;
mod expect;
mod explain;
mod explain_route;
mod hop_by_hop;
mod http_rules;
mod keep_alive;
mod live;
mod local_replies;
mod metrics;
mod retries;
mod sidecar;
mod smuggling;
mod stale;
mod start;
mod timeouts;
mod tokens;
mod traffic;
mod upgrade;
mod validate;
