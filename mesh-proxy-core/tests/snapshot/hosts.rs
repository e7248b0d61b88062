//! Which VirtualService governs a host on a sidecar (sections 1.1 to 1.4 and 2.1 of the route reference).

use crate::world::{
    World, check, context, dated, egress, gateway, istio, service, sidecar, to, to_subset, versions, vip,
    virtual_service,
};

fn reviews_v1() -> String {
    virtual_service("reviews", &format!("  hosts: [reviews]\n  http:\n  - {}", to_subset("reviews", "v1")))
}

/// The short, qualified and full names of a service, its address, any port and letter case.
#[test]
fn names_of_a_service_route_case_01_02() {
    let world = World::new(&[
        sidecar(80, "ALLOW_ANY"),
        service("default", "reviews", "80"),
        versions("reviews"),
        reviews_v1(),
    ]);
    check(
        "ROUTE-CASE-01, ROUTE-CASE-02, ROUTE-HOST-01, ROUTE-HOST-06, ROUTE-HOST-07",
        |request| world.mesh(request),
        &[
            ("reviews.default.svc.cluster.local:9999", "v1|80|reviews.default"),
            ("REVIEWS", "v1|80|reviews.default"),
            ("reviews.default", "v1|80|reviews.default"),
            ("reviews.default.svc", "v1|80|reviews.default"),
            ("reviews.default.svc.cluster.local.", "v1|80|reviews.default"),
            (&vip("reviews"), "v1|80|reviews.default"),
            ("reviews.", "502 allow_any"),
            ("reviews.default.svc.cluster", "502 allow_any"),
        ],
    );
    assert!(world.says(&["Sidecar default/default", "outboundTrafficPolicy", "ALLOW_ANY"]));
}

#[test]
fn names_from_another_namespace_route_case_03() {
    let parts = [
        sidecar(80, "ALLOW_ANY").replace("namespace: default", "namespace: other"),
        service("default", "reviews", "80"),
        versions("reviews"),
        reviews_v1(),
    ];
    let world = World::of(&parts, &context("other"));
    check(
        "ROUTE-CASE-03",
        |request| world.mesh(request),
        &[("reviews", "502 allow_any"), ("reviews.default", "v1|80|reviews.default")],
    );
}

#[test]
fn two_labels_are_no_short_name_route_case_04() {
    let world = World::new(&[
        sidecar(80, "ALLOW_ANY"),
        service("default", "nginx", "80"),
        versions("nginx"),
        virtual_service(
            "nginx",
            &format!(
                "  hosts: [nginx.default]\n  http:\n  - match: [{{uri: {{prefix: /api}}}}]\n    {}",
                to_subset("nginx", "v1")
            ),
        ),
    ]);
    check(
        "ROUTE-CASE-04, ROUTE-APPLY-35, ROUTE-APPLY-37",
        |request| world.mesh(request),
        &[
            ("nginx/api", "|80|nginx.default"),
            ("nginx.default.svc.cluster.local/api", "|80|nginx.default"),
            ("nginx.default/api", "v1|80|nginx.default"),
            ("nginx.default/other", "404"),
        ],
    );
}

#[test]
fn an_address_as_host_route_case_05() {
    let world = World::new(&[
        sidecar(80, "ALLOW_ANY"),
        service("default", "a", "80"),
        virtual_service("ip", &format!("  hosts: [10.0.0.1]\n  http:\n  - {}", to("a"))),
        virtual_service("ip6", &format!("  hosts: ['fd00::1']\n  http:\n  - {}", to("a"))),
    ]);
    check(
        "ROUTE-CASE-05, ROUTE-APPLY-21",
        |request| world.mesh(request),
        &[("10.0.0.1", "|80|a.default"), ("10.0.0.2", "502 allow_any"), ("[fd00::1]:80", "|80|a.default")],
    );
}

fn older_newer() -> [String; 2] {
    let rule = |path: &str, host: &str| {
        format!(
            "  hosts: [a.example.com]\n  gateways: [mesh, door]\n  http:\n  - match: [{{uri: {{prefix: {path}}}}}]\n    {}",
            to(host)
        )
    };
    [
        dated("VirtualService", "default", "z-older", "2020-01-01", &rule("/x", "a")),
        dated("VirtualService", "default", "a-newer", "2021-01-01", &rule("/y", "b")),
    ]
}

