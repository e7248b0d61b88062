//! Telemetry (MODEL-TEL).

use super::cel;
use super::report::{At, Report, show};
use super::selector::policy_targets;
use crate::telemetry::{
    AccessLogging, CustomTag, MetricSelector, Metrics, ProviderRef, TagOverride, TagOverrideOperation,
    Telemetry, Tracing,
};

pub(super) fn check(report: &mut Report<'_>, telemetry: &Telemetry) {
    let spec = At::OBJECT.field("spec");
    let Telemetry { selector, target_ref, target_refs, .. } = telemetry;
    policy_targets(report, &spec, selector.as_ref(), target_ref.as_ref(), target_refs);
    if selector.is_none() && target_ref.is_none() && target_refs.is_empty() {
        report.meant_for_the_mesh();
    }
    let at = spec.field("tracing");
    if telemetry.tracing.len() > 1 {
        report
            .warning("MODEL-TEL-3", &at.index(1), "only the first tracing entry is used")
            .help("put the settings into one entry");
    }
    for (index, entry) in telemetry.tracing.iter().enumerate() {
        tracing(report, &at.index(index), entry);
    }
    let at = spec.field("metrics");
    for (index, entry) in telemetry.metrics.iter().enumerate() {
        metrics(report, &at.index(index), entry);
    }
    let at = spec.field("accessLogging");
    for (index, entry) in telemetry.access_logging.iter().enumerate() {
        access_logging(report, &at.index(index), entry);
    }
}

/// MODEL-TEL-2
fn providers(report: &mut Report<'_>, at: &At<'_>, list: &[ProviderRef]) {
    let at = at.field("providers");
    for (index, _) in list.iter().enumerate().filter(|(_, provider)| provider.name.is_empty()) {
        report
            .error("MODEL-TEL-2", &at.index(index).field("name"), "the provider has no name")
            .help("name one of `meshConfig.extensionProviders`")
            .absent();
    }
}

fn tracing(report: &mut Report<'_>, at: &At<'_>, tracing: &Tracing) {
    providers(report, at, &tracing.providers);
    if tracing.providers.len() > 1 {
        report
            .warning("MODEL-TEL-3", &at.field("providers").index(1), "traces go to the first provider only")
            .help("keep one");
    }
    if let Some(share) = tracing.random_sampling_percentage
        && !(0.0..=100.0).contains(&share)
    {
        report
            .error(
                "MODEL-TEL-4",
                &at.field("randomSamplingPercentage"),
                format!("{share} is not a percentage, 0..100"),
            )
            .help(format!("write {}", if share > 100.0 { 100 } else { 0 }));
    }
    let at = at.field("customTags");
    for (name, tag) in &tracing.custom_tags {
        custom_tag(report, &at.key(name), name, tag);
    }
}

/// MODEL-TEL-5
fn custom_tag(report: &mut Report<'_>, at: &At<'_>, name: &str, tag: &CustomTag) {
    const CODE: &str = "MODEL-TEL-5";
    if name.is_empty() {
        report.error(CODE, at, "the tag has no name").help("write the name before the `:`").at_key();
    }
    let sources = [
        ("literal", "value", tag.literal.as_ref().map(|literal| &literal.value)),
        ("environment", "name", tag.environment.as_ref().map(|variable| &variable.name)),
        ("header", "name", tag.header.as_ref().map(|header| &header.name)),
        ("formatter", "value", tag.formatter.as_ref().map(|formatter| &formatter.value)),
    ];
    match sources.iter().filter(|(_, _, given)| given.is_some()).count() {
        0 => {
            report
                .warning(CODE, at, format!("the tag `{}` has no value", show(name)))
                .help("add one of `literal`, `environment`, `header` and `formatter`")
                .absent();
        }
        1 => {}
        _ => {
            report
                .error(
                    "MODEL-TYPE-22",
                    at,
                    "only one of `literal`, `environment`, `header` and `formatter` may be set",
                )
                .help("keep one of them");
        }
    }
    for (source, field, _) in
        sources.iter().filter(|(_, _, given)| given.is_some_and(std::string::String::is_empty))
    {
        report
            .error(CODE, &at.field(source).field(field), format!("the {field} is empty"))
            .help("fill it in, or remove the tag")
            .absent();
    }
}

fn metrics(report: &mut Report<'_>, at: &At<'_>, metrics: &Metrics) {
    providers(report, at, &metrics.providers);
    if let Some(interval) = metrics.reporting_interval
        && interval.as_nanos() < 1_000_000
    {
        report
            .error(
                "MODEL-TEL-8",
                &at.field("reportingInterval"),
                format!("`{interval}` is too short, at least 1ms is needed"),
            )
            .help("write 5s, the default");
    }
    let at = at.field("overrides");
    for (index, entry) in metrics.overrides.iter().enumerate() {
        let at = at.index(index);
        if let Some(selector) = &entry.matches {
            metric_selector(report, &at.field("match"), selector);
        }
        let at = at.field("tagOverrides");
        for (name, tag) in &entry.tag_overrides {
            tag_override(report, &at.key(name), name, tag);
        }
    }
}

fn metric_selector(report: &mut Report<'_>, at: &At<'_>, selector: &MetricSelector) {
    if selector.metric.is_some() && selector.custom_metric.is_some() {
        report
            .error("MODEL-TYPE-22", at, "only one of `metric` and `customMetric` may be set")
            .help("write two overrides");
    }
    if selector.custom_metric.as_ref().is_some_and(String::is_empty) {
        report
            .error("MODEL-TEL-8", &at.field("customMetric"), "the metric has no name")
            .help("remove `customMetric` to mean all metrics")
            .absent();
    }
}

/// MODEL-TEL-6, MODEL-TEL-7
fn tag_override(report: &mut Report<'_>, at: &At<'_>, name: &str, tag: &TagOverride) {
    if name.is_empty() {
        report
            .warning("MODEL-TEL-6", at, "the tag has no name, the override has no effect")
            .help("write the name before the `:`")
            .at_key();
    }
    let at_value = at.field("value");
    match tag.operation {
        TagOverrideOperation::Upsert if tag.value.is_empty() => {
            report
                .error("MODEL-TEL-7", &at_value, format!("the tag `{}` has no value", show(name)))
                .help("add `value`, or write operation: REMOVE")
                .absent();
        }
        TagOverrideOperation::Remove if !tag.value.is_empty() => {
            report
                .error("MODEL-TEL-7", &at_value, format!("`{}` is given for a removed tag", show(&tag.value)))
                .help("remove `value`, or write operation: UPSERT");
        }
        _ => {}
    }
}

fn access_logging(report: &mut Report<'_>, at: &At<'_>, logging: &AccessLogging) {
    providers(report, at, &logging.providers);
    let Some(filter) = &logging.filter else { return };
    if let Err(fault) = cel::check(&filter.expression) {
        let at = at.field("filter");
        let at = at.field("expression");
        if filter.expression.is_empty() {
            report
                .error("MODEL-TEL-9", &at, "the filter has no expression")
                .help("add one such as response.code >= 400, or remove `filter`")
                .absent();
        } else {
            report
                .error("MODEL-TEL-9", &at, format!("`{}` is not CEL: {fault}", show(&filter.expression)))
                .help("an expression such as response.code >= 400 || connection.mtls == false is expected");
        }
    }
}
