//! Objects that load but have no effect here: said once, by name (`PROXY-FEAT-04`).

use mesh_model::networking::VirtualService;
use mesh_model::resolve::{Proxy, ResourceSet};
use mesh_model::security::peer_authentication::MutualTlsMode;
use mesh_model::security::{PeerAuthentication, RequestAuthentication};
use mesh_model::{Kind, Object};

use super::issues::{Issues, spec};
use super::policies::guards;

/// Reports what was given and is not used.
pub(super) fn report(objects: &[Object], set: &ResourceSet, gateway: Option<&Proxy>, issues: &mut Issues) {
    for object in objects {
        let reference = object.reference();
        if !object.is_usable() && !object.must_deny() {
            let message = "it was not read whole or breaks a rule of its kind, it is left out";
            issues.error(&reference, mesh_model::FieldPath::new(), message);
        }
        match object.kind {
            Kind::EnvoyFilter
            | Kind::WasmPlugin
            | Kind::TrafficExtension
            | Kind::Telemetry
            | Kind::ProxyConfig => {
                let message = format!("{} is not supported, it has no effect", object.kind);
                issues.warning(&reference, spec(), message);
            }
            _ => {}
        }
    }
    for found in set.all::<VirtualService>() {
        for (field, any) in [("tls", !found.spec.tls.is_empty()), ("tcp", !found.spec.tcp.is_empty())] {
            if any {
                let message = format!(
                    "`{field}` rules are decided (`connections` says what they do), and this proxy does not serve them: \
                     they have no effect"
                );
                issues.warning(&found.reference(), spec().field(field), message);
            }
        }
    }
    for found in set.all::<PeerAuthentication>() {
        let strict = |mode: MutualTlsMode| mode == MutualTlsMode::Strict;
        let asks = found.object.must_deny()
            || found.mtls.is_some_and(|mtls| strict(mtls.mode))
            || found.port_level_mtls.values().any(|mtls| strict(mtls.mode));
        if asks {
            let message = "it is for connections to workloads, which this proxy does not receive yet: it has no \
                           effect";
            issues.warning(&found.reference(), spec(), message);
        }
    }
    for found in set.all::<RequestAuthentication>() {
        if !gateway.is_some_and(|gateway| guards(set, gateway, &found)) {
            let message = "it does not select the gateway, and connections to workloads are not received yet: it has \
                           no effect";
            issues.warning(&found.reference(), spec(), message);
        }
    }
}
