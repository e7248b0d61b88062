//! AuthorizationPolicy: whom it selects, whom it names, and what it takes to match (MODEL-ANA-25, MODEL-AP-4,
//! MODEL-AP-18, MODEL-PIT-21, MODEL-PIT-24).

use super::attach;
use super::callers::{Callers, Identity, excluded_namespaces, identities};
use super::default_deny;
use super::index::Index;
use super::peers::Peers;
use super::services::{self, Services};
use super::tcp_ports::{self, PortUse};
use super::workloads::{Membership, Workloads};
use crate::common::{Protocol, StringMap};
use crate::object::Object;
use crate::security::AuthorizationPolicy;
use crate::security::authorization_policy::AuthorizationAction;
use crate::security::peer_authentication::MutualTlsMode;
use crate::validate::report::{At, Report, show};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

const ADVICE: &str = "MODEL-AP-18";

/// What the analyzers of policies look things up in.
#[derive(Clone, Copy)]
pub(super) struct Known<'k, 'o> {
    pub(super) workloads: &'k Workloads<'o>,
    pub(super) services: &'k Services<'o>,
    pub(super) peers: &'k Peers<'o>,
}

/// What there is to know of all workloads that a policy selects.
#[derive(Default)]
struct Summary<'o> {
    /// One that can enforce the policy.
    enforced: bool,
    outside: Option<usize>,
    /// One that speaks plaintext only, and why.
    disabled: Option<(usize, &'o Object)>,
    /// Some accept plaintext.
    lax: bool,
    ports: BTreeMap<u32, PortUse<'o>>,
}

/// The namespace, or all, and the pairs of the selector.
type Scope<'o> = (Option<&'o str>, Option<&'o StringMap>);

pub(super) struct Authorization<'o> {
    root: &'o str,
    /// Names of the extension providers, and whether they decide; `None` when the mesh configuration is not given.
    providers: Option<HashMap<String, bool>>,
    /// Policies that turn on the default deny, and for what.
    first: BTreeMap<usize, String>,
    namespaces: BTreeSet<&'o str>,
    /// Back to front, for suffixes.
    reversed: BTreeSet<String>,
    callers: Callers<'o>,
    summaries: HashMap<Scope<'o>, Rc<Summary<'o>>>,
}

impl<'o> Authorization<'o> {
    pub(super) fn new(index: &'o Index<'o>) -> Self {
        let (workloads, root) = (&index.workloads, index.root.as_str());
        let providers = index.mesh_is_given().then(|| {
            let decides = |provider: &crate::mesh_config::ExtensionProvider| {
                provider.envoy_ext_authz_http.is_some() || provider.envoy_ext_authz_grpc.is_some()
            };
            index.mesh.extension_providers.iter().map(|found| (found.name.clone(), decides(found))).collect()
        });
        let namespaces: BTreeSet<&str> = workloads.namespaces().collect();
        let reversed = namespaces.iter().map(|name| name.chars().rev().collect()).collect();
        Self {
            root,
            providers,
            first: default_deny::first(index),
            namespaces,
            reversed,
            callers: Callers::new(workloads),
            summaries: HashMap::new(),
        }
    }

