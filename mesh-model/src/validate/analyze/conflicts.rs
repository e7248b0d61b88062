//! VirtualServices and Sidecars of which only one counts (MODEL-ANA-10, MODEL-ANA-22, MODEL-PIT-4).

use super::by_host::ByHost;
use super::index::Index;
use super::scope::Seen;
use crate::meta::ObjectRef;
use crate::networking::VirtualService;
use crate::object::{Body, Object};
use crate::resolve::Visibility;
use crate::validate::report::{At, Report, show};
use std::collections::{BTreeMap, HashMap};

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
    other: usize,
    /// The other has a wildcard that covers the host.
    wider: bool,
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
        let mut owners: HashMap<String, Seen> = HashMap::new();
        let mut public: ByHost<usize> = ByHost::default();
        let mut hosts = Vec::new();
        let mut sidecars: HashMap<&str, usize> = HashMap::new();
        // The oldest counts; so the number of an object here is its age.
        for (age, at) in index.by_age.iter().copied().enumerate() {
            let Some(object) = objects.get(at) else { continue };
            match &object.body {
                Body::VirtualService(service) if is_for_mesh(service) => {
                    let visibility = Visibility::of(object, &index.mesh);
                    for (number, host) in service.hosts.iter().enumerate() {
                        let host = index.full_name(host, &object.metadata.namespace);
                        let seen = owners.entry(host.clone()).or_default();
                        let first = seen.first(&visibility).and_then(|age| index.by_age.get(age).copied());
                        seen.add(age, &visibility);
                        if visibility == Visibility::Public {
                            public.add(&host, at);
                        }
                        // A host listed twice in one object is that object's own mistake.
                        if let Some(other) = first.filter(|other| *other != at) {
                            let shared = Shared { number, host, other, wider: false };
                            out.hosts.entry(at).or_default().push(shared);
                        } else if visibility == Visibility::Public {
                            hosts.push((at, number, host));
                        }
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
        for (at, number, host) in hosts {
            let other = public.wider(&host).flatten().copied().find(|other| *other != at);
            if let Some(other) = other {
                out.hosts.entry(at).or_default().push(Shared { number, host, other, wider: true });
            }
        }
        out
    }

    /// Reports what was found about the object at `index`.
    pub(super) fn report(&mut self, index: usize, report: &mut Report<'_>) {
        let spec = At::OBJECT.field("spec");
        let hosts = spec.field("hosts");
        for Shared { number, host, other, wider } in self.hosts.remove(&index).into_iter().flatten() {
            let Some(other) = self.objects.get(other) else { continue };
            let (at, named) = (hosts.index(number), other.reference());
            if wider {
                // DIFFERENCE: MODEL-ANA-10: Istio calls this an error too, but both rules are in force: each name has
                // the rules of the most specific host (ROUTE-APPLY-22).
                report.info(
                    "MODEL-ANA-10",
                    &at,
                    format!(
                        "a wildcard of {named} covers `{}`, which has the rules given here (IST0109)",
                        show(&host)
                    ),
                );
            } else {
                report
                    .error(
                        "MODEL-ANA-10",
                        &at,
                        format!("`{}` belongs to {named} already (IST0109)", show(&host)),
                    )
                    .help(format!(
                        "sidecars use {named}, which {}, and nothing of this; put the rules into one",
                        seniority(other)
                    ));
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
