//! The answer about a route as data: what is printed as JSON, and what the text is made of.

use std::time::Duration;

use mesh_model::FieldPath;
use mesh_route::{
    Explanation, HeaderEditor, HeaderPlan, Lookup, Operator, Outcome, RequestHead, RouteTable, RuleTrace,
};
use serde::Serialize;

use super::claims::claims;
use super::places::{Place, Places};
use super::report::Workload;
use super::request::Asked;
use crate::exchange::RouteClaims;
use crate::snapshot::{
    Cluster, ClusterIndex, Destination, Forward, HttpListener, Outbound, Route, RouteAction, RouteSource,
};

/// Where routes come from.
pub(super) enum Table<'s> {
    /// A listener of the proxy.
    Listener(&'s HttpListener, &'s [Cluster]),
    /// What a sidecar would do with redirected traffic.
    Redirected(Box<Outbound>),
}

impl Table<'_> {
    fn routes(&self) -> &RouteTable<Route> {
        match self {
            Self::Listener(listener, _) => &listener.routes,
            Self::Redirected(found) => &found.routes,
        }
    }

    fn cluster(&self, index: ClusterIndex) -> Option<&Cluster> {
        match self {
            Self::Listener(_, clusters) => clusters.get(index.get()),
            Self::Redirected(found) => found.clusters.get(index.get()),
        }
    }
}

/// The whole answer. Fields may be added in any release.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    /// Whether a route takes the request, and what it names is there.
    pub(super) found: bool,
    /// In words.
    pub(super) decision: String,
    /// The rule that decided, if one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) decided_by: Option<RuleName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) action: Option<ActionReport>,
    pub(super) request: RequestReport,
    pub(super) workload: Workload,
    pub(super) listener: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) virtual_host: Option<VirtualHostReport>,
    /// The rules of the virtual host in order; empty when none was tried.
    pub(super) rules: Vec<RuleReport>,
    /// Domains of other virtual hosts that may have been meant.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) nearest: Vec<String>,
    /// What else one should know.
    pub(super) notes: Vec<String>,
}

/// What was asked, as rules see it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RequestReport {
    pub(super) method: String,
    pub(super) scheme: &'static str,
    pub(super) host: Option<String>,
    pub(super) path: String,
    /// Before normalisation, if that changed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) path_as_written: Option<String>,
    pub(super) port: u16,
}

#[derive(Debug, Serialize)]
pub(super) struct VirtualHostReport {
    pub(super) name: String,
    pub(super) domains: Vec<String>,
}

/// A rule of a VirtualService.
#[derive(Clone, Debug, Serialize)]
pub(super) struct RuleName {
    pub(super) kind: String,
    pub(super) namespace: String,
    pub(super) name: String,
    /// `spec.http[0].match[1]`
    pub(super) path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) at: Option<Place>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RuleReport {
    /// Position in the virtual host.
    pub(super) rule: usize,
    /// `%ROUTE_NAME%`
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) route_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) from: Option<RuleName>,
    pub(super) matches: bool,
    /// The first rule that matches.
    pub(super) decides: bool,
    /// The condition that does not hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) refused: Option<RefusedReport>,
}

#[derive(Debug, Serialize)]
pub(super) struct RefusedReport {
    pub(super) condition: String,
    pub(super) why: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) near: Option<String>,
}

/// What the route does.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ActionReport {
    pub(super) kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) location: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) destinations: Vec<DestinationReport>,
    /// Path sent upstream, if the rule rewrites it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) timeout: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) per_try_timeout: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) retries: Option<u32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) mirrors: Vec<String>,
    /// Faults that some requests may meet.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) faults: Vec<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) cors: bool,
    /// Of a redirect or direct response.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) response_headers: Vec<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DestinationReport {
    pub(super) cluster: String,
    /// Share of the requests; absent for the only destination.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) weight: Option<u64>,
    /// How many; absent when there is no such cluster.
    pub(super) endpoints: Option<usize>,
    /// Host sent upstream, if it is another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) authority: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) request_headers: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) response_headers: Vec<String>,
}

