//! VirtualServices that others delegate to (MODEL-VS-14).

use super::index::Index;
use crate::networking::virtual_service::Delegate;
use crate::resolve::Visibility;
use crate::validate::report::{At, Report, show};

pub(super) fn check(report: &mut Report<'_>, at: &At<'_>, delegate: &Delegate, index: &Index<'_>) {
    if delegate.name.is_empty() {
        return;
    }
    let own = report.namespace();
    let namespace = if delegate.namespace.is_empty() { own } else { &delegate.namespace };
    let name = show(&delegate.name);
    let (message, help) = match index.virtual_service(namespace, &delegate.name) {
        None => (
            format!("there is no VirtualService `{name}` in the namespace `{}`", show(namespace)),
            "the rule is left out; create it without `hosts`",
        ),
        // Which is told of the object by itself.
        Some((object, _)) if std::ptr::eq(object, report.object) => return,
        Some((_, target)) if !target.hosts.is_empty() => (
            format!("`{name}` has hosts, so it is not a delegate"),
            "the rule is left out; remove the `hosts` of the delegate",
        ),
        Some((_, target)) if target.http.iter().any(|rule| rule.delegate.is_some()) => (
            format!("`{name}` delegates itself, which is one level too many"),
            "the rule is left out; delegate to the last one",
        ),
        Some((object, _)) => {
            if Visibility::of(object, &index.mesh).includes(own) {
                return;
            }
            (
                format!("`{name}` is not exported to the namespace `{own}`"),
                "the rule is left out; add the namespace to `exportTo` of the delegate",
            )
        }
    };
    report.warning("MODEL-VS-14", &at.field("name"), message).help(help);
}
