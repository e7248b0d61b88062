//! Timeouts, retries, faults and mirrors (MODEL-VS-33 to 45, MODEL-VS-49).

use super::{action, destination, required_destination};
use crate::common::{Duration, HttpRetry, Percent};
use crate::networking::virtual_service::{Abort, Delay, HttpRoute};
use crate::validate::report::{At, Report, show};
use crate::validate::strings::{duration, is_grpc_status, is_percentage};

pub(super) fn check(report: &mut Report<'_>, at: &At<'_>, route: &HttpRoute) {
    duration(report, "MODEL-VS-49", &at.field("timeout"), route.timeout);
    if let Some(retry) = &route.retries {
        retries(report, &at.field("retries"), retry, route.timeout);
    }
    if let Some(fault) = &route.fault {
        let fault_at = at.field("fault");
        if fault.delay.is_none() && fault.abort.is_none() {
            report
                .error("MODEL-VS-33", &fault_at, "neither `delay` nor `abort` is given")
                .help("give one of them, or remove the block")
                .absent();
        }
        if let Some(found) = &fault.delay {
            delay(report, &fault_at.field("delay"), found);
        }
        if let Some(found) = &fault.abort {
            abort(report, &fault_at.field("abort"), found);
        }
        if route.timeout.is_some() || route.retries.is_some() {
            report
                .info("MODEL-SEED-23", &fault_at, "timeouts and retries do not apply to injected faults")
                .at_key();
        }
    }
    mirrors(report, at, route);
}

fn percentage(report: &mut Report<'_>, at: &At<'_>, share: Option<Percent>) {
    if let Some(share) = share
        && !is_percentage(share.value)
    {
        let at = at.field("percentage");
        report
            .error("MODEL-VS-34", &at.field("value"), format!("`{}` is not a percentage", share.value))
            .help("write 0, or 0.0001 to 100");
    }
}

fn delay(report: &mut Report<'_>, at: &At<'_>, delay: &Delay) {
    percentage(report, at, delay.percentage);
    if !(0..=100).contains(&delay.percent) {
        report
            .warning("MODEL-VS-34", &at.field("percent"), format!("`{}` is not a percentage", delay.percent))
            .help("write percentage: {value: ...}, from 0 to 100");
    }
    if delay.percentage.is_none() && delay.percent == 0 {
        nothing_injected(report, at);
    }
    duration(report, "MODEL-VS-36", &at.field("fixedDelay"), delay.fixed_delay);
    if delay.exponential_delay.is_some() {
        report
            .error("MODEL-VS-36", &at.field("exponentialDelay"), "`exponentialDelay` is not supported")
            .help("write fixedDelay")
            .at_key();
        if delay.fixed_delay.is_some() {
            report
                .error("MODEL-TYPE-22", at, "`fixedDelay` and `exponentialDelay` exclude each other")
                .help("remove `exponentialDelay`");
        }
    } else if delay.fixed_delay.is_none() {
        report
            .warning("MODEL-VS-36", &at.field("fixedDelay"), "the delay has no `fixedDelay`")
            .help("add fixedDelay: 5s")
            .absent();
    }
}

/// No percentage means 0 %, which older documents have otherwise (MODEL-LEG-8).
fn nothing_injected(report: &mut Report<'_>, at: &At<'_>) {
    report
        .warning("MODEL-LEG-8", at, "no percentage is given: nothing is injected")
        .help("add percentage: {value: 100}")
        .absent();
}

fn abort(report: &mut Report<'_>, at: &At<'_>, abort: &Abort) {
    percentage(report, at, abort.percentage);
    if abort.percentage.is_none() {
        nothing_injected(report, at);
    }
    let given = [
        ("httpStatus", abort.http_status.is_some()),
        ("grpcStatus", abort.grpc_status.is_some()),
        ("http2Error", abort.http2_error.is_some()),
    ];
    let given: Vec<&str> = given.into_iter().filter_map(|(name, set)| set.then_some(name)).collect();
    match given.as_slice() {
        [] => {
            report
                .warning("MODEL-VS-35", at, "the abort has no error")
                .help("add httpStatus or grpcStatus")
                .absent();
        }
        [_] => {}
        [first, second, ..] => {
            report
                .error("MODEL-TYPE-22", at, format!("`{first}` and `{second}` exclude each other"))
                .help("keep one of them");
        }
    }
    if let Some(status) = abort.http_status {
        action::http_status(report, "MODEL-VS-35", &at.field("httpStatus"), i64::from(status));
    }
    if let Some(status) = &abort.grpc_status
        && !is_grpc_status(status)
    {
        let added = report.error(
            "MODEL-VS-35",
            &at.field("grpcStatus"),
            format!("`{}` is not the name of a gRPC status", show(status)),
        );
        let upper = status.to_ascii_uppercase().replace('-', "_");
        if is_grpc_status(&upper) {
            added.help(format!("write {upper}"));
        } else {
            added.help("a name such as UNAVAILABLE is expected, not a number");
        }
    }
    if abort.http2_error.is_some() {
        report
            .error("MODEL-VS-35", &at.field("http2Error"), "`http2Error` is not supported")
            .help("write httpStatus or grpcStatus")
            .at_key();
    }
}

