//! The reference proxy.
fn main() {}
