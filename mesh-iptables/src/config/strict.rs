//! The checks of section 1.6: what Istio accepts although it will not work or is probably not meant.

use std::net::Ipv4Addr;

use super::{CaptureConfig, DnsCapture, Mode};
use crate::finding::Finding;
use crate::numeral::Numeral;
use crate::owner::{OwnerGroups, OwnerId};
use crate::ports::Port;

/// The address the proxy uses as its source when it calls the application on the pod's loopback.
const SELF: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 6);

/// Section 1.5.
pub(super) const MESH_PORTS: std::ops::RangeInclusive<u16> = 15000..=15100;

/// Appends what it finds to `config.findings`.
pub(super) fn check(config: &mut CaptureConfig, ipv6_on_loopback: bool) {
    let mut found = std::mem::take(&mut config.findings);
    ports(config, &mut found);
    interfaces(config, &mut found);
    owners(config, &mut found);
    ranges(config, &mut found);
    marks(config, &mut found);
    backends(config, ipv6_on_loopback, &mut found);
    config.findings = found;
}

fn ports(config: &CaptureConfig, found: &mut Vec<Finding>) {
    const INBOUND: &str = "istio-inbound-ports";
    for (option, port) in [
        ("envoy-port", &config.outbound_port),
        ("inbound-capture-port", &config.inbound_port),
        ("inbound-tunnel-port", &config.tunnel_port),
    ] {
        port_text(option, port, found);
    }
    for (option, items) in [
        (INBOUND, config.inbound_ports.listed().unwrap_or_default()),
        ("istio-local-exclude-ports", config.inbound_ports.all_except().unwrap_or_default()),
        ("istio-outbound-ports", &config.outbound_include_ports),
        ("istio-local-outbound-ports-exclude", &config.outbound_exclude_ports),
    ] {
        let is_include = matches!(option, INBOUND | "istio-outbound-ports");
        for port in items {
            port_text(option, port, found);
            let Some(number) = port.number() else { continue };
            if is_include && MESH_PORTS.contains(&number) {
                let message = format!(
                    "port `{port}` belongs to the mesh and cannot be captured, take it out of the list"
                );
                found.push(Finding::error("IPT-VAL-09", option, port.to_string(), message));
            } else if !is_include
                && [config.inbound_port.number(), config.outbound_port.number()].contains(&Some(number))
            {
                let message = format!(
                    "port `{port}` is the proxy's own listener, excluding it opens a way around the proxy"
                );
                found.push(Finding::error("IPT-VAL-09", option, port.to_string(), message));
            }
        }
    }
    if config.mode == Mode::Tproxy
        && config.tunnel_port.number().is_some_and(|port| config.inbound_ports.contains(port))
    {
        let message = format!(
            "in TPROXY mode the tunnel port `{}` is captured too, exclude it if it is used",
            config.tunnel_port
        );
        found.push(Finding::advice("INV-05", INBOUND, config.tunnel_port.to_string(), message));
    }
}

fn port_text(option: &'static str, port: &Port, found: &mut Vec<Finding>) {
    let text = port.to_string();
    match port.numeral().as_decimal() {
        Some(1..=65535) => {}
        Some(_) => {
            let message = format!("`{text}` is no port, ports are 1 to 65535");
            found.push(Finding::error("IPT-VAL-02", option, text, message));
        }
        None if text == "*" => {
            let message = "`*` is only understood as the whole include, list the ports".to_owned();
            found.push(Finding::error("IPT-VAL-03", option, text, message));
        }
        None => {
            let digits = text.trim().trim_start_matches(['+', '-']);
            let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            let (rule, message) = if is_number {
                (
                    "IPT-VAL-01",
                    format!(
                        "`{text}` has a blank, a sign or a leading zero (octal to iptables), write a plain number"
                    ),
                )
            } else {
                (
                    "IPT-VAL-02",
                    format!("`{text}` is not a port number; ranges and service names are not portable"),
                )
            };
            found.push(Finding::error(rule, option, text, message));
        }
    }
}

fn interfaces(config: &CaptureConfig, found: &mut Vec<Finding>) {
    for (option, names) in [
        ("istio-exclude-interfaces", &config.exclude_interfaces),
        ("kube-virt-interfaces", &config.virtual_interfaces),
    ] {
        for name in names.iter().filter(|name| !is_interface_name(name)) {
            let message = format!(
                "`{name}` is no interface name, at most 15 letters, digits, `_`, `.` and `-` after a first letter"
            );
            found.push(Finding::error("IPT-VAL-04", option, &**name, message));
        }
    }
}

/// Rule `IPT-ANN-21`.
pub(crate) fn is_interface_name(name: &str) -> bool {
    name.len() <= 15
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}