    /// `object` is the one that `report` is about.
    pub(super) fn check(
        &mut self,
        report: &mut Report<'_>,
        (at, object): (usize, &'o Object),
        policy: &AuthorizationPolicy,
        known: Known<'_, 'o>,
    ) {
        let spec = At::OBJECT.field("spec");
        self.provider(report, &spec, policy);
        if let Some(scope) = self.first.get(&at) {
            report
                .info(
                    "MODEL-PIT-24",
                    &spec,
                    format!("because of this policy {scope} refuse what no ALLOW policy allows"),
                )
                .help("to refuse some requests only, write action: DENY and what is to be refused");
        }
        self.source_namespaces(report, &spec.field("rules"), policy, known.workloads);
        if !attach::targets(object).is_empty() {
            return;
        }
        let namespace = object.metadata.namespace.as_str();
        let selector = attach::selector(object);
        let scope = (namespace != self.root).then_some(namespace);
        let summary = self.summary((scope, selector), known);
        if known.workloads.are_known() {
            selection(report, &spec, (scope, selector), &summary, known.workloads);
        }
        if !object.is_usable() {
            return;
        }
        self.identity(report, &spec.field("rules"), policy, &summary, known);
        if policy.action == AuthorizationAction::Allow {
            tcp_ports::check(report, &spec.field("rules"), policy, &summary.ports);
        }
    }

    fn summary(&mut self, scope: Scope<'o>, known: Known<'_, 'o>) -> Rc<Summary<'o>> {
        Rc::clone(self.summaries.entry(scope).or_insert_with(|| Rc::new(summary(scope, known))))
    }

    /// CUSTOM without anybody to decide (MODEL-AP-4).
    fn provider(&self, report: &mut Report<'_>, spec: &At<'_>, policy: &AuthorizationPolicy) {
        let (Some(providers), Some(provider)) = (&self.providers, &policy.provider) else { return };
        if policy.action != AuthorizationAction::Custom || provider.name.is_empty() {
            return;
        }
        let name = show(&provider.name);
        let message = match providers.get(&provider.name) {
            Some(true) => return,
            Some(false) => format!("the extension provider `{name}` is no external authorizer"),
            None => format!("the mesh configuration has no extension provider `{name}`"),
        };
        let mut names: Vec<&str> =
            providers.iter().filter(|(_, decides)| **decides).map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        names.truncate(12);
        let at = spec.field("provider");
        let added = report.warning("MODEL-AP-4", &at.field("name"), message);
        if names.is_empty() {
            added.help("every request is refused; add it to `extensionProviders`, with envoyExtAuthzHttp or envoyExtAuthzGrpc");
        } else {
            added.help(format!("every request is refused; external authorizers are {}", names.join(", ")));
        }
    }

    /// Namespaces that do not exist (MODEL-ANA-25).
    fn source_namespaces(
        &self,
        report: &mut Report<'_>,
        at: &At<'_>,
        policy: &AuthorizationPolicy,
        workloads: &Workloads<'o>,
    ) {
        if !workloads.namespaces_are_known() {
            return;
        }
        identities(at, &policy.rules, |at, identity, values| {
            if identity == Identity::Namespace {
                self.no_namespaces(report, at, values);
            }
        });
        // A name that nobody has leaves nobody out.
        excluded_namespaces(at, &policy.rules, |at, values| self.no_namespaces(report, at, values));
    }

    fn no_namespaces(&self, report: &mut Report<'_>, at: &At<'_>, values: &[String]) {
        for (index, value) in values.iter().enumerate().filter(|(_, value)| !self.is_namespace(value)) {
            let added = report.error(
                "MODEL-ANA-25",
                &at.index(index),
                format!("there is no namespace `{}` (IST0101)", show(value)),
            );
            if self.namespaces.len() <= 12 {
                let names: Vec<&str> = self.namespaces.iter().copied().collect();
                added.help(format!("the namespaces are {}", names.join(", ")));
            } else {
                added.help("correct the name, or create the namespace");
            }
        }
    }

    fn is_namespace(&self, value: &str) -> bool {
        if let Some(prefix) = value.strip_suffix('*') {
            self.namespaces.range(prefix..).next().is_some_and(|name| name.starts_with(prefix))
        } else if let Some(suffix) = value.strip_prefix('*') {
            let suffix: String = suffix.chars().rev().collect();
            self.reversed.range(suffix.clone()..).next().is_some_and(|name| name.starts_with(&suffix))
        } else {
            value.is_empty() || self.namespaces.contains(value)
        }
    }

    /// Identities that callers do not have (MODEL-AP-18, MODEL-PIT-21).
    fn identity(
        &self,
        report: &mut Report<'_>,
        at: &At<'_>,
        policy: &AuthorizationPolicy,
        summary: &Summary<'o>,
        known: Known<'_, 'o>,
    ) {
        let mut told = false;
        let own = report.namespace();
        let off = match summary.disabled {
            Some((workload, by)) => Some((known.workloads.name(workload), by)),
            None if summary.enforced => None,
            None => match known.peers.throughout(own) {
                Some((MutualTlsMode::Disable, Some(by))) => {
                    Some((format!("the namespace `{}`", show(own)), by))
                }
                _ => None,
            },
        };
        let strict = match known.peers.throughout(own) {
            _ if summary.enforced => !summary.lax,
            Some((mode, _)) => mode == MutualTlsMode::Strict,
            None => false,
        };
        let deny = policy.action == AuthorizationAction::Deny;
        identities(at, &policy.rules, |at, identity, values| {
            if let Some((place, by)) = &off {
                if !told {
                    told = true;
                    report
                        .warning(
                            ADVICE,
                            at,
                            format!(
                                "who calls is known from mutual TLS, which {} switches off for {place}",
                                by.reference()
                            ),
                        )
                        .help("set mode: STRICT there, or match callers by `ipBlocks`")
                        .at_key();
                }
                return;
            }
            if strict {
                return;
            }
            let found = values.iter().enumerate().find_map(|(index, value)| {
                Some((index, self.callers.without_identity(identity, value, own)?))
            });
            let Some((index, caller)) = found else { return };
            let caller = known.workloads.name(caller);
            let at = at.index(index);
            if deny {
                report
                    .warning(
                        "MODEL-PIT-21",
                        &at,
                        format!("{caller} has no proxy and thus no identity, it is not denied"),
                    )
                    .help("demand mutual TLS of callers with a PeerAuthentication of mode: STRICT");
            } else {
                report
                    .warning(
                        "MODEL-PIT-21",
                        &at,
                        format!("{caller} has no proxy and thus no identity, the rule does not match it"),
                    )
                    .help("this needs mutual TLS: give the caller a proxy, or match it by `ipBlocks`");
            }
        });
    }
}

fn summary<'o>((namespace, selector): Scope<'o>, known: Known<'_, 'o>) -> Summary<'o> {
    let Known { workloads, services, peers } = known;
    let everything = StringMap::new();
    let mut out = Summary::default();
    for (at, workload) in workloads.select(namespace, selector.unwrap_or(&everything)) {
        if workload.membership == Membership::Outside {
            out.outside = out.outside.or(Some(at));
            continue;
        }
        out.enforced = true;
        let (mode, by) = peers.of(at, None);
        out.lax |= mode != MutualTlsMode::Strict;
        if let (MutualTlsMode::Disable, Some(by), None) = (mode, by, out.disabled) {
            out.disabled = Some((at, by));
        }
        for front in services.of(at) {
            for port in &front.service.spec.ports {
                let Some(number) = services::target(port, Some(workload)) else { continue };
                let protocol = port.istio_protocol();
                if protocol == Protocol::Udp {
                    continue;
                }
                let found = out.ports.entry(number);
                let found = found.or_insert(PortUse { protocol, tcp: true, by: front });
                found.tcp &= protocol.is_tcp();
            }
        }
    }
    out
}

