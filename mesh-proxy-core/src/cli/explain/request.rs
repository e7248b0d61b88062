//! The request that is asked about.

use std::net::{IpAddr, SocketAddr};
use std::time::{SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use mesh_authz::jwt::{AwsLc, JwtAuthentication, JwtContext, JwtOutcome, Rejection};
use mesh_authz::{HttpAttributes, Peer, PeerIdentity, Request};
use mesh_route::{PathNormalization, normalize_path};
use serde_json::{Map, Value};

use super::claims::claims;

/// Method and URL as typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    method: String,
    scheme: Option<&'static str>,
    authority: Option<String>,
    path: String,
}

impl Target {
    /// `METHOD http://HOST[:PORT]/PATH` or `METHOD /PATH`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let Some((method, url)) = text.split_once(' ') else {
            return Err(format!("`{text}` is not `METHOD URL`, such as `GET http://example.com/`"));
        };
        if Method::from_bytes(method.as_bytes()).is_err() {
            return Err(format!("`{method}` is no method"));
        }
        // AUTHZ-PATH-07: such a target is answered with 400 before any policy is asked.
        if !url.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(format!("`{url}` has characters that no request can have, write them as %XX"));
        }
        let (scheme, rest) = match url.split_once("://") {
            _ if url.starts_with('/') => (None, url),
            Some(("http", rest)) => (Some("http"), rest),
            Some(("https", rest)) => (Some("https"), rest),
            _ => return Err(format!("`{url}` begins with neither `http://` nor `https://` nor `/`")),
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        // A fragment is never sent.
        let path = path.split('#').next().unwrap_or_default();
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        let authority = scheme.map(|_| authority.to_owned());
        if authority.as_deref() == Some("") {
            return Err(format!("`{url}` has no host"));
        }
        Ok(Self { method: method.to_owned(), scheme, authority, path })
    }

    /// The port of the URL.
    pub(super) fn port(&self) -> Result<Option<u16>, String> {
        let Some(authority) = &self.authority else { return Ok(None) };
        // The colons of an IPv6 address stand in brackets.
        let behind = authority.rsplit_once(']').map_or(authority.as_str(), |(_, behind)| behind);
        let Some((_, port)) = behind.rsplit_once(':') else { return Ok(None) };
        port.parse().map(Some).map_err(|_| format!("--request: `{port}` is no port"))
    }

    pub(super) fn is_https(&self) -> bool {
        self.scheme == Some("https")
    }
}

/// `NAME: VALUE`
pub(super) fn header(text: &str) -> Result<(String, String), String> {
    let Some((name, value)) = text.split_once(':') else {
        return Err(format!("`{text}` is not `NAME: VALUE`"));
    };
    let value = value.trim();
    if HeaderName::from_bytes(name.as_bytes()).is_err() {
        return Err(format!("`{name}` is no header's name"));
    }
    if HeaderValue::from_str(value).is_err() {
        return Err(format!("`{value}` is no header's value"));
    }
    Ok((name.to_owned(), value.to_owned()))
}

/// All that is known about what is asked.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) source_ip: IpAddr,
    pub(super) remote_ip: IpAddr,
    pub(super) destination: SocketAddr,
    pub(super) principal: Option<String>,
    pub(super) sni: Option<String>,
    pub(super) claims: Option<Map<String, Value>>,
    pub(super) http: Option<Http>,
}

/// The HTTP part.
#[derive(Debug)]
pub(super) struct Http {
    pub(super) method: String,
    pub(super) scheme: &'static str,
    pub(super) host: Option<String>,
    /// After normalisation, with the query.
    pub(super) path: String,
    /// As typed, if it was another.
    pub(super) written: Option<String>,
    pub(super) headers: HeaderMap,
}

impl Asked {
    pub(super) fn new(source_ip: IpAddr, destination: SocketAddr) -> Self {
        Self {
            source_ip,
            remote_ip: source_ip,
            destination,
            principal: None,
            sni: None,
            claims: None,
            http: None,
        }
    }

