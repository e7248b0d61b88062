//! One broken object at a time: nothing panics, the object is named in a finding, and every other host is decided as
//! before.

use mesh_model::{Loaded, Object, Options, Source, load};
use mesh_proxy_core::snapshot::{Compiled, RouteAction, compile};
use mesh_route::{Lookup, RequestHead};
use serde_json::{Value, json};

use crate::world::context;

/// The objects, by name. All of `broken` concern the host `x` alone.
fn objects() -> Vec<(&'static str, Value)> {
    let object = |kind: &str, name: &str, spec: Value| {
        let group = if kind == "Service" { "v1" } else { "networking.istio.io/v1" };
        json!({"apiVersion": group, "kind": kind, "metadata": {"name": name, "namespace": "default"}, "spec": spec})
    };
    let service = |name: &str| {
        let ports = json!([{"name": "http", "port": 80, "targetPort": 8080}]);
        object("Service", name, json!({"selector": {"app": name}, "ports": ports}))
    };
    let slice = |name: &str| {
        json!({
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": name, "namespace": "default", "labels": {"kubernetes.io/service-name": name}},
            "addressType": "IPv4",
            "endpoints": [{"addresses": ["192.0.2.1"]}],
            "ports": [{"name": "http", "port": 8080}],
        })
    };
    let to = |host: &str| json!([{"destination": {"host": host}}]);
    vec![
        (
            "door",
            object(
                "Gateway",
                "door",
                json!({
                    "selector": {"istio": "ingressgateway"},
                    "servers": [{"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": ["*.org"]}],
                }),
            ),
        ),
        (
            "sidecar",
            object(
                "Sidecar",
                "sidecar",
                json!({
                    "egress": [{
                        "port": {"number": 80, "name": "http", "protocol": "HTTP"},
                        "bind": "127.0.0.1",
                        "captureMode": "NONE",
                        "hosts": ["*/*"],
                    }],
                    "outboundTrafficPolicy": {"mode": "REGISTRY_ONLY"},
                }),
            ),
        ),
        ("x", service("x")),
        ("x-slice", slice("x")),
        ("a", service("a")),
        ("a-slice", slice("a")),
        ("b", service("b")),
        ("b-slice", slice("b")),
        (
            "others",
            object(
                "VirtualService",
                "others",
                json!({
                    "hosts": ["a", "other.org"],
                    "gateways": ["mesh", "door"],
                    "http": [{"match": [{"uri": {"prefix": "/b"}}], "route": to("b")}, {"route": to("a")}],
                }),
            ),
        ),
        (
            "rule",
            object(
                "DestinationRule",
                "rule",
                json!({
                    "host": "x",
                    "trafficPolicy": {
                        "loadBalancer": {"consistentHash": {"httpHeaderName": "h", "maglev": {"tableSize": 101}}},
                        "connectionPool": {"tcp": {"maxConnections": 5, "connectTimeout": "1s"}, "http": {"http2MaxRequests": 7}},
                        "portLevelSettings": [{"port": {"number": 81}, "loadBalancer": {"simple": "RANDOM"}}],
                    },
                    "subsets": [{"name": "all", "labels": {}}],
                }),
            ),
        ),
        (
            "entry",
            object(
                "ServiceEntry",
                "entry",
                json!({
                    "hosts": ["x.entry.org"],
                    "location": "MESH_EXTERNAL",
                    "resolution": "STATIC",
                    "addresses": ["192.0.2.99"],
                    "ports": [{"number": 80, "name": "http", "protocol": "HTTP", "targetPort": 8080}],
                    "endpoints": [{"address": "192.0.2.1", "weight": 3, "locality": "r/z", "ports": {"http": 8081}}],
                }),
            ),
        ),
        (
            "broken",
            object(
                "VirtualService",
                "broken",
                json!({
                    "hosts": ["x", "x.org"],
                    "gateways": ["mesh", "door"],
                    "exportTo": ["*"],
                    "http": [
                        {
                            "name": "first",
                            "match": [{
                                "uri": {"regex": "/r/[0-9]+"},
                                "headers": {"h": {"exact": "v"}},
                                "withoutHeaders": {"w": {"prefix": "v"}},
                                "queryParams": {"q": {"exact": "v"}},
                                "method": {"exact": "GET"},
                                "sourceLabels": {"app": "me"},
                                "port": 80,
                            }],
                            "rewrite": {"uri": "/new", "authority": "up.org"},
                            "timeout": "2s",
                            "retries": {"attempts": 2, "perTryTimeout": "1s", "retryOn": "5xx"},
                            "fault": {"abort": {"httpStatus": 500, "percentage": {"value": 1.0}}},
                            "mirror": {"host": "b"},
                            "mirrorPercentage": {"value": 1.0},
                            "corsPolicy": {"allowOrigins": [{"exact": "o"}], "maxAge": "10s"},
                            "headers": {"request": {"set": {"s": "%REQ(x)%"}, "remove": ["gone"]}},
                            "route": [
                                {"destination": {"host": "x", "subset": "all", "port": {"number": 80}}, "weight": 1},
                                {"destination": {"host": "a"}, "weight": 3, "headers": {"response": {"add": {"r": "v"}}}},
                            ],
                        },
                        {"match": [{"uri": {"exact": "/go"}}], "redirect": {"uri": "/to", "redirectCode": 302}},
                        {"match": [{"uri": {"exact": "/say"}}], "directResponse": {"status": 200, "body": {"string": "s"}}},
                        {"match": [{"uri": {"prefix": "/d/"}}], "delegate": {"name": "delegate"}},
                        {"route": to("x")},
                    ],
                }),
            ),
        ),
        ("delegate", object("VirtualService", "delegate", json!({"http": [{"route": to("x")}]}))),
    ]
}

