//! Patches that depend on the order of others, or have no effect (MODEL-ANA-27).

use crate::common::Value;
use crate::networking::EnvoyFilter;
use crate::networking::envoy_filter::{ApplyTo, ConfigPatch, PatchOperation};
use crate::validate::report::{At, Report, show};
use std::collections::BTreeSet;

/// What earlier patches said.
#[derive(Default)]
pub(super) struct Patches<'o> {
    /// Filters that some patch changes for one version of the proxy only.
    versioned: BTreeSet<&'o str>,
}

impl<'o> Patches<'o> {
    pub(super) fn check(&mut self, report: &mut Report<'_>, filter: &'o EnvoyFilter) {
        let spec = At::OBJECT.field("spec");
        let at = spec.field("configPatches");
        for (index, patch) in filter.config_patches.iter().enumerate() {
            let at = at.index(index);
            let at = at.field("patch");
            let at = at.field("operation");
            let name = filter_name(patch);
            if !without_effect(report, &at, patch) && filter.priority == 0 {
                self.relative(report, &at, patch, name);
            }
            let versioned = patch
                .matches
                .as_ref()
                .and_then(|matches| matches.proxy.as_ref())
                .is_some_and(|proxy| !proxy.proxy_version.is_empty());
            if versioned {
                self.versioned.extend(name);
            }
        }
    }

    /// An operation that finds or misses its target, depending on what was applied before (MODEL-EF-12).
    fn relative(&self, report: &mut Report<'_>, at: &At<'_>, patch: &ConfigPatch, name: Option<&str>) {
        let Some(operation) = patch.patch.as_ref().map(|change| change.operation) else { return };
        if !matches!(
            operation,
            PatchOperation::InsertBefore
                | PatchOperation::InsertAfter
                | PatchOperation::Remove
                | PatchOperation::Replace
        ) {
            return;
        }
        let message = match name.filter(|name| self.versioned.contains(name)) {
            Some(name) => format!(
                "{operation} depends on an earlier patch of `{}`, which is for some versions of the proxy only (IST0155)",
                show(name)
            ),
            None => format!("{operation} depends on which EnvoyFilters are applied before (IST0151)"),
        };
        report.warning("MODEL-EF-12", at, message).help("set `priority`, or use INSERT_FIRST or ADD");
    }
}

/// True when Istio ignores the operation, or says so (MODEL-EF-11).
fn without_effect(report: &mut Report<'_>, at: &At<'_>, patch: &ConfigPatch) -> bool {
    let Some(operation) = patch.patch.as_ref().map(|change| change.operation) else { return false };
    let apply_to = patch.apply_to;
    let routes = apply_to == ApplyTo::RouteConfiguration;
    let replaceable = matches!(
        apply_to,
        // What it applies to is not given, which is reported as that.
        ApplyTo::NetworkFilter | ApplyTo::HttpFilter | ApplyTo::VirtualHost | ApplyTo::Invalid
    );
    let (code, help) = match operation {
        PatchOperation::Replace if !replaceable => {
            ("IST0152", "REPLACE is for NETWORK_FILTER, HTTP_FILTER and VIRTUAL_HOST; write MERGE")
        }
        // DIFFERENCE: MODEL-EF-11: Istio calls these two errors, as its documentation says that they are ignored; they
        // are applied all the same.
        PatchOperation::Add if apply_to == ApplyTo::HttpRoute => {
            report
                .warning("MODEL-EF-11", at, "ADD puts the route behind all others (IST0153)")
                .help("write INSERT_FIRST, so that no route before it takes its requests");
            return true;
        }
        PatchOperation::Remove if apply_to == ApplyTo::HttpRoute => {
            report
                .info("MODEL-EF-11", at, "Istio's analysis takes REMOVE for ignored on HTTP_ROUTE (IST0154)")
                .help("the route is removed all the same");
            return true;
        }
        PatchOperation::Add if routes => ("IST0153", "write MERGE, or add to a VIRTUAL_HOST"),
        PatchOperation::Remove if routes => ("IST0154", "write MERGE, or change the VIRTUAL_HOST"),
        _ => return false,
    };
    report.error("MODEL-EF-11", at, format!("{operation} has no effect on {apply_to} ({code})")).help(help);
    true
}

/// The filter that a patch is about: that of its value, else that of its match.
fn filter_name(patch: &ConfigPatch) -> Option<&str> {
    let value = patch.patch.as_ref().and_then(|change| change.value.as_ref());
    let named = value.and_then(|value| value.get("name")).and_then(Value::as_str);
    let matched = || {
        let listener = patch.matches.as_ref()?.listener.as_ref()?;
        let filter = listener.filter_chain.as_ref()?.filter.as_ref()?;
        Some(filter.sub_filter.as_ref().map_or(filter.name.as_str(), |inner| &inner.name))
    };
    named.or_else(matched).filter(|name| !name.is_empty())
}
