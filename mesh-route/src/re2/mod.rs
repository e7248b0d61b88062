//! From RE2's syntax to the `regex` crate's, byte for byte (ROUTE-RX-02, ROUTE-RX-05, ROUTE-RX-06).
//!
//! The two dialects agree on most patterns and differ silently on some (`\<`, `[a&&b]`, `\s`), so every pattern
//! is read by RE2's grammar and written out again in a spelling that means the same to `regex` with Unicode
//! off: each literal that is not a letter or digit as `\xHH`, each class item as an escape. Text that RE2
//! refuses is refused here, also where `regex` would take it.
//!
//! For the alphabet that older Envoys have, one character is one code point instead of one byte and Unicode is on;
//! `\d`, `\s`, `\w` and `\b` stay ASCII there too (ROUTE-RX-03).

mod class;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;

use crate::compat::RegexAlphabet;

/// RE2 refuses counted repetitions, also nested ones multiplied, above this.
const MAX_REPEAT: u32 = 1000;

/// A pattern in the spelling of the `regex` crate, with Unicode on only for [`RegexAlphabet::Utf8`].
#[derive(Debug)]
pub(crate) struct Translated {
    pub(crate) text: String,
    /// Number of capture groups, the whole match not counted.
    pub(crate) groups: usize,
}

/// What RE2 would complain about.
pub(crate) type Fault = &'static str;

pub(crate) fn translate(pattern: &str, alphabet: RegexAlphabet) -> Result<Translated, Fault> {
    let mut translator = Translator {
        utf8: alphabet == RegexAlphabet::Utf8,
        input: pattern.as_bytes(),
        at: 0,
        out: String::with_capacity(pattern.len() * 2),
        groups: 0,
        names: Vec::new(),
        open: Vec::new(),
        widest: 1,
        last: Last::Nothing,
    };
    translator.run()?;
    Ok(Translated { text: translator.out, groups: translator.groups })
}

/// What a repetition operator would apply to.
#[derive(Clone, Copy)]
enum Last {
    /// The start of the pattern, of a group or of an alternative.
    Nothing,
    /// Something that multiplies its inside this many times already.
    Item(u32),
    /// Something that was repeated: RE2 does not stack repetitions.
    Repeated,
}

struct Translator<'p> {
    /// Whether a character is a code point; else it is a byte.
    utf8: bool,
    input: &'p [u8],
    at: usize,
    out: String,
    groups: usize,
    names: Vec<&'p [u8]>,
    /// For each open group, the widest product of counted repetitions seen before it on its level.
    open: Vec<u32>,
    widest: u32,
    last: Last,
}

