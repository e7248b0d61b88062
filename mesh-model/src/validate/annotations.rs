//! Istio's annotations on Kubernetes objects (MODEL-K8S-4, MODEL-ANA-29).

use super::config_map::embedded;
use super::mesh_config::proxy_config;
use super::names::{is_dns_label, is_subnet};
use super::report::{At, Report, show};
use crate::common::StringMap;
use crate::diagnostic::Severity;
use crate::kind::Kind;
use crate::load;

const CODE: &str = "MODEL-K8S-4";

/// What an annotation may hold.
#[derive(Clone, Copy)]
enum Form {
    /// Anything.
    Free,
    /// A boolean.
    Bool,
    /// A boolean as Go reads it.
    GoBool,
    /// A whole number, not negative.
    Number,
    /// A port, 0..65535.
    Port,
    /// Ports, 0..65535; `true` when `*` stands for all.
    Ports(bool),
    /// Ranges of addresses, with a prefix each and no blanks; `true` when `*` stands for all.
    Ranges(bool),
    /// `exportTo`.
    ExportTo,
    /// One of these, in any case.
    OneOf(&'static [&'static str]),
    /// One of these, as they are written.
    Exactly(&'static [&'static str]),
    /// Settings of the proxy in YAML.
    ProxyConfig,
}

impl Form {
    /// What to write.
    fn example(self) -> String {
        match self {
            Self::Free | Self::ProxyConfig => String::new(),
            Self::Bool | Self::GoBool => "write \"true\" or \"false\"".to_owned(),
            Self::Number => "write a number such as \"10\"".to_owned(),
            Self::Port => "write a port such as \"15021\"".to_owned(),
            Self::Ports(_) => "write numbers such as \"80,443\"".to_owned(),
            Self::Ranges(_) => "write ranges such as \"10.0.0.0/8,192.0.2.1/32\"".to_owned(),
            Self::ExportTo => "write names such as \".,shop\"".to_owned(),
            Self::OneOf(names) | Self::Exactly(names) => format!("write {}", names.join(" or ")),
        }
    }
}

/// An annotation, the kinds it belongs to (none is any), what it may hold, and what to write instead if it is
/// deprecated.
struct Known {
    name: &'static str,
    kinds: &'static [Kind],
    form: Form,
    deprecated: Option<&'static str>,
}

const fn known(name: &'static str, kinds: &'static [Kind], form: Form) -> Known {
    Known { name, kinds, form, deprecated: None }
}

const fn deprecated(name: &'static str, kinds: &'static [Kind], form: Form, instead: &'static str) -> Known {
    Known { name, kinds, form, deprecated: Some(instead) }
}

const ANY: &[Kind] = &[];
const POD: &[Kind] = &[Kind::Pod];
const SERVICE: &[Kind] = &[Kind::Service];
const NAMESPACE: &[Kind] = &[Kind::Namespace];
const GATEWAY: &[Kind] = &[Kind::Gateway];
const WORKLOAD_ENTRY: &[Kind] = &[Kind::WorkloadEntry];
const MODES: &[&str] = &["REDIRECT", "TPROXY", "NONE"];
const DISTRIBUTIONS: &[&str] = &["PreferClose", "PreferSameZone", "PreferSameNode"];
/// The one that has become a label of the same name.
const INJECT: &str = "sidecar.istio.io/inject";
const STATS: &str = "write proxyStatsMatcher in proxy.istio.io/config";

