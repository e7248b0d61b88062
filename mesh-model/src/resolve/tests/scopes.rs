//! Selectors, the root namespace, Sidecars and policies (sections 6.3 and 6.6).

use super::{in_mesh, labels, object, service, set, sidecar};
use crate::MeshConfig;
use crate::networking::sidecar::OutboundTrafficPolicyMode;
use crate::resolve::{Egress, Proxy, Resource, ResourceSet, selects};
use crate::security::peer_authentication::MutualTlsMode;

fn rooted(texts: &[String]) -> ResourceSet {
    let mesh = MeshConfig { root_namespace: "root".to_owned(), ..MeshConfig::default() };
    in_mesh(texts, mesh)
}

#[test]
fn selectors_model_res_30() {
    let pod = labels(&[("app", "a"), ("version", "v1")]);
    for (selector, want) in [
        (&[][..], true),
        (&[("app", "a")], true),
        (&[("app", "a"), ("version", "v1")], true),
        (&[("app", "b")], false),
        (&[("app", "a"), ("tier", "x")], false),
    ] {
        assert_eq!(selects(&labels(selector), &pod), want, "{selector:?}");
    }
    // A Gateway selects in every namespace, every other kind in its own, policies of the root namespace everywhere.
    let gateway = |selector: &str| {
        object("Gateway", "infra", "door", 1, &format!("{{selector: {selector}, servers: []}}"))
    };
    for (selector, namespace, want) in
        [("{app: me}", "infra", 1), ("{app: me}", "pods", 1), ("{app: you}", "pods", 0), ("{}", "pods", 1)]
    {
        let proxy = Proxy::gateway(namespace, labels(&[("app", "me")]));
        assert_eq!(set(&[gateway(selector)]).gateways_for(&proxy).len(), want, "{selector} {namespace}");
    }
    assert!(set(&[gateway("{}")]).gateways_for(&sidecar("infra")).is_empty(), "a sidecar serves no Gateway");
}

const GATEWAY_NAME: &str = "gateway.networking.k8s.io/gateway-name";

/// References attach by the name of the Gateway that the pod belongs to.
#[test]
fn references_model_res_31() {
    let policy = |how: &str| object("AuthorizationPolicy", "shop", "p", 1, &format!("{{{how}}}"));
    let reference = "targetRefs: [{kind: Gateway, group: gateway.networking.k8s.io, name: NAME}]";
    let selector = "selector: {matchLabels: {app: me}}";
    let plain = labels(&[("app", "me")]);
    let of_gateway = labels(&[("app", "me"), (GATEWAY_NAME, "door")]);
    for (how, pod, want) in [
        (reference.replace("NAME", "door"), &of_gateway, 1),
        (reference.replace("NAME", "other"), &of_gateway, 0),
        (reference.replace("NAME", "door"), &plain, 0),
        (selector.to_owned(), &of_gateway, 1),
        (selector.to_owned(), &plain, 1),
    ] {
        let found = set(&[policy(&how)]);
        let proxy = Proxy::gateway("shop", pod.clone());
        assert_eq!(found.authorization_policies(&proxy).len(), want, "{how} {pod:?}");
    }
}

/// The rows of the table of section 6.6 that this crate decides.
#[test]
fn scopes_by_kind_model_res_30() {
    let kind = |kind: &str, namespace: &str, name: &str, day: u8, more: &str| {
        object(kind, namespace, name, day, &format!("{{{more}}}"))
    };
    let selector = "selector: {matchLabels: {app: me}}";
    for policy in ["AuthorizationPolicy", "RequestAuthentication"] {
        let found = rooted(&[
            kind(policy, "shop", "workload", 1, selector),
            kind(policy, "shop", "namespace", 2, ""),
            kind(policy, "root", "mesh", 4, ""),
            kind(policy, "root", "matching", 3, selector),
            kind(policy, "shop", "others", 1, "selector: {matchLabels: {app: you}}"),
            kind(policy, "other", "elsewhere", 1, ""),
        ]);
        let me = sidecar("shop");
        let names: Vec<&str> = if policy == "AuthorizationPolicy" {
            found.authorization_policies(&me).iter().map(Resource::name).collect()
        } else {
            found.request_authentications(&me).iter().map(Resource::name).collect()
        };
        assert_eq!(names, ["matching", "mesh", "workload", "namespace"], "{policy}");
    }
    // Narrowest scope wins, within a scope the oldest; the root namespace's selectors are ignored.
    let mtls = |mode: &str| format!("mtls: {{mode: {mode}}}");
    let peer = |namespace: &str, name: &str, day: u8, more: &str| {
        kind("PeerAuthentication", namespace, name, day, more)
    };
    let selecting = |mode: &str| format!("{selector}, {}", mtls(mode));
    for (policies, want) in [
        (vec![], MutualTlsMode::Permissive),
        (vec![peer("root", "m", 1, &mtls("STRICT"))], MutualTlsMode::Strict),
        (
            vec![peer("root", "m", 1, &mtls("STRICT")), peer("shop", "n", 2, &mtls("DISABLE"))],
            MutualTlsMode::Disable,
        ),
        (
            vec![peer("shop", "n", 1, &mtls("STRICT")), peer("shop", "w", 2, &selecting("DISABLE"))],
            MutualTlsMode::Disable,
        ),
        (
            vec![peer("shop", "young", 2, &mtls("STRICT")), peer("shop", "old", 1, &mtls("DISABLE"))],
            MutualTlsMode::Disable,
        ),
        (
            vec![peer("root", "m", 1, &mtls("STRICT")), peer("shop", "n", 2, &mtls("UNSET"))],
            MutualTlsMode::Strict,
        ),
        (vec![peer("root", "selecting", 1, &selecting("STRICT"))], MutualTlsMode::Permissive),
        (vec![peer("other", "n", 1, &mtls("STRICT"))], MutualTlsMode::Permissive),
    ] {
        assert_eq!(rooted(&policies).peer_authentication(&sidecar("shop")).mode, want, "{policies:?}");
    }
}

