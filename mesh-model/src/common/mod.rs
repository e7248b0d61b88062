//! Scalars and messages that several kinds share.

mod duration;
mod headers;
mod load_balancer;
mod port;
mod selector;
mod string_match;
mod timestamp;
mod tls;
mod traffic;
mod value;

pub use duration::{Duration, ParseDurationError};
pub use headers::{HeaderOperations, Headers};
pub use load_balancer::{
    ConsistentHash, CookieAttribute, Distribute, Failover, HttpCookie, LoadBalancerSettings,
    LocalityLbSetting, Maglev, RingHash, SimpleLb, WarmupConfiguration, ZoneAwareFailover,
    ZoneAwareLbSetting,
};
pub use port::{Percent, PortSelector, Protocol};
pub use selector::{PolicySelector, TargetRef, WorkloadSelector};
pub use string_match::StringMatch;
pub use timestamp::Timestamp;
pub use tls::{
    ClientTlsMode, ClientTlsSettings, ServerTlsMode, ServerTlsSettings, TlsCertificate, TlsProtocol,
};
pub use traffic::{
    ConnectionPoolSettings, H2UpgradePolicy, Http2KeepAlive, HttpRetry, HttpSettings, OutlierDetection,
    TcpKeepalive, TcpSettings,
};
pub(crate) use value::NAME as FREE_FORM;
pub use value::Value;

/// Labels, annotations and other string maps, in byte order of the key.
pub type StringMap = std::collections::BTreeMap<String, String>;
