//! Servers of gateways and the connections they take (section 5.5).

use mesh_proxy_core::snapshot::Role;

use crate::connections::{ask, compiled, entry, says};
use crate::world::{World, check, dated, istio, service, versions, virtual_service};

/// A Gateway `door` in `default` with these servers, each as `port/PROTOCOL/tls: {…}/hosts`.
fn door(servers: &[&str]) -> String {
    named("door", servers)
}

fn named(name: &str, servers: &[&str]) -> String {
    let server = |(index, text): (usize, &&str)| {
        let mut parts = text.splitn(4, '/');
        let mut part = || parts.next().unwrap();
        let (number, protocol, mode, hosts) = (part(), part(), part(), part());
        let tls = match mode {
            "" => String::new(),
            "SIMPLE" | "MUTUAL" | "OPTIONAL_MUTUAL" => {
                format!("    tls: {{mode: {mode}, credentialName: c}}\n")
            }
            _ => format!("    tls: {{mode: {mode}}}\n"),
        };
        format!(
            "  - port: {{number: {number}, name: p{index}, protocol: {protocol}}}\n{tls}    hosts: [{hosts}]\n"
        )
    };
    let servers: String = servers.iter().enumerate().map(server).collect();
    let spec = format!("  selector: {{istio: ingressgateway}}\n  servers:\n{servers}");
    dated("Gateway", "default", name, "2020-01-01", &spec)
}

fn services() -> String {
    ["a", "b", "c"].map(|name| entry(name, &format!("{name}.example.org"), "", "9000/TCP")).concat()
}

fn tls(name: &str, hosts: &str, matches: &str, to: &str) -> String {
    virtual_service(
        name,
        &format!(
            "  hosts: [{hosts}]\n  gateways: [door]\n  tls:\n  - match: [{matches}]\n    route: [{{destination: {{host: {to}.example.org}}}}]"
        ),
    )
}

fn tcp(name: &str, hosts: &str, matches: &str, to: &str) -> String {
    virtual_service(
        name,
        &format!(
            "  hosts: [{hosts}]\n  gateways: [door]\n  tcp:\n  - match: [{matches}]\n    route: [{{destination: {{host: {to}.example.org}}}}]"
        ),
    )
}

fn at(parts: &[String]) -> impl Fn(&str) -> String + '_ {
    let found = compiled(Role::Gateway, parts);
    move |request| ask(&found, request, 0)
}

#[test]
fn https_servers_by_name_route_gw_03() {
    let parts = [door(&[
        "443/HTTPS/SIMPLE/a.example.com",
        "443/HTTPS/MUTUAL/'./b.example.com'",
        "443/HTTPS/OPTIONAL_MUTUAL/'*.c.com'",
        "444/HTTPS/ISTIO_MUTUAL/'*'",
    ])];
    check(
        "ROUTE-CASE-80, ROUTE-GW-11",
        at(&parts),
        &[
            ("10.0.0.1:443 tls:a.example.com", "NotRequested http Gateway default/door servers[0]"),
            ("10.0.0.1:443 tls:b.example.com", "Required http Gateway default/door servers[1]"),
            ("10.0.0.1:443 tls:x.c.com", "Optional http Gateway default/door servers[2]"),
            ("10.0.0.1:443 tls:c.example.com", "closed"),
            ("10.0.0.1:443 tls", "closed"),
            ("10.0.0.1:443 http", "closed"),
            ("10.0.0.1:444 tls:anything", "Required http Gateway default/door servers[3]"),
            ("10.0.0.1:444 tls", "Required http Gateway default/door servers[3]"),
            ("10.0.0.1:444 raw", "closed"),
            ("10.0.0.1:445 tls:a.example.com", "refused"),
        ],
    );
}

/// SNI unknown, plain text on a TLS port, a port that nobody serves.
#[test]
fn what_is_not_served_route_gw_11() {
    let parts = [door(&["443/HTTPS/SIMPLE/a.example.com", "80/HTTP//a.example.com"])];
    check(
        "ROUTE-GW-11",
        at(&parts),
        &[
            ("10.0.0.1:8080 http", "refused"),
            ("10.0.0.1:443 tls:x.example.com", "closed"),
            ("10.0.0.1:443 http", "closed"),
            ("10.0.0.1:80 http", "http http.80"),
            ("10.0.0.1:80 raw", "http http.80"),
        ],
    );
}

