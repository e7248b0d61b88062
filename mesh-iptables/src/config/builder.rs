//! Collecting options from flags, environment and code.

use ipnet::Ipv4Net;

use super::facts::{HostAddresses, NameServers};
use super::settings::{self, Id, Source, Values};
use super::{CaptureConfig, Mode};
use crate::cidrs::CidrSet;
use crate::error::{ConfigError, ConfigErrorKind};
use crate::finding::{Finding, Validation};
use crate::owner::OwnerGroups;
use crate::ports::{PortSet, join_list};

/// Collects the options of a [`CaptureConfig`].
///
/// Three doors lead in: typed setters, [`args`](Self::args) with Istio's flags, and
/// [`environment`](Self::environment) with Istio's variables. A value from code or the command line wins
/// over the environment, whatever the order of calls (`IPT-CFG-01`). Facts of the machine (IPv6, resolvers,
/// the proxy user's id) come in through their own setters, because this crate looks nothing up.
///
/// # Examples
/// ```
/// use mesh_iptables::CaptureConfig;
/// let config = CaptureConfig::builder()
///     .environment([("ISTIO_META_DNS_CAPTURE", "true"), ("PROXY_UID", "1000")])
///     .args(["-p", "15001", "-u", "1337", "-i", "*", "-b", "*", "-d", "15090,15021,15020"])?
///     .build()?;
/// assert_eq!(config.proxy_uids()[0].number(), Some(1337));
/// # Ok::<(), mesh_iptables::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct CaptureConfigBuilder {
    pub(super) values: Values,
    pub(super) ipv6: bool,
    pub(super) ipv6_on_loopback: bool,
    pub(super) has_unused_ipv6: bool,
    pub(super) servers: NameServers,
    pub(super) envoy_user: Option<u32>,
    pub(super) validation: Validation,
    pub(super) findings: Vec<Finding>,
}

impl CaptureConfigBuilder {
    pub(super) fn new() -> Self {
        Self {
            values: Values::new(),
            ipv6: false,
            ipv6_on_loopback: true,
            has_unused_ipv6: false,
            servers: NameServers::default(),
            envoy_user: None,
            validation: Validation::Compat,
            findings: Vec::new(),
        }
    }

    fn code(mut self, id: Id, text: String) -> Self {
        self.values.set(id, Source::CommandLine, text);
        self
    }

    /// A doubt that arose while the options were collected.
    pub(crate) fn finding(mut self, finding: Finding) -> Self {
        self.findings.push(finding);
        self
    }

    // ---- Istio's own names ----

    /// The text in force for an option, by its flag name or, for options without a flag, its variable. `None`
    /// if there is no such option. Unset numbers of the proxy user read as empty text here.
    pub fn value(&self, option: &str) -> Option<&str> {
        settings::SETTINGS
            .iter()
            .position(|setting| setting.name == option)
            .map(|index| self.values.text_at(index))
    }

    /// Sets one option by its long flag name, without dashes.
    ///
    /// # Errors
    /// No flag has this name, or the value is not of its type.
    pub fn flag(mut self, name: &str, value: &str) -> Result<Self, ConfigError> {
        let index = settings::find_flag(name).ok_or_else(|| unknown(name))?;
        self.values.set_checked(index, Source::CommandLine, value)?;
        Ok(self)
    }

    /// Reads a command line in Istio's syntax: `--name value`, `--name=value`, `-x value`, `-xvalue`, and
    /// booleans that need no value (`--redirect-dns`). Istio's logging flags (`--log_…`) are passed over.
    ///
    /// # Errors
    /// An unknown flag, a missing value, a value of the wrong type, or an argument that is no flag.
    pub fn args<S: AsRef<str>>(mut self, args: impl IntoIterator<Item = S>) -> Result<Self, ConfigError> {
        let mut args = args.into_iter();
        while let Some(arg) = args.next() {
            let arg = arg.as_ref();
            if let Some(logging) = arg.strip_prefix("--log_") {
                // `--log_as_json` and its like are booleans; the others take a value.
                let takes_value = !logging.contains('=') && !matches!(logging, "as_json");
                if takes_value {
                    let _ignored = args.next();
                }
                continue;
            }
            let (index, inline) = if let Some(long) = arg.strip_prefix("--") {
                let (name, value) =
                    long.split_once('=').map_or((long, None), |(name, value)| (name, Some(value)));
                (settings::find_flag(name), value)
            } else if let Some(short) = arg.strip_prefix('-') {
                let mut letters = short.chars();
                let index = letters.next().and_then(settings::find_short);
                let rest = letters.as_str();
                (index, (!rest.is_empty()).then(|| rest.strip_prefix('=').unwrap_or(rest)))
            } else {
                (None, None)
            };
            let Some((index, setting)) =
                index.and_then(|index| Some((index, settings::SETTINGS.get(index)?)))
            else {
                return Err(unknown(arg));
            };
            let following;
            let value = match inline {
                Some(value) => value,
                None if setting.kind == settings::Kind::Bool => "true",
                None => {
                    following = args.next().ok_or_else(|| {
                        let message = "a value is missing after the flag".to_owned();
                        ConfigError::new(
                            setting.name,
                            "",
                            "IPT-CFG-01",
                            ConfigErrorKind::MissingValue,
                            message,
                        )
                    })?;
                    following.as_ref()
                }
            };
            self.values.set_checked(index, Source::CommandLine, value)?;
        }
        Ok(self)
    }

