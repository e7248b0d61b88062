//! What loading promises: positions of every field, what is kept, what an object means, and its form of today.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::panic, reason = "a test")]

use mesh_model::common::{Percent, StringMatch};
use mesh_model::networking::VirtualService;
use mesh_model::resolve::ResourceSet;
use mesh_model::validate::{Settings, validate};
use mesh_model::{
    FieldPath, Kind, LoadState, Loaded, MeshConfig, Object, Options, Source, Spans, Target, load,
    parse_fragment,
};
use proptest::prelude::*;

fn load_one(text: &str) -> Loaded {
    load([Source::new("x.yaml", text)], &Options::default())
}

fn path(text: &str) -> FieldPath {
    text.parse().unwrap()
}

const LIST: &str = "
apiVersion: v1
kind: List
items:
- apiVersion: networking.istio.io/v1
  kind: VirtualService
  metadata: {name: reviews, namespace: shop}
  spec:
    hosts: &hosts
    - reviews  # a comment
    - \"ratings\"
    http:
    - match:
      - uri: {prefix: /é/api}
        headers:
          x-user: {exact: 'jason'}
      route:
      - destination: {host: reviews}
        weight: 100
    - route: [{destination: {host: ratings}}]
      timeout:
        5s
";

#[test]
fn every_field_of_an_object_has_a_place_model_api_1() {
    let sources = [Source::new("list.yaml", LIST)];
    let loaded = load(sources, &Options::default());
    assert!(loaded.diagnostics.is_empty(), "{:#?}", loaded.diagnostics);
    let spans = Spans::of(&loaded.objects[0], &sources).unwrap();
    for (field, line, column, text) in [
        ("metadata.name", 7, 20, "reviews"),
        ("spec.hosts[0]", 10, 7, "reviews"),
        ("spec.hosts[1]", 11, 7, "\"ratings\""),
        ("spec.http[0].match[0].uri.prefix", 14, 23, "/é/api"),
        ("spec.http[0].match[0].headers{x-user}.exact", 16, 27, "'jason'"),
        ("spec.http[0].route[0].weight", 19, 17, "100"),
        ("spec.http[1].timeout", 22, 9, "5s"),
        ("spec.http[0].route[0]", 18, 9, "destination: {host: reviews}\n        weight: 100"),
    ] {
        let span = spans.find(&path(field), Target::Value).unwrap();
        assert_eq!((span.start.line, span.start.column), (line, column), "{field}");
        assert_eq!(spans.spelling(&path(field)), Some(text), "{field}");
        assert_eq!(&LIST[span.start.byte..span.end.byte], text, "{field}");
    }
    let key = spans.find(&path("spec.http[1].timeout"), Target::Key).unwrap();
    assert_eq!(&LIST[key.start.byte..key.end.byte], "timeout");
    // What is not there has no place, but there is one to point at.
    assert_eq!(spans.find(&path("spec.gateways"), Target::Value), None);
    let near = spans.nearest(&path("spec.http[1].retries.attempts"), Target::Value);
    assert_eq!(near.start.line, 20);
}

#[test]
fn an_object_of_a_program_has_no_place() {
    let object = Object::new("shop", "reviews", VirtualService::default());
    assert!(Spans::of(&object, &[Source::new("list.yaml", LIST)]).is_none());
}

#[test]
fn validation_repeats_what_loading_found_model_api_2() {
    let text = "
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews, namespace: shop}
spec:
  host: ''
  trafficPolicy: {connectionPool: {http: {maxRetries: -1}}}
";
    let loaded = load_one(text);
    let mut again = validate(&loaded.objects[0], &Settings::default());
    mesh_model::locate(&mut again, &[Source::new("x.yaml", text)]);
    assert_eq!(again, loaded.diagnostics);
    assert_eq!(again.len(), 2);
    let found = &again[0];
    assert!(found.span.is_some() && found.help.is_some() && found.object.is_some());
}

/// MODEL-API-3
#[test]
fn what_is_not_understood_is_kept_and_written_back() {
    let text = "
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: readers, namespace: shop}
spec:
  rules:
  - from: [{source: {principals: [a], ipBlokcs: [10.0.0.0/8]}}]
  - to: [null, {operation: {methods: [GET], ports: [[1]]}}]
  whatever: {a: 1}
