//! ServiceEntry (MODEL-SE).

use super::names::{fqdn, is_dns_label, is_ip, is_port, is_subnet, not_a_port, unix_path, wildcard_domain};
use super::report::{At, Report, show};
use super::selector::{export_to, labels, workload_selector};
use super::{Settings, workload_entry};
use crate::common::Protocol;
use crate::networking::service_entry::{Location, Resolution};
use crate::networking::{ServiceEntry, WorkloadEntry};
use crate::object::Object;
use std::collections::BTreeSet;

pub(super) fn check(report: &mut Report<'_>, entry: &ServiceEntry) {
    let spec = At::OBJECT.field("spec");
    workload_selector(report, &spec.field("workloadSelector"), entry.workload_selector.as_ref());
    if entry.workload_selector.is_some() && !entry.endpoints.is_empty() {
        report
            .error("MODEL-SE-1", &spec, "`workloadSelector` and `endpoints` exclude each other")
            .help("keep one of them");
    }
    sizes(report, &spec, entry);
    hosts(report, &spec.field("hosts"), entry);
    addresses(report, &spec.field("addresses"), entry);
    ports(report, &spec.field("ports"), entry);
    match entry.resolution {
        Resolution::None => without_resolution(report, &spec, entry),
        Resolution::Static => static_endpoints(report, &spec, entry),
        Resolution::Dns | Resolution::DnsRoundRobin => names(report, &spec, entry),
        Resolution::DynamicDns => dynamic(report, &spec, entry),
    }
    let unsuitable = |protocol: Protocol| !protocol.is_http() && !protocol.is_tls();
    if entry.resolution != Resolution::None
        && entry.hosts.len() > 1
        && entry.ports.iter().any(|port| Protocol::parse(&port.protocol).is_some_and(unsuitable))
    {
        report
            .error(
                "MODEL-SE-14",
                &spec.field("hosts"),
                "several hosts share a port that is neither HTTP nor TLS, where nothing tells them apart",
            )
            .help("write one ServiceEntry a host, or set the protocol of the port");
    }
    export_to(report, &spec.field("exportTo"), &entry.export_to, true);
    advice(report, &spec, entry);
}

fn sizes(report: &mut Report<'_>, spec: &At<'_>, entry: &ServiceEntry) {
    for (name, len, max) in [
        ("hosts", entry.hosts.len(), 256),
        ("addresses", entry.addresses.len(), 256),
        ("ports", entry.ports.len(), 256),
        ("endpoints", entry.endpoints.len(), 4096),
    ] {
        if len > max {
            report
                .error(
                    "MODEL-SE-2",
                    &spec.field(name),
                    format!("{len} {name} are given, at most {max} are allowed"),
                )
                .help("split the ServiceEntry");
        }
    }
}

fn hosts(report: &mut Report<'_>, at: &At<'_>, entry: &ServiceEntry) {
    if entry.hosts.is_empty() {
        report.error("MODEL-SE-2", at, "the service has no hosts").help("add hosts: [...]").absent();
    }
    for (index, host) in entry.hosts.iter().enumerate() {
        let at = at.index(index);
        if host == "*" {
            report
                .error("MODEL-SE-3", &at, "`*` is not a service's host")
                .help("name the domain, such as *.example.com");
        } else if let Err(fault) = wildcard_domain(host) {
            let added = report.error("MODEL-SE-3", &at, format!("`{}` is not a host: {fault}", show(host)));
            if is_ip(host) {
                added.help("put it into `addresses`, and give the service a name");
            } else {
                added.help("write a DNS name, or *.<domain>");
            }
        } else if host.starts_with('*')
            && !host.starts_with("*.")
            && entry.resolution != Resolution::DynamicDns
        {
            report
                .warning("MODEL-SE-3", &at, format!("`{}` has a `*` that is not a whole part", show(host)))
                .help("write *.<domain>");
        } else if host.bytes().any(|c| c.is_ascii_uppercase()) {
            report
                .warning("MODEL-TYPE-17", &at, format!("`{}` has upper-case letters", show(host)))
                .help("write it in lower case, which is how hosts are compared");
        }
    }
}

