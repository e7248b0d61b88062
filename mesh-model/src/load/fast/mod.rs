//! The fast path: documents in plain, current form, read by `serde_yaml` straight into their types.
//!
//! The other path, through a tree, understands every spelling and says what is wrong with it. Few documents need that.
//! This one knows the plain spellings only. Whatever else it meets, it gives up, without a word, and the document is
//! read again on the other path; so nothing is said here and no limit but theirs is kept. What it does answer is what
//! the other path answers, without a finding.

mod access;
mod current;
mod free;
mod reader;
mod root;
mod scalar;
mod strict;

use super::Limits;
use super::kinds::by_kind;
use crate::common::Value;
use crate::kind::{self, Kind, Resolved};
use crate::meta::ObjectMeta;
use crate::object::Body;
use serde::Deserializer;

pub(super) use reader::Reader;

/// An object as it was written: nothing in it needed a repair.
pub(super) struct Plain {
    pub(super) api_version: String,
    pub(super) kind: Kind,
    pub(super) metadata: ObjectMeta,
    pub(super) status: Option<Value>,
    pub(super) body: Body,
}

/// What holds for a whole document, or for its metadata.
#[derive(Clone, Copy)]
struct Document<'t> {
    text: &'t str,
    /// Keys that a type does not have are findings.
    check_unknown: bool,
    /// Some text may be a placeholder.
    placeholders: bool,
    max_depth: usize,
}

/// The kind of the object of `text`, if it may be in plain form; what would cost a parser much is not.
fn may_be_plain(text: &str, limits: &Limits) -> Option<Kind> {
    let kind = kind::by_name(kind_hint(text)?)?;
    let plain = text.len() <= limits.max_document_bytes
        && fits(text, limits)
        && !has_alias_or_tag(text)
        && !super::depth::exceeds(text, limits.max_depth);
    plain.then_some(kind)
}

/// Reads the object of this kind that `text` is, if it is in plain form.
fn read_as(kind: Kind, parser: serde_yaml::Deserializer<'_>, text: &str, limits: &Limits) -> Option<Plain> {
    let check_unknown = kind.is_istio();
    let document = Document {
        text,
        check_unknown,
        placeholders: check_unknown && may_have_placeholder(text),
        max_depth: limits.max_depth,
    };
    macro_rules! spec {
        ($ty:ty) => {
            parser.deserialize_map(root::Spec::<$ty>::new(&document)).ok()?
        };
    }
    macro_rules! whole {
        ($ty:ty) => {
            parser.deserialize_map(root::Whole::<$ty>::new(&document)).ok()?
        };
    }
    let object = by_kind!(kind, spec, whole, return None);
    let known =
        matches!(kind::resolve(&object.api_version, &object.kind), Resolved::Known(found) if found == kind);
    if !known || !current::is_current(&object.body) {
        return None;
    }
    let root::Written { api_version, metadata, status, body, .. } = object;
    Some(Plain { api_version, kind, metadata, status, body })
}

/// What the line `kind: …` says; whether it is the object's kind is seen when the object was read.
fn kind_hint(text: &str) -> Option<&str> {
    let bytes = text.as_bytes();
    let line = memchr::memmem::find_iter(bytes, b"kind:")
        .find(|at| at.checked_sub(1).is_none_or(|before| bytes.get(before) == Some(&b'\n')))
        .and_then(|at| text.get(at + "kind:".len()..)?.lines().next());
    match line {
        Some(line) => line.split_whitespace().next(),
        // JSON: the first of the keys that is called so.
        None => text.split_once("\"kind\"")?.1.trim_start_matches([':', ' ', '"']).split('"').next(),
    }
}

/// True when a document of this length cannot have too many values: without aliases, each takes a few bytes.
fn fits(text: &str, limits: &Limits) -> bool {
    text.len().saturating_mul(5).saturating_add(16) <= limits.max_nodes
}

/// True when something may be an alias or a tag: `*` or `!` where a value begins.
fn has_alias_or_tag(text: &str) -> bool {
    let bytes = text.as_bytes();
    memchr::memchr2_iter(b'*', b'!', bytes).any(|at| {
        at.checked_sub(1)
            .and_then(|before| bytes.get(before))
            // Not all line breaks of YAML 1.1 are ASCII.
            .is_none_or(|before| !before.is_ascii_graphic() || b",[{:-?".contains(before))
    })
}

/// True when some text may hold `{{ … }}`, `${…}` or `<name>`.
fn may_have_placeholder(text: &str) -> bool {
    let bytes = text.as_bytes();
    memchr::memchr2(b'<', b'$', bytes).is_some()
        || memchr::memchr_iter(b'{', bytes).any(|at| bytes.get(at + 1) == Some(&b'{'))
}

impl Document<'_> {
    /// True when `text` of this document stands in quotes there.
    fn is_quoted(&self, text: &str) -> bool {
        let bytes = self.text.as_bytes();
        let at = text.as_ptr().addr().wrapping_sub(bytes.as_ptr().addr());
        let quote = at.checked_sub(1).and_then(|before| bytes.get(before)).filter(|c| b"\"'".contains(c));
        // A scalar without quotes would go on with the second one.
        quote.is_some() && bytes.get(at.saturating_add(text.len())) == quote
    }

    /// True when `text` of this document is a string, and not a number, a boolean or nothing.
    fn is_string(&self, text: &str) -> bool {
        !scalar::may_be_other(text) || self.is_quoted(text)
    }

    /// The metadata, where only the keys of interest are looked at.
    fn metadata(&self) -> Self {
        Self { check_unknown: false, placeholders: false, ..*self }
    }
}

#[cfg(test)]
mod tests;
