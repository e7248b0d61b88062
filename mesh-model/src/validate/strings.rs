//! String matches, header names and values, and other scalars with rules of their own (MODEL-CHK-10 to 20).

use super::names::Fault;
use super::re2;
use super::report::{At, Report, show};
use crate::common::{Duration, StringMatch};

/// Which parts of a string match are looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Strictness {
    /// All (STRM of MODEL-CHK-15).
    Full,
    /// The regular expression only: an empty prefix is allowed (STRM-RE).
    RegexOnly,
}

/// MODEL-CHK-15.
pub(super) fn string_match(
    report: &mut Report<'_>,
    code: &'static str,
    at: &At<'_>,
    value: &StringMatch,
    strictness: Strictness,
) {
    match value {
        StringMatch::Prefix(prefix) if prefix.is_empty() && strictness == Strictness::Full => {
            report
                .error(code, &at.field("prefix"), "the prefix is empty")
                .help("leave the condition out, or give a prefix");
        }
        StringMatch::Regex(pattern) if pattern.is_empty() && strictness == Strictness::Full => {
            report
                .error(code, &at.field("regex"), "the regular expression is empty")
                .help("leave the condition out, or give an expression");
        }
        StringMatch::Regex(pattern) => regex(report, code, &at.field("regex"), pattern),
        _ => {}
    }
}

/// MODEL-CHK-16.
pub(super) fn regex(report: &mut Report<'_>, code: &'static str, at: &At<'_>, pattern: &str) {
    if let Err(fault) = re2::check(pattern) {
        let added = report.error(code, at, format!("`{}` does not compile: {fault}", show(pattern)));
        if pattern == "*" {
            added.help("write .* for any text, or leave the value empty for presence");
        } else {
            added.help("RE2 syntax is expected");
        }
    }
}

/// The token characters of HTTP.
pub(super) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|c| c.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&c))
}

/// MODEL-CHK-11.
pub(super) fn is_claim(name: &str) -> bool {
    const PREFIX: &str = "@request.auth.claims";
    let Some((head, rest)) = name.split_at_checked(PREFIX.len()) else { return false };
    head.eq_ignore_ascii_case(PREFIX)
        && (rest.strip_prefix('.').is_some_and(|claims| !claims.is_empty())
            || rest
                .strip_prefix('[')
                .and_then(|rest| rest.strip_suffix(']'))
                .is_some_and(|claims| !claims.is_empty()))
}

/// MODEL-CHK-10.
pub(super) fn match_header_name(name: &str) -> Result<(), Fault> {
    if name.is_empty() {
        return Err("a name is needed".to_owned());
    }
    if matches!(name, ":method" | ":scheme" | ":authority" | ":path" | ":status") || is_claim(name) {
        return Ok(());
    }
    if is_token(name) { Ok(()) } else { Err("a character is not allowed in a header name".to_owned()) }
}

/// True for the two names that mean the authority in a request operation (MODEL-CHK-12).
pub(super) fn is_authority(name: &str) -> bool {
    name.eq_ignore_ascii_case("host") || name.eq_ignore_ascii_case(":authority")
}

/// MODEL-CHK-12 when `authority` may be set, else MODEL-CHK-13.
pub(super) fn operation_header_name(name: &str, authority: bool) -> Result<(), Fault> {
    if name.is_empty() {
        Err("a name is needed".to_owned())
    } else if authority && is_authority(name) {
        Ok(())
    } else if name.eq_ignore_ascii_case("host") {
        Err("the host cannot be changed here".to_owned())
    } else if name.starts_with(':') {
        Err("pseudo-headers cannot be changed".to_owned())
    } else {
        Ok(())
    }
}

/// MODEL-CHK-14: no control characters, and every `%` begins a command that ends, or is doubled.
pub(super) fn header_value(value: &str) -> Result<(), Fault> {
    if value.bytes().any(|c| c != b'\t' && c.is_ascii_control()) {
        return Err("it has control characters".to_owned());
    }
    let mut rest = value;
    while let Some((_, after)) = rest.split_once('%') {
        rest = match after.strip_prefix('%') {
            Some(after) => after,
            None => command(after)?,
        };
    }
    Ok(())
}

/// What follows a command, given what follows its first `%`.
fn command(text: &str) -> Result<&str, Fault> {
    let unfinished = || "a `%` begins a command that does not end".to_owned();
    let at = text.find(['%', '(']).ok_or_else(unfinished)?;
    let (_, rest) = text.split_at_checked(at).ok_or_else(unfinished)?;
    if let Some(rest) = rest.strip_prefix('%') {
        return Ok(rest);
    }
    let inside = rest.strip_prefix('(').ok_or_else(unfinished)?;
    let after = match inside.trim_start_matches(' ').strip_prefix('[') {
        Some(list) => {
            let rest =
                string_list(list).ok_or_else(|| "a command's list of strings is malformed".to_owned())?;
            rest.trim_start_matches(' ').strip_prefix(')')
        }
        None => inside.split_once(')').map(|(_, rest)| rest),
    };
    after
        .ok_or_else(unfinished)?
        .trim_start_matches(' ')
        .strip_prefix('%')
        .ok_or_else(|| "`%` is expected behind a command's arguments".to_owned())
}

