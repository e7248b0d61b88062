//! Which VirtualServices a proxy sees, in which order, and what of them it imports (sections 1.1 to 1.3, 2.1 and 2.2
//! of the route reference).

use mesh_proxy_core::snapshot::Role;

use crate::world::{
    World, check, context, dated, gateway, istio, service, sidecar, to, vip, virtual_service,
};

fn services(names: &[&str]) -> String {
    names.iter().map(|name| service("default", name, "80")).collect()
}

/// A VirtualService for `host` to service `to` in `namespace`, with more of its spec.
fn rule(namespace: &str, name: &str, day: &str, host: &str, destination: &str, more: &str) -> String {
    let destination = format!("{destination}.default.svc.cluster.local");
    dated(
        "VirtualService",
        namespace,
        name,
        day,
        &format!("  hosts: [{host}]\n{more}  http:\n  - {}", to(&destination)),
    )
}

/// `exportTo` of the only VirtualService, and whether the sidecar in `default` goes by it.
#[test]
fn who_sees_a_virtual_service_route_apply_05_06() {
    for (export, seen) in [
        ("", true),
        ("  exportTo: ['*']\n", true),
        ("  exportTo: [default]\n", true),
        ("  exportTo: ['.']\n", false),
        ("  exportTo: [third]\n", false),
        ("  exportTo: ['~']\n", false),
    ] {
        let world = World::unvalidated(&[
            sidecar(80, "REGISTRY_ONLY"),
            services(&["a", "b"]),
            rule("other", "r", "2020-01-01", "a.default.svc.cluster.local", "b", export),
        ]);
        assert_eq!(world.mesh("a"), if seen { "|80|b.default" } else { "|80|a.default" }, "{export}");
    }
    // The mesh's default stands in for an empty list.
    let mesh = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio, namespace: istio-system}\ndata: {mesh: \
                \"defaultVirtualServiceExportTo: ['.']\"}\n";
    for (namespace, want) in [("default", "|80|b.default"), ("other", "|80|a.default")] {
        let world = World::new(&[
            sidecar(80, "REGISTRY_ONLY"),
            services(&["a", "b"]),
            mesh.to_owned(),
            rule(namespace, "r", "2020-01-01", "a.default.svc.cluster.local", "b", ""),
        ]);
        assert_eq!(world.mesh("a"), want, "{namespace}");
    }
}

/// Age, then name, then namespace; input order has no say.
#[test]
fn the_oldest_owns_a_host_route_apply_08() {
    let host = "a.default.svc.cluster.local";
    for (first, second) in [
        (("default", "z", "2020-01-01"), ("default", "a", "2020-01-02")),
        (("default", "a", "2020-01-01"), ("default", "b", "2020-01-01")),
        (("z", "a", "2020-01-01"), ("a", "b", "2020-01-01")),
        (("a", "same", "2020-01-01"), ("b", "same", "2020-01-01")),
    ] {
        let of = |(namespace, name, day): (&str, &str, &str), destination: &str| {
            rule(namespace, name, day, host, destination, "")
        };
        let mut parts =
            [sidecar(80, "REGISTRY_ONLY"), services(&["a", "b", "c"]), of(first, "b"), of(second, "c")];
        assert_eq!(World::new(&parts).mesh("a"), "|80|b.default", "{first:?} {second:?}");
        parts.reverse();
        assert_eq!(World::new(&parts).mesh("a"), "|80|b.default", "{first:?} {second:?}");
    }
}

/// The Sidecar that a proxy labelled `app: me` goes by, told by the mode for unknown hosts and the imports.
#[test]
fn the_choice_of_a_sidecar_route_apply_12() {
    let of = |namespace: &str, name: &str, day: &str, selector: &str, hosts: &str| {
        dated(
            "Sidecar",
            namespace,
            name,
            day,
            &format!(
                "{selector}  egress:\n  - port: {{number: 80, protocol: HTTP, name: http}}\n    bind: 127.0.0.1\n    \
                 captureMode: NONE\n    hosts: ['{hosts}']\n  outboundTrafficPolicy: {{mode: REGISTRY_ONLY}}"
            ),
        )
    };
    let only = |name: &str| format!("*/{name}.default.svc.cluster.local");
    let mine = of("default", "mine", "2022-01-01", "  workloadSelector: {labels: {app: me}}\n", &only("a"));
    let others =
        of("default", "others", "2020-01-01", "  workloadSelector: {labels: {app: you}}\n", &only("b"));
    let plain = of("default", "plain", "2021-01-01", "", &only("c"));
    let younger = of("default", "younger", "2021-01-02", "", &only("d"));
    let root = of("istio-system", "root", "2020-01-01", "", &only("d"));
    for (sidecars, want) in [
        (vec![&mine, &others, &plain, &root], "a"),
        (vec![&others, &younger, &plain, &root], "c"),
        (vec![&others, &root], "d"),
    ] {
        let mut parts: Vec<String> = sidecars.into_iter().cloned().collect();
        parts.push(services(&["a", "b", "c", "d"]));
        let world = World::new(&parts);
        for name in ["a", "b", "c", "d"] {
            let answer =
                if name == want { format!("|80|{name}.default") } else { "502 block_all".to_owned() };
            assert_eq!(world.mesh(name), answer, "{want}");
        }
    }
}

