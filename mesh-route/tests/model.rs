//! The table against a slow, obviously right model: a scan over plain data, written from the reference alone.
//! Holds ROUTE-PROP-01..08, ROUTE-PROP-11 and ROUTE-PROP-12; the name of each test says which.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

use std::sync::LazyLock;

use mesh_route::{
    Conditions, Limits, Lookup, Outcome, PathMatch, PathNormalization, RequestHead, RouteTable, StringMatch,
    VirtualHost, WeightedSplit, normalize_path,
};
use proptest::prelude::*;
use proptest::sample::{Index, select};

type Test = fn(&str) -> bool;

/// Regular expressions, each with what it means in plain code.
const PATH_REGEXES: [(&str, Test); 8] = [
    (".*", |_| true),
    ("/a.*", |path| path.starts_with("/a")),
    ("/a/[ab]+", |path| {
        path.strip_prefix("/a/")
            .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b"ab".contains(&b)))
    }),
    ("/a|/b", |path| path == "/a" || path == "/b"),
    ("(?i)/AB.*", |path| path.to_ascii_lowercase().starts_with("/ab")),
    ("[^b]*", |path| !path.contains('b')),
    ("^/ab?/?$", |path| ["/a", "/ab", "/a/", "/ab/"].contains(&path)),
    (".*/b", |path| path.ends_with("/b")),
];

const VALUE_REGEXES: [(&str, Test); 4] = [
    (".*", |_| true),
    ("v+", |value| !value.is_empty() && value.bytes().all(|byte| byte == b'v')),
    ("v|w", |value| value == "v" || value == "w"),
    ("1?", |value| value.is_empty() || value == "1"),
];

/// Each belongs to one virtual host or to none.
const DOMAINS: [&str; 15] = [
    "*",
    "*.com",
    "*.x.com",
    "*b.x.com",
    "*-b.x.com",
    "a.x.com",
    "B.x.com",
    "a.b.x.com",
    "x.com",
    "x.com.",
    "a.*",
    "a.x*",
    "a-*",
    "[fd00::1]",
    "*m",
];

#[derive(Clone, Debug)]
enum Path {
    Any,
    Exact(String, bool),
    Prefix(String, bool),
    Segments(String),
    Regex(usize),
}

