//! Cross-origin policies (MODEL-VS-28 to 32).

use crate::common::StringMatch;
use crate::networking::virtual_service::CorsPolicy;
use crate::validate::report::{At, Report, quote, show};
use crate::validate::strings::{duration, is_token, regex};

const METHODS: [&str; 10] =
    ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE", "*"];

pub(super) fn check(report: &mut Report<'_>, at: &At<'_>, policy: &CorsPolicy) {
    origins(report, &at.field("allowOrigins"), policy);
    let methods = at.field("allowMethods");
    for (index, method) in policy.allow_methods.iter().enumerate() {
        if !METHODS.contains(&method.as_str()) {
            let upper = method.to_ascii_uppercase();
            let added = report.error(
                "MODEL-VS-29",
                &methods.index(index),
                format!("`{}` is not a method", show(method)),
            );
            if METHODS.contains(&upper.as_str()) {
                added.help(format!("write {upper}"));
            } else {
                added.help(format!("valid methods are {}", METHODS.join(", ")));
            }
        }
    }
    for (name, list) in [("allowHeaders", &policy.allow_headers), ("exposeHeaders", &policy.expose_headers)] {
        let at = at.field(name);
        for (index, header) in list.iter().enumerate() {
            // `*` is a token too.
            if !is_token(header) {
                report
                    .error(
                        "MODEL-VS-30",
                        &at.index(index),
                        format!("{} is not a header's name", quote(header)),
                    )
                    .help("write one name an entry, or `*`");
            }
        }
    }
    let max_age = at.field("maxAge");
    duration(report, "MODEL-VS-31", &max_age, policy.max_age);
    if let Some(age) = policy.max_age
        && age.is_whole_positive_millis()
        && age.as_nanos() % 1_000_000_000 != 0
    {
        report
            .error("MODEL-VS-31", &max_age, format!("`{age}` is not a whole number of seconds"))
            .help(format!("write {}s", age.as_nanos() / 1_000_000_000 + 1));
    }
    if policy.allow_credentials == Some(true) {
        let any = |list: &[String]| list.iter().any(|entry| entry == "*");
        let star = StringMatch::Exact("*".to_owned());
        for (name, set) in [
            ("allowOrigins", policy.allow_origins.contains(&star)),
            ("allowMethods", any(&policy.allow_methods)),
            ("allowHeaders", any(&policy.allow_headers)),
        ] {
            if set {
                report
                    .warning(
                        "MODEL-VS-32",
                        &at.field(name),
                        "browsers do not take `*` for requests with credentials",
                    )
                    .help("list the values");
            }
        }
    }
}

fn origins(report: &mut Report<'_>, at: &At<'_>, policy: &CorsPolicy) {
    for (index, origin) in policy.allow_origins.iter().enumerate() {
        let at = at.index(index);
        match origin {
            StringMatch::Unset => {
                report
                    .error("MODEL-VS-28", &at, "the origin is empty")
                    .help("write exact, prefix or regex")
                    .absent();
            }
            StringMatch::Exact(text) | StringMatch::Prefix(text) | StringMatch::Regex(text)
                if text.is_empty() =>
            {
                report.error("MODEL-VS-28", &at, "the origin is empty").help("write exact, prefix or regex");
            }
            StringMatch::Regex(pattern) => regex(report, "MODEL-VS-28", &at.field("regex"), pattern),
            StringMatch::Exact(text) => browser_form(report, &at.field("exact"), text),
            StringMatch::Prefix(_) => {}
        }
    }
}

/// Browsers send scheme, host and port, and nothing behind them.
fn browser_form(report: &mut Report<'_>, at: &At<'_>, origin: &str) {
    if origin == "*" || origin == "null" {
        return;
    }
    if !origin.contains("://") {
        report
            .warning("MODEL-VS-32", at, format!("`{}` has no scheme, browsers send one", show(origin)))
            .help(format!("write https://{}", show(origin)));
    } else if let Some(bare) = origin.strip_suffix('/') {
        report
            .warning("MODEL-VS-32", at, format!("`{}` ends in `/`, which browsers do not send", show(origin)))
            .help(format!("write {}", show(bare)));
    }
}
