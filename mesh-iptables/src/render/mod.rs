//! Rules as text: restore input, command lines, and what the kernel tools print back.

mod commands;
mod counters;
mod listing;
mod restore;
mod save;
mod words;

#[cfg(test)]
mod tests;

pub use commands::{Command, guardrail_cleanup_commands, guardrail_commands};
pub use counters::{Counter, Counters};
pub use listing::ProtocolColumn;
pub(crate) use restore::chains_of;
pub(crate) use save::saved_rule;
pub(crate) use words::{write_address, write_ip};
