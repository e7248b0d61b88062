//! Selectors of Sidecars, Telemetries and ProxyConfigs: what they select, and who selects it too (MODEL-ANA-21,
//! MODEL-ANA-23, MODEL-PC-2); selectors on pods of the Gateway API (MODEL-ANA-35).

use super::attach;
use super::claims::{Claim, Claims, Fate};
use super::index::Index;
use super::workloads::{self, GATEWAY_NAME, Workloads};
use crate::common::StringMap;
use crate::kind::Kind;
use crate::object::Object;
use crate::validate::report::{At, Report, show};
use std::collections::{BTreeMap, HashMap};

/// How one kind is told of what its selector does.
struct Form {
    code: &'static str,
    /// Where its selector is.
    field: &'static str,
    labels: &'static str,
    /// Istio's codes, in brackets, for a selector that selects nothing, and for a workload that has one already.
    idle: Option<&'static str>,
    second: &'static str,
}

const SIDECAR: Form = Form {
    code: "MODEL-ANA-21",
    field: "workloadSelector",
    labels: "labels",
    idle: Some(" (IST0101)"),
    second: " (IST0110)",
};
const TELEMETRY: Form = Form {
    code: "MODEL-ANA-23",
    field: "selector",
    labels: "matchLabels",
    idle: Some(" (IST0101)"),
    second: " (IST0159)",
};
const PROXY_CONFIG: Form =
    Form { code: "MODEL-PC-2", field: "selector", labels: "matchLabels", idle: None, second: "" };

fn form(kind: &Kind) -> Option<&'static Form> {
    match kind {
        Kind::Sidecar => Some(&SIDECAR),
        Kind::Telemetry => Some(&TELEMETRY),
        Kind::ProxyConfig => Some(&PROXY_CONFIG),
        _ => None,
    }
}

pub(super) struct Selectors<'o> {
    index: &'o Index<'o>,
    claims: HashMap<Kind, Claims>,
    /// ProxyConfigs without selector in a namespace that has an older one.
    seconds: BTreeMap<usize, usize>,
}

impl<'o> Selectors<'o> {
    pub(super) fn new(index: &'o Index<'o>) -> Self {
        let mut claims: HashMap<Kind, Vec<Claim<'o>>> = HashMap::new();
        let mut defaults: HashMap<&str, usize> = HashMap::new();
        let mut seconds = BTreeMap::new();
        for (at, object) in index.oldest_first() {
            if form(&object.kind).is_none() || !object.is_usable() {
                continue;
            }
            let namespace = object.metadata.namespace.as_str();
            if let Some(selector) = attach::selector(object) {
                claims.entry(object.kind.clone()).or_default().push(Claim { at, namespace, selector });
            } else if object.kind == Kind::ProxyConfig && !attach::has_selector(object) {
                let first = *defaults.entry(namespace).or_insert(at);
                if first != at {
                    seconds.insert(at, first);
                }
            }
        }
        let workloads = &index.workloads;
        let claims =
            claims.into_iter().map(|(kind, list)| (kind, Claims::new(workloads, list.into_iter()))).collect();
        Self { index, claims, seconds }
    }

    fn name(&self, at: usize) -> String {
        self.index.objects.get(at).map(|object| object.reference().to_string()).unwrap_or_default()
    }

