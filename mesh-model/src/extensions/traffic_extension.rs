//! TrafficExtension: a WebAssembly or Lua filter.

use super::not_empty;
use super::wasm_plugin::{FailStrategy, PluginType, PullPolicy, TrafficSelector, VmConfig};
use crate::common::{PolicySelector, TargetRef, Value};
use crate::macros::{spec, spec_enum};

spec! {
    /// `spec` of a TrafficExtension.
    pub struct TrafficExtension {
        /// Absent is the whole namespace, or the mesh in the root namespace.
        pub selector: Option<PolicySelector>,
        /// Attach by name; excludes `selector`.
        pub target_refs: Vec<TargetRef>,
        /// See [`ExecutionPhase`].
        pub phase: ExecutionPhase,
        /// Among extensions of one phase the highest comes first; absent is 0.
        pub priority: Option<i32>,
        /// Which traffic, any of these; empty is all.
        #[serde(rename = "match")]
        pub matches: Vec<TrafficSelector>,
        /// This or `lua`.
        pub wasm: Option<WasmConfig>,
        /// This or `wasm`.
        pub lua: Option<LuaConfig>,
    }

    /// A WebAssembly filter; the fields are those of a [`WasmPlugin`](super::WasmPlugin).
    pub struct WasmConfig {
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
        /// See [`FailStrategy`].
        pub fail_strategy: FailStrategy,
        /// The virtual machine.
        pub vm_config: Option<VmConfig>,
        /// See [`PluginType`].
        pub r#type: PluginType,
    }

    /// A Lua filter.
    pub struct LuaConfig {
        /// Required; defines `envoy_on_request`, `envoy_on_response` or both. At most 65536 bytes.
        pub inline_code: String,
    }
}

spec_enum! {
    /// Where a TrafficExtension stands among the filters.
    pub enum ExecutionPhase {
        /// At the end, before the router.
        #[default]
        Unspecified = "UNSPECIFIED",
        /// Before authentication.
        Authn = "AUTHN",
        /// After authentication, before authorization.
        Authz = "AUTHZ",
        /// After authorization, before statistics.
        Stats = "STATS",
    }
}
