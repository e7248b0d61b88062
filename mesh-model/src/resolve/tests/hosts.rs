//! Names and how they relate (section 6.1).

use proptest::prelude::*;
use std::cmp::Ordering;

use crate::resolve::names::{
    GatewayReference, by_specificity, full_name, gateway_reference, is_subset_of, overlaps,
};
use crate::resolve::{HostIndex, hosts_on_server, server_hosts};

/// Only a name without a dot that is neither `*` nor an address is short.
#[test]
fn short_names_model_res_1() {
    for (host, want) in [
        ("reviews", "reviews.shop.svc.cluster.local"),
        ("reviews.prod", "reviews.prod"),
        ("reviews.prod.svc.cluster.local", "reviews.prod.svc.cluster.local"),
        ("*", "*"),
        ("*.com", "*.com"),
        ("*shop", "*shop.shop.svc.cluster.local"),
        ("10.0.0.1", "10.0.0.1"),
        ("fd00::1", "fd00::1"),
        ("", ""),
    ] {
        assert_eq!(full_name(host, "shop", "cluster.local"), want, "{host}");
    }
    assert_eq!(full_name("a", "b", "corp.internal"), "a.b.svc.corp.internal");
}

/// A wildcard stands for any text, dots included, in front of what follows it.
#[test]
fn wildcards_compare_suffixes_model_type_16() {
    for (wide, host, want) in [
        ("*.foo.com", "a.foo.com", true),
        ("*.foo.com", "a.b.foo.com", true),
        ("*.foo.com", "foo.com", false),
        ("*foo.com", "foo.com", true),
        ("*foo.com", "xfoo.com", true),
        ("*foo.com", "a.foo.com", true),
        ("*-x.foo.com", "a-x.foo.com", true),
        ("*-x.foo.com", "x.foo.com", false),
        ("*.com", "example.com", true),
        ("*", "anything", true),
        // No wildcard elsewhere.
        ("a.*.com", "a.b.com", false),
    ] {
        assert_eq!(is_subset_of(host, wide), want, "{wide} {host}");
        assert_eq!(overlaps(wide, host), want, "{wide} {host}");
    }
}

#[test]
fn gateway_references_model_res_4() {
    let gateway = |namespace: &str, name: &str| GatewayReference::Gateway {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    };
    for (text, want) in [
        ("mesh", GatewayReference::Mesh),
        ("door", gateway("shop", "door")),
        ("./door", gateway("shop", "door")),
        ("infra/door", gateway("infra", "door")),
        ("door.infra", gateway("infra", "door")),
        ("door.infra.svc.cluster.local", gateway("infra", "door")),
        ("infra/mesh", gateway("infra", "mesh")),
    ] {
        assert_eq!(gateway_reference(text, "shop"), want, "{text}");
    }
}

#[test]
fn hosts_of_a_server_model_res_5() {
    let read = |text: &str| {
        let found = server_hosts(&[text.to_owned()], "infra").remove(0);
        (found.namespace, found.host)
    };
    for (text, namespace, host) in [
        ("a.com", None, "a.com"),
        ("*/a.com", None, "a.com"),
        ("./a.com", Some("infra"), "a.com"),
        ("shop/a.com", Some("shop"), "a.com"),
        ("*/*", None, "*"),
    ] {
        assert_eq!(read(text), (namespace.map(str::to_owned), host.to_owned()), "{text}");
    }
    // The narrower name of each pair, and nothing of another namespace.
    for (server, hosts, namespace, want) in [
        ("*.a.com", &["x.a.com", "b.com"][..], "shop", &["x.a.com"][..]),
        ("x.a.com", &["*.a.com"], "shop", &["x.a.com"]),
        ("*.a.com", &["*"], "shop", &["*.a.com"]),
        ("*.a.com", &["a.com"], "shop", &[]),
        ("shop/*.a.com", &["x.a.com"], "shop", &["x.a.com"]),
        ("other/*.a.com", &["x.a.com"], "shop", &[]),
        ("./X.A.com", &["x.a.com"], "infra", &["x.a.com"]),
        ("./x.a.com", &["x.a.com"], "shop", &[]),
    ] {
        let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let found = hosts_on_server(&[server.to_owned()], "infra", &hosts, namespace);
        assert_eq!(found, want, "{server} {hosts:?} {namespace}");
    }
}

