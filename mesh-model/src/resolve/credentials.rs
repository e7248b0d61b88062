//! Names of certificates (MODEL-RES-40, MODEL-RES-41).

use super::ResourceSet;
use crate::common::ServerTlsSettings;
use crate::kubernetes::{ConfigMap, Secret};
use crate::object::Object;

/// What a `credentialName` names.
///
/// ```
/// use mesh_model::resolve::Credential;
/// let own = Credential::parse("shop-cert", "istio-ingress");
/// assert_eq!(own, Credential::Secret { namespace: "istio-ingress", name: "shop-cert" });
/// assert_eq!(Credential::parse("builtin://", "istio-ingress"), Credential::Workload);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Credential<'n> {
    /// A Secret: `name`, `kubernetes://name`, `kubernetes://ns/name`, `kubernetes-gateway://ns/name`.
    Secret {
        /// Its namespace.
        namespace: &'n str,
        /// Its name.
        name: &'n str,
    },
    /// A ConfigMap, which can hold a CA only: `configmap://ns/name`.
    ConfigMap {
        /// Its namespace.
        namespace: &'n str,
        /// Its name.
        name: &'n str,
    },
    /// The workload's own certificate: `builtin://`.
    Workload,
    /// A provider of `extensionProviders` with `sds`: `sds://provider`.
    Provider(&'n str),
    /// Never there: `invalid://`, and what has none of these forms.
    Invalid,
}

impl<'n> Credential<'n> {
    /// Reads a `credentialName` that a proxy of namespace `proxy` uses.
    ///
    /// A name without a namespace is one of the namespace of the *proxy*, not of the Gateway (MODEL-RES-41).
    pub fn parse(credential_name: &'n str, proxy: &'n str) -> Self {
        let (scheme, rest) = credential_name.split_once("://").unwrap_or(("kubernetes", credential_name));
        let namespaced = rest
            .split_once('/')
            .filter(|(namespace, name)| !namespace.is_empty() && !name.is_empty() && !name.contains('/'));
        match (scheme, namespaced) {
            ("kubernetes" | "kubernetes-gateway", Some((namespace, name))) => {
                Self::Secret { namespace, name }
            }
            ("kubernetes", None) if !rest.is_empty() && !rest.contains('/') => {
                Self::Secret { namespace: proxy, name: rest }
            }
            ("configmap", Some((namespace, name))) => Self::ConfigMap { namespace, name },
            ("builtin", _) => Self::Workload,
            ("sds", _) if !rest.is_empty() => Self::Provider(rest),
            _ => Self::Invalid,
        }
    }
}

/// True when the Secret or ConfigMap holds certificates to verify others by.
fn has_root(object: &Object) -> bool {
    let secret = object.as_secret().is_some_and(|secret| {
        ["cacert", "ca.crt"]
            .iter()
            .any(|name| secret.data.contains_key(*name) || secret.string_data.contains_key(*name))
    });
    let map = object
        .as_config_map()
        .is_some_and(|map| ["cacert", "ca.crt"].iter().any(|name| map.data.contains_key(*name)));
    secret || map
}

impl ResourceSet {
    /// The Secret or ConfigMap that a `credentialName` names for a proxy of namespace `proxy`.
    ///
    /// Cost: a hash lookup.
    pub fn credential(&self, credential_name: &str, proxy: &str) -> Option<&Object> {
        match Credential::parse(credential_name, proxy) {
            Credential::Secret { namespace, name } => {
                self.find::<Secret>(namespace, name).map(|found| found.object)
            }
            Credential::ConfigMap { namespace, name } => {
                self.find::<ConfigMap>(namespace, name).map(|found| found.object)
            }
            _ => None,
        }
    }

    /// Where a server with MUTUAL finds the CA of its clients: what `caCertCredentialName` names, else the Secret of
    /// `credentialName`, else the one of that name and `-cacert`. `None` when none of them has a CA.
    pub fn client_ca(&self, tls: &ServerTlsSettings, proxy: &str) -> Option<&Object> {
        if !tls.ca_cert_credential_name.is_empty() {
            return self.credential(&tls.ca_cert_credential_name, proxy).filter(|found| has_root(found));
        }
        if tls.credential_name.is_empty() {
            return None;
        }
        let same = self.credential(&tls.credential_name, proxy).filter(|found| has_root(found));
        same.or_else(|| {
            self.credential(&format!("{}-cacert", tls.credential_name), proxy).filter(|found| has_root(found))
        })
    }
}