selektor: {}
";
    let loaded = load_one(text);
    let object = &loaded.objects[0];
    assert_eq!(object.state, LoadState::Partial);
    let kept: Vec<_> = object.unread.iter().map(|part| part.path.to_string()).collect();
    assert_eq!(
        kept,
        [
            "selektor",
            "spec.rules[0].from[0].source.ipBlokcs",
            "spec.rules[1].to[0]",
            "spec.rules[1].to[1].operation.ports[0]",
            "spec.whatever"
        ]
    );
    let written = object.to_yaml();
    let again = load_one(&written);
    assert_eq!(again.objects[0].unread, object.unread, "{written}");
    assert_eq!(again.objects[0].body, object.body, "{written}");
    assert!(again.objects[0].must_deny());
    let codes = |loaded: &Loaded| loaded.diagnostics.iter().map(|found| found.code).collect::<Vec<_>>();
    assert_eq!(codes(&again), codes(&loaded), "{written}");
}

/// MODEL-DOC-2: what the items of a typed list inherit, and where they are.
#[test]
fn items_of_a_list() {
    let text = "
apiVersion: networking.istio.io/v1beta1
kind: GatewayList
items:
- metadata: {name: a}
  spec: {selector: {a: b}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}]}
- kind: Sidecar
  metadata: {name: b}
  spec: {egress: [{hosts: ['./*']}]}
";
    let loaded = load_one(text);
    assert!(loaded.diagnostics.is_empty(), "{:#?}", loaded.diagnostics);
    assert_eq!(loaded.objects[0].kind, Kind::Gateway);
    assert_eq!(loaded.objects[1].kind, Kind::Sidecar);
    assert!(loaded.objects.iter().all(|object| object.api_version == "networking.istio.io/v1beta1"));
    assert_eq!(loaded.objects[1].origin.as_ref().unwrap().path.to_string(), "items[1]");
}

#[test]
fn addresses_of_a_status_model_doc_6() {
    let text = "
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: a, namespace: shop}
spec:
  hosts: [a.example.com, b.example.com]
  ports: [{number: 80, name: http, protocol: HTTP}]
  resolution: DNS
status:
  addresses:
  - {value: 240.240.0.1, host: a.example.com}
  - {value: 240.240.0.2, host: B.example.com}
  - {value: 2001:2::1}
";
    let loaded = load_one(text);
    let of = |host| loaded.objects[0].allocated_addresses(host).collect::<Vec<_>>();
    assert_eq!(of("a.example.com"), ["240.240.0.1", "2001:2::1"]);
    assert_eq!(of("b.example.com"), ["240.240.0.2", "2001:2::1"]);
    // Written again, the status is what it was; of other kinds nobody asks.
    assert!(loaded.objects[0].to_yaml().contains("host: B.example.com"));
    // Where nothing is allocated it is of no use.
    for (from, to) in [
        ("resolution: DNS", "resolution: NONE"),
        ("resolution: DNS", "resolution: DNS\n  addresses: [10.0.0.1]"),
        ("{name: a,", "{name: a, labels: {networking.istio.io/enable-autoallocate-ip: 'False'},"),
    ] {
        let loaded = load_one(&text.replace(from, to));
        assert_eq!(loaded.objects[0].allocated_addresses("a.example.com").next(), None, "{to}");
    }
}

#[test]
fn an_object_without_spec_model_doc_8() {
    let text = "
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: nothing, namespace: shop}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: a, namespace: shop}
";
    let loaded = load_one(text);
    // The empty policy allows nothing; that is what it says and no fault.
    let policy = loaded.objects[0].as_authorization_policy().unwrap();
    assert!(policy.rules.is_empty() && loaded.objects[0].is_usable());
    assert_eq!(loaded.objects[1].state, LoadState::Rejected);
}

#[test]
fn words_of_yaml_1_1_model_doc_10() {
    let text = "
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews, namespace: shop}
spec:
  hosts: [reviews]
  http:
  - name: 08
    match: [{ignoreUriCase: on, port: 0x50, headers: {x-a: {exact: on}, x-b: {exact: 1.10}}}, {port: 0120}]
    route: [{destination: {host: reviews}}]
