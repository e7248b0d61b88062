//! Ports and sets of ports.

use std::fmt;

use crate::numeral::Numeral;

/// A TCP or UDP port as an option names it.
///
/// Istio copies the text into the rule, so a port is a [`Numeral`] rather than a `u16`; a service name or
/// a range is representable (and reported by the strict checks `IPT-VAL-01` to `IPT-VAL-03`).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Port(Numeral);

impl Port {
    /// A port number.
    pub const fn new(number: u16) -> Self {
        Self(Numeral::decimal(number as u32))
    }

    /// Takes any text; never fails.
    pub fn parse(text: &str) -> Self {
        Self(Numeral::parse(text))
    }

    /// The port the kernel tools read from the text, if they read one.
    pub fn number(&self) -> Option<u16> {
        self.0.value().and_then(|value| u16::try_from(value).ok())
    }

    pub(crate) fn numeral(&self) -> &Numeral {
        &self.0
    }
}

impl From<u16> for Port {
    fn from(number: u16) -> Self {
        Self::new(number)
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The inbound ports to capture: none, all but some, or some (rules `IPT-CFG-08`, `IPT-CFG-09`).
///
/// # Examples
/// ```
/// use mesh_iptables::PortSet;
/// let ports = PortSet::all().except([15020, 15090]);
/// assert!(ports.contains(8080) && !ports.contains(15090));
/// assert_eq!(PortSet::parse("*", "15020,15090"), ports);
/// // Excludes count only beside `*`; Istio ignores them beside a list.
/// assert_eq!(PortSet::parse("8080", "8080"), PortSet::only([8080]));
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct PortSet(Set);

#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
enum Set {
    #[default]
    None,
    AllExcept(Vec<Port>),
    Only(Vec<Port>),
}

impl PortSet {
    /// No port: nothing is captured.
    pub const fn none() -> Self {
        Self(Set::None)
    }

    /// Every port, Istio's `*`.
    pub const fn all() -> Self {
        Self(Set::AllExcept(Vec::new()))
    }

    /// These ports, in this order. An empty list is [`PortSet::none`].
    pub fn only(ports: impl IntoIterator<Item = u16>) -> Self {
        let ports: Vec<Port> = ports.into_iter().map(Port::new).collect();
        if ports.is_empty() { Self::none() } else { Self(Set::Only(ports)) }
    }

    /// The set without these ports.
    ///
    /// From [`PortSet::all`] they become exclude rules in this order; from a list they are taken out.
    #[must_use]
    pub fn except(self, ports: impl IntoIterator<Item = u16>) -> Self {
        match self.0 {
            Set::None => self,
            Set::AllExcept(mut except) => {
                except.extend(ports.into_iter().map(Port::new));
                Self(Set::AllExcept(except))
            }
            Set::Only(mut only) => {
                let except: Vec<u16> = ports.into_iter().collect();
                only.retain(|port| port.number().is_none_or(|number| !except.contains(&number)));
                if only.is_empty() { Self::none() } else { Self(Set::Only(only)) }
            }
        }
    }

    /// Reads the two options as Istio does: `*` only as the whole include, lists split at commas without
    /// trimming, empty items dropped, excludes ignored unless the include is `*`. Never fails.
    pub fn parse(include: &str, exclude: &str) -> Self {
        match include {
            "" => Self::none(),
            "*" => Self(Set::AllExcept(parse_list(exclude))),
            list => Self(Set::Only(parse_list(list))),
        }
    }

    /// Whether `port` is in the set. Items that are not numbers match nothing.
    pub fn contains(&self, port: u16) -> bool {
        let listed = |ports: &[Port]| ports.iter().any(|item| item.number() == Some(port));
        match &self.0 {
            Set::None => false,
            Set::AllExcept(except) => !listed(except),
            Set::Only(only) => listed(only),
        }
    }

    /// Whether no inbound rule is wanted at all. A list that names nothing (`,`) is not none: Istio then
    /// still jumps into the inbound chain.
    pub fn is_none(&self) -> bool {
        self.0 == Set::None
    }

    /// The excluded ports if the set is "all but some".
    pub fn all_except(&self) -> Option<&[Port]> {
        match &self.0 {
            Set::AllExcept(except) => Some(except),
            _ => None,
        }
    }

    /// The ports if the set is a list.
    pub fn listed(&self) -> Option<&[Port]> {
        match &self.0 {
            Set::Only(only) => Some(only),
            _ => None,
        }
    }
}

/// Splits at commas, drops empty items, keeps order and duplicates, trims nothing.
pub(crate) fn split_list(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').filter(|item| !item.is_empty())
}

pub(crate) fn parse_list(list: &str) -> Vec<Port> {
    split_list(list).map(Port::parse).collect()
}

/// Joins items with commas, the inverse of [`split_list`].
pub(crate) fn join_list<T: fmt::Display>(items: impl IntoIterator<Item = T>) -> String {
    let mut out = String::new();
    for item in items {
        if !out.is_empty() {
            out.push(',');
        }
        out.push_str(&item.to_string());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ipt_cfg_08_09_include_decides_whether_excludes_count() {
        assert!(PortSet::parse("", "80").is_none());
        assert_eq!(PortSet::parse("*", "80,90").all_except().map(<[Port]>::len), Some(2));
        assert_eq!(PortSet::parse("4000,5000", "4000"), PortSet::only([4000, 5000]));
        // `*` inside a list is an item, not the wildcard.
        assert_eq!(PortSet::parse("80,*", "").listed().map(<[Port]>::len), Some(2));
        assert!(!PortSet::parse("80,*", "").contains(81));
        assert!(!PortSet::parse(",", "").is_none());
    }

    #[test]
    fn lists_drop_empty_items_and_keep_the_rest() {
        let items: Vec<&str> = split_list("6000,,7000, 80,6000,").collect();
        assert_eq!(items, ["6000", "7000", " 80", "6000"]);
        assert_eq!(join_list(items), "6000,7000, 80,6000");
    }

    #[test]
    fn except_narrows_every_kind_of_set() {
        assert_eq!(PortSet::none().except([1]), PortSet::none());
        assert_eq!(PortSet::only([1, 2]).except([1]), PortSet::only([2]));
        assert_eq!(PortSet::only([1]).except([1]), PortSet::none());
        assert!(!PortSet::all().except([1]).contains(1));
    }
}
