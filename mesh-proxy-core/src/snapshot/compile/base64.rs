//! Base64 of a direct response's `body.bytes`.

/// The bytes that `text` stands for, in the standard or the URL-safe alphabet, padded or not (MODEL-TYPE-23); blanks
/// and line breaks are passed over. `None` when it is not base64.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    let text: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let padding = text.iter().rev().take_while(|byte| **byte == b'=').count();
    let digits = text.len() - padding;
    if digits % 4 == 1 || padding > 2 || (padding > 0 && !text.len().is_multiple_of(4)) {
        return None;
    }
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut buffer, mut bits) = (0u32, 0u32);
    for byte in text.iter().take(digits) {
        buffer = buffer << 6 | value(*byte)?;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            out.push(u8::try_from(buffer >> bits & 0xff).ok()?);
        }
        buffer &= 0xffff;
    }
    // What is left over of the last group must be zero, or two texts would mean the same bytes.
    (buffer & ((1 << bits) - 1) == 0).then_some(out)
}

fn value(byte: u8) -> Option<u32> {
    Some(u32::from(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => return None,
    }))
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn texts() {
        for (text, want) in [
            ("", &b""[..]),
            ("Zg==", b"f"),
            ("Zm8=", b"fo"),
            ("Zm9v", b"foo"),
            ("Zm9v\n YmFy", b"foobar"),
            ("/+8=", b"\xff\xef"),
            ("_-8=", b"\xff\xef"),
            ("Zg", b"f"),
        ] {
            assert_eq!(decode(text).as_deref(), Some(want), "{text}");
        }
        for text in ["Z", "Zg=", "Zg===", "Z===", "Zh==", "Z.8=", "Zm=v", "="] {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}
