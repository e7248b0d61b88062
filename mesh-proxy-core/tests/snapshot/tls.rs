//! `tls` rules on a sidecar (ROUTE-L4-13, ROUTE-L4-14).

use mesh_model::{Options, Source, load};
use mesh_proxy_core::snapshot::{Role, connections};
use mesh_route::Connection;

use crate::connections::{ask, chain, compiled, entry, policy, says};
use crate::world::{check, context, virtual_service};

fn destinations() -> String {
    ["a", "b", "c"].map(|name| entry(name, &format!("{name}.example.org"), "", "9000/TCP")).concat()
}

fn block(matches: &str, host: &str) -> String {
    format!("  - match: [{matches}]\n    route: [{{destination: {{host: {host}.example.org}}}}]\n")
}

fn rules(hosts: &str, blocks: &[String]) -> String {
    format!("  hosts: [{hosts}]\n  tls:\n{}", blocks.concat())
}

fn mesh(parts: &[String]) -> impl Fn(&str) -> String + '_ {
    let found = compiled(Role::Sidecar, parts);
    move |request| ask(&found, request, 0)
}

#[test]
fn each_host_has_its_own_chain_route_l4_14() {
    for (mode, unknown) in [("ALLOW_ANY", "passthrough"), ("REGISTRY_ONLY", "blackhole")] {
        // ROUTE-CASE-82
        let parts = [
            policy(mode),
            entry("web", "a.com, b.com", "", "443/TLS"),
            destinations(),
            virtual_service("a", &rules("a.com", &[block("{sniHosts: [a.com]}", "a")])),
        ];
        check(
            "ROUTE-CASE-82",
            mesh(&parts),
            &[
                ("10.0.0.1:443 tls:a.com", "|9000|a.example.org"),
                ("10.0.0.1:443 tls:A.COM", "|9000|a.example.org"),
                ("10.0.0.1:443 tls:b.com", "|443|b.com"),
                ("10.0.0.1:443 tls:c.com", unknown),
                ("10.0.0.1:443 tls", unknown),
                ("10.0.0.1:443 raw", unknown),
            ],
        );
    }
    // With an address of its own the service needs no server name, nor does it get one.
    let parts = [entry("vip", "vip.com", "10.10.0.1", "443/TLS")];
    check(
        "a virtual IP",
        mesh(&parts),
        &[("10.10.0.1:443 tls:any.org", "|443|vip.com"), ("10.10.0.1:443 raw", "|443|vip.com")],
    );
    let parts = [entry("net", "net.com", "10.20.0.0/16", "443/TLS")];
    check(
        "a range",
        mesh(&parts),
        &[
            ("10.20.0.1:443 tls:net.com", "|443|net.com"),
            ("10.20.0.1:443 tls:any.org", "passthrough"),
            ("10.21.0.1:443 tls:net.com", "passthrough"),
        ],
    );
    // Once a block applies, there is no chain to the service itself.
    let parts = [
        entry("wild", "'*.wild.com'", "", "443/TLS"),
        destinations(),
        virtual_service("wild", &rules("'*.wild.com'", &[block("{sniHosts: [x.wild.com]}", "a")])),
    ];
    check(
        "no default chain",
        mesh(&parts),
        &[
            ("10.0.0.1:443 tls:x.wild.com", "|9000|a.example.org"),
            ("10.0.0.1:443 tls:y.wild.com", "passthrough"),
        ],
    );
    let parts = [entry("wild", "'*.wild.com'", "", "443/TLS")];
    assert_eq!(mesh(&parts)("10.0.0.1:443 tls:y.wild.com"), "|443|*.wild.com", "a wildcard service");
}

/// The names of an alias count for the service it stands for.
#[test]
fn aliases_are_server_names_too() {
    // ROUTE-L4-14
    let alias = "---\napiVersion: v1\nkind: Service\nmetadata: {name: login, namespace: default}\nspec: {type: ExternalName, \
                 externalName: sso.com}\n"
        .to_owned();
    let parts = [entry("sso", "sso.com", "", "443/TLS"), alias];
    check(
        "aliases",
        mesh(&parts),
        &[
            ("10.0.0.1:443 tls:sso.com", "|443|sso.com"),
            ("10.0.0.1:443 tls:login", "|443|sso.com"),
            ("10.0.0.1:443 tls:login.default.svc.cluster.local", "|443|sso.com"),
            ("10.0.0.1:443 tls:login.other", "passthrough"),
        ],
    );
}

