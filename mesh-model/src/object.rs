//! Objects of any kind.

use crate::common::Value;
use crate::extensions::{TrafficExtension, WasmPlugin};
use crate::kind::Kind;
use crate::kubernetes::{
    ConfigMap, DaemonSet, Deployment, EndpointSlice, Endpoints, Namespace, Node, Pod, Secret, Service,
    ServiceAccount, StatefulSet,
};
use crate::meta::{ObjectMeta, ObjectRef, Origin};
use crate::networking::{
    DestinationRule, EnvoyFilter, Gateway, ProxyConfig, ServiceEntry, Sidecar, VirtualService, WorkloadEntry,
    WorkloadGroup,
};
use crate::path::FieldPath;
use crate::security::{AuthorizationPolicy, PeerAuthentication, RequestAuthentication};
use crate::telemetry::Telemetry;
use serde::Deserialize as _;
use serde::ser::{Serialize, SerializeMap, Serializer};
use std::collections::BTreeSet;

/// How much of what was written is in the object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum LoadState {
    /// All of it.
    #[default]
    Clean,
    /// All of it, after a repair that a diagnostic names.
    Recovered,
    /// Some fields could not be understood and have their default value. In a policy this must deny.
    Partial,
    /// It was read, but breaks a rule of its kind: Istio does not admit it. A policy must deny.
    Invalid,
    /// Refused: under [`Profile::Strict`](crate::Profile::Strict) any repair, always an object that cannot be used.
    Rejected,
}

/// One object, its place of origin and how well it was read.
///
/// Serializes as the Kubernetes object it was, with its original `apiVersion`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Object {
    /// As written, such as `networking.istio.io/v1beta1`.
    pub api_version: String,
    /// The kind.
    pub kind: Kind,
    /// Name, namespace, labels, annotations.
    pub metadata: ObjectMeta,
    /// What the object says.
    pub body: Body,
    /// `status` of an Istio object, verbatim.
    pub status: Option<Value>,
    /// Where it was read.
    pub origin: Option<Origin>,
    /// How well it was read.
    pub state: LoadState,
    /// What was written in an object of Istio and has no place in `body`, with its path: unknown fields and values
    /// that could not be read. Written back when the object is serialized, so that reading it again finds the same.
    pub unread: Vec<Unread>,
    /// Where in the text values would stand that nobody wrote: that they are missing has been told (MODEL-SEED-6).
    pub(crate) assumed: BTreeSet<FieldPath>,
}

/// A part of an object that was written and could not be read.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Unread {
    /// Where it stood.
    pub path: FieldPath,
    /// What stood there.
    pub value: Value,
    /// It was an element of a list and is not in the object; those behind it moved up.
    pub left_out: bool,
}

