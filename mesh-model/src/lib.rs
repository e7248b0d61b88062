#![forbid(unsafe_code)]
//! Istio and Kubernetes resources as Rust types: loading, validation with source positions, name resolution.
