#![allow(clippy::cast_precision_loss, reason = "small numbers in tests")]

use proptest::prelude::*;

use super::*;
use crate::{LocalCluster, Weight, ZoneAware, ZoneAwareLbSetting};

fn endpoint(key: usize, place: &str) -> Endpoint<usize> {
    Endpoint::new(key, Weight::ONE).locality(Locality::parse(place))
}

fn levels<K>(placed: &Placement<K>) -> Vec<u8> {
    placed.endpoints.iter().map(Endpoint::level).collect()
}

fn place(setting: &LocalityLbSetting, places: &[&str], proxy: &str) -> Placement<usize> {
    let endpoints = places.iter().enumerate().map(|(key, place)| endpoint(key, place)).collect();
    setting.place(endpoints, &ProxyPlace::new(Locality::parse(proxy)), true, |_, _| None).unwrap()
}

#[test]
fn the_default_is_failover_by_distance_without_weights() {
    // LB-ILOC-08, LB-ILOC-09, LB-ILOC-04
    let places = ["r/z/s", "r/z/t", "r/y/s", "q/z/s", "r/z/s"];
    let placed = place(&LocalityLbSetting::new(), &places, "r/z/s");
    assert_eq!(levels(&placed), [0, 1, 2, 3, 0]);
    assert_eq!(placed.locality_weights, None);
    // Levels nobody has are closed up.
    assert_eq!(levels(&place(&LocalityLbSetting::new(), &places[2..4], "r/z/s")), [0, 1]);
}

#[test]
fn failover_needs_outlier_detection() {
    // LB-ILOC-02
    let endpoints = vec![endpoint(0, "far"), endpoint(1, "near")];
    let proxy = ProxyPlace::new(Locality::parse("near"));
    let placed = LocalityLbSetting::new().place(endpoints, &proxy, false, |_, _| None).unwrap();
    assert_eq!(levels(&placed), [0, 0]);
}

#[test]
fn priorities_that_came_with_the_endpoints_go_first() {
    // LB-ILOC-09: old x 5 + p
    let endpoints = vec![
        endpoint(0, "far").priority(0),
        endpoint(1, "near").priority(1),
        endpoint(2, "far").priority(1),
        endpoint(3, "near").priority(0),
    ];
    let proxy = ProxyPlace::new(Locality::parse("near"));
    let placed = LocalityLbSetting::new().place(endpoints, &proxy, true, |_, _| None).unwrap();
    assert_eq!(levels(&placed), [1, 2, 3, 0]);
}

#[test]
fn a_failover_entry_prefers_one_region() {
    // LB-ILOC-08: p 4 for the regions that do not take over; the first entry counts
    let failover = |from, to| Failover::new(from, to).unwrap();
    let setting = LocalityLbSetting::failover([failover("eu", "us"), failover("eu", "asia")], []).unwrap();
    let placed = place(&setting, &["asia", "us", "eu", "eu"], "eu");
    assert_eq!(levels(&placed), [2, 1, 0, 0]);
    let weights = placed.locality_weights.unwrap(); // LB-ILOC-04: explicit, so weighted
    assert_eq!(weights.get(0, &Locality::parse("eu")), 2);
    assert_eq!(weights.get(1, &Locality::parse("us")), 1);
    // Another region's entry changes nothing here.
    assert_eq!(levels(&place(&setting, &["asia", "us", "eu"], "africa")), [0, 0, 0]);
}

#[test]
fn labels_are_compared_in_order() {
    // LB-ILOC-10
    let setting = LocalityLbSetting::failover([], ["version", "tier=gold", "zone-group"]).unwrap();
    let labels = [
        vec![("version", "v2"), ("tier", "gold"), ("zone-group", "a")],
        vec![("version", "v2"), ("tier", "gold"), ("zone-group", "b")],
        vec![("version", "v2"), ("tier", "silver"), ("zone-group", "a")],
        vec![("version", "v1"), ("tier", "gold"), ("zone-group", "a")],
        vec![("version", "v2"), ("tier", "gold")],
    ];
    let label = |key: &usize, name: &str| {
        labels[*key].iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
    };
    let endpoints = || (0..5).map(|key| endpoint(key, "r")).collect::<Vec<_>>();
    let proxy = ProxyPlace::default().label("version", "v2").label("zone-group", "a").label("tier", "none");
    let placed = setting.place(endpoints(), &proxy, true, label).unwrap();
    assert_eq!(levels(&placed), [0, 1, 2, 3, 1]);
    // One locality is split into groups, and each has the weight of its endpoints.
    let weights = placed.locality_weights.unwrap();
    assert_eq!([0, 1, 2, 3].map(|level| weights.get(level, &Locality::parse("r"))), [1, 2, 1, 1]);
    // What both lack is equal.
    let proxy = ProxyPlace::default().label("version", "v2");
    assert_eq!(levels(&setting.place(endpoints(), &proxy, true, label).unwrap()), [1, 1, 2, 3, 0]);
    // A proxy without labels changes nothing.
    let placed = setting.place(endpoints(), &ProxyPlace::default(), true, label).unwrap();
    assert_eq!(levels(&placed), [0; 5]);
}