    /// Reads environment variables; other variables are passed over, and a value that is not of its option's
    /// type is ignored, as Istio does (`IPT-CFG-01`).
    pub fn environment<K: AsRef<str>, V: AsRef<str>>(
        mut self,
        variables: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        for (name, value) in variables {
            if let Some((index, source)) = settings::find_variable(name.as_ref()) {
                // Ignored on purpose: Istio ignores it too, and the option keeps its weaker value.
                let _ignored = self.values.set_checked(index, source, value.as_ref());
            }
        }
        self
    }

    // ---- typed setters ----

    /// The port outbound traffic goes to, 15001 by default (`IPT-CFG-02`).
    pub fn outbound_port(self, port: u16) -> Self {
        self.code(Id::OutboundPort, port.to_string())
    }

    /// The port inbound traffic goes to, 15006 by default (`IPT-CFG-03`).
    pub fn inbound_port(self, port: u16) -> Self {
        self.code(Id::InboundPort, port.to_string())
    }

    /// The mutual-TLS tunnel's port, 15008 by default (`IPT-CFG-04`).
    pub fn tunnel_port(self, port: u16) -> Self {
        self.code(Id::TunnelPort, port.to_string())
    }

    /// The users the proxy runs as (`IPT-CFG-05`).
    pub fn proxy_uids(self, uids: impl IntoIterator<Item = u32>) -> Self {
        self.code(Id::ProxyUid, join_list(uids))
    }

    /// The groups the proxy runs as; the users' numbers by default (`IPT-CFG-06`).
    pub fn proxy_gids(self, gids: impl IntoIterator<Item = u32>) -> Self {
        self.code(Id::ProxyGid, join_list(gids))
    }

    /// How inbound traffic reaches the proxy (`IPT-CFG-07`).
    pub fn mode(self, mode: Mode) -> Self {
        let text = match mode {
            Mode::Redirect => "REDIRECT",
            Mode::Tproxy => "TPROXY",
        };
        self.code(Id::Mode, text.to_owned())
    }

    /// The inbound ports to capture, none by default (`IPT-CFG-08`, `IPT-CFG-09`).
    pub fn inbound_ports(self, ports: &PortSet) -> Self {
        let (include, exclude) = match (ports.all_except(), ports.listed()) {
            (Some(except), _) => ("*".to_owned(), join_list(except)),
            (None, Some(only)) => (join_list(only), String::new()),
            (None, None) => Default::default(),
        };
        self.code(Id::InboundPorts, include).code(Id::InboundExclude, exclude)
    }

    /// The destinations to capture, none by default (`IPT-CFG-11`, `IPT-CFG-12`).
    pub fn outbound_ranges(self, ranges: &CidrSet) -> Self {
        let include = if ranges.is_all() { "*".to_owned() } else { join_list(ranges.included()) };
        self.code(Id::ServiceCidr, include).code(Id::ServiceExcludeCidr, join_list(ranges.excluded()))
    }

    /// Ports to capture for any destination; this does not narrow anything else (`IPT-CFG-13`).
    pub fn outbound_include_ports(self, ports: impl IntoIterator<Item = u16>) -> Self {
        self.code(Id::OutboundPorts, join_list(ports))
    }

    /// Ports never to capture outbound (`IPT-CFG-14`).
    pub fn outbound_exclude_ports(self, ports: impl IntoIterator<Item = u16>) -> Self {
        self.code(Id::OutboundExclude, join_list(ports))
    }

    /// Interfaces to leave alone (`IPT-CFG-10`).
    pub fn exclude_interfaces<S: AsRef<str>>(self, names: impl IntoIterator<Item = S>) -> Self {
        self.code(Id::ExcludeInterfaces, join_names(names))
    }

