#![forbid(unsafe_code)]
//! Istio and Envoy routing decisions as a pure library.