fn owners(config: &CaptureConfig, found: &mut Vec<Finding>) {
    for (option, ids) in [("proxy-uid", &config.proxy_uids), ("proxy-gid", &config.proxy_gids)] {
        owner_text(option, ids, found);
        if ids.is_empty() {
            let message = "no id is listed, the proxy's own traffic would be captured again".to_owned();
            found.push(Finding::error("INV-01", option, "", message));
        }
        if ids.len() > 1 {
            let list = crate::ports::join_list(ids);
            let message =
                format!("`{list}` lists several ids, only the first is captured when it calls its own pod");
            found.push(Finding::error("IPT-VAL-07", option, list, message));
        }
    }
    if config.mode == Mode::Redirect && config.proxy_uids.iter().any(|uid| uid.number() == Some(0)) {
        let message =
            "`0` makes everything that runs as root bypass the mesh, give the proxy a user of its own"
                .to_owned();
        found.push(Finding::error("IPT-VAL-13", "proxy-uid", "0", message));
    }
    if config.mode == Mode::Tproxy && config.proxy_uids.iter().any(|uid| uid.number() == Some(0)) {
        let message = "in TPROXY mode the proxy runs as `0` but must not be listed, or its calls to the application come back to it; list `1337`".to_owned();
        found.push(Finding::advice("SIM-43", "proxy-uid", "0", message));
    }
    const GROUPS: &str = "ISTIO_OUTBOUND_OWNER_GROUPS";
    match &config.owner_groups {
        OwnerGroups::AllExcept(except) => owner_text("ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE", except, found),
        OwnerGroups::Only(only) if only.is_empty() => {
            let message = "no group is listed, so nothing outbound is captured, write `*` for all".to_owned();
            found.push(Finding::error("IPT-VAL-06", GROUPS, "", message));
        }
        OwnerGroups::Only(only) => owner_text(GROUPS, only, found),
    }
}

fn owner_text(option: &'static str, ids: &[OwnerId], found: &mut Vec<Finding>) {
    for id in ids {
        match id.numeral().as_decimal() {
            Some(u32::MAX) => {
                let message = format!("`{id}` means no id and is refused by iptables");
                found.push(Finding::error("IPT-VAL-13", option, id.to_string(), message));
            }
            Some(_) => {}
            None => {
                let message = format!(
                    "`{id}` is looked up where the rules are applied and may be unknown there, write the number"
                );
                found.push(Finding::error("IPT-VAL-05", option, id.to_string(), message));
            }
        }
    }
}

fn ranges(config: &CaptureConfig, found: &mut Vec<Finding>) {
    if config.loopback.prefix_len() < 32 {
        let range = config.loopback;
        let reach =
            if range.contains(&SELF) { " and breaks the self-test, which uses 127.0.0.6" } else { "" };
        let message =
            format!("`{range}` exempts the proxy's calls to all of it{reach}, write `{}/32`", range.addr());
        found.push(Finding::error(
            "IPT-VAL-08",
            "ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR",
            range.to_string(),
            message,
        ));
    }
    for exclude in config.outbound_ranges.excluded() {
        for include in config.outbound_ranges.included().iter().filter(|include| exclude.contains(*include)) {
            let message =
                format!("`{exclude}` covers the included `{include}`, which is then never captured");
            found.push(Finding::error(
                "IPT-VAL-10",
                "istio-service-exclude-cidr",
                exclude.to_string(),
                message,
            ));
        }
    }
}

fn marks(config: &CaptureConfig, found: &mut Vec<Finding>) {
    let mut check =
        |option: &'static str, numeral: &Numeral, refused: &[u32], why: &str| match numeral.as_decimal() {
            None => {
                let message = format!("`{numeral}` is not a decimal number, which the route setup needs");
                found.push(Finding::error("IPT-VAL-11", option, numeral.to_string(), message));
            }
            Some(number) if refused.contains(&number) => {
                found.push(Finding::error(
                    "IPT-VAL-12",
                    option,
                    numeral.to_string(),
                    format!("`{numeral}` {why}"),
                ));
            }
            Some(_) => {}
        };
    check(
        "istio-inbound-tproxy-mark",
        &config.tproxy_mark,
        &[0, 1338],
        "is the unmarked value or the mark of outbound packets",
    );
    check(
        "istio-inbound-tproxy-route-table",
        &config.tproxy_route_table,
        &[0, 253, 254, 255],
        "is a table of the system",
    );
}

fn backends(config: &CaptureConfig, ipv6_on_loopback: bool, found: &mut Vec<Finding>) {
    if config.ipv6 && !ipv6_on_loopback {
        let message =
            "IPv6 is on but disabled on the loopback interface, adding `::6` there fails".to_owned();
        found.push(Finding::error("IPT-VAL-15", "dual-stack", "", message));
    }
    if !config.apply.native_nftables || config.ipv6 {
        return;
    }
    if config.outbound_ranges.is_all() || config.inbound_ports.all_except().is_some() {
        let message = "IPv6 is off, but nftables captures IPv6 as well where `*` is included".to_owned();
        found.push(Finding::advice("NFT-30", "native-nftables", "true", message));
    }
    if matches!(&config.dns, DnsCapture::Servers(servers) if servers.ipv4().is_empty()) {
        let message = "all resolvers are IPv6 but IPv6 is off, the baseline's transaction fails".to_owned();
        found.push(Finding::advice("NFT-61", "native-nftables", "true", message));
    }
}
