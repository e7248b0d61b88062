//! EnvoyFilter (MODEL-EF).

mod legacy;
mod value;

use super::names::not_a_port;
use super::re2;
use super::report::{At, Report, show};
use super::selector::{target_refs, workload_selector};
use crate::networking::EnvoyFilter;
use crate::networking::envoy_filter::names::{HTTP_CONNECTION_MANAGER, canonical};
use crate::networking::envoy_filter::{
    ApplyTo, ConfigPatch, FilterMatch, ListenerMatch, Patch, PatchContext, PatchMatch, PatchOperation,
};

/// Longest `proxyVersion` that Istio looks at (MODEL-EF-4).
const MAX_VERSION: usize = 1024;

pub(super) fn check(report: &mut Report<'_>, filter: &EnvoyFilter) {
    let spec = At::OBJECT.field("spec");
    workload_selector(report, &spec.field("workloadSelector"), filter.workload_selector.as_ref());
    if filter.workload_selector.is_some() && !filter.target_refs.is_empty() {
        report
            .error("MODEL-SEL-6", &spec, "only one of `workloadSelector` and `targetRefs` may be set")
            .help("keep one of them");
    }
    target_refs(report, &spec.field("targetRefs"), &filter.target_refs);
    if filter.workload_selector.is_none()
        && filter.target_refs.is_empty()
        && filter.workload_labels.is_empty()
    {
        report.meant_for_the_mesh();
    }
    let at = spec.field("configPatches");
    for (index, found) in filter.config_patches.iter().enumerate() {
        config_patch(report, &at.index(index), found);
    }
    legacy::check(report, &spec, filter);
}

fn config_patch(report: &mut Report<'_>, at: &At<'_>, found: &ConfigPatch) {
    if let Some(matches) = &found.matches {
        waypoint(report, &at.field("match"), matches);
        one_object(report, &at.field("match"), matches);
    }
    let Some(change) = complete(report, at, found) else { return };
    let context = found.matches.as_ref().map_or(PatchContext::Any, |matches| matches.context);
    if context == PatchContext::Waypoint {
        return;
    }
    if let Some(matches) = &found.matches {
        let at = at.field("match");
        version(report, &at, matches);
        object(report, &at, found.apply_to, matches);
    }
    if let Some(content) = &change.value {
        let at = at.field("patch");
        value::check(report, &at.field("value"), found.apply_to, change.operation, content);
    }
}

/// The change, if nothing of it is missing (MODEL-EF-3).
fn complete<'p>(report: &mut Report<'_>, at: &At<'_>, found: &'p ConfigPatch) -> Option<&'p Patch> {
    const CODE: &str = "MODEL-EF-3";
    if found.apply_to == ApplyTo::Invalid {
        report
            .error(CODE, &at.field("applyTo"), "it is not said what the patch applies to")
            .help("add applyTo: LISTENER, NETWORK_FILTER, HTTP_FILTER, HTTP_ROUTE, CLUSTER or another")
            .absent();
        return None;
    }
    let at = at.field("patch");
    let Some(change) = &found.patch else {
        report
            .error(CODE, &at, "the patch itself is missing")
            .help("add patch: {operation: ..., value: ...}")
            .absent();
        return None;
    };
    if change.operation == PatchOperation::Invalid {
        report
            .error(CODE, &at.field("operation"), "the patch has no operation")
            .help("add operation: MERGE, ADD, REMOVE, INSERT_BEFORE, INSERT_AFTER, INSERT_FIRST or REPLACE")
            .absent();
        return None;
    }
    if change.value.is_none() && change.operation != PatchOperation::Remove {
        report
            .error(CODE, &at.field("value"), format!("{} needs a value", change.operation))
            .help("add `value`, or write operation: REMOVE")
            .absent();
        return None;
    }
    Some(change)
}

/// The context and the match of a waypoint belong together (MODEL-EF-10).
fn waypoint(report: &mut Report<'_>, at: &At<'_>, matches: &PatchMatch) {
    const CODE: &str = "MODEL-EF-10";
    let context = matches.context == PatchContext::Waypoint;
    match &matches.waypoint {
        None if context => {
            report
                .error(CODE, at, "the context WAYPOINT needs `waypoint`")
                .help("add waypoint: {}, or write another context")
                .absent();
        }
        Some(_) if !context => {
            report
                .error(
                    CODE,
                    &at.field("waypoint"),
                    format!("`waypoint` is not for the context {}", matches.context),
                )
                .help("write context: WAYPOINT, or remove it")
                .at_key();
        }
        _ => {}
    }
    if let Some(number) = matches.waypoint.as_ref().map(|waypoint| waypoint.port_number)
        && number > 65535
    {
        let at = at.field("waypoint");
        not_a_port(report, CODE, &at.field("portNumber"), number);
    }
}

/// The kinds of object that a match can be about (MODEL-TYPE-22).
fn objects(matches: &PatchMatch) -> impl Iterator<Item = &'static str> {
    [
        ("listener", matches.listener.is_some()),
        ("routeConfiguration", matches.route_configuration.is_some()),
        ("cluster", matches.cluster.is_some()),
        ("waypoint", matches.waypoint.is_some()),
    ]
    .into_iter()
    .filter_map(|(field, set)| set.then_some(field))
}

