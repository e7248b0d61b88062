//! Filter chains, and the one that takes a connection.

use crate::error::{BuildError, BuildErrorKind};

use super::chain::{ChainMatch, SourceType};
use super::connection::Connection;
use super::explain::{ChainCriterion, ChainExplanation, ChainOutcome, ChainStep, Observer, Silent, Written};
use super::levels::{ByDestination, ByPort, Leaf};

/// Collects filter chains for a [`ChainTable`].
#[derive(Debug)]
pub struct ChainTableBuilder<A> {
    chains: Vec<(Chain<A>, ChainMatch)>,
    default: Option<Chain<A>>,
}

#[derive(Debug)]
struct Chain<A> {
    name: Box<str>,
    action: A,
}

/// The filter chains of one listener, immutable. Share it behind an `Arc` and swap it as a whole.
///
/// Not a list of which the first fits: the criteria are looked at one after the other, each keeps the chains that ask
/// for the most specific value that fits, and what it has passed over is not tried again (ROUTE-L4-02).
///
/// | step | most specific first |
/// |---|---|
/// | destination port | the port, then chains without |
/// | destination address | the longest prefix, then chains without |
/// | server name | exact, then the longest `*.rest`, then chains without |
/// | transport | TLS or not, then chains without |
/// | application protocol | the first of the client's that any chain asks for, then chains without |
/// | direct source address | the longest prefix, then chains without |
/// | source type | local or external, then chains without |
/// | source address | the longest prefix, then chains without |
/// | source port | the port, then chains without |
///
/// # Examples
/// ```
/// use mesh_route::{ChainLookup, ChainMatch, ChainTable, Connection};
///
/// let exact = ChainMatch::any().server_names(["a.example.com"])?.application_protocols(["h2"]);
/// let wide = ChainMatch::any().server_names(["*.example.com"])?;
/// let table = ChainTable::builder().chain("exact", exact, 1).chain("wide", wide, 2).build()?;
///
/// let to = "10.0.0.1:443".parse().unwrap();
/// let found = table.lookup(&Connection::new(to).tls("b.example.com"));
/// assert_eq!(found.action(), Some(&2));
/// // The server name leads to the exact chain, which asks for `h2`: there is no way back (ROUTE-L4-03).
/// let connection = Connection::new(to).tls("a.example.com").application_protocols(&["http/1.1"]);
/// assert!(matches!(table.lookup(&connection), ChainLookup::Closed));
/// # Ok::<(), mesh_route::BuildError>(())
/// ```
#[derive(Debug)]
pub struct ChainTable<A> {
    chains: Box<[Chain<A>]>,
    tree: ByPort,
    default: Option<Chain<A>>,
}

/// What takes a connection. Closed on purpose: a caller must think about each answer.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub enum ChainLookup<'t, A> {
    /// A chain whose criteria fit.
    Chain {
        /// Its name.
        name: &'t str,
        /// What its author attached.
        action: &'t A,
    },
    /// No chain, so the default one.
    Default {
        /// Its name.
        name: &'t str,
        /// What its author attached.
        action: &'t A,
    },
    /// No chain and no default: the connection is closed, without a TLS alert or an HTTP answer (ROUTE-L4-05).
    Closed,
}

impl<A> Clone for ChainLookup<'_, A> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<A> Copy for ChainLookup<'_, A> {}

impl<'t, A> ChainLookup<'t, A> {
    /// The action of the chain, the default one included.
    pub fn action(self) -> Option<&'t A> {
        match self {
            Self::Chain { action, .. } | Self::Default { action, .. } => Some(action),
            Self::Closed => None,
        }
    }

    /// The name of the chain, the default one included.
    pub fn name(self) -> Option<&'t str> {
        match self {
            Self::Chain { name, .. } | Self::Default { name, .. } => Some(name),
            Self::Closed => None,
        }
    }
}

