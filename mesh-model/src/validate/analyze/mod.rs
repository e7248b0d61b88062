//! References between objects (section 5.17 of the model reference, the checks that need configuration only).

mod conflicts;
mod gateways;
mod hosts;
mod index;

use super::report::Report;
use super::{Finding, Settings};
use crate::diagnostic::Diagnostic;
use crate::object::{Body, Object};
use index::Index;

/// What does not fit together among `objects`: references that lead nowhere, and objects that hide each other.
///
/// | finding | code | Istio's code |
/// |---|---|---|
/// | a gateway that does not exist | `MODEL-ANA-7` | IST0101 |
/// | a gateway that serves none of the hosts | `MODEL-ANA-8` | IST0132 |
/// | a destination or mirror whose host is no service | `MODEL-ANA-2` | IST0101 |
/// | a destination without port on a service with several | `MODEL-ANA-3` | IST0112 |
/// | a port that the service does not have | `MODEL-ANA-4` | IST0101 |
/// | a subset that no DestinationRule defines | `MODEL-ANA-6` | IST0101 |
/// | two VirtualServices for one host on sidecars | `MODEL-ANA-10` | IST0109 |
/// | a DestinationRule for a host that is no service | `MODEL-ANA-13` | IST0174 |
/// | two Sidecars for one namespace | `MODEL-ANA-22` | IST0111 |
/// | a delegate that does not exist, or is none | `MODEL-VS-14` | |
///
/// All are warnings: Istio admits each object by itself. The annotation `galley.istio.io/analyze-suppress` silences
/// an object, by Istio's codes or `*`. Where no Service and no ServiceEntry is given, hosts are not looked at: the
/// services are then known to somebody else. Names are completed with the cluster domain `cluster.local`; the
/// defaults of `exportTo` are taken from the ConfigMap `istio`.
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
    let index = Index::new(objects);
    let settings = Settings::default();
    let mut conflicts = conflicts::Conflicts::new(objects, &index);
    let mut all = Vec::new();
    for (at, object) in objects.iter().enumerate() {
        let mut report = Report::new(object, &settings);
        match &object.body {
            Body::VirtualService(service) => {
                gateways::check(&mut report, service, &index);
                hosts::virtual_service(&mut report, service, &index);
            }
            Body::DestinationRule(rule) => hosts::destination_rule(&mut report, rule, &index),
            _ => {}
        }
        conflicts.report(at, &mut report);
        let silenced = object.metadata.annotations.get("galley.istio.io/analyze-suppress");
        let kept = report.finish().into_iter().map(|Finding { diagnostic, .. }| diagnostic).filter(|found| {
            silenced.is_none_or(|list| {
                !list.split(',').map(str::trim).any(|code| {
                    code == "*" || (!code.is_empty() && found.message.ends_with(&format!("({code})")))
                })
            })
        });
        all.extend(kept.map(|found| found.of(Some(object.reference()), object.origin.as_ref())));
    }
    all
}
