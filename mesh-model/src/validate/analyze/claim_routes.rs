//! Routes by the claims of a token, where nobody reads tokens (MODEL-ANA-11).

use super::attach;
use super::gateway_pods::GatewayPods;
use super::index::Index;
use super::workloads::Workloads;
use crate::common::StringMap;
use crate::networking::VirtualService;
use crate::resolve::names::{GatewayReference, gateway_reference};
use crate::validate::report::{At, Report, show};
use crate::validate::strings::is_claim;
use std::collections::{HashMap, HashSet};

/// The workloads for which a RequestAuthentication applies.
pub(super) struct Authenticated<'o> {
    root: &'o str,
    /// Namespaces with one that has no selector.
    namespaces: HashSet<&'o str>,
    workloads: HashSet<usize>,
}

impl<'o> Authenticated<'o> {
    pub(super) fn new(index: &'o Index<'_>) -> Self {
        let (workloads, root) = (&index.workloads, index.root.as_str());
        let mut new = Self { root, namespaces: HashSet::new(), workloads: HashSet::new() };
        let mut seen: HashSet<(&str, &StringMap)> = HashSet::new();
        for object in index.objects.iter().filter(|object| object.as_request_authentication().is_some()) {
            let namespace = object.metadata.namespace.as_str();
            // What names its targets is for the Gateway API, which these routes are not for.
            if !attach::targets(object).is_empty() {
                continue;
            }
            match attach::selector(object) {
                None => {
                    new.namespaces.insert(namespace);
                }
                Some(selector) if seen.insert((namespace, selector)) => {
                    let scope = (namespace != root).then_some(namespace);
                    new.workloads.extend(workloads.select(scope, selector).map(|(at, _)| at));
                }
                Some(_) => {}
            }
        }
        new
    }

    fn includes(&self, workloads: &Workloads<'_>, at: usize) -> bool {
        self.namespaces.contains(self.root)
            || self.workloads.contains(&at)
            || workloads.get(at).is_some_and(|workload| self.namespaces.contains(workload.namespace()))
    }

    pub(super) fn check(
        &self,
        report: &mut Report<'_>,
        service: &VirtualService,
        index: &Index<'_>,
        pods: &GatewayPods<'_>,
    ) {
        let workloads = &index.workloads;
        // The pod of a gateway that reads no tokens.
        let mut known: HashMap<&str, Option<usize>> = HashMap::new();
        let spec = At::OBJECT.field("spec");
        let rules = spec.field("http");
        for (number, rule) in service.http.iter().enumerate() {
            let at_rule = rules.index(number);
            let at = at_rule.field("match");
            for (number, entry) in rule.matches.iter().enumerate() {
                let headers = entry.headers.keys().map(|key| ("headers", key));
                let without = entry.without_headers.keys().map(|key| ("withoutHeaders", key));
                let mut claims = headers.chain(without).filter(|(_, key)| is_claim(key)).peekable();
                if claims.peek().is_none() {
                    continue;
                }
                let gateways = if entry.gateways.is_empty() { &service.gateways } else { &entry.gateways };
                let open = gateways.iter().find_map(|text| {
                    let found = *known.entry(text).or_insert_with(|| {
                        let GatewayReference::Gateway { namespace, name } =
                            gateway_reference(text, report.namespace())
                        else {
                            return None;
                        };
                        let (_, gateway) = index.gateway(&namespace, &name)?;
                        let mut list = pods.of(gateway).list.iter().copied();
                        list.find(|at| !self.includes(workloads, *at))
                    });
                    Some((text, found?))
                });
                let Some((gateway, open)) = open else { continue };
                for (field, key) in claims {
                    let entry = at.index(number);
                    let field = entry.field(field);
                    let message = format!(
                        "`{}` is never there, no RequestAuthentication is for {} of the Gateway `{}` (IST0149)",
                        show(key),
                        workloads.name(open),
                        show(gateway)
                    );
                    report
                        .error("MODEL-ANA-11", &field.key(key), message)
                        .help("add a RequestAuthentication in the namespace of the gateway's pods that selects them")
                        .at_key();
                }
            }
        }
    }
}
