//! The index against the linear scan it replaces.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::{Budget, PathIndex};
use crate::head::{NoHeaders, RequestHead};
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
