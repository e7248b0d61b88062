//! TLS records, up to the end of the ClientHello. Envoy's limits and order of checks.

use super::hello::ClientHello;
use super::{HEADER, Unusable};

/// What the bytes are as TLS.
#[derive(Debug)]
pub(super) enum Inspection<'b> {
    NeedMore,
    Hello(ClientHello<'b>),
    NotTls,
    Unusable(Unusable),
}

const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const WARNING: u8 = 1;
const CLOSE_NOTIFY: u8 = 0;
/// The longest record, encrypted.
const MAX_RECORD: usize = 16 * 1024 + 320;
const MAX_MESSAGE: usize = 16 * 1024;
/// Records in a row without content.
const MAX_EMPTY: u8 = 32;
/// Warnings in a row.
const MAX_WARNINGS: u8 = 4;

/// A record and what follows it.
struct Record<'b> {
    kind: u8,
    payload: &'b [u8],
    rest: &'b [u8],
}

/// `Err(true)` when more bytes may make one, `Err(false)` when nothing can.
fn record(bytes: &[u8]) -> Result<Record<'_>, bool> {
    let (&[kind, major, _, high, low], rest) = bytes.split_first_chunk::<HEADER>().ok_or(true)?;
    let length = usize::from(u16::from_be_bytes([high, low]));
    if major != 3 || length > MAX_RECORD {
        return Err(false);
    }
    let (payload, rest) = rest.split_at_checked(length).ok_or(true)?;
    Ok(Record { kind, payload, rest })
}

/// Looks for a ClientHello at the start of `bytes`, which are at least five.
pub(super) fn inspect(bytes: &[u8]) -> Inspection<'_> {
    if let [0x80..=0xff, _, CLIENT_HELLO, 3, _, ..] = bytes {
        return version2(bytes);
    }
    let (mut rest, mut collected, mut empty, mut warnings) = (bytes, 0, 0, 0);
    // Read once: records without content may stand before it, and a message may come a byte a record.
    let mut header = None;
    loop {
        let found = match record(rest) {
            Ok(found) => found,
            Err(true) => return Inspection::NeedMore,
            Err(false) => return Inspection::NotTls,
        };
        rest = found.rest;
        match (found.kind, found.payload) {
            (ALERT, [WARNING, CLOSE_NOTIFY]) => return Inspection::Unusable(Unusable::Closed),
            (ALERT, [WARNING, _]) if warnings < MAX_WARNINGS => {
                (warnings, empty) = (warnings + 1, 0);
                continue;
            }
            (HANDSHAKE, []) if empty < MAX_EMPTY => {
                empty += 1;
                continue;
            }
            (HANDSHAKE, [_, ..]) => (warnings, empty) = (0, 0),
            _ => return Inspection::NotTls,
        }
        collected += found.payload.len();
        header = header.or_else(|| Message::all(bytes, collected).header());
        let Some((kind, length)) = header else { continue };
        if length > MAX_MESSAGE {
            return Inspection::NotTls;
        }
        if collected < 4 + length {
            continue;
        }
        // The ClientHello ends the client's turn: the record holds nothing behind it.
        if collected > 4 + length || kind != CLIENT_HELLO {
            return Inspection::NotTls;
        }
        let mut message = Message::all(bytes, collected);
        message.skip(4);
        return ClientHello::read(message);
    }
}

/// A ClientHello in the form of SSL 2, which names neither server nor protocols.
fn version2(bytes: &[u8]) -> Inspection<'_> {
    let Some((&[high, low], rest)) = bytes.split_first_chunk() else { return Inspection::NeedMore };
    let length = usize::from(u16::from_be_bytes([high & 0x7f, low]));
    if !(3..=4096).contains(&length) {
        return Inspection::NotTls;
    }
    let Some(message) = rest.get(..length) else { return Inspection::NeedMore };
    let Some((&[_, major, minor, suites @ .., s0, s1, c0, c1], rest)) = message.split_first_chunk::<9>()
    else {
        return Inspection::NotTls;
    };
    let sized = |bytes| usize::from(u16::from_be_bytes(bytes));
    let (suites, session, challenge) = (sized(suites), sized([s0, s1]), sized([c0, c1]));
    let known = rest.get(..suites).is_some_and(|suites| {
        suites.len() % 3 == 0 && suites.chunks(3).any(|suite| suite.first() == Some(&0))
    });
    if rest.len() != suites + session + challenge || !known {
        return Inspection::NotTls;
    }
    ClientHello::without_extensions([major, minor])
}

/// A cursor over the payloads of handshake records that were seen to be whole.
#[derive(Clone, Copy, Debug)]
pub(super) struct Message<'b> {
    /// What is left of the current record.
    segment: &'b [u8],
    /// The records after it.
    records: &'b [u8],
    /// What is left of the message.
    left: usize,
}

impl<'b> Message<'b> {
    pub(super) const EMPTY: Self = Self { segment: &[], records: &[], left: 0 };

    /// The first `left` bytes of payload in `records`.
    fn all(records: &'b [u8], left: usize) -> Self {
        let mut message = Self { segment: &[], records, left };
        message.next_record();
        message
    }

    /// The kind and the length of the handshake message that starts here.
    fn header(mut self) -> Option<(u8, usize)> {
        let kind = self.u8()?;
        Some((kind, usize::from(self.u8()?) << 16 | self.u16()?))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.left == 0
    }

    pub(super) fn len(&self) -> usize {
        self.left
    }

    /// The bytes left, when one record holds them all.
    pub(super) fn contiguous(&self) -> Option<&'b [u8]> {
        self.segment.get(..self.left)
    }

    /// Moves on to a record with something in it.
    fn next_record(&mut self) {
        while self.segment.is_empty() && self.left > 0 {
            let Ok(next) = record(self.records) else {
                self.left = 0;
                return;
            };
            self.records = next.rest;
            // Warnings may stand between.
            if next.kind == HANDSHAKE {
                self.segment = next.payload;
            }
        }
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        if self.left == 0 {
            return None;
        }
        let (first, rest) = self.segment.split_first()?;
        self.segment = rest;
        self.left -= 1;
        self.next_record();
        Some(*first)
    }

    pub(super) fn u16(&mut self) -> Option<usize> {
        Some(usize::from(u16::from_be_bytes([self.u8()?, self.u8()?])))
    }

    fn skip(&mut self, mut count: usize) {
        while count > 0 && self.left > 0 {
            let step = count.min(self.segment.len()).min(self.left);
            self.segment = self.segment.get(step..).unwrap_or_default();
            self.left -= step;
            count -= step;
            self.next_record();
        }
    }

    /// The next `count` bytes.
    pub(super) fn take(&mut self, count: usize) -> Option<Self> {
        if count > self.left {
            return None;
        }
        let part = Self { left: count, ..*self };
        self.skip(count);
        Some(part)
    }

    /// Bytes behind their length in one byte.
    pub(super) fn short(&mut self) -> Option<Self> {
        let length = self.u8()?;
        self.take(usize::from(length))
    }

    /// Bytes behind their length in two bytes.
    pub(super) fn long(&mut self) -> Option<Self> {
        let length = self.u16()?;
        self.take(length)
    }
}
