//! Filter chains. The order of chains does not matter, the explanation ends where the look-up does, the winner takes
//! the connection when it is alone, and nobody wins when none would alone.
#![no_main]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use mesh_fuzz::fold;
use mesh_route::{ChainMatch, ChainOutcome, ChainTable, Connection, IpPrefix, SourceType, Transport};

#[derive(Arbitrary, Debug)]
struct Prefix {
    ip: u8,
    six: bool,
    length: u8,
}

#[derive(Arbitrary, Debug)]
struct Chain {
    port: Option<u8>,
    destination: Vec<Prefix>,
    names: Vec<Vec<u8>>,
    tls: Option<bool>,
    protocols: Vec<u8>,
    direct: Vec<Prefix>,
    local: Option<bool>,
    source: Vec<Prefix>,
    source_ports: Vec<u8>,
}

#[derive(Arbitrary, Debug)]
struct Ends {
    destination: (u8, bool, u8),
    source: Option<(u8, bool, u8)>,
    direct: Option<(u8, bool)>,
    tls: bool,
    name: Vec<u8>,
    protocols: Vec<u8>,
}

#[derive(Arbitrary, Debug)]
struct Input {
    chains: Vec<Chain>,
    connections: Vec<Ends>,
}

const NAMES: &[&str] = &["a", "b", ".", "*.", "com", "A", "*"];
const PROTOCOLS: [&str; 4] = ["h2", "http/1.1", "istio", "x"];

fn ip(ip: u8, six: bool) -> IpAddr {
    if six {
        IpAddr::V6(Ipv6Addr::new(0xfd00, u16::from(ip % 4), 0, 0, 0, 0, 0, u16::from(ip / 4 % 4)))
    } else if ip == 255 {
        IpAddr::V4(Ipv4Addr::LOCALHOST)
    } else {
        IpAddr::V4(Ipv4Addr::new(10, ip % 4, 0, ip / 4 % 4))
    }
}

fn prefixes(list: &[Prefix]) -> Vec<IpPrefix> {
    let one = |prefix: &Prefix| {
        let bits = if prefix.six { 128 } else { 32 };
        IpPrefix::new(ip(prefix.ip, prefix.six), prefix.length % (bits + 1))
            .expect("a length within the bits")
    };
    list.iter().take(3).map(one).collect()
}

fn protocol(number: &u8) -> &'static str {
    PROTOCOLS[usize::from(*number) % PROTOCOLS.len()]
}

fn criteria(chain: &Chain) -> Option<ChainMatch> {
    let names = chain.names.iter().take(3).map(|bytes| fold(bytes, NAMES));
    let mut when = ChainMatch::any()
        .server_names(names)
        .ok()?
        .destination(prefixes(&chain.destination))
        .application_protocols(chain.protocols.iter().take(3).map(protocol))
        .direct_source(prefixes(&chain.direct))
        .source(prefixes(&chain.source))
        .source_ports(chain.source_ports.iter().take(3).map(|port| u16::from(port % 4)));
    if let Some(port) = chain.port {
        when = when.destination_port(u16::from(port % 4));
    }
    if let Some(tls) = chain.tls {
        when = when.transport(if tls { Transport::Tls } else { Transport::RawBuffer });
    }
    if let Some(local) = chain.local {
        when = when.source_type(if local { SourceType::Local } else { SourceType::External });
    }
    Some(when)
}

fn table<'c>(chains: impl Iterator<Item = (usize, &'c ChainMatch)>) -> Option<ChainTable<usize>> {
    let mut builder = ChainTable::builder();
    for (at, when) in chains {
        builder.push(&at.to_string(), when.clone(), at);
    }
    builder.build().ok()
}

fuzz_target!(|input: Input| {
    // Chains that fit beside those before them.
    let mut chains: Vec<ChainMatch> = Vec::new();
    for when in input.chains.iter().take(12).filter_map(criteria) {
        if table(chains.iter().chain([&when]).enumerate()).is_some() {
            chains.push(when);
        }
    }
    let forward = table(chains.iter().enumerate()).expect("chains that fit");
    let backward = table(chains.iter().enumerate().rev()).expect("the order does not matter");
    for ends in &input.connections {
        let (host, six, port) = ends.destination;
        let mut connection = Connection::new(SocketAddr::new(ip(host, six), u16::from(port % 4)));
        let name = fold(&ends.name, NAMES);
        if ends.tls {
            connection = connection.tls(&name);
        }
        if let Some((host, six, port)) = ends.source {
            connection = connection.source(SocketAddr::new(ip(host, six), u16::from(port % 4)));
        }
        if let Some((host, six)) = ends.direct {
            connection = connection.direct_source(ip(host, six));
        }
        let protocols: Vec<&str> = ends.protocols.iter().take(4).map(protocol).collect();
        let connection = connection.application_protocols(&protocols);

        let found = forward.lookup(&connection).action().copied();
        assert_eq!(found, backward.lookup(&connection).action().copied());
        let shown = found.map(|at| at.to_string());
        let outcome = shown.as_deref().map_or(ChainOutcome::Closed, ChainOutcome::Chain);
        assert_eq!(forward.explain(&connection).outcome, outcome);
        let alone = |at: usize| {
            let one = table([(at, &chains[at])].into_iter()).expect("one chain");
            one.lookup(&connection).action().is_some()
        };
        match found {
            Some(at) => assert!(alone(at), "{at} does not take it alone"),
            // Narrowing is final, so some may take it alone and not among others; with one chain there are no others.
            None if chains.len() == 1 => assert!(!alone(0)),
            None => {}
        }
        if found.is_some() {
            assert!((0..chains.len()).any(alone));
        }
    }
});
