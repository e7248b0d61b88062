//! The words of a saved rule.

/// Splits at blanks as the restore tools do: double quotes hold blanks together, a backslash inside them takes
/// the next character as it is.
pub(crate) fn split(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quoted = false;
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            '\\' if quoted => word.get_or_insert_default().extend(characters.next()),
            ' ' | '\t' if !quoted => words.extend(word.take()),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn quotes_hold_words_together() {
        assert_eq!(
            split("-A X  -m comment --comment \"a \\\"b\\\" c\" "),
            ["-A", "X", "-m", "comment", "--comment", "a \"b\" c"]
        );
        assert_eq!(split("\"\" a\"b"), ["", "ab"]);
        assert!(split("  ").is_empty());
    }
}
