//! The slow, obviously right model: plain data and a scan, written from the reference alone. And the crate, from the
//! same data.

use std::sync::LazyLock;

use mesh_route::{
    Conditions, Limits, Lookup, Outcome, PathMatch, RequestHead, RouteTable, StringMatch, VirtualHost,
};

pub(crate) type Test = fn(&str) -> bool;

/// Regular expressions, each with what it means in plain code.
///
/// Many begin alike. The automaton of those whose repetitions are counted is larger than what is allowed.
pub(crate) const PATH_REGEXES: [(&str, Test); 20] = [
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
    ("/a/[0-9]+", |path| path.strip_prefix("/a/").is_some_and(digits)),
    ("/a/[0-9]+/b", |path| {
        path.strip_prefix("/a/").and_then(|rest| rest.strip_suffix("/b")).is_some_and(digits)
    }),
    ("/a/(b/)?[0-9]*", |path| {
        path.strip_prefix("/a/").is_some_and(|rest| {
            [rest, rest.strip_prefix("b/").unwrap_or(rest)].iter().any(|rest| rest.is_empty() || digits(rest))
        })
    }),
    ("/a/b.*", |path| path.starts_with("/a/b")),
    ("/a/.*b", |path| path.strip_prefix("/a/").is_some_and(|rest| rest.ends_with('b'))),
    (r"/a/\bb\b.*", |path| {
        let rest = path.strip_prefix("/a/b");
        rest.is_some_and(|rest| !rest.starts_with(|next: char| next.is_ascii_alphanumeric() || next == '_'))
    }),
    ("/(a|b)*a(a|b){11}", |path| binary(path, 12)),
    ("/(a|b)*a(a|b){12}", |path| binary(path, 13)),
    ("/(a|b)*a(a|b){13}", |path| binary(path, 14)),
    ("/(a|b)*a(a|b){14}", |path| binary(path, 15)),
    ("/[a-z]{1,2}", |path| {
        let rest = path.strip_prefix('/').unwrap_or_default();
        (1..=2).contains(&rest.len()) && rest.bytes().all(|byte| byte.is_ascii_lowercase())
    }),
    ("(/a)*", |path| path.len() % 2 == 0 && path == "/a".repeat(path.len() / 2)),
];

pub(crate) const VALUE_REGEXES: [(&str, Test); 4] = [
    (".*", |_| true),
    ("v+", |value| !value.is_empty() && value.bytes().all(|byte| byte == b'v')),
    ("v|w", |value| value == "v" || value == "w"),
    ("1?", |value| value.is_empty() || value == "1"),
];

fn digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Nothing but `a` and `b` after the slash, and an `a` that far from the end.
fn binary(path: &str, from_end: usize) -> bool {
    let Some(rest) = path.strip_prefix('/').map(str::as_bytes) else { return false };
    let marked = rest.len().checked_sub(from_end).and_then(|at| rest.get(at)) == Some(&b'a');
    marked && rest.iter().all(|byte| b"ab".contains(byte))
}