";
    let loaded = load_one(text);
    let rule = &loaded.objects[0].as_virtual_service().unwrap().http[0];
    assert_eq!(rule.name, "08");
    assert!(rule.matches[0].ignore_uri_case);
    assert_eq!((rule.matches[0].port, rule.matches[1].port), (80, 80));
    assert_eq!(rule.matches[0].headers["x-a"], StringMatch::Exact("on".to_owned()));
    assert_eq!(rule.matches[0].headers["x-b"], StringMatch::Exact("1.10".to_owned()));
    assert_eq!(loaded.objects[0].state, LoadState::Recovered);
}

#[test]
fn the_last_of_two_objects_counts_model_doc_13() {
    let text = |host: &str| {
        format!(
            "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: a}}\nspec: {{host: {host}}}\n"
        )
    };
    let (first, second) = (text("a"), text("b"));
    let loaded = load([Source::new("1.yaml", &first), Source::new("2.yaml", &second)], &Options::default());
    assert_eq!(loaded.objects.len(), 1);
    assert_eq!(loaded.objects[0].as_destination_rule().unwrap().host, "b");
    let found = loaded.diagnostics[0].to_string();
    assert!(found.starts_with("2.yaml:3:18: warning[MODEL-DOC-13]") && found.contains("1.yaml:1"), "{found}");
}

#[test]
fn older_objects_come_first_model_meta_5() {
    let object = |name: &str, namespace: &str, created: &str| {
        let created =
            if created.is_empty() { String::new() } else { format!(", creationTimestamp: '{created}'") };
        format!(
            "---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: {name}, namespace: {namespace}{created}}}\nspec: {{host: a}}\n"
        )
    };
    let text = [
        object("d", "x", ""),
        object("c", "x", ""),
        object("b", "y", "2024-05-01T12:00:00Z"),
        object("b", "x", "2024-05-01T12:00:00Z"),
        object("a", "z", "2024-05-01T12:00:00Z"),
        object("e", "x", "2024-05-01T13:59:59+02:00"),
    ];
    let set = ResourceSet::new(load_one(&text.concat()).objects, MeshConfig::default());
    let order: Vec<_> = set
        .all::<mesh_model::networking::DestinationRule>()
        .map(|found| format!("{}/{}", found.object.metadata.namespace, found.object.metadata.name))
        .collect();
    assert_eq!(order, ["x/e", "z/a", "x/b", "y/b", "x/d", "x/c"]);
}

#[test]
fn shares_are_cut_off_model_type_9() {
    for (value, want) in [
        (12.5, 125_000),
        (0.0001, 1),
        (0.00019, 1),
        (0.000_099, 0),
        (33.333_39, 333_333),
        (100.0, 1_000_000),
        (250.0, 1_000_000),
        (-1.0, 0),
        (f64::NAN, 0),
    ] {
        let mut share = Percent::default();
        share.value = value;
        assert_eq!(share.millionths(), want, "{value}");
    }
}

#[test]
fn the_newer_of_two_percentages_counts_model_type_10() {
    let of = |fault: &str| {
        let text = format!(
            "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: a}}\nspec:\n  hosts: [a]\n  http:\n  - {fault}\n    route: [{{destination: {{host: a}}}}]\n"
        );
        load_one(&text).objects[0].as_virtual_service().unwrap().http[0].clone()
    };
    let delay = |fields: &str| {
        let rule = of(&format!("fault: {{delay: {{fixedDelay: 1s, {fields}}}}}"));
        rule.fault.unwrap().delay.unwrap().percentage.map(Percent::millionths)
    };
    assert_eq!(delay("percent: 10"), Some(100_000));
    assert_eq!(delay("percent: 10, percentage: {value: 20}"), Some(200_000));
    let abort = |fields: &str| {
        let rule = of(&format!("fault: {{abort: {{httpStatus: 500, {fields}}}}}"));
        rule.fault.unwrap().abort.unwrap().percentage.map(Percent::millionths)
    };
    assert_eq!(abort("percent: 10"), Some(100_000));
    assert_eq!(abort("percent: 10, percentage: {value: 20}"), Some(200_000));
    let mirror = |fields: &str| {
        of(&format!("mirror: {{host: b}}\n    {fields}")).mirror_percentage.map(Percent::millionths)
    };
    assert_eq!(mirror("mirrorPercent: 10"), Some(100_000));
    assert_eq!(mirror("mirror_percent: 10"), Some(100_000));
    assert_eq!(mirror("mirrorPercent: 10\n    mirrorPercentage: {value: 20}"), Some(200_000));
}

