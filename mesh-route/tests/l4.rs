//! Filter chains and listeners: cases, most of which a running Envoy answered.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

use mesh_route::{
    BuildErrorKind, ChainCriterion, ChainLookup, ChainMatch, ChainOutcome, ChainTable, Connection, IpPrefix,
    Listeners, Narrowed, SourceType, Transport, WeightedSplit, sniff,
};

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
    // A scope is not part of where a listener is bound.
    listeners.insert("[fe80::1%3]:80".parse().unwrap(), "link").unwrap();
    assert_eq!(listeners.find("[fe80::1]:80".parse().unwrap()), Some(&"link"));
    assert_eq!(listeners.get("[fe80::1%7]:80".parse().unwrap()), Some(&"link"));
    assert!(listeners.insert("[fe80::1]:80".parse().unwrap(), "again").is_err());
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
    assert_eq!(found.steps[0].criterion, ChainCriterion::DestinationAddress);
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