static TABLE: [Known; 72] = [
    deprecated("alpha.istio.io/canonical-serviceaccounts", SERVICE, Form::Free, "remove it"),
    deprecated("alpha.istio.io/kubernetes-serviceaccounts", SERVICE, Form::Free, "remove it"),
    known("ambient.istio.io/bypass-inbound-capture", POD, Form::Bool),
    known("ambient.istio.io/dns-capture", POD, Form::Bool),
    known("ambient.istio.io/redirection", POD, Form::Free),
    known("ambient.istio.io/waypoint-inbound-binding", GATEWAY, Form::Free),
    known("galley.istio.io/analyze-suppress", ANY, Form::Free),
    known("gateway.istio.io/controller-version", ANY, Form::Free),
    known("gateway.istio.io/name-override", GATEWAY, Form::Free),
    known("gateway.istio.io/service-account", GATEWAY, Form::Free),
    known("inject.istio.io/templates", POD, Form::Free),
    known("install.operator.istio.io/chart-owner", ANY, Form::Free),
    known("install.operator.istio.io/owner-generation", ANY, Form::Free),
    known("install.operator.istio.io/version", ANY, Form::Free),
    known("istio.io/autoRegistrationGroup", WORKLOAD_ENTRY, Form::Free),
    known("istio.io/connectedAt", WORKLOAD_ENTRY, Form::Free),
    known("istio.io/disconnectedAt", WORKLOAD_ENTRY, Form::Free),
    known("istio.io/dry-run", &[Kind::AuthorizationPolicy], Form::Bool),
    known("istio.io/reroute-virtual-interfaces", POD, Form::Free),
    known("istio.io/rev", ANY, Form::Free),
    known("istio.io/use-waypoint-canary-weight", &[Kind::Namespace, Kind::Service], Form::Number),
    known("istio.io/workloadController", WORKLOAD_ENTRY, Form::Free),
    known("networking.istio.io/address-type", GATEWAY, Form::Free),
    known("networking.istio.io/exportTo", SERVICE, Form::ExportTo),
    known("networking.istio.io/service-type", GATEWAY, Form::Free),
    known(
        "networking.istio.io/traffic-distribution",
        &[Kind::Service, Kind::ServiceEntry, Kind::Namespace],
        Form::OneOf(DISTRIBUTIONS),
    ),
    known("prometheus.istio.io/merge-metrics", POD, Form::GoBool),
    known("proxy.istio.io/config", POD, Form::ProxyConfig),
    known("proxy.istio.io/overrides", POD, Form::Free),
    known("readiness.status.sidecar.istio.io/applicationPorts", POD, Form::Ports(false)),
    known("readiness.status.sidecar.istio.io/failureThreshold", POD, Form::Number),
    known("readiness.status.sidecar.istio.io/initialDelaySeconds", POD, Form::Number),
    known("readiness.status.sidecar.istio.io/periodSeconds", POD, Form::Number),
    known("sidecar.istio.io/agentLogLevel", POD, Form::Free),
    known("sidecar.istio.io/bootstrapOverride", POD, Form::Free),
    known("sidecar.istio.io/componentLogLevel", POD, Form::Free),
    deprecated(
        "sidecar.istio.io/controlPlaneAuthPolicy",
        POD,
        Form::OneOf(&["NONE", "MUTUAL_TLS"]),
        "write controlPlaneAuthPolicy in proxy.istio.io/config",
    ),
    deprecated(
        "sidecar.istio.io/discoveryAddress",
        POD,
        Form::Free,
        "write discoveryAddress in proxy.istio.io/config",
    ),
    known("sidecar.istio.io/enableCoreDump", POD, Form::Bool),
    deprecated("sidecar.istio.io/extraStatTags", POD, Form::Free, "write tagOverrides in a Telemetry"),
    deprecated(INJECT, POD, Form::Bool, "write it as a label"),
    known("sidecar.istio.io/interceptionMode", POD, Form::Exactly(MODES)),
    known("sidecar.istio.io/logLevel", POD, Form::Free),
    known("sidecar.istio.io/nativeSidecar", POD, Form::Bool),
    known("sidecar.istio.io/proxyCPU", POD, Form::Free),
    known("sidecar.istio.io/proxyCPULimit", POD, Form::Free),
    known("sidecar.istio.io/proxyImage", POD, Form::Free),
    known("sidecar.istio.io/proxyImageType", POD, Form::Free),
    known("sidecar.istio.io/proxyMemory", POD, Form::Free),
    known("sidecar.istio.io/proxyMemoryLimit", POD, Form::Free),
    known("sidecar.istio.io/rewriteAppHTTPProbers", POD, Form::Bool),
    deprecated(
        "sidecar.istio.io/statsCompression",
        POD,
        Form::Bool,
        "write statsCompression in proxy.istio.io/config",
    ),
    known("sidecar.istio.io/statsEvictionInterval", POD, Form::Free),
    known("sidecar.istio.io/statsFlushInterval", POD, Form::Free),
    known("sidecar.istio.io/statsHistogramBuckets", POD, Form::Free),
    deprecated("sidecar.istio.io/statsInclusionPrefixes", POD, Form::Free, STATS),
    deprecated("sidecar.istio.io/statsInclusionRegexps", POD, Form::Free, STATS),
    deprecated("sidecar.istio.io/statsInclusionSuffixes", POD, Form::Free, STATS),
    known("sidecar.istio.io/status", ANY, Form::Free),
    known("sidecar.istio.io/userVolume", POD, Form::Free),
    known("sidecar.istio.io/userVolumeMount", POD, Form::Free),
    known("status.sidecar.istio.io/port", POD, Form::Port),
    known("topology.istio.io/controlPlaneClusters", NAMESPACE, Form::Free),
    known("traffic.istio.io/nodeSelector", SERVICE, Form::Free),
    known("traffic.sidecar.istio.io/excludeInboundPorts", POD, Form::Ports(false)),
    known("traffic.sidecar.istio.io/excludeInterfaces", POD, Form::Free),
    known("traffic.sidecar.istio.io/excludeOutboundIPRanges", POD, Form::Ranges(false)),
    known("traffic.sidecar.istio.io/excludeOutboundPorts", POD, Form::Ports(false)),
    known("traffic.sidecar.istio.io/includeInboundPorts", POD, Form::Ports(true)),
    known("traffic.sidecar.istio.io/includeOutboundIPRanges", POD, Form::Ranges(true)),
    known("traffic.sidecar.istio.io/includeOutboundPorts", POD, Form::Ports(true)),
    deprecated(
        "traffic.sidecar.istio.io/kubevirtInterfaces",
        POD,
        Form::Free,
        "write istio.io/reroute-virtual-interfaces",
    ),
];