/// Each belongs to one virtual host or to none.
pub(crate) const DOMAINS: [&str; 15] = [
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
pub(crate) enum Path {
    Any,
    Exact(String, bool),
    Prefix(String, bool),
    Segments(String),
    Regex(usize),
}

#[derive(Clone, Debug)]
pub(crate) enum Value {
    Exact(&'static str),
    Prefix(&'static str),
    Regex(usize),
    Present,
    /// The regex `*`, another spelling of presence.
    Star,
}

#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) path: Path,
    pub(crate) method: Option<Value>,
    pub(crate) authority: Option<Value>,
    pub(crate) headers: Vec<(&'static str, Value, bool)>,
    pub(crate) query: Vec<(&'static str, Value)>,
}

#[derive(Clone, Debug)]
pub(crate) struct Host {
    pub(crate) tls: bool,
    pub(crate) rules: Vec<Rule>,
}

#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: &'static str,
    pub(crate) scheme: &'static str,
    pub(crate) authority: String,
    pub(crate) target: String,
    pub(crate) lines: Vec<(&'static str, &'static str)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Route(usize, usize),
    Tls(usize),
    NoRoute(usize),
    NoHost,
}

// The model.

impl Path {
    pub(crate) fn accepts(&self, path: &str) -> bool {
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
    pub(crate) fn accepts(&self, value: &str) -> bool {
        match self {
            Self::Exact(text) => value == *text,
            Self::Prefix(text) => value.starts_with(text),
            Self::Regex(at) => VALUE_REGEXES[*at].1(value),
            Self::Present | Self::Star => true,
        }
    }

    pub(crate) fn is_presence(&self) -> bool {
        matches!(self, Self::Present | Self::Star)
    }
}

impl Rule {
    pub(crate) fn accepts(&self, request: &Request) -> bool {
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
    pub(crate) fn is_catch_all(&self) -> bool {
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
pub(crate) fn routable(request: &Request) -> bool {
    request.target.starts_with('/') && request.method != "CONNECT"
}

pub(crate) fn first(rules: &[Rule], request: &Request) -> Option<usize> {
    if !routable(request) {
        return None;
    }
    rules.iter().position(|rule| rule.accepts(request))
}

/// ROUTE-HOST-21 to ROUTE-HOST-26 by brute force: the domain that owns an authority.
pub(crate) fn best_domain<'d>(domains: &[&'d str], authority: &str) -> Option<&'d str> {
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

pub(crate) fn naive(hosts: &[Host], owners: &[usize], request: &Request) -> Answer {
    let owner = |domain: &str| owners[DOMAINS.iter().position(|known| *known == domain).unwrap()];
    let owned: Vec<&str> = DOMAINS.into_iter().filter(|domain| owner(domain) < hosts.len()).collect();
    let Some(host) = best_domain(&owned, &request.authority).map(owner) else { return Answer::NoHost };
    if hosts[host].tls && request.scheme != "https" {
        return Answer::Tls(host);
    }
    first(&hosts[host].rules, request).map_or(Answer::NoRoute(host), |rule| Answer::Route(host, rule))
}

// The crate, from the same data.

pub(crate) static COMPILED_PATHS: LazyLock<[PathMatch; PATH_REGEXES.len()]> =
    LazyLock::new(|| PATH_REGEXES.map(|(text, _)| PathMatch::regex(text, &Limits::new()).unwrap()));
pub(crate) static COMPILED_VALUES: LazyLock<[StringMatch; VALUE_REGEXES.len()]> =
    LazyLock::new(|| VALUE_REGEXES.map(|(text, _)| StringMatch::regex(text, &Limits::new()).unwrap()));

pub(crate) fn path_match(path: &Path) -> Option<PathMatch> {
    let fold = |path: PathMatch, ignore: bool| if ignore { path.ignore_case() } else { path };
    Some(match path {
        Path::Any => return None,
        Path::Exact(text, ignore) => fold(PathMatch::exact(text), *ignore),
        Path::Prefix(text, ignore) => fold(PathMatch::prefix(text), *ignore),
        Path::Segments(text) => PathMatch::segment_prefix(text),
        Path::Regex(at) => COMPILED_PATHS[*at].clone(),
    })
}

pub(crate) fn string_match(value: &Value) -> StringMatch {
    match value {
        Value::Exact(text) => StringMatch::exact(text),
        Value::Prefix(text) => StringMatch::prefix(text),
        Value::Regex(at) => COMPILED_VALUES[*at].clone(),
        Value::Present => StringMatch::present(),
        Value::Star => StringMatch::regex("*", &Limits::new()).unwrap(),
    }
}

pub(crate) fn conditions(rule: &Rule) -> Conditions {
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

pub(crate) fn table(hosts: &[Host], owners: &[usize]) -> RouteTable<(usize, usize)> {
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
pub(crate) fn only(rules: &[Rule]) -> RouteTable<(usize, usize)> {
    let mut owners = [usize::MAX; DOMAINS.len()];
    owners[0] = 0;
    table(&[Host { tls: false, rules: rules.to_vec() }], &owners)
}

/// What the table finds, and that the explanation says the same.
pub(crate) fn fast(table: &RouteTable<(usize, usize)>, request: &Request) -> Answer {
    let answer = look(table, request);
    let head = RequestHead::new(request.method, &request.authority, &request.target, &request.lines)
        .with_scheme(request.scheme);
    let explained = table.explain(&head).outcome;
    match answer {
        Answer::Route(_, rule) => {
            assert!(matches!(explained, Outcome::Route(found) if found.index() == rule));
        }
        Answer::Tls(_) => assert_eq!(explained, Outcome::TlsRequired),
        Answer::NoRoute(_) => assert!(matches!(explained, Outcome::NoRoute | Outcome::NotRoutable)),
        Answer::NoHost => assert_eq!(explained, Outcome::NoVirtualHost),
    }
    answer
}

pub(crate) fn look(table: &RouteTable<(usize, usize)>, request: &Request) -> Answer {
    let head = RequestHead::new(request.method, &request.authority, &request.target, &request.lines)
        .with_scheme(request.scheme);
    let number = |host: &VirtualHost<_>| host.name().parse::<usize>().unwrap();
    match table.lookup(&head) {
        Lookup::Route(found) => {
            assert_eq!(*found.action, (number(found.virtual_host), found.rule.index()));
            Answer::Route(found.action.0, found.action.1)
        }
        Lookup::TlsRequired(host) => Answer::Tls(number(host)),
        Lookup::NoRoute(host) => Answer::NoRoute(number(host)),
        Lookup::NoVirtualHost => Answer::NoHost,
    }
}

pub(crate) fn winner(rules: &[Rule], request: &Request) -> Option<usize> {
    match fast(&only(rules), request) {
        Answer::Route(_, rule) => Some(rule),
        Answer::NoRoute(_) => None,
        other => panic!("one host for all, yet {other:?}"),
    }
}
