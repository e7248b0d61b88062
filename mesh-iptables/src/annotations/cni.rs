//! The CNI way: what the node does when a pod starts.

use super::validate::{Form, check};
use super::{
    EXCLUDE_INBOUND, EXCLUDE_INTERFACES, EXCLUDE_OUTBOUND, EXCLUDE_RANGES, INCLUDE_INBOUND, INCLUDE_OUTBOUND,
    INCLUDE_RANGES, KUBEVIRT_INTERFACES, MODE, Pairs, VIRTUAL_INTERFACES,
};
use crate::config::{CaptureConfig, CaptureConfigBuilder, parse_bool};
use crate::error::ConfigError;
use crate::finding::Finding;
use crate::ports::join_list;

const STATUS: &str = "sidecar.istio.io/status";
const INJECT: &str = "sidecar.istio.io/inject";

/// What is known of a pod when the node sets up its network.
///
/// # Examples
/// ```
/// use mesh_iptables::annotations::{Interception, Pod};
/// use mesh_iptables::Family;
/// let pod = Pod::new([
///     ("sidecar.istio.io/status", "injected"),
///     ("traffic.sidecar.istio.io/excludeInboundPorts", "9000"),
/// ]);
/// let Interception::Capture(builder) = pod.interception()? else { panic!("skipped") };
/// let text = builder.build()?.plan().restore_input(Family::Ipv4);
/// assert!(text.contains("--dport 9000 -j RETURN"));
/// # Ok::<(), mesh_iptables::ConfigError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[must_use]
pub struct Pod {
    annotations: Pairs,
    labels: Pairs,
    proxy_environment: Pairs,
    proxy_user: Option<u32>,
    proxy_group: Option<u32>,
    proxy_type: Option<String>,
    has_proxy: bool,
    has_init: bool,
    namespace_excluded: bool,
    host_network: bool,
}

/// Why a pod gets no rules (`IPT-ANN-23`), in the order the reasons are looked at.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum SkipReason {
    /// It shares the node's network, so rules would capture the node (`TRB-33`).
    HostNetwork,
    /// Its namespace is excluded.
    NamespaceExcluded,
    /// Its init container `istio-init` makes the rules.
    InitContainer,
    /// The proxy's environment has `DISABLE_ENVOY`.
    EnvoyDisabled,
    /// It has no container `istio-proxy`.
    NoProxy,
    /// Its proxy is no sidecar.
    NotASidecar,
    /// Injection is switched off.
    InjectionDisabled,
    /// It was not injected.
    NotInjected,
}

/// Whether a pod gets rules.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Interception {
    /// No rules, and no error.
    Skip(SkipReason),
    /// Rules from these options. The caller adds what it knows of the machine and builds.
    Capture(CaptureConfigBuilder),
}

impl Pod {
    /// A pod with these annotations, a sidecar and no init container.
    pub fn new<K: Into<String>, V: Into<String>>(annotations: impl IntoIterator<Item = (K, V)>) -> Self {
        Self {
            annotations: Pairs::new(annotations),
            labels: Pairs::default(),
            proxy_environment: Pairs::default(),
            proxy_user: None,
            proxy_group: None,
            proxy_type: None,
            has_proxy: true,
            has_init: false,
            namespace_excluded: false,
            host_network: false,
        }
    }

    /// The pod's labels.
    pub fn labels<K: Into<String>, V: Into<String>>(
        mut self,
        labels: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        self.labels = Pairs::new(labels);
        self
    }

    /// The environment of the container `istio-proxy`.
    pub fn proxy_environment<K: Into<String>, V: Into<String>>(
        mut self,
        variables: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        self.proxy_environment = Pairs::new(variables);
        self
    }

    /// `runAsUser` of the container `istio-proxy`.
    pub fn proxy_user(mut self, uid: u32) -> Self {
        self.proxy_user = Some(uid);
        self
    }

    /// `runAsGroup` of the container `istio-proxy`.
    pub fn proxy_group(mut self, gid: u32) -> Self {
        self.proxy_group = Some(gid);
        self
    }

    /// The proxy type among the arguments of the container `istio-proxy`, such as `sidecar` or `router`.
    pub fn proxy_type(mut self, kind: impl Into<String>) -> Self {
        self.proxy_type = Some(kind.into());
        self
    }

    /// The pod has no container `istio-proxy`.
    pub fn without_proxy(mut self) -> Self {
        self.has_proxy = false;
        self
    }

    /// The pod has an init container `istio-init`.
    pub fn with_init_container(mut self) -> Self {
        self.has_init = true;
        self
    }

    /// The pod shares the node's network (`hostNetwork: true`).
    pub fn in_host_network(mut self) -> Self {
        self.host_network = true;
        self
    }

    /// The pod's namespace is one the node leaves alone.
    pub fn in_excluded_namespace(mut self) -> Self {
        self.namespace_excluded = true;
        self
    }