#[derive(Clone, Debug)]
enum Value {
    Exact(&'static str),
    Prefix(&'static str),
    Regex(usize),
    Present,
    /// The regex `*`, another spelling of presence.
    Star,
}

#[derive(Clone, Debug)]
struct Rule {
    path: Path,
    method: Option<Value>,
    authority: Option<Value>,
    headers: Vec<(&'static str, Value, bool)>,
    query: Vec<(&'static str, Value)>,
}

#[derive(Clone, Debug)]
struct Host {
    tls: bool,
    rules: Vec<Rule>,
}

#[derive(Clone, Debug)]
struct Request {
    method: &'static str,
    scheme: &'static str,
    authority: String,
    target: String,
    lines: Vec<(&'static str, &'static str)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Route(usize, usize),
    Tls(usize),
    NoRoute(usize),
    NoHost,
}

// The model.

impl Path {
    fn accepts(&self, path: &str) -> bool {
        let fold = |text: &str, fold: bool| if fold { text.to_ascii_lowercase() } else { text.to_owned() };
        match self {
            Self::Any => true,
            Self::Exact(text, ignore) => fold(path, *ignore) == fold(text, *ignore),
            Self::Prefix(text, ignore) => fold(path, *ignore).starts_with(&fold(text, *ignore)),
            Self::Segments(text) => {
                let text = text.trim_end_matches('/');
                path == text || path.starts_with(&format!("{text}/"))
            }
            Self::Regex(at) => PATH_REGEXES[*at].1(path),
        }
    }
}

impl Value {
    fn accepts(&self, value: &str) -> bool {
        match self {
            Self::Exact(text) => value == *text,
            Self::Prefix(text) => value.starts_with(text),
            Self::Regex(at) => VALUE_REGEXES[*at].1(value),
            Self::Present | Self::Star => true,
        }
    }

    fn is_presence(&self) -> bool {
        matches!(self, Self::Present | Self::Star)
    }
}

impl Rule {
    fn accepts(&self, request: &Request) -> bool {
        let (path, query) = match request.target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (request.target.as_str(), None),
        };
        let header = |(name, value, without): &(&str, Value, bool)| {
            let name = name.to_ascii_lowercase();
            let found: Vec<&str> = match name.as_str() {
                ":method" => vec![request.method],
                ":path" => vec![&request.target],
                ":authority" | "host" => vec![&request.authority],
                _ => {
                    let lines = request.lines.iter().filter(|line| line.0.to_ascii_lowercase() == name);
                    lines.map(|line| line.1).collect()
                }
            };
            match without {
                false => found.iter().any(|line| value.accepts(line)),
                true if value.is_presence() => found.is_empty(),
                true if found.is_empty() => !value.accepts(""),
                true => !found.iter().any(|line| value.accepts(line)),
            }
        };
        let parameter = |(name, value): &(&str, Value)| {
            let mut pieces = query.into_iter().flat_map(|query| query.split('&'));
            let first = pieces.find(|piece| piece.split('=').next() == Some(*name));
            first.is_some_and(|piece| value.accepts(piece.split_once('=').map_or("", |(_, value)| value)))
        };
        self.path.accepts(path)
            && self.method.as_ref().is_none_or(|value| value.accepts(request.method))
            && self.authority.as_ref().is_none_or(|value| value.accepts(&request.authority))
            && self.headers.iter().all(header)
            && self.query.iter().all(parameter)
    }

    /// ROUTE-MATCH-06.
    fn is_catch_all(&self) -> bool {
        let path = match &self.path {
            Path::Any => true,
            Path::Prefix(text, _) => text == "/",
            Path::Regex(at) => PATH_REGEXES[*at].0 == ".*",
            Path::Exact(..) | Path::Segments(_) => false,
        };
        let bare = self.method.is_none() && self.authority.is_none();
        path && bare && self.headers.is_empty() && self.query.is_empty()
    }
}

/// ROUTE-HOST-28: neither `CONNECT` nor a target that is no path is ever routed.
fn routable(request: &Request) -> bool {
    request.target.starts_with('/') && request.method != "CONNECT"
}

fn first(rules: &[Rule], request: &Request) -> Option<usize> {
    if !routable(request) {
        return None;
    }
    rules.iter().position(|rule| rule.accepts(request))
}

/// ROUTE-HOST-21 to ROUTE-HOST-26 by brute force: the domain that owns an authority.
fn best_domain<'d>(domains: &[&'d str], authority: &str) -> Option<&'d str> {
    let name = match authority.rfind(':') {
        Some(colon) if !authority[colon..].contains(']') => &authority[..colon],
        _ => authority,
    };
    let name = name.to_ascii_lowercase();
    let rank = |domain: &&str| {
        let text = domain.to_ascii_lowercase();
        if text == "*" {
            return Some((1, 0));
        }
        let proper = |wildcard: &str| name.len() > wildcard.len();
        match (text.strip_prefix('*'), text.strip_suffix('*')) {
            (Some(end), _) => (name.ends_with(end) && proper(end)).then_some((3, end.len())),
            (_, Some(start)) => (name.starts_with(start) && proper(start)).then_some((2, start.len())),
            (None, None) => (text == name).then_some((4, 0)),
        }
    };
    domains.iter().filter(|domain| rank(domain).is_some()).max_by_key(|domain| rank(domain)).copied()
}

fn naive(hosts: &[Host], owners: &[usize], request: &Request) -> Answer {
    let owner = |domain: &str| owners[DOMAINS.iter().position(|known| *known == domain).unwrap()];
    let owned: Vec<&str> = DOMAINS.into_iter().filter(|domain| owner(domain) < hosts.len()).collect();
    let Some(host) = best_domain(&owned, &request.authority).map(owner) else { return Answer::NoHost };
    if hosts[host].tls && request.scheme != "https" {
        return Answer::Tls(host);
    }
    first(&hosts[host].rules, request).map_or(Answer::NoRoute(host), |rule| Answer::Route(host, rule))
}

// The crate, from the same data.

