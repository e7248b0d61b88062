//! `exportTo`: who sees an object (MODEL-RES-8 to 10).

use super::ResourceSet;
use crate::kind::Kind;
use crate::mesh_config::MeshConfig;
use crate::object::{Body, Object};
use std::collections::BTreeSet;

/// Who sees an object.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Visibility {
    /// Every namespace.
    Public,
    /// These namespaces; none is nobody.
    Namespaces(BTreeSet<String>),
}

impl Visibility {
    /// Reads a list that is not empty: `*` wins, else `~` hides, else the namespaces (MODEL-RES-9, ROUTE-APPLY-06).
    pub(super) fn read<'e>(list: impl Iterator<Item = &'e str> + Clone, own: &str) -> Self {
        if list.clone().any(|entry| entry == "*") {
            return Self::Public;
        }
        if list.clone().any(|entry| entry == "~") {
            return Self::Namespaces(BTreeSet::new());
        }
        Self::Namespaces(list.map(|entry| if entry == "." { own } else { entry }.to_owned()).collect())
    }

    /// True when `namespace` sees the object.
    pub fn includes(&self, namespace: &str) -> bool {
        match self {
            Self::Public => true,
            Self::Namespaces(namespaces) => namespaces.contains(namespace),
        }
    }

    /// True when exactly `namespace` sees the object.
    pub fn is_only(&self, namespace: &str) -> bool {
        matches!(self, Self::Namespaces(namespaces) if namespaces.len() == 1 && namespaces.contains(namespace))
    }
}

impl ResourceSet {
    /// Who sees `object`: its own list, else the mesh default of its kind, else everybody.
    ///
    /// Kinds without `exportTo` are seen in their own namespace. For a DestinationRule with a workload selector the
    /// answer is its own namespace too (MODEL-RES-10).
    ///
    /// Where `serviceEntryVisibility` of the mesh applies to sidecars, it limits who sees a ServiceEntry (MODEL-RES-12).
    pub fn visibility(&self, object: &Object) -> Visibility {
        let own = Visibility::of(object, self.mesh());
        if object.kind == Kind::ServiceEntry { self.limited(object, own) } else { own }
    }
}

impl Visibility {
    /// See [`ResourceSet::visibility`].
    pub(crate) fn of(object: &Object, mesh: &MeshConfig) -> Self {
        let own = object.metadata.namespace.as_str();
        let private = || Visibility::Namespaces(BTreeSet::from([own.to_owned()]));
        let read = |list: &[String]| Visibility::read(list.iter().map(String::as_str), own);
        let listed = |list: &[String], default: &[String]| match (list, default) {
            ([], []) => Visibility::Public,
            ([], default) => read(default),
            (list, _) => read(list),
        };
        match &object.body {
            Body::VirtualService(spec) => listed(&spec.export_to, &mesh.default_virtual_service_export_to),
            Body::ServiceEntry(spec) => listed(&spec.export_to, &mesh.default_service_export_to),
            Body::DestinationRule(spec) => {
                if spec.workload_selector.as_ref().is_some_and(|selector| !selector.match_labels.is_empty()) {
                    return private();
                }
                if spec.export_to.is_empty() {
                    // Of the mesh default only `.` counts; everything else is public.
                    let only_own = mesh.default_destination_rule_export_to.iter().any(|entry| entry == ".");
                    return if only_own { private() } else { Visibility::Public };
                }
                read(&spec.export_to)
            }
            Body::Service(_) => match object.metadata.annotations.get("networking.istio.io/exportTo") {
                Some(list) if !list.trim().is_empty() => {
                    Visibility::read(list.split(',').map(str::trim).filter(|entry| !entry.is_empty()), own)
                }
                _ => listed(&[], &mesh.default_service_export_to),
            },
            _ if object.kind == Kind::Gateway => Visibility::Public,
            _ => private(),
        }
    }
}