/// Meshes do not merge, gateways do.
#[test]
fn two_virtual_services_for_a_host_route_case_06_07() {
    let [older, newer] = older_newer();
    let parts = [
        sidecar(80, "ALLOW_ANY"),
        gateway("a.example.com"),
        service("default", "a", "80"),
        service("default", "b", "80"),
        newer,
        older,
    ];
    let world = World::new(&parts);
    check(
        "ROUTE-CASE-06, ROUTE-APPLY-27, MODEL-RES-14, MODEL-RES-15",
        |request| world.mesh(request),
        &[("a.example.com/x", "|80|a.default"), ("a.example.com/y", "404")],
    );
    check(
        "ROUTE-CASE-07, ROUTE-APPLY-41, MODEL-RES-14",
        |request| world.door(request),
        &[
            ("a.example.com/x", "|80|a.default"),
            ("a.example.com/y", "|80|b.default"),
            ("a.example.com/z", "404"),
        ],
    );
}

#[test]
fn a_private_virtual_service_comes_first_route_case_10() {
    let rule = |export: &str, host: &str| {
        format!("  hosts: [a]\n  exportTo: ['{export}']\n  http:\n  - {}", to(host))
    };
    let parts = [
        sidecar(80, "ALLOW_ANY"),
        service("default", "a", "80"),
        service("default", "b", "80"),
        dated("VirtualService", "default", "public", "2020-01-01", &rule("*", "a")),
        dated("VirtualService", "default", "private", "2024-01-01", &rule(".", "b")),
    ];
    check(
        "ROUTE-CASE-10, ROUTE-APPLY-09, ROUTE-APPLY-10",
        |request| World::new(&parts).mesh(request),
        &[("a", "|80|b.default")],
    );
}

#[test]
fn wildcards_attach_to_services_route_case_11() {
    let parts = [
        sidecar(80, "ALLOW_ANY"),
        service("default", "known", "80"),
        service("default", "other", "80"),
        service("default", "target", "80"),
        dated(
            "VirtualService",
            "default",
            "wild",
            "2020-01-01",
            &format!("  hosts: ['*.cluster.local']\n  http:\n  - {}", to("target")),
        ),
        dated(
            "VirtualService",
            "default",
            "exact",
            "2024-01-01",
            &format!("  hosts: [known]\n  http:\n  - match: [{{uri: {{prefix: /x}}}}]\n    {}", to("known")),
        ),
    ];
    let world = World::new(&parts);
    check(
        "ROUTE-CASE-11, ROUTE-APPLY-22, ROUTE-APPLY-23",
        |request| world.mesh(request),
        &[
            ("known/x", "|80|known.default"),
            ("known/y", "404"),
            ("other/y", "|80|target.default"),
            ("nosuch.cluster.local", "502 allow_any"),
        ],
    );
}

/// A wildcard that covers no service is a virtual host of its own, on port 80.
#[test]
fn a_wildcard_without_services_route_apply_23() {
    let rule = format!("  hosts: ['*.foo.com']\n  http:\n  - {}", to("a"));
    for (port, want) in [(80, "|80|a.default"), (8080, "502 allow_any")] {
        let world = World::new(&[
            sidecar(port, "ALLOW_ANY"),
            service("default", "a", &port.to_string()),
            virtual_service("wild", &rule),
        ]);
        assert_eq!(world.mesh("x.foo.com"), want, "port {port}");
    }
}

#[test]
fn an_unregistered_host_counts_on_port_80_route_case_12() {
    for (port, want) in [(80, "|80|a.default"), (8080, "502 allow_any")] {
        let world = World::new(&[
            sidecar(port, "ALLOW_ANY"),
            service("default", "a", &port.to_string()),
            virtual_service("foo", &format!("  hosts: [foo.com]\n  http:\n  - {}", to("a"))),
        ]);
        assert_eq!(world.mesh("foo.com"), want, "ROUTE-CASE-12, ROUTE-APPLY-24: port {port}");
    }
}

/// On another port a standalone host needs a service beside it in the same VirtualService.
#[test]
fn a_standalone_host_beside_a_service_route_apply_24() {
    let world = World::new(&[
        sidecar(8080, "ALLOW_ANY"),
        service("default", "a", "8080"),
        virtual_service("foo", &format!("  hosts: [foo.com, a]\n  http:\n  - {}", to("a"))),
    ]);
    assert_eq!(world.mesh("foo.com:8080"), "|8080|a.default");
}

#[test]
fn import_is_all_or_nothing_route_case_13() {
    let world = World::new(&[
        egress(80, "ALLOW_ANY", "default/known.default.svc.cluster.local"),
        service("default", "known", "80"),
        service("default", "alt-known", "80"),
        service("default", "target", "80"),
        service("default", "unrelated", "80"),
        virtual_service("both", &format!("  hosts: [known, alt-known]\n  http:\n  - {}", to("target"))),
    ]);
    check(
        "ROUTE-CASE-13, ROUTE-APPLY-16, ROUTE-APPLY-18",
        |request| world.mesh(request),
        &[
            ("known", "|80|target.default"),
            ("alt-known.default.svc.cluster.local", "|80|target.default"),
            ("unrelated", "502 allow_any"),
        ],
    );
}

