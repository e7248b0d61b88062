//! MeshConfig (section 5.16 of the model reference).

mod providers;
mod proxy;

pub(super) use proxy::check as proxy_config;

use super::load_balancer;
use super::names::{is_dns_label, is_port, wildcard_domain};
use super::report::{At, Report, show};
use super::strings::duration;
use super::tls::is_curve;
use super::traffic::{connection_pool, outlier_detection};
use super::virtual_service::retries;
use crate::common::{Duration, HttpRetry};
use crate::diagnostic::Severity;
use crate::mesh_config::{DefaultProviders, MeshConfig, MeshTlsConfig};
use crate::networking::sidecar::OutboundTrafficPolicyMode;
use std::collections::BTreeSet;

const HOUR: i64 = 3_600_000_000_000;

pub(super) fn check(report: &mut Report<'_>, mesh: &MeshConfig) {
    let root = At::OBJECT;
    port(report, "MODEL-MESH-1", &root.field("proxyListenPort"), mesh.proxy_listen_port);
    timeouts(report, mesh);
    if let Some(setting) = &mesh.locality_lb_setting {
        load_balancer::locality(report, &root.field("localityLbSetting"), setting, true);
    }
    if let Some(setting) = &mesh.zone_aware_lb_setting {
        load_balancer::zone_aware(report, &root.field("zoneAwareLbSetting"), setting, true);
    }
    let list = root.field("serviceSettings");
    for (index, settings) in mesh.service_settings.iter().enumerate() {
        let at = list.index(index);
        let at = at.field("hosts");
        for (index, host) in settings.hosts.iter().enumerate() {
            if let Err(fault) = wildcard_domain(host) {
                report
                    .error(
                        "MODEL-MESH-3",
                        &at.index(index),
                        format!("`{}` is not a host: {fault}", show(host)),
                    )
                    .help("write a full name, or one that begins with `*.`");
            }
        }
    }
    if !mesh.trust_domain.is_empty() {
        trust_domain(report, &root.field("trustDomain"), &mesh.trust_domain);
    }
    let list = root.field("trustDomainAliases");
    for (index, alias) in mesh.trust_domain_aliases.iter().enumerate() {
        trust_domain(report, &list.index(index), alias);
    }
    tls(report, mesh.mesh_mtls.as_ref(), mesh.tls_defaults.as_ref());
    if let Some(policy) = &mesh.default_traffic_policy {
        let at = root.field("defaultTrafficPolicy");
        if let Some(pool) = &policy.connection_pool {
            connection_pool(report, &at.field("connectionPool"), pool);
        }
        if let Some(outlier) = &policy.outlier_detection {
            outlier_detection(report, &at.field("outlierDetection"), outlier);
        }
    }
    if let Some(retry) = &mesh.default_inbound_http_retry_policy {
        inbound_retries(report, &root.field("defaultInboundHttpRetryPolicy"), retry);
    }
    if let Some(retry) = &mesh.default_http_retry_policy {
        outbound_retries(report, &root.field("defaultHttpRetryPolicy"), retry);
    }
    providers::check(report, &root.field("extensionProviders"), &mesh.extension_providers);
    if let Some(config) = &mesh.default_config {
        proxy::block(report, &root.field("defaultConfig"), config);
    }
    consistency(report, mesh);
}

/// A port that has a default.
fn port(report: &mut Report<'_>, code: &'static str, at: &At<'_>, number: Option<i32>) {
    let Some(number) = number else { return };
    if !u32::try_from(number).is_ok_and(is_port) {
        report
            .error(code, at, format!("{number} is not a port, 1..65535"))
            .help("remove the field for the default");
    }
}

fn timeouts(report: &mut Report<'_>, mesh: &MeshConfig) {
    const CODE: &str = "MODEL-MESH-1";
    let at = At::OBJECT;
    duration(report, CODE, &at.field("connectTimeout"), mesh.connect_timeout);
    if let Some(timeout) = mesh.connect_timeout.filter(|timeout| timeout.as_nanos() > HOUR) {
        report
            .error(CODE, &at.field("connectTimeout"), format!("`{timeout}` is longer than an hour"))
            .help("write 10s");
    }
    // Zero waits for ever (MODEL-TYPE-7).
    let fraction = |timeout: &Duration| timeout.as_nanos() % 1_000_000 != 0;
    if let Some(timeout) = mesh.protocol_detection_timeout.filter(fraction) {
        report
            .error(
                CODE,
                &at.field("protocolDetectionTimeout"),
                format!("`{timeout}` is not a whole number of milliseconds"),
            )
            .help("write 0s to wait for ever");
    }
}