fn one_object(report: &mut Report<'_>, at: &At<'_>, matches: &PatchMatch) {
    if let [_, second, ..] = objects(matches).collect::<Vec<_>>().as_slice() {
        let all: Vec<_> = objects(matches).collect();
        report
            .error(
                "MODEL-TYPE-22",
                &at.field(second),
                format!("a match is about one object, `{second}` is another"),
            )
            .help(format!("keep one of {}", all.join(", ")))
            .at_key();
    }
}

/// MODEL-EF-4.
fn version(report: &mut Report<'_>, at: &At<'_>, matches: &PatchMatch) {
    const CODE: &str = "MODEL-EF-4";
    let Some(pattern) = matches.proxy.as_ref().map(|proxy| &proxy.proxy_version) else { return };
    let at = at.field("proxy");
    let at = at.field("proxyVersion");
    if pattern.len() > MAX_VERSION {
        report
            .warning(
                CODE,
                &at,
                format!(
                    "the expression has {} bytes and is ignored, at most {MAX_VERSION} are read",
                    pattern.len()
                ),
            )
            .help("shorten it");
    } else if let Err(fault) = re2::check(pattern) {
        report
            .error(CODE, &at, format!("`{}` does not compile: {fault}", show(pattern)))
            .help("RE2 syntax is expected, such as ^1\\.27.*");
    }
}

/// What is matched must be of the kind that the patch applies to (MODEL-EF-5).
fn object(report: &mut Report<'_>, at: &At<'_>, apply_to: ApplyTo, matches: &PatchMatch) {
    let wanted = match apply_to {
        ApplyTo::Listener | ApplyTo::FilterChain | ApplyTo::NetworkFilter | ApplyTo::HttpFilter => "listener",
        ApplyTo::RouteConfiguration | ApplyTo::VirtualHost | ApplyTo::HttpRoute => "routeConfiguration",
        ApplyTo::Cluster => "cluster",
        ApplyTo::Invalid | ApplyTo::ExtensionConfig | ApplyTo::Bootstrap | ApplyTo::ListenerFilter => return,
    };
    // A waypoint in another context was reported as that, and two objects as two.
    let mut found = objects(matches).filter(|field| *field != "waypoint");
    if let (Some(field), None) = (found.next(), found.next())
        && field != wanted
    {
        report
            .error("MODEL-EF-5", at, format!("{apply_to} is not matched by `{field}`"))
            .help(format!("write `{wanted}` instead"))
            .at_key();
        return;
    }
    if wanted == "listener"
        && let Some(listener) = &matches.listener
    {
        filters(report, &at.field("listener"), apply_to, listener);
    }
}

fn filters(report: &mut Report<'_>, at: &At<'_>, apply_to: ApplyTo, listener: &ListenerMatch) {
    let Some(filter) = listener.filter_chain.as_ref().and_then(|chain| chain.filter.as_ref()) else { return };
    let at = at.field("filterChain");
    let at = at.field("filter");
    if matches!(apply_to, ApplyTo::Listener | ApplyTo::FilterChain) {
        report
            .warning("MODEL-EF-6", &at, format!("a filter does not narrow the match of {apply_to}"))
            .help("remove it, or write applyTo: NETWORK_FILTER or HTTP_FILTER")
            .at_key();
    }
    if filter.name.is_empty() {
        report
            .error("MODEL-EF-7", &at.field("name"), "the filter has no name")
            .help(format!("add name: {HTTP_CONNECTION_MANAGER}, or that of another filter"))
            .absent();
        return;
    }
    renamed(report, "MODEL-EF-8", &at.field("name"), &filter.name, true);
    sub_filter(report, &at, apply_to, filter);
}

/// The filter within the connection manager (MODEL-EF-7).
fn sub_filter(report: &mut Report<'_>, at: &At<'_>, apply_to: ApplyTo, filter: &FilterMatch) {
    const CODE: &str = "MODEL-EF-7";
    let Some(inner) = &filter.sub_filter else { return };
    let at_inner = at.field("subFilter");
    if apply_to != ApplyTo::HttpFilter {
        report
            .error(CODE, &at_inner, format!("{apply_to} has no filters within filters"))
            .help("write applyTo: HTTP_FILTER, or remove `subFilter`")
            .at_key();
    } else if !matches!(filter.name.as_str(), HTTP_CONNECTION_MANAGER | "envoy.http_connection_manager") {
        report
            .error(CODE, &at.field("name"), format!("`{}` has no filters within", show(&filter.name)))
            .help(format!("write {HTTP_CONNECTION_MANAGER}"));
    } else if inner.name.is_empty() {
        report
            .error(CODE, &at_inner.field("name"), "the filter has no name")
            .help("add a name such as envoy.filters.http.router")
            .absent();
    } else {
        renamed(report, "MODEL-EF-8", &at_inner.field("name"), &inner.name, false);
    }
}

/// A filter under the name that it had in earlier versions of Envoy.
fn renamed(report: &mut Report<'_>, code: &'static str, at: &At<'_>, name: &str, network: bool) {
    if let Some(today) = canonical(name, network) {
        report
            .warning(code, at, format!("`{name}` is the old name of `{today}`"))
            .help(format!("write {today}"));
    }
}
