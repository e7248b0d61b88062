//! `loadBalancer`: algorithm, hash key, locality and warm-up.

use super::Duration;
use crate::macros::{spec, spec_enum};
use std::collections::BTreeMap;

spec_enum! {
    /// A load balancer without a hash key. Absent and `UNSPECIFIED` are LEAST_REQUEST (MODEL-RES-28).
    pub enum SimpleLb {
        /// LEAST_REQUEST.
        #[default]
        Unspecified = "UNSPECIFIED",
        /// Legacy alias of LEAST_REQUEST (MODEL-LEG-10).
        LeastConn = "LEAST_CONN",
        /// Uniform over healthy endpoints.
        Random = "RANDOM",
        /// The client's original destination.
        Passthrough = "PASSTHROUGH",
        /// In turn.
        RoundRobin = "ROUND_ROBIN",
        /// The less loaded of a random few.
        LeastRequest = "LEAST_REQUEST",
    }
}

spec! {
    /// How an endpoint is chosen. `simple` and `consistentHash` exclude each other.
    pub struct LoadBalancerSettings {
        /// See [`SimpleLb`].
        pub simple: Option<SimpleLb>,
        /// Choose by hash.
        pub consistent_hash: Option<ConsistentHash>,
        /// Replaces the mesh's block whole.
        pub locality_lb_setting: Option<LocalityLbSetting>,
        /// Excludes `localityLbSetting`.
        pub zone_aware_lb_setting: Option<ZoneAwareLbSetting>,
        /// Legacy form of `warmup.duration` (MODEL-LEG-12).
        pub warmup_duration_secs: Option<Duration>,
        /// Slow start of new endpoints.
        pub warmup: Option<WarmupConfiguration>,
    }

    /// The hash key (exactly one of the first four) and the ring.
    pub struct ConsistentHash {
        /// Hash this header.
        pub http_header_name: Option<String>,
        /// Hash this cookie.
        pub http_cookie: Option<HttpCookie>,
        /// Hash the client's address.
        pub use_source_ip: Option<bool>,
        /// Hash this query parameter.
        pub http_query_parameter_name: Option<String>,
        /// Ketama ring; the default, with 1024 entries.
        pub ring_hash: Option<RingHash>,
        /// Maglev table.
        pub maglev: Option<Maglev>,
        /// Legacy form of `ringHash.minimumRingSize` (MODEL-LEG-11).
        pub minimum_ring_size: u64,
    }

    /// The cookie that is hashed and, with a `ttl`, issued.
    pub struct HttpCookie {
        /// Required.
        pub name: String,
        /// Path attribute.
        pub path: String,
        /// Absent: never issued; zero: session cookie.
        pub ttl: Option<Duration>,
        /// More attributes of an issued cookie.
        pub attributes: Vec<CookieAttribute>,
    }

    /// One attribute of an issued cookie.
    pub struct CookieAttribute {
        /// Unique and not empty.
        pub name: String,
        /// May be empty.
        pub value: String,
    }

    /// Ketama ring.
    pub struct RingHash {
        /// Absent is 1024.
        pub minimum_ring_size: Option<u64>,
    }

    /// Maglev table.
    pub struct Maglev {
        /// A prime below 5000011.
        pub table_size: Option<u64>,
    }

    /// Preference by region, zone and subzone.
    pub struct LocalityLbSetting {
        /// Shares per client locality.
        pub distribute: Vec<Distribute>,
        /// Where to go when a region has no healthy endpoint.
        pub failover: Vec<Failover>,
        /// Labels whose agreement orders endpoints into priorities.
        pub failover_priority: Vec<String>,
        /// Absent is the mesh's value, which is true.
        pub enabled: Option<bool>,
    }

    /// Shares for clients in `from`.
    pub struct Distribute {
        /// `region/zone/subzone`, may end in `*`.
        pub from: String,
        /// Percent per locality, 100 in all.
        pub to: BTreeMap<String, u32>,
    }

    /// One region's stand-in.
    pub struct Failover {
        /// Region of the client.
        pub from: String,
        /// Region that takes over.
        pub to: String,
    }

    /// Zone-aware routing: the local zone takes what it can carry.
    pub struct ZoneAwareLbSetting {
        /// Absent is the mesh's value.
        pub enabled: Option<bool>,
        /// As in [`LocalityLbSetting`].
        pub failover: Vec<ZoneAwareFailover>,
        /// As in [`LocalityLbSetting`].
        pub failover_priority: Vec<String>,
        /// Fewer endpoints than this switch it off; absent is 6.
        pub min_cluster_size: Option<u64>,
    }

    /// One region's stand-in.
    pub struct ZoneAwareFailover {
        /// Region of the client.
        pub from: String,
        /// Region that takes over.
        pub to: String,
    }

    /// Slow start: a new endpoint's weight grows over `duration`.
    pub struct WarmupConfiguration {
        /// Required.
        pub duration: Option<Duration>,
        /// Percent at the start; absent is 10.
        pub minimum_percent: Option<f64>,
        /// Shape of the curve; absent is 1.0, a straight line.
        pub aggression: Option<f64>,
    }
}
