//! The header `x-forwarded-client-cert`.
//!
//! Authorization never looks at it (AUTHZ-XFCC-04); it tells the application who called.

use std::error::Error;
use std::fmt;

/// One element of `x-forwarded-client-cert`: what one proxy says about the certificate of its client.
///
/// Prints in Envoy's order: By, Hash, Cert, Chain, Subject, URI, DNS (AUTHZ-XFCC-01).
///
/// ```
/// use mesh_authz::XfccElement;
///
/// let element = XfccElement::new()
///     .by("spiffe://cluster.local/ns/shop/sa/cart")
///     .hash("9f86d081884c7d65")
///     .subject("")
///     .uri("spiffe://cluster.local/ns/web/sa/frontend");
/// let header = "By=spiffe://cluster.local/ns/shop/sa/cart;Hash=9f86d081884c7d65;Subject=\"\";\
///               URI=spiffe://cluster.local/ns/web/sa/frontend";
/// assert_eq!(element.to_string(), header);
/// assert_eq!(XfccElement::parse_header(header)?, [element]);
/// # Ok::<(), mesh_authz::XfccError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct XfccElement {
    by: Option<String>,
    hash: Option<String>,
    cert: Option<String>,
    chain: Option<String>,
    subject: Option<String>,
    uri: Vec<String>,
    dns: Vec<String>,
    ambiguous: bool,
}

impl XfccElement {
    /// An element that says nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The URI name in the certificate of the proxy that writes the element.
    #[must_use]
    pub fn by(mut self, uri: impl Into<String>) -> Self {
        self.by = Some(uri.into());
        self
    }

    /// SHA-256 of the client's certificate in hexadecimal digits.
    #[must_use]
    pub fn hash(mut self, hex: impl Into<String>) -> Self {
        self.hash = Some(hex.into());
        self
    }

    /// The client's certificate in URL-encoded PEM.
    #[must_use]
    pub fn cert(mut self, pem: impl Into<String>) -> Self {
        self.cert = Some(pem.into());
        self
    }

    /// The client's certificate chain in URL-encoded PEM.
    #[must_use]
    pub fn chain(mut self, pem: impl Into<String>) -> Self {
        self.chain = Some(pem.into());
        self
    }

    /// The subject of the client's certificate in the form of RFC 2253, with its escapes.
    #[must_use]
    pub fn subject(mut self, subject: impl Into<String>) -> Self {
        self.subject = Some(subject.into());
        self
    }

    /// Adds a URI name of the client's certificate.
    #[must_use]
    pub fn uri(mut self, uri: impl Into<String>) -> Self {
        self.uri.push(uri.into());
        self
    }

    /// Adds a DNS name of the client's certificate.
    #[must_use]
    pub fn dns(mut self, dns: impl Into<String>) -> Self {
        self.dns.push(dns.into());
        self
    }

    /// The subject as it stands between the quotes.
    pub fn client_subject(&self) -> Option<&str> {
        self.subject.as_deref()
    }

    /// The URI names of the client.
    pub fn client_uris(&self) -> &[String] {
        &self.uri
    }

    /// Whether a key that stands once in an element was found twice. Names are written without quotes or
    /// escapes, so one with a `;` in it can pretend to be several pairs: take no identity from such an
    /// element (AUTHZ-XFCC-01).
    pub fn is_ambiguous(&self) -> bool {
        self.ambiguous
    }

