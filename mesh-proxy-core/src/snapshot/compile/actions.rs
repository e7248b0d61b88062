//! What a rule does: redirect, direct response, or forward (section 4 of the route reference).

use std::sync::Arc;

use mesh_model::FieldPath;
use mesh_model::common::{HeaderOperations, Headers, HttpRetry};
use mesh_model::networking::virtual_service::{
    CorsPolicy as ModelCors, DerivePort, Destination as ModelDestination, HttpDirectResponse,
    HttpFaultInjection, HttpRedirect, HttpRewrite, UnmatchedPreflights,
};
use mesh_model::resolve::EffectiveRoute;
use mesh_model::{MeshConfig, common};
use mesh_route::{
    Abort, BuildError, CorsPolicy, DirectResponse, Fault as RouteFault, GrpcStatus, HeaderEdits, HeaderPlan,
    Limits, Mirror, PathMatch, PathRewrite, Percentage, Redirect, RetryPolicy, ServerScheme, StringMatch,
    Timeouts, WeightedSplit, upstream_authority,
};

use super::base64;
use super::clusters::{Clusters, NO_CLUSTER, Origin};
use super::conditions::string;
use super::issues::{Fault, Issues, refusal};
use super::scope::Scope;
use crate::snapshot::{ClusterIndex, Destination, Forward, RouteAction};

/// The rule that is compiled, and where.
pub(super) struct Context<'c, 'a> {
    pub(super) scope: &'c Scope<'a>,
    pub(super) http: &'c EffectiveRoute<'a>,
    /// Path of the rule in its object.
    pub(super) at: &'c FieldPath,
    pub(super) clusters: &'c mut Clusters,
    pub(super) issues: &'c mut Issues,
}

impl Context<'_, '_> {
    fn at(&self, field: &str) -> FieldPath {
        self.at.clone().field(field)
    }
}

/// The action and the faults of a rule. `path` is the condition on the path, which rewrites build on.
///
/// # Errors
///
/// The first setting that means nothing.
pub(super) fn action(
    context: &mut Context<'_, '_>,
    path: Option<&PathMatch>,
) -> Result<(RouteAction, Option<RouteFault>), Fault> {
    let rule = &*context.http.route;
    let fault = match &rule.fault {
        Some(found) => Some(faults(found, &context.at("fault"))?).filter(|fault| !fault.is_none()),
        None => None,
    };
    // ROUTE-ACT-01: in this order.
    let action = if let Some(found) = &rule.redirect {
        let response = HeaderPlan::route_only(response_edits(rule.headers.as_ref(), &context.at("headers"))?);
        RouteAction::Redirect(redirect(found, path, context)?, response)
    } else if let Some(found) = &rule.direct_response {
        let response = HeaderPlan::route_only(response_edits(rule.headers.as_ref(), &context.at("headers"))?);
        RouteAction::Direct(direct(found, &context.at("directResponse"))?, response)
    } else {
        RouteAction::Forward(Arc::new(forward(context, path)?))
    };
    Ok((action, fault))
}

fn forward(context: &mut Context<'_, '_>, path: Option<&PathMatch>) -> Result<Forward, Fault> {
    let http = context.http;
    let rule = &*http.route;
    let mesh = context.scope.set.mesh();
    let rewrite = match &rule.rewrite {
        Some(found) => path_rewrite(found, path, &context.at("rewrite"))?,
        None => None,
    };
    let (retries, per_try) = retries(rule.retries.as_ref(), mesh);
    let mut timeouts = Timeouts::new();
    if let Some(limit) = rule.timeout.and_then(common::Duration::to_std) {
        timeouts = timeouts.route(limit);
    }
    if let Some(limit) = per_try {
        timeouts = timeouts.per_try(limit);
    }
    let cors = match &rule.cors_policy {
        Some(found) => Some(cors(found, &context.at("corsPolicy"))?),
        None => None,
    };
    Ok(Forward {
        destinations: destinations(context)?,
        rewrite,
        timeouts,
        retries: retries.into(),
        cors,
        mirrors: mirrors(context),
    })
}

fn destinations(context: &mut Context<'_, '_>) -> Result<WeightedSplit<Destination>, Fault> {
    let http = context.http;
    let rule = &*http.route;
    let rewritten =
        rule.rewrite.as_ref().map(|rewrite| rewrite.authority.as_str()).filter(|text| !text.is_empty());
    let route_request = request_edits(rule.headers.as_ref(), &context.at("headers"))?;
    let route_response = response_edits(rule.headers.as_ref(), &context.at("headers"))?;
    let plan = match rule.route.len() {
        1 => HeaderPlan::single_destination,
        _ => HeaderPlan::weighted_destination,
    };
    let mut split = Vec::with_capacity(rule.route.len());
    for (index, entry) in rule.route.iter().enumerate() {
        let at = context.at("route").index(index);
        let Some(destination) = &entry.destination else {
            return Err(Fault::new(at, "there is no `destination`"));
        };
        let weight = u32::try_from(entry.weight).map_err(|_| {
            Fault::new(at.clone().field("weight"), format!("weight is {}, must be 0 or more", entry.weight))
        })?;
        let request = request_edits(entry.headers.as_ref(), &at.clone().field("headers"))?;
        let response = response_edits(entry.headers.as_ref(), &at.clone().field("headers"))?;
        let authority = upstream_authority(rewritten, &route_request, &request).map(Arc::from);
        let (cluster_name, cluster) = cluster(context, destination, at.field("destination"), NO_CLUSTER);
        let destination = Destination {
            cluster,
            cluster_name,
            authority,
            request_headers: plan(route_request.clone(), request),
            response_headers: plan(route_response.clone(), response),
        };
        split.push((destination, weight));
    }
    WeightedSplit::new(split).map_err(|error| Fault::new(context.at("route"), refusal(&error)))
}

