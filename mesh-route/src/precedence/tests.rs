//! Gateway API's order: worked examples, the laws of an order, and a table against the specification read word by word.

use std::cmp::Ordering;
use std::sync::OnceLock;
use std::time::Duration;

use proptest::prelude::*;

use super::Precedence;
use crate::{Conditions, Limits, PathMatch, RequestHead, RouteTable, StringMatch, VirtualHost};

fn path(path: PathMatch) -> Conditions {
    Conditions::any().path(path)
}

fn exact(text: &str) -> Conditions {
    path(PathMatch::exact(text))
}

fn prefix(text: &str) -> Conditions {
    path(PathMatch::segment_prefix(text))
}

fn regex(text: &str) -> Conditions {
    path(PathMatch::regex(text, &Limits::new()).unwrap())
}

fn get(when: Conditions) -> Conditions {
    when.method(StringMatch::exact("GET"))
}

fn headers(when: Conditions, count: usize) -> Conditions {
    (0..count).fold(when, |when, at| when.header(&format!("x-{at}"), StringMatch::exact("1")))
}

fn query(when: Conditions, count: usize) -> Conditions {
    (0..count).fold(when, |when, at| when.query_param(&format!("q{at}"), StringMatch::exact("1")))
}

#[test]
fn http_matches_in_the_order_of_the_specification() {
    let sorted = [
        exact("/a"),
        get(prefix("/a/b/c")),
        prefix("/a/b/c"),
        query(headers(get(prefix("/a")), 2), 3),
        query(headers(get(prefix("/a")), 2), 2),
        query(headers(get(prefix("/a")), 1), 9),
        headers(prefix("/a"), 9),
        query(prefix("/a"), 9),
        prefix("/a"),
        get(prefix("/")),
        prefix("/"),
        headers(regex("/a/[0-9]+"), 1),
        regex("/a/[0-9]+"),
        get(regex("/[a-z]+")),
    ];
    let keys: Vec<_> = sorted.iter().map(Precedence::http).collect();
    for (at, pair) in keys.windows(2).enumerate() {
        assert!(pair[0] < pair[1], "{at}: {:?} before {:?}", sorted[at], sorted[at + 1]);
    }
    // Nothing else counts: what a method is, a prefix's last slash, a path that is not given.
    assert_eq!(Precedence::http(&prefix("/a/")), Precedence::http(&prefix("/a")));
    assert_eq!(Precedence::http(&Conditions::any()), Precedence::http(&prefix("/")));
    assert_eq!(Precedence::http(&exact("/a")), Precedence::http(&exact("/longer")));
}

#[test]
fn grpc_matches_in_the_order_of_the_specification() {
    let grpc = Precedence::grpc;
    let sorted = [
        grpc(Some("foo.bar.v2"), None, 0),
        grpc(Some("foo.bar"), Some("Method"), 0),
        grpc(Some("foo.bar"), Some("Get"), 1),
        grpc(Some("foo.bar"), Some("Get"), 0),
        grpc(Some("foo.bar"), None, 7),
        grpc(None, Some("VeryLongMethod"), 0),
        grpc(None, None, 2),
        grpc(None, None, 0),
    ];
    assert!(sorted.windows(2).all(|pair| pair[0] < pair[1]), "{sorted:?}");
    for (service, method, path, want) in [
        (Some("a.B"), Some("C"), "/a.B/C", true),
        (Some("a.B"), Some("C"), "/a.B/CD", false),
        (Some("a.B"), None, "/a.B/any", true),
        (Some("a.B"), None, "/a.BC/any", false),
        (None, Some("C"), "/x/C", true),
        (None, Some("C"), "/x/y/C", false),
        (None, Some("."), "/x/C", false),
        (None, None, "/x", true),
    ] {
        assert_eq!(
            PathMatch::grpc(service, method).unwrap().matches(path),
            want,
            "{service:?} {method:?} {path}"
        );
    }
}

#[test]
fn hostnames_go_first_and_the_route_last() {
    let any = Precedence::http(&Conditions::any());
    let sorted = [
        any.clone().hostname("a.example.com"),
        any.clone().hostname("x.org"),
        any.clone().hostname("*.very-long.example.com"),
        Precedence::http(&exact("/a")).hostname("*.example.com"),
        any.clone().hostname("*.example.com"),
        Precedence::http(&exact("/a")),
        any.clone().created(Duration::from_secs(1)).route("z", "z").place(9, 9),
        any.clone().created(Duration::from_secs(2)).route("a", "a"),
        any.clone().route("a-b", "c"),
        any.clone().route("a", "c").place(0, 3),
        any.clone().route("a", "c").place(1, 0),
        any.clone().route("a", "d"),
    ];
    assert!(sorted.windows(2).all(|pair| pair[0] < pair[1]), "{sorted:#?}");
}