/// MODEL-MESH-4.
fn trust_domain(report: &mut Report<'_>, at: &At<'_>, domain: &str) {
    let bare = domain.strip_suffix('.').unwrap_or(domain);
    let fault = if domain.is_empty() {
        "it is empty"
    } else if domain.contains("://") {
        "it is a URL"
    } else if !bare.split('.').all(is_dns_label) {
        "its parts between dots may only have letters, digits and inner `-`"
    } else {
        return;
    };
    report
        .error("MODEL-MESH-4", at, format!("`{}` is not a trust domain: {fault}", show(domain)))
        .help("write a name such as cluster.local");
}

/// MODEL-MESH-5.
fn tls(report: &mut Report<'_>, mesh: Option<&MeshTlsConfig>, other: Option<&MeshTlsConfig>) {
    const CODE: &str = "MODEL-MESH-5";
    let root = At::OBJECT;
    if mesh.is_some_and(|tls| !tls.ecdh_curves.is_empty()) {
        let at = root.field("meshMTLS");
        report
            .error(CODE, &at.field("ecdhCurves"), "the curves between workloads cannot be chosen")
            .help("remove it")
            .at_key();
    }
    let at = root.field("tlsDefaults");
    let at = at.field("ecdhCurves");
    let mut seen = BTreeSet::new();
    for (index, curve) in other.iter().flat_map(|tls| &tls.ecdh_curves).enumerate() {
        if !is_curve(curve) {
            report
                .warning(CODE, &at.index(index), format!("`{}` is not a known curve", show(curve)))
                .help("known are P-224, P-256, P-384, P-521, X25519, X25519Kyber768Draft00, X25519MLKEM768");
        } else if !seen.insert(curve) {
            report
                .warning(CODE, &at.index(index), format!("the curve `{}` is given twice", show(curve)))
                .help("remove one of the two");
        }
    }
}

/// MODEL-MESH-7: three fields of a retry policy have no effect for the mesh, or for what comes in.
fn inbound_retries(report: &mut Report<'_>, at: &At<'_>, retry: &HttpRetry) {
    const CODE: &str = "MODEL-MESH-7";
    retries(report, at, retry, None);
    if retry.attempts == 0 && retry.backoff.is_some() {
        report
            .error(
                CODE,
                &at.field("backoff"),
                "without `attempts` there are no retries, `backoff` says nothing",
            )
            .help("add `attempts`");
    }
    for (name, set) in [
        ("perTryTimeout", retry.per_try_timeout.is_some()),
        ("retryRemoteLocalities", retry.retry_remote_localities.is_some()),
        ("retryIgnorePreviousHosts", retry.retry_ignore_previous_hosts.is_some()),
    ] {
        if set {
            report
                .warning(CODE, &at.field(name), format!("`{name}` is ignored for inbound requests"))
                .help("remove it")
                .at_key();
        }
    }
}

/// Istio does not look at this policy, so nothing here is an error.
fn outbound_retries(report: &mut Report<'_>, at: &At<'_>, retry: &HttpRetry) {
    let mut found = Report::new(report.object, report.settings);
    retries(&mut found, &At::OBJECT, retry, None);
    for mut finding in found.finish() {
        finding.diagnostic.severity = finding.diagnostic.severity.min(Severity::Warning);
        report.adopt(at, finding);
    }
    if retry.per_try_timeout.is_some() {
        report
            .warning(
                "MODEL-MESH-7",
                &at.field("perTryTimeout"),
                "`perTryTimeout` is ignored in the default of the mesh",
            )
            .help("set it in the routes")
            .at_key();
    }
}

/// MODEL-MESH-11.
fn consistency(report: &mut Report<'_>, mesh: &MeshConfig) {
    const CODE: &str = "MODEL-MESH-11";
    let root = At::OBJECT;
    if let Some(policy) = &mesh.outbound_traffic_policy
        && policy.tls.is_some()
        && policy.mode != OutboundTrafficPolicyMode::AllowAnyDynamicDns
    {
        let at = root.field("outboundTrafficPolicy");
        report
            .warning(CODE, &at.field("tls"), format!("{} ignores `tls`", policy.mode))
            .help("set mode: ALLOW_ANY_DYNAMIC_DNS, or remove it")
            .at_key();
    }
    let none = DefaultProviders::default();
    let defaults = mesh.default_providers.as_ref().unwrap_or(&none);
    let at = root.field("defaultProviders");
    for (name, list) in [
        ("tracing", &defaults.tracing),
        ("metrics", &defaults.metrics),
        ("accessLogging", &defaults.access_logging),
    ] {
        let at = at.field(name);
        for (index, provider) in list.iter().enumerate().filter(|(_, provider)| !mesh.has_provider(provider))
        {
            report
                .warning(
                    CODE,
                    &at.index(index),
                    format!("there is no extension provider `{}`", show(provider)),
                )
                .help("add it to `extensionProviders`");
        }
    }
    if !mesh.root_namespace.is_empty() && !is_dns_label(&mesh.root_namespace) {
        report
            .error(
                CODE,
                &root.field("rootNamespace"),
                format!("`{}` is not a namespace's name", show(&mesh.root_namespace)),
            )
            .help("write istio-system");
    }
}
