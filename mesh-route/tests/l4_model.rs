//! Filter chains against a model that expands every chain and compares what is left step by step.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")]

use std::net::{IpAddr, SocketAddr};

use mesh_route::{
    ChainMatch, ChainOutcome, ChainTable, Connection, IpPrefix, Narrowed, SourceType, Transport,
};
use proptest::prelude::*;
use proptest::sample::select;

fn prefixes(list: &[&str]) -> Vec<IpPrefix> {
    list.iter().map(|text| text.parse().unwrap()).collect()
}

fn names(list: &[&str]) -> ChainMatch {
    ChainMatch::any().server_names(list).unwrap()
}

/// A chain as plain data, from which both the table and the model are made.
#[derive(Clone, Debug)]
struct Plain {
    port: Option<u16>,
    destination: Vec<&'static str>,
    names: Vec<&'static str>,
    transport: Option<Transport>,
    protocols: Vec<&'static str>,
    direct: Vec<&'static str>,
    kind: Option<SourceType>,
    source: Vec<&'static str>,
    source_ports: Vec<u16>,
}

/// One combination of values of a chain.
#[derive(Clone, Debug, PartialEq)]
struct Row {
    chain: usize,
    port: Option<u16>,
    destination: Option<&'static str>,
    name: Option<&'static str>,
    transport: Option<Transport>,
    protocol: Option<&'static str>,
    direct: Option<&'static str>,
    kind: Option<SourceType>,
    source: Option<&'static str>,
    source_port: Option<u16>,
}

#[derive(Clone, Debug)]
struct Facts {
    destination: SocketAddr,
    source: SocketAddr,
    direct: IpAddr,
    name: &'static str,
    transport: Transport,
    protocols: Vec<&'static str>,
}

fn options<T: Copy>(list: &[T]) -> Vec<Option<T>> {
    if list.is_empty() { vec![None] } else { list.iter().copied().map(Some).collect() }
}

impl Plain {
    fn rows(&self, chain: usize) -> Vec<Row> {
        let mut rows = Vec::new();
        for destination in options(&self.destination) {
            for name in options(&self.names) {
                for protocol in options(&self.protocols) {
                    for direct in options(&self.direct) {
                        for source in options(&self.source) {
                            for source_port in options(&self.source_ports) {
                                rows.push(Row {
                                    chain,
                                    port: self.port,
                                    destination,
                                    name,
                                    transport: self.transport,
                                    protocol,
                                    direct,
                                    kind: self.kind,
                                    source,
                                    source_port,
                                });
                            }
                        }
                    }
                }
            }
        }
        rows
    }

    fn criteria(&self) -> ChainMatch {
        let mut when = names(&self.names)
            .destination(prefixes(&self.destination))
            .application_protocols(&self.protocols)
            .direct_source(prefixes(&self.direct))
            .source(prefixes(&self.source))
            .source_ports(self.source_ports.iter().copied());
        if let Some(port) = self.port {
            when = when.destination_port(port);
        }
        if let Some(transport) = self.transport {
            when = when.transport(transport);
        }
        if let Some(kind) = self.kind {
            when = when.source_type(kind);
        }
        when
    }
}

/// Keeps the rows with the best rank; `None` is no fit, lower is better.
fn keep(rows: Vec<Row>, rank: impl Fn(&Row) -> Option<usize>) -> Vec<Row> {
    let best = rows.iter().filter_map(&rank).min();
    rows.into_iter().filter(|row| best.is_some() && rank(row) == best).collect()
}

const LAST: usize = 1000;

fn address(want: Option<&str>, found: IpAddr) -> Option<usize> {
    let Some(want) = want else { return Some(LAST) };
    let (net, length) = want.split_once('/').unwrap_or((want, if want.contains(':') { "128" } else { "32" }));
    // As a number of 128 bits, the address's own first.
    let bits = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => u128::from(ip.to_bits()) << 96,
        IpAddr::V6(ip) => ip.to_bits(),
    };
    let (net, length): (IpAddr, usize) = (net.parse().unwrap(), length.parse().unwrap());
    let fits = net.is_ipv4() == found.is_ipv4()
        && (length == 0 || bits(net) >> (128 - length) == bits(found) >> (128 - length));
    fits.then_some(500 - length)
}

