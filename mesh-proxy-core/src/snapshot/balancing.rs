//! The shared part of load balancing: who is eligible, and hash tables. Built once by the compile step, read by all
//! workers; positions in a rotation are each worker's own.

use std::sync::Arc;

use mesh_lb::{
    AllUsable, BuildError, CookiePolicy, Endpoint, EndpointIndex, EndpointSet, HashPolicies, HashPolicy,
    Locality, Maglev, PrioritySet, PrioritySetConfig, RingHash, RingHashConfig, TableSize, Usable, Weight,
};

use super::cluster::{ClusterEndpoint, HashSource, LoadBalancer};

/// A cluster's endpoints, ready to be picked from.
#[derive(Clone, Debug)]
#[cfg_attr(not(feature = "net"), allow(dead_code, reason = "only the engine reads it"))]
pub struct Balancing {
    pub(crate) view: Arc<PrioritySet>,
    pub(crate) algorithm: Algorithm,
    /// What a request is hashed by; empty unless the algorithm hashes.
    pub(crate) hash: Arc<HashPolicies>,
}

#[derive(Clone, Debug)]
#[cfg_attr(not(feature = "net"), allow(dead_code, reason = "only the engine reads it"))]
pub(crate) enum Algorithm {
    RoundRobin,
    LeastRequest,
    Random,
    RingHash(Arc<RingHash>),
    Maglev(Arc<Maglev>),
}

/// Envoy's default upper bound of a ring.
const MAX_RING: u64 = 8 * 1024 * 1024;

impl Balancing {
    /// Builds the view and, for the hash algorithms, the table.
    ///
    /// # Errors
    ///
    /// Too many endpoints, duplicate addresses, a table size that is not prime, an empty header or cookie name.
    pub(crate) fn new(
        endpoints: &[ClusterEndpoint],
        load_balancer: &LoadBalancer,
    ) -> Result<Self, BuildError> {
        if endpoints.is_empty() {
            return Ok(Self::empty());
        }
        let set = EndpointSet::new(endpoints.iter().map(|endpoint| {
            Endpoint::new(endpoint.address, Weight::or_one(endpoint.weight))
                .locality(Locality::parse(&endpoint.locality))
        }))?;
        let view = PrioritySet::new(&set, &PrioritySetConfig::default(), &AllUsable);
        let (algorithm, source) = match load_balancer {
            LoadBalancer::RoundRobin => (Algorithm::RoundRobin, None),
            LoadBalancer::LeastRequest => (Algorithm::LeastRequest, None),
            LoadBalancer::Random => (Algorithm::Random, None),
            LoadBalancer::RingHash(source, minimum) => {
                let config = RingHashConfig::new(*minimum, MAX_RING)?;
                (Algorithm::RingHash(Arc::new(RingHash::new(&set, &view, &config))), Some(source))
            }
            LoadBalancer::Maglev(source, size) => {
                let table = Maglev::new(&set, &view, TableSize::new(*size)?);
                (Algorithm::Maglev(Arc::new(table)), Some(source))
            }
        };
        let hash = source.map(hash_policy).transpose()?;
        Ok(Self { view: Arc::new(view), algorithm, hash: Arc::new(HashPolicies::new(hash)) })
    }

    /// Picks nothing: for a cluster without endpoints (`ROUTE-ACT-08`).
    pub(crate) fn empty() -> Self {
        // A set has at least one endpoint, so this one has one that can never be used, and no panic mode that would
        // use it all the same.
        let set = EndpointSet::new([Endpoint::new((), Weight::or_one(1))]);
        let config = PrioritySetConfig::new().panic_threshold_percent(0);
        // INVARIANT: one endpoint of weight 1 is below every limit.
        #[allow(clippy::expect_used, reason = "nothing here depends on input")]
        let view = PrioritySet::new(&set.expect("one endpoint"), &config, &NoneUsable);
        Self {
            view: Arc::new(view),
            algorithm: Algorithm::RoundRobin,
            hash: Arc::new(HashPolicies::new(None)),
        }
    }
}

struct NoneUsable;

impl Usable for NoneUsable {
    fn is_usable(&self, _: EndpointIndex) -> bool {
        false
    }
}

fn hash_policy(source: &HashSource) -> Result<HashPolicy, BuildError> {
    Ok(match source {
        HashSource::Header(name) => HashPolicy::header(name)?,
        HashSource::Cookie { name, path, ttl } => {
            let mut cookie = CookiePolicy::new(name)?.path(path);
            if let Some(ttl) = ttl {
                cookie = cookie.ttl(*ttl);
            }
            HashPolicy::cookie(cookie)
        }
        HashSource::SourceIp => HashPolicy::source_ip(),
        HashSource::QueryParameter(name) => HashPolicy::query_parameter(name)?,
    })
}

#[cfg(test)]
mod tests {
    use mesh_lb::{Random, RoundRobin, SplitMix64};

    use super::*;

    /// ROUTE-ACT-08: no endpoint, no pick, and so 503.
    #[test]
    fn a_cluster_without_endpoints_picks_nothing() {
        let hashing = LoadBalancer::RingHash(HashSource::SourceIp, 1024);
        for load_balancer in [LoadBalancer::RoundRobin, LoadBalancer::LeastRequest, hashing] {
            let balancing = Balancing::new(&[], &load_balancer).expect("an empty cluster");
            let mut draw = SplitMix64::new(1);
            let mut rotation = RoundRobin::new(Arc::clone(&balancing.view), &mut draw);
            assert!((0..10).all(|_| rotation.pick(&mut draw).is_none()));
            assert!(Random::new(Arc::clone(&balancing.view)).pick(&mut draw).is_none());
        }
    }
}
