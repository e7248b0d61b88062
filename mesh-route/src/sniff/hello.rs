//! The ClientHello: what it says about the server and about protocols.

use std::fmt;
use std::ops::Deref;

use super::Unusable;
use super::record::{Inspection, Message};

const SERVER_NAME: usize = 0;
const ALPN: usize = 16;
const MAX_NAME: usize = 255;

/// A well-formed ClientHello, borrowed from the bytes that were sniffed.
///
/// Two are equal when they say the same, however their bytes were cut into records.
#[derive(Clone, Copy)]
pub struct ClientHello<'b> {
    server_name: Option<Message<'b>>,
    protocols: Message<'b>,
}

impl<'b> ClientHello<'b> {
    /// The server name (SNI) as it was sent, letters not folded: 1 to 255 bytes, none of them zero. They need not be
    /// a host name, nor UTF-8.
    pub fn server_name(&self) -> Option<Name<'b>> {
        self.server_name.map(Name::new)
    }

    /// The application protocols (ALPN) in the client's order; none when the list is not well-formed, as in Envoy.
    pub fn application_protocols(&self) -> ApplicationProtocols<'b> {
        ApplicationProtocols(self.protocols)
    }

    /// Reads the message behind its header.
    pub(super) fn read(mut message: Message<'b>) -> Inspection<'b> {
        let Some((version, extensions)) = fields(&mut message) else { return Inspection::NotTls };
        let mut hello = Self { server_name: None, protocols: Message::EMPTY };
        let (mut names, mut protocols) = (None, None);
        let mut seen = Kinds::default();
        let mut rest = extensions;
        while !rest.is_empty() {
            let Some((kind, body)) = rest.u16().and_then(|kind| Some((kind, rest.long()?))) else {
                return Inspection::NotTls;
            };
            if !seen.insert(kind) {
                return Inspection::NotTls;
            }
            match kind {
                SERVER_NAME => names = Some(body),
                ALPN => protocols = Some(body),
                _ => {}
            }
        }
        if let Some(body) = names {
            let Some(name) = host_name(body) else { return Inspection::NotTls };
            hello.server_name = Some(name);
        }
        if let Some(list) = protocols.and_then(protocol_list) {
            hello.protocols = list;
        }
        hello.if_version(version)
    }

    pub(super) fn without_extensions(version: [u8; 2]) -> Inspection<'b> {
        Self { server_name: None, protocols: Message::EMPTY }.if_version(version)
    }

    fn if_version(self, version: [u8; 2]) -> Inspection<'b> {
        match version {
            [3, 1..=4] => Inspection::Hello(self),
            _ => Inspection::Unusable(Unusable::TlsVersion),
        }
    }
}

/// The kinds of extension that occurred, a bit each: none may occur twice. Eight kilobytes of the stack, for an instant.
struct Kinds([u64; 1024]);

impl Default for Kinds {
    fn default() -> Self {
        Self([0; 1024])
    }
}

impl Kinds {
    /// Whether it is new.
    fn insert(&mut self, kind: usize) -> bool {
        let Some(word) = self.0.get_mut(kind / 64) else { return false };
        let bit = 1 << (kind % 64);
        let fresh = *word & bit == 0;
        *word |= bit;
        fresh
    }
}

/// The version and the extensions.
fn fields<'b>(message: &mut Message<'b>) -> Option<([u8; 2], Message<'b>)> {
    let version = [message.u8()?, message.u8()?];
    let _random = message.take(32)?;
    let session = message.short()?;
    let suites = message.long()?;
    let compression = message.short()?;
    if session.len() > 32 || suites.is_empty() || suites.len() % 2 == 1 || compression.is_empty() {
        return None;
    }
    if message.is_empty() {
        return Some((version, Message::EMPTY));
    }
    let extensions = message.long()?;
    message.is_empty().then_some((version, extensions))
}

/// One host name, and nothing else.
fn host_name(mut body: Message<'_>) -> Option<Message<'_>> {
    let mut list = body.long()?;
    let kind = list.u8()?;
    let name = list.long()?;
    let mut bytes = name;
    let zero = std::iter::from_fn(|| bytes.u8()).any(|byte| byte == 0);
    let fits = (1..=MAX_NAME).contains(&name.len());
    (body.is_empty() && list.is_empty() && kind == 0 && fits && !zero).then_some(name)
}

/// The list, if it holds names and no empty one.
fn protocol_list(mut body: Message<'_>) -> Option<Message<'_>> {
    let list = body.long()?;
    let mut rest = list;
    while !rest.is_empty() {
        if rest.short()?.is_empty() {
            return None;
        }
    }
    body.is_empty().then_some(list)
}

impl PartialEq for ClientHello<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.server_name() == other.server_name()
            && self.application_protocols().eq(other.application_protocols())
    }
}

impl Eq for ClientHello<'_> {}

impl fmt::Debug for ClientHello<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let protocols: Vec<_> = self.application_protocols().collect();
        f.debug_struct("ClientHello")
            .field("server_name", &self.server_name())
            .field("application_protocols", &protocols)
            .finish()
    }
}

/// The application protocols of a ClientHello, in the client's order.
#[derive(Clone, Debug)]
pub struct ApplicationProtocols<'b>(Message<'b>);

impl<'b> Iterator for ApplicationProtocols<'b> {
    type Item = Name<'b>;

    fn next(&mut self) -> Option<Name<'b>> {
        self.0.short().map(Name::new)
    }
}

/// A name out of a ClientHello, there at most 255 bytes; dereferences to its bytes.
///
/// Borrowed where it lies in one piece; copied, without allocating, where a border of records cuts it.
#[derive(Clone, Copy)]
pub struct Name<'b>(Piece<'b>);

#[derive(Clone, Copy)]
#[allow(clippy::large_enum_variant, reason = "nothing is allocated, and a name does not live long")]
enum Piece<'b> {
    Whole(&'b [u8]),
    Copied { bytes: [u8; MAX_NAME], length: u8 },
}

impl<'b> Name<'b> {
    fn new(mut message: Message<'b>) -> Self {
        if let Some(bytes) = message.contiguous() {
            return Self(Piece::Whole(bytes));
        }
        let mut bytes = [0; MAX_NAME];
        let mut length = 0;
        for (to, from) in bytes.iter_mut().zip(std::iter::from_fn(|| message.u8())) {
            *to = from;
            length += 1;
        }
        Self(Piece::Copied { bytes, length })
    }

    /// The name as text, if it is UTF-8.
    pub fn to_str(&self) -> Option<&str> {
        std::str::from_utf8(self).ok()
    }
}

impl<'b> From<&'b [u8]> for Name<'b> {
    fn from(bytes: &'b [u8]) -> Self {
        Self(Piece::Whole(bytes))
    }
}

impl Deref for Name<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Piece::Whole(bytes) => bytes,
            Piece::Copied { bytes, length } => bytes.get(..usize::from(*length)).unwrap_or_default(),
        }
    }
}

impl PartialEq for Name<'_> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Name<'_> {}

impl fmt::Debug for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.escape_ascii())
    }
}

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.escape_ascii())
    }
}
