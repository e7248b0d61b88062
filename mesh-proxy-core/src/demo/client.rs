//! The HTTP client of the checks: HTTP/1.1 over blocking sockets, one connection a request.
//!
//! Plain on purpose, and without hyper: were the proxy and its check to share a codec, they would share
//! its mistakes too.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// How long to wait for a connection and, after that, for each piece of an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Longest head read, status line and headers together.
const HEAD_LIMIT: u64 = 64 * 1024;

/// Longest body read.
const BODY_LIMIT: u64 = 8 * 1024 * 1024;

/// A request without a body.
#[derive(Clone, Copy, Debug)]
pub(super) struct Probe {
    pub(super) method: &'static str,
    /// Request target as sent, never normalised here.
    pub(super) target: &'static str,
    /// Header lines; a `host` among them replaces the address as Host.
    pub(super) headers: &'static [(&'static str, &'static str)],
}

/// A complete answer.
#[derive(Clone, Debug, Default)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: String,
    /// From before connecting to the last byte of the answer.
    pub(super) took: Duration,
}

impl Reply {
    /// The value of a header, several lines joined with `, `.
    pub(super) fn header(&self, name: &str) -> Option<String> {
        let lines: Vec<&str> = self
            .headers
            .iter()
            .filter(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
            .collect();
        (!lines.is_empty()).then(|| lines.join(", "))
    }
}

/// Sends `probe` to `server` and reads the answer.
///
/// # Errors
/// No connection, silence, an answer that is not HTTP/1.1 or breaks off.
pub(super) fn send(server: SocketAddr, probe: &Probe) -> io::Result<Reply> {
    let start = Instant::now();
    let mut socket = TcpStream::connect_timeout(&server, PATIENCE)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    socket.set_nodelay(true)?;
    socket.write_all(request_text(server, probe).as_bytes())?;
    let mut reply = read_reply(&mut BufReader::new(socket), probe.method == "HEAD")?;
    reply.took = start.elapsed();
    Ok(reply)
}

/// The request as bytes on the wire.
fn request_text(server: SocketAddr, probe: &Probe) -> String {
    let Probe { method, target, headers } = probe;
    let given = |name: &str| headers.iter().any(|(key, _)| key.eq_ignore_ascii_case(name));
    let mut text = format!("{method} {target} HTTP/1.1\r\n");
    if !given("host") {
        text += &["host: ", &server.to_string(), "\r\n"].concat();
    }
    if !given("user-agent") {
        text.push_str("user-agent: mesh-proxy-demo\r\n");
    }
    for (key, value) in *headers {
        text += &[key, ": ", value, "\r\n"].concat();
    }
    text.push_str("accept: */*\r\nconnection: close\r\n\r\n");
    text
}

/// Reads one answer, passing over interim ones.
fn read_reply(input: &mut impl BufRead, head_only: bool) -> io::Result<Reply> {
    loop {
        let mut reply = read_head(input)?;
        if (100..200).contains(&reply.status) && reply.status != 101 {
            continue;
        }
        let bodyless = head_only || matches!(reply.status, 101 | 204 | 304);
        if !bodyless {
            let body = read_body(input, &reply)?;
            reply.body = String::from_utf8_lossy(&body).into_owned();
        }
        return Ok(reply);
    }
}

/// Reads the status line and the headers.
fn read_head(input: &mut impl BufRead) -> io::Result<Reply> {
    let mut input = input.take(HEAD_LIMIT);
    let status_line = read_line(&mut input)?;
    let mut words = status_line.splitn(3, ' ');
    let (version, code) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let status = match code.parse() {
        Ok(status) if version.starts_with("HTTP/1.") => status,
        _ => return Err(invalid(&format!("`{status_line}` is not a status line"))),
    };
    let mut reply = Reply { status, ..Reply::default() };
    loop {
        let line = read_line(&mut input)?;
        if line.is_empty() {
            return Ok(reply);
        }
        let Some((key, value)) = line.split_once(':') else {
            return Err(invalid(&format!("`{line}` is not a header")));
        };
        reply.headers.push((key.to_owned(), value.trim().to_owned()));
    }
}

/// Reads the body the way the headers frame it.
fn read_body(input: &mut impl BufRead, head: &Reply) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    if head.header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
        while let size @ 1.. = read_chunk_size(input)? {
            if size > BODY_LIMIT.saturating_sub(body.len() as u64) {
                return Err(invalid("the body is longer than 8 MiB"));
            }
            read_exactly(input, size, &mut body)?;
            if !read_line(&mut input.take(HEAD_LIMIT))?.is_empty() {
                return Err(invalid("a chunk is longer than it says"));
            }
        }
        while !read_line(&mut input.take(HEAD_LIMIT))?.is_empty() {}
    } else if let Some(length) = head.header("content-length") {
        match length.parse() {
            Ok(length) if length <= BODY_LIMIT => read_exactly(input, length, &mut body)?,
            _ => return Err(invalid(&format!("content-length `{length}` is no length up to 8 MiB"))),
        }
    } else {
        input.take(BODY_LIMIT).read_to_end(&mut body)?;
    }
    Ok(body)
}

/// The size that begins a chunk; extensions are passed over.
fn read_chunk_size(input: &mut impl BufRead) -> io::Result<u64> {
    let line = read_line(&mut input.take(HEAD_LIMIT))?;
    let digits = line.split(';').next().unwrap_or_default().trim();
    u64::from_str_radix(digits, 16).map_err(|_| invalid(&format!("`{line}` is not a chunk size")))
}

/// Appends exactly `length` bytes.
fn read_exactly(input: &mut impl BufRead, length: u64, body: &mut Vec<u8>) -> io::Result<()> {
    let read = input.take(length).read_to_end(body)?;
    if read as u64 == length { Ok(()) } else { Err(broke_off()) }
}

/// One line without its line break.
fn read_line(input: &mut impl BufRead) -> io::Result<String> {
    let mut line = Vec::new();
    input.read_until(b'\n', &mut line)?;
    if line.pop() != Some(b'\n') {
        return Err(broke_off());
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    Ok(String::from_utf8_lossy(&line).into_owned())
}

fn invalid(message: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

fn broke_off() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the answer broke off")
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
