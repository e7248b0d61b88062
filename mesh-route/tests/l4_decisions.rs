//! Who decides about a connection, and which servers of gateways live together: the tables of the reference, cell by
//! cell.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")]

use mesh_route::{
    ClientCertificate, GatewayServer, Inbound, InboundPort, InboundTraffic, MutualTlsMode, OutboundDecider,
    OutboundPolicy, OutboundPort, ServerProtocol, ServerSkip, ServerTls, ServerUse, Traffic, UnmatchedBy,
    UnmatchedOutcome, auto_passthrough_name, decide_inbound, decide_outbound, place_servers, sniff,
    unmatched_outbound,
};

#[test]
fn outbound_route_sniff_05() {
    // ROUTE-CASE-85, ROUTE-CASE-86
    use OutboundDecider::{
        DefaultChain, FirstMatchAll, PortRoutes, ServiceRoutes, Status, TcpRules, TlsRules, WithoutServerName,
    };
    let columns = [Traffic::Http, Traffic::Http10, Traffic::Tls, Traffic::Other];
    for (port, row) in [
        (OutboundPort::Http, [PortRoutes, DefaultChain, DefaultChain, DefaultChain]),
        (OutboundPort::AutoWithAddress, [ServiceRoutes, TcpRules, TcpRules, TcpRules]),
        (OutboundPort::AutoWithoutAddress, [PortRoutes, FirstMatchAll, FirstMatchAll, FirstMatchAll]),
        (OutboundPort::Tcp, [TcpRules; 4]),
        (OutboundPort::Tls, [WithoutServerName, WithoutServerName, TlsRules, WithoutServerName]),
        (OutboundPort::HttpBound, [PortRoutes, Status(426), Status(400), Status(400)]),
    ] {
        assert_eq!(columns.map(|traffic| decide_outbound(port, traffic)), row, "{port:?}");
    }
}

#[test]
fn traffic_is_what_was_sniffed_route_sniff_02_04() {
    for (bytes, outbound, inbound) in [
        (&b"GET / HTTP/1.1\r\n"[..], Some(Traffic::Http), Some(InboundTraffic::Http)),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Some(Traffic::Http), Some(InboundTraffic::Http)),
        (b"GET / HTTP/1.0\r\n", Some(Traffic::Http10), Some(InboundTraffic::Plain)),
        (b"hello world\n", Some(Traffic::Other), Some(InboundTraffic::Plain)),
        (b"", None, None),
        (b"\x15\x03\x01\x00\x02\x01\x00", None, None),
    ] {
        let found = sniff(bytes);
        assert_eq!((Traffic::of(&found), InboundTraffic::of(&found)), (outbound, inbound), "{found:?}");
    }
}