static COMPILED_PATHS: LazyLock<[PathMatch; PATH_REGEXES.len()]> =
    LazyLock::new(|| PATH_REGEXES.map(|(text, _)| PathMatch::regex(text, &Limits::new()).unwrap()));
static COMPILED_VALUES: LazyLock<[StringMatch; VALUE_REGEXES.len()]> =
    LazyLock::new(|| VALUE_REGEXES.map(|(text, _)| StringMatch::regex(text, &Limits::new()).unwrap()));

fn path_match(path: &Path) -> Option<PathMatch> {
    let fold = |path: PathMatch, ignore: bool| if ignore { path.ignore_case() } else { path };
    Some(match path {
        Path::Any => return None,
        Path::Exact(text, ignore) => fold(PathMatch::exact(text), *ignore),
        Path::Prefix(text, ignore) => fold(PathMatch::prefix(text), *ignore),
        Path::Segments(text) => PathMatch::segment_prefix(text),
        Path::Regex(at) => COMPILED_PATHS[*at].clone(),
    })
}

fn string_match(value: &Value) -> StringMatch {
    match value {
        Value::Exact(text) => StringMatch::exact(text),
        Value::Prefix(text) => StringMatch::prefix(text),
        Value::Regex(at) => COMPILED_VALUES[*at].clone(),
        Value::Present => StringMatch::present(),
        Value::Star => StringMatch::regex("*", &Limits::new()).unwrap(),
    }
}

fn conditions(rule: &Rule) -> Conditions {
    let mut when = Conditions::any();
    if let Some(path) = path_match(&rule.path) {
        when = when.path(path);
    }
    if let Some(value) = &rule.method {
        when = when.method(string_match(value));
    }
    if let Some(value) = &rule.authority {
        when = when.authority(string_match(value));
    }
    for (name, value, without) in &rule.headers {
        let value = string_match(value);
        when = if *without { when.without_header(name, value) } else { when.header(name, value) };
    }
    rule.query.iter().fold(when, |when, (name, value)| when.query_param(name, string_match(value)))
}

fn table(hosts: &[Host], owners: &[usize]) -> RouteTable<(usize, usize)> {
    let mut builder = RouteTable::builder().hash_seed(hosts.len() as u64);
    for (number, host) in hosts.iter().enumerate() {
        let domains = DOMAINS.iter().zip(owners).filter(|(_, owner)| **owner == number);
        let mut built =
            VirtualHost::new(&number.to_string(), domains.map(|(domain, _)| domain.parse().unwrap()));
        if host.tls {
            built = built.require_tls();
        }
        for (at, rule) in host.rules.iter().enumerate() {
            assert_eq!(built.push(conditions(rule), (number, at)).index(), at);
        }
        builder = builder.virtual_host(built);
    }
    builder.build().unwrap()
}

/// A table whose one host owns everything, with the rules in this order.
fn only(rules: &[Rule]) -> RouteTable<(usize, usize)> {
    let mut owners = [usize::MAX; DOMAINS.len()];
    owners[0] = 0;
    table(&[Host { tls: false, rules: rules.to_vec() }], &owners)
}

fn fast(table: &RouteTable<(usize, usize)>, request: &Request) -> Answer {
    let head = RequestHead::new(request.method, &request.authority, &request.target, &request.lines)
        .with_scheme(request.scheme);
    let number = |host: &VirtualHost<_>| host.name().parse::<usize>().unwrap();
    let explained = table.explain(&head).outcome;
    match table.lookup(&head) {
        Lookup::Route(found) => {
            assert_eq!(explained, Outcome::Route(found.rule));
            assert_eq!(*found.action, (number(found.virtual_host), found.rule.index()));
            Answer::Route(found.action.0, found.action.1)
        }
        Lookup::TlsRequired(host) => {
            assert_eq!(explained, Outcome::TlsRequired);
            Answer::Tls(number(host))
        }
        Lookup::NoRoute(host) => {
            assert!(matches!(explained, Outcome::NoRoute | Outcome::NotRoutable));
            Answer::NoRoute(number(host))
        }
        Lookup::NoVirtualHost => {
            assert_eq!(explained, Outcome::NoVirtualHost);
            Answer::NoHost
        }
    }
}

