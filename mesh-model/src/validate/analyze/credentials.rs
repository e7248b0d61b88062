//! Certificates that Gateways name (MODEL-K8S-6, MODEL-RES-41).

use super::index::Index;
use crate::common::{ServerTlsMode, StringMap};
use crate::networking::Gateway;
use crate::networking::gateway::Server;
use crate::object::{Body, Object};
use crate::resolve::{Credential, selects, server_hosts};
use crate::validate::report::{At, Report, show};
use crate::validate::secret::ServerNames;
use std::collections::{BTreeSet, HashMap};

/// Secrets, and where pods of gateways may run.
#[derive(Default)]
pub(super) struct Credentials<'o> {
    secrets: HashMap<(&'o str, &'o str), &'o Object>,
    /// Namespace and labels of pods, and of the pods that workloads make.
    pods: Vec<(&'o str, &'o StringMap)>,
}

impl<'o> Credentials<'o> {
    pub(super) fn new(index: &Index<'o>) -> Self {
        let mut out = Self::default();
        for object in index.objects {
            let namespace = object.metadata.namespace.as_str();
            let labels = match &object.body {
                Body::Secret(_) => {
                    out.secrets.insert((namespace, &object.metadata.name), object);
                    continue;
                }
                Body::Pod(_) => &object.metadata.labels,
                Body::Deployment(found) => &found.spec.template.metadata.labels,
                Body::StatefulSet(found) => &found.spec.template.metadata.labels,
                Body::DaemonSet(found) => &found.spec.template.metadata.labels,
                _ => continue,
            };
            out.pods.push((namespace, labels));
        }
        out
    }

    pub(super) fn check(&self, report: &mut Report<'_>, gateway: &Gateway) {
        // Where no secret is given, they are known to somebody else.
        let named = |server: &Server| {
            server
                .tls
                .as_ref()
                .is_some_and(|tls| !tls.credential_name.is_empty() || !tls.credential_names.is_empty())
        };
        if self.secrets.is_empty() || !gateway.servers.iter().any(named) {
            return;
        }
        let own = report.namespace();
        let selected = self
            .pods
            .iter()
            .filter(|(_, labels)| !gateway.selector.is_empty() && selects(&gateway.selector, labels));
        let workloads: BTreeSet<&str> = selected.map(|(namespace, _)| *namespace).collect();
        let spec = At::OBJECT.field("spec");
        let servers = spec.field("servers");
        for (index, server) in gateway.servers.iter().enumerate() {
            self.server(report, &servers.index(index), server, own, &workloads);
        }
    }

    fn server(
        &self,
        report: &mut Report<'_>,
        at: &At<'_>,
        server: &Server,
        own: &str,
        workloads: &BTreeSet<&str>,
    ) {
        let Some(tls) = &server.tls else { return };
        let terminates =
            matches!(tls.mode, ServerTlsMode::Simple | ServerTlsMode::Mutual | ServerTlsMode::OptionalMutual);
        if !terminates {
            return;
        }
        let at_tls = at.field("tls");
        let single = at_tls.field("credentialName");
        let list = at_tls.field("credentialNames");
        let mut all: Vec<(At<'_>, &str)> = Vec::new();
        if !tls.credential_name.is_empty() {
            all.push((single, &tls.credential_name));
        }
        all.extend(tls.credential_names.iter().enumerate().map(|(at, name)| (list.index(at), name.as_str())));
        for (place, text) in all {
            let homes = if workloads.is_empty() { BTreeSet::from([own]) } else { workloads.clone() };
            for home in homes {
                let Credential::Secret { namespace, name } = Credential::parse(text, home) else { continue };
                match self.secrets.get(&(namespace, name)) {
                    Some(secret) => names(report, at, server, secret, own),
                    None if namespace == home && home != own && self.secrets.contains_key(&(own, name)) => {
                        report
                            .warning(
                                "MODEL-RES-41",
                                &place,
                                format!(
                                    "the Secret `{}` is looked for in `{}`, where the pods of the gateway run, and \
                                     is in `{}`",
                                    show(name),
                                    show(home),
                                    show(own)
                                ),
                            )
                            .help(format!("create it in `{}`", show(home)));
                    }
                    None => {}
                }
            }
        }
    }
}

/// MODEL-K8S-6: hosts that clients do not accept the certificate for.
fn names(report: &mut Report<'_>, at: &At<'_>, server: &Server, secret: &Object, own: &str) {
    let Some(names) = secret.as_secret().and_then(ServerNames::of) else { return };
    let at = at.field("hosts");
    for (index, host) in server_hosts(&server.hosts, own).into_iter().enumerate() {
        if host.host == "*" || names.covers(&host.host) {
            continue;
        }
        report
            .warning(
                "MODEL-K8S-6",
                &at.index(index),
                format!(
                    "the certificate in the {} is not for `{}`, but for {}",
                    secret.reference(),
                    show(&host.host),
                    names.shown()
                ),
            )
            .help("clients refuse it; put a certificate for the host there");
    }
}
