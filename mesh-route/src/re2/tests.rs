//! The table of ROUTE-RX-05 to ROUTE-RX-07, construct by construct.

use crate::compat::RegexAlphabet;
use crate::pattern::{Limits, Pattern};

fn whole(pattern: &str) -> Pattern {
    Pattern::whole(pattern, &Limits::new()).unwrap_or_else(|error| panic!("{error}"))
}

#[track_caller]
fn accepts(pattern: &str, yes: &[&[u8]], no: &[&[u8]]) {
    let compiled = whole(pattern);
    for text in yes {
        assert!(compiled.is_match(text), "{pattern} should match {:?}", text.escape_ascii().to_string());
    }
    for text in no {
        assert!(!compiled.is_match(text), "{pattern} should not match {:?}", text.escape_ascii().to_string());
    }
}

// ROUTE-RX-05.
#[test]
fn braces_that_are_no_repetition_are_text_route_rx_05() {
    accepts("a{,2}", &[b"a{,2}"], &[b"", b"a", b"aa"]);
    accepts("a{", &[b"a{"], &[b"a"]);
    accepts("a{foo}", &[b"a{foo}"], &[b"a"]);
    accepts("a{01}", &[b"a{01}"], &[b"a"]);
    accepts("a{2", &[b"a{2"], &[b"aa"]);
    accepts("{", &[b"{"], &[]);
    accepts("a}", &[b"a}"], &[]);
    accepts("a{2}", &[b"aa"], &[b"a", b"aaa"]);
    accepts("a{2,}", &[b"aa", b"aaaa"], &[b"a"]);
    accepts("a{1,2}?", &[b"a", b"aa"], &[b"aaa"]);
}

// ROUTE-RX-05.
#[test]
fn quoting_and_escapes_route_rx_05() {
    accepts(r"\Qa.b*\E+", &[b"a.b*", b"a.b**"], &[b"axb*"]);
    accepts(r"\Q(unclosed", &[b"(unclosed"], &[]);
    accepts(r"\141\07\0", &[b"a\x07\x00"], &[]);
    accepts(r"\x41\x{42}\x{e9}", &[b"AB\xE9"], &["ABé".as_bytes()]);
    accepts(r"\a\f\n\r\t\v", &[b"\x07\x0C\n\r\t\x0B"], &[]);
    accepts(r"\.\*\_\/\-\<\>", &[b".*_/-<>"], &[b"a*_/-"]);
    accepts(r"\<a\>", &[b"<a>"], &[b"a"]);
    accepts(r"a\Cb", &[b"a\nb", b"a\xFFb"], &[b"ab", "aéb".as_bytes()]);
}

// ROUTE-RX-02.
#[test]
fn one_byte_is_one_character_route_rx_02() {
    accepts("a.b", &[b"axb", b"a\xFFb"], &["aéb".as_bytes(), b"a\nb"]);
    accepts("é", &["é".as_bytes()], &[b"\xE9"]);
    accepts("é+", &[b"\xC3\xA9\xA9"], &["éé".as_bytes()]);
    accepts("[é]", &[b"\xC3", b"\xA9"], &["é".as_bytes(), b"\xE9"]);
    accepts("[^a]", &[b"b", b"\xFF", b"\n"], &[b"a", "é".as_bytes()]);
    accepts(r"\w+", &[b"a_9"], &[b"\xE9", "é".as_bytes()]);
    accepts(r"\d", &[b"7"], &["٣".as_bytes()]);
    accepts(r"(?i)k", &[b"k", b"K"], &["\u{212A}".as_bytes()]);
    accepts(r"(?i)[\xe9]", &[b"\xE9"], &[b"\xC9"]);
    accepts(r"\s", &[b" ", b"\t", b"\n", b"\x0C", b"\r"], &[b"\x0B"]);
    accepts(r"\S", &[b"\x0B", b"a"], &[b" "]);
    accepts(r"[\S]", &[b"\x0B"], &[b" "]);
    accepts(r"[[:space:]]", &[b"\x0B", b" "], &[b"a"]);
}

