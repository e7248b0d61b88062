//! Endpoints (MODEL-RES-25, MODEL-RES-36, MODEL-RES-38), and that the indexes find what walks over all objects found.

use proptest::prelude::*;

use super::{labels, object, set};
use crate::common::StringMap;
use crate::kubernetes::{EndpointSlice, Pod};
use crate::networking::WorkloadEntry;
use crate::resolve::{Address, Endpoint, Resource, ResourceSet, Service, selects};

fn pod(namespace: &str, name: &str, ip: &str, labels: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: {namespace}, labels: {labels}}}\nstatus: \
         {{podIP: {ip}}}\n"
    )
}

fn addresses(set: &ResourceSet, service: &Service) -> Vec<String> {
    let port = &service.ports[0];
    let found = set.endpoints(service, port);
    let text = |endpoint: &Endpoint| match &endpoint.address {
        Address::Ip(ip) => format!("{ip}:{}", endpoint.port),
        other => format!("{other:?}:{}", endpoint.port),
    };
    found.iter().map(text).collect()
}

/// Pods and WorkloadEntries of the same namespace; labels of a WorkloadEntry are those of the spec, overlaid by the
/// object's.
#[test]
fn selected_by_an_entry_model_res_38() {
    let workload = |namespace: &str, name: &str, ip: &str, spec: &str, metadata: &str| {
        object("WorkloadEntry", namespace, name, 1, &format!("{{address: {ip}, labels: {spec}}}"))
            .replace(", creationTimestamp", &format!(", labels: {metadata}, creationTimestamp"))
    };
    let found = set(&[
        object(
            "ServiceEntry",
            "shop",
            "e",
            1,
            "{hosts: [a.com], resolution: STATIC, ports: [{number: 80, name: http, protocol: HTTP, targetPort: 8080}], \
             workloadSelector: {labels: {app: a}}}",
        ),
        workload("shop", "by-spec", "192.0.2.1", "{app: a}", "{}"),
        workload("shop", "by-metadata", "192.0.2.2", "{app: b}", "{app: a}"),
        workload("shop", "overlaid", "192.0.2.3", "{app: a}", "{app: b}"),
        workload("other", "elsewhere", "192.0.2.4", "{app: a}", "{}"),
        pod("shop", "p", "192.0.2.5", "{app: a, version: v1}"),
        pod("shop", "other-app", "192.0.2.6", "{app: b}"),
        pod("other", "p", "192.0.2.7", "{app: a}"),
    ]);
    let service = &found.services()[0];
    assert_eq!(addresses(&found, service), ["192.0.2.2:8080", "192.0.2.1:8080", "192.0.2.5:8080"]);
    let all = found.endpoints(service, &service.ports[0]);
    let subset = |pairs: &[(&str, &str)]| ResourceSet::subset(&all, &labels(pairs)).len();
    // MODEL-RES-25
    assert_eq!((subset(&[]), subset(&[("version", "v1")]), subset(&[("version", "v2")])), (3, 1, 0));
}

/// The answers of walks over all objects: what the indexes replace.
fn walk(set: &ResourceSet, service: &Service) -> Vec<(String, Option<String>)> {
    let with =
        |ip: &str, pod: Option<Resource<'_, Pod>>| (ip.to_owned(), pod.map(|pod| pod.name().to_owned()));
    let in_namespace = |pod: &Resource<'_, Pod>| pod.namespace() == service.namespace;
    let object = service.object(set).expect("an object");
    if let Some(entry) = object.as_service_entry() {
        let selector = &entry.workload_selector.as_ref().expect("a selector").labels;
        let mut out: Vec<_> = set
            .all::<WorkloadEntry>()
            .filter(|found| found.namespace() == service.namespace)
            .filter(|found| {
                let mut labels: StringMap = found.spec.labels.clone();
                labels.extend(found.object.metadata.labels.clone());
                selects(selector, &labels)
            })
            .map(|found| (found.spec.address.clone(), Some(found.name().to_owned())))
            .collect();
        let pods = set
            .all::<Pod>()
            .filter(in_namespace)
            .filter(|pod| selects(selector, &pod.object.metadata.labels));
        out.extend(pods.map(|pod| with(pod.ips().next().expect("an address"), Some(pod))));
        return out;
    }
    let slices: Vec<_> = set
        .all::<EndpointSlice>()
        .filter(|slice| {
            slice.namespace() == service.namespace
                && slice.object.metadata.labels.get("kubernetes.io/service-name") == Some(&service.name)
        })
        .collect();
    if slices.is_empty() {
        let selector = &object.as_service().expect("a Service").spec.selector;
        let pods = set.all::<Pod>().filter(in_namespace);
        return pods
            .filter(|pod| !selector.is_empty() && selects(selector, &pod.object.metadata.labels))
            .map(|pod| with(pod.ips().next().expect("an address"), Some(pod)))
            .collect();
    }
    let mut out = Vec::new();
    for endpoint in slices.iter().flat_map(|slice| &slice.endpoints) {
        let named = endpoint
            .target_ref
            .as_ref()
            .and_then(|target| set.all::<Pod>().find(|pod| pod.name() == target.name && in_namespace(pod)));
        for ip in &endpoint.addresses {
            let by_ip =
                || set.all::<Pod>().find(|pod| in_namespace(pod) && pod.ips().any(|other| other == ip));
            let found = with(ip, named.or_else(by_ip));
            if !out.contains(&found) {
                out.push(found);
            }
        }
    }
    out
}

