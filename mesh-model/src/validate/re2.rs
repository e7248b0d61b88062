//! Whether a text is a regular expression to Istio: the grammar of Go's `regexp`, which is RE2's (MODEL-CHK-16,
//! MODEL-TYPE-15).
//!
//! The grammar is checked here rather than by compiling with the `regex` crate, which takes some patterns that Istio
//! refuses (`a**`, `[a&&b]`) and refuses some that Istio takes (`\Q…\E`, `{id}`).

/// Longest pattern, in bytes (MODEL-CHK-16).
const MAX_LENGTH: usize = 1024;
/// Largest repetition count, also of nested ones multiplied.
const MAX_REPEAT: u32 = 1000;

/// Number of capture groups of a valid pattern, or what is wrong with it.
pub(super) fn check(pattern: &str) -> Result<usize, String> {
    if pattern.len() > MAX_LENGTH {
        return Err(format!("it has {} bytes, at most {MAX_LENGTH} are allowed", pattern.len()));
    }
    let mut scanner = Scanner {
        rest: pattern,
        groups: 0,
        names: Vec::new(),
        open: Vec::new(),
        widest: 1,
        last: Last::Nothing,
    };
    scanner.run()?;
    Ok(scanner.groups)
}

type Step = Result<(), String>;

/// What a repetition operator would apply to.
#[derive(Clone, Copy)]
enum Last {
    /// The start of the pattern, of a group or of an alternative.
    Nothing,
    /// Something that multiplies its inside this many times already.
    Item(u32),
    /// Something that was just repeated: repetitions do not stack.
    Repeated(u32),
}

struct Scanner<'p> {
    rest: &'p str,
    groups: usize,
    names: Vec<&'p str>,
    /// For each open group, the widest product of repetitions seen before it on its level.
    open: Vec<u32>,
    widest: u32,
    last: Last,
}

fn fail<T>(message: &str) -> Result<T, String> {
    Err(message.to_owned())
}

