//! Users and groups a packet may belong to.

use std::fmt;

use crate::numeral::Numeral;
use crate::ports::split_list;

/// A user or group of an owner match: a number, or a name the applying machine resolves.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct OwnerId(Numeral);

impl OwnerId {
    /// A numeric id.
    pub const fn new(id: u32) -> Self {
        Self(Numeral::decimal(id))
    }

    /// Takes any text; never fails.
    pub fn parse(text: &str) -> Self {
        Self(Numeral::parse(text))
    }

    /// The id if it is a number.
    pub fn number(&self) -> Option<u32> {
        self.0.value()
    }

    pub(crate) fn numeral(&self) -> &Numeral {
        &self.0
    }
}

impl From<u32> for OwnerId {
    fn from(id: u32) -> Self {
        Self::new(id)
    }
}

impl fmt::Display for OwnerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The groups whose outbound traffic is captured (rules `IPT-CFG-40`, `IPT-CFG-41`).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum OwnerGroups {
    /// Every group but these.
    AllExcept(Vec<OwnerId>),
    /// Only these. An empty list captures nothing at all (`IPT-VAL-06`).
    Only(Vec<OwnerId>),
}

impl OwnerGroups {
    /// Reads `ISTIO_OUTBOUND_OWNER_GROUPS` and its exclude: the exclude counts only when the include is
    /// exactly `*`. Never fails.
    pub fn parse(include: &str, exclude: &str) -> Self {
        if include == "*" { Self::AllExcept(parse_ids(exclude)) } else { Self::Only(parse_ids(include)) }
    }
}

impl Default for OwnerGroups {
    fn default() -> Self {
        Self::AllExcept(Vec::new())
    }
}

pub(crate) fn parse_ids(list: &str) -> Vec<OwnerId> {
    split_list(list).map(OwnerId::parse).collect()
}
