//! The model: authorization read off the reference, rule by rule, with the regular expressions that the
//! control plane generates (AUTHZ-STR-05). Slow and plain on purpose.

use std::cell::RefCell;
use std::collections::HashMap;

use regex::bytes::Regex;

use crate::case::{Call, ConditionCase, Fields, PolicyCase, RuleCase, SetCase};

/// What the model says about a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub allowed: bool,
    /// The name of the rule that is reported, if a rule matched.
    pub rule: Option<String>,
    pub audit: Option<bool>,
    pub shadow_deny: Option<(bool, Option<String>)>,
    pub shadow_allow: Option<(bool, Option<String>)>,
}

/// The answer of the profile that the set is for.
pub fn answer_by_profile(set: &SetCase, policies: &[PolicyCase], call: &Call) -> Answer {
    if set.ztunnel { crate::ztunnel::answer(policies, call) } else { answer(set, policies, call) }
}

/// AUTHZ-EVAL-03 for sets without CUSTOM policies.
pub fn answer(set: &SetCase, policies: &[PolicyCase], call: &Call) -> Answer {
    combine(policies, |policy| matching_rules(set, policy, call))
}

/// The answer, given which rules of a policy match.
pub fn combine(policies: &[PolicyCase], matching: impl Fn(&PolicyCase) -> Vec<String>) -> Answer {
    let stage = |action: &str, dry_run: bool| {
        let selected: Vec<_> =
            policies.iter().filter(|p| p.action == action && p.dry_run == dry_run).collect();
        let names = selected.iter().flat_map(|policy| matching(policy));
        (!selected.is_empty(), names.min())
    };
    let (_, denied) = stage("DENY", false);
    let (any_allow, allowed) = stage("ALLOW", false);
    let (any_audit, audited) = stage("AUDIT", false);
    let (any_shadow_deny, shadow_deny) = stage("DENY", true);
    let (any_shadow_allow, shadow_allow) = stage("ALLOW", true);
    let (verdict, rule) = match (denied, any_allow, allowed) {
        (Some(rule), _, _) => (false, Some(rule)),
        (None, false, _) => (true, None),
        (None, true, rule) => (rule.is_some(), rule),
    };
    Answer {
        allowed: verdict,
        rule,
        audit: any_audit.then_some(audited.is_some()),
        shadow_deny: any_shadow_deny.then_some((shadow_deny.is_none(), shadow_deny)),
        shadow_allow: any_shadow_allow.then_some((shadow_allow.is_some(), shadow_allow)),
    }
}

/// The names of the rules of `policy` that match.
pub fn matching_rules(set: &SetCase, policy: &PolicyCase, call: &Call) -> Vec<String> {
    let matches = |rule: &RuleCase| rule_matches(set, policy, rule, call);
    let found = policy.rules.iter().enumerate().filter(|(_, rule)| matches(rule));
    found.map(|(index, _)| policy.rule_name(index)).collect()
}

const HTTP_FIELDS: [&str; 8] = [
    "hosts",
    "notHosts",
    "methods",
    "notMethods",
    "paths",
    "notPaths",
    "requestPrincipals",
    "notRequestPrincipals",
];

fn is_http_key(key: &str) -> bool {
    key.starts_with("request.")
}

fn rule_matches(set: &SetCase, policy: &PolicyCase, rule: &RuleCase, call: &Call) -> bool {
    let mut rule = rule.clone();
    if call.http.is_none() {
        // AUTHZ-TCP-02, AUTHZ-TCP-03
        let entries = rule.from.iter().chain(&rule.to);
        let in_entries = entries
            .flat_map(|fields| fields.iter())
            .any(|(name, values)| HTTP_FIELDS.contains(&name.as_str()) && !values.is_empty());
        let given = |c: &ConditionCase| !c.values.is_empty() || !c.not_values.is_empty();
        let in_conditions = rule.when.iter().any(|c| is_http_key(&c.key) && given(c));
        if policy.action == "ALLOW" && (in_entries || in_conditions) {
            return false;
        }
        for fields in rule.from.iter_mut().chain(&mut rule.to) {
            fields.retain(|name, _| !HTTP_FIELDS.contains(&name.as_str()));
        }
        rule.when.retain(|c| !is_http_key(&c.key));
    }
    // AUTHZ-RULE-01
    let entry =
        |fields: &Fields| fields.iter().all(|(name, values)| field_holds(set, policy, name, values, call));
    (rule.from.is_empty() || rule.from.iter().any(entry))
        && (rule.to.is_empty() || rule.to.iter().any(entry))
        && rule.when.iter().all(|c| {
            let one = |value: &String| value_matches(set, policy, &c.key, value, call);
            (c.values.is_empty() || c.values.iter().any(one)) && !c.not_values.iter().any(one)
        })
}

