//! Test data, laws, and agreement with a model.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::disallowed_methods,
    missing_docs,
    unreachable_pub,
    reason = "tests fail by panicking and read files"
)]

mod case;
mod cases;
mod generate;
mod invalid;
mod laws;
mod model;
mod oracle;
mod reuse;
mod rules;
mod texts;
mod ztunnel;
