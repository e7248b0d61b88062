//! Settings of proxies: `defaultConfig` and the annotation `proxy.istio.io/config` (MODEL-MESH-9, MODEL-MESH-10).

use super::port;
use crate::common::Duration;
use crate::mesh_config::{
    ConnectionSettings, ControlPlaneAuthPolicy, DefaultConfig, PrivateKeyProvider, Tracing,
};
use crate::validate::names::{fqdn, is_ip, is_port};
use crate::validate::report::{At, Report, show};
use crate::validate::strings::duration;
use crate::validate::tls;

const CODE: &str = "MODEL-MESH-9";

/// A text that holds nothing else.
pub(in crate::validate) fn check(report: &mut Report<'_>, config: &DefaultConfig) {
    block(report, &At::OBJECT, config);
}

pub(super) fn block(report: &mut Report<'_>, at: &At<'_>, config: &DefaultConfig) {
    for (name, value) in [
        ("configPath", &config.config_path),
        ("binaryPath", &config.binary_path),
        ("serviceCluster", &config.service_cluster),
        ("discoveryAddress", &config.discovery_address),
    ] {
        if value.as_ref().is_some_and(String::is_empty) {
            report
                .error(CODE, &at.field(name), format!("`{name}` is empty"))
                .help("remove the field for the default");
        }
    }
    duration(report, CODE, &at.field("drainDuration"), config.drain_duration);
    let fraction =
        |drain: &Duration| drain.as_nanos() % 1_000_000_000 != 0 && drain.is_whole_positive_millis();
    if let Some(drain) = config.drain_duration.filter(fraction) {
        report
            .error(CODE, &at.field("drainDuration"), format!("`{drain}` is not a whole number of seconds"))
            .help(format!("write {}s", drain.as_nanos() / 1_000_000_000 + 1));
    }
    let discovery = config.discovery_address.as_deref().unwrap_or("");
    address(report, &at.field("discoveryAddress"), discovery, false);
    address(report, &at.field("statsdUdpAddress"), &config.statsd_udp_address, false);
    address(report, &at.field("envoyMetricsServiceAddress"), &config.envoy_metrics_service_address, false);
    for (name, service) in [
        ("envoyAccessLogService", &config.envoy_access_log_service),
        ("envoyMetricsService", &config.envoy_metrics_service),
    ] {
        if let Some(service) = service {
            let at = at.field(name);
            address(report, &at.field("address"), &service.address, false);
        }
    }
    if let Some(tracing) = &config.tracing {
        self::tracing(report, &at.field("tracing"), tracing);
    }
    port(report, CODE, &at.field("proxyAdminPort"), config.proxy_admin_port);
    port(report, CODE, &at.field("statusPort"), config.status_port);
    if config.control_plane_auth_policy == ControlPlaneAuthPolicy::Inherit {
        report
            .error(CODE, &at.field("controlPlaneAuthPolicy"), "there is nothing to inherit from")
            .help("write NONE or MUTUAL_TLS");
    }
    if let Some(provider) = &config.private_key_provider {
        private_key_provider(report, &at.field("privateKeyProvider"), provider);
    }
    if let Some(settings) = &config.connection_settings {
        connection_settings(report, &at.field("connectionSettings"), settings);
    }
}

/// `host:port`; nothing is said of an empty text. The proxy puts its node's address for `$(HOST_IP)`.
fn address(report: &mut Report<'_>, at: &At<'_>, text: &str, host_ip: bool) {
    if text.is_empty() {
        return;
    }
    let known = if host_ip { text.replacen("$(HOST_IP)", "127.0.0.1", 1) } else { text.to_owned() };
    let fault = match known.rsplit_once(':') {
        None => "it has no port",
        Some((_, port)) if !port.parse().is_ok_and(is_port) => {
            "what stands behind `:` is not a port, 1..65535"
        }
        Some((host, _)) => {
            let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
            let valid = match bare {
                Some(address) => is_ip(address) && address.contains(':'),
                None => fqdn(host).is_ok() || (is_ip(host) && !host.contains(':')),
            };
            if valid {
                return;
            }
            "what stands before `:` is neither a host nor an address"
        }
    };
    report
        .error(CODE, at, format!("`{}` is not an address: {fault}", show(text)))
        .help("write <host>:<port>, and an IPv6 address in brackets");
}

