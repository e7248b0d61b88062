//! References between objects (section 5.17 of the model reference, the checks that need configuration only).

mod applied;
mod attach;
mod authorization;
mod by_host;
mod callers;
mod certificates;
mod claim_routes;
mod claims;
mod clients;
mod conditions;
mod conflicts;
mod default_deny;
mod delegates;
mod destination_hosts;
mod destinations;
mod envoy_filters;
mod fronts;
mod gateway_conflicts;
mod gateway_pods;
mod gateway_secrets;
mod gateways;
mod imports;
mod index;
mod ingress_subsets;
mod injection;
mod networks;
mod owners;
mod peers;
mod routing;
mod rule_order;
mod scope;
mod selectors;
mod servers;
mod service_entries;
mod services;
mod subset_pods;
mod tcp_ports;
mod telemetry;
mod tokens;
mod topology;
mod waypoints;
#[cfg(test)]
mod workload_tests;
mod workloads;
mod zones;

use super::report::Report;
use super::{Finding, Settings};
use crate::diagnostic::Diagnostic;
use crate::load::Gaps;
use crate::object::{Body, Object};
use crate::path::FieldPath;
use index::Index;

/// What does not fit together among `objects`: references that lead nowhere, and objects that hide each other.
///
/// | finding | code | Istio's code |
/// |---|---|---|
/// | a gateway that does not exist | `MODEL-ANA-7` | IST0101 |
/// | a gateway that serves none of the hosts | `MODEL-ANA-8` | IST0132 |
/// | a Gateway that Istio makes for itself | `MODEL-ANA-9` | IST0165 |
/// | a destination or mirror whose host is no service | `MODEL-ANA-2` | IST0101 |
/// | a destination without port on a service with several | `MODEL-ANA-3` | IST0112 |
/// | a port that the service does not have | `MODEL-ANA-4` | IST0101 |
/// | a route through a gateway that chooses no subset, where rules for sidecars do | `MODEL-ANA-5` | IST0140 |
/// | a subset that no DestinationRule defines | `MODEL-ANA-6` | IST0101 |
/// | two VirtualServices for one host on sidecars | `MODEL-ANA-10` | IST0109 |
/// | claims of a token in routes of a gateway without RequestAuthentication | `MODEL-ANA-11` | IST0149 |
/// | a DestinationRule for a host that is no service | `MODEL-ANA-13` | IST0174 |
/// | a subset whose labels no endpoint of the service has | `MODEL-ANA-14` | IST0173 |
/// | a Gateway that selects no pod, or a port that no Service of its pods has | `MODEL-ANA-15` | IST0101, IST0162 |
/// | one certificate in two Gateways of the same pods | `MODEL-ANA-16` | IST0138 |
/// | a Secret that is not where the gateway's pods are, or is of no use | `MODEL-ANA-17` | IST0101, IST0161 |
/// | two Gateways with one host on one port | `MODEL-ANA-18` | IST0145 |
/// | two ServiceEntries that disagree about the protocol of a port | `MODEL-ANA-20` | IST0177 |
/// | two Sidecars for one namespace | `MODEL-ANA-22` | IST0111 |
/// | a Sidecar or Telemetry that selects no workload, or one that an older one has | `MODEL-ANA-21`, `MODEL-ANA-23` | IST0101, IST0110, IST0159 |
/// | a Sidecar for workloads of the ambient mesh | `MODEL-ANA-21` | IST0167 |
/// | access logging without provider, a provider of the type lightstep | `MODEL-ANA-24` | IST0157, IST0002 |
/// | a network of a cluster that does not exist | `MODEL-ANA-37` | IST0126 |
/// | a certificate that is not for the hosts of its server | `MODEL-K8S-6` | |
/// | a patch that has no effect | `MODEL-EF-11` | IST0152, IST0153, IST0154 |
/// | a patch that depends on the order of EnvoyFilters | `MODEL-EF-12` | IST0151, IST0155 |
/// | an AuthorizationPolicy that nobody enforces | `MODEL-ANA-25` | IST0127 |
/// | an AuthorizationPolicy that names a namespace that does not exist | `MODEL-ANA-25` | IST0101 |
/// | a Deployment behind Services that contradict each other | `MODEL-ANA-31` | IST0116, IST0137 |
/// | a Namespace without, by default with, or with two labels for injection | `MODEL-ANA-33` | IST0102, IST0148, IST0123 |
/// | a Pod without proxy in a namespace with sidecars | `MODEL-ANA-33` | IST0103 |
/// | a policy that selects pods of a Gateway of the Gateway API by labels | `MODEL-ANA-35` | IST0166 |
/// | a DestinationRule for chosen workloads, for a service behind a waypoint | `MODEL-ANA-40` | |
/// | a condition in the status that does not hold | `MODEL-ANA-36` | IST0171 |
/// | a provider that is no external authorizer of the mesh | `MODEL-AP-4` | |
/// | HTTP attributes for ports that do not speak HTTP; identities where mutual TLS is off | `MODEL-AP-18` | |
/// | Services in front of the same pods that contradict each other | `MODEL-K8S-3` | IST0116, IST0137 |
/// | a load balancer for a headless Service; a pod on the node's network that should have a proxy | `MODEL-K8S-7` | |
/// | a PeerAuthentication without effect, or for the port of a Service; a DestinationRule against STRICT | `MODEL-PA-4` | |
/// | a ProxyConfig beside an older one | `MODEL-PC-2` | |
/// | a caller without identity in an AuthorizationPolicy | `MODEL-PIT-21` | |
/// | the first ALLOW policy of workloads, which turns on the default deny | `MODEL-PIT-24` | |
/// | a Sidecar that does not import what proxies report to | `MODEL-PIT-34` | |
/// | a RequestAuthentication where nobody asks for a token | `MODEL-RA-8` | |
/// | a ServiceEntry for the host of a Service | `MODEL-SE-16` | |
/// | a delegate that does not exist, or is none | `MODEL-VS-14` | |
/// | `tls` rules on a server that takes TLS off, `http` rules on one that does not | `MODEL-VS-61` | |
/// | a wildcard in a client's namespace that hides a more specific DestinationRule | `MODEL-RES-19` | |
/// | what a DestinationRule says after an older one for the same host | `MODEL-RES-21` | |
/// | outlier detection that keeps traffic in one zone | `MODEL-PIT-15` | |
/// | two ServiceEntries that each take all traffic of a port | `MODEL-PIT-16` | |
/// | a ServiceEntry that disagrees with a Service about the protocol of a port | `MODEL-PIT-17` | IST0177 |
/// | rules for gateways only, for a Service of the cluster | `MODEL-PIT-3` | |
/// | `name.namespace` as a host, which is not completed | `MODEL-RES-1` | |
///
/// Some of Istio's analyzers look at one object: their findings are made by [`validate`](super::validate). See
/// [`Diagnostic::istio_code`] for the codes of all.
///
/// The severity is Istio's own. An error here says that requests will fail or that an object has no effect; it does not
/// make the object unusable, as Istio admits each object by itself: [`LoadState`](crate::LoadState) does not depend on
/// it. Two of Istio's errors are remarks here, because nothing is lost: a host that a wildcard of another
/// VirtualService covers, and plain HTTP servers of two Gateways, which are merged. The annotation
/// `galley.istio.io/analyze-suppress` silences an object, by Istio's codes or `*`.
///
/// # What is not among the objects
///
/// What may be known to somebody else is not missed:
///
/// | not given at all | not looked at |
/// |---|---|
/// | Services | hosts in the cluster domain |
/// | Services and ServiceEntries | hosts |
/// | pods of a service | the labels of its subsets |
/// | pods of the gateways that come with Istio, such as `istio: ingressgateway` | those gateways; they are taken to be in the root namespace |
/// | Services of a gateway's pods | the ports of its Gateways |
/// | Secrets | names of Secrets |
/// | Pods, Deployments, StatefulSets and DaemonSets | what selectors select |
/// | Namespaces | names and labels of namespaces |
/// | the ConfigMap `istio` | names of extension providers |
/// | Secrets | certificates |
/// | Secrets labelled `istio/multiCluster` | clusters |
///
/// What only a running cluster can tell is not looked at: how istiod fetches keys (MODEL-ANA-26), the versions of
/// proxies' images (MODEL-ANA-34) and of CRDs (part of MODEL-ANA-35), Services of several clusters (part of
/// MODEL-ANA-37), webhooks (MODEL-ANA-38), and the installation (MODEL-ANA-39).
///
/// The defaults of `exportTo` are taken from the ConfigMap `istio`. Names are completed with the cluster domain
/// `cluster.local`, and the root namespace is `istio-system`, unless [`analyze_with`] is told otherwise.
///
/// The findings are in the order of the objects, and not located yet: see [`locate`](crate::locate), or
/// [`Options::analyze`](crate::Options).
///
/// Cost: linear in the objects and their references.
///
/// ```
/// use mesh_model::validate::analyze;
/// use mesh_model::{Options, Source, load};
///
/// let text = "
/// apiVersion: networking.istio.io/v1
/// kind: VirtualService
/// metadata: {name: reviews, namespace: shop}
/// spec:
///   hosts: [reviews.example.com]
///   gateways: [istio-system/public]
///   http: [{route: [{destination: {host: reviews}}]}]
/// ";
/// let loaded = load([Source::new("reviews.yaml", text)], &Options::default());
/// let found = analyze(&loaded.objects);
/// assert_eq!(found[0].code, "MODEL-ANA-7");
/// assert_eq!(found[0].message, "there is no Gateway `public` in the namespace `istio-system` (IST0101)");
/// ```
pub fn analyze(objects: &[Object]) -> Vec<Diagnostic> {
    analyze_with(objects, &Settings::default())
}

