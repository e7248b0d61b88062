//! One HTTP rule: that it has one action, and its parts.

use super::{Whole, action, cors, headers, matching, required_destination, resilience, weights};
use crate::networking::virtual_service::HttpRoute;
use crate::validate::report::{At, Report, show};

pub(super) fn route(report: &mut Report<'_>, at: &At<'_>, route: &HttpRoute, whole: Whole<'_>) {
    actions(report, at, route, whole);
    matching::entries(report, &at.field("match"), &route.matches, whole);
    if let Some(redirect) = &route.redirect {
        action::redirect(report, &at.field("redirect"), redirect, &route.matches);
    }
    if let Some(response) = &route.direct_response {
        action::direct_response(report, &at.field("directResponse"), response);
    }
    if let Some(delegate) = &route.delegate {
        action::delegate(report, &at.field("delegate"), delegate);
    }
    if let Some(rewrite) = &route.rewrite {
        action::rewrite(report, &at.field("rewrite"), rewrite, &route.matches);
    }
    headers::authority(report, at, route);
    if let Some(operations) = &route.headers {
        headers::check(report, &at.field("headers"), operations);
    }
    let routes = at.field("route");
    for (index, target) in route.route.iter().enumerate() {
        let at = routes.index(index);
        required_destination(report, "MODEL-VS-50", &at, target.destination.as_ref());
        if let Some(operations) = &target.headers {
            headers::check(report, &at.field("headers"), operations);
        }
    }
    weights(report, &routes, route.route.iter().map(|target| target.weight));
    if let Some(policy) = &route.cors_policy {
        cors::check(report, &at.field("corsPolicy"), policy);
    }
    resilience::check(report, at, route);
}

/// Exactly one action, and nothing that contradicts it (MODEL-VS-10 to 13).
fn actions(report: &mut Report<'_>, at: &At<'_>, route: &HttpRoute, whole: Whole<'_>) {
    let given = [
        ("route", !route.route.is_empty()),
        ("directResponse", route.direct_response.is_some()),
        ("fault", route.fault.is_some()),
        ("rewrite", route.rewrite.is_some()),
    ];
    let mut excludes = |action: &str, code: &'static str, others: &[&str]| {
        for (name, _) in given.iter().filter(|(name, set)| *set && others.contains(name)) {
            report
                .error(code, at, format!("`{action}` and `{name}` exclude each other"))
                .help("keep one of them, or split the rule in two");
        }
    };
    if route.delegate.is_some() {
        excludes("delegate", "MODEL-VS-11", &["route"]);
        if route.redirect.is_some() {
            report
                .error("MODEL-VS-11", at, "`delegate` and `redirect` exclude each other")
                .help("keep one of them, or split the rule in two");
        }
        if whole.delegate {
            report
                .error("MODEL-VS-12", &at.field("delegate"), "a delegate cannot hand over once more")
                .help("a VirtualService without `hosts` is a delegate itself; add `hosts`, or a `route` here")
                .at_key();
        }
    } else if route.redirect.is_some() {
        excludes("redirect", "MODEL-VS-10", &["route", "fault", "rewrite", "directResponse"]);
    } else if route.direct_response.is_some() {
        excludes("directResponse", "MODEL-VS-10", &["route", "fault", "rewrite"]);
    } else if route.route.is_empty() {
        let added = report.error(
            "MODEL-VS-10",
            at,
            "the rule has no action, one of `route`, `redirect`, `directResponse` and `delegate` is needed",
        );
        let added = match whole.hosts.first() {
            Some(host) if !host.contains('*') => {
                added.help(format!("add route: [{{destination: {{host: {}}}}}]", show(host)))
            }
            _ => added.help("add route: [{destination: {host: ...}}]"),
        };
        added.absent();
    }
    if route.mirror.is_some() && !route.mirrors.is_empty() {
        report
            .error("MODEL-VS-13", at, "`mirror` and `mirrors` exclude each other")
            .help("put all of them in `mirrors`");
    }
}
