//! A set of objects such as a cluster holds: half of it what Kubernetes needs, half of it Istio's. Nothing in it is
//! worth a finding.
#![allow(
    unreachable_pub,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a module of tests and a benchmark"
)]

use std::fmt::Write as _;

/// `count` objects, one document each. Names and hosts differ, so that nothing repeats.
pub fn objects(count: usize) -> String {
    let mut text = String::new();
    for number in 0..count {
        // Ten objects of one service.
        let name = format!("service-{:06}", number / 10);
        let (index, policy) = (number % 10, number / 10 % 4);
        let document = match index {
            0 => service(&name),
            1 | 2 => endpoint_slice(&name, index, number),
            3 | 4 => pod(&name, index),
            5 => virtual_service(&name),
            6 => destination_rule(&name),
            7 => service_entry(&name),
            8 => authorization_policy(&name),
            _ => match policy {
                0 => peer_authentication(&name),
                1 => sidecar(&name),
                2 => workload_entry(&name),
                _ => config_map(&name),
            },
        };
        writeln!(text, "{}\n---", document.trim()).expect("a String takes all");
    }
    text
}

fn service(name: &str) -> String {
    format!(
        "
apiVersion: v1
kind: Service
metadata:
  name: {name}
  namespace: shop
  labels:
    app: {name}
    team: checkout
spec:
  clusterIP: 10.96.12.7
  selector:
    app: {name}
  ports:
  - name: http-web
    port: 80
    targetPort: 8080
  - name: grpc-api
    port: 9090
    targetPort: grpc
"
    )
}

fn endpoint_slice(name: &str, index: usize, number: usize) -> String {
    let mut text = format!(
        "
addressType: IPv4
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: {name}-{index}
  namespace: shop
  labels:
    kubernetes.io/service-name: {name}
ports:
- name: http-web
  port: 8080
  protocol: TCP
endpoints:
"
    );
    for host in 0..3 {
        write!(
            text,
            "- addresses:
  - 10.{}.{}.{host}
  conditions:
    ready: true
  nodeName: node-{}
  zone: eu-1{}
",
            number / 256 % 256,
            number % 256,
            number % 50,
            ["a", "b", "c"][host]
        )
        .expect("a String takes all");
    }
    text
}

fn pod(name: &str, index: usize) -> String {
    format!(
        "
apiVersion: v1
kind: Pod
metadata:
  name: {name}-7c9d8-{index}
  namespace: shop
  uid: 8d1f6f6e-5d0c-4b7e-9a38-0c1d2e3f4a5b
  labels:
    app: {name}
    version: v1
spec:
  nodeName: node-1
  serviceAccountName: {name}
  containers:
  - name: app
    image: registry.example.com/shop/{name}:1.4.2
    ports:
    - containerPort: 8080
      name: http-web
    resources:
      requests:
        cpu: 100m
        memory: 128Mi
status:
  phase: Running
  podIP: 10.1.2.3
"
    )
}

fn virtual_service(name: &str) -> String {
    format!(
        "
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: {name}
  namespace: shop
spec:
  hosts:
  - {name}.shop.svc.cluster.local
  http:
  - name: testers
    match:
    - headers:
        end-user:
          exact: jason
      uri:
        prefix: /api/v1/
    route:
    - destination:
        host: {name}
        subset: v2
    timeout: 2s
    retries:
      attempts: 3
      perTryTimeout: 500ms
      retryOn: 5xx,connect-failure
  - name: rest
    route:
    - destination:
        host: {name}
        subset: v1
      weight: 90
    - destination:
        host: {name}
        subset: v2
      weight: 10
"
    )
}

fn destination_rule(name: &str) -> String {
    format!(
        "
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: {name}
  namespace: shop
spec:
  host: {name}.shop.svc.cluster.local
  trafficPolicy:
    loadBalancer:
      simple: ROUND_ROBIN
    connectionPool:
      tcp:
        maxConnections: 100
        connectTimeout: 250ms
    outlierDetection:
      consecutive5xxErrors: 7
      interval: 30s
      baseEjectionTime: 1m
  subsets:
  - name: v1
    labels:
      version: v1
  - name: v2
    labels:
      version: v2
"
    )
}

fn service_entry(name: &str) -> String {
    format!(
        "
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata:
  name: {name}
  namespace: shop
spec:
  hosts:
  - {name}.example.com
  location: MESH_EXTERNAL
  resolution: DNS
  ports:
  - number: 443
    name: tls
    protocol: TLS
"
    )
}

fn authorization_policy(name: &str) -> String {
    format!(
        "
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata:
  name: {name}
  namespace: shop
spec:
  selector:
    matchLabels:
      app: {name}
  action: ALLOW
  rules:
  - from:
    - source:
        principals:
        - cluster.local/ns/shop/sa/{name}
    to:
    - operation:
        methods:
        - GET
        - POST
        paths:
        - /api/v1/items
        - /healthz
        ports:
        - \"8080\"
"
    )
}

fn peer_authentication(name: &str) -> String {
    format!(
        "
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata:
  name: {name}
  namespace: shop
spec:
  selector:
    matchLabels:
      app: {name}
  mtls:
    mode: STRICT
"
    )
}

fn sidecar(name: &str) -> String {
    format!(
        "
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata:
  name: {name}
  namespace: shop
spec:
  workloadSelector:
    labels:
      app: {name}
  egress:
  - hosts:
    - ./*
    - istio-system/*
"
    )
}

fn workload_entry(name: &str) -> String {
    format!(
        "
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata:
  name: {name}
  namespace: shop
spec:
  address: 10.0.0.7
  serviceAccount: {name}
  labels:
    app: {name}
  ports:
    http: 8080
"
    )
}

fn config_map(name: &str) -> String {
    format!(
        "
apiVersion: v1
kind: ConfigMap
metadata:
  name: {name}
  namespace: shop
data:
  config.yaml: |
    level: info
    port: 8080
  mode: production
"
    )
}