    pub(super) fn check(&self, report: &mut Report<'_>, at: usize) {
        let workloads = &self.index.workloads;
        let Some(form) = form(&report.object.kind) else { return };
        let spec = At::OBJECT.field("spec");
        if let Some(older) = self.seconds.get(&at) {
            let older = self.name(*older);
            report
                .warning(form.code, &spec, format!("{older} is for the whole namespace too, and older"))
                .help("only the older one is used; put both into one, or give this one a `selector`");
        }
        let kind = &report.object.kind;
        if *kind == Kind::Sidecar {
            self.ambient(report, at);
        }
        let Some(selector) = attach::selector(report.object).filter(|_| workloads.are_known()) else {
            return;
        };
        let at_selector = spec.field(form.field);
        match self.claims.get(kind).and_then(|claims| claims.fate(at)) {
            Some(Fate::Idle) => {
                let Some(code) = form.idle else { return };
                let namespace = report.namespace();
                report
                    .error(
                        form.code,
                        &at_selector.field(form.labels),
                        format!("no workload of the namespace `{}` is selected{code}", show(namespace)),
                    )
                    .help(workloads.hint(Some(namespace), selector));
            }
            Some(Fate::Second { older, workload }) => {
                let message = format!(
                    "{} is selected by {} too, which is older{}",
                    workloads.name(workload),
                    self.name(older),
                    form.second
                );
                // Istio has no word for two ProxyConfigs.
                let added = match kind {
                    Kind::ProxyConfig => report.warning(form.code, &at_selector, message),
                    _ => report.error(form.code, &at_selector, message),
                };
                added.help(format!(
                    "of two that select a workload only the older is used, make one {kind} of them"
                ));
            }
            None => {}
        }
    }

    /// A Sidecar for workloads that have none.
    fn ambient(&self, report: &mut Report<'_>, at: usize) {
        let workloads = &self.index.workloads;
        let spec = At::OBJECT.field("spec");
        let selected = self.claims.get(&Kind::Sidecar).and_then(|claims| claims.ambient(at));
        if let Some(workload) = selected {
            report
                .warning(
                    "MODEL-ANA-21",
                    &spec.field("workloadSelector"),
                    format!(
                        "{} is in the ambient mesh and has no sidecar to configure (IST0167)",
                        workloads.name(workload)
                    ),
                )
                .help("select workloads with sidecars");
        } else if attach::selector(report.object).is_none()
            && workloads.namespace(report.namespace()).is_some_and(workloads::is_ambient)
        {
            report
                .warning(
                    "MODEL-ANA-21",
                    &spec,
                    format!(
                        "the namespace `{}` is in the ambient mesh and has no sidecars to configure (IST0167)",
                        show(report.namespace())
                    ),
                )
                .help("remove the Sidecar, or label the namespace istio-injection: enabled");
        }
    }
}

/// Policies that reach a gateway of the Gateway API by labels (MODEL-ANA-35, MODEL-RES-31).
#[derive(Default)]
pub(super) struct GatewayPods<'o> {
    /// The Gateway whose pods a selector selects in a namespace: many may be the same.
    found: HashMap<(&'o str, &'o StringMap), Option<&'o str>>,
}

impl<'o> GatewayPods<'o> {
    /// `object` is the one that `report` is about.
    pub(super) fn check(&mut self, report: &mut Report<'_>, object: &'o Object, workloads: &Workloads<'o>) {
        const KINDS: [Kind; 4] =
            [Kind::AuthorizationPolicy, Kind::RequestAuthentication, Kind::Telemetry, Kind::WasmPlugin];
        let namespace = object.metadata.namespace.as_str();
        if !KINDS.contains(&object.kind)
            || !workloads.has_key(namespace, GATEWAY_NAME)
            || !attach::targets(object).is_empty()
        {
            return;
        }
        let Some(selector) = attach::selector(object) else { return };
        let find = || {
            let mut selected = workloads.select(Some(namespace), selector);
            selected.find_map(|(_, workload)| workload.label(GATEWAY_NAME))
        };
        let Some(gateway) = *self.found.entry((namespace, selector)).or_insert_with(find) else { return };
        let spec = At::OBJECT.field("spec");
        report
            .warning(
                "MODEL-ANA-35",
                &spec.field("selector"),
                format!(
                    "pods of the Gateway `{}` are selected by labels, which works for a gateway, but not for a waypoint (IST0166)",
                    show(gateway)
                ),
            )
            .help(format!(
                "write targetRefs: [{{group: gateway.networking.k8s.io, kind: Gateway, name: {}}}]",
                show(gateway)
            ));
    }
}
