//! What ztunnel makes of a rule (section 4.2 of the reference).
//!
//! It gets rules without what it cannot enforce: HTTP fields, some condition keys, trust domains. Where Envoy
//! treats what is left out as true, ztunnel passes over an entry of which nothing is left.

use super::lower::Clauses;
use super::{Attribute, Clause};
use crate::policy::Action;

/// The name of an action that ztunnel does not know (AUTHZ-ZT-10).
pub(super) fn unsupported(action: &Action) -> Option<&'static str> {
    match action {
        Action::Allow | Action::Deny => None,
        Action::Audit => Some("AUDIT"),
        Action::Custom(_) => Some("CUSTOM"),
    }
}

/// Sources, operations and conditions without what ztunnel cannot enforce, and whether the rule is left out
/// as a whole.
// DIFFERENCE AUTHZ-ZT-10: ztunnel drops a port or an address that it cannot read and goes by the rest of the
// field. Such a policy is refused here, or kept as one that denies, as in every profile.
pub(super) fn reduce(
    action: &Action,
    mut sources: Vec<Clauses>,
    mut operations: Vec<Clauses>,
    conditions: Vec<Option<Clause>>,
) -> (Vec<Clauses>, Vec<Clauses>, Vec<Option<Clause>>, bool) {
    let is_l7 = |clause: &Clause| !in_entry(clause.attribute) && clause.attribute != Attribute::TrustDomain;
    let entries = sources.iter().chain(&operations).flatten();
    let l7 = entries.filter(|clause| is_l7(clause)).count() > 0
        || conditions.iter().flatten().any(|clause| !in_condition(clause.attribute));
    // AUTHZ-ZT-04
    let mut never = l7 && *action == Action::Allow;
    for entries in [&mut sources, &mut operations] {
        let given = !entries.is_empty();
        for clauses in entries.iter_mut() {
            // Trust domains go without a trace, so that an ALLOW rule gets wider (AUTHZ-ZT-06).
            clauses.retain(|clause| in_entry(clause.attribute));
        }
        // An entry that says nothing matches nothing (AUTHZ-ZT-02, AUTHZ-ZT-05).
        entries.retain(|clauses| !clauses.is_empty());
        never |= given && entries.is_empty();
    }
    // Each condition is a clause of its own with one entry.
    never |= conditions.iter().any(|c| !c.is_some_and(|clause| in_condition(clause.attribute)));
    let conditions =
        conditions.into_iter().filter(|c| c.is_some_and(|clause| in_condition(clause.attribute)));
    (sources, operations, conditions.collect(), never)
}

/// Whether ztunnel enforces the attribute as a field of a source or an operation (AUTHZ-ZT-03).
fn in_entry(attribute: Attribute) -> bool {
    matches!(
        attribute,
        Attribute::MeshPrincipal
            | Attribute::MeshNamespace
            | Attribute::MeshAccount
            | Attribute::SourceIp
            | Attribute::DestinationPort
    )
}

/// Whether ztunnel enforces the attribute as a condition (AUTHZ-ZT-03).
fn in_condition(attribute: Attribute) -> bool {
    matches!(
        attribute,
        Attribute::MeshPrincipal
            | Attribute::MeshNamespace
            | Attribute::SourceIp
            | Attribute::DestinationIp
            | Attribute::DestinationPort
    )
}
