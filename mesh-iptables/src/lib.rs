#![forbid(unsafe_code)]
#![doc = include_str!("../README.md")]

// The layout: options become a `config`, a `plan` (or `nftables` plan) is made of `rule`s, `render` writes them.
// What works on a plan afterwards stands beside `render`: `saved` reads the kernel's tables and compares them with a
// plan, in the normal form of `render/save.rs`; `simulate` walks packets through rules of any source
// (`tests/support/walk.rs` is the small, obvious walk it is held against).
pub mod annotations;
#[cfg(feature = "apply")]
pub mod apply;
mod chain;
mod cidrs;
mod config;
mod criteria;
mod error;
mod finding;
mod nftables;
mod numeral;
mod owner;
mod plan;
mod ports;
mod reason;
mod render;
mod rule;
mod saved;
mod simulate;

pub use chain::{Chain, Family, Table};
pub use cidrs::CidrSet;
pub use config::{
    ApplyOptions, CaptureConfig, CaptureConfigBuilder, DnsCapture, HostAddresses, InterfaceName,
    IptablesVariant, Mode, NameServer, NameServers,
};
pub use criteria::Criteria;
pub use error::{ConfigError, ConfigErrorKind};
pub use finding::{Finding, Severity, Validation};

pub use nftables::NftablesPlan;
pub use numeral::Numeral;
pub use owner::{OwnerGroups, OwnerId};
pub use plan::{AmbientConfig, AmbientPod, HostStep, Preset, RulePlan};
pub use ports::{Port, PortSet};
pub use reason::Reason;
pub use render::{
    Command, Counter, Counters, ProtocolColumn, guardrail_cleanup_commands, guardrail_commands,
};
pub use rule::{Address, ConnectionState, Criterion, Mark, Placement, Protocol, Rule, Target, Test};
pub use saved::{Action, Comparison, Drift, DriftKind, SavedRules};
pub use simulate::{
    Backend, Delivery, Direction, Effect, Namespace, Owner, Packet, ParsePacketError, Ruleset, Simulation,
    Step, Verdict, simulate,
};