fn winner(rules: &[Rule], request: &Request) -> Option<usize> {
    match fast(&only(rules), request) {
        Answer::Route(_, rule) => Some(rule),
        Answer::NoRoute(_) => None,
        other => panic!("one host for all, yet {other:?}"),
    }
}

// What is tried (ROUTE-PROP-14).

fn path_text() -> impl Strategy<Value = String> {
    // Few pieces, so that texts collide: equal, one the start of another, one the other with `/`, other case.
    prop_oneof![3 => "(/(a|A|ab|b|B;x|%2F)?){0,3}", 1 => "/a{0,3}/?", 1 => select(vec!["", "/", "/ab", "a"]).prop_map(str::to_owned)]
}

fn path() -> impl Strategy<Value = Path> {
    prop_oneof![
        1 => Just(Path::Any),
        4 => (path_text(), prop::bool::weighted(0.2)).prop_map(|(text, fold)| Path::Exact(text, fold)),
        5 => (path_text(), prop::bool::weighted(0.2)).prop_map(|(text, fold)| Path::Prefix(text, fold)),
        3 => path_text().prop_map(Path::Segments),
        2 => (0..PATH_REGEXES.len()).prop_map(Path::Regex),
    ]
}

fn value(texts: &'static [&'static str]) -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => select(texts).prop_map(Value::Exact),
        2 => select(texts).prop_map(Value::Prefix),
        2 => (0..VALUE_REGEXES.len()).prop_map(Value::Regex),
        1 => Just(Value::Present),
        1 => Just(Value::Star),
    ]
}

fn rule() -> impl Strategy<Value = Rule> {
    let name = select(&["x", "X", "y", ":path", "Host", ":method", "method"][..]);
    let header = (name, value(&["", "v", "w", "vw", "v,w", "GET", "/a", "a.x.com"]), any::<bool>());
    let query = (select(&["k", "K", "a?k", ""][..]), value(&["", "1", "2", "1;x=2", "=1"]));
    let rare = |strategy| prop::option::weighted(0.1, strategy);
    let headers = prop_oneof![2 => Just(Vec::new()), 1 => prop::collection::vec(header, 1..3)];
    let parameters = prop_oneof![4 => Just(Vec::new()), 1 => prop::collection::vec(query, 1..3)];
    let authority = value(&["a.x.com", "a.x.com:80", "A.x.com", "a"]);
    (path(), rare(value(&["GET", "POST", "get"]).boxed()), rare(authority.boxed()), headers, parameters)
        .prop_map(|(path, method, authority, headers, query)| Rule {
            path,
            method,
            authority,
            headers,
            query,
        })
}

fn rules(most: usize) -> impl Strategy<Value = Vec<Rule>> {
    let duplicate = (any::<Index>(), any::<Index>());
    (prop::collection::vec(rule(), 0..most), prop::collection::vec(duplicate, 0..4)).prop_map(
        |(mut rules, copies)| {
            for (from, to) in copies {
                if !rules.is_empty() {
                    let copy = rules[from.index(rules.len())].clone();
                    rules.insert(to.index(rules.len()), copy);
                }
            }
            rules
        },
    )
}

fn request() -> impl Strategy<Value = Request> {
    let authority = prop_oneof![
        8 => "((a|A|b|-b|a-b|a\\.b|a\\.-b)\\.)?(x|X|xb|y)?\\.?(com|Com|com\\.|)(:|:80|:abc)?",
        1 => select(vec!["[fd00::1]", "[fd00::1]:80", "fd00::1", "", ":80", "a.", "a-"]).prop_map(str::to_owned),
    ];
    let query = prop_oneof![3 => Just(""), 3 => select(vec![
        "?", "?k", "?k=", "?k=1", "?k=1&k=2", "?k=2&k=1", "?K=1", "?a?k=1", "?k=1;x=2", "?k==1", "?a=1&k", "?=1", "?&k=1",
    ])];
    let target = prop_oneof![
        30 => (path_text(), query).prop_map(|(path, query)| if path.starts_with('/') {
            format!("{path}{query}")
        } else {
            format!("/{path}{query}")
        }),
        1 => Just("*".to_owned()),
        1 => Just(String::new()),
    ];
    let line = (select(&["x", "X", "y", "method"][..]), select(&["", "v", "w", "vw", "v,w", "GET"][..]));
    let method = prop_oneof![6 => Just("GET"), 2 => Just("POST"), 1 => Just("CONNECT")];
    (method, select(&["http", "https"][..]), authority, target, prop::collection::vec(line, 0..4)).prop_map(
        |(method, scheme, authority, target, lines)| Request { method, scheme, authority, target, lines },
    )
}