/// Which Sidecar is a proxy's: its name.
#[test]
fn the_choice_of_a_sidecar_model_res_30_route_apply_12() {
    let of = |namespace: &str, name: &str, day: u8, selector: &str| {
        let selector = if selector.is_empty() {
            String::new()
        } else {
            format!("workloadSelector: {{labels: {selector}}}, ")
        };
        object("Sidecar", namespace, name, day, &format!("{{{selector}egress: [{{hosts: ['./*']}}]}}"))
    };
    let fits = of("shop", "fits", 9, "{app: me}");
    let older_fit = of("shop", "older-fit", 8, "{app: me}");
    let misfit = of("shop", "misfit", 1, "{app: you}");
    let plain = of("shop", "plain", 2, "");
    let young = of("shop", "young", 3, "");
    let empty = of("shop", "empty", 1, "{}");
    let root = of("root", "root", 1, "");
    let root_fits = of("root", "root-fits", 1, "{app: me}");
    let elsewhere = of("other", "elsewhere", 1, "");
    for (sidecars, want) in [
        (vec![&fits, &plain, &root], Some("fits")),
        (vec![&fits, &older_fit], Some("older-fit")),
        (vec![&misfit, &plain, &root], Some("plain")),
        (vec![&young, &plain], Some("plain")),
        (vec![&plain, &empty], Some("empty")),
        (vec![&misfit, &root], Some("root")),
        (vec![&misfit, &root_fits], None),
        (vec![&elsewhere], None),
    ] {
        let texts: Vec<String> = sidecars.into_iter().cloned().collect();
        let found = rooted(&texts);
        assert_eq!(found.sidecar_for(&sidecar("shop")).map(|found| found.name().to_owned()).as_deref(), want);
        // Gateways ignore them all (MODEL-RES-34).
        let gateway = Proxy::gateway("shop", labels(&[("app", "me")]));
        assert!(found.sidecar_for(&gateway).is_none());
        assert_eq!(found.egress(&gateway), [Egress::everything()]);
    }
    assert_eq!(
        rooted(&[root_fits]).sidecar_for(&sidecar("root")).map(|found| found.name().to_owned()),
        Some("root-fits".to_owned())
    );
}

/// Without a Sidecar, or without `egress` in it, everything is imported (MODEL-RES-33).
#[test]
fn no_egress_route_apply_12() {
    for texts in
        [vec![], vec![object("Sidecar", "shop", "s", 1, "{outboundTrafficPolicy: {mode: REGISTRY_ONLY}}")]]
    {
        let found = set(&texts);
        assert_eq!(found.egress(&sidecar("shop")), [Egress::everything()]);
        let mode = if texts.is_empty() {
            OutboundTrafficPolicyMode::AllowAny
        } else {
            OutboundTrafficPolicyMode::RegistryOnly
        };
        assert_eq!(found.outbound_mode(&sidecar("shop")), mode);
    }
}

fn egress(hosts: &str) -> Egress {
    let found = set(&[object("Sidecar", "me", "s", 1, &format!("{{egress: [{{hosts: {hosts}}}]}}"))]);
    found.egress(&sidecar("me")).remove(0)
}