/// One text of all objects; JSON is YAML.
fn text(objects: &[(&str, Value)]) -> String {
    objects.iter().map(|(_, object)| format!("---\n{object}\n")).collect::<Vec<_>>().concat()
}

/// All objects as loaded, of which one at a time is replaced.
struct Sound(Vec<Object>);

impl Sound {
    fn new(objects: &[(&str, Value)]) -> Self {
        let texts = objects.iter().map(std::slice::from_ref);
        Self(texts.flat_map(|object| read(object, true).0.objects).collect())
    }

    /// The object at `index` as loaded, and what becomes of all.
    fn with(&self, index: usize, object: &(&str, Value), validate: bool) -> (Loaded, Compiled) {
        let text = text(std::slice::from_ref(object));
        let mut options = Options::default();
        options.validate = validate;
        let loaded = load([Source::new("robust.yaml", &text)], &options);
        let mut objects = self.0.clone();
        objects.splice(index..=index, loaded.objects.iter().cloned());
        let compiled = compile(&objects, &context("default"));
        (loaded, compiled)
    }
}

fn read(objects: &[(&str, Value)], validate: bool) -> (Loaded, Compiled) {
    let text = text(objects);
    let mut options = Options::default();
    options.validate = validate;
    let loaded = load([Source::new("robust.yaml", &text)], &options);
    let compiled = compile(&loaded.objects, &context("default"));
    (loaded, compiled)
}

/// What is decided about requests to hosts that the broken objects do not concern, and what about their own.
fn decisions(compiled: &Compiled, requests: &[(&str, &str)]) -> Vec<String> {
    let mut out = Vec::new();
    for (authority, path) in requests {
        for listener in compiled.snapshot.listeners() {
            let headers = [("h", "v")];
            let head = RequestHead::new("GET", authority, path, &headers[..]);
            let answer = match listener.routes.lookup(&head) {
                Lookup::Route(found) => match &found.action.action {
                    RouteAction::Forward(forward) => {
                        let to = forward.destinations.pick(0);
                        let endpoints = to.cluster.and_then(|index| compiled.snapshot.cluster(index));
                        let endpoints = endpoints.map(|cluster| cluster.endpoints.len());
                        format!("{} {} {endpoints:?}", found.action.name, to.cluster_name)
                    }
                    RouteAction::Redirect(redirect, _) => redirect.location(&head),
                    RouteAction::Direct(direct, _) => format!("{} {}", found.action.name, direct.status()),
                    other => panic!("{other:?}"),
                },
                Lookup::NoRoute(_) | Lookup::NoVirtualHost => "404".to_owned(),
                Lookup::TlsRequired(_) => "TLS".to_owned(),
            };
            out.push(format!("{} {authority}{path}: {answer}", listener.key));
        }
    }
    out
}

