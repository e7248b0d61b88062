//! A client that writes raw bytes and understands responses.

use std::io;
use std::net::{SocketAddr, TcpStream};

use super::{Head, Wire};

/// A response with its whole body.
#[derive(Clone, Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) head: Head,
    pub(crate) body: Vec<u8>,
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        self.head.header(name)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Status and body, which is what most tests compare.
    pub(crate) fn brief(&self) -> (u16, String) {
        (self.status, self.text())
    }
}

/// One connection to the proxy.
pub(crate) struct Client(pub(crate) Wire);

/// A request without a body, with the `host` that every test's configuration serves.
pub(crate) fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: test.example\r\n\r\n")
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self::try_connect(address).expect("a connection to the proxy")
    }

    pub(crate) fn try_connect(address: SocketAddr) -> io::Result<Self> {
        Ok(Self(Wire::answered(TcpStream::connect(address)?)))
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.0.send(bytes).expect("the proxy takes the request");
        self
    }

    /// The head of the next response and its status.
    pub(crate) fn head(&mut self) -> io::Result<(u16, Head)> {
        let head = self.0.head()?.ok_or_else(|| io::Error::other("closed instead of an answer"))?;
        let status = head
            .start
            .strip_prefix("HTTP/1.1 ")
            .or_else(|| head.start.strip_prefix("HTTP/1.0 "))
            .and_then(|rest| rest.get(..3)?.parse().ok());
        let status = status.ok_or_else(|| io::Error::other(format!("status line {:?}", head.start)))?;
        Ok((status, head))
    }

    pub(crate) fn try_receive(&mut self, to_head_request: bool) -> io::Result<Response> {
        let (status, head) = self.head()?;
        let bodiless = to_head_request || matches!(status, 100..200 | 204 | 304);
        let body = if bodiless {
            Vec::new()
        } else {
            match self.0.body(&head)? {
                Some(body) => body,
                None => self.0.rest()?,
            }
        };
        Ok(Response { status, head, body })
    }

    /// The next response.
    pub(crate) fn receive(&mut self) -> Response {
        self.try_receive(false).expect("a response")
    }

    /// Sends `request` and returns the response to it.
    pub(crate) fn exchange(&mut self, request: impl AsRef<[u8]>) -> Response {
        let request = request.as_ref();
        let to_head_request = request.starts_with(b"HEAD ");
        self.send(request);
        self.try_receive(to_head_request).unwrap_or_else(|error| {
            panic!(
                "{error}, as the answer to {:?}",
                String::from_utf8_lossy(&request[..request.len().min(300)])
            )
        })
    }

    /// Whether the proxy closes the connection without another byte; waits for it.
    pub(crate) fn is_closed(&mut self) -> bool {
        self.0.is_at_end()
    }
}
