//! WasmPlugin: a WebAssembly filter.

use super::not_empty;
use crate::common::{PolicySelector, PortSelector, TargetRef, Value};
use crate::macros::{spec, spec_enum};

spec! {
    /// `spec` of a WasmPlugin.
    pub struct WasmPlugin {
        /// Absent is the whole namespace, or the mesh in the root namespace.
        pub selector: Option<PolicySelector>,
        /// Older singular form.
        pub target_ref: Option<TargetRef>,
        /// Attach by name; excludes `selector`.
        pub target_refs: Vec<TargetRef>,
        /// Where the module is: `oci`, `file`, `http` or `https`; no scheme is `oci`.
        pub url: String,
        /// Of the module, 64 lower-case hexadecimal digits.
        pub sha256: String,
        /// See [`PullPolicy`].
        pub image_pull_policy: PullPolicy,
        /// A Secret of the same namespace.
        #[serde(deserialize_with = "not_empty")]
        pub image_pull_secret: String,
        /// Not used by Istio.
        pub verification_key: String,
        /// Given to the plugin as it is; a mapping.
        pub plugin_config: Value,
        /// Chooses a plugin of a module that has several.
        #[serde(deserialize_with = "not_empty")]
        pub plugin_name: String,
        /// See [`PluginPhase`].
        pub phase: PluginPhase,
        /// Among plugins of one phase the highest comes first; absent is 0.
        pub priority: Option<i32>,
        /// See [`FailStrategy`].
        pub fail_strategy: FailStrategy,
        /// The virtual machine.
        pub vm_config: Option<VmConfig>,
        /// Which traffic, any of these; empty is all.
        #[serde(rename = "match")]
        pub matches: Vec<TrafficSelector>,
        /// See [`PluginType`].
        pub r#type: PluginType,
    }

    /// The virtual machine that runs a module.
    pub struct VmConfig {
        /// Its environment.
        pub env: Vec<EnvVar>,
    }

    /// A variable of the virtual machine's environment.
    pub struct EnvVar {
        /// Required, unique.
        pub name: String,
        /// See [`EnvValueSource`].
        pub value_from: EnvValueSource,
        /// With INLINE only.
        pub value: String,
    }

    /// Which traffic: all that is given must hold.
    pub struct TrafficSelector {
        /// See [`WorkloadMode`].
        pub mode: WorkloadMode,
        /// Any of these ports; empty is all.
        pub ports: Vec<PortSelector>,
    }
}

spec_enum! {
    /// When a module is fetched.
    pub enum PullPolicy {
        /// IfNotPresent, and Always for the tag `latest`.
        #[default]
        Unspecified = "UNSPECIFIED_POLICY",
        /// Once.
        IfNotPresent = "IfNotPresent",
        /// Whenever the plugin is applied.
        Always = "Always",
    }

    /// Where a WasmPlugin stands among the filters.
    pub enum PluginPhase {
        /// At the end, before the router.
        #[default]
        Unspecified = "UNSPECIFIED_PHASE",
        /// Before authentication.
        Authn = "AUTHN",
        /// After authentication, before authorization.
        Authz = "AUTHZ",
        /// After authorization, before statistics.
        Stats = "STATS",
    }

    /// What happens to requests when a plugin cannot run.
    pub enum FailStrategy {
        /// They fail.
        #[default]
        FailClose = "FAIL_CLOSE",
        /// They pass without the plugin.
        FailOpen = "FAIL_OPEN",
        /// The plugin is started again.
        FailReload = "FAIL_RELOAD",
    }

    /// What a plugin filters.
    pub enum PluginType {
        /// HTTP.
        #[default]
        Unspecified = "UNSPECIFIED_PLUGIN_TYPE",
        /// Requests.
        Http = "HTTP",
        /// Connections.
        Network = "NETWORK",
    }

    /// Where the value of a variable comes from.
    pub enum EnvValueSource {
        /// `value`.
        #[default]
        Inline = "INLINE",
        /// The proxy's environment.
        Host = "HOST",
    }

    /// Which direction of traffic.
    pub enum WorkloadMode {
        /// CLIENT_AND_SERVER.
        #[default]
        Undefined = "UNDEFINED",
        /// Outbound traffic; all traffic of a gateway.
        Client = "CLIENT",
        /// Inbound traffic.
        Server = "SERVER",
        /// Both.
        ClientAndServer = "CLIENT_AND_SERVER",
    }
}
