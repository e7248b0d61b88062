//! The kinds of Kubernetes.

use super::build::{Tree, flag, list, map, may, message, must, one_of, only, text, whole, words};
use super::values::{LABEL, LINE, V4, anything, domain, labels, name, port};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Ports with numbers and names of their own; the name of the field with the number is given.
fn ports(number: &'static str) -> Tree {
    let port = message([
        must("name", text("(http|grpc|tcp|https|mongo)-")),
        may("protocol", only(json!("TCP"))),
        may("targetPort", one_of([port(), text("[a-z]{1,6}")])),
    ]);
    (prop::collection::vec(port, 1..=3), any::<bool>())
        .prop_map(move |(mut ports, more)| {
            for (index, port) in ports.iter_mut().enumerate() {
                port[number] = json!(8000 + index);
                port["name"] = json!(format!("{}{index}", port["name"].as_str().unwrap_or("tcp-")));
                let slice = number == "port" && !more;
                if slice || number == "containerPort" {
                    port.as_object_mut().map(|port| port.remove("targetPort"));
                }
            }
            Value::Array(ports)
        })
        .boxed()
}

/// Ports of endpoints, which have no `targetPort`.
fn endpoint_ports() -> Tree {
    ports("port")
        .prop_map(|mut ports| {
            for port in ports.as_array_mut().into_iter().flatten() {
                port.as_object_mut().map(|port| port.remove("targetPort"));
            }
            ports
        })
        .boxed()
}

pub fn service() -> Tree {
    let status =
        only(json!({"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}, {"hostname": "lb.example.com"}]}}));
    let usual = message([
        may("type", words(&["ClusterIP", "NodePort", "LoadBalancer"])),
        may("clusterIP", one_of([text(V4), only(json!("None"))])),
        may("selector", labels()),
        must("ports", ports("port")),
        may("internalTrafficPolicy", words(&["Local", "Cluster"])),
        may("publishNotReadyAddresses", flag()),
        may("sessionAffinity", only(json!("None"))),
    ]);
    let external = message([must("type", only(json!("ExternalName"))), must("externalName", domain())]);
    let fields = |spec| message([must("spec", spec), may("status", status.clone())]);
    one_of([fields(usual.clone()), fields(usual), message([must("spec", external)])])
}

fn security_context() -> Tree {
    message([
        may("runAsUser", one_of([whole(0..=1000), only(json!(4_294_967_295i64))])),
        may("runAsGroup", whole(0..=65_534)),
        may("runAsNonRoot", flag()),
    ])
}

fn pod_spec() -> Tree {
    let container = || {
        message([
            must("name", name()),
            must("image", text("[a-z]{1,5}\\.example\\.com/[a-z]{1,4}:[0-9]\\.[0-9]")),
            may("securityContext", security_context()),
            may("ports", ports("containerPort")),
            may("resources", anything()),
        ])
    };
    message([
        may("serviceAccountName", name()),
        may("nodeName", name()),
        may("hostNetwork", flag()),
        may("securityContext", security_context()),
        may("initContainers", list(container(), 1..=1)),
        must("containers", list(container(), 1..=2)),
    ])
}

pub fn pod() -> Tree {
    let status = message([
        must("phase", words(&["Running", "Pending"])),
        may("podIP", text(V4)),
        may("podIPs", list(message([must("ip", text(V4))]), 1..=2)),
        may("conditions", only(json!([{"type": "Ready", "status": "True"}]))),
    ]);
    message([must("spec", pod_spec()), may("status", status)])
}

pub fn workload() -> Tree {
    labels()
        .prop_flat_map(|labels| {
            let template =
                message([must("metadata", only(json!({"labels": labels}))), must("spec", pod_spec())]);
            let spec = message([
                may("replicas", whole(0..=9)),
                must("selector", only(json!({"matchLabels": labels}))),
                may("serviceName", name()),
                must("template", template),
            ]);
            message([must("spec", spec)])
        })
        .boxed()
}

pub fn config_map() -> Tree {
    message([may("data", map("[a-z][a-z.]{0,5}", text("(\\PC|\n){0,20}"), 0..=3))])
}

pub fn secret() -> Tree {
    message([
        may("type", only(json!("Opaque"))),
        may("stringData", map("[a-z]{1,5}", text(LINE), 1..=2)),
        may("data", map("[a-z]{6,8}", words(&["aGVsbG8=", "MTIz", ""]), 1..=2)),
    ])
}

pub fn node() -> Tree {
    let entry = message([must("type", words(&["InternalIP", "Hostname"])), must("address", text(V4))]);
    message([may("status", message([must("addresses", list(entry, 1..=2))]))])
}

pub fn endpoints() -> Tree {
    let entry = || {
        message([
            must("ip", text(V4)),
            may("hostname", name()),
            may("nodeName", name()),
            may("targetRef", message([must("kind", only(json!("Pod"))), must("name", name())])),
        ])
    };
    let subset = message([
        must("addresses", list(entry(), 1..=2)),
        may("notReadyAddresses", list(entry(), 1..=2)),
        must("ports", endpoint_ports()),
    ]);
    message([may("subsets", list(subset, 1..=2))])
}

pub fn endpoint_slice() -> Tree {
    let endpoint = |address: Tree| {
        message([
            must("addresses", list(address, 1..=2)),
            may(
                "conditions",
                message([may("ready", flag()), may("serving", flag()), may("terminating", flag())]),
            ),
            may("targetRef", message([must("kind", only(json!("Pod"))), must("name", name())])),
            may("nodeName", name()),
            may("zone", text("eu-[0-9][a-c]")),
            may("hostname", text(LABEL)),
        ])
    };
    let of = |family: &'static str, address: Tree| {
        message([
            must("addressType", only(json!(family))),
            must("endpoints", list(endpoint(address), 0..=3)),
            may("ports", endpoint_ports()),
        ])
    };
    one_of([of("IPv4", text(V4)), of("IPv6", words(&["2001:db8::1", "fd00::2"])), of("FQDN", domain())])
}

/// A kind of which only the metadata is read.
pub fn nothing() -> Tree {
    only(json!({}))
}

/// The label that says whose slice it is.
pub fn of_service() -> Tree {
    message([must("kubernetes.io/service-name", name())])
}
