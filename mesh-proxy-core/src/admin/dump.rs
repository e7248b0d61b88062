//! `/config_dump`, `/clusters`, `/listeners`, `/server_info`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{Admin, Phase};
use crate::snapshot::{Cluster, HttpListener, Role, Route, RouteAction};
use crate::upstream::EndpointCells;

fn pretty(value: &Value) -> String {
    let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.push('\n');
    text
}

pub(super) fn server_info(admin: &Admin) -> String {
    pretty(&json!({
        "version": env!("CARGO_PKG_VERSION"),
        "state": match admin.phase() {
            Phase::Live => "LIVE",
            Phase::Draining => "DRAINING",
            Phase::Initializing => "INITIALIZING",
        },
        "uptime_current_epoch": format!("{}s", admin.shared.started().elapsed().as_secs()),
        "concurrency": admin.concurrency,
    }))
}

/// Everything about the configuration in force, in a stable order (`PROXY-SNAP-09`).
pub(super) fn config(admin: &Admin) -> String {
    let published = admin.shared.live().current().load_full();
    let loaded = admin.loaded();
    let objects: Vec<Value> = loaded
        .objects
        .iter()
        .map(|object| {
            let origin = object.origin.as_ref().map(|origin| format!("{}:{}", origin.source, origin.line));
            json!({ "origin": origin, "object": object })
        })
        .collect();
    let listeners: Vec<Value> = published.snapshot.listeners().iter().map(listener).collect();
    let clusters: Vec<Value> = published.snapshot.clusters().iter().map(cluster).collect();
    pretty(&json!({
        "generation": published.generation,
        "issues": *loaded.issues,
        "listeners": listeners,
        "clusters": clusters,
        "objects": objects,
    }))
}

fn listener(listener: &HttpListener) -> Value {
    let hosts: Vec<Value> = listener
        .routes
        .virtual_hosts()
        .map(|host| {
            let routes: Vec<Value> = host
                .rules()
                .map(|(conditions, route)| json!({ "name": &*route.name, "match": format!("{conditions:?}"), "action": action(route) }))
                .collect();
            json!({
                "name": host.name(),
                "domains": host.domains().iter().map(ToString::to_string).collect::<Vec<_>>(),
                "require_tls": host.tls_required(),
                "routes": routes,
            })
        })
        .collect();
    json!({
        "name": listener.name,
        "address": listener.key.to_string(),
        "role": match listener.role {
            Role::Gateway => "gateway",
            Role::Sidecar => "sidecar outbound",
        },
        "path_normalization": format!("{:?}", listener.path_normalization),
        "virtual_hosts": hosts,
    })
}

fn action(route: &Route) -> Value {
    match &route.action {
        RouteAction::Redirect(redirect, _) => json!({ "redirect": redirect.status() }),
        RouteAction::Direct(direct, _) => json!({ "direct_response": direct.status() }),
        RouteAction::Forward(forward) => {
            let clusters: Vec<Value> = forward
                .destinations
                .targets()
                .map(|to| json!({ "name": &*to.cluster_name, "exists": to.cluster.is_some() }))
                .collect();
            json!({ "clusters": clusters, "fault": route.fault.is_some(), "retries": forward.retries.policy.attempts() })
        }
    }
}

fn cluster(cluster: &Cluster) -> Value {
    let endpoints: Vec<Value> = cluster
        .endpoints
        .iter()
        .map(|endpoint| {
            json!({
                "address": endpoint.address.to_string(),
                "weight": endpoint.weight,
                "locality": endpoint.locality,
                "workload": endpoint.workload.name,
                "version": endpoint.workload.version,
            })
        })
        .collect();
    json!({
        "name": &*cluster.name,
        "service": cluster.service.host,
        "load_balancer": format!("{:?}", cluster.load_balancer),
        "connect_timeout_ms": u64::try_from(cluster.connect_timeout.as_millis()).unwrap_or(u64::MAX),
        "max_requests_per_connection": cluster.max_requests_per_connection,
        "endpoints": endpoints,
    })
}

/// A counter's name, and where it is read.
type EndpointCounter = (&'static str, fn(&EndpointCells) -> u64);

/// One row of counters by endpoint.
type EndpointRows = Vec<(String, [u64; COUNTERS.len()])>;

/// Envoy's names for what is counted by endpoint.
const COUNTERS: [EndpointCounter; 8] = [
    ("cx_active", |cells| cells.cx_active.get()),
    ("cx_connect_fail", |cells| cells.cx_connect_fail.get()),
    ("cx_total", |cells| cells.cx_total.get()),
    ("rq_active", |cells| cells.rq_active.get()),
    ("rq_error", |cells| cells.rq_error.get()),
    ("rq_success", |cells| cells.rq_success.get()),
    ("rq_timeout", |cells| cells.rq_timeout.get()),
    ("rq_total", |cells| cells.rq_total.get()),
];

/// Counters by cluster and endpoint, of the endpoints in force.
fn endpoints(admin: &Admin) -> Vec<(String, EndpointRows)> {
    let mut sums: BTreeMap<(String, String), [u64; COUNTERS.len()]> = BTreeMap::new();
    for (key, cells) in admin.shared.endpoints().all() {
        let row = sums.entry((key.cluster.to_string(), key.address.to_string())).or_default();
        for (sum, (_, read)) in row.iter_mut().zip(COUNTERS) {
            *sum += read(&cells);
        }
    }
    let published = admin.shared.live().current().load_full();
    let clusters = published.snapshot.clusters().iter();
    clusters
        .map(|cluster| {
            let endpoints = cluster.endpoints.iter().map(|endpoint| {
                let key = (cluster.name.to_string(), endpoint.address.to_string());
                let row = sums.get(&key).copied().unwrap_or_default();
                (key.1, row)
            });
            (cluster.name.to_string(), endpoints.collect())
        })
        .collect()
}

/// Envoy's text form: `cluster::endpoint::what::value`.
pub(super) fn clusters_text(admin: &Admin) -> String {
    let mut out = String::new();
    for (cluster, endpoints) in endpoints(admin) {
        let _ = writeln!(out, "{cluster}::endpoints::{}", endpoints.len());
        for (endpoint, row) in endpoints {
            for (value, (name, _)) in row.iter().zip(COUNTERS) {
                let _ = writeln!(out, "{cluster}::{endpoint}::{name}::{value}");
            }
            let _ = writeln!(out, "{cluster}::{endpoint}::health_flags::healthy");
        }
    }
    out
}

pub(super) fn clusters(admin: &Admin) -> String {
    let clusters: Vec<Value> = endpoints(admin)
        .into_iter()
        .map(|(name, endpoints)| {
            let endpoints: Vec<Value> = endpoints
                .into_iter()
                .map(|(address, row)| {
                    let stats: serde_json::Map<String, Value> = COUNTERS
                        .iter()
                        .zip(row)
                        .map(|((name, _), value)| ((*name).to_owned(), value.into()))
                        .collect();
                    json!({ "address": address, "stats": stats })
                })
                .collect();
            json!({ "name": name, "host_statuses": endpoints })
        })
        .collect();
    pretty(&json!({ "cluster_statuses": clusters }))
}

pub(super) fn listeners_text(admin: &Admin) -> String {
    let published = admin.shared.live().current().load_full();
    let mut out = String::new();
    for listener in published.snapshot.listeners() {
        let _ = writeln!(out, "{}::{}", listener.name, listener.key);
    }
    out
}
