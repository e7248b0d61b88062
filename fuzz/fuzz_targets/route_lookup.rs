//! The indexed look-up against two slower ways to the same answer: trying every rule of the best virtual host
//! in order, and the explanation.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use mesh_fuzz::fold;
use mesh_route::{
    Conditions, HostPattern, Limits, Lookup, Outcome, PathMatch, RequestHead, RouteTable, StringMatch,
    VirtualHost,
};

#[derive(Arbitrary, Debug)]
enum Text {
    Exact(Vec<u8>),
    Prefix(Vec<u8>),
    SegmentPrefix(Vec<u8>),
    Regex(Vec<u8>),
    Present,
}

#[derive(Arbitrary, Debug)]
struct Rule {
    path: Option<(Text, bool)>,
    method: Option<Text>,
    authority: Option<Text>,
    headers: Vec<(u8, Text, bool)>,
    query: Vec<(u8, Text)>,
    repeat: Option<Repeat>,
}

/// The rule several times over, so that there are indexes over guards and automata of regexes: each time a number ends
/// its texts.
#[derive(Arbitrary, Debug)]
struct Repeat {
    times: u8,
    in_path: bool,
    in_guards: bool,
}

#[derive(Arbitrary, Debug)]
struct Host {
    /// What of the text is a wildcard, and the text.
    domains: Vec<(u8, Vec<u8>)>,
    require_tls: bool,
    rules: Vec<Rule>,
}

#[derive(Arbitrary, Debug)]
struct Request {
    method: Vec<u8>,
    authority: Vec<u8>,
    target: Vec<u8>,
    headers: Vec<(u8, Vec<u8>)>,
    tls: bool,
    /// Ends the path, the method, and the values of headers and of the query.
    number: Option<u8>,
}

#[derive(Arbitrary, Debug)]
struct Input {
    hosts: Vec<Host>,
    requests: Vec<Request>,
}

const PATHS: &[&str] = &["/", "a", "b", "A", "/a", "/ab", "%2F", ".", "é"];
const HOSTS: &[&str] = &["a", "b", ".", ".example.com", "-", "A", ":80", "[::1]", "*"];
const VALUES: &[&str] = &["", "a", "b", "GET", "POST", "CONNECT", " ", ","];
const NAMES: &[&str] = &["x-a", "X-A", "host", ":path", ":method", "x-b", "cookie"];
const REGEX: &[&str] = &["a", "b", "/", ".", "*", "+", "(", ")", "|", "[ab]", "\\d", "(?i)", "^", "$", "?"];
const QUERY: &[&str] = &["a", "b", "=", "&", "a=b", "?"];

/// Numbers that end texts.
const NUMBERS: u8 = 24;

/// The text that is a number's: one digit or two, so that some texts begin others.
fn end(number: Option<u8>) -> String {
    number.map_or_else(String::new, |number| (number % NUMBERS).to_string())
}

fn string(text: &Text, end: &str) -> Option<StringMatch> {
    Some(match text {
        Text::Exact(bytes) => StringMatch::exact(fold(bytes, VALUES) + end),
        Text::Prefix(bytes) | Text::SegmentPrefix(bytes) => StringMatch::prefix(fold(bytes, VALUES) + end),
        Text::Regex(bytes) => StringMatch::regex(&(fold(bytes, REGEX) + end), &Limits::new()).ok()?,
        Text::Present => StringMatch::present(),
    })
}

/// All times a rule is repeated, once if it is not.
fn repeated(rule: &Rule) -> Vec<Conditions> {
    let Some(Repeat { times, in_path, in_guards }) = &rule.repeat else {
        return conditions(rule, "", "").into_iter().collect();
    };
    let pick = |end: &str, wanted: bool| if wanted { end.to_owned() } else { String::new() };
    (0..=times % NUMBERS)
        .map(|number| end(Some(number)))
        .filter_map(|end| conditions(rule, &pick(&end, *in_path), &pick(&end, *in_guards)))
        .collect()
}

fn conditions(rule: &Rule, path_end: &str, end: &str) -> Option<Conditions> {
    let mut when = Conditions::any();
    if let Some((path, ignore_case)) = &rule.path {
        let path = match path {
            Text::Exact(bytes) => PathMatch::exact(&(fold(bytes, PATHS) + path_end)),
            Text::Prefix(bytes) => PathMatch::prefix(&(fold(bytes, PATHS) + path_end)),
            Text::SegmentPrefix(bytes) => PathMatch::segment_prefix(&(fold(bytes, PATHS) + path_end)),
            Text::Regex(bytes) => PathMatch::regex(&(fold(bytes, REGEX) + path_end), &Limits::new()).ok()?,
            Text::Present => PathMatch::prefix("/"),
        };
        when = when.path(if *ignore_case { path.ignore_case() } else { path });
    }
    if let Some(method) = &rule.method {
        when = when.method(string(method, end)?);
    }
    if let Some(authority) = &rule.authority {
        when = when.authority(string(authority, "")?);
    }
    for (name, value, without) in &rule.headers {
        let name = NAMES[usize::from(*name) % NAMES.len()];
        when = if *without {
            when.without_header(name, string(value, end)?)
        } else {
            when.header(name, string(value, end)?)
        };
    }
    for (name, value) in &rule.query {
        when = when.query_param(["a", "b", ""][usize::from(name % 3)], string(value, end)?);
    }
    Some(when)
}

