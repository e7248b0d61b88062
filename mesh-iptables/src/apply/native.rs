//! Applying, verifying and removing a plan with nftables itself (rules `NFT-10` to `NFT-16`, `NFT-48`).

use std::collections::BTreeMap;

use super::error::ApplyError;
use super::host;
use super::invocation::Invocation;
use super::namespace;
use super::report::{Difference, StepOutcome};
use super::session::Session;
use crate::chain::Table;
use crate::nftables::NftablesPlan;
use crate::plan::HostStep;

type Steps = Vec<(HostStep, StepOutcome)>;

/// Chains with their rules, by table and chain. Chains without a rule are left out: a flush leaves them, and
/// they do nothing (`NFT-64`).
type Listing = BTreeMap<(String, String), Vec<String>>;

/// One transaction, tables of a former configuration included (`NFT-62`), then the steps (`NFT-48`).
pub(super) fn apply(session: &mut Session, plan: &NftablesPlan) -> Result<Steps, ApplyError> {
    host::check(plan.host_steps())?;
    let before = stored(session, plan)?;
    let text = plan.stale_tables_transaction() + &plan.sets_transaction() + &plan.transaction();
    session.run(load(text)).map_err(|error| error.after("nothing was changed"))?;
    host::add(session, plan.host_steps()).map_err(|error| {
        // The tables go and come back in one transaction too.
        let back = session.try_run(load(plan.cleanup_transaction() + &before));
        error.after(if back {
            "what this run had added was removed again"
        } else {
            "what this run had added could not be removed"
        })
    })
}

/// Removes the plan's tables and steps.
pub(super) fn clean(session: &mut Session, plan: &NftablesPlan) -> Result<Steps, ApplyError> {
    session.run(load(plan.cleanup_transaction()))?;
    host::remove(session, plan.host_steps())
}

/// Removes every table of a sidecar or of an ambient pod, whatever configuration made it.
pub(super) fn clean_all(session: &mut Session) -> Result<(), ApplyError> {
    let listing = session.run(Invocation::read("nft", ["list", "tables", "inet"]))?;
    let names = listing.lines().filter_map(|line| line.strip_prefix("table inet ")).map(str::trim);
    // The kernel takes any bytes for a name; in a text for `nft` only a plain one is a name and nothing more.
    let plain =
        |name: &&str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    let ours = names
        .filter(|name| ["istio-proxy-", "istio-ambient-"].iter().any(|prefix| name.starts_with(prefix)))
        .filter(plain);
    let text = ours.fold(String::new(), |text, name| text + "delete table inet " + name + "\n");
    if text.is_empty() { Ok(()) } else { session.run(load(text)).map(drop) }
}

/// Compares with what the kernel makes of the same transaction in a namespace of its own: its way of printing
/// rules cannot be foretold, but it is the same for both.
pub(super) fn verify(session: &mut Session, plan: &NftablesPlan) -> Result<Vec<Difference>, ApplyError> {
    let found = read(session, plan)?;
    let (wanted, made) = namespace::scratch(|| {
        let mut scratch = Session::new(false);
        scratch.run(load(plan.sets_transaction() + &plan.transaction()))?;
        Ok((read(&mut scratch, plan)?, scratch.into_parts().0))
    })?;
    session.note(made);
    let mut differences = compare(&wanted, &found);
    differences.extend(host::verify(session, plan.host_steps())?);
    Ok(differences)
}

fn compare(wanted: &Listing, found: &Listing) -> Vec<Difference> {
    let mut differences = Vec::new();
    let mut add = |(table, chain): &(String, String), text: String| {
        differences.push(Difference(format!("{table} {chain}: {text}")));
    };
    for (place, rules) in wanted {
        let Some(there) = found.get(place) else {
            add(place, "the chain is missing".to_owned());
            continue;
        };
        for rule in rules.iter().filter(|rule| !there.contains(rule)) {
            add(place, format!("the rule `{rule}` is missing"));
        }
        for rule in there.iter().filter(|rule| !rules.contains(rule)) {
            add(place, format!("the rule `{rule}` is not part of the plan"));
        }
        let same =
            rules.iter().all(|rule| there.contains(rule)) && there.iter().all(|rule| rules.contains(rule));
        if same && rules != there {
            add(place, "the rules are in another order or number".to_owned());
        }
    }
    for place in found.keys().filter(|place| !wanted.contains_key(*place)) {
        add(place, "the chain is not part of the plan".to_owned());
    }
    differences
}

fn tables(plan: &NftablesPlan) -> impl Iterator<Item = &'static str> {
    [Table::Nat, Table::Mangle, Table::Raw].into_iter().filter_map(|table| plan.table_name(table))
}

fn load(text: String) -> Invocation {
    Invocation::write("nft", ["-f", "-"]).feed(text)
}

/// The plan's tables that exist, as text that would make them again.
fn stored(session: &mut Session, plan: &NftablesPlan) -> Result<String, ApplyError> {
    let existing = session.run(Invocation::read("nft", ["list", "tables", "inet"]))?;
    let mut text = String::new();
    for name in tables(plan).filter(|name| is_listed(&existing, name)) {
        text += &session.run(Invocation::read("nft", ["list", "table", "inet", name]))?;
    }
    Ok(text)
}

fn is_listed(tables: &str, name: &str) -> bool {
    tables.lines().any(|line| line.trim() == format!("table inet {name}"))
}

/// The rules there are, without counters and without what is in sets.
fn read(session: &mut Session, plan: &NftablesPlan) -> Result<Listing, ApplyError> {
    let existing = session.run(Invocation::read("nft", ["list", "tables", "inet"]))?;
    let mut listing = Listing::new();
    for name in tables(plan).filter(|name| is_listed(&existing, name)) {
        let text = session.run(Invocation::read("nft", ["-s", "-t", "list", "table", "inet", name]))?;
        let mut chain = String::new();
        for line in text.lines().map(str::trim) {
            if let Some(rest) = line.strip_prefix("chain ") {
                rest.trim_end_matches(" {").clone_into(&mut chain);
            } else if line == "}" {
                chain.clear();
            } else if !chain.is_empty() && !line.is_empty() && !line.starts_with("type ") {
                listing.entry((name.to_owned(), chain.clone())).or_default().push(line.to_owned());
            }
        }
    }
    Ok(listing)
}
