//! External authorizers of the mesh configuration (section 5.2 of the authorization reference, as far as compiling
//! decides).

use mesh_authz::{HttpAttributes, Peer, Reason, Request};
use mesh_proxy_core::snapshot::Role;

use crate::world::{World, istio, service};

/// The mesh configuration with these providers, and a Service `default/opa` with port 9000.
fn mesh(providers: &[&str]) -> String {
    let list = providers.iter().map(|provider| format!("    - {provider}\n")).collect::<Vec<_>>().concat();
    format!(
        "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: istio, namespace: istio-system}}\ndata:\n  mesh: |\n    \
         extensionProviders:\n{list}{}",
        service("default", "opa", "9000")
    )
}

fn custom(name: &str, provider: &str, path: &str) -> String {
    let spec = format!(
        "  action: CUSTOM\n  provider: {{name: '{provider}'}}\n  rules: [{{to: [{{operation: {{paths: [{path}]}}}}]}}]"
    );
    istio("AuthorizationPolicy", "default", name, &spec)
}

const SERVICE: &str = "service: opa.default.svc.cluster.local, port: 9000";

fn http(name: &str, more: &str) -> String {
    format!("{{name: '{name}', envoyExtAuthzHttp: {{{more}}}}}")
}

fn grpc(name: &str, more: &str) -> String {
    format!("{{name: '{name}', envoyExtAuthzGrpc: {{{more}}}}}")
}

/// `asks` and the providers, `bad` and the provider that cannot be asked, or the verdict; `None` is TCP.
fn ask(world: &World, path: Option<&str>) -> String {
    let policies = &world.compiled.snapshot.protection(Role::Sidecar).policies;
    let mut request = Request::new(Peer::new([10, 0, 0, 7].into()), ([10, 0, 0, 9], 80).into());
    if let Some(path) = path {
        request = request.http(HttpAttributes::new("GET", path));
    }
    let asked: Vec<_> = policies.delegated_to(&request).map(|found| found.provider.to_string()).collect();
    match policies.evaluate(&request).reason {
        Reason::BadProvider { provider, .. } => format!("bad {provider}"),
        Reason::NotDelegated { .. } => format!("asks {}", asked.join(" ")),
        Reason::NoAllowPolicies => "allowed".to_owned(),
        other => format!("{other:?}"),
    }
}

/// A sound provider is asked about what its policies match, and the issue says that this proxy cannot.
#[test]
fn a_sound_provider_authz_ext_01_02() {
    let parts = [mesh(&[&http("opa", SERVICE)]), custom("a", "opa", "/a"), custom("b", "opa", "/b")];
    let world = World::new(&parts);
    assert_eq!(ask(&world, Some("/a")), "asks opa");
    assert_eq!(ask(&world, Some("/b")), "asks opa");
    assert_eq!(ask(&world, Some("/c")), "allowed");
    assert!(
        world.says(&[
            "error: AuthorizationPolicy default/a: spec.provider",
            "cannot be asked by this proxy yet"
        ])
    );
    // AUTHZ-TCP-06: an HTTP provider has no say on TCP, a gRPC one has.
    assert_eq!(ask(&world, None), "allowed");
    let world = World::new(&[mesh(&[&grpc("opa", SERVICE)]), custom("a", "opa", "/a")]);
    assert_eq!(ask(&world, None), "asks opa", "AUTHZ-TCP-03");
    let qualified = "service: default/opa.default.svc.cluster.local, port: 9000";
    let world = World::new(&[mesh(&[&http("opa", qualified)]), custom("a", "opa", "/a")]);
    assert_eq!(ask(&world, Some("/a")), "asks opa");
}

/// Two providers for one workload: neither is asked, what their rules match is denied (AUTHZ-CASE-102).
#[test]
fn several_providers_authz_ext_02_03() {
    let providers = mesh(&[&http("p1", SERVICE), &grpc("p2", SERVICE)]);
    let world = World::new(&[providers, custom("a", "p1", "/a"), custom("b", "p2", "/b")]);
    assert_eq!(ask(&world, Some("/a")), "bad p1");
    assert_eq!(ask(&world, Some("/b")), "bad p2");
    assert_eq!(ask(&world, Some("/c")), "allowed");
}

/// What makes a provider unusable, and that it denies then.
#[test]
fn unsound_providers_authz_ext_03_04_05() {
    let long = "a".repeat(64);
    for (provider, name, words) in [
        (http("other", SERVICE), "opa", "is no external authorizer"),
        ("{name: opa, prometheus: {}}".to_owned(), "opa", "is no external authorizer"),
        (http("opa", "service: nobody.default.svc.cluster.local, port: 9000"), "opa", "does not exist"),
        (http("opa", "service: other/opa.default.svc.cluster.local, port: 9000"), "opa", "does not exist"),
        (http("opa", "service: opa.default.svc.cluster.local"), "opa", "has port 0"),
        (grpc("opa", "service: opa.default.svc.cluster.local, port: 65536"), "opa", "has port 65536"),
        (http("opa", &format!("{SERVICE}, statusOnError: '99'")), "opa", "statusOnError `99`"),
        (http("opa", &format!("{SERVICE}, statusOnError: no")), "opa", "statusOnError `no`"),
        (
            http("opa", &format!("{SERVICE}, includeRequestHeadersInCheck: ['*']")),
            "opa",
            "all request headers",
        ),
        (http("Opa", SERVICE), "Opa", "a-z0-9-"),
        (http("-opa", SERVICE), "-opa", "a-z0-9-"),
        (http("opa-", SERVICE), "opa-", "a-z0-9-"),
        (http(&long, SERVICE), &long, "a-z0-9-"),
        (
            format!("{{name: opa, envoyExtAuthzHttp: {{{SERVICE}}}, envoyExtAuthzGrpc: {{{SERVICE}}}}}"),
            "opa",
            "two kinds",
        ),
    ] {
        // Istio admits few of them (`MODEL-MESH-8`).
        let world = World::unvalidated(&[mesh(&[&provider]), custom("a", name, "/a")]);
        assert_eq!(ask(&world, Some("/a")), format!("bad {name}"), "{provider}");
        assert_eq!(ask(&world, Some("/b")), "allowed", "{provider}");
        let said = world.says(&["error: AuthorizationPolicy default/a: spec.provider", words]);
        assert!(said, "{provider}: {:?}", world.issues());
    }
    let twice = mesh(&[&http("opa", SERVICE), &grpc("opa", SERVICE)]);
    let world = World::unvalidated(&[twice, custom("a", "opa", "/a")]);
    assert_eq!(ask(&world, Some("/a")), "bad opa");
    assert!(world.says(&["error: ConfigMap istio-system/istio: data{mesh}", "`opa` is defined twice"]));
}

/// A dry run of a CUSTOM policy is not admitted, and one that is there must not be enforced as something else.
#[test]
fn a_dry_run_authz_ext_13() {
    let dry = custom("a", "opa", "/a")
        .replace("namespace: default}", "namespace: default, annotations: {istio.io/dry-run: 'true'}}");
    let world = World::tolerant(&[mesh(&[&http("opa", SERVICE)]), dry]);
    assert_eq!(ask(&world, Some("/a")), "InvalidPolicy { policy: PolicyId(default/a) }");
}
