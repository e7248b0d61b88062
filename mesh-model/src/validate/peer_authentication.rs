//! PeerAuthentication (MODEL-PA), as far as one object shows.

use super::report::{At, Report, show};
use super::selector::policy_selector;
use crate::security::PeerAuthentication;

pub(super) fn check(report: &mut Report<'_>, policy: &PeerAuthentication) {
    let spec = At::OBJECT.field("spec");
    let at_selector = spec.field("selector");
    policy_selector(report, &at_selector, policy.selector.as_ref());
    if policy.selector.is_none() {
        report.meant_for_the_mesh();
    }
    let selects = policy.selector.as_ref().is_some_and(|selector| !selector.match_labels.is_empty());
    if selects && report.namespace() == report.settings.root_namespace {
        report
            .warning(
                "MODEL-PA-4",
                &at_selector,
                "a policy of the root namespace that has a selector is ignored",
            )
            .help("remove the selector, or put the policy into the namespace of the workload")
            .at_key();
    }
    let at = spec.field("portLevelMtls");
    if !selects && !policy.port_level_mtls.is_empty() {
        report
            .error("MODEL-PA-1", &at, "ports are given, but the policy selects no workload by labels")
            .help("add selector: {matchLabels: {...}}, or remove `portLevelMtls`")
            .at_key();
    }
    for port in policy.port_level_mtls.keys() {
        let digits = !port.is_empty() && port.bytes().all(|c| c.is_ascii_digit());
        if !digits || port.parse::<u16>().is_ok_and(|number| number == 0) || port.parse::<u16>().is_err() {
            report
                .error("MODEL-PA-2", &at.key(port), format!("`{}` is not a port, 1..65535", show(port)))
                .help("write the number of the workload's port")
                .at_key();
        }
    }
}
