//! `tcp` rules, services without HTTP and what no service has, on a sidecar (sections 5.1 to 5.3).

use mesh_model::{LoadState, Options, Source, load};
use mesh_proxy_core::snapshot::{Context, ProxyIdentity, Role, connections};

use crate::connections::{ask, compiled, entry, policy, says};
use crate::world::{check, context, dated, istio, versions, virtual_service};

fn rules(parts: &[&str]) -> String {
    format!("  hosts: [db.example.com]\n  tcp:\n{}", parts.concat())
}

fn to(host: &str) -> String {
    format!("    route: [{{destination: {{host: {host}}}}}]\n")
}

fn database() -> String {
    entry("db", "db.example.com", "10.10.0.1", "5432/TCP")
}

fn others() -> String {
    ["a", "b", "c"].map(|name| entry(name, &format!("{name}.example.com"), "", "9000/TCP")).concat()
}

/// Answers of the sidecar.
fn mesh(parts: &[String]) -> impl Fn(&str) -> String + '_ {
    let found = compiled(Role::Sidecar, parts);
    move |request| ask(&found, request, 0)
}

#[test]
fn unmatched_connections_route_l4_20() {
    for (mode, want) in [("ALLOW_ANY", "passthrough"), ("REGISTRY_ONLY", "blackhole")] {
        let tls = entry("t", "t.example.com", "", "8443/TLS");
        let http = entry("h", "h.example.com", "", "8080/HTTP");
        let parts = [policy(mode), database(), tls, http];
        check(
            "section 5.3",
            mesh(&parts),
            &[
                ("10.99.0.1:1234", want),
                ("[fd00::1]:1234 http", want),
                ("10.10.0.1:5432", "|5432|db.example.com"),
                ("10.10.0.1:5433", want),
                ("10.99.0.1:8443 tls:t.example.com", "|8443|t.example.com"),
                ("10.99.0.1:8443 tls:u.example.com", want),
                // ROUTE-CASE-85
                ("10.99.0.1:8080 http10", want),
                ("10.99.0.1:8080 tls:h.example.com", want),
                ("10.99.0.1:8080 raw", want),
                ("10.99.0.1:8080 http", "http 8080"),
                ("10.99.0.1:15001", "blackhole"),
                ("10.99.0.1:15006 http", "blackhole"),
            ],
        );
    }
}

/// One host, one port of every kind, and a VirtualService with rules of every kind.
#[test]
fn the_port_decides_the_kind_of_rule_route_l4_10() {
    let ports = "1/TCP 2/MONGO 3/REDIS 4/MYSQL 5/ 6/TLS 7/HTTPS 8/HTTP 9/GRPC";
    let service = entry("db", "db.example.com", "10.10.0.1", ports);
    let spec = "  hosts: [db.example.com]\n  tls:\n  - match: [{sniHosts: [db.example.com]}]\n    route: [{destination: {host: \
                a.example.com}}]\n  tcp:\n  - route: [{destination: {host: b.example.com}}]\n  http:\n  - route: \
                [{destination: {host: c.example.com}}]\n";
    let parts = [service, others(), virtual_service("db", spec)];
    let (tcp, tls) = ("|9000|b.example.com", "|9000|a.example.com");
    let answer = mesh(&parts);
    for port in 1..=5 {
        check(
            "TCP",
            &answer,
            &[
                (&format!("10.10.0.1:{port} raw"), tcp),
                (&format!("10.10.0.1:{port} http10"), tcp),
                // ROUTE-CASE-86
                (&format!("10.10.0.1:{port} tls:db.example.com"), tcp),
                (&format!("10.10.0.1:{port} http"), if port == 5 { "http db.example.com:5" } else { tcp }),
            ],
        );
    }
    for port in 6..=7 {
        check(
            "TLS",
            &answer,
            &[
                (&format!("10.10.0.1:{port} tls:db.example.com"), tls),
                (&format!("10.10.0.1:{port} tls:x.example.com"), "passthrough"),
                (&format!("10.10.0.1:{port} http"), "passthrough"),
            ],
        );
    }
    for port in 8..=9 {
        check(
            "HTTP",
            &answer,
            &[
                (&format!("10.10.0.1:{port} http"), &format!("http {port}")),
                (&format!("10.10.0.1:{port} tls:db.example.com"), "passthrough"),
            ],
        );
    }
}