#[test]
fn one_chain_a_block_route_l4_13() {
    let service = || entry("web", "'*.web.com'", "10.20.0.0/16", "443/TLS");
    let list = [
        block("{sniHosts: [a.web.com]}", "a"),
        // The same names and subnets again: dropped.
        block("{sniHosts: [a.web.com]}", "b"),
        block("{sniHosts: [b.web.com], destinationSubnets: [10.30.0.0/16]}", "b"),
        // Subnets are inherited from the block before.
        block("{sniHosts: [c.web.com]}", "c"),
        block("{sniHosts: [d.web.com], port: 444}", "c"),
    ];
    let parts = [service(), destinations(), virtual_service("web", &rules("'*.web.com'", &list))];
    check(
        "blocks",
        mesh(&parts),
        &[
            ("10.20.0.1:443 tls:a.web.com", "|9000|a.example.org"),
            ("10.21.0.1:443 tls:a.web.com", "passthrough"),
            ("10.30.0.1:443 tls:b.web.com", "|9000|b.example.org"),
            ("10.20.0.1:443 tls:b.web.com", "passthrough"),
            ("10.30.0.1:443 tls:c.web.com", "|9000|c.example.org"),
            ("10.20.0.1:443 tls:c.web.com", "passthrough"),
            ("10.20.0.1:443 tls:d.web.com", "passthrough"),
        ],
    );
    let found = compiled(Role::Sidecar, &parts);
    let to = Connection::new("10.30.0.1:443".parse().unwrap());
    assert_eq!(chain(&found, &to.clone().tls("c.web.com")), "VirtualService default/web tls[3].match[0]");
    assert_eq!(chain(&found, &to.tls("x.web.com")), "PassthroughCluster");
}

/// A wildcard covers names below it, and the exact name beats it.
#[test]
fn wildcards_route_l4_04() {
    let list = [block("{sniHosts: ['*.web.com']}", "a"), block("{sniHosts: [x.web.com]}", "b")];
    let parts = [
        entry("web", "'*.web.com'", "", "443/HTTPS"),
        destinations(),
        virtual_service("web", &rules("'*.web.com'", &list)),
    ];
    check(
        "wildcards",
        mesh(&parts),
        &[
            ("10.0.0.1:443 tls:y.web.com", "|9000|a.example.org"),
            ("10.0.0.1:443 tls:y.z.web.com", "|9000|a.example.org"),
            ("10.0.0.1:443 tls:x.web.com", "|9000|b.example.org"),
            ("10.0.0.1:443 tls:web.com", "passthrough"),
        ],
    );
}

/// What admission refuses is left out whole; the service then has its own chain.
#[test]
fn blocks_that_are_not_admitted_route_l4_15() {
    for (blocks, fault) in [
        ("  - match: [{sniHosts: []}]\n", "sniHosts"),
        ("  - match: [{sniHosts: [x.org]}]\n", "x.org"),
        ("  - match: []\n", "match"),
    ] {
        let rule = format!(
            "  hosts: [a.com]\n  tls:\n{blocks}    route: [{{destination: {{host: a.example.org}}}}]"
        );
        let text =
            [entry("web", "a.com", "", "443/TLS"), destinations(), virtual_service("a", &rule)].concat();
        let loaded = load([Source::new("case.yaml", &text)], &Options::default());
        let errors: Vec<_> = loaded.diagnostics.iter().map(|found| found.message.clone()).collect();
        assert!(
            loaded.has_errors() && errors.iter().any(|error| error.contains(fault)),
            "{blocks} {errors:?}"
        );
        let found = connections(&loaded.objects, &context("default"), Role::Sidecar).unwrap();
        assert_eq!(ask(&found, "10.0.0.1:443 tls:a.com", 0), "|443|a.com", "{blocks}");
        assert_eq!(ask(&found, "10.0.0.1:443 tls:x.org", 0), "passthrough", "{blocks}");
    }
}

/// Lists multiply: a rule that asks for more pairs than there is room for costs itself.
#[test]
fn more_pairs_than_there_is_room_for() {
    let subnets: Vec<String> = (0..300).map(|n| format!("10.{}.{}.0/24", n / 200, n % 200)).collect();
    let names: Vec<String> = (0..300).map(|n| format!("n{n}.web.com")).collect();
    let large = format!("{{sniHosts: [{}], destinationSubnets: [{}]}}", names.join(", "), subnets.join(", "));
    let parts = [
        entry("web", "'*.web.com'", "", "443/TLS"),
        destinations(),
        virtual_service(
            "web",
            &rules("'*.web.com'", &[block("{sniHosts: [a.web.com]}", "a"), block(&large, "b")]),
        ),
    ];
    let found = compiled(Role::Sidecar, &parts);
    assert_eq!(ask(&found, "10.0.0.1:443 tls:a.web.com", 0), "|9000|a.example.org");
    assert_eq!(ask(&found, "10.0.0.1:443 tls:n1.web.com", 0), "passthrough");
    let words = ["error: ServiceEntry default/web", "it makes 90000 pairs of subnets and server names"];
    assert!(says(&found, &words), "{:?}", found.issues);
}
