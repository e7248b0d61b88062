//! The transaction for `nft -f -` (rules `NFT-01` to `NFT-15`, `NFT-50`).

use std::fmt::Write as _;

use super::text::write_rule;
use super::{NftablesPlan, Owner};
use crate::chain::{Chain, Family, Table};
use crate::plan::probe_set;
use crate::rule::{Placement, Rule, Target};

/// The order of tables in a transaction (`NFT-10`).
const TABLES: [Table; 3] = [Table::Nat, Table::Mangle, Table::Raw];

/// The order in which chains are declared (`NFT-03`).
fn declaration_order(owner: Owner, table: Table) -> &'static [Chain] {
    const SIDECAR_NAT: &[Chain] = &[
        Chain::PREROUTING,
        Chain::OUTPUT,
        Chain::ISTIO_INBOUND,
        Chain::ISTIO_REDIRECT,
        Chain::ISTIO_IN_REDIRECT,
        Chain::ISTIO_OUTPUT,
        Chain::ISTIO_OUTPUT_DNS,
    ];
    const SIDECAR_MANGLE: &[Chain] = &[
        Chain::PREROUTING,
        Chain::OUTPUT,
        Chain::ISTIO_DIVERT,
        Chain::ISTIO_TPROXY,
        Chain::ISTIO_INBOUND,
        Chain::ISTIO_DROP,
    ];
    const SIDECAR_RAW: &[Chain] =
        &[Chain::PREROUTING, Chain::OUTPUT, Chain::ISTIO_INBOUND, Chain::ISTIO_OUTPUT_DNS];
    const AMBIENT: &[Chain] = &[Chain::PREROUTING, Chain::OUTPUT, Chain::ISTIO_PRERT, Chain::ISTIO_OUTPUT];
    const HOST: &[Chain] = &[Chain::POSTROUTING];
    match (owner, table) {
        (Owner::Sidecar, Table::Mangle) => SIDECAR_MANGLE,
        (Owner::Sidecar, Table::Raw) => SIDECAR_RAW,
        (Owner::Sidecar, _) => SIDECAR_NAT,
        (Owner::AmbientPod, _) => AMBIENT,
        (Owner::AmbientHost, _) => HOST,
    }
}

/// Type, hook and priority of a base chain (`NFT-02`).
fn hook(table: Table, chain: &Chain) -> Option<(&'static str, &'static str, i32)> {
    let hook = match chain.name() {
        "PREROUTING" => "prerouting",
        "OUTPUT" => "output",
        "POSTROUTING" => "postrouting",
        _ => return None,
    };
    Some(match table {
        Table::Nat if hook == "postrouting" => ("nat", hook, 100),
        Table::Nat => ("nat", hook, -100),
        // A mark set on the way out must route the packet again.
        Table::Mangle if hook == "output" => ("route", hook, -150),
        Table::Mangle => ("filter", hook, -150),
        Table::Raw | Table::Filter => ("filter", hook, -300),
    })
}

impl NftablesPlan {
    /// The text for `nft -f -`: one atomic transaction that replaces the plan's tables (`NFT-10` to
    /// `NFT-15`). Applying it twice gives the same ruleset.
    ///
    /// Tables the plan has no rules for are not mentioned; see
    /// [`stale_tables_transaction`](Self::stale_tables_transaction).
    pub fn transaction(&self) -> String {
        let mut out = String::with_capacity(self.rules.len() * 96);
        for table in TABLES {
            self.write_table(table, &mut out);
        }
        out
    }