/// Like [`analyze`], for another cluster domain or root namespace. A root namespace in the mesh configuration wins.
pub fn analyze_with(objects: &[Object], settings: &Settings) -> Vec<Diagnostic> {
    let index = Index::new(objects, settings);
    let mut patches = envoy_filters::Patches::default();
    let mut applied = applied::Applied::new(&index);
    let mut routing = routing::Routing::new(&index, settings, &applied.services);
    let providers = telemetry::Providers::new(&index);
    let mut all = Vec::new();
    for (at, object) in objects.iter().enumerate() {
        let mut report = Report::new(object, settings);
        routing.report(at, &mut report);
        match &object.body {
            Body::ConfigMap(config) => networks::check(&mut report, config, &index),
            Body::EnvoyFilter(filter) => patches.check(&mut report, filter),
            Body::Telemetry(spec) => telemetry::check(&mut report, at, spec, &providers, objects),
            _ => {}
        }
        applied.report(at, &mut report);
        let kept = report.finish().into_iter().map(|Finding { diagnostic, .. }| diagnostic);
        let kept = kept.filter(|found| !super::silenced(object, &found.message, true));
        let gaps = Gaps::of(&object.unread);
        let kept = kept.map(|mut found| {
            found.path = gaps.in_text(&found.path);
            found
        });
        let kept = kept.filter(|found| !is_assumed(object, &found.path));
        all.extend(kept.map(|found| found.of(Some(object.reference()), object.origin.as_ref())));
    }
    all
}

/// True for what is said of a value that nobody wrote.
fn is_assumed(object: &Object, path: &FieldPath) -> bool {
    // A path sorts right before all that lie within it.
    let before = object.assumed.range(..=path).next_back();
    before.is_some_and(|assumed| path.segments().starts_with(assumed.segments()))
}
