//! Trees as YAML, in the block style that people write.

use serde_json::Value;
use std::fmt::Write as _;

/// Texts that say the same without quotes in every version of YAML.
fn is_plain(text: &str) -> bool {
    let words = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && text.bytes().all(|c| c.is_ascii_alphanumeric() || b"-_./".contains(&c))
        && !words.contains(&text.to_ascii_lowercase().as_str())
}

fn scalar(text: &str) -> String {
    // A text of JSON is one of YAML.
    if is_plain(text) { text.to_owned() } else { Value::from(text).to_string() }
}

fn block(value: &Value, indent: usize, out: &mut String) {
    let start = |out: &mut String| write!(out, "\n{:indent$}", "").unwrap();
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                start(out);
                out.push_str(&scalar(key));
                out.push(':');
                block(value, indent + 2, out);
            }
        }
        Value::Array(list) if !list.is_empty() => {
            for value in list {
                start(out);
                out.push('-');
                block(value, indent + 2, out);
            }
        }
        Value::String(text) => {
            out.push(' ');
            out.push_str(&scalar(text));
        }
        value => write!(out, " {value}").unwrap(),
    }
}

/// The tree as a document.
pub fn yaml(tree: &Value) -> String {
    let mut out = String::new();
    block(tree, 0, &mut out);
    out.push('\n');
    out
}