#[test]
fn servers_of_one_port_route_gw_01_02() {
    // ROUTE-CASE-87: the younger server is left out whole.
    let younger = named(
        "window",
        &["443/HTTPS/SIMPLE/'*.x.com', y.com", "443/HTTPS/SIMPLE/z.com", "443/HTTP//p.com", "80/TCP//'*'"],
    )
    .replace("2020", "2021");
    let parts = [door(&["443/HTTPS/SIMPLE/'*.x.com'", "80/HTTP//a.com"]), younger];
    let found = compiled(Role::Gateway, &parts);
    check(
        "ROUTE-CASE-87",
        |request| ask(&found, request, 0),
        &[
            ("10.0.0.1:443 tls:a.x.com", "NotRequested http Gateway default/door servers[0]"),
            ("10.0.0.1:443 tls:y.com", "closed"),
            ("10.0.0.1:443 tls:z.com", "NotRequested http Gateway default/window servers[1]"),
            ("10.0.0.1:443 tls:p.com", "closed"),
            ("10.0.0.1:80 raw", "http http.80"),
        ],
    );
    for words in [
        ["Gateway default/window: spec.servers[0]", "an older server has the host `*.x.com` on the port"],
        ["Gateway default/window: spec.servers[2]", "of the two only one is TLS"],
        ["Gateway default/window: spec.servers[3]", "another protocol"],
    ] {
        assert!(says(&found, &words), "{words:?} {:?}", found.issues);
    }
    // Of two namespaces the same name passes the comparison and then meets itself: the older one keeps it.
    let parts = [door(&["443/HTTPS/SIMPLE/ns1/a.com", "443/HTTPS/SIMPLE/ns2/a.com"])];
    let found = compiled(Role::Gateway, &parts);
    assert_eq!(ask(&found, "10.0.0.1:443 tls:a.com", 0), "NotRequested http Gateway default/door servers[0]");
    assert!(
        says(&found, &["error: Gateway default/door: spec.servers[1]", "are taken on port 443"]),
        "{:?}",
        found.issues
    );
}

#[test]
fn tcp_after_tls_route_gw_04() {
    let parts = [
        door(&[
            "443/TLS/SIMPLE/a.example.com",
            "443/TLS/MUTUAL/b.example.com",
            "443/TLS/SIMPLE/c.example.com",
        ]),
        services(),
        tcp("a", "a.example.com", "{port: 443}", "a"),
        tcp("b", "b.example.com", "{port: 443}", "b"),
    ];
    check(
        "ROUTE-GW-04",
        at(&parts),
        &[
            ("10.0.0.1:443 tls:a.example.com", "NotRequested |9000|a.example.org"),
            ("10.0.0.1:443 tls:b.example.com", "Required |9000|b.example.org"),
            ("10.0.0.1:443 tls:c.example.com", "closed"),
        ],
    );
}

#[test]
fn passthrough_route_gw_05() {
    let parts = [
        door(&["443/TLS/PASSTHROUGH/'*.x.com'", "444/TLS/PASSTHROUGH/'*.x.com'"]),
        services(),
        tls("login", "login.x.com", "{sniHosts: [login.x.com], port: 443}", "a"),
        tls("wild", "'*.w.x.com'", "{sniHosts: ['*.w.x.com'], port: 443}", "b"),
        tls("elsewhere", "login.y.com", "{sniHosts: [login.y.com]}", "c"),
    ];
    let found = compiled(Role::Gateway, &parts);
    check(
        "ROUTE-CASE-81",
        |request| ask(&found, request, 0),
        &[
            ("10.0.0.1:443 tls:login.x.com", "|9000|a.example.org"),
            ("10.0.0.1:443 tls:a.w.x.com", "|9000|b.example.org"),
            ("10.0.0.1:443 tls:other.x.com", "closed"),
            ("10.0.0.1:443 tls:login.y.com", "closed"),
            ("10.0.0.1:443 tls", "closed"),
            // No block is kept there, so nobody listens.
            ("10.0.0.1:444 tls:login.x.com", "refused"),
        ],
    );
    assert!(
        says(&found, &["Gateway default/door: spec.servers[1]", "no rule applies"]),
        "{:?}",
        found.issues
    );
}

/// HTTP rules never apply to a server that passes TLS through.
#[test]
fn passthrough_knows_no_http_route_gw_05() {
    let http = virtual_service(
        "h",
        "  hosts: [login.x.com]\n  gateways: [door]\n  http:\n  - route: [{destination: {host: a.example.org}}]",
    );
    let parts = [door(&["443/HTTPS/PASSTHROUGH/login.x.com"]), services(), http];
    assert_eq!(at(&parts)("10.0.0.1:443 tls:login.x.com"), "refused");
}