#[test]
fn another_network_comes_after_all_of_this_one() {
    // LB-ILOC-10, LB-ILOC-03: forced, so no outlier detection is needed
    let setting = LocalityLbSetting::prefer_same_zone();
    let of = [("n1", "r", "z"), ("n1", "q", "z"), ("n2", "r", "z"), ("n2", "r", "y"), ("n2", "q", "z")];
    let label = |key: &usize, name: &str| {
        let (network, region, zone) = of[*key];
        let value = match name {
            NETWORK => network,
            REGION => region,
            ZONE => zone,
            _ => return None,
        };
        Some(value.to_owned())
    };
    let proxy = ProxyPlace::default().label(NETWORK, "n1").label(REGION, "r").label(ZONE, "z");
    let endpoints = (0..5).map(|key| endpoint(key, "")).collect();
    let placed = setting.place(endpoints, &proxy, false, label).unwrap();
    assert_eq!(levels(&placed), [0, 1, 2, 3, 4]); // distances 0, 2, 3 + 0, 3 + 1, 3 + 2
    assert_eq!(LocalityLbSetting::prefer_same_node().failover_priority.len(), 5);
}

#[test]
fn distribute_gives_fixed_shares() {
    // LB-ILOC-05, LB-ILOC-06
    let entry = Distribute::new("eu/a", [("eu/a/*", 70), ("eu/b", 20), ("us/*", 10)]).unwrap();
    let setting = LocalityLbSetting::distribute([entry]).unwrap();
    let places = ["eu/a/1", "eu/a/2", "eu/a/2", "eu/b", "us/x", "us/y", "asia/z"];
    let placed = place(&setting, &places, "eu/a/9");
    let keys: Vec<usize> = placed.endpoints.iter().map(|endpoint| *endpoint.key()).collect();
    assert_eq!(keys, [0, 1, 2, 3, 4, 5]); // nobody asked for asia
    let weights = placed.locality_weights.unwrap();
    let of = |place| weights.get(0, &Locality::parse(place));
    assert_eq!([of("eu/a/1"), of("eu/a/2"), of("eu/b"), of("us/x"), of("us/y")], [24, 47, 20, 5, 5]);
    // No entry for this proxy: nothing changes.
    let placed = place(&setting, &places, "us/x");
    assert_eq!((placed.endpoints.len(), placed.locality_weights), (7, None));
}

#[test]
fn zone_aware_settings_bucket_regions_lb_iloc_11() {
    let proxy = ProxyPlace::new(Locality::parse("eu/a"));
    let placed = |setting: &ZoneAwareLbSetting| {
        let places = ["us/x", "eu/b", "ap/y", "eu/a"];
        let endpoints = places.iter().enumerate().map(|(key, place)| endpoint(key, place).priority(0));
        let placed = setting.place(endpoints.collect(), &proxy, |_, _| None);
        placed.iter().map(Endpoint::level).collect::<Vec<_>>()
    };
    assert_eq!(placed(&ZoneAwareLbSetting::new()), [1, 0, 1, 0]);
    let to_us = ZoneAwareLbSetting::new().failover([Failover::new("eu", "us").unwrap()]);
    assert_eq!(placed(&to_us), [1, 0, 2, 0]);
    // old x 3 + p, closed up
    let came = vec![endpoint(0, "us/x"), endpoint(1, "eu/b").priority(2), endpoint(2, "eu/a").priority(1)];
    let levels: Vec<_> = to_us.place(came, &proxy, |_, _| None).iter().map(Endpoint::level).collect();
    assert_eq!(levels, [0, 2, 1]);
    // Labels come first.
    let labels = ZoneAwareLbSetting::new().failover_priority(["version"]);
    let proxy = proxy.label("version", "1");
    let came = vec![endpoint(1, "us/x"), endpoint(2, "eu/b"), endpoint(1, "eu/b")];
    let versions = |key: &usize, _: &str| Some(key.to_string());
    let levels: Vec<_> = labels.place(came, &proxy, versions).iter().map(Endpoint::level).collect();
    assert_eq!(levels, [1, 2, 0]);
    // Inside priority 0 picks go by zone, with the sizes of the setting.
    let local = || LocalCluster::new(Locality::parse("eu/a"), []);
    let zones = ZoneAwareLbSetting::new().min_cluster_size(9).zone_aware(local());
    assert_eq!(zones, ZoneAware::new(local()).min_cluster_size(9));
    assert_eq!(ZoneAwareLbSetting::new().min_cluster_size(0).zone_aware(local()), ZoneAware::new(local()));
    let off = ZoneAwareLbSetting::new().disabled().zone_aware(local());
    assert_eq!(off, ZoneAware::new(local()).routing_enabled_percent(0));
}

