//! Connections: which filter chain takes one (section 5.1 of the reference).

mod chain;
mod connection;
mod explain;
mod levels;
mod listeners;
mod prefix;
mod table;

pub use chain::{ChainMatch, SourceType};
pub use connection::{Connection, Transport};
pub use explain::{ChainExplanation, ChainOutcome, Criterion, Narrowed, Step};
pub use listeners::Listeners;
pub use prefix::IpPrefix;
pub use table::{ChainLookup, ChainTable, ChainTableBuilder};
