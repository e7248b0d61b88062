//! The criteria of a filter chain.

use crate::error::{BuildError, BuildErrorKind};

use super::connection::Transport;
use super::prefix::IpPrefix;

/// Where a connection comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SourceType {
    /// A loopback address, or the destination's own: `SAME_IP_OR_LOOPBACK`.
    Local,
    /// Any other: `EXTERNAL`.
    External,
}

/// What a filter chain asks of a connection; a criterion that is not set, or an empty list, accepts everything.
///
/// Of a list one element has to fit. The criteria are those of Envoy's `FilterChainMatch`, with its meaning.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChainMatch {
    pub(super) destination_port: Option<u16>,
    pub(super) destination: Vec<IpPrefix>,
    pub(super) server_names: Vec<Box<str>>,
    pub(super) transport: Option<Transport>,
    pub(super) protocols: Vec<Box<str>>,
    pub(super) direct_source: Vec<IpPrefix>,
    pub(super) source_type: Option<SourceType>,
    pub(super) source: Vec<IpPrefix>,
    pub(super) source_ports: Vec<u16>,
}

impl ChainMatch {
    /// Every connection.
    pub fn any() -> Self {
        Self::default()
    }

    /// The destination's port.
    #[must_use]
    pub fn destination_port(mut self, port: u16) -> Self {
        self.destination_port = Some(port);
        self
    }

    /// The destination's address.
    #[must_use]
    pub fn destination(mut self, prefixes: impl IntoIterator<Item = IpPrefix>) -> Self {
        self.destination.extend(prefixes);
        self
    }

    /// The server name (SNI): `a.example.com`, or `*.example.com` for all names below it but not itself. Letter case
    /// does not count. `*` among the names accepts every connection, with or without a server name (ROUTE-L4-04). Names of
    /// several calls add up; `*` takes away those before it.
    ///
    /// # Errors
    /// When a `*` stands anywhere else (`*-x.foo.com`, ROUTE-L4-04), or a name is empty.
    pub fn server_names<S: AsRef<str>>(
        mut self,
        names: impl IntoIterator<Item = S>,
    ) -> Result<Self, BuildError> {
        let mut every = false;
        for name in names {
            let name = name.as_ref();
            let fault = |what: &str| {
                Err(BuildError::new(BuildErrorKind::ServerName, format!("server name `{name}` {what}")))
            };
            match name {
                "*" => every = true,
                "" => return fault("is empty, leave it out"),
                _ if name.contains('*') && !name.starts_with("*.") => {
                    return fault("has a `*` that is not its whole first label, write `*.example.com`");
                }
                _ => self.server_names.push(name.to_ascii_lowercase().into()),
            }
        }
        if every {
            self.server_names.clear();
        }
        Ok(self)
    }

    /// TLS or not.
    #[must_use]
    pub fn transport(mut self, transport: Transport) -> Self {
        self.transport = Some(transport);
        self
    }

    /// Application protocols: one that the client offers. Compared byte by byte.
    #[must_use]
    pub fn application_protocols<S: AsRef<str>>(mut self, protocols: impl IntoIterator<Item = S>) -> Self {
        self.protocols.extend(protocols.into_iter().map(|protocol| protocol.as_ref().into()));
        self
    }

    /// The address at the other end of the socket.
    #[must_use]
    pub fn direct_source(mut self, prefixes: impl IntoIterator<Item = IpPrefix>) -> Self {
        self.direct_source.extend(prefixes);
        self
    }

    /// Local or external.
    #[must_use]
    pub fn source_type(mut self, kind: SourceType) -> Self {
        self.source_type = Some(kind);
        self
    }

    /// The client's address.
    #[must_use]
    pub fn source(mut self, prefixes: impl IntoIterator<Item = IpPrefix>) -> Self {
        self.source.extend(prefixes);
        self
    }

    /// The client's port.
    #[must_use]
    pub fn source_ports(mut self, ports: impl IntoIterator<Item = u16>) -> Self {
        self.source_ports.extend(ports);
        self
    }
}