/// The annotations at `at` of an object of `kind`, or of the pods it makes, with the labels beside them.
pub(super) fn check(
    report: &mut Report<'_>,
    at: &At<'_>,
    kind: &Kind,
    annotations: &StringMap,
    labels: &StringMap,
) {
    for (name, value) in annotations {
        let at = at.key(name);
        if name == "kubernetes.io/ingress.class" {
            ingress(report, &at, kind);
            continue;
        }
        let group = name.split('/').next().unwrap_or("");
        let istio = group == "istio.io" || group.ends_with(".istio.io");
        if !istio || group == "internal.istio.io" {
            continue;
        }
        let Some(known) = TABLE.iter().find(|known| known.name == name) else {
            unknown(report, &at, name);
            continue;
        };
        // Who has written the label too keeps the annotation for an Istio that does not know the label.
        let both = known.name == INJECT && labels.contains_key(INJECT);
        if let Some(instead) = known.deprecated.filter(|_| !both) {
            report
                .info(CODE, &at, format!("the annotation `{name}` is deprecated (IST0135)"))
                .help(instead_on(kind, known, instead))
                .at_key();
        }
        if !known.kinds.is_empty() && !known.kinds.contains(kind) {
            misplaced(report, &at, known, kind);
            continue;
        }
        if matches!(known.form, Form::ProxyConfig) {
            proxy(report, &at, value);
        } else if let Some(expected) = fault(known.form, value) {
            report
                .warning(CODE, &at, format!("`{}` is not {expected} (IST0125)", show(value)))
                .help(known.form.example());
        }
    }
}

fn makes_pods(kind: &Kind) -> bool {
    matches!(kind, Kind::Deployment | Kind::StatefulSet | Kind::DaemonSet)
}

/// What to do about a deprecated annotation of `kind`, so that nothing is left to say.
fn instead_on(kind: &Kind, known: &Known, instead: &'static str) -> String {
    let label = known.name == INJECT;
    match kind {
        Kind::Pod => instead.to_owned(),
        kind if label && makes_pods(kind) => {
            "write it as a label in spec.template.metadata.labels".to_owned()
        }
        _ if label => "write it as a label of the pods".to_owned(),
        _ if !instead.contains("istio.io/") => instead.to_owned(),
        kind if makes_pods(kind) => format!("{instead} under spec.template.metadata.annotations"),
        _ => format!("{instead} on the pods"),
    }
}

/// The class of an Ingress, on something else.
fn ingress(report: &mut Report<'_>, at: &At<'_>, kind: &Kind) {
    if makes_pods(kind) || matches!(kind, Kind::Namespace | Kind::Service | Kind::Pod) {
        let name = "kubernetes.io/ingress.class";
        report
            .warning(CODE, at, format!("the annotation `{name}` has no effect on a {kind} (IST0107)"))
            .help("it belongs on an Ingress")
            .at_key();
    }
}

/// Settings of one pod's proxy. The pod is a pod whatever they say, so nothing in them is an error.
fn proxy(report: &mut Report<'_>, at: &At<'_>, text: &str) {
    let mut inside = Report::new(report.object, report.settings);
    embedded(&mut inside, &At::OBJECT, &load::embedded_proxy_config(text), proxy_config);
    for mut finding in inside.finish() {
        finding.diagnostic.severity = finding.diagnostic.severity.min(Severity::Warning);
        report.adopt(at, finding);
    }
}

fn unknown(report: &mut Report<'_>, at: &At<'_>, name: &str) {
    let added = report
        .warning(CODE, at, format!("the annotation `{}` is not known to Istio (IST0108)", show(name)))
        .at_key();
    let near = TABLE.iter().find(|known| known.name.eq_ignore_ascii_case(name)).or_else(|| {
        // The group is often forgotten or another one.
        let (_, bare) = name.split_once('/')?;
        TABLE.iter().find(|known| known.name.split_once('/').is_some_and(|(_, other)| other == bare))
    });
    if let Some(near) = near {
        added.help(format!("did you mean `{}`", near.name));
    } else {
        added.help("it has no effect, remove it");
    }
}

