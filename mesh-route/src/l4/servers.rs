//! Servers of gateways: which of them live on one port together, and what each does with a connection (section 5.5).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

/// What a server's port speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ServerProtocol {
    /// HTTP, HTTP2, GRPC: never TLS.
    Http,
    /// HTTPS.
    Https,
    /// TLS.
    Tls,
    /// TCP, Mongo, Redis, MySQL.
    Tcp,
}

/// `tls.mode` of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ServerTls {
    /// Forwarded by server name, not terminated; the default.
    Passthrough,
    /// Forwarded by a server name that encodes the service.
    AutoPassthrough,
    /// Terminated.
    Simple,
    /// Terminated; the client needs a certificate.
    Mutual,
    /// Terminated with the mesh's certificate; the client needs one of the mesh.
    IstioMutual,
    /// Terminated; the client may have a certificate.
    OptionalMutual,
}

/// Whether the client shows a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ClientCertificate {
    /// It is not asked for one.
    NotRequested,
    /// It is asked, and may have none.
    Optional,
    /// Without one the handshake fails.
    Required,
}

impl ServerTls {
    /// Whether TLS ends at the gateway.
    pub const fn terminates(self) -> bool {
        !matches!(self, Self::Passthrough | Self::AutoPassthrough)
    }

    /// What is asked of the client where TLS ends here (ROUTE-GW-03).
    pub const fn client_certificate(self) -> ClientCertificate {
        match self {
            Self::Mutual | Self::IstioMutual => ClientCertificate::Required,
            Self::OptionalMutual => ClientCertificate::Optional,
            Self::Simple | Self::Passthrough | Self::AutoPassthrough => ClientCertificate::NotRequested,
        }
    }
}

/// A server of a Gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayServer {
    port: u16,
    bind: Option<IpAddr>,
    protocol: ServerProtocol,
    tls: Option<ServerTls>,
    hosts: Vec<String>,
}

impl GatewayServer {
    /// A server of a Gateway in `namespace`, with its `hosts`: `[namespace/]name`, where `.` is the Gateway's namespace
    /// and `*` any (ROUTE-APPLY-38).
    pub fn new<S: AsRef<str>>(
        namespace: &str,
        port: u16,
        protocol: ServerProtocol,
        hosts: impl IntoIterator<Item = S>,
    ) -> Self {
        let mut out = Vec::new();
        for host in hosts {
            out.push(match host.as_ref().split_once('/') {
                Some(("*", "*")) => {
                    out = vec!["*".to_owned()];
                    break;
                }
                Some(("*", name)) => name.to_owned(),
                Some((".", name)) => format!("{namespace}/{name}"),
                _ => host.as_ref().to_owned(),
            });
        }
        Self { port, bind: None, protocol, tls: None, hosts: out }
    }

    /// The address it is bound to; without one, all.
    #[must_use]
    pub fn bind(mut self, address: IpAddr) -> Self {
        self.bind = Some(address);
        self
    }

    /// How it treats TLS. Plain HTTP has none, whatever is said here.
    #[must_use]
    pub fn tls(mut self, mode: ServerTls) -> Self {
        self.tls = Some(mode);
        self
    }

    /// The names of its hosts, without namespaces, each once: the server names of the chain of a server that ends TLS.
    /// `*` among them stands for any server name, or none.
    pub fn server_names(&self) -> Vec<&str> {
        let mut seen = BTreeSet::new();
        let names =
            self.hosts.iter().map(|host| host.split_once('/').map_or(host.as_str(), |(_, name)| name));
        names.filter(|name| seen.insert(*name)).collect()
    }

    /// What it does by itself.
    fn purpose(&self) -> Result<ServerUse, ServerSkip> {
        match (self.protocol, self.tls) {
            (ServerProtocol::Http, _) => Ok(ServerUse::Http),
            (ServerProtocol::Tcp, None) => Ok(ServerUse::Tcp),
            (ServerProtocol::Https | ServerProtocol::Tls, None) => Err(ServerSkip::WithoutTls),
            (_, Some(ServerTls::Passthrough)) => Ok(ServerUse::Passthrough),
            (_, Some(ServerTls::AutoPassthrough)) => Ok(ServerUse::AutoPassthrough),
            (ServerProtocol::Https, Some(_)) => Ok(ServerUse::TerminatedHttp),
            (ServerProtocol::Tls | ServerProtocol::Tcp, Some(_)) => Ok(ServerUse::TerminatedTcp),
        }
    }
}

/// What a server does with connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ServerUse {
    /// HTTP routes, those of all such servers of the port together (ROUTE-GW-01).
    Http,
    /// TLS ends here; then the HTTP routes of this server alone, by a chain with its server names (ROUTE-GW-03).
    TerminatedHttp,
    /// TLS ends here; then `tcp` rules, by a chain with its server names (ROUTE-GW-04).
    TerminatedTcp,
    /// `tls` rules, each block a chain with its `sniHosts` (ROUTE-GW-05).
    Passthrough,
    /// One chain for each service, port and subset, see [`auto_passthrough_name`] (ROUTE-GW-06).
    AutoPassthrough,
    /// The `tcp` rules of the first VirtualService that has one (ROUTE-GW-07).
    Tcp,
}