    /// Interfaces whose incoming traffic counts as outbound (`IPT-CFG-15`).
    pub fn virtual_interfaces<S: AsRef<str>>(self, names: impl IntoIterator<Item = S>) -> Self {
        self.code(Id::VirtualInterfaces, join_names(names))
    }

    /// The packet mark of TPROXY, 1337 by default (`IPT-CFG-16`).
    pub fn tproxy_mark(self, mark: u32) -> Self {
        self.code(Id::TproxyMark, mark.to_string())
    }

    /// The route table of TPROXY, 133 by default (`IPT-CFG-17`).
    pub fn tproxy_route_table(self, table: u32) -> Self {
        self.code(Id::TproxyTable, table.to_string())
    }

    /// Capture queries to the resolvers given by [`name_servers`](Self::name_servers) (`IPT-CFG-18`).
    pub fn redirect_dns(self) -> Self {
        self.code(Id::RedirectDns, "true".to_owned())
    }

    /// Capture all queries (`IPT-CFG-18` with `IPT-CFG-19`).
    pub fn capture_all_dns(self) -> Self {
        self.redirect_dns().code(Id::CaptureAllDns, "true".to_owned())
    }

    /// Drop packets connection tracking cannot place (`IPT-CFG-20`).
    pub fn drop_invalid(self) -> Self {
        self.code(Id::DropInvalid, "true".to_owned())
    }

    /// The groups whose traffic is captured, all by default (`IPT-CFG-40`, `IPT-CFG-41`).
    pub fn owner_groups(self, groups: &OwnerGroups) -> Self {
        let (include, exclude) = match groups {
            OwnerGroups::AllExcept(except) => ("*".to_owned(), join_list(except)),
            OwnerGroups::Only(only) => (join_list(only), String::new()),
        };
        self.code(Id::OwnerGroups, include).code(Id::OwnerGroupsExclude, exclude)
    }

    /// The IPv4 range that counts as loopback, `127.0.0.1/32` by default (`IPT-CFG-42`).
    pub fn loopback_cidr(self, range: Ipv4Net) -> Self {
        self.code(Id::LoopbackCidr, range.to_string())
    }

    // ---- facts of the machine ----

    /// Whether IPv6 rules are made, and with them IPv4 rules all the same (`IPT-CFG-52`).
    ///
    /// See [`HostAddresses::detect`] for Istio's decision.
    pub fn host(mut self, host: HostAddresses) -> Self {
        self.ipv6 = host.ipv6;
        self.has_unused_ipv6 = host.has_unused_ipv6;
        self
    }

    /// Makes IPv6 rules as well.
    pub fn enable_ipv6(mut self) -> Self {
        self.ipv6 = true;
        self
    }

    /// Says that the loopback interface refuses IPv6, which makes IPv6 rules doubtful (`IPT-VAL-15`).
    pub fn loopback_refuses_ipv6(mut self) -> Self {
        self.ipv6_on_loopback = false;
        self
    }

    /// The pod's resolvers (`IPT-CFG-53`).
    pub fn name_servers(mut self, servers: NameServers) -> Self {
        self.servers = servers;
        self
    }

    /// The id the user database has for `ENVOY_USER`, the default of the proxy's UID (`IPT-CFG-50`).
    pub fn envoy_user(mut self, uid: u32) -> Self {
        self.envoy_user = Some(uid);
        self
    }

    /// How much text is accepted; [`Validation::Compat`] by default.
    pub fn validation(mut self, validation: Validation) -> Self {
        self.validation = validation;
        self
    }

    /// Checks everything and makes the configuration. After this nothing fails any more.
    ///
    /// # Errors
    /// The first option that Istio would refuse, or in [`Validation::Strict`] also the first
    /// [`Finding`](crate::Finding) of severity [`Error`](crate::Severity::Error).
    pub fn build(self) -> Result<CaptureConfig, ConfigError> {
        super::build::build(self)
    }
}

impl Default for CaptureConfigBuilder {
    fn default() -> Self {
        Self::new()
    }
}

fn join_names<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> String {
    let names: Vec<S> = names.into_iter().collect();
    join_list(names.iter().map(AsRef::as_ref))
}

fn unknown(name: &str) -> ConfigError {
    let message =
        format!("`{name}` is no option, see section 1.1 of the interception reference for the names");
    ConfigError::new(name, "", "IPT-CFG-01", ConfigErrorKind::UnknownOption, message)
}