fn mirrors(report: &mut Report<'_>, at: &At<'_>, route: &HttpRoute) {
    if let Some(mirror) = &route.mirror {
        destination(report, &at.field("mirror"), mirror);
    }
    let share = |report: &mut Report<'_>, code: &'static str, at: &At<'_>, share: Option<Percent>| {
        if let Some(share) = share
            && !(0.0..=100.0).contains(&share.value)
        {
            report
                .error(code, &at.field("value"), format!("`{}` is not a percentage", share.value))
                .help("write a number from 0 to 100");
        }
    };
    share(report, "MODEL-VS-37", &at.field("mirrorPercentage"), route.mirror_percentage);
    if let Some(percent) = route.mirror_percent {
        let at = at.field("mirrorPercent");
        report
            .warning("MODEL-VS-37", &at, "`mirrorPercent` is deprecated")
            .help("write mirrorPercentage: {value: ...}")
            .at_key();
        if percent > 100 {
            report
                .error("MODEL-VS-37", &at, format!("`{percent}` is not a percentage"))
                .help("write a number from 0 to 100");
        }
    }
    if route.mirror.is_none() && (route.mirror_percentage.is_some() || route.mirror_percent.is_some()) {
        report
            .warning(
                "MODEL-VS-38",
                &at.field("mirrorPercentage"),
                "a share is mirrored, but no `mirror` is given",
            )
            .help("add `mirror`; entries of `mirrors` have a `percentage` of their own")
            .at_key();
    }
    let at = at.field("mirrors");
    for (index, mirror) in route.mirrors.iter().enumerate() {
        let at = at.index(index);
        required_destination(report, "MODEL-VS-39", &at, mirror.destination.as_ref());
        share(report, "MODEL-VS-39", &at.field("percentage"), mirror.percentage);
    }
}

/// `timeout` is that of the route.
pub(in crate::validate) fn retries(
    report: &mut Report<'_>,
    at: &At<'_>,
    retry: &HttpRetry,
    timeout: Option<Duration>,
) {
    let attempts = retry.attempts;
    if attempts < 0 {
        report
            .error("MODEL-VS-43", &at.field("attempts"), format!("`{attempts}` is negative"))
            .help("write 0 for no retries, or how often to try again");
    }
    if attempts == 0 {
        let extra = [
            ("perTryTimeout", retry.per_try_timeout.is_some()),
            ("retryOn", !retry.retry_on.is_empty()),
            ("retryRemoteLocalities", retry.retry_remote_localities.is_some()),
        ];
        // A bare `retries: {}` cannot be told from `attempts: 0` here; the loader speaks of it.
        if let Some((name, _)) = extra.iter().find(|(_, set)| *set) {
            report
                .error(
                    "MODEL-VS-43",
                    at,
                    format!("without `attempts` there are no retries, `{name}` says nothing"),
                )
                .help("add `attempts`")
                .absent();
        }
    }
    duration(report, "MODEL-VS-43", &at.field("perTryTimeout"), retry.per_try_timeout);
    duration(report, "MODEL-VS-43", &at.field("backoff"), retry.backoff);
    if let (Some(each), Some(all)) = (retry.per_try_timeout, timeout) {
        out_of_time(report, at, i64::from(attempts), each, all);
    }
    retry_on(report, &at.field("retryOn"), &retry.retry_on);
}

/// Tries that the timeout of the rule leaves no time for (MODEL-VS-45).
fn out_of_time(report: &mut Report<'_>, at: &At<'_>, attempts: i64, each: Duration, all: Duration) {
    // What is no timeout at all was reported as that.
    if all.as_nanos() <= 0 {
        return;
    }
    if each > all {
        report
            .warning(
                "MODEL-VS-45",
                &at.field("perTryTimeout"),
                format!("`{each}` for one try is more than the `{all}` for all"),
            )
            .help("the first try uses up the timeout, nothing is tried again");
    } else if each.as_nanos().saturating_mul(attempts) > all.as_nanos().saturating_mul(2) {
        report
            .warning(
                "MODEL-VS-45",
                &at.field("attempts"),
                format!("{attempts} retries of `{each}` each do not fit into the `{all}` for all"),
            )
            .help("write fewer attempts, a shorter perTryTimeout or a longer timeout");
    }
}

const CONDITIONS: [&str; 16] = [
    "5xx",
    "gateway-error",
    "reset",
    "reset-before-request",
    "connect-failure",
    "retriable-4xx",
    "refused-stream",
    "retriable-status-codes",
    "retriable-headers",
    "envoy-ratelimited",
    "http3-post-connect-failure",
    "cancelled",
    "deadline-exceeded",
    "internal",
    "resource-exhausted",
    "unavailable",
];

fn is_registered_status(code: u16) -> bool {
    matches!(code,
        100..=103 | 200..=208 | 226 | 300..=305 | 307..=308 | 400..=418 | 421..=426 | 428..=429 | 431 | 451
        | 500..=508 | 510..=511)
}

/// MODEL-VS-44; blanks are not trimmed.
fn retry_on(report: &mut Report<'_>, at: &At<'_>, list: &str) {
    if list.is_empty() {
        return;
    }
    for token in list.split(',') {
        let number = || token.len() <= 3 && token.parse().is_ok_and(is_registered_status);
        if CONDITIONS.contains(&token) || number() {
            continue;
        }
        let added = report.error("MODEL-VS-44", at, format!("`{}` is not a retry condition", show(token)));
        let near = token.trim().to_ascii_lowercase();
        if CONDITIONS.contains(&near.as_str()) {
            let blanks = if token.trim() == token { "" } else { ", without blanks around the comma" };
            added.help(format!("write {near}{blanks}"));
        } else if near.parse().is_ok_and(is_registered_status) {
            added.help("remove the blanks around the comma");
        } else if token.bytes().all(|c| c.is_ascii_digit()) && !token.is_empty() {
            added.help("only registered status codes can be listed, 5xx stands for all from 500");
        } else {
            added.help(format!("valid conditions are {} and status codes", CONDITIONS.join(", ")));
        }
    }
}
