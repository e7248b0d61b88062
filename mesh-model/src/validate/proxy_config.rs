//! ProxyConfig (MODEL-PC).

use super::report::{At, Report};
use super::selector::policy_selector;
use crate::networking::ProxyConfig;

pub(super) fn check(report: &mut Report<'_>, config: &ProxyConfig) {
    let spec = At::OBJECT.field("spec");
    match &config.selector {
        None => report.meant_for_the_mesh(),
        // Unlike other selectors, an empty one is for no workload at all.
        Some(selector) if selector.match_labels.is_empty() => {
            report
                .warning("MODEL-PC-2", &spec.field("selector"), "a selector without labels is never applied")
                .help("remove it for all workloads of the namespace, or add `matchLabels`")
                .absent();
        }
        selector => policy_selector(report, &spec.field("selector"), selector.as_ref()),
    }
    if let Some(count) = config.concurrency.filter(|count| *count < 0) {
        report
            .error("MODEL-PC-1", &spec.field("concurrency"), format!("`{count}` is negative"))
            .help("write 0 for one worker per core, or the number of workers");
    }
    let at = spec.field("environmentVariables");
    for (name, value) in &config.environment_variables {
        let length = value.chars().count();
        if length > 2048 {
            report
                .error(
                    "MODEL-PC-1",
                    &at.key(name),
                    format!("the value has {length} characters, at most 2048 are allowed"),
                )
                .help("shorten it");
        }
    }
}
