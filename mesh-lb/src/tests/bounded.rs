use proptest::prelude::*;

use super::*;
use crate::draw::{Draw, SplitMix64};
use crate::hash::tables::Sealed;
use crate::{
    AllUsable, Change, Endpoint, EndpointIndex, EndpointSet, Locality, Maglev, PrioritySet,
    PrioritySetConfig, TableSize, Weight,
};

#[test]
fn a_factor_below_100_is_refused() {
    // LB-BND-01
    let error = BalanceFactor::new(99).unwrap_err();
    assert_eq!(error.to_string(), "hash balance factor 99 is too small, it must be at least 100 percent");
    assert!(BalanceFactor::new(100).is_ok());
}

#[test]
fn the_share_of_an_endpoint_is_found_without_a_search() {
    // As a search finds it, whatever order priorities and localities bring the endpoints into.
    let endpoint = |at: u32| {
        let priority = u8::from(at.is_multiple_of(3));
        let locality = Locality::parse(["west", "east", "north"][(at % 7 % 3) as usize]);
        Endpoint::new(format!("10.0.0.{at}:80"), Weight::or_one(at % 5)).priority(priority).locality(locality)
    };
    let of = |set: &EndpointSet<String>| PrioritySet::new(set, &PrioritySetConfig::default(), &AllUsable);
    let before = EndpointSet::new((0..40).map(endpoint)).unwrap();
    let after = before.with_changes([Change::Remove("10.0.0.8:80".to_owned()), Change::Put(endpoint(40))]);
    let after = after.unwrap();
    let table = Maglev::new(&before, &of(&before), TableSize::new(1_021).unwrap());
    for (set, table) in [(&after, table.rebuilt(&before, &after, &of(&after))), (&before, table)] {
        let mut found = 0;
        for priority in 0..3 {
            let search = |index| table.hosts(priority).iter().find(|host| host.endpoint == index);
            // Beyond the set, too.
            for index in (0..set.len() + 3).map(|at| EndpointIndex::new(at).unwrap()) {
                let (got, want) = (table.host(priority, index), search(index));
                assert_eq!(
                    got.map(|host| (host.endpoint, host.share.to_bits())),
                    want.map(|host| (host.endpoint, host.share.to_bits()))
                );
                found += usize::from(got.is_some());
            }
        }
        assert_eq!(found, set.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_endpoint_has_more_than_its_slots_and_one(
        weights in prop::collection::vec(1_u32..5, 1..12), factor in 100_u32..300, seed in any::<u64>(),
    ) {
        // LB-BND-02, LB-TEST-18
        let endpoints = weights.iter().enumerate().map(|(at, &weight)| {
            Endpoint::new(format!("10.0.0.{at}:80"), Weight::or_one(weight))
        });
        let set = EndpointSet::new(endpoints).unwrap();
        let view = PrioritySet::new(&set, &PrioritySetConfig::default(), &AllUsable);
        let table = Arc::new(Maglev::new(&set, &view, TableSize::new(1_021).unwrap()));
        let mut balancer = BoundedLoad::new(Arc::clone(&table), BalanceFactor::new(factor).unwrap());
        let mut active = vec![0_u32; weights.len()];
        let mut draw = SplitMix64::new(seed);
        let sum: u32 = weights.iter().sum();
        for total in 0..100_u32 {
            let hash = draw.next_u64() % 3; // few keys, so that they stick
            let load = |host: EndpointIndex| active[host.get()];
            let picked = balancer.pick(hash, 0, &load, total).unwrap();
            prop_assert_eq!(balancer.pick(hash, 0, &load, total), Some(picked)); // the same loads, the same endpoint
            let slots = |at: usize| {
                let total = f64::from(((total + 1) * factor).div_ceil(100));
                (total * (f64::from(weights[at]) / f64::from(sum))).ceil().max(1.0)
            };
            let fits = |at: usize| f64::from(active[at]) <= slots(at);
            let at = picked.endpoint.get();
            prop_assert!(fits(at) || (0..weights.len()).all(|other| !fits(other)));
            let preferred = table.pick(hash, 0).unwrap().endpoint.get();
            prop_assert!(!fits(preferred) || at == preferred);
            active[at] += 1;
        }
    }
}
