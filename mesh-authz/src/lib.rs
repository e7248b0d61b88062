#![forbid(unsafe_code)]
//! Istio authorization decisions as a pure library.
