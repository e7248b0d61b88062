//! The index against the linear scan it replaces.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::{Budget, PathIndex};
use crate::head::{Headers, NoHeaders, RequestHead};
use crate::path::PathMatch;
use crate::pattern::Limits;
use crate::rule::Conditions;
use crate::string_match::StringMatch;

/// A path condition and whether the rule has a guard, which the test decides on its own.
fn rule() -> impl Strategy<Value = (Conditions, bool)> {
    // Few letters and short texts, so that rules share prefixes and requests hit them.
    let text = prop_oneof![Just(String::new()), "/[ab]{0,2}(/[abAB]{0,2}){0,3}", "(/a){1,24}",];
    let path = (text, 0..6u8).prop_map(|(text, kind)| match kind {
        0 => PathMatch::exact(&text),
        1 | 2 => PathMatch::prefix(&text),
        3 => PathMatch::segment_prefix(&text),
        4 => PathMatch::exact(&text).ignore_case(),
        _ => PathMatch::prefix(&text).ignore_case(),
    });
    // Compiled once: compiling is most of a debug run's time.
    static REGEXES: LazyLock<Vec<PathMatch>> = LazyLock::new(|| {
        let compile = |text: &str| PathMatch::regex(text, &Limits::new()).unwrap();
        ["/a/.*", "/[ab]+", ".*", "(?i)/a/B.*", "/a|/b/a"].map(compile).into()
    });
    let regex = (0..REGEXES.len()).prop_map(|at| REGEXES[at].clone());
    let path = prop_oneof![8 => path.prop_map(Some), 1 => regex.prop_map(Some), 1 => Just(None)];
    (path, prop::bool::weighted(0.6)).prop_map(|(path, guarded)| {
        let mut when = Conditions::any();
        if let Some(path) = path {
            when = when.path(path);
        }
        if guarded {
            when = when.method(StringMatch::exact("GET"));
        }
        (when, guarded)
    })
}

fn path() -> impl Strategy<Value = String> {
    prop_oneof![3 => "/[abAB]{0,2}(/[abAB]{0,2}){0,4}", 1 => "(/a){1,26}"]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    /// ROUTE-PROP-01, with guards that answer as they like.
    #[test]
    fn same_answer_as_a_scan(
        rules in prop::collection::vec((rule(), any::<bool>()), 0..40),
        paths in prop::collection::vec(path(), 1..6),
    ) {
        let conditions: Vec<&Conditions> = rules.iter().map(|((when, _), _)| when).collect();
        let index = PathIndex::with_linear_limit(&conditions, 1, &mut Budget::new(), 0);
        for path in paths {
            let holds = |number: usize| {
                let ((when, guarded), passes) = &rules[number];
                when.path_match().is_none_or(|condition| condition.matches(&path)) && (!guarded || *passes)
            };
            let want = (0..rules.len()).find(|number| holds(*number)).map(|number| u32::try_from(number).unwrap());
            let mut asked = Vec::new();
            let head = RequestHead::new("GET", "h", &path, &NoHeaders);
            let got = index.first(&head, |number, _| { asked.push(number); holds(number as usize) });
            prop_assert_eq!(got, want, "{}", path);
            // One round of streams is read in order, so nothing above the winner is asked.
            if path.matches('/').count() < super::STREAMS - 6 {
                prop_assert!(asked.is_sorted(), "{:?}", asked);
                prop_assert!(asked.iter().all(|number| want.is_none_or(|want| *number <= want)));
            }
        }
    }
}

#[test]
fn more_nested_prefixes_than_streams() {
    let prefix = |depth: usize| "/a".repeat(depth);
    for winner in 0..40usize {
        let rules: Vec<Conditions> = (0..40)
            .rev()
            .map(|depth| {
                let when = Conditions::any().path(PathMatch::prefix(&prefix(depth)));
                if depth == winner { when } else { when.method(StringMatch::exact("PUT")) }
            })
            .collect();
        let index = PathIndex::new(&rules.iter().collect::<Vec<_>>(), 0, &mut Budget::new());
        let path = prefix(45);
        let head = RequestHead::new("GET", "h", &path, &NoHeaders);
        let got = index.first(&head, |rule, _| 39 - rule as usize == winner);
        assert_eq!(got, Some(u32::try_from(39 - winner).unwrap()));
    }
}

#[test]
fn a_node_may_have_256_children() {
    let rules: Vec<Conditions> = (0..=0x7Fu8)
        .map(|byte| Conditions::any().path(PathMatch::prefix(&format!("/{}x", char::from(byte)))))
        .collect();
    let index = PathIndex::new(&rules.iter().collect::<Vec<_>>(), 0, &mut Budget::new());
    let first =
        |path: &str| index.first(&RequestHead::new("GET", "h", path, &NoHeaders), |_, _| panic!("proved"));
    for byte in (0..=0x7Fu8).filter(|byte| *byte != b'?') {
        assert_eq!(first(&format!("/{}xy", char::from(byte))), Some(u32::from(byte)));
    }
    assert_eq!(first("/a"), None);
}

/// A rule on `path` that asks for the header `x`.
fn user(path: PathMatch, value: &str) -> Conditions {
    Conditions::any().path(path).header("x", StringMatch::exact(value))
}