    /// Makes it an HTTP request, with the path that policies see (AUTHZ-PATH-03).
    pub(super) fn http(
        &mut self,
        target: &Target,
        lines: &[(String, String)],
        normalization: PathNormalization,
    ) -> Result<(), String> {
        let path = normalize_path(&target.path, normalization)
            .map_err(|_| format!("--request: the proxy answers 400 to the path `{}`", target.path))?
            .into_owned();
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|error| error.to_string())?;
            headers.append(name, HeaderValue::from_str(value).map_err(|error| error.to_string())?);
        }
        // What a client says in `host` goes over the URL, as with curl.
        let given =
            headers.get(http::header::HOST).map(|host| String::from_utf8_lossy(host.as_bytes()).into_owned());
        self.http = Some(Http {
            method: target.method.clone(),
            scheme: target.scheme.unwrap_or("http"),
            host: given.or_else(|| target.authority.clone()),
            written: (path != target.path).then(|| target.path.clone()),
            path,
            headers,
        });
        Ok(())
    }

    /// The lines of x-forwarded-for.
    pub(super) fn forwarded_for(&self) -> Vec<&[u8]> {
        let headers = self.http.iter().map(|http| &http.headers);
        headers.flat_map(|headers| headers.get_all("x-forwarded-for")).map(HeaderValue::as_bytes).collect()
    }

    /// Asks `question` about it, after the tokens in its headers have been verified, unless claims were given; without
    /// an identity if `anonymous`.
    pub(super) fn ask<T>(
        &self,
        anonymous: bool,
        tokens: Option<&JwtAuthentication>,
        question: impl FnOnce(Request<'_>, &Token) -> T,
    ) -> T {
        let principal = self.principal.as_deref().filter(|_| !anonymous);
        let identity = principal.map(|principal| PeerIdentity::certificate([principal], [], ""));
        let mut peer = Peer::new(self.source_ip);
        if let Some(identity) = &identity {
            peer = peer.identity(identity);
        }
        let request = Request::new(peer, self.destination)
            .remote_ip(self.remote_ip)
            .sni(self.sni.as_deref().unwrap_or_default());
        let Some(http) = &self.http else { return question(request, &Token::NotAsked) };
        let mut attributes =
            HttpAttributes::new(&http.method, &http.path).scheme(http.scheme).headers(&http.headers);
        if let Some(host) = &http.host {
            attributes = attributes.host(host);
        }
        if let Some(given) = &self.claims {
            let claims = claims(given);
            return question(request.http(attributes.claims(&claims)), &Token::Given);
        }
        let Some(tokens) = tokens else { return question(request.http(attributes), &Token::NotAsked) };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let outcome = tokens.authenticate(&attributes, &JwtContext::new(now, &AwsLc::new()));
        let token = match &outcome {
            JwtOutcome::NoToken(_) => Token::None,
            JwtOutcome::Verified(token) => Token::Verified(token.principal()),
            JwtOutcome::Rejected(rejection) => Token::Rejected(*rejection),
        };
        let headers = outcome.headers(&attributes);
        question(request.http(outcome.attributes(attributes, &headers)), &token)
    }
}

/// What is known about the request's token.
#[derive(Debug)]
pub(super) enum Token {
    /// No RequestAuthentication looks for one.
    NotAsked,
    /// Its claims were given.
    Given,
    /// There is none.
    None,
    /// It is good, and of this principal.
    Verified(Option<String>),
    /// It is refused.
    Rejected(Rejection),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets() {
        let parse = |text: &str| {
            let target = Target::parse(text)?;
            let port = target.port()?;
            Ok::<_, String>((target.authority.unwrap_or_default(), target.path, port))
        };
        for (text, authority, path, port) in [
            ("GET http://a.example.com", "a.example.com", "/", None),
            ("GET https://a:8443/x?y=http://z/#f", "a:8443", "/x?y=http://z/", Some(8443)),
            ("POST http://[::1]:80/x", "[::1]:80", "/x", Some(80)),
            ("GET http://[::1]/", "[::1]", "/", None),
            ("GET http://a?x", "a", "/?x", None),
            ("GET /only/path", "", "/only/path", None),
        ] {
            assert_eq!(parse(text), Ok((authority.to_owned(), path.to_owned(), port)), "{text}");
        }
        for (text, word) in [
            ("http://a/", "METHOD URL"),
            ("G@T http://a/", "no method"),
            ("GET a/", "neither"),
            ("GET ftp://a/", "neither"),
            ("GET http:///x", "no host"),
            ("GET http://a:x/", "no port"),
            ("GET http://a/b c", "%XX"),
            ("GET http://a/ü", "%XX"),
        ] {
            assert!(parse(text).expect_err(text).contains(word), "{text}");
        }
    }

    #[test]
    fn headers() {
        assert_eq!(header("X-A: 1:2 "), Ok(("X-A".to_owned(), "1:2".to_owned())));
        assert_eq!(header("x-a:"), Ok(("x-a".to_owned(), String::new())));
        for text in ["x-a", "x a: 1", ": 1", "x-a: a\nb"] {
            assert!(header(text).is_err(), "{text}");
        }
    }
}