/// A policy that nobody enforces (MODEL-ANA-25).
fn selection(
    report: &mut Report<'_>,
    spec: &At<'_>,
    (namespace, selector): Scope<'_>,
    summary: &Summary<'_>,
    workloads: &Workloads<'_>,
) {
    // What is for the whole mesh is for workloads to come as well.
    if summary.enforced || (namespace.is_none() && selector.is_none()) {
        return;
    }
    let at_selector = spec.field("selector");
    let at_labels = at_selector.field("matchLabels");
    let (at, place) = match (selector, namespace) {
        (None, _) => (spec, format!("the namespace `{}`", show(report.namespace()))),
        (Some(_), Some(namespace)) => (&at_labels, format!("the namespace `{}`", show(namespace))),
        (Some(_), None) => (&at_labels, "the mesh".to_owned()),
    };
    if let Some(outside) = summary.outside {
        let message =
            format!("{} has no proxy, and nobody else is selected (IST0127)", workloads.name(outside));
        report
            .warning("MODEL-ANA-25", at, message)
            .help("a workload without proxy enforces no policy; give it one, or remove the policy");
        return;
    }
    let message = format!("no workload of {place} is selected (IST0127)");
    let added = report.warning("MODEL-ANA-25", at, message);
    match selector {
        Some(selector) => added.help(workloads.hint(namespace, selector)),
        None => added.help("put it into the namespace of the workloads that it guards"),
    };
}