const OTHERS: [(&str, &str); 7] = [
    ("a", "/"),
    ("a", "/b/x"),
    ("b", "/"),
    ("b.default", "/x"),
    ("other.org", "/b"),
    ("other.org", "/c"),
    ("unknown.org", "/"),
];

const OWN: [(&str, &str); 6] =
    [("x", "/r/1"), ("x", "/go"), ("x.org", "/say"), ("x", "/d/1"), ("x.org", "/else"), ("x.entry.org", "/")];

/// Every place in a value.
fn places(value: &Value, at: &str, out: &mut Vec<String>) {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(members) => {
            members.iter().map(|(key, value)| (key.replace('~', "~0").replace('/', "~1"), value)).collect()
        }
        Value::Array(items) => {
            items.iter().enumerate().map(|(index, item)| (index.to_string(), item)).collect()
        }
        _ => Vec::new(),
    };
    for (key, child) in children {
        let path = format!("{at}/{key}");
        out.push(path.clone());
        places(child, &path, out);
    }
}

fn remove(object: &mut Value, path: &str) {
    let Some((parent, key)) = path.rsplit_once('/') else { return };
    match object.pointer_mut(parent) {
        Some(Value::Object(members)) => drop(members.remove(&key.replace("~1", "/").replace("~0", "~"))),
        Some(Value::Array(items)) => drop(items.remove(key.parse().unwrap())),
        _ => {}
    }
}

/// Each field of the objects that concern `x` alone is removed, emptied, given a wrong type and given nonsense.
#[test]
fn every_field_broken_in_every_way() {
    let whole = objects();
    let (_, sound) = read(&whole, true);
    assert!(sound.issues.is_empty(), "{:#?}", sound.issues);
    let want = decisions(&sound, &OTHERS);
    assert!(want.iter().all(|line| !line.ends_with("None")), "{want:#?}");
    let own = decisions(&sound, &OWN);
    let damages = [
        json!(null),
        json!("(gar[bled"),
        json!(-1),
        json!(4_000_000_000_u64),
        json!([]),
        json!({"x": ["("]}),
    ];
    let loaded_whole = Sound::new(&whole);
    let mut unnamed = Vec::new();
    let mut tried = 0;
    for name in ["broken", "delegate", "rule", "entry", "x-slice", "x"] {
        let index = whole.iter().position(|(other, _)| *other == name).unwrap();
        let mut paths = Vec::new();
        let root = if name == "x-slice" { "" } else { "/spec" };
        places(whole[index].1.pointer(root).unwrap(), root, &mut paths);
        // Who an object is, is another matter.
        paths.retain(|path| !path.starts_with("/metadata") && path != "/kind" && path != "/apiVersion");
        for path in &paths {
            for damage in std::iter::once(None).chain(damages.iter().map(Some)) {
                let mut object = whole[index].clone();
                match damage {
                    None => remove(&mut object.1, path),
                    Some(damage) => *object.1.pointer_mut(path).unwrap() = damage.clone(),
                }
                let what =
                    format!("{name}{path} = {}", damage.map_or("nothing".to_owned(), ToString::to_string));
                // What validation lets through is tried without it too, with the damages that say most.
                for validate in [true, false] {
                    if !validate && !damage.is_some_and(|damage| damage.is_string() || damage.is_object()) {
                        continue;
                    }
                    tried += 1;
                    let (loaded, compiled) = loaded_whole.with(index, &object, validate);
                    let found = decisions(&compiled, &OTHERS);
                    // A garbled host may be another host of this list, which is no damage but a conflict.
                    assert_eq!(found, want, "{what}");
                    let reference =
                        |kind: &str| format!("{kind} default/{}", name.trim_end_matches("-slice"));
                    let kind = object.1["kind"].as_str().unwrap_or_default();
                    let by_loader = loaded.diagnostics.iter().any(|found| {
                        found.object.as_ref().is_some_and(|object| object.to_string() == reference(kind))
                    });
                    let lost = loaded.objects.iter().any(|object| {
                        !object.is_usable() && object.reference().to_string() == reference(kind)
                    });
                    let named =
                        compiled.issues.iter().any(|issue| issue.object.to_string() == reference(kind));
                    // Whoever reads the findings of the compile step alone learns of an object that is left out.
                    assert!(!lost || named, "{what}: {:#?}", compiled.issues);
                    // Decisions that are gone are explained by somebody.
                    let worse = decisions(&compiled, &OWN).iter().zip(&own).any(|(now, then)| {
                        now != then
                            && (now.ends_with("404") || now.ends_with("None") || now.ends_with("Some(0)"))
                    });
                    // A Service without endpoints is a state, not a mistake.
                    if worse && validate && !by_loader && compiled.issues.is_empty() && name != "x-slice" {
                        unnamed.push(what.clone());
                    }
                }
            }
        }
    }
    assert!(tried > 800, "{tried}");
    assert!(unnamed.is_empty(), "{unnamed:#?}");
}