/// Objects of a small world in which names, addresses and labels collide.
fn objects() -> impl Strategy<Value = Vec<String>> {
    let pick = |list: &'static [&'static str]| prop::sample::select(list);
    let namespace = || pick(&["x", "y"]);
    let name = || pick(&["a", "b", "c"]);
    let ip = || pick(&["192.0.2.1", "192.0.2.2", "192.0.2.3"]);
    let set_of_labels = || pick(&["{}", "{app: a}", "{app: b}", "{app: a, version: v1}"]);
    let pods = (namespace(), name(), ip(), set_of_labels())
        .prop_map(|(ns, name, ip, labels)| pod(ns, name, ip, labels));
    let workloads = (namespace(), name(), ip(), set_of_labels(), set_of_labels()).prop_map(
        |(ns, name, ip, spec, own)| {
            object("WorkloadEntry", ns, name, 1, &format!("{{address: {ip}, labels: {spec}}}"))
                .replace(", creationTimestamp", &format!(", labels: {own}, creationTimestamp"))
        },
    );
    let services = (namespace(), name(), set_of_labels())
        .prop_map(|(ns, name, labels)| super::service(ns, name, &format!(", selector: {labels}")));
    let entries = (namespace(), name(), set_of_labels()).prop_map(|(ns, name, labels)| {
        let spec = format!(
            "{{hosts: [{name}.com], resolution: STATIC, ports: [{{number: 80, name: http, protocol: HTTP}}], \
             workloadSelector: {{labels: {labels}}}}}"
        );
        object("ServiceEntry", ns, name, 1, &spec)
    });
    let slices = (namespace(), name(), name(), prop::collection::vec((ip(), prop::option::of(name())), 0..4)).prop_map(
        |(ns, name, service, endpoints)| {
            let endpoint = |(ip, target): &(&str, Option<&str>)| match target {
                Some(pod) => format!("{{addresses: [{ip}], targetRef: {{kind: Pod, name: {pod}}}}}"),
                None => format!("{{addresses: [{ip}]}}"),
            };
            let endpoints: Vec<_> = endpoints.iter().map(endpoint).collect();
            format!(
                "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {{name: {name}, namespace: {ns}, \
                 labels: {{kubernetes.io/service-name: {service}}}}}\naddressType: IPv4\nendpoints: [{}]\nports: \
                 [{{name: http, port: 80}}]\n",
                endpoints.join(", ")
            )
        },
    );
    let any = prop_oneof![4 => pods, 1 => workloads, 2 => services, 1 => entries, 2 => slices];
    prop::collection::vec(any, 0..16)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn indexes_find_what_walks_find(texts in objects()) {
        let found = set(&texts);
        for object in found.objects() {
            let metadata = &object.metadata;
            let oldest = found.all::<Pod>().find(|pod| pod.name() == metadata.name && pod.namespace() == metadata.namespace);
            prop_assert_eq!(found.find::<Pod>(&metadata.namespace, &metadata.name), oldest);
        }
        for service in found.services() {
            let answer: Vec<_> = found
                .endpoints(service, &service.ports[0])
                .iter()
                .map(|endpoint| {
                    let Address::Ip(ip) = endpoint.address else { panic!("no address") };
                    (ip.to_string(), endpoint.workload.as_ref().map(|workload| workload.name.clone()))
                })
                .collect();
            prop_assert_eq!(answer, walk(&found, service), "{}", &service.hostname);
        }
    }
}