#[test]
fn every_virtual_service_contributes_route_l4_11() {
    let narrow = |host: &str, subnet: &str| {
        format!("  hosts: [{host}]\n  tcp:\n  - match: [{{destinationSubnets: [{subnet}]}}]\n")
    };
    let parts = [
        database(),
        others(),
        dated(
            "VirtualService",
            "default",
            "x",
            "2020-01-01",
            &format!("{}{}", narrow("db.example.com", "10.10.0.0/31"), to("a.example.com")),
        ),
        dated(
            "VirtualService",
            "default",
            "y",
            "2021-01-01",
            &format!("{}{}", narrow("'*.example.com'", "10.10.0.0/16"), to("b.example.com")),
        ),
        dated(
            "VirtualService",
            "default",
            "z",
            "2022-01-01",
            &format!("{}{}", narrow("other.example.com", "10.10.0.1/32"), to("c.example.com")),
        ),
    ];
    // The most specific subnet wins: of x and y both are there, z is about another host.
    assert_eq!(mesh(&parts)("10.10.0.1:5432"), "|9000|a.example.com");
    assert_eq!(mesh(&[&parts[..2], &parts[3..]].concat())("10.10.0.1:5432"), "|9000|b.example.com");
    assert_eq!(mesh(&[&parts[..2], &parts[4..]].concat())("10.10.0.1:5432"), "|5432|db.example.com");
}

/// Gateways and labels are both asked, unlike for HTTP.
#[test]
fn blocks_that_are_for_others_route_l4_12() {
    for (block, kept) in [
        ("port: 5432", true),
        ("port: 5433", false),
        ("gateways: [mesh]", true),
        ("gateways: [door]", false),
        ("sourceLabels: {app: me}", true),
        ("sourceLabels: {app: other}", false),
        ("gateways: [mesh], sourceLabels: {app: other}", false),
        ("sourceNamespace: default", true),
        ("sourceNamespace: other", false),
    ] {
        let rule = rules(&[&format!("  - match: [{{{block}}}]\n"), &to("a.example.com")]);
        let rule = rule.replace("  tcp:", "  gateways: [mesh, door]\n  tcp:");
        let parts = [database(), others(), virtual_service("db", &rule)];
        let want = if kept { "|9000|a.example.com" } else { "|5432|db.example.com" };
        assert_eq!(mesh(&parts)("10.10.0.1:5432"), want, "{block}");
    }
}

#[test]
fn rules_in_order_until_one_takes_everything_route_l4_16() {
    let parts = |rule: &str| {
        [entry("db", "db.example.com", "10.10.0.0/16", "5432/TCP"), others(), virtual_service("db", rule)]
    };
    let subnet = |list: &str| format!("  - match: [{{destinationSubnets: [{list}]}}]\n");
    // Subnets first, then a rule for all; what is behind it does not count.
    let rule = rules(&[
        &subnet("10.10.1.0/24"),
        &to("a.example.com"),
        "  -\n",
        &to("b.example.com"),
        &subnet("10.10.2.0/24"),
        &to("c.example.com"),
    ])
    .replace("  -\n    route", "  - route");
    check(
        "a rule without match is final",
        mesh(&parts(&rule)),
        &[
            ("10.10.1.1:5432", "|9000|a.example.com"),
            ("10.10.2.1:5432", "|9000|b.example.com"),
            ("10.10.3.1:5432", "|9000|b.example.com"),
            ("10.11.0.1:5432", "passthrough"),
        ],
    );
    // Blocks of one rule are gathered; one without subnets makes the rule final.
    let rule = rules(&[
        "  - match: [{destinationSubnets: [10.10.1.0/24]}, {destinationSubnets: [10.10.2.0/24]}]\n",
        &to("a.example.com"),
        "  - match: [{destinationSubnets: [10.10.3.0/24]}, {port: 5432}]\n",
        &to("b.example.com"),
    ]);
    check(
        "the first block without subnets is final",
        mesh(&parts(&rule)),
        &[
            ("10.10.1.1:5432", "|9000|a.example.com"),
            ("10.10.2.1:5432", "|9000|a.example.com"),
            ("10.10.3.1:5432", "|9000|b.example.com"),
            ("10.10.4.1:5432", "|9000|b.example.com"),
        ],
    );
    // Nothing is final: the service itself is.
    let rule = rules(&[&subnet("10.10.1.0/24"), &to("a.example.com")]);
    check(
        "the service's own chain",
        mesh(&parts(&rule)),
        &[("10.10.1.1:5432", "|9000|a.example.com"), ("10.10.4.1:5432", "|5432|db.example.com")],
    );
    // Unless the last subnets are the service's.
    let rule = rules(&[&subnet("10.10.0.0/16"), &to("a.example.com")]);
    assert_eq!(mesh(&parts(&rule))("10.10.1.1:5432"), "|9000|a.example.com");
}