macro_rules! bodies {
    ($($variant:ident, $accessor:ident;)*) => {
        /// What an object says: `spec` of an Istio kind, the whole object without metadata of a Kubernetes kind.
        #[derive(Clone, Debug, PartialEq)]
        #[non_exhaustive]
        pub enum Body {
            $(#[doc = concat!("A ", stringify!($variant), ".")] $variant(Box<$variant>),)*
            /// A kind that is not typed: everything besides `apiVersion`, `kind` and `metadata`.
            Opaque(Value),
        }

        $(
            impl From<$variant> for Body {
                fn from(body: $variant) -> Self {
                    Self::$variant(Box::new(body))
                }
            }

            impl Typed for $variant {
                fn kind() -> Kind {
                    Kind::$variant
                }
                fn of(object: &Object) -> Option<&Self> {
                    object.$accessor()
                }
            }
        )*

        /// A reference to the schema of the body of `kind`, if it is typed.
        #[cfg(feature = "schemars")]
        pub(crate) fn body_schema(
            kind: &Kind,
            generator: &mut schemars::SchemaGenerator,
        ) -> Option<schemars::Schema> {
            match kind {
                $(Kind::$variant => Some(generator.subschema_for::<$variant>()),)*
                _ => None,
            }
        }

        impl Object {
            $(#[doc = concat!("What it says if it is a ", stringify!($variant), ".")]
            pub fn $accessor(&self) -> Option<&$variant> {
                match &self.body {
                    Body::$variant(body) => Some(body),
                    _ => None,
                }
            })*
        }
    };
}

bodies! {
    VirtualService, as_virtual_service;
    DestinationRule, as_destination_rule;
    Gateway, as_gateway;
    ServiceEntry, as_service_entry;
    Sidecar, as_sidecar;
    WorkloadEntry, as_workload_entry;
    WorkloadGroup, as_workload_group;
    EnvoyFilter, as_envoy_filter;
    ProxyConfig, as_proxy_config;
    AuthorizationPolicy, as_authorization_policy;
    PeerAuthentication, as_peer_authentication;
    RequestAuthentication, as_request_authentication;
    TrafficExtension, as_traffic_extension;
    WasmPlugin, as_wasm_plugin;
    Telemetry, as_telemetry;
    Service, as_service;
    EndpointSlice, as_endpoint_slice;
    Pod, as_pod;
    Namespace, as_namespace;
    ConfigMap, as_config_map;
    Endpoints, as_endpoints;
    ServiceAccount, as_service_account;
    Secret, as_secret;
    Node, as_node;
    Deployment, as_deployment;
    StatefulSet, as_stateful_set;
    DaemonSet, as_daemon_set;
}

/// A body with a type of its own.
pub trait Typed: Into<Body> + sealed::Sealed {
    /// Its kind.
    fn kind() -> Kind;
    /// The object's body if it has this type.
    fn of(object: &Object) -> Option<&Self>;
}

mod sealed {
    pub trait Sealed {}
    impl<T: Into<super::Body>> Sealed for T {}
}

impl Object {
    /// An object made by a program: in the stored version of its kind, not read from anywhere.
    pub fn new<T: Typed>(namespace: &str, name: &str, body: T) -> Self {
        let metadata =
            ObjectMeta { name: name.to_owned(), namespace: namespace.to_owned(), ..ObjectMeta::default() };
        Self {
            api_version: crate::kind::stored_api_version(&T::kind()),
            kind: T::kind(),
            metadata,
            body: body.into(),
            status: None,
            origin: None,
            state: LoadState::Clean,
            unread: Vec::new(),
            assumed: BTreeSet::new(),
        }
    }

    /// True when the object says what its author wrote, so far as that can be known: it was read whole and breaks no
    /// rule. What Istio would not admit does not count.
    pub fn is_usable(&self) -> bool {
        self.state <= LoadState::Recovered
    }

    /// True for a policy that is not [usable](Self::is_usable): it must be enforced as one that denies, because what
    /// it was meant to forbid is not known.
    pub fn must_deny(&self) -> bool {
        self.kind.is_security() && !self.is_usable()
    }

    /// The object's name for diagnostics and decisions.
    pub fn reference(&self) -> ObjectRef {
        ObjectRef::new(self.kind.clone(), self.metadata.namespace.clone(), self.metadata.name.clone())
    }

    /// Addresses allocated to a host of a ServiceEntry: `status.addresses[].value` (MODEL-DOC-6). An entry that names
    /// no host is for all of them.
    ///
    /// There are none where nothing is allocated, whatever the status says: with `addresses` of its own, the resolution
    /// NONE, or the label that opts out (MODEL-SE-6).
    pub fn allocated_addresses<'o>(&'o self, host: &'o str) -> impl Iterator<Item = &'o str> {
        let list = match self.status.as_ref().and_then(|status| status.get("addresses")) {
            Some(Value::List(list)) if self.allocates_addresses() => list.as_slice(),
            _ => &[],
        };
        let text = |entry: &'o Value, key: &str| {
            entry.get(key).and_then(Value::as_str).filter(|text| !text.is_empty())
        };
        list.iter()
            .filter(move |entry| text(entry, "host").is_none_or(|of| of.eq_ignore_ascii_case(host)))
            .filter_map(move |entry| text(entry, "value"))
    }

    fn allocates_addresses(&self) -> bool {
        self.as_service_entry().is_some_and(|entry| entry.allocates_addresses(&self.metadata.labels))
    }
}