fn cluster(
    context: &mut Context<'_, '_>,
    destination: &ModelDestination,
    at: FieldPath,
    cost: &'static str,
) -> (Arc<str>, Option<ClusterIndex>) {
    let http = context.http;
    let host = context.scope.set.full_name(&destination.host, http.namespace).into_owned();
    let target = context.scope.target(host.into(), destination.port);
    let scope = context.scope;
    let origin = Origin { source: &http.source, at, cost };
    context.clusters.find(scope, &target, &destination.subset, origin, context.issues)
}

/// ROUTE-MIR-01, ROUTE-MIR-02, ROUTE-MIR-05
fn mirrors(context: &mut Context<'_, '_>) -> Vec<Mirror<Option<ClusterIndex>>> {
    let http = context.http;
    let rule = &*http.route;
    let mut out = Vec::new();
    if let Some(destination) = &rule.mirror {
        let share = match (rule.mirror_percentage, rule.mirror_percent) {
            (Some(percentage), _) => Percentage::from_percent(percentage.value),
            (None, Some(percent)) => Percentage::from_integer(percent),
            (None, None) => Percentage::ALL,
        };
        let at = context.at("mirror");
        let (_, cluster) = cluster(context, destination, at, "nothing is mirrored");
        out.extend(Mirror::new(cluster, share));
    }
    for (index, entry) in rule.mirrors.iter().enumerate() {
        let Some(destination) = &entry.destination else { continue };
        let share = entry.percentage.map_or(Percentage::ALL, |share| Percentage::from_percent(share.value));
        let at = context.at("mirrors").index(index).field("destination");
        let (_, cluster) = cluster(context, destination, at, "nothing is mirrored");
        out.extend(Mirror::new(cluster, share));
    }
    out
}

/// The retry policy of a rule and its per-try timeout; the mesh's where the rule has none (ROUTE-RTY-01).
pub(super) fn retries(
    own: Option<&HttpRetry>,
    mesh: &MeshConfig,
) -> (RetryPolicy, Option<std::time::Duration>) {
    let Some(found) = own.or(mesh.default_http_retry_policy.as_ref()) else {
        return (RetryPolicy::mesh_default(), None);
    };
    // A negative number is refused before; nothing is the safe reading.
    let mut policy = RetryPolicy::new(u32::try_from(found.attempts).unwrap_or(0));
    if !found.retry_on.trim().is_empty() {
        policy = policy.retry_on(&found.retry_on);
    }
    if let Some(base) = found.backoff.and_then(common::Duration::to_std) {
        policy = policy.backoff(base);
    }
    if found.retry_ignore_previous_hosts == Some(false) {
        policy = policy.allow_previous_hosts();
    }
    if found.retry_remote_localities == Some(true) {
        policy = policy.remote_localities();
    }
    (policy, found.per_try_timeout.and_then(common::Duration::to_std))
}

fn redirect(
    found: &HttpRedirect,
    path: Option<&PathMatch>,
    context: &Context<'_, '_>,
) -> Result<Redirect, Fault> {
    let at = context.at("redirect");
    let fault = |field: &str, message: String| Fault::new(at.clone().field(field), message);
    let code = u16::try_from(found.redirect_code).unwrap_or(u16::MAX);
    let mut redirect = Redirect::new(code).map_err(|error| fault("redirectCode", refusal(&error)))?;
    if !found.scheme.is_empty() {
        redirect = redirect.scheme(&found.scheme);
    }
    if !found.authority.is_empty() {
        redirect = redirect.authority(&found.authority);
    }
    // ROUTE-RDR-05
    let port = match (found.port, found.derive_port) {
        (Some(port), _) => Some(port),
        (None, Some(DerivePort::FromRequestPort)) => Some(context.scope.port),
        (None, _) => None,
    };
    if let Some(port) = port {
        let port = u16::try_from(port)
            .map_err(|_| fault("port", format!("port is {port}, must be within 1 to 65535")))?;
        redirect = redirect.port(port, ServerScheme::Http);
    }
    if !found.prefix_rewrite.is_empty() {
        redirect = redirect.prefix_rewrite(path, &found.prefix_rewrite);
    } else if !found.uri.is_empty() {
        redirect = redirect.uri(&found.uri);
    }
    Ok(redirect)
}

