//! Limits on who sees ServiceEntries, set for the mesh (MODEL-RES-12).

use super::{ResourceSet, Visibility};
use crate::common::StringMap;
use crate::kubernetes::Namespace;
use crate::mesh_config::{EntryVisibility, ServiceEntryVisibility};
use crate::object::Object;
use std::collections::BTreeSet;

impl ServiceEntryVisibility {
    /// Who may see the entries of a namespace with these labels: as the first policy says of which all rules match,
    /// else as the default. A policy without rules matches, a rule without a selector does not.
    ///
    /// ```
    /// use mesh_model::mesh_config::EntryVisibility;
    /// let text = "
    /// serviceEntryVisibility:
    ///   defaultVisibility: NAMESPACE
    ///   policies:
    ///   - visibility: PUBLIC
    ///     matchingRules: [{namespaceSelector: {matchLabels: {team: platform}}}]
    /// ";
    /// let mesh = mesh_model::mesh_config(text).0;
    /// let visibility = mesh.service_entry_visibility.ok_or("not set")?;
    /// let platform = [("team".to_owned(), "platform".to_owned())].into();
    /// assert_eq!(visibility.of(&platform), EntryVisibility::Public);
    /// assert_eq!(visibility.of(&Default::default()), EntryVisibility::Namespace);
    /// # Ok::<(), &str>(())
    /// ```
    pub fn of(&self, namespace_labels: &StringMap) -> EntryVisibility {
        let matching = self.policies.iter().find(|policy| {
            policy.matching_rules.iter().all(|rule| {
                rule.namespace_selector.as_ref().is_some_and(|selector| selector.matches(namespace_labels))
            })
        });
        matching.map_or(self.default_visibility, |policy| policy.visibility)
    }
}

impl ResourceSet {
    /// What is left of the `visibility` of a ServiceEntry once the mesh has limited it for sidecars and gateways.
    pub(super) fn limited(&self, entry: &Object, visibility: Visibility) -> Visibility {
        let limits = self.mesh().service_entry_visibility.as_ref().filter(|limits| limits.apply_to_sidecars);
        let Some(limits) = limits else { return visibility };
        let own = &entry.metadata.namespace;
        // A namespace nobody has described has no labels.
        let none = StringMap::new();
        let labels = self.find::<Namespace>("", own).map_or(&none, |found| &found.object.metadata.labels);
        match limits.of(labels) {
            EntryVisibility::Public => visibility,
            EntryVisibility::Namespace if visibility.includes(own) => {
                Visibility::Namespaces(BTreeSet::from([own.clone()]))
            }
            EntryVisibility::Namespace | EntryVisibility::None => Visibility::Namespaces(BTreeSet::new()),
        }
    }
}
