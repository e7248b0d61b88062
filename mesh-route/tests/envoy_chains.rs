//! Which filter chain of a running Envoy took a connection, by its addresses and real first bytes (ROUTE-L4-02,
//! ROUTE-L4-03, ROUTE-L4-04), recorded by `testdata/route/envoy/record_chains.py`.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")]

use std::net::{IpAddr, SocketAddr};

use mesh_route::{ChainLookup, ChainMatch, ChainTable, Connection, IpPrefix, Sniffed, Transport, sniff};
use serde::Deserialize;

#[derive(Deserialize)]
struct Record {
    envoy: String,
    columns: Vec<String>,
    /// First bytes in hexadecimal digits.
    firsts: Vec<String>,
    sets: Vec<Set>,
}

#[derive(Deserialize)]
struct Set {
    chains: Vec<Chain>,
    default: bool,
    checks: Vec<Check>,
}

#[derive(Deserialize)]
struct Chain {
    port: Option<u16>,
    prefixes: Vec<String>,
    names: Vec<String>,
    transport: Option<String>,
    applications: Vec<String>,
    sources: Vec<String>,
    source_ports: Vec<u16>,
}

/// Source address and port, destination address and port, which first bytes, and what answered.
#[derive(Deserialize)]
struct Check(IpAddr, u16, IpAddr, u16, usize, Answer);

const COLUMNS: [&str; 6] = ["source", "source_port", "destination", "port", "first", "chain"];

/// `null` is a connection that was closed.
#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(untagged)]
enum Answer {
    Chain(usize),
    Default(String),
    Closed(()),
}

fn chain_match(written: &Chain) -> ChainMatch {
    let prefixes = |list: &[String]| list.iter().map(|text| text.parse().unwrap()).collect::<Vec<IpPrefix>>();
    let mut when = ChainMatch::any()
        .destination(prefixes(&written.prefixes))
        .server_names(&written.names)
        .unwrap()
        .application_protocols(&written.applications)
        .source(prefixes(&written.sources))
        .source_ports(written.source_ports.iter().copied());
    if let Some(port) = written.port {
        when = when.destination_port(port);
    }
    match written.transport.as_deref() {
        Some("tls") => when.transport(Transport::Tls),
        Some("raw_buffer") => when.transport(Transport::RawBuffer),
        None => when,
        Some(other) => panic!("transport {other}"),
    }
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn the_chains_of_envoy_route_l4_02_03_04() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/route/envoy/chains.json");
    let record: Record = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    assert_eq!(record.columns, COLUMNS);
    let firsts: Vec<Vec<u8>> = record.firsts.iter().map(|hex| bytes(hex)).collect();
    let (mut checked, mut wrong) = (0, Vec::new());
    for (place, set) in record.sets.iter().enumerate() {
        let mut builder = ChainTable::builder();
        for (number, chain) in set.chains.iter().enumerate() {
            builder.push(&number.to_string(), chain_match(chain), number);
        }
        let builder = if set.default { builder.default_chain("default", usize::MAX) } else { builder };
        let table = builder.build().unwrap();
        for (number, Check(source, source_port, destination, port, first, want)) in
            set.checks.iter().enumerate()
        {
            let sniffed = sniff(&firsts[*first]);
            assert_ne!(sniffed, Sniffed::NeedMore, "Envoy waited for no more than {:?}", firsts[*first]);
            let connection = Connection::new(SocketAddr::new(*destination, *port))
                .source(SocketAddr::new(*source, *source_port))
                .sniffed(&sniffed);
            let got = match table.lookup(&connection) {
                ChainLookup::Chain { action, .. } => Answer::Chain(*action),
                ChainLookup::Default { .. } => Answer::Default("default".to_owned()),
                ChainLookup::Closed => Answer::Closed(()),
            };
            checked += 1;
            if got != *want {
                wrong.push(format!(
                    "set {place}, connection {number}: envoy {want:?}, crate {got:?}\n{}",
                    table.explain(&connection)
                ));
            }
        }
    }
    assert!(checked >= 5_000, "only {checked} answers in the record");
    let shown = wrong.iter().take(10).map(String::as_str).collect::<Vec<_>>().join("\n");
    assert!(wrong.is_empty(), "Envoy {} differs in {} of {checked}:\n{shown}", record.envoy, wrong.len());
}
