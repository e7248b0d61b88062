//! From flags, environment and machine to a configuration.

use std::path::Path;

use mesh_iptables::apply::{ApplyError, Machine};
use mesh_iptables::{
    CaptureConfig, CaptureConfigBuilder, ConfigError, ConfigErrorKind, NameServer, NameServers, RulePlan,
    Severity, Validation,
};

use super::flags::Flags;
use crate::cli::complain;

/// Facts and checks beside Istio's options.
#[derive(Debug, clap::Args)]
#[command(args_override_self = true)]
pub(super) struct Setup {
    #[command(flatten)]
    flags: Flags,
    /// Make IPv6 rules as well: as the machine's addresses say, or whatever they say.
    #[arg(
        long,
        value_name = "auto|on|off",
        default_value = "auto",
        hide_default_value = true,
        hide_possible_values = true
    )]
    ipv6: Ipv6,
    /// A resolver of the pod, in place of those in /etc/resolv.conf; may be repeated.
    #[arg(long, value_name = "ADDRESS", value_parser = resolver)]
    resolver: Vec<NameServer>,
    /// Refuse what Istio accepts but probably nobody means.
    #[arg(long)]
    strict: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
enum Ipv6 {
    Auto,
    On,
    Off,
}

fn resolver(text: &str) -> Result<NameServer, String> {
    NameServer::parse(text).ok_or_else(|| "not an address, write for example `10.96.0.10`".to_owned())
}

/// A configuration with what was known when it was made.
pub(super) struct Ready {
    pub(super) config: CaptureConfig,
    pub(super) machine: Machine,
}

/// What the configuration is for. It matters on a machine whose addresses do not decide about IPv6.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Istio's tool refuses, and so does this.
    Apply,
    /// IPv6 stays off.
    Look,
    /// What may be there must go: both families, whatever the addresses say now.
    Remove,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("{0}")]
    Config(#[from] ConfigError),
    #[error("{0}; `--ipv6 on` or `--ipv6 off` decides without one")]
    NoAddress(ConfigError),
    #[error("{0}")]
    Apply(#[from] ApplyError),
    #[error("cannot write `{path}`: {error}")]
    File { path: String, error: std::io::Error },
}

impl Setup {
    /// Reads everything and says every doubt on standard error.
    pub(super) fn ready(&self, purpose: Purpose) -> Result<Ready, Failure> {
        let environment: Vec<(String, String)> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let user = environment.iter().find(|(name, _)| name == "ENVOY_USER");
        let user = user.map_or("istio-proxy", |(_, user)| user.as_str()).to_owned();
        let mut builder = CaptureConfig::builder().environment(environment);
        for (name, value) in &self.flags.given {
            builder = builder.flag(name, value)?;
        }
        if self.strict {
            builder = builder.validation(Validation::Strict);
        }
        let namespace = builder.value("network-namespace").unwrap_or_default().to_owned();
        let namespace = Some(Path::new(&namespace)).filter(|path| !path.as_os_str().is_empty());
        let machine = Machine::read(namespace, &user)?;
        builder = match (self.ipv6, purpose) {
            (Ipv6::Auto, Purpose::Remove) | (Ipv6::On, _) => {
                without_addresses(&machine, builder).enable_ipv6()
            }
            (Ipv6::Off, _) => without_addresses(&machine, builder),
            (Ipv6::Auto, _) => match machine.describe_to(builder.clone()) {
                Ok(described) => described,
                Err(error) if error.kind() == ConfigErrorKind::NoAddress => {
                    if purpose == Purpose::Apply {
                        return Err(Failure::NoAddress(error));
                    }
                    complain(&format!("note: {error}; IPv6 is taken as off, `--ipv6 on` turns it on"));
                    without_addresses(&machine, builder)
                }
                Err(error) => return Err(error.into()),
            },
        };
        if !self.resolver.is_empty() {
            builder = builder.name_servers(NameServers::new(self.resolver.iter().cloned()));
        }
        let config = builder.build()?;
        for finding in config.findings() {
            let word = match finding.severity {
                Severity::Advice => "note",
                _ => "warning",
            };
            complain(&format!("{word}: {finding}"));
        }
        Ok(Ready { config, machine })
    }
}

/// The facts but for the family.
fn without_addresses(machine: &Machine, builder: CaptureConfigBuilder) -> CaptureConfigBuilder {
    let builder = builder.name_servers(NameServers::from_resolv_conf(&machine.resolv_conf));
    match machine.proxy_uid {
        Some(uid) => builder.envoy_user(uid),
        None => builder,
    }
}

impl Ready {
    pub(super) fn plan(&self) -> RulePlan {
        self.config.plan()
    }

    pub(super) fn is_native(&self) -> bool {
        self.config.apply_options().native_nftables
    }
}
