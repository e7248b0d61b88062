//! What can be wrong with the input of a builder.

use std::fmt;
use std::time::Duration;

/// Why an [`EndpointSet`](crate::EndpointSet), a table or a setting was refused.
///
/// Everything that can fail in this crate fails here, while building; a pick never does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildError {
    kind: BuildErrorKind,
}

impl BuildError {
    /// What was wrong.
    #[must_use]
    pub const fn kind(&self) -> &BuildErrorKind {
        &self.kind
    }
}

impl From<BuildErrorKind> for BuildError {
    fn from(kind: BuildErrorKind) -> Self {
        Self { kind }
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}

impl std::error::Error for BuildError {}

/// The reasons of a [`BuildError`], each with the numbers that show what to change.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BuildErrorKind {
    /// The set has no endpoint: there is nothing to pick from.
    EmptySet,
    /// More endpoints than an [`EndpointIndex`](crate::EndpointIndex) can number.
    TooManyEndpoints {
        /// The most endpoints a set can hold.
        max: usize,
        /// How many were given.
        found: usize,
    },
    /// Two endpoints have the same key.
    DuplicateKey {
        /// Position of the first of the two, counted from 0.
        first: usize,
        /// Position of the second.
        second: usize,
    },
    /// A weight of 0. An endpoint without traffic is left out of the set.
    ZeroWeight,
    /// All of the endpoints given have weight 0.
    AllWeightsZero {
        /// How many were given.
        endpoints: usize,
    },
    /// The endpoint weights of one locality add up to more than a `u32` holds (LB-HOST-07).
    EndpointWeightOverflow {
        /// The locality, as `region/zone/sub_zone`.
        locality: String,
        /// The priority the sum was taken in.
        priority: u8,
    },
    /// The locality weights of one priority add up to more than a `u32` holds (LB-HOST-07).
    LocalityWeightOverflow {
        /// The priority the sum was taken in.
        priority: u8,
    },
    /// One locality was given two weights in one priority.
    DuplicateLocality {
        /// The locality, as `region/zone/sub_zone`.
        locality: String,
        /// The priority it was repeated in.
        priority: u8,
    },
    /// The size of a Maglev table is not a prime number (LB-MAG-01).
    TableSizeNotPrime {
        /// The size given.
        found: u64,
    },
    /// The size of a Maglev table is above the bound (LB-MAG-01).
    TableSizeTooLarge {
        /// The largest size allowed.
        max: u64,
        /// The size given.
        found: u64,
    },
    /// The smallest ring is larger than the largest ring (LB-RING-02).
    RingSizeOrder {
        /// The minimum given.
        min: u64,
        /// The maximum given.
        max: u64,
    },
    /// A ring size is above the bound (LB-MAP-07).
    RingSizeTooLarge {
        /// The largest size allowed.
        max: u64,
        /// The size given.
        found: u64,
    },
    /// A hash balance factor below 100 percent (LB-BND-01).
    BalanceFactorTooSmall {
        /// The factor given, in percent.
        found: u32,
    },
    /// A setting is outside its range.
    OutOfRange {
        /// The field, spelt as in the DestinationRule.
        field: &'static str,
        /// The smallest value allowed.
        min: u64,
        /// The largest value allowed.
        max: u64,
        /// The value given.
        found: u64,
    },
    /// A duration that is not a positive number of whole milliseconds (LB-OD-04).
    NotWholeMilliseconds {
        /// The field, spelt as in the DestinationRule.
        field: &'static str,
        /// The duration given.
        found: Duration,
    },
    /// A setting needs another one that is absent.
    Requires {
        /// The field that was set, spelt as in the DestinationRule.
        field: &'static str,
        /// The field it needs.
        other: &'static str,
    },
    /// Percentages that do not add up to 100 (LB-ILOC-07).
    WeightsNotHundred {
        /// The field, spelt as in the DestinationRule.
        field: &'static str,
        /// What they add up to.
        found: u64,
    },
    /// A locality or a label of one that cannot stand where it does (LB-ILOC-07).
    Locality {
        /// The field, spelt as in the DestinationRule.
        field: &'static str,
        /// The text given.
        text: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A name that must not be empty is empty, for example that of a header to hash.
    EmptyName {
        /// The field, spelt as in the DestinationRule.
        field: &'static str,
    },
}

impl fmt::Display for BuildErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EmptySet => f.write_str("the endpoint set is empty, give at least one endpoint"),
            Self::TooManyEndpoints { max, found } => {
                write!(f, "the endpoint set has {found} endpoints, at most {max} are supported")
            }
            Self::DuplicateKey { first, second } => {
                write!(f, "endpoint {second} repeats the key of endpoint {first}, keys must differ")
            }
            Self::ZeroWeight => f.write_str("weight is 0, leave an endpoint without traffic out of the set"),
            Self::AllWeightsZero { endpoints } => {
                write!(f, "all {endpoints} endpoints have weight 0, at least one must be positive")
            }
            Self::EndpointWeightOverflow { locality, priority } => write!(
                f,
                "locality `{locality}`: endpoint weights in priority {priority} add up to more than {}",
                u32::MAX
            ),
            Self::LocalityWeightOverflow { priority } => {
                write!(f, "locality weights in priority {priority} add up to more than {}", u32::MAX)
            }
            Self::DuplicateLocality { locality, priority } => {
                write!(f, "locality `{locality}` has two weights in priority {priority}, give one")
            }
            Self::TableSizeNotPrime { found } => {
                write!(f, "maglev table size {found} is not prime, use for example 65537")
            }
            Self::TableSizeTooLarge { max, found } => {
                write!(f, "maglev table size {found} is too large, at most {max} is allowed")
            }
            Self::RingSizeOrder { min, max } => {
                write!(f, "minimum ring size {min} is above the maximum ring size {max}")
            }
            Self::RingSizeTooLarge { max, found } => {
                write!(f, "ring size {found} is too large, at most {max} is allowed")
            }
            Self::BalanceFactorTooSmall { found } => {
                write!(f, "hash balance factor {found} is too small, it must be at least 100 percent")
            }
            Self::OutOfRange { field, min, max, found } => {
                write!(f, "{field}: {found} is out of range, allowed is {min} to {max}")
            }
            Self::NotWholeMilliseconds { field, found } => {
                write!(f, "{field}: {found:?} is not allowed, give whole milliseconds, at least 1ms")
            }
            Self::Requires { field, other } => write!(f, "{field}: needs {other}, set it too"),
            Self::WeightsNotHundred { field, found } => {
                write!(f, "{field}: the weights add up to {found}, they must add up to 100")
            }
            Self::Locality { field, text, problem } => write!(f, "{field}: `{text}` {problem}"),
            Self::EmptyName { field } => write!(f, "{field}: the name is empty"),
        }
    }
}