/// Writes an entry unless it is what an absent one means.
fn entry_unless_default<M: SerializeMap, T: Default + PartialEq + Serialize>(
    map: &mut M,
    key: &'static str,
    value: &T,
) -> Result<(), M::Error> {
    if crate::macros::is_default(value) { Ok(()) } else { map.serialize_entry(key, value) }
}

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.unread.is_empty() {
            return self.serialize_read(serializer);
        }
        let whole = self.whole_value();
        let whole = whole.ok_or_else(|| serde::ser::Error::custom("the object has no form in YAML"))?;
        whole.serialize(serializer)
    }
}

/// An object without what was not read.
struct Read<'o>(&'o Object);

impl Serialize for Read<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize_read(serializer)
    }
}

impl Object {
    /// What was read, as a tree; `None` only if its type cannot be written, which none is.
    pub(crate) fn read_value(&self) -> Option<Value> {
        serde_yaml::to_value(Read(self)).and_then(Value::deserialize).ok()
    }

    /// All of the object as a tree.
    pub(crate) fn whole_value(&self) -> Option<Value> {
        let mut whole = self.read_value()?;
        for part in &self.unread {
            whole.put(part.path.segments(), part.value.clone(), part.left_out);
        }
        Some(whole)
    }

    fn serialize_read<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("apiVersion", &self.api_version)?;
        map.serialize_entry("kind", self.kind.as_str())?;
        map.serialize_entry("metadata", &self.metadata)?;
        match &self.body {
            Body::VirtualService(spec) => map.serialize_entry("spec", spec)?,
            Body::DestinationRule(spec) => map.serialize_entry("spec", spec)?,
            Body::Gateway(spec) => map.serialize_entry("spec", spec)?,
            Body::ServiceEntry(spec) => map.serialize_entry("spec", spec)?,
            Body::Sidecar(spec) => map.serialize_entry("spec", spec)?,
            Body::WorkloadEntry(spec) => map.serialize_entry("spec", spec)?,
            Body::WorkloadGroup(spec) => map.serialize_entry("spec", spec)?,
            Body::EnvoyFilter(spec) => map.serialize_entry("spec", spec)?,
            Body::ProxyConfig(spec) => map.serialize_entry("spec", spec)?,
            Body::AuthorizationPolicy(spec) => map.serialize_entry("spec", spec)?,
            Body::PeerAuthentication(spec) => map.serialize_entry("spec", spec)?,
            Body::RequestAuthentication(spec) => map.serialize_entry("spec", spec)?,
            Body::TrafficExtension(spec) => map.serialize_entry("spec", spec)?,
            Body::WasmPlugin(spec) => map.serialize_entry("spec", spec)?,
            Body::Telemetry(spec) => map.serialize_entry("spec", spec)?,
            Body::Service(service) => {
                map.serialize_entry("spec", &service.spec)?;
                entry_unless_default(&mut map, "status", &service.status)?;
            }
            Body::Pod(pod) => {
                map.serialize_entry("spec", &pod.spec)?;
                map.serialize_entry("status", &pod.status)?;
            }
            Body::EndpointSlice(slice) => {
                map.serialize_entry("addressType", &slice.address_type)?;
                map.serialize_entry("endpoints", &slice.endpoints)?;
                map.serialize_entry("ports", &slice.ports)?;
            }
            Body::ConfigMap(config) => map.serialize_entry("data", &config.data)?,
            Body::Namespace(_) | Body::ServiceAccount(_) => {}
            Body::Endpoints(endpoints) => map.serialize_entry("subsets", &endpoints.subsets)?,
            Body::Secret(secret) => {
                entry_unless_default(&mut map, "type", &secret.secret_type)?;
                entry_unless_default(&mut map, "data", &secret.data)?;
                entry_unless_default(&mut map, "stringData", &secret.string_data)?;
            }
            Body::Node(node) => entry_unless_default(&mut map, "status", &node.status)?,
            Body::Deployment(workload) => map.serialize_entry("spec", &workload.spec)?,
            Body::StatefulSet(workload) => map.serialize_entry("spec", &workload.spec)?,
            Body::DaemonSet(workload) => map.serialize_entry("spec", &workload.spec)?,
            Body::Opaque(value) => {
                if let Value::Map(entries) = value {
                    for (key, value) in entries {
                        map.serialize_entry(key, value)?;
                    }
                }
            }
        }
        if let Some(status) = &self.status {
            map.serialize_entry("status", status)?;
        }
        map.end()
    }
}
