//! Header operations (MODEL-VS-25 to 27).

use crate::common::{HeaderOperations, Headers, StringMap};
use crate::networking::virtual_service::HttpRoute;
use crate::validate::report::{At, Report, quote, show};
use crate::validate::strings::{header_value, is_authority, operation_header_name};

pub(super) fn check(report: &mut Report<'_>, at: &At<'_>, headers: &Headers) {
    if let Some(request) = &headers.request {
        operations(report, &at.field("request"), request, true);
    }
    if let Some(response) = &headers.response {
        operations(report, &at.field("response"), response, false);
    }
}

fn operations(report: &mut Report<'_>, at: &At<'_>, operations: &HeaderOperations, request: bool) {
    for (name, map) in [("set", &operations.set), ("add", &operations.add)] {
        entries(report, &at.field(name), map, request);
    }
    let removed = at.field("remove");
    for (index, name) in operations.remove.iter().enumerate() {
        if let Err(fault) = operation_header_name(name, false) {
            report
                .error(
                    "MODEL-VS-25",
                    &removed.index(index),
                    format!("{} is not a header to remove: {fault}", quote(name)),
                )
                .help("remove it from the list");
        }
    }
    let add = at.field("add");
    for name in operations.add.keys().filter(|name| operations.set.contains_key(*name)) {
        report
            .info("MODEL-VS-27", &add.key(name), format!("`{}` is set and added to", show(name)))
            .help("the header then has both values")
            .at_key();
    }
    for (index, name) in operations.remove.iter().enumerate() {
        if operations.set.contains_key(name) || operations.add.contains_key(name) {
            report
                .info("MODEL-VS-27", &removed.index(index), format!("`{}` is removed and set", show(name)))
                .help("`set` alone replaces the value");
        }
    }
}

fn entries(report: &mut Report<'_>, at: &At<'_>, map: &StringMap, request: bool) {
    for (name, value) in map {
        let at = at.key(name);
        if let Err(fault) = operation_header_name(name, request) {
            report
                .error("MODEL-VS-25", &at, format!("{} is not a header to write: {fault}", quote(name)))
                .help("write the name of a plain header; `rewrite.authority` changes the host of a request")
                .at_key();
        }
        if let Err(fault) = header_value(value) {
            report
                .error("MODEL-VS-25", &at, format!("`{}` is not a header's value: {fault}", show(value)))
                .help("write %% for a percent sign");
        }
        if name.eq_ignore_ascii_case("content-type") {
            super::content::media_type(report, &at, value);
        }
    }
}

/// The authority is changed in one place only (MODEL-VS-26).
pub(super) fn authority(report: &mut Report<'_>, at: &At<'_>, route: &HttpRoute) {
    let count = |headers: &Headers| {
        let request = headers.request.as_ref();
        let keys = request.into_iter().flat_map(|request| request.set.keys().chain(request.add.keys()));
        keys.filter(|name| is_authority(name)).count()
    };
    let rewritten = usize::from(route.rewrite.as_ref().is_some_and(|rewrite| !rewrite.authority.is_empty()));
    let by_rule = rewritten + route.headers.as_ref().map_or(0, count);
    if by_rule > 1 {
        let headers = at.field("headers");
        twice(report, &headers.field("request"));
    }
    let routes = at.field("route");
    for (index, target) in route.route.iter().enumerate() {
        if let Some(headers) = &target.headers
            && count(headers) > 1
        {
            let at = routes.index(index);
            let at = at.field("headers");
            twice(report, &at.field("request"));
        }
    }
}

fn twice(report: &mut Report<'_>, at: &At<'_>) {
    report
        .error("MODEL-VS-26", at, "the authority is set more than once")
        .help("keep one of `rewrite.authority`, `host` and `:authority`");
}
