//! Laws of the compile step, against slow readings of the objects.

use mesh_model::networking::VirtualService;
use mesh_model::networking::virtual_service::{HttpMatchRequest, HttpRoute};
use mesh_model::resolve::{Resource, ResourceSet};
use mesh_model::{MeshConfig, Object, Options, Source, load};
use mesh_proxy_core::snapshot::compile;
use mesh_route::{Conditions, PathMatch, RequestHead, StringMatch};
use proptest::prelude::*;

use crate::world::{context, dated, egress, gateway, istio, service, sidecar};

fn objects(texts: &[String]) -> Vec<Object> {
    let text = texts.concat();
    let mut options = Options::default();
    options.validate = false;
    let loaded = load([Source::new("law.yaml", &text)], &options);
    assert!(!loaded.has_errors(), "{:#?}\n{text}", loaded.diagnostics);
    loaded.objects
}

/// A match block, as YAML: few values, so that blocks and requests collide.
fn block() -> impl Strategy<Value = String> {
    let path = prop::sample::select(vec![
        "",
        "uri: {prefix: /}",
        "uri: {prefix: ''}",
        "uri: {prefix: /a}",
        "uri: {prefix: /a/b}",
        "uri: {exact: /a/b}",
        "uri: {exact: /}",
        "uri: {regex: '.*'}",
        "uri: {regex: '/a.*'}",
        "uri: {prefix: /A}, ignoreUriCase: true",
    ]);
    let rest = prop::sample::select(vec![
        "",
        "",
        "",
        "headers: {x: {exact: '1'}}",
        "headers: {x: {prefix: '1'}}",
        "headers: {x: {}}",
        "withoutHeaders: {x: {exact: '1'}}",
        "queryParams: {q: {exact: '1'}}",
        "method: {exact: GET}",
        "headers: {y: {exact: '1'}}",
        "port: 81",
        "sourceLabels: {app: you}",
    ]);
    (path, rest).prop_map(|(path, rest)| {
        let parts: Vec<&str> = [path, rest].into_iter().filter(|part| !part.is_empty()).collect();
        format!("{{{}}}", parts.join(", "))
    })
}

/// Rules as lists of blocks.
fn rules() -> impl Strategy<Value = Vec<Vec<String>>> {
    prop::collection::vec(prop::collection::vec(block(), 0..3), 0..6)
}

fn request() -> impl Strategy<Value = (&'static str, &'static str, Vec<(&'static str, &'static str)>)> {
    let path = prop::sample::select(vec!["/", "/a", "/A", "/a/b", "/a/b/c", "/ab", "/a?q=1", "/b?q=2", "/b"]);
    let header = prop::sample::select(vec![("x", "1"), ("x", "12"), ("x", ""), ("y", "1")]);
    (prop::sample::select(vec!["GET", "PUT"]), path, prop::collection::vec(header, 0..3))
}

fn yaml(name: &str, blocks: &[String]) -> String {
    let blocks = if blocks.is_empty() { String::new() } else { format!("match: [{}], ", blocks.join(", ")) };
    format!("{{name: {name}, {blocks}directResponse: {{status: 200}}}}")
}

/// `http` of a list of rules named after their place.
fn http(prefix: &str, rules: &[Vec<String>]) -> String {
    let rules: Vec<String> =
        rules.iter().enumerate().map(|(at, blocks)| yaml(&format!("{prefix}{at}"), blocks)).collect();
    format!("  http: [{}]", rules.join(", "))
}

/// The conditions of a block, read once more and without regard to what else there is.
fn conditions(block: &HttpMatchRequest) -> Conditions {
    use mesh_model::common::StringMatch as Given;
    let string = |given: &Given| match given {
        Given::Exact(text) => StringMatch::exact(text),
        Given::Prefix(text) => StringMatch::prefix(text),
        Given::Regex(text) => StringMatch::regex(text, &mesh_route::Limits::new()).unwrap(),
        _ => StringMatch::present(),
    };
    let mut when = Conditions::any();
    if let Some(uri) = &block.uri {
        let path = match uri {
            Given::Exact(text) => PathMatch::exact(text),
            Given::Prefix(text) => PathMatch::prefix(text),
            Given::Regex(text) => PathMatch::regex(text, &mesh_route::Limits::new()).unwrap(),
            _ => PathMatch::prefix("/"),
        };
        when = when.path(if block.ignore_uri_case { path.ignore_case() } else { path });
    }
    if let Some(method) = &block.method {
        when = when.method(string(method));
    }
    for (name, value) in &block.headers {
        when = when.header(name, string(value));
    }
    for (name, value) in &block.without_headers {
        when = when.without_header(name, string(value));
    }
    for (name, value) in &block.query_params {
        when = when.query_param(name, string(value));
    }
    when
}