/// What an egress listener with these hosts, of a proxy in `default`, knows of services and VirtualServices.
#[test]
fn imports_route_apply_13_14_15() {
    let hosts = |list: &str| {
        istio(
            "Sidecar",
            "default",
            "default",
            &format!(
                "  egress:\n  - port: {{number: 80, protocol: HTTP, name: http}}\n    bind: 127.0.0.1\n    captureMode: \
                 NONE\n    hosts: [{list}]\n  outboundTrafficPolicy: {{mode: REGISTRY_ONLY}}"
            ),
        )
    };
    let (a, b) = ("a.default.svc.cluster.local", "b.default.svc.cluster.local");
    let (unknown, rerouted, plain) = ("502 block_all", "|80|b.default", "|80|a.default");
    for (list, namespace, virtual_hosts, want) in [
        ("'./*'".to_owned(), "default", a.to_owned(), rerouted),
        ("'./*'".to_owned(), "other", a.to_owned(), plain),
        ("'*/*'".to_owned(), "other", a.to_owned(), rerouted),
        // The service is imported, the VirtualService of another namespace is not.
        (format!("'default/{a}'"), "other", a.to_owned(), plain),
        (format!("'default/{a}', 'other/{a}'"), "other", a.to_owned(), rerouted),
        // A wildcard VirtualService is imported by one of the names that it covers.
        (format!("'*/{a}'"), "other", "'*.svc.cluster.local'".to_owned(), rerouted),
        (format!("'*/{b}'"), "other", a.to_owned(), unknown),
        // An excluded host selects nothing, another host of the same VirtualService does.
        (format!("'*/*', '~other/{a}'"), "other", a.to_owned(), plain),
        (format!("'*/*', '~other/{a}'"), "other", format!("{a}, else.org"), rerouted),
        (format!("'*/*', '~default/{a}'"), "other", a.to_owned(), rerouted),
    ] {
        let world = World::unvalidated(&[
            hosts(&list),
            services(&["a", "b"]),
            rule(namespace, "r", "2020-01-01", &virtual_hosts, "b", ""),
        ]);
        // Where the service itself is not imported, the VirtualService makes a host of that name.
        let found = world.mesh(a);
        assert_eq!(found, want, "{list}: {namespace} {virtual_hosts}");
    }
}

/// Each listener goes by its own imports.
#[test]
fn several_egress_listeners_route_apply_17() {
    let listener = |port: u16, host: &str| {
        format!(
            "  - port: {{number: {port}, protocol: HTTP, name: http-{port}}}\n    bind: 127.0.0.1\n    captureMode: \
             NONE\n    hosts: ['*/{host}.default.svc.cluster.local']\n"
        )
    };
    let world = World::new(&[
        istio(
            "Sidecar",
            "default",
            "default",
            &format!(
                "  outboundTrafficPolicy: {{mode: REGISTRY_ONLY}}\n  egress:\n{}{}  - hosts: ['*/*']",
                listener(80, "a"),
                listener(8080, "b")
            ),
        ),
        service("default", "a", "80 8080"),
        service("default", "b", "80 8080"),
    ]);
    let listeners = world.compiled.snapshot.listeners();
    let answer = |port: u16, host: &str| {
        let listener = listeners.iter().find(|listener| listener.key.port == port).unwrap();
        let head = mesh_route::RequestHead::new("GET", host, "/", &mesh_route::NoHeaders);
        listener.routes.lookup(&head).route().map(|found| found.action.name.to_string())
    };
    for (port, host, want) in
        [(80, "a", "default"), (80, "b", "block_all"), (8080, "a", "block_all"), (8080, "b", "default")]
    {
        assert_eq!(answer(port, host).as_deref(), Some(want), "{port} {host}");
    }
}

/// Hosts are compared in lower case.
#[test]
fn letter_case_of_hosts_route_apply_20() {
    let world = World::new(&[
        sidecar(80, "REGISTRY_ONLY"),
        services(&["a", "b"]),
        rule("default", "r", "2020-01-01", "A.Default.svc.cluster.local", "b", ""),
    ]);
    check(
        "ROUTE-APPLY-20",
        |request| world.mesh(request),
        &[
            ("a", "|80|b.default"),
            ("a.default.svc", "|80|b.default"),
            ("A.DEFAULT", "|80|b.default"),
            ("b", "|80|b.default"),
        ],
    );
}

