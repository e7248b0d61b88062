//! A compiled regular expression, with RE2's meaning.

use std::fmt;

use regex::bytes::{Regex, RegexBuilder};
use regex_syntax::hir::{Hir, HirKind, Look};

use crate::compat::RegexAlphabet;
use crate::error::{PatternError, PatternErrorKind};
use crate::re2;

/// How large a regular expression may be, and what a character is in it.
///
/// A pattern comes from whoever may write a route, and its compiled size is not bounded by its text: these
/// limits bound what one pattern can cost.
#[derive(Clone, Debug)]
pub struct Limits {
    pattern_len: usize,
    compiled_size: usize,
    alphabet: RegexAlphabet,
}

impl Limits {
    /// 1024 bytes of text (ROUTE-RX-04), 4 MiB of compiled program, and one byte is one character.
    pub fn new() -> Self {
        Self { pattern_len: 1024, compiled_size: 4 << 20, alphabet: RegexAlphabet::default() }
    }

    /// Sets what a character is.
    #[must_use]
    pub fn alphabet(mut self, alphabet: RegexAlphabet) -> Self {
        self.alphabet = alphabet;
        self
    }

    /// Sets the most bytes the text may have.
    #[must_use]
    pub fn pattern_len(mut self, bytes: usize) -> Self {
        self.pattern_len = bytes;
        self
    }

    /// Sets the most bytes the compiled program may take; the cache it fills at run time has the same bound.
    #[must_use]
    pub fn compiled_size(mut self, bytes: usize) -> Self {
        self.compiled_size = bytes;
        self
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::new()
    }
}

/// A regular expression that is ready to run.
#[derive(Clone)]
pub(crate) struct Pattern {
    regex: Regex,
    source: Box<str>,
    /// Bytes every match starts with.
    literal: Box<[u8]>,
    /// What the whole text must match, where an automaton of many patterns can take it in.
    hir: Option<Box<Hir>>,
    groups: usize,
    alphabet: RegexAlphabet,
}

impl Pattern {
    /// A pattern that must match the whole text (ROUTE-RX-01).
    pub(crate) fn whole(pattern: &str, limits: &Limits) -> Result<Self, PatternError> {
        Self::build(pattern, limits, true)
    }

    /// A pattern that may match anywhere, leftmost first (ROUTE-RX-09).
    pub(crate) fn anywhere(pattern: &str, limits: &Limits) -> Result<Self, PatternError> {
        Self::build(pattern, limits, false)
    }

    fn build(pattern: &str, limits: &Limits, whole: bool) -> Result<Self, PatternError> {
        use PatternErrorKind::{Empty, Syntax, TooLarge, TooLong};
        if pattern.is_empty() {
            return Err(PatternError::new(
                pattern,
                Empty,
                "the text is empty, write `.*` to match everything",
            ));
        }
        if pattern.len() > limits.pattern_len {
            let detail = format!("{} bytes of text, at most {} allowed", pattern.len(), limits.pattern_len);
            return Err(PatternError::new(pattern, TooLong, detail));
        }
        let unicode = limits.alphabet == RegexAlphabet::Utf8;
        let translated = re2::translate(pattern, limits.alphabet)
            .map_err(|fault| PatternError::new(pattern, Syntax, fault))?;
        // Parsed alone before it is wrapped, so that the wrapper can never balance what is unbalanced.
        let hir = regex_syntax::ParserBuilder::new()
            .unicode(unicode)
            .utf8(false)
            .build()
            .parse(&translated.text)
            .map_err(|_| PatternError::new(pattern, Syntax, "groups nested too deep"))?;
        let mut literal = Vec::new();
        if whole {
            leading_literal(&hir, &mut literal);
        }
        let text = if whole { format!(r"\A(?:{})\z", translated.text) } else { translated.text };
        let regex = RegexBuilder::new(&text)
            .unicode(unicode)
            .size_limit(limits.compiled_size)
            .dfa_size_limit(limits.compiled_size)
            .build()
            .map_err(|_| {
                let detail = format!("the compiled program takes more than {} bytes", limits.compiled_size);
                PatternError::new(pattern, TooLarge, detail)
            })?;
        // An automaton of many patterns reads bytes.
        let hir = (whole && !unicode).then(|| Box::new(hir));
        Ok(Self {
            regex,
            source: pattern.into(),
            literal: literal.into(),
            hir,
            groups: translated.groups,
            alphabet: limits.alphabet,
        })
    }

