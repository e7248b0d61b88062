//! The types hold what was written, and nothing else.

use crate::{Object, Options, Source, load};

fn one(text: &str) -> Object {
    let loaded = load([Source::new("case", text)], &Options::default());
    assert!(loaded.diagnostics.is_empty(), "{:#?}", loaded.diagnostics);
    loaded.objects.into_iter().next().unwrap()
}

const TELEMETRY: &str = "
apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata:
  name: everything
  namespace: shop
spec:
  targetRefs:
  - group: gateway.networking.k8s.io
    kind: Gateway
    name: public
  tracing:
  - match:
      mode: SERVER
    providers:
    - name: zipkin
    randomSamplingPercentage: 12.5
    disableSpanReporting: false
    customTags:
      a:
        literal:
          value: x
      b:
        environment:
          name: POD
          defaultValue: none
      c:
        header:
          name: x-id
          defaultValue: none
      d:
        formatter:
          value: '%REQ(x-id)%'
    useRequestIdForTraceSampling: false
    enableIstioTags: false
    disableContextPropagation: true
  metrics:
  - providers:
    - name: prometheus
    overrides:
    - match:
        metric: REQUEST_COUNT
        mode: CLIENT
      disabled: true
      tagOverrides:
        method:
          operation: REMOVE
        path:
          value: request.path
    - match:
        customMetric: mine
    reportingInterval: 5s
  accessLogging:
  - match:
      mode: CLIENT
    providers:
    - name: envoy
    disabled: false
    filter:
      expression: response.code >= 400
";

const WASM: &str = "
apiVersion: extensions.istio.io/v1alpha1
kind: WasmPlugin
metadata:
  name: everything
  namespace: shop
spec:
  selector:
    matchLabels:
      app: web
  url: oci://registry.example.com/auth:1.0
  sha256: 1ef0c9a92b0420cf25f7fe5d481b231464bc88f486ca3b9c83ed5cc21d2f6210
  imagePullPolicy: IfNotPresent
  imagePullSecret: pull
  verificationKey: k
  pluginConfig:
    yes: [1, null, {a: '{{ x }}'}]
    nothing: null
  pluginName: auth
  phase: AUTHN
  priority: 0
  failStrategy: FAIL_RELOAD
  vmConfig:
    env:
    - name: POD_NAME
      valueFrom: HOST
    - name: LEVEL
      value: debug
  match:
  - mode: SERVER
    ports:
    - number: 8080
  type: NETWORK
";

const EXTENSION: &str = "
apiVersion: extensions.istio.io/v1alpha1
kind: TrafficExtension
metadata:
  name: everything
  namespace: shop
spec:
  targetRefs:
  - kind: Service
    name: reviews
  phase: STATS
  priority: -1
  match:
  - mode: CLIENT_AND_SERVER
    ports:
    - number: 80
  wasm:
    url: file:///opt/x.wasm
    pluginConfig: {a: 1}
    failStrategy: FAIL_OPEN
    type: HTTP
    vmConfig: {env: [{name: A, value: b}]}
  lua:
    inlineCode: |
      function envoy_on_request(handle) end
";

#[test]
fn every_field_of_the_telemetry_and_extension_kinds_is_written_as_it_was_read() {
    for (text, kept) in [(TELEMETRY, true), (WASM, true), (EXTENSION, false)] {
        let loaded = load([Source::new("case", text)], &Options { validate: false, ..Options::default() });
        assert!(loaded.diagnostics.is_empty(), "{:#?}", loaded.diagnostics);
        let written = serde_json::to_value(&loaded.objects[0]).unwrap();
        let read: serde_json::Value = serde_yaml::from_str(text).unwrap();
        assert_eq!(written, read);
        if kept {
            assert_eq!(loaded.objects[0].body, one(text).body);
        }
    }
}

/// MODEL-UNK-3
#[test]
fn what_a_plugin_is_given_is_not_looked_at_model_unk_3() {
    let object = one(WASM);
    let config = &object.as_wasm_plugin().unwrap().plugin_config;
    assert_eq!(serde_json::to_string(config).unwrap(), r#"{"yes":[1,null,{"a":"{{ x }}"}],"nothing":null}"#);
}
