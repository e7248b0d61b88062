//! What becomes of a packet (section 6): the walk through the chains rule by rule, and where it ends.
//!
//! A [`Ruleset`] is made of a plan, of what a kernel holds, or of any text the kernel tools read; a
//! [`Packet`] is walked through it in a [`Namespace`]; the [`Simulation`] says what happened and why. Nothing
//! here knows the options a plan was made from.

mod matches;
mod namespace;
mod nft;
mod packet;
mod parse;
mod ruleset;
mod show;
mod trace;
mod walk;

#[cfg(test)]
mod tests;

pub use namespace::Namespace;
pub use packet::{Direction, Owner, Packet};
pub use parse::ParsePacketError;
pub use ruleset::{Backend, Ruleset};
pub use trace::{Delivery, Effect, Simulation, Step, Verdict};
pub use walk::simulate;
