//! Consistent hashing: keys, tables and request hashes (spec 2.8 to 2.12).

mod bounded;
mod cookie;
mod function;
mod key;
mod maglev;
mod mersenne;
mod policy;
mod query;
mod ring;
mod tables;
mod text;

pub use bounded::{BalanceFactor, BoundedLoad};
pub use cookie::{CookiePolicy, GeneratedCookie};
pub use function::{HashFunction, hash_bytes};
pub use key::HashKey;
pub use maglev::{Maglev, TableSize};
pub use policy::{HashInput, HashOutcome, HashPolicies, HashPolicy};
pub use ring::{RingHash, RingHashConfig};
pub use tables::{ConsistentHash, TableStatistics};
pub(crate) use text::StackText;
