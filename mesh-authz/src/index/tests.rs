//! The index asks about few rules. That it leaves out none that matches is what `tests/suite` shows.

use std::cell::Cell;

use super::Index;
use crate::policy::{Action, Policy, PolicyId, Rule};
use crate::program::{LowerContext, Names, Program, lower_policy};
use crate::request::{HttpAttributes, Peer, Request};
use crate::rule::{Condition, Operation, Source};
use crate::{Claims, PeerIdentity};

const RULES: usize = 3_000;

/// How many of the rules `rule(0)`, `rule(1)`, … the index asks about for `request`, none of which
/// matches; then the same if it is told that all match.
fn asked(request: &Request<'_>, rule: impl Fn(usize) -> Rule) -> (usize, usize) {
    let mut program = Program::default();
    let policy = (0..RULES)
        .fold(Policy::new(PolicyId::new("foo", "p"), Action::Allow), |policy, i| policy.rule(rule(i)));
    let rules =
        lower_policy(&mut program, &mut Names::default(), &LowerContext::default(), &policy, 0).unwrap();
    let index = Index::new(&program, &rules, false);
    let count = |answer: bool| {
        let asked = Cell::new(0);
        index.first_match(&program, request, |_| {
            asked.set(asked.get() + 1);
            answer
        });
        asked.get()
    };
    (count(false), count(true))
}

fn from(source: Source) -> Rule {
    Rule::new().from(source)
}

fn to(operation: Operation) -> Rule {
    Rule::new().to(operation)
}

fn when(key: &str, value: String) -> Rule {
    Rule::new().when(Condition::new(key).values([value]))
}

#[test]
fn only_rules_that_share_the_values_are_asked() {
    // AUTHZ-PERF-11, AUTHZ-PERF-15
    let identity = PeerIdentity::certificate(["spiffe://td/ns/n7/sa/a7"], [], "");
    let claims = Claims::new().claim("iss", "i").claim("sub", "s7").claim("groups", "g7");
    let headers = [("x-7", "v"), ("x-a", "v7")];
    let http = HttpAttributes::new("GET", "/p7/x").host("H7.example.com").headers(&headers).claims(&claims);
    let request =
        Request::new(Peer::new([10, 0, 7, 7].into()).identity(&identity), ([10, 0, 0, 1], 7).into())
            .sni("s7")
            .http(http);
    let ways: [(&str, &dyn Fn(usize) -> Rule); 19] = [
        ("principal", &|i| from(Source::new().principals([format!("td/ns/n{i}/sa/a{i}")]))),
        ("principal prefix", &|i| from(Source::new().principals([format!("td/ns/n{i}/*")]))),
        ("principal suffix", &|i| from(Source::new().principals([format!("*/sa/a{i}")]))),
        ("namespace", &|i| from(Source::new().namespaces([format!("n{i}")]))),
        ("service account", &|i| from(Source::new().service_accounts([format!("n{i}/a{i}")]))),
        ("block", &|i| from(Source::new().ip_blocks([format!("10.{}.{}.0/24", i / 250, i % 250)]))),
        ("request principal", &|i| from(Source::new().request_principals([format!("i/s{i}")]))),
        ("host", &|i| to(Operation::new().hosts([format!("h{i}.example.com")]))),
        ("path", &|i| to(Operation::new().paths([format!("/p{i}/x")]))),
        ("path prefix", &|i| to(Operation::new().paths([format!("/p{i}/*")]))),
        ("path template", &|i| to(Operation::new().paths([format!("/p{i}/{{*}}")]))),
        ("port", &|i| to(Operation::new().ports([i]))),
        ("header", &|i| when("request.headers[x-a]", format!("v{i}"))),
        ("claim", &|i| when("request.auth.claims[groups]", format!("g{i}"))),
        ("server name", &|i| when("connection.sni", format!("s{i}"))),
        ("one of two", &|i| from(Source::new().principals([format!("td/ns/n{i}/sa/a{i}"), format!("x{i}")]))),
        ("principal and path", &|i| {
            let source = Source::new().principals([format!("td/ns/n7/sa/a{}", i % 50)]);
            from(source).to(Operation::new().methods(["GET"]).paths([format!("/p{}/*", i / 50)]))
        }),
        ("either of two sources", &|i| {
            from(Source::new().principals([format!("td/ns/n{i}/sa/a{i}")]))
                .from(Source::new().principals([format!("y{i}")]))
        }),
        ("sources of two kinds", &|i| {
            from(Source::new().principals([format!("td/ns/n{i}/sa/a{i}")]))
                .from(Source::new().namespaces([format!("y{i}")]))
        }),
    ];
    for (way, rule) in ways {
        let (asked, _) = asked(&request, rule);
        // A name like `/p7/x` or `a7` may be shared by the handful of rules in a leaf.
        assert!((1..=8).contains(&asked), "{way}: {asked} of {RULES}");
    }
}

#[test]
fn rules_that_no_value_tells_apart() {
    let request = Request::new(Peer::new([10, 0, 0, 1].into()), ([10, 0, 0, 1], 80).into());
    let get = request.http(HttpAttributes::new("GET", "/"));
    let put = request.http(HttpAttributes::new("PUT", "/"));
    let rule = |_| to(Operation::new().methods(["GET"]));
    // The first that matches ends the search, and a method that none of them has ends it at once.
    assert_eq!(asked(&get, rule), (RULES, 1));
    assert_eq!(asked(&put, rule), (0, 0));
    let rule = |i| from(Source::new().not_principals([format!("x{i}")]));
    assert_eq!(asked(&get, rule), (RULES, 1));
    // Identities are asked for on plain text as well, and nobody has any.
    let rule = |i| from(Source::new().namespaces([format!("n{i}")]));
    assert_eq!(asked(&get, rule), (0, 0));
}

#[test]
fn what_cannot_be_filed_is_asked_always() {
    // AUTHZ-SRC-05, AUTHZ-SRC-07: among many plain values one that no single key stands for
    let odd = |request: &Request<'_>, odd: &dyn Fn() -> Source| {
        let (count, _) = asked(request, |i| {
            from(match i {
                1_000 => odd(),
                _ => Source::new().namespaces([format!("n{i}")]).trust_domains([format!("t{i}")]),
            })
        });
        count
    };
    let identity = PeerIdentity::certificate(["spiffe://td/ns/foo/sa/x"], [], "");
    let request =
        Request::new(Peer::new([10, 0, 0, 1].into()).identity(&identity), ([10, 0, 0, 1], 80).into());
    assert_eq!(odd(&request, &|| Source::new().namespaces(["other"])), 0);
    for namespace in ["foo/sa", "f*", "*"] {
        assert_eq!(odd(&request, &|| Source::new().namespaces(["other", namespace])), 1, "{namespace}");
    }
    for domain in ["t*", "*d", "*"] {
        assert_eq!(odd(&request, &|| Source::new().trust_domains(["other", domain])), 1, "{domain}");
    }
}
