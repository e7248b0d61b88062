//! WorkloadGroup, EnvoyFilter and ProxyConfig with every field of the reference: read whole, and written as they were.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::panic, reason = "a test")]

use mesh_model::common::Value;
use mesh_model::networking::EnvoyFilter;
use mesh_model::networking::envoy_filter::{ApplyTo, PatchContext, PatchOperation};
use mesh_model::{LoadState, Loaded, Object, Options, Severity, Source, load};

fn read(text: &str) -> Loaded {
    load([Source::new("x.yaml", text)], &Options::default())
}

/// The object of a text without mistakes, after it was written and read again as YAML and as JSON.
fn round_trip(text: &str) -> Object {
    let loaded = read(text);
    let told: Vec<_> = loaded.diagnostics.iter().filter(|found| found.severity > Severity::Info).collect();
    assert!(told.is_empty(), "{told:#?}");
    let object = &loaded.objects[0];
    assert_eq!(object.state, LoadState::Clean);
    let written: Value = serde_yaml::to_value(object).and_then(serde_yaml::from_value).unwrap();
    let original: Value = serde_yaml::from_str(text).unwrap();
    assert_eq!(sorted(&written), sorted(&original));
    for again in [serde_yaml::to_string(object).unwrap(), serde_json::to_string(object).unwrap()] {
        assert_eq!(read(&again).objects[0].body, object.body, "{again}");
    }
    object.clone()
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::List(items) => Value::List(items.iter().map(sorted).collect()),
        Value::Map(entries) => {
            let mut entries: Vec<_> =
                entries.iter().map(|(key, value)| (key.clone(), sorted(value))).collect();
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Map(entries)
        }
        other => other.clone(),
    }
}

#[test]
fn every_field_of_a_workload_group() {
    let object = round_trip(
        "
apiVersion: networking.istio.io/v1
kind: WorkloadGroup
metadata: {name: machines, namespace: shop}
spec:
  metadata:
    labels: {app: reviews}
    annotations: {note: any text}
  template:
    ports: {http: 8080}
    network: vm
    locality: region/zone
    serviceAccount: reviews
    weight: 2
  probe:
    initialDelaySeconds: 1
    timeoutSeconds: 2
    periodSeconds: 3
    successThreshold: 4
    failureThreshold: 5
    httpGet:
      path: /ready
      port: 8080
      host: 127.0.0.1
      scheme: HTTPS
      httpHeaders:
      - {name: X-Probe, value: yes please}
",
    );
    let group = object.as_workload_group().unwrap();
    assert_eq!(group.template.as_ref().unwrap().ports["http"], 8080);
    assert_eq!(group.probe.as_ref().unwrap().http_get.as_ref().unwrap().http_headers[0].name, "X-Probe");
    for probe in ["tcpSocket: {host: localhost, port: 80}", "exec: {command: [test, -e, /ready]}"] {
        round_trip(&format!(
            "
apiVersion: networking.istio.io/v1alpha3
kind: WorkloadGroup
metadata: {{name: machines, namespace: shop}}
spec: {{template: {{network: vm}}, probe: {{{probe}}}}}
"
        ));
    }
}

#[test]
fn every_field_of_a_proxy_config() {
    let object = round_trip(
        "
apiVersion: networking.istio.io/v1beta1
kind: ProxyConfig
metadata: {name: reviews, namespace: shop}
spec:
  selector: {matchLabels: {app: reviews}}
  concurrency: 0
  environmentVariables: {ISTIO_META_ZONE: a}
  image: {imageType: distroless}
",
    );
    let config = object.as_proxy_config().unwrap();
    assert_eq!(
        (config.concurrency, config.image.as_ref().unwrap().image_type.as_str()),
        (Some(0), "distroless")
    );
}

const ENVOY_FILTER: &str = "
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: lua, namespace: shop}
spec:
  workloadSelector: {labels: {app: reviews}}
  priority: 10
  configPatches:
  - applyTo: HTTP_FILTER
    match:
      context: SIDECAR_INBOUND
      proxy: {proxyVersion: ^1\\.2, metadata: {zone: a}}
      listener:
        portNumber: 8080
        portName: http
        name: virtualInbound
        filterChain:
          name: chain
          sni: reviews.example.com
          transportProtocol: tls
          applicationProtocols: h2
          destinationPort: 8080
          filter:
            name: envoy.filters.network.http_connection_manager
            subFilter: {name: envoy.filters.http.router}
    patch:
      operation: INSERT_BEFORE
      filterClass: AUTHZ
      value:
        name: envoy.filters.http.lua
        typed_config:
          '@type': type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua
          inlineCode: |
            local template = '{{ not ours }} ${nor this} <or this>'
          anything_goes: [null, {retries: ~}, 1.5, -1, 18446744073709551615, true]
  - applyTo: HTTP_ROUTE
    match:
      routeConfiguration:
        portNumber: 80
        portName: http
        gateway: istio-system/public
        name: http.80
        vhost:
          name: reviews:80
          domainName: reviews
          route: {name: first, action: DIRECT_RESPONSE}
    patch: {operation: MERGE, value: {timeout: 5s}}
  - applyTo: CLUSTER
    match:
      cluster: {portNumber: 80, service: reviews.shop.svc.cluster.local, subset: v1, name: outbound}
    patch: {operation: REMOVE}
  - applyTo: HTTP_FILTER
    match:
      context: WAYPOINT
      waypoint:
        portNumber: 80
        route: {name: first}
        filter: {name: a, subFilter: {name: b}}
    patch: {operation: ADD, value: {}}
  - applyTo: LISTENER_FILTER
    match: {listener: {listenerFilter: envoy.filters.listener.tls_inspector}}
    patch: {operation: MERGE_AND_REPLACE_LIST, value: {name: x}}
