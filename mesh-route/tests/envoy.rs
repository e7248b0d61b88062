//! What a running Envoy did with random rules and requests (ROUTE-PROP-01, ROUTE-PROP-12), recorded by
//! `testdata/route/envoy/record.py`: the rule that took the request, the redirect, and what the upstream got.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")]

use std::collections::BTreeMap;

use mesh_route::{
    Conditions, HeaderEditor, HeaderEdits, HeaderPlan, Limits, Lookup, Operator, PathMatch,
    PathNormalization, PathRewrite, Redirect, RequestHead, RouteTable, ServerScheme, StringMatch,
    VirtualHost, https_location, normalize_path, upstream_authority,
};
use serde::Deserialize;

#[derive(Deserialize)]
struct Record {
    envoy: String,
    columns: Vec<String>,
    sets: Vec<World>,
}

#[derive(Deserialize)]
struct World {
    mode: String,
    hosts: Vec<Host>,
    checks: Vec<Check>,
}

#[derive(Deserialize)]
struct Host {
    domains: Vec<String>,
    tls: bool,
    rules: Vec<Rule>,
}

#[derive(Deserialize)]
struct Rule {
    r#match: Match,
    redirect: Option<WrittenRedirect>,
    rewrite: Option<Rewrite>,
    #[serde(default)]
    headers: Sides,
    #[serde(default)]
    route: Vec<Destination>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Match {
    uri: Option<BTreeMap<String, String>>,
    #[serde(default)]
    ignore_uri_case: bool,
    method: Option<BTreeMap<String, String>>,
    scheme: Option<BTreeMap<String, String>>,
    authority: Option<BTreeMap<String, String>>,
    #[serde(default)]
    headers: BTreeMap<String, BTreeMap<String, String>>,
    #[serde(default)]
    without_headers: BTreeMap<String, BTreeMap<String, String>>,
    #[serde(default)]
    query_params: BTreeMap<String, BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WrittenRedirect {
    redirect_code: u16,
    scheme: Option<String>,
    authority: Option<String>,
    port: Option<u16>,
    uri: Option<String>,
    prefix_rewrite: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Rewrite {
    uri: Option<String>,
    #[serde(rename = "uriRegexRewrite")]
    regex: Option<RegexRewrite>,
    authority: Option<String>,
}

#[derive(Deserialize)]
struct RegexRewrite {
    r#match: String,
    rewrite: String,
}

#[derive(Default, Deserialize)]
struct Sides {
    #[serde(default)]
    request: Edits,
    #[serde(default)]
    response: Edits,
}

#[derive(Default, Deserialize)]
struct Edits {
    #[serde(default)]
    remove: Vec<String>,
    #[serde(default)]
    set: BTreeMap<String, String>,
    #[serde(default)]
    add: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Destination {
    destination: String,
    #[serde(default)]
    headers: Sides,
}

#[derive(Debug, Deserialize)]
struct Check(String, String, String, String, Vec<(String, String)>, Answer);

const COLUMNS: [&str; 6] = ["method", "scheme", "authority", "target", "lines", "answer"];

/// What became of a request. Only what is relevant to the status is there.
#[derive(Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default, deny_unknown_fields)]
struct Answer {
    status: u16,
    host: Option<usize>,
    rule: Option<usize>,
    location: Option<String>,
    upstream: Option<String>,
    target: Option<String>,
    authority: Option<String>,
    request: Vec<(String, String)>,
    response: Vec<(String, String)>,
}

fn text(written: &BTreeMap<String, String>) -> StringMatch {
    match written.iter().next() {
        None => StringMatch::present(),
        Some((kind, text)) => match kind.as_str() {
            "exact" => StringMatch::exact(text),
            "prefix" => StringMatch::prefix(text),
            "regex" => StringMatch::regex(text, &Limits::new()).unwrap(),
            other => panic!("kind {other}"),
        },
    }
}

fn path(written: &Match) -> Option<PathMatch> {
    let (kind, text) = written.uri.as_ref()?.iter().next().unwrap();
    let path = match kind.as_str() {
        "exact" => PathMatch::exact(text),
        "prefix" => PathMatch::prefix(text),
        "regex" => PathMatch::regex(text, &Limits::new()).unwrap(),
        other => panic!("kind {other}"),
    };
    Some(if written.ignore_uri_case { path.ignore_case() } else { path })
}

fn conditions(written: &Match) -> Conditions {
    let mut when = Conditions::any();
    if let Some(path) = path(written) {
        when = when.path(path);
    }
    if let Some(method) = &written.method {
        when = when.method(text(method));
    }
    if let Some(scheme) = &written.scheme {
        when = when.scheme(text(scheme));
    }
    if let Some(authority) = &written.authority {
        when = when.authority(text(authority));
    }
    for (name, value) in &written.headers {
        when = when.header(name, text(value));
    }
    for (name, value) in &written.without_headers {
        when = when.without_header(name, text(value));
    }
    written.query_params.iter().fold(when, |when, (name, value)| when.query_param(name, text(value)))
}

fn edits(written: &Edits) -> HeaderEdits {
    let mut edits = HeaderEdits::new();
    for name in &written.remove {
        edits = edits.remove(name).unwrap();
    }
    for (name, value) in &written.set {
        edits = edits.set(name, value).unwrap();
    }
    written.add.iter().fold(edits, |edits, (name, value)| edits.add(name, value).unwrap())
}

/// A header map, and what values may ask for.
struct Map<'m> {
    lines: Vec<(String, String)>,
    /// Lines that `REQ` sees; those of this very map if it is the request's.
    request: Option<&'m [(String, String)]>,
    authority: &'m str,
    target: &'m str,
    status: u16,
}

fn first<'l>(lines: &'l [(String, String)], name: &str) -> Option<&'l str> {
    lines.iter().find(|line| line.0 == name).map(|line| line.1.as_str())
}

impl HeaderEditor for Map<'_> {
    fn write(&self, operator: &Operator, out: &mut Vec<u8>) {
        let of_request = |name: &str| match name {
            ":path" => Some(self.target),
            ":authority" => Some(self.authority),
            _ => first(self.request.unwrap_or(&self.lines), name),
        };
        let value = match operator {
            Operator::RequestHeader { name, or } => {
                of_request(name).or_else(|| of_request(or.as_deref()?)).unwrap_or_default().to_owned()
            }
            Operator::ResponseHeader { name, .. } => match self.request {
                Some(_) => first(&self.lines, name).unwrap_or_default().to_owned(),
                None => String::new(),
            },
            Operator::Protocol => "HTTP/1.1".to_owned(),
            Operator::ResponseCode => self.status.to_string(),
            other => panic!("{other:?}"),
        };
        out.extend_from_slice(value.as_bytes());
    }

