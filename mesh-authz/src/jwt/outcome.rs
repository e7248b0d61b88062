//! What came of looking for tokens.

use std::fmt::{self, Write as _};
use std::sync::Arc;

use super::failure::JwtFailure;
use crate::claims::{Claims, Value};
use crate::headers::Headers;
use crate::request::HttpAttributes;

/// What came of looking for tokens in a request.
///
/// Closed on purpose: a caller has to think of all three.
#[derive(Debug, Clone)]
#[must_use = "a rejection that nobody reads protects nothing"]
#[allow(clippy::exhaustive_enums, reason = "a request has no token, a good one, or is refused")]
pub enum JwtOutcome {
    /// No rule found a token: the request goes on without identity (AUTHZ-JWT-02). Whether that is enough is for the
    /// policies to say.
    NoToken(RequestEdits),
    /// A rule has verified its tokens.
    Verified(VerifiedToken),
    /// There was a token and none that is good: answer with [`Rejection`].
    Rejected(Rejection),
}

impl JwtOutcome {
    /// The verified token, if there is one.
    pub fn token(&self) -> Option<&VerifiedToken> {
        match self {
            Self::Verified(token) => Some(token),
            Self::NoToken(_) | Self::Rejected(_) => None,
        }
    }

    /// The refusal, if it is one.
    pub fn rejection(&self) -> Option<&Rejection> {
        match self {
            Self::Rejected(rejection) => Some(rejection),
            Self::NoToken(_) | Self::Verified(_) => None,
        }
    }

    /// What to change about the request before policies see it and before it is passed on. `None` if it is refused.
    pub fn edits(&self) -> Option<&RequestEdits> {
        match self {
            Self::NoToken(edits) => Some(edits),
            Self::Verified(token) => Some(token.edits()),
            Self::Rejected(_) => None,
        }
    }

    /// The headers as policies see them: those of `http` after the edits. For [`attributes`](Self::attributes).
    pub fn headers<'r>(&'r self, http: &HttpAttributes<'r>) -> EditedHeaders<'r> {
        EditedHeaders { original: http.headers, edits: self.edits() }
    }

    /// The request as policies see it: with the claims of the token and no others, without the token, and with the
    /// shortened query (AUTHZ-JWT-15).
    pub fn attributes<'r>(
        &'r self,
        http: HttpAttributes<'r>,
        headers: &'r EditedHeaders<'r>,
    ) -> HttpAttributes<'r> {
        let path = self.edits().and_then(RequestEdits::path).unwrap_or(http.path_and_query);
        let edited = HttpAttributes::new(http.method, path);
        HttpAttributes {
            host: http.host,
            scheme: http.scheme,
            headers,
            claims: self.token().map(VerifiedToken::claims),
            ..edited
        }
    }
}

/// A token that has been verified: its form, its issuer, its times, its audience and its signature.
#[derive(Clone)]
pub struct VerifiedToken {
    pub(crate) claims: Claims,
    pub(crate) edits: RequestEdits,
}

impl VerifiedToken {
    /// The claims, for [`HttpAttributes::claims`].
    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    /// What to change about the request.
    pub fn edits(&self) -> &RequestEdits {
        &self.edits
    }

    /// The claim `iss`.
    pub fn issuer(&self) -> Option<&str> {
        self.text("iss")
    }

    /// The claim `sub`.
    pub fn subject(&self) -> Option<&str> {
        self.text("sub")
    }

    /// The request principal, `iss/sub`; `None` unless the token has both (AUTHZ-JWT-30).
    pub fn principal(&self) -> Option<String> {
        Some(format!("{}/{}", self.issuer()?, self.subject()?))
    }

    /// The claim `aud`, one or several (AUTHZ-JWT-30).
    pub fn audiences(&self) -> impl Iterator<Item = &str> {
        let (one, list) = match self.claims.get("aud") {
            Some(Value::List(items)) => (None, items.as_slice()),
            other => (other, &[][..]),
        };
        one.into_iter().chain(list).filter_map(text)
    }

    /// The claim `azp` (AUTHZ-JWT-30).
    pub fn presenter(&self) -> Option<&str> {
        self.text("azp")
    }

    fn text(&self, claim: &str) -> Option<&str> {
        text(self.claims.get(claim)?)
    }
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}

impl fmt::Debug for VerifiedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Claims are about a person.
        f.debug_struct("VerifiedToken").field("issuer", &self.issuer()).finish_non_exhaustive()
    }
}

