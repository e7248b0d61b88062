//! Rules found by the exact value of one of their guards.

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::bucket::Span;
use crate::head::{Headers, RequestHead};
use crate::query::first_value;

/// What a guard looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Subject<'c> {
    Method,
    Scheme,
    Authority,
    /// The path with its query.
    Target,
    /// A header line; the name is lower-case.
    Header(&'c str),
    Query(&'c str),
}

/// Header lines of one name that are probed. A request with more is left to the scan, which may find an early
/// rule before it has read them all.
const LINES: usize = 4;

#[derive(Debug)]
pub(super) struct GuardIndex {
    kind: Kind,
    lists: HashMap<Box<[u8]>, Span, FixedState>,
    /// No value longer than this is known, and none is hashed.
    longest: usize,
}

#[derive(Debug)]
enum Kind {
    Method,
    Scheme,
    Authority,
    Target,
    Header(Box<str>),
    Query(Box<str>),
}

/// A request with too many lines of a header.
pub(super) struct TooMany;

impl GuardIndex {
    pub(super) fn new(subject: Subject<'_>, lists: Vec<(&[u8], Span)>, hash_seed: u64) -> Self {
        let kind = match subject {
            Subject::Method => Kind::Method,
            Subject::Scheme => Kind::Scheme,
            Subject::Authority => Kind::Authority,
            Subject::Target => Kind::Target,
            Subject::Header(name) => Kind::Header(name.into()),
            Subject::Query(name) => Kind::Query(name.into()),
        };
        let longest = lists.iter().map(|(value, _)| value.len()).max().unwrap_or(0);
        let mut map = HashMap::with_capacity_and_hasher(lists.len(), FixedState::with_seed(hash_seed));
        map.extend(lists.into_iter().map(|(value, list)| (value.into(), list)));
        Self { kind, lists: map, longest }
    }

    /// Shows the candidates whose guard holds, one list for each value the request has.
    pub(super) fn find<H: Headers + ?Sized>(
        &self,
        head: &RequestHead<'_, H>,
        mut show: impl FnMut(Span),
    ) -> Result<(), TooMany> {
        let mut probe = |value: &[u8]| {
            if value.len() <= self.longest
                && let Some(list) = self.lists.get(value)
            {
                show(*list);
            }
        };
        match &self.kind {
            Kind::Method => probe(head.method().as_bytes()),
            Kind::Scheme => probe(head.scheme().as_bytes()),
            Kind::Authority => probe(head.authority().as_bytes()),
            Kind::Target => probe(head.path_and_query().as_bytes()),
            Kind::Header(name) => {
                for (number, line) in head.headers().values(name).enumerate() {
                    if number == LINES {
                        return Err(TooMany);
                    }
                    probe(line);
                }
            }
            Kind::Query(name) => {
                if let Some(value) = head.query().and_then(|query| first_value(query, name)) {
                    probe(value.as_bytes());
                }
            }
        }
        Ok(())
    }
}
