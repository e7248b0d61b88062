//! Sidecar (MODEL-SCAR).

use super::gateway::dns_name;
use super::names::{Fault, fqdn, is_dns_label, is_ip, is_port, not_a_port, unix_path, wildcard_domain};
use super::report::{At, Report, show};
use super::selector::workload_selector;
use super::tls;
use super::traffic::connection_pool;
use crate::common::{Protocol, ServerTlsMode, ServerTlsSettings};
use crate::networking::Sidecar;
use crate::networking::sidecar::{
    CaptureMode, IstioEgressListener, IstioIngressListener, OutboundTrafficPolicy, OutboundTrafficPolicyMode,
    SidecarPort,
};
use std::collections::BTreeSet;

pub(super) fn check(report: &mut Report<'_>, sidecar: &Sidecar) {
    let spec = At::OBJECT.field("spec");
    workload_selector(report, &spec.field("workloadSelector"), sidecar.workload_selector.as_ref());
    let selects = sidecar.workload_selector.as_ref().is_some_and(|selector| !selector.labels.is_empty());
    if selects && report.namespace() == report.settings.root_namespace {
        report
            .warning(
                "MODEL-SCAR-16",
                &spec.field("workloadSelector"),
                "with a selector it applies to workloads of the root namespace only",
            )
            .help("remove the selector for a default of the whole mesh");
    }
    if sidecar.workload_selector.is_none() {
        report.meant_for_the_mesh();
    }
    if sidecar.egress.is_empty()
        && sidecar.ingress.is_empty()
        && sidecar.outbound_traffic_policy.is_none()
        && sidecar.inbound_connection_pool.is_none()
    {
        report
            .error("MODEL-SCAR-2", &spec, "the Sidecar says nothing")
            .help("give `egress`, `ingress`, `outboundTrafficPolicy` or `inboundConnectionPool`")
            .absent();
    }
    let at = spec.field("ingress");
    let mut numbers = BTreeSet::new();
    for (index, listener) in sidecar.ingress.iter().enumerate() {
        let at = at.index(index);
        ingress(report, &at, listener);
        let number = listener.port.as_ref().map(|port| port.number).filter(|number| is_port(*number));
        if number.is_some_and(|number| !numbers.insert(number)) {
            let at = at.field("port");
            report
                .error("MODEL-SCAR-4", &at.field("number"), "two listeners have the same port")
                .help("remove one of the two");
        }
    }
    if let Some(pool) = &sidecar.inbound_connection_pool {
        connection_pool(report, &spec.field("inboundConnectionPool"), pool);
    }
    egress_list(report, &spec.field("egress"), &sidecar.egress);
    if let Some(policy) = &sidecar.outbound_traffic_policy {
        outbound(report, &spec.field("outboundTrafficPolicy"), policy);
    }
}

/// What both directions ask of a port.
fn port(report: &mut Report<'_>, code: &'static str, at: &At<'_>, port: &SidecarPort) {
    if port.target_port > 0 {
        report
            .error(code, &at.field("targetPort"), "a listener's port has no `targetPort`")
            .help("remove it")
            .at_key();
    }
    if Protocol::parse(&port.protocol).is_none() {
        report
            .error(code, &at.field("protocol"), format!("`{}` is not a protocol", show(&port.protocol)))
            .help("write HTTP, HTTPS, GRPC, HTTP2, TCP, TLS, MONGO, REDIS or MYSQL");
    }
    if !port.name.is_empty() && !is_dns_label(&port.name) {
        report
            .error(code, &at.field("name"), format!("`{}` is not a port's name", show(&port.name)))
            .help("letters, digits and inner `-`, at most 63 characters");
    }
}

fn ingress(report: &mut Report<'_>, at: &At<'_>, listener: &IstioIngressListener) {
    const CODE: &str = "MODEL-SCAR-3";
    let at_port = at.field("port");
    match &listener.port {
        None => {
            report
                .error(CODE, &at_port, "the listener has no port")
                .help("add port: {number: ..., protocol: ..., name: ...}")
                .absent();
        }
        Some(found) => {
            if !is_port(found.number) {
                not_a_port(report, CODE, &at_port.field("number"), found.number).absent();
            }
            port(report, CODE, &at_port, found);
        }
    }
    if !listener.bind.is_empty() && !is_ip(&listener.bind) {
        report
            .error(CODE, &at.field("bind"), format!("`{}` is not an address", show(&listener.bind)))
            .help("write an IP, or leave it out");
    }
    if let Err(fault) = default_endpoint(&listener.default_endpoint) {
        report
            .error(
                "MODEL-SCAR-5",
                &at.field("defaultEndpoint"),
                format!("`{}` is not an endpoint: {fault}", show(&listener.default_endpoint)),
            )
            .help("write 127.0.0.1:<port>, 0.0.0.0:<port> or unix://<path>");
    }
    let protocol = listener.port.as_ref().and_then(|port| Protocol::parse(&port.protocol));
    if let Some(settings) = &listener.tls {
        ingress_tls(report, &at.field("tls"), settings, protocol);
    }
    if let Some(pool) = &listener.connection_pool {
        let at = at.field("connectionPool");
        connection_pool(report, &at, pool);
        if pool.http.is_some()
            && protocol.is_some_and(|protocol| !protocol.is_http() && protocol != Protocol::Unsupported)
        {
            report
                .warning("MODEL-SCAR-7", &at.field("http"), "the port is not HTTP, the limits have no effect")
                .help("write the limits under `tcp`, or set the protocol of the port")
                .at_key();
        }
    }
}