/// The mistakes that matter, by name: what is set where, and what the finding says. Not validated, since the compile
/// step must not count on it.
#[test]
fn mistakes_are_named() {
    let want = decisions(&read(&objects(), true).1, &OTHERS);
    let first = "/spec/http/0";
    for (path, value, words) in [
        (
            format!("{first}/match/0/uri"),
            json!({"regex": "/a("}),
            &["spec.http[0].match[0].uri.regex", "left out"][..],
        ),
        (
            format!("{first}/match/0/headers/h"),
            json!({"regex": "["}),
            &["match[0].headers{h}.regex", "left out"],
        ),
        (format!("{first}/match/0/queryParams/q"), json!({"regex": "*"}), &[]),
        (
            format!("{first}/match/0/queryParams/q"),
            json!({"regex": "(?R)"}),
            &["match[0].queryParams{q}.regex"],
        ),
        (
            format!("{first}/corsPolicy/allowOrigins/0"),
            json!({"regex": "("}),
            &["corsPolicy.allowOrigins[0]"],
        ),
        (
            "/spec/gateways/1".to_owned(),
            json!("nosuch/gateway"),
            &["spec.gateways[1]", "no usable Gateway `nosuch/gateway`"],
        ),
        ("/spec/hosts".to_owned(), json!([]), &["spec.hosts", "no hosts", "no effect"]),
        (format!("{first}/route/0/weight"), json!(-1), &["spec.http[0].route[0].weight", "-1"]),
        (
            format!("{first}/route"),
            json!([{"destination": {"host": "x"}, "weight": 0}, {"destination": {"host": "a"}}]),
            &["spec.http[0].route", "weight"],
        ),
        (format!("{first}/route"), json!([]), &["spec.http[0].route"]),
        (format!("{first}/route"), json!([{"weight": 1}]), &["spec.http[0].route[0]", "no `destination`"]),
        (
            format!("{first}/route/0/destination/host"),
            json!("nosuch"),
            &["route[0].destination", "nosuch", "503 (NC)"],
        ),
        (
            format!("{first}/route/0/destination/subset"),
            json!("nosuch"),
            &["route[0].destination", "subset `nosuch`"],
        ),
        (
            format!("{first}/route/0/destination/port"),
            json!({"number": 9}),
            &["route[0].destination", "no port 9"],
        ),
        (format!("{first}/mirror/host"), json!("nosuch"), &["spec.http[0].mirror", "nothing is mirrored"]),
        (format!("{first}/headers/request/set/s"), json!("%NOSUCH%"), &["headers.request.set{s}"]),
        (format!("{first}/fault/abort/httpStatus"), json!(99_999), &["fault.abort.httpStatus"]),
        (
            "/spec/http/1/redirect/redirectCode".to_owned(),
            json!(399),
            &["spec.http[1].redirect.redirectCode"],
        ),
        ("/spec/http/2/directResponse/status".to_owned(), json!(1), &["spec.http[2].directResponse"]),
        (
            "/spec/http/3/delegate/name".to_owned(),
            json!("nosuch"),
            &["spec.http[3].delegate", "default/nosuch"],
        ),
        ("/spec/http/3/delegate/name".to_owned(), json!("broken"), &["spec.http[3].delegate", "has hosts"]),
    ] {
        let mut list = objects();
        let index = list.iter().position(|(name, _)| *name == "broken").unwrap();
        *list[index].1.pointer_mut(&path).unwrap() = value.clone();
        let (_, compiled) = read(&list, false);
        let said: Vec<String> = compiled.issues.iter().map(ToString::to_string).collect();
        let named = said.iter().any(|issue| {
            issue.contains("VirtualService default/broken") && words.iter().all(|word| issue.contains(word))
        });
        assert!(words.is_empty() || named, "{path} = {value}: {said:#?}");
        assert_eq!(decisions(&compiled, &OTHERS), want, "{path} = {value}");
    }
}