// ROUTE-RX-05.
#[test]
fn properties_are_cut_to_latin_1_route_rx_05() {
    accepts(r"\pL", &[b"a", b"Z", b"\xE9", b"\xAA"], &[b"1", b"\xF7"]);
    accepts(r"\p{Lu}+", &[b"A\xC9"], &[b"a"]);
    accepts(r"\PL", &[b"1", b"\xF7"], &[b"a", b"\xE9"]);
    accepts(r"\p{^L}", &[b"1"], &[b"a"]);
    accepts(r"\P{^L}", &[b"a"], &[b"1"]);
    accepts(r"a|\p{Greek}", &[b"a"], &[b"b", b"\xE1"]);
    accepts(r"\P{Greek}", &[b"a", b"\xFF"], &[]);
    accepts(r"[\pN_]", &[b"1", b"\xBD", b"_"], &[b"a"]);
    accepts(r"\p{Any}", &[b"\xFF", b"\n"], &[]);
    accepts(r"\p{Latin}", &[b"a", b"\xC0"], &[b"1"]);
}

// ROUTE-RX-05.
#[test]
fn classes_have_no_set_operations_route_rx_05() {
    accepts("[a&&b]", &[b"a", b"&", b"b"], &[b"c"]);
    accepts("[+--]", &[b"+", b",", b"-"], &[b"."]);
    accepts("[[a]b]", &[b"[b]", b"ab]"], &[b"a", b"b"]);
    accepts("[a~~b]", &[b"~"], &[]);
    accepts("[]a]", &[b"]", b"a"], &[b""]);
    accepts("[^]a]", &[b"b"], &[b"]", b"a"]);
    accepts(r"[a\]b]", &[b"]"], &[b"\\"]);
    accepts("[a-]", &[b"a", b"-"], &[b"b"]);
    accepts("[-a]", &[b"a", b"-"], &[b"b"]);
    accepts(r"[\d-z]", &[b"5", b"-", b"z"], &[b"a"]);
    accepts("[a-c-e]", &[b"b", b"-", b"e"], &[b"d"]);
    accepts("[[:alpha:][:digit:]_]", &[b"x", b"5", b"_"], &[b"-"]);
    accepts("[[:^alpha:]]", &[b"5"], &[b"x"]);
    accepts("(?i)[[:^lower:]]", &[b"5"], &[b"x", b"X"]);
    accepts("[[:]", &[b"[", b":"], &[b"a"]);
    accepts("[(|*$]", &[b"(", b"|", b"*", b"$"], &[b"a"]);
    accepts(r"[^\x00-\x{FF}]|a", &[b"a"], &[b"b"]);
}

// ROUTE-RX-07.
#[test]
fn common_syntax_route_rx_07() {
    accepts("^/a$", &[b"/a"], &[b"/a\n"]);
    accepts(r"\A/a\z", &[b"/a"], &[]);
    accepts("(?m)a$\nb", &[b"a\nb"], &[]);
    accepts("a$\nb|c", &[b"c"], &[b"a\nb"]);
    accepts("(?s)a.b", &[b"a\nb"], &[]);
    accepts("(?is-m:A.)b", &[b"a\nb"], &[b"a\nB"]);
    accepts("(?U)a+", &[b"aaa"], &[]);
    accepts("(?P<n>a)(?<m>b)", &[b"ab"], &[]);
    accepts("(a|)b", &[b"b", b"ab"], &[]);
    accepts("()", &[b""], &[]);
    accepts("a|", &[b"", b"a"], &[]);
    accepts("a*?b??", &[b"", b"aab"], &[]);
    accepts(r"\bfoo\b.*", &[b"foo bar", b"foo"], &[b"foobar"]);
    accepts(r"a\Bb", &[b"ab"], &[]);
    accepts("^*a", &[b"a"], &[]);
    accepts("(?i)(?:a)", &[b"A"], &[]);
    accepts("a#b c", &[b"a#b c"], &[]);
    accepts("(a{30}){30}", &[&[b'a'; 900]], &[&[b'a'; 899]]);
}

#[track_caller]
fn accepts_utf8(pattern: &str, yes: &[&[u8]], no: &[&[u8]]) {
    let limits = Limits::new().alphabet(RegexAlphabet::Utf8);
    let compiled = Pattern::whole(pattern, &limits).unwrap_or_else(|error| panic!("{error}"));
    for text in yes {
        assert!(compiled.is_match(text), "{pattern} should accept {:?}", text.escape_ascii().to_string());
    }
    for text in no {
        assert!(!compiled.is_match(text), "{pattern} should refuse {:?}", text.escape_ascii().to_string());
    }
}

