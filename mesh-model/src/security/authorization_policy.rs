//! AuthorizationPolicy: who may do what.

use crate::common::{PolicySelector, TargetRef};
use crate::macros::{not_empty_list, spec, spec_enum};

spec! {
    /// `spec` of an AuthorizationPolicy.
    pub struct AuthorizationPolicy {
        /// Absent is the whole namespace, or the mesh in the root namespace.
        pub selector: Option<PolicySelector>,
        /// Older singular form (MODEL-LEG-32).
        pub target_ref: Option<TargetRef>,
        /// Attach by name; excludes `selector`.
        pub target_refs: Vec<TargetRef>,
        /// Any matching rule triggers the action. None matches nothing; `{}` matches everything.
        pub rules: Vec<Rule>,
        /// See [`AuthorizationAction`].
        pub action: AuthorizationAction,
        /// With CUSTOM only.
        pub provider: Option<ExtensionProviderRef>,
    }

    /// Any of `from`, any of `to` and all of `when`; an empty list is no constraint.
    pub struct Rule {
        /// Sources, any of them.
        #[serde(deserialize_with = "not_empty")]
        pub from: Vec<From>,
        /// Operations, any of them.
        #[serde(deserialize_with = "not_empty")]
        pub to: Vec<To>,
        /// Conditions, all of them.
        pub when: Vec<Condition>,
    }

    /// Wrapper of [`Source`].
    pub struct From {
        /// Required.
        pub source: Option<Source>,
    }

    /// Wrapper of [`Operation`].
    pub struct To {
        /// Required.
        pub operation: Option<Operation>,
    }

    /// All given fields must hold; within one, any value.
    pub struct Source {
        /// `<trust domain>/ns/<ns>/sa/<sa>`.
        pub principals: Vec<String>,
        /// None of these.
        pub not_principals: Vec<String>,
        /// `<issuer>/<subject>`.
        pub request_principals: Vec<String>,
        /// None of these.
        pub not_request_principals: Vec<String>,
        /// Needs mutual TLS.
        pub namespaces: Vec<String>,
        /// None of these.
        pub not_namespaces: Vec<String>,
        /// `sa` or `ns/sa`.
        pub service_accounts: Vec<String>,
        /// None of these.
        pub not_service_accounts: Vec<String>,
        /// Trust domain of the peer.
        pub trust_domains: Vec<String>,
        /// None of these.
        pub not_trust_domains: Vec<String>,
        /// Peer address.
        pub ip_blocks: Vec<String>,
        /// None of these.
        pub not_ip_blocks: Vec<String>,
        /// Client address by X-Forwarded-For or PROXY protocol.
        pub remote_ip_blocks: Vec<String>,
        /// None of these.
        pub not_remote_ip_blocks: Vec<String>,
    }

    /// All given fields must hold; within one, any value.
    pub struct Operation {
        /// HTTP only, any case.
        pub hosts: Vec<String>,
        /// None of these.
        pub not_hosts: Vec<String>,
        /// Decimal strings.
        pub ports: Vec<String>,
        /// None of these.
        pub not_ports: Vec<String>,
        /// HTTP only.
        pub methods: Vec<String>,
        /// None of these.
        pub not_methods: Vec<String>,
        /// HTTP only; exact, prefix, suffix, presence or URI template.
        pub paths: Vec<String>,
        /// None of these.
        pub not_paths: Vec<String>,
    }

    /// A condition on an attribute.
    pub struct Condition {
        /// Attribute (MODEL-AP-14).
        pub key: String,
        /// Any of these.
        pub values: Vec<String>,
        /// None of these.
        pub not_values: Vec<String>,
    }

    /// The extension provider that decides.
    pub struct ExtensionProviderRef {
        /// Name in `meshConfig.extensionProviders`.
        pub name: String,
    }
}

spec_enum! {
    /// What a matching rule does.
    pub enum AuthorizationAction {
        /// Allow; the first ALLOW policy makes everything else denied.
        #[default]
        Allow = "ALLOW",
        /// Deny.
        Deny = "DENY",
        /// Record only.
        Audit = "AUDIT",
        /// Ask the provider.
        Custom = "CUSTOM",
    }
}

// `from: []` reads like "from nobody" and would mean "from anybody".
not_empty_list!(not_empty, "MODEL-AP-6", "remove the field, or name what it is to match");
