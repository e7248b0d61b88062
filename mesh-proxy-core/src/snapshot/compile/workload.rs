//! What metrics say about a workload (`PROXY-MET-03`).

use std::collections::BTreeMap;

use crate::snapshot::Workload;

/// The workload `name` in `namespace` with these pod labels.
pub(super) fn workload(name: &str, namespace: &str, labels: &BTreeMap<String, String>) -> Workload {
    let label = |keys: &[&str]| keys.iter().find_map(|key| labels.get(*key)).cloned();
    Workload {
        name: name.to_owned(),
        namespace: namespace.to_owned(),
        app: label(&["app"]).unwrap_or_default(),
        version: label(&["version"]).unwrap_or_default(),
        canonical_service: label(&["service.istio.io/canonical-name", "app.kubernetes.io/name", "app"])
            .unwrap_or_else(|| name.to_owned()),
        canonical_revision: label(&[
            "service.istio.io/canonical-revision",
            "app.kubernetes.io/version",
            "version",
        ])
        .unwrap_or_else(|| "latest".to_owned()),
    }
}

/// The workload's name from its pod's: a Deployment's pod is called `<name>-<template hash>-<random>`.
pub(super) fn owner<'p>(pod: &'p str, labels: &BTreeMap<String, String>) -> &'p str {
    let hash = labels.get("pod-template-hash").filter(|hash| !hash.is_empty());
    hash.and_then(|hash| pod.rsplit_once(&format!("-{hash}-"))).map_or(pod, |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn canonical_names_proxy_met_03() {
        let names = |pairs: &[(&str, &str)]| {
            let found = workload("w", "ns", &labels(pairs));
            (found.canonical_service, found.canonical_revision)
        };
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(names(&[]), pair("w", "latest"));
        assert_eq!(names(&[("app", "a"), ("version", "v")]), pair("a", "v"));
        let kubernetes = [("app.kubernetes.io/name", "k"), ("app.kubernetes.io/version", "k1")];
        assert_eq!(names(&[&kubernetes[..], &[("app", "a"), ("version", "v")]].concat()), pair("k", "k1"));
        let istio = [("service.istio.io/canonical-name", "i"), ("service.istio.io/canonical-revision", "i1")];
        assert_eq!(names(&[&istio[..], &kubernetes[..]].concat()), pair("i", "i1"));
    }

    #[test]
    fn a_deployments_pod_is_named_after_it() {
        let hashed = labels(&[("pod-template-hash", "5d8f")]);
        assert_eq!(owner("reviews-v1-5d8f-x2k9l", &hashed), "reviews-v1");
        assert_eq!(owner("reviews-v1", &hashed), "reviews-v1");
        assert_eq!(owner("reviews-v1-5d8f-x2k9l", &labels(&[])), "reviews-v1-5d8f-x2k9l");
    }
}