#[test]
fn the_old_alphabet_is_code_points_route_rx_03() {
    let e_acute = "é".as_bytes();
    // Each line beside what today's alphabet makes of the same pattern.
    accepts_utf8(".", &[e_acute, b"a", "😀".as_bytes()], &[b"\xE9", b"\n", b"ab"]);
    accepts(".", &[b"\xE9", b"a"], &[e_acute]);
    accepts_utf8("[^a]", &[e_acute], &[b"a", b"\xE9"]);
    accepts("[^a]", &[b"\xE9"], &[e_acute]);
    accepts_utf8("é", &[e_acute], &[b"\xE9"]);
    accepts_utf8("[é-ö]", &[e_acute, "ó".as_bytes()], &[b"\xC3", "a".as_bytes()]);
    accepts_utf8(r"\xe9|\x{1F600}|\351", &[e_acute, "😀".as_bytes()], &[b"\xE9"]);
    accepts(r"\xe9", &[b"\xE9"], &[e_acute]);
    accepts_utf8(r"[\x{e9}]", &[e_acute], &[b"\xE9"]);
    accepts_utf8(r"\C", &[b"\xE9", b"a", b"\n"], &[e_acute]);
    accepts_utf8(r"é{2}", &["éé".as_bytes()], &[e_acute]);
    accepts_utf8(r"\Qé.\E", &["é.".as_bytes()], &["éa".as_bytes()]);
    // Perl's classes are ASCII in both.
    accepts_utf8(r"\d\w\s", &[b"1a "], &["١a ".as_bytes(), "1é ".as_bytes(), "1a\u{A0}".as_bytes()]);
    accepts_utf8(r"\D", &["١".as_bytes(), e_acute], &[b"1", b"\xE9"]);
    accepts_utf8(r"[\W]", &[e_acute], &[b"a"]);
    accepts_utf8(r"a\b.", &["aé".as_bytes(), b"a-"], &[b"ab"]);
    accepts_utf8(r"é\B.*", &["é".as_bytes(), "é-".as_bytes()], &["éa".as_bytes()]);
    accepts_utf8("[[:alpha:]]", &[b"a"], &[e_acute]);
    // Case folds in all of Unicode, and properties have all their members.
    accepts_utf8("(?i)É|k", &[e_acute, "É".as_bytes(), "\u{212A}".as_bytes()], &[]);
    accepts("(?i)k", &[b"K"], &["\u{212A}".as_bytes()]);
    accepts_utf8(r"\pL\p{Greek}\P{Lu}", &["aβc".as_bytes()], &[b"a1c", "aβC".as_bytes()]);
    accepts_utf8(r"\p{^Greek}[^\pN]", &[b"ab"], &["βb".as_bytes(), b"a1"]);
    accepts_utf8(r"\p{Any}", &[e_acute, b"\n"], &[b"\xE9"]);
    accepts_utf8("/users/.*", &["/users/é".as_bytes()], &[b"/users/\xFF", b"/user"]);
    let limits = Limits::new().alphabet(RegexAlphabet::Utf8);
    for (pattern, why) in [
        (r"\x{110000}", "hexadecimal escape must be two digits, or a character's number in braces"),
        (r"\x{D800}", "hexadecimal escape must be two digits, or a character's number in braces"),
        (r"\p{Nope}", "unknown character property"),
        (r"\é", "unknown escape"),
        ("[ö-é]", "character class range is reversed"),
    ] {
        let error = Pattern::whole(pattern, &limits).expect_err(pattern);
        assert_eq!(error.to_string(), format!("`{pattern}` does not compile: {why}"));
    }
}

