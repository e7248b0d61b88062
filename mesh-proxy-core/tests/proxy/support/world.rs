//! Configuration: a gateway on a free port, services with endpoints on loopback, routes.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;

use tempfile::TempDir;

use super::{Backend, Proxy, free_port};

/// Files of a configuration, and the arguments of the proxy that will read them.
pub(crate) struct World {
    pub(crate) directory: TempDir,
    pub(crate) port: u16,
    pub(crate) admin: u16,
    pub(crate) arguments: Vec<String>,
}

/// A VirtualService for every host of the gateway; `http` is the list of its routes, indented by two.
pub(crate) fn virtual_service(http: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: routes, namespace: default}}\n\
         spec:\n  hosts: ['*']\n  gateways: [entry]\n  http:\n{http}\n"
    )
}

/// A Service with port 80, and for each endpoint, given as version and address, a Pod and an EndpointSlice.
pub(crate) fn service(name: &str, endpoints: &[(&str, SocketAddr)]) -> String {
    use std::fmt::Write as _;
    let mut text = format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: default}}\nspec:\n  \
         selector: {{app: {name}}}\n  ports:\n  - {{name: http, port: 80, targetPort: http}}\n"
    );
    for (at, (version, address)) in endpoints.iter().enumerate() {
        let (ip, port) = (address.ip(), address.port());
        writeln!(
            text,
            "---\napiVersion: v1\nkind: Pod\nmetadata:\n  name: {name}-{at}\n  namespace: default\n  labels: \
             {{app: {name}, version: {version}}}\nspec:\n  containers:\n  - name: app\n    image: app\n    \
             ports: [{{name: http, containerPort: {port}}}]\nstatus: {{phase: Running, podIP: {ip}}}\n---\n\
             apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata:\n  name: {name}-{at}\n  namespace: \
             default\n  labels: {{kubernetes.io/service-name: {name}}}\naddressType: IPv4\nendpoints:\n- addresses: \
             [{ip}]\n  conditions: {{ready: true}}\n  targetRef: {{kind: Pod, name: {name}-{at}, namespace: \
             default}}\nports:\n- {{name: http, port: {port}, protocol: TCP}}"
        )
        .expect("a string takes everything");
    }
    text
}

/// A Gateway with one HTTP server for each port.
fn gateway(ports: &[u16]) -> String {
    let servers: Vec<_> = ports
        .iter()
        .map(|port| {
            format!(
                "  - port: {{number: {port}, name: http-{port}, protocol: HTTP}}\n    bind: 127.0.0.1\n    \
                 hosts: ['*']\n"
            )
        })
        .collect();
    format!(
        "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {{name: entry, namespace: default}}\nspec:\n  \
         selector: {{istio: ingressgateway}}\n  servers:\n{}",
        servers.concat()
    )
}

impl World {
    /// A gateway for every host, and nothing behind it yet.
    pub(crate) fn new() -> Self {
        let world = Self {
            directory: tempfile::tempdir().expect("a directory"),
            port: free_port(),
            admin: free_port(),
            arguments: Vec::new(),
        };
        fs::create_dir(world.config()).expect("a directory");
        world.gateway(&[world.port]);
        world
    }

    /// Everything goes to `backend`.
    pub(crate) fn to(backend: &Backend) -> Self {
        Self::new()
            .service("backend", &[("v1", backend.address())])
            .routes("  - route: [{destination: {host: backend}}]")
    }

    /// Writes the Gateway.
    pub(crate) fn gateway(&self, ports: &[u16]) {
        self.write("gateway.yaml", &gateway(ports));
    }

    pub(crate) fn service(self, name: &str, endpoints: &[(&str, SocketAddr)]) -> Self {
        self.object(&format!("service-{name}.yaml"), &service(name, endpoints))
    }

    /// See [`virtual_service`].
    pub(crate) fn routes(self, http: &str) -> Self {
        self.object("routes.yaml", &virtual_service(http))
    }

    pub(crate) fn object(self, file: &str, text: &str) -> Self {
        self.write(file, text);
        self
    }

    pub(crate) fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// Replaces a file as editors do.
    pub(crate) fn write(&self, file: &str, text: &str) {
        let new = self.config().join(format!(".{file}.new"));
        fs::write(&new, text).expect("written");
        fs::rename(new, self.config().join(file)).expect("renamed");
    }

    pub(crate) fn remove(&self, file: &str) {
        fs::remove_file(self.config().join(file)).expect("removed");
    }

    /// The directory that the proxy reads.
    pub(crate) fn config(&self) -> PathBuf {
        self.directory.path().join("config")
    }

    pub(crate) fn start(self) -> Proxy {
        Proxy::start(self)
    }
}