#[test]
fn auto_passthrough_route_gw_06() {
    let parts = [
        door(&["15443/TLS/AUTO_PASSTHROUGH/'*.default.svc.cluster.local'"]),
        service("default", "s", "80 81"),
        service("other", "s", "80"),
        versions("s"),
        entry("e", "e.default.svc.cluster.local", "", "80/HTTP"),
    ];
    let name = |port: &str, subset: &str, host: &str| {
        format!("10.0.0.1:15443 tls:outbound_.{port}_.{subset}_.{host} istio")
    };
    let host = "s.default.svc.cluster.local";
    check(
        "ROUTE-GW-06",
        at(&parts),
        &[
            (&name("80", "", host), "|80|s.default"),
            (&name("81", "", host), "|81|s.default"),
            (&name("80", "v1", host), "v1|80|s.default"),
            (&name("80", "v9", host), "closed"),
            (&name("82", "", host), "closed"),
            (&name("80", "", "s.other.svc.cluster.local"), "closed"),
            // External, and without an announcement of the mesh.
            (&name("80", "", "e.default.svc.cluster.local"), "closed"),
            (&name("80", "", host).replace(" istio", " h2"), "closed"),
            (&name("80", "", host).replace(" istio", " istio-http/1.1"), "|80|s.default"),
            ("10.0.0.1:15443 tls:s.default.svc.cluster.local istio", "closed"),
        ],
    );
}

#[test]
fn plain_tcp_route_gw_07() {
    let parts = [
        door(&["9000/TCP//'*.x.com'", "9001/TCP//'*'", "9002/TCP//'ns1/*'"]),
        services(),
        dated(
            "VirtualService",
            "default",
            "one",
            "2020-01-01",
            "  hosts: [a.x.com]\n  gateways: [door]\n  tcp:\n  - match: [{port: 9001}]\n    route: [{destination: {host: c.example.org}}]",
        ),
        dated(
            "VirtualService",
            "default",
            "two",
            "2021-01-01",
            "  hosts: [b.x.com]\n  gateways: [door]\n  tcp:\n  - match: [{port: 9000}]\n    route: [{destination: {host: a.example.org}}]",
        ),
        dated(
            "VirtualService",
            "default",
            "three",
            "2022-01-01",
            "  hosts: ['*']\n  gateways: [door]\n  tcp:\n  - route: [{destination: {host: b.example.org}}]",
        ),
        dated(
            "VirtualService",
            "default",
            "four",
            "2019-01-01",
            "  hosts: [b.y.com]\n  gateways: [door]\n  tcp:\n  - match: [{port: 9000}]\n    route: [{destination: {host: c.example.org}}]",
        ),
    ];
    check(
        "ROUTE-GW-07",
        at(&parts),
        &[
            // The whole port, whatever is spoken; the first that is kept and has a host on the server.
            ("10.0.0.1:9000 raw", "|9000|a.example.org"),
            ("10.0.0.1:9000 tls:b.x.com", "|9000|a.example.org"),
            ("10.0.0.1:9001 raw", "|9000|c.example.org"),
            // Hosts of another namespace only: no rule, no listener.
            ("10.0.0.1:9002 raw", "refused"),
        ],
    );
}

#[test]
fn what_is_kept_at_a_gateway_route_gw_08() {
    for (block, kept) in [
        ("port: 443", true),
        ("port: 444", false),
        ("gateways: [door]", true),
        ("gateways: [default/door]", true),
        ("gateways: [mesh]", false),
        ("gateways: [other/door]", false),
        // These count on sidecars only.
        ("sourceLabels: {app: nobody}", true),
        ("sourceNamespace: nowhere", true),
        ("destinationSubnets: [192.0.2.0/24]", true),
    ] {
        let rule = tls("a", "a.x.com", &format!("{{sniHosts: [a.x.com], {block}}}"), "a")
            .replace("gateways: [door]\n", "gateways: [door, mesh, other/door]\n");
        let parts = [door(&["443/TLS/PASSTHROUGH/a.x.com"]), services(), rule];
        let want = if kept { "|9000|a.example.org" } else { "refused" };
        assert_eq!(at(&parts)("10.0.0.1:443 tls:a.x.com"), want, "{block}");
        let rule = tcp("a", "a.x.com", &format!("{{{block}}}"), "a")
            .replace("gateways: [door]\n", "gateways: [door, mesh, other/door]\n");
        let parts = [door(&["443/TCP//a.x.com"]), services(), rule];
        assert_eq!(at(&parts)("10.0.0.1:443"), want, "tcp: {block}");
    }
}

