//! Regular expressions against a slow reading of the same syntax: every construct on every short text.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::collections::BTreeSet;
use std::fmt::Write as _;

use mesh_route::{Limits, RegexAlphabet, StringMatch};
use proptest::prelude::*;

/// A pattern as a tree. How it is spelt is decided when it is written, what it means when it is matched; the two know
/// nothing of each other.
#[derive(Clone, Debug)]
enum Node {
    /// A character in one of several spellings.
    Char(char, Spelling),
    Quoted(String),
    Dot,
    AnyByte,
    Class {
        negated: bool,
        members: Vec<Member>,
    },
    Perl(char),
    Posix(&'static str, bool),
    Look(Look),
    Group(Box<Node>, &'static str),
    Flags(Flags, Box<Node>),
    Concat(Vec<Node>),
    Either(Vec<Node>),
    Repeat(Box<Node>, usize, Option<usize>, bool),
}

#[derive(Clone, Copy, Debug)]
enum Spelling {
    Plain,
    Hex,
    BracedHex,
    Octal,
}

#[derive(Clone, Debug)]
enum Member {
    Range(char, char),
    Perl(char),
    Posix(&'static str),
}

#[derive(Clone, Copy, Debug)]
enum Look {
    Start,
    End,
    TextStart,
    TextEnd,
    Boundary,
    NoBoundary,
}

#[derive(Clone, Copy, Debug, Default)]
struct Flags {
    fold: bool,
    lines: bool,
    dot_all: bool,
}

/// What a pattern is matched against: the alphabet decides what one character of the text is.
struct Text<'t> {
    bytes: &'t [u8],
    alphabet: RegexAlphabet,
}

impl Text<'_> {
    /// The character at `at` and where it ends.
    fn character(&self, at: usize) -> Option<(char, usize)> {
        if self.alphabet == RegexAlphabet::Latin1 {
            return Some((char::from(*self.bytes.get(at)?), at + 1));
        }
        (1..=4).find_map(|length| {
            let text = std::str::from_utf8(self.bytes.get(at..at + length)?).ok()?;
            Some((text.chars().next()?, at + length))
        })
    }

    fn is_word(&self, at: Option<usize>) -> bool {
        at.and_then(|at| self.bytes.get(at)).is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
    }

    fn holds(&self, look: Look, at: usize, flags: Flags) -> bool {
        let (start, end) = (at == 0, at == self.bytes.len());
        let newline = |at: Option<usize>| flags.lines && at.and_then(|at| self.bytes.get(at)) == Some(&b'\n');
        let boundary = self.is_word(at.checked_sub(1)) != self.is_word(Some(at));
        match look {
            Look::Start => start || newline(at.checked_sub(1)),
            Look::End => end || newline(Some(at)),
            Look::TextStart => start,
            Look::TextEnd => end,
            Look::Boundary => boundary,
            Look::NoBoundary => !boundary,
        }
    }

    /// All places where a match of `node` that begins at `at` can end.
    fn ends(&self, node: &Node, at: usize, flags: Flags) -> BTreeSet<usize> {
        let one = |accepts: &dyn Fn(char) -> bool| {
            self.character(at).filter(|(found, _)| accepts(*found)).map(|(_, end)| end).into_iter().collect()
        };
        match node {
            Node::Char(wanted, _) => one(&|found| same(found, *wanted, flags, self.alphabet)),
            Node::Quoted(text) => {
                let mut here = BTreeSet::from([at]);
                for wanted in text.chars() {
                    here = here
                        .iter()
                        .filter_map(|at| self.character(*at))
                        .filter(|(found, _)| same(*found, wanted, flags, self.alphabet))
                        .map(|(_, end)| end)
                        .collect();
                }
                here
            }
            Node::Dot => one(&|found| flags.dot_all || found != '\n'),
            Node::AnyByte => (at < self.bytes.len()).then_some(at + 1).into_iter().collect(),
            Node::Class { negated, members } => one(&|found| {
                let inside = variants(found, flags, self.alphabet)
                    .into_iter()
                    .any(|found| members.iter().any(|member| member.has(found)));
                inside != *negated
            }),
            Node::Perl(kind) => one(&|found| perl(*kind, found)),
            Node::Posix(name, negated) => one(&|found| {
                let inside =
                    variants(found, flags, self.alphabet).into_iter().any(|found| posix(name, found));
                inside != *negated
            }),
            Node::Look(look) => self.holds(*look, at, flags).then_some(at).into_iter().collect(),
            Node::Group(inner, _) => self.ends(inner, at, flags),
            Node::Flags(more, inner) => {
                let flags = Flags {
                    fold: flags.fold || more.fold,
                    lines: flags.lines || more.lines,
                    dot_all: flags.dot_all || more.dot_all,
                };
                self.ends(inner, at, flags)
            }
            Node::Concat(parts) => {
                let step = |here: BTreeSet<usize>, part: &Node| {
                    here.into_iter().flat_map(|at| self.ends(part, at, flags)).collect()
                };
                parts.iter().fold(BTreeSet::from([at]), step)
            }
            Node::Either(parts) => parts.iter().flat_map(|part| self.ends(part, at, flags)).collect(),
            Node::Repeat(inner, low, high, _) => {
                let mut here = BTreeSet::from([at]);
                let mut all = if *low == 0 { here.clone() } else { BTreeSet::new() };
                // No more rounds than there are places can bring anything new.
                for round in 1..=high.unwrap_or(low + self.bytes.len() + 1) {
                    here = here.into_iter().flat_map(|at| self.ends(inner, at, flags)).collect();
                    if round >= *low {
                        all.extend(&here);
                    }
                }
                all
            }
        }
    }

    fn is_match(&self, node: &Node) -> bool {
        self.ends(node, 0, Flags::default()).contains(&self.bytes.len())
    }
}

/// A character in all its cases: ASCII alone where a character is a byte.
fn variants(found: char, flags: Flags, alphabet: RegexAlphabet) -> Vec<char> {
    let mut all = vec![found];
    if flags.fold && (found.is_ascii() || alphabet == RegexAlphabet::Utf8) {
        all.extend(found.to_lowercase());
        all.extend(found.to_uppercase());
    }
    all
}

fn same(found: char, wanted: char, flags: Flags, alphabet: RegexAlphabet) -> bool {
    variants(found, flags, alphabet).contains(&wanted)
}

fn perl(kind: char, found: char) -> bool {
    let inside = match kind.to_ascii_lowercase() {
        'd' => found.is_ascii_digit(),
        'w' => found.is_ascii_alphanumeric() || found == '_',
        _ => matches!(found, ' ' | '\t' | '\n' | '\x0C' | '\r'),
    };
    inside != kind.is_ascii_uppercase()
}

fn posix(name: &str, found: char) -> bool {
    match name {
        "alpha" => found.is_ascii_alphabetic(),
        "digit" => found.is_ascii_digit(),
        "upper" => found.is_ascii_uppercase(),
        "punct" => found.is_ascii_punctuation(),
        _ => matches!(found, ' ' | '\t'..='\r'),
    }
}

impl Member {
    fn has(&self, found: char) -> bool {
        match self {
            Self::Range(low, high) => (*low..=*high).contains(&found),
            Self::Perl(kind) => perl(*kind, found),
            Self::Posix(name) => posix(name, found),
        }
    }
}

impl Spelling {
    fn write(self, character: char, out: &mut String, in_class: bool) {
        let number = u32::from(character);
        let _infallible = match self {
            Self::Hex if number < 0x100 => write!(out, "\\x{number:02x}"),
            Self::Octal if number < 0x100 => write!(out, "\\{number:03o}"),
            Self::Hex | Self::Octal | Self::BracedHex => write!(out, "\\x{{{number:x}}}"),
            // Not as it is: those which mean something, and bytes above ASCII, which have no spelling as text.
            Self::Plain if character.is_ascii_alphanumeric() || character == '\n' || character == '_' => {
                write!(out, "{character}")
            }
            Self::Plain if character.is_ascii() && !in_class => write!(out, "\\{character}"),
            Self::Plain => write!(out, "\\x{{{number:x}}}"),
        };
    }
}

impl Node {
    fn write(&self, out: &mut String) {
        match self {
            Self::Char(character, spelling) => spelling.write(*character, out, false),
            Self::Quoted(text) => {
                let _infallible = write!(out, "\\Q{text}\\E");
            }
            Self::Dot => out.push('.'),
            Self::AnyByte => out.push_str("\\C"),
            Self::Class { negated, members } => {
                out.push_str(if *negated { "[^" } else { "[" });
                for member in members {
                    match member {
                        Member::Range(low, high) => {
                            Spelling::Plain.write(*low, out, true);
                            out.push('-');
                            Spelling::Hex.write(*high, out, true);
                        }
                        Member::Perl(kind) => out.extend(['\\', *kind]),
                        Member::Posix(name) => out.extend(["[:", name, ":]"]),
                    }
                }
                out.push(']');
            }
            Self::Perl(kind) => out.extend(['\\', *kind]),
            Self::Posix(name, negated) => out.extend(["[[:", if *negated { "^" } else { "" }, name, ":]]"]),
            Self::Look(look) => out.push_str(match look {
                Look::Start => "^",
                Look::End => "$",
                Look::TextStart => "\\A",
                Look::TextEnd => "\\z",
                Look::Boundary => "\\b",
                Look::NoBoundary => "\\B",
            }),
            Self::Group(inner, open) => {
                out.push_str(open);
                inner.write(out);
                out.push(')');
            }
            Self::Flags(flags, inner) => {
                out.push_str("(?");
                for (set, name) in [(flags.fold, 'i'), (flags.lines, 'm'), (flags.dot_all, 's')] {
                    if set {
                        out.push(name);
                    }
                }
                // An empty list of flags is written as the one that changes nothing here.
                out.push_str("U:");
                inner.write(out);
                out.push(')');
            }
            // Each part in a group: what binds how is the translator's own tests' affair.
            Self::Concat(parts) => parts.iter().for_each(|part| part.grouped(out)),
            Self::Either(parts) => {
                for (at, part) in parts.iter().enumerate() {
                    out.push_str(if at == 0 { "" } else { "|" });
                    part.write(out);
                }
            }
            Self::Repeat(inner, low, high, lazy) => {
                inner.grouped(out);
                let _infallible = match (low, high) {
                    (0, None) => write!(out, "*"),
                    (1, None) => write!(out, "+"),
                    (0, Some(1)) => write!(out, "?"),
                    (low, None) => write!(out, "{{{low},}}"),
                    (low, Some(high)) if low == high => write!(out, "{{{low}}}"),
                    (low, Some(high)) => write!(out, "{{{low},{high}}}"),
                };
                if *lazy {
                    out.push('?');
                }
            }
        }
    }