impl Scanner<'_> {
    fn bump(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let next = chars.next()?;
        self.rest = chars.as_str();
        Some(next)
    }

    fn eat(&mut self, text: &str) -> bool {
        match self.rest.strip_prefix(text) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn item(&mut self, weight: u32) {
        self.last = Last::Item(weight);
        self.widest = self.widest.max(weight);
    }

    fn run(&mut self) -> Step {
        while let Some(c) = self.bump() {
            match c {
                '(' => self.group()?,
                ')' => {
                    let Some(outer) = self.open.pop() else { return fail("a `)` closes no group") };
                    let inside = self.widest;
                    self.widest = outer;
                    self.item(inside);
                }
                '|' => self.last = Last::Nothing,
                '*' | '+' | '?' => self.repeat(None)?,
                '{' => match counts(self.rest) {
                    Some((low, high, len)) => {
                        self.rest = self.rest.get(len..).unwrap_or("");
                        self.repeat(Some((low, high)))?;
                    }
                    None => self.item(1),
                },
                '[' => {
                    self.class()?;
                    self.item(1);
                }
                '\\' => self.escape_outside()?,
                _ => self.item(1),
            }
        }
        if self.open.is_empty() { Ok(()) } else { fail("a group is not closed") }
    }

    fn repeat(&mut self, counts: Option<(u32, Option<u32>)>) -> Step {
        self.eat("?");
        let inner = match self.last {
            Last::Nothing => return fail("a repetition has nothing to repeat"),
            Last::Repeated(_) => return fail("a repetition is itself repeated, which needs a group"),
            Last::Item(inner) => inner,
        };
        let mut weight = inner;
        if let Some((low, high)) = counts {
            if low > MAX_REPEAT || high.is_some_and(|high| high > MAX_REPEAT || high < low) {
                return Err(format!("a repetition count is above {MAX_REPEAT}, or its bounds are reversed"));
            }
            weight = match high {
                Some(0) => 1,
                bound => inner.saturating_mul(bound.unwrap_or(low).max(1)),
            };
            if weight > MAX_REPEAT {
                return Err(format!("nested repetitions multiply to more than {MAX_REPEAT}"));
            }
        }
        self.widest = self.widest.max(weight);
        self.last = Last::Repeated(weight);
        Ok(())
    }

    /// Behind `(`.
    fn group(&mut self) -> Step {
        if self.eat("?") {
            if self.eat("P<") || self.eat("<") {
                if self.rest.starts_with(['=', '!']) {
                    return fail("look-behind is not supported");
                }
                let Some((name, rest)) = self.rest.split_once('>') else {
                    return fail("the name of a group is not closed");
                };
                let valid = !name.is_empty() && name.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_');
                if !valid {
                    return fail("the name of a group may only have letters, digits and `_`");
                }
                if self.names.contains(&name) {
                    return fail("two groups have the same name");
                }
                self.names.push(name);
                self.rest = rest;
                self.groups += 1;
            } else if self.rest.starts_with(['=', '!']) {
                return fail("look-ahead is not supported");
            } else if !self.flags()? {
                // Flags for what follows; what came before can still be repeated.
                if let Last::Repeated(weight) = self.last {
                    self.last = Last::Item(weight);
                }
                return Ok(());
            }
        } else {
            self.groups += 1;
        }
        self.open.push(self.widest);
        self.widest = 1;
        self.last = Last::Nothing;
        Ok(())
    }

    /// `i`, `m`, `s` and `U`, switched on or off. True when a group begins.
    fn flags(&mut self) -> Result<bool, String> {
        let (mut off, mut any) = (false, false);
        while let Some(c) = self.bump() {
            match c {
                'i' | 'm' | 's' | 'U' => any = true,
                '-' if !off => {
                    off = true;
                    any = false;
                }
                ':' | ')' if !off || any => return Ok(c == ':'),
                _ => break,
            }
        }
        fail("the flags of a group are not among i, m, s and U")
    }

    fn escape_outside(&mut self) -> Step {
        if self.eat("Q") {
            let (literal, rest) = self.rest.split_once("\\E").unwrap_or((self.rest, ""));
            if !literal.is_empty() {
                self.item(1);
            }
            self.rest = rest;
            return Ok(());
        }
        if self.rest.starts_with(['A', 'b', 'B', 'z']) {
            self.bump();
        } else if !self.set()? {
            self.character()?;
        }
        self.item(1);
        Ok(())
    }

    /// `\d` and the like, behind the backslash; false when it is something else.
    fn set(&mut self) -> Result<bool, String> {
        if self.rest.starts_with(['d', 'D', 's', 'S', 'w', 'W']) {
            self.bump();
            return Ok(true);
        }
        if !self.rest.starts_with(['p', 'P']) {
            return Ok(false);
        }
        self.bump();
        let name = if self.eat("{") {
            let Some((name, rest)) = self.rest.split_once('}') else {
                return fail("the name of a character class is not closed");
            };
            self.rest = rest;
            name.strip_prefix('^').unwrap_or(name).to_owned()
        } else {
            self.bump().map(String::from).unwrap_or_default()
        };
        // The tables of both engines name the same general categories and scripts.
        let plain = !name.is_empty() && name.bytes().all(|c| c.is_ascii_alphabetic() || c == b'_');
        if plain && (name == "Any" || regex::Regex::new(&format!("\\p{{{name}}}")).is_ok()) {
            Ok(true)
        } else {
            Err(format!("there is no character class `{}`", super::report::show(&name)))
        }
    }

    /// One escaped character, behind the backslash.
    fn character(&mut self) -> Result<u32, String> {
        let unknown = |c: char| Err(format!("the escape `\\{c}` is not supported"));
        let Some(c) = self.bump() else { return fail("it ends in a backslash") };
        match c {
            '0'..='7' => {
                let octal = |c: &char| ('0'..='7').contains(c);
                if c != '0' && !self.rest.chars().next().is_some_and(|next| octal(&next)) {
                    return fail("back-references are not supported");
                }
                let mut value = c.to_digit(8).unwrap_or(0);
                for _ in 0..2 {
                    if let Some(digit) = self.rest.chars().next().filter(octal).and_then(|c| c.to_digit(8)) {
                        self.bump();
                        value = value * 8 + digit;
                    }
                }
                Ok(value)
            }
            'x' => {
                let digits = if self.eat("{") {
                    let Some((digits, rest)) = self.rest.split_once('}') else {
                        return fail("a `\\x{` is not closed");
                    };
                    self.rest = rest;
                    digits
                } else {
                    let Some((digits, rest)) = self.rest.split_at_checked(2) else {
                        return fail("`\\x` needs two digits");
                    };
                    self.rest = rest;
                    digits
                };
                let hex = !digits.is_empty() && digits.bytes().all(|c| c.is_ascii_hexdigit());
                match u32::from_str_radix(digits, 16) {
                    Ok(value) if hex && value <= 0x10_FFFF => Ok(value),
                    _ => fail("`\\x` is not followed by the number of a character"),
                }
            }
            'a' => Ok(7),
            'f' => Ok(12),
            'n' => Ok(10),
            'r' => Ok(13),
            't' => Ok(9),
            'v' => Ok(11),
            c if c.is_ascii() && !c.is_ascii_alphanumeric() => Ok(u32::from(c)),
            c => unknown(c),
        }
    }

    /// Behind `[`.
    fn class(&mut self) -> Step {
        const NAMES: [&str; 14] = [
            "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct",
            "space", "upper", "word", "xdigit",
        ];
        self.eat("^");
        let mut first = true;
        loop {
            if self.rest.is_empty() {
                return fail("a `[` is not closed");
            }
            if !first && self.eat("]") {
                return Ok(());
            }
            first = false;
            if let Some((name, rest)) = self.rest.strip_prefix("[:").and_then(|rest| rest.split_once(":]")) {
                if !NAMES.contains(&name.strip_prefix('^').unwrap_or(name)) {
                    return Err(format!("there is no character class `[:{}:]`", super::report::show(name)));
                }
                self.rest = rest;
                continue;
            }
            if self.rest.starts_with('\\') {
                let before = self.rest;
                self.bump();
                if self.set()? {
                    continue;
                }
                self.rest = before;
            }
            let low = self.class_character()?;
            if self.rest.starts_with('-') && !self.rest.starts_with("-]") && self.rest.len() > 1 {
                self.bump();
                if self.class_character()? < low {
                    return fail("a range is reversed");
                }
            }
        }
    }

    fn class_character(&mut self) -> Result<u32, String> {
        match self.bump() {
            None => fail("a `[` is not closed"),
            Some('\\') => self.character(),
            Some(c) => Ok(u32::from(c)),
        }
    }
}

