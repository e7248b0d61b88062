//! What a request that was only just refused lacks, for explanations.
//!
//! Nothing here decides anything: each function tries the condition again on a text that somebody may have meant.

use std::borrow::Cow;
use std::fmt;

use crate::head::{Headers, RequestHead};
use crate::header::{HeaderMatch, Subject};
use crate::path::{Covered, Key, PathMatch};
use crate::pattern::Pattern;
use crate::query::{QueryMatch, first_value};
use crate::string_match::StringMatch;

/// Why a text that looks right is not.
///
/// `Display` says it in words.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NearMiss {
    /// It differs only in letter case.
    LetterCase,
    /// It has blanks at its start or end, which the condition's text has not, or the other way round.
    Blanks,
    /// A slash at its end would do (ROUTE-MATCH-12).
    TrailingSlashMissing,
    /// Without the slash at its end it would do (ROUTE-MATCH-11).
    TrailingSlash,
    /// It would do if runs of slashes were one (ROUTE-PATH-08).
    DoubleSlash,
    /// It would do if its percent-escapes were decoded, which they are not (ROUTE-MATCH-16, ROUTE-MATCH-41).
    PercentEncoded,
    /// The condition's text has a query, which is never part of the path (ROUTE-MATCH-10).
    Query,
    /// The prefix ends inside a segment (ROUTE-APPLY-51).
    InsideSegment,
    /// The regular expression matches a part, the whole must match (ROUTE-MATCH-13).
    Part,
    /// It is an item of a comma list, which is compared as a whole (ROUTE-MATCH-23).
    ListItem,
    /// A later parameter of that name would do, the first counts (ROUTE-MATCH-42).
    LaterParameter,
    /// There is nothing of that name, but of this similar one.
    SimilarName(Box<str>),
    /// It has a port, which is part of the authority (ROUTE-MATCH-28).
    Port,
    /// It ends in a dot, which is part of the name (ROUTE-HOST-23).
    TrailingDot,
    /// The domain is the host's with `*.` before, and a wildcard stands for at least one character (ROUTE-HOST-25).
    WildcardNeedsLabel,
    /// The host lies below the domain, which has no wildcard.
    Subdomain,
    /// The domain names a port, and ports never choose a virtual host (ROUTE-HOST-21).
    PortInDomain,
    /// The spelling is similar.
    Misspelt,
}

impl fmt::Display for NearMiss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LetterCase => "only the letter case differs",
            Self::Blanks => "only blanks at the start or end differ",
            Self::TrailingSlashMissing => "the trailing slash is missing",
            Self::TrailingSlash => "the path has a trailing slash",
            Self::DoubleSlash => "runs of slashes are not merged",
            Self::PercentEncoded => "percent-escapes are compared as written",
            Self::Query => "the query is never part of the path",
            Self::InsideSegment => "the prefix ends inside a segment",
            Self::Part => "it matches a part, the whole must match",
            Self::ListItem => "it is an item of a list, the whole value is compared",
            Self::LaterParameter => "a later one of that name would do, the first counts",
            Self::SimilarName(name) => return write!(f, "there is `{name}`"),
            Self::Port => "the port is part of the authority",
            Self::TrailingDot => "the trailing dot is part of the name",
            Self::WildcardNeedsLabel => "a wildcard stands for at least one character",
            Self::Subdomain => "the domain has no wildcard",
            Self::PortInDomain => "ports never choose a virtual host, the domain must not have one",
            Self::Misspelt => "the spelling is similar",
        })
    }
}

pub(crate) fn path<H: Headers + ?Sized>(want: &PathMatch, head: &RequestHead<'_, H>) -> Option<NearMiss> {
    let path = head.path();
    if let Some(pattern) = want.pattern() {
        return regex(pattern, path.as_bytes());
    }
    if want.clone().ignore_case().matches(path) {
        return Some(NearMiss::LetterCase);
    }
    if want.matches(&[path, "/"].concat()) {
        return Some(NearMiss::TrailingSlashMissing);
    }
    if path.strip_suffix('/').is_some_and(|path| want.matches(path)) {
        return Some(NearMiss::TrailingSlash);
    }
    let (Key::Exact(text) | Key::Prefix(text)) = want.key().0;
    if text.contains(&b'?') {
        return Some(NearMiss::Query);
    }
    if matches!(want.covered(), Covered::Segments(_)) && path.as_bytes().starts_with(text) {
        return Some(NearMiss::InsideSegment);
    }
    let mut merged = String::from(path);
    crate::normalize::merge_slashes(&mut merged);
    if want.matches(&merged) {
        return Some(NearMiss::DoubleSlash);
    }
    let decoded = decode(path)?;
    want.matches(&decoded).then_some(NearMiss::PercentEncoded)
}

/// For the method, the scheme, and as a part of the others.
pub(crate) fn text(want: &StringMatch, found: &[u8]) -> Option<NearMiss> {
    if let Some(pattern) = want.pattern() {
        return regex(pattern, found);
    }
    let (text, whole) = want.text()?;
    let fits = |found: &[u8], text: &[u8]| {
        let head = if whole { Some(found) } else { found.get(..text.len()) };
        head.is_some_and(|head| head.eq_ignore_ascii_case(text))
    };
    if fits(found, text) {
        return Some(NearMiss::LetterCase);
    }
    if fits(found.trim_ascii(), text.trim_ascii()) && !text.trim_ascii().is_empty() {
        return Some(NearMiss::Blanks);
    }
    let mut items = found.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    (found.contains(&b',') && items.any(|item| want.matches(item))).then_some(NearMiss::ListItem)
}