// ROUTE-RX-06.
#[test]
fn what_re2_refuses_is_refused_route_rx_06() {
    for (pattern, why) in [
        ("(?x)a b", "group flags are `i`, `m`, `s` and `U`; look-around is not supported"),
        ("(?u)a", "group flags are `i`, `m`, `s` and `U`; look-around is not supported"),
        ("(?R)a", "group flags are `i`, `m`, `s` and `U`; look-around is not supported"),
        ("(?#c)a", "group flags are `i`, `m`, `s` and `U`; look-around is not supported"),
        ("a(?=b)", "group flags are `i`, `m`, `s` and `U`; look-around is not supported"),
        ("(?<=a)b", "group flags are `i`, `m`, `s` and `U`; look-around is not supported"),
        ("(?>a)", "group flags are `i`, `m`, `s` and `U`; look-around is not supported"),
        ("(?i-)a", "`-` in group flags must be followed by a flag"),
        ("(?--i)a", "group flags are `i`, `m`, `s` and `U`; look-around is not supported"),
        ("a**", "repetition operators cannot be stacked"),
        ("a++", "repetition operators cannot be stacked"),
        ("a*{2}", "repetition operators cannot be stacked"),
        ("a{2}{3}", "repetition operators cannot be stacked"),
        ("a???", "repetition operators cannot be stacked"),
        ("a{1001}", "repetition count above 1000"),
        ("a{1,99999999999}", "repetition count above 1000"),
        ("a{3,2}", "repetition range is reversed"),
        ("(a{100}){11}", "nested repetition counts multiply to above 1000"),
        ("((a{10}){10}b){11}", "nested repetition counts multiply to above 1000"),
        ("*a", "nothing before the repetition operator"),
        ("(+a)", "nothing before the repetition operator"),
        ("a|{2}", "nothing before the repetition operator"),
        (r"\b{start}a", "word boundaries with a name are not supported"),
        ("(a", "group not closed"),
        ("a)", "unexpected `)`"),
        ("a)|(b", "unexpected `)`"),
        ("(?i", "group not closed"),
        ("[a", "character class not closed"),
        ("[]", "character class not closed"),
        ("[a--b]", "character class range is reversed"),
        ("[z-a]", "character class range is reversed"),
        ("[[:foo:]]", "unknown class name"),
        (r"[\b]", "unknown escape"),
        (r"[a-\d]", "unknown escape"),
        (r"(a)\1", "back-references are not supported"),
        (r"\8", "unknown escape"),
        (r"\E", "unknown escape"),
        (r"\Z", "unknown escape"),
        (r"\é", "unknown escape"),
        (r"\777", "octal escape above 377"),
        (r"\x{100}", "hexadecimal escape must be two digits, or a value up to FF in braces"),
        (r"\x4", "hexadecimal escape must be two digits, or a value up to FF in braces"),
        (r"\p{Nope}", "unknown character property"),
        (r"\p{greek}", "unknown character property"),
        (r"\p{Letter}", "unknown character property"),
        (r"\pé", "unknown character property"),
        (r"\p{L", "character property not closed"),
        (r"a\", r"pattern ends in `\`"),
        ("(?P<>a)", "group name must be letters, digits and `_`"),
        ("(?P<n>a)(?P<n>b)", "group name used twice"),
    ] {
        let error = Pattern::whole(pattern, &Limits::new()).expect_err(pattern);
        assert_eq!(error.to_string(), format!("`{pattern}` does not compile: {why}"));
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(400))]

    /// Whatever the translator lets through, the engine understands: an unknown construct can only be refused
    /// by name, never by accident.
    #[test]
    fn translated_patterns_parse(utf8: bool, pattern in r"[\\\[\](){}*+?|^$.a-c0-2,:=!<>PQEpdDsSwWbBxiU&~é -]{1,24}") {
        let alphabet = if utf8 { RegexAlphabet::Utf8 } else { RegexAlphabet::Latin1 };
        if let Ok(translated) = super::translate(&pattern, alphabet) {
            let mut parser = regex_syntax::ParserBuilder::new().unicode(utf8).utf8(false).build();
            let parsed = parser.parse(&translated.text);
            proptest::prop_assert!(parsed.is_ok(), "{} became {}: {:?}", pattern, translated.text, parsed.err());
        }
    }

    /// A quoted text matches itself and nothing else.
    #[test]
    fn quoted_text_matches_itself(utf8: bool, text in "[^\\\\]{1,20}", other in "[^\\\\]{1,20}") {
        let alphabet = if utf8 { RegexAlphabet::Utf8 } else { RegexAlphabet::Latin1 };
        let limits = Limits::new().alphabet(alphabet);
        let pattern = Pattern::whole(&format!(r"\Q{text}\E"), &limits).unwrap();
        proptest::prop_assert!(pattern.is_match(text.as_bytes()));
        proptest::prop_assert_eq!(pattern.is_match(other.as_bytes()), text == other);
    }
}
