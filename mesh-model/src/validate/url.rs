//! URLs, read like Go reads them: what its parser takes is a URL here, and nothing else.

use super::names::Fault;

/// The parts that rules look at. Empty is absent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Url<'t> {
    /// In lower case.
    pub(super) scheme: String,
    /// Without brackets.
    pub(super) host: &'t str,
    /// Digits.
    pub(super) port: &'t str,
}

pub(super) fn parse(text: &str) -> Result<Url<'_>, Fault> {
    if text.bytes().any(|c| c.is_ascii_control()) {
        return Err("it has a control character".to_owned());
    }
    let (text, fragment) = text.split_once('#').unwrap_or((text, ""));
    escapes(fragment)?;
    let (scheme, rest) = scheme(text)?;
    let mut url = Url { scheme: scheme.to_ascii_lowercase(), host: "", port: "" };
    let rest = rest.split_once('?').map_or(rest, |(path, _)| path);
    if !rest.starts_with('/') {
        if !scheme.is_empty() {
            // What stands behind `mailto:` and the like is not looked at.
            return Ok(url);
        }
        if rest.split('/').next().is_some_and(|first| first.contains(':')) {
            return Err("its first part has a `:` and no scheme before it".to_owned());
        }
    }
    let slashes = if scheme.is_empty() && rest.starts_with("///") { None } else { rest.strip_prefix("//") };
    let Some(after) = slashes else {
        escapes(rest)?;
        return Ok(url);
    };
    let at = after.find('/').unwrap_or(after.len());
    let (authority, path) = after.split_at_checked(at).unwrap_or((after, ""));
    (url.host, url.port) = host_and_port(authority)?;
    escapes(path)?;
    Ok(url)
}

fn scheme(text: &str) -> Result<(&str, &str), Fault> {
    for (at, c) in text.char_indices() {
        match c {
            'a'..='z' | 'A'..='Z' => {}
            '0'..='9' | '+' | '-' | '.' if at > 0 => {}
            ':' if at == 0 => return Err("it begins with `:`".to_owned()),
            ':' => return Ok(text.split_once(':').unwrap_or(("", text))),
            _ => break,
        }
    }
    Ok(("", text))
}

fn host_and_port(authority: &str) -> Result<(&str, &str), Fault> {
    let address = match authority.rsplit_once('@') {
        Some((user, address)) => {
            let plain = |c: u8| c.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(&c);
            if !user.bytes().all(plain) {
                return Err("the user before `@` has a character that is not allowed".to_owned());
            }
            escapes(user)?;
            address
        }
        None => authority,
    };
    let (host, port) = if let Some(inner) = address.strip_prefix('[') {
        let (host, port) = inner.rsplit_once(']').ok_or("a `]` is missing behind the address")?;
        (
            host,
            if port.is_empty() { None } else { Some(port.strip_prefix(':').ok_or("the port is malformed")?) },
        )
    } else {
        address.rsplit_once(':').map_or((address, None), |(host, port)| (host, Some(port)))
    };
    let port = port.unwrap_or("");
    if !port.bytes().all(|c| c.is_ascii_digit()) {
        return Err(format!("the port `{}` is not a number", super::report::show(port)));
    }
    let odd = |c: char| c.is_ascii() && !c.is_ascii_alphanumeric() && !"-_.~!$&'()*+,;=:[]<>\"%".contains(c);
    if let Some(c) = host.chars().find(|c| odd(*c)) {
        return Err(format!("the host has a `{c}`"));
    }
    escapes(host)?;
    Ok((host, port))
}

/// `%` is followed by two hexadecimal digits.
fn escapes(text: &str) -> Result<(), Fault> {
    let valid = |after: &str| after.get(..2).is_some_and(|code| code.bytes().all(|c| c.is_ascii_hexdigit()));
    if text.split('%').skip(1).all(valid) {
        Ok(())
    } else {
        Err("a `%` is not followed by two hexadecimal digits".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn parts() {
        for (text, scheme, host, port) in [
            ("https://a.example.com/x?y=%zz#z", "https", "a.example.com", ""),
            ("HTTP://u:p@a:8080", "http", "a", "8080"),
            ("https://[::1]:443/x", "https", "::1", "443"),
            ("https://[::1]", "https", "::1", ""),
            ("https://a:/x", "https", "a", ""),
            ("file:///opt/x.wasm", "file", "", ""),
            ("registry.example.com/x:1.0", "", "", ""),
            ("localhost:5000/x", "localhost", "", ""),
            ("//a/b", "", "a", ""),
            ("///a", "", "", ""),
            ("", "", "", ""),
            ("https://é.example.com/ü", "https", "é.example.com", ""),
        ] {
            let want = Url { scheme: scheme.to_owned(), host, port };
            assert_eq!(parse(text), Ok(want), "{text}");
        }
    }

    #[test]
    fn what_is_no_url() {
        for bad in [
            "a\nb",
            ":a",
            "10.0.0.1:5000/x",
            "1a:b",
            "https://a b/",
            "https://[::1",
            "https://[::1]x",
            "https://a:x/",
            "https://a:1:b",
            "https://u ser@a/",
            "https://a/%zz",
            "https://a/%a",
            "https://a%/",
            "https://a#%",
            "https://a`b",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,40}", odd in "[a-zé0-9:/@?#%\\[\\].]{0,40}") {
            let _ = (parse(&text), parse(&odd));
        }
    }
}
