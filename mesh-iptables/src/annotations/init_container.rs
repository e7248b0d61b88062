//! The injector way: the arguments of the init container (`IPT-ANN-24`).

use super::{
    EXCLUDE_INBOUND, EXCLUDE_INTERFACES, EXCLUDE_OUTBOUND, EXCLUDE_RANGES, INCLUDE_INBOUND, INCLUDE_OUTBOUND,
    INCLUDE_RANGES, KUBEVIRT_INTERFACES, MODE, Pairs, STATUS_PORT, VIRTUAL_INTERFACES,
};

/// The mesh-wide values an injector combines with a pod's annotations.
///
/// # Examples
/// ```
/// use mesh_iptables::CaptureConfig;
/// use mesh_iptables::annotations::InitContainer;
/// let args = InitContainer::new().args([("traffic.sidecar.istio.io/includeOutboundIPRanges", "10.0.0.0/8")]);
/// let args = args.expect("only the mode NONE makes no init container");
/// assert_eq!(args.join(" "), "-p 15001 -z 15006 -u 1337 -m REDIRECT -i 10.0.0.0/8 -x  -b * -d 15090,15021,15020");
/// let config = CaptureConfig::builder().args(args)?.build()?;
/// assert!(config.inbound_ports().contains(8080));
/// # Ok::<(), mesh_iptables::ConfigError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[must_use]
pub struct InitContainer {
    outbound_port: u16,
    inbound_port: u16,
    proxy_uid: u32,
    mode: String,
    include_outbound_ranges: String,
    exclude_outbound_ranges: String,
    include_inbound_ports: String,
    exclude_inbound_ports: String,
    include_outbound_ports: String,
    exclude_outbound_ports: String,
    status_port: u16,
    log_level: String,
    cni: bool,
    force_apply: bool,
    native_nftables: bool,
}

impl Default for InitContainer {
    fn default() -> Self {
        Self {
            outbound_port: 15001,
            inbound_port: 15006,
            proxy_uid: 1337,
            mode: "REDIRECT".to_owned(),
            include_outbound_ranges: "*".to_owned(),
            exclude_outbound_ranges: String::new(),
            include_inbound_ports: "*".to_owned(),
            exclude_inbound_ports: String::new(),
            include_outbound_ports: String::new(),
            exclude_outbound_ports: String::new(),
            status_port: 15020,
            log_level: String::new(),
            cni: false,
            force_apply: false,
            native_nftables: false,
        }
    }
}

macro_rules! text_setters {
    ($($name:ident $doc:literal;)*) => {
        $(
            #[doc = $doc]
            pub fn $name(mut self, value: impl Into<String>) -> Self {
                self.$name = value.into();
                self
            }
        )*
    };
}

impl InitContainer {
    /// Istio's defaults.
    pub fn new() -> Self {
        Self::default()
    }

    text_setters! {
        mode "The interception mode of pods that name none, `REDIRECT` by default.";
        include_outbound_ranges "Ranges captured by default, `*` unless set.";
        exclude_outbound_ranges "Ranges excluded by default.";
        include_inbound_ports "Inbound ports captured by default, `*` unless set.";
        exclude_inbound_ports "Inbound ports excluded by default.";
        include_outbound_ports "Outbound ports captured by default.";
        exclude_outbound_ports "Outbound ports excluded by default.";
        log_level "The log level handed on; none by default.";
    }

    /// The proxy's ports, 15001 and 15006 by default.
    pub fn ports(mut self, outbound: u16, inbound: u16) -> Self {
        self.outbound_port = outbound;
        self.inbound_port = inbound;
        self
    }

    /// The user the proxy runs as, 1337 by default and always in TPROXY mode.
    pub fn proxy_uid(mut self, uid: u32) -> Self {
        self.proxy_uid = uid;
        self
    }

    /// The health port of pods that name none, 15020 by default.
    pub fn status_port(mut self, port: u16) -> Self {
        self.status_port = port;
        self
    }

    /// The node makes the rules; the container only checks them.
    pub fn with_cni(mut self) -> Self {
        self.cni = true;
        self
    }

    /// Adds `--force-apply`, unless the node makes the rules.
    pub fn with_force_apply(mut self) -> Self {
        self.force_apply = true;
        self
    }

    /// Adds `--native-nftables`.
    pub fn with_native_nftables(mut self) -> Self {
        self.native_nftables = true;
        self
    }

    /// The arguments for a pod with these annotations; `None` if its mode is `NONE`, which makes no init
    /// container. Values are not checked here; reading the arguments does that.
    pub fn args<K: Into<String>, V: Into<String>>(
        &self,
        annotations: impl IntoIterator<Item = (K, V)>,
    ) -> Option<Vec<String>> {
        let annotations = Pairs::new(annotations);
        let mode = annotations.get(MODE).unwrap_or(&self.mode);
        if mode == "NONE" {
            return None;
        }
        let uid = if mode == "TPROXY" { 1337 } else { self.proxy_uid };
        let or = |name: &str, default: &str| annotations.get(name).unwrap_or(default).to_owned();
        let mut args = Vec::new();
        let mut push = |flag: &str, value: String| args.extend([flag.to_owned(), value]);
        push("-p", self.outbound_port.to_string());
        push("-z", self.inbound_port.to_string());
        push("-u", uid.to_string());
        push("-m", mode.to_owned());
        push("-i", or(INCLUDE_RANGES, &self.include_outbound_ranges));
        push("-x", or(EXCLUDE_RANGES, &self.exclude_outbound_ranges));
        push("-b", or(INCLUDE_INBOUND, &self.include_inbound_ports));
        push("-d", self.excluded_inbound(&annotations));
        for (flag, name, default) in [
            ("-q", INCLUDE_OUTBOUND, &self.include_outbound_ports),
            ("-o", EXCLUDE_OUTBOUND, &self.exclude_outbound_ports),
        ] {
            if annotations.get(name).is_some() || !default.is_empty() {
                push(flag, or(name, default));
            }
        }
        let virtual_interfaces =
            annotations.get(VIRTUAL_INTERFACES).or_else(|| annotations.get(KUBEVIRT_INTERFACES));
        for (flag, value) in [("-k", virtual_interfaces), ("-c", annotations.get(EXCLUDE_INTERFACES))] {
            if let Some(value) = value {
                push(flag, value.to_owned());
            }
        }
        if !self.log_level.is_empty() {
            args.push(format!("--log_output_level={}", self.log_level));
        }
        if self.cni {
            args.extend(["--run-validation", "--skip-rule-apply"].map(str::to_owned));
        } else if self.force_apply {
            args.push("--force-apply".to_owned());
        }
        if self.native_nftables {
            args.push("--native-nftables".to_owned());
        }
        Some(args)
    }

    /// 15090 and 15021, then the excluded ports with the health port unless it is among them already.
    fn excluded_inbound(&self, annotations: &Pairs) -> String {
        let excluded = annotations.get(EXCLUDE_INBOUND).unwrap_or(&self.exclude_inbound_ports);
        let default = self.status_port.to_string();
        let status = annotations.get(STATUS_PORT).unwrap_or(&default).trim();
        let mut out = String::from("15090,15021");
        if status.is_empty() || status == "0" || excluded.split(',').any(|port| port == status) {
            if !excluded.is_empty() {
                out.push(',');
                out.push_str(excluded);
            }
        } else {
            let items = excluded.split(',').map(str::trim).filter(|port| !port.is_empty());
            for port in items.chain([status]) {
                out.push(',');
                out.push_str(port);
            }
        }
        out
    }
}