fn direct(found: &HttpDirectResponse, at: &FieldPath) -> Result<DirectResponse, Fault> {
    let body = match &found.body {
        None => Vec::new(),
        Some(body) => match (&body.string, &body.bytes) {
            (Some(text), _) => text.clone().into_bytes(),
            (None, Some(text)) => base64::decode(text).ok_or_else(|| {
                Fault::new(at.clone().field("body").field("bytes"), "this is not base64".to_owned())
            })?,
            (None, None) => Vec::new(),
        },
    };
    let status = u16::try_from(found.status).unwrap_or(u16::MAX);
    DirectResponse::new(status, body).map_err(|error| Fault::new(at.clone(), refusal(&error)))
}

fn path_rewrite(
    found: &HttpRewrite,
    path: Option<&PathMatch>,
    at: &FieldPath,
) -> Result<Option<PathRewrite>, Fault> {
    if let Some(regex) = &found.uri_regex_rewrite {
        return PathRewrite::regex(&regex.pattern, &regex.rewrite, &Limits::new())
            .map(Some)
            .map_err(|error| Fault::new(at.clone().field("uriRegexRewrite"), refusal(&error)));
    }
    Ok((!found.uri.is_empty()).then(|| PathRewrite::uri(path, &found.uri)))
}

/// ROUTE-FLT-02, ROUTE-FLT-04
fn faults(found: &HttpFaultInjection, at: &FieldPath) -> Result<RouteFault, Fault> {
    let mut fault = RouteFault::new();
    if let Some(delay) = &found.delay {
        let share = match delay.percentage {
            Some(percentage) => Percentage::from_percent(percentage.value),
            None => u32::try_from(delay.percent).map_or(Percentage::NONE, Percentage::from_integer),
        };
        if let Some(hold) = delay.fixed_delay.and_then(common::Duration::to_std) {
            fault = fault.delay(share, hold);
        }
    }
    if let Some(abort) = &found.abort {
        let at = at.clone().field("abort");
        let share = abort.percentage.map_or(Percentage::NONE, |share| Percentage::from_percent(share.value));
        let refused = |field: &str, error: &BuildError| Fault::new(at.clone().field(field), refusal(error));
        if let Some(status) = abort.http_status {
            let status = u16::try_from(status).unwrap_or(u16::MAX);
            fault = fault.abort(share, Abort::http(status).map_err(|error| refused("httpStatus", &error))?);
        } else if let Some(name) = &abort.grpc_status {
            let status = GrpcStatus::from_name(name).map_err(|error| refused("grpcStatus", &error))?;
            fault = fault.abort(share, Abort::grpc(status));
        }
    }
    Ok(fault)
}

/// Section 4.11 of the route reference.
fn cors(found: &ModelCors, at: &FieldPath) -> Result<CorsPolicy, Fault> {
    let mut policy = CorsPolicy::new()
        .allow_methods(&found.allow_methods)
        .allow_headers(&found.allow_headers)
        .expose_headers(&found.expose_headers);
    for (index, origin) in found.allow_origins.iter().enumerate() {
        policy = policy.allow_origin(string(origin, &at.clone().field("allowOrigins").index(index))?);
    }
    if found.allow_origins.is_empty() {
        for origin in &found.allow_origin {
            policy = policy.allow_origin(StringMatch::exact(origin));
        }
    }
    if let Some(age) = found.max_age.and_then(common::Duration::to_std) {
        policy = policy.max_age(age);
    }
    if found.allow_credentials == Some(true) {
        policy = policy.allow_credentials();
    }
    if found.unmatched_preflights == UnmatchedPreflights::Ignore {
        policy = policy.ignore_unmatched_preflights();
    }
    Ok(policy)
}

fn request_edits(headers: Option<&Headers>, at: &FieldPath) -> Result<HeaderEdits, Fault> {
    edits(headers.and_then(|headers| headers.request.as_ref()), &at.clone().field("request"))
}

fn response_edits(headers: Option<&Headers>, at: &FieldPath) -> Result<HeaderEdits, Fault> {
    edits(headers.and_then(|headers| headers.response.as_ref()), &at.clone().field("response"))
}

fn edits(found: Option<&HeaderOperations>, at: &FieldPath) -> Result<HeaderEdits, Fault> {
    let mut edits = HeaderEdits::new();
    let Some(found) = found else { return Ok(edits) };
    for (index, name) in found.remove.iter().enumerate() {
        edits = edits
            .remove(name)
            .map_err(|error| Fault::new(at.clone().field("remove").index(index), refusal(&error)))?;
    }
    for (name, value) in &found.set {
        edits = edits
            .set(name, value)
            .map_err(|error| Fault::new(at.clone().field("set").key(name), refusal(&error)))?;
    }
    for (name, value) in &found.add {
        edits = edits
            .add(name, value)
            .map_err(|error| Fault::new(at.clone().field("add").key(name), refusal(&error)))?;
    }
    Ok(edits)
}
