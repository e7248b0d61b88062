//! Reading the vectors, and building sets from their `hosts` lists.

use mesh_lb::{
    AllUsable, Endpoint, EndpointIndex, EndpointSet, HashFunction, HashKey, HealthStatus, Locality,
    LocalityWeights, Maglev, Picked, PrioritySet, PrioritySetConfig, RingHash, RingHashConfig, TableSize,
    Weight,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;

pub(crate) fn vectors<T: DeserializeOwned>(name: &str) -> T {
    let path = format!("{}/../testdata/lb/{name}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[derive(Deserialize, Clone, Default)]
pub(crate) struct Params {
    min_ring_size: Option<u64>,
    max_ring_size: Option<u64>,
    table_size: Option<u64>,
    hash_function: Option<String>,
    panic_threshold: Option<u32>,
    locality_weighted: Option<bool>,
    locality_weights: Option<std::collections::BTreeMap<String, u32>>,
    use_hostname_for_hashing: Option<bool>,
}

#[derive(Deserialize, Clone)]
pub(crate) struct Host {
    pub(crate) addr: String,
    pub(crate) weight: u32,
    health: Option<String>,
    priority: Option<u8>,
    locality: Option<String>,
    hash_key: Option<String>,
    hostname: Option<String>,
}

/// LB-KEY-01: which of its names a host is hashed by.
#[derive(PartialEq, Eq, Hash)]
pub(crate) struct Key {
    addr: String,
    hashed: String,
}

impl HashKey for Key {
    fn write_hash_key(&self, out: &mut String) {
        out.push_str(&self.hashed);
    }
}

pub(crate) struct World {
    pub(crate) set: EndpointSet<Key>,
    pub(crate) view: PrioritySet,
}

impl World {
    pub(crate) fn new(params: &Params, hosts: &[Host]) -> Self {
        let by_hostname = params.use_hostname_for_hashing == Some(true);
        let set = EndpointSet::new(hosts.iter().map(|host| {
            let hostname = host.hostname.clone().filter(|_| by_hostname);
            let hashed = host.hash_key.clone().or(hostname).unwrap_or_else(|| host.addr.clone());
            let health = match host.health.as_deref() {
                None | Some("HEALTHY") => HealthStatus::Healthy,
                Some("DEGRADED") => HealthStatus::Degraded,
                Some("UNHEALTHY") => HealthStatus::Unhealthy,
                Some(other) => panic!("unknown health {other}"),
            };
            Endpoint::new(Key { addr: host.addr.clone(), hashed }, Weight::new(host.weight).unwrap())
                .locality(Locality::parse(host.locality.as_deref().unwrap_or_default()))
                .priority(host.priority.unwrap_or(0))
                .health(health)
        }))
        .unwrap();
        let mut config =
            PrioritySetConfig::new().panic_threshold_percent(params.panic_threshold.unwrap_or(50));
        if params.locality_weighted == Some(true) {
            let weights = params.locality_weights.iter().flatten();
            let weights = weights.map(|(locality, &weight)| (0, Locality::parse(locality), weight));
            config = config.locality_weights(LocalityWeights::new(weights).unwrap());
        }
        let view = PrioritySet::new(&set, &config, &AllUsable);
        Self { set, view }
    }
}

pub(crate) enum Table {
    Ring(RingHash),
    Maglev(Maglev),
}

impl Table {
    pub(crate) fn new(algorithm: &str, params: &Params, hosts: &[Host]) -> Self {
        let World { set, view } = World::new(params, hosts);
        match algorithm {
            "ring_hash" => {
                let max = params.max_ring_size.unwrap_or(RingHashConfig::LARGEST);
                let mut config = RingHashConfig::new(params.min_ring_size.unwrap_or(1024), max).unwrap();
                if params.hash_function.as_deref() == Some("MURMUR_HASH_2") {
                    config = config.hash_function(HashFunction::MurmurHash2);
                }
                Self::Ring(RingHash::new(&set, &view, &config))
            }
            "maglev" => {
                let size = params.table_size.map_or_else(TableSize::default, |n| TableSize::new(n).unwrap());
                Self::Maglev(Maglev::new(&set, &view, size))
            }
            other => panic!("unknown algorithm {other}"),
        }
    }

    pub(crate) fn pick(&self, hash: u64, attempt: u32) -> Option<EndpointIndex> {
        let picked: Option<Picked> = match self {
            Self::Ring(ring) => ring.pick(hash, attempt),
            Self::Maglev(maglev) => maglev.pick(hash, attempt),
        };
        picked.map(|picked| picked.endpoint)
    }
}

/// Fails with every difference at once.
pub(crate) fn assert_none(differences: &[String]) {
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
}