/// The answer, and which rules were tested on the way.
fn ask<H: Headers>(
    rules: &[Conditions],
    budget: &mut Budget,
    head: &RequestHead<'_, H>,
) -> (Option<u32>, Vec<u32>) {
    let index = PathIndex::new(&rules.iter().collect::<Vec<_>>(), 0, budget);
    let mut asked = Vec::new();
    let got = index.first(head, |rule, path_proved| {
        asked.push(rule);
        let when = &rules[rule as usize];
        if path_proved { when.guards_hold(head) } else { when.matches(head) }
    });
    let want = rules.iter().position(|rule| rule.matches(head)).map(|at| u32::try_from(at).unwrap());
    assert_eq!(got, want);
    assert!(asked.is_sorted(), "{asked:?}");
    assert!(asked.iter().all(|rule| want.is_none_or(|want| *rule <= want)), "{asked:?}");
    (got, asked)
}

// ROUTE-PERF-14.
#[test]
fn rules_that_differ_in_a_guard_are_not_tried_one_by_one_route_perf_14() {
    let mut rules: Vec<Conditions> =
        (0..1000).map(|at| user(PathMatch::prefix("/api"), &format!("user-{at}"))).collect();
    rules.push(Conditions::any().path(PathMatch::prefix("/a")));
    let asked = |lines: &[(&str, &str)]| {
        ask(&rules, &mut Budget::new(), &RequestHead::new("GET", "h", "/api/x", &lines))
    };
    assert_eq!(
        asked(&[("x", "user-999")]),
        (Some(999), vec![]),
        "found by its value, nothing is left to test"
    );
    assert_eq!(asked(&[("x", "user-7"), ("X", "user-3")]).0, Some(3), "each line counts (ROUTE-MATCH-23)");
    assert_eq!(asked(&[("x", "user-1000")]), (Some(1000), vec![]));
    assert_eq!(asked(&[]), (Some(1000), vec![]));
    // More lines than are looked up: a scan from the first of those rules on.
    let lines: Vec<(&str, String)> = (0..9).rev().map(|at| ("x", format!("user-{at}"))).collect();
    let head = RequestHead::new("GET", "h", "/api/x", &lines);
    assert_eq!(ask(&rules, &mut Budget::new(), &head), (Some(0), vec![0]));
}

// ROUTE-PERF-12.
#[test]
fn regexes_share_an_automaton_or_are_tried_one_by_one_route_perf_12() {
    let compile = |text: String| Conditions::any().path(PathMatch::regex(&text, &Limits::new()).unwrap());
    let rules: Vec<Conditions> = (0..40).map(|at| compile(format!("/v[0-9]+/item{at}(/.*)?"))).collect();
    let head = RequestHead::new("GET", "h", "/v1/item39/x", &NoHeaders);
    assert_eq!(ask(&rules, &mut Budget::new(), &head), (Some(39), vec![]));

    // Two to the power of 18 states: over the limit, whether together or in halves.
    let rules: Vec<Conditions> = (0..40).map(|at| compile(format!("/(a|b)*a(a|b){{18}}{at}"))).collect();
    let path = format!("/{}39", "ab".repeat(12));
    let head = RequestHead::new("GET", "h", &path, &NoHeaders);
    let mut budget = Budget::new();
    assert_eq!(ask(&rules, &mut budget, &head), (None, (0..40).collect()));

    // One that is too large does not spoil the others: they are found in halves without it.
    let mut rules: Vec<Conditions> = (0..39).map(|at| compile(format!("/[a-z]+/item{at}"))).collect();
    rules.insert(20, compile("/(a|b)*a(a|b){18}".into()));
    let head = RequestHead::new("GET", "h", "/abc/item38", &NoHeaders);
    let (found, asked) = ask(&rules, &mut Budget::new(), &head);
    assert_eq!(found, Some(39));
    assert!(asked.contains(&20) && asked.len() < 8, "{asked:?}");
}

// ROUTE-PERF-17.
#[test]
fn what_cannot_win_is_not_filed_route_perf_17() {
    let rules: Vec<Conditions> = [
        user(PathMatch::prefix("/a/b"), "v"),
        Conditions::any().path(PathMatch::prefix("/a")),
        user(PathMatch::prefix("/a/b"), "w"),
        user(PathMatch::prefix("/a"), "w"),
        user(PathMatch::exact("/c"), "w"),
        Conditions::any().path(PathMatch::prefix("/")),
        user(PathMatch::exact("/d"), "w"),
    ]
    .into();
    let lines = [("x", "w")];
    let asked = |path: &str| ask(&rules, &mut Budget::new(), &RequestHead::new("GET", "h", path, &lines));
    assert_eq!(asked("/a/b"), (Some(1), vec![0]));
    assert_eq!(asked("/c"), (Some(4), vec![4]));
    assert_eq!(asked("/d"), (Some(5), vec![]));
}

// ROUTE-PERF-13.
#[test]
fn many_lists_are_read_in_rule_order_route_perf_13() {
    // Nested prefixes, as many as are read side by side and more, their rules interleaved.
    for depths in [1, 2, 3, 7, 16, 20, 40] {
        let rules: Vec<Conditions> = (0..200)
            .map(|at| user(PathMatch::prefix(&"/a".repeat(1 + (at * 7) % depths)), &format!("{}", at / 60)))
            .collect();
        let path = "/a".repeat(50);
        for value in ["0", "1", "3", "no"] {
            let lines = [("x", value)];
            ask(&rules, &mut Budget::new(), &RequestHead::new("GET", "h", &path, &lines));
        }
    }
}
