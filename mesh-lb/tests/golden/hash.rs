//! LB-KEY-01, LB-RING-01, LB-RING-02, LB-RING-03, LB-RING-04, LB-RING-05, LB-RING-06, LB-RING-07, LB-RING-08,
//! LB-RING-13, LB-MAG-01, LB-MAG-02, LB-MAG-03, LB-MAG-04, LB-MAG-05, LB-MAG-06, LB-PRIO-08, LB-PANIC-06, LB-LOC-06,
//! LB-RSEL-01, LB-RSEL-02, LB-RSEL-03.

use mesh_lb::{EndpointIndex, hash_bytes, reselect};
use serde::Deserialize;

use crate::world::{Host, Params, Table, assert_none, vectors};

#[derive(Deserialize)]
struct HashLb {
    keys: Vec<String>,
    key_hash_xxh64_seed0: Vec<String>,
    sets: Vec<Set>,
}

#[derive(Deserialize)]
struct Set {
    name: String,
    algorithm: String,
    params: Params,
    hosts: Vec<Host>,
    pick: Vec<usize>,
}

#[test]
fn every_set_gives_every_key_to_the_host_envoy_gives_it_to() {
    let vectors: HashLb = vectors("hash_lb.json");
    assert_eq!((vectors.sets.len(), vectors.keys.len()), (33, 200));
    let mut differences = Vec::new();
    for set in &vectors.sets {
        let table = Table::new(&set.algorithm, &set.params, &set.hosts);
        for (key, &want) in vectors.keys.iter().zip(&set.pick) {
            let found = table.pick(hash_bytes(key.as_bytes()), 0).map(EndpointIndex::get);
            if found != Some(want) {
                differences.push(format!("{}: {key}: want {want}, found {found:?}", set.name));
            }
        }
    }
    assert_none(&differences);
}

#[test]
fn request_hashes_are_xxh64_with_seed_0() {
    // LB-HASH-01, LB-KEY-03
    let vectors: HashLb = vectors("hash_lb.json");
    for (key, hash) in vectors.keys.iter().zip(&vectors.key_hash_xxh64_seed0) {
        assert_eq!(hash_bytes(key.as_bytes()).to_string(), *hash, "{key}");
    }
}

#[derive(Deserialize)]
struct Retry {
    keys: Vec<String>,
    hosts: Vec<String>,
    ring_hash: RetryPicks,
    maglev: RetryPicks,
}

#[derive(Deserialize)]
struct RetryPicks {
    #[serde(flatten)]
    params: Params,
    pick: Vec<usize>,
}

#[test]
fn a_retry_lands_where_envoy_lands_it() {
    // LB-RING-07, LB-MAG-06: what the try number means
    let vectors: Retry = vectors("hash_retry.json");
    let host =
        |addr: &String| serde_json::from_value(serde_json::json!({"addr": addr, "weight": 1})).unwrap();
    let hosts: Vec<Host> = vectors.hosts.iter().map(host).collect();
    let mut differences = Vec::new();
    for (algorithm, picks) in [("ring_hash", &vectors.ring_hash), ("maglev", &vectors.maglev)] {
        let table = Table::new(algorithm, &picks.params, &hosts);
        for (key, &want) in vectors.keys.iter().zip(&picks.pick) {
            let hash = hash_bytes(key.as_bytes());
            let failed = table.pick(hash, 0);
            let found = reselect(5, |attempt| table.pick(hash, attempt), |host| Some(*host) == failed);
            if found.map(EndpointIndex::get) != Some(want) {
                differences.push(format!("{algorithm}: {key}: want {want}, found {found:?}"));
            }
        }
    }
    assert_none(&differences);
}
