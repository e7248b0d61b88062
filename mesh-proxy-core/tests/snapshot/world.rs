//! The small world of the cases: a sidecar in namespace `default` with one listener, or a gateway.

use mesh_model::{Options, Source, load};
use mesh_proxy_core::snapshot::{Compiled, Context, HttpListener, ProxyIdentity, Role, RouteAction, compile};
use mesh_route::{Lookup, RequestHead};

/// A Service with endpoints 10.0.0.1 and 10.0.0.2, labelled `version: v1` and `version: v2`; `ports` as `80 8080`.
pub(crate) fn service(namespace: &str, name: &str, ports: &str) -> String {
    let named: Vec<_> = ports.split(' ').map(|port| (format!("http-{port}"), port)).collect();
    let list = |line: &dyn Fn(&str, &str) -> String| -> String {
        named.iter().map(|(name, port)| format!("  - {}\n", line(name, port))).collect::<Vec<_>>().concat()
    };
    let service_ports = list(&|name, port| format!("{{name: {name}, port: {port}, targetPort: 1{port}}}"));
    let slice_ports = list(&|name, port| format!("{{name: {name}, port: 1{port}}}"));
    let pods = ["1", "2"].map(|n| {
            format!(
                "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: {name}-{n}, namespace: {namespace}, labels: {{app: \
                 {name}, version: v{n}}}}}\n"
            )
        })
        .concat();
    let reference = |n: u8| {
        format!(
            "- {{addresses: [10.0.0.{n}], targetRef: {{kind: Pod, name: {name}-{n}, namespace: {namespace}}}}}"
        )
    };
    format!(
        "---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec:\n  selector: \
         {{app: {name}}}\n  clusterIP: {ip}\n  ports:\n{service_ports}{pods}---\napiVersion: \
         discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {{name: {name}, namespace: {namespace}, labels: \
         {{kubernetes.io/service-name: {name}}}}}\naddressType: IPv4\nendpoints:\n{}\n{}\nports:\n{slice_ports}",
        reference(1),
        reference(2),
        ip = vip(name),
    )
}

/// The virtual IP of a service.
pub(crate) fn vip(name: &str) -> String {
    let last = name.bytes().fold(7, |sum: u8, byte| sum.wrapping_mul(31).wrapping_add(byte)) % 200 + 1;
    format!("10.96.0.{last}")
}

/// An object of `networking.istio.io` in `namespace`; `spec` is YAML indented by two.
pub(crate) fn istio(kind: &str, namespace: &str, name: &str, spec: &str) -> String {
    let group =
        if kind.ends_with("Policy") || kind.ends_with("Authentication") { "security" } else { "networking" };
    format!(
        "---\napiVersion: {group}.istio.io/v1\nkind: {kind}\nmetadata: {{name: {name}, namespace: \
         {namespace}}}\nspec:\n{spec}\n"
    )
}

/// The same with a creation time, `YYYY-MM-DD`.
pub(crate) fn dated(kind: &str, namespace: &str, name: &str, day: &str, spec: &str) -> String {
    let stamp = format!("namespace: {namespace}, creationTimestamp: \"{day}T00:00:00Z\"}}");
    istio(kind, namespace, name, spec).replace(&format!("namespace: {namespace}}}"), &stamp)
}

/// A VirtualService in `default`.
pub(crate) fn virtual_service(name: &str, spec: &str) -> String {
    istio("VirtualService", "default", name, spec)
}

/// A Sidecar with one egress listener on 127.0.0.1 that imports everything.
pub(crate) fn sidecar(port: u16, mode: &str) -> String {
    egress(port, mode, "*/*")
}

/// A Sidecar that imports `hosts`.
pub(crate) fn egress(port: u16, mode: &str, hosts: &str) -> String {
    istio(
        "Sidecar",
        "default",
        "default",
        &format!(
            "  egress:\n  - port: {{number: {port}, protocol: HTTP, name: http}}\n    bind: 127.0.0.1\n    \
             captureMode: NONE\n    hosts: ['{hosts}']\n  outboundTrafficPolicy: {{mode: {mode}}}"
        ),
    )
}

/// A Gateway in `default` with one HTTP server on port 80.
pub(crate) fn gateway(hosts: &str) -> String {
    istio(
        "Gateway",
        "default",
        "door",
        &format!(
            "  selector: {{istio: ingressgateway}}\n  servers:\n  - port: {{number: 80, name: http, protocol: \
             HTTP}}\n    hosts: [{hosts}]"
        ),
    )
}

/// A destination without port, as `route`.
pub(crate) fn to(host: &str) -> String {
    format!("route: [{{destination: {{host: {host}}}}}]")
}

/// The rule of a destination with a subset.
pub(crate) fn to_subset(host: &str, subset: &str) -> String {
    format!("route: [{{destination: {{host: {host}, subset: {subset}}}}}]")
}

/// Subsets v1 and v2 of `host`, in `default`.
pub(crate) fn versions(host: &str) -> String {
    istio(
        "DestinationRule",
        "default",
        &host.replace('.', "-"),
        &format!(
            "  host: {host}\n  subsets:\n  - {{name: v1, labels: {{version: v1}}}}\n  - {{name: v2, labels: {{version: v2}}}}"
        ),
    )
}

/// What was compiled of a text that loads without complaint.
pub(crate) struct World {
    pub(crate) compiled: Compiled,
}

