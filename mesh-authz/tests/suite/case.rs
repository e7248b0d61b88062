//! Policies and requests in a form that test data, generators and the model share.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use mesh_authz::{
    Action, Claims, Condition, HttpAttributes, Metadata, Operation, Peer, PeerIdentity, Policy, PolicyId,
    PolicySet, PolicySetBuilder, Profile, Request, Rule, Source, TrustDomains, Value,
};
use serde::Deserialize;

/// One entry of `from` or `to`: values by Istio's field name.
pub type Fields = BTreeMap<String, Vec<String>>;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PolicyCase {
    #[serde(default = "foo")]
    pub namespace: String,
    #[serde(default = "policy")]
    pub name: String,
    pub action: String,
    #[serde(default)]
    pub provider: String,
    #[serde(default)]
    pub dry_run: bool,
    #[serde(default)]
    pub rules: Vec<RuleCase>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleCase {
    #[serde(default)]
    pub from: Vec<Fields>,
    #[serde(default)]
    pub to: Vec<Fields>,
    #[serde(default)]
    pub when: Vec<ConditionCase>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ConditionCase {
    pub key: String,
    #[serde(default)]
    pub values: Vec<String>,
    #[serde(default)]
    pub not_values: Vec<String>,
}

/// Settings of a set of policies.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SetCase {
    #[serde(default)]
    pub trust_domains: Vec<String>,
    #[serde(default)]
    pub providers: Vec<String>,
    #[serde(default)]
    pub http_providers: Vec<String>,
    #[serde(default)]
    pub several_providers: bool,
    #[serde(default)]
    pub strict_namespaces: bool,
    #[serde(default)]
    pub keep_invalid: bool,
    #[serde(default)]
    pub joined_headers: bool,
    #[serde(default)]
    pub ztunnel: bool,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Names {
    #[serde(default)]
    pub uri: Vec<String>,
    #[serde(default)]
    pub dns: Vec<String>,
    #[serde(default)]
    pub subject: String,
}

#[derive(Debug, Clone)]
pub struct Http {
    pub method: String,
    pub path: String,
    pub host: Option<String>,
    pub headers: Vec<(String, String)>,
    pub claims: Option<toml::Table>,
}

#[derive(Debug, Clone)]
pub struct Call {
    pub names: Option<Names>,
    pub ip: IpAddr,
    pub remote_ip: IpAddr,
    pub destination: SocketAddr,
    pub sni: String,
    pub http: Option<Http>,
    pub metadata: Vec<(String, String, toml::Value)>,
}

fn foo() -> String {
    "foo".into()
}

fn policy() -> String {
    "policy".into()
}

impl PolicyCase {
    /// A policy without rules.
    pub fn named(name: &str, action: &str) -> Self {
        Self {
            namespace: "foo".to_owned(),
            name: name.to_owned(),
            action: action.to_owned(),
            provider: "p".to_owned(),
            dry_run: false,
            rules: Vec::new(),
        }
    }

    /// The name of one of the rules (AUTHZ-EVAL-10).
    pub fn rule_name(&self, rule: usize) -> String {
        format!("ns[{}]-policy[{}]-rule[{rule}]", self.namespace, self.name)
    }

    pub fn policy(&self) -> Policy {
        let action = match &*self.action {
            "ALLOW" => Action::Allow,
            "DENY" => Action::Deny,
            "AUDIT" => Action::Audit,
            "CUSTOM" => Action::Custom(self.provider.as_str().into()),
            other => panic!("action {other}"),
        };
        let mut policy = Policy::new(PolicyId::new(&self.namespace, &self.name), action);
        if self.dry_run {
            policy = policy.dry_run();
        }
        self.rules.iter().fold(policy, |policy, rule| policy.rule(rule.rule()))
    }
}

impl RuleCase {
    fn rule(&self) -> Rule {
        let rule = self.from.iter().fold(Rule::new(), |rule, fields| rule.from(source(fields)));
        let rule = self.to.iter().fold(rule, |rule, fields| rule.to(operation(fields)));
        self.when.iter().fold(rule, |rule, c| {
            rule.when(Condition::new(&*c.key).values(&c.values).not_values(&c.not_values))
        })
    }
}

fn source(fields: &Fields) -> Source {
    fields.iter().fold(Source::new(), |s, (name, values)| match &**name {
        "principals" => s.principals(values),
        "notPrincipals" => s.not_principals(values),
        "requestPrincipals" => s.request_principals(values),
        "notRequestPrincipals" => s.not_request_principals(values),
        "namespaces" => s.namespaces(values),
        "notNamespaces" => s.not_namespaces(values),
        "serviceAccounts" => s.service_accounts(values),
        "notServiceAccounts" => s.not_service_accounts(values),
        "trustDomains" => s.trust_domains(values),
        "notTrustDomains" => s.not_trust_domains(values),
        "ipBlocks" => s.ip_blocks(values),
        "notIpBlocks" => s.not_ip_blocks(values),
        "remoteIpBlocks" => s.remote_ip_blocks(values),
        "notRemoteIpBlocks" => s.not_remote_ip_blocks(values),
        other => panic!("source field {other}"),
    })
}

fn operation(fields: &Fields) -> Operation {
    fields.iter().fold(Operation::new(), |o, (name, values)| match &**name {
        "hosts" => o.hosts(values),
        "notHosts" => o.not_hosts(values),
        "ports" => o.ports(values),
        "notPorts" => o.not_ports(values),
        "methods" => o.methods(values),
        "notMethods" => o.not_methods(values),
        "paths" => o.paths(values),
        "notPaths" => o.not_paths(values),
        other => panic!("operation field {other}"),
    })
}

impl SetCase {
    pub fn builder(&self, policies: &[PolicyCase]) -> PolicySetBuilder {
        let mut builder = PolicySet::builder().policies(policies.iter().map(PolicyCase::policy));
        if let Some((mesh, aliases)) = self.trust_domains.split_first() {
            builder = builder.trust_domains(TrustDomains::new(mesh).aliases(aliases));
        }
        for provider in &self.providers {
            builder = builder.provider(provider.as_str());
        }
        for provider in &self.http_providers {
            builder = builder.http_provider(provider.as_str());
        }
        for (on, set) in [
            (self.several_providers, PolicySetBuilder::several_providers as fn(_) -> _),
            (self.strict_namespaces, PolicySetBuilder::strict_namespaces),
            (self.keep_invalid, PolicySetBuilder::keep_invalid),
            (self.joined_headers, PolicySetBuilder::joined_headers),
            (self.ztunnel, |builder: PolicySetBuilder| builder.profile(Profile::Ztunnel)),
        ] {
            builder = if on { set(builder) } else { builder };
        }
        builder
    }

    pub fn build(&self, policies: &[PolicyCase]) -> PolicySet {
        self.builder(policies).build().unwrap()
    }
}

impl Call {
    /// Hands the call to `then` as a request.
    pub fn with<T>(&self, then: impl FnOnce(&Request<'_>) -> T) -> T {
        self.with_connection(|connection| {
            self.with_http(|http| then(&http.map_or(*connection, |http| connection.http(http))))
        })
    }

    /// Hands what is known about the connection to `then`.
    pub fn with_connection<T>(&self, then: impl FnOnce(&Request<'_>) -> T) -> T {
        let identity = self.names.as_ref().map(|names| {
            let uri = names.uri.iter().map(String::as_str);
            PeerIdentity::certificate(uri, names.dns.iter().map(String::as_str), &names.subject)
        });
        let metadata = self
            .metadata
            .iter()
            .fold(Metadata::new(), |m, (namespace, key, v)| m.entry(namespace, key, value(v)));
        let mut peer = Peer::new(self.ip);
        if let Some(identity) = &identity {
            peer = peer.identity(identity);
        }
        let connection = Request::new(peer, self.destination);
        then(&connection.remote_ip(self.remote_ip).sni(&self.sni).metadata(&metadata))
    }

    /// Hands what is known about the HTTP request to `then`.
    pub fn with_http<T>(&self, then: impl FnOnce(Option<HttpAttributes<'_>>) -> T) -> T {
        let Some(http) = &self.http else { return then(None) };
        let claims = http
            .claims
            .as_ref()
            .map(|table| table.iter().fold(Claims::new(), |claims, (name, v)| claims.claim(name, value(v))));
        let mut attributes = HttpAttributes::new(&http.method, &http.path).headers(&http.headers);
        if let Some(host) = &http.host {
            attributes = attributes.host(host);
        }
        if let Some(claims) = &claims {
            attributes = attributes.claims(claims);
        }
        then(Some(attributes))
    }
}

fn value(v: &toml::Value) -> Value {
    match v {
        toml::Value::String(s) => Value::from(s.as_str()),
        toml::Value::Array(items) => Value::List(items.iter().map(value).collect()),
        toml::Value::Table(t) => Value::object(t.iter().map(|(k, v)| (k.as_str(), value(v)))),
        _ => Value::Other,
    }
}
