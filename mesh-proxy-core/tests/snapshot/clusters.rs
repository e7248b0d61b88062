//! Endpoints and traffic policies of clusters (section 6 of the model reference).

use std::time::Duration;

use mesh_proxy_core::snapshot::{Cluster, HashSource, LoadBalancer};

use crate::world::{World, istio, service, sidecar, to_subset, virtual_service};

fn cluster<'w>(world: &'w World, name: &str) -> &'w Cluster {
    let found = world.compiled.snapshot.clusters().iter().find(|cluster| &*cluster.name == name);
    found.unwrap_or_else(|| panic!("no cluster {name} in {:?}", world.compiled.snapshot.clusters()))
}

fn addresses(cluster: &Cluster) -> Vec<String> {
    cluster.endpoints.iter().map(|endpoint| endpoint.address.to_string()).collect()
}

/// The rule of `a` with subset v1; an empty block is left out, as `trafficPolicy: {}` is refused (MODEL-DR-2).
fn rule(policy: &str, subset: &str) -> World {
    let block =
        |text: &str| if text.is_empty() { String::new() } else { format!("trafficPolicy: {{{text}}}") };
    let (policy, subset) = (block(policy), block(subset));
    let comma = if subset.is_empty() { "" } else { ", " };
    World::new(&[
        sidecar(80, "REGISTRY_ONLY"),
        service("default", "a", "80"),
        istio(
            "DestinationRule",
            "default",
            "a",
            &format!(
                "  host: a\n  {policy}\n  subsets: [{{name: v1, labels: {{version: v1}}{comma}{subset}}}]"
            ),
        ),
        virtual_service("a", &format!("  hosts: [a]\n  http:\n  - {}", to_subset("a", "v1"))),
    ])
}

const V1: &str = "outbound|80|v1|a.default.svc.cluster.local";

/// Subsets select by the labels of the pods that slices name; metrics know the pods.
#[test]
fn endpoints_of_a_subset_model_res_25() {
    let world = rule("", "");
    let found = cluster(&world, V1);
    assert_eq!(addresses(found), ["10.0.0.1:180"]);
    let workload = &found.endpoints[0].workload;
    assert_eq!(
        (workload.name.as_str(), workload.version.as_str(), workload.app.as_str()),
        ("a-1", "v1", "a")
    );
    assert_eq!((found.service.name.as_str(), found.service.namespace.as_str()), ("a", "default"));
}

/// A subset may ask for where endpoints run: by the node that a slice names, and its zone.
#[test]
fn endpoints_of_a_subset_by_zone_model_res_25_lb_map_12() {
    let world = World::new(&[
        sidecar(80, "REGISTRY_ONLY"),
        service("default", "a", "80")
            .replace("{addresses: [10.0.0.2],", "{addresses: [10.0.0.2], nodeName: n,"),
        "---\napiVersion: v1\nkind: Node\nmetadata: {name: n, labels: {topology.kubernetes.io/zone: z2}}\n"
            .to_owned(),
        istio(
            "DestinationRule",
            "default",
            "a",
            "  host: a\n  subsets: [{name: v1, labels: {topology.kubernetes.io/zone: z2}}]",
        ),
        virtual_service("a", &format!("  hosts: [a]\n  http:\n  - {}", to_subset("a", "v1"))),
    ]);
    assert_eq!(addresses(cluster(&world, V1)), ["10.0.0.2:180"]);
    assert!(world.issues().is_empty(), "{:?}", world.issues());
}

/// Only ready endpoints, each address once, also when slices overlap.
#[test]
fn ready_endpoints_once_model_res_36() {
    let slices = service("default", "a", "80")
        .replace("{addresses: [10.0.0.2],", "{addresses: [10.0.0.2], conditions: {ready: false},");
    let start = slices.find("---\napiVersion: discovery").unwrap();
    let again = slices[start..].replace("metadata: {name: a,", "metadata: {name: a-2,");
    let world = World::new(&[sidecar(80, "REGISTRY_ONLY"), slices.clone(), again]);
    assert_eq!(addresses(cluster(&world, "outbound|80||a.default.svc.cluster.local")), ["10.0.0.1:180"]);
}

#[test]
fn service_entries_model_res_36() {
    let entry = |resolution: &str, endpoints: &str| {
        istio(
            "ServiceEntry",
            "default",
            "ext",
            &format!(
                "  hosts: [ext.example.com]\n  location: MESH_EXTERNAL\n  resolution: {resolution}\n  ports: \
                 [{{number: 80, name: http, protocol: HTTP, targetPort: 8080}}]\n{endpoints}"
            ),
        )
    };
    let of = |resolution: &str, endpoints: &str| {
        World::new(&[sidecar(80, "REGISTRY_ONLY"), entry(resolution, endpoints)])
    };
    let name = "outbound|80||ext.example.com";
    let two = "  endpoints: [{address: 192.0.2.1, ports: {http: 9090}, weight: 3}, {address: '2001:db8::1', locality: \
               r/z/s}]";
    for resolution in ["STATIC", "DNS"] {
        let world = of(resolution, two);
        let found = cluster(&world, name);
        assert_eq!(addresses(found), ["192.0.2.1:9090", "[2001:db8::1]:8080"], "{resolution}");
        assert_eq!((found.endpoints[0].weight, found.endpoints[1].locality.as_str()), (3, "r/z/s"));
    }
    let named = of("DNS", "");
    assert!(cluster(&named, name).endpoints.is_empty());
    assert!(
        named.says(&["warning: ServiceEntry default/ext", "`ext.example.com` is a name"]),
        "{:?}",
        named.issues()
    );
    let passed = of("NONE", "");
    assert!(cluster(&passed, name).endpoints.is_empty());
    assert!(passed.says(&["spec.resolution", "NONE"]), "{:?}", passed.issues());
}