impl<A> ChainTableBuilder<A> {
    /// Adds a chain. The order of chains does not matter.
    #[must_use]
    pub fn chain(mut self, name: &str, when: ChainMatch, action: A) -> Self {
        self.push(name, when, action);
        self
    }

    /// Adds a chain, for builders in a loop.
    pub fn push(&mut self, name: &str, when: ChainMatch, action: A) {
        self.chains.push((Chain { name: name.into(), action }, when));
    }

    /// Sets the chain for connections that no other takes.
    #[must_use]
    pub fn default_chain(mut self, name: &str, action: A) -> Self {
        self.default = Some(Chain { name: name.into(), action });
        self
    }

    /// Builds the table. Cost: for each chain the product of the lengths of its lists, in time and memory.
    ///
    /// # Errors
    /// When two chains could claim one connection: for some combination of values both ask the same
    /// ([`BuildErrorKind::DuplicateChain`]). A chain that names a value twice does too.
    pub fn build(self) -> Result<ChainTable<A>, BuildError> {
        let mut tree = ByPort::default();
        let mut chains: Vec<Chain<A>> = Vec::with_capacity(self.chains.len());
        for (chain, when) in self.chains {
            let number = u32::try_from(chains.len()).unwrap_or(u32::MAX);
            if let Err(other) = insert(&mut tree, &when, number) {
                let other = chains.get(other as usize).map_or(&*chain.name, |other| &other.name);
                let message = format!(
                    "filter chains `{other}` and `{}` ask for the same, a connection can have one chain only",
                    chain.name
                );
                return Err(BuildError::new(BuildErrorKind::DuplicateChain, message));
            }
            chains.push(chain);
        }
        Ok(ChainTable { chains: chains.into(), tree, default: self.default })
    }
}

/// The values of a list, or one that stands for no condition.
fn each<'l, T, K>(list: &'l [T], key: impl Fn(&'l T) -> K) -> Vec<Option<K>> {
    if list.is_empty() { vec![None] } else { list.iter().map(|value| Some(key(value))).collect() }
}

/// Claims all combinations of values for a chain; the error is the chain that has one of them.
fn insert(tree: &mut ByPort, when: &ChainMatch, number: u32) -> Result<(), u32> {
    let names = each(&when.server_names, |name| name.strip_prefix('*').unwrap_or(name).as_bytes());
    let protocols = each(&when.protocols, |protocol| protocol.as_bytes());
    let destinations = each(&when.destination, |prefix| *prefix);
    let direct = each(&when.direct_source, |prefix| *prefix);
    let sources = each(&when.source, |prefix| *prefix);
    let ports = each(&when.source_ports, |port| *port);
    let first: &mut ByDestination = tree.entry(when.destination_port);
    for destination in &destinations {
        let by_name = first.entry(*destination);
        for name in &names {
            let by_protocol = by_name.entry(name.map(Into::into)).entry(when.transport);
            for protocol in &protocols {
                let by_direct = by_protocol.entry(protocol.map(Into::into));
                for direct in &direct {
                    let by_source = by_direct.entry(*direct).entry(when.source_type);
                    for source in &sources {
                        let by_port = by_source.entry(*source);
                        for port in &ports {
                            let Leaf(leaf) = by_port.entry(*port);
                            if let Some(other) = leaf.replace(number) {
                                return Err(other);
                            }
                        }
                    }
                }
            }
        }
    }
    Ok(())
}

impl<A> ChainTable<A> {
    /// A builder without chains.
    pub fn builder() -> ChainTableBuilder<A> {
        ChainTableBuilder { chains: Vec::new(), default: None }
    }

    /// Names and actions in the order they were added; the default chain is not among them.
    pub fn chains(&self) -> impl ExactSizeIterator<Item = (&str, &A)> {
        self.chains.iter().map(|chain| (&*chain.name, &chain.action))
    }

