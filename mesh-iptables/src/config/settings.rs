//! The options of section 1 as a table, and one value each with the place it came from.
//!
//! Precedence is a property of the value, not of the order of calls (rule `IPT-CFG-01`): default, then the
//! environment variable named after the flag, then the additional variable, then the command line.

use std::time::Duration;

use crate::error::{ConfigError, ConfigErrorKind};

/// Where a value came from; a later variant wins.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Source {
    Environment,
    AdditionalEnvironment,
    CommandLine,
}

/// What an option's text must be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Text,
    Bool,
    Port,
    Duration,
}

/// One option of Istio's generator.
pub(super) struct Setting {
    /// The flag without dashes, or the variable for options that exist only in the environment.
    pub(super) name: &'static str,
    pub(super) short: Option<char>,
    /// Whether a command line flag exists.
    pub(super) is_flag: bool,
    /// The environment variable named after the option.
    pub(super) variable: Option<&'static str>,
    /// The additional environment variable.
    pub(super) also: Option<&'static str>,
    pub(super) kind: Kind,
    pub(super) default: &'static str,
}

macro_rules! settings {
    ($($id:ident $name:literal $short:expr, $variable:expr, $also:expr, $kind:ident, $default:literal;)*) => {
        /// Names an option; the discriminant is its place in [`SETTINGS`].
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub(super) enum Id { $($id),* }

        pub(super) const SETTINGS: &[Setting] = &[$(Setting {
            name: $name,
            short: $short,
            is_flag: !is_upper_case($name),
            variable: $variable,
            also: $also,
            kind: Kind::$kind,
            default: $default,
        }),*];
    };
}

const fn is_upper_case(name: &str) -> bool {
    matches!(name.as_bytes(), [first, ..] if first.is_ascii_uppercase())
}

settings! {
    OutboundPort "envoy-port" Some('p'), None, None, Text, "15001";
    InboundPort "inbound-capture-port" Some('z'), Some("INBOUND_CAPTURE_PORT"), None, Text, "15006";
    TunnelPort "inbound-tunnel-port" Some('e'), Some("INBOUND_TUNNEL_PORT"), None, Text, "15008";
    ProxyUid "proxy-uid" Some('u'), Some("PROXY_UID"), None, Text, "";
    ProxyGid "proxy-gid" Some('g'), Some("PROXY_GID"), None, Text, "";
    Mode "istio-inbound-interception-mode" Some('m'), Some("ISTIO_INBOUND_INTERCEPTION_MODE"), None, Text, "";
    InboundPorts "istio-inbound-ports" Some('b'), Some("ISTIO_INBOUND_PORTS"), None, Text, "";
    InboundExclude "istio-local-exclude-ports" Some('d'), Some("ISTIO_LOCAL_EXCLUDE_PORTS"), None, Text, "";
    ExcludeInterfaces "istio-exclude-interfaces" Some('c'), Some("ISTIO_EXCLUDE_INTERFACES"), None, Text, "";
    ServiceCidr "istio-service-cidr" Some('i'), Some("ISTIO_SERVICE_CIDR"), None, Text, "";
    ServiceExcludeCidr "istio-service-exclude-cidr" Some('x'), Some("ISTIO_SERVICE_EXCLUDE_CIDR"), None, Text, "";
    OutboundPorts "istio-outbound-ports" Some('q'), Some("ISTIO_OUTBOUND_PORTS"), None, Text, "";
    OutboundExclude "istio-local-outbound-ports-exclude" Some('o'), Some("ISTIO_LOCAL_OUTBOUND_PORTS_EXCLUDE"), None, Text, "";
    VirtualInterfaces "kube-virt-interfaces" Some('k'), Some("KUBE_VIRT_INTERFACES"), None, Text, "";
    TproxyMark "istio-inbound-tproxy-mark" Some('t'), Some("ISTIO_INBOUND_TPROXY_MARK"), None, Text, "1337";
    TproxyTable "istio-inbound-tproxy-route-table" Some('r'), Some("ISTIO_INBOUND_TPROXY_ROUTE_TABLE"), None, Text, "133";
    RedirectDns "redirect-dns" None, Some("REDIRECT_DNS"), Some("ISTIO_META_DNS_CAPTURE"), Bool, "false";
    CaptureAllDns "capture-all-dns" None, Some("CAPTURE_ALL_DNS"), None, Bool, "false";
    DropInvalid "drop-invalid" None, Some("DROP_INVALID"), Some("INVALID_DROP"), Bool, "false";
    DualStack "dual-stack" None, Some("DUAL_STACK"), Some("ISTIO_DUAL_STACK"), Bool, "false";
    DryRun "dry-run" Some('n'), Some("DRY_RUN"), None, Bool, "false";
    SkipRuleApply "skip-rule-apply" None, Some("SKIP_RULE_APPLY"), None, Bool, "false";
    RunValidation "run-validation" None, Some("RUN_VALIDATION"), None, Bool, "false";
    ProbePort "iptables-probe-port" None, Some("IPTABLES_PROBE_PORT"), None, Port, "15002";
    ProbeTimeout "probe-timeout" None, Some("PROBE_TIMEOUT"), None, Duration, "5s";
    NetworkNamespace "network-namespace" None, Some("NETWORK_NAMESPACE"), None, Text, "";
    CniMode "cni-mode" None, Some("CNI_MODE"), None, Bool, "false";
    Reconcile "reconcile" None, Some("RECONCILE"), None, Bool, "false";
    CleanupOnly "cleanup-only" None, Some("CLEANUP_ONLY"), None, Bool, "false";
    ForceApply "force-apply" None, Some("FORCE_APPLY"), None, Bool, "false";
    NativeNftables "native-nftables" None, Some("NATIVE_NFTABLES"), None, Bool, "false";
    ForceBinary "force-iptables-binary" None, Some("FORCE_IPTABLES_BINARY"), None, Text, "";
    OwnerGroups "ISTIO_OUTBOUND_OWNER_GROUPS" None, Some("ISTIO_OUTBOUND_OWNER_GROUPS"), None, Text, "*";
    OwnerGroupsExclude "ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE" None, Some("ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE"), None, Text, "";
    LoopbackCidr "ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR" None, Some("ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR"), None, Text, "127.0.0.1/32";
}