/// Reads `n}`, `n,}` or `n,m}`: the bounds and the length. Anything else makes `{` a literal.
fn counts(rest: &str) -> Option<(u32, Option<u32>, usize)> {
    let end = rest.find('}')?;
    let number = |text: &str| {
        let plain = !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
        // A leading zero makes it a literal as well; what does not fit is too large all the same.
        (plain && (text.len() == 1 || !text.starts_with('0'))).then(|| text.parse().unwrap_or(u32::MAX))
    };
    let inner = rest.get(..end)?;
    let (low, high) = match inner.split_once(',') {
        None => {
            let count = number(inner)?;
            (count, Some(count))
        }
        Some((low, "")) => (number(low)?, None),
        Some((low, high)) => (number(low)?, Some(number(high)?)),
    };
    Some((low, high, end + 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_go_takes() {
        // MODEL-CHK-16, MODEL-TYPE-15
        for good in [
            "",
            "a",
            ".*",
            "^/v[12]/.*$",
            "(a|b)?c+",
            "a{2,3}",
            "a{2,}?",
            "a{1000}",
            "/{id}",
            "a{,5}",
            "a{01}",
            "{",
            r"\d+\.\w*",
            r"\Qa.b*\E+",
            r"\Q(",
            r"[\d\-_]",
            "[]a]",
            "[^]a]",
            "[a&&b]",
            "[[:alpha:]_]",
            "[a-]",
            "[-a]",
            "[[]",
            r"\x41\x{1F600}",
            r"\101",
            r"\pL\p{Greek}\P{^Lu}",
            "(?i)a",
            "(?i:a)(?P<n>b)(?<m>c)",
            "(?-s).",
            "(a{500}){2}",
            "(a{1000}|b){1}",
            r"\/",
            r"\<",
            "^*",
            "a|",
            "()",
            "é*",
        ] {
            assert!(check(good).is_ok(), "{good}: {:?}", check(good));
        }
        for bad in [
            "*",
            "a**",
            "a*+",
            "a{2}{3}",
            "(",
            ")",
            "(a",
            "a)",
            "a|*",
            "(*)",
            "[a",
            "[]",
            "[b-a]",
            "[[:foo:]]",
            "\\",
            r"\1",
            r"\8",
            r"\C",
            r"\Z",
            r"\y",
            r"\é",
            "(?=a)",
            "(?!a)",
            "(?<=a)",
            "(?<!a)",
            "(?x)a",
            "(?P<a-b>c)",
            "(?P<n>a)(?P<n>b)",
            "(?P<n",
            "a{1001}",
            "a{3,2}",
            "(a{501}){2}",
            "((a{10}){11}){10}",
            r"\p{Nope}",
            r"\p",
            r"\x4",
            r"\x{}",
            r"\x{110000}",
            r"[\b]",
            "(?-)",
            "(?ii",
            "a{99999999999}",
        ] {
            assert!(check(bad).is_err(), "{bad}");
        }
        assert!(check(&"a".repeat(1024)).is_ok());
        assert!(check(&"a".repeat(1025)).is_err());
        assert_eq!(check("(a)(?:b)(?P<n>c)(?i)(d)"), Ok(3));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        /// On the part of the grammar that both dialects share, an independent engine agrees.
        #[test]
        fn model_chk_16_agrees_with_another_engine(
            parts in prop::collection::vec(
                prop::sample::select(vec![
                    "a", "b", ".", "^", "$", "|", "(", "(?:", ")", "[ab]", "[^a-c]", "[c-a]", "\\d", "\\.", "*", "+?",
                    "{2}", "{3,2}", "{2,}", "(?i)", "(?=", "\\1", "[", "é",
                ]),
                0..8,
            ),
        ) {
            let pattern = parts.concat();
            // The other engine lets repetitions stack.
            let stacked = parts.windows(2).any(|pair| {
                pair.iter().all(|part| part.starts_with(['*', '+', '{']))
            });
            // `[` joins what follows to a class, where the dialects differ; `(?i)*` repeats what stands before.
            let differ = stacked || parts.contains(&"[") || pattern.contains("(?i)");
            if !differ {
                prop_assert_eq!(check(&pattern).is_ok(), regex::Regex::new(&pattern).is_ok(), "{}", pattern);
            }
        }
    }
}