    /// The same pattern, satisfied by a part of a text. For explanations: it is compiled anew.
    pub(crate) fn unanchored(&self) -> Option<Self> {
        Self::anywhere(&self.source, &Limits::new().pattern_len(usize::MAX).alphabet(self.alphabet)).ok()
    }

    /// The same pattern, without regard to letter case. For explanations: it is compiled anew.
    pub(crate) fn folded(&self) -> Option<Self> {
        let folded = ["(?i)", &self.source].concat();
        Self::whole(&folded, &Limits::new().pattern_len(usize::MAX).alphabet(self.alphabet)).ok()
    }

    pub(crate) fn is_match(&self, text: &[u8]) -> bool {
        self.regex.is_match(text)
    }

    pub(crate) fn regex(&self) -> &Regex {
        &self.regex
    }

    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    pub(crate) fn hir(&self) -> Option<&Hir> {
        self.hir.as_deref()
    }

    /// Bytes every matching text starts with; empty when nothing is known.
    pub(crate) fn literal(&self) -> &[u8] {
        &self.literal
    }

    pub(crate) fn groups(&self) -> usize {
        self.groups
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pattern").field(&self.source).finish()
    }
}

/// Collects what every match starts with; true while all of `hir` is literal.
fn leading_literal(hir: &Hir, out: &mut Vec<u8>) -> bool {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(Look::Start) => true,
        HirKind::Literal(literal) => {
            out.extend_from_slice(&literal.0);
            true
        }
        HirKind::Capture(capture) => leading_literal(&capture.sub, out),
        HirKind::Concat(parts) => parts.iter().all(|part| leading_literal(part, out)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(pattern: &str) -> Pattern {
        Pattern::whole(pattern, &Limits::new()).unwrap()
    }

    // ROUTE-RX-01.
    #[test]
    fn the_whole_text_must_match_route_rx_01() {
        let pattern = whole("/a|/b");
        assert!(pattern.is_match(b"/a") && pattern.is_match(b"/b"));
        assert!(!pattern.is_match(b"/ab") && !pattern.is_match(b"/a/b") && !pattern.is_match(b"x/a"));
        assert!(whole("a|ab").is_match(b"ab"), "leftmost-first search would stop at `a`");
        let error = Pattern::whole("a)|(b", &Limits::new()).unwrap_err();
        assert_eq!(error.to_string(), "`a)|(b` does not compile: unexpected `)`");
    }

    // ROUTE-RX-04.
    #[test]
    fn limits_route_rx_04() {
        let kind = |pattern: &str, limits: &Limits| Pattern::whole(pattern, limits).unwrap_err().kind();
        assert_eq!(kind("", &Limits::new()), PatternErrorKind::Empty);
        assert_eq!(kind(&"a".repeat(1025), &Limits::new()), PatternErrorKind::TooLong);
        assert!(Pattern::whole(&"a".repeat(1024), &Limits::new()).is_ok());
        assert_eq!(kind(r"(\w\d\s){300}", &Limits::new().compiled_size(1000)), PatternErrorKind::TooLarge);
        assert_eq!(kind(&"(".repeat(400), &Limits::new()), PatternErrorKind::Syntax);
        let deep = "(".repeat(400) + "a" + &")".repeat(400);
        assert_eq!(kind(&deep, &Limits::new()), PatternErrorKind::Syntax);
    }

    #[test]
    fn literal_heads_are_found() {
        for (pattern, head) in [
            ("/users/[0-9]+", "/users/"),
            ("^/users/(.*)$", "/users/"),
            ("(/a/b)/c.*", "/a/b/c"),
            ("/a|/b", "/"),
            ("(?i)/users/.*", "/"),
            (".*", ""),
            ("/a?", "/"),
        ] {
            let found = whole(pattern);
            assert!(head.as_bytes().starts_with(found.literal()), "{pattern}: {:?}", found.literal());
        }
        assert_eq!(whole("/users/[0-9]+").literal(), b"/users/");
        assert_eq!(whole("^/users/(.*)$").literal(), b"/users/");
    }
}
