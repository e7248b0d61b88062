//! What a connection speaks, from the first bytes that the client sends (section 5.4 of the reference).

mod hello;
mod http;
mod record;

pub use hello::{ApplicationProtocols, ClientHello, Name};

use record::Inspection;

/// Bytes that are looked at. Envoy 1.40 reads no more than this for either question.
pub(crate) const MAX_INSPECTED: usize = 16 * 1024;

/// The length of a TLS record's header. With fewer bytes nothing is said: they may be the start of one.
const HEADER: usize = 5;

/// What the first bytes of a connection say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Sniffed<'b> {
    /// Nothing yet: ask again when more bytes have arrived. Every other answer is final.
    NeedMore,
    /// An HTTP request line, or the preface of HTTP/2. The request need not be valid: `get / HTTP/1.1` is HTTP and
    /// is answered with 400 (ROUTE-SNIFF-03).
    Http(HttpVersion),
    /// A TLS ClientHello.
    Tls(ClientHello<'b>),
    /// Anything else.
    Other,
    /// A connection that is closed without asking any chain.
    Unusable(Unusable),
}

/// What kind of HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HttpVersion {
    /// Any version but `HTTP/1.1`, and none as in HTTP/0.9. Selects no HTTP chain unless HTTP/1.0 is enabled.
    Http10,
    /// `HTTP/1.1`
    Http11,
    /// The preface of HTTP/2 without TLS.
    H2c,
}

/// Why a connection is closed while it is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Unusable {
    /// The ClientHello is not complete within 16 KiB.
    HelloTooLarge,
    /// The version that the ClientHello names is neither TLS 1.0 to 1.3.
    TlsVersion,
    /// The client said `close_notify`.
    Closed,
}

impl HttpVersion {
    /// The name by which filter chains select it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http10 => "http/1.0",
            Self::Http11 => "http/1.1",
            Self::H2c => "h2c",
        }
    }
}

/// Says what the first `bytes` of a connection are (ROUTE-SNIFF-02, ROUTE-SNIFF-03).
///
/// Pure, so it is called again with all bytes so far each time some arrive, until it says something other than
/// [`Sniffed::NeedMore`]. More bytes never change an answer, and how they were split does not matter. When the client
/// waits for the server to speak first there never is an answer: whoever calls decides how long to wait, and takes
/// [`Sniffed::Other`] from then on (ROUTE-SNIFF-04).
///
/// As Envoy's TLS inspector and HTTP inspector, one after the other, on the same bytes. At least five are needed. TLS is
/// a ClientHello in one or more records, of which the server name and the application protocols are kept; a
/// ClientHello that is not well-formed is no TLS. HTTP is decided at the end of the request line: a method of any
/// token characters, a target that is a path, `*` or a URL, and `HTTP/<digit>.<digit>` or nothing.
///
/// Cost: linear in the bytes up to the answer, at most 16 KiB. Never panics, does not allocate.
///
/// # Examples
/// ```
/// use mesh_route::{HttpVersion, Sniffed, sniff};
///
/// assert_eq!(sniff(b"GET /cart HT"), Sniffed::NeedMore);
/// assert_eq!(sniff(b"GET /cart HTTP/1.1\r\n"), Sniffed::Http(HttpVersion::Http11));
/// assert_eq!(sniff(b"hello world\n"), Sniffed::Other);
/// ```
pub fn sniff(bytes: &[u8]) -> Sniffed<'_> {
    if bytes.len() < HEADER {
        return Sniffed::NeedMore;
    }
    let seen = bytes.get(..MAX_INSPECTED).unwrap_or(bytes);
    let full = seen.len() == MAX_INSPECTED;
    match record::inspect(seen) {
        Inspection::Hello(hello) => Sniffed::Tls(hello),
        Inspection::Unusable(why) => Sniffed::Unusable(why),
        Inspection::NeedMore if full => Sniffed::Unusable(Unusable::HelloTooLarge),
        Inspection::NeedMore => Sniffed::NeedMore,
        // DIFFERENCE ROUTE-SNIFF-02: on a request line that does not end within 16 KiB Envoy 1.40 waits for ever;
        // here that is something else than HTTP.
        Inspection::NotTls => match http::inspect(seen) {
            None if full => Sniffed::Other,
            None => Sniffed::NeedMore,
            Some(Some(version)) => Sniffed::Http(version),
            Some(None) => Sniffed::Other,
        },
    }
}
