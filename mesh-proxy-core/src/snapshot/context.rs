//! Who the proxy is: what a pod's metadata tells a sidecar or gateway (`ROUTE-MODEL-03`).

use std::collections::BTreeMap;

/// The proxy's identity and the names of its mesh.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Context {
    /// The proxy as a gateway; `None` serves no Gateway.
    pub gateway: Option<ProxyIdentity>,
    /// The proxy as a sidecar; `None` serves no Sidecar egress listener.
    pub sidecar: Option<ProxyIdentity>,
    /// Where mesh-wide objects live; Istio's default is `istio-system`.
    pub root_namespace: String,
    /// The cluster's DNS suffix, `cluster.local`.
    pub cluster_domain: String,
}

impl Default for Context {
    /// A gateway with Istio's usual labels in `istio-system`, and a sidecar without labels in `default`.
    fn default() -> Self {
        Self {
            gateway: Some(ProxyIdentity::new("istio-system").label("istio", "ingressgateway")),
            sidecar: Some(ProxyIdentity::new("default")),
            root_namespace: "istio-system".to_owned(),
            cluster_domain: "cluster.local".to_owned(),
        }
    }
}

/// A proxy's own namespace, labels and name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProxyIdentity {
    /// Namespace of its pod.
    pub namespace: String,
    /// Labels of its pod: Gateways, Sidecars and policies select by them.
    pub labels: BTreeMap<String, String>,
    /// Name of its workload, for metrics; empty is `unknown`.
    pub workload: String,
}

impl ProxyIdentity {
    /// A proxy in `namespace` without labels.
    pub fn new(namespace: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), labels: BTreeMap::new(), workload: String::new() }
    }

    /// Adds a label.
    #[must_use]
    pub fn label(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.insert(key.into(), value.into());
        self
    }

    /// Names the workload, for metrics.
    #[must_use]
    pub fn workload(mut self, name: impl Into<String>) -> Self {
        self.workload = name.into();
        self
    }

    /// `a=1,b=2`, for messages.
    #[cfg_attr(not(feature = "net"), allow(dead_code, reason = "only the engine reads it"))]
    pub(crate) fn labels_text(&self) -> String {
        let pairs: Vec<_> = self.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        pairs.join(",")
    }
}