/// The domain that owns a host, by trying all of them: exact, longest suffix, longest prefix, `*`.
fn owner(table: &RouteTable<usize>, authority: &str) -> Option<usize> {
    let cut = match authority.rfind(':') {
        Some(colon) if !authority[colon..].contains(']') => &authority[..colon],
        _ => authority,
    };
    let host = cut.to_ascii_lowercase();
    let rank = |domain: &str| -> Option<(usize, usize)> {
        let domain = domain.to_ascii_lowercase();
        let long = host.len() >= domain.len();
        match (domain.strip_prefix('*'), domain.strip_suffix('*')) {
            (Some(""), _) => Some((0, 0)),
            (Some(suffix), _) => (long && host.ends_with(suffix)).then_some((2, domain.len())),
            (_, Some(prefix)) => (long && host.starts_with(prefix)).then_some((1, domain.len())),
            _ => (host == domain).then_some((3, 0)),
        }
    };
    let domains =
        table.virtual_hosts().enumerate().flat_map(|(at, host)| host.domains().iter().map(move |d| (at, d)));
    domains
        .filter_map(|(at, domain)| Some((rank(domain.as_str())?, at)))
        .max_by_key(|(rank, _)| *rank)
        .map(|(_, at)| at)
}

fuzz_target!(|input: Input| {
    let mut builder = RouteTable::builder();
    for (number, Host { domains, require_tls, rules }) in input.hosts.iter().enumerate() {
        let domains = domains.iter().filter_map(|(star, bytes)| {
            let text = fold(bytes, HOSTS);
            let text = [text.clone(), format!("*{text}"), format!("{text}*")][usize::from(star % 3)].clone();
            text.parse::<HostPattern>().ok()
        });
        let mut host = VirtualHost::new(&number.to_string(), domains);
        if *require_tls {
            host = host.require_tls();
        }
        for (action, when) in rules.iter().flat_map(repeated).enumerate() {
            host.push(when, action);
        }
        builder = builder.virtual_host(host);
    }
    let Ok(table) = builder.build() else { return };
    for Request { method, authority, target, headers, tls, number } in &input.requests {
        let end = end(*number);
        let (method, authority) = (fold(method, VALUES) + &end, fold(authority, HOSTS));
        let (path, query) = target.split_at(target.len() / 2);
        let target = format!("/{}{end}?{}{end}", fold(path, PATHS), fold(query, QUERY));
        let lines: Vec<(&str, String)> = headers
            .iter()
            .map(|(name, value)| (NAMES[usize::from(*name) % NAMES.len()], fold(value, VALUES) + &end))
            .collect();
        let head = RequestHead::new(&method, &authority, &target, &lines);
        let head = if *tls { head.with_scheme("https") } else { head };

        let found = table.lookup(&head);
        let outcome = table.explain(&head).outcome;
        let host = owner(&table, &authority).and_then(|at| table.virtual_hosts().nth(at));
        let first = |host: &VirtualHost<usize>| {
            host.rules().find(|(when, _)| when.matches(&head)).map(|(_, action)| *action)
        };
        match found {
            Lookup::NoVirtualHost => {
                assert!(host.is_none(), "{authority:?} belongs to {host:?}");
                assert_eq!(outcome, Outcome::NoVirtualHost);
            }
            Lookup::TlsRequired(chosen) => {
                assert_eq!(host.map(VirtualHost::name), Some(chosen.name()));
                assert_eq!(outcome, Outcome::TlsRequired);
            }
            Lookup::NoRoute(chosen) => {
                assert_eq!(host.map(VirtualHost::name), Some(chosen.name()));
                assert!(
                    method == "CONNECT" || first(chosen).is_none(),
                    "a rule of {} accepts",
                    chosen.name()
                );
                assert!(matches!(outcome, Outcome::NoRoute | Outcome::NotRoutable));
            }
            Lookup::Route(found) => {
                assert_eq!(host.map(VirtualHost::name), Some(found.virtual_host.name()));
                assert_eq!(first(found.virtual_host), Some(*found.action));
                assert_eq!(outcome, Outcome::Route(found.rule));
            }
        }
    }
});
