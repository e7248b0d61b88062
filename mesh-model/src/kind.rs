//! Kinds, their groups and versions (MODEL-GV-1).

use std::fmt;

macro_rules! kinds {
    ($($(#[$meta:meta])* $variant:ident = $name:literal, $group:literal, [$($version:literal),+], $plural:literal;)*) => {
        /// A kind this crate knows by name. The versions of one kind share one schema.
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Kind {
            $($(#[$meta])* $variant,)*
            /// Any other kind; kept opaque.
            Other(String),
        }

        /// Name, group, versions (the stored one first) and plural of every known kind.
        pub(crate) const TABLE: &[Entry] = &[$(Entry {
            kind: Kind::$variant, name: $name, group: $group, versions: &[$($version),+], plural: $plural,
        },)*];

        impl Kind {
            /// The name as written in `kind:`.
            pub fn as_str(&self) -> &str {
                match self { $(Self::$variant => $name,)* Self::Other(name) => name }
            }
        }
    };
}

pub(crate) struct Entry {
    pub(crate) kind: Kind,
    pub(crate) name: &'static str,
    pub(crate) group: &'static str,
    pub(crate) versions: &'static [&'static str],
    pub(crate) plural: &'static str,
}

kinds! {
    /// networking.istio.io
    VirtualService = "VirtualService", "networking.istio.io", ["v1", "v1beta1", "v1alpha3"], "virtualservices";
    /// networking.istio.io
    DestinationRule = "DestinationRule", "networking.istio.io", ["v1", "v1beta1", "v1alpha3"], "destinationrules";
    /// networking.istio.io; not the kind of the Gateway API
    Gateway = "Gateway", "networking.istio.io", ["v1", "v1beta1", "v1alpha3"], "gateways";
    /// networking.istio.io
    ServiceEntry = "ServiceEntry", "networking.istio.io", ["v1", "v1beta1", "v1alpha3"], "serviceentries";
    /// networking.istio.io
    Sidecar = "Sidecar", "networking.istio.io", ["v1", "v1beta1", "v1alpha3"], "sidecars";
    /// networking.istio.io
    WorkloadEntry = "WorkloadEntry", "networking.istio.io", ["v1", "v1beta1", "v1alpha3"], "workloadentries";
    /// networking.istio.io
    WorkloadGroup = "WorkloadGroup", "networking.istio.io", ["v1", "v1beta1", "v1alpha3"], "workloadgroups";
    /// networking.istio.io
    EnvoyFilter = "EnvoyFilter", "networking.istio.io", ["v1alpha3"], "envoyfilters";
    /// networking.istio.io
    ProxyConfig = "ProxyConfig", "networking.istio.io", ["v1beta1"], "proxyconfigs";
    /// security.istio.io
    AuthorizationPolicy = "AuthorizationPolicy", "security.istio.io", ["v1", "v1beta1"], "authorizationpolicies";
    /// security.istio.io
    PeerAuthentication = "PeerAuthentication", "security.istio.io", ["v1", "v1beta1"], "peerauthentications";
    /// security.istio.io
    RequestAuthentication = "RequestAuthentication", "security.istio.io", ["v1", "v1beta1"], "requestauthentications";
    /// telemetry.istio.io
    Telemetry = "Telemetry", "telemetry.istio.io", ["v1alpha1", "v1"], "telemetries";
    /// extensions.istio.io
    WasmPlugin = "WasmPlugin", "extensions.istio.io", ["v1alpha1"], "wasmplugins";
    /// extensions.istio.io
    TrafficExtension = "TrafficExtension", "extensions.istio.io", ["v1alpha1"], "trafficextensions";
    /// core
    Namespace = "Namespace", "", ["v1"], "namespaces";
    /// core
    Service = "Service", "", ["v1"], "services";
    /// core
    Pod = "Pod", "", ["v1"], "pods";
    /// core
    ConfigMap = "ConfigMap", "", ["v1"], "configmaps";
    /// core
    Endpoints = "Endpoints", "", ["v1"], "endpoints";
    /// core
    ServiceAccount = "ServiceAccount", "", ["v1"], "serviceaccounts";
    /// core
    Secret = "Secret", "", ["v1"], "secrets";
    /// core
    Node = "Node", "", ["v1"], "nodes";
    /// discovery.k8s.io
    EndpointSlice = "EndpointSlice", "discovery.k8s.io", ["v1"], "endpointslices";
    /// apps
    Deployment = "Deployment", "apps", ["v1"], "deployments";
    /// apps
    StatefulSet = "StatefulSet", "apps", ["v1"], "statefulsets";
    /// apps
    DaemonSet = "DaemonSet", "apps", ["v1"], "daemonsets";
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Kinds without a namespace that stay opaque.
const CLUSTER_SCOPED: [&str; 18] = [
    "APIService",
    "CSIDriver",
    "ClusterRbacConfig",
    "ClusterRole",
    "ClusterRoleBinding",
    "CustomResourceDefinition",
    "GatewayClass",
    "IngressClass",
    "MeshPolicy",
    "MutatingWebhookConfiguration",
    "PersistentVolume",
    "PriorityClass",
    "RuntimeClass",
    "StorageClass",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
    "ValidatingWebhookConfiguration",
    "VolumeSnapshotClass",
];

impl Kind {
    fn entry(&self) -> Option<&'static Entry> {
        TABLE.iter().find(|entry| entry.kind == *self)
    }

    /// API group; empty is the core group, and the answer for an unknown kind.
    pub fn group(&self) -> &'static str {
        self.entry().map_or("", |entry| entry.group)
    }

    /// True for the kinds of Istio's groups.
    pub fn is_istio(&self) -> bool {
        self.group().ends_with("istio.io")
    }

    /// True for Namespace and Node, and for the kinds of Kubernetes, the Gateway API and former versions of Istio that
    /// have no namespace.
    pub fn is_cluster_scoped(&self) -> bool {
        match self {
            Self::Namespace | Self::Node => true,
            Self::Other(name) => CLUSTER_SCOPED.contains(&name.as_str()),
            _ => false,
        }
    }

    /// True for the kinds that grant or refuse access: what cannot be understood in them must deny.
    pub fn is_security(&self) -> bool {
        matches!(self, Self::AuthorizationPolicy | Self::PeerAuthentication | Self::RequestAuthentication)
    }

    /// True where a missing `spec` is an error (MODEL-DOC-8).
    pub(crate) fn requires_spec(&self) -> bool {
        matches!(
            self,
            Self::ServiceEntry
                | Self::WorkloadEntry
                | Self::WorkloadGroup
                | Self::WasmPlugin
                | Self::TrafficExtension
        )
    }
}

/// What `apiVersion` and `kind` of a document mean.
pub(crate) enum Resolved {
    /// A known kind in a known version.
    Known(Kind),
    /// A known kind in a version nobody serves (MODEL-GV-2); the stored version.
    OddVersion(Kind, &'static str),
    /// The kind exists in another group, or under another spelling (MODEL-GV-5).
    Misspelt(Kind),
    /// The kind was removed (MODEL-GV-4); what replaces it.
    Removed(&'static str),
    /// Not ours.
    Unknown,
}

/// Removed kinds (MODEL-GV-4): group, kind, replacement.
const REMOVED: &[(&str, &str, &str)] = &[
    ("config.istio.io", "RouteRule", "VirtualService"),
    ("config.istio.io", "DestinationPolicy", "DestinationRule"),
    ("config.istio.io", "EgressRule", "ServiceEntry"),
    ("authentication.istio.io", "Policy", "PeerAuthentication and RequestAuthentication"),
    ("authentication.istio.io", "MeshPolicy", "PeerAuthentication and RequestAuthentication"),
    ("rbac.istio.io", "RbacConfig", "AuthorizationPolicy"),
    ("rbac.istio.io", "ClusterRbacConfig", "AuthorizationPolicy"),
    ("rbac.istio.io", "ServiceRole", "AuthorizationPolicy"),
    ("rbac.istio.io", "ServiceRoleBinding", "AuthorizationPolicy"),
];

pub(crate) fn resolve(api_version: &str, kind: &str) -> Resolved {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    if let Some(entry) = TABLE.iter().find(|entry| entry.group == group && entry.name == kind) {
        return if entry.versions.contains(&version) {
            Resolved::Known(entry.kind.clone())
        } else {
            Resolved::OddVersion(entry.kind.clone(), entry.versions.first().copied().unwrap_or("v1"))
        };
    }
    if let Some((_, _, replacement)) = REMOVED.iter().find(|(g, k, _)| *g == group && *k == kind) {
        return Resolved::Removed(replacement);
    }
    if group == "config.istio.io" {
        return Resolved::Removed("Telemetry, or an extension provider");
    }
    // The Gateway API's `Gateway` and others of foreign groups are not misspellings of ours.
    let ours =
        group.is_empty() || group.ends_with("istio.io") || TABLE.iter().any(|entry| entry.group == group);
    let candidate = TABLE.iter().find(|entry| {
        let same_name = entry.name == kind;
        let near_name = entry.name.eq_ignore_ascii_case(kind) || entry.plural.eq_ignore_ascii_case(kind);
        (same_name && ours && entry.group.ends_with("istio.io"))
            || (near_name && !same_name && entry.group == group)
    });
    let candidate = candidate.or_else(|| misspelt(group, kind));
    candidate.map_or(Resolved::Unknown, |entry| Resolved::Misspelt(entry.kind.clone()))
}

/// The kind of Istio's `group` that `kind` is a slip of the keyboard away from.
fn misspelt(group: &str, kind: &str) -> Option<&'static Entry> {
    const LIMIT: usize = 2;
    let of_group = TABLE.iter().filter(|entry| entry.group == group && group.ends_with(".istio.io"));
    let near = |entry: &&Entry| crate::load::distance(kind, entry.name, LIMIT);
    of_group.min_by_key(near).filter(|entry| near(entry) <= LIMIT)
}

/// The kind of that name, whatever its group.
pub(crate) fn by_name(name: &str) -> Option<Kind> {
    TABLE.iter().find(|entry| entry.name == name).map(|entry| entry.kind.clone())
}

/// The stored apiVersion of a kind.
pub(crate) fn stored_api_version(kind: &Kind) -> String {
    let version = kind.entry().and_then(|entry| entry.versions.first()).copied().unwrap_or("v1");
    match kind.group() {
        "" => version.to_owned(),
        group => format!("{group}/{version}"),
    }
}