impl Translator<'_> {
    fn peek(&self) -> Option<u8> {
        self.input.get(self.at).copied()
    }

    fn peek_at(&self, ahead: usize) -> Option<u8> {
        self.input.get(self.at + ahead).copied()
    }

    fn bump(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn eat(&mut self, text: &[u8]) -> bool {
        let found = self.input.get(self.at..).is_some_and(|rest| rest.starts_with(text));
        if found {
            self.at += text.len();
        }
        found
    }

    fn run(&mut self) -> Result<(), Fault> {
        while let Some(byte) = self.bump() {
            match byte {
                b'(' => self.group()?,
                b')' => self.close()?,
                b'|' => {
                    self.out.push('|');
                    self.last = Last::Nothing;
                }
                b'*' | b'+' | b'?' => self.simple_repetition(byte)?,
                b'{' => self.brace()?,
                b'[' => {
                    class::bracketed(self)?;
                    self.last = Last::Item(1);
                }
                b'.' | b'^' | b'$' => {
                    self.out.push(char::from(byte));
                    self.last = Last::Item(1);
                }
                b'\\' => self.escape()?,
                _ => {
                    let character = self.character(byte);
                    self.literal(character);
                }
            }
        }
        if self.open.is_empty() { Ok(()) } else { Err("group not closed") }
    }

    /// The character that starts with `first`, which was read.
    fn character(&mut self, first: u8) -> u32 {
        let length = match first {
            _ if !self.utf8 => 1,
            0..=0x7F => 1,
            0x80..=0xDF => 2,
            0xE0..=0xEF => 3,
            _ => 4,
        };
        let start = self.at.saturating_sub(1);
        // The pattern is UTF-8 and is only ever cut between its characters.
        let text = self.input.get(start..start + length).and_then(|bytes| std::str::from_utf8(bytes).ok());
        match text.and_then(|text| text.chars().next()).filter(|_| length > 1) {
            Some(character) => {
                self.at = start + length;
                u32::from(character)
            }
            None => u32::from(first),
        }
    }

    fn literal(&mut self, character: u32) {
        match u8::try_from(character).ok().filter(u8::is_ascii_alphanumeric) {
            Some(byte) => self.out.push(char::from(byte)),
            None => self.push_escaped(character),
        }
        self.last = Last::Item(1);
    }

    fn push_escaped(&mut self, character: u32) {
        let _infallible = if self.utf8 {
            write!(self.out, "\\x{{{character:X}}}")
        } else {
            write!(self.out, "\\x{character:02X}")
        };
    }

    /// The last character there is.
    fn largest(&self) -> u32 {
        if self.utf8 { u32::from(char::MAX) } else { 0xFF }
    }

    fn item(&mut self, text: &str) {
        self.out.push_str(text);
        self.last = Last::Item(1);
    }

    fn group(&mut self) -> Result<(), Fault> {
        if self.eat(b"?P<") || self.input.get(self.at..).is_some_and(is_named_group) && self.eat(b"?<") {
            let start = self.at;
            while self.peek().is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
                self.at += 1;
            }
            let name = self.input.get(start..self.at).unwrap_or_default();
            if name.is_empty() || !self.eat(b">") {
                return Err("group name must be letters, digits and `_`");
            }
            if self.names.contains(&name) {
                return Err("group name used twice");
            }
            self.names.push(name);
            self.groups += 1;
            // The name has no meaning for a match and numbering is the same without.
            self.out.push('(');
        } else if self.eat(b"?") {
            if !self.flags()? {
                return Ok(());
            }
        } else {
            self.groups += 1;
            self.out.push('(');
        }
        self.open.push(std::mem::replace(&mut self.widest, 1));
        self.last = Last::Nothing;
        Ok(())
    }

    /// Reads what follows `(?`; true when a group was opened, false for flags that hold until the group ends.
    fn flags(&mut self) -> Result<bool, Fault> {
        const NAMES: [u8; 4] = *b"imsU";
        let mut wanted = [None; 4];
        let (mut on, mut seen) = (true, false);
        let opens = loop {
            match self.bump() {
                Some(b'-') if on => (on, seen) = (false, false),
                Some(end @ (b':' | b')')) => break end == b':',
                Some(byte) => {
                    let slot = NAMES.iter().position(|name| *name == byte);
                    let slot = slot.and_then(|at| wanted.get_mut(at));
                    *slot.ok_or("group flags are `i`, `m`, `s` and `U`; look-around is not supported")? =
                        Some(on);
                    seen = true;
                }
                None => return Err("group not closed"),
            }
        };
        if !on && !seen {
            return Err("`-` in group flags must be followed by a flag");
        }
        let pick = |sign| NAMES.iter().zip(wanted).filter(move |(_, set)| *set == Some(sign));
        let (set, clear): (String, String) = (
            pick(true).map(|(n, _)| char::from(*n)).collect(),
            pick(false).map(|(n, _)| char::from(*n)).collect(),
        );
        if opens || !(set.is_empty() && clear.is_empty()) {
            let dash = if clear.is_empty() { "" } else { "-" };
            let end = if opens { ':' } else { ')' };
            let _infallible = write!(self.out, "(?{set}{dash}{clear}{end}");
        }
        if !opens {
            // DIFFERENCE ROUTE-RX-05: RE2 lets `a(?i)*` repeat the `a` before the flags; here it is refused.
            self.last = Last::Nothing;
        }
        Ok(opens)
    }

    fn close(&mut self) -> Result<(), Fault> {
        let outside = self.open.pop().ok_or("unexpected `)`")?;
        self.out.push(')');
        self.last = Last::Item(self.widest);
        self.widest = self.widest.max(outside);
        Ok(())
    }

    /// The product of repetitions inside the thing to repeat, or why there is nothing to repeat.
    fn repeatable(&self) -> Result<u32, Fault> {
        match self.last {
            Last::Nothing => Err("nothing before the repetition operator"),
            Last::Item(product) => Ok(product),
            Last::Repeated => Err("repetition operators cannot be stacked"),
        }
    }

    fn simple_repetition(&mut self, operator: u8) -> Result<(), Fault> {
        self.repeatable()?;
        self.out.push(char::from(operator));
        self.lazy();
        Ok(())
    }

    fn lazy(&mut self) {
        if self.eat(b"?") {
            self.out.push('?');
        }
        self.last = Last::Repeated;
    }

    fn brace(&mut self) -> Result<(), Fault> {
        let Some((length, low, high)) = counted(self.input.get(self.at..).unwrap_or_default()) else {
            // `a{`, `a{,2}` and `a{foo}` are literal text for RE2.
            self.literal(u32::from(b'{'));
            return Ok(());
        };
        self.at += length;
        let product = self.repeatable()?;
        if low > MAX_REPEAT || high.is_some_and(|high| high > MAX_REPEAT) {
            return Err("repetition count above 1000");
        }
        if high.is_some_and(|high| high < low) {
            return Err("repetition range is reversed");
        }
        let product = product.saturating_mul(high.unwrap_or(low).max(1));
        if product > MAX_REPEAT {
            return Err("nested repetition counts multiply to above 1000");
        }
        self.widest = self.widest.max(product);
        let _infallible = match high {
            Some(high) => write!(self.out, "{{{low},{high}}}"),
            None => write!(self.out, "{{{low},}}"),
        };
        self.lazy();
        Ok(())
    }

    fn escape(&mut self) -> Result<(), Fault> {
        match self.peek().ok_or("pattern ends in `\\`")? {
            b'Q' => {
                self.at += 1;
                while !self.eat(br"\E") {
                    let Some(byte) = self.bump() else { break };
                    let character = self.character(byte);
                    self.literal(character);
                }
            }
            b'A' => self.assertion(r"\A"),
            b'z' => self.assertion(r"\z"),
            b'B' => self.assertion(r"(?-u:\B)"),
            b'b' => {
                // ROUTE-RX-06: the extended boundaries of `regex` must not be taken for literal braces.
                if self.peek_at(1) == Some(b'{')
                    && counted(self.input.get(self.at + 2..).unwrap_or_default()).is_none()
                {
                    return Err("word boundaries with a name are not supported");
                }
                self.assertion(r"(?-u:\b)");
            }
            b'C' => self.assertion("(?s-u:.)"),
            _ => {
                if let Some(text) = class::escape_class(self)? {
                    self.item(&text);
                } else {
                    let character = self.escaped_character()?;
                    self.literal(character);
                }
            }
        }
        Ok(())
    }

    fn assertion(&mut self, text: &str) {
        self.at += 1;
        self.item(text);
    }

    /// Reads what follows a backslash as one character.
    fn escaped_character(&mut self) -> Result<u32, Fault> {
        const UNKNOWN: Fault = "unknown escape";
        let byte = self.bump().ok_or("pattern ends in `\\`")?;
        match byte {
            b'a' => Ok(0x07),
            b'f' => Ok(0x0C),
            b'n' => Ok(0x0A),
            b'r' => Ok(0x0D),
            b't' => Ok(0x09),
            b'v' => Ok(0x0B),
            // One digit alone, not zero, would be a back-reference, which neither engine has.
            b'1'..=b'7' if !self.peek().is_some_and(is_octal) => Err("back-references are not supported"),
            b'0'..=b'7' => {
                let mut value = u32::from(byte - b'0');
                for _ in 0..2 {
                    let Some(digit) = self.peek().filter(|digit| is_octal(*digit)) else { break };
                    value = value * 8 + u32::from(digit - b'0');
                    self.at += 1;
                }
                if value > self.largest() { Err("octal escape above 377") } else { Ok(value) }
            }
            b'x' => self.hexadecimal(),
            _ if byte.is_ascii() && !byte.is_ascii_alphanumeric() => Ok(u32::from(byte)),
            _ => Err(UNKNOWN),
        }
    }

    fn hexadecimal(&mut self) -> Result<u32, Fault> {
        const LATIN_1: Fault = "hexadecimal escape must be two digits, or a value up to FF in braces";
        const UTF_8: Fault = "hexadecimal escape must be two digits, or a character's number in braces";
        let fault = if self.utf8 { UTF_8 } else { LATIN_1 };
        let mut value = 0u32;
        if self.eat(b"{") {
            let mut digits = 0;
            while let Some(digit) = self.peek().and_then(hex_value) {
                value = value * 16 + digit;
                digits += 1;
                self.at += 1;
                if value > self.largest() {
                    return Err(fault);
                }
            }
            if digits == 0 || !self.eat(b"}") {
                return Err(fault);
            }
        } else {
            for _ in 0..2 {
                value = value * 16 + self.bump().and_then(hex_value).ok_or(fault)?;
            }
        }
        // DIFFERENCE ROUTE-RX-03: RE2 takes the number of a surrogate, which no text can hold; here it is refused.
        if self.utf8 && char::from_u32(value).is_none() { Err(fault) } else { Ok(value) }
    }
}

