//! Packet and byte counts to print beside rules (rule `LST-06`).

use crate::chain::Chain;
use crate::numeral::write_decimal;

/// How many packets and bytes a rule or policy saw.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Counter {
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
}

impl Counter {
    /// Both counts.
    pub const fn new(packets: u64, bytes: u64) -> Self {
        Self { packets, bytes }
    }
}

/// The counters of one table; everything not set is zero.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    policies: Vec<(Chain, Counter)>,
    rules: Vec<(Chain, Vec<Counter>)>,
}

impl Counters {
    /// All zero.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the counter of a built-in chain's policy.
    #[must_use]
    pub fn policy(mut self, chain: Chain, counter: Counter) -> Self {
        self.policies.push((chain, counter));
        self
    }

    /// Sets the counters of a chain's rules, in the order of the chain.
    #[must_use]
    pub fn rules(mut self, chain: Chain, counters: impl IntoIterator<Item = Counter>) -> Self {
        self.rules.push((chain, counters.into_iter().collect()));
        self
    }

    pub(super) fn of_policy(&self, chain: &Chain) -> Counter {
        self.policies
            .iter()
            .find(|(named, _)| named == chain)
            .map_or(Counter::default(), |(_, counter)| *counter)
    }

    pub(super) fn of_rule(&self, chain: &str, index: usize) -> Counter {
        let counters =
            self.rules.iter().find(|(named, _)| named.name() == chain).map(|(_, counters)| counters);
        counters.and_then(|counters| counters.get(index)).copied().unwrap_or_default()
    }
}

/// A count as listings abbreviate it: up to 99999 as it is, then in thousands.
pub(super) fn abbreviate(count: u64) -> String {
    let mut out = String::new();
    if let Some(count) = u32::try_from(count).ok().filter(|count| *count <= 99_999) {
        write_decimal(count, &mut out);
        return out;
    }
    let mut rest = count;
    let mut unit = 'K';
    for (index, letter) in ['K', 'M', 'G', 'T'].into_iter().enumerate() {
        if index > 0 && rest <= 9999 {
            break;
        }
        rest = rest.saturating_add(500) / 1000;
        unit = letter;
    }
    out.push_str(&rest.to_string());
    out.push(unit);
    out
}

#[cfg(test)]
mod tests {
    use super::abbreviate;

    #[test]
    fn lst_06_abbreviated_counts() {
        let cases = [
            (0, "0"),
            (99_999, "99999"),
            (100_000, "100K"),
            (9_999_499, "9999K"),
            (9_999_500, "10M"),
            (9_999_000_000, "9999M"),
            // Each step rounds what the one before rounded.
            (9_999_499_999, "10G"),
            (9_999_500_000, "10G"),
            (u64::MAX, "18446744T"),
        ];
        for (count, want) in cases {
            assert_eq!(abbreviate(count), want);
        }
    }
}