#[test]
fn bad_settings_are_refused_by_name() {
    // LB-ILOC-07
    let text = |result: Result<LocalityLbSetting, BuildError>| result.unwrap_err().to_string();
    let distribute = |from, to: &[(&'static str, u32)]| Distribute::new(from, to.iter().copied());
    let one = |from, to: &[(&'static str, u32)]| {
        text(distribute(from, to).and_then(|entry| LocalityLbSetting::distribute([entry])))
    };
    for (found, want) in [
        (one("a", &[("b", 0), ("c", 100)]), "distribute.to: 0 is out of range, allowed is 1 to 100"),
        (
            one("a", &[("b", 50), ("c", 40)]),
            "distribute.to: the weights add up to 90, they must add up to 100",
        ),
        (one("a", &[("b/*", 50), ("b/c", 50)]), "distribute.to: `b/c` overlaps with another entry"),
        (one("*/a", &[("b", 100)]), "distribute.from: `*/a` has `*` before its last part"),
        (one("a/b/c/d", &[("b", 100)]), "distribute.from: `a/b/c/d` has more than three parts"),
        (one("a//c", &[("b", 100)]), "distribute.from: `a//c` has an empty part"),
        (
            text(
                [distribute("a/*", &[("b", 100)]), distribute("a", &[("b", 100)])]
                    .into_iter()
                    .collect::<Result<Vec<_>, _>>()
                    .and_then(LocalityLbSetting::distribute),
            ),
            "distribute.from: `a` overlaps with another entry",
        ),
        (
            text(Failover::new("a", "a").and_then(|entry| LocalityLbSetting::failover([entry], []))),
            "failover.to: `a` is the region it takes over for",
        ),
        (
            text(Failover::new("a/b", "a").and_then(|entry| LocalityLbSetting::failover([entry], []))),
            "failover.from: `a/b` is not the name of a region",
        ),
        (
            text(Failover::new("a", "b").and_then(|entry| LocalityLbSetting::failover([entry], [ZONE]))),
            "failoverPriority: `topology.kubernetes.io/zone` cannot be combined with failover",
        ),
    ] {
        assert_eq!(found, want);
    }
}

fn place_text() -> impl Strategy<Value = String> {
    "[ab](/[ab](/[ab])?)?"
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn priorities_are_contiguous_and_keep_the_order(
        places in prop::collection::vec((place_text(), 0_u8..4), 1..20), proxy in place_text(),
    ) {
        // LB-TEST-24, LB-ILOC-09
        let endpoints: Vec<_> =
            places.iter().enumerate().map(|(key, (place, level))| endpoint(key, place).priority(*level)).collect();
        let proxy = ProxyPlace::new(Locality::parse(&proxy));
        let placed = LocalityLbSetting::new().place(endpoints.clone(), &proxy, true, |_, _| None).unwrap();
        let mut seen = levels(&placed);
        let wanted = |endpoint: &Endpoint<usize>| {
            u32::from(endpoint.level()) * 5 + distance(&proxy.locality, endpoint.location(), &[])
        };
        for (a, new_a) in endpoints.iter().zip(&seen) {
            for (b, new_b) in endpoints.iter().zip(&seen) {
                prop_assert_eq!(wanted(a).cmp(&wanted(b)), new_a.cmp(new_b));
            }
        }
        seen.sort_unstable();
        seen.dedup();
        prop_assert_eq!(seen.iter().map(|&level| usize::from(level)).collect::<Vec<_>>(), (0..seen.len()).collect::<Vec<_>>());
    }

    #[test]
    fn each_share_is_rounded_up_by_less_than_one_a_locality(weights in prop::collection::vec(1_u32..1000, 1..20), percent in 1_u32..=99) {
        // LB-TEST-24, LB-ILOC-06
        let entry = Distribute::new("*", [("a/*", percent), ("b", 100 - percent)]).unwrap();
        let groups: Vec<_> = weights
            .iter()
            .enumerate()
            .map(|(at, &weight)| (Locality::new("a", &at.to_string(), ""), weight))
            .collect();
        let sum: u32 = entry.weights(&groups).into_iter().flatten().sum();
        prop_assert!(sum >= percent && f64::from(sum) < f64::from(percent) + groups.len() as f64);
    }
}