fn is_named_group(rest: &[u8]) -> bool {
    rest.starts_with(b"?<") && !matches!(rest.get(2), Some(b'=' | b'!'))
}

fn is_octal(byte: u8) -> bool {
    (b'0'..=b'7').contains(&byte)
}

fn hex_value(byte: u8) -> Option<u32> {
    char::from(byte).to_digit(16)
}

/// Reads `n}`, `n,}` or `n,m}`: the length read and the bounds; `None` if the text is no repetition at all.
fn counted(rest: &[u8]) -> Option<(usize, u32, Option<u32>)> {
    let (low, mut at) = number(rest, 0)?;
    let mut high = Some(low);
    if rest.get(at) == Some(&b',') {
        at += 1;
        high = None;
        if rest.get(at) != Some(&b'}') {
            let (value, end) = number(rest, at)?;
            high = Some(value);
            at = end;
        }
    }
    (rest.get(at) == Some(&b'}')).then_some((at + 1, low, high))
}

/// A decimal number without leading zeros, saturating far above the limit.
fn number(rest: &[u8], start: usize) -> Option<(u32, usize)> {
    let mut at = start;
    let mut value = 0u32;
    while let Some(digit) = rest.get(at).filter(|byte| byte.is_ascii_digit()) {
        value = value.saturating_mul(10).saturating_add(u32::from(digit - b'0'));
        at += 1;
    }
    let leading_zero = rest.get(start) == Some(&b'0') && at > start + 1;
    (at > start && !leading_zero).then_some((value, at))
}