";

#[test]
fn every_field_of_an_envoy_filter_and_free_form_values_unchecked_model_unk_3() {
    let object = round_trip(ENVOY_FILTER);
    let patches = &object.as_envoy_filter().unwrap().config_patches;
    assert_eq!(patches[0].matches.as_ref().unwrap().context, PatchContext::SidecarInbound);
    let value = patches[0].patch.as_ref().unwrap().value.as_ref().unwrap();
    let Some(Value::List(items)) = value.get("typed_config").and_then(|config| config.get("anything_goes"))
    else {
        panic!("{value:?}")
    };
    assert!(items[0].is_null() && items.len() == 6, "{items:?}");
    assert_eq!(patches[3].patch.as_ref().unwrap().value, Some(Value::Map(Vec::new())));
}

const LEGACY: &str = "
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: lua, namespace: shop}
spec:
  workloadLabels: {app: reviews}
  filters:
  - listenerMatch:
      portNumber: 8080
      portNamePrefix: http
      listenerType: SIDECAR_INBOUND
      listenerProtocol: HTTP
      address: [10.0.0.1]
    insertPosition: {index: BEFORE, relativeTo: envoy.router}
    filterType: HTTP
    filterName: envoy.lua
    filterConfig: {inlineCode: '... lua code .', anything: [null]}
  - filterType: NETWORK
    filterName: envoy.ext_authz
    filterConfig: {}
    insertPosition: {index: AFTER, relativeTo: envoy.client_ssl_auth}
  - {filterType: HTTP, filterName: mine, filterConfig: {}}
  - {filterType: NETWORK, filterName: mine, filterConfig: {}, insertPosition: {index: LAST}}
";

#[test]
fn the_body_of_istio_0_8_is_kept_and_has_a_modern_form_model_leg_19() {
    let loaded = read(LEGACY);
    let object = &loaded.objects[0];
    assert_eq!(object.state, LoadState::Recovered);
    let again = read(&serde_yaml::to_string(object).unwrap());
    assert_eq!(again.objects[0].body, object.body);
    let filter = object.as_envoy_filter().unwrap();
    // What has no counterpart today is still there.
    let listener = filter.filters[0].listener_match.as_ref().unwrap();
    assert_eq!(
        (listener.port_name_prefix.as_str(), &listener.address[..]),
        ("http", &["10.0.0.1".to_owned()][..])
    );
    let modern = filter.modern();
    assert_eq!(modern.modern(), modern);
    let want: Value = serde_yaml::from_str(
        "
workloadSelector: {labels: {app: reviews}}
configPatches:
- applyTo: HTTP_FILTER
  match:
    context: SIDECAR_INBOUND
    listener:
      portNumber: 8080
      filterChain:
        filter:
          name: envoy.filters.network.http_connection_manager
          subFilter: {name: envoy.filters.http.router}
  patch:
    operation: INSERT_BEFORE
    value:
      name: envoy.filters.http.lua
      config: {inlineCode: '... lua code .', anything: [null]}
- applyTo: NETWORK_FILTER
  match: {listener: {filterChain: {filter: {name: envoy.filters.network.client_ssl_auth}}}}
  patch: {operation: INSERT_AFTER, value: {name: envoy.filters.network.ext_authz, config: {}}}
- {applyTo: HTTP_FILTER, match: {}, patch: {operation: INSERT_FIRST, value: {name: mine, config: {}}}}
- {applyTo: NETWORK_FILTER, match: {}, patch: {operation: ADD, value: {name: mine, config: {}}}}
",
    )
    .unwrap();
    let written: Value = serde_yaml::to_value(&modern).and_then(serde_yaml::from_value).unwrap();
    assert_eq!(sorted(&written), sorted(&want));
    assert_eq!(modern.config_patches[0].apply_to, ApplyTo::HttpFilter);
    assert_eq!(modern.config_patches[3].patch.as_ref().unwrap().operation, PatchOperation::Add);
    assert_eq!(EnvoyFilter::default().modern(), EnvoyFilter::default());
}

#[test]
fn current_istio_drops_the_body_of_0_8_so_strict_refuses_it_model_leg_19() {
    let loaded = load([Source::new("x.yaml", LEGACY)], &Options::strict());
    assert_eq!(loaded.objects[0].state, LoadState::Rejected);
    let refused = loaded.diagnostics.iter().filter(|found| found.is_error());
    let refused: Vec<_> = refused.map(|found| (found.code, found.path.to_string())).collect();
    assert_eq!(
        refused,
        [("MODEL-LEG-19", "spec.filters".to_owned()), ("MODEL-LEG-19", "spec.workloadLabels".to_owned())]
    );
}

