//! What users are told of typical mistakes, word for word: the texts are part of the product.
#![allow(
    clippy::indexing_slicing,
    clippy::format_push_string,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test"
)]

use mesh_model::{Options, Source, load};

/// The findings as they are shown, each with its help.
fn told(text: &str) -> String {
    let mut options = Options::default();
    options.analyze = true;
    let loaded = load([Source::new("x.yaml", text.trim_start())], &options);
    let mut out = String::new();
    for found in &loaded.diagnostics {
        out += &format!("{found}\n");
        if let Some(help) = &found.help {
            out += &format!("  help: {help}\n");
        }
    }
    out
}

#[track_caller]
fn expect(text: &str, want: &str) {
    let got = told(text);
    assert_eq!(got.trim(), want.trim(), "\n--- got\n{got}");
}

/// MODEL-PIT-5
#[test]
fn a_misspelt_field() {
    expect(
        "
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews, namespace: shop}
spec:
  hosts: [reviews.example.com]
  http:
  - route:
    - destination:
        host: reviews
      wieght: 10
",
        "
x.yaml:10:7: error[MODEL-UNK-2]: VirtualService shop/reviews: spec.http[0].route[0].wieght: unknown field `wieght`
  help: did you mean `weight`
",
    );
}

/// MODEL-PIT-6
#[test]
fn weights_are_missing() {
    expect(
        "
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews, namespace: shop}
spec:
  hosts: [reviews]
  http:
  - route:
    - destination: {host: reviews, subset: v1}
    - destination: {host: reviews, subset: v2}
",
        "
x.yaml:8:7: error[MODEL-VS-50]: VirtualService shop/reviews: spec.http[0].route: the weights add up to 0, at least one must be positive
  help: write weight: 50 for each
x.yaml:8:44: error[MODEL-ANA-6]: VirtualService shop/reviews: spec.http[0].route[0].destination.subset: no DestinationRule defines the subset `v1` of `reviews.shop.svc.cluster.local` (IST0101)
  help: requests to it are answered with 503; add a DestinationRule with the subset
x.yaml:9:44: error[MODEL-ANA-6]: VirtualService shop/reviews: spec.http[0].route[1].destination.subset: no DestinationRule defines the subset `v2` of `reviews.shop.svc.cluster.local` (IST0101)
  help: requests to it are answered with 503; add a DestinationRule with the subset
",
    );
}

/// MODEL-PIT-7, MODEL-PIT-8
#[test]
fn a_condition_at_the_wrong_depth() {
    expect(
        "
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews, namespace: shop}
spec:
  hosts: [reviews]
  http:
  - match:
    - uri:
      exact: /api
    - uri:
        prefix: /v1
        method: GET
    route:
    - destination: {host: reviews}
",
        "
x.yaml:9:7: error[MODEL-UNK-2]: VirtualService shop/reviews: spec.http[0].match[0].exact: unknown field `exact`
  help: `exact` belongs inside the field it compares, such as `uri`; indent it
x.yaml:12:9: error[MODEL-UNK-2]: VirtualService shop/reviews: spec.http[0].match[1].uri.method: unknown field `method`
  help: `method` is a field of `spec.http[0].match[1]`, further out
",
    );
}

/// MODEL-PIT-9
#[test]
fn a_rule_without_action() {
    expect(
        "
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews, namespace: shop}
spec:
  hosts: [a.example.com, b.example.com]
  http:
  - corsPolicy:
      allowOrigins: [{exact: example.com}]
",
        "
x.yaml:7:5: error[MODEL-VS-10]: VirtualService shop/reviews: spec.http[0]: the rule has no action, one of `route`, `redirect`, `directResponse` and `delegate` is needed
  help: add route: [{destination: {host: a.example.com}}]
x.yaml:8:30: warning[MODEL-VS-32]: VirtualService shop/reviews: spec.http[0].corsPolicy.allowOrigins[0].exact: `example.com` has no scheme, browsers send one
  help: write https://example.com
",
    );
}

/// MODEL-PIT-1, MODEL-PIT-3
#[test]
fn a_subset_and_a_gateway_that_nobody_defines() {
    expect(
        "
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews, namespace: shop}
spec:
  hosts: [reviews.example.com]
  gateways: [public]
  http:
  - route:
    - destination: {host: reviews, subset: v3}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews, namespace: shop}
spec:
  host: reviews
  subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: public, namespace: istio-system}
spec:
  selector: {istio: ingressgateway}
  servers:
  - port: {number: 80, name: http, protocol: HTTP}
    hosts: ['*']
",
        "
x.yaml:6:14: error[MODEL-ANA-7]: VirtualService shop/reviews: spec.gateways[0]: there is no Gateway `public` in the namespace `shop` (IST0101)
  help: there is one in `istio-system`, write istio-system/public
x.yaml:9:44: error[MODEL-ANA-6]: VirtualService shop/reviews: spec.http[0].route[0].destination.subset: no DestinationRule defines the subset `v3` of `reviews.shop.svc.cluster.local` (IST0101)
  help: requests to it are answered with 503; defined are v1, v2
",
    );
}

