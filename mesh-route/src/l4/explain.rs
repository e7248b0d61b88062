//! Why a connection went to its chain.

use std::fmt;
use std::net::IpAddr;

use super::chain::SourceType;
use super::connection::{Connection, Transport};
use super::levels::{ByProtocol, ByServerName, ByTransport, Exact, suffixes};
use super::prefix::{IpPrefix, Prefixes};

/// What a table thought about a connection, step by step.
///
/// `Display` prints one line a step and what came of it. Steps at which no chain asks anything are left out.
///
/// # Examples
/// ```
/// use mesh_route::{ChainMatch, ChainTable, Connection};
///
/// let when = ChainMatch::any().server_names(["*.example.com"])?;
/// let table = ChainTable::builder().chain("web", when, ()).build()?;
/// let connection = Connection::new("10.0.0.1:443".parse().unwrap()).tls("example.com");
/// assert_eq!(
///     table.explain(&connection).to_string(),
///     "server name `example.com`: no chain\n  \
///        `*.example.com` does not cover it: the wildcard needs a label\n\
///      no filter chain takes it, the connection is closed\n",
/// );
/// # Ok::<(), mesh_route::BuildError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChainExplanation<'t> {
    /// The steps in order, up to the one that left no chain.
    pub steps: Vec<ChainStep>,
    /// How the lookup ends.
    pub outcome: ChainOutcome<'t>,
}

/// How the lookup of a chain ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChainOutcome<'t> {
    /// At the chain of this name.
    Chain(&'t str),
    /// At the default chain, which has this name.
    Default(&'t str),
    /// At none.
    Closed,
}

/// One step of narrowing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChainStep {
    /// What it looks at.
    pub criterion: ChainCriterion,
    /// What the connection has there, in words.
    pub found: String,
    /// What the chains that are left ask for.
    pub narrowed: Narrowed,
    /// What was passed over although it fits too, and what nearly fits, in words.
    pub notes: Vec<String>,
}

/// What a step left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Narrowed {
    /// Chains that ask for this value.
    To(String),
    /// Chains that ask nothing here.
    Unconditional,
    /// No chain.
    Nothing,
}

/// What a step looks at, in the order of the steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ChainCriterion {
    /// The destination's port.
    DestinationPort,
    /// The destination's address.
    DestinationAddress,
    /// The server name.
    ServerName,
    /// TLS or not.
    Transport,
    /// The application protocols.
    ApplicationProtocol,
    /// The address at the other end of the socket.
    DirectSourceAddress,
    /// Local or external.
    SourceType,
    /// The client's address.
    SourceAddress,
    /// The client's port.
    SourcePort,
}

impl ChainCriterion {
    const fn as_str(self) -> &'static str {
        match self {
            Self::DestinationPort => "destination port",
            Self::DestinationAddress => "destination",
            Self::ServerName => "server name",
            Self::Transport => "transport",
            Self::ApplicationProtocol => "application protocols",
            Self::DirectSourceAddress => "direct source",
            Self::SourceType => "source type",
            Self::SourceAddress => "source",
            Self::SourcePort => "source port",
        }
    }
}

/// Hears of every step of a walk.
pub(super) trait Observer {
    fn step(&mut self, step: impl FnOnce() -> Option<ChainStep>);
}

/// Writes nothing, for lookups.
pub(super) struct Silent;

impl Observer for Silent {
    fn step(&mut self, _: impl FnOnce() -> Option<ChainStep>) {}
}

/// Writes down the steps that decide something.
#[derive(Default)]
pub(super) struct Written(pub(super) Vec<ChainStep>);

impl Observer for Written {
    fn step(&mut self, step: impl FnOnce() -> Option<ChainStep>) {
        self.0.extend(step());
    }
}

/// What a level answered: the key it was found under, `None` for chains that ask nothing.
type Found<'l, K, T> = Option<(Option<K>, &'l T)>;

const UNCONDITIONAL: &str = "chains that ask for none would accept it and are not tried";

/// A list of texts, cut when it is long.
fn listed(texts: impl ExactSizeIterator<Item = String>) -> String {
    const SHOWN: usize = 5;
    let more = texts.len().saturating_sub(SHOWN);
    let out = texts.take(SHOWN).collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{out} and {more} more") } else { out }
}

impl ChainStep {
    /// A step, unless no chain asks anything at it. `keys` are what chains ask for.
    fn new<K: ToString, T>(
        criterion: ChainCriterion,
        found: String,
        answer: Found<'_, K, T>,
        keys: Vec<String>,
        unconditional: bool,
        mut notes: Vec<String>,
    ) -> Option<Self> {
        if keys.is_empty() {
            return None;
        }
        let narrowed = match answer {
            Some((Some(key), _)) => {
                if unconditional && notes.is_empty() {
                    notes.push(UNCONDITIONAL.to_owned());
                }
                Narrowed::To(key.to_string())
            }
            Some((None, _)) => Narrowed::Unconditional,
            None => {
                if notes.is_empty() {
                    notes.push(format!("chains ask for {}", listed(keys.into_iter())));
                }
                Narrowed::Nothing
            }
        };
        Some(Self { criterion, found, narrowed, notes })
    }

    pub(super) fn port<T>(
        criterion: ChainCriterion,
        level: &Exact<u16, T>,
        port: Option<u16>,
        answer: Found<'_, &u16, T>,
    ) -> Option<Self> {
        let found = port.map_or_else(|| "unknown".to_owned(), |port| port.to_string());
        let keys = level.keys().into_iter().map(ToString::to_string).collect();
        Self::new(criterion, found, answer, keys, level.any().is_some(), Vec::new())
    }

