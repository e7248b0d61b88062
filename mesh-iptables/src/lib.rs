#![forbid(unsafe_code)]
//! Istio's traffic-interception rules as a pure generator.