impl ServerUse {
    const fn is_tls(self) -> bool {
        !matches!(self, Self::Http | Self::Tcp)
    }
}

/// Why a server is left out. Servers are named by their place in the list.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ServerSkip {
    /// An earlier server uses the address and port for another protocol, or for TCP, which cannot be shared
    /// (ROUTE-GW-01).
    Protocol {
        /// That server.
        with: usize,
    },
    /// An earlier server uses the address and port with TLS and this one would without, or the reverse (ROUTE-GW-02).
    MixedTls {
        /// That server.
        with: usize,
    },
    /// Both have `tls`, and a host stands on an earlier server of the address and port (ROUTE-GW-01).
    Host {
        /// The host, with its namespace.
        host: String,
        /// That server.
        with: usize,
    },
    /// HTTPS and TLS need to know how TLS is treated.
    WithoutTls,
}

impl fmt::Display for ServerSkip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Protocol { .. } => {
                f.write_str("an older server uses the port for another protocol, or for TCP alone")
            }
            Self::MixedTls { .. } => {
                f.write_str("an older server uses the port, and of the two only one is TLS")
            }
            Self::Host { host, .. } => write!(f, "an older server has the host `{host}` on the port"),
            Self::WithoutTls => f.write_str("the protocol is TLS, and there is no `tls`"),
        }
    }
}

/// Decides for servers in order of precedence which live and what they do (ROUTE-GW-01, ROUTE-GW-02).
///
/// On one address and port plain HTTP servers share their routes; TLS servers live side by side, told apart by server
/// name, as long as none repeats a host of another, compared as text with its namespace; nothing else is shared.
///
/// Cost: `n log n` in the number of hosts.
///
/// # Examples
/// ```
/// use mesh_route::{GatewayServer, ServerProtocol, ServerSkip, ServerTls, ServerUse, place_servers};
///
/// let https = |host| GatewayServer::new("shop", 443, ServerProtocol::Https, [host]).tls(ServerTls::Simple);
/// let placed = place_servers(&[https("*.x.com"), https("a.y.com"), https("*/*.x.com")]);
/// assert_eq!(placed[0], Ok(ServerUse::TerminatedHttp));
/// assert_eq!(placed[1], Ok(ServerUse::TerminatedHttp));
/// assert_eq!(placed[2], Err(ServerSkip::Host { host: "*.x.com".to_owned(), with: 0 }));
/// ```
pub fn place_servers(servers: &[GatewayServer]) -> Vec<Result<ServerUse, ServerSkip>> {
    let mut taken = Taken::default();
    servers.iter().enumerate().map(|(at, server)| taken.place(at, server)).collect()
}

/// Addresses, and what is taken of them by which server.
#[derive(Default)]
struct Taken<'s> {
    first: BTreeMap<Address, (usize, ServerUse)>,
    hosts: BTreeMap<(Address, &'s str), usize>,
}

type Address = (u16, Option<IpAddr>);

impl<'s> Taken<'s> {
    fn place(&mut self, at: usize, server: &'s GatewayServer) -> Result<ServerUse, ServerSkip> {
        let purpose = server.purpose()?;
        let address = (server.port, server.bind);
        // Plain HTTP with a `tls` block, for `httpsRedirect`, counts here too.
        if server.tls.is_some()
            && let Some((host, with)) = self.repeated(at, address, server)
        {
            return Err(ServerSkip::Host { host: host.to_owned(), with });
        }
        let (with, first) = *self.first.entry(address).or_insert((at, purpose));
        match (first.is_tls(), purpose.is_tls()) {
            _ if with == at => Ok(purpose),
            (true, true) => Ok(purpose),
            (true, false) | (false, true) => Err(ServerSkip::MixedTls { with }),
            (false, false) if first == ServerUse::Http && purpose == ServerUse::Http => Ok(purpose),
            (false, false) => Err(ServerSkip::Protocol { with }),
        }
    }

    /// The first host that an earlier server of the address has. If there is none, all hosts are taken.
    fn repeated(
        &mut self,
        at: usize,
        address: Address,
        server: &'s GatewayServer,
    ) -> Option<(&'s str, usize)> {
        let hosts = || server.hosts.iter().map(String::as_str);
        let known = hosts().find_map(|host| Some((host, *self.hosts.get(&(address, host))?)));
        if known.is_none() {
            self.hosts.extend(hosts().map(|host| ((address, host), at)));
        }
        known
    }
}

/// The server name by which an `AUTO_PASSTHROUGH` server knows a service's port and subset; `subset` may be empty
/// (ROUTE-GW-06).
pub fn auto_passthrough_name(port: u16, subset: &str, host: &str) -> String {
    format!("outbound_.{port}_.{subset}_.{host}")
}