pub(crate) fn authority(want: &StringMatch, found: &str) -> Option<NearMiss> {
    let host = crate::domain::split_port(found).0;
    if host.len() < found.len() && want.matches(host.as_bytes()) {
        return Some(NearMiss::Port);
    }
    if host.strip_suffix('.').is_some_and(|host| want.matches(host.as_bytes())) {
        return Some(NearMiss::TrailingDot);
    }
    text(want, found.as_bytes())
}

pub(crate) fn header<H: Headers + ?Sized>(want: &HeaderMatch, head: &RequestHead<'_, H>) -> Option<NearMiss> {
    if want.invert {
        return None;
    }
    match &want.subject {
        Subject::Method => text(&want.value, head.method().as_bytes()),
        Subject::Scheme => text(&want.value, head.scheme().as_bytes()),
        Subject::Authority => authority(&want.value, head.authority()),
        Subject::Path => text(&want.value, head.path_and_query().as_bytes()),
        Subject::Line(name) => {
            let mut lines = head.headers().values(name).peekable();
            if lines.peek().is_some() {
                return lines.find_map(|line| text(&want.value, line));
            }
            similar(name, head.headers().names()).map(NearMiss::SimilarName)
        }
    }
}

pub(crate) fn query(want: &QueryMatch, query: Option<&str>) -> Option<NearMiss> {
    let query = query?;
    let names = || query.split('&').map(|piece| piece.split_once('=').map_or(piece, |(name, _)| name));
    let Some(found) = first_value(query, &want.name) else {
        return similar(&want.name, names()).map(NearMiss::SimilarName);
    };
    let later = query.split('&').filter_map(|piece| {
        let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
        (name == &*want.name).then_some(value)
    });
    if later.skip(1).any(|value| want.value.matches(value.as_bytes())) {
        return Some(NearMiss::LaterParameter);
    }
    if decode(found).is_some_and(|decoded| want.value.matches(decoded.as_bytes())) {
        return Some(NearMiss::PercentEncoded);
    }
    text(&want.value, found.as_bytes())
}

/// Why `domain` does not cover `host`, which has no port, if it nearly does.
pub(crate) fn domain(domain: &str, host: &str) -> Option<NearMiss> {
    let host = &*host.to_ascii_lowercase();
    let covers = |host: &str| match (domain.strip_prefix('*'), domain.strip_suffix('*')) {
        (Some(suffix), _) => host.len() > suffix.len() && host.ends_with(suffix),
        (_, Some(prefix)) => host.len() > prefix.len() && host.starts_with(prefix),
        _ => host == domain,
    };
    if host.strip_suffix('.').is_some_and(&covers) {
        return Some(NearMiss::TrailingDot);
    }
    if domain.strip_prefix("*.") == Some(host) {
        return Some(NearMiss::WildcardNeedsLabel);
    }
    let plain = crate::domain::split_port(domain).0;
    if plain.len() < domain.len() && plain == host {
        return Some(NearMiss::PortInDomain);
    }
    if !domain.contains('*') && host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.')) {
        return Some(NearMiss::Subdomain);
    }
    (!domain.contains('*') && is_similar(domain, host)).then_some(NearMiss::Misspelt)
}

fn regex(pattern: &Pattern, found: &[u8]) -> Option<NearMiss> {
    if pattern.folded().is_some_and(|folded| folded.is_match(found)) {
        return Some(NearMiss::LetterCase);
    }
    pattern.unanchored().is_some_and(|part| part.is_match(found)).then_some(NearMiss::Part)
}

/// The most similar of `names` to a name that is not among them.
fn similar<'n>(wanted: &str, names: impl Iterator<Item = &'n str>) -> Option<Box<str>> {
    names.filter(|name| is_similar(wanted, name)).min_by_key(|name| distance(wanted, name)).map(Into::into)
}

/// Whether two texts differ by a slip of the pen: by letter case or separators, or one letter in three at most, and no
/// more than two.
fn is_similar(one: &str, other: &str) -> bool {
    let bare = |text: &str| -> String {
        text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
    };
    let (bare_one, bare_other) = (bare(one), bare(other));
    let allowed = (bare_one.len().min(bare_other.len()) / 3).min(2);
    !bare_one.is_empty() && (bare_one == bare_other || distance(&bare_one, &bare_other) <= allowed)
}

/// How many letters must be inserted, left out or replaced; texts are cut where no name of the wire ends.
fn distance(one: &str, other: &str) -> usize {
    const LONGEST: usize = 256;
    let other: Vec<char> = other.chars().take(LONGEST).collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.chars().take(LONGEST).enumerate() {
        let mut diagonal = std::mem::replace(row.first_mut().unwrap_or(&mut 0), i + 1);
        let mut left = i + 1;
        for (b, cell) in other.iter().zip(row.iter_mut().skip(1)) {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = *cell;
            left = replaced.min(left + 1).min(*cell + 1);
            *cell = left;
        }
    }
    row.last().copied().unwrap_or_default()
}

/// The text with its percent-escapes decoded, if it has any and they make a text.
fn decode(text: &str) -> Option<Cow<'static, str>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes().iter();
    while let Some(&byte) = rest.next() {
        let value = match (byte, rest.as_slice()) {
            (b'%', [high, low, ..]) => {
                let digit = |byte: &u8| char::from(*byte).to_digit(16);
                digit(high).zip(digit(low)).and_then(|(high, low)| u8::try_from(high * 16 + low).ok())
            }
            _ => None,
        };
        if value.is_some() {
            let _digits = rest.nth(1);
        }
        out.push(value.unwrap_or(byte));
    }
    if out.len() == text.len() { None } else { String::from_utf8(out).ok().map(Cow::Owned) }
}
