//! What a running Envoy answered to random policies and requests (`AUTHZ-TEST-02`, `AUTHZ-TEST-03`), recorded by
//! `testdata/authz/envoy/record.py`.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")]

use std::net::{IpAddr, SocketAddr};

use mesh_authz::{
    Action, Condition, HttpAttributes, Operation, Peer, PeerIdentity, Policy, PolicyId, PolicySet, Request,
    Rule, Source,
};
use serde::Deserialize;
use serde_json::{Map, Value};

#[derive(Deserialize)]
struct Record {
    envoy: String,
    columns: Vec<String>,
    identities: Vec<Identity>,
    sets: Vec<Set>,
}

#[derive(Deserialize)]
struct Identity {
    uris: Vec<String>,
    dns: Vec<String>,
    subject: String,
}

#[derive(Deserialize)]
struct Set {
    policies: Vec<Written>,
    checks: Vec<Check>,
}

#[derive(Deserialize)]
struct Written {
    namespace: String,
    name: String,
    action: String,
    rules: Vec<Value>,
}

/// One request and the details of Envoy's answer: `None` when it was let through.
#[derive(Debug, Deserialize)]
struct Check(
    u16,
    IpAddr,
    Option<usize>,
    String,
    Option<IpAddr>,
    String,
    String,
    String,
    Vec<(String, String)>,
    Option<String>,
);

const COLUMNS: [&str; 10] =
    ["port", "client", "identity", "sni", "remote", "method", "host", "path", "headers", "details"];

fn texts(value: &Value) -> Vec<String> {
    value.as_array().unwrap().iter().map(|each| each.as_str().unwrap().to_owned()).collect()
}

fn source(fields: &Map<String, Value>) -> Source {
    fields.iter().fold(Source::new(), |source, (field, value)| {
        let values = texts(value);
        match field.as_str() {
            "principals" => source.principals(values),
            "notPrincipals" => source.not_principals(values),
            "namespaces" => source.namespaces(values),
            "notNamespaces" => source.not_namespaces(values),
            "serviceAccounts" => source.service_accounts(values),
            "notServiceAccounts" => source.not_service_accounts(values),
            "trustDomains" => source.trust_domains(values),
            "notTrustDomains" => source.not_trust_domains(values),
            "ipBlocks" => source.ip_blocks(values),
            "notIpBlocks" => source.not_ip_blocks(values),
            "remoteIpBlocks" => source.remote_ip_blocks(values),
            "notRemoteIpBlocks" => source.not_remote_ip_blocks(values),
            other => panic!("source field {other}"),
        }
    })
}

fn operation(fields: &Map<String, Value>) -> Operation {
    fields.iter().fold(Operation::new(), |operation, (field, value)| {
        let values = texts(value);
        match field.as_str() {
            "hosts" => operation.hosts(values),
            "notHosts" => operation.not_hosts(values),
            "methods" => operation.methods(values),
            "notMethods" => operation.not_methods(values),
            "paths" => operation.paths(values),
            "notPaths" => operation.not_paths(values),
            "ports" => operation.ports(values),
            "notPorts" => operation.not_ports(values),
            other => panic!("operation field {other}"),
        }
    })
}

fn rule(written: &Value) -> Rule {
    let list = |key: &str| written[key].as_array().cloned().unwrap_or_default();
    let mut rule = Rule::new();
    for from in list("from") {
        rule = rule.from(source(from["source"].as_object().unwrap()));
    }
    for to in list("to") {
        rule = rule.to(operation(to["operation"].as_object().unwrap()));
    }
    for when in list("when") {
        let mut condition = Condition::new(when["key"].as_str().unwrap());
        if let Some(values) = when.get("values") {
            condition = condition.values(texts(values));
        }
        if let Some(values) = when.get("notValues") {
            condition = condition.not_values(texts(values));
        }
        rule = rule.when(condition);
    }
    rule
}

fn policy(written: &Written) -> Policy {
    let action = match written.action.as_str() {
        "ALLOW" => Action::Allow,
        "DENY" => Action::Deny,
        other => panic!("action {other}"),
    };
    let policy = Policy::new(PolicyId::new(&written.namespace, &written.name), action);
    written.rules.iter().fold(policy, |policy, written| policy.rule(rule(written)))
}

#[test]
fn the_verdicts_of_envoy_authz_test_02_03() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/authz/envoy/verdicts.json");
    let record: Record = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!(record.columns, COLUMNS);
    let identities: Vec<PeerIdentity> = record
        .identities
        .iter()
        .map(|written| {
            PeerIdentity::certificate(
                written.uris.iter().map(String::as_str),
                written.dns.iter().map(String::as_str),
                &written.subject,
            )
        })
        .collect();
    let (mut allowed, mut denied, mut wrong) = (0, 0, Vec::new());
    for (number, set) in record.sets.iter().enumerate() {
        let policies = PolicySet::builder().policies(set.policies.iter().map(policy)).build().unwrap();
        for check in &set.checks {
            let Check(port, client, identity, sni, remote, method, host, path, headers, details) = check;
            let mut peer = Peer::new(*client);
            if let Some(identity) = identity {
                peer = peer.identity(&identities[*identity]);
            }
            let http = HttpAttributes::new(method, path).host(host).headers(headers);
            let mut request = Request::new(peer, SocketAddr::from(([127, 0, 0, 1], *port))).http(http);
            if let Some(remote) = remote {
                request = request.remote_ip(*remote);
            }
            if !sni.is_empty() {
                request = request.sni(sni);
            }
            let decision = policies.evaluate(&request);
            let ours = decision.response_code_details().map(|details| details.to_string());
            if ours != *details {
                wrong.push(format!("set {number}, {check:?}: {ours:?}"));
            }
            *(if details.is_none() { &mut allowed } else { &mut denied }) += 1;
        }
    }
    assert!(allowed > 1_000 && denied > 1_000, "{allowed} allowed, {denied} denied");
    let shown = &wrong[..wrong.len().min(10)];
    assert!(wrong.is_empty(), "{} answers differ from Envoy {}: {shown:#?}", wrong.len(), record.envoy);
}
