//! VirtualServices and Sidecars of which only one counts (MODEL-ANA-10, MODEL-ANA-22, MODEL-PIT-4).

use super::by_host::ByHost;
use super::index::Index;
use super::owners::{Loss, Owners};
use crate::meta::ObjectRef;
use crate::networking::VirtualService;
use crate::object::{Body, Object};
use crate::resolve::Visibility;
use crate::validate::report::{At, Report, show};
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

/// True when a VirtualService is for sidecars.
pub(super) fn is_for_mesh(service: &VirtualService) -> bool {
    service.gateways.is_empty() || service.gateways.iter().any(|gateway| gateway == "mesh")
}

/// Why the older of two objects is the older one, for a message.
pub(super) fn seniority(older: &Object) -> &'static str {
    if older.metadata.creation_timestamp.is_some() { "is older" } else { "comes first" }
}

/// A host of a VirtualService that another one has too.
struct Shared {
    /// Index in `spec.hosts`.
    number: usize,
    host: String,
    how: How,
}

enum How {
    /// Others have the host, here or there.
    Lost(Loss),
    /// This one has a wildcard that covers the host.
    Covered(usize),
}

/// The findings by place of the object.
pub(super) struct Conflicts<'o> {
    objects: &'o [Object],
    hosts: BTreeMap<usize, Vec<Shared>>,
    sidecars: BTreeMap<usize, ObjectRef>,
}

impl<'o> Conflicts<'o> {
    pub(super) fn new(index: &Index<'o>) -> Self {
        let objects = index.objects;
        let mut out = Self { objects, hosts: BTreeMap::new(), sidecars: BTreeMap::new() };
        let mut owners: HashMap<String, Owners> = HashMap::new();
        // Of those that everybody sees, and of those that some namespaces see.
        let (mut public, mut scoped): (ByHost<usize>, ByHost<usize>) = Default::default();
        let mut hosts = Vec::new();
        let mut sidecars: HashMap<&str, usize> = HashMap::new();
        // What Istio refuses takes nobody's place.
        for (at, object) in index.oldest_first().filter(|(_, object)| object.is_usable()) {
            match &object.body {
                Body::VirtualService(service) if is_for_mesh(service) => {
                    let visibility = Rc::new(Visibility::of(object, &index.mesh));
                    if matches!(&*visibility, Visibility::Namespaces(seen) if seen.is_empty()) {
                        continue;
                    }
                    let namespace = object.metadata.namespace.as_str();
                    let by_host = if *visibility == Visibility::Public { &mut public } else { &mut scoped };
                    for (number, host) in service.hosts.iter().enumerate() {
                        let host = index.full_name(host, namespace);
                        owners.entry(host.clone()).or_default().add(at, namespace, &visibility);
                        by_host.add(&host, at);
                        hosts.push((at, namespace, Rc::clone(&visibility), number, host));
                    }
                }
                Body::Sidecar(sidecar) => {
                    if sidecar.workload_selector.as_ref().is_some_and(|selector| !selector.labels.is_empty())
                    {
                        continue;
                    }
                    let first = *sidecars.entry(&object.metadata.namespace).or_insert(at);
                    let first = Some(first).filter(|first| *first != at);
                    if let Some(other) = first.and_then(|at| objects.get(at)).map(Object::reference) {
                        out.sidecars.insert(at, other);
                    }
                }
                _ => {}
            }
        }
        for (at, namespace, visibility, number, host) in hosts {
            let loss = owners.get(&host).and_then(|owners| owners.loss(at, namespace, &visibility));
            // Istio compares names of the two kinds by wildcard, and names of one kind by equality.
            let others = if *visibility == Visibility::Public { &scoped } else { &public };
            let covered = || others.wider(&host).flatten().next().copied().map(How::Covered);
            if let Some(how) = loss.map(How::Lost).or_else(covered) {
                out.hosts.entry(at).or_default().push(Shared { number, host, how });
            }
        }
        out
    }

    /// Reports what was found about the object at `index`.
    pub(super) fn report(&mut self, index: usize, report: &mut Report<'_>) {
        let spec = At::OBJECT.field("spec");
        let hosts = spec.field("hosts");
        for Shared { number, host, how } in self.hosts.remove(&index).into_iter().flatten() {
            let (How::Covered(other) | How::Lost(Loss { owner: other, .. })) = how;
            let Some(other) = self.objects.get(other) else { continue };
            let (at, named) = (hosts.index(number), other.reference());
            match how {
                // DIFFERENCE: MODEL-ANA-10: Istio calls this an error too, but both rules are in force: each name has
                // the rules of the most specific host (ROUTE-APPLY-22).
                How::Covered(_) => {
                    report.info(
                        "MODEL-ANA-10",
                        &at,
                        format!(
                            "a wildcard of {named} covers `{}`, which has the rules given here (IST0109)",
                            show(&host)
                        ),
                    );
                }
                How::Lost(loss) => {
                    let message = format!("`{}` belongs to {named} already (IST0109)", show(&host));
                    report.error("MODEL-ANA-10", &at, message).help(instead(&loss, other));
                }
            }
        }
        if let Some(other) = self.sidecars.remove(&index) {
            report
                .error("MODEL-ANA-22", &spec, format!("{other} is for the whole namespace too (IST0111)"))
                .help(format!(
                    "only the older one is used, {other}; add a `workloadSelector`, or remove one"
                ));
        }
    }
}

/// Whose rules sidecars use, and where.
fn instead(loss: &Loss, owner: &Object) -> String {
    let named = owner.reference();
    if loss.everywhere && !loss.several {
        let why = if loss.outranked { "is for its own namespace alone" } else { seniority(owner) };
        return format!("sidecars use {named}, which {why}, and nothing of this; put the rules into one");
    }
    let (plural, others) =
        (if loss.namespaces.len() > 1 { "s" } else { "" }, if loss.several { " and others" } else { "" });
    let namespaces: Vec<String> =
        loss.namespaces.iter().map(|namespace| format!("`{}`", show(namespace))).collect();
    let more = if loss.more > 0 { format!(" and {} more", loss.more) } else { String::new() };
    let rest = if loss.everywhere {
        ", and nothing of this; put the rules into one"
    } else {
        "; elsewhere these rules are used"
    };
    format!("in the namespace{plural} {}{more} sidecars use {named}{others}{rest}", namespaces.join(", "))
}