/// What to change about a request: headers and query parameters that go, headers that come.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct RequestEdits {
    /// What rules write; shared, so that a request without token costs nothing.
    pub(crate) stripped: Arc<[String]>,
    /// What tokens came in.
    pub(crate) consumed: Vec<String>,
    pub(crate) add: Vec<(String, String)>,
    pub(crate) path: Option<Vec<u8>>,
}

impl RequestEdits {
    /// Headers to remove, all lines of them, names in lower case: those that the token came in, and those that rules
    /// write, whether or not there was a token, so that no client can forge them (AUTHZ-JWT-15, AUTHZ-JWT-31).
    pub fn removed_headers(&self) -> impl Iterator<Item = &str> {
        self.stripped.iter().chain(&self.consumed).map(String::as_str)
    }

    /// Header lines to add after that, names in lower case (AUTHZ-JWT-31). A value has no control characters but may
    /// have letters beyond ASCII, in UTF-8.
    pub fn added_headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.add.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The path and query without the token, if it was in the query (AUTHZ-JWT-15).
    pub fn path(&self) -> Option<&[u8]> {
        self.path.as_deref()
    }
}

impl fmt::Debug for RequestEdits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let added: Vec<_> = self.add.iter().map(|(name, _)| name).collect();
        f.debug_struct("RequestEdits")
            .field("stripped", &self.stripped)
            .field("consumed", &self.consumed)
            .field("add", &added)
            .finish_non_exhaustive()
    }
}

/// Headers after [`RequestEdits`], without copying them.
#[derive(Clone, Copy)]
pub struct EditedHeaders<'r> {
    original: &'r dyn Headers,
    edits: Option<&'r RequestEdits>,
}

impl Headers for EditedHeaders<'_> {
    fn any(&self, name: &str, test: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        let Some(edits) = self.edits else { return self.original.any(name, test) };
        let removed = edits.removed_headers().any(|removed| removed == name);
        (!removed && self.original.any(name, test))
            || edits.add.iter().any(|(added, value)| added == name && test(value.as_bytes()))
    }
}

impl fmt::Debug for EditedHeaders<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EditedHeaders").field("edits", &self.edits).finish_non_exhaustive()
    }
}

/// A request that must be answered and not passed on (AUTHZ-JWT-28).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Rejection {
    failure: JwtFailure,
}

/// The realm names that much of path and query (AUTHZ-JWT-28).
const MAX_REALM_PATH: usize = 256;

impl Rejection {
    /// The answer to `failure`. For embedders that insist on a token: `Rejection::new(JwtFailure::Missing)`.
    pub fn new(failure: JwtFailure) -> Self {
        Self { failure }
    }

    /// Why.
    pub fn failure(&self) -> JwtFailure {
        self.failure
    }

    /// The HTTP status, 401 or 403.
    pub fn status(&self) -> u16 {
        self.failure.status()
    }

    /// The body, and for gRPC the `grpc-message`.
    pub fn message(&self) -> &'static str {
        self.failure.message()
    }

    /// The `grpc-status`, 16 or 7.
    pub fn grpc_status(&self) -> u8 {
        self.failure.grpc_status()
    }

    /// Envoy's response-code details.
    pub fn response_code_details(&self) -> String {
        self.failure.response_code_details()
    }

    /// The value of `www-authenticate`: `Bearer realm="<scheme>://<host><path and query>"`, and unless the token was
    /// missing `, error="invalid_token"`. A token in the query is echoed, cut off after 256 bytes, as Envoy does.
    ///
    /// A scheme that is not known is `http`.
    // DIFFERENCE AUTHZ-JWT-28: Envoy writes the bytes as they came. Quotes, backslashes, spaces, control characters
    // and what is not ASCII are percent-encoded here, since they could end the quoted text or the header.
    pub fn www_authenticate(&self, http: &HttpAttributes<'_>) -> String {
        let mut value = String::from("Bearer realm=\"");
        let path = http.path_and_query.get(..MAX_REALM_PATH).unwrap_or(http.path_and_query);
        for part in [http.scheme.unwrap_or(b"http"), b"://", http.host.unwrap_or_default(), path] {
            for &byte in part {
                match byte {
                    b'"' | b'\\' | ..=b' ' | 0x7f.. => {
                        // Writing to a string does not fail.
                        let _ = write!(value, "%{byte:02X}");
                    }
                    _ => value.push(char::from(byte)),
                }
            }
        }
        value.push('"');
        if self.failure != JwtFailure::Missing {
            value.push_str(", error=\"invalid_token\"");
        }
        value
    }
}