fn field_holds(set: &SetCase, policy: &PolicyCase, name: &str, values: &[String], call: &Call) -> bool {
    let field = |name: &str| match name {
        "principals" => "source.principal".to_owned(),
        "requestPrincipals" => "request.auth.principal".to_owned(),
        "namespaces" => "source.namespace".to_owned(),
        "serviceAccounts" => "source.serviceAccount".to_owned(),
        "trustDomains" => "source.trustDomain".to_owned(),
        "ipBlocks" => "source.ip".to_owned(),
        "remoteIpBlocks" => "remote.ip".to_owned(),
        "ports" => "destination.port".to_owned(),
        other => other.to_owned(),
    };
    if let Some(rest) = name.strip_prefix("not") {
        let (first, tail) = rest.split_at(1);
        let key = field(&(first.to_lowercase() + tail));
        !values.iter().any(|value| value_matches(set, policy, &key, value, call))
    } else {
        let key = field(name);
        values.is_empty() || values.iter().any(|value| value_matches(set, policy, &key, value, call))
    }
}

/// Whether one value of a field or condition matches (sections 2 and 3).
fn value_matches(set: &SetCase, policy: &PolicyCase, key: &str, value: &str, call: &Call) -> bool {
    let names = identities(call);
    let any_name = |pattern: &str| names.iter().any(|name| full_match(pattern, name.as_bytes()));
    let http = call.http.as_ref();
    match key {
        "source.principal" => expand_principal(set, value).iter().any(|value| {
            any_name(&match value.strip_prefix('*') {
                Some("") => ".+".to_owned(),
                Some(suffix) => format!("spiffe://.*{}", q(suffix)),
                None => form(&format!("spiffe://{value}")),
            })
        }),
        "source.namespace" if set.strict_namespaces => {
            let glob: Vec<String> = value.split('*').map(q).collect();
            any_name(&format!("spiffe://[^/]*/ns/{}/sa/[^/]*", glob.join("[^/]*")))
        }
        "source.namespace" => {
            let glob: Vec<String> = value.split('*').map(q).collect();
            any_name(&format!(".*/ns/{}/.*", glob.join(".*")))
        }
        "source.serviceAccount" => {
            let (ns, sa) = value.split_once('/').unwrap_or((&policy.namespace, value));
            any_name(&format!("spiffe://.+/ns/{}/(.+/|)sa/{}(/.+)?", q(ns), q(sa)))
        }
        "source.trustDomain" => {
            let domains = mesh_domains(set);
            let all = if domains.iter().any(|d| d == value) { domains } else { vec![value.to_owned()] };
            all.iter().any(|value| match value.split_once('*') {
                Some(("", "")) => any_name("spiffe://.*"),
                Some((a, b)) => any_name(&format!("spiffe://{}[^/]*{}/.*", q(a), q(b))),
                None => any_name(&format!("spiffe://{}/.*", q(value))),
            })
        }
        "source.ip" => in_block(value, call.ip),
        "remote.ip" => in_block(value, call.remote_ip),
        "destination.ip" => in_block(value, call.destination.ip()),
        "destination.port" => value.parse() == Ok(call.destination.port()),
        "connection.sni" => full_match(&form(value), call.sni.as_bytes()),
        "hosts" => http.and_then(|h| h.host.as_ref()).is_some_and(|host| {
            full_match(&form(&value.to_ascii_lowercase()), host.to_ascii_lowercase().as_bytes())
        }),
        "methods" => http.is_some_and(|h| value == "*" || full_match(&form(value), h.method.as_bytes())),
        "paths" => http.is_some_and(|h| {
            let path = h.path.split(['?', '#']).next().unwrap();
            full_match(&path_pattern(value), path.as_bytes())
        }),
        "request.auth.principal" => request_principal(value, call),
        "request.auth.audiences" => claim_matches(&["aud"], value, call),
        "request.auth.presenter" => claim_matches(&["azp"], value, call),
        _ if key.starts_with("request.headers[") => {
            let name = key["request.headers[".len()..key.len() - 1].to_lowercase();
            let mut values: Vec<_> = header_values(call, &name).into_iter().map(str::to_owned).collect();
            // AUTHZ-HDR-03
            if set.joined_headers && !values.is_empty() {
                values = vec![values.join(",")];
            }
            values.iter().any(|v| value == "*" || full_match(&form(value), v.as_bytes()))
        }
        _ if key.starts_with("request.auth.claims[") => {
            let path = &key["request.auth.claims[".len()..key.len() - 1];
            claim_matches(&path.split("][").collect::<Vec<_>>(), value, call)
        }
        _ => {
            let key = key.strip_prefix("experimental.").unwrap().strip_suffix(']').unwrap();
            let (namespace, entry) = key.split_once('[').unwrap();
            let found = call.metadata.iter().rev().find(|(n, e, _)| n == namespace && e == entry);
            match (found.map(|(_, _, v)| v), value.strip_prefix('[').and_then(|v| v.strip_suffix(']'))) {
                (Some(toml::Value::Array(items)), Some(value)) => {
                    let strings = items.iter().filter_map(toml::Value::as_str);
                    strings.into_iter().any(|s| full_match(&form(value), s.as_bytes()))
                }
                (Some(toml::Value::String(s)), None) => full_match(&form(value), s.as_bytes()),
                _ => false,
            }
        }
    }
}