/// What follows the `]` of a JSON list of strings, given what follows its `[`.
fn string_list(text: &str) -> Option<&str> {
    let mut rest = text.trim_start_matches(' ');
    loop {
        rest = rest.strip_prefix('"')?;
        let mut chars = rest.char_indices();
        let end = loop {
            match chars.next()? {
                (_, '\\') => {
                    chars.next()?;
                }
                (at, '"') => break at + 1,
                _ => {}
            }
        };
        rest = rest.get(end..)?.trim_start_matches(' ');
        match rest.strip_prefix(',') {
            Some(after) => rest = after.trim_start_matches(' '),
            None => return rest.strip_prefix(']'),
        }
    }
}

/// MODEL-CHK-18, for a percentage that is a decimal.
pub(super) fn is_percentage(value: f64) -> bool {
    value == 0.0 || (0.0001..=100.0).contains(&value)
}

/// MODEL-CHK-20.
pub(super) fn is_grpc_status(name: &str) -> bool {
    matches!(
        name,
        "OK" | "CANCELLED"
            | "UNKNOWN"
            | "INVALID_ARGUMENT"
            | "DEADLINE_EXCEEDED"
            | "NOT_FOUND"
            | "ALREADY_EXISTS"
            | "PERMISSION_DENIED"
            | "RESOURCE_EXHAUSTED"
            | "FAILED_PRECONDITION"
            | "ABORTED"
            | "OUT_OF_RANGE"
            | "UNIMPLEMENTED"
            | "INTERNAL"
            | "UNAVAILABLE"
            | "DATA_LOSS"
            | "UNAUTHENTICATED"
    )
}

/// MODEL-TYPE-5: at least 1 ms and whole milliseconds.
pub(super) fn duration(report: &mut Report<'_>, code: &'static str, at: &At<'_>, value: Option<Duration>) {
    let Some(value) = value.filter(|value| !value.is_whole_positive_millis()) else { return };
    let added = report.error(
        code,
        at,
        if value.as_nanos() < 1_000_000 {
            format!("`{value}` is too short, at least 1ms is needed")
        } else {
            format!("`{value}` is not a whole number of milliseconds")
        },
    );
    if value.as_nanos() == 0 {
        added.help("remove the field to switch it off");
    } else if value.as_nanos() > 1_000_000 {
        let whole = value.as_nanos() - value.as_nanos() % 1_000_000;
        added.help(format!("write {}", Duration::from_nanos(whole)));
    } else {
        added.help("write 1ms or more");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_of_tokens_model_chk_11() {
        for good in [
            "@request.auth.claims.sub",
            "@request.auth.claims.a.b",
            "@REQUEST.auth.Claims.sub",
            "@request.auth.claims[a.b][c]",
        ] {
            assert!(is_claim(good), "{good}");
        }
        for bad in [
            "",
            "@request.auth.claims",
            "@request.auth.claims.",
            "@request.auth.claims[]",
            "@request.auth.claims[a",
            "@request.auth.claimsa",
            "request.auth.claims.sub",
        ] {
            assert!(!is_claim(bad), "{bad}");
        }
    }

    #[test]
    fn headers_of_requests_to_write_model_chk_12() {
        for good in ["x-a", "Host", "HOST", ":authority", ":Authority"] {
            assert_eq!(operation_header_name(good, true), Ok(()), "{good}");
        }
        for bad in ["", ":path", ":method", ":", ":host"] {
            assert!(operation_header_name(bad, true).is_err(), "{bad}");
        }
    }

    #[test]
    fn other_headers_to_change_model_chk_13() {
        for good in ["x-a", "hosts", "X_A"] {
            assert_eq!(operation_header_name(good, false), Ok(()), "{good}");
        }
        for bad in ["", "host", "Host", ":authority", ":status"] {
            assert!(operation_header_name(bad, false).is_err(), "{bad}");
        }
    }

    #[test]
    fn model_chk_10_header_names() {
        for good in ["x-user", ":method", "a_b", "@request.auth.claims.sub", "@Request.Auth.Claims[a][b]"] {
            assert_eq!(match_header_name(good), Ok(()), "{good}");
        }
        for bad in ["", ":path2", "a b", "a:b", "@request.auth.claims", "@request.auth.claims[]"] {
            assert!(match_header_name(bad).is_err(), "{bad}");
        }
        assert!(
            operation_header_name("Host", true).is_ok() && operation_header_name(":authority", true).is_ok()
        );
        assert!(
            operation_header_name("Host", false).is_err() && operation_header_name(":path", true).is_err()
        );
        assert!(operation_header_name("", true).is_err() && operation_header_name("x", false).is_ok());
    }

    #[test]
    fn model_chk_14_header_values() {
        for good in [
            "",
            "plain",
            "a\tb",
            "100%%",
            "%PROTOCOL%",
            "%REQ(x-id)%",
            "a%START_TIME(%s)%b",
            r#"%D(["a","b\"]"])%"#,
            r#"%D( [ "a" , "b" ] ) %"#,
        ] {
            assert_eq!(header_value(good), Ok(()), "{good}");
        }
        for bad in
            ["100%", "%A", "%A(", "%A(x)", "%A(x)y%", "%A([\"a\")%", "%A([])%", "a\nb", "\u{7f}", "%%%"]
        {
            assert!(header_value(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn model_chk_18_percentages() {
        assert!(is_percentage(0.0) && is_percentage(0.0001) && is_percentage(100.0));
        assert!(!is_percentage(0.000_01) && !is_percentage(100.1) && !is_percentage(-1.0));
        assert!(!is_percentage(f64::NAN));
    }
}
