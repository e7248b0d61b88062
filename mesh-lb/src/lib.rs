#![forbid(unsafe_code)]
//! Envoy's load-balancing decisions as a pure library.
