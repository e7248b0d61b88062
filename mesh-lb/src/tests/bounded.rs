use proptest::prelude::*;

use super::*;
use crate::draw::{Draw, SplitMix64};
use crate::{
    AllUsable, Endpoint, EndpointIndex, EndpointSet, Maglev, PrioritySet, PrioritySetConfig, TableSize,
    Weight,
};

#[test]
fn a_factor_below_100_is_refused() {
    // LB-BND-01
    let error = BalanceFactor::new(99).unwrap_err();
    assert_eq!(error.to_string(), "hash balance factor 99 is too small, it must be at least 100 percent");
    assert!(BalanceFactor::new(100).is_ok());
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
