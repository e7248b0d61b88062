//! Connections and policy sets that are used again: by many requests, by many threads.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, RwLock};

use mesh_authz::{PolicySet, Request, Verdict};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::case::{Call, ConditionCase, PolicyCase, RuleCase, SetCase};
use crate::generate;
use crate::model::answer;

fn same_as_fresh(set: &PolicySet, kept: &Call, requests: &[Call]) {
    kept.with_connection(|connection: &Request<'_>| {
        for call in requests {
            let fresh = answer(set, &Call { http: call.http.clone(), ..kept.clone() });
            let reused = call.with_http(|http| {
                let request = http.map_or(*connection, |http| connection.http(http));
                let decision = set.evaluate(&request);
                (decision.is_allowed(), decision.effective_policy_id().map(|rule| rule.to_string()))
            });
            assert_eq!(reused, (fresh.allowed, fresh.rule), "{kept:?} {:?}", call.http);
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    /// AUTHZ-LAW-12: what is worked out about a connection once, and used for all of its requests, gives
    /// the answers of a connection that is new for each request.
    #[test]
    fn a_connection_serves_many_requests(
        policies in vec(generate::policy(&["ALLOW", "ALLOW", "DENY", "AUDIT"]), 0..5),
        uniform in generate::uniform_rules(),
        kept in generate::call(),
        requests in vec(generate::call(), 8),
    ) {
        same_as_fresh(&SetCase::default().build(&policies), &kept, &requests);
        let policy = PolicyCase { rules: uniform, ..PolicyCase::named("p", "ALLOW") };
        same_as_fresh(&SetCase::default().build(&[policy]), &kept, &requests);
    }
}

/// AUTHZ-LAW-20: while sets are swapped, every decision is whole: that of the old set or that of the new.
#[test]
fn swapping_sets_mixes_nothing() {
    let any = || vec![RuleCase::default()];
    let when = |values: &[&str]| {
        let values = values.iter().map(|&v| v.to_owned()).collect();
        let key = "destination.port".to_owned();
        vec![RuleCase {
            when: vec![ConditionCase { key, values, not_values: Vec::new() }],
            ..RuleCase::default()
        }]
    };
    let policy = |name, action, rules| PolicyCase { rules, ..PolicyCase::named(name, action) };
    // They differ in the verdict, the rule, and the audit.
    let old = [policy("a", "ALLOW", any()), policy("u", "AUDIT", when(&["80"]))];
    let new = [policy("b", "DENY", when(&["80", "8080"])), policy("u", "AUDIT", any())];
    let sets = [old, new].map(|policies| Arc::new(SetCase::default().build(&policies)));
    let shared = RwLock::new(Arc::clone(&sets[0]));
    let done = AtomicBool::new(false);
    let connection = Request::new(mesh_authz::Peer::new([10, 0, 0, 1].into()), ([10, 0, 0, 2], 8080).into());
    let expected = sets.each_ref().map(|set| set.evaluate(&connection));
    assert_eq!(expected.map(|decision| decision.verdict), [Verdict::Allow, Verdict::Deny]);
    assert_eq!(expected.map(|decision| decision.access_log_hint), [Some(false), Some(true)]);
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let mut seen = [0_usize; 2];
                    while !done.load(Ordering::Relaxed) || seen == [0, 0] {
                        let set = Arc::clone(&shared.read().unwrap());
                        let decision = set.evaluate(&connection);
                        let which = expected.iter().position(|expected| *expected == decision);
                        seen[which.expect("a decision of one of the sets")] += 1;
                    }
                    seen
                })
            })
            .collect();
        for turn in 0..2_000 {
            *shared.write().unwrap() = Arc::clone(&sets[turn % 2]);
            if turn % 64 == 0 {
                std::thread::yield_now();
            }
        }
        done.store(true, Ordering::Relaxed);
        for reader in readers {
            reader.join().unwrap();
        }
    });
}
