//! Service and EndpointSlice (MODEL-K8S-1, MODEL-K8S-2, section 2.12 of the model reference).

use super::metadata;
use super::names::{is_dns_label, is_ip, is_port, not_a_port};
use super::report::{At, Report, show};
use crate::common::Protocol;
use crate::kubernetes::{AddressType, EndpointSlice, IntOrString, Service, ServicePort, ServiceType};
use crate::object::Object;
use std::collections::BTreeSet;

pub(super) fn service(report: &mut Report<'_>, service: &Service) {
    let spec = At::OBJECT.field("spec");
    let service = &service.spec;
    let external = service.service_type == ServiceType::ExternalName;
    if external && service.external_name.is_empty() {
        report
            .error(
                "MODEL-K8S-2",
                &spec.field("externalName"),
                "an ExternalName service has no `externalName`",
            )
            .absent();
    }
    if service.ports.is_empty() && !external && !service.is_headless() {
        report.error("MODEL-K8S-2", &spec.field("ports"), "the service has no ports").absent();
    }
    let at = spec.field("ports");
    let made = is_made_by_istio(report.object);
    let mut names = BTreeSet::new();
    let mut numbers = BTreeSet::new();
    for (index, port) in service.ports.iter().enumerate() {
        let at = at.index(index);
        if !is_port(port.port) {
            not_a_port(report, "MODEL-K8S-2", &at.field("port"), port.port).absent();
        } else if !numbers.insert((port.port, port.protocol.as_str())) {
            report
                .error("MODEL-K8S-2", &at.field("port"), format!("the port {} is given twice", port.port))
                .help("remove one of the two");
        }
        if port.name.is_empty() {
            if service.ports.len() > 1 {
                report
                    .error("MODEL-K8S-2", &at.field("name"), "with several ports each needs a name")
                    .help("add name: <protocol>-<text>")
                    .absent();
            }
        } else if !is_dns_label(&port.name) {
            report.error(
                "MODEL-K8S-2",
                &at.field("name"),
                format!("`{}` is not a port's name", show(&port.name)),
            );
        } else if !names.insert(&port.name) {
            report.error(
                "MODEL-K8S-2",
                &at.field("name"),
                format!("two ports are named `{}`", show(&port.name)),
            );
        }
        if !matches!(port.protocol.as_str(), "" | "TCP" | "UDP" | "SCTP") {
            report
                .error(
                    "MODEL-K8S-2",
                    &at.field("protocol"),
                    format!("`{}` is not a transport", show(&port.protocol)),
                )
                .help("write TCP or UDP here, and the application's protocol in `appProtocol`");
        }
        if let Some(IntOrString::Int(number)) = port.target_port
            && !is_port(number)
        {
            not_a_port(report, "MODEL-K8S-2", &at.field("targetPort"), number);
        }
        if !contradicted(report, &at, port) && !made {
            undeclared(report, &at, port, external);
        }
    }
}

/// True for a Service that Istio's installation, or its controller for Gateways, has made: nobody else names its ports.
fn is_made_by_istio(object: &Object) -> bool {
    const CONTROLLERS: [&str; 3] =
        ["istio.io-gateway-controller", "istio.io-mesh-controller", "istio.io-eastwest-controller"];
    let managed = object.metadata.labels.get("gateway.istio.io/managed");
    metadata::is_of_istio(object) || managed.is_some_and(|by| CONTROLLERS.contains(&by.as_str()))
}

/// What `appProtocol` says against the port's name; true when it says nothing and hides the name.
fn contradicted(report: &mut Report<'_>, at: &At<'_>, port: &ServicePort) -> bool {
    let named = Protocol::from_port_name(&port.name);
    let app = port.app_protocol.as_deref().filter(|app| !app.is_empty());
    if let Some(app) = app {
        let declared = Protocol::of_service_port("", &port.protocol, Some(app), 0);
        match (declared, named) {
            (Protocol::Unsupported, Some(named)) => {
                report
                    .warning(
                        "MODEL-K8S-2",
                        &at.field("appProtocol"),
                        format!(
                            "`{}` is not known to Istio and hides the name, which says {named}",
                            show(app)
                        ),
                    )
                    .help("remove `appProtocol`");
                return true;
            }
            (declared, Some(named)) if declared != named && declared != Protocol::Udp => {
                report.warning(
                    "MODEL-K8S-2",
                    &at.field("appProtocol"),
                    format!("`{}` wins over the name, which says {named}", show(app)),
                );
            }
            _ => {}
        }
    }
    false
}

/// A port of which Istio does not know the protocol.
fn undeclared(report: &mut Report<'_>, at: &At<'_>, port: &ServicePort, external: bool) {
    let found = port.istio_protocol();
    if external {
        if found == Protocol::Unsupported || port.name == "tcp" {
            report
                .warning(
                    "MODEL-K8S-1",
                    &at.field("name"),
                    format!(
                        "port {} of an ExternalName service takes all traffic to that port (IST0150)",
                        port.port
                    ),
                )
                .help(match port.port {
                    443 => "name it after its protocol, such as https-web or tls-web",
                    _ => "name it after its protocol, such as http-web",
                });
        }
    } else if found == Protocol::Unsupported {
        report
            .info(
                "MODEL-K8S-1",
                &at.field("name"),
                format!("the protocol of port {} is not declared and will be detected (IST0118)", port.port),
            )
            .help("name it <protocol>-<text>, such as grpc-api, or set `appProtocol`")
            .absent();
    }
}

pub(super) fn endpoint_slice(report: &mut Report<'_>, slice: &EndpointSlice) {
    const CODE: &str = "MODEL-DOC-7";
    if !report.object.metadata.labels.contains_key("kubernetes.io/service-name") {
        let metadata = At::OBJECT.field("metadata");
        report
            .warning(
                CODE,
                &metadata.field("labels"),
                "without the label `kubernetes.io/service-name` the slice belongs to no service",
            )
            .help("add it")
            .absent();
    }
    let at = At::OBJECT.field("endpoints");
    for (index, endpoint) in slice.endpoints.iter().enumerate() {
        let at = at.index(index);
        let at = at.field("addresses");
        if endpoint.addresses.is_empty() {
            report
                .error(CODE, &at, "the endpoint has no address")
                .help("add one, or remove the endpoint")
                .absent();
        }
        for (index, address) in endpoint.addresses.iter().enumerate() {
            let fits = match slice.address_type {
                AddressType::Ipv4 => is_ip(address) && !address.contains(':'),
                AddressType::Ipv6 => is_ip(address) && address.contains(':'),
                AddressType::Fqdn => true,
            };
            if !fits {
                report
                    .error(
                        CODE,
                        &at.index(index),
                        format!("`{}` is not an address of the type {}", show(address), slice.address_type),
                    )
                    .help("a slice holds addresses of one family, `addressType` says which");
            }
        }
    }
    let at = At::OBJECT.field("ports");
    let mut names = BTreeSet::new();
    for (index, port) in slice.ports.iter().enumerate() {
        let at = at.index(index);
        if let Some(number) = port.port
            && !is_port(number)
        {
            not_a_port(report, CODE, &at.field("port"), number);
        }
        if !names.insert(&port.name) {
            report
                .error(CODE, &at.field("name"), format!("two ports are named `{}`", show(&port.name)))
                .help("the names are those of the Service's ports");
        }
    }
}
