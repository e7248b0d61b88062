//! The cases of `testdata/route/decisions.toml`: what is drawn or decided for one request.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "tests fail by panicking and read files"
)]

mod common;

use std::collections::BTreeMap;
use std::time::Duration;

use common::{Failures, read};
use mesh_route::{
    Abort, Attempt, CorsDecision, CorsHeaders, CorsPolicy, DirectResponse, Fault, GrpcStatus, Mirror,
    Percentage, RetryDecision, RetryPolicy, StringMatch, Timeouts, WeightedSplit,
};
use serde::Deserialize;

const FILE: &str = "decisions.toml";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Decisions {
    split: Vec<Split>,
    share: Vec<Share>,
    fault: Vec<Faults>,
    retry: Vec<Retries>,
    wait: Vec<Waits>,
    cors: Vec<Cors>,
    timeout: Vec<Limits>,
    direct: Vec<Direct>,
    grpc: Vec<Grpc>,
}

fn decisions() -> Decisions {
    read(FILE)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Split {
    spec: String,
    weights: Vec<u32>,
    #[serde(default)]
    picks: Vec<(u64, usize)>,
    #[serde(default)]
    refused: bool,
}

#[test]
fn splits() {
    let mut failures = Failures::of(FILE);
    for Split { spec, weights, picks, refused } in decisions().split {
        failures.begin("split", &spec);
        let name = format!("split {weights:?}");
        let split = WeightedSplit::new((0..).zip(weights).collect::<Vec<(usize, u32)>>());
        failures.check(&name, "refused", &split.is_err(), &refused);
        for (draw, want) in picks {
            let got = split.as_ref().ok().map(|split| *split.pick(draw));
            failures.check(&name, &draw.to_string(), &got, &Some(want));
        }
    }
    failures.finish();
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Share {
    spec: String,
    percent: Option<f64>,
    integer: Option<u32>,
    draws: Vec<(u64, bool)>,
}

#[test]
fn shares() {
    let mut failures = Failures::of(FILE);
    for Share { spec, percent, integer, draws } in decisions().share {
        let name = format!("share {percent:?} {integer:?}");
        failures.begin(&name, &spec);
        let share = match (percent, integer) {
            (Some(percent), None) => Percentage::from_percent(percent),
            (None, Some(integer)) => Percentage::from_integer(integer),
            _ => panic!("{name}: a share is one of percent and integer"),
        };
        let mirror = Mirror::new((), share);
        for (draw, want) in draws {
            failures.check(&name, &draw.to_string(), &share.includes(draw), &want);
            let mirrored = mirror.as_ref().is_some_and(|mirror| mirror.pick(draw).is_some());
            failures.check(&name, &format!("mirror, {draw}"), &mirrored, &want);
        }
    }
    failures.finish();
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Faults {
    spec: String,
    delay: Option<Delay>,
    abort: Option<AbortCase>,
    cases: Vec<FaultCase>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Delay {
    percent: Option<f64>,
    seconds: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AbortCase {
    percent: Option<f64>,
    http: Option<u16>,
    grpc: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FaultCase {
    draws: (u64, u64),
    #[serde(default)]
    grpc: bool,
    want: String,
}

#[test]
fn faults() {
    let share = |percent: Option<f64>| percent.map_or(Percentage::NONE, Percentage::from_percent);
    let mut failures = Failures::of(FILE);
    for Faults { spec, delay, abort, cases } in decisions().fault {
        failures.begin("fault", &spec);
        let mut fault = Fault::new();
        if let Some(Delay { percent, seconds }) = delay {
            fault = fault.delay(share(percent), Duration::from_secs(seconds));
        }
        if let Some(AbortCase { percent, http, grpc }) = abort {
            let abort = match (http, grpc) {
                (Some(status), None) => Abort::http(status).unwrap(),
                (None, Some(name)) => Abort::grpc(GrpcStatus::from_name(&name).unwrap()),
                _ => panic!("an abort is one of http and grpc"),
            };
            fault = fault.abort(share(percent), abort);
        }
        for FaultCase { draws, grpc, want } in cases {
            let decision = fault.decide(draws.0, draws.1);
            let delay = decision.delay.map(|hold| format!("{}s", hold.as_secs()));
            let abort = decision.abort.map(|abort| {
                let reply = abort.reply(grpc);
                let grpc = reply.grpc_status.map_or(String::new(), |status| format!("/{}", status.code()));
                format!("{}{grpc}", reply.http_status)
            });
            let got = [delay, abort].into_iter().flatten().collect::<Vec<_>>().join(" ");
            failures.check(&spec, &format!("{draws:?}"), &got, &want);
        }
    }
    failures.finish();
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Retries {
    spec: String,
    attempts: Option<u32>,
    on: Option<String>,
    tries: BTreeMap<String, u32>,
}

fn attempt(name: &str) -> Attempt {
    match name {
        "connect-failure" => Attempt::ConnectFailure,
        "reset-before-request" => Attempt::ResetBeforeRequest,
        "refused-stream" => Attempt::RefusedStream,
        "reset" => Attempt::Reset,
        "per-try-timeout" => Attempt::PerTryTimeout,
        "final" => Attempt::Final,
        _ => match name.strip_prefix("grpc-") {
            Some(status) => {
                let grpc_status = Some(status.parse().unwrap());
                Attempt::Response { status: 200, grpc_status, rate_limited: false }
            }
            None => Attempt::response(name.parse().unwrap()),
        },
    }
}

#[test]
fn retries() {
    let mut failures = Failures::of(FILE);
    for Retries { spec, attempts, on, tries } in decisions().retry {
        failures.begin("retry", &spec);
        let policy = attempts.map_or_else(RetryPolicy::mesh_default, RetryPolicy::new);
        let policy = match &on {
            Some(list) => policy.retry_on(list),
            None => policy,
        };
        for (name, want) in tries {
            let attempt = attempt(&name);
            let retried =
                |made: &u32| matches!(policy.decide(&attempt, *made, 0), RetryDecision::Retry { .. });
            let got = 1 + u32::try_from((0..100).take_while(retried).count()).unwrap();
            failures.check(&spec, &name, &got, &want);
        }
    }
    failures.finish();
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Waits {
    spec: String,
    backoff: Option<u64>,
    bounds: Vec<(u32, u64)>,
}

#[test]
fn waits() {
    let mut failures = Failures::of(FILE);
    for Waits { spec, backoff, bounds } in decisions().wait {
        failures.begin("wait", &spec);
        let policy = RetryPolicy::new(9);
        let policy = match backoff {
            Some(base) => policy.backoff(Duration::from_millis(base)),
            None => policy,
        };
        for (number, bound) in bounds {
            let got = (0..=bound).map(|draw| policy.wait(number, draw).as_millis()).collect::<Vec<_>>();
            let want = (0..bound).chain([0]).map(u128::from).collect::<Vec<_>>();
            failures.check(&spec, &number.to_string(), &got, &want);
        }
    }
    failures.finish();
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Cors {
    spec: String,
    origins: Vec<String>,
    #[serde(default)]
    methods: Vec<String>,
    #[serde(default)]
    expose: Vec<String>,
    #[serde(default)]
    credentials: bool,
    #[serde(default)]
    ignore_unmatched: bool,
    cases: Vec<CorsCase>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CorsCase {
    method: String,
    origin: Option<String>,
    asks: Option<String>,
    want: String,
}

#[test]
fn cors() {
    let told = |kind: &str, headers: CorsHeaders<'_>| {
        headers.headers().fold(kind.to_owned(), |text, (name, value)| {
            let name = name.strip_prefix("access-control-").unwrap();
            format!("{text} {name}={}", value.escape_ascii())
        })
    };
    let mut failures = Failures::of(FILE);
    for test in decisions().cors {
        failures.begin("cors", &test.spec);
        let mut policy = CorsPolicy::new().allow_methods(&test.methods).expose_headers(&test.expose);
        for origin in &test.origins {
            policy = policy.allow_origin(StringMatch::exact(origin));
        }
        if test.credentials {
            policy = policy.allow_credentials();
        }
        if test.ignore_unmatched {
            policy = policy.ignore_unmatched_preflights();
        }
        for CorsCase { method, origin, asks, want } in &test.cases {
            let origin_line = origin.as_deref().map(str::as_bytes);
            let got = match policy.decide(method, origin_line, asks.as_deref().map(str::as_bytes)) {
                CorsDecision::Nothing => "-".to_owned(),
                CorsDecision::Preflight(headers) => told("200", headers),
                CorsDecision::Forward(headers) => told("forward", headers),
            };
            failures.check(&test.spec, &format!("{method} {origin:?}"), &got, want);
        }
    }
    failures.finish();
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Limits {
    spec: String,
    cases: Vec<LimitCase>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct LimitCase {
    #[serde(default)]
    route: u64,
    #[serde(default)]
    per_try: u64,
    grpc: Option<String>,
    want: (u64, u64),
}

#[test]
fn timeouts() {
    let told = |limit: Option<Duration>| limit.map_or(0, |limit| u64::try_from(limit.as_millis()).unwrap());
    let mut failures = Failures::of(FILE);
    for Limits { spec, cases } in decisions().timeout {
        failures.begin("timeout", &spec);
        for LimitCase { route, per_try, grpc, want } in cases {
            let timeouts =
                Timeouts::new().route(Duration::from_millis(route)).per_try(Duration::from_millis(per_try));
            let limit = match &grpc {
                Some(header) => timeouts.grpc_limits(Some(header.as_bytes())),
                None => timeouts.limits(),
            };
            let got = (told(limit.overall), told(limit.per_try));
            failures.check(&spec, &format!("{route} {per_try} {grpc:?}"), &got, &want);
        }
    }
    failures.finish();
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Direct {
    spec: String,
    allowed: Vec<u16>,
    refused: Vec<u16>,
}

#[test]
fn direct_responses() {
    let mut failures = Failures::of(FILE);
    for Direct { spec, allowed, refused } in decisions().direct {
        failures.begin("direct", &spec);
        for (statuses, want) in [(allowed, true), (refused, false)] {
            for status in statuses {
                let response = DirectResponse::new(status, r#"{"e":1}"#);
                failures.check(&spec, &status.to_string(), &response.is_ok(), &want);
                if let Ok(response) = response {
                    let got = (response.status(), response.body(), response.content_type());
                    failures.check(&spec, "parts", &got, &(status, &br#"{"e":1}"#[..], Some("text/plain")));
                }
            }
        }
    }
    failures.finish();
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Grpc {
    spec: String,
    cases: Vec<(u16, u32)>,
}

#[test]
fn grpc_statuses() {
    let mut failures = Failures::of(FILE);
    for Grpc { spec, cases } in decisions().grpc {
        failures.begin("grpc", &spec);
        for (http, want) in cases {
            failures.check(&spec, &http.to_string(), &GrpcStatus::of_local_reply(http).code(), &want);
        }
    }
    failures.finish();
}