fn addresses(report: &mut Report<'_>, at: &At<'_>, entry: &ServiceEntry) {
    let cidr = matches!(entry.resolution, Resolution::None | Resolution::Static);
    for (index, address) in entry.addresses.iter().enumerate() {
        let at = at.index(index);
        if address.len() > 64 {
            report
                .error(
                    "MODEL-SE-2",
                    &at,
                    format!("the address has {} characters, at most 64 are allowed", address.len()),
                )
                .help("write one such as 10.0.0.1 or 10.0.0.0/8");
        }
        if !is_subnet(address) {
            report
                .error("MODEL-SE-4", &at, format!("`{}` is not an address or a CIDR", show(address)))
                .help("write one such as 10.0.0.1 or 10.0.0.0/8");
            continue;
        }
        let Ok(net) = address.parse::<ipnet::IpNet>() else { continue };
        if !cidr {
            report
                .error(
                    "MODEL-SE-4",
                    &at,
                    format!("a CIDR needs the resolution NONE or STATIC, this is {}", entry.resolution),
                )
                .help("write single addresses");
        }
        if net.trunc() != net {
            report
                .info("MODEL-SEED-29", &at, format!("`{}` is the range {}", show(address), net.trunc()))
                .help(format!("write {}", net.trunc()));
        }
    }
}

/// True when the service has addresses, given or allocated. Without, a port for TCP takes everything that is sent to its
/// number (MODEL-SE-6).
pub(super) fn has_address(object: &Object, entry: &ServiceEntry, settings: &Settings) -> bool {
    let allocated = settings.auto_allocate_addresses && entry.allocates_addresses(&object.metadata.labels);
    allocated || !entry.addresses.is_empty()
}

fn ports(report: &mut Report<'_>, at: &At<'_>, entry: &ServiceEntry) {
    let mut names = BTreeSet::new();
    let mut numbers = BTreeSet::new();
    let has_address = has_address(report.object, entry, report.settings);
    for (index, port) in entry.ports.iter().enumerate() {
        let at = at.index(index);
        if !is_port(port.number) {
            not_a_port(report, "MODEL-SE-5", &at.field("number"), port.number).absent();
        } else if !numbers.insert(port.number) {
            report
                .error("MODEL-SE-5", &at.field("number"), format!("the port {} is given twice", port.number))
                .help("remove one of the two");
        }
        if port.target_port != 0 && !is_port(port.target_port) {
            not_a_port(report, "MODEL-SE-5", &at.field("targetPort"), port.target_port);
        }
        let name = &port.name;
        if name.is_empty() {
            report
                .error("MODEL-SE-5", &at.field("name"), "the port has no name")
                .help("add name: <protocol>-<text>")
                .absent();
        } else if !is_dns_label(name) {
            report
                .error("MODEL-SE-5", &at.field("name"), format!("`{}` is not a port's name", show(name)))
                .help("letters, digits and inner `-`, at most 63 characters");
        } else if !names.insert(name) {
            report
                .error("MODEL-SE-5", &at.field("name"), format!("two ports are named `{}`", show(name)))
                .help("rename one of the two");
        }
        let Some(protocol) = Protocol::parse(&port.protocol) else {
            report
                .error(
                    "MODEL-SE-5",
                    &at.field("protocol"),
                    format!("`{}` is not a protocol", show(&port.protocol)),
                )
                .help("write HTTP, HTTPS, GRPC, HTTP2, TCP, TLS, MONGO, REDIS, MYSQL or UDP");
            continue;
        };
        if !has_address && matches!(protocol, Protocol::Unsupported | Protocol::Tcp) {
            report
                .warning(
                    "MODEL-SE-6",
                    &at.field("protocol"),
                    format!("without `addresses` it takes all traffic to port {} (IST0134)", port.number),
                )
                .help("add `addresses`, or set the protocol to HTTP or TLS");
        }
        let class = |protocol: Protocol| (protocol.is_http(), protocol.is_tls());
        let misleads =
            |named: &Protocol| protocol == Protocol::Unsupported || class(*named) != class(protocol);
        if let Some(named) = Protocol::from_port_name(name).filter(misleads) {
            if protocol == Protocol::Unsupported {
                report
                    .info(
                        "MODEL-SE-16",
                        &at.field("name"),
                        format!("the name does not make the port {named}, a ServiceEntry needs `protocol`"),
                    )
                    .help(format!("add protocol: {named}"));
            } else {
                report
                    .info(
                        "MODEL-SEED-30",
                        &at.field("name"),
                        format!("`{}` is a port of protocol {protocol}", show(name)),
                    )
                    .help("rename it, or write the protocol that the name says");
            }
        }
    }
}