impl World {
    /// Compiles `parts` for a gateway in `default` and a sidecar labelled `app: me` in `default`.
    pub(crate) fn new<S: AsRef<str>>(parts: &[S]) -> Self {
        Self::of(parts, &context("default"))
    }

    /// Compiles for another context. Findings of the loader fail the test: the cases are about the compile step.
    pub(crate) fn of<S: AsRef<str>>(parts: &[S], context: &Context) -> Self {
        let text: String = parts.iter().map(AsRef::as_ref).collect();
        let loaded = load([Source::new("case.yaml", &text)], &Options::default());
        assert!(!loaded.has_errors(), "{:#?}\n{text}", loaded.diagnostics);
        Self { compiled: compile(&loaded.objects, context) }
    }

    /// Compiles whatever the loader makes of `parts`.
    pub(crate) fn tolerant<S: AsRef<str>>(parts: &[S]) -> Self {
        let text: String = parts.iter().map(AsRef::as_ref).collect();
        let loaded = load([Source::new("case.yaml", &text)], &Options::default());
        Self { compiled: compile(&loaded.objects, &context("default")) }
    }

    /// Compiles what the loader reads without validation: rules that Istio would not admit have a meaning too.
    pub(crate) fn unvalidated<S: AsRef<str>>(parts: &[S]) -> Self {
        let text: String = parts.iter().map(AsRef::as_ref).collect();
        let mut options = Options::default();
        options.validate = false;
        let loaded = load([Source::new("case.yaml", &text)], &options);
        assert!(!loaded.has_errors(), "{:#?}\n{text}", loaded.diagnostics);
        Self { compiled: compile(&loaded.objects, &context("default")) }
    }

    /// The only listener of a role.
    pub(crate) fn listener(&self, role: Role) -> &HttpListener {
        let found: Vec<_> =
            self.compiled.snapshot.listeners().iter().filter(|listener| listener.role == role).collect();
        assert_eq!(found.len(), 1, "{:?}", self.issues());
        found[0]
    }

    /// The findings, one line each.
    pub(crate) fn issues(&self) -> Vec<String> {
        self.compiled.issues.iter().map(ToString::to_string).collect()
    }

    /// Whether a finding holds all of `words`.
    pub(crate) fn says(&self, words: &[&str]) -> bool {
        self.issues().iter().any(|issue| words.iter().all(|word| issue.contains(word)))
    }

    /// What the sidecar's listener decides; see [`World::ask`].
    pub(crate) fn mesh(&self, request: &str) -> String {
        self.ask(Role::Sidecar, request, 0)
    }

    /// What the gateway's listener decides; see [`World::ask`].
    pub(crate) fn door(&self, request: &str) -> String {
        self.ask(Role::Gateway, request, 0)
    }

    /// The decision about `host/path name:value…`: `v1|80|reviews…` is a cluster as `subset|port|host`, followed by
    /// `NC` when it does not exist or `UH` when it has no endpoint; else `404`, `502 block_all`, `301 <location>`.
    pub(crate) fn ask(&self, role: Role, request: &str, draw: u64) -> String {
        let mut words = request.split(' ');
        let url = words.next().unwrap();
        let headers: Vec<(&str, &str)> = words.map(|line| line.split_once(':').unwrap()).collect();
        let (authority, path) = url.split_at(url.find('/').unwrap_or(url.len()));
        let path = if path.is_empty() { "/" } else { path };
        let head = RequestHead::new("GET", authority, path, &headers);
        let found = match self.listener(role).routes.lookup(&head) {
            Lookup::Route(found) => found,
            Lookup::TlsRequired(_) => return format!("301 {}", mesh_route::https_location(&head)),
            Lookup::NoRoute(_) | Lookup::NoVirtualHost => return "404".to_owned(),
        };
        match &found.action.action {
            RouteAction::Redirect(redirect, _) => {
                format!("{} {}", redirect.status(), redirect.location(&head))
            }
            RouteAction::Direct(response, _) => format!("{} {}", response.status(), found.action.name),
            RouteAction::Forward(forward) => {
                let destination = forward.destinations.pick(draw);
                let flag = match destination.cluster.map(|at| self.compiled.snapshot.cluster(at).unwrap()) {
                    None => " NC",
                    Some(cluster) if cluster.endpoints.is_empty() => " UH",
                    Some(cluster) => {
                        assert_eq!(cluster.name, destination.cluster_name);
                        ""
                    }
                };
                let parts: Vec<_> = destination.cluster_name.split('|').collect();
                let ["outbound", port, subset, host] = parts[..] else {
                    panic!("{}", destination.cluster_name)
                };
                format!("{subset}|{port}|{}{flag}", host.trim_end_matches(".svc.cluster.local"))
            }
            other => panic!("{other:?}"),
        }
    }
}

/// A gateway with Istio's labels and a sidecar labelled `app: me`, both in `namespace`.
pub(crate) fn context(namespace: &str) -> Context {
    let mut context = Context::default();
    context.gateway = Some(ProxyIdentity::new(namespace).label("istio", "ingressgateway"));
    context.sidecar = Some(ProxyIdentity::new(namespace).label("app", "me"));
    context
}

/// Runs every request and reports all differences at once.
pub(crate) fn check(case: &str, answer: impl Fn(&str) -> String, table: &[(&str, &str)]) {
    let wrong: Vec<_> = table
        .iter()
        .filter_map(|(request, want)| {
            let found = answer(request);
            (found != *want).then(|| format!("{case}: {request}: want {want}, found {found}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
