#![forbid(unsafe_code)]
#![doc = include_str!("../README.md")]

mod claim;
mod domain;
mod error;
mod explain;
mod head;
mod header;
mod index;
mod path;
mod pattern;
mod query;
mod re2;
mod rule;
mod string_match;
mod table;

pub use claim::{ClaimPath, Claims};
pub use domain::HostPattern;
pub use error::{BuildError, BuildErrorKind, PatternError, PatternErrorKind};
pub use explain::{Condition, Explanation, Outcome, Refusal, RuleTrace};
pub use head::{Headers, NoHeaders, RequestHead};
pub use path::PathMatch;
pub use pattern::Limits;
pub use rule::{Conditions, RuleId};
pub use string_match::StringMatch;
pub use table::{Lookup, Match, RouteTable, TableBuilder, VirtualHost};