    fn write_table(&self, table: Table, out: &mut String) {
        let Some(name) = self.table_name(table) else { return };
        let rules: Vec<&Rule> = self.rules(table).collect();
        let declared =
            declaration_order(self.owner, table).iter().filter(|chain| self.is_declared(&rules, chain));
        let mut first = true;
        for chain in declared {
            if first {
                first = false;
                line(out, format_args!("add table inet {name}"));
                line(out, format_args!("flush table inet {name}"));
            }
            let chain_name = chain.nft_name();
            match hook(table, chain) {
                Some((kind, hook, priority)) => line(
                    out,
                    format_args!(
                        "add chain inet {name} {chain_name} {{ type {kind} hook {hook} priority {priority} ; }}"
                    ),
                ),
                None => line(out, format_args!("add chain inet {name} {chain_name}")),
            }
        }
        let mut written: Vec<(&Chain, usize)> = Vec::new();
        for rule in rules {
            let position = written.iter().position(|(chain, _)| **chain == rule.chain).unwrap_or_else(|| {
                written.push((&rule.chain, 0));
                written.len() - 1
            });
            let Some((_, count)) = written.get_mut(position) else { continue };
            let operation = self.operation(rule.placement, *count);
            *count += 1;
            out.push_str(if operation.is_some() { "insert rule inet " } else { "add rule inet " });
            out.push_str(name);
            out.push(' ');
            out.push_str(&rule.chain.nft_name());
            if let Some(index) = operation {
                out.push_str(" index ");
                out.push_str(&index.to_string());
            }
            write_rule(rule, out);
            out.push('\n');
        }
    }

    /// Whether a chain is declared (`NFT-04`): it owns a rule or, in a pod of ambient mode, is jumped to.
    fn is_declared(&self, rules: &[&Rule], chain: &Chain) -> bool {
        let jumps_to = |rule: &Rule| matches!(&rule.target, Target::Jump(target) if target == chain);
        rules.iter().any(|rule| rule.chain == *chain || (self.owner == Owner::AmbientPod && jumps_to(rule)))
    }

    /// The index of an insert after normalisation (`NFT-13`); `None` for an add.
    fn operation(&self, placement: Placement, count: usize) -> Option<usize> {
        let Placement::Insert(place) = placement else { return None };
        let index = place.get() - 1;
        let beyond = self.owner == Owner::Sidecar && index >= count;
        (count > 0 && !beyond).then_some(index)
    }

    /// The text that removes the plan's tables (`NFT-14`). On a node of ambient mode only the rules go, because
    /// the sets of pod addresses live in the same table.
    pub fn cleanup_transaction(&self) -> String {
        let mut out = String::new();
        if self.owner == Owner::AmbientHost {
            line(&mut out, format_args!("add table inet istio-ambient-nat"));
            line(&mut out, format_args!("flush table inet istio-ambient-nat"));
            return out;
        }
        for table in TABLES {
            self.write_removal(table, &mut out);
        }
        out
    }

    /// The text that removes those of the mesh's tables this plan has no rules for. Without it the table of a
    /// former TPROXY configuration stays active after a change to REDIRECT.
    ///
    /// DIFFERENCE (NFT-62): the baseline leaves such tables.
    pub fn stale_tables_transaction(&self) -> String {
        let mut out = String::new();
        if self.owner != Owner::AmbientHost {
            for table in TABLES.into_iter().filter(|table| self.rules(*table).next().is_none()) {
                self.write_removal(table, &mut out);
            }
        }
        out
    }

    fn write_removal(&self, table: Table, out: &mut String) {
        if let Some(name) = self.table_name(table) {
            // Added first, so that deleting cannot fail.
            line(out, format_args!("add table inet {name}"));
            line(out, format_args!("delete table inet {name}"));
        }
    }

    /// The text that creates the sets the rules of an ambient node refer to (`NFT-50`); empty for others. The
    /// sets must exist before the rules.
    pub fn sets_transaction(&self) -> String {
        let mut out = String::new();
        if self.owner == Owner::AmbientHost {
            line(&mut out, format_args!("add table inet istio-ambient-nat"));
            for (family, kind, wanted) in
                [(Family::Ipv4, "ipv4_addr", true), (Family::Ipv6, "ipv6_addr", self.ipv6)]
            {
                if wanted {
                    let set = probe_set(family);
                    let comment = "UUID of the pods that are part of ambient mesh";
                    let body = format_args!("{{ type {kind} ; comment \"{comment}\" ; }}");
                    line(&mut out, format_args!("add set inet istio-ambient-nat {set} {body}"));
                }
            }
        }
        out
    }
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    writeln!(out, "{text}").unwrap_or_default();
}
