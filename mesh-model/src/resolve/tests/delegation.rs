//! Delegation (MODEL-RES-17, section 1.8 of the route reference).

use super::{object, set};
use crate::networking::VirtualService;
use crate::networking::virtual_service::HttpRoute;
use crate::resolve::Resource;

/// The rules that a root's rule with `block` becomes, handing over to `rules` of a VirtualService in namespace `b`.
fn merged(root: &str, rules: &str) -> Vec<HttpRoute> {
    exported(root, rules, "")
}

fn exported(root: &str, rules: &str, more: &str) -> Vec<HttpRoute> {
    let found = set(&[
        object(
            "VirtualService",
            "a",
            "root",
            1,
            &format!("{{hosts: [x.com], http: [{{delegate: {{name: sub, namespace: b}}, {root}}}]}}"),
        ),
        object("VirtualService", "b", "sub", 1, &format!("{{http: [{rules}]{more}}}")),
    ]);
    let root = found.find::<VirtualService>("a", "root").expect("the root");
    found.http_routes(root).into_iter().map(|found| found.route.into_owned()).collect()
}

/// How many rules are left when `inner` meets `root`, both as match blocks.
fn kept(root: &str, inner: &str) -> usize {
    merged(&format!("match: [{{{root}}}]"), &format!("{{match: [{{{inner}}}], route: []}}")).len()
}

/// Rules of the root without delegate are its own; a VirtualService without hosts does nothing by itself.
#[test]
fn roots_and_delegates_route_deleg_01_model_res_17() {
    let found = set(&[
        object(
            "VirtualService",
            "a",
            "root",
            1,
            "{hosts: [x.com], http: [{name: own, route: []}, {name: handed, delegate: {name: sub}}, {name: lost, delegate: \
             {name: nosuch}}, {name: last, route: []}]}",
        ),
        object("VirtualService", "a", "sub", 1, "{http: [{name: one, route: []}, {name: two, route: []}]}"),
    ]);
    let root = found.find::<VirtualService>("a", "root").expect("the root");
    let routes = found.http_routes(root);
    let names: Vec<_> = routes
        .iter()
        .map(|found| (found.route.name.as_str(), found.source.name.as_str(), found.index))
        .collect();
    assert_eq!(
        names,
        [("own", "root", 0), ("handed-one", "sub", 0), ("handed-two", "sub", 1), ("last", "root", 3)]
    );
    let everything = crate::resolve::Egress::everything();
    let list = found.mesh_virtual_services(&super::sidecar("a"), &everything);
    assert_eq!(list.iter().map(Resource::name).collect::<Vec<_>>(), ["root"]);
}

/// A delegate that is not exported to the root's namespace, has hosts, or delegates itself: the rule vanishes.
#[test]
fn who_can_be_a_delegate_route_deleg_02_03_model_res_11() {
    for (more, want) in [
        ("", 1),
        (", exportTo: ['*']", 1),
        (", exportTo: [a]", 1),
        (", exportTo: ['.']", 0),
        (", exportTo: [c]", 0),
        (", hosts: [y.com]", 0),
        (", hosts: []", 1),
    ] {
        assert_eq!(exported("name: r", "{route: []}", more).len(), want, "{more}");
    }
    assert!(merged("name: r", "{delegate: {name: deeper}}").is_empty(), "one level only");
    // Neither itself nor in a circle.
    let circle = set(&[
        object("VirtualService", "a", "root", 1, "{hosts: [x.com], http: [{delegate: {name: one}}]}"),
        object("VirtualService", "a", "one", 1, "{http: [{delegate: {name: two}}, {route: []}]}"),
        object("VirtualService", "a", "two", 1, "{http: [{delegate: {name: one}}]}"),
    ]);
    let root = circle.find::<VirtualService>("a", "root").expect("the root");
    assert!(circle.http_routes(root).is_empty());
}

#[test]
fn ports_and_source_labels_route_deleg_08() {
    for (root, inner, want) in [
        ("port: 80", "port: 80", 1),
        ("port: 80", "port: 81", 0),
        ("port: 80", "uri: {exact: /a}", 1),
        ("uri: {prefix: /}", "port: 80", 1),
        ("sourceLabels: {a: x}", "sourceLabels: {a: x}", 1),
        ("sourceLabels: {a: x}", "sourceLabels: {a: y}", 0),
        ("sourceLabels: {a: x}", "sourceLabels: {b: y}", 1),
        ("sourceLabels: {a: x}", "uri: {exact: /a}", 1),
    ] {
        assert_eq!(kept(root, inner), want, "{root} | {inner}");
    }
}