#[test]
fn the_only_port_of_the_destination_route_l4_17() {
    // ROUTE-CASE-83
    let mongo = entry("mongo", "mongo.example.com", "10.10.0.9", "27017/MONGO 5555/TCP");
    let rule = "  hosts: [mongo.example.com]\n  tcp:\n  - match: [{port: 27017}]\n    route: [{destination: {host: \
                mongo.example.com, port: {number: 5555}}}]";
    let parts = [mongo, virtual_service("mongo", rule)];
    assert_eq!(mesh(&parts)("10.10.0.9:27017"), "|5555|mongo.example.com");
    // Without a port the only one of the service counts, on a sidecar too; of several the listener's.
    let parts = [
        database(),
        entry("two", "two.example.com", "", "9001/TCP 9002/TCP"),
        others(),
        virtual_service(
            "db",
            &rules(&[
                "  - match: [{port: 1}]\n",
                &to("b.example.com"),
                "  - match: [{port: 5432}]\n",
                &to("two.example.com"),
            ]),
        ),
    ];
    assert_eq!(mesh(&parts)("10.10.0.1:5432"), "|5432|two.example.com NC");
    let parts = [
        database(),
        others(),
        virtual_service("db", &rules(&["  - match: [{port: 5432}]\n", &to("a.example.com")])),
    ];
    assert_eq!(mesh(&parts)("10.10.0.1:5432"), "|9000|a.example.com");
}

/// Missing clusters and clusters without endpoints, and draws.
#[test]
fn destinations_route_l4_06_07() {
    // ROUTE-CASE-88
    let weighted = "  - route:\n    - {destination: {host: a.example.com}, weight: 1}\n    - {destination: {host: \
                    b.example.com}, weight: 3}\n    - {destination: {host: c.example.com}, weight: 0}\n";
    let found = compiled(Role::Sidecar, &[database(), others(), virtual_service("db", &rules(&[weighted]))]);
    let picks: Vec<_> = (0..5).map(|draw| ask(&found, "10.10.0.1:5432", draw)).collect();
    let (a, b) = ("|9000|a.example.com", "|9000|b.example.com");
    assert_eq!(picks, [a, b, b, b, a]);
    let lost = "  - route: [{destination: {host: nowhere.example.com, port: {number: 1}}}]\n";
    let found = compiled(Role::Sidecar, &[database(), virtual_service("db", &rules(&[lost]))]);
    assert_eq!(ask(&found, "10.10.0.1:5432", 0), "|1|nowhere.example.com NC");
    assert!(says(
        &found,
        &["VirtualService default/db", "spec.tcp[0].route[0].destination", "connections are closed (NC)"]
    ));
    let subset = "  - route: [{destination: {host: a.example.com, subset: v1}, weight: 0}]\n";
    let parts = [database(), others(), versions("a.example.com"), virtual_service("db", &rules(&[subset]))];
    assert_eq!(mesh(&parts)("10.10.0.1:5432"), "v1|9000|a.example.com UH");
}

