//! PeerAuthentication: whether a workload accepts plaintext, mutual TLS or both.

use crate::common::PolicySelector;
use crate::macros::{spec, spec_enum};
use std::collections::BTreeMap;

spec! {
    /// `spec` of a PeerAuthentication.
    pub struct PeerAuthentication {
        /// Absent is the whole namespace, or the mesh in the root namespace.
        pub selector: Option<PolicySelector>,
        /// Absent inherits.
        pub mtls: Option<MutualTls>,
        /// By *workload* port, as decimal text.
        #[serde(deserialize_with = "not_empty")]
        pub port_level_mtls: BTreeMap<String, MutualTls>,
    }

    /// Mutual TLS settings.
    #[derive(Copy, Eq)]
    pub struct MutualTls {
        /// See [`MutualTlsMode`].
        pub mode: MutualTlsMode,
    }
}

spec_enum! {
    /// What a server accepts.
    pub enum MutualTlsMode {
        /// The wider scope's mode; finally PERMISSIVE.
        #[default]
        Unset = "UNSET",
        /// Plaintext only.
        Disable = "DISABLE",
        /// Both.
        Permissive = "PERMISSIVE",
        /// Mutual TLS only.
        Strict = "STRICT",
    }
}

/// A map that is written must not be empty (MODEL-PA-2).
fn not_empty<'de, D>(deserializer: D) -> Result<BTreeMap<String, MutualTls>, D::Error>
where
    D: serde::Deserializer<'de>,
{
    let ports = <BTreeMap<String, MutualTls> as serde::Deserialize>::deserialize(deserializer)?;
    if ports.is_empty() {
        let message = "MODEL-PA-2: `portLevelMtls` has no port\nremove the field, or add a port";
        return Err(serde::de::Error::custom(message));
    }
    Ok(ports)
}