fn hosts() -> impl Strategy<Value = (Vec<Host>, Vec<usize>)> {
    let host = (prop::bool::weighted(0.1), rules(30)).prop_map(|(tls, rules)| Host { tls, rules });
    (prop::collection::vec(host, 1..5), prop::collection::vec(0..6usize, DOMAINS.len()))
}

fn requests() -> impl Strategy<Value = Vec<Request>> {
    prop::collection::vec(request(), 1..24)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn the_table_agrees_with_the_scan_route_prop_01((hosts, owners) in hosts(), requests in requests()) {
        let table = table(&hosts, &owners);
        for request in requests {
            prop_assert_eq!(fast(&table, &request), naive(&hosts, &owners, &request), "{:?}", request);
        }
    }

    #[test]
    fn many_rules_agree_with_the_scan_route_prop_01(rules in rules(120), requests in requests()) {
        let table = only(&rules);
        for request in requests {
            let want = first(&rules, &request).map_or(Answer::NoRoute(0), |rule| Answer::Route(0, rule));
            prop_assert_eq!(fast(&table, &request), want, "{:?}", request);
        }
    }

    #[test]
    fn removals_route_prop_02(rules in rules(30), request in request(), at in any::<Index>()) {
        prop_assume!(!rules.is_empty());
        let at = at.index(rules.len());
        let without = |at: usize| {
            let mut rest = rules.clone();
            rest.remove(at);
            winner(&rest, &request)
        };
        let found = winner(&rules, &request);
        let shifted = |rule: usize| rule - usize::from(rule > at);
        if found != Some(at) {
            prop_assert_eq!(without(at), found.map(shifted));
        }
        if let Some(found) = found {
            let next = (found + 1..rules.len()).find(|rule| rules[*rule].accepts(&request));
            prop_assert_eq!(without(found), next.map(|rule| rule - 1));
        }
    }

    #[test]
    fn additions_route_prop_03(rules in rules(30), more in rules(10), request in request(), at in any::<Index>()) {
        prop_assume!(routable(&request));
        let Some(found) = winner(&rules, &request) else { return Ok(()) };
        let appended = [&rules[..], &more].concat();
        prop_assert_eq!(winner(&appended, &request), Some(found));
        if let Some(matching) = more.iter().find(|rule| rule.accepts(&request)) {
            let at = at.index(found + 1);
            let mut inserted = rules.clone();
            inserted.insert(at, matching.clone());
            prop_assert_eq!(winner(&inserted, &request), Some(at));
        }
    }

    #[test]
    fn what_does_not_count_route_prop_04(rules in rules(30), request in request(), query in "[?&k=1]{0,4}") {
        let plain: Vec<Rule> = rules
            .into_iter()
            .filter(|rule| rule.query.is_empty() && rule.authority.is_none())
            .filter(|rule| !rule.headers.iter().any(|(name, ..)| [":path", "Host"].contains(name)))
            .collect();
        let mut other = request.clone();
        if routable(&request) {
            let path = request.target.split('?').next().unwrap_or_default();
            other.target = format!("{path}?{query}");
        }
        other.authority = format!("{}:99", other_spelling(&request.authority));
        prop_assert_eq!(winner(&plain, &request), winner(&plain, &other));
    }

    #[test]
    fn prefixes_and_exact_texts_route_prop_06(text in path_text(), path in path_text(), rest in "[/ab%]{1,3}") {
        let longer = format!("{path}{rest}");
        if PathMatch::prefix(&text).matches(&path) {
            prop_assert!(PathMatch::prefix(&text).matches(&longer));
        }
        prop_assert!(!PathMatch::exact(&path).matches(&longer));
    }

    #[test]
    fn without_is_not_with_route_prop_07(request in request(), value in value(&["", "v", "w", "v,w"])) {
        let head = RequestHead::new(request.method, &request.authority, "/", &request.lines);
        let with = Conditions::any().header("x", string_match(&value)).matches(&head);
        let without = Conditions::any().without_header("x", string_match(&value)).matches(&head);
        let missing = request.lines.iter().all(|(name, _)| !name.eq_ignore_ascii_case("x"));
        if missing && !value.is_presence() {
            prop_assert_eq!(without, !value.accepts(""));
        } else {
            prop_assert_eq!(without, !with);
        }
    }

    /// Two VirtualServices of one gateway host: all but catch-alls in list order, then the catch-alls.
    #[test]
    fn merged_routes_route_prop_11(older in rules(15), newer in rules(15), request in request()) {
        let all = [older, newer].concat();
        let (last, front): (Vec<Rule>, Vec<Rule>) = all.iter().cloned().partition(Rule::is_catch_all);
        let merged = [front, last].concat();
        let accepted = |rule: &&Rule| routable(&request) && rule.accepts(&request);
        let want = all.iter().filter(|rule| !rule.is_catch_all()).find(accepted)
            .or_else(|| all.iter().find(accepted));
        let got = winner(&merged, &request).map(|rule| &merged[rule]);
        prop_assert_eq!(format!("{got:?}"), format!("{want:?}"));
    }

    #[test]
    fn the_longest_wildcard_route_prop_12(owned in prop::collection::vec(any::<bool>(), DOMAINS.len()), request in request()) {
        let domains: Vec<&str> = DOMAINS.into_iter().zip(owned).filter(|(_, owned)| *owned).map(|(d, _)| d).collect();
        let mut builder = RouteTable::<()>::builder();
        for domain in &domains {
            builder = builder.virtual_host(VirtualHost::new(domain, [domain.parse().unwrap()]));
        }
        let table = builder.build().unwrap();
        let got = table.virtual_host(&request.authority).map(VirtualHost::name);
        prop_assert_eq!(got, best_domain(&domains, &request.authority));
    }

    #[test]
    fn twice_is_once_route_prop_05(raw in "/[a2eEfF%./;\\\\?{|0-9]{0,24}", rules in rules(20), mode in 0..4usize) {
        use PathNormalization::{Base, DecodeAndMergeSlashes, MergeSlashes, None};
        let mode = [None, Base, MergeSlashes, DecodeAndMergeSlashes][mode];
        let Ok(once) = normalize_path(&raw, mode) else { return Ok(()) };
        let twice = normalize_path(&once, mode).unwrap();
        prop_assert_eq!(&twice, &once);
        let (target, lines) = (once.into_owned(), Vec::new());
        let request = Request { method: "GET", scheme: "http", authority: "a.x.com".into(), target, lines };
        prop_assert_eq!(winner(&rules, &request), first(&rules, &request));
    }

    #[test]
    fn every_weight_is_hit_route_prop_08(weights in prop::collection::vec(prop_oneof![Just(0), 1..40u32], 1..9), turn in any::<u32>()) {
        let sum: u32 = weights.iter().sum();
        let split = WeightedSplit::new(weights.iter().copied().enumerate());
        if sum == 0 && weights.len() > 1 {
            prop_assert!(split.is_err());
            return Ok(());
        }
        let split = split.unwrap();
        let sum = sum.max(1);
        let mut hits = vec![0; weights.len()];
        for draw in 0..sum {
            // Any run of as many draws in a row as the weights add up to will do.
            hits[*split.pick(u64::from(turn) * u64::from(sum) + u64::from(draw))] += 1;
        }
        let want = if weights.len() == 1 { vec![sum] } else { weights };
        prop_assert_eq!(hits, want);
    }
}

/// The host without its port, with the letter case turned.
fn other_spelling(authority: &str) -> String {
    let host = match authority.rfind(':') {
        Some(colon) if !authority[colon..].contains(']') => &authority[..colon],
        _ => authority,
    };
    let turn = |letter: char| {
        if letter.is_ascii_lowercase() { letter.to_ascii_uppercase() } else { letter.to_ascii_lowercase() }
    };
    host.chars().map(turn).collect()
}