    /// Name and action of the default chain.
    pub fn default_chain(&self) -> Option<(&str, &A)> {
        self.default.as_ref().map(|chain| (&*chain.name, &chain.action))
    }

    /// The chain that takes `connection` (ROUTE-L4-02).
    ///
    /// Cost: a hash probe for each step, in the steps about addresses one for each distinct prefix length, and in
    /// that about the server name one for each of its labels. Never panics; does not allocate, except for a server
    /// name above 256 bytes, which no ClientHello that was sniffed has.
    pub fn lookup(&self, connection: &Connection<'_>) -> ChainLookup<'_, A> {
        self.end(self.walk(connection, &mut Silent))
    }

    /// Says at each step what it narrowed to and what it passed over.
    ///
    /// The same walk as [`lookup`](Self::lookup), with notes. Allocates.
    pub fn explain(&self, connection: &Connection<'_>) -> ChainExplanation<'_> {
        let mut notes = Written::default();
        let outcome = match self.end(self.walk(connection, &mut notes)) {
            ChainLookup::Chain { name, .. } => ChainOutcome::Chain(name),
            ChainLookup::Default { name, .. } => ChainOutcome::Default(name),
            ChainLookup::Closed => ChainOutcome::Closed,
        };
        ChainExplanation { steps: notes.0, outcome }
    }

    fn end(&self, found: Option<u32>) -> ChainLookup<'_, A> {
        match (found.and_then(|number| self.chains.get(number as usize)), &self.default) {
            (Some(Chain { name, action }), _) => ChainLookup::Chain { name, action },
            (None, Some(Chain { name, action })) => ChainLookup::Default { name, action },
            (None, None) => ChainLookup::Closed,
        }
    }

    fn walk(&self, connection: &Connection<'_>, observer: &mut impl Observer) -> Option<u32> {
        let port = connection.destination.port();
        let found = self.tree.find(&port);
        observer.step(|| ChainStep::port(ChainCriterion::DestinationPort, &self.tree, Some(port), found));
        let by_address = found?.1;

        let address = Some(connection.destination.ip());
        let found = by_address.find(address);
        observer.step(|| ChainStep::address(ChainCriterion::DestinationAddress, by_address, address, found));
        let by_name = found?.1;

        let name = connection.server_name.as_deref();
        let found = match name {
            Some(name) => by_name.find_name(name),
            None => by_name.any().map(|any| (None, any)),
        };
        observer.step(|| ChainStep::server_name(by_name, name, found));
        let by_transport = found?.1;

        let found = by_transport.find(&connection.transport);
        observer.step(|| ChainStep::transport(by_transport, connection.transport, found));
        let by_protocol = found?.1;

        let found = connection.first_protocol(|protocol| by_protocol.get(protocol));
        let found = match found {
            Some((key, found)) => Some((Some(&**key), found)),
            None => by_protocol.any().map(|any| (None, any)),
        };
        observer.step(|| ChainStep::protocol(by_protocol, connection, found));
        let by_direct = found?.1;

        let direct = connection.direct();
        let found = by_direct.find(direct);
        observer.step(|| ChainStep::address(ChainCriterion::DirectSourceAddress, by_direct, direct, found));
        let by_type = found?.1;

        let kind = if connection.is_local() { SourceType::Local } else { SourceType::External };
        let found = by_type.find(&kind);
        observer.step(|| ChainStep::source_type(by_type, kind, found));
        let by_source = found?.1;

        let source = connection.source.map(|source| source.ip());
        let found = by_source.find(source);
        observer.step(|| ChainStep::address(ChainCriterion::SourceAddress, by_source, source, found));
        let by_port = found?.1;

        let port = connection.source.map(|source| source.port());
        let found = match port {
            Some(port) => by_port.find(&port),
            None => by_port.any().map(|any| (None, any)),
        };
        observer.step(|| ChainStep::port(ChainCriterion::SourcePort, by_port, port, found));
        found?.1.0
    }
}