/// Delegates in a circle, or several deep, cost the rules that lead there.
#[test]
fn circles_of_delegates() {
    let mut list = objects();
    let index = list.iter().position(|(name, _)| *name == "delegate").unwrap();
    list[index].1["spec"]["http"] = json!([{"delegate": {"name": "delegate"}}]);
    let (_, compiled) = read(&list, false);
    let issue =
        compiled.issues.iter().map(ToString::to_string).find(|issue| issue.contains("delegates again"));
    assert!(
        issue.is_some_and(|issue| issue.contains("VirtualService default/broken: spec.http[3].delegate"))
    );
    let (_, sound) = read(&objects(), true);
    let (now, then) = (decisions(&compiled, &OWN), decisions(&sound, &OWN));
    let changed: Vec<_> = now.iter().zip(&then).filter(|(now, then)| now != then).collect();
    // The rule behind takes over; it has the same destination, so only the name of the route could tell.
    assert!(changed.is_empty(), "{changed:#?}");
}

/// Gateways and Sidecars concern everybody: a broken one is named, and the other role goes on.
#[test]
fn broken_listeners() {
    let (_, sound) = read(&objects(), true);
    for (name, kind, other) in [("door", "Gateway", "127.0.0.1:80"), ("sidecar", "Sidecar", "0.0.0.0:80")] {
        let whole = objects();
        let loaded_whole = Sound::new(&whole);
        let index = whole.iter().position(|(found, _)| *found == name).unwrap();
        let mut paths = Vec::new();
        places(&whole[index].1["spec"], "/spec", &mut paths);
        for path in &paths {
            for damage in
                [json!(null), json!(""), json!("(garbled"), json!(-1), json!(70_000), json!([]), json!({})]
            {
                let mut object = whole[index].clone();
                *object.1.pointer_mut(path).unwrap() = damage.clone();
                for validate in [true, false] {
                    let (loaded, compiled) = loaded_whole.with(index, &object, validate);
                    let of = |compiled: &Compiled| {
                        let lines = decisions(compiled, &OTHERS);
                        lines.into_iter().filter(|line| line.starts_with(other)).collect::<Vec<_>>()
                    };
                    assert_eq!(of(&compiled), of(&sound), "{name}{path} = {damage}");
                    let lost = loaded.objects.iter().any(|object| !object.is_usable());
                    let named = compiled
                        .issues
                        .iter()
                        .any(|issue| issue.object.to_string() == format!("{kind} default/{name}"));
                    assert!(!lost || named, "{name}{path} = {damage}: {:#?}", compiled.issues);
                }
            }
        }
    }
}