/// AUTHZ-SRC-01, AUTHZ-SRC-02
pub fn identities(call: &Call) -> Vec<&str> {
    let Some(names) = &call.names else { return Vec::new() };
    let subject = Some(&names.subject).filter(|s| !s.is_empty());
    names.uri.iter().chain(&names.dns).chain(subject).map(String::as_str).collect()
}

fn q(text: &str) -> String {
    regex::escape(text)
}

/// AUTHZ-STR-01 as a full match; `*` asks for one or more characters.
fn form(value: &str) -> String {
    match (value, value.strip_prefix('*'), value.strip_suffix('*')) {
        ("*", _, _) => ".+".to_owned(),
        (_, Some(suffix), _) => format!(".*{}", q(suffix)),
        (_, None, Some(prefix)) => format!("{}.*", q(prefix)),
        _ => q(value),
    }
}

/// AUTHZ-PATH-08, AUTHZ-PATH-10
fn path_pattern(value: &str) -> String {
    if !value.contains("{*}") && !value.contains("{**}") {
        return form(value);
    }
    let segment = r"[a-zA-Z0-9\-._~%!$&'()+,;:@=*]";
    let path = r"[a-zA-Z0-9\-._~%!$&'()+,;:@=*/]";
    q(value).replace(&q("{**}"), &format!("{path}*")).replace(&q("{*}"), &format!("{segment}+"))
}

fn full_match(pattern: &str, text: &[u8]) -> bool {
    thread_local! {
        static COMPILED: RefCell<HashMap<String, Regex>> = RefCell::default();
    }
    COMPILED.with_borrow_mut(|compiled| {
        if !compiled.contains_key(pattern) {
            compiled.insert(pattern.to_owned(), Regex::new(&format!("^(?s-u:{pattern})$")).unwrap());
        }
        compiled[pattern].is_match(text)
    })
}

fn mesh_domains(set: &SetCase) -> Vec<String> {
    if set.trust_domains.is_empty() { vec!["cluster.local".to_owned()] } else { set.trust_domains.clone() }
}

/// AUTHZ-SRC-11 for trust domains without stars in the mesh configuration.
fn expand_principal(set: &SetCase, value: &str) -> Vec<String> {
    let parts: Vec<_> = value.split('/').collect();
    let domains = mesh_domains(set);
    if parts.len() != 5 || parts[0] == "*" {
        return vec![value.to_owned()];
    }
    let pattern = form(parts[0]);
    if parts[0] != "cluster.local" && !domains.iter().any(|d| full_match(&pattern, d.as_bytes())) {
        return vec![value.to_owned()];
    }
    let kept = |d: &&String| parts[0].starts_with('*') && full_match(&pattern, d.as_bytes());
    let rest = parts[1..].join("/");
    domains.iter().map(|d| if kept(&d) { value.to_owned() } else { format!("{d}/{rest}") }).collect()
}

