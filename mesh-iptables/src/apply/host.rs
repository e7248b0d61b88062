//! Addresses, policy rules and routes (rules `IPT-HST-01` to `IPT-HST-03`, `AMB-13`).

use std::net::IpAddr;

use super::error::{ApplyError, ApplyErrorKind};
use super::invocation::Invocation;
use super::report::{Difference, StepOutcome};
use super::session::Session;
use crate::chain::Family;
use crate::numeral::Numeral;
use crate::plan::HostStep;

/// A step as calls of `ip`.
struct Calls {
    add: Invocation,
    remove: Invocation,
    look: Invocation,
}

/// The call of `ip` that sets a step up.
///
/// # Errors
/// Its mark or table is not a number, which the rules take and the route setup does not (`IPT-VAL-11`).
pub fn step_command(step: &HostStep) -> Result<Invocation, ApplyError> {
    calls(step).map(|calls| calls.add)
}

/// The call of `ip` that takes a step back.
///
/// # Errors
/// As for [`step_command`].
pub fn step_removal_command(step: &HostStep) -> Result<Invocation, ApplyError> {
    calls(step).map(|calls| calls.remove)
}

/// The numbers are checked before anything is changed.
pub(super) fn check(steps: &[HostStep]) -> Result<(), ApplyError> {
    steps.iter().try_for_each(|step| step_command(step).map(drop))
}

/// Adds what is missing. What was added before a step failed is taken back.
pub(super) fn add(
    session: &mut Session,
    steps: &[HostStep],
) -> Result<Vec<(HostStep, StepOutcome)>, ApplyError> {
    let mut done = Vec::with_capacity(steps.len());
    for step in steps {
        match add_one(session, step) {
            Ok(outcome) => done.push((step.clone(), outcome)),
            Err(error) => {
                take_back(session, &done);
                return Err(error);
            }
        }
    }
    Ok(done)
}

fn add_one(session: &mut Session, step: &HostStep) -> Result<StepOutcome, ApplyError> {
    if matches!(step, HostStep::LocalRoute { family: Family::Ipv6, .. })
        && !session.is_dry()
        && loopback_refuses_ipv6()
    {
        session.warn("IPv6 is disabled on lo, its local route was left out");
        return Ok(StepOutcome::Skipped);
    }
    let calls = calls(step)?;
    // A policy rule without a priority is added again and again without complaint.
    if matches!(step, HostStep::PolicyRule { .. }) && !session.is_dry() && is_there(session, step, &calls) {
        return Ok(StepOutcome::Existed);
    }
    let add = calls.add;
    let finished = session.ask(add.clone())?;
    if finished.succeeded() {
        Ok(StepOutcome::Added)
    } else if finished.stderr.contains("File exists") || finished.stderr.contains("already assigned") {
        Ok(StepOutcome::Existed)
    } else {
        Err(ApplyError::failed(&add, &finished))
    }
}

/// Removes what this run added, the last first.
pub(super) fn take_back(session: &mut Session, done: &[(HostStep, StepOutcome)]) {
    for (step, _) in done.iter().rev().filter(|(_, outcome)| *outcome == StepOutcome::Added) {
        if let Ok(calls) = calls(step) {
            session.try_run(calls.remove);
        }
    }
}

/// Removes the steps that are there (`IPT-HST-03`), the last first.
pub(super) fn remove(
    session: &mut Session,
    steps: &[HostStep],
) -> Result<Vec<(HostStep, StepOutcome)>, ApplyError> {
    steps
        .iter()
        .rev()
        .map(|step| {
            let calls = calls(step)?;
            let outcome = if session.is_dry() || is_there(session, step, &calls) {
                session.run(calls.remove)?;
                StepOutcome::Removed
            } else {
                StepOutcome::Absent
            };
            Ok((step.clone(), outcome))
        })
        .collect()
}

/// The steps that are missing.
pub(super) fn verify(session: &mut Session, steps: &[HostStep]) -> Result<Vec<Difference>, ApplyError> {
    let mut missing = Vec::new();
    for step in steps {
        let calls = calls(step)?;
        if !is_there(session, step, &calls) {
            let text = match step {
                HostStep::LoopbackAddress(address) => format!("the address {address} is missing on lo"),
                HostStep::PolicyRule { family, mark, table, .. } => {
                    format!("{family}: the policy rule for mark {mark} to route table {table} is missing")
                }
                HostStep::LocalRoute { family: Family::Ipv6, .. } if loopback_refuses_ipv6() => continue,
                HostStep::LocalRoute { family, table } => {
                    format!("{family}: the local route in table {table} is missing")
                }
            };
            missing.push(Difference(text));
        }
    }
    Ok(missing)
}

/// Whether the loopback interface of this namespace has IPv6 switched off.
pub(super) fn loopback_refuses_ipv6() -> bool {
    match std::fs::read_to_string("/proc/sys/net/ipv6/conf/lo/disable_ipv6") {
        Ok(text) => text.trim() != "0",
        // No such file: the kernel has no IPv6 at all.
        Err(_) => true,
    }
}