fn default_endpoint(text: &str) -> Result<(), Fault> {
    if text.is_empty() {
        return Ok(());
    }
    if let Some(path) = text.strip_prefix("unix://") {
        return unix_path(path);
    }
    let Some((host, port)) = text.rsplit_once(':') else { return Err("it has no port".to_owned()) };
    if !matches!(host, "" | "127.0.0.1" | "0.0.0.0" | "[::1]" | "[::]") {
        return Err("the address is not of this pod".to_owned());
    }
    match port.parse::<u32>() {
        Ok(port) if is_port(port) => Ok(()),
        _ => Err("the port is not a number from 1 to 65535".to_owned()),
    }
}

fn ingress_tls(
    report: &mut Report<'_>,
    at: &At<'_>,
    settings: &ServerTlsSettings,
    protocol: Option<Protocol>,
) {
    const CODE: &str = "MODEL-SCAR-6";
    for (name, set) in [
        ("subjectAltNames", !settings.subject_alt_names.is_empty()),
        ("httpsRedirect", settings.https_redirect),
        ("credentialName", !settings.credential_name.is_empty()),
        ("credentialNames", !settings.credential_names.is_empty()),
        ("tlsCertificates", !settings.tls_certificates.is_empty()),
    ] {
        if set {
            report
                .error(CODE, &at.field(name), format!("a sidecar has no `{name}`"))
                .help("certificates are given as files here")
                .at_key();
        }
    }
    if matches!(settings.mode, ServerTlsMode::IstioMutual | ServerTlsMode::AutoPassthrough) {
        report
            .error(CODE, &at.field("mode"), format!("{} is not for sidecars", settings.mode))
            .help("write SIMPLE or MUTUAL");
    }
    if protocol.is_some_and(|protocol| !protocol.is_tls()) {
        report
            .error(CODE, at, "the protocol of the port is neither HTTPS nor TLS")
            .help("write protocol: HTTPS or TLS");
    }
    tls::server(report, at, settings);
}

fn egress_list(report: &mut Report<'_>, at: &At<'_>, list: &[IstioEgressListener]) {
    let mut numbers = BTreeSet::new();
    let mut sockets = BTreeSet::new();
    for (index, listener) in list.iter().enumerate() {
        let at = at.index(index);
        let hosts = at.field("hosts");
        if listener.hosts.is_empty() {
            report
                .error("MODEL-SCAR-8", &hosts, "the listener has no hosts")
                .help("add hosts: [\"./*\"]")
                .absent();
        }
        egress_hosts(report, &hosts, &listener.hosts);
        match &listener.port {
            None => {
                if index + 1 != list.len() {
                    report
                        .error(
                            "MODEL-SCAR-9",
                            &at,
                            "a listener without port must be the last, and the only one",
                        )
                        .help("move it to the end");
                }
                if !listener.bind.is_empty() {
                    report
                        .warning("MODEL-SCAR-11", &at.field("bind"), "`bind` says nothing without `port`")
                        .help("add `port`, or remove it")
                        .at_key();
                }
            }
            Some(found) => {
                egress_port(report, &at, listener, found);
                let at_port = at.field("port");
                if found.number != 0 && !numbers.insert(found.number) {
                    report
                        .error("MODEL-SCAR-11", &at_port.field("number"), "two listeners have the same port")
                        .help("put the hosts of both into one");
                }
                if found.number == 0 && !sockets.insert(&listener.bind) {
                    report
                        .error("MODEL-SCAR-11", &at.field("bind"), "two listeners have the same socket")
                        .help("put the hosts of both into one");
                }
            }
        }
    }
}

fn egress_port(report: &mut Report<'_>, at: &At<'_>, listener: &IstioEgressListener, found: &SidecarPort) {
    const CODE: &str = "MODEL-SCAR-10";
    let at_port = at.field("port");
    port(report, CODE, &at_port, found);
    let bind = &listener.bind;
    let at_bind = at.field("bind");
    if found.number == 0 {
        match bind.strip_prefix("unix://") {
            Some(path) => {
                if let Err(fault) = unix_path(path) {
                    report
                        .error(CODE, &at_bind, format!("`{}` is not a socket: {fault}", show(bind)))
                        .help("write unix:///<path> or unix://@<name>");
                }
            }
            None => {
                report
                    .error(CODE, &at_port.field("number"), "the listener has neither a port nor a socket")
                    .help("give `number`, or bind: unix://<path>")
                    .absent();
            }
        }
        if listener.capture_mode == CaptureMode::Iptables {
            report
                .error(CODE, &at.field("captureMode"), "traffic to a socket is not captured")
                .help("write NONE or DEFAULT");
        }
    } else {
        if !is_port(found.number) {
            not_a_port(report, CODE, &at_port.field("number"), found.number);
        }
        if !bind.is_empty() && !is_ip(bind) {
            report
                .error(CODE, &at_bind, format!("`{}` is not an address", show(bind)))
                .help("write an IP, or leave it out");
        }
    }
}