type Head<'r> = RequestHead<'r, [(&'r str, &'r str)]>;

/// Whether a block is for this proxy (`app: me`, port 80) and accepts a request.
fn accepts(block: &HttpMatchRequest, head: &Head<'_>) -> bool {
    let here = (block.port == 0 || block.port == 80)
        && block.source_labels.iter().all(|(key, value)| key == "app" && value == "me");
    here && conditions(block).matches(head)
}

/// The first rule that accepts, with nothing cut off.
fn first<'r>(rules: impl IntoIterator<Item = &'r HttpRoute>, head: &Head<'_>) -> Option<String> {
    let found = rules
        .into_iter()
        .find(|rule| rule.matches.is_empty() || rule.matches.iter().any(|block| accepts(block, head)));
    found.map(|rule| rule.name.clone())
}

fn is_catch_all(rule: &HttpRoute) -> bool {
    rule.matches.is_empty()
}

/// The name of the route that the compiled snapshot finds on its only listener.
fn decided(objects: &[Object], head: &Head<'_>) -> Option<String> {
    let compiled = compile(objects, &context("default"));
    let [listener] = compiled.snapshot.listeners() else { panic!("{:?}", compiled.issues) };
    listener.routes.lookup(head).route().map(|found| found.action.name.to_string())
}