fn misplaced(report: &mut Report<'_>, at: &At<'_>, known: &Known, kind: &Kind) {
    let kinds: Vec<&str> = known.kinds.iter().map(Kind::as_str).collect();
    let added = report
        .warning(CODE, at, format!("the annotation `{}` has no effect on a {kind} (IST0107)", known.name))
        .at_key();
    if let Some(instead) = known.deprecated {
        added.help(instead_on(kind, known, instead));
    } else if makes_pods(kind) && known.kinds == POD {
        added.help("move it to spec.template.metadata.annotations");
    } else {
        added.help(format!("it belongs on a {}", kinds.join(" or a ")));
    }
}

/// What was expected, unless `value` is that.
fn fault(form: Form, value: &str) -> Option<String> {
    let items = || value.split(',').map(str::trim);
    let good = match form {
        Form::Free | Form::ProxyConfig => true,
        Form::Bool => {
            let lower = value.to_ascii_lowercase();
            matches!(lower.as_str(), "true" | "false" | "yes" | "no" | "y" | "n" | "on" | "off" | "1" | "0")
        }
        Form::GoBool => matches!(
            value,
            "1" | "t" | "T" | "true" | "TRUE" | "True" | "0" | "f" | "F" | "false" | "FALSE" | "False"
        ),
        Form::Number => value.parse::<u32>().is_ok(),
        Form::Port => value.trim().parse::<u16>().is_ok(),
        Form::Ports(all) => {
            value.is_empty() || (all && value == "*") || items().all(|port| port.parse::<u16>().is_ok())
        }
        Form::Ranges(all) => {
            let range = |item: &str| item.contains('/') && is_subnet(item);
            value.is_empty() || (all && value == "*") || value.split(',').all(range)
        }
        Form::ExportTo => {
            items().all(|namespace| matches!(namespace, "." | "*" | "~" | "") || is_dns_label(namespace))
        }
        Form::OneOf(names) => names.iter().any(|name| name.eq_ignore_ascii_case(value)),
        Form::Exactly(names) => names.contains(&value),
    };
    if good {
        return None;
    }
    Some(match form {
        Form::Free | Form::ProxyConfig => return None,
        Form::Bool | Form::GoBool => "a boolean, \"true\" or \"false\"".to_owned(),
        Form::Number => "a whole number from 0".to_owned(),
        Form::Port => "a port, 0..65535".to_owned(),
        Form::Ports(true) => "a comma list of ports, or `*`".to_owned(),
        Form::Ports(false) => "a comma list of ports".to_owned(),
        Form::Ranges(true) => "a comma list of address ranges without blanks, or `*`".to_owned(),
        Form::Ranges(false) => "a comma list of address ranges without blanks".to_owned(),
        Form::ExportTo => "a comma list of namespaces, `.`, `*` or `~`".to_owned(),
        Form::OneOf(names) | Form::Exactly(names) => format!("one of {}", names.join(", ")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_without_doubles() {
        assert!(TABLE.is_sorted_by(|a, b| a.name < b.name));
    }

    #[test]
    fn values() {
        for (form, good, bad) in [
            (Form::Bool, &["true", "False", "y"][..], &["", "maybe"][..]),
            (Form::GoBool, &["true", "T", "0"], &["", "yes", "tRUE"]),
            (Form::Port, &["0", "65535", " 80"], &["", "65536", "-1", "http"]),
            (Form::Number, &["0", "15020"], &["", "-1", "a"]),
            (Form::Ports(true), &["", "*", "80", "80, 443"], &["70000", "80,*", "80,,81", "http"]),
            (Form::Ports(false), &["", "0"], &["*"]),
            (
                Form::Ranges(true),
                &["*", "10.0.0.0/8,10.1.1.1/32", "fd00::/8"],
                &["10.0.0.0/40", "all", "10.1.1.1", "10.0.0.0/8, 10.1.1.1/32", "*,10.0.0.0/8"],
            ),
            (Form::Ranges(false), &[""], &["*"]),
            (Form::ExportTo, &["*", ".", "a, b", "~"], &["a_b"]),
            (Form::OneOf(DISTRIBUTIONS), &["PreferClose", "prefersamezone"], &["", "PreferFar"]),
            (Form::Exactly(MODES), &["TPROXY", "NONE"], &["", "TPROXI", "redirect"]),
        ] {
            for value in good {
                assert_eq!(fault(form, value), None, "{value}");
            }
            for value in bad {
                assert!(fault(form, value).is_some(), "{value}");
            }
        }
    }
}