#[test]
fn addresses_of_services_route_l4_18() {
    let parts = [
        entry("vip", "vip.example.com", "10.10.0.1, 10.10.0.2, fd00::1", "7000/TCP"),
        entry("net", "net.example.com", "10.20.0.0/16", "7000/TCP"),
        entry("none", "none.example.com", "", "7001/TCP"),
        headless("7002"),
    ];
    check(
        "one listener for each address, one for all ranges",
        mesh(&parts),
        &[
            ("10.10.0.1:7000", "|7000|vip.example.com"),
            ("10.10.0.2:7000", "|7000|vip.example.com"),
            ("[fd00::1]:7000", "|7000|vip.example.com"),
            ("10.20.9.9:7000", "|7000|net.example.com"),
            ("10.30.0.1:7000", "passthrough"),
            ("10.30.0.1:7001", "|7001|none.example.com"),
            ("10.40.0.1:7002", "|7002|pods.default"),
            ("10.40.0.2:7002", "|7002|pods.default"),
            ("10.40.0.3:7002", "passthrough"),
        ],
    );
    // The older service wins, the other is not reachable there.
    let spec = |host: &str| {
        format!(
            "  hosts: [{host}]\n  resolution: STATIC\n  endpoints: [{{address: 192.0.2.1}}]\n  ports: [{{number: 7001, name: p, protocol: TCP}}]"
        )
    };
    let parts = [
        dated("ServiceEntry", "default", "a", "2022-01-01", &spec("a.example.com")),
        dated("ServiceEntry", "default", "b", "2021-01-01", &spec("b.example.com")),
    ];
    let found = compiled(Role::Sidecar, &parts);
    assert_eq!(ask(&found, "10.30.0.1:7001", 0), "|7001|b.example.com");
    assert!(
        says(&found, &["warning: ServiceEntry default/a", "an older service has 0.0.0.0:7001"]),
        "{:?}",
        found.issues
    );
}

fn headless(port: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: Service\nmetadata: {{name: pods, namespace: default}}\nspec:\n  clusterIP: None\n  selector: \
         {{app: pods}}\n  ports: [{{name: tcp, port: {port}}}]\n---\napiVersion: discovery.k8s.io/v1\nkind: \
         EndpointSlice\nmetadata: {{name: pods, namespace: default, labels: {{kubernetes.io/service-name: \
         pods}}}}\naddressType: IPv4\nendpoints: [{{addresses: [10.40.0.1]}}, {{addresses: [10.40.0.2]}}]\nports: [{{name: tcp, \
         port: {port}}}]\n"
    )
}

/// HTTP and TCP share a port by what the bytes say; Mongo and MySQL share with nobody.
#[test]
fn protocols_on_one_port_route_l4_19() {
    let on = |name: &str, day: &str, protocol: &str| {
        dated(
            "ServiceEntry",
            "default",
            name,
            day,
            &format!(
                "  hosts: [{name}.example.com]\n  resolution: STATIC\n  endpoints: [{{address: 192.0.2.1}}]\n  ports: [{{number: 7001, name: p, protocol: {protocol}}}]"
            ),
        )
    };
    let parts = [on("http", "2020-01-01", "HTTP"), on("tcp", "2021-01-01", "TCP")];
    check(
        "HTTP and TCP",
        mesh(&parts),
        &[
            ("10.30.0.1:7001 http", "http 7001"),
            ("10.30.0.1:7001 raw", "|7001|tcp.example.com"),
            ("10.30.0.1:7001 tls:x http/1.1", "|7001|tcp.example.com"),
        ],
    );
    for protocol in ["MONGO", "MYSQL"] {
        let parts = [on("http", "2020-01-01", "HTTP"), on("tcp", "2021-01-01", protocol)];
        let found = compiled(Role::Sidecar, &parts);
        assert_eq!(ask(&found, "10.30.0.1:7001 raw", 0), "passthrough", "{protocol}");
        assert!(says(&found, &["ServiceEntry default/tcp", "share with none"]), "{:?}", found.issues);
        let parts = [on("http", "2021-01-01", "HTTP"), on("tcp", "2020-01-01", protocol)];
        assert_eq!(mesh(&parts)("10.30.0.1:7001 http"), "|7001|tcp.example.com", "{protocol}");
    }
}

