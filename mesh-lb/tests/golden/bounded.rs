//! LB-BND-01, LB-BND-02, LB-BND-03, LB-BND-04.

use std::collections::BTreeMap;
use std::sync::Arc;

use mesh_lb::{
    BalanceFactor, BoundedLoad, ConsistentHash, EndpointIndex, Maglev, RingHash, RingHashConfig, TableSize,
    hash_bytes,
};
use serde::Deserialize;

use crate::world::{Host, Params, World, assert_none, vectors};

#[derive(Deserialize)]
struct Bounded {
    sets: BTreeMap<String, Set>,
}

#[derive(Deserialize)]
struct Set {
    algorithm: String,
    hash_balance_factor: u32,
    hosts: Vec<Host>,
    keys: Vec<String>,
    pick: Vec<usize>,
}

#[test]
fn sticky_requests_overflow_to_the_hosts_envoy_sends_them_to() {
    let vectors: Bounded = vectors("bounded_load.json");
    assert_eq!(vectors.sets.len(), 3);
    let mut differences = Vec::new();
    for (name, set) in &vectors.sets {
        let World { set: endpoints, view } = World::new(&Params::default(), &set.hosts);
        let found = match set.algorithm.as_str() {
            "ring_hash" => replay(RingHash::new(&endpoints, &view, &RingHashConfig::default()), set),
            "maglev" => replay(Maglev::new(&endpoints, &view, TableSize::default()), set),
            other => panic!("unknown algorithm {other}"),
        };
        for (at, (found, want)) in found.iter().zip(&set.pick).enumerate() {
            if found != want {
                differences.push(format!("{name}: request {at}: want {want}, found {found}"));
            }
        }
    }
    assert_none(&differences);
}

/// Every request stays active while the later ones are placed.
fn replay<T: ConsistentHash>(table: T, set: &Set) -> Vec<usize> {
    let factor = BalanceFactor::new(set.hash_balance_factor).unwrap();
    let mut balancer = BoundedLoad::new(Arc::new(table), factor);
    let mut active = vec![0_u32; set.hosts.len()];
    let mut picks = Vec::new();
    for (total, key) in (0..).zip(&set.keys) {
        let load = |host: EndpointIndex| active[host.get()];
        let picked = balancer.pick(hash_bytes(key.as_bytes()), 0, &load, total).unwrap();
        active[picked.endpoint.get()] += 1;
        picks.push(picked.endpoint.get());
    }
    picks
}
