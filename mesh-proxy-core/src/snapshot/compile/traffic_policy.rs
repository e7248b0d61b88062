//! The blocks of a DestinationRule's traffic policy as settings of a cluster.

use std::time::Duration;

use mesh_model::common::{ClientTlsMode, ConsistentHash, LoadBalancerSettings, SimpleLb};
use mesh_model::resolve::PolicyView;
use mesh_model::{MeshConfig, ObjectRef};

use super::clusters::positive;
use super::issues::{Issues, spec};
use crate::snapshot::{HashSource, Limits, LoadBalancer};

/// Everything about a cluster but its endpoints.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) load_balancer: LoadBalancer,
    pub(super) limits: Limits,
    pub(super) connect_timeout: Duration,
    pub(super) idle_timeout: Duration,
    pub(super) max_requests_per_connection: u32,
    /// The policy asks for a protection that this proxy cannot give: nothing may be sent.
    pub(super) closed: bool,
}

/// Envoy's default (`PROXY` 3.8).
const IDLE_TIMEOUT: Duration = Duration::from_hours(1);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Envoy's default sizes (LB-MAP-06).
const RING: u64 = 1024;
const MAGLEV: u64 = 65_537;

/// Reads a composed policy. `source` is the DestinationRule it comes from, for findings.
pub(super) fn settings(
    policy: &PolicyView<'_>,
    mesh: &MeshConfig,
    source: Option<&ObjectRef>,
    issues: &mut Issues,
) -> Settings {
    let tcp = policy.connection_pool.and_then(|pool| pool.tcp.as_ref());
    let http = policy.connection_pool.and_then(|pool| pool.http.as_ref());
    // 0 is unlimited, and so is what cannot be read as a limit.
    let limit = |value: i32| u32::try_from(value).ok().filter(|value| *value > 0);
    let closed = policy.tls.is_some_and(|tls| tls.mode != ClientTlsMode::Disable);
    if let Some(source) = source {
        report(policy, source, issues);
    }
    Settings {
        load_balancer: load_balancer(policy.load_balancer),
        limits: Limits {
            max_connections: tcp.and_then(|tcp| limit(tcp.max_connections)),
            max_requests: http.and_then(|http| limit(http.http2_max_requests)),
            max_retries: http.and_then(|http| limit(http.max_retries)),
        },
        connect_timeout: positive(tcp.and_then(|tcp| tcp.connect_timeout))
            .or_else(|| positive(Some(mesh.connect_timeout())))
            .unwrap_or(CONNECT_TIMEOUT),
        idle_timeout: positive(http.and_then(|http| http.idle_timeout)).unwrap_or(IDLE_TIMEOUT),
        max_requests_per_connection: http
            .and_then(|http| limit(http.max_requests_per_connection))
            .unwrap_or(0),
        closed,
    }
}

/// Says which blocks are not honoured (`PROXY-FEAT-04`).
fn report(policy: &PolicyView<'_>, source: &ObjectRef, issues: &mut Issues) {
    let path = || spec().field("trafficPolicy");
    if let Some(tls) = policy.tls.filter(|tls| tls.mode != ClientTlsMode::Disable) {
        let message = format!(
            "TLS towards endpoints is not supported yet: nothing is sent where mode `{}` applies, requests are \
             answered with 503 (UH)",
            tls.mode
        );
        issues.error(source, path().field("tls"), message);
    }
    let simple = policy.load_balancer.and_then(|settings| settings.simple);
    if simple == Some(SimpleLb::Passthrough) {
        let message = "PASSTHROUGH needs a redirected connection, LEAST_REQUEST is used instead";
        issues.warning(source, path().field("loadBalancer").field("simple"), message);
    }
    let warmup = policy
        .load_balancer
        .is_some_and(|settings| settings.warmup.is_some() || settings.warmup_duration_secs.is_some());
    let locality = policy.load_balancer.is_some_and(|settings| settings.locality_lb_setting.is_some());
    for (given, field) in [
        (policy.outlier_detection.is_some(), "outlierDetection"),
        (policy.tunnel.is_some(), "tunnel"),
        (policy.proxy_protocol.is_some(), "proxyProtocol"),
        (policy.retry_budget.is_some(), "retryBudget"),
        (warmup, "loadBalancer.warmup"),
        (locality, "loadBalancer.localityLbSetting"),
    ] {
        if given {
            issues.warning(source, path(), format!("`{field}` is not supported yet and has no effect"));
        }
    }
}

/// The algorithm (LB-MAP-01, LB-MAP-02, LB-MAP-06, LB-MAP-08).
fn load_balancer(settings: Option<&LoadBalancerSettings>) -> LoadBalancer {
    let Some(settings) = settings else { return LoadBalancer::LeastRequest };
    if let Some(hash) = &settings.consistent_hash {
        return consistent_hash(hash);
    }
    match settings.simple {
        Some(SimpleLb::RoundRobin) => LoadBalancer::RoundRobin,
        Some(SimpleLb::Random) => LoadBalancer::Random,
        // DIFFERENCE LB-MAP-04: PASSTHROUGH would send to the address the client dialled, which a listener without
        // interception does not know.
        _ => LoadBalancer::LeastRequest,
    }
}

fn consistent_hash(hash: &ConsistentHash) -> LoadBalancer {
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let source = if let Some(name) = given(&hash.http_header_name) {
        HashSource::Header(name)
    } else if let Some(cookie) = &hash.http_cookie {
        let ttl = cookie.ttl.and_then(mesh_model::common::Duration::to_std);
        HashSource::Cookie { name: cookie.name.clone(), path: cookie.path.clone(), ttl }
    } else if hash.use_source_ip == Some(true) {
        HashSource::SourceIp
    } else if let Some(name) = given(&hash.http_query_parameter_name) {
        HashSource::QueryParameter(name)
    } else {
        // Without a key every request hashes to chance (LB-MAP-08).
        return LoadBalancer::Random;
    };
    let size = |given: Option<u64>, default: u64| given.filter(|size| *size > 0).unwrap_or(default);
    match (&hash.maglev, &hash.ring_hash) {
        (Some(maglev), _) => LoadBalancer::Maglev(source, size(maglev.table_size, MAGLEV)),
        (None, Some(ring)) => LoadBalancer::RingHash(source, size(ring.minimum_ring_size, RING)),
        (None, None) => LoadBalancer::RingHash(source, size(Some(hash.minimum_ring_size), RING)),
    }
}
