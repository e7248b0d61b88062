//! The table against a slow, obviously right model: a scan over plain data, written from the reference alone.
//! Holds ROUTE-PROP-01..08, ROUTE-PROP-11 and ROUTE-PROP-12; the name of each test says which.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod many;
mod naive;

use mesh_route::{
    Conditions, PathMatch, PathNormalization, RequestHead, RouteTable, VirtualHost, WeightedSplit,
    normalize_path,
};
use naive::{
    Answer, DOMAINS, Host, PATH_REGEXES, Path, Request, Rule, VALUE_REGEXES, Value, best_domain, fast, first,
    look, naive, only, routable, string_match, table, winner,
};
use proptest::prelude::*;
use proptest::sample::{Index, select};

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
            prop_assert_eq!(look(&table, &request), want, "{:?}", request);
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