impl Report {
    pub(super) fn new(
        table: Option<&Table<'_>>,
        known: &[String],
        workload: Workload,
        asked: &Asked,
        port: u16,
        places: &Places<'_>,
    ) -> Self {
        let mut report = Self {
            found: false,
            decision: String::new(),
            decided_by: None,
            action: None,
            request: RequestReport::new(asked, port),
            workload,
            listener: table.map(name),
            virtual_host: None,
            rules: Vec::new(),
            nearest: Vec::new(),
            notes: Vec::new(),
        };
        let Some(table) = table else {
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            report.decision = format!(
                "refused: nothing is served on port {port}, the {} has these listeners: {known}",
                report.workload.role
            );
            return report;
        };
        if let Table::Redirected(_) = table {
            let note = "no listener has an address with this port: this is what a sidecar does with traffic that is \
                        redirected to it";
            report.notes.push(note.to_owned());
        }
        let Some(http) = &asked.http else { return report };
        let given = asked.claims.as_ref().map(claims);
        let of_token = given.as_ref().map(RouteClaims);
        let host = http.host.as_deref().unwrap_or_default();
        let mut head =
            RequestHead::new(&http.method, host, &http.path, &http.headers).with_scheme(http.scheme);
        if let Some(claims) = &of_token {
            head = head.with_claims(claims);
        }
        report.fill(table, &head, places);
        report
    }

    fn fill(&mut self, table: &Table<'_>, head: &RequestHead<'_, http::HeaderMap>, places: &Places<'_>) {
        let routes = table.routes();
        let explanation = routes.explain(head);
        let host = routes.virtual_host(head.authority());
        self.virtual_host = host.map(|host| VirtualHostReport {
            name: host.name().to_owned(),
            domains: host.domains().iter().map(ToString::to_string).collect(),
        });
        self.nearest = explanation
            .nearest
            .iter()
            .map(|near| format!("{} of virtual host {}: {}", near.domain, near.virtual_host, near.near))
            .collect();
        let sources: Vec<Option<&RouteSource>> =
            host.iter().flat_map(|host| host.rules()).map(|(_, route)| route.source.as_ref()).collect();
        let names = rule_names(&sources, places);
        let route_names = host.iter().flat_map(|host| host.rules()).map(|(_, route)| &*route.name);
        self.rules = rules(&explanation, names.iter().zip(route_names));
        match routes.lookup(head) {
            Lookup::Route(found) => {
                let route = found.action;
                self.decided_by =
                    self.rules.iter().find(|rule| rule.decides).and_then(|rule| rule.from.clone());
                self.decide(table, route, head, places);
            }
            Lookup::TlsRequired(_) => {
                self.found = true;
                self.decision = "redirected to https: a server of this host has `httpsRedirect`".into();
                self.action = Some(ActionReport {
                    kind: "redirect",
                    status: Some(301),
                    location: Some(mesh_route::https_location(head)),
                    ..ActionReport::default()
                });
            }
            Lookup::NoRoute(_) if explanation.outcome == Outcome::NotRoutable => {
                self.decision =
                    "answered with 404 (NR): no rule can take a target that is no path, or CONNECT".into();
            }
            Lookup::NoRoute(_) => {
                self.decision = "answered with 404 (NR): no rule of the virtual host matches, and no other \
                                 virtual host is asked"
                    .into();
            }
            Lookup::NoVirtualHost => {
                self.decision = "answered with 404 (NR): no virtual host has this host".into();
            }
        }
    }

