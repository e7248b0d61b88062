//! Gateway (MODEL-GW).

use super::names::{Fault, is_dns_label, is_ip, is_port, not_a_port, unix_path, wildcard_domain};
use super::report::{At, Report, show};
use super::tls;
use crate::common::{Protocol, ServerTlsMode};
use crate::networking::Gateway;
use crate::networking::gateway::{Port, Server};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn check(report: &mut Report<'_>, gateway: &Gateway) {
    let metadata = At::OBJECT.field("metadata");
    let name = &report.object.metadata.name;
    if !name.is_empty() && !is_dns_label(name) {
        report
            .error("MODEL-GW-1", &metadata.field("name"), format!("`{}` is not a Gateway's name", show(name)))
            .help("letters, digits and inner `-` without dots, at most 63 characters");
    }
    let spec = At::OBJECT.field("spec");
    if gateway.selector.is_empty() {
        report
            .warning(
                "MODEL-GW-13",
                &spec.field("selector"),
                "without `selector` every gateway proxy serves it",
            )
            .help("select the pods of one gateway, for example istio: ingressgateway")
            .absent();
    }
    let at = spec.field("servers");
    if gateway.servers.is_empty() {
        report.error("MODEL-GW-2", &at, "the gateway has no servers").help("add `servers`").absent();
    }
    for (index, server) in gateway.servers.iter().enumerate() {
        check_server(report, &at.index(index), server);
    }
    repeated(report, &at, &gateway.servers);
}

fn check_server(report: &mut Report<'_>, at: &At<'_>, server: &Server) {
    let hosts = at.field("hosts");
    if server.hosts.is_empty() {
        report
            .error("MODEL-GW-3", &hosts, "the server has no hosts")
            .help("add hosts: [...], \"*\" for any")
            .absent();
    }
    for (index, host) in server.hosts.iter().enumerate() {
        if let Err(fault) = server_host(host, true) {
            let added = report.error(
                "MODEL-GW-4",
                &hosts.index(index),
                format!("`{}` is not a host: {fault}", show(host)),
            );
            if let Some((_, rest)) = host.split_once("://") {
                added.help(format!("write {} without scheme", show(rest.split('/').next().unwrap_or(rest))));
            } else {
                added.help("write <name>, <namespace>/<name>, or `*` for the name");
            }
        }
    }
    match &server.port {
        None => {
            report
                .error("MODEL-GW-5", &at.field("port"), "the server has no port")
                .help("add port: {number: ..., name: ..., protocol: ...}")
                .absent();
        }
        Some(port) => {
            check_port(report, &at.field("port"), port, &server.bind);
            protocol_and_tls(report, at, server, port);
        }
    }
    bind(report, at, server);
    if let Some(tls) = &server.tls {
        tls::server(report, &at.field("tls"), tls);
    }
    if !server.default_endpoint.is_empty() {
        report
            .warning("MODEL-GW-13", &at.field("defaultEndpoint"), "`defaultEndpoint` is not implemented")
            .help("remove it")
            .at_key();
    }
}

/// `[ns/]dnsName` (MODEL-GW-4); addresses are for gateways only (MODEL-SCAR-12).
pub(super) fn server_host(text: &str, address: bool) -> Result<(), Fault> {
    let host = match text.split_once('/') {
        None => text,
        Some((namespace, host)) => {
            if !matches!(namespace, "*" | ".") && !is_dns_label(namespace) {
                return Err("the part before `/` is not a namespace".to_owned());
            }
            host
        }
    };
    dns_name(host, address)
}

/// A name that is not short, and a wildcard only as its whole first label.
pub(super) fn dns_name(host: &str, address: bool) -> Result<(), Fault> {
    if host == "*" || (address && is_ip(host)) {
        return Ok(());
    }
    if host.is_empty() {
        return Err("the name is empty".to_owned());
    }
    wildcard_domain(host)?;
    if !host.contains('.') {
        return Err("short names are not allowed here".to_owned());
    }
    if host.starts_with('*') && !host.starts_with("*.") {
        return Err("`*` is only allowed as the whole first part".to_owned());
    }
    Ok(())
}

fn check_port(report: &mut Report<'_>, at: &At<'_>, port: &Port, bind: &str) {
    let number = port.number;
    let socket = number == 0 && bind.starts_with("unix://");
    if !socket && !is_port(number) {
        not_a_port(report, "MODEL-GW-5", &at.field("number"), number).absent();
    }
    if port.name.is_empty() {
        report
            .error("MODEL-GW-5", &at.field("name"), "the port has no name")
            .help("add name: <protocol>-<text>")
            .absent();
    }
    if port.target_port > 0 {
        report
            .error("MODEL-GW-5", &at.field("targetPort"), "a gateway's port has no `targetPort`")
            .help("remove it; the Service of the gateway maps ports")
            .at_key();
    }
    let protocol = &port.protocol;
    if protocol.is_empty() {
        report
            .error("MODEL-GW-5", &at.field("protocol"), "the port has no protocol")
            .help("write HTTP, HTTPS, GRPC, HTTP2, TCP, TLS, MONGO, REDIS or MYSQL")
            .absent();
    } else if Protocol::parse(protocol).is_none() {
        report
            .error("MODEL-GW-5", &at.field("protocol"), format!("`{}` is not a protocol", show(protocol)))
            .help("write HTTP, HTTPS, GRPC, HTTP2, TCP, TLS, MONGO, REDIS or MYSQL");
    }
}

