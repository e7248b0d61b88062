//! From texts to a checked configuration.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::{IpNet, Ipv4Net};

use super::builder::CaptureConfigBuilder;
use super::settings::{self, Id, SETTINGS, Values};
use super::{ApplyOptions, CaptureConfig, DnsCapture, InterfaceName, IptablesVariant, Mode};
use crate::cidrs::{self, CidrSet};
use crate::error::{ConfigError, ConfigErrorKind};
use crate::finding::{Finding, Severity, Validation};
use crate::numeral::Numeral;
use crate::owner::{OwnerGroups, parse_ids};
use crate::ports::{Port, PortSet, parse_list, split_list};

/// The most owner groups one rule takes (`IPT-CFG-40`, `IPT-VAL-16`).
const MAX_OWNER_GROUPS: usize = 64;

pub(super) fn build(builder: CaptureConfigBuilder) -> Result<CaptureConfig, ConfigError> {
    let CaptureConfigBuilder {
        values,
        ipv6,
        ipv6_on_loopback,
        has_unused_ipv6,
        servers,
        envoy_user,
        validation,
        mut findings,
    } = builder;
    refuse_separators(&values)?;
    let outbound_ranges = CidrSet::parse(values.text(Id::ServiceCidr), values.text(Id::ServiceExcludeCidr))?;
    let loopback = loopback_cidr(values.text(Id::LoopbackCidr))?;
    let owner_groups = owner_groups(&values)?;
    let apply = apply_options(&values)?;

    let proxy_uid = match values.text(Id::ProxyUid) {
        "" => envoy_user.unwrap_or(1337).to_string(),
        given => given.to_owned(),
    };
    let proxy_gid = match values.text(Id::ProxyGid) {
        "" => &proxy_uid,
        given => given,
    };

    let mut servers = servers;
    if validation == Validation::Strict {
        for zoned in servers.take_zoned() {
            let message = format!("resolver `{zoned}` has a zone, which ip6tables refuses; it is left out");
            findings.push(Finding::advice("IPT-CFG-53", "redirect-dns", zoned.to_string(), message));
        }
    }
    let resolvers: Vec<IpAddr> =
        servers.ipv4().iter().chain(servers.ipv6()).map(super::NameServer::address).collect();
    let dns = if !values.flag(Id::RedirectDns) {
        DnsCapture::Off
    } else if values.flag(Id::CaptureAllDns) {
        DnsCapture::All
    } else if servers.is_empty() {
        let message = "no resolver is known, DNS capture stays off".to_owned();
        findings.push(Finding::advice("IPT-CFG-54", "redirect-dns", "true", message));
        DnsCapture::Off
    } else {
        DnsCapture::Servers(servers)
    };

    let mut config = CaptureConfig {
        outbound_port: Port::parse(values.text(Id::OutboundPort)),
        inbound_port: Port::parse(values.text(Id::InboundPort)),
        inbound_port_by_default: !values.is_given(Id::InboundPort),
        tunnel_port: Port::parse(values.text(Id::TunnelPort)),
        proxy_uids: parse_ids(&proxy_uid),
        proxy_gids: parse_ids(proxy_gid),
        mode: Mode::parse(values.text(Id::Mode)),
        inbound_ports: PortSet::parse(values.text(Id::InboundPorts), values.text(Id::InboundExclude)),
        outbound_ranges,
        outbound_include_ports: parse_list(values.text(Id::OutboundPorts)),
        outbound_exclude_ports: parse_list(values.text(Id::OutboundExclude)),
        exclude_interfaces: interfaces(values.text(Id::ExcludeInterfaces)),
        virtual_interfaces: interfaces(values.text(Id::VirtualInterfaces)),
        tproxy_mark: Numeral::parse(values.text(Id::TproxyMark)),
        tproxy_route_table: Numeral::parse(values.text(Id::TproxyTable)),
        dns,
        drop_invalid: values.flag(Id::DropInvalid),
        dual_stack: values.flag(Id::DualStack),
        ipv6,
        owner_groups,
        loopback,
        validation,
        apply,
        findings,
    };
    super::strict::check(&mut config, ipv6_on_loopback);
    let inbound_exclude = values.text(Id::InboundExclude);
    super::advice::check(
        &mut config,
        &super::advice::Given { inbound_exclude, resolvers: &resolvers, has_unused_ipv6 },
    );
    if validation == Validation::Strict
        && let Some(index) = config.findings.iter().position(|finding| finding.severity == Severity::Error)
    {
        return Err(config.findings.swap_remove(index).into_error());
    }
    Ok(config)
}