    fn decide(
        &mut self,
        table: &Table<'_>,
        route: &Route,
        head: &RequestHead<'_, http::HeaderMap>,
        places: &Places<'_>,
    ) {
        let mut action = match &route.action {
            RouteAction::Redirect(redirect, plan) => {
                self.found = true;
                let location = redirect.location(head);
                self.decision = format!("redirected with {} to {location}", redirect.status());
                ActionReport {
                    kind: "redirect",
                    status: Some(redirect.status()),
                    location: Some(location),
                    response_headers: edits(plan),
                    ..ActionReport::default()
                }
            }
            RouteAction::Direct(response, plan) => {
                self.found = route.source.is_some();
                self.decision = match (&route.source, &*route.name, table) {
                    (Some(_), ..) => format!("answered with {}, as the rule says", response.status()),
                    (None, "block_all", _) => format!(
                        "answered with {}: no service or VirtualService has this host, and the policy is REGISTRY_ONLY",
                        response.status()
                    ),
                    (None, _, Table::Redirected(_)) => {
                        self.found = true;
                        "forwarded to the address that the client dialled (PassthroughCluster): no service or \
                         VirtualService has this host"
                            .to_owned()
                    }
                    (None, ..) => format!(
                        "answered with {}: no service or VirtualService has this host, and nothing says what address \
                         the client meant",
                        response.status()
                    ),
                };
                let passed_through = route.source.is_none() && self.found;
                ActionReport {
                    kind: if passed_through { "passthrough" } else { "directResponse" },
                    status: (!passed_through).then(|| response.status()),
                    response_headers: edits(plan),
                    ..ActionReport::default()
                }
            }
            RouteAction::Forward(forward) => {
                let weights = route.source.as_ref().and_then(|source| weights(source, places));
                let action = forwarded(forward, weights.as_deref(), table, head);
                self.forward(&action, route);
                action
            }
        };
        if let Some(fault) = &route.fault {
            // Zero is a draw that every share above nothing includes.
            let found = fault.decide(0, 0);
            action.faults.extend(found.delay.map(|hold| format!("delay of {}", duration(hold))));
            action
                .faults
                .extend(found.abort.map(|abort| format!("abort with {}", abort.reply(false).http_status)));
        }
        self.action = Some(action);
    }

    /// Says what forwarding comes to.
    fn forward(&mut self, action: &ActionReport, route: &Route) {
        let ready = |to: &&DestinationReport| to.endpoints.is_some_and(|endpoints| endpoints > 0);
        self.found = action.destinations.iter().any(|to| ready(&to));
        let by = if route.source.is_some() { "" } else { " by the default route of the service" };
        self.decision = match action.destinations.as_slice() {
            [only] if self.found => format!("forwarded to {}{by}", only.cluster),
            [only] if only.endpoints.is_some() => {
                format!("answered with 503 (UH): {} has no endpoint that is ready", only.cluster)
            }
            [only] => format!("answered with 503 (NC): there is no cluster {}", only.cluster),
            several if self.found => {
                let lost = several.len() - several.iter().filter(ready).count();
                let lost = match lost {
                    0 => String::new(),
                    1 => ", one of which answers with 503".to_owned(),
                    lost => format!(", {lost} of which answer with 503"),
                };
                format!("forwarded to one of {} destinations{lost}", several.len())
            }
            several => format!("answered with 503: none of {} destinations is there", several.len()),
        };
    }
}

/// `0.0.0.0:80, Gateway default/door`
fn name(table: &Table<'_>) -> String {
    match table {
        Table::Listener(listener, _) => format!("{}, {}", listener.key, listener.name),
        Table::Redirected(_) => "outbound traffic that is redirected".to_owned(),
    }
}

impl RequestReport {
    fn new(asked: &Asked, port: u16) -> Self {
        let http = asked.http.as_ref();
        Self {
            method: http.map(|http| http.method.clone()).unwrap_or_default(),
            scheme: http.map_or("http", |http| http.scheme),
            host: http.and_then(|http| http.host.clone()),
            path: http.map(|http| http.path.clone()).unwrap_or_default(),
            path_as_written: http.and_then(|http| http.written.clone()),
            port,
        }
    }
}

/// The rules that routes were made of, with their places.
fn rule_names(sources: &[Option<&RouteSource>], places: &Places<'_>) -> Vec<Option<RuleName>> {
    let parts = || {
        sources.iter().filter_map(|source| {
            let source = (*source)?;
            Some((places.find(&source.object)?, source.path()))
        })
    };
    let mut found = places.all(parts()).into_iter();
    let named = |source: Option<&RouteSource>| {
        let source = source?;
        let at = places.find(&source.object).and_then(|_| found.next().flatten());
        Some(RuleName {
            kind: source.object.kind.to_string(),
            namespace: source.object.namespace.clone(),
            name: source.object.name.clone(),
            path: path(&source.path()),
            at,
        })
    };
    sources.iter().copied().map(named).collect()
}

