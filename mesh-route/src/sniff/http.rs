//! HTTP by its request line or preface.

use super::HttpVersion;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// `None` while it is open; then the version, if it is HTTP.
#[allow(clippy::option_option, reason = "whether there is an answer, and what it is")]
pub(super) fn inspect(bytes: &[u8]) -> Option<Option<HttpVersion>> {
    if bytes.starts_with(PREFACE) {
        return Some(Some(HttpVersion::H2c));
    }
    if PREFACE.starts_with(bytes) {
        return None;
    }
    // A method that cannot be one ends the matter at once, anything after it when the line ends.
    let method = bytes.iter().position(|byte| ends_method(*byte)).unwrap_or(bytes.len());
    let method = bytes.get(..method).unwrap_or_default();
    if method.is_empty() || !method.iter().all(|byte| is_token(*byte)) {
        return Some(None);
    }
    // The method is followed by a space, not by the line's end: that would have been refused just now.
    let end = memchr::memchr(b'\n', bytes)?;
    Some(request_line(bytes.get(..end).unwrap_or_default()))
}

/// The version that a request line names; its method is known to be one.
fn request_line(line: &[u8]) -> Option<HttpVersion> {
    let (method, rest) = word(line);
    let (target, version) = word(rest);
    let version = trim_end(version);
    if !is_target(target, method) {
        return None;
    }
    match version {
        b"HTTP/1.1" => Some(HttpVersion::Http11),
        b"" => Some(HttpVersion::Http10),
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            Some(HttpVersion::Http10)
        }
        _ => None,
    }
}

/// The bytes before the next space, and those after the run of spaces.
fn word(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|byte| is_space(*byte)).unwrap_or(text.len());
    let (word, rest) = text.split_at_checked(end).unwrap_or((text, &[]));
    let skip = rest.iter().position(|byte| !is_space(*byte)).unwrap_or(rest.len());
    (word, rest.get(skip..).unwrap_or_default())
}

fn trim_end(text: &[u8]) -> &[u8] {
    let end = text.iter().rposition(|byte| !is_space(*byte)).map_or(0, |last| last + 1);
    text.get(..end).unwrap_or_default()
}

/// A path, `*`, a URL with a scheme, or for `CONNECT` an authority.
fn is_target(target: &[u8], method: &[u8]) -> bool {
    if let [b'/' | b'*', rest @ ..] = target {
        return rest.iter().all(|byte| is_visible(*byte));
    }
    let rest = if method == b"CONNECT" {
        if target.is_empty() { None } else { Some(target) }
    } else {
        after_scheme(target)
    };
    let Some(rest) = rest else { return false };
    let host = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
    let (host, path) = rest.split_at_checked(host).unwrap_or((rest, &[]));
    host.iter().all(|byte| is_authority(*byte))
        && !host.windows(2).any(|pair| pair == b"@@")
        && path.iter().all(|byte| is_visible(*byte))
}

fn after_scheme(target: &[u8]) -> Option<&[u8]> {
    if !target.first()?.is_ascii_alphabetic() {
        return None;
    }
    let end = target
        .iter()
        .position(|byte| !byte.is_ascii_alphanumeric() && !matches!(byte, b'+' | b'-' | b'.'))?;
    target.get(end..)?.strip_prefix(b"://")
}

/// The method is watched more closely than the rest of the line.
fn ends_method(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\x0b' | b'\x0c' | b'\r')
}

/// Spaces and all control characters below them separate words.
fn is_space(byte: u8) -> bool {
    byte <= b' '
}

fn is_visible(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~')
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn is_authority(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!$%&'()*+,-.:;=@[]_~".contains(&byte)
}