/// MODEL-LEG-23, MODEL-LEG-24
#[test]
fn routes_of_istio_0_7() {
    let text = "
apiVersion: networking.istio.io/v1alpha3
kind: VirtualService
metadata: {name: reviews, namespace: shop}
spec:
  hosts: [reviews]
  http:
  - sourceLabels: {app: web, version: v2}
    match: [{uri: {prefix: /a}}, {uri: {prefix: /b}, sourceLabels: {version: v1}}]
    route: [{destination: {name: reviews, domain: svc.cluster.local}}]
  - sourceLabels: {app: jobs}
    route: [{destination: {name: reviews}}]
";
    let loaded = load_one(text);
    assert_eq!(loaded.objects[0].state, LoadState::Recovered);
    let rules = &loaded.objects[0].as_virtual_service().unwrap().http;
    let labels = |rule: usize, entry: usize| {
        let labels = &rules[rule].matches[entry].source_labels;
        labels.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
    };
    assert_eq!(labels(0, 0), "app=web,version=v2");
    assert_eq!(labels(0, 1), "app=web,version=v1");
    assert_eq!(labels(1, 0), "app=jobs");
    let host = |rule: usize| rules[rule].route[0].destination.as_ref().unwrap().host.as_str();
    assert_eq!((host(0), host(1)), ("reviews.shop.svc.cluster.local", "reviews"));
}

/// A condition on the caller that cannot be kept does not become a rule for everybody.
#[test]
fn a_source_by_name_does_not_widen_a_rule_model_leg_24() {
    let text = "
apiVersion: networking.istio.io/v1alpha3
kind: VirtualService
metadata: {name: reviews, namespace: shop}
spec:
  hosts: [reviews]
  http: [{match: [{source: {name: web}}], route: [{destination: {host: reviews}}]}]
";
    let loaded = load_one(text);
    assert!(!loaded.objects[0].is_usable());
    assert_eq!(loaded.objects[0].unread[0].path.to_string(), "spec.http[0].match[0].source");
}

