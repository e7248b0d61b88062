//! MeshNetworks (MODEL-MNET-1).

use super::names::{fqdn, is_dns_label, is_ip, is_port, is_subnet};
use super::report::{At, Report, show};
use crate::mesh_config::{MeshNetworks, NetworkEndpoints, NetworkGateway};

const CODE: &str = "MODEL-MNET-1";

pub(super) fn check(report: &mut Report<'_>, config: &MeshNetworks) {
    let networks = At::OBJECT.field("networks");
    for (name, network) in &config.networks {
        let at = networks.key(name);
        let list = at.field("endpoints");
        for (index, entry) in network.endpoints.iter().enumerate() {
            endpoints(report, &list.index(index), entry);
        }
        let list = at.field("gateways");
        for (index, entry) in network.gateways.iter().enumerate() {
            gateway(report, &list.index(index), entry);
        }
    }
}

fn endpoints(report: &mut Report<'_>, at: &At<'_>, entry: &NetworkEndpoints) {
    match (&entry.from_cidr, &entry.from_registry) {
        (None, None) => {
            report
                .error(CODE, at, "neither `fromCidr` nor `fromRegistry` is given")
                .help("say which endpoints are in the network")
                .absent();
        }
        (Some(_), Some(_)) => {
            report
                .error(CODE, at, "`fromCidr` and `fromRegistry` exclude each other")
                .help("write two entries");
        }
        _ => {}
    }
    if let Some(range) = entry.from_cidr.as_ref().filter(|range| !is_subnet(range)) {
        report
            .error(CODE, &at.field("fromCidr"), format!("`{}` is not a range of addresses", show(range)))
            .help("write an address, or a prefix such as 10.0.0.0/8");
    }
    if let Some(name) = entry.from_registry.as_ref().filter(|name| !is_dns_label(name)) {
        report
            .error(CODE, &at.field("fromRegistry"), format!("`{}` is not a cluster's name", show(name)))
            .help("letters, digits and inner `-`, at most 63 characters");
    }
}

fn gateway(report: &mut Report<'_>, at: &At<'_>, gateway: &NetworkGateway) {
    match (&gateway.registry_service_name, &gateway.address) {
        (None, None) => {
            report
                .error(CODE, at, "neither `registryServiceName` nor `address` is given")
                .help("say how the gateway is reached")
                .absent();
        }
        (Some(_), Some(_)) => {
            report
                .error(CODE, at, "`registryServiceName` and `address` exclude each other")
                .help("keep one of them");
        }
        _ => {}
    }
    if let Some(name) = &gateway.registry_service_name
        && let Err(fault) = fqdn(name)
    {
        report
            .error(
                CODE,
                &at.field("registryServiceName"),
                format!("`{}` is not a service's name: {fault}", show(name)),
            )
            .help("write the full name, such as istio-eastwestgateway.istio-system.svc.cluster.local");
    }
    if let Some(address) = &gateway.address
        && !is_ip(address)
        && let Err(fault) = fqdn(address)
    {
        report
            .error(
                CODE,
                &at.field("address"),
                format!("`{}` is neither an address nor a host: {fault}", show(address)),
            )
            .help("write an address such as 192.0.2.1, or a full name");
    }
    if !is_port(gateway.port) {
        report
            .error(CODE, &at.field("port"), format!("{} is not a port, 1..65535", gateway.port))
            .help("the port of an east-west gateway is 15443")
            .absent();
    }
}
