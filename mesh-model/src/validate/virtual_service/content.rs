//! What an answer's body and its media type say.

use crate::load::distance;
use crate::validate::report::{At, Report, show};

/// The first part of a media type (RFC 6838 and its registry).
const TYPES: [&str; 11] = [
    "application",
    "audio",
    "example",
    "font",
    "haptics",
    "image",
    "message",
    "model",
    "multipart",
    "text",
    "video",
];

/// A value of the header `content-type` (MODEL-SEED-24).
pub(super) fn media_type(report: &mut Report<'_>, at: &At<'_>, value: &str) {
    let Some((first, rest)) = value.trim().split_once('/') else { return };
    let lower = first.to_ascii_lowercase();
    // `x-` is for types of one's own, `%` a value that is computed.
    if TYPES.contains(&lower.as_str()) || lower.starts_with("x-") || lower.contains('%') || lower == "*" {
        return;
    }
    let near = TYPES.iter().map(|name| (distance(&lower, name, 2), name)).filter(|(far, _)| *far <= 2);
    let added = report.info("MODEL-SEED-24", at, format!("`{}` is not a known media type", show(value)));
    if let Some((_, name)) = near.min() {
        added.help(format!("did you mean {name}/{}", show(rest)));
    }
}

/// The `bytes` of a body: base64, padded or not, in either alphabet (MODEL-TYPE-23).
pub(super) fn base64(report: &mut Report<'_>, at: &At<'_>, text: &str) {
    let packed: Vec<u8> = text.bytes().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect();
    let padding = packed.iter().rev().take_while(|byte| **byte == b'=').count();
    let digits = packed.get(..packed.len() - padding).unwrap_or(&[]);
    let url_safe = digits.iter().any(|byte| matches!(byte, b'-' | b'_'));
    let in_alphabet = digits.iter().all(|byte| {
        byte.is_ascii_alphanumeric()
            || if url_safe { matches!(byte, b'-' | b'_') } else { matches!(byte, b'+' | b'/') }
    });
    let length = digits.len() % 4 != 1 && (padding == 0 || packed.len().is_multiple_of(4)) && padding <= 2;
    if !in_alphabet || !length {
        report
            .error("MODEL-TYPE-23", at, format!("`{}` is not base64", show(text)))
            .help("encode the bytes as base64, or write a text in `string`");
    } else if url_safe {
        report
            .warning(
                "MODEL-TYPE-23",
                at,
                "the base64 is of the URL-safe alphabet, which not every reader takes",
            )
            .help("write `+` for `-` and `/` for `_`");
    }
}