fn server_name(want: Option<&str>, found: &str) -> Option<usize> {
    let found = found.to_ascii_lowercase();
    match want {
        None => Some(LAST),
        Some(_) if found.is_empty() => None,
        Some(want) => match want.strip_prefix('*') {
            None => (want == found).then_some(0),
            Some(rest) => (found.len() > rest.len() && found.ends_with(rest)).then(|| 500 - rest.len()),
        },
    }
}

fn exactly<T: PartialEq>(want: Option<&T>, found: &T) -> Option<usize> {
    want.map_or(Some(1), |want| (want == found).then_some(0))
}

/// Filter, compare, keep the best, nine times.
fn model(chains: &[Plain], facts: &Facts) -> Option<usize> {
    let mut rows: Vec<Row> = chains.iter().enumerate().flat_map(|(at, chain)| chain.rows(at)).collect();
    rows = keep(rows, |row| exactly(row.port.as_ref(), &facts.destination.port()));
    rows = keep(rows, |row| address(row.destination, facts.destination.ip()));
    rows = keep(rows, |row| server_name(row.name, facts.name));
    rows = keep(rows, |row| exactly(row.transport.as_ref(), &facts.transport));
    rows = keep(rows, |row| match row.protocol {
        None => Some(LAST),
        Some(want) => facts.protocols.iter().position(|found| *found == want),
    });
    rows = keep(rows, |row| address(row.direct, facts.direct));
    let local = facts.source.ip().is_loopback() || facts.source.ip() == facts.destination.ip();
    let kind = if local { SourceType::Local } else { SourceType::External };
    rows = keep(rows, |row| exactly(row.kind.as_ref(), &kind));
    rows = keep(rows, |row| address(row.source, facts.source.ip()));
    rows = keep(rows, |row| exactly(row.source_port.as_ref(), &facts.source.port()));
    assert!(rows.len() <= 1, "{rows:?}");
    rows.first().map(|row| row.chain)
}

const NETS: [&str; 7] = ["10.0.0.0/8", "10.1.0.0/16", "10.1.1.1", "0.0.0.0/0", "fd00::/8", "fd00::1", "::/0"];
const NAMES: [&str; 7] = ["a.com", "b.a.com", "*.a.com", "*.com", "*.b.a.com", "com", "c.b.a.com"];
const PROTOCOLS: [&str; 3] = ["h2", "http/1.1", "istio"];

/// Few of everything, so that chains collide and connections fall between them.
fn some<T: Clone + std::fmt::Debug + 'static>(list: Vec<T>) -> impl Strategy<Value = Vec<T>> {
    let most = list.len().min(2);
    prop_oneof![2 => Just(Vec::new()), 3 => prop::sample::subsequence(list, 1..=most)]
}

fn maybe<T: Clone + std::fmt::Debug + 'static>(list: Vec<T>) -> impl Strategy<Value = Option<T>> {
    prop::option::weighted(0.3, select(list))
}

fn chain() -> impl Strategy<Value = Plain> {
    let destination = (maybe(vec![80, 443]), some(NETS.to_vec()), some(NAMES.to_vec()));
    let protocol = (maybe(vec![Transport::Tls, Transport::RawBuffer]), some(PROTOCOLS.to_vec()));
    let rarely = |list: Vec<&'static str>| prop_oneof![3 => Just(Vec::new()), 1 => some(list)];
    let source = (
        rarely(NETS.to_vec()),
        prop::option::weighted(0.15, select(vec![SourceType::Local, SourceType::External])),
        rarely(NETS.to_vec()),
        prop_oneof![3 => Just(Vec::new()), 1 => some(vec![1_u16, 2])],
    );
    (destination, protocol, source).prop_map(|(destination, protocol, source)| Plain {
        port: destination.0,
        destination: destination.1,
        names: destination.2,
        transport: protocol.0,
        protocols: protocol.1,
        direct: source.0,
        kind: source.1,
        source: source.2,
        source_ports: source.3,
    })
}

