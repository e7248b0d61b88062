#![forbid(unsafe_code)]
#![doc = include_str!("../README.md")]

mod active;
mod alias;
mod breaker;
mod discovery;
mod draw;
mod edf;
mod endpoint;
mod error;
mod ewma;
mod hash;
mod health;
mod health_check;
mod least_request;
mod locality;
mod locality_scheduler;
mod orca;
mod outlier;
mod override_host;
mod passthrough;
mod priority;
mod publish;
mod random;
mod reselect;
mod round_robin;
mod set;
mod subset;
mod sync;
mod time;
mod warmup;
mod weighted_draw;
mod zone;

pub use active::{ActiveCounts, ActiveGuard};
pub use breaker::{
    Admission, CircuitBreaker, ConnectionLimits, ConnectionPool, ConnectionState, Limits, Overflow, Permit,
    PoolState, Resource, RetryBudget,
};
pub use discovery::{EndpointState, GatewayWeights, ServiceHealth};
pub use draw::{Draw, SplitMix64};
pub use endpoint::{Endpoint, Health, HealthStatus, Locality, Weight};
pub use error::{BuildError, BuildErrorKind};
pub use ewma::{LatencyEstimates, PeakEwma, PeakEwmaConfig};
pub use hash::{
    BalanceFactor, BoundedLoad, ConsistentHash, CookiePolicy, GeneratedCookie, HashFunction, HashInput,
    HashKey, HashOutcome, HashPolicies, HashPolicy, Maglev, RingHash, RingHashConfig, TableSize,
    TableStatistics, hash_bytes,
};
pub use health::{ActiveRequests, AllUsable, Usable};
pub use health_check::{CheckedHealth, HealthCheck, HealthCheckConfig, ProbeResult};
pub use least_request::{LeastRequest, LeastRequestConfig};
pub use locality::{
    AmbientMode, AmbientPreference, Distribute, EffectiveLocality, Failover, LocalityLbSetting,
    LocalityLevels, Placement, ProxyPlace, ZoneAwareLbSetting,
};
pub use orca::{LoadReport, ReportedWeights, ReportedWeightsConfig};
pub use outlier::{
    ConsecutiveErrors, Ejection, EjectionCause, FailurePercentage, Outcome, OutlierAction, OutlierConfig,
    OutlierDetector, OutlierEvent, OutlierStats, RateEvidence, SuccessRate, Sweep, grpc_to_http_status,
};
pub use override_host::{
    Override, OverrideHost, OverrideList, OverrideRefusal, SessionAddress, SessionCarrier,
};
pub use passthrough::{Destination, DestinationInput, OriginalDestination, OriginalHost, OriginalHosts};
pub use priority::{
    Availability, Choice, Ineligible, LocalityWeights, Picked, PriorityHealth, PriorityLoad, PrioritySet,
    PrioritySetConfig, Standing,
};
pub use publish::{Published, Subscriber};
pub use random::Random;
pub use reselect::{PreviousPriorities, reselect};
pub use round_robin::RoundRobin;
pub use set::{Change, EndpointIndex, EndpointSet};
pub use subset::{SubsetConfig, SubsetFallback, SubsetSelector, Subsets};
pub use time::Monotonic;
pub use warmup::{FirstHealthy, Warmup};
pub use zone::{LocalCluster, ZoneAware};

#[cfg(test)]
mod tests {
    pub(crate) mod support;
}
