//! What users trip over (section 10) and what would break an invariant (section 6.8), as far as options show it.

use std::net::IpAddr;

use super::{CaptureConfig, DnsCapture, Mode};
use crate::finding::Finding;
use crate::ports::{Port, join_list, parse_list};

/// The ports a pod is watched through; captured, they never answer as the kubelet expects.
const HEALTH_PORTS: [u16; 3] = [15020, 15021, 15090];

/// What the configuration no longer shows once it is made.
pub(super) struct Given<'b> {
    /// The inbound excludes as text; a list include ignores them.
    pub(super) inbound_exclude: &'b str,
    /// The pod's resolvers, also where all queries are captured.
    pub(super) resolvers: &'b [IpAddr],
    /// The pod has an IPv6 address that rules do not cover.
    pub(super) has_unused_ipv6: bool,
}

/// Appends what it finds to `config.findings`.
pub(super) fn check(config: &mut CaptureConfig, given: &Given<'_>) {
    let mut found = std::mem::take(&mut config.findings);
    listeners(config, &mut found);
    interfaces(config, &mut found);
    ports(config, given, &mut found);
    ranges(config, given, &mut found);
    families(config, given, &mut found);
    config.findings = found;
}

/// The tunnel port is exempt from inbound capture, so a listener that is also the tunnel port is open to the
/// outside.
fn listeners(config: &CaptureConfig, found: &mut Vec<Finding>) {
    let tunnel = &config.tunnel_port;
    let listeners = [&config.outbound_port, &config.inbound_port];
    if tunnel.number().is_some() && listeners.iter().any(|port| port.number() == tunnel.number()) {
        let message = format!(
            "port `{tunnel}` is also a listener of the proxy, which the tunnel's exemption would open to everybody"
        );
        found.push(Finding::error("IPT-VAL-09", "inbound-tunnel-port", tunnel.to_string(), message));
    }
}

fn interfaces(config: &CaptureConfig, found: &mut Vec<Finding>) {
    for name in config.exclude_interfaces.iter().filter(|name| config.virtual_interfaces.contains(name)) {
        let message = format!(
            "`{name}` is also listed in kube-virt-interfaces, whose rules come first, so it is captured all the same"
        );
        found.push(Finding::error("INV-04", "istio-exclude-interfaces", &**name, message));
    }
    if config.mode == Mode::Tproxy && !config.inbound_ports.is_none() && !config.virtual_interfaces.is_empty()
    {
        let list = join_list(&config.virtual_interfaces);
        let message = format!(
            "`{list}` is captured as inbound in TPROXY mode, with its destination lost; use REDIRECT or capture nothing inbound"
        );
        found.push(Finding::error("IPT-VAL-17", "kube-virt-interfaces", list, message));
    }
}

fn ports(config: &CaptureConfig, given: &Given<'_>, found: &mut Vec<Finding>) {
    const EXCLUDE: &str = "istio-local-exclude-ports";
    if config.outbound_ranges.is_all() && !config.outbound_include_ports.is_empty() {
        let list = join_list(&config.outbound_include_ports);
        let message = format!("`{list}` narrows nothing while istio-service-cidr is `*`, empty that");
        found.push(Finding::advice("TRB-22", "istio-outbound-ports", list, message));
    }
    if config.inbound_ports.listed().is_some() {
        let mesh =
            |port: &Port| port.number().is_some_and(|number| super::strict::MESH_PORTS.contains(&number));
        let ignored: Vec<Port> =
            parse_list(given.inbound_exclude).into_iter().filter(|port| !mesh(port)).collect();
        if !ignored.is_empty() {
            let list = join_list(&ignored);
            let message = format!("`{list}` has no effect beside a list of included ports");
            found.push(Finding::advice("TRB-22", EXCLUDE, list, message));
        }
    }
    if config.inbound_ports.all_except().is_some() {
        let captured: Vec<u16> =
            HEALTH_PORTS.into_iter().filter(|port| config.inbound_ports.contains(*port)).collect();
        if !captured.is_empty() {
            let list = join_list(captured);
            let message =
                format!("`{list}` is not excluded, probes and metrics of the proxy itself are captured");
            found.push(Finding::advice("TRB-24", EXCLUDE, list, message));
        }
    }
}

fn ranges(config: &CaptureConfig, given: &Given<'_>, found: &mut Vec<Finding>) {
    const EXCLUDE: &str = "istio-service-exclude-cidr";
    for range in config.outbound_ranges.excluded() {
        if range.prefix_len() == 0 && config.outbound_ranges.is_all() {
            let message = format!("`{range}` turns outbound capture off for its address family");
            found.push(Finding::advice("TRB-23", EXCLUDE, range.to_string(), message));
        }
        let still_captured = match &config.dns {
            DnsCapture::Off => false,
            DnsCapture::All => true,
            DnsCapture::Servers(_) => given.resolvers.iter().any(|server| range.contains(server)),
        };
        if still_captured {
            let message =
                format!("DNS queries into `{range}` are captured all the same, DNS rules come first");
            found.push(Finding::advice("TRB-20", EXCLUDE, range.to_string(), message));
        }
    }
    let local = given.resolvers.iter().find(|server| server.to_canonical().is_loopback());
    if let (DnsCapture::All, Some(server)) = (&config.dns, local) {
        let message = format!(
            "resolver `{server}` is in the pod: what it asks is captured too and comes back to it, unless it runs as the proxy's user"
        );
        found.push(Finding::advice("TRB-28", "capture-all-dns", server.to_string(), message));
    }
}

fn families(config: &CaptureConfig, given: &Given<'_>, found: &mut Vec<Finding>) {
    if given.has_unused_ipv6 && !config.ipv6 {
        let message = "the pod has an IPv6 address but IPv6 is off, its IPv6 traffic goes past the proxy; set dual-stack"
            .to_owned();
        found.push(Finding::advice("TRB-06", "dual-stack", "false", message));
    }
}
