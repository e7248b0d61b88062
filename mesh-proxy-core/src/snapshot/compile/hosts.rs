//! The domains under which a sidecar knows a service (section 2.1 of the route reference).

use std::net::{IpAddr, Ipv6Addr};

use mesh_model::resolve::{Service, ServiceResolution, ServiceSource};

/// The domains of a service as a sidecar sees it.
#[derive(Debug, Default)]
pub(super) struct Domains {
    /// All of them, in order of precedence.
    pub(super) all: Vec<String>,
    /// Those that only shorten the full name: they give way to a service of that very name (ROUTE-APPLY-29).
    pub(super) short: Vec<String>,
}

/// The domains of `service` and of its `aliases` for a proxy in `namespace` (ROUTE-HOST-01, -02, -04 to -06).
///
/// A proxy's DNS domain is always `<namespace>.svc.<cluster domain>` here, so ROUTE-HOST-03 has no case.
pub(super) fn domains(
    service: &Service,
    aliases: &[&Service],
    namespace: &str,
    cluster_domain: &str,
) -> Domains {
    let mut out = Domains::default();
    for name in std::iter::once(service).chain(aliases.iter().copied()) {
        out.add_names(&name.hostname, namespace, cluster_domain);
    }
    if service.source == ServiceSource::Kubernetes && service.resolution == ServiceResolution::Passthrough {
        // Pods of a headless service have names below it.
        let below = |names: &[String]| names.iter().map(|name| format!("*.{name}")).collect::<Vec<_>>();
        out.all.extend(below(&out.all));
        out.short.extend(below(&out.short));
    }
    for address in &service.addresses {
        if let Ok(ip) = address.parse::<IpAddr>()
            && !ip.is_unspecified()
        {
            out.all.push(literal(&ip.to_string()));
        }
    }
    out
}

impl Domains {
    fn add_names(&mut self, hostname: &str, namespace: &str, cluster_domain: &str) {
        if hostname.parse::<IpAddr>().is_ok() {
            self.all.push(literal(hostname));
            return;
        }
        self.all.push(hostname.to_owned());
        self.all.push(format!("{hostname}."));
        let shorter = hostname
            .strip_suffix(cluster_domain)
            .and_then(|name| name.strip_suffix(".svc."))
            .and_then(|name| Some((name, name.split_once('.')?)));
        if let Some((qualified, (name, its_namespace))) = shorter {
            let with_svc = format!("{qualified}.svc");
            let short = if its_namespace == namespace {
                vec![name.to_owned(), with_svc, qualified.to_owned()]
            } else {
                vec![qualified.to_owned(), with_svc]
            };
            self.all.extend(short.iter().cloned());
            self.short.extend(short);
        }
    }
}

/// A host as a domain: an IPv6 address in brackets, anything else as it is.
pub(super) fn literal(host: &str) -> String {
    if host.parse::<Ipv6Addr>().is_ok() { format!("[{host}]") } else { host.to_owned() }
}
