//! Labels and annotations of any object.

use super::names::is_label_key;
use super::report::{At, Report, show};
use super::selector;
use crate::object::Object;

/// True for what the installation of Istio itself has labelled.
pub(super) fn is_of_istio(object: &Object) -> bool {
    let labels = &object.metadata.labels;
    labels.contains_key("istio") || labels.get("release").is_some_and(|release| release == "istio")
}

/// Labels are labels, and the keys of annotations are keys of labels (MODEL-META-4).
pub(super) fn check(report: &mut Report<'_>) {
    let metadata = &report.object.metadata;
    if metadata.labels.is_empty() && metadata.annotations.is_empty() {
        return;
    }
    let at = At::OBJECT.field("metadata");
    selector::labels(report, "MODEL-META-4", &at.field("labels"), &metadata.labels);
    let at = at.field("annotations");
    for key in metadata.annotations.keys().filter(|key| !is_label_key(key)) {
        report
            .error("MODEL-META-4", &at.key(key), format!("`{}` is not an annotation's key", show(key)))
            .help("an optional DNS prefix and `/`, then letters, digits, `-`, `_` and `.`")
            .at_key();
    }
}
