#![allow(clippy::cast_precision_loss, reason = "small numbers in tests")]

use std::sync::Arc;

use super::*;
use crate::draw::SplitMix64;
use crate::{
    AllUsable, HealthStatus, LeastRequest, LeastRequestConfig, PrioritySet, PrioritySetConfig, Random,
    RingHash, RingHashConfig, RoundRobin, Weight,
};

const MINUTE: Duration = Duration::from_mins(1);

fn at(seconds: u64) -> Monotonic {
    Monotonic::new(Duration::from_secs(seconds))
}

fn set(keys: std::ops::Range<usize>) -> EndpointSet<String> {
    EndpointSet::new(keys.map(|key| Endpoint::new(format!("10.0.0.{key}:80"), Weight::ONE))).unwrap()
}

/// Nine endpoints since 0, and a tenth since 100 seconds, all of weight 1.
fn ten() -> (EndpointSet<String>, FirstHealthy) {
    let (old, new) = (set(0..9), set(0..10));
    let first = FirstHealthy::new(&old, at(0)).carried_over(&old, &new, at(100));
    (new, first)
}

fn view(set: &EndpointSet<String>, warmup: Warmup, first: &FirstHealthy, now: u64) -> Arc<PrioritySet> {
    let view = PrioritySet::new(set, &PrioritySetConfig::new(), &AllUsable);
    Arc::new(view.warming_up(warmup, first, at(now)))
}

#[test]
fn the_factor_is_the_formula_lb_slow_01_06() {
    // LB-SLOW-06: the table
    let linear = Warmup::new(MINUTE);
    let quick = linear.aggression(2.0);
    let of = |warmup: Warmup, part: f64| warmup.factor(MINUTE.mul_f64(part));
    for (warmup, part, want) in [
        (linear, 0.05, 0.10),
        (linear, 0.25, 0.25),
        (linear, 0.5, 0.5),
        (quick, 0.25, 0.5),
        (quick, 0.5, 0.5_f64.sqrt()),
        (linear, 1.0, 1.0),
        (quick, 7.0, 1.0),
    ] {
        assert!((of(warmup, part) - want).abs() < 1e-12, "{warmup:?} {part}");
    }
    // LB-SLOW-01: at least a millisecond old, at least the minimum, and strange aggressions are linear
    let bare = linear.minimum_percent(0);
    assert_eq!(bare.factor(Duration::ZERO).to_bits(), (1.0 / 60_000.0_f64).to_bits());
    assert_eq!(bare.factor(Duration::from_micros(1_999)).to_bits(), (1.0 / 60_000.0_f64).to_bits());
    assert!((linear.minimum_percent(900).factor(Duration::ZERO) - 1.0).abs() < 1e-12);
    for strange in [0.0, -3.0, f64::NAN] {
        assert_eq!(linear.aggression(strange), linear);
    }
    // LB-TEST-50: no window
    assert!((Warmup::new(Duration::ZERO).factor(Duration::ZERO) - 1.0).abs() < 1e-12);
}

#[test]
fn age_counts_from_first_seen_healthy_lb_slow_02() {
    let sick = |status| EndpointSet::new([Endpoint::new("a", Weight::ONE).health(status)]).unwrap();
    let (before, after) = (sick(HealthStatus::Unhealthy), sick(HealthStatus::Healthy));
    let index = after.find(&"a").unwrap();
    let first = FirstHealthy::new(&before, at(1));
    assert_eq!(first.since(index), None);
    let first = first.carried_over(&before, &after, at(5));
    assert_eq!(first.since(index), Some(at(5)));
    let mut first = first.carried_over(&after, &before, at(7)).carried_over(&before, &after, at(9));
    assert_eq!(first.since(index), Some(at(5)), "seen is seen");
    first.passed_health_check(index, at(11));
    assert_eq!(first.since(index), Some(at(11)));
    // An address that was away is a new endpoint (LB-HOST-02).
    let other = EndpointSet::new([Endpoint::new("b", Weight::ONE)]).unwrap();
    let first = first.carried_over(&after, &other, at(12)).carried_over(&other, &after, at(13));
    assert_eq!(first.since(index), Some(at(13)));
    // A return from ejection is not noticed at all: verdicts are no input.
    let ejected = PrioritySet::new(&after, &PrioritySetConfig::new(), &|_: EndpointIndex| false);
    assert_eq!(first.carried_over(&after, &after, at(99)).since(index), Some(at(13)));
    drop(ejected);
}