    /// Reads a header, whose elements stand in the order of the hops, the nearest last.
    ///
    /// Keys count in any letter case, unknown ones are passed over. A quoted value may contain anything,
    /// with a backslash before each quotation mark; it is kept as it stands between the quotes.
    ///
    /// # Errors
    ///
    /// A quotation mark is not closed or something follows the closing one, or a pair has no `=`.
    pub fn parse_header(header: &str) -> Result<Vec<Self>, XfccError> {
        let mut elements = vec![Self::new()];
        let mut rest = header;
        loop {
            let at = header.len() - rest.len();
            let Some((key, after)) = rest.split_once('=').filter(|(key, _)| !key.contains([',', ';', '"']))
            else {
                return Err(XfccError { at, kind: Fault::NoPair });
            };
            let (value, after) = match after.strip_prefix('"') {
                Some(quoted) => {
                    let end = closing_quote(quoted).ok_or(XfccError { at, kind: Fault::Open })?;
                    let (value, after) = quoted.split_at(end);
                    (value, after.strip_prefix('"').unwrap_or(after))
                }
                None => after.split_at(after.find([',', ';']).unwrap_or(after.len())),
            };
            if let Some(element) = elements.last_mut() {
                element.set(key.trim(), value);
            }
            if after.is_empty() {
                return Ok(elements);
            } else if let Some(next) = after.strip_prefix(',') {
                elements.push(Self::new());
                rest = next;
            } else if let Some(next) = after.strip_prefix(';') {
                rest = next;
            } else {
                return Err(XfccError { at: header.len() - after.len(), kind: Fault::Trailing });
            }
        }
    }

    fn set(&mut self, key: &str, value: &str) {
        let once = match key.to_ascii_lowercase().as_str() {
            "by" => &mut self.by,
            "hash" => &mut self.hash,
            "cert" => &mut self.cert,
            "chain" => &mut self.chain,
            "subject" => &mut self.subject,
            "uri" => return self.uri.push(value.to_owned()),
            "dns" => return self.dns.push(value.to_owned()),
            _ => return,
        };
        self.ambiguous |= once.is_some();
        once.get_or_insert_with(|| value.to_owned());
    }
}

/// Where the quotation mark is that ends a quoted value.
fn closing_quote(quoted: &str) -> Option<usize> {
    let mut escaped = false;
    quoted.bytes().position(|byte| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    })
}

impl fmt::Display for XfccElement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let raw = |key, value| (key, "", value);
        let quoted = |key, value| (key, "\"", value);
        let pairs = (self.by.iter().map(|v| raw("By", v)))
            .chain(self.hash.iter().map(|v| raw("Hash", v)))
            .chain(self.cert.iter().map(|v| quoted("Cert", v)))
            .chain(self.chain.iter().map(|v| quoted("Chain", v)))
            .chain(self.subject.iter().map(|v| quoted("Subject", v)))
            .chain(self.uri.iter().map(|v| raw("URI", v)))
            .chain(self.dns.iter().map(|v| raw("DNS", v)));
        for (i, (key, quote, value)) in pairs.enumerate() {
            let separator = if i == 0 { "" } else { ";" };
            write!(f, "{separator}{key}={quote}{value}{quote}")?;
        }
        Ok(())
    }
}

/// What a proxy does with the header on the way in (AUTHZ-XFCC-02).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum XfccMode {
    /// Drops it.
    Sanitize,
    /// Keeps it on connections with mTLS.
    ForwardOnly,
    /// Appends an element on connections with mTLS; sidecars (AUTHZ-XFCC-03).
    AppendForward,
    /// Replaces it on connections with mTLS; gateways (AUTHZ-XFCC-03).
    SanitizeSet,
    /// Keeps it always.
    AlwaysForwardOnly,
}

impl XfccMode {
    /// The header to send on: given the one that came in, its lines joined with commas, and the element
    /// about the client's certificate, which is there if and only if the connection has mTLS.
    ///
    /// ```
    /// use mesh_authz::{XfccElement, XfccMode};
    ///
    /// let element = XfccElement::new().hash("ab");
    /// let append = XfccMode::AppendForward;
    /// assert_eq!(append.apply(Some("Hash=cd"), Some(&element)).as_deref(), Some("Hash=cd,Hash=ab"));
    /// assert_eq!(append.apply(Some("Hash=cd"), None), None); // plain text: anyone may have written it
    /// ```
    pub fn apply(self, incoming: Option<&str>, client: Option<&XfccElement>) -> Option<String> {
        match (self, incoming, client) {
            (Self::AlwaysForwardOnly, incoming, _) | (Self::ForwardOnly, incoming, Some(_)) => {
                incoming.map(str::to_owned)
            }
            (Self::AppendForward, Some(incoming), Some(client)) if !incoming.is_empty() => {
                Some(format!("{incoming},{client}"))
            }
            (Self::AppendForward | Self::SanitizeSet, _, Some(client)) => Some(client.to_string()),
            _ => None,
        }
    }
}