fn entry(host: &str, port: u16) -> String {
    istio(
        "ServiceEntry",
        "default",
        "entry",
        &format!(
            "  hosts: ['{host}']\n  location: MESH_EXTERNAL\n  resolution: STATIC\n  ports:\n  - {{number: {port}, name: \
             http, protocol: HTTP}}\n  endpoints:\n  - {{address: 192.0.2.1}}"
        ),
    )
}

/// A host below a wildcard ServiceEntry is no service: it counts on port 80 only.
#[test]
fn a_host_below_a_wildcard_entry_route_apply_25() {
    for (port, want) in [(80, "|80|a.default"), (8080, "|8080|*.foo.com")] {
        let world = World::new(&[
            sidecar(port, "REGISTRY_ONLY"),
            service("default", "a", &port.to_string()),
            entry("*.foo.com", port),
            rule("default", "r", "2020-01-01", "x.foo.com", "a", ""),
        ]);
        assert_eq!(world.mesh("x.foo.com"), want, "port {port}");
        assert_eq!(world.mesh("y.foo.com"), format!("|{port}|*.foo.com"), "port {port}");
    }
}

/// A VirtualService for the full name of an alias is a virtual host of just that name.
#[test]
fn the_full_name_of_an_alias_route_apply_31() {
    let alias = "---\napiVersion: v1\nkind: Service\nmetadata: {name: alias, namespace: default}\nspec: {type: \
                 ExternalName, externalName: real.default.svc.cluster.local}\n";
    for (port, own) in [(80, "|80|other.default"), (8080, "|8080|real.default")] {
        let world = World::new(&[
            sidecar(port, "REGISTRY_ONLY"),
            ["real", "other"].map(|name| service("default", name, &port.to_string())).concat(),
            alias.to_owned(),
            rule("default", "r", "2020-01-01", "alias", "other", ""),
        ]);
        assert_eq!(world.mesh("alias.default.svc.cluster.local"), own, "port {port}");
        assert_eq!(world.mesh("alias.default"), format!("|{port}|real.default"), "port {port}");
    }
}

/// Outside of the cluster's domain a service has its full name only, with and without the last dot; inside it has
/// short ones (MODEL-RES-3).
#[test]
fn names_outside_of_the_cluster_route_host_02_03() {
    let world =
        World::new(&[sidecar(80, "REGISTRY_ONLY"), entry("x.ns.svc.clusterset.local", 80), services(&["a"])]);
    check(
        "ROUTE-HOST-02",
        |request| world.mesh(request),
        &[
            ("x.ns.svc.clusterset.local", "|80|x.ns.svc.clusterset.local"),
            ("x.ns.svc.clusterset.local.", "|80|x.ns.svc.clusterset.local"),
            ("x.ns.svc", "502 block_all"),
            ("x.ns", "502 block_all"),
            ("x", "502 block_all"),
            ("a.default:81", "|80|a.default"),
        ],
    );
}

/// Only the Host decides: the address of a service is one of its names, and no more.
#[test]
fn the_address_dialled_has_no_say_route_host_41() {
    let world = World::new(&[sidecar(80, "REGISTRY_ONLY"), services(&["a", "b"])]);
    check(
        "ROUTE-HOST-41",
        |request| world.mesh(request),
        &[(&vip("a"), "|80|a.default"), ("b", "|80|b.default"), ("foreign.org", "502 block_all")],
    );
    let listener = world.listener(Role::Sidecar);
    assert_eq!(listener.key.ip.to_string(), "127.0.0.1", "whatever was dialled, this is where it arrives");
}

/// `*/*` stands for all hosts of a server, a name in front of the slash keeps other namespaces out.
#[test]
fn hosts_of_a_server_route_apply_38() {
    let bound = |namespace: &str, host: &str| {
        rule(namespace, "r", "2020-01-01", host, "a", "  gateways: [default/door]\n")
    };
    for (hosts, namespace, host, want) in [
        ("./x.org", "default", "x.org", true),
        ("./x.org", "other", "x.org", false),
        ("*/x.org", "other", "x.org", true),
        ("x.org", "other", "x.org", true),
        ("other/x.org", "other", "x.org", true),
        ("third/x.org", "other", "x.org", false),
        ("third/x.org, */*", "other", "y.org", true),
        ("third/x.org, */*", "other", "x.org", true),
        ("third/x.org, '*'", "other", "y.org", true),
    ] {
        let quoted: Vec<_> = hosts.split(", ").map(|host| format!("'{}'", host.trim_matches('\''))).collect();
        let world = World::new(&[services(&["a"]), gateway(&quoted.join(", ")), bound(namespace, host)]);
        let answer = if want { "|80|a.default" } else { "404" };
        assert_eq!(world.door(host), answer, "{hosts}: {namespace} {host}");
    }
}