/// `ns/dnsName` (MODEL-SCAR-12), and entries that repeat others (MODEL-SCAR-13, MODEL-SCAR-14).
fn egress_hosts(report: &mut Report<'_>, at: &At<'_>, list: &[String]) {
    let own = report.namespace();
    let mut seen: BTreeSet<(&str, &str)> = BTreeSet::new();
    let mut namespaces: BTreeSet<&str> = BTreeSet::new();
    for (index, entry) in list.iter().enumerate() {
        let at = at.index(index);
        let Some((namespace, name)) = entry.split_once('/') else {
            let added = report.error("MODEL-SCAR-12", &at, format!("`{}` has no namespace", show(entry)));
            added.help(format!("write */{0} for any namespace, ./{0} for this one", show(entry)));
            continue;
        };
        let bare = namespace.strip_prefix('~').unwrap_or(namespace);
        let valid = matches!(namespace, "*" | "." | "~") || matches!(bare, "*" | ".") || is_dns_label(bare);
        if !valid {
            report
                .error("MODEL-SCAR-12", &at, format!("`{}` is not a namespace", show(namespace)))
                .help("write a name, `.` for this namespace, `*` for any or `~` for none");
            continue;
        }
        if let Err(fault) = dns_name(name, false) {
            report
                .error("MODEL-SCAR-12", &at, format!("`{}` is not a host: {fault}", show(name)))
                .help("write the whole name, *.<domain> or `*`");
            continue;
        }
        if namespace.starts_with('~') {
            continue;
        }
        let namespace = if namespace == "." { own } else { namespace };
        let whole = seen.contains(&(namespace, "*"));
        let repeats =
            whole || seen.contains(&(namespace, name)) || (name == "*" && namespaces.contains(namespace));
        if repeats {
            report
                .warning(
                    "MODEL-SCAR-13",
                    &at,
                    format!(
                        "`{}` repeats or covers another host of the namespace `{}`",
                        show(entry),
                        show(namespace)
                    ),
                )
                .help("remove the narrower of the two");
        }
        seen.insert((namespace, name));
        namespaces.insert(namespace);
    }
    if seen.contains(&("*", "*")) && namespaces.len() > 1 {
        report
            .warning("MODEL-SCAR-14", at, "`*/*` stands beside other namespaces")
            .help("`*/*` is everything, remove the others");
    }
}

fn outbound(report: &mut Report<'_>, at: &At<'_>, policy: &OutboundTrafficPolicy) {
    const CODE: &str = "MODEL-SCAR-15";
    if policy.mode == OutboundTrafficPolicyMode::AllowAnyDynamicDns {
        report
            .error(CODE, &at.field("mode"), "ALLOW_ANY_DYNAMIC_DNS is for the mesh configuration only")
            .help("write ALLOW_ANY");
    }
    let Some(proxy) = &policy.egress_proxy else { return };
    let at_proxy = at.field("egressProxy");
    report
        .warning(CODE, &at_proxy, "`egressProxy` is ignored (IST0002)")
        .help("route to the proxy with a VirtualService")
        .at_key();
    if policy.mode != OutboundTrafficPolicyMode::AllowAny {
        report
            .error(CODE, &at.field("mode"), "`egressProxy` needs the mode ALLOW_ANY")
            .help("write mode: ALLOW_ANY, or remove `egressProxy`")
            .absent();
    }
    if let Err(fault) = fqdn(&proxy.host).and_then(|()| wildcard_domain(&proxy.host)) {
        report
            .error(CODE, &at_proxy.field("host"), format!("`{}` is not a host: {fault}", show(&proxy.host)))
            .help("write the whole name of a service");
    }
    if !proxy.subset.is_empty() && !is_dns_label(&proxy.subset) {
        report
            .error(
                CODE,
                &at_proxy.field("subset"),
                format!("`{}` is not a subset's name", show(&proxy.subset)),
            )
            .help("letters, digits and inner `-`, at most 63 characters");
    }
    let at_port = at_proxy.field("port");
    match proxy.port {
        None => {
            report.error(CODE, &at_port, "the proxy has no port").help("add port: {number: ...}").absent();
        }
        Some(port) if !is_port(port.number) => {
            not_a_port(report, CODE, &at_port.field("number"), port.number);
        }
        Some(_) => {}
    }
}