fn is_there(session: &mut Session, step: &HostStep, calls: &Calls) -> bool {
    // A table without routes is an error to `ip`, and an absence to us.
    let Ok(listing) = session.run(calls.look.clone()) else { return false };
    listing.lines().any(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let after = |key: &str| {
            let place = words.iter().position(|word| *word == key)?;
            words.get(place + 1).copied()
        };
        match step {
            HostStep::LoopbackAddress(address) => {
                ["inet", "inet6"].into_iter().filter_map(after).any(|found| found == full_length(*address))
            }
            HostStep::PolicyRule { mark, mask, table, priority, .. } => {
                let place =
                    words.first().and_then(|word| word.strip_suffix(':')).and_then(|word| word.parse().ok());
                after("fwmark").and_then(mark_and_mask)
                    == mark.value().map(|mark| (mark, mask.unwrap_or(u32::MAX)))
                    && after("lookup").and_then(|found| found.parse().ok()) == table.value()
                    && priority.is_none_or(|priority| place == Some(priority))
            }
            HostStep::LocalRoute { .. } => {
                words.first() == Some(&"local")
                    && words.get(1).is_some_and(|to| *to == "default" || *to == "::/0")
            }
        }
    })
}

/// Reads `0x539` or `0x111/0xfff`.
fn mark_and_mask(text: &str) -> Option<(u32, u32)> {
    let (mark, mask) = text.split_once('/').map_or((text, None), |(mark, mask)| (mark, Some(mask)));
    let number = |text: &str| Numeral::parse(text).value();
    Some((number(mark)?, mask.map_or(Some(u32::MAX), number)?))
}

fn full_length(address: IpAddr) -> String {
    format!("{address}/{}", if address.is_ipv4() { 32 } else { 128 })
}

fn calls(step: &HostStep) -> Result<Calls, ApplyError> {
    Ok(match step {
        HostStep::LoopbackAddress(address) => {
            let family = if address.is_ipv4() { "-4" } else { "-6" };
            let change = |verb: &str| {
                Invocation::write("ip", [family, "addr", verb, &full_length(*address), "dev", "lo"])
            };
            let look = Invocation::read("ip", [family, "-o", "addr", "show", "dev", "lo"]);
            Calls { add: change("add"), remove: change("del"), look }
        }
        HostStep::PolicyRule { family, mark, mask, table, priority } => {
            let value = number("istio-inbound-tproxy-mark", mark)?;
            let mark = mask.map_or_else(|| value.to_string(), |mask| format!("{value:#x}/{mask:#x}"));
            let table = number("istio-inbound-tproxy-route-table", table)?.to_string();
            let change = |verb: &str| {
                let mut args: Vec<String> =
                    [option(*family), "rule", verb, "fwmark", &mark, "lookup", &table].map(Into::into).into();
                if let Some(priority) = priority {
                    args.extend(["priority".to_owned(), priority.to_string()]);
                }
                Invocation::write("ip", args)
            };
            let look = Invocation::read("ip", [option(*family), "-N", "rule", "show"]);
            Calls { add: change("add"), remove: change("del"), look }
        }
        HostStep::LocalRoute { family, table } => {
            let table = number("istio-inbound-tproxy-route-table", table)?.to_string();
            let everything = match family {
                Family::Ipv4 => "0.0.0.0/0",
                Family::Ipv6 => "::/0",
            };
            let change = |verb: &str| {
                let args =
                    [option(*family), "route", verb, "local", everything, "dev", "lo", "table", &table];
                Invocation::write("ip", args)
            };
            let look = Invocation::read("ip", [option(*family), "route", "show", "table", &table]);
            Calls { add: change("add"), remove: change("del"), look }
        }
    })
}

fn option(family: Family) -> &'static str {
    match family {
        Family::Ipv4 => "-4",
        Family::Ipv6 => "-6",
    }
}

/// The rules take any text; the route setup needs a number (`IPT-VAL-11`).
fn number(option: &str, numeral: &Numeral) -> Result<u32, ApplyError> {
    numeral.value().ok_or_else(|| {
        let message = format!("{option}: `{numeral}` is not a number, which the route setup needs");
        ApplyError::new(ApplyErrorKind::Unsuitable, message)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(mark: &str, table: &str) -> HostStep {
        let (mark, table) = (Numeral::parse(mark), Numeral::parse(table));
        HostStep::PolicyRule { family: Family::Ipv4, mark, mask: None, table, priority: None }
    }

    #[test]
    fn steps_as_one_would_type_them_ipt_hst_01_02() {
        let address = HostStep::LoopbackAddress("::6".parse().unwrap());
        let route = HostStep::LocalRoute { family: Family::Ipv6, table: Numeral::decimal(133) };
        let lines = [address, policy("1337", "133"), route].map(|step| calls(&step).unwrap().add.to_string());
        assert_eq!(
            lines,
            [
                "ip -6 addr add ::6/128 dev lo",
                "ip -4 rule add fwmark 1337 lookup 133",
                "ip -6 route add local ::/0 dev lo table 133"
            ]
        );
    }

    #[test]
    fn a_mark_that_is_no_number_is_refused_before_anything_ipt_val_11() {
        let error = check(&[policy("ssh", "133")]).unwrap_err();
        assert_eq!(error.kind(), ApplyErrorKind::Unsuitable);
        assert_eq!(
            error.to_string(),
            "istio-inbound-tproxy-mark: `ssh` is not a number, which the route setup needs"
        );
    }

    #[test]
    fn marks_are_read_as_printed() {
        assert_eq!(mark_and_mask("0x539"), Some((1337, u32::MAX)));
        assert_eq!(mark_and_mask("0x111/0xfff"), Some((0x111, 0xfff)));
        assert_eq!(mark_and_mask("x"), None);
    }
}
