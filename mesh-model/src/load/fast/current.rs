//! What the other path brings up to date, though today's types have a place for it: it must not be read here.

use crate::common::HttpRetry;
use crate::networking::gateway::Server;
use crate::networking::sidecar::OutboundTrafficPolicy;
use crate::networking::{Gateway, VirtualService};
use crate::object::Body;

/// Fields of a message that are old spellings of others.
pub(super) fn old_fields(message: &str) -> &'static [&'static str] {
    match message {
        "HttpRoute" => &["mirrorPercent"],
        "Delay" | "Abort" => &["percent"],
        "CorsPolicy" => &["allowOrigin"],
        "LoadBalancerSettings" => &["warmupDurationSecs"],
        "ConsistentHash" => &["minimumRingSize"],
        "OutlierDetection" => &["consecutiveErrors", "http", "tcp"],
        "EnvoyFilter" => &["workloadLabels", "filters"],
        _ => &[],
    }
}

/// Names that are old spellings of others.
pub(super) fn is_old_name(name: &str) -> bool {
    name == "LEAST_CONN"
}

/// False when the object as a whole is in need of a repair.
pub(super) fn is_current(body: &Body) -> bool {
    match body {
        Body::VirtualService(service) => every_rule_acts(service) && !switches_retries_off(service),
        // An empty block is told of (MODEL-SCAR-16), and looks like this.
        Body::Sidecar(sidecar) => sidecar
            .outbound_traffic_policy
            .as_ref()
            .is_none_or(|policy| *policy != OutboundTrafficPolicy::default()),
        Body::Gateway(gateway) => !uses_secret_discovery_idiom(gateway),
        _ => true,
    }
}

/// `retries: {}` is told of (MODEL-VS-45), and looks like `retries: {attempts: 0}`.
fn switches_retries_off(service: &VirtualService) -> bool {
    service.http.iter().any(|rule| rule.retries.as_ref().is_some_and(|retry| *retry == HttpRetry::default()))
}

/// A rule without action may be completed (MODEL-SEED-6).
fn every_rule_acts(service: &VirtualService) -> bool {
    service.http.iter().all(|rule| {
        !rule.route.is_empty()
            || rule.redirect.is_some()
            || rule.direct_response.is_some()
            || rule.delegate.is_some()
    })
}

/// `credentialName` beside `serverCertificate: sds` (MODEL-LEG-17).
fn uses_secret_discovery_idiom(gateway: &Gateway) -> bool {
    let of = |server: &Server| {
        server.tls.as_ref().is_some_and(|tls| {
            [&tls.server_certificate, &tls.private_key, &tls.ca_certificates]
                .iter()
                .any(|file| *file == "sds")
        })
    };
    gateway.servers.iter().any(of)
}
