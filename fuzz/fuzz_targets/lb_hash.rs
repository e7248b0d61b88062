//! Consistent hashing: the same hash keeps its endpoint, whatever is picked is eligible, and a table made from the one
//! before a change is the table made from nothing.
#![no_main]

use std::sync::Arc;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use mesh_lb::{
    AllUsable, BalanceFactor, BoundedLoad, Change, Endpoint, EndpointIndex, EndpointSet, HashFunction,
    Maglev, Picked, PrioritySet, PrioritySetConfig, RingHash, RingHashConfig, SessionCarrier, TableSize,
    Weight,
};

#[derive(Arbitrary, Debug)]
struct Input {
    hosts: Vec<(u32, u8, bool, u16)>,
    ring: (u8, u8),
    murmur: bool,
    table: u8,
    factor: u32,
    cluster_active: u32,
    hashes: Vec<(u64, u8)>,
    changes: Vec<(u8, Option<(u32, u8)>)>,
    value: Vec<u8>,
}

fuzz_target!(|input: Input| {
    let keys = (0..).map(|number| format!("10.0.0.{number}:80"));
    let endpoints = input.hosts.iter().zip(keys).map(|((weight, priority, _, _), key)| {
        Endpoint::new(key, Weight::or_one(weight % 1000)).priority(priority % 3)
    });
    let Ok(set) = EndpointSet::new(endpoints) else { return };
    let usable = |index: EndpointIndex| input.hosts[index.get()].2;
    let load = |index: EndpointIndex| u32::from(input.hosts[index.get()].3);
    let view = PrioritySet::new(&set, &PrioritySetConfig::new(), &usable);

    let function = if input.murmur { HashFunction::MurmurHash2 } else { HashFunction::XxHash };
    let (min, spread) = (u64::from(input.ring.0), u64::from(input.ring.1));
    let ring = RingHashConfig::new(min, min + spread).map(|config| config.hash_function(function));
    let config = ring.expect("the bounds are in order");
    let ring = RingHash::new(&set, &view, &config);
    let sizes = [2, 3, 5, 7, 101, 251];
    let size = TableSize::new(sizes[usize::from(input.table) % sizes.len()]).expect("the sizes are prime");
    let maglev = Maglev::new(&set, &view, size);
    let factor = BalanceFactor::new(input.factor).ok();
    let mut bounded = factor.map(|factor| BoundedLoad::new(Arc::new(ring.clone()), factor));

    let check = |picked: Option<Picked>| {
        if let Some(picked) = picked {
            assert!(usable(picked.endpoint) || picked.panic, "{picked:?} is not usable");
            assert_eq!(set.get(picked.endpoint).map(|endpoint| endpoint.level()), Some(picked.priority));
        }
        picked
    };
    if let Some(address) = SessionCarrier::decode(&input.value) {
        assert_eq!(SessionCarrier::encode(address.as_str()).as_bytes(), input.value);
    }
    let changes = input.changes.iter().map(|(number, endpoint)| {
        let key = format!("10.0.0.{number}:80");
        match endpoint {
            Some((weight, priority)) => {
                Change::Put(Endpoint::new(key, Weight::or_one(weight % 1000)).priority(priority % 3))
            }
            None => Change::Remove(key),
        }
    });
    let next = set.with_changes(changes.collect::<Vec<_>>()).unwrap_or_else(|_| set.clone());
    let next_view = PrioritySet::new(&next, &PrioritySetConfig::new(), &AllUsable);
    let rebuilt = ring.rebuilt(&set, &next, &next_view);
    let new = RingHash::new(&next, &next_view, &config);
    let table = maglev.rebuilt(&set, &next, &next_view);
    let new_table = Maglev::new(&next, &next_view, size);
    for (hash, attempt) in input.hashes {
        let attempt = u32::from(attempt);
        assert_eq!(rebuilt.pick(hash, attempt), new.pick(hash, attempt));
        assert_eq!(table.pick(hash, attempt), new_table.pick(hash, attempt));
        assert_eq!(check(ring.pick(hash, attempt)), ring.pick(hash, attempt));
        assert_eq!(check(maglev.pick(hash, attempt)), maglev.pick(hash, attempt));
        if let Some(bounded) = &mut bounded {
            check(bounded.pick(hash, attempt, &load, input.cluster_active));
        }
    }
});