/// Inside a VirtualService nothing behind a catch-all is left, before others are merged with it.
#[test]
fn truncation_before_merging_route_apply_44() {
    let rules = |name: &str, day: &str, rules: &[(&str, &str)]| {
        let list = |(path, host): &(&str, &str)| {
            let block = if path.is_empty() {
                String::new()
            } else {
                format!("match: [{{uri: {{prefix: {path}}}}}]\n    ")
            };
            format!("  - {block}{}\n", to(host))
        };
        let list: String = rules.iter().map(list).collect();
        dated(
            "VirtualService",
            "default",
            name,
            day,
            &format!("  hosts: [x.org]\n  gateways: [door]\n  http:\n{list}"),
        )
    };
    let world = World::new(&[
        services(&["a", "b", "c"]),
        gateway("x.org"),
        rules("older", "2020-01-01", &[("", "a"), ("/cut", "b")]),
        rules("newer", "2021-01-01", &[("/new", "c"), ("/", "b")]),
    ]);
    check(
        "ROUTE-APPLY-44",
        |request| world.door(request),
        &[("x.org/cut", "|80|a.default"), ("x.org/new", "|80|c.default"), ("x.org/else", "|80|a.default")],
    );
}

/// Servers that meet on one target port keep their own numbers: for `port` in match blocks, and where a destination
/// has none (ROUTE-ACT-03).
#[test]
fn servers_that_meet_on_a_target_port_route_apply_49() {
    let front = "---\napiVersion: v1\nkind: Service\nmetadata: {name: ingress, namespace: default}\nspec:\n  selector: \
                 {istio: ingressgateway}\n  ports: [{name: http, port: 80, targetPort: 8080}, {name: http-2, port: 81, \
                 targetPort: 8080}]\n";
    let server = |number: u16, host: &str| {
        format!("  - port: {{number: {number}, name: http-{number}, protocol: HTTP}}\n    hosts: [{host}]\n")
    };
    let door = istio(
        "Gateway",
        "default",
        "door",
        &format!(
            "  selector: {{istio: ingressgateway}}\n  servers:\n{}{}",
            server(80, "x.org"),
            server(81, "y.org")
        ),
    );
    let rules = virtual_service(
        "r",
        &format!(
            "  hosts: [x.org, y.org]\n  gateways: [door]\n  http:\n  - match: [{{port: 81}}]\n    {}\n  - {}",
            to("b"),
            to("a")
        ),
    );
    let world = World::new(&[
        service("default", "a", "80 81"),
        service("default", "b", "80 81"),
        front.to_owned(),
        door,
        rules,
    ]);
    assert_eq!(world.listener(Role::Gateway).key.port, 8080);
    check(
        "ROUTE-APPLY-49",
        |request| world.door(request),
        &[("x.org", "|80|a.default"), ("y.org", "|81|b.default")],
    );
    assert!(world.issues().is_empty(), "{:?}", world.issues());
}

/// A gateway is not bound by Sidecars (MODEL-RES-34) and by what they import.
#[test]
fn gateways_ignore_sidecars_model_res_34() {
    let world = World::of(
        &[
            crate::world::egress(80, "REGISTRY_ONLY", "none/none.org"),
            services(&["a"]),
            gateway("x.org"),
            rule("default", "r", "2020-01-01", "x.org", "a", "  gateways: [door]\n"),
        ],
        &context("default"),
    );
    assert_eq!(world.door("x.org"), "|80|a.default");
}

/// A VirtualService without `http` leaves the HTTP ports of its host alone.
#[test]
fn rules_of_another_protocol_model_res_15() {
    let tcp = "  hosts: [a]\n  tcp:\n  - route: [{destination: {host: b}}]";
    let world = World::new(&[sidecar(80, "REGISTRY_ONLY"), services(&["a", "b"]), virtual_service("r", tcp)]);
    assert_eq!(world.mesh("a"), "|80|a.default");
}

/// Short names go by the namespace of the rule, not of the client or the service.
#[test]
fn the_namespace_of_a_short_name_model_res_2() {
    let world = World::new(&[
        sidecar(80, "REGISTRY_ONLY"),
        ["default", "other"]
            .map(|namespace| service(namespace, "a", "80") + &service(namespace, "b", "80"))
            .concat(),
        istio("VirtualService", "other", "r", &format!("  hosts: [a]\n  http:\n  - {}", to("b"))),
    ]);
    check(
        "MODEL-RES-2",
        |request| world.mesh(request),
        &[("a", "|80|a.default"), ("a.other", "|80|b.other"), ("a.default", "|80|a.default")],
    );
}
