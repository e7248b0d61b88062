//! The kinds of the group `extensions.istio.io`: filters that users add to the proxy.

mod traffic_extension;
mod wasm_plugin;

pub use traffic_extension::{ExecutionPhase, LuaConfig, TrafficExtension, WasmConfig};
pub use wasm_plugin::{
    EnvValueSource, EnvVar, FailStrategy, PluginPhase, PluginType, PullPolicy, TrafficSelector, VmConfig,
    WasmPlugin, WorkloadMode,
};

crate::macros::not_empty_text!(not_empty, "MODEL-WASM-3");
