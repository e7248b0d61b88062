//! As much of X.509 as it takes to tell when a certificate is valid, for whom, and whether a key belongs to it.
//!
//! Signatures are not verified: whether anybody trusts a certificate is not known here.

use crate::common::Timestamp;
use std::net::IpAddr;

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const OID: u8 = 0x06;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;

const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const ELLIPTIC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];

/// Reads one value after the other.
#[derive(Clone, Copy)]
struct Reader<'d>(&'d [u8]);

impl<'d> Reader<'d> {
    /// Tag and content of the next value.
    fn next(&mut self) -> Option<(u8, &'d [u8])> {
        let (tag, rest) = self.0.split_first()?;
        let (first, mut rest) = rest.split_first()?;
        let length = if *first < 0x80 {
            usize::from(*first)
        } else {
            let count = usize::from(first & 0x7f);
            // Four bytes are more than any document holds; zero is a length that is not given.
            if count == 0 || count > 4 {
                return None;
            }
            let (bytes, after) = rest.split_at_checked(count)?;
            rest = after;
            bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte))
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((*tag, content))
    }

    /// Content of the next value, which must have the tag.
    fn take(&mut self, tag: u8) -> Option<&'d [u8]> {
        self.next().filter(|(found, _)| *found == tag).map(|(_, content)| content)
    }

    /// Content of the next value if it has the tag.
    fn optional(&mut self, tag: u8) -> Option<&'d [u8]> {
        let mut ahead = *self;
        let content = ahead.take(tag)?;
        *self = ahead;
        Some(content)
    }
}

/// The public half of a key pair: its algorithm, and its bytes if they are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PublicKey<'d> {
    algorithm: &'d [u8],
    /// The modulus of an RSA key, the point of another.
    bytes: Option<&'d [u8]>,
}

impl PublicKey<'_> {
    /// False when the two cannot be of one pair.
    pub(super) fn fits(self, other: PublicKey<'_>) -> bool {
        self.algorithm == other.algorithm
            && match (self.bytes, other.bytes) {
                (Some(one), Some(two)) => one == two,
                _ => true,
            }
    }
}

/// A certificate.
#[derive(Debug)]
pub(super) struct Certificate<'d> {
    pub(super) not_before: Timestamp,
    pub(super) not_after: Timestamp,
    pub(super) key: PublicKey<'d>,
    /// Names it is for.
    pub(super) dns_names: Vec<String>,
    /// Addresses it is for.
    pub(super) addresses: Vec<IpAddr>,
}

/// A bit string that is made of whole bytes.
fn bits(content: &[u8]) -> Option<&[u8]> {
    content.split_first().filter(|(unused, _)| **unused == 0).map(|(_, bytes)| bytes)
}

fn unsigned(content: &[u8]) -> &[u8] {
    let zeros = content.iter().take_while(|byte| **byte == 0).count();
    content.get(zeros..).unwrap_or(content)
}

fn time(reader: &mut Reader<'_>) -> Option<Timestamp> {
    let (tag, content) = reader.next()?;
    let text = std::str::from_utf8(content).ok()?;
    let (year, rest) = match tag {
        UTC_TIME => {
            let (year, rest) = text.split_at_checked(2)?;
            // Two digits reach from 1950 to 2049.
            let century = if year < "50" { "20" } else { "19" };
            (format!("{century}{year}"), rest)
        }
        GENERALIZED_TIME => {
            let (year, rest) = text.split_at_checked(4)?;
            (year.to_owned(), rest)
        }
        _ => return None,
    };
    let part = |at: usize| rest.get(at..at + 2);
    let zone = rest.get(10..).filter(|zone| *zone == "Z")?;
    format!("{year}-{}-{}T{}:{}:{}{zone}", part(0)?, part(2)?, part(4)?, part(6)?, part(8)?).parse().ok()
}

