//! Values of sources, operations and conditions.

use crate::validate::names::is_subnet;
use crate::validate::report::{At, Report, show};

pub(super) fn addresses(report: &mut Report<'_>, code: &'static str, at: &At<'_>, list: &[String]) {
    for (index, value) in list.iter().enumerate() {
        if !value.is_empty() && !is_subnet(value) {
            report
                .error(code, &at.index(index), format!("`{}` is not an address or a CIDR", show(value)))
                .help("write one such as 10.0.0.0/8");
        }
    }
}

pub(super) fn service_accounts(report: &mut Report<'_>, code: &'static str, at: &At<'_>, list: &[String]) {
    if list.len() > 16 {
        report
            .error(code, at, format!("{} accounts are given, at most 16 are allowed", list.len()))
            .help("write a second source");
    }
    for (index, value) in list.iter().enumerate() {
        if value.is_empty() {
            report
                .error(code, &at.index(index), "the service account is empty")
                .help("write <account> or <namespace>/<account>");
            continue;
        }
        let fault = if value.contains('*') {
            Some("wildcards are not allowed")
        } else if value.len() > 320 {
            Some("it has more than 320 characters")
        } else if value.matches('/').count() > 1 {
            Some("it has more than one `/`")
        } else if value.starts_with('/') || value.ends_with('/') {
            Some("the namespace or the account is empty")
        } else {
            None
        };
        if let Some(fault) = fault {
            report
                .error(code, &at.index(index), format!("`{}` is not a service account: {fault}", show(value)))
                .help("write <account> or <namespace>/<account>");
        }
    }
}

pub(super) fn trust_domains(report: &mut Report<'_>, code: &'static str, at: &At<'_>, list: &[String]) {
    for (index, value) in list.iter().enumerate() {
        if value.is_empty() {
            report
                .error(code, &at.index(index), "the trust domain is empty")
                .help("remove it, or write \"*\" for any");
            continue;
        }
        let fault = if value.contains('/') {
            Some("it has a `/`")
        } else if value.matches('*').count() > 1 {
            Some("it has more than one `*`")
        } else if value.contains('*') && !value.starts_with('*') && !value.ends_with('*') {
            Some("`*` is only allowed at the start or the end")
        } else {
            None
        };
        if let Some(fault) = fault {
            report
                .error(code, &at.index(index), format!("`{}` is not a trust domain: {fault}", show(value)))
                .help("write one such as cluster.local, *.example.com or td-*");
        }
    }
}

pub(super) fn ports(report: &mut Report<'_>, code: &'static str, at: &At<'_>, list: &[String]) {
    for (index, value) in list.iter().enumerate() {
        let number = value.bytes().all(|c| c.is_ascii_digit()) && value.parse::<u16>().is_ok();
        if !value.is_empty() && !number {
            report
                .error(code, &at.index(index), format!("`{}` is not a port", show(value)))
                .help("write one decimal number, 0..65535, as a string");
        }
    }
}

/// MODEL-AP-13.
pub(super) fn path_template(path: &str) -> Result<(), &'static str> {
    let segments = || path.trim_matches('/').split('/');
    let mut template = false;
    let mut last = false;
    for segment in segments() {
        match segment {
            "{*}" | "{**}" => {
                if last {
                    return Err("`{**}` is not the last template");
                }
                template = true;
                last = segment == "{**}";
            }
            text if text.contains(['{', '}']) => return Err("a brace is not part of {*} or {**}"),
            _ => {}
        }
    }
    let literal = |c: u8| c.is_ascii_alphanumeric() || b"-._~%!$&'()+,;:@=".contains(&c);
    let odd = |segment: &str| {
        !matches!(segment, "{*}" | "{**}") && (segment.is_empty() || !segment.bytes().all(literal))
    };
    if template && segments().any(odd) {
        return Err("beside a template a segment has letters, digits and a few signs only, and no `*`");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn model_ap_13_path_templates() {
        for good in [
            "/",
            "/a*",
            "*",
            "/a/{*}/b",
            "/{**}",
            "/a/{*}/{**}",
            "/{**}/b",
            "{*}",
            "/a.b~c/{*}",
            "/a//b",
            "*/x",
            "/%20/{*}",
        ] {
            assert_eq!(path_template(good), Ok(()), "{good}");
        }
        for bad in ["/{a}", "/a{*}", "/{**}/{*}", "/{**}/{**}", "/a*/{*}", "/a//{*}", "/{*", "/}", "/a b/{*}"]
        {
            assert!(path_template(bad).is_err(), "{bad}");
        }
    }
}
