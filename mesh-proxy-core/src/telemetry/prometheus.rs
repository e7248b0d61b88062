//! The text exposition of what the workers counted (`PROXY-MET-01`, 7.1).

use std::fmt::Write as _;

use super::labels::Labels;
use super::metrics::{Registry, SeriesTotal};
use super::{BUCKETS, HistogramTotal, RequestProtocol, SeriesKey, TargetInterner};

/// Appends Istio's standard metrics. Series come in a stable order, so that two scrapes can be compared.
pub(crate) fn write_standard_metrics(registry: &Registry, interner: &TargetInterner, out: &mut String) {
    let (totals, overflowed) = registry.totals();
    let labels = interner.all();
    let mut series: Vec<(String, SeriesTotal)> = totals
        .into_iter()
        .filter_map(|(key, total)| Some((label_text(&key, labels.get(key.target as usize)?), total)))
        .collect();
    series.sort_by(|(a, _), (b, _)| a.cmp(b));

    out.push_str("# TYPE istio_requests_total counter\n");
    for (labels, total) in &series {
        let _ = writeln!(out, "istio_requests_total{{{labels}}} {}", total.requests);
    }
    type Pick = fn(&SeriesTotal) -> &HistogramTotal;
    let histograms: [(&str, Pick); 3] = [
        ("istio_request_duration_milliseconds", |total| &total.duration),
        ("istio_request_bytes", |total| &total.request_bytes),
        ("istio_response_bytes", |total| &total.response_bytes),
    ];
    for (name, pick) in histograms {
        let _ = writeln!(out, "# TYPE {name} histogram");
        for (labels, total) in &series {
            write_histogram(name, labels, pick(total), out);
        }
    }
    let _ = writeln!(out, "# TYPE mesh_metrics_series_folded_total counter");
    let _ = writeln!(out, "mesh_metrics_series_folded_total {overflowed}");
    let _ = writeln!(out, "# TYPE istio_build gauge");
    let _ = writeln!(out, "istio_build{{component=\"proxy\",tag=\"{}\"}} 1", env!("CARGO_PKG_VERSION"));
}

fn write_histogram(name: &str, labels: &str, total: &HistogramTotal, out: &mut String) {
    let mut cumulative = 0;
    for (count, bound) in total.buckets.iter().zip(BUCKETS.iter().map(Some).chain([None])) {
        cumulative += count;
        let _ = match bound {
            Some(bound) => writeln!(out, "{name}_bucket{{{labels},le=\"{bound}\"}} {cumulative}"),
            None => writeln!(out, "{name}_bucket{{{labels},le=\"+Inf\"}} {cumulative}"),
        };
    }
    let (whole, milli) = (total.sum_milli / 1_000, total.sum_milli % 1_000);
    let _ = writeln!(out, "{name}_sum{{{labels}}} {whole}.{milli:03}");
    let _ = writeln!(out, "{name}_count{{{labels}}} {cumulative}");
}

/// The labels in Istio's order (`PROXY-MET-01`); facts that are not known are `unknown` (`PROXY-MET-02`).
fn label_text(key: &SeriesKey, labels: &Labels) -> String {
    let mut out = String::with_capacity(800);
    let known = |value: &str| if value.is_empty() { "unknown".to_owned() } else { value.to_owned() };
    let or_latest = |value: &str| if value.is_empty() { "latest".to_owned() } else { value.to_owned() };
    let (source, destination, service) = (&labels.source, &labels.destination, &labels.service);
    let service_name = |value: &str| if labels.other { "other".to_owned() } else { known(value) };
    let pairs: [(&str, String); 25] = [
        // Gateways and sidecar outbound listeners report as the source; there is no inbound listener yet.
        ("reporter", "source".to_owned()),
        ("source_workload", known(&source.name)),
        ("source_canonical_service", known(&source.canonical_service)),
        ("source_canonical_revision", or_latest(&source.canonical_revision)),
        ("source_workload_namespace", known(&source.namespace)),
        ("source_principal", "unknown".to_owned()),
        ("source_app", known(&source.app)),
        ("source_version", known(&source.version)),
        ("source_cluster", "unknown".to_owned()),
        ("destination_workload", known(&destination.name)),
        ("destination_workload_namespace", known(&destination.namespace)),
        ("destination_principal", "unknown".to_owned()),
        ("destination_app", known(&destination.app)),
        ("destination_version", known(&destination.version)),
        ("destination_service", service_name(&service.host)),
        ("destination_canonical_service", known(&destination.canonical_service)),
        ("destination_canonical_revision", or_latest(&destination.canonical_revision)),
        ("destination_service_name", service_name(&service.name)),
        ("destination_service_namespace", known(&service.namespace)),
        ("destination_cluster", "unknown".to_owned()),
        (
            "request_protocol",
            match key.protocol {
                RequestProtocol::Http => "http".to_owned(),
                RequestProtocol::Grpc => "grpc".to_owned(),
            },
        ),
        ("response_code", key.code.to_string()),
        ("grpc_response_status", key.grpc_status.map(|status| status.to_string()).unwrap_or_default()),
        ("response_flags", key.flags.to_string()),
        ("connection_security_policy", "unknown".to_owned()),
    ];
    for (at, (name, value)) in pairs.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        out.push_str(name);
        out.push_str("=\"");
        escape(value, &mut out);
        out.push('"');
    }
    out
}

/// Escapes a label value as the exposition format asks.
pub(crate) fn escape(value: &str, out: &mut String) {
    for c in value.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::ResponseFlags;

    /// PROXY-MET-01, PROXY-MET-02
    #[test]
    fn series_are_written_in_istios_words() {
        let registry = Registry::default();
        let interner = TargetInterner::default();
        let mut worker = registry.worker();
        let key = SeriesKey {
            target: 0,
            code: 404,
            flags: ResponseFlags::NO_ROUTE_FOUND,
            protocol: RequestProtocol::Http,
            grpc_status: None,
        };
        let series = worker.get(key);
        series.requests.add(2);
        series.duration.record_milli(1_500);
        let mut out = String::new();
        write_standard_metrics(&registry, &interner, &mut out);
        let line = out.lines().find(|line| line.starts_with("istio_requests_total{")).expect("a counter");
        assert!(
            line.starts_with("istio_requests_total{reporter=\"source\",source_workload=\"unknown\","),
            "{line}"
        );
        assert!(line.contains("source_canonical_revision=\"latest\""), "{line}");
        assert!(line.contains("destination_service=\"other\""), "{line}");
        assert!(
            line.ends_with(
                "request_protocol=\"http\",response_code=\"404\",grpc_response_status=\"\",response_flags=\"NR\",\
                 connection_security_policy=\"unknown\"} 2"
            ),
            "{line}"
        );
        assert!(out.contains("le=\"1\"} 0\n"), "{out}");
        assert!(out.contains("le=\"5\"} 1\n"), "{out}");
        assert!(out.contains("istio_request_duration_milliseconds_sum"), "{out}");
        assert!(out.lines().any(|line| line.ends_with(" 1.500")), "{out}");
    }
}