/// Codes and paths of the findings that are not remarks.
fn told(text: &str) -> Vec<(String, String)> {
    let told = read(text).diagnostics.into_iter().filter(|found| found.severity > Severity::Info);
    told.map(|found| (format!("{} {}", found.severity, found.code), found.path.to_string())).collect()
}

fn pairs(count: usize) -> String {
    (0..count).map(|number| format!("k{number}: '1'")).collect::<Vec<_>>().join(", ")
}

#[test]
fn limits_of_workload_groups_and_entries_model_wg_2_model_we_2_model_we_4_model_we_5() {
    let group = |labels, annotations| {
        told(&format!(
            "
apiVersion: networking.istio.io/v1
kind: WorkloadGroup
metadata: {{name: machines, namespace: shop}}
spec:
  metadata: {{labels: {{{}}}, annotations: {{{}}}}}
  template: {{}}
",
            pairs(labels),
            pairs(annotations)
        ))
    };
    assert_eq!(group(256, 256), []);
    let error = |path: &str, code: &str| (format!("error {code}"), path.to_owned());
    assert_eq!(
        group(257, 257),
        [error("spec.metadata.annotations", "MODEL-WG-2"), error("spec.metadata.labels", "MODEL-WG-2")]
    );
    let entry = |over: usize| {
        let ports: Vec<_> = (0..128 + over).map(|number| format!("p{number}: 80")).collect();
        told(&format!(
            "
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {{name: machine, namespace: shop}}
spec:
  address: {}
  network: {}
  locality: {}
  serviceAccount: {}
  labels: {{{}}}
  ports: {{{}}}
",
            // 63 characters and a dot, four times.
            format!("{}.", "a".repeat(63)).repeat(4).trim_end_matches('.').to_owned() + &"b".repeat(over * 2),
            "n".repeat(2048 + over),
            "l".repeat(2048 + over),
            "s".repeat(253 + over),
            pairs(256 + over),
            ports.join(", "),
        ))
    };
    assert_eq!(entry(0), []);
    let codes: Vec<_> = entry(1).into_iter().map(|(code, path)| format!("{code} {path}")).collect();
    assert_eq!(
        codes,
        [
            "error MODEL-WE-2 spec.address",
            "error MODEL-WE-2 spec.address",
            "error MODEL-WE-5 spec.labels",
            "error MODEL-WE-5 spec.locality",
            "error MODEL-WE-5 spec.network",
            "error MODEL-WE-4 spec.ports",
            "error MODEL-WE-5 spec.serviceAccount",
        ]
    );
    let name = |length: usize| {
        told(&format!(
            "
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {{name: machine, namespace: shop}}
spec: {{address: 10.0.0.1, ports: {{{}: 80}}}}
",
            "a".repeat(length)
        ))
    };
    assert_eq!(name(62), []);
    for length in [63, 64] {
        assert_eq!(name(length), [error(&format!("spec.ports{{{}}}", "a".repeat(length)), "MODEL-WE-4")]);
    }
}

#[test]
fn long_environment_variables_are_refused_model_pc_1() {
    let config = |length: usize| {
        told(&format!(
            "
apiVersion: networking.istio.io/v1beta1
kind: ProxyConfig
metadata: {{name: all, namespace: shop}}
spec: {{environmentVariables: {{A: {}}}}}
",
            "v".repeat(length)
        ))
    };
    assert_eq!(config(2048), []);
    assert_eq!(config(2049), [("error MODEL-PC-1".to_owned(), "spec.environmentVariables{A}".to_owned())]);
}

#[test]
fn a_version_too_long_to_be_read_is_only_warned_of_model_ef_4() {
    let filter = |pattern: String| {
        told(&format!(
            "
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {{name: lua, namespace: shop}}
spec:
  configPatches:
  - applyTo: CLUSTER
    match: {{proxy: {{proxyVersion: '{pattern}'}}}}
    patch: {{operation: REMOVE}}
"
        ))
    };
    assert_eq!(filter("1".repeat(1024)), []);
    let path = "spec.configPatches[0].match.proxy.proxyVersion".to_owned();
    // Nobody compiles it then.
    assert_eq!(filter("(".repeat(1025)), [("warning MODEL-EF-4".to_owned(), path.clone())]);
    assert_eq!(filter("(".repeat(1024)), [("error MODEL-EF-4".to_owned(), path)]);
}

#[test]
fn a_selector_has_at_most_256_labels_model_sel_1() {
    let sidecar = |count: usize| {
        told(&format!(
            "
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {{name: a, namespace: shop}}
spec:
  workloadSelector: {{labels: {{{}}}}}
  egress: [{{hosts: [./*]}}]
",
            pairs(count)
        ))
    };
    assert_eq!(sidecar(256), []);
    assert_eq!(sidecar(257), [("error MODEL-SEL-1".to_owned(), "spec.workloadSelector.labels".to_owned())]);
}
