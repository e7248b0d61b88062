//! Secrets that Gateways name (MODEL-ANA-17, MODEL-RES-40, MODEL-RES-41, MODEL-PIT-20).

use super::gateway_pods::GatewayPods;
use crate::common::{ServerTlsMode, ServerTlsSettings};
use crate::kubernetes::Secret;
use crate::networking::Gateway;
use crate::object::Object;
use crate::validate::report::{At, Report, show};
use std::collections::HashMap;

const CODE: &str = "MODEL-ANA-17";

/// A Secret by its reference.
#[derive(Clone, Copy)]
struct Credential<'c> {
    /// Absent is the namespace of the gateway's pods.
    namespace: Option<&'c str>,
    name: &'c str,
}

impl<'c> Credential<'c> {
    /// `None` for what is no Secret, such as a ConfigMap or the workload's own certificate.
    fn read(text: &'c str) -> Option<Self> {
        let rest = match text.split_once("://") {
            None => text,
            Some(("kubernetes" | "kubernetes-gateway", rest)) => rest,
            Some(_) => return None,
        };
        let (namespace, name) = match rest.split_once('/') {
            Some((namespace, name)) => (Some(namespace), name),
            None => (None, rest),
        };
        (!name.is_empty()).then_some(Self { namespace, name })
    }
}

/// What a Secret is needed for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    Certificate,
    Ca,
}

pub(super) struct Secrets<'o> {
    /// By name, then by namespace, in order of input.
    by_name: HashMap<&'o str, Vec<(&'o str, &'o Secret)>>,
}

impl<'o> Secrets<'o> {
    pub(super) fn new(objects: &'o [Object]) -> Self {
        let mut by_name: HashMap<&'o str, Vec<(&'o str, &'o Secret)>> = HashMap::new();
        for object in objects {
            if let Some(secret) = object.as_secret() {
                let named = by_name.entry(&object.metadata.name).or_default();
                named.push((&object.metadata.namespace, secret));
            }
        }
        Self { by_name }
    }

    fn named(&self, name: &str) -> &[(&'o str, &'o Secret)] {
        self.by_name.get(name).map_or(&[], Vec::as_slice)
    }

    fn get(&self, namespace: &str, name: &str) -> Option<&'o Secret> {
        self.named(name).iter().find(|(found, _)| *found == namespace).map(|(_, secret)| *secret)
    }

    pub(super) fn check(&self, report: &mut Report<'_>, gateway: &Gateway, pods: &GatewayPods<'_>) {
        if self.by_name.is_empty() {
            return;
        }
        let namespaces: Vec<&str> = pods.of(gateway).namespaces.iter().copied().collect();
        let spec = At::OBJECT.field("spec");
        let servers = spec.field("servers");
        for (number, server) in gateway.servers.iter().enumerate() {
            let Some(tls) = &server.tls else { continue };
            if !matches!(
                tls.mode,
                ServerTlsMode::Simple | ServerTlsMode::Mutual | ServerTlsMode::OptionalMutual
            ) {
                continue;
            }
            let server = servers.index(number);
            let at = server.field("tls");
            let single = at.field("credentialName");
            self.one(report, &single, &tls.credential_name, &namespaces, Need::Certificate);
            let list = at.field("credentialNames");
            for (number, name) in tls.credential_names.iter().enumerate() {
                self.one(report, &list.index(number), name, &namespaces, Need::Certificate);
            }
            let ca = at.field("caCertCredentialName");
            self.one(report, &ca, &tls.ca_cert_credential_name, &namespaces, Need::Ca);
            self.client_ca(report, &single, tls, &namespaces);
        }
    }

    /// One reference, in each namespace where the gateway has pods.
    fn one(&self, report: &mut Report<'_>, at: &At<'_>, text: &str, pods: &[&str], need: Need) {
        let Some(credential) = Credential::read(text) else { return };
        let name = credential.name;
        let named = self.named(name);
        let places: Vec<&str> = credential.namespace.map_or_else(|| pods.to_vec(), |only| vec![only]);
        if places.is_empty() && named.is_empty() {
            let message = format!("there is no Secret `{}` in any namespace (IST0101)", show(name));
            report.error(CODE, at, message).help("create it in the namespace of the gateway's pods");
            return;
        }
        for place in places {
            let Some(secret) = self.get(place, name) else {
                let message = format!(
                    "there is no Secret `{}` in the namespace `{}` (IST0101)",
                    show(name),
                    show(place)
                );
                let added = report.error(CODE, at, message);
                match (named.first(), credential.namespace) {
                    (Some((other, _)), None) => added.help(format!(
                        "there is one in `{other}`, but it is read from where the gateway's pods are; put it there"
                    )),
                    (Some((other, _)), Some(_)) => added.help(format!("there is one in `{other}`")),
                    (None, _) => added.help("connections are refused until it is there; create it"),
                };
                return;
            };
            let usable = match need {
                Need::Certificate => has(secret, &["cert", "key"]) || has(secret, &["tls.crt", "tls.key"]),
                Need::Ca => has_ca(secret),
            };
            if !usable {
                let (what, keys) = match need {
                    Need::Certificate => {
                        ("certificate and key", "`tls.crt` and `tls.key`, or `cert` and `key`,")
                    }
                    Need::Ca => ("CA", "`cacert` or `ca.crt`"),
                };
                let message =
                    format!("the Secret `{}` of `{}` has no {what} (IST0161)", show(name), show(place));
                report.error(CODE, at, message).help(format!("it must have {keys} with PEM text"));
                return;
            }
        }
    }

    /// The CA of client certificates: in the Secret itself, or in the one named `<name>-cacert`.
    fn client_ca(&self, report: &mut Report<'_>, at: &At<'_>, tls: &ServerTlsSettings, pods: &[&str]) {
        if tls.mode == ServerTlsMode::Simple
            || !tls.ca_cert_credential_name.is_empty()
            || !tls.ca_certificates.is_empty()
        {
            return;
        }
        let Some(credential) = Credential::read(&tls.credential_name) else { return };
        let places: Vec<&str> = credential.namespace.map_or_else(|| pods.to_vec(), |only| vec![only]);
        for place in places {
            let Some(secret) = self.get(place, credential.name) else { continue };
            let beside = format!("{}-cacert", credential.name);
            if has_ca(secret) || self.get(place, &beside).is_some_and(has_ca) {
                continue;
            }
            let message = format!(
                "the Secret `{}` of `{}` has no CA for the clients' certificates (IST0161)",
                show(credential.name),
                show(place)
            );
            let help = format!("add `ca.crt` to it, or to a Secret `{}`", show(&beside));
            report.error(CODE, at, message).help(help);
            return;
        }
    }
}

/// True when the Secret has text under all of the keys.
fn has(secret: &Secret, keys: &[&str]) -> bool {
    let text = |key: &&str| secret.string_data.get(*key).or_else(|| secret.data.get(*key));
    keys.iter().all(|key| text(key).is_some_and(|found| !found.expose().trim().is_empty()))
}

fn has_ca(secret: &Secret) -> bool {
    has(secret, &["cacert"]) || has(secret, &["ca.crt"])
}
