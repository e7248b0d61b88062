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
    addresses_of(&set.endpoints(service, &service.ports[0]))
}

fn addresses_of(found: &[Endpoint]) -> Vec<String> {
    let text = |endpoint: &Endpoint| match &endpoint.address {
        Address::Ip(ip) => format!("{ip}:{}", endpoint.port),
        other => format!("{other:?}:{}", endpoint.port),
    };
    found.iter().map(text).collect()
}

/// Endpoints have the labels of where they run, which are stronger than their own, except for the network.
#[test]
fn labels_of_the_place_model_res_25() {
    let node = |name: &str, labels: &str| {
        format!("---\napiVersion: v1\nkind: Node\nmetadata: {{name: {name}, labels: {labels}}}\n")
    };
    let on = |name: &str, ip: &str, labels: &str, node: &str| {
        pod("shop", name, ip, labels).replace("status:", &format!("spec: {{nodeName: {node}}}\nstatus:"))
    };
    let region = "topology.kubernetes.io/region";
    let found = set(&[
        node(
            "n",
            &format!("{{{region}: r, topology.kubernetes.io/zone: r-a, topology.istio.io/subzone: ''}}"),
        ),
        node("old", "{failure-domain.beta.kubernetes.io/region: r-old}"),
        on("named", "192.0.2.1", &format!("{{app: a, {region}: own, topology.istio.io/subzone: s}}"), "n"),
        on("old", "192.0.2.2", "{app: a}", "old"),
        on("lost", "192.0.2.3", &format!("{{app: a, {region}: own}}"), "nosuch"),
        on("labelled", "192.0.2.4", "{app: a, istio-locality: l.z.s}", "n"),
        on("both", "192.0.2.5", "{app: a, istio-locality: no, topology.istio.io/locality: yes}", "n"),
        pod("shop", "nowhere", "192.0.2.6", "{app: a, topology.istio.io/network: net}"),
        object(
            "ServiceEntry",
            "shop",
            "e",
            1,
            "{hosts: [a.com], resolution: STATIC, ports: [{number: 80, name: http, protocol: HTTP}], workloadSelector: \
             {labels: {app: a}}}",
        ),
        object(
            "ServiceEntry",
            "shop",
            "f",
            2,
            &format!(
                "{{hosts: [f.com], resolution: STATIC, ports: [{{number: 80, name: http, protocol: HTTP}}], endpoints: \
                 [{{address: 192.0.3.1, locality: r/z, network: net, labels: {{{region}: own}}}}, {{address: 192.0.3.2, \
                 network: net, labels: {{istio-locality: l, topology.istio.io/network: own}}}}, {{address: 192.0.3.3, \
                 labels: {{kubernetes.io/hostname: own}}}}]}}"
            ),
        ),
    ]);
    let shown = |host: &str| -> Vec<String> {
        let services = found.services();
        let service = services.iter().find(|service| service.hostname == host).unwrap();
        let all = found.endpoints(service, &service.ports[0]);
        let mut all: Vec<String> = all
            .iter()
            .map(|endpoint| {
                let Address::Ip(ip) = &endpoint.address else { panic!("{endpoint:?}") };
                let label = |key: &str| endpoint.labels.get(key).map_or("-", String::as_str);
                let keys = [
                    region,
                    "topology.kubernetes.io/zone",
                    "topology.istio.io/subzone",
                    "topology.istio.io/network",
                    "topology.istio.io/cluster",
                    "kubernetes.io/hostname",
                ];
                format!("{ip} {}", keys.map(label).join(" "))
            })
            .collect();
        all.sort();
        all
    };
    assert_eq!(
        shown("a.com"),
        [
            "192.0.2.1 r r-a s - - n",
            "192.0.2.2 r-old - - - - old",
            "192.0.2.3 own - - - - nosuch",
            "192.0.2.4 l z s - - n",
            "192.0.2.5 yes - - - - n",
            "192.0.2.6 - - - net - -",
        ]
    );
    assert_eq!(
        shown("f.com"),
        ["192.0.3.1 r z - net - -", "192.0.3.2 l - - own - -", "192.0.3.3 - - - - - own"]
    );
}

