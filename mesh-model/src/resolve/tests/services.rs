//! Services (section 6.7).

use super::{object, service, set};
use crate::resolve::{ResourceSet, ServiceResolution, ServiceSource};

fn entry(namespace: &str, name: &str, day: u8, spec: &str) -> String {
    object(
        "ServiceEntry",
        namespace,
        name,
        day,
        &format!("{{{spec}, ports: [{{number: 80, name: http, protocol: HTTP}}]}}"),
    )
}

#[test]
fn names_of_services_model_res_3() {
    let found = set(&[service("shop", "Reviews", "")]);
    assert_eq!(found.services()[0].hostname, "reviews.shop.svc.cluster.local");
    let corp =
        ResourceSet::with_cluster_domain(found.objects().to_vec(), crate::MeshConfig::default(), "corp");
    assert_eq!(corp.services()[0].hostname, "reviews.shop.svc.corp");
    assert!(found.service_for("REVIEWS.shop.svc.cluster.local", "x").is_some());
    assert!(found.service_for("reviews.shop", "x").is_none());
}

/// One name in one namespace: Kubernetes, else the oldest; in other namespaces they coexist.
#[test]
fn one_name_from_several_sources_model_res_35() {
    let name = "a.shop.svc.cluster.local";
    let found = set(&[
        entry("shop", "older", 1, &format!("hosts: [{name}]")),
        service("shop", "a", ""),
        entry("other", "young", 5, &format!("hosts: [{name}]")),
        entry("other", "old", 2, &format!("hosts: [{name}]")),
    ]);
    let list: Vec<_> = found
        .services_named(name)
        .map(|found| (found.namespace.as_str(), found.name.as_str(), found.source))
        .collect();
    assert_eq!(
        list,
        [("shop", "a", ServiceSource::Kubernetes), ("other", "old", ServiceSource::ServiceEntry)]
    );
}

#[test]
fn addresses_model_res_37() {
    let found = set(&[entry(
        "shop",
        "a",
        1,
        "hosts: [a.com, b.com], addresses: [192.0.2.1/32, 192.0.2.0/24, 'fd00::1/128', 'fd00::/32', 192.0.2.9, 192.0.2.7/128]",
    )]);
    let list: Vec<_> = found.services().iter().map(|found| found.hostname.as_str()).collect();
    assert_eq!(list, ["a.com", "b.com"]);
    for service in found.services() {
        let want = ["192.0.2.1", "192.0.2.0/24", "fd00::1", "fd00::/32", "192.0.2.9", "192.0.2.7/128"];
        assert_eq!(service.addresses, want);
    }
}

#[test]
fn resolutions_model_res_36() {
    for (text, want) in [
        (service("s", "a", ""), ServiceResolution::Static),
        (service("s", "a", ", clusterIP: None"), ServiceResolution::Passthrough),
        (
            service("s", "a", ", type: ExternalName, externalName: B.com."),
            ServiceResolution::Alias("b.com".to_owned()),
        ),
        (entry("s", "a", 1, "hosts: [a.com]"), ServiceResolution::Passthrough),
        (entry("s", "a", 1, "hosts: [a.com], resolution: STATIC"), ServiceResolution::Static),
        (entry("s", "a", 1, "hosts: [a.com], resolution: DNS"), ServiceResolution::Dns),
        (entry("s", "a", 1, "hosts: [a.com], resolution: DNS_ROUND_ROBIN"), ServiceResolution::DnsRoundRobin),
        (entry("s", "a", 1, "hosts: ['*.com'], resolution: DYNAMIC_DNS"), ServiceResolution::DynamicDns),
    ] {
        assert_eq!(set(std::slice::from_ref(&text)).services()[0].resolution, want, "{text}");
    }
}

/// A name without service of its own belongs to the most specific wildcard that covers it.
#[test]
fn the_service_that_covers_a_name_model_res_7() {
    let found = set(&[
        entry("s", "any", 1, "hosts: ['*.com']"),
        entry("s", "long", 2, "hosts: ['*.foo.com']"),
        entry("s", "exact", 3, "hosts: [a.foo.com]"),
    ]);
    for (name, want) in [
        ("a.foo.com", Some("exact")),
        ("b.foo.com", Some("long")),
        ("foo.com", Some("any")),
        ("*.b.foo.com", Some("long")),
        ("*.foo.com", Some("long")),
        ("*.com", Some("any")),
        ("com", None),
        ("a.org", None),
    ] {
        assert_eq!(found.service_covering(name, "x").map(|found| found.name.as_str()), want, "{name}");
    }
}