fn without_resolution(report: &mut Report<'_>, spec: &At<'_>, entry: &ServiceEntry) {
    if !entry.endpoints.is_empty() {
        report
            .error("MODEL-SE-7", &spec.field("endpoints"), "the resolution NONE has no endpoints")
            .help("write resolution: STATIC or DNS")
            .at_key();
    }
    if entry.workload_selector.is_some() {
        report
            .warning(
                "MODEL-SE-7",
                &spec.field("workloadSelector"),
                "the resolution NONE selects no workloads",
            )
            .help("write resolution: STATIC")
            .at_key();
    }
    report
        .info(
            "MODEL-SEED-20",
            &spec.field("resolution"),
            "the resolution NONE forwards to whatever address the client resolved",
        )
        .help("write resolution: DNS to let the proxy resolve the hosts")
        .absent();
}

/// Whether the ports of an endpoint are ports of the service.
fn endpoint(
    report: &mut Report<'_>,
    code: &'static str,
    at: &At<'_>,
    entry: &ServiceEntry,
    found: &WorkloadEntry,
) {
    workload_entry::ports(report, code, &at.field("ports"), found);
    let at_ports = at.field("ports");
    for name in found.ports.keys() {
        if is_dns_label(name) && !entry.ports.iter().any(|port| port.name == *name) {
            report
                .error(code, &at_ports.key(name), format!("the service has no port named `{}`", show(name)))
                .help("the names are those of `spec.ports`")
                .at_key();
        }
    }
    labels(report, code, &at.field("labels"), &found.labels);
    workload_entry::sizes(report, at, found);
    workload_entry::locality_and_weight(report, at, found);
}

fn static_endpoints(report: &mut Report<'_>, spec: &At<'_>, entry: &ServiceEntry) {
    const CODE: &str = "MODEL-SE-8";
    let at = spec.field("endpoints");
    for (index, found) in entry.endpoints.iter().enumerate() {
        let at = at.index(index);
        let address = &found.address;
        let at_address = at.field("address");
        if let Some(path) = address.strip_prefix("unix://") {
            if let Err(fault) = unix_path(path) {
                report
                    .error(CODE, &at_address, format!("`{}` is not a socket: {fault}", show(address)))
                    .help("write unix:///<path> or unix://@<name>");
            }
            if !found.ports.is_empty() {
                report
                    .error(CODE, &at.field("ports"), "a socket has no ports")
                    .help("remove `ports`")
                    .at_key();
            }
            if entry.ports.len() != 1 {
                report
                    .error(
                        CODE,
                        &at_address,
                        format!("a socket serves one port, the service has {}", entry.ports.len()),
                    )
                    .help("write one ServiceEntry a port");
            }
        } else if address.is_empty() {
            if found.network.is_empty() {
                report.error(CODE, &at_address, "the endpoint has no address").help("add `address`").absent();
            }
        } else if !is_ip(address) {
            let added = report.error(CODE, &at_address, format!("`{}` is not an address", show(address)));
            if fqdn(address).is_ok() {
                added.help("write resolution: DNS for names");
            } else {
                added.help("write an IP address or unix://<path>");
            }
        }
        endpoint(report, CODE, &at, entry, found);
    }
    if entry.endpoints.is_empty() && entry.workload_selector.is_none() {
        report
            .warning("MODEL-SE-16", &at, "the service has no endpoints")
            .help("add `endpoints` or `workloadSelector`")
            .absent();
    }
}

