//! The body of Istio 0.8 (MODEL-EF-13, MODEL-LEG-19, MODEL-LEG-20).

use super::renamed;
use crate::networking::EnvoyFilter;
use crate::networking::envoy_filter::{
    LegacyFilter, LegacyFilterType, LegacyInsertIndex, LegacyInsertPosition, LegacyListenerMatch,
    LegacyListenerProtocol,
};
use crate::validate::report::{At, Report, show};

const CODE: &str = "MODEL-EF-13";

pub(super) fn check(report: &mut Report<'_>, spec: &At<'_>, filter: &EnvoyFilter) {
    if filter.filters.is_empty() {
        if !filter.workload_labels.is_empty() && filter.config_patches.is_empty() {
            report.warning(CODE, spec, "there are no filters").help("add `filters`").absent();
        }
        return;
    }
    let at = spec.field("filters");
    if !filter.config_patches.is_empty() {
        report
            .warning(CODE, &at, "`filters` stand beside `configPatches`, Istio reads the latter only")
            .help("write all of them as configPatches")
            .at_key();
    }
    if filter.workload_selector.is_some() && !filter.workload_labels.is_empty() {
        report
            .warning(
                CODE,
                &spec.field("workloadLabels"),
                "`workloadLabels` stand beside `workloadSelector`, Istio reads the latter only",
            )
            .help("put all labels under workloadSelector: {labels: ...}")
            .at_key();
    }
    for (index, found) in filter.filters.iter().enumerate() {
        legacy_filter(report, &at.index(index), found);
    }
}

fn legacy_filter(report: &mut Report<'_>, at: &At<'_>, filter: &LegacyFilter) {
    let network = filter.filter_type == LegacyFilterType::Network;
    if filter.filter_type == LegacyFilterType::Invalid {
        report
            .warning(CODE, &at.field("filterType"), "the filter has no type")
            .help("add filterType: HTTP or NETWORK")
            .absent();
    }
    if filter.filter_name.is_empty() {
        report
            .warning(CODE, &at.field("filterName"), "the filter has no name")
            .help("add `filterName`")
            .absent();
    } else {
        renamed(report, "MODEL-LEG-20", &at.field("filterName"), &filter.filter_name, network);
    }
    if filter.filter_config.is_none() {
        report
            .warning(CODE, &at.field("filterConfig"), "the filter has no configuration")
            .help("add filterConfig: {...}, or {}")
            .absent();
    }
    if let Some(position) = &filter.insert_position {
        place(report, &at.field("insertPosition"), position, network);
    }
    if let Some(listener) = &filter.listener_match {
        without_counterpart(report, &at.field("listenerMatch"), listener);
    }
}

fn place(report: &mut Report<'_>, at: &At<'_>, position: &LegacyInsertPosition, network: bool) {
    let at = at.field("relativeTo");
    let other = &position.relative_to;
    let relative = matches!(position.index, LegacyInsertIndex::Before | LegacyInsertIndex::After);
    match (relative, other.is_empty()) {
        (true, true) => {
            report
                .warning(CODE, &at, format!("{} needs a filter to stand beside", position.index))
                .help("add `relativeTo` with the filter's name")
                .absent();
        }
        (false, false) => {
            report
                .warning(CODE, &at, format!("`{}` has no meaning with {}", show(other), position.index))
                .help("write index: BEFORE or AFTER, or remove it")
                .at_key();
        }
        (true, false) => renamed(report, "MODEL-LEG-20", &at, other, network),
        (false, true) => {}
    }
}

/// Conditions that today's matches do not have (MODEL-LEG-19).
fn without_counterpart(report: &mut Report<'_>, at: &At<'_>, listener: &LegacyListenerMatch) {
    for (field, set) in [
        ("listenerProtocol", listener.listener_protocol != LegacyListenerProtocol::All),
        ("portNamePrefix", !listener.port_name_prefix.is_empty()),
        ("address", !listener.address.is_empty()),
    ] {
        if set {
            report
                .warning(
                    "MODEL-LEG-19",
                    &at.field(field),
                    format!("`{field}` has no counterpart in configPatches"),
                )
                .help("write listener: {portNumber: ...} instead")
                .at_key();
        }
    }
}