fn named(set: &ResourceSet) -> Vec<Resource<'_, VirtualService>> {
    set.all::<VirtualService>().collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// What is cut off behind a catch-all could never have decided.
    #[test]
    fn truncation_changes_nothing_route_prop_10(rules in rules(), (method, path, headers) in request()) {
        let list = objects(&[
            sidecar(80, "REGISTRY_ONLY"),
            service("default", "m", "80"),
            istio("VirtualService", "default", "m", &format!("  hosts: [m]\n{}", http("r", &rules))),
        ]);
        let head = RequestHead::new(method, "m", path, &headers[..]);
        let set = ResourceSet::new(list.clone(), MeshConfig::default());
        let naive = first(&named(&set)[0].http, &head);
        let compiled = decided(&list, &head);
        // Without a rule for this proxy the service's default route is left.
        let none = named(&set)[0].http.iter().all(|rule| {
            !rule.matches.is_empty() && rule.matches.iter().all(|block| block.port == 81 || !block.source_labels.is_empty())
        });
        if none {
            prop_assert_eq!(compiled.as_deref(), Some("default"));
        } else {
            prop_assert_eq!(compiled, naive);
        }
    }

    /// On a gateway: all rules in order, the catch-alls last.
    #[test]
    fn a_gateway_merges_like_a_scan_route_prop_11(
        older in rules(),
        newer in rules(),
        (method, path, headers) in request(),
    ) {
        let of = |name: &str, day: &str, rules: &[Vec<String>]| {
            let spec = format!("  hosts: [x.org]\n  gateways: [door]\n{}", http(name, rules));
            dated("VirtualService", "default", name, day, &spec)
        };
        let list = objects(&[
            gateway("x.org"),
            of("newer", "2021-01-01", &newer),
            of("older", "2020-01-01", &older),
        ]);
        let head = RequestHead::new(method, "x.org", path, &headers[..]);
        // One route for each block that is for this proxy; of each VirtualService what is not behind a catch-all.
        let set = ResourceSet::new(list.clone(), MeshConfig::default());
        let mut routes: Vec<(String, Conditions, bool)> = Vec::new();
        for found in named(&set) {
            for rule in &found.spec.http {
                if is_catch_all(rule) {
                    routes.push((rule.name.clone(), Conditions::any(), true));
                    break;
                }
                let here = |block: &&HttpMatchRequest| block.port != 81 && block.source_labels.is_empty();
                let mut whole = false;
                for block in rule.matches.iter().filter(here) {
                    let text = serde_json::to_value(block).unwrap();
                    let bare = text.as_object().unwrap().keys().all(|key| ["uri", "ignoreUriCase"].contains(&key.as_str()));
                    let any = bare && matches!(text.get("uri").map(ToString::to_string).as_deref(),
                        None | Some(r#"{"prefix":"/"}"# | r#"{"regex":".*"}"#));
                    routes.push((rule.name.clone(), conditions(block), any));
                    whole = any;
                    if whole { break }
                }
                if whole { break }
            }
        }
        let ordered = routes.iter().filter(|(_, _, any)| !any).chain(routes.iter().filter(|(_, _, any)| *any));
        let naive = ordered.clone().find(|(_, when, _)| when.matches(&head)).map(|(name, _, _)| name.clone());
        prop_assert_eq!(decided(&list, &head), naive);
    }

    /// A rule that delegates decides for a request only if one of its blocks and one of the delegate's rule accept it.
    /// Blocks that name one key twice are left out: there the delegate's condition replaces the root's.
    #[test]
    fn both_blocks_accept_route_prop_13(
        root in prop::collection::vec(block(), 0..3),
        inner in prop::collection::vec(block(), 0..3),
        (method, path, headers) in request(),
    ) {
        let list = objects(&[
            sidecar(80, "REGISTRY_ONLY"),
            service("default", "m", "80"),
            istio("VirtualService", "default", "m", &format!(
                "  hosts: [m]\n  http: [{{name: root, match: [{}], delegate: {{name: d}}}}]", root.join(", "))),
            istio("VirtualService", "default", "d", &http("inner", std::slice::from_ref(&inner))),
        ]);
        let set = ResourceSet::new(list.clone(), MeshConfig::default());
        let of = |name: &str| &set.find::<VirtualService>("default", name).unwrap().spec.http[0].matches;
        let (root, inner) = (of("m"), of("d"));
        let shared = |a: &HttpMatchRequest, b: &HttpMatchRequest| {
            a.headers.keys().any(|key| b.headers.contains_key(key))
                || a.without_headers.keys().any(|key| b.without_headers.contains_key(key))
                || a.query_params.keys().any(|key| b.query_params.contains_key(key))
                || (a.uri.is_some() && b.uri.is_some())
                || (a.method.is_some() && b.method.is_some())
        };
        prop_assume!(!root.iter().any(|a| inner.iter().any(|b| shared(a, b))));
        let head = RequestHead::new(method, "m", path, &headers[..]);
        let by = |blocks: &[HttpMatchRequest]| blocks.is_empty() || blocks.iter().any(|block| accepts(block, &head));
        let decided = decided(&list, &head);
        if decided.as_deref().is_some_and(|name| name.starts_with("root-inner")) {
            prop_assert!(by(root) && by(inner), "{:?}", decided);
        }
    }

    /// The order of the input does not matter when ages differ, and neither does that of map keys.
    #[test]
    fn order_of_input_is_irrelevant_route_prop_09(
        first in rules(),
        second in rules(),
        order in Just((0..6).collect::<Vec<usize>>()).prop_shuffle(),
        (method, path, headers) in request(),
    ) {
        let of = |name: &str, day: &str, rules: &[Vec<String>]| {
            dated("VirtualService", "default", name, day, &format!("  hosts: [m]\n{}", http(name, rules)))
        };
        let rule = |name: &str, day: &str, keys: &str| {
            dated("DestinationRule", "default", name, day, &format!("  host: m\n  subsets: [{{name: s, labels: {keys}}}]"))
        };
        let parts = |keys: &str| [
            egress(80, "REGISTRY_ONLY", "*/*"),
            service("default", "m", "80"),
            of("one", "2020-01-01", &first),
            of("two", "2021-01-01", &second),
            rule("three", "2022-01-01", keys),
            rule("four", "2023-01-01", "{x: y}"),
        ];
        let given = parts("{version: v1, app: m}");
        let turned: Vec<String> = order.iter().map(|at| parts("{app: m, version: v1}")[*at].clone()).collect();
        let head = RequestHead::new(method, "m", path, &headers[..]);
        prop_assert_eq!(decided(&objects(&given), &head), decided(&objects(&turned), &head));
        let clusters = |texts: &[String]| {
            let compiled = compile(&objects(texts), &context("default"));
            compiled.snapshot.clusters().to_vec()
        };
        prop_assert_eq!(clusters(&given), clusters(&turned));
    }
}
