//! Which type a kind is read into, and from which part of the document.

/// `$spec!(Type)` for a kind whose body is its `spec`, `$whole!(Type)` for one whose body is the whole object without
/// metadata, `$other` for a kind that has no type.
macro_rules! by_kind {
    ($kind:expr, $spec:ident, $whole:ident, $other:expr) => {
        match $kind {
            crate::Kind::VirtualService => $spec!(crate::networking::VirtualService),
            crate::Kind::DestinationRule => $spec!(crate::networking::DestinationRule),
            crate::Kind::Gateway => $spec!(crate::networking::Gateway),
            crate::Kind::ServiceEntry => $spec!(crate::networking::ServiceEntry),
            crate::Kind::Sidecar => $spec!(crate::networking::Sidecar),
            crate::Kind::WorkloadEntry => $spec!(crate::networking::WorkloadEntry),
            crate::Kind::WorkloadGroup => $spec!(crate::networking::WorkloadGroup),
            crate::Kind::EnvoyFilter => $spec!(crate::networking::EnvoyFilter),
            crate::Kind::ProxyConfig => $spec!(crate::networking::ProxyConfig),
            crate::Kind::TrafficExtension => $spec!(crate::extensions::TrafficExtension),
            crate::Kind::WasmPlugin => $spec!(crate::extensions::WasmPlugin),
            crate::Kind::Telemetry => $spec!(crate::telemetry::Telemetry),
            crate::Kind::AuthorizationPolicy => $spec!(crate::security::AuthorizationPolicy),
            crate::Kind::PeerAuthentication => $spec!(crate::security::PeerAuthentication),
            crate::Kind::RequestAuthentication => $spec!(crate::security::RequestAuthentication),
            crate::Kind::Service => $whole!(crate::kubernetes::Service),
            crate::Kind::EndpointSlice => $whole!(crate::kubernetes::EndpointSlice),
            crate::Kind::Pod => $whole!(crate::kubernetes::Pod),
            crate::Kind::Namespace => $whole!(crate::kubernetes::Namespace),
            crate::Kind::ConfigMap => $whole!(crate::kubernetes::ConfigMap),
            crate::Kind::Endpoints => $whole!(crate::kubernetes::Endpoints),
            crate::Kind::ServiceAccount => $whole!(crate::kubernetes::ServiceAccount),
            crate::Kind::Secret => $whole!(crate::kubernetes::Secret),
            crate::Kind::Node => $whole!(crate::kubernetes::Node),
            crate::Kind::Deployment => $whole!(crate::kubernetes::Deployment),
            crate::Kind::StatefulSet => $whole!(crate::kubernetes::StatefulSet),
            crate::Kind::DaemonSet => $whole!(crate::kubernetes::DaemonSet),
            _ => $other,
        }
    };
}

pub(super) use by_kind;