fn protocol_and_tls(report: &mut Report<'_>, at: &At<'_>, server: &Server, port: &Port) {
    let Some(protocol) = Protocol::parse(&port.protocol) else { return };
    let at = at.field("tls");
    let Some(tls) = &server.tls else {
        if protocol.is_tls() {
            report
                .error("MODEL-GW-8", &at, format!("a server of protocol {protocol} needs `tls`"))
                .help("add tls: {mode: SIMPLE, credentialName: ...}, or PASSTHROUGH")
                .absent();
        }
        return;
    };
    let terminates = !matches!(tls.mode, ServerTlsMode::Passthrough | ServerTlsMode::AutoPassthrough)
        || !tls.server_certificate.is_empty()
        || !tls.private_key.is_empty()
        || !tls.ca_certificates.is_empty();
    if protocol.is_http() {
        if terminates {
            report
                .error("MODEL-GW-9", &at, format!("a server of protocol {protocol} does not terminate TLS"))
                .help("write protocol: HTTPS, or keep `httpsRedirect` alone")
                .at_key();
        }
        return;
    }
    if !protocol.is_tls() && protocol != Protocol::Unsupported {
        report
            .error("MODEL-GW-10", &at, format!("a server of protocol {protocol} has no `tls`"))
            .help("write protocol: TLS")
            .at_key();
    }
    if tls.https_redirect {
        report
            .warning(
                "MODEL-GW-11",
                &at.field("httpsRedirect"),
                format!("protocol {protocol} is not redirected"),
            )
            .help("put it on the server of protocol HTTP")
            .at_key();
    }
}

fn bind(report: &mut Report<'_>, at: &At<'_>, server: &Server) {
    let bind = &server.bind;
    let at_bind = at.field("bind");
    match bind.strip_prefix("unix://") {
        Some(path) => {
            if let Err(fault) = unix_path(path) {
                report
                    .error("MODEL-GW-6", &at_bind, format!("`{}` is not a socket: {fault}", show(bind)))
                    .help("write unix:///<path> or unix://@<name>");
            }
            if let Some(port) = server.port.as_ref().filter(|port| port.number != 0) {
                let at = at.field("port");
                report
                    .error(
                        "MODEL-GW-6",
                        &at.field("number"),
                        format!("a socket has no port, `{}` is given", port.number),
                    )
                    .help("write number: 0");
            }
        }
        None if !bind.is_empty() && !is_ip(bind) => {
            report
                .error("MODEL-GW-6", &at_bind, format!("`{}` is not an address", show(bind)))
                .help("write an IP address or unix://<path>");
        }
        None => {}
    }
}

/// Names and hosts that two servers share (MODEL-GW-7, MODEL-GW-13).
fn repeated(report: &mut Report<'_>, at: &At<'_>, servers: &[Server]) {
    let mut port_names = BTreeSet::new();
    let mut names = BTreeSet::new();
    let mut hosts = BTreeSet::new();
    let mut plain = BTreeMap::new();
    for (index, server) in servers.iter().enumerate() {
        let at = at.index(index);
        if !server.name.is_empty() && !names.insert(&server.name) {
            report
                .warning(
                    "MODEL-GW-13",
                    &at.field("name"),
                    format!("two servers are named `{}`", show(&server.name)),
                )
                .help("their statistics run together, rename one");
        }
        let Some(port) = &server.port else { continue };
        let at_port = at.field("port");
        if !port.name.is_empty() && !port_names.insert(&port.name) {
            report
                .error(
                    "MODEL-GW-7",
                    &at_port.field("name"),
                    format!("two ports are named `{}`", show(&port.name)),
                )
                .help("rename one of the two");
        }
        if let Some(protocol) = Protocol::parse(&port.protocol).filter(|_| !port.protocol.is_empty()) {
            let first = *plain.entry((port.number, &server.bind)).or_insert(protocol);
            if first.is_http() != protocol.is_http() {
                report
                    .warning(
                        "MODEL-GW-13",
                        &at_port.field("protocol"),
                        format!(
                            "port {} is of protocol {first} already, {protocol} is left out",
                            port.number
                        ),
                    )
                    .help("give this server a port of its own");
            }
        }
        let at = at.field("hosts");
        for (index, host) in server.hosts.iter().enumerate() {
            if !hosts.insert((port.number, &server.bind, host)) {
                report
                    .warning(
                        "MODEL-GW-13",
                        &at.index(index),
                        format!("`{}` is served on port {} already", show(host), port.number),
                    )
                    .help("of two TLS servers the later one is skipped; remove one");
            }
        }
        if port.number == 443 && Protocol::parse(&port.protocol).is_some_and(Protocol::is_http) {
            report
                .warning(
                    "MODEL-GW-13",
                    &at_port.field("protocol"),
                    format!("port 443 speaks plain {}", show(&port.protocol)),
                )
                .help("write HTTPS with `tls`");
        }
    }
}
