//! What to write instead of the removed kinds Policy and MeshPolicy (MODEL-LEG-26, MODEL-LEG-27).
//!
//! The text is made so that it never asks for less than the old policy did; what has no equivalent is left out where
//! that makes it stricter, and said.

use crate::common::Value;
use crate::diagnostic::Diagnostic;
use crate::meta::ObjectMeta;
use crate::path::FieldPath;
use std::fmt::Write as _;

/// The findings about a document of `authentication.istio.io` whose `spec` is given; none for other kinds.
pub(super) fn of(kind: &str, spec: &Value, metadata: &ObjectMeta, root_namespace: &str) -> Vec<Diagnostic> {
    let (name, namespace) = match kind {
        "Policy" => (metadata.name.as_str(), metadata.namespace.as_str()),
        "MeshPolicy" => ("default", root_namespace),
        _ => return Vec::new(),
    };
    let path = FieldPath::new().field("spec");
    let old = Old { spec, name, namespace };
    let found = |code, field: &str, message: &str, new: New| {
        Diagnostic::error(code, path.clone().field(field), message).help(new.text()).at_key()
    };
    let peers = old.peers().map(|new| {
        found("MODEL-LEG-26", "peers", "the peers of a policy are a PeerAuthentication today", new)
    });
    let origins = old.origins().map(|new| {
        let message = "the origins of a policy are a RequestAuthentication and an AuthorizationPolicy today";
        found("MODEL-LEG-27", "origins", message, new)
    });
    peers.into_iter().chain(origins).collect()
}

/// Objects, and what is to be known about them.
#[derive(Default)]
struct New {
    objects: Vec<Value>,
    remarks: Vec<String>,
}

impl New {
    fn remark(&mut self, text: String) {
        if !self.remarks.contains(&text) {
            self.remarks.push(text);
        }
    }

    fn text(self) -> String {
        let mut out = "write".to_owned();
        if !self.remarks.is_empty() {
            let _ = write!(out, " ({})", self.remarks.join("; "));
        }
        out.push(':');
        for (index, object) in self.objects.iter().enumerate() {
            if index > 0 {
                out.push_str("\n---");
            }
            out.push('\n');
            out.push_str(serde_yaml::to_string(object).unwrap_or_default().trim_end());
        }
        out
    }
}

struct Old<'o> {
    spec: &'o Value,
    name: &'o str,
    namespace: &'o str,
}

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

fn map<'k>(entries: impl IntoIterator<Item = (&'k str, Value)>) -> Value {
    Value::Map(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

/// The elements of a list; one alone stands for a list of it.
fn list<'v>(value: &'v Value, names: &[&str]) -> &'v [Value] {
    match names.iter().find_map(|name| value.get(name)) {
        Some(Value::List(items)) => items,
        Some(one @ (Value::Map(_) | Value::String(_))) => std::slice::from_ref(one),
        _ => &[],
    }
}

fn strings(items: &[Value]) -> Vec<Value> {
    items.iter().filter(|item| item.as_str().is_some()).cloned().collect()
}

