//! Kinds by the names people call them on a command line.

use crate::kind::{Kind, TABLE};

/// Short names of `kubectl`.
const SHORT: &[(&str, Kind)] = &[
    ("vs", Kind::VirtualService),
    ("dr", Kind::DestinationRule),
    ("gw", Kind::Gateway),
    ("se", Kind::ServiceEntry),
    ("we", Kind::WorkloadEntry),
    ("wg", Kind::WorkloadGroup),
    ("ap", Kind::AuthorizationPolicy),
    ("pa", Kind::PeerAuthentication),
    ("ra", Kind::RequestAuthentication),
    ("ns", Kind::Namespace),
    ("svc", Kind::Service),
    ("po", Kind::Pod),
    ("cm", Kind::ConfigMap),
    ("ep", Kind::Endpoints),
    ("sa", Kind::ServiceAccount),
    ("no", Kind::Node),
    ("deploy", Kind::Deployment),
    ("sts", Kind::StatefulSet),
    ("ds", Kind::DaemonSet),
];

impl Kind {
    /// Every known kind: Istio's first, then those of Kubernetes.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|entry| entry.kind.clone())
    }

    /// Every `apiVersion` of the kind, the stored one first; empty for [`Kind::Other`].
    pub fn api_versions(&self) -> Vec<String> {
        let entry = TABLE.iter().find(|entry| entry.kind == *self);
        let versions = entry.map_or(&[][..], |entry| entry.versions);
        let group = self.group();
        let full = |version: &&str| match group {
            "" => (*version).to_owned(),
            group => format!("{group}/{version}"),
        };
        versions.iter().map(full).collect()
    }

    /// The plural in lower case, as in resource paths; empty for [`Kind::Other`].
    pub fn plural(&self) -> &'static str {
        TABLE.iter().find(|entry| entry.kind == *self).map_or("", |entry| entry.plural)
    }

    /// The short name that `kubectl` knows, such as `vs`.
    pub fn short_name(&self) -> Option<&'static str> {
        SHORT.iter().find(|(_, kind)| kind == self).map(|(short, _)| *short)
    }

    /// The known kind that `text` names: its name, plural or short name in any case, with or without the group
    /// (`virtualservices.networking.istio.io`).
    ///
    /// ```
    /// use mesh_model::Kind;
    /// assert_eq!(Kind::named("vs"), Some(Kind::VirtualService));
    /// assert_eq!(Kind::named("AuthorizationPolicies"), Some(Kind::AuthorizationPolicy));
    /// assert_eq!(Kind::named("virtualsevice"), None);
    /// assert_eq!(Kind::nearest("virtualsevice"), Some(Kind::VirtualService));
    /// ```
    pub fn named(text: &str) -> Option<Self> {
        let (name, group) = text.split_once('.').unwrap_or((text, ""));
        Self::all().find(|kind| {
            let of_kind = [kind.as_str(), kind.plural(), kind.short_name().unwrap_or("")];
            of_kind.iter().any(|known| !known.is_empty() && known.eq_ignore_ascii_case(name))
                && (group.is_empty() || group.eq_ignore_ascii_case(kind.group()))
        })
    }

    /// The known kind whose name `text` is most likely a misspelling of.
    pub fn nearest(text: &str) -> Option<Self> {
        let lower = text.to_ascii_lowercase();
        let limit = if lower.chars().count() <= 4 { 1 } else { 3 };
        let distance = |kind: &Self| {
            [kind.as_str().to_ascii_lowercase(), kind.plural().to_owned()]
                .iter()
                .map(|name| crate::load::distance(&lower, name, limit))
                .min()
        };
        Self::all()
            .filter_map(|kind| Some((distance(&kind).filter(|distance| *distance <= limit)?, kind)))
            .min_by_key(|(distance, _)| *distance)
            .map(|(_, kind)| kind)
            .or_else(|| {
                // An abbreviation: `authz`, `virtual`.
                Self::all().find(|kind| lower.len() > 3 && kind.plural().starts_with(&lower))
            })
    }
}