#[test]
fn parts_of_objects_model_seed_25() {
    let told = |kind: Kind, place: &str, text: &str| {
        let loaded = parse_fragment(&kind, &path(place), text);
        loaded.diagnostics.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let tls =
        "tls:\n- match: [{port: 443, sniHosts: [a.example.com]}]\n  route: [{destination: {host: a}}]\n";
    assert!(told(Kind::VirtualService, "spec", tls).is_empty());
    assert!(told(Kind::DestinationRule, "spec.trafficPolicy", "loadBalancer: {simple: RANDOM}\n").is_empty());
    assert!(told(Kind::VirtualService, "spec.http[0].match", "---\n- uri:\n    prefix: /\n").is_empty());
    // Positions are those of the part, paths those of the whole.
    assert_eq!(
        told(Kind::VirtualService, "spec.http[3].match", "- uri:\n    prefix: /é\n  heders: {}\n"),
        ["fragment:3:3: error[MODEL-UNK-2]: VirtualService default/fragment: spec.http[3].match[0].heders: \
             unknown field `heders`"]
    );
    assert_eq!(
        told(Kind::VirtualService, "spec.http[0]", "timeout: [\n").len(),
        1,
        "what is not YAML is told as in any document"
    );
}

/// Parts that are older spellings, each at its place in a spec of its kind.
const OLD: &[(&str, &str)] = &[
    ("HTTP", "websocketUpgrade: true"),
    ("HTTP", "appendHeaders: {x-a: b}"),
    ("HTTP", "removeResponseHeaders: [server]"),
    ("HTTP", "fault: {delay: {fixedDelay: 5s, percent: 7}, abort: {httpStatus: 500, percent: 10}}"),
    ("HTTP", "mirror: {host: b}\n    mirrorPercent: 5"),
    ("HTTP", "corsPolicy: {allowOrigin: [https://a.example.com], maxAge: 1d}"),
    ("HTTP", "sourceLabels: {app: web}"),
    ("HTTP", "match: {uri: {prefix: /a}, source: {labels: {app: jobs}}, gateways: [public.edge]}"),
    ("HTTP", "timeout: 1h30m"),
    ("VS", "gateways: [mesh, public.istio-system.svc.cluster.local]"),
    ("POLICY", "loadBalancer: {simple: LEAST_CONN, warmupDurationSecs: 30s}"),
    ("POLICY", "loadBalancer: {consistentHash: {useSourceIp: true, minimumRingSize: 9}}"),
    ("POLICY", "outlierDetection: {http: {consecutiveErrors: 3, interval: 10s}}"),
    ("POLICY", "outlierDetection: {consecutiveErrors: 3}"),
    ("POLICY", "connectionPool: {tcp: {connectTimeout: 1d}}"),
    ("POLICY", "unknownField: [1, {a: b}]"),
];

fn old_object(kind: &str, parts: &[usize]) -> String {
    let mut seen = std::collections::BTreeSet::new();
    let of = |place: &str, pad: &str, seen: &mut std::collections::BTreeSet<String>| {
        let mut out = String::new();
        for index in parts {
            let (at, part) = OLD[index % OLD.len()];
            // One of each field.
            if at == place && seen.insert(part.split(':').next().unwrap().to_owned()) {
                out = format!("{out}{pad}{part}\n");
            }
        }
        out
    };
    if kind == "VirtualService" {
        format!(
            "apiVersion: networking.istio.io/v1alpha3\nkind: VirtualService\nmetadata: {{name: a, namespace: shop}}\nspec:\n  hosts: [a]\n{}  http:\n  - name: a\n{}    route: [{{destination: {{name: a}}}}]\n",
            of("VS", "  ", &mut seen),
            of("HTTP", "    ", &mut seen)
        )
    } else {
        let policy = of("POLICY", "    ", &mut seen);
        let policy = format!("  trafficPolicy:\n    tls: {{mode: DISABLE}}\n{policy}");
        format!(
            "apiVersion: networking.istio.io/v1beta1\nkind: DestinationRule\nmetadata: {{name: a, namespace: shop}}\nspec:\n  host: a\n{policy}"
        )
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// MODEL-API-3: today's form is the form of today's form, means the same, and is nothing to be told about.
    #[test]
    fn todays_form_is_stable(rule in any::<bool>(), parts in prop::collection::vec(0..OLD.len(), 0..12)) {
        let text = old_object(if rule { "DestinationRule" } else { "VirtualService" }, &parts);
        let loaded = load_one(&text);
        let object = &loaded.objects[0];
        prop_assert!(object.is_usable(), "{text}\n{:#?}", loaded.diagnostics);
        let modern = object.canonicalize();
        prop_assert_eq!(&modern.canonicalize(), &modern);
        prop_assert_eq!(&modern.api_version, "networking.istio.io/v1");
        let yaml = modern.to_yaml();
        let again = load([Source::new("modern.yaml", &yaml)], &Options::strict());
        for found in &again.diagnostics {
            prop_assert!(found.code == "MODEL-UNK-2" || !found.is_error(), "{yaml}\n{found}");
            prop_assert!(!found.code.starts_with("MODEL-LEG") && found.code != "MODEL-VS-7", "{yaml}\n{found}");
        }
        prop_assert_eq!(&again.objects[0].body, &modern.body, "{}", yaml);
        prop_assert_eq!(&again.objects[0].unread, &modern.unread, "{}", yaml);
    }

    /// Any text is read back as it is from what is written.
    #[test]
    fn any_text_survives_writing(texts in prop::collection::vec("\\PC{0,12}|[a-z0-9.:/_-]{0,8}|(a|\n| |\t|#|-){0,9}", 1..6)) {
        let mut service = Object::new("shop", "a", VirtualService::default());
        service.metadata.annotations =
            texts.iter().enumerate().map(|(at, text)| (format!("k{at}"), text.clone())).collect();
        let yaml = service.to_yaml();
        let again = load_one(&yaml);
        prop_assert_eq!(&again.objects[0].metadata.annotations, &service.metadata.annotations, "{}", yaml);
        prop_assert!(again.diagnostics.iter().all(|found| found.code != "MODEL-META-4"), "{yaml}");
    }
}