/// One match of a route, as it is written.
#[derive(Clone, Debug)]
struct Written {
    path: (u8, usize),
    method: bool,
    headers: usize,
    query: usize,
    created: u64,
    route: (usize, usize),
}

const PATHS: [&str; 5] = ["/", "/a", "/a/b", "/a/b/c", "/ab"];
/// Compiled once: that is what takes time here.
fn regexes() -> &'static [PathMatch; 5] {
    static REGEXES: OnceLock<[PathMatch; 5]> = OnceLock::new();
    REGEXES.get_or_init(|| {
        PATHS.map(|text| PathMatch::regex(&format!("{text}[a-z/]*"), &Limits::new()).unwrap())
    })
}

const NAMES: [&str; 3] = ["a", "a-b", "b"];

impl Written {
    fn conditions(&self) -> Conditions {
        let text = PATHS[self.path.1];
        let when = match self.path.0 {
            0 => exact(text),
            1 => prefix(text),
            _ => path(regexes()[self.path.1].clone()),
        };
        let when = if self.method { get(when) } else { when };
        query(headers(when, self.headers), self.query)
    }

    fn precedence(&self, place: usize) -> Precedence {
        Precedence::http(&self.conditions())
            .created(Duration::from_secs(self.created))
            .route(NAMES[self.route.0], NAMES[self.route.1])
            .place(place, 0)
    }

    /// The specification's list, criterion by criterion; true if `self` is given precedence over `other`.
    fn beats(&self, other: &Self, own: usize, others: usize) -> bool {
        let kind = |written: &Self| match written.path.0 {
            0 => (2, 0),
            1 => (1, PATHS[written.path.1].trim_end_matches('/').len()),
            _ => (0, PATHS[written.path.1].len()),
        };
        let name = |written: &Self| format!("{}/{}", NAMES[written.route.0], NAMES[written.route.1]);
        for (mine, its) in [
            (kind(self), kind(other)),
            ((usize::from(self.method), 0), (usize::from(other.method), 0)),
            ((self.headers, 0), (other.headers, 0)),
            ((self.query, 0), (other.query, 0)),
        ] {
            if mine != its {
                return mine > its;
            }
        }
        if self.created != other.created {
            return self.created < other.created;
        }
        if name(self) != name(other) {
            return name(self) < name(other);
        }
        own < others
    }
}

fn written() -> impl Strategy<Value = Written> {
    ((0..3u8, 0..PATHS.len()), any::<bool>(), 0..3usize, 0..3usize, 0..3u64, (0..3usize, 0..3usize)).prop_map(
        |(path, method, headers, query, created, route)| Written {
            path,
            method,
            headers,
            query,
            created,
            route,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// Total, antisymmetric, transitive, and what the specification says.
    #[test]
    fn it_is_an_order(all in prop::collection::vec(written(), 3)) {
        let keys: Vec<_> = all.iter().enumerate().map(|(at, each)| each.precedence(at)).collect();
        for (a, one) in all.iter().enumerate() {
            for (b, other) in all.iter().enumerate() {
                let found = keys[a].cmp(&keys[b]);
                prop_assert_eq!(found, keys[b].cmp(&keys[a]).reverse());
                prop_assert_eq!(found == Ordering::Equal, a == b, "no two places are equal");
                prop_assert_eq!(found == Ordering::Less, one.beats(other, a, b));
                for c in 0..all.len() {
                    if found.is_lt() && keys[b] < keys[c] {
                        prop_assert!(keys[a] < keys[c]);
                    }
                }
            }
        }
    }

    /// First match over sorted rules is the best match over rules as they are written.
    #[test]
    fn a_table_of_sorted_rules_picks_the_most_specific(
        rules in prop::collection::vec(written(), 1..24),
        target in 0..PATHS.len(), is_get: bool, given in (0..4usize, 0..4usize),
    ) {
        let mut sorted: Vec<_> = (0..rules.len()).collect();
        sorted.sort_by_key(|at| rules[*at].precedence(*at));
        let mut host = VirtualHost::new("all", ["*".parse().unwrap()]);
        for at in sorted {
            host.push(rules[at].conditions(), at);
        }
        let table = RouteTable::builder().virtual_host(host).build().unwrap();
        let lines: Vec<_> = (0..given.0).map(|at| (format!("x-{at}"), "1")).collect();
        let query: Vec<_> = (0..given.1).map(|at| format!("q{at}=1")).collect();
        let target = format!("{}?{}", PATHS[target], query.join("&"));
        let head = RequestHead::new(if is_get { "GET" } else { "POST" }, "h", &target, &lines);

        let accepting = (0..rules.len()).filter(|at| rules[*at].conditions().matches(&head));
        let best = accepting.reduce(|best, at| if rules[at].beats(&rules[best], at, best) { at } else { best });
        prop_assert_eq!(table.lookup(&head).route().map(|found| *found.action), best);
    }
}
