//! The cookie a request is hashed by, and the one that is made when there is none.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use crate::error::{BuildError, BuildErrorKind};
use crate::hash::function::hash_bytes;
use crate::hash::text::StackText;

/// The cookie of `consistentHash.httpCookie`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CookiePolicy {
    name: Box<str>,
    ttl: Option<Duration>,
    path: Option<Box<str>>,
    attributes: Vec<(Box<str>, Box<str>)>,
}

impl CookiePolicy {
    /// A cookie that is read and never made.
    ///
    /// # Errors
    /// [`EmptyName`](BuildErrorKind::EmptyName).
    pub fn new(name: &str) -> Result<Self, BuildError> {
        if name.is_empty() {
            return Err(BuildErrorKind::EmptyName { field: "httpCookie.name" }.into());
        }
        Ok(Self { name: name.into(), ttl: None, path: None, attributes: Vec::new() })
    }

    /// Makes a cookie when the request has none (LB-HASH-04); a lifetime of 0 makes a session cookie.
    #[must_use]
    pub fn ttl(self, lifetime: Duration) -> Self {
        Self { ttl: Some(lifetime), ..self }
    }

    /// Sets the path of the cookie that is made.
    #[must_use]
    pub fn path(self, path: &str) -> Self {
        Self { path: (!path.is_empty()).then(|| path.into()), ..self }
    }

    /// Adds an attribute to the cookie that is made; an empty value writes the bare name.
    ///
    /// # Errors
    /// [`EmptyName`](BuildErrorKind::EmptyName).
    pub fn attribute(mut self, name: &str, value: &str) -> Result<Self, BuildError> {
        if name.is_empty() {
            return Err(BuildErrorKind::EmptyName { field: "httpCookie.attributes.name" }.into());
        }
        self.attributes.push((name.into(), value.into()));
        Ok(self)
    }

    /// The name of the cookie.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The cookie made for a connection, if the policy makes one (LB-HASH-04).
    pub(crate) fn generate(&self, remote: SocketAddr, local: SocketAddr) -> Option<GeneratedCookie<'_>> {
        self.ttl?;
        let mut text = StackText::default();
        // The buffer holds the longest two addresses there are.
        let _ = write!(text, "{remote}{local}");
        let hash = hash_bytes(text.as_bytes());
        let mut digits = StackText::default();
        let _ = write!(digits, "{hash:016x}");
        let value = digits.as_bytes().try_into().unwrap_or([b'0'; 16]);
        Some(GeneratedCookie { policy: self, value })
    }
}

/// A cookie made because the request had none. The response of this request must set it (LB-HASH-05).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GeneratedCookie<'p> {
    policy: &'p CookiePolicy,
    value: [u8; 16],
}

impl GeneratedCookie<'_> {
    /// The name of the cookie.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.policy.name
    }

    /// The value: 16 hexadecimal digits.
    #[must_use]
    pub fn value(&self) -> &str {
        std::str::from_utf8(&self.value).unwrap_or_default()
    }

    /// The hash of the request: that of the value's text, not the number the text writes (LB-HASH-04).
    #[must_use]
    pub fn hash(&self) -> u64 {
        hash_bytes(&self.value)
    }

    /// The value of the `set-cookie` header of the response (LB-HASH-05). Allocates.
    #[must_use]
    pub fn set_cookie(&self) -> String {
        let mut header = format!("{}=\"{}\"", self.name(), self.value());
        let seconds = self.policy.ttl.map_or(0, |ttl| ttl.as_secs());
        if seconds > 0 {
            let _ = write!(header, "; Max-Age={seconds}");
        }
        if let Some(path) = &self.policy.path {
            let _ = write!(header, "; Path={path}");
        }
        for (name, value) in &self.policy.attributes {
            let _ = write!(header, "; {name}");
            if !value.is_empty() {
                let _ = write!(header, "={value}");
            }
        }
        header.push_str("; HttpOnly");
        header
    }
}

/// The value of a cookie in one `cookie` header; an empty value is found but counts as absent (LB-HASH-03).
pub(crate) fn cookie_value<'h>(header: &'h [u8], name: &[u8]) -> Option<&'h [u8]> {
    header.split(|&byte| byte == b';').find_map(|piece| {
        let start = piece.iter().position(|&byte| byte != b' ')?;
        let piece = piece.get(start..)?;
        let equals = piece.iter().position(|&byte| byte == b'=')?;
        let (key, value) = piece.split_at_checked(equals)?;
        if key != name {
            return None;
        }
        let value = value.get(1..).unwrap_or_default();
        Some(match value {
            [b'"', inner @ .., b'"'] => inner,
            _ => value,
        })
    })
}

#[cfg(test)]
#[path = "../tests/cookie.rs"]
mod tests;
