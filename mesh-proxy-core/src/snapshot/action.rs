//! What a route does with a request. The pieces come from `mesh-route`; here they are put together.

use std::sync::Arc;

use mesh_model::{FieldPath, ObjectRef};
use mesh_route::{
    Attempt, CorsPolicy, DirectResponse, Fault, HeaderPlan, Mirror, PathRewrite, Redirect, RetryPolicy,
    Timeouts, WeightedSplit,
};

use super::cluster::ClusterIndex;

/// A route's action and what goes with it.
///
/// Copies are cheap: the virtual hosts of one VirtualService share what it forwards to (`ROUTE-PERF-18`).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Route {
    /// `%ROUTE_NAME%` (`ROUTE-MATCH-07`); empty when the rule has none.
    pub name: Arc<str>,
    /// What to do.
    pub action: RouteAction,
    /// Fault injection; applies to every action (`ROUTE-FLT-01`).
    pub fault: Option<Fault>,
    /// The rule that it was made of; `None` if no object asks for it, as for the default route of a service.
    pub source: Option<RouteSource>,
}

/// The HTTP rule of a VirtualService that a route was made of.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RouteSource {
    /// The VirtualService that holds the action: of a rule that delegates, the delegate.
    pub object: Arc<ObjectRef>,
    /// Index in its `http`.
    pub rule: usize,
    /// Index in the rule's `match`; `None` for a rule without, and for one whose conditions are merged from a root's
    /// and a delegate's.
    pub block: Option<usize>,
}

impl RouteSource {
    /// `spec.http[0].match[1]`
    #[must_use]
    pub fn path(&self) -> FieldPath {
        let rule = FieldPath::new().field("spec").field("http").index(self.rule);
        self.block.map_or(rule.clone(), |block| rule.field("match").index(block))
    }
}

/// Redirect, direct response, or forward, in this precedence (`ROUTE-ACT-01`).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum RouteAction {
    /// Answer with another location; the plan edits the response.
    Redirect(Redirect, HeaderPlan),
    /// Answer as configured; the plan edits the response.
    Direct(DirectResponse, HeaderPlan),
    /// Send to an endpoint.
    Forward(Arc<Forward>),
}

/// Forwarding to one of several destinations.
#[derive(Debug)]
#[non_exhaustive]
pub struct Forward {
    /// Where to, by weight (`ROUTE-WGT-01` to `-05`).
    pub destinations: WeightedSplit<Destination>,
    /// New path, if the rule rewrites it (`ROUTE-RWR-01` to `-11`).
    pub rewrite: Option<PathRewrite>,
    /// Route and per-try timeout (`ROUTE-TMO-01` to `-05`).
    pub timeouts: Timeouts,
    /// When to try again (`ROUTE-RTY-01`).
    pub retries: Retries,
    /// CORS; only forwarding routes have it (`ROUTE-CORS-01`).
    pub cors: Option<CorsPolicy>,
    /// Copies of the request; a cluster that does not exist gets none (`ROUTE-MIR-01` to `-05`).
    pub mirrors: Vec<Mirror<Option<ClusterIndex>>>,
}

/// A retry policy, and what it asks of the exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Retries {
    /// The policy.
    pub policy: RetryPolicy,
    /// Whether a retry can follow after the request was sent, so that it has to be kept: for any request, and for a
    /// gRPC one.
    pub(crate) keep_request: bool,
    pub(crate) keep_grpc_request: bool,
}

impl From<RetryPolicy> for Retries {
    fn from(policy: RetryPolicy) -> Self {
        let some = policy.attempts() > 0;
        let response = |grpc_status| {
            move |status| Attempt::Response {
                status,
                grpc_status,
                rate_limited: grpc_status.is_none() && status == 429,
            }
        };
        let keep_request = some
            && (policy.is_retriable(&Attempt::Reset)
                || policy.is_retriable(&Attempt::PerTryTimeout)
                || (100..600).map(response(None)).any(|attempt| policy.is_retriable(&attempt)));
        // DIFFERENCE ROUTE-RTY-04: gRPC conditions look at any response with `grpc-status` in Envoy; here a response to
        // a request that is not gRPC is not retried for them. Else the default policy would have every request copied.
        let keep_grpc_request =
            keep_request || some && (0..=16).any(|grpc| policy.is_retriable(&response(Some(grpc))(200)));
        Self { policy, keep_request, keep_grpc_request }
    }
}

/// One destination of a route.
#[derive(Debug)]
#[non_exhaustive]
pub struct Destination {
    /// `None` when the cluster does not exist: 503 `NC` (`ROUTE-ACT-07`).
    pub cluster: Option<ClusterIndex>,
    /// The cluster's name, also of one that does not exist.
    pub cluster_name: Arc<str>,
    /// Edits of the request, the route's and the destination's (`ROUTE-HDR-03`, `-04`).
    pub request_headers: HeaderPlan,
    /// Edits of the response, likewise.
    pub response_headers: HeaderPlan,
    /// The host to send, when a rewrite or a header edit sets it (`ROUTE-RWR-10`).
    pub authority: Option<Arc<str>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ROUTE-RTY-01, ROUTE-RTY-04
    #[test]
    fn the_request_is_kept_only_when_a_retry_can_follow_its_sending() {
        let keeps = |policy: RetryPolicy| {
            let retries = Retries::from(policy);
            (retries.keep_request, retries.keep_grpc_request)
        };
        assert_eq!(keeps(RetryPolicy::none()), (false, false));
        assert_eq!(keeps(RetryPolicy::mesh_default()), (false, true));
        assert_eq!(keeps(RetryPolicy::new(1).retry_on("connect-failure")), (false, false));
        for list in ["5xx", "reset", "503", "retriable-4xx", "envoy-ratelimited", "gateway-error"] {
            assert_eq!(keeps(RetryPolicy::new(1).retry_on(list)), (true, true), "{list}");
        }
    }
}