impl Old<'_> {
    fn is_true(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.spec.get(name) == Some(&Value::Bool(true)))
    }

    /// An object of `security.istio.io` in place of this, one for each target.
    fn object(&self, kind: &str, target: Option<&str>, spec: Vec<(String, Value)>) -> Value {
        let name = match target {
            Some(target) if target != self.name => format!("{}-{target}", self.name),
            _ => self.name.to_owned(),
        };
        let selector = target
            .map(|target| ("selector".to_owned(), map([("matchLabels", map([("app", text(target))]))])));
        let namespace = (!self.namespace.is_empty()).then(|| ("namespace", text(self.namespace)));
        let metadata = std::iter::once(("name", Value::String(name))).chain(namespace);
        map([
            ("apiVersion", text("security.istio.io/v1")),
            ("kind", text(kind)),
            ("metadata", map(metadata)),
            ("spec", Value::Map(selector.into_iter().chain(spec).collect())),
        ])
    }

    /// Runs `act` for each service the policy is for, with its ports, or once for all.
    fn each_target(&self, new: &mut New, mut act: impl FnMut(&mut New, Option<&str>, &[Value])) {
        let targets = list(self.spec, &["targets"]);
        if targets.is_empty() {
            act(new, None, &[]);
        }
        for target in targets {
            let Some(name) = target.get("name").and_then(Value::as_str) else { continue };
            new.remark("`app` stands for the labels that the pods of the service have".to_owned());
            act(new, Some(name), list(target, &["ports"]));
        }
    }

    fn peers(&self) -> Option<New> {
        let mtls = list(self.spec, &["peers"]).iter().find_map(|peer| peer.get("mtls"))?;
        let open = mtls.get("mode").and_then(Value::as_str) == Some("PERMISSIVE")
            || mtls.get("allowTls").or_else(|| mtls.get("allow_tls")) == Some(&Value::Bool(true))
            || self.is_true(&["peerIsOptional", "peer_is_optional"]);
        let mode = || map([("mode", text(if open { "PERMISSIVE" } else { "STRICT" }))]);
        let mut new = New::default();
        self.each_target(&mut new, |new, target, ports| {
            let numbers: Vec<(String, Value)> =
                ports.iter().filter_map(|port| Some((port.get("number")?.scalar_text()?, mode()))).collect();
            let spec = if ports.is_empty() || numbers.len() < ports.len() {
                vec![("mtls".to_owned(), mode())]
            } else {
                vec![("portLevelMtls".to_owned(), Value::Map(numbers))]
            };
            if !ports.is_empty() {
                new.remark("ports are those of the workload, by number".to_owned());
            }
            new.objects.push(self.object("PeerAuthentication", target, spec));
        });
        Some(new)
    }

    fn origins(&self) -> Option<New> {
        let tokens: Vec<&Value> =
            list(self.spec, &["origins"]).iter().filter_map(|origin| origin.get("jwt")).collect();
        if tokens.is_empty() {
            return None;
        }
        let rules: Vec<Value> = tokens.iter().map(|token| jwt_rule(token)).collect();
        let mut new = New::default();
        let optional = self.is_true(&["originIsOptional", "origin_is_optional"]);
        let access = if optional { Vec::new() } else { access(&tokens, &mut new) };
        self.each_target(&mut new, |new, target, ports| {
            let spec = vec![("jwtRules".to_owned(), Value::List(rules.clone()))];
            new.objects.push(self.object("RequestAuthentication", target, spec));
            if !optional {
                let spec = vec![("rules".to_owned(), Value::List(access.clone()))];
                new.objects.push(self.object("AuthorizationPolicy", target, spec));
                if !ports.is_empty() {
                    new.remark("it is for all ports of the workload".to_owned());
                }
            }
        });
        Some(new)
    }
}

fn jwt_rule(token: &Value) -> Value {
    let mut rule = Vec::new();
    for (names, new) in
        [(&["issuer"][..], "issuer"), (&["jwksUri", "jwks_uri"], "jwksUri"), (&["jwks"], "jwks")]
    {
        if let Some(value) =
            names.iter().find_map(|name| token.get(name)?.as_str()).filter(|value| !value.is_empty())
        {
            rule.push((new.to_owned(), text(value)));
        }
    }
    let mut add = |new: &str, values: Vec<Value>| {
        if !values.is_empty() {
            rule.push((new.to_owned(), Value::List(values)));
        }
    };
    add("audiences", strings(list(token, &["audiences"])));
    let headers = strings(list(token, &["jwtHeaders", "jwt_headers"]));
    add("fromHeaders", headers.into_iter().map(|name| map([("name", name)])).collect());
    add("fromParams", strings(list(token, &["jwtParams", "jwt_params"])));
    Value::Map(rule)
}

/// The rules of a policy that asks for a token, except where the old one asked for none.
fn access(tokens: &[&Value], new: &mut New) -> Vec<Value> {
    let operation = |field: &str, paths: Vec<Value>| {
        let operation = map([("operation", map([(field, Value::List(paths))]))]);
        map([("to", Value::List(vec![operation]))])
    };
    let anybody = map([("requestPrincipals", Value::List(vec![text("*")]))]);
    let mut rules = vec![map([("from", Value::List(vec![map([("source", anybody)])]))])];
    let triggers = |token: &'_ Value| list(token, &["triggerRules", "trigger_rules"]).len();
    let trigger = match tokens {
        [token] if triggers(token) == 1 => list(token, &["triggerRules", "trigger_rules"]).first(),
        _ => None,
    };
    let Some(trigger) = trigger else {
        if tokens.iter().any(|token| triggers(token) > 0) {
            new.remark(
                "more than one trigger rule cannot be taken over, every path needs a token".to_owned(),
            );
        }
        return rules;
    };
    let (excluded, lost) = paths(list(trigger, &["excludedPaths", "excluded_paths"]));
    if !excluded.is_empty() {
        rules.push(operation("paths", excluded));
    }
    let (included, all) = paths(list(trigger, &["includedPaths", "included_paths"]));
    // With one of these missing, its paths would need no token.
    if !included.is_empty() && !all {
        rules.push(operation("notPaths", included));
    }
    if lost || all {
        new.remark("some paths of the trigger rule have no equivalent, they need a token".to_owned());
    }
    rules
}