fn names(report: &mut Report<'_>, spec: &At<'_>, entry: &ServiceEntry) {
    let at = spec.field("endpoints");
    if entry.endpoints.is_empty() {
        let hosts = spec.field("hosts");
        // What is not even a host is reported as that.
        let unresolvable = entry
            .hosts
            .iter()
            .enumerate()
            .find(|(_, host)| fqdn(host).is_err() && wildcard_domain(host).is_ok());
        if let Some((index, host)) = unresolvable.filter(|_| entry.workload_selector.is_none()) {
            report
                .error(
                    "MODEL-SE-9",
                    &hosts.index(index),
                    format!("`{}` cannot be resolved, and no endpoints are given", show(host)),
                )
                .help("add `endpoints`, or write resolution: NONE or DYNAMIC_DNS");
        }
    }
    if entry.resolution == Resolution::DnsRoundRobin && entry.endpoints.len() > 1 {
        report
            .error("MODEL-SE-10", &at, "the resolution DNS_ROUND_ROBIN has one endpoint only")
            .help("write resolution: DNS");
    }
    for (index, found) in entry.endpoints.iter().enumerate() {
        let at = at.index(index);
        let address = &found.address;
        if address.starts_with("unix://") {
            report
                .error("MODEL-SE-11", &at.field("address"), "a socket is not resolved by DNS")
                .help("write resolution: STATIC");
        } else if address.is_empty() {
            if found.network.is_empty() {
                report
                    .error("MODEL-SE-11", &at.field("address"), "the endpoint has no address")
                    .help("add `address`")
                    .absent();
            }
        } else if !is_ip(address)
            && let Err(fault) = fqdn(address)
        {
            report
                .error(
                    "MODEL-SE-11",
                    &at.field("address"),
                    format!("`{}` is not an address: {fault}", show(address)),
                )
                .help("write an IP or a DNS name");
        }
        endpoint(report, "MODEL-SE-11", &at, entry, found);
    }
    let tcp = |protocol: Protocol| protocol.is_tcp() || protocol == Protocol::Unsupported;
    if !entry.addresses.is_empty()
        && entry.hosts.len() > 1
        && entry.ports.iter().any(|port| Protocol::parse(&port.protocol).is_some_and(tcp))
    {
        report
            .warning(
                "MODEL-SE-12",
                &spec.field("hosts"),
                "several hosts share the addresses, TCP cannot tell them apart",
            )
            .help("write one ServiceEntry a host");
    }
}

fn dynamic(report: &mut Report<'_>, spec: &At<'_>, entry: &ServiceEntry) {
    const CODE: &str = "MODEL-SE-13";
    let hosts = spec.field("hosts");
    for (index, host) in entry.hosts.iter().enumerate() {
        if !host.starts_with('*') {
            report
                .error(
                    CODE,
                    &hosts.index(index),
                    format!("DYNAMIC_DNS needs a wildcard, `{}` is none", show(host)),
                )
                .help("write resolution: DNS for a single name");
        }
    }
    for (name, set) in
        [("addresses", !entry.addresses.is_empty()), ("endpoints", !entry.endpoints.is_empty())]
    {
        if set {
            report
                .error(CODE, &spec.field(name), format!("DYNAMIC_DNS has no `{name}`"))
                .help("remove it")
                .at_key();
        }
    }
    let ports = spec.field("ports");
    for (index, port) in entry.ports.iter().enumerate() {
        let protocol = Protocol::parse(&port.protocol);
        if !matches!(protocol, None | Some(Protocol::Http | Protocol::Tls | Protocol::Grpc | Protocol::Http2))
        {
            let at = ports.index(index);
            report
                .error(
                    CODE,
                    &at.field("protocol"),
                    format!("DYNAMIC_DNS cannot serve `{}`", show(&port.protocol)),
                )
                .help("write HTTP, HTTP2, GRPC or TLS");
        }
    }
    let waypoint = report.object.metadata.labels.contains_key("istio.io/use-waypoint");
    if waypoint && entry.location == Location::MeshInternal {
        report
            .error(CODE, &spec.field("location"), "a waypoint serves DYNAMIC_DNS for MESH_EXTERNAL only")
            .help("write location: MESH_EXTERNAL");
    }
}

/// What is allowed and probably not meant (MODEL-SE-16).
fn advice(report: &mut Report<'_>, spec: &At<'_>, entry: &ServiceEntry) {
    if entry.ports.is_empty() {
        report
            .warning("MODEL-SE-16", &spec.field("ports"), "the service has no ports, nothing can reach it")
            .help("add `ports`")
            .absent();
    }
    if entry.workload_selector.is_some() && entry.location == Location::MeshExternal {
        report
            .warning(
                "MODEL-SE-16",
                &spec.field("location"),
                "workloads of the mesh are declared as MESH_EXTERNAL",
            )
            .help("write location: MESH_INTERNAL")
            .absent();
    }
}