/// The very address, else the port, else what is left.
#[test]
fn which_listener_route_l4_01() {
    let parts = [
        entry("vip", "vip.example.com", "10.10.0.1", "7000/TCP"),
        entry("port", "port.example.com", "", "7000/TCP"),
    ];
    check(
        "listeners",
        mesh(&parts),
        &[
            ("10.10.0.1:7000", "|7000|vip.example.com"),
            ("10.10.0.2:7000", "|7000|port.example.com"),
            ("10.10.0.1:7001", "passthrough"),
        ],
    );
}

/// A VirtualService that is bound to a Gateway alone is not the mesh's.
#[test]
fn gateway_rules_are_not_for_the_mesh() {
    // ROUTE-CASE-84
    let rule = rules(&["  - route: [{destination: {host: a.example.com}}]\n"])
        .replace("  tcp:", "  gateways: [door]\n  tcp:");
    let parts = [database(), others(), virtual_service("db", &rule)];
    assert_eq!(mesh(&parts)("10.10.0.1:5432"), "|5432|db.example.com");
}

/// A rule that cannot be understood closes, and is reported; everything else stays.
#[test]
fn broken_rules_close() {
    let rule = rules(&[
        "  - route:\n    - {destination: {host: a.example.com}, weight: 0}\n    - {destination: {host: b.example.com}, weight: 0}\n",
    ]);
    let text = [
        database(),
        entry("x", "x.example.com", "10.10.0.2", "1/TCP"),
        others(),
        virtual_service("db", &rule),
    ]
    .concat();
    let mut loaded = load([Source::new("case.yaml", &text)], &Options::default());
    // Admission refuses such weights; an embedder may not have asked it.
    for object in &mut loaded.objects {
        object.state = LoadState::Clean;
    }
    let found = connections(&loaded.objects, &context("default"), Role::Sidecar).unwrap();
    assert_eq!(ask(&found, "10.10.0.1:5432", 0), "blackhole");
    assert_eq!(ask(&found, "10.10.0.2:1", 0), "|1|x.example.com");
    assert!(
        says(&found, &["error: VirtualService default/db: spec.tcp[0].route", "weights add up to 0"]),
        "{:?}",
        found.issues
    );
}

/// What a Sidecar does not import is not there, and its listeners say which port imports what.
#[test]
fn imports_limit_the_listeners_route_apply_17() {
    let sidecar = istio(
        "Sidecar",
        "default",
        "default",
        "  egress:\n  - port: {number: 7000, protocol: TCP, name: p}\n    hosts: ['./a.example.com']\n  - hosts: ['./b.example.com']",
    );
    let service = |name: &str| entry(name, &format!("{name}.example.com"), "", "7000/TCP 7001/TCP");
    let parts = [sidecar, service("a"), service("b"), service("c")];
    check(
        "ROUTE-APPLY-17",
        mesh(&parts),
        &[("10.0.0.1:7000", "|7000|a.example.com"), ("10.0.0.1:7001", "|7001|b.example.com")],
    );
}

#[test]
fn a_role_that_is_not_played_has_no_connections() {
    let mut only_sidecar = Context::default();
    only_sidecar.gateway = None;
    only_sidecar.sidecar = Some(ProxyIdentity::new("default"));
    assert!(connections(&[], &only_sidecar, Role::Gateway).is_none());
    let found = connections(&[], &only_sidecar, Role::Sidecar).unwrap();
    assert_eq!(ask(&found, "10.0.0.1:1", 0), "passthrough");
    assert_eq!(found.listeners.iter().count(), 0);
}
