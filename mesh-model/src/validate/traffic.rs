//! Connection pools and outlier detection (MODEL-CP, MODEL-OD).

use super::report::{At, Report};
use super::strings::duration;
use crate::common::{ConnectionPoolSettings, H2UpgradePolicy, OutlierDetection};

pub(super) fn connection_pool(report: &mut Report<'_>, at: &At<'_>, pool: &ConnectionPoolSettings) {
    if pool.tcp.is_none() && pool.http.is_none() {
        report
            .error("MODEL-CP-1", at, "neither `tcp` nor `http` is given")
            .help("give one of them, or remove the block")
            .absent();
    }
    if let Some(tcp) = &pool.tcp {
        let at = at.field("tcp");
        not_negative(report, &at.field("maxConnections"), tcp.max_connections);
        duration(report, "MODEL-CP-3", &at.field("connectTimeout"), tcp.connect_timeout);
        duration(report, "MODEL-CP-3", &at.field("maxConnectionDuration"), tcp.max_connection_duration);
        // Counted in whole milliseconds first, and none of them switches the timeout off (MODEL-TYPE-7).
        let idle = tcp.idle_timeout.filter(|idle| idle.as_nanos() / 1_000_000 != 0);
        duration(report, "MODEL-CP-3", &at.field("idleTimeout"), idle);
        if let Some(keepalive) = &tcp.tcp_keepalive {
            let at = at.field("tcpKeepalive");
            duration(report, "MODEL-CP-3", &at.field("time"), keepalive.time);
            duration(report, "MODEL-CP-3", &at.field("interval"), keepalive.interval);
        }
    }
    if let Some(http) = &pool.http {
        let at = at.field("http");
        for (name, value) in [
            ("http1MaxPendingRequests", http.http1_max_pending_requests),
            ("http2MaxRequests", http.http2_max_requests),
            ("maxRequestsPerConnection", http.max_requests_per_connection),
            ("maxRetries", http.max_retries),
            ("maxConcurrentStreams", http.max_concurrent_streams),
        ] {
            not_negative(report, &at.field(name), value);
        }
        duration(report, "MODEL-CP-3", &at.field("idleTimeout"), http.idle_timeout);
        if http.h2_upgrade_policy == H2UpgradePolicy::Upgrade && http.use_client_protocol {
            report
                .error(
                    "MODEL-CP-4",
                    &at.field("useClientProtocol"),
                    "`useClientProtocol` contradicts `h2UpgradePolicy: UPGRADE`",
                )
                .help("remove one of the two");
        }
        if let Some(keep_alive) = &http.http2_keep_alive {
            let at = at.field("http2KeepAlive");
            for (name, value) in [("interval", keep_alive.interval), ("timeout", keep_alive.timeout)] {
                let at = at.field(name);
                if value.is_none() {
                    report
                        .error("MODEL-CP-5", &at, format!("`{name}` is missing"))
                        .help(format!("add {name}: 10s"))
                        .absent();
                }
                duration(report, "MODEL-CP-5", &at, value);
            }
        }
    }
}

fn not_negative(report: &mut Report<'_>, at: &At<'_>, value: i32) {
    if value < 0 {
        report.error("MODEL-CP-2", at, format!("`{value}` is negative")).help("leave it out for no limit");
    }
}

pub(super) fn outlier_detection(report: &mut Report<'_>, at: &At<'_>, outlier: &OutlierDetection) {
    duration(report, "MODEL-OD-1", &at.field("interval"), outlier.interval);
    duration(report, "MODEL-OD-1", &at.field("baseEjectionTime"), outlier.base_ejection_time);
    if outlier.consecutive_errors != 0 {
        report
            .warning("MODEL-OD-2", &at.field("consecutiveErrors"), "`consecutiveErrors` is ignored by Istio")
            .help(if outlier.consecutive_5xx_errors.is_some() {
                "remove it, `consecutive5xxErrors` counts"
            } else {
                "write consecutive5xxErrors"
            })
            .at_key();
    }
    if outlier.consecutive_local_origin_failures.is_some_and(|count| count > 0)
        && !outlier.split_external_local_origin_errors
    {
        report
            .error(
                "MODEL-OD-3",
                &at.field("consecutiveLocalOriginFailures"),
                "local failures are not counted apart",
            )
            .help("add splitExternalLocalOriginErrors: true");
    }
    for (name, value) in [
        ("maxEjectionPercent", outlier.max_ejection_percent),
        ("minHealthPercent", outlier.min_health_percent),
    ] {
        if !(0..=100).contains(&value) {
            report
                .error("MODEL-OD-4", &at.field(name), format!("`{value}` is not a percentage"))
                .help("write a number from 0 to 100");
        }
    }
    // Below this share of healthy endpoints, all of them are used.
    if outlier.min_health_percent == 100 {
        report
            .info(
                "MODEL-OD-6",
                &at.field("minHealthPercent"),
                "with `100` no ejection lasts: as soon as one endpoint is ejected, all are used again",
            )
            .help("write a smaller number, or leave it out");
    }
    let codes = at.field("outlierDetectionHttpErrorCodes");
    for (index, code) in outlier.outlier_detection_http_error_codes.iter().enumerate() {
        if !(100..=599).contains(code) {
            report
                .error("MODEL-OD-5", &codes.index(index), format!("`{code}` is not a status of a response"))
                .help("write a number from 100 to 599");
        }
    }
    let errors = outlier.consecutive_5xx_errors.unwrap_or(5);
    if let Some(gateway) = outlier.consecutive_gateway_errors
        && errors != 0
        && gateway >= errors
    {
        report
            .info(
                "MODEL-OD-6",
                &at.field("consecutiveGatewayErrors"),
                format!("{gateway} has no effect, {errors} consecutive 5xx errors eject first"),
            )
            .help("write a smaller number");
    }
}
