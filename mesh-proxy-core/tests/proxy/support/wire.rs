//! Reading HTTP/1.1 from a socket, strictly enough to notice broken framing.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};

use super::PATIENCE;

/// A socket and what has been read from it beyond the last message.
pub(crate) struct Wire {
    pub(crate) stream: TcpStream,
    buffer: Vec<u8>,
    /// Silence fails the test instead of being an error like any other: a peer that hangs has not closed.
    must_answer: bool,
}

/// The start line and the headers of a message. Names are kept as they were sent.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    pub(crate) start: String,
    pub(crate) headers: Vec<(String, String)>,
}

impl Head {
    /// All values of a header, joined by `,`; `None` when it is absent.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let values = self.values(name);
        (!values.is_empty()).then(|| values.join(","))
    }

    /// The values of each line of a header.
    pub(crate) fn values(&self, name: &str) -> Vec<&str> {
        let lines = self.headers.iter().filter(|(found, _)| found.eq_ignore_ascii_case(name));
        lines.map(|(_, value)| value.as_str()).collect()
    }

    fn is_chunked(&self) -> bool {
        self.header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked"))
    }
}

fn broken(text: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text.into())
}

impl Wire {
    pub(crate) fn new(stream: TcpStream) -> Self {
        stream.set_nodelay(true).expect("an option");
        stream.set_read_timeout(Some(PATIENCE)).expect("an option");
        stream.set_write_timeout(Some(PATIENCE)).expect("an option");
        Self { stream, buffer: Vec::new(), must_answer: false }
    }

    /// A socket whose peer answers or closes; silence for [`PATIENCE`] fails the test.
    pub(crate) fn answered(stream: TcpStream) -> Self {
        Self { must_answer: true, ..Self::new(stream) }
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref())
    }

    /// Says that nothing more will be sent.
    pub(crate) fn finish(&self) {
        // The peer may have closed already.
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Reads more; 0 at the end.
    fn fill(&mut self) -> io::Result<usize> {
        let mut chunk = vec![0; 64 * 1024];
        let read = match self.stream.read(&mut chunk) {
            Err(error)
                if self.must_answer
                    && matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) =>
            {
                panic!("neither an answer nor an end for {PATIENCE:?}: {error}");
            }
            read => read?,
        };
        self.buffer.extend_from_slice(&chunk[..read]);
        Ok(read)
    }

    fn take(&mut self, count: usize) -> Vec<u8> {
        let rest = self.buffer.split_off(count);
        std::mem::replace(&mut self.buffer, rest)
    }

    /// The next head, or `None` when the peer has closed instead.
    pub(crate) fn head(&mut self) -> io::Result<Option<Head>> {
        let end = loop {
            if let Some(at) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break at;
            }
            if self.fill()? == 0 {
                return match self.buffer.len() {
                    0 => Ok(None),
                    _ => Err(broken(format!(
                        "closed within a head: {:?}",
                        String::from_utf8_lossy(&self.buffer)
                    ))),
                };
            }
        };
        let text = self.take(end + 4);
        let text = String::from_utf8_lossy(&text[..end]).into_owned();
        let mut lines = text.split("\r\n");
        let start = lines.next().unwrap_or_default().to_owned();
        let headers = lines
            .map(|line| {
                let (name, value) =
                    line.split_once(':').ok_or_else(|| broken(format!("header line {line:?}")))?;
                Ok((name.to_owned(), value.trim().to_owned()))
            })
            .collect::<io::Result<_>>()?;
        Ok(Some(Head { start, headers }))
    }

    /// Exactly `count` bytes.
    pub(crate) fn exact(&mut self, count: usize) -> io::Result<Vec<u8>> {
        while self.buffer.len() < count {
            if self.fill()? == 0 {
                return Err(broken(format!("closed after {} of {count} bytes", self.buffer.len())));
            }
        }
        Ok(self.take(count))
    }

    /// Everything until the peer closes.
    pub(crate) fn rest(&mut self) -> io::Result<Vec<u8>> {
        while self.fill()? > 0 {}
        Ok(std::mem::take(&mut self.buffer))
    }

    fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(at) = self.buffer.windows(2).position(|two| two == b"\r\n") {
                let line = self.take(at + 2);
                return Ok(String::from_utf8_lossy(&line[..at]).into_owned());
            }
            if self.fill()? == 0 {
                return Err(broken("closed within a line"));
            }
        }
    }

    fn chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.line()?;
            let size =
                usize::from_str_radix(&line, 16).map_err(|_| broken(format!("chunk size {line:?}")))?;
            if size == 0 {
                while !self.line()?.is_empty() {}
                return Ok(body);
            }
            body.extend(self.exact(size)?);
            if self.exact(2)? != b"\r\n" {
                return Err(broken("a chunk without its end"));
            }
        }
    }

    /// The body that `head` announces; `None` when it announces none, which on a request means that there is none and
    /// on a response that it lasts until the connection ends.
    pub(crate) fn body(&mut self, head: &Head) -> io::Result<Option<Vec<u8>>> {
        match (head.is_chunked(), head.header("content-length")) {
            (true, None) => self.chunks().map(Some),
            (true, Some(_)) => Err(broken("both content-length and transfer-encoding")),
            (false, Some(length)) => {
                let length = length.parse().map_err(|_| broken(format!("content-length {length:?}")))?;
                self.exact(length).map(Some)
            }
            (false, None) => Ok(None),
        }
    }

    /// Whether the peer has closed and sent nothing more; waits for it.
    pub(crate) fn is_at_end(&mut self) -> bool {
        // A reset is an end as well.
        self.buffer.is_empty() && matches!(self.fill(), Ok(0) | Err(_)) && self.buffer.is_empty()
    }
}
