//! Listeners while their chains are collected.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use mesh_model::ObjectRef;
use mesh_model::common::Protocol;
use mesh_route::{ChainMatch, ChainTable, IpPrefix, Listeners, Transport};

use super::super::issues::{Issues, refusal};
use crate::snapshot::{ConnectionAction, ConnectionListener};

/// What a chain asks for; empty lists ask for nothing.
#[derive(Clone, Debug, Default)]
pub(super) struct Criteria {
    pub(super) destinations: Vec<IpPrefix>,
    pub(super) server_names: Vec<String>,
    pub(super) protocols: Vec<&'static str>,
    pub(super) transport: Option<Transport>,
    pub(super) port: Option<u16>,
}

/// One combination of values.
type Place = (Option<u16>, Option<IpPrefix>, Option<String>, Option<Transport>, Option<&'static str>);

fn each<T: Clone>(list: &[T]) -> Vec<Option<T>> {
    if list.is_empty() { vec![None] } else { list.iter().cloned().map(Some).collect() }
}

impl Criteria {
    /// Values once each, and no server names when any will do (ROUTE-L4-04).
    fn tidy(mut self) -> Self {
        if self.server_names.iter().any(|name| name == "*") {
            self.server_names.clear();
        }
        for name in &mut self.server_names {
            name.make_ascii_lowercase();
        }
        self.server_names.sort();
        self.server_names.dedup();
        self.destinations.sort();
        self.destinations.dedup();
        self
    }

    /// How many places there are.
    fn combinations(&self) -> usize {
        let lists = [self.destinations.len(), self.server_names.len(), self.protocols.len()];
        lists.into_iter().fold(1, |product, length| product.saturating_mul(length.max(1)))
    }

    fn places(&self) -> BTreeSet<Place> {
        let mut out = BTreeSet::new();
        for destination in each(&self.destinations) {
            for name in each(&self.server_names) {
                for protocol in each(&self.protocols) {
                    out.insert((self.port, destination, name.clone(), self.transport, protocol));
                }
            }
        }
        out
    }

    fn build(&self) -> Result<ChainMatch, mesh_route::BuildError> {
        let mut when = ChainMatch::any()
            .server_names(&self.server_names)?
            .destination(self.destinations.iter().copied())
            .application_protocols(&self.protocols);
        if let Some(transport) = self.transport {
            when = when.transport(transport);
        }
        if let Some(port) = self.port {
            when = when.destination_port(port);
        }
        Ok(when)
    }
}

/// A listener in the making.
#[derive(Debug, Default)]
pub(super) struct Draft {
    name: String,
    chains: Vec<(String, Criteria, ConnectionAction)>,
    taken: BTreeSet<Place>,
    /// What the listener is for, when it is shared with no other protocol (ROUTE-L4-19).
    protocols: BTreeSet<Protocol>,
}

/// Why a chain has no place in a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// An earlier chain asks for the same.
    Taken,
    /// It asks for what no chain can ask for, or for too much; in words.
    Broken(String),
}

/// The most combinations of values a chain may ask for, and all chains of a listener together: lists multiply, so a
/// small object could ask for more than there is memory.
const MOST_OF_CHAIN: usize = 1 << 16;
const MOST_OF_LISTENER: usize = 1 << 18;

impl Draft {
    pub(super) fn named(name: String) -> Self {
        Self { name, ..Self::default() }
    }

    /// Adds a chain, if there is room for it.
    pub(super) fn add(
        &mut self,
        name: String,
        criteria: Criteria,
        action: ConnectionAction,
    ) -> Result<(), Refused> {
        let criteria = criteria.tidy();
        criteria.build().map_err(|error| Refused::Broken(refusal(&error)))?;
        let count = criteria.combinations();
        if count > MOST_OF_CHAIN {
            let message =
                format!("it makes {count} pairs of subnets and server names, {MOST_OF_CHAIN} are allowed");
            return Err(Refused::Broken(message));
        }
        let places = criteria.places();
        if !self.taken.is_disjoint(&places) {
            return Err(Refused::Taken);
        }
        if self.taken.len() + count > MOST_OF_LISTENER {
            let message = format!(
                "with it the chains of {} would make more than {MOST_OF_LISTENER} pairs of subnets and server names",
                self.name
            );
            return Err(Refused::Broken(message));
        }
        self.taken.extend(places);
        self.chains.push((name, criteria, action));
        Ok(())
    }

    /// Whether a port of this protocol may use the listener: Mongo and MySQL tolerate no other (ROUTE-L4-19).
    pub(super) fn admits(&mut self, protocol: Protocol) -> bool {
        let alone = |protocol: &Protocol| matches!(protocol, Protocol::Mongo | Protocol::MySql);
        let stranger =
            self.protocols.iter().any(|other| *other != protocol && (alone(other) || alone(&protocol)));
        if !stranger {
            self.protocols.insert(protocol);
        }
        !stranger
    }

    pub(super) fn build(
        self,
        default: Option<(&str, ConnectionAction)>,
    ) -> Result<ConnectionListener, mesh_route::BuildError> {
        // A chain for HTTP asks for no TLS, and narrowing is final: what is neither TLS nor HTTP would not come back to
        // the chains that ask nothing of the transport. So these stand on both sides (ROUTE-SNIFF-05).
        let http =
            self.chains.iter().any(|(_, criteria, _)| criteria.transport == Some(Transport::RawBuffer));
        let mut builder = ChainTable::builder();
        for (name, criteria, action) in self.chains {
            let when = criteria.build()?;
            if http && criteria.transport.is_none() {
                builder.push(&name, when.clone().transport(Transport::RawBuffer), action.clone());
            }
            builder.push(&name, when, action);
        }
        if let Some((name, action)) = default {
            builder = builder.default_chain(name, action);
        }
        Ok(ConnectionListener { name: self.name, chains: builder.build()? })
    }
}

/// Drafts by address.
pub(super) type Drafts = BTreeMap<SocketAddr, Draft>;

/// Listeners of all drafts that have a chain; `default` takes what their chains do not.
pub(super) fn finish(
    drafts: Drafts,
    default: Option<(&str, &ConnectionAction)>,
    object: &ObjectRef,
    issues: &mut Issues,
) -> Listeners<ConnectionListener> {
    let mut out = Listeners::new();
    for (address, draft) in drafts {
        if draft.chains.is_empty() {
            continue;
        }
        let built = draft.build(default.map(|(name, action)| (name, action.clone())));
        let fault = match built.map(|listener| out.insert(address, listener)) {
            Ok(Ok(())) => continue,
            Ok(Err(error)) | Err(error) => error,
        };
        // Chains that ask for the same were left out before; one listener an address is what a map has.
        issues.error(object, mesh_model::FieldPath::new(), format!("{address}: {}", refusal(&fault)));
    }
    out
}
