//! The cases of `testdata/route`, whose README describes them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "tests fail by panicking and read files"
)]

mod common;

use std::collections::BTreeMap;

use common::{Failures, read};
use mesh_route::{
    Conditions, Limits, Lookup, PathMatch, PathNormalization, RequestHead, RouteTable, StringMatch,
    VirtualHost, normalize_path,
};
use serde::Deserialize;

#[derive(Deserialize)]
struct Cases {
    test: Vec<Test>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Test {
    name: String,
    spec: String,
    #[serde(default)]
    domains: Vec<String>,
    #[serde(default)]
    hosts: Vec<Host>,
    #[serde(default)]
    rules: Vec<Rule>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Host {
    domains: Vec<String>,
    #[serde(default)]
    tls_required: bool,
    rules: Vec<Rule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Rule {
    path: Option<Path>,
    method: Option<Value>,
    scheme: Option<Value>,
    authority: Option<Value>,
    #[serde(default)]
    headers: BTreeMap<String, Value>,
    #[serde(default)]
    without_headers: BTreeMap<String, Value>,
    #[serde(default)]
    query: BTreeMap<String, Value>,
    action: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Path {
    exact: Option<String>,
    prefix: Option<String>,
    segment_prefix: Option<String>,
    regex: Option<String>,
    #[serde(default)]
    ignore_case: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Value {
    exact: Option<String>,
    prefix: Option<String>,
    regex: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    get: Option<String>,
    method: Option<String>,
    target: Option<String>,
    host: Option<String>,
    scheme: Option<String>,
    #[serde(default)]
    headers: Vec<(String, String)>,
    #[serde(default)]
    normalize: Mode,
    upstream: Option<String>,
    want: String,
    why: Option<String>,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Mode {
    None,
    #[default]
    Base,
    Merge,
    Decode,
}

#[derive(Deserialize)]
struct Paths {
    path: Vec<PathTest>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PathTest {
    spec: String,
    mode: Mode,
    cases: Vec<(String, String)>,
}

impl From<Mode> for PathNormalization {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::None => Self::None,
            Mode::Base => Self::Base,
            Mode::Merge => Self::MergeSlashes,
            Mode::Decode => Self::DecodeAndMergeSlashes,
        }
    }
}

impl Path {
    fn build(&self) -> PathMatch {
        let path = match (&self.exact, &self.prefix, &self.segment_prefix, &self.regex) {
            (Some(text), None, None, None) => PathMatch::exact(text),
            (None, Some(text), None, None) => PathMatch::prefix(text),
            (None, None, Some(text), None) => PathMatch::segment_prefix(text),
            (None, None, None, Some(text)) => PathMatch::regex(text, &Limits::new()).unwrap(),
            _ => panic!("a path is one of exact, prefix, segment-prefix and regex"),
        };
        if self.ignore_case { path.ignore_case() } else { path }
    }
}

impl Value {
    fn build(&self) -> StringMatch {
        match (&self.exact, &self.prefix, &self.regex) {
            (Some(text), None, None) => StringMatch::exact(text),
            (None, Some(text), None) => StringMatch::prefix(text),
            (None, None, Some(text)) => StringMatch::regex(text, &Limits::new()).unwrap(),
            (None, None, None) => StringMatch::present(),
            _ => panic!("a value is one of exact, prefix and regex, or nothing for presence"),
        }
    }
}

impl Rule {
    fn build(&self) -> Conditions {
        let mut when = Conditions::any();
        if let Some(path) = &self.path {
            when = when.path(path.build());
        }
        if let Some(value) = &self.method {
            when = when.method(value.build());
        }
        if let Some(value) = &self.scheme {
            when = when.scheme(value.build());
        }
        if let Some(value) = &self.authority {
            when = when.authority(value.build());
        }
        let when = self.headers.iter().fold(when, |when, (name, value)| when.header(name, value.build()));
        let without =
            |when: Conditions, (name, value): (&String, &Value)| when.without_header(name, value.build());
        let when = self.without_headers.iter().fold(when, without);
        self.query.iter().fold(when, |when, (name, value)| when.query_param(name, value.build()))
    }
}

impl Test {
    fn table(&self) -> RouteTable<String> {
        let host = |domains: &[String], rules: &[Rule]| {
            let domains: Vec<_> = domains.iter().map(|domain| domain.parse().unwrap()).collect();
            let own = domains.first().map_or(String::new(), mesh_route::HostPattern::to_string);
            let host = VirtualHost::new(&own, domains);
            let action = |rule: &Rule| rule.action.clone().unwrap_or_else(|| own.clone());
            rules.iter().fold(host, |host, rule| host.rule(rule.build(), action(rule)))
        };
        let builder = RouteTable::builder();
        let builder = if self.hosts.is_empty() {
            let every = ["*".to_owned()];
            builder
                .virtual_host(host(if self.domains.is_empty() { &every } else { &self.domains }, &self.rules))
        } else {
            self.hosts.iter().fold(builder, |builder, each| {
                let built = host(&each.domains, &each.rules);
                builder.virtual_host(if each.tls_required { built.require_tls() } else { built })
            })
        };
        builder.build().unwrap()
    }
}

impl Case {
    fn request(&self) -> (&str, &str) {
        match (&self.get, &self.method, &self.target) {
            (Some(target), None, None) => ("GET", target),
            (None, Some(method), Some(target)) => (method, target),
            _ => panic!("a case has `get`, or `method` and `target`"),
        }
    }

    /// What came out, and the target that goes upstream.
    fn run(&self, table: &RouteTable<String>) -> (String, String) {
        let (method, raw) = self.request();
        let Ok(target) = normalize_path(raw, self.normalize.into()) else {
            return ("400".into(), raw.into());
        };
        let host = self.host.as_deref().unwrap_or("x.com");
        let head = RequestHead::new(method, host, &target, &self.headers)
            .with_scheme(self.scheme.as_deref().unwrap_or("http"));
        let got = match table.lookup(&head) {
            Lookup::Route(found) => found.action.clone(),
            Lookup::NoRoute(_) | Lookup::NoVirtualHost => "404".into(),
            Lookup::TlsRequired(_) => "301".into(),
        };
        (got, target.into_owned())
    }
}

fn run(file: &'static str) {
    let Cases { test: tests } = read(file);
    let mut failures = Failures::of(file);
    for test in &tests {
        failures.begin(&test.name, &test.spec);
        let table = test.table();
        for case in &test.cases {
            let (got, upstream) = case.run(&table);
            let (method, target) = case.request();
            let why = case.why.as_ref().map_or(String::new(), |why| format!(" ({why})"));
            let what = format!("{method} {target}{why}");
            failures.check(&test.name, &what, &got, &case.want);
            if let Some(want) = &case.upstream {
                failures.check(&test.name, &format!("{what}, upstream"), &upstream, want);
            }
        }
    }
    failures.finish();
}

#[test]
fn paths() {
    run("path.toml");
}

#[test]
fn headers_and_queries() {
    run("header.toml");
}

#[test]
fn hosts() {
    run("host.toml");
}

#[test]
fn normalization() {
    let Paths { path: tests } = read("normalize.toml");
    let mut failures = Failures::of("normalize.toml");
    for test in &tests {
        failures.begin(&test.spec, &test.spec);
        for (raw, want) in &test.cases {
            let got = normalize_path(raw, test.mode.into());
            failures.check(&test.spec, raw, &got.as_deref().unwrap_or("400"), &want.as_str());
        }
    }
    failures.finish();
}
