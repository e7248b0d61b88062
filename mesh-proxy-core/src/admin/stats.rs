//! `/stats` and `/stats/prometheus`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::Ordering;

use super::{Admin, Phase};
use crate::telemetry::prometheus::{escape, write_standard_metrics};
use crate::upstream::EndpointCells;

/// Counters that exist once in the process.
fn server(admin: &Admin) -> Vec<(&'static str, &'static str, u64)> {
    let shared = &admin.shared;
    let state = match admin.phase() {
        Phase::Live => 0,
        Phase::Draining => 1,
        Phase::Initializing => 3,
    };
    vec![
        ("server.concurrency", "gauge", admin.concurrency as u64),
        ("server.live", "gauge", u64::from(admin.phase() == Phase::Live)),
        ("server.state", "gauge", state),
        ("server.uptime", "gauge", shared.started().elapsed().as_secs()),
        ("server.config_generation", "gauge", shared.live().current().load().generation),
        ("server.total_connections", "gauge", shared.sum(|c| c.downstream_cx_active.get())),
        ("access_log.lines_dropped", "counter", admin.log_lines_dropped.load(Ordering::Relaxed)),
        ("listener.accept_error", "counter", shared.sum(|c| c.accept_error.get())),
        ("http.downstream_cx_total", "counter", shared.sum(|c| c.downstream_cx_total.get())),
        ("http.downstream_cx_active", "gauge", shared.sum(|c| c.downstream_cx_active.get())),
        ("http.downstream_cx_idle_timeout", "counter", shared.sum(|c| c.downstream_cx_idle_timeout.get())),
        (
            "http.downstream_cx_protocol_error",
            "counter",
            shared.sum(|c| c.downstream_cx_protocol_error.get()),
        ),
        ("http.downstream_rq_total", "counter", shared.sum(|c| c.downstream_rq_total.get())),
        ("http.downstream_rq_active", "gauge", shared.sum(|c| c.downstream_rq_active.get())),
        (
            "http.downstream_rq_header_timeout",
            "counter",
            shared.sum(|c| c.downstream_rq_header_timeout.get()),
        ),
    ]
}

/// One counter of a cluster: Envoy's name, its Prometheus type, where it is read.
type ClusterCounter = (&'static str, &'static str, fn(&EndpointCells) -> u64);

/// Those of `PROXY-STAT-01` that this proxy keeps so far.
const CLUSTER: [ClusterCounter; 8] = [
    ("upstream_cx_total", "counter", |cells| cells.cx_total.get()),
    ("upstream_cx_active", "gauge", |cells| cells.cx_active.get()),
    ("upstream_cx_connect_fail", "counter", |cells| cells.cx_connect_fail.get()),
    ("upstream_rq_total", "counter", |cells| cells.rq_total.get()),
    ("upstream_rq_active", "gauge", |cells| cells.rq_active.get()),
    ("upstream_rq_completed_success", "counter", |cells| cells.rq_success.get()),
    ("upstream_rq_completed_error", "counter", |cells| cells.rq_error.get()),
    ("upstream_rq_timeout", "counter", |cells| cells.rq_timeout.get()),
];

/// Sums by cluster, in the order of names.
fn clusters(admin: &Admin) -> BTreeMap<String, [u64; CLUSTER.len()]> {
    let mut sums: BTreeMap<String, [u64; CLUSTER.len()]> = BTreeMap::new();
    for (key, cells) in admin.shared.endpoints().all() {
        let row = sums.entry(key.cluster.to_string()).or_default();
        for (sum, (_, _, read)) in row.iter_mut().zip(CLUSTER) {
            *sum += read(&cells);
        }
    }
    sums
}

/// `name: value`, one a line, sorted, those whose name contains `filter`.
pub(super) fn text(admin: &Admin, filter: &str) -> String {
    let mut lines: Vec<String> =
        server(admin).into_iter().map(|(name, _, value)| format!("{name}: {value}\n")).collect();
    for (cluster, row) in clusters(admin) {
        for (value, (name, _, _)) in row.iter().zip(CLUSTER) {
            lines.push(format!("cluster.{cluster}.{name}: {value}\n"));
        }
    }
    lines.retain(|line| line.contains(filter));
    lines.sort();
    lines.concat()
}

/// Istio's standard metrics, then Envoy's names for the rest (`PROXY-STAT-01` to `-03`).
pub(super) fn prometheus(admin: &Admin) -> String {
    let mut out = String::with_capacity(64 * 1024);
    write_standard_metrics(admin.shared.metrics(), admin.shared.live().interner(), &mut out);
    for (name, kind, value) in server(admin) {
        let name = format!("envoy_{}", name.replace('.', "_"));
        let _ = writeln!(out, "# TYPE {name} {kind}\n{name} {value}");
    }
    let clusters = clusters(admin);
    for (at, (name, kind, _)) in CLUSTER.iter().enumerate() {
        let _ = writeln!(out, "# TYPE envoy_cluster_{name} {kind}");
        for (cluster, row) in &clusters {
            let mut label = String::new();
            escape(cluster, &mut label);
            let value = row.get(at).copied().unwrap_or_default();
            let _ = writeln!(out, "envoy_cluster_{name}{{cluster_name=\"{label}\"}} {value}");
        }
    }
    out
}
