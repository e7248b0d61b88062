//! Secrets that Gateways name (MODEL-ANA-17, MODEL-K8S-6, MODEL-RES-40, MODEL-RES-41, MODEL-PIT-20).

use super::gateway_pods::GatewayPods;
use crate::common::{ServerTlsMode, ServerTlsSettings};
use crate::kubernetes::Secret;
use crate::networking::Gateway;
use crate::networking::gateway::Server;
use crate::object::Object;
use crate::resolve::{Credential, server_hosts};
use crate::validate::report::{At, Report, show};
use crate::validate::secret::{ServerNames, no_certificate, no_root};
use std::collections::{BTreeSet, HashMap};

const CODE: &str = "MODEL-ANA-17";

/// Namespace and name of a Secret; no namespace when nobody knows it.
type Place<'p> = (&'p str, &'p str);

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
        // Where no Secret is given, they are known to somebody else.
        if self.by_name.is_empty() {
            return;
        }
        let homes = &pods.of(gateway).namespaces;
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
            let at = servers.index(number);
            let at_tls = at.field("tls");
            let single = at_tls.field("credentialName");
            let list = at_tls.field("credentialNames");
            let mut certificates = self.one(report, &single, &tls.credential_name, homes, Need::Certificate);
            for (number, name) in tls.credential_names.iter().enumerate() {
                certificates.extend(self.one(report, &list.index(number), name, homes, Need::Certificate));
            }
            for place in certificates {
                self.hosts(report, &at, server, place);
            }
            let ca = at_tls.field("caCertCredentialName");
            self.one(report, &ca, &tls.ca_cert_credential_name, homes, Need::Ca);
            self.client_ca(report, &single, tls, homes);
        }
    }

    /// Where a Secret is looked for: in each namespace where the gateway has pods, or, when nobody knows them, where
    /// the only one of its name is. None for what is no Secret, such as a ConfigMap or the workload's own certificate.
    fn places<'p>(&self, text: &'p str, homes: &BTreeSet<&'p str>) -> BTreeSet<Place<'p>>
    where
        'o: 'p,
    {
        let place = |home: &'p str| match Credential::parse(text, home) {
            Credential::Secret { namespace, name } => Some((namespace, name)),
            _ => None,
        };
        if !homes.is_empty() {
            return homes.iter().copied().filter_map(place).collect();
        }
        // A namespace cannot be empty, so that an empty one is what the text does not name.
        match place("") {
            Some(("", name)) => match self.named(name) {
                [(only, _)] => BTreeSet::from([(*only, name)]),
                [] => BTreeSet::from([("", name)]),
                _ => BTreeSet::new(),
            },
            named => named.into_iter().collect(),
        }
    }

    /// Checks one reference; returns where the Secret was found.
    fn one<'p>(
        &self,
        report: &mut Report<'_>,
        at: &At<'_>,
        text: &'p str,
        homes: &BTreeSet<&'p str>,
        need: Need,
    ) -> Vec<Place<'p>>
    where
        'o: 'p,
    {
        let mut found = Vec::new();
        for (place, name) in self.places(text, homes) {
            let Some(secret) = self.get(place, name) else {
                let within = match place {
                    "" => "in any namespace".to_owned(),
                    _ => format!("in the namespace `{}`", show(place)),
                };
                let message = format!("there is no Secret `{}` {within} (IST0101)", show(name));
                let added = report.error(CODE, at, message);
                match self.named(name).first() {
                    Some((other, _)) if homes.contains(place) => added.help(format!(
                        "there is one in `{other}`, but it is read from where the gateway's pods are; put it there"
                    )),
                    Some((other, _)) => added.help(format!("there is one in `{other}`")),
                    None if place.is_empty() => added.help("create it in the namespace of the gateway's pods"),
                    None => added.help("connections are refused until it is there; create it"),
                };
                return found;
            };
            let (fault, keys) = match need {
                Need::Certificate => {
                    (no_certificate(secret), "`tls.crt` and `tls.key`, or `cert` and `key`,")
                }
                Need::Ca => (no_root(secret), "`cacert` or `ca.crt`"),
            };
            if let Some(fault) = fault {
                let message = format!("the Secret `{}` of `{}` {fault} (IST0161)", show(name), show(place));
                report.error(CODE, at, message).help(format!("it must have {keys} with PEM text"));
                return found;
            }
            found.push((place, name));
        }
        found
    }

    /// The CA of client certificates: in the Secret itself, or in the one named `<name>-cacert`.
    fn client_ca(
        &self,
        report: &mut Report<'_>,
        at: &At<'_>,
        tls: &ServerTlsSettings,
        homes: &BTreeSet<&str>,
    ) {
        if tls.mode == ServerTlsMode::Simple
            || !tls.ca_cert_credential_name.is_empty()
            || !tls.ca_certificates.is_empty()
        {
            return;
        }
        for (place, name) in self.places(&tls.credential_name, homes) {
            let Some(secret) = self.get(place, name) else { continue };
            let beside = format!("{name}-cacert");
            if [Some(secret), self.get(place, &beside)]
                .into_iter()
                .flatten()
                .any(|one| no_root(one).is_none())
            {
                continue;
            }
            let message = format!(
                "the Secret `{}` of `{}` has no CA for the clients' certificates (IST0161)",
                show(name),
                show(place)
            );
            let help = format!("add `ca.crt` to it, or to a Secret `{}`", show(&beside));
            report.error(CODE, at, message).help(help);
            return;
        }
    }

    /// MODEL-K8S-6: hosts that clients do not accept the certificate for.
    fn hosts(&self, report: &mut Report<'_>, at: &At<'_>, server: &Server, (namespace, name): Place<'_>) {
        let Some(names) = self.get(namespace, name).and_then(ServerNames::of) else { return };
        let at = at.field("hosts");
        let shown = names.shown();
        for (index, host) in server_hosts(&server.hosts, report.namespace()).into_iter().enumerate() {
            if host.host == "*" || names.covers(&host.host) {
                continue;
            }
            let at = at.index(index);
            let (secret, host) = (format!("{}/{}", show(namespace), show(name)), show(&host.host));
            match &shown {
                Some(shown) => report
                    .warning(
                        "MODEL-K8S-6",
                        &at,
                        format!(
                            "the certificate in the Secret {secret} is not for `{host}`, but for {shown}"
                        ),
                    )
                    .help("clients refuse it; put a certificate for the host there"),
                None => report
                    .warning(
                        "MODEL-K8S-6",
                        &at,
                        format!(
                            "the certificate in the Secret {secret} is for no host, thus not for `{host}`"
                        ),
                    )
                    .help("put one with a subjectAltName there; most clients do not look at its subject"),
            };
        }
    }
}