    pub(super) fn address<T>(
        criterion: ChainCriterion,
        level: &Prefixes<T>,
        address: Option<IpAddr>,
        answer: Found<'_, IpPrefix, T>,
    ) -> Option<Self> {
        let chosen = answer.and_then(|(key, _)| key);
        let notes = level.shorter(address, chosen).into_iter().map(|passed| match passed {
            Some(prefix) => format!("`{prefix}` covers it too and is not tried, being shorter"),
            None => UNCONDITIONAL.to_owned(),
        });
        let found = address.map_or_else(|| "unknown".to_owned(), |address| address.to_string());
        let keys = level.keys().iter().map(ToString::to_string).collect();
        Self::new(criterion, found, answer, keys, false, notes.collect())
    }

    pub(super) fn server_name<T>(
        level: &ByServerName,
        name: Option<&[u8]>,
        answer: Found<'_, &[u8], T>,
    ) -> Option<Self> {
        let chosen = answer.and_then(|(key, _)| key);
        let mut notes = Vec::new();
        if let Some(name) = name.map(<[u8]>::to_ascii_lowercase) {
            let passed =
                suffixes(&name).filter(|suffix| Some(*suffix) != chosen && level.get(*suffix).is_some());
            if chosen.is_some() {
                notes.extend(
                    passed.map(|key| {
                        format!("`{}` covers it too and is not tried, being shorter", pattern(key))
                    }),
                );
                notes.extend(level.any().map(|_| UNCONDITIONAL.to_owned()));
            } else {
                let below = [b".", &name[..]].concat();
                if level.get(&below[..]).is_some() {
                    let key = pattern(&below);
                    notes.push(format!("`{key}` does not cover it: the wildcard needs a label"));
                }
                if let Some(bare) = name.strip_suffix(b".")
                    && let Some(key) =
                        std::iter::once(bare).chain(suffixes(bare)).find(|key| level.get(*key).is_some())
                {
                    notes.push(format!("`{}` would cover it without the trailing dot", pattern(key)));
                }
            }
        }
        let found = match name {
            Some(name) => format!("`{}`", name.escape_ascii()),
            None => "not sent".to_owned(),
        };
        let keys = level.keys().into_iter().map(|key| format!("`{}`", pattern(key))).collect();
        let answer = answer.map(|(key, found)| (key.map(|key| format!("`{}`", pattern(key))), found));
        Self::new(ChainCriterion::ServerName, found, answer, keys, false, notes)
    }

    pub(super) fn transport(
        level: &ByTransport,
        transport: Transport,
        answer: Found<'_, &Transport, ByProtocol>,
    ) -> Option<Self> {
        let keys = level.keys().into_iter().map(ToString::to_string).collect();
        let unconditional = level.any().is_some();
        Self::new(ChainCriterion::Transport, transport.to_string(), answer, keys, unconditional, Vec::new())
    }

    pub(super) fn protocol<T>(
        level: &ByProtocol,
        connection: &Connection<'_>,
        answer: Found<'_, &[u8], T>,
    ) -> Option<Self> {
        let mut offered = Vec::new();
        let _ = connection.first_protocol(|protocol| {
            offered.push(quoted(protocol));
            None::<()>
        });
        let found = if offered.is_empty() { "none".to_owned() } else { listed(offered.into_iter()) };
        let keys = level.keys().into_iter().map(|key| quoted(key)).collect();
        let answer = answer.map(|(key, found)| (key.map(quoted), found));
        Self::new(ChainCriterion::ApplicationProtocol, found, answer, keys, level.any().is_some(), Vec::new())
    }

    pub(super) fn source_type<T>(
        level: &Exact<SourceType, T>,
        kind: SourceType,
        answer: Found<'_, &SourceType, T>,
    ) -> Option<Self> {
        let word = |kind: &SourceType| match kind {
            SourceType::Local => "local".to_owned(),
            SourceType::External => "external".to_owned(),
        };
        let keys = level.keys().into_iter().map(word).collect();
        let answer = answer.map(|(key, found)| (key.map(word), found));
        Self::new(ChainCriterion::SourceType, word(&kind), answer, keys, level.any().is_some(), Vec::new())
    }
}

fn quoted(text: &[u8]) -> String {
    format!("`{}`", text.escape_ascii())
}

/// A key as it was written.
fn pattern(key: &[u8]) -> String {
    let wildcard = if key.starts_with(b".") { "*" } else { "" };
    format!("{wildcard}{}", key.escape_ascii())
}

impl fmt::Display for ChainStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: ", self.criterion.as_str(), self.found)?;
        match &self.narrowed {
            Narrowed::To(key) => write!(f, "chains for {key}"),
            Narrowed::Unconditional => f.write_str("chains that ask for none"),
            Narrowed::Nothing => f.write_str("no chain"),
        }
    }
}

impl fmt::Display for ChainExplanation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in &self.steps {
            writeln!(f, "{step}")?;
            for note in &step.notes {
                writeln!(f, "  {note}")?;
            }
        }
        match self.outcome {
            ChainOutcome::Chain(name) => writeln!(f, "filter chain `{name}` takes it"),
            ChainOutcome::Default(name) => {
                writeln!(f, "no filter chain takes it, so the default chain `{name}` does")
            }
            ChainOutcome::Closed => writeln!(f, "no filter chain takes it, the connection is closed"),
        }
    }
}