    fn remove(&mut self, name: &str) {
        self.lines.retain(|line| line.0 != name);
    }

    fn set(&mut self, name: &str, value: &[u8]) {
        self.remove(name);
        self.append(name, value);
    }

    fn append(&mut self, name: &str, value: &[u8]) {
        self.lines.push((name.to_owned(), String::from_utf8(value.to_vec()).unwrap()));
    }
}

fn redirect(
    written: &WrittenRedirect,
    matched: &Match,
    head: &RequestHead<'_, [(String, String)]>,
) -> Answer {
    let mut redirect = Redirect::new(written.redirect_code).unwrap();
    if let Some(scheme) = &written.scheme {
        redirect = redirect.scheme(scheme);
    }
    if let Some(authority) = &written.authority {
        redirect = redirect.authority(authority);
    }
    if let Some(port) = written.port {
        redirect = redirect.port(port, ServerScheme::Http);
    }
    if let Some(uri) = &written.uri {
        redirect = redirect.uri(uri);
    }
    if let Some(prefix) = &written.prefix_rewrite {
        redirect = redirect.prefix_rewrite(path(matched).as_ref(), prefix);
    }
    Answer { status: redirect.status(), location: Some(redirect.location(head)), ..Answer::default() }
}

fn forward(rule: &Rule, head: &RequestHead<'_, [(String, String)]>, upstream: &str) -> Answer {
    let chosen = rule.route.iter().find(|each| each.destination == upstream).unwrap();
    let plan = |of_route: &Edits, of_destination: &Edits| match rule.route.len() {
        1 => HeaderPlan::single_destination(edits(of_route), edits(of_destination)),
        _ => HeaderPlan::weighted_destination(edits(of_route), edits(of_destination)),
    };
    let lines: Vec<(String, String)> =
        head.headers().iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone())).collect();
    let (authority, target) = (head.authority(), head.path_and_query());
    let mut request = Map { lines, request: None, authority, target, status: 0 };
    plan(&rule.headers.request, &chosen.headers.request).apply(&mut request);

    let rewrite = rule.rewrite.as_ref();
    let uri = rewrite.and_then(|rewrite| match (&rewrite.uri, &rewrite.regex) {
        (Some(uri), _) => Some(PathRewrite::uri(path(&rule.r#match).as_ref(), uri)),
        (None, Some(regex)) => {
            Some(PathRewrite::regex(&regex.r#match, &regex.rewrite, &Limits::new()).unwrap())
        }
        (None, None) => None,
    });
    let new_target = uri.as_ref().map_or_else(|| target.into(), |uri| uri.apply(target));
    let none = HeaderEdits::new();
    let rewritten = rewrite.and_then(|rewrite| rewrite.authority.as_deref());
    let new_authority = upstream_authority(rewritten, &none, &none).unwrap_or(authority);

    let from_upstream = [("x-a", "up"), ("x-b", "first"), ("x-b", "second")];
    let mut response = Map {
        lines: from_upstream.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        request: Some(&request.lines),
        // Values of the response see the request as it was sent (ROUTE-HDR-05).
        authority: new_authority,
        target: &new_target,
        status: 200,
    };
    plan(&rule.headers.response, &chosen.headers.response).apply(&mut response);
    Answer {
        status: 200,
        upstream: Some(upstream.to_owned()),
        target: Some(new_target.to_string()),
        authority: Some(new_authority.to_owned()),
        response: response.lines,
        request: request.lines,
        ..Answer::default()
    }
}

/// What the crate says. `upstream` is the destination that Envoy drew.
fn decide(world: &World, table: &RouteTable<usize>, check: &Check, upstream: Option<&str>) -> Answer {
    let Check(method, scheme, authority, target, lines, _) = check;
    let mode = match world.mode.as_str() {
        "NONE" => PathNormalization::None,
        "BASE" => PathNormalization::Base,
        "MERGE_SLASHES" => PathNormalization::MergeSlashes,
        "DECODE_AND_MERGE_SLASHES" => PathNormalization::DecodeAndMergeSlashes,
        other => panic!("mode {other}"),
    };
    let Ok(target) = normalize_path(target, mode) else { return Answer { status: 400, ..Answer::default() } };
    let head = RequestHead::new(method, authority, &target, lines.as_slice()).with_scheme(scheme);
    let number = |host: &VirtualHost<usize>| host.name().parse::<usize>().unwrap();
    match table.lookup(&head) {
        Lookup::Route(found) => {
            let (host, rule) = (number(found.virtual_host), *found.action);
            let written = &world.hosts[host].rules[rule];
            let answer = match &written.redirect {
                Some(redirected) => redirect(redirected, &written.r#match, &head),
                // Where Envoy forwarded nothing, the first destination shows what differs.
                None => forward(written, &head, upstream.unwrap_or("one")),
            };
            Answer { host: Some(host), rule: Some(rule), ..answer }
        }
        // Envoy edits no header of this answer, so that the host is not told.
        Lookup::TlsRequired(_) => {
            Answer { status: 301, location: Some(https_location(&head)), ..Answer::default() }
        }
        Lookup::NoRoute(_) | Lookup::NoVirtualHost => Answer { status: 404, ..Answer::default() },
    }
}

/// Rules of matching, of virtual hosts, and what a route does:
/// ROUTE-MATCH-10..14, ROUTE-MATCH-20..29, ROUTE-MATCH-40..44, ROUTE-HOST-21..27, ROUTE-RDR-02..09, ROUTE-RDR-11,
/// ROUTE-RWR-01..07, ROUTE-RWR-09, ROUTE-HDR-01..05, ROUTE-HDR-07, ROUTE-HDR-12, ROUTE-PATH-01, ROUTE-RX-01.
#[test]
fn the_answers_of_envoy_route_prop_01_12() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/route/envoy/routes.json");
    let record: Record = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    assert_eq!(record.columns, COLUMNS);
    let (mut checked, mut wrong) = (0, Vec::new());
    for (place, world) in record.sets.iter().enumerate() {
        let mut builder = RouteTable::builder();
        for (number, host) in world.hosts.iter().enumerate() {
            let domains = host.domains.iter().map(|domain| domain.parse().unwrap());
            let mut made = VirtualHost::new(&number.to_string(), domains);
            for (number, rule) in host.rules.iter().enumerate() {
                made.push(conditions(&rule.r#match), number);
            }
            builder = builder.virtual_host(if host.tls { made.require_tls() } else { made });
        }
        let table = builder.build().unwrap();
        for check in &world.checks {
            let want = &check.5;
            let got = decide(world, &table, check, want.upstream.as_deref());
            checked += 1;
            if got != *want {
                let Check(method, scheme, authority, target, lines, _) = check;
                wrong.push(format!(
                    "set {place} ({}): {method} {scheme}://{authority}{target} {lines:?}\n  envoy: {want:?}\n  crate: {got:?}",
                    world.mode
                ));
            }
        }
    }
    assert!(checked >= 5_000, "only {checked} answers in the record");
    let shown = wrong.iter().take(20).map(String::as_str).collect::<Vec<_>>().join("\n");
    assert!(wrong.is_empty(), "Envoy {} differs in {} of {checked}:\n{shown}", record.envoy, wrong.len());
}