/// A header `x-forwarded-client-cert` that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct XfccError {
    at: usize,
    kind: Fault,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    NoPair,
    Open,
    Trailing,
}

impl fmt::Display for XfccError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            Fault::NoPair => "a pair without `=`",
            Fault::Open => "a quotation mark that is not closed",
            Fault::Trailing => "text after a closing quotation mark",
        };
        write!(f, "x-forwarded-client-cert: {what} at byte {}", self.at)
    }
}

impl Error for XfccError {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quoted_values_keep_separators() {
        // AUTHZ-XFCC-01
        let header = r#"by=spiffe://a;SUBJECT="CN=x\,y;O=\"q\",";URI=u1;URI=u2;X=1,Hash=h;DNS=d"#;
        let elements = XfccElement::parse_header(header).unwrap();
        assert_eq!(elements.len(), 2);
        assert_eq!(elements[0].client_subject(), Some(r#"CN=x\,y;O=\"q\","#));
        assert_eq!(elements[0].client_uris(), ["u1", "u2"]);
        assert_eq!(elements[0].to_string(), r#"By=spiffe://a;Subject="CN=x\,y;O=\"q\",";URI=u1;URI=u2"#);
        assert!(!elements[0].is_ambiguous());
    }

    #[test]
    fn a_name_with_separators_is_seen() {
        // AUTHZ-XFCC-01: the URI `x;Hash=1;By=me` was written raw
        let element = XfccElement::new().by("proxy").hash("2").uri("x;Hash=1;By=me");
        let read = XfccElement::parse_header(&element.to_string()).unwrap();
        assert!(read[0].is_ambiguous());
    }

    #[test]
    fn errors_say_where() {
        let error = |header: &str| XfccElement::parse_header(header).unwrap_err().to_string();
        assert_eq!(error(""), "x-forwarded-client-cert: a pair without `=` at byte 0");
        assert_eq!(error("Hash=1,"), "x-forwarded-client-cert: a pair without `=` at byte 7");
        assert_eq!(
            error("Hash=1;Subject=\"a"),
            "x-forwarded-client-cert: a quotation mark that is not closed at byte 7"
        );
        assert_eq!(
            error("Subject=\"a\"b"),
            "x-forwarded-client-cert: text after a closing quotation mark at byte 11"
        );
    }

    #[test]
    fn modes() {
        // AUTHZ-XFCC-02
        use XfccMode::{AlwaysForwardOnly, AppendForward, ForwardOnly, Sanitize, SanitizeSet};
        let client = XfccElement::new().hash("c");
        for (mode, plain, mtls, mtls_first) in [
            (Sanitize, None, None, None),
            (ForwardOnly, None, Some("Hash=i"), None),
            (AppendForward, None, Some("Hash=i,Hash=c"), Some("Hash=c")),
            (SanitizeSet, None, Some("Hash=c"), Some("Hash=c")),
            (AlwaysForwardOnly, Some("Hash=i"), Some("Hash=i"), None),
        ] {
            assert_eq!(mode.apply(Some("Hash=i"), None).as_deref(), plain, "{mode:?}");
            assert_eq!(mode.apply(Some("Hash=i"), Some(&client)).as_deref(), mtls, "{mode:?}");
            assert_eq!(mode.apply(None, Some(&client)).as_deref(), mtls_first, "{mode:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            by in proptest::option::of("[a-z:/.]{0,8}"),
            subject in proptest::option::of(r#"([a-zA-Z=,; ]|\\[,"\\]){0,8}"#),
            uri in proptest::collection::vec("[a-z:/.=]{0,8}", 0..3),
            hash in "[0-9a-f]{1,4}",
        ) {
            let mut element = XfccElement { by, subject, uri, ..XfccElement::new().hash(hash) };
            element.cert = Some("a%0A,;".to_owned());
            let header = format!("{element},{element}");
            prop_assert_eq!(XfccElement::parse_header(&header), Ok(vec![element.clone(), element]));
        }

        #[test]
        fn no_input_panics(header in r#"([a-z=;,"\\]|By=|URI=|é){0,20}"#) {
            let _ = XfccElement::parse_header(&header);
        }
    }
}