pub fn in_block(block: &str, ip: std::net::IpAddr) -> bool {
    use std::net::IpAddr;
    let (address, length) = match block.split_once('/') {
        Some((address, length)) => (address, length.parse::<usize>().unwrap()),
        None => (block, 128),
    };
    let bits = |ip: IpAddr| -> Vec<bool> {
        let octets = match ip {
            IpAddr::V4(ip) => ip.octets().to_vec(),
            IpAddr::V6(ip) => ip.octets().to_vec(),
        };
        octets.iter().flat_map(|octet| (0..8).map(move |bit| octet & (0x80 >> bit) != 0)).collect()
    };
    let (block, ip) = (bits(address.parse().unwrap()), bits(ip));
    block.len() == ip.len() && block.iter().zip(&ip).take(length).all(|(a, b)| a == b)
}

/// AUTHZ-HDR-01, AUTHZ-HDR-02
fn header_values<'c>(call: &'c Call, name: &str) -> Vec<&'c str> {
    let Some(http) = &call.http else { return Vec::new() };
    match name {
        ":authority" | "host" => http.host.iter().map(String::as_str).collect(),
        ":method" => vec![&http.method],
        ":path" => vec![&http.path],
        _ => {
            let lines = http.headers.iter().filter(|(n, _)| n.to_lowercase() == name);
            lines.map(|(_, v)| v.as_str()).collect()
        }
    }
}

/// AUTHZ-SRC-08
fn request_principal(value: &str, call: &Call) -> bool {
    let claims = call.http.as_ref().and_then(|h| h.claims.as_ref());
    let string = |name: &str| claims.and_then(|c| c.get(name)).and_then(toml::Value::as_str);
    let (Some(iss), Some(sub)) = (string("iss"), string("sub")) else { return false };
    let (iss_pattern, sub_pattern) = match value.rfind('/') {
        None if value == "*" => (".+".to_owned(), ".+".to_owned()),
        None => match (value.strip_prefix('*'), value.strip_suffix('*')) {
            (Some(x), _) => (".+".to_owned(), format!(".*{}", q(x))),
            (None, Some(x)) => (format!("{}.*", q(x)), ".+".to_owned()),
            (None, None) => (q(value), String::new()),
        },
        Some(at) => {
            let (i, s) = (&value[..at], &value[at + 1..]);
            match (i.strip_prefix('*'), s.strip_suffix('*')) {
                (Some(""), _) => (".+".to_owned(), q(s)),
                (Some(x), _) => (format!(".*{}", q(x)), q(s)),
                (None, Some("")) => (q(i), ".+".to_owned()),
                (None, Some(x)) => (q(i), format!("{}.*", q(x))),
                (None, None) => (q(i), q(s)),
            }
        }
    };
    full_match(&iss_pattern, iss.as_bytes()) && full_match(&sub_pattern, sub.as_bytes())
}

/// AUTHZ-COND-04 to AUTHZ-COND-07
fn claim_matches(path: &[&str], value: &str, call: &Call) -> bool {
    let Some(claims) = call.http.as_ref().and_then(|h| h.claims.as_ref()) else { return false };
    let Some(top) = claims.get(path[0]) else { return false };
    let mut found = match top {
        toml::Value::String(s) if matches!(path[0], "scope" | "permission") => {
            let words = s.split(' ').filter(|w| !w.is_empty());
            toml::Value::Array(words.map(|w| toml::Value::String(w.to_owned())).collect())
        }
        other => other.clone(),
    };
    for name in &path[1..] {
        match found.as_table().and_then(|table| table.get(*name)) {
            Some(inner) => found = inner.clone(),
            None => return false,
        }
    }
    let strings = match &found {
        toml::Value::String(s) => vec![s.as_str()],
        toml::Value::Array(items) => items.iter().filter_map(toml::Value::as_str).collect(),
        _ => Vec::new(),
    };
    strings.iter().any(|s| full_match(&form(value), s.as_bytes()))
}
