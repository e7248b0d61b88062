//! Objects of which only one counts (MODEL-ANA-10, MODEL-ANA-22).

use super::index::{DOMAIN, Index};
use crate::meta::ObjectRef;
use crate::object::{Body, Object};
use crate::resolve::Visibility;
use crate::resolve::names::full_name;
use crate::validate::report::{At, Report, show};
use std::collections::{BTreeMap, HashMap};

/// The findings by index of the object.
#[derive(Default)]
pub(super) struct Conflicts {
    /// Index of the host in `spec.hosts`, its full name, and who has it already.
    hosts: BTreeMap<usize, Vec<(usize, String, ObjectRef)>>,
    sidecars: BTreeMap<usize, ObjectRef>,
}

/// Who has a host already, by the namespaces that see it.
#[derive(Default)]
struct Owners {
    any: Option<usize>,
    public: Option<usize>,
    namespaces: HashMap<String, usize>,
}

impl Owners {
    /// An earlier owner that a namespace sees together with the new one.
    fn claim(&mut self, index: usize, visibility: Visibility) -> Option<usize> {
        let found = match &visibility {
            Visibility::Public => self.any,
            Visibility::Namespaces(seen) if seen.is_empty() => return None,
            Visibility::Namespaces(seen) => self
                .public
                .or_else(|| seen.iter().find_map(|namespace| self.namespaces.get(namespace).copied())),
        };
        self.any = self.any.or(Some(index));
        match visibility {
            Visibility::Public => self.public = self.public.or(Some(index)),
            Visibility::Namespaces(seen) => {
                for namespace in seen {
                    self.namespaces.entry(namespace).or_insert(index);
                }
            }
        }
        found
    }
}

impl Conflicts {
    pub(super) fn new(objects: &[Object], index: &Index<'_>) -> Self {
        let mut out = Self::default();
        // The oldest counts; without a timestamp the first (MODEL-META-5).
        let mut order: Vec<(usize, &Object)> = objects.iter().enumerate().collect();
        order.sort_by_key(|(_, object)| {
            let time = object.metadata.creation_timestamp;
            (time.is_none(), time)
        });
        let reference = |at: usize| objects.get(at).map(Object::reference);
        let mut owners: HashMap<String, Owners> = HashMap::new();
        let mut sidecars: HashMap<&str, usize> = HashMap::new();
        for (at, object) in order {
            match &object.body {
                Body::VirtualService(service) => {
                    let mesh = service.gateways.is_empty()
                        || service.gateways.iter().any(|gateway| gateway == "mesh");
                    if !mesh {
                        continue;
                    }
                    for (number, host) in service.hosts.iter().enumerate() {
                        let host = full_name(host, &object.metadata.namespace, DOMAIN).to_ascii_lowercase();
                        let visibility = Visibility::of(object, &index.mesh);
                        let earlier = owners.entry(host.clone()).or_default().claim(at, visibility);
                        // A host listed twice in one object is that object's own mistake.
                        if let Some(other) = earlier.filter(|other| *other != at).and_then(reference) {
                            out.hosts.entry(at).or_default().push((number, host, other));
                        }
                    }
                }
                Body::Sidecar(sidecar) => {
                    if sidecar.workload_selector.as_ref().is_some_and(|selector| !selector.labels.is_empty())
                    {
                        continue;
                    }
                    let first = *sidecars.entry(&object.metadata.namespace).or_insert(at);
                    if let Some(other) = Some(first).filter(|first| *first != at).and_then(reference) {
                        out.sidecars.insert(at, other);
                    }
                }
                _ => {}
            }
        }
        out
    }

    /// Reports what was found about the object at `index`.
    pub(super) fn report(&mut self, index: usize, report: &mut Report<'_>) {
        let spec = At::OBJECT.field("spec");
        let hosts = spec.field("hosts");
        for (number, host, other) in self.hosts.remove(&index).into_iter().flatten() {
            report
                .warning(
                    "MODEL-ANA-10",
                    &hosts.index(number),
                    format!("`{}` belongs to {other} already (IST0109)", show(&host)),
                )
                .help("sidecars use the older of the two for the host, put the rules into one");
        }
        if let Some(other) = self.sidecars.remove(&index) {
            report
                .warning("MODEL-ANA-22", &spec, format!("{other} is for the whole namespace too (IST0111)"))
                .help("only the older one is used; add a `workloadSelector`, or remove one");
        }
    }
}