fn facts() -> impl Strategy<Value = Facts> {
    let ip = || {
        select(vec![
            "10.1.1.1",
            "10.1.1.2",
            "10.2.0.1",
            "11.0.0.1",
            "127.0.0.1",
            "fd00::1",
            "fd00::2",
            "fe80::1",
        ])
    };
    let port = select(vec![80_u16, 443, 8080]);
    let name = select(vec![
        "",
        "a.com",
        "A.COM",
        "b.a.com",
        "x.a.com",
        "c.b.a.com",
        "x.b.a.com",
        "com",
        "x.com",
        "a.com.",
    ]);
    let transport = select(vec![Transport::Tls, Transport::RawBuffer]);
    let protocols = prop::sample::subsequence(PROTOCOLS.to_vec(), 0..=3).prop_shuffle();
    (ip(), port, ip(), 1_u16..=3, ip(), name, transport, protocols).prop_map(
        |(destination, port, source, source_port, direct, name, transport, protocols)| Facts {
            destination: SocketAddr::new(destination.parse().unwrap(), port),
            source: SocketAddr::new(source.parse().unwrap(), source_port),
            direct: direct.parse().unwrap(),
            name,
            transport,
            protocols,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, ..ProptestConfig::default() })]

    /// The tree and the model agree, the explanation too; chains that collide are refused exactly when two rows of
    /// the model ask the same. Eight connections a table.
    #[test]
    fn tree_and_model_agree_route_l4_02_03_04(
        chains in prop::collection::vec(chain(), 1..9),
        connections in prop::collection::vec(facts(), 8),
    ) {
        let mut kept: Vec<Plain> = Vec::new();
        let mut rows: Vec<Row> = Vec::new();
        for chain in chains {
            let mut all: Vec<Row> = rows.clone();
            all.extend(chain.rows(0));
            let same = |a: &Row, b: &Row| Row { chain: 0, ..a.clone() } == Row { chain: 0, ..b.clone() };
            let collides = all.iter().enumerate().any(|(at, row)| all[..at].iter().any(|other| same(row, other)));
            let mut builder = ChainTable::builder();
            for (at, other) in kept.iter().chain([&chain]).enumerate() {
                builder.push(&at.to_string(), other.criteria(), at);
            }
            prop_assert_eq!(builder.build().is_err(), collides, "{:?}", &chain);
            if !collides {
                kept.push(chain);
                rows = all;
            }
        }
        let mut builder = ChainTable::builder();
        for (at, chain) in kept.iter().enumerate() {
            builder.push(&at.to_string(), chain.criteria(), at);
        }
        let table = builder.build().unwrap();
        for facts in &connections {
            let mut connection = Connection::new(facts.destination);
            if facts.transport == Transport::Tls || !facts.name.is_empty() {
                connection = connection.tls(facts.name);
            }
            let transport = if facts.name.is_empty() { facts.transport } else { Transport::Tls };
            let facts = Facts { transport, ..facts.clone() };
            let connection = connection
                .source(facts.source)
                .direct_source(facts.direct)
                .application_protocols(&facts.protocols);
            let want = model(&kept, &facts);
            prop_assert_eq!(table.lookup(&connection).action().copied(), want, "{:?}", &facts);
            let explained = table.explain(&connection);
            let name = want.map(|chain| chain.to_string());
            let outcome = name.as_deref().map_or(ChainOutcome::Closed, ChainOutcome::Chain);
            prop_assert_eq!(explained.outcome, outcome);
            let dead = explained.steps.iter().position(|step| step.narrowed == Narrowed::Nothing);
            prop_assert_eq!(dead.is_some(), want.is_none(), "{}", explained);
            prop_assert!(dead.is_none_or(|at| at + 1 == explained.steps.len()));
        }
    }
}