/// Matches of paths in today's form, and whether one is lost.
fn paths(matches: &[Value]) -> (Vec<Value>, bool) {
    let new: Vec<Value> = matches
        .iter()
        .filter_map(|path| {
            let get = |key: &str| {
                path.get(key)?.as_str().filter(|text| !text.is_empty() && !text.contains(['*', '{', '}']))
            };
            get("exact")
                .map(str::to_owned)
                .or_else(|| Some(format!("{}*", get("prefix")?)))
                .or_else(|| Some(format!("*{}", get("suffix")?)))
        })
        .map(Value::String)
        .collect();
    let lost = new.len() < matches.len();
    (new, lost)
}

#[cfg(test)]
mod tests {
    use crate::{Kind, LoadState, Options, Source, load};

    const OLD: &str = "
apiVersion: authentication.istio.io/v1alpha1
kind: Policy
metadata: {name: own, namespace: shop}
spec:
  targets:
  - name: reviews
    ports: [{number: 8080}]
  - name: own
  peers:
  - mtls: {}
  origins:
  - jwt:
      issuer: https://issuer.example.com
      jwksUri: https://issuer.example.com/keys
      audiences: [reviews]
      jwt_headers: [x-token]
      jwt_params: [token]
      trigger_rules:
      - excluded_paths: [{exact: /health}, {prefix: /public/}, {suffix: .css}, {regex: '/a|/b'}]
        included_paths: [{prefix: /api/}]
";

    /// MODEL-LEG-26, MODEL-LEG-27: what is told to write loads without a word.
    #[test]
    fn the_replacement_is_valid_model_leg_27() {
        let told = load([Source::new("old", OLD)], &Options::default()).diagnostics;
        let mut kinds = Vec::new();
        for code in ["MODEL-LEG-26", "MODEL-LEG-27"] {
            let help = told.iter().find(|found| found.code == code).unwrap().help.clone().unwrap();
            let (_, text) = help.split_once(":\n").unwrap();
            let new = load([Source::new("new", text)], &Options::default());
            assert!(new.diagnostics.is_empty(), "{:#?}\n{text}", new.diagnostics);
            assert!(new.objects.iter().all(|object| object.state == LoadState::Clean));
            kinds
                .extend(new.objects.iter().map(|object| (object.kind.clone(), object.metadata.name.clone())));
        }
        let want = |kind: &Kind| ["own-reviews", "own"].map(|name| (kind.clone(), name.to_owned()));
        let mut wanted = want(&Kind::PeerAuthentication).to_vec();
        for name in ["own-reviews", "own"] {
            wanted.push((Kind::RequestAuthentication, name.to_owned()));
            wanted.push((Kind::AuthorizationPolicy, name.to_owned()));
        }
        assert_eq!(kinds, wanted);
    }

    /// What cannot be said today makes the replacement stricter, never more open (MODEL-LEG-27).
    #[test]
    fn what_has_no_equivalent_needs_a_token() {
        for (triggers, absent) in [
            ("[{included_paths: [{prefix: /api/}, {regex: /b.*}]}]", "notPaths"),
            ("[{excluded_paths: [{exact: /a}]}, {excluded_paths: [{exact: /b}]}]", "paths"),
            ("[{excluded_paths: [{prefix: ''}]}]", "paths"),
            ("[{excluded_paths: [{exact: '*'}]}]", "paths"),
        ] {
            let text = format!(
                "{{apiVersion: authentication.istio.io/v1alpha1, kind: Policy, metadata: {{name: a}}, spec: {{origins: \
                 [{{jwt: {{issuer: i, trigger_rules: {triggers}}}}}]}}}}"
            );
            let told = load([Source::new("old", &text)], &Options::default()).diagnostics;
            let help = told.iter().find(|found| found.code == "MODEL-LEG-27").unwrap().help.clone().unwrap();
            assert!(help.contains("requestPrincipals") && !help.contains(&format!("{absent}:")), "{help}");
            assert!(help.contains("token):"), "{help}");
        }
    }
}