#[test]
fn an_unknown_host_route_case_14() {
    let world = World::new(&[
        sidecar(80, "REGISTRY_ONLY"),
        gateway("a.example.com"),
        service("default", "a", "80"),
        virtual_service(
            "a",
            &format!("  hosts: [a.example.com]\n  gateways: [door]\n  http:\n  - {}", to("a")),
        ),
    ]);
    assert_eq!(world.mesh("unknown.org"), "502 block_all", "ROUTE-CASE-14, ROUTE-HOST-40");
    assert_eq!(world.door("unknown.org"), "404", "ROUTE-CASE-14, ROUTE-APPLY-46");
    assert!(world.issues().is_empty(), "{:?}", world.issues());
}

/// The port is undeclared; on a listener with its own address it is one service among others.
#[test]
fn a_port_of_undeclared_protocol_route_apply_19() {
    let parts = [
        sidecar(80, "REGISTRY_ONLY"),
        service("default", "auto", "80").replace("http-80", "web-80"),
        service("default", "tcp", "80").replace("http-80", "tcp-80"),
        virtual_service("tcp", &format!("  hosts: [tcp]\n  http:\n  - {}", to("auto"))),
    ];
    check(
        "ROUTE-APPLY-19",
        |request| World::new(&parts).mesh(request),
        &[("auto", "|80|auto.default"), ("tcp", "502 block_all")],
    );
}

/// A VirtualService whose blocks are all filtered out claims nothing.
#[test]
fn a_virtual_service_without_routes_route_apply_26() {
    let parts = [
        sidecar(80, "ALLOW_ANY"),
        service("default", "a", "80"),
        service("default", "b", "80"),
        dated(
            "VirtualService",
            "default",
            "filtered",
            "2020-01-01",
            &format!("  hosts: [a]\n  http:\n  - match: [{{port: 8080}}]\n    {}", to("b")),
        ),
    ];
    assert_eq!(World::new(&parts).mesh("a"), "|80|a.default");
}

/// `x.y` as another service's full name is not shadowed by the short form of `x` in namespace `y`.
#[test]
fn a_short_name_gives_way_to_a_full_one_route_apply_29() {
    let entry = istio(
        "ServiceEntry",
        "default",
        "real",
        "  hosts: [x.y]\n  location: MESH_EXTERNAL\n  resolution: STATIC\n  ports:\n  - {number: 80, name: http, protocol: HTTP}\n  \
         endpoints:\n  - {address: 192.0.2.1}",
    );
    let world = World::new(&[sidecar(80, "ALLOW_ANY"), service("y", "x", "80"), entry]);
    check(
        "ROUTE-APPLY-29",
        |request| world.mesh(request),
        &[("x.y", "|80|x.y"), ("x.y.svc", "|80|x.y"), ("x.y.svc.cluster.local", "|80|x.y")],
    );
    let names: Vec<_> = world.compiled.snapshot.clusters().iter().map(|cluster| &*cluster.name).collect();
    assert!(names.contains(&"outbound|80||x.y") && names.contains(&"outbound|80||x.y.svc.cluster.local"));
    let owner = world.listener(mesh_proxy_core::snapshot::Role::Sidecar).routes.virtual_host("x.y").unwrap();
    assert_eq!(owner.name(), "x.y:80");
}

/// An ExternalName service is another name of what it points to.
#[test]
fn an_alias_route_apply_31() {
    let alias = "---\napiVersion: v1\nkind: Service\nmetadata: {name: alias, namespace: default}\nspec: {type: \
                 ExternalName, externalName: real.default.svc.cluster.local}\n";
    let world = World::new(&[
        sidecar(80, "ALLOW_ANY"),
        service("default", "real", "80"),
        service("default", "other", "80"),
        alias.to_owned(),
        virtual_service("other", &format!("  hosts: [other]\n  http:\n  - {}", to("alias"))),
    ]);
    check(
        "ROUTE-APPLY-31, ROUTE-HOST-04",
        |request| world.mesh(request),
        &[
            ("alias", "|80|real.default"),
            ("alias.default.svc.cluster.local", "|80|real.default"),
            ("other", "|80|real.default"),
        ],
    );
}

/// Pods of a headless service have names below it.
#[test]
fn a_headless_service_route_host_05() {
    let headless = service("default", "db", "80");
    let start = headless.find("clusterIP: ").unwrap();
    let end = start + headless[start..].find('\n').unwrap();
    let headless = headless.replace(&headless[start..end], "clusterIP: None");
    let world = World::new(&[sidecar(80, "REGISTRY_ONLY"), headless]);
    check(
        "ROUTE-HOST-05",
        |request| world.mesh(request),
        &[("db", "|80|db.default"), ("db-0.db", "|80|db.default"), ("db-0.db.default.svc", "|80|db.default")],
    );
}
