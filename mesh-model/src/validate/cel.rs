//! Syntax of the Common Expression Language, as far as Istio checks it: the expression is parsed, its names and types
//! are not looked at (MODEL-TEL-9).
//!
//! The bounds are those of the parser Istio uses: 100 000 characters and 250 levels. The crate `cel` has no bound of its
//! own for nesting, so that a filter could end the process; the two answered alike for 60 000 random expressions.

use super::names::Fault;
use super::report::show;

const MAX_CHARACTERS: usize = 100_000;
const MAX_DEPTH: usize = 250;

/// Names that may not stand for a variable or a function.
const RESERVED: [&str; 17] = [
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

/// Whether `text` is an expression. Cost: linear.
pub(super) fn check(text: &str) -> Result<(), Fault> {
    if text.chars().count() > MAX_CHARACTERS {
        return Err(format!("it has more than {MAX_CHARACTERS} characters"));
    }
    let mut parser = Parser { text, start: 0, end: 0, token: Token::End, depth: 0 };
    parser.next()?;
    parser.expression()?;
    match parser.token {
        Token::End => Ok(()),
        _ => Err(parser.expected("an operator or the end")),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Token<'t> {
    Name(&'t str),
    /// `true`, `false`, `null`, a text or a number with `u`.
    Literal,
    /// A number that may have a sign, in range.
    Number,
    /// 2⁶³: in range only behind a minus.
    Lowest,
    Sign(&'static str),
    End,
}

/// What macros ask of their arguments.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Name,
    Selection,
    Other,
}

struct Parser<'t> {
    text: &'t str,
    /// Bytes of the current token.
    start: usize,
    end: usize,
    token: Token<'t>,
    depth: usize,
}

/// The longest first.
const SIGNS: [&str; 24] = [
    "==", "!=", "<=", ">=", "&&", "||", "(", ")", "[", "]", "{", "}", ",", ".", ":", "?", "+", "-", "*", "/",
    "%", "!", "<", ">",
];

impl<'t> Parser<'t> {
    fn rest(&self) -> &'t str {
        self.text.get(self.end..).unwrap_or("")
    }

    fn place(&self) -> usize {
        self.text.get(..self.start).map_or(0, |before| before.chars().count()) + 1
    }

    fn expected(&self, wanted: &str) -> Fault {
        let found = match self.token {
            Token::End => "it ends".to_owned(),
            _ => format!("`{}` stands", show(self.text.get(self.start..self.end).unwrap_or(""))),
        };
        format!("{found} where {wanted} is expected, at character {}", self.place())
    }

    /// Goes to the next token.
    fn next(&mut self) -> Result<(), Fault> {
        let mut rest = self.rest();
        loop {
            rest = rest.trim_start_matches([' ', '\t', '\r', '\n', '\u{c}']);
            let Some(comment) = rest.strip_prefix("//") else { break };
            rest = comment.split_once('\n').map_or("", |(_, after)| after);
        }
        self.start = self.text.len() - rest.len();
        self.end = self.start;
        let Some(first) = rest.chars().next() else {
            self.token = Token::End;
            return Ok(());
        };
        let after = rest.get(first.len_utf8()..).unwrap_or("");
        let decimal = first == '.' && after.starts_with(|c: char| c.is_ascii_digit());
        if first == '_' || first.is_ascii_alphabetic() {
            self.name(rest)
        } else if first.is_ascii_digit() || decimal {
            self.number(rest)
        } else if matches!(first, '"' | '\'') {
            self.string(rest, false, false)
        } else if let Some(sign) = SIGNS.into_iter().find(|sign| rest.starts_with(sign)) {
            self.end += sign.len();
            self.token = Token::Sign(sign);
            Ok(())
        } else {
            Err(format!("`{}` means nothing, at character {}", show(&first.to_string()), self.place()))
        }
    }

    fn name(&mut self, rest: &'t str) -> Result<(), Fault> {
        let length = rest.find(|c: char| c != '_' && !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
        let (name, after) = rest.split_at_checked(length).unwrap_or((rest, ""));
        if after.starts_with(['"', '\'']) {
            let prefix = name.to_ascii_lowercase();
            if matches!(prefix.as_str(), "b" | "r" | "br") {
                self.end += length;
                return self.string(after, prefix.contains('r'), prefix.contains('b'));
            }
        }
        self.end += length;
        self.token = match name {
            "true" | "false" | "null" => Token::Literal,
            "in" => Token::Sign("in"),
            _ => Token::Name(name),
        };
        Ok(())
    }

    fn number(&mut self, rest: &'t str) -> Result<(), Fault> {
        let digits = |text: &str| text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let from = |at: usize| rest.get(at..).unwrap_or("");
        let unsigned = |at: usize| from(at).starts_with(['u', 'U']);
        if let Some(hex) = rest.strip_prefix("0x") {
            let length = hex.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(hex.len());
            if length > 0 {
                let value = u64::from_str_radix(hex.get(..length).unwrap_or(""), 16).ok();
                return self.integer(2 + length, unsigned(2 + length), value);
            }
        }
        let whole = digits(rest);
        let mut length = whole;
        if from(length).starts_with('.') {
            let fraction = digits(from(length + 1));
            length += if fraction > 0 { 1 + fraction } else { 0 };
        }
        if from(length).starts_with(['e', 'E']) {
            let sign = usize::from(from(length + 1).starts_with(['+', '-']));
            let exponent = digits(from(length + 1 + sign));
            length += if exponent > 0 { 1 + sign + exponent } else { 0 };
        }
        if length == whole {
            return self.integer(
                whole,
                unsigned(whole),
                rest.get(..whole).and_then(|text| text.parse().ok()),
            );
        }
        self.end += length;
        self.token = Token::Number;
        match rest.get(..length).unwrap_or("").parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(()),
            _ => Err(format!("a number is too large, at character {}", self.place())),
        }
    }

    fn integer(&mut self, length: usize, unsigned: bool, value: Option<u64>) -> Result<(), Fault> {
        const LOWEST: u64 = i64::MIN.unsigned_abs();
        self.end += length + usize::from(unsigned);
        self.token = match value {
            Some(_) if unsigned => Token::Literal,
            Some(value) if value < LOWEST => Token::Number,
            Some(LOWEST) => Token::Lowest,
            _ => return Err(format!("a number is too large, at character {}", self.place())),
        };
        Ok(())
    }

    /// A text, given from its quote on; what stands before it is already counted.
    fn string(&mut self, rest: &'t str, raw: bool, bytes: bool) -> Result<(), Fault> {
        let open = |parser: &Self| format!("a text does not end, it begins at character {}", parser.place());
        let long = ["\"\"\"", "'''"].into_iter().find(|quote| rest.starts_with(quote));
        let quote = long.unwrap_or(if rest.starts_with('"') { "\"" } else { "'" });
        let mut inner = rest.get(quote.len()..).unwrap_or("");
        loop {
            if let Some(after) = inner.strip_prefix(quote) {
                self.end += rest.len() - after.len();
                self.token = Token::Literal;
                return Ok(());
            }
            let mut chars = inner.chars();
            match chars.next() {
                None => return Err(open(self)),
                Some('\n' | '\r') if long.is_none() => return Err(open(self)),
                Some('\\') if !raw => {
                    let length = escape(chars.as_str(), bytes).ok_or_else(|| {
                        format!("a text has an unknown escape, it begins at character {}", self.place())
                    })?;
                    inner = chars.as_str().get(length..).unwrap_or("");
                }
                Some(_) => inner = chars.as_str(),
            }
        }
    }

    /// Whether the token is `sign`; it is then passed.
    fn take(&mut self, sign: &str) -> Result<bool, Fault> {
        let found = matches!(self.token, Token::Sign(found) if found == sign);
        if found {
            self.next()?;
        }
        Ok(found)
    }

    fn require(&mut self, sign: &str) -> Result<(), Fault> {
        if self.take(sign)? { Ok(()) } else { Err(self.expected(&format!("`{sign}`"))) }
    }

    fn expression(&mut self) -> Result<Shape, Fault> {
        if self.depth == MAX_DEPTH {
            return Err(format!("it is nested more than {MAX_DEPTH} levels deep"));
        }
        self.depth += 1;
        let mut shape = self.operators(0)?;
        if self.take("?")? {
            self.operators(0)?;
            self.require(":")?;
            self.expression()?;
            shape = Shape::Other;
        }
        self.depth -= 1;
        Ok(shape)
    }

    /// Operands joined by operators that bind at least as tightly as `least`.
    fn operators(&mut self, least: u8) -> Result<Shape, Fault> {
        let mut shape = self.unary()?;
        while let Token::Sign(sign) = self.token {
            let binds = match sign {
                "||" => 0,
                "&&" => 1,
                "<" | "<=" | ">" | ">=" | "==" | "!=" | "in" => 2,
                "+" | "-" => 3,
                "*" | "/" | "%" => 4,
                _ => break,
            };
            if binds < least {
                break;
            }
            self.next()?;
            self.operators(binds + 1)?;
            shape = Shape::Other;
        }
        Ok(shape)
    }

    fn unary(&mut self) -> Result<Shape, Fault> {
        if self.take("!")? {
            while self.take("!")? {}
            if self.take("-")? {
                match self.token {
                    Token::Number => {}
                    Token::Lowest => self.token = Token::Literal,
                    _ => return Err(self.expected("a number")),
                }
            }
        } else if self.take("-")? {
            // One minus belongs to the number.
            if self.token == Token::Lowest {
                self.token = Token::Literal;
            }
            while self.take("-")? {}
        } else {
            return self.member();
        }
        self.member()?;
        Ok(Shape::Other)
    }

    fn member(&mut self) -> Result<Shape, Fault> {
        let bare = self.token != Token::Sign("(");
        let mut shape = self.primary()?;
        // `a.b{...}` makes a message; names and dots alone may stand before the brace.
        let mut type_name = bare && shape == Shape::Name;
        loop {
            if self.take(".")? {
                let Token::Name(name) = self.token else { return Err(self.expected("a field's name")) };
                self.next()?;
                shape = Shape::Selection;
                if self.take("(")? {
                    let arguments = self.arguments()?;
                    Self::comprehension(name, &arguments)?;
                    (shape, type_name) = (Shape::Other, false);
                }
            } else if self.take("[")? {
                self.expression()?;
                self.require("]")?;
                (shape, type_name) = (Shape::Other, false);
            } else if type_name && self.take("{")? {
                self.fields()?;
                (shape, type_name) = (Shape::Other, false);
            } else {
                return Ok(shape);
            }
        }
    }

    fn primary(&mut self) -> Result<Shape, Fault> {
        match self.token {
            Token::Literal | Token::Number => {
                self.next()?;
                return Ok(Shape::Other);
            }
            Token::Name(name) => return self.identifier(name),
            _ => {}
        }
        if self.take(".")? {
            let Token::Name(name) = self.token else { return Err(self.expected("a name")) };
            return self.identifier(name);
        }
        if self.take("(")? {
            let shape = self.expression()?;
            self.require(")")?;
            return Ok(shape);
        }
        if self.take("[")? {
            self.items("]", |parser| parser.expression().map(drop))?;
            return Ok(Shape::Other);
        }
        if self.take("{")? {
            self.items("}", |parser| {
                parser.expression()?;
                parser.require(":")?;
                parser.expression().map(drop)
            })?;
            return Ok(Shape::Other);
        }
        Err(self.expected("an operand"))
    }

    /// A variable, or the call of a function.
    fn identifier(&mut self, name: &str) -> Result<Shape, Fault> {
        if RESERVED.contains(&name) {
            return Err(format!("`{name}` is a reserved word, at character {}", self.place()));
        }
        self.next()?;
        if !self.take("(")? {
            return Ok(Shape::Name);
        }
        let arguments = self.arguments()?;
        if name == "has" && matches!(arguments.as_slice(), [shape] if *shape != Shape::Selection) {
            return Err("`has` takes a field, such as has(request.headers)".to_owned());
        }
        Ok(Shape::Other)
    }

    /// What follows `(` of a call, up to its `)`.
    fn arguments(&mut self) -> Result<Vec<Shape>, Fault> {
        let mut all = Vec::new();
        if self.take(")")? {
            return Ok(all);
        }
        loop {
            all.push(self.expression()?);
            if !self.take(",")? {
                self.require(")")?;
                return Ok(all);
            }
        }
    }

    /// `list.all(x, ...)` and its like name a variable.
    fn comprehension(name: &str, arguments: &[Shape]) -> Result<(), Fault> {
        let macro_of = match name {
            "all" | "exists" | "exists_one" | "existsOne" | "filter" => arguments.len() == 2,
            "map" => matches!(arguments.len(), 2 | 3),
            _ => false,
        };
        if macro_of && arguments.first().is_some_and(|shape| *shape != Shape::Name) {
            return Err(format!("the first argument of `{name}` is the name of a variable"));
        }
        Ok(())
    }

    /// What follows `{` of a message, up to its `}`.
    fn fields(&mut self) -> Result<(), Fault> {
        self.items("}", |parser| {
            if !matches!(parser.token, Token::Name(_)) {
                return Err(parser.expected("a field's name"));
            }
            parser.next()?;
            parser.require(":")?;
            parser.expression().map(drop)
        })
    }

    /// Items up to `close`. A comma may follow the last one, and stand where there is none.
    fn items(
        &mut self,
        close: &str,
        mut item: impl FnMut(&mut Self) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        if self.take(",")? {
            return self.require(close);
        }
        while !self.take(close)? {
            item(self)?;
            if !self.take(",")? {
                return self.require(close);
            }
        }
        Ok(())
    }
}

/// Length of an escape in bytes, given what follows its backslash.
fn escape(text: &str, bytes: bool) -> Option<usize> {
    let hexadecimal = |length: usize| u32::from_str_radix(digits(text, length, 16)?, 16).ok();
    match text.chars().next()? {
        'a' | 'b' | 'f' | 'n' | 'r' | 't' | 'v' | '"' | '\'' | '\\' | '?' | '`' => Some(1),
        'x' | 'X' => hexadecimal(2).map(|_| 3),
        'u' if !bytes => hexadecimal(4).map(|_| 5),
        'U' if !bytes => hexadecimal(8).filter(|code| *code <= 0x0010_FFFF).map(|_| 9),
        '0'..='3' => text.get(1..3)?.bytes().all(|c| (b'0'..=b'7').contains(&c)).then_some(3),
        _ => None,
    }
}

/// The `length` digits behind the first character.
fn digits(text: &str, length: usize, radix: u32) -> Option<&str> {
    text.get(1..=length).filter(|digits| digits.chars().all(|c| c.is_digit(radix)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn expressions_that_istio_parses_model_tel_9() {
        for good in [
            "response.code >= 400",
            "response.code >= 400 && (request.url_path == '/a' || !(connection.mtls == false))",
            "'x' in request.headers ? a : b ? c : d",
            "has(request.id)",
            "has((a.b))",
            "[1, 2u, 0x1F, 1.5, .5, 1e3, -7,][0] in {'a': 1, \"b\": -2.5,}",
            "{}.size() == [].size()",
            "list.all(x, x > 0) && list.map(x, x > 1, x * 2) == list.map(x, x)",
            "list.map(a.b)",
            "--1 - ---x",
            "!!a && !-1",
            "-9223372036854775808 < 18446744073709551615u || !-9223372036854775808",
            "google.rpc.Status{code: 1, message: 'a',}",
            ".a.b.f(1) == 1 || .f()",
            "\"\\n\\x41\\u00e9\\U0001F600\\101\\`\\?\" + '''a\n'b''' + r'\\d' + R\"\"\"\\\"\"\"",
            "b'\\xff' == B\"a\" + br'\\' + bR'x'",
            "a // rest\n == b //",
            "(((((1)))))",
            "a.if == b.while",
            "[,] == {,}.a || Status{,}.b",
            "'é' == \"\u{1F600}\"",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
    }

    #[test]
    fn expressions_that_istio_refuses_model_tel_9() {
        for (bad, fault) in [
            ("", "it ends where an operand is expected, at character 1"),
            ("a &&", "it ends where an operand is expected, at character 5"),
            ("a = b", "`=` means nothing, at character 3"),
            ("a & b", "`&` means nothing, at character 3"),
            ("a b", "`b` stands where an operator or the end is expected, at character 3"),
            ("(a", "it ends where `)` is expected, at character 3"),
            ("é", "`é` means nothing, at character 1"),
            ("'a", "a text does not end, it begins at character 1"),
            ("x + 'a\nb'", "a text does not end, it begins at character 5"),
            ("'\\d'", "a text has an unknown escape, it begins at character 1"),
            ("b'\\u0041'", "a text has an unknown escape, it begins at character 1"),
            ("'\\U00110000'", "a text has an unknown escape, it begins at character 1"),
            (
                "9223372036854775808",
                "`9223372036854775808` stands where an operand is expected, at character 1",
            ),
            (
                "--9223372036854775808",
                "`9223372036854775808` stands where an operand is expected, at character 3",
            ),
            ("18446744073709551616u", "a number is too large, at character 1"),
            ("1e999", "a number is too large, at character 1"),
            ("1 ? 2", "it ends where `:` is expected, at character 6"),
            ("f(a,)", "`)` stands where an operand is expected, at character 5"),
            ("[,,]", "`,` stands where `]` is expected, at character 3"),
            ("[1,,]", "`,` stands where an operand is expected, at character 4"),
            ("{a}", "`}` stands where `:` is expected, at character 3"),
            ("a.?b", "`?` stands where a field's name is expected, at character 3"),
            ("a.in", "`in` stands where a field's name is expected, at character 3"),
            ("a.$b", "`$` means nothing, at character 3"),
            ("-!a", "`!` stands where an operand is expected, at character 2"),
            ("!-a", "`a` stands where a number is expected, at character 3"),
            ("!-1u", "`1u` stands where a number is expected, at character 3"),
            ("!-'x'", "`'x'` stands where a number is expected, at character 3"),
            ("while + 1", "`while` is a reserved word, at character 1"),
            ("has(a)", "`has` takes a field, such as has(request.headers)"),
            ("has(a['b'])", "`has` takes a field, such as has(request.headers)"),
            ("l.all(x.y, true)", "the first argument of `all` is the name of a variable"),
            ("f(1)(2)", "`(` stands where an operator or the end is expected, at character 5"),
            ("(a){b: 1}", "`{` stands where an operator or the end is expected, at character 4"),
            ("f(){}", "`{` stands where an operator or the end is expected, at character 4"),
        ] {
            assert_eq!(check(bad).unwrap_err(), fault, "{bad}");
        }
    }

    #[test]
    fn nesting_and_length_are_bounded() {
        let nested = |levels: usize| format!("{}1{}", "(".repeat(levels), ")".repeat(levels));
        assert_eq!(check(&nested(MAX_DEPTH - 1)), Ok(()));
        assert_eq!(check(&nested(MAX_DEPTH)), Err("it is nested more than 250 levels deep".to_owned()));
        assert!(check(&"-".repeat(50_000)).is_err() && check(&"!".repeat(50_000)).is_err());
        assert!(check(&"a.".repeat(40_000)).is_err());
        assert!(check(&"a?a:".repeat(20_000)).is_err());
        assert_eq!(
            check(&" ".repeat(MAX_CHARACTERS + 1)),
            Err("it has more than 100000 characters".to_owned())
        );
        assert_eq!(check(&format!("1{}", "+1".repeat(40_000))), Ok(()));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,40}", odd in "[a-z0-9 .,:?!&|()\\[\\]{}'\"\\\\<>=*/%+\n-]{0,60}") {
            let _ = (check(&text), check(&odd));
        }
    }
}
