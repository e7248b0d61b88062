//! Connections: which filter chain takes one (section 5.1 of the reference).

mod chain;
mod connection;
mod explain;
mod inbound;
mod levels;
mod listeners;
mod outbound;
mod prefix;
mod servers;
mod table;

pub use chain::{ChainMatch, SourceType};
pub use connection::{Connection, Transport};
pub use explain::{ChainCriterion, ChainExplanation, ChainOutcome, ChainStep, Narrowed};
pub use inbound::{Inbound, InboundPort, InboundTraffic, MESH_PROTOCOLS, MutualTlsMode, decide_inbound};
pub use listeners::Listeners;
pub use outbound::{
    OutboundDecider, OutboundPolicy, OutboundPort, Traffic, UnmatchedBy, UnmatchedOutcome, decide_outbound,
    unmatched_outbound,
};
pub use prefix::IpPrefix;
pub use servers::{
    ClientCertificate, GatewayServer, ServerProtocol, ServerSkip, ServerTls, ServerUse,
    auto_passthrough_name, place_servers,
};
pub use table::{ChainLookup, ChainTable, ChainTableBuilder};
