//! Filter chains: cases that a running Envoy answered, and the table against a model that expands every chain and
//! compares what is left step by step.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

use std::net::{IpAddr, SocketAddr};

use mesh_route::{
    BuildErrorKind, ChainLookup, ChainMatch, ChainOutcome, ChainTable, Connection, Criterion, IpPrefix,
    Listeners, Narrowed, SourceType, Transport, WeightedSplit, sniff,
};
use proptest::prelude::*;
use proptest::sample::select;

fn to(destination: &str) -> Connection<'static> {
    Connection::new(destination.parse().unwrap())
}

fn prefixes(list: &[&str]) -> Vec<IpPrefix> {
    list.iter().map(|text| text.parse().unwrap()).collect()
}

fn names(list: &[&str]) -> ChainMatch {
    ChainMatch::any().server_names(list).unwrap()
}

/// A table whose actions are the chains' names; `default` is the default chain.
fn table(chains: Vec<(&'static str, ChainMatch)>) -> ChainTable<&'static str> {
    let mut builder = ChainTable::builder().default_chain("default", "default");
    for (name, when) in chains {
        builder.push(name, when, name);
    }
    builder.build().unwrap()
}

/// Envoy 1.40 answered all of these so.
#[test]
fn server_names_route_l4_04() {
    // ROUTE-OLD-12
    let table = table(vec![
        ("ex", names(&["*.example.com"])),
        ("com", names(&["*.COM"])),
        ("a-h2", names(&["A.example.com"]).application_protocols(["h2"])),
        ("star", names(&["*.*.org"])),
        ("none", ChainMatch::any()),
    ]);
    for (name, want) in [
        ("b.example.com", "ex"),
        ("B.Example.Com", "ex"),
        ("a.b.example.com", "ex"),
        ("-x.example.com", "ex"),
        (".example.com", "ex"),
        ("example.com", "com"),
        ("b..com", "com"),
        ("..com", "com"),
        (".com", "com"),
        ("com", "none"),
        ("com.", "none"),
        ("x.com.", "none"),
        ("x.example.com.", "none"),
        ("a.", "none"),
        ("x.*.org", "star"),
        ("x.y.org", "none"),
        ("", "none"),
        // The exact name is found first, and no way leads back to `*.example.com`.
        ("a.example.com", "default"),
    ] {
        assert_eq!(table.lookup(&to("10.0.0.1:443").tls(name)).action(), Some(&want), "{name}");
    }
    assert_eq!(table.lookup(&to("10.0.0.1:443")).action(), Some(&"none"), "not TLS at all");
}

/// `*` removes the condition; partial wildcards are refused.
#[test]
fn server_names_that_are_refused_route_l4_04() {
    let any = table(vec![("any", names(&["a.com", "*"]))]);
    assert_eq!(any.lookup(&to("10.0.0.1:443").tls("b.org")).name(), Some("any"));
    for name in ["*-x.foo.com", "a*", "a.*.com", "**.com", ""] {
        let error = ChainMatch::any().server_names([name]).unwrap_err();
        assert_eq!(error.kind(), BuildErrorKind::ServerName, "{name}");
    }
    let error = ChainMatch::any().server_names(["*-x.foo.com"]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "server name `*-x.foo.com` has a `*` that is not its whole first label, write `*.example.com`"
    );
}

#[test]
fn narrowing_is_final_route_l4_02_03() {
    let wanted = &["http/1.1"];
    let exact = table(vec![
        ("exact", names(&["a.example.com"]).application_protocols(["h2"])),
        ("wide", names(&["*.example.com"])),
    ]);
    let connection = to("10.0.0.1:443").tls("a.example.com").application_protocols(wanted);
    assert_eq!(exact.lookup(&connection).action(), Some(&"default"));
    assert!(matches!(exact.lookup(&connection), ChainLookup::Default { name: "default", .. }));

    // An address beats every server name elsewhere.
    let address = table(vec![
        ("host", names(&["x"]).destination(prefixes(&["10.0.0.1"]))),
        ("net", names(&["y"]).destination(prefixes(&["10.0.0.0/24"]))),
        ("name", names(&["a.example.com"])),
        ("rest", ChainMatch::any()),
    ]);
    for (connection, want) in [
        (to("10.0.0.1:1").tls("x"), "host"),
        (to("10.0.0.1:1").tls("a.example.com"), "default"),
        (to("10.0.0.2:1").tls("y"), "net"),
        (to("10.0.0.2:1").tls("a.example.com"), "default"),
        (to("10.0.1.1:1").tls("a.example.com"), "name"),
        (to("10.0.1.1:1"), "rest"),
        (to("[fd00::1]:1").tls("a.example.com"), "name"),
    ] {
        assert_eq!(address.lookup(&connection).action(), Some(&want), "{connection:?}");
    }

    // A port beats everything, and chains for any port are not looked at.
    let port = table(vec![("port", names(&["p"]).destination_port(443)), ("any", names(&["q"]))]);
    for (destination, name, want) in
        [("10.0.0.1:443", "p", "port"), ("10.0.0.1:443", "q", "default"), ("10.0.0.1:444", "q", "any")]
    {
        assert_eq!(port.lookup(&to(destination).tls(name)).action(), Some(&want), "{destination} {name}");
    }
}

/// Envoy 1.40 answered all of these so.
#[test]
fn transport_and_protocols_route_l4_02() {
    let transport = table(vec![
        ("tls-h2", ChainMatch::any().transport(Transport::Tls).application_protocols(["h2"])),
        ("any-h1", ChainMatch::any().application_protocols(["http/1.1"])),
    ]);
    let http = sniff(b"GET / HTTP/1.1\r\n");
    let h1 = to("10.0.0.1:80");
    assert_eq!(transport.lookup(&h1.clone().sniffed(&http)).action(), Some(&"any-h1"));
    assert_eq!(
        transport.lookup(&h1.clone().tls("x").application_protocols(&["http/1.1"])).action(),
        Some(&"default")
    );
    let protocols = table(vec![
        ("h1", ChainMatch::any().application_protocols(["http/1.1"])),
        ("h2", ChainMatch::any().application_protocols(["h2"])),
        ("none", ChainMatch::any()),
    ]);
    for (offered, want) in [
        (&["h2", "http/1.1"][..], "h2"),
        (&["http/1.1", "h2"], "h1"),
        (&["zz", "h2"], "h2"),
        (&["zz"], "none"),
        (&[], "none"),
        (&["H2"], "none"),
    ] {
        let connection = to("10.0.0.1:443").tls("x").application_protocols(offered);
        assert_eq!(protocols.lookup(&connection).action(), Some(&want), "{offered:?}");
    }
    for (bytes, want) in [
        (&b"GET / HTTP/1.1\r\n"[..], "h1"),
        (b"GET / HTTP/1.0\r\n", "none"),
        (b"hello world\n", "none"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "none"),
    ] {
        assert_eq!(protocols.lookup(&h1.clone().sniffed(&sniff(bytes))).action(), Some(&want));
    }
}

/// Envoy 1.40 answered so on loopback.
#[test]
fn sources_route_l4_02() {
    let client = |source: &str| to("10.0.0.1:80").source(source.parse().unwrap());
    let local = table(vec![
        ("local", ChainMatch::any().source_type(SourceType::Local).source_ports([1])),
        ("external", ChainMatch::any().source_type(SourceType::External)),
        ("any", ChainMatch::any()),
    ]);
    for (source, want) in [
        ("127.0.0.1:1", "local"),
        ("127.0.0.1:2", "default"),
        ("[::1]:1", "local"),
        ("10.0.0.1:1", "local"),
        ("10.0.0.2:1", "external"),
    ] {
        assert_eq!(local.lookup(&client(source)).action(), Some(&want), "{source}");
    }
    let nets = table(vec![
        ("net1", ChainMatch::any().source(prefixes(&["10.0.0.0/8"])).source_ports([1])),
        ("all", ChainMatch::any().source(prefixes(&["0.0.0.0/0"]))),
        ("proxy", ChainMatch::any().direct_source(prefixes(&["192.168.0.1"]))),
    ]);
    for (connection, want) in [
        (client("10.1.1.1:1"), "net1"),
        (client("10.1.1.1:2"), "default"),
        (client("11.1.1.1:2"), "all"),
        (client("11.1.1.1:2").direct_source("192.168.0.1".parse().unwrap()), "proxy"),
        (client("[fd00::1]:2"), "default"),
        (to("10.0.0.1:80"), "default"),
    ] {
        assert_eq!(nets.lookup(&connection).action(), Some(&want), "{connection:?}");
    }
}

#[test]
fn no_chain_closes_route_l4_05() {
    let table = ChainTable::builder().chain("a", names(&["a"]), ()).build().unwrap();
    assert_eq!(table.lookup(&to("10.0.0.1:1").tls("b")), ChainLookup::Closed);
    assert_eq!(table.lookup(&to("10.0.0.1:1").tls("b")).action(), None);
    let empty = ChainTable::<()>::builder().build().unwrap();
    assert_eq!(empty.lookup(&to("10.0.0.1:1")), ChainLookup::Closed);
    assert_eq!((empty.chains().len(), empty.default_chain()), (0, None));
}

/// Envoy refuses all of these, and takes the last.
#[test]
fn duplicates_are_refused_route_l4_02() {
    let refused = [
        vec![names(&["x"]), names(&["X"])],
        vec![names(&["x", "x"])],
        vec![names(&["x", "y"]), names(&["y", "z"])],
        vec![names(&[".x"]), names(&["*.x"])],
        vec![ChainMatch::any(), ChainMatch::any()],
        vec![
            ChainMatch::any().destination(prefixes(&["10.0.0.1/8"])),
            ChainMatch::any().destination(prefixes(&["10.0.0.0/8"])),
        ],
    ];
    for chains in refused {
        let mut builder = ChainTable::builder();
        for (at, when) in chains.into_iter().enumerate() {
            builder.push(["first", "second"][at], when, ());
        }
        let error = builder.build().unwrap_err();
        assert_eq!(error.kind(), BuildErrorKind::DuplicateChain);
        assert!(error.to_string().starts_with("filter chains `first` and `"), "{error}");
    }
    let wide = ChainMatch::any().destination(prefixes(&["0.0.0.0/0"]));
    let table = table(vec![("zero", wide), ("none", ChainMatch::any())]);
    assert_eq!(table.lookup(&to("10.0.0.1:1")).name(), Some("zero"));
    assert_eq!(table.lookup(&to("[fd00::1]:1")).name(), Some("none"));
}

/// Connections are split by weight: a quarter and three quarters.
#[test]
fn weighted_connections_route_l4_07() {
    // ROUTE-CASE-88
    let split = WeightedSplit::new([("one", 1), ("three", 3), ("off", 0)]).unwrap();
    let table = ChainTable::builder().chain("tcp", ChainMatch::any(), split).build().unwrap();
    let found = table.lookup(&to("10.0.0.1:1")).action().unwrap();
    let picks: Vec<_> = (0..8).map(|draw| *found.pick(draw)).collect();
    assert_eq!(picks, ["one", "three", "three", "three", "one", "three", "three", "three"]);
    assert_eq!(*WeightedSplit::new([("only", 0)]).unwrap().pick(9), "only");
}

#[test]
fn listeners_route_l4_01() {
    let mut listeners = Listeners::new();
    for address in ["10.0.0.1:80", "0.0.0.0:80", "[::]:80", "[fd00::1]:443"] {
        listeners.insert(address.parse().unwrap(), address).unwrap();
    }
    let error = listeners.insert("0.0.0.0:80".parse().unwrap(), "again").unwrap_err();
    assert_eq!(error.kind(), BuildErrorKind::DuplicateListener);
    assert_eq!(listeners.find("10.0.0.1:81".parse().unwrap()), None);
    listeners.set_fallback("fallback");
    for (destination, want) in [
        ("10.0.0.1:80", "10.0.0.1:80"),
        ("10.0.0.2:80", "0.0.0.0:80"),
        ("[fd00::2]:80", "[::]:80"),
        ("[fd00::1]:443", "[fd00::1]:443"),
        ("[fd00::2]:443", "fallback"),
        ("10.0.0.1:81", "fallback"),
    ] {
        assert_eq!(listeners.find(destination.parse().unwrap()), Some(&want), "{destination}");
    }
    assert_eq!(listeners.iter().count(), 4);
}

#[test]
fn prefixes_that_are_refused() {
    for text in [
        "10.0.0.0/33",
        "fd00::/129",
        "10.0.0/8",
        "10.0.0.0/",
        "10.0.0.0/+8",
        "10.0.0.0/-1",
        "a/8",
        "",
        "10.0.0.0/8/8",
    ] {
        assert_eq!(text.parse::<IpPrefix>().unwrap_err().kind(), BuildErrorKind::Prefix, "{text}");
    }
    let prefix: IpPrefix = "fd00:1::ff/32".parse().unwrap();
    assert_eq!((prefix.to_string(), prefix.length()), ("fd00:1::/32".to_owned(), 32));
    assert!(prefix.contains("fd00:1:ffff::1".parse().unwrap()));
    assert!(!prefix.contains("10.0.0.1".parse().unwrap()));
    assert!("0.0.0.0/0".parse::<IpPrefix>().unwrap().contains("255.1.1.1".parse().unwrap()));
    assert!("::/0".parse::<IpPrefix>().unwrap().contains("ffff::".parse().unwrap()));
}

#[test]
fn explanations_name_what_was_passed_over_route_l4_03_04() {
    let table = table(vec![
        ("exact", names(&["a.example.com"]).application_protocols(["h2"]).transport(Transport::Tls)),
        ("wide", names(&["*.example.com"])),
        ("plain", ChainMatch::any().destination(prefixes(&["10.1.0.0/16", "10.0.0.0/8"]))),
    ]);
    let explain = |connection: &Connection<'_>| table.explain(connection).to_string();
    assert_eq!(
        explain(&to("192.168.0.1:443").tls("a.example.com").application_protocols(&["http/1.1"])),
        "destination 192.168.0.1: chains that ask for none\n\
         server name `a.example.com`: chains for `a.example.com`\n  \
           `*.example.com` covers it too and is not tried, being shorter\n\
         transport tls: chains for tls\n\
         application protocols `http/1.1`: no chain\n  \
           chains ask for `h2`\n\
         no filter chain takes it, so the default chain `default` does\n"
    );
    assert_eq!(
        explain(&to("192.168.0.1:443").tls("b.example.com.")),
        "destination 192.168.0.1: chains that ask for none\n\
         server name `b.example.com.`: no chain\n  \
           `*.example.com` would cover it without the trailing dot\n\
         no filter chain takes it, so the default chain `default` does\n"
    );
    let found = table.explain(&to("10.1.0.1:443"));
    assert_eq!(found.outcome, ChainOutcome::Chain("plain"));
    assert_eq!(found.steps.len(), 1);
    assert_eq!(found.steps[0].criterion, Criterion::DestinationAddress);
    assert_eq!(found.steps[0].narrowed, Narrowed::To("10.1.0.0/16".to_owned()));
    assert_eq!(
        found.steps[0].notes,
        [
            "`10.0.0.0/8` covers it too and is not tried, being shorter",
            "chains that ask for none would accept it and are not tried"
        ]
    );
    assert!(
        explain(&to("192.168.0.1:443"))
            .contains("server name not sent: no chain\n  chains ask for `*.example.com`, `a.example.com`")
    );
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