#[test]
fn server_names_that_repeat_route_gw_09() {
    let parts = [
        door(&["443/TLS/PASSTHROUGH/'*.x.com'"]),
        services(),
        tls(
            "a",
            "'*.x.com'",
            "{sniHosts: [a.x.com]}, {sniHosts: [b.x.com, a.x.com]}, {sniHosts: [c.x.com]}",
            "a",
        ),
        tls("b", "'*.x.com'", "{sniHosts: [C.x.com]}, {sniHosts: [d.x.com]}", "b"),
    ];
    let found = compiled(Role::Gateway, &parts);
    check(
        "ROUTE-GW-09",
        |request| ask(&found, request, 0),
        &[
            ("10.0.0.1:443 tls:a.x.com", "|9000|a.example.org"),
            ("10.0.0.1:443 tls:b.x.com", "closed"),
            ("10.0.0.1:443 tls:c.x.com", "|9000|a.example.org"),
            ("10.0.0.1:443 tls:d.x.com", "|9000|b.example.org"),
        ],
    );
    assert!(
        says(&found, &["VirtualService default/a: spec.tls[0].match[1].sniHosts", "`a.x.com` is taken"]),
        "{:?}",
        found.issues
    );
}

/// A bound address has its own listener.
#[test]
fn binds_are_apart_route_gw_01() {
    let bound = istio(
        "Gateway",
        "default",
        "bound",
        "  selector: {istio: ingressgateway}\n  servers:\n  - port: {number: 9000, name: t, protocol: TCP}\n    bind: 10.0.0.9\n    hosts: ['*']",
    );
    let rule = tcp("a", "'*'", "{port: 9000}", "a").replace("[door]", "[bound]");
    let parts = [door(&["9000/HTTP//'*'"]), bound, services(), rule];
    check(
        "binds",
        at(&parts),
        &[("10.0.0.9:9000 raw", "|9000|a.example.org"), ("10.0.0.8:9000 raw", "http http.9000")],
    );
}

/// Servers that redirect count as TLS here, although they are plain HTTP: the second one that has a host is left out,
/// with whatever is bound to it.
#[test]
fn servers_that_redirect_share_no_host_route_gw_01() {
    let web = |name: &str, gateway: &str| {
        virtual_service(
            name,
            &format!(
                "  hosts: [{name}.example.com]\n  gateways: [{gateway}]\n  http:\n  - route: [{{destination: {{host: {name}.example.org}}}}]"
            ),
        )
    };
    let gateway = |name: &str, redirect: &str| {
        let server = format!("80/HTTP/{redirect}/'*'");
        named(name, &[&server]).replace("mode: REDIRECT", "httpsRedirect: true")
    };
    for (second, served) in [("REDIRECT", false), ("", true)] {
        let parts = [
            gateway("door", "REDIRECT"),
            gateway("gate", second),
            services(),
            web("a", "door"),
            web("b", "gate"),
        ];
        let world = World::new(&parts);
        let words = [
            "warning: Gateway default/gate: spec.servers[0].hosts",
            "an older server has the host `*` on the port",
        ];
        assert_eq!(world.says(&words), !served, "{:?}", world.issues());
    }
}

/// The proxy serves HTTP: rules of the other kinds are decided, and it says that it does not act on them.
#[test]
fn rules_that_are_not_served_are_reported() {
    let parts = [
        door(&["443/TLS/PASSTHROUGH/a.x.com"]),
        services(),
        tls("a", "a.x.com", "{sniHosts: [a.x.com]}", "a"),
        tcp("b", "b.x.com", "{port: 9000}", "b"),
    ];
    let world = World::new(&parts);
    for words in [
        ["warning: VirtualService default/a: spec.tls", "they have no effect"],
        ["warning: VirtualService default/b: spec.tcp", "they have no effect"],
        ["warning: Gateway default/door: spec.servers[0].port", "protocol `TLS` is not served yet"],
    ] {
        assert!(world.says(&words), "{words:?} {:?}", world.issues());
    }
}

/// On a server that ends TLS the scheme is https already.
#[test]
fn https_redirect_on_https_route_gw_10() {
    let plain = door(&["443/HTTPS/SIMPLE/a.example.com"]);
    let redirecting = plain.replace("mode: SIMPLE", "httpsRedirect: true, mode: SIMPLE");
    assert_ne!(plain, redirecting);
    for parts in [[plain], [redirecting]] {
        check(
            "ROUTE-GW-10",
            at(&parts),
            &[("10.0.0.1:443 tls:a.example.com", "NotRequested http Gateway default/door servers[0]")],
        );
    }
}