/// `a`, `b`, whether they overlap, whether `a` is a subset of `b`, whether `b` is a subset of `a`.
const RELATIONS: [(&str, &str, bool, bool, bool); 12] = [
    ("a.b", "a.b", true, true, true),
    ("A.b", "a.B", true, true, true),
    ("a.b", "b.b", false, false, false),
    ("a.b", "*.b", true, true, false),
    ("*.a.b", "*.b", true, true, false),
    ("*.a.b", "a.b", false, false, false),
    ("a.b", "*.a.b", false, false, false),
    ("*.b", "*.b", true, true, true),
    ("*.a", "*.b", false, false, false),
    ("*", "a.b", true, false, true),
    ("*", "*.b", true, false, true),
    ("*-x.b", "*.b", true, true, false),
];

#[test]
fn relations_model_res_6_route_host_30() {
    for (a, b, overlapping, a_in_b, b_in_a) in RELATIONS {
        assert_eq!(overlaps(a, b), overlapping, "{a} {b}");
        assert_eq!(overlaps(b, a), overlapping, "{b} {a}: symmetric");
        assert_eq!(is_subset_of(a, b), a_in_b, "{a} in {b}");
        assert_eq!(is_subset_of(b, a), b_in_a, "{b} in {a}");
    }
}

/// Exact before wildcard, longer before shorter, then by bytes.
#[test]
fn specificity_model_res_7_route_host_31() {
    let order = ["aaaa.com", "b.com", "c.com", "*.long.com", "*.b.com", "*.com", "*"];
    for (at, a) in order.iter().enumerate() {
        for (other, b) in order.iter().enumerate() {
            assert_eq!(by_specificity(a, b), at.cmp(&other), "{a} {b}");
        }
    }
    assert_eq!(by_specificity("a", "*.very.long.name"), Ordering::Less);
}

fn host() -> impl Strategy<Value = String> {
    let label = prop::sample::select(vec!["a", "b", "A", "ab", "a-b", "ü"]);
    let name = prop::collection::vec(label, 0..4).prop_map(|labels| labels.join("."));
    (prop::sample::select(vec!["", "*", "*.", "*-"]), name).prop_map(|(star, name)| star.to_owned() + &name)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// The index answers what a walk over all hosts answers (MODEL-RES-6, MODEL-RES-7).
    #[test]
    fn the_index_finds_what_a_walk_finds(hosts in prop::collection::vec(host(), 0..12), asked in host()) {
        let index: HostIndex<usize> =
            hosts.iter().enumerate().map(|(at, host)| (host.as_str(), at)).collect();
        let walk = |test: &dyn Fn(&str) -> bool| -> Vec<usize> {
            (0..hosts.len()).filter(|at| test(&hosts[*at])).collect()
        };
        let sorted = |found: Vec<&usize>| {
            let mut found: Vec<usize> = found.into_iter().copied().collect();
            found.sort_unstable();
            found
        };
        let covering: Vec<&usize> = index.covering(&asked).collect();
        for pair in covering.windows(2) {
            let (first, second) = (hosts[*pair[0]].to_ascii_lowercase(), hosts[*pair[1]].to_ascii_lowercase());
            prop_assert!(by_specificity(&first, &second) != Ordering::Greater, "{first} before {second}");
            prop_assert!(first != second || pair[0] < pair[1]);
        }
        prop_assert_eq!(sorted(covering), walk(&|host| is_subset_of(&asked, host)));
        prop_assert_eq!(sorted(index.covered_by(&asked).collect()), walk(&|host| is_subset_of(host, &asked)));
        prop_assert_eq!(sorted(index.overlapping(&asked).collect()), walk(&|host| overlaps(&asked, host)));
    }
}
