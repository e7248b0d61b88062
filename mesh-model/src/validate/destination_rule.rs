//! DestinationRule (MODEL-DR).

use super::load_balancer::load_balancer;
use super::names::{fqdn, is_dns_label, is_ip, is_port, not_a_port, wildcard_domain};
use super::report::{At, Report, show};
use super::selector::{export_to, labels, policy_selector};
use super::tls;
use super::traffic::{connection_pool, outlier_detection};
use crate::common::{
    ClientTlsMode, ClientTlsSettings, ConnectionPoolSettings, LoadBalancerSettings, OutlierDetection,
};
use crate::networking::DestinationRule;
use crate::networking::destination_rule::{Subset, TrafficPolicy, TunnelSettings};
use std::collections::BTreeSet;

pub(super) fn check(report: &mut Report<'_>, rule: &DestinationRule) {
    let spec = At::OBJECT.field("spec");
    host(report, &spec.field("host"), &rule.host);
    let selected = rule.workload_selector.as_ref().is_some_and(|selector| !selector.match_labels.is_empty());
    if let Some(policy) = &rule.traffic_policy {
        traffic_policy(report, &spec.field("trafficPolicy"), policy, Level::Rule { selected });
    }
    subsets(report, &spec.field("subsets"), &rule.subsets);
    let at = spec.field("exportTo");
    export_to(report, &at, &rule.export_to, false);
    let namespace = report.namespace();
    let own = |entry: &String| entry == "." || entry == namespace;
    if rule.workload_selector.is_some() && !(rule.export_to.iter().all(own) && rule.export_to.len() <= 1) {
        report
            .error("MODEL-DR-10", &at, "a rule with `workloadSelector` is for its own namespace only")
            .help("write exportTo: [\".\"], or remove it");
    }
    policy_selector(report, &spec.field("workloadSelector"), rule.workload_selector.as_ref());
}

fn host(report: &mut Report<'_>, at: &At<'_>, host: &str) {
    if host.is_empty() {
        report.error("MODEL-DR-1", at, "the rule has no host").help("add `host`").absent();
    } else if let Err(fault) = wildcard_domain(host) {
        let added = report.error("MODEL-DR-1", at, format!("`{}` is not a host: {fault}", show(host)));
        if is_ip(host) {
            added.help("a rule is for a name; declare the address in a ServiceEntry with a host");
        } else {
            added.help("write a service's name, or *.<domain>");
        }
    } else if host.bytes().any(|c| c.is_ascii_uppercase()) {
        report
            .warning("MODEL-TYPE-17", at, format!("`{}` has upper-case letters", show(host)))
            .help("write it in lower case, which is how hosts are compared");
    }
}

/// Where a traffic policy stands; what it may hold depends on it.
#[derive(Clone, Copy)]
enum Level {
    Rule { selected: bool },
    Port { selected: bool },
    Subset,
}

fn traffic_policy(report: &mut Report<'_>, at: &At<'_>, policy: &TrafficPolicy, level: Level) {
    let empty = policy.load_balancer.is_none()
        && policy.connection_pool.is_none()
        && policy.outlier_detection.is_none()
        && policy.tls.is_none()
        && policy.port_level_settings.is_empty()
        && policy.tunnel.is_none()
        && policy.proxy_protocol.is_none()
        && policy.retry_budget.is_none();
    if empty {
        report
            .error("MODEL-DR-2", at, "the traffic policy is empty")
            .help("remove it, or give one of its blocks")
            .absent();
    }
    if policy.tunnel.is_some() && policy.proxy_protocol.is_some() {
        report
            .error("MODEL-DR-3", at, "`tunnel` and `proxyProtocol` exclude each other")
            .help("keep one of them");
    }
    blocks(
        report,
        at,
        policy.load_balancer.as_ref(),
        policy.connection_pool.as_ref(),
        policy.outlier_detection.as_ref(),
        policy.tls.as_ref(),
        level,
    );
    ports(report, &at.field("portLevelSettings"), policy, level);
    if let Some(settings) = &policy.tunnel {
        tunnel(report, &at.field("tunnel"), settings);
    }
    if let Some(percent) = policy.retry_budget.as_ref().and_then(|budget| budget.percent)
        && !(0.0..=100.0).contains(&percent)
    {
        let at = at.field("retryBudget");
        report
            .error("MODEL-DR-8", &at.field("percent"), format!("`{percent}` is not a percentage"))
            .help("write a number from 0 to 100");
    }
}

#[allow(clippy::too_many_arguments, reason = "the four blocks that a policy and a port's policy share")]
fn blocks(
    report: &mut Report<'_>,
    at: &At<'_>,
    lb: Option<&LoadBalancerSettings>,
    pool: Option<&ConnectionPoolSettings>,
    outlier: Option<&OutlierDetection>,
    tls: Option<&ClientTlsSettings>,
    level: Level,
) {
    if let Some(lb) = lb {
        load_balancer(report, &at.field("loadBalancer"), lb, outlier.is_some());
    }
    if let Some(pool) = pool {
        connection_pool(report, &at.field("connectionPool"), pool);
    }
    if let Some(outlier) = outlier {
        outlier_detection(report, &at.field("outlierDetection"), outlier);
    }
    if let Some(tls) = tls {
        let at = at.field("tls");
        tls::client(report, &at, tls);
        unverified(report, &at, tls, level);
    }
}