/// The hosts of an egress listener; namespace and host of a VirtualService; whether it is imported.
#[test]
fn imports_of_virtual_services_model_res_13_route_apply_13_14_15() {
    for (hosts, namespace, host, want) in [
        ("['./*']", "me", "a.com", true),
        ("['./*']", "you", "a.com", false),
        ("['*/*']", "you", "a.com", true),
        ("[you/a.com]", "you", "a.com", true),
        ("[you/a.com]", "me", "a.com", false),
        ("[you/a.com]", "you", "b.com", false),
        // A wildcard on either side overlaps.
        ("[you/*.com]", "you", "a.com", true),
        ("[you/known.a.b]", "you", "*.b", true),
        ("[you/known.a.b]", "you", "*.c", false),
        ("['*/a.com']", "you", "*", true),
        // Without exactly one slash an entry is nothing.
        ("[a.com]", "me", "a.com", false),
        ("[you/a/b]", "you", "a/b", false),
        // Exclusions.
        ("['*/*', '~you/a.com']", "you", "a.com", false),
        ("['*/*', '~you/a.com']", "me", "a.com", true),
        ("['*/*', '~you/a.com']", "you", "*.com", true),
        ("['*/*', '~you/*.com']", "you", "*.a.com", false),
        ("['*/*', '~/a.com']", "you", "a.com", false),
        ("['*/*', '~./a.com']", "me", "a.com", false),
        ("['~/*']", "me", "a.com", false),
    ] {
        assert_eq!(
            egress(hosts).imports_virtual_service_host(namespace, host),
            want,
            "{hosts} {namespace}/{host}"
        );
    }
}

/// A VirtualService one of whose hosts is excluded is imported for another (ROUTE-APPLY-15), whole (ROUTE-APPLY-16).
#[test]
fn one_host_is_enough_route_apply_15_16() {
    let sidecar_object = object("Sidecar", "me", "s", 1, "{egress: [{hosts: ['*/*', '~you/a.com']}]}");
    for (hosts, want) in [("[a.com]", 0), ("[a.com, b.com]", 1)] {
        let found = set(&[
            sidecar_object.clone(),
            object("VirtualService", "you", "v", 1, &format!("{{hosts: {hosts}}}")),
        ]);
        let list = found.mesh_virtual_services(&sidecar("me"), &found.egress(&sidecar("me"))[0]);
        assert_eq!(list.len(), want, "{hosts}");
    }
}

/// The listener of the port, else the first without one.
#[test]
fn the_listener_of_a_port_route_apply_17() {
    let found = set(&[object(
        "Sidecar",
        "me",
        "s",
        1,
        "{egress: [{port: {number: 80, protocol: HTTP, name: a}, hosts: ['./a.com']}, {hosts: ['./b.com']}, {hosts: \
         ['./c.com']}]}",
    )]);
    let listeners = found.egress(&sidecar("me"));
    let index = |port: u32| found.egress_for_port(&listeners, port).and_then(|listener| listener.listener);
    assert_eq!((index(80), index(8080)), (Some(0), Some(1)));
    assert_eq!(found.egress_for_port(&listeners[..1], 8080), None);
}

/// What is visible and imported; of one name the own namespace's, then Kubernetes'.
#[test]
fn imported_services_model_res_33() {
    let entry = |namespace: &str, day: u8, host: &str, export: &str| {
        object(
            "ServiceEntry",
            namespace,
            &format!("e{day}"),
            day,
            &format!(
                "{{hosts: [{host}], exportTo: ['{export}'], ports: [{{number: 80, name: http, protocol: HTTP}}]}}"
            ),
        )
    };
    let name = "a.you.svc.cluster.local";
    let found = |texts: &[String]| {
        let set = set(texts);
        let list = set.imported_services(&sidecar("me"), &Egress::everything());
        list.iter().map(|service| (service.namespace.clone(), service.source)).collect::<Vec<_>>()
    };
    use crate::resolve::ServiceSource::{Kubernetes, ServiceEntry};
    let third = entry("third", 1, name, "*");
    let kubernetes = service("you", "a", "");
    let own = entry("me", 9, name, "*");
    let hidden = entry("third", 1, name, ".");
    for (texts, want) in [
        (vec![third.clone()], ("third", ServiceEntry)),
        (vec![third.clone(), kubernetes.clone()], ("you", Kubernetes)),
        (vec![third.clone(), kubernetes.clone(), own.clone()], ("me", ServiceEntry)),
        (vec![third.clone(), entry("fourth", 2, name, "*")], ("third", ServiceEntry)),
        (vec![hidden.clone(), entry("fourth", 2, name, "*")], ("fourth", ServiceEntry)),
    ] {
        assert_eq!(found(&texts), [(want.0.to_owned(), want.1)], "{texts:?}");
        assert_eq!(
            set(&texts).service_for(name, "me").map(|found| found.namespace.clone()).as_deref(),
            Some(want.0)
        );
    }
    assert_eq!(found(&[hidden]), []);
}
