//! Tokens: test data, each step, laws, and with the feature `jwt` real signatures.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    missing_docs,
    unreachable_pub,
    dead_code,
    reason = "tests fail by panicking and read files; not every module is used without the feature"
)]

#[path = "../suite/case.rs"]
mod case;
mod cases;
mod common;
mod keys;
mod laws;
mod rules;
#[cfg(feature = "jwt")]
mod signatures;
mod tokens;