/// Every field: the delegate's where it is set, else the root's; maps are united, the delegate's value wins.
#[test]
fn merged_blocks_route_deleg_11() {
    let root = "match: [{name: r, uri: {prefix: /r}, scheme: {exact: http}, method: {exact: GET}, authority: {exact: \
                x.com}, headers: {h: {prefix: r}, only-root: {exact: r}}, withoutHeaders: {w: {exact: r}}, queryParams: \
                {q: {exact: r}}, sourceLabels: {l: r}, sourceNamespace: ns, port: 80, gateways: [mesh, door], \
                statPrefix: rs, ignoreUriCase: true}]";
    let bare = "{match: [{ignoreUriCase: true, sourceNamespace: ns}], route: []}";
    let found = merged(root, bare);
    let (block, given) = (&found[0].matches[0], &merged(root, "{route: []}")[0].matches[0]);
    assert_eq!(block, given, "a bare block and no block inherit the same");
    let full = "{match: [{name: i, uri: {exact: /r/i}, headers: {h: {exact: ri}, only-inner: {exact: i}}, withoutHeaders: \
                {v: {exact: i}}, queryParams: {p: {exact: i}}, sourceLabels: {m: i}, sourceNamespace: ns, port: 80, \
                gateways: [mesh], statPrefix: is, ignoreUriCase: true}], route: []}";
    let found = merged(root, full);
    let block = serde_json::to_value(&found[0].matches[0]).expect("JSON");
    let want = serde_json::json!({
        "name": "r-i",
        "uri": {"exact": "/r/i"},
        "scheme": {"exact": "http"},
        "method": {"exact": "GET"},
        "authority": {"exact": "x.com"},
        "headers": {"h": {"exact": "ri"}, "only-root": {"exact": "r"}, "only-inner": {"exact": "i"}},
        "withoutHeaders": {"w": {"exact": "r"}, "v": {"exact": "i"}},
        "queryParams": {"q": {"exact": "r"}, "p": {"exact": "i"}},
        "sourceLabels": {"l": "r", "m": "i"},
        "sourceNamespace": "ns",
        "port": 80,
        "gateways": ["mesh"],
        "statPrefix": "is",
        "ignoreUriCase": true,
    });
    assert_eq!(block, want);
}

/// A root's direct response goes to the rules that have none, and route and redirect of a root go nowhere.
#[test]
fn what_a_root_gives_route_deleg_12_13() {
    let found = merged(
        "directResponse: {status: 503}, timeout: 1s, route: [{destination: {host: r}}], redirect: {uri: /r}",
        "{name: bare, route: [{destination: {host: i}}]}, {name: own, directResponse: {status: 404}, timeout: 2s}",
    );
    let statuses: Vec<_> =
        found.iter().map(|rule| rule.direct_response.as_ref().map(|response| response.status)).collect();
    assert_eq!(statuses, [Some(503), Some(404)]);
    let seconds: Vec<_> = found.iter().map(|rule| rule.timeout.map(|timeout| timeout.to_string())).collect();
    assert_eq!(seconds, [Some("1s".to_owned()), Some("2s".to_owned())]);
    assert!(found.iter().all(|rule| rule.redirect.is_none()));
    let host = |rule: &HttpRoute| rule.route[0].destination.as_ref().map(|to| to.host.clone());
    assert_eq!(host(&found[0]).as_deref(), Some("i.b.svc.cluster.local"));
    assert!(found[1].route.is_empty());
}

/// Gateways of a delegate do not bind it, and who sees it goes by the root.
#[test]
fn binding_is_the_roots_alone_route_deleg_14() {
    let found = set(&[
        object(
            "VirtualService",
            "a",
            "root",
            1,
            "{hosts: [x.com], gateways: [in], http: [{delegate: {name: sub, namespace: b}}]}",
        ),
        object(
            "VirtualService",
            "b",
            "sub",
            1,
            "{gateways: [out, mesh], exportTo: [a], http: [{route: []}]}",
        ),
    ]);
    let bound = |namespace: &str, name: &str| found.gateway_virtual_services("pods", namespace, name);
    assert!(bound("b", "out").is_empty());
    assert!(
        found.mesh_virtual_services(&super::sidecar("a"), &crate::resolve::Egress::everything()).is_empty()
    );
    let [root] = bound("a", "in")[..] else { panic!("one root") };
    assert_eq!(found.http_routes(root).len(), 1, "seen through the root, though not exported to the proxy");
}