/// MODEL-PIT-11
#[test]
fn rules_in_the_wrong_order() {
    expect(
        "
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews, namespace: shop}
spec:
  hosts: [reviews]
  http:
  - match: [{uri: {prefix: /api}}]
    route: [{destination: {host: reviews}}]
  - match: [{uri: {prefix: /api/v2}}]
    route: [{destination: {host: reviews-v2}}]
  - route: [{destination: {host: reviews}}]
  - match: [{uri: {prefix: /admin}}]
    route: [{destination: {host: admin}}]
",
        "
x.yaml:9:14: info[MODEL-VS-60]: VirtualService shop/reviews: spec.http[1].match[0]: `/api/v2` is covered by `/api` of `http[0]` (IST0131)
  help: put the longer prefix first
x.yaml:12:5: warning[MODEL-VS-58]: VirtualService shop/reviews: spec.http[3]: never reached, `http[2]` has no match and takes everything (IST0130)
  help: put the rule without match last
",
    );
}

/// MODEL-PIT-10, MODEL-PIT-30
#[test]
fn a_rewrite_that_doubles_the_slash_and_a_header_in_upper_case() {
    expect(
        "
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews, namespace: shop}
spec:
  hosts: [reviews]
  http:
  - match:
    - uri: {prefix: /old}
      headers: {X-User: {exact: jason}}
    rewrite: {uri: /}
    route: [{destination: {host: reviews}}]
",
        "
x.yaml:9:17: warning[MODEL-VS-17]: VirtualService shop/reviews: spec.http[0].match[0].headers{X-User}: `X-User` has upper-case letters, header names have none
  help: write x-user
x.yaml:10:20: info[MODEL-VS-48]: VirtualService shop/reviews: spec.http[0].rewrite.uri: `/old/x` becomes `//x`
  help: let the prefix and `uri` both end in `/`, or neither; a second match takes the bare path
",
    );
}

/// MODEL-PIT-27, MODEL-PIT-28
#[test]
fn durations_and_retry_conditions() {
    expect(
        "
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews, namespace: shop}
spec:
  hosts: [reviews]
  http:
  - timeout: 0s
    retries:
      attempts: 3
      perTryTimeout: 30
      retryOn: 5xx, reset
    route: [{destination: {host: reviews}}]
",
        "
x.yaml:10:22: error[MODEL-TYPE-3]: VirtualService shop/reviews: spec.http[0].retries.perTryTimeout: `30` is not a duration: a unit is missing
  help: write 30s for seconds
x.yaml:11:16: error[MODEL-VS-44]: VirtualService shop/reviews: spec.http[0].retries.retryOn: ` reset` is not a retry condition
  help: write reset, without blanks around the comma
x.yaml:7:14: error[MODEL-VS-49]: VirtualService shop/reviews: spec.http[0].timeout: `0s` is too short, at least 1ms is needed
  help: remove the field to switch it off
",
    );
}

/// MODEL-PIT-22, MODEL-PIT-23
#[test]
fn policies_that_allow_or_deny_too_much() {
    expect(
        "
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: readers, namespace: shop}
spec:
  rules:
  - from: [{source: {namespaces: [web]}}]
  - to: [{operation: {methods: [get]}}]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: no-admin, namespace: shop}
spec:
  action: DENY
  rules:
  - to: [{operation: {paths: ['/admin*', '/users/{id}']}}]
    when:
    - key: request.header[x-a]
      values: [a]
",
        "
x.yaml:5:3: info[MODEL-PIT-24]: AuthorizationPolicy shop/readers: spec: because of this policy all workloads of the namespace `shop` refuse what no ALLOW policy allows
  help: to refuse some requests only, write action: DENY and what is to be refused
x.yaml:7:5: warning[MODEL-AP-18]: AuthorizationPolicy shop/readers: spec.rules[1]: `from` and `to` are two rules, of which either is enough
  help: remove the `-` before `to` if both must hold
x.yaml:7:33: warning[MODEL-AP-18]: AuthorizationPolicy shop/readers: spec.rules[1].to[0].operation.methods[0]: `get` never matches, methods are upper case
  help: write GET
x.yaml:15:5: warning[MODEL-AP-17]: AuthorizationPolicy shop/no-admin: spec.rules[0]: on TCP ports the HTTP attributes of a DENY rule are ignored, it denies all their traffic
  help: add `ports` to each operation
x.yaml:15:42: error[MODEL-AP-13]: AuthorizationPolicy shop/no-admin: spec.rules[0].to[0].operation.paths[1]: `/users/{id}` is not a path: a brace is not part of {*} or {**}
  help: a template has whole segments {*}, and {**} once at its end
x.yaml:17:12: error[MODEL-AP-14]: AuthorizationPolicy shop/no-admin: spec.rules[0].when[0].key: `request.header[x-a]` is not an attribute
  help: attributes are source.*, remote.ip, destination.ip, destination.port, connection.sni, request.headers[..] and request.auth.*
",
    );
}