#[test]
fn the_share_of_a_new_endpoint_grows_lb_slow_03_04() {
    // LB-TEST-10: f / (n - 1 + f) within 1 %, for both algorithms that warm up
    let (set, first) = ten();
    for (warmup, age, factor) in [
        (Warmup::new(MINUTE), 3, 0.1),
        (Warmup::new(MINUTE), 15, 0.25),
        (Warmup::new(MINUTE).aggression(2.0), 15, 0.5),
        (Warmup::new(MINUTE), 60, 1.0),
    ] {
        let (view, now) = (view(&set, warmup, &first, 100), at(100 + age));
        let (load, mut draw) = (|_: EndpointIndex| 0, SplitMix64::new(6));
        let mut robin = RoundRobin::at(Arc::clone(&view), at(100), &mut draw);
        let drawn = LeastRequestConfig::new().weighted_draw();
        let scheduled = LeastRequestConfig::new();
        let mut drawn = LeastRequest::at(Arc::clone(&view), drawn, at(100), &load, &mut draw);
        let mut scheduled = LeastRequest::at(view, scheduled, at(100), &load, &mut draw);
        robin.advance(now);
        drawn.advance(now);
        scheduled.advance(now);
        let mut counts = [0_u32; 3];
        let picks = 200_000;
        for _ in 0..picks {
            let picked = [
                robin.pick(&mut draw).unwrap(),
                drawn.pick(&load, &mut draw).unwrap(),
                scheduled.pick(&load, &mut draw).unwrap(),
            ];
            for (count, picked) in counts.iter_mut().zip(picked) {
                *count += u32::from(picked.endpoint.get() == 9);
            }
        }
        let want = factor / (9.0 + factor);
        let deviation = (want * (1.0 - want) / f64::from(picks)).sqrt();
        for (count, bound) in counts.into_iter().zip([1e-3, 5.0 * deviation, 1e-3]) {
            let share = f64::from(count) / f64::from(picks);
            assert!((share - want).abs() < bound, "{warmup:?} {age}: {counts:?}");
        }
    }
}

#[test]
fn the_unweighted_way_returns_with_the_next_view_lb_slow_03() {
    let (set, first) = ten();
    let warm = |now| view(&set, Warmup::new(MINUTE), &first, now).lists().iter().any(|list| list.warming);
    assert!(warm(159));
    assert!(!warm(160));
    // Until then the schedule runs with equal weights: still each endpoint once in ten.
    let mut draw = SplitMix64::new(2);
    let mut robin = RoundRobin::at(view(&set, Warmup::new(MINUTE), &first, 159), at(159), &mut draw);
    robin.advance(at(1_000));
    assert!((0..200).all(|_| robin.pick(&mut draw).is_some()));
    let mut seen = [0; 10];
    (0..100).for_each(|_| seen[robin.pick(&mut draw).unwrap().endpoint.get()] += 1);
    assert!(seen.iter().all(|count| (9..=11).contains(count)), "{seen:?}");
}

#[test]
fn all_new_at_once_are_all_alike_lb_slow_05() {
    let set = set(0..4);
    let first = FirstHealthy::new(&set, at(100));
    let view = view(&set, Warmup::new(MINUTE), &first, 100);
    let mut draw = SplitMix64::new(2);
    let mut robin = RoundRobin::at(view, at(103), &mut draw);
    let mut seen = [0; 4];
    (0..400).for_each(|_| seen[robin.pick(&mut draw).unwrap().endpoint.get()] += 1);
    assert!(seen.iter().all(|count| (99..=101).contains(count)), "{seen:?}");
}

#[test]
fn random_and_hashing_do_not_warm_up_lb_map_13() {
    let (set, first) = ten();
    let cold = view(&set, Warmup::new(MINUTE), &first, 100);
    let plain = PrioritySet::new(&set, &PrioritySetConfig::new(), &AllUsable);
    let config = RingHashConfig::default();
    let rings = [RingHash::new(&set, &cold, &config), RingHash::new(&set, &plain, &config)];
    let random = Random::new(cold);
    let mut draw = SplitMix64::new(5);
    let mut new = 0_u32;
    for hash in (0..20_000).map(|_| crate::Draw::next_u64(&mut draw)).collect::<Vec<_>>() {
        assert_eq!(rings[0].pick(hash, 0), rings[1].pick(hash, 0));
        new += u32::from(random.pick(&mut draw).unwrap().endpoint.get() == 9);
    }
    assert!(new.abs_diff(2_000) < 250, "{new}");
    // The defaults of the setting: 10 %, linear.
    assert_eq!(Warmup::new(MINUTE), Warmup::new(MINUTE).minimum_percent(10).aggression(1.0));
}
