//! Hosts of DestinationRules (MODEL-ANA-13, MODEL-PIT-29).

use super::clients::Clients;
use super::index::Index;
use crate::networking::DestinationRule;
use crate::validate::report::{At, Report, show};

pub(super) fn check(report: &mut Report<'_>, rule: &DestinationRule, index: &Index<'_>) {
    let namespace = report.namespace();
    let host = index.full_name(&rule.host, namespace);
    let spec = At::OBJECT.field("spec");
    let at = spec.field("host");
    // A wildcard is for services to come as well.
    // DIFFERENCE: MODEL-ANA-13: without Services nothing is said about hosts of the cluster: they are not at hand.
    if host.is_empty() || host.starts_with('*') || !index.knows_services(&host) {
        return;
    }
    let clients = Clients::of(report.object, index);
    if clients.is_empty() || !index.services_of(&host, &clients).is_empty() {
        return;
    }
    let subject = clients.subject();
    let message = format!("there is no service `{}` that {subject} sees (IST0174)", show(&host));
    let added = report.warning("MODEL-ANA-13", &at, message);
    if let Some(full) = index.half_named(&host) {
        added.help(format!("a name with a dot is not completed, write {}", show(&full)));
    } else if let Some(other) = index.service_elsewhere(&rule.host, namespace) {
        let full = index.service_name(&rule.host, other);
        added.help(format!("the rule applies to nothing; for the one in `{other}` write {}", show(&full)));
    } else {
        added.help("the rule applies to nothing");
    }
}