    /// Decides whether the pod gets rules and from which options (`IPT-ANN-20` to `IPT-ANN-23`).
    ///
    /// # Errors
    /// An annotation has the wrong form (`IPT-ANN-01` to `IPT-ANN-10`).
    pub fn interception(&self) -> Result<Interception, ConfigError> {
        if let Some(reason) = self.skip_reason() {
            return Ok(Interception::Skip(reason));
        }
        let mut exclude_inbound =
            self.annotation(EXCLUDE_INBOUND, Form::PortsOrAll, "15020")?.trim().to_owned();
        if !exclude_inbound.is_empty() && !exclude_inbound.ends_with(',') {
            exclude_inbound.push(',');
        }
        exclude_inbound.push_str("15020,15021,15090");
        let mut builder = CaptureConfig::builder();
        for (flag, value) in [
            ("envoy-port", "15001"),
            ("inbound-capture-port", "15006"),
            ("inbound-tunnel-port", "15008"),
            ("istio-inbound-interception-mode", self.annotation(MODE, Form::Mode, "REDIRECT")?),
            ("istio-service-cidr", self.annotation(INCLUDE_RANGES, Form::RangesOrAll, "*")?),
            ("istio-service-exclude-cidr", self.annotation(EXCLUDE_RANGES, Form::Ranges, "")?),
            ("istio-inbound-ports", self.annotation(INCLUDE_INBOUND, Form::PortsOrAll, "*")?),
            ("istio-local-exclude-ports", &without_repeats(&exclude_inbound)),
            ("istio-outbound-ports", self.annotation(INCLUDE_OUTBOUND, Form::PortsOrAll, "")?),
            (
                "istio-local-outbound-ports-exclude",
                self.annotation(EXCLUDE_OUTBOUND, Form::PortsOrAll, "15020")?,
            ),
            ("istio-exclude-interfaces", self.annotation(EXCLUDE_INTERFACES, Form::Interfaces, "")?),
            ("kube-virt-interfaces", self.virtual_interfaces()?),
        ] {
            builder = builder.flag(flag, value)?;
        }
        let id = |given: Option<u32>| given.filter(|id| *id != 0).unwrap_or(1337);
        builder = builder.proxy_uids([id(self.proxy_user)]).proxy_gids([id(self.proxy_group)]);
        for (variable, flags) in [
            ("ISTIO_META_DNS_CAPTURE", &["redirect-dns", "capture-all-dns"][..]),
            ("ISTIO_DUAL_STACK", &["dual-stack"]),
            ("INVALID_DROP", &["drop-invalid"]),
        ] {
            let Some(value) = self.proxy_environment.get(variable) else { continue };
            match parse_bool(value) {
                Some(true) => {
                    for flag in flags {
                        builder = builder.flag(flag, "true")?;
                    }
                }
                Some(false) => {}
                None => {
                    let message = format!("`{value}` is not a boolean and counts as `false`");
                    builder = builder.finding(Finding::advice("IPT-ANN-22", variable, value, message));
                }
            }
        }
        Ok(Interception::Capture(builder))
    }

    /// The annotation's value if it has the right form, the default if it is absent.
    fn annotation<'a>(&'a self, name: &str, form: Form, default: &'a str) -> Result<&'a str, ConfigError> {
        match self.annotations.get(name) {
            None => Ok(default),
            Some(value) => check(name, value, form).map(|()| value),
        }
    }

    /// The newer annotation wins when it is there, even if empty (`IPT-ANN-09`).
    fn virtual_interfaces(&self) -> Result<&str, ConfigError> {
        let newer = self.annotations.get(VIRTUAL_INTERFACES).is_some();
        self.annotation(if newer { VIRTUAL_INTERFACES } else { KUBEVIRT_INTERFACES }, Form::Interfaces, "")
    }

    fn skip_reason(&self) -> Option<SkipReason> {
        let is = |value: Option<&str>, wanted: bool| value.and_then(parse_bool) == Some(wanted);
        let inject = self.labels.get(INJECT).or_else(|| self.annotations.get(INJECT));
        [
            // DIFFERENCE (TRB-33): the baseline is never asked about such a pod; whoever asks here is told.
            (self.host_network, SkipReason::HostNetwork),
            (self.namespace_excluded, SkipReason::NamespaceExcluded),
            (self.has_init, SkipReason::InitContainer),
            (is(self.proxy_environment.get("DISABLE_ENVOY"), true), SkipReason::EnvoyDisabled),
            (!self.has_proxy, SkipReason::NoProxy),
            (self.proxy_type.as_deref().is_some_and(|kind| kind != "sidecar"), SkipReason::NotASidecar),
            (is(inject, false), SkipReason::InjectionDisabled),
            (self.annotations.get(STATUS).is_none(), SkipReason::NotInjected),
        ]
        .into_iter()
        .find_map(|(applies, reason)| applies.then_some(reason))
    }
}

/// The list without repeated items; the first of each stays.
fn without_repeats(list: &str) -> String {
    let mut seen: Vec<&str> = Vec::new();
    for item in list.split(',') {
        if !seen.contains(&item) {
            seen.push(item);
        }
    }
    join_list(seen)
}