/// The values given so far.
#[derive(Clone, Debug)]
pub(super) struct Values(Vec<Option<(Source, String)>>);

impl Values {
    pub(super) fn new() -> Self {
        Self(vec![None; SETTINGS.len()])
    }

    /// The text in force.
    pub(super) fn text(&self, id: Id) -> &str {
        self.text_at(id as usize)
    }

    /// The text in force of the setting at this place of the table.
    pub(super) fn text_at(&self, index: usize) -> &str {
        match self.0.get(index) {
            Some(Some((_, text))) => text,
            _ => SETTINGS.get(index).map_or("", |setting| setting.default),
        }
    }

    /// Whether any source gave a value.
    pub(super) fn is_given(&self, id: Id) -> bool {
        self.0.get(id as usize).is_some_and(Option::is_some)
    }

    /// The boolean in force. Only readable booleans are ever stored.
    pub(super) fn flag(&self, id: Id) -> bool {
        parse_bool(self.text(id)).unwrap_or(false)
    }

    /// Stores `text` unless a value from a stronger source is there.
    pub(super) fn set(&mut self, id: Id, source: Source, text: String) {
        if let Some(slot) = self.0.get_mut(id as usize)
            && slot.as_ref().is_none_or(|(held, _)| *held <= source)
        {
            *slot = Some((source, text));
        }
    }

    /// As [`Values::set`] after checking the text against the option's kind.
    pub(super) fn set_checked(
        &mut self,
        index: usize,
        source: Source,
        text: &str,
    ) -> Result<(), ConfigError> {
        let Some(setting) = SETTINGS.get(index) else { return Ok(()) };
        let what = match setting.kind {
            Kind::Text => None,
            Kind::Bool => parse_bool(text).is_none().then_some("a boolean, write `true` or `false`"),
            Kind::Port => parse_port(text).is_none().then_some("a port number from 0 to 65535"),
            Kind::Duration => parse_duration(text).is_none().then_some("a duration, write for example `5s`"),
        };
        if let Some(what) = what {
            let message = format!("`{text}` is not {what}");
            return Err(ConfigError::new(
                setting.name,
                text,
                "IPT-CFG-01",
                ConfigErrorKind::Invalid,
                message,
            ));
        }
        if let Some(slot) = self.0.get_mut(index)
            && slot.as_ref().is_none_or(|(held, _)| *held <= source)
        {
            *slot = Some((source, text.to_owned()));
        }
        Ok(())
    }
}

/// Finds a command line flag by its long name.
pub(super) fn find_flag(name: &str) -> Option<usize> {
    SETTINGS.iter().position(|setting| setting.is_flag && setting.name == name)
}

/// Finds a command line flag by its letter.
pub(super) fn find_short(letter: char) -> Option<usize> {
    SETTINGS.iter().position(|setting| setting.short == Some(letter))
}

/// Finds the option an environment variable sets, and how strongly.
pub(super) fn find_variable(name: &str) -> Option<(usize, Source)> {
    SETTINGS.iter().enumerate().find_map(|(index, setting)| {
        if setting.variable == Some(name) {
            Some((index, Source::Environment))
        } else if setting.also == Some(name) {
            Some((index, Source::AdditionalEnvironment))
        } else {
            None
        }
    })
}

/// Reads a boolean with the spellings Istio's flag library takes.
pub(crate) fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// Reads a port of an integer flag.
pub(super) fn parse_port(text: &str) -> Option<u16> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// Reads a duration such as `5s`, `1m30s`, `1.5h` or `300ms`.
pub(super) fn parse_duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    if text.is_empty() {
        return None;
    }
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at_checked(end)?;
        let unit_end = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at_checked(unit_end)?;
        let seconds = match unit {
            "ns" => 1e-9,
            "us" | "µs" | "μs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        let part = Duration::try_from_secs_f64(number.parse::<f64>().ok()? * seconds).ok()?;
        total = total.checked_add(part)?;
        rest = tail;
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ipt_cfg_01_variables_are_named_after_their_flags() {
        for setting in SETTINGS {
            let named_after = setting.name.to_uppercase().replace('-', "_");
            match setting.variable {
                Some(variable) => assert_eq!(variable, named_after),
                // IPT-CFG-02: the only rule-shaping flag without a variable.
                None => assert_eq!(setting.name, "envoy-port"),
            }
        }
        assert_eq!(find_variable("ENVOY_PORT"), None);
        assert_eq!(find_variable("INVALID_DROP").map(|found| found.1), Some(Source::AdditionalEnvironment));
    }

    #[test]
    fn ipt_cfg_26_durations() {
        let cases = [
            ("5s", Some(5000)),
            ("1m30s", Some(90_000)),
            ("1.5h", Some(5_400_000)),
            ("300ms", Some(300)),
            ("0", Some(0)),
            ("5", None),
            ("", None),
            ("s", None),
            ("-1s", None),
            ("1d", None),
        ];
        for (text, want) in cases {
            assert_eq!(parse_duration(text), want.map(Duration::from_millis), "{text}");
        }
    }
}
