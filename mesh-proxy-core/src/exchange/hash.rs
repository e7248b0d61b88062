//! The hash of a request for the hash algorithms: `mesh-lb` computes it, here are the request's facts.

use std::net::{IpAddr, SocketAddr};

use http::header::{self, HeaderValue};
use http::request::Parts;
use mesh_lb::{HashInput, HashPolicies};
use smallvec::SmallVec;

use crate::worker::Downstream;

/// The hash, and cookies that the response must set.
#[derive(Default)]
pub(super) struct RequestHash {
    pub(super) value: Option<u64>,
    pub(super) cookies: SmallVec<[HeaderValue; 1]>,
}

/// Hashes a request; nothing when the cluster does not hash.
pub(super) fn compute(policies: &HashPolicies, connection: &Downstream, parts: &Parts) -> RequestHash {
    if policies.is_empty() {
        return RequestHash::default();
    }
    let outcome = policies.compute(&Facts { connection, parts });
    let cookies = outcome.set_cookies().iter();
    RequestHash {
        value: outcome.hash,
        cookies: cookies.filter_map(|cookie| HeaderValue::try_from(cookie.set_cookie()).ok()).collect(),
    }
}

struct Facts<'f> {
    connection: &'f Downstream,
    parts: &'f Parts,
}

impl HashInput for Facts<'_> {
    fn header_values<'i>(&'i self, name: &'i str) -> impl Iterator<Item = &'i [u8]> {
        self.parts.headers.get_all(name).into_iter().map(HeaderValue::as_bytes)
    }

    fn authority(&self) -> Option<&[u8]> {
        self.parts.headers.get(header::HOST).map(HeaderValue::as_bytes)
    }

    fn query(&self) -> Option<&[u8]> {
        self.parts.uri.query().map(str::as_bytes)
    }

    fn source_ip(&self) -> Option<IpAddr> {
        Some(self.connection.peer().ip())
    }

    fn connection(&self) -> Option<(SocketAddr, SocketAddr)> {
        Some((self.connection.peer(), self.connection.local()))
    }
}
