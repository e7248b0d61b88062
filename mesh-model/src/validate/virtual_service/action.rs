//! Redirect, direct response, delegate and rewrite (MODEL-VS-14, MODEL-VS-40 to 48).

use crate::common::StringMatch;
use crate::networking::virtual_service::{
    Delegate, HttpDirectResponse, HttpMatchRequest, HttpRedirect, HttpRewrite,
};
use crate::validate::names::{is_port, not_a_port};
use crate::validate::report::{At, Report, show};
use crate::validate::{re2, strings};

pub(super) fn redirect(
    report: &mut Report<'_>,
    at: &At<'_>,
    redirect: &HttpRedirect,
    matches: &[HttpMatchRequest],
) {
    const CODE: &str = "MODEL-VS-40";
    let prefix = !redirect.prefix_rewrite.is_empty();
    if !redirect.uri.is_empty() && prefix {
        report.error(CODE, at, "`uri` and `prefixRewrite` exclude each other").help("keep one of them");
    }
    let other = matches.iter().any(|entry| {
        matches!(entry.uri, Some(StringMatch::Exact(_) | StringMatch::Regex(_) | StringMatch::Unset))
    });
    if prefix && other {
        report
            .error(
                CODE,
                &at.field("prefixRewrite"),
                "a match of the rule compares `uri` other than by prefix",
            )
            .help("write uri instead, or match by prefix");
    }
    if redirect.uri.is_empty()
        && !prefix
        && redirect.authority.is_empty()
        && redirect.scheme.is_empty()
        && redirect.port.is_none()
        && redirect.derive_port.is_none()
    {
        report
            .error(CODE, at, "the redirect leads nowhere else")
            .help("give one of `uri`, `prefixRewrite`, `authority`, `port`, `derivePort` and `scheme`")
            .absent();
    }
    if redirect.redirect_code != 0 && !(300..=399).contains(&redirect.redirect_code) {
        report
            .error(CODE, &at.field("redirectCode"), format!("`{}` is not a redirect", redirect.redirect_code))
            .help("write a status from 300 to 399");
    }
    if !matches!(redirect.scheme.as_str(), "" | "http" | "https") {
        report
            .error(CODE, &at.field("scheme"), format!("`{}` is not a scheme", show(&redirect.scheme)))
            .help("write http or https");
    }
    if let Some(port) = redirect.port
        && !is_port(port)
    {
        not_a_port(report, CODE, &at.field("port"), port);
    }
    if redirect.port.is_some() && redirect.derive_port.is_some() {
        report
            .error("MODEL-VS-41", at, "`port` and `derivePort` exclude each other")
            .help("keep one of them");
    }
}

pub(super) fn direct_response(report: &mut Report<'_>, at: &At<'_>, response: &HttpDirectResponse) {
    let status = response.status;
    if status == 0 {
        report
            .error("MODEL-VS-41", &at.field("status"), "the response has no status")
            .help("add status: 503")
            .absent();
    } else {
        http_status(report, "MODEL-VS-42", &at.field("status"), i64::from(status));
    }
    let Some(body) = &response.body else { return };
    let at = at.field("body");
    if body.string.is_some() && body.bytes.is_some() {
        report
            .error("MODEL-TYPE-22", &at, "`string` and `bytes` exclude each other")
            .help("keep one of them");
    }
    if let Some(text) = &body.bytes {
        super::content::base64(report, &at.field("bytes"), text);
    }
    // Three bytes of base64 text less than four of it: the size of what it stands for.
    let bytes = body.bytes.as_ref().map_or(0, |text| text.trim_end_matches('=').len() / 4 * 3);
    let size = body.string.as_ref().map_or(0, String::len).max(bytes);
    if size > 1 << 20 {
        report
            .error("MODEL-VS-42", &at, format!("the body has {size} bytes, at most 1048576 are allowed"))
            .help("serve it from a service");
    } else if size > 100 << 10 {
        report
            .warning("MODEL-VS-42", &at, format!("the body has {size} bytes, every proxy keeps it in memory"))
            .help("serve it from a service");
    }
}