/// DIFFERENCE (IPT-VAL-01): Istio copies any text into the restore input. A line break there would start a
/// rule of its own, and so would a semicolon in nftables' text, so control characters and semicolons are refused even
/// in compat mode.
fn refuse_separators(values: &Values) -> Result<(), ConfigError> {
    for id in [
        Id::OutboundPort,
        Id::InboundPort,
        Id::TunnelPort,
        Id::ProxyUid,
        Id::ProxyGid,
        Id::InboundPorts,
        Id::InboundExclude,
        Id::ExcludeInterfaces,
        Id::OutboundPorts,
        Id::OutboundExclude,
        Id::VirtualInterfaces,
        Id::TproxyMark,
        Id::TproxyTable,
        Id::OwnerGroups,
        Id::OwnerGroupsExclude,
    ] {
        let text = values.text(id);
        if text.contains(char::is_control) {
            let name = SETTINGS.get(id as usize).map_or("", |setting| setting.name);
            let message = format!(
                "`{}` holds a control character, which would break the rule text",
                text.escape_debug()
            );
            return Err(ConfigError::new(name, text, "IPT-VAL-01", ConfigErrorKind::Invalid, message));
        }
        if text.contains(';') {
            let name = SETTINGS.get(id as usize).map_or("", |setting| setting.name);
            let message = format!("`{text}` holds a semicolon, which ends a command of nftables");
            return Err(ConfigError::new(name, text, "IPT-VAL-01", ConfigErrorKind::Invalid, message));
        }
    }
    Ok(())
}

fn interfaces(list: &str) -> Vec<InterfaceName> {
    split_list(list).map(Arc::from).collect()
}

fn loopback_cidr(text: &str) -> Result<Ipv4Net, ConfigError> {
    const OPTION: &str = "ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR";
    let refuse = |why: &str| {
        let message = format!("`{text}` is not a loopback range: {why}, such as `127.0.0.1/32`");
        ConfigError::new(OPTION, text, "IPT-CFG-42", ConfigErrorKind::Invalid, message)
    };
    match cidrs::parse_range(OPTION, text) {
        Ok(IpNet::V4(range)) if !IpAddr::V4(range.addr()).is_loopback() => {
            Err(refuse("an address in 127.0.0.0/8 is needed"))
        }
        Ok(IpNet::V4(range)) if range.prefix_len() < 8 => Err(refuse("the length must be 8 to 32")),
        Ok(IpNet::V4(range)) => Ok(range),
        Ok(IpNet::V6(_)) => Err(refuse("an IPv4 range is needed")),
        Err(_) => Err(refuse("address/length is needed")),
    }
}

fn owner_groups(values: &Values) -> Result<OwnerGroups, ConfigError> {
    const OPTION: &str = "ISTIO_OUTBOUND_OWNER_GROUPS";
    let include = values.text(Id::OwnerGroups);
    let groups = OwnerGroups::parse(include, values.text(Id::OwnerGroupsExclude));
    match &groups {
        OwnerGroups::Only(only) if only.len() > MAX_OWNER_GROUPS => {
            let message =
                format!("{} groups are listed, one rule takes at most {MAX_OWNER_GROUPS}", only.len());
            Err(ConfigError::new(OPTION, include, "IPT-CFG-40", ConfigErrorKind::TooMany, message))
        }
        _ => Ok(groups),
    }
}

fn apply_options(values: &Values) -> Result<ApplyOptions, ConfigError> {
    let force_variant = match values.text(Id::ForceBinary) {
        "" => None,
        "legacy" => Some(IptablesVariant::Legacy),
        "nft" => Some(IptablesVariant::Nft),
        other => {
            let message =
                format!("`{other}` is no iptables variant, write `legacy` or `nft` or leave it empty");
            return Err(ConfigError::new(
                "force-iptables-binary",
                other,
                "IPT-CFG-33",
                ConfigErrorKind::Invalid,
                message,
            ));
        }
    };
    Ok(ApplyOptions {
        dry_run: values.flag(Id::DryRun),
        skip_rule_apply: values.flag(Id::SkipRuleApply),
        run_validation: values.flag(Id::RunValidation),
        probe_port: settings::parse_port(values.text(Id::ProbePort)).unwrap_or(15002),
        probe_timeout: settings::parse_duration(values.text(Id::ProbeTimeout))
            .unwrap_or(Duration::from_secs(5)),
        network_namespace: values.text(Id::NetworkNamespace).to_owned(),
        cni_mode: values.flag(Id::CniMode),
        reconcile: values.flag(Id::Reconcile),
        cleanup_only: values.flag(Id::CleanupOnly),
        force_apply: values.flag(Id::ForceApply),
        native_nftables: values.flag(Id::NativeNftables),
        force_variant,
    })
}