/// MODEL-PIT-19
#[test]
fn gateway_servers() {
    expect(
        "
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: public, namespace: shop}
spec:
  selector: {istio: ingressgateway}
  servers:
  - port: {number: 443, name: https, protocol: HTTPS}
    hosts: [localhost]
  - port: {number: 80, name: https, protocol: HTTP}
    hosts: ['*.example.com']
    tls: {mode: SIMPLE, credentialName: shop}
",
        "
x.yaml:8:13: error[MODEL-GW-4]: Gateway shop/public: spec.servers[0].hosts[0]: `localhost` is not a host: short names are not allowed here
  help: write <name>, <namespace>/<name>, or `*` for the name
x.yaml:7:5: error[MODEL-GW-8]: Gateway shop/public: spec.servers[0].tls: a server of protocol HTTPS needs `tls`
  help: add tls: {mode: SIMPLE, credentialName: ...}, or PASSTHROUGH
x.yaml:9:30: error[MODEL-GW-7]: Gateway shop/public: spec.servers[1].port.name: two ports are named `https`
  help: rename one of the two
x.yaml:11:5: error[MODEL-GW-9]: Gateway shop/public: spec.servers[1].tls: a server of protocol HTTP does not terminate TLS
  help: write protocol: HTTPS, or keep `httpsRedirect` alone
",
    );
}

/// MODEL-PIT-12, MODEL-PIT-14
#[test]
fn destination_rule_blocks() {
    expect(
        "
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews, namespace: shop}
spec:
  host: reviews
  trafficPolicy:
    outlierDetection:
      http: {consecutive5xxErrors: 3}
    loadBalancer: {simple: round-robin}
    connectionPool: {tcp: {maxConnections: 100, connectTimeout: 1}}
    tls: {mode: ISTIO_MUTUAL, sni: reviews}
",
        "
x.yaml:10:65: error[MODEL-TYPE-3]: DestinationRule shop/reviews: spec.trafficPolicy.connectionPool.tcp.connectTimeout: `1` is not a duration: a unit is missing
  help: write 1s for seconds
x.yaml:9:28: warning[MODEL-TYPE-21]: DestinationRule shop/reviews: spec.trafficPolicy.loadBalancer.simple: `round-robin` is not a valid name
  help: write ROUND_ROBIN
x.yaml:8:7: warning[MODEL-LEG-14]: DestinationRule shop/reviews: spec.trafficPolicy.outlierDetection.http: the fields under `http` are dropped by Istio
  help: put them one level up
x.yaml:11:31: warning[MODEL-CTLS-6]: DestinationRule shop/reviews: spec.trafficPolicy.tls.sni: ISTIO_MUTUAL ignores `sni`
  help: remove it, or set the mode to SIMPLE or MUTUAL
",
    );
}

/// MODEL-PIT-16
#[test]
fn a_tcp_service_entry_that_takes_a_whole_port() {
    expect(
        "
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: mongo, namespace: shop}
spec:
  hosts: [mongo.internal, mongo]
  ports: [{number: 27017, name: mongo-db, protocol: tcp}]
  resolution: NONE
  endpoints: [{address: mongo-1.internal}]
",
        "
x.yaml:8:3: error[MODEL-SE-7]: ServiceEntry shop/mongo: spec.endpoints: the resolution NONE has no endpoints
  help: write resolution: STATIC or DNS
x.yaml:6:53: warning[MODEL-SE-6]: ServiceEntry shop/mongo: spec.ports[0].protocol: without `addresses` it takes all traffic to port 27017 (IST0134)
  help: add `addresses`, or set the protocol to HTTP or TLS
x.yaml:7:15: info[MODEL-SEED-20]: ServiceEntry shop/mongo: spec.resolution: the resolution NONE forwards to whatever address the client resolved
  help: write resolution: DNS to let the proxy resolve the hosts
",
    );
}

/// MODEL-DOC-9, MODEL-DOC-12, MODEL-GV-4, MODEL-GV-5
#[test]
fn documents_that_are_no_objects() {
    expect(
        "
hosts: [reviews]
http: []
---
apiVersion: networking.istio.io/v1
kind: virtualservice
metadata: {name: a}
---
apiVersion: rbac.istio.io/v1alpha1
kind: ServiceRole
metadata: {name: b}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: '{{ .Values.name }}'}
spec:
  selector: {a: b}
  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}]
---
kind: Gateway
apiVersion: [
",
        "
x.yaml:1:1: error[MODEL-DOC-9]: `apiVersion` and `kind` are missing
  help: this looks like a fragment of a VirtualService spec
x.yaml:5:7: error[MODEL-GV-5]: virtualservice default/a: kind: `virtualservice` is not a kind of `networking.istio.io/v1`
  help: did you mean kind `VirtualService` of `networking.istio.io/v1`
x.yaml:9:7: error[MODEL-GV-4]: ServiceRole default/b: kind: `ServiceRole` of `rbac.istio.io/v1alpha1` was removed
  help: write AuthorizationPolicy
x.yaml:14:18: error[MODEL-DOC-12]: Gateway default/{{ .Values.name }}: metadata.name: `{{ .Values.name }}` is an unexpanded placeholder
  help: render the template before it is read
x.yaml:20:13: error[MODEL-DOC-SYNTAX]: the `[` is not closed
  help: add `]`
",
    );
}