    fn grouped(&self, out: &mut String) {
        match self {
            Self::Either(_) | Self::Concat(_) | Self::Repeat(..) | Self::Quoted(_) => {
                out.push_str("(?:");
                self.write(out);
                out.push(')');
            }
            _ => self.write(out),
        }
    }
}

/// The characters of patterns; the same as bytes, and as code points, are in the texts.
const CHARACTERS: [char; 9] = ['a', 'B', '0', '_', '-', '\n', '\u{80}', '\u{E9}', '\u{FF}'];

fn character() -> impl Strategy<Value = char> {
    prop::sample::select(&CHARACTERS[..])
}

fn member() -> impl Strategy<Value = Member> {
    prop_oneof![
        4 => (character(), character()).prop_map(|(one, other)| Member::Range(one.min(other), one.max(other))),
        1 => prop::sample::select(&['d', 'D', 'w', 'W', 's', 'S'][..]).prop_map(Member::Perl),
        1 => prop::sample::select(&["alpha", "digit", "upper", "punct", "space"][..]).prop_map(Member::Posix),
    ]
}

fn leaf() -> impl Strategy<Value = Node> {
    let spelling =
        prop::sample::select(&[Spelling::Plain, Spelling::Hex, Spelling::BracedHex, Spelling::Octal][..]);
    prop_oneof![
        5 => (character(), spelling).prop_map(|(character, spelling)| Node::Char(character, spelling)),
        1 => "[aB0.*|(_-]{0,3}".prop_map(Node::Quoted),
        2 => Just(Node::Dot),
        1 => Just(Node::AnyByte),
        3 => (any::<bool>(), prop::collection::vec(member(), 1..3))
            .prop_map(|(negated, members)| Node::Class { negated, members }),
        1 => prop::sample::select(&['d', 'D', 'w', 'W', 's', 'S'][..]).prop_map(Node::Perl),
        1 => (prop::sample::select(&["alpha", "digit", "upper", "punct", "space"][..]), any::<bool>())
            .prop_map(|(name, negated)| Node::Posix(name, negated)),
        1 => prop::sample::select(
            &[Look::Start, Look::End, Look::TextStart, Look::TextEnd, Look::Boundary, Look::NoBoundary][..],
        )
        .prop_map(Node::Look),
    ]
}

fn node() -> impl Strategy<Value = Node> {
    leaf().prop_recursive(4, 14, 3, |inner| {
        let flags = (any::<bool>(), any::<bool>(), any::<bool>()).prop_map(|(fold, lines, dot_all)| Flags {
            fold,
            lines,
            dot_all,
        });
        let bounds = (0..3usize, prop::option::of(0..2usize), any::<bool>());
        prop_oneof![
            3 => prop::collection::vec(inner.clone(), 1..4).prop_map(Node::Concat),
            2 => prop::collection::vec(inner.clone(), 1..3).prop_map(Node::Either),
            2 => (inner.clone(), bounds).prop_map(|(inner, (low, more, lazy))| {
                Node::Repeat(Box::new(inner), low, more.map(|more| low + more), lazy)
            }),
            1 => (inner.clone(), prop::sample::select(&["(", "(?:"][..]))
                .prop_map(|(inner, open)| Node::Group(Box::new(inner), open)),
            1 => (flags, inner).prop_map(|(flags, inner)| Node::Flags(flags, Box::new(inner))),
        ]
    })
}

/// All texts of up to three bytes out of these: the characters above as bytes, and the two bytes of `é`.
fn texts() -> Vec<Vec<u8>> {
    let bytes = [b'a', b'b', b'0', b'-', b'\n', b'_', 0x80, 0xA9, 0xC3, 0xE9, 0xFF];
    let mut all = vec![vec![]];
    let mut longest = all.clone();
    for _ in 0..3 {
        longest = longest
            .iter()
            .flat_map(|text: &Vec<u8>| bytes.iter().map(|byte| [&text[..], &[*byte]].concat()))
            .collect();
        all.extend(longest.iter().cloned());
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Every construct, alone and combined, means to the engine what it means to the slow reading.
    #[test]
    fn agrees_with_a_slow_reading_on_all_short_texts_route_prop_15(node in node(), utf8: bool) {
        let alphabet = if utf8 { RegexAlphabet::Utf8 } else { RegexAlphabet::Latin1 };
        let mut pattern = String::new();
        node.write(&mut pattern);
        prop_assume!(!pattern.is_empty() && pattern != "*");
        let compiled = StringMatch::regex(&pattern, &Limits::new().alphabet(alphabet));
        let compiled = compiled.map_err(|error| TestCaseError::fail(error.to_string()))?;
        for bytes in texts() {
            let slow = Text { bytes: &bytes, alphabet }.is_match(&node);
            prop_assert_eq!(compiled.matches(&bytes), slow, "{} on {}", pattern, bytes.escape_ascii());
        }
    }
}