/// A slice knows the node and the zone of endpoints whose pods are not given.
#[test]
fn labels_of_the_place_by_slices_model_res_25() {
    let slice = "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: a, namespace: shop, labels: \
                 {kubernetes.io/service-name: a}}\naddressType: IPv4\nports: [{name: http, port: 80}]\nendpoints: \
                 [{addresses: [192.0.2.1], nodeName: n, zone: slice}, {addresses: [192.0.2.2], nodeName: nosuch, zone: \
                 slice}, {addresses: [192.0.2.3]}]\n";
    let found = set(&[
        "---\napiVersion: v1\nkind: Service\nmetadata: {name: a, namespace: shop}\nspec: {ports: [{name: http, port: \
         80}]}\n"
            .to_owned(),
        slice.to_owned(),
        "---\napiVersion: v1\nkind: Node\nmetadata: {name: n, labels: {topology.kubernetes.io/zone: z}}\n".to_owned(),
    ]);
    let service = &found.services()[0];
    let all = found.endpoints(service, &service.ports[0]);
    let zone = |value: &str| {
        let all = ResourceSet::subset(&all, &labels(&[("topology.kubernetes.io/zone", value)]));
        all.iter().map(|endpoint| endpoint.labels["kubernetes.io/hostname"].clone()).collect::<Vec<_>>()
    };
    assert_eq!((zone("z"), zone("slice")), (vec!["n".to_owned()], vec!["nosuch".to_owned()]));
    assert!(all[2].labels.is_empty());
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

#[test]
fn selected_by_a_kubernetes_service_model_res_38() {
    let entry = |name: &str, ip: &str, ports: &str| {
        object(
            "WorkloadEntry",
            "shop",
            name,
            1,
            &format!("{{address: {ip}, labels: {{app: a}}, ports: {ports}}}"),
        )
    };
    let found = set(&[
        "---\napiVersion: v1\nkind: Service\nmetadata: {name: s, namespace: shop}\nspec: {selector: {app: a}, ports: \
         [{name: http, port: 80, targetPort: 8080}, {name: named, port: 81, targetPort: web}]}\n"
            .to_owned(),
        entry("a-plain", "192.0.2.1", "{}"),
        entry("b-by-port", "192.0.2.2", "{http: 9090}"),
        entry("c-by-target", "192.0.2.3", "{web: 9091}"),
        pod("shop", "p", "192.0.2.5", "{app: a}"),
    ]);
    let service = &found.services()[0];
    assert_eq!(
        addresses(&found, service),
        ["192.0.2.5:8080", "192.0.2.1:8080", "192.0.2.2:9090", "192.0.2.3:8080"]
    );
    assert_eq!(addresses_of(&found.endpoints(service, &service.ports[1])), ["192.0.2.3:9091"]);
}

/// The answers of walks over all objects: what the indexes replace.
fn walk(set: &ResourceSet, service: &Service) -> Vec<(String, Option<String>)> {
    let with =
        |ip: &str, pod: Option<Resource<'_, Pod>>| (ip.to_owned(), pod.map(|pod| pod.name().to_owned()));
    let in_namespace = |pod: &Resource<'_, Pod>| pod.namespace() == service.namespace;
    let object = service.object(set).expect("an object");
    let entries = |selector: &StringMap| -> Vec<(String, Option<String>)> {
        set.all::<WorkloadEntry>()
            .filter(|found| found.namespace() == service.namespace)
            .filter(|found| {
                let mut labels: StringMap = found.spec.labels.clone();
                labels.extend(found.object.metadata.labels.clone());
                selects(selector, &labels)
            })
            .map(|found| (found.spec.address.clone(), Some(found.name().to_owned())))
            .collect()
    };
    if let Some(entry) = object.as_service_entry() {
        let selector = &entry.workload_selector.as_ref().expect("a selector").labels;
        let mut out = entries(selector);
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
    let selector = &object.as_service().expect("a Service").spec.selector;
    let mut out = Vec::new();
    if slices.is_empty() {
        let pods = set.all::<Pod>().filter(in_namespace);
        let selected =
            pods.filter(|pod| !selector.is_empty() && selects(selector, &pod.object.metadata.labels));
        out.extend(selected.map(|pod| with(pod.ips().next().expect("an address"), Some(pod))));
    }
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
    if !selector.is_empty() {
        out.extend(entries(selector));
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