fn tracing(report: &mut Report<'_>, at: &At<'_>, tracing: &Tracing) {
    for (name, backend) in [("zipkin", &tracing.zipkin), ("datadog", &tracing.datadog)] {
        if let Some(backend) = backend {
            let at = at.field(name);
            required(report, &at.field("address"), &backend.address, "the address is missing");
            address(report, &at.field("address"), &backend.address, true);
        }
    }
    if let Some(backend) = &tracing.lightstep {
        let at = at.field("lightstep");
        required(report, &at.field("address"), &backend.address, "the address is missing");
        address(report, &at.field("address"), &backend.address, false);
        required(
            report,
            &at.field("accessToken"),
            &backend.access_token,
            "the `accessToken` of Lightstep is missing",
        );
    }
    if let Some(settings) = &tracing.tls_settings {
        tls::client(report, &at.field("tlsSettings"), settings);
    }
    let at = at.field("customTags");
    for (name, _) in tracing.custom_tags.iter().filter(|(_, tag)| tag.is_null()) {
        report
            .error(CODE, &at.key(name), format!("the tag `{}` has no value", show(name)))
            .help("add literal: {value: ...}, environment, header or formatter")
            .at_key();
    }
}

fn required(report: &mut Report<'_>, at: &At<'_>, text: &str, message: &str) {
    if text.is_empty() {
        report.error(CODE, at, message).help("add it").absent();
    }
}

fn private_key_provider(report: &mut Report<'_>, at: &At<'_>, provider: &PrivateKeyProvider) {
    let given = [("cryptomb", &provider.cryptomb), ("qat", &provider.qat)];
    if given.iter().all(|(_, polling)| polling.is_none()) {
        report
            .error(CODE, at, "neither `cryptomb` nor `qat` is given")
            .help("add cryptomb: {pollDelay: 10ms}")
            .absent();
    }
    for (name, polling) in given {
        if polling.as_ref().is_some_and(|found| found.poll_delay.is_none_or(|delay| delay.as_nanos() == 0)) {
            let at = at.field(name);
            report
                .error(CODE, &at.field("pollDelay"), "a `pollDelay` above zero is needed")
                .help("write pollDelay: 10ms")
                .absent();
        }
    }
}

fn connection_settings(report: &mut Report<'_>, at: &At<'_>, settings: &ConnectionSettings) {
    const CODE: &str = "MODEL-MESH-10";
    let mut at_least = |name: &'static str, value: Option<i64>, least: i64| {
        if let Some(value) = value.filter(|value| *value < least) {
            report
                .error(CODE, &at.field(name), format!("`{value}` is below {least}"))
                .help(format!("write {least} or more, or remove the field for the default"));
        }
    };
    at_least("listenerPerConnectionBufferLimitBytes", settings.listener_per_connection_buffer_limit_bytes, 0);
    at_least("clusterPerConnectionBufferLimitBytes", settings.cluster_per_connection_buffer_limit_bytes, 0);
    at_least("listenerConnectionLimit", settings.listener_connection_limit, 1);
    at_least("globalDownstreamConnectionLimit", settings.global_downstream_connection_limit, 1);
    at_least("httpMaxConcurrentStreams", settings.http_max_concurrent_streams, 1);
    at_least("http2InitialStreamWindowSize", settings.http2_initial_stream_window_size, 65_535);
    at_least("http2InitialConnectionWindowSize", settings.http2_initial_connection_window_size, 65_535);
    for (name, value) in [
        ("httpIdleTimeout", settings.http_idle_timeout),
        ("httpStreamIdleTimeout", settings.http_stream_idle_timeout),
        ("httpRequestTimeout", settings.http_request_timeout),
        ("httpRequestHeadersTimeout", settings.http_request_headers_timeout),
        ("httpMaxConnectionDuration", settings.http_max_connection_duration),
        ("httpMaxStreamDuration", settings.http_max_stream_duration),
        ("httpDrainTimeout", settings.http_drain_timeout),
    ] {
        if let Some(value) = value.filter(|value| value.as_nanos() < 0) {
            report
                .error(CODE, &at.field(name), format!("`{value}` is negative"))
                .help("write 0s for no limit");
        }
    }
}