/// Nothing said is LEAST_REQUEST, a hash without an algorithm a ring of 1024 (MODEL-RES-28).
#[test]
fn load_balancers_lb_map_01_06_08() {
    let of = |settings: &str| {
        let world = rule(&format!("loadBalancer: {settings}"), "");
        cluster(&world, V1).load_balancer.clone()
    };
    let header = || HashSource::Header("x-user".to_owned());
    for (settings, want) in [
        ("{}", LoadBalancer::LeastRequest), // MODEL-RES-28
        ("{simple: UNSPECIFIED}", LoadBalancer::LeastRequest),
        ("{simple: LEAST_REQUEST}", LoadBalancer::LeastRequest),
        ("{simple: ROUND_ROBIN}", LoadBalancer::RoundRobin),
        ("{simple: RANDOM}", LoadBalancer::Random),
        ("{consistentHash: {httpHeaderName: x-user}}", LoadBalancer::RingHash(header(), 1024)),
        (
            "{consistentHash: {httpHeaderName: x-user, ringHash: {minimumRingSize: 64}}}",
            LoadBalancer::RingHash(header(), 64),
        ),
        (
            "{consistentHash: {httpHeaderName: x-user, maglev: {tableSize: 65537}}}",
            LoadBalancer::Maglev(header(), 65537),
        ),
        (
            "{consistentHash: {httpQueryParameterName: q, maglev: {tableSize: 101}}}",
            LoadBalancer::Maglev(HashSource::QueryParameter("q".to_owned()), 101),
        ),
        ("{consistentHash: {useSourceIp: true}}", LoadBalancer::RingHash(HashSource::SourceIp, 1024)),
        (
            "{consistentHash: {httpCookie: {name: c, path: /, ttl: 5s}}}",
            LoadBalancer::RingHash(
                HashSource::Cookie {
                    name: "c".to_owned(),
                    path: "/".to_owned(),
                    ttl: Some(Duration::from_secs(5)),
                },
                1024,
            ),
        ),
    ] {
        assert_eq!(of(settings), want, "{settings}");
    }
}

/// A block of the subset replaces the rule's whole; port settings replace all blocks.
#[test]
fn policies_are_composed_model_res_23_24() {
    let pool = "connectionPool: {tcp: {maxConnections: 5, connectTimeout: 3s}, http: {http2MaxRequests: 7, maxRetries: \
                2, idleTimeout: 9s, maxRequestsPerConnection: 4}}";
    let world =
        rule(&format!("loadBalancer: {{simple: RANDOM}}, {pool}"), "loadBalancer: {simple: ROUND_ROBIN}");
    let found = cluster(&world, V1);
    assert_eq!(found.load_balancer, LoadBalancer::RoundRobin);
    assert_eq!(
        (found.limits.max_connections, found.limits.max_requests, found.limits.max_retries),
        (Some(5), Some(7), Some(2))
    );
    assert_eq!((found.connect_timeout, found.idle_timeout), (Duration::from_secs(3), Duration::from_secs(9)));
    assert_eq!(found.max_requests_per_connection, 4);

    let world = rule(
        &format!("{pool}, portLevelSettings: [{{port: {{number: 80}}, loadBalancer: {{simple: RANDOM}}}}]"),
        "",
    );
    let found = cluster(&world, V1);
    assert_eq!(found.load_balancer, LoadBalancer::Random);
    assert_eq!(found.limits.max_connections, None);
    assert_eq!(
        (found.connect_timeout, found.idle_timeout),
        (Duration::from_secs(10), Duration::from_hours(1))
    );
}

/// What would have to be encrypted is not sent in the clear.
#[test]
fn tls_that_cannot_be_given_proxy_feat_04() {
    let world = rule("tls: {mode: ISTIO_MUTUAL}", "");
    assert_eq!(world.mesh("a"), "v1|80|a.default UH");
    assert!(world.says(&["error: DestinationRule default/a: spec.trafficPolicy.tls", "ISTIO_MUTUAL"]));
    let world = rule("tls: {mode: DISABLE}, outlierDetection: {}", "");
    assert_eq!(world.mesh("a"), "v1|80|a.default");
    assert!(world.says(&["warning: DestinationRule default/a", "`outlierDetection` is not supported yet"]));
}

/// A gateway and a sidecar that see the same settings share a cluster, and have their own where they do not.
#[test]
fn clusters_of_both_roles_route_act_06() {
    let bound = "  hosts: [a.example.com]\n  gateways: [door]\n  http:\n  - route: [{destination: {host: \
                 a.default.svc.cluster.local}}]";
    let count = |export: &str| {
        let rule = format!(
            "  host: a\n  exportTo: ['{export}']\n  trafficPolicy: {{loadBalancer: {{simple: RANDOM}}}}"
        );
        let parts = [
            sidecar(80, "REGISTRY_ONLY"),
            crate::world::gateway("a.example.com"),
            service("default", "a", "80"),
            virtual_service("a", bound),
            istio("DestinationRule", "default", "a", &rule),
        ];
        let mut context = crate::world::context("default");
        context.gateway.as_mut().unwrap().namespace = "istio-system".to_owned();
        World::of(&parts, &context).compiled.snapshot.clusters().len()
    };
    assert_eq!((count("*"), count(".")), (1, 2));
}