/// MODEL-CHK-19.
pub(super) fn http_status(report: &mut Report<'_>, code: &'static str, at: &At<'_>, status: i64) {
    if !(200..=600).contains(&status) {
        report
            .error(code, at, format!("`{status}` is not a status of a response"))
            .help("write a number from 200 to 599");
    } else if status == 600 {
        // Istio lets it pass by mistake.
        report
            .warning("MODEL-CHK-19", at, "`600` is not a status of a response")
            .help("write a number from 200 to 599");
    }
}

pub(super) fn delegate(report: &mut Report<'_>, at: &At<'_>, delegate: &Delegate) {
    if delegate.name.is_empty() {
        report
            .warning("MODEL-VS-14", &at.field("name"), "the delegate has no name")
            .help("name a VirtualService without `hosts`")
            .absent();
        return;
    }
    let metadata = &report.object.metadata;
    let own = delegate.namespace.is_empty() || delegate.namespace == metadata.namespace;
    if own && delegate.name == metadata.name {
        report
            .warning("MODEL-VS-14", &at.field("name"), "the delegate is this VirtualService itself")
            .help("name another one, without `hosts`");
    }
}

pub(super) fn rewrite(
    report: &mut Report<'_>,
    at: &At<'_>,
    rewrite: &HttpRewrite,
    matches: &[HttpMatchRequest],
) {
    const CODE: &str = "MODEL-VS-46";
    match &rewrite.uri_regex_rewrite {
        Some(regex) => {
            if !rewrite.uri.is_empty() {
                report
                    .error(CODE, at, "`uri` and `uriRegexRewrite` exclude each other")
                    .help("keep one of them");
            }
            let at = at.field("uriRegexRewrite");
            if regex.pattern.is_empty() {
                report.error(CODE, &at.field("match"), "`match` is missing").help("add `match`").absent();
            } else {
                strings::regex(report, CODE, &at.field("match"), &regex.pattern);
            }
            if regex.rewrite.is_empty() {
                report
                    .error(CODE, &at.field("rewrite"), "`rewrite` is missing")
                    .help("add `rewrite`")
                    .absent();
            }
            if let Ok(groups) = re2::check(&regex.pattern)
                && let Some(group) = largest_group(&regex.rewrite).filter(|group| *group > groups)
            {
                report
                    .warning(
                        "MODEL-VS-47",
                        &at.field("rewrite"),
                        format!("`\\{group}` refers to a group, the expression has {groups}"),
                    )
                    .help("put what is to be kept in parentheses");
            }
        }
        None if rewrite.uri.is_empty() && rewrite.authority.is_empty() => {
            report
                .error(CODE, at, "the rewrite changes nothing")
                .help("give one of `uri`, `uriRegexRewrite` and `authority`")
                .absent();
        }
        None => slashes(report, at, rewrite, matches),
    }
}

/// The largest `\N` of a substitution.
fn largest_group(text: &str) -> Option<usize> {
    let mut bytes = text.bytes();
    let mut largest = None;
    while let Some(byte) = bytes.next() {
        if byte == b'\\'
            && let Some(digit) = bytes.next().filter(u8::is_ascii_digit)
        {
            largest = largest.max(Some(usize::from(digit - b'0')));
        }
    }
    largest
}

/// A slash that is doubled or lost (MODEL-VS-48).
fn slashes(report: &mut Report<'_>, at: &At<'_>, rewrite: &HttpRewrite, matches: &[HttpMatchRequest]) {
    let uri = &rewrite.uri;
    if uri.is_empty() {
        return;
    }
    for entry in matches {
        let Some(StringMatch::Prefix(prefix)) = &entry.uri else { continue };
        let finding = if !prefix.ends_with('/') && uri == "/" {
            Some(format!("`{0}/x` becomes `//x`", show(prefix)))
        } else if prefix.len() > 1 && prefix.ends_with('/') && !uri.ends_with('/') {
            Some(format!("`{}x` becomes `{}x`", show(prefix), show(uri)))
        } else {
            None
        };
        if let Some(finding) = finding {
            report.info("MODEL-VS-48", &at.field("uri"), finding).help(
                "let the prefix and `uri` both end in `/`, or neither; a second match takes the bare path",
            );
            return;
        }
    }
}
