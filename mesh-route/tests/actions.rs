//! The cases of `testdata/route` about rewrites, redirects and header edits.
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
    HeaderEditor, HeaderEdits, HeaderPlan, Limits, NoHeaders, Operator, PathMatch, PathRewrite, Redirect,
    RequestHead, ServerScheme, https_location, upstream_authority,
};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
enum Kind {
    Exact(String),
    Prefix(String),
    SegmentPrefix(String),
    Regex(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Matched {
    #[serde(flatten)]
    kind: Kind,
    #[serde(default)]
    ignore_case: bool,
}

impl Matched {
    fn build(&self) -> PathMatch {
        let path = match &self.kind {
            Kind::Exact(text) => PathMatch::exact(text),
            Kind::Prefix(text) => PathMatch::prefix(text),
            Kind::SegmentPrefix(text) => PathMatch::segment_prefix(text),
            Kind::Regex(text) => PathMatch::regex(text, &Limits::new()).unwrap(),
        };
        if self.ignore_case { path.ignore_case() } else { path }
    }
}

// Redirects.

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Redirects {
    test: Vec<RedirectTest>,
    status: Vec<Statuses>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RedirectTest {
    name: String,
    spec: String,
    #[serde(default)]
    https_redirect: bool,
    #[serde(default)]
    status: u16,
    scheme: Option<String>,
    authority: Option<String>,
    port: Option<u16>,
    #[serde(default)]
    tls_server: bool,
    uri: Option<String>,
    matched: Option<Matched>,
    prefix_rewrite: Option<String>,
    cases: Vec<Moved>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Moved {
    from: String,
    to: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Statuses {
    spec: String,
    cases: Vec<(u16, u16)>,
    refused: Vec<u16>,
}

impl RedirectTest {
    fn build(&self) -> Redirect {
        let mut redirect = Redirect::new(self.status).unwrap();
        if let Some(scheme) = &self.scheme {
            redirect = redirect.scheme(scheme);
        }
        if let Some(authority) = &self.authority {
            redirect = redirect.authority(authority);
        }
        if let Some(port) = self.port {
            redirect =
                redirect.port(port, if self.tls_server { ServerScheme::Https } else { ServerScheme::Http });
        }
        if let Some(uri) = &self.uri {
            redirect = redirect.uri(uri);
        }
        let matched = self.matched.as_ref().map(Matched::build);
        match &self.prefix_rewrite {
            Some(text) => redirect.prefix_rewrite(matched.as_ref(), text),
            None => redirect,
        }
    }
}

#[test]
fn redirects() {
    let file: Redirects = read("redirect.toml");
    let mut failures = Failures::of("redirect.toml");
    for test in &file.test {
        failures.begin(&test.name, &test.spec);
        let redirect = test.build();
        for Moved { from, to } in &test.cases {
            let (scheme, rest) = from.split_once("://").unwrap();
            let (authority, target) = rest.split_at(rest.find('/').unwrap());
            let head = RequestHead::new("GET", authority, target, &NoHeaders).with_scheme(scheme);
            let got = if test.https_redirect { https_location(&head) } else { redirect.location(&head) };
            failures.check(&test.name, from, &got, to);
        }
    }
    for Statuses { spec, cases, refused } in &file.status {
        failures.begin("status", spec);
        for (given, want) in cases {
            let got = Redirect::new(*given).map(|redirect| redirect.status());
            failures.check("status", &given.to_string(), &got, &Ok(*want));
        }
        for given in refused {
            failures.check("status refused", &given.to_string(), &Redirect::new(*given).is_err(), &true);
        }
    }
    failures.finish();
}

// Rewrites.

#[derive(Deserialize)]
struct Rewrites {
    test: Vec<RewriteTest>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RewriteTest {
    name: String,
    spec: String,
    matched: Option<Matched>,
    uri: Option<String>,
    regex: Option<String>,
    substitution: Option<String>,
    cases: Vec<(String, String)>,
}

#[test]
fn rewrites() {
    let Rewrites { test: tests } = read("rewrite.toml");
    let mut failures = Failures::of("rewrite.toml");
    for test in &tests {
        failures.begin(&test.name, &test.spec);
        let rewrite = match (&test.uri, &test.regex, &test.substitution) {
            (Some(uri), None, None) => {
                PathRewrite::uri(test.matched.as_ref().map(Matched::build).as_ref(), uri)
            }
            (None, Some(regex), Some(text)) => PathRewrite::regex(regex, text, &Limits::new()).unwrap(),
            _ => panic!("{}: a rewrite has `uri`, or `regex` and `substitution`", test.name),
        };
        for (from, to) in &test.cases {
            failures.check(&test.name, from, &rewrite.apply(from).into_owned(), to);
        }
    }
    failures.finish();
}

// Header edits.

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Edits {
    test: Vec<EditTest>,
    refused: Vec<Refused>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct EditTest {
    name: String,
    spec: String,
    #[serde(default)]
    destinations: u8,
    #[serde(default)]
    client: Vec<(String, String)>,
    #[serde(default)]
    route: Level,
    #[serde(default)]
    destination: Level,
    rewrite_authority: Option<String>,
    want: Vec<(String, String)>,
    authority: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Level {
    #[serde(default)]
    remove: Vec<String>,
    #[serde(default)]
    set: BTreeMap<String, String>,
    #[serde(default)]
    add: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Refused {
    spec: String,
    values: Vec<String>,
}

impl Level {
    fn build(&self) -> HeaderEdits {
        let edits = self.remove.iter().fold(HeaderEdits::new(), |edits, name| edits.remove(name).unwrap());
        // Against the alphabet: what the answer depends on is the key, not the order given (ROUTE-HDR-02).
        let edits = self.set.iter().rev().fold(edits, |edits, (name, value)| edits.set(name, value).unwrap());
        self.add.iter().rev().fold(edits, |edits, (name, value)| edits.add(name, value).unwrap())
    }
}

struct Lines(Vec<(String, String)>);

impl Lines {
    fn first(&self, wanted: &str) -> Option<&str> {
        match wanted {
            ":path" => Some("/p?q"),
            ":authority" => Some("h:1"),
            _ => self.0.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str()),
        }
    }
}

impl HeaderEditor for Lines {
    fn write(&self, operator: &Operator, out: &mut Vec<u8>) {
        match operator {
            Operator::RequestHeader { name, or } => {
                let value = self.first(name).or_else(|| self.first(or.as_deref()?));
                out.extend_from_slice(value.unwrap_or_default().as_bytes());
            }
            Operator::Protocol => out.extend_from_slice(b"HTTP/1.1"),
            other => panic!("no case asks for {other:?}"),
        }
    }

    fn remove(&mut self, name: &str) {
        self.0.retain(|(key, _)| key != name);
    }

    fn set(&mut self, name: &str, value: &[u8]) {
        self.remove(name);
        self.append(name, value);
    }

    fn append(&mut self, name: &str, value: &[u8]) {
        self.0.push((name.to_owned(), String::from_utf8(value.to_vec()).unwrap()));
    }
}

#[test]
fn header_edits() {
    let file: Edits = read("edits.toml");
    let mut failures = Failures::of("edits.toml");
    for test in &file.test {
        failures.begin(&test.name, &test.spec);
        let (route, destination) = (test.route.build(), test.destination.build());
        let authority = upstream_authority(test.rewrite_authority.as_deref(), &route, &destination);
        failures.check(&test.name, "authority", &authority, &test.authority.as_deref());
        let plan = match test.destinations {
            0 => HeaderPlan::route_only(route),
            1 => HeaderPlan::single_destination(route, destination),
            _ => HeaderPlan::weighted_destination(route, destination),
        };
        let mut lines = Lines(test.client.clone());
        plan.apply(&mut lines);
        failures.check(&test.name, "lines", &lines.0, &test.want);
    }
    for Refused { spec, values } in &file.refused {
        failures.begin("refused", spec);
        for value in values {
            failures.check("refused", value, &HeaderEdits::new().set("x", value).is_err(), &true);
        }
    }
    failures.finish();
}