/// TLS without a CA (MODEL-DR-12).
fn unverified(report: &mut Report<'_>, at: &At<'_>, tls: &ClientTlsSettings, level: Level) {
    let (selected, code) = match level {
        Level::Rule { selected } => (selected, "IST0128"),
        Level::Port { selected } => (selected, "IST0129"),
        Level::Subset => return,
    };
    let originates = matches!(tls.mode, ClientTlsMode::Simple | ClientTlsMode::Mutual);
    if !originates || !tls.ca_certificates.is_empty() || tls.insecure_skip_verify == Some(true) {
        return;
    }
    if tls.credential_name.is_empty() {
        report
            .warning(
                "MODEL-DR-12",
                &at.field("caCertificates"),
                format!("no CA is given, the server is verified with the operating system's store ({code})"),
            )
            .help("add `caCertificates` if the server has a private CA")
            .absent();
    } else if !selected {
        report
            .warning(
                "MODEL-DR-12",
                &at.field("credentialName"),
                format!("sidecars ignore `credentialName` without a `workloadSelector`, only gateways use it ({code})"),
            )
            .help("add a `workloadSelector` for the sidecars, or give them files instead, such as `caCertificates`");
    }
}

fn ports(report: &mut Report<'_>, at: &At<'_>, policy: &TrafficPolicy, level: Level) {
    let list = &policy.port_level_settings;
    if list.len() > 4096 {
        report
            .error("MODEL-DR-5", at, format!("{} ports are given, at most 4096 are allowed", list.len()))
            .help("remove some");
    }
    let level = match level {
        Level::Rule { selected } | Level::Port { selected } => Level::Port { selected },
        Level::Subset => Level::Subset,
    };
    let mut seen = BTreeSet::new();
    for (index, entry) in list.iter().enumerate() {
        let at = at.index(index);
        if entry.load_balancer.is_none()
            && entry.connection_pool.is_none()
            && entry.outlier_detection.is_none()
            && entry.tls.is_none()
        {
            report
                .error("MODEL-DR-5", &at, "the port has no policy")
                .help(
                    "give one of `loadBalancer`, `connectionPool`, `outlierDetection` and `tls`, or remove the port",
                )
                .absent();
        }
        match entry.port {
            None => {
                report
                    .error("MODEL-DR-5", &at, "the policy has no port")
                    .help("add port: {number: ...}")
                    .absent();
            }
            Some(port) => {
                let at = at.field("port");
                let at = at.field("number");
                // Istio does not look at the number.
                if !is_port(port.number) {
                    report
                        .warning("MODEL-DR-5", &at, format!("`{}` is not a port", port.number))
                        .help("write a number from 1 to 65535");
                } else if !seen.insert(port.number) {
                    report
                        .warning("MODEL-DR-5", &at, format!("the port {} is given twice", port.number))
                        .help("the first one is used, remove the other");
                }
            }
        }
        blocks(
            report,
            &at,
            entry.load_balancer.as_ref(),
            entry.connection_pool.as_ref(),
            entry.outlier_detection.as_ref(),
            entry.tls.as_ref(),
            level,
        );
    }
}

fn tunnel(report: &mut Report<'_>, at: &At<'_>, tunnel: &TunnelSettings) {
    if !matches!(tunnel.protocol.as_str(), "" | "CONNECT" | "POST") {
        report
            .error(
                "MODEL-DR-6",
                &at.field("protocol"),
                format!("`{}` is not a tunnel protocol", show(&tunnel.protocol)),
            )
            .help("write CONNECT or POST");
    }
    let target = &tunnel.target_host;
    if target.is_empty() {
        report
            .error("MODEL-DR-6", &at.field("targetHost"), "the tunnel has no target host")
            .help("add `targetHost`")
            .absent();
    } else if !is_ip(target)
        && let Err(fault) = fqdn(target)
    {
        report
            .error(
                "MODEL-DR-6",
                &at.field("targetHost"),
                format!("`{}` is not a host: {fault}", show(target)),
            )
            .help("write a DNS name or an IP");
    }
    if !is_port(tunnel.target_port) {
        not_a_port(report, "MODEL-DR-6", &at.field("targetPort"), tunnel.target_port).absent();
    }
}

fn subsets(report: &mut Report<'_>, at: &At<'_>, list: &[Subset]) {
    let mut seen = BTreeSet::new();
    for (index, subset) in list.iter().enumerate() {
        let at = at.index(index);
        let name = &subset.name;
        if name.is_empty() {
            report
                .error("MODEL-DR-9", &at.field("name"), "the subset has no name")
                .help("add `name`")
                .absent();
        } else if !is_dns_label(name) {
            report
                .error("MODEL-DR-9", &at.field("name"), format!("`{}` is not a subset's name", show(name)))
                .help("letters, digits and inner `-`, at most 63 characters");
        } else if !seen.insert(name) {
            report
                .error(
                    "MODEL-DR-9",
                    &at.field("name"),
                    format!("the subset `{}` is defined twice", show(name)),
                )
                .help("rename or remove one of the two");
        }
        labels(report, "MODEL-DR-9", &at.field("labels"), &subset.labels);
        if let Some(policy) = &subset.traffic_policy {
            traffic_policy(report, &at.field("trafficPolicy"), policy, Level::Subset);
        }
    }
}