/// A ClientHello that offers these protocols.
fn hello(protocols: &[&str]) -> Vec<u8> {
    let long = |bytes: &[u8]| [&u16::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat();
    let names = protocols.iter().map(|name| [&[u8::try_from(name.len()).unwrap()], name.as_bytes()].concat());
    let alpn = [vec![0, 16], long(&long(&names.collect::<Vec<_>>().concat()))].concat();
    let body = [&[3, 3][..], &[7; 32], &[0], &[0, 2, 0x13, 1], &[1, 0], &long(&alpn)].concat();
    let message = [vec![1, 0], long(&body)].concat();
    [vec![22, 3, 1], long(&message)].concat()
}

#[test]
fn mesh_clients_announce_themselves_route_sniff_06() {
    for (protocols, want) in [
        (&["istio-http/1.1"][..], InboundTraffic::MeshHttp),
        (&["istio-http/1.0", "istio"], InboundTraffic::MeshHttp),
        (&["istio-h2", "h2"], InboundTraffic::MeshHttp),
        (&["istio-peer-exchange", "istio"], InboundTraffic::Mesh),
        (&["istio", "istio-h2"], InboundTraffic::Mesh),
        (&["h2", "http/1.1"], InboundTraffic::Tls),
        (&["istio-http/2"], InboundTraffic::Tls),
    ] {
        let bytes = hello(protocols);
        assert_eq!(InboundTraffic::of(&sniff(&bytes)), Some(want), "{protocols:?}");
        assert_eq!(Traffic::of(&sniff(&bytes)), Some(Traffic::Tls));
    }
}

#[test]
fn inbound_route_sniff_06() {
    // ROUTE-CASE-89
    use Inbound::{Closed, Http, MutualTlsHttp, MutualTlsTcp, Tcp};
    use InboundPort as Port;
    use MutualTlsMode::{Disable, Permissive, Strict};
    let columns = [
        InboundTraffic::Http,
        InboundTraffic::Plain,
        InboundTraffic::MeshHttp,
        InboundTraffic::Mesh,
        InboundTraffic::Tls,
    ];
    for (port, mode, row) in [
        (Port::Http, Permissive, [Http, Http, MutualTlsHttp, MutualTlsHttp, Closed]),
        (Port::Http, Strict, [Closed, Closed, MutualTlsHttp, MutualTlsHttp, MutualTlsHttp]),
        (Port::Http, Disable, [Http; 5]),
        (Port::Tcp, Permissive, [Tcp, Tcp, MutualTlsTcp, MutualTlsTcp, Tcp]),
        (Port::Tcp, Strict, [Closed, Closed, MutualTlsTcp, MutualTlsTcp, MutualTlsTcp]),
        (Port::Tcp, Disable, [Tcp; 5]),
        (Port::Auto, Permissive, [Http, Tcp, MutualTlsHttp, MutualTlsTcp, Tcp]),
        (Port::Auto, Strict, [Closed, Closed, MutualTlsHttp, MutualTlsTcp, MutualTlsTcp]),
        (Port::Auto, Disable, [Http, Tcp, Tcp, Tcp, Tcp]),
    ] {
        assert_eq!(columns.map(|traffic| decide_inbound(port, mode, traffic)), row, "{port:?} {mode:?}");
    }
}

#[test]
fn unmatched_outbound_route_l4_20() {
    use OutboundPolicy::{AllowAny, RegistryOnly};
    use UnmatchedOutcome::{BlackHole, Passthrough, Status};
    for (by, allow, registry) in [
        (UnmatchedBy::Host, Passthrough, Status(502)),
        (UnmatchedBy::Protocol, Passthrough, BlackHole),
        (UnmatchedBy::Address, Passthrough, BlackHole),
        (UnmatchedBy::ServerName, Passthrough, BlackHole),
        (UnmatchedBy::ProxyPort, BlackHole, BlackHole),
    ] {
        assert_eq!(
            (unmatched_outbound(AllowAny, by), unmatched_outbound(RegistryOnly, by)),
            (allow, registry),
            "{by:?}"
        );
    }
}

fn server(port: u16, protocol: ServerProtocol, hosts: &[&str]) -> GatewayServer {
    GatewayServer::new("ns", port, protocol, hosts)
}

fn tls(hosts: &[&str]) -> GatewayServer {
    server(443, ServerProtocol::Https, hosts).tls(ServerTls::Simple)
}

#[test]
fn plain_servers_merge_or_give_way_route_gw_01_02() {
    let placed = place_servers(&[
        server(80, ServerProtocol::Http, &["a.com"]),
        server(80, ServerProtocol::Http, &["a.com"]),
        server(80, ServerProtocol::Tcp, &["b.com"]),
        tls(&["a.com"]),
        server(80, ServerProtocol::Tls, &["c.com"]).tls(ServerTls::Simple),
        server(443, ServerProtocol::Http, &["d.com"]),
        server(9000, ServerProtocol::Tcp, &["*"]),
        server(9000, ServerProtocol::Tcp, &["*"]),
        server(80, ServerProtocol::Tcp, &["*"]).bind("10.0.0.1".parse().unwrap()),
        server(444, ServerProtocol::Https, &["a.com"]),
    ]);
    assert_eq!(
        placed,
        [
            Ok(ServerUse::Http),
            Ok(ServerUse::Http),
            Err(ServerSkip::Protocol { with: 0 }),
            Ok(ServerUse::TerminatedHttp),
            Err(ServerSkip::MixedTls { with: 0 }),
            Err(ServerSkip::MixedTls { with: 3 }),
            Ok(ServerUse::Tcp),
            Err(ServerSkip::Protocol { with: 6 }),
            Ok(ServerUse::Tcp),
            Err(ServerSkip::WithoutTls),
        ]
    );
}

#[test]
fn a_host_has_one_tls_server_route_gw_01() {
    // ROUTE-CASE-87
    let taken = |host: &str, with| Err(ServerSkip::Host { host: host.to_owned(), with });
    let placed = place_servers(&[
        tls(&["*.x.com"]),
        tls(&["b.com", "*.x.com", "c.com"]),
        tls(&["a.x.com"]),
        tls(&["c.com"]),
        tls(&["./d.com"]),
        tls(&["ns/d.com"]),
        tls(&["d.com", "other/d.com"]),
        tls(&["*/d.com"]),
        tls(&["e.com", "e.com"]),
        tls(&["*.x.com"]).bind("10.0.0.1".parse().unwrap()),
    ]);
    assert_eq!(
        placed,
        [
            Ok(ServerUse::TerminatedHttp),
            taken("*.x.com", 0),
            Ok(ServerUse::TerminatedHttp),
            // The server that was left out has taken nothing.
            Ok(ServerUse::TerminatedHttp),
            Ok(ServerUse::TerminatedHttp),
            taken("ns/d.com", 4),
            // Another namespace is another text; as server names they then collide.
            Ok(ServerUse::TerminatedHttp),
            taken("d.com", 6),
            Ok(ServerUse::TerminatedHttp),
            Ok(ServerUse::TerminatedHttp),
        ]
    );
}

#[test]
fn plain_http_with_a_tls_block_takes_its_hosts_too_route_gw_01() {
    let plain = |hosts: &[&str]| server(80, ServerProtocol::Http, hosts);
    let redirecting = |hosts: &[&str]| plain(hosts).tls(ServerTls::Passthrough);
    let placed = place_servers(&[
        redirecting(&["a.com"]),
        plain(&["a.com"]),
        redirecting(&["b.com", "a.com"]),
        redirecting(&["b.com"]),
    ]);
    let taken = ServerSkip::Host { host: "a.com".to_owned(), with: 0 };
    assert_eq!(placed, [Ok(ServerUse::Http), Ok(ServerUse::Http), Err(taken), Ok(ServerUse::Http)]);
}

#[test]
fn what_a_server_does_route_gw_03_04_05_06_07() {
    use ServerProtocol::{Http, Https, Tcp, Tls};
    for (protocol, mode, want) in [
        (Http, None, ServerUse::Http),
        (Http, Some(ServerTls::Simple), ServerUse::Http),
        (Https, Some(ServerTls::Simple), ServerUse::TerminatedHttp),
        (Https, Some(ServerTls::Mutual), ServerUse::TerminatedHttp),
        (Https, Some(ServerTls::OptionalMutual), ServerUse::TerminatedHttp),
        (Https, Some(ServerTls::IstioMutual), ServerUse::TerminatedHttp),
        (Https, Some(ServerTls::Passthrough), ServerUse::Passthrough),
        (Tls, Some(ServerTls::Passthrough), ServerUse::Passthrough),
        (Tls, Some(ServerTls::AutoPassthrough), ServerUse::AutoPassthrough),
        (Tls, Some(ServerTls::Mutual), ServerUse::TerminatedTcp),
        (Tcp, Some(ServerTls::Simple), ServerUse::TerminatedTcp),
        (Tcp, None, ServerUse::Tcp),
    ] {
        let one = server(443, protocol, &["a.com"]);
        let one = mode.map_or(one.clone(), |mode| one.tls(mode));
        assert_eq!(place_servers(&[one]), [Ok(want)], "{protocol:?} {mode:?}");
    }
    let certificates =
        [ServerTls::Simple, ServerTls::OptionalMutual, ServerTls::Mutual, ServerTls::IstioMutual];
    assert_eq!(
        certificates.map(ServerTls::client_certificate),
        [
            ClientCertificate::NotRequested,
            ClientCertificate::Optional,
            ClientCertificate::Required,
            ClientCertificate::Required
        ]
    );
    assert!(ServerTls::Mutual.terminates() && !ServerTls::AutoPassthrough.terminates());
    assert_eq!(tls(&["ns1/a.com", "./b.com", "a.com"]).server_names(), ["a.com", "b.com"]);
    assert_eq!(tls(&["a.com", "*/*", "b.com"]).server_names(), ["*"]);
    assert_eq!(
        auto_passthrough_name(80, "", "a.ns.svc.cluster.local"),
        "outbound_.80_._.a.ns.svc.cluster.local"
    );
    assert_eq!(auto_passthrough_name(80, "v1", "a"), "outbound_.80_.v1_.a");
    assert_eq!(ServerSkip::WithoutTls.to_string(), "the protocol is TLS, and there is no `tls`");
}
