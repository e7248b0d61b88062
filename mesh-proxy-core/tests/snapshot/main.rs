//! YAML in, request, decision out: the compile step against the worked cases of the route reference.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on should stop"
)]

mod actions;
mod admission;
mod applies;
mod authz;
mod bookinfo;
mod clusters;
mod connections;
mod delegation;
mod gateway;
mod gateway_servers;
mod hosts;
mod http_rules;
mod laws;
mod matching;
mod mesh;
mod mutual_tls;
mod paths;
mod precedence;
mod providers;
mod robust;
mod selection;
mod sniff;
mod tcp;
mod tls;
mod tokens;
mod world;