fn path(path: &FieldPath) -> String {
    path.to_string()
}

fn rules<'n>(
    explanation: &Explanation<'_>,
    names: impl Iterator<Item = (&'n Option<RuleName>, &'n str)>,
) -> Vec<RuleReport> {
    let report =
        |(at, (trace, (from, route_name))): (usize, (&RuleTrace, (&Option<RuleName>, &str)))| RuleReport {
            rule: at,
            route_name: route_name.to_owned(),
            from: from.clone(),
            matches: trace.refusal.is_none(),
            decides: explanation.outcome == Outcome::Route(trace.rule),
            refused: trace.refusal.as_ref().map(|refusal| RefusedReport {
                condition: format!("{:?}", refusal.condition),
                why: refusal.reason.clone(),
                near: refusal.near.as_ref().map(ToString::to_string),
            }),
        };
    explanation.rules.iter().zip(names).enumerate().map(report).collect()
}

/// The weights of a rule's destinations as far as they count (ROUTE-WGT-02); `None` for a single one.
fn weights(source: &RouteSource, places: &Places<'_>) -> Option<Vec<u64>> {
    let rule = places.find(&source.object)?.as_virtual_service()?.http.get(source.rule)?;
    if rule.route.len() < 2 {
        return None;
    }
    let weights = rule.route.iter().filter_map(|to| u64::try_from(to.weight).ok());
    Some(weights.filter(|weight| *weight > 0).collect())
}

fn forwarded(
    forward: &Forward,
    weights: Option<&[u64]>,
    table: &Table<'_>,
    head: &RequestHead<'_, http::HeaderMap>,
) -> ActionReport {
    let limits = forward.timeouts.limits();
    let destination = |(at, to): (usize, &Destination)| DestinationReport {
        cluster: to.cluster_name.to_string(),
        weight: weights.and_then(|weights| weights.get(at).copied()),
        endpoints: to.cluster.and_then(|index| table.cluster(index)).map(|cluster| cluster.endpoints.len()),
        authority: to.authority.as_deref().map(str::to_owned),
        request_headers: edits(&to.request_headers),
        response_headers: edits(&to.response_headers),
    };
    let mirror = |index: Option<ClusterIndex>| {
        let cluster = index.and_then(|index| table.cluster(index));
        cluster.map_or_else(|| "nowhere: there is no such cluster".to_owned(), |found| found.name.to_string())
    };
    let rewritten = forward.rewrite.as_ref().map(|rewrite| rewrite.apply(head.path_and_query()).into_owned());
    ActionReport {
        kind: "forward",
        destinations: forward.destinations.targets().enumerate().map(destination).collect(),
        path: rewritten,
        timeout: limits.overall.filter(|limit| !limit.is_zero()).map(duration),
        per_try_timeout: limits.per_try.map(duration),
        retries: Some(forward.retries.policy.attempts()),
        mirrors: forward.mirrors.iter().map(|to| mirror(*to.target())).collect(),
        cors: forward.cors.is_some(),
        ..ActionReport::default()
    }
}

fn duration(value: Duration) -> String {
    humantime::format_duration(value).to_string()
}

/// What a plan does to headers, in words; what is only known when the request is served is `%…%`.
fn edits(plan: &HeaderPlan) -> Vec<String> {
    struct Words(Vec<String>);
    impl HeaderEditor for Words {
        fn write(&self, _: &Operator, out: &mut Vec<u8>) {
            out.extend_from_slice("%…%".as_bytes());
        }
        fn remove(&mut self, name: &str) {
            self.0.push(format!("remove {name}"));
        }
        fn set(&mut self, name: &str, value: &[u8]) {
            self.0.push(format!("set {name}: {}", String::from_utf8_lossy(value)));
        }
        fn append(&mut self, name: &str, value: &[u8]) {
            self.0.push(format!("add {name}: {}", String::from_utf8_lossy(value)));
        }
    }
    let mut words = Words(Vec::new());
    plan.apply(&mut words);
    words.0
}