impl<'d> Certificate<'d> {
    pub(super) fn parse(der: &'d [u8]) -> Option<Self> {
        let mut certificate = Reader(Reader(der).take(SEQUENCE)?);
        let mut body = Reader(certificate.take(SEQUENCE)?);
        body.optional(0xa0); // version
        body.take(INTEGER)?; // serial number
        body.take(SEQUENCE)?; // algorithm of the signature
        body.take(SEQUENCE)?; // issuer
        let mut validity = Reader(body.take(SEQUENCE)?);
        let (not_before, not_after) = (time(&mut validity)?, time(&mut validity)?);
        body.take(SEQUENCE)?; // subject
        let key = public_key(body.take(SEQUENCE)?)?;
        body.optional(0x81); // ids that nobody uses
        body.optional(0x82);
        let mut out = Self { not_before, not_after, key, dns_names: Vec::new(), addresses: Vec::new() };
        if let Some(extensions) = body.optional(0xa3) {
            let mut list = Reader(Reader(extensions).take(SEQUENCE)?);
            while let Some(extension) = list.optional(SEQUENCE) {
                out.extension(extension)?;
            }
        }
        Some(out)
    }

    fn extension(&mut self, content: &[u8]) -> Option<()> {
        let mut extension = Reader(content);
        if extension.take(OID)? != SUBJECT_ALT_NAME {
            return Some(());
        }
        extension.optional(0x01); // critical
        let mut names = Reader(Reader(extension.take(OCTET_STRING)?).take(SEQUENCE)?);
        while let Some((tag, content)) = names.next() {
            match tag {
                0x82 => self.dns_names.push(std::str::from_utf8(content).ok()?.to_ascii_lowercase()),
                0x87 => {
                    let four = <[u8; 4]>::try_from(content).map(IpAddr::from);
                    let sixteen = <[u8; 16]>::try_from(content).map(IpAddr::from);
                    self.addresses.extend(four.or(sixteen));
                }
                _ => {}
            }
        }
        Some(())
    }

    /// True when a client that asks for `host` accepts the certificate. A host that is itself a wildcard needs the
    /// same wildcard.
    pub(super) fn covers(&self, host: &str) -> bool {
        if let Ok(address) = host.parse::<IpAddr>() {
            return self.addresses.contains(&address);
        }
        let host = host.to_ascii_lowercase();
        // A wildcard stands for one label.
        let wide = host.split_once('.').map(|(_, rest)| format!("*.{rest}"));
        self.dns_names.iter().any(|name| *name == host || Some(name) == wide.as_ref())
    }
}

/// The content of a SubjectPublicKeyInfo.
fn public_key(content: &[u8]) -> Option<PublicKey<'_>> {
    let mut info = Reader(content);
    let algorithm = Reader(info.take(SEQUENCE)?).take(OID)?;
    let key = bits(info.take(BIT_STRING)?)?;
    let bytes =
        if algorithm == RSA { unsigned(Reader(Reader(key).take(SEQUENCE)?).take(INTEGER)?) } else { key };
    Some(PublicKey { algorithm, bytes: Some(bytes) })
}

/// The public half of a private key: `BEGIN RSA PRIVATE KEY`.
pub(super) fn pkcs1(der: &[u8]) -> Option<PublicKey<'_>> {
    let mut key = Reader(Reader(der).take(SEQUENCE)?);
    key.take(INTEGER)?; // version
    Some(PublicKey { algorithm: RSA, bytes: Some(unsigned(key.take(INTEGER)?)) })
}

/// The public half of a private key: `BEGIN EC PRIVATE KEY`.
pub(super) fn sec1(der: &[u8]) -> Option<PublicKey<'_>> {
    let mut key = Reader(Reader(der).take(SEQUENCE)?);
    key.take(INTEGER)?; // version
    key.take(OCTET_STRING)?;
    key.optional(0xa0); // curve
    let bytes = match key.optional(0xa1) {
        Some(point) => Some(bits(Reader(point).take(BIT_STRING)?)?),
        None => None,
    };
    Some(PublicKey { algorithm: ELLIPTIC, bytes })
}

/// The public half of a private key: `BEGIN PRIVATE KEY`.
pub(super) fn pkcs8(der: &[u8]) -> Option<PublicKey<'_>> {
    let mut key = Reader(Reader(der).take(SEQUENCE)?);
    key.take(INTEGER)?; // version
    let algorithm = Reader(key.take(SEQUENCE)?).take(OID)?;
    let inner = key.take(OCTET_STRING)?;
    if algorithm == RSA {
        return pkcs1(inner);
    }
    if algorithm == ELLIPTIC {
        return sec1(inner);
    }
    key.optional(0xa0); // attributes
    Some(PublicKey { algorithm, bytes: key.optional(0x81).and_then(bits) })
}
