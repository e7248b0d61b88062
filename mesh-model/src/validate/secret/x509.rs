//! Certificates and keys: when a certificate is valid, for whom, and whether a key belongs to it.
//!
//! Signatures are not verified: whether anybody trusts a certificate is not known here.

use crate::common::Timestamp;
use pkcs8::PrivateKeyInfoRef;
use std::net::IpAddr;
use x509_cert::Certificate as Parsed;
use x509_cert::der::Decode as _;
use x509_cert::der::oid::ObjectIdentifier;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::time::Time;

const RSA: ObjectIdentifier = pkcs1::ALGORITHM_OID;
const ELLIPTIC: ObjectIdentifier = sec1::ALGORITHM_OID;

/// The public half of a key pair: its algorithm, and its bytes if they are known.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PublicKey {
    algorithm: ObjectIdentifier,
    /// The modulus of an RSA key, the point of another.
    bytes: Option<Vec<u8>>,
}

impl PublicKey {
    /// False when the two cannot be of one pair.
    pub(super) fn fits(&self, other: &PublicKey) -> bool {
        self.algorithm == other.algorithm
            && match (&self.bytes, &other.bytes) {
                (Some(one), Some(two)) => one == two,
                _ => true,
            }
    }
}

/// A certificate.
#[derive(Debug)]
pub(super) struct Certificate {
    pub(super) not_before: Timestamp,
    pub(super) not_after: Timestamp,
    pub(super) key: PublicKey,
    /// Names it is for.
    pub(super) dns_names: Vec<String>,
    /// Addresses it is for.
    pub(super) addresses: Vec<IpAddr>,
}

fn time(time: Time) -> Timestamp {
    Timestamp::from_unix_seconds(i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX))
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let four = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    four.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

impl Certificate {
    pub(super) fn parse(der: &[u8]) -> Option<Self> {
        let parsed = Parsed::from_der(der).ok()?;
        let body = parsed.tbs_certificate();
        let info = body.subject_public_key_info();
        let key = info.subject_public_key.as_bytes()?;
        let bytes = if info.algorithm.oid == RSA {
            pkcs1::RsaPublicKeyRef::from_der(key).ok()?.modulus.as_bytes()
        } else {
            key
        };
        let mut out = Self {
            not_before: time(body.validity().not_before),
            not_after: time(body.validity().not_after),
            key: PublicKey { algorithm: info.algorithm.oid, bytes: Some(bytes.to_vec()) },
            dns_names: Vec::new(),
            addresses: Vec::new(),
        };
        let names = body.get_extension::<SubjectAltName>().ok()?;
        for name in names.into_iter().flat_map(|(_, names)| names.0) {
            match name {
                GeneralName::DnsName(name) => out.dns_names.push(name.as_str().to_ascii_lowercase()),
                GeneralName::IpAddress(bytes) => out.addresses.extend(address(bytes.as_bytes())),
                _ => {}
            }
        }
        Some(out)
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

/// The public half of a private key: `BEGIN RSA PRIVATE KEY`.
pub(super) fn pkcs1(der: &[u8]) -> Option<PublicKey> {
    let key = pkcs1::RsaPrivateKeyRef::from_der(der).ok()?;
    Some(PublicKey { algorithm: RSA, bytes: Some(key.modulus.as_bytes().to_vec()) })
}

/// The public half of a private key: `BEGIN EC PRIVATE KEY`.
pub(super) fn sec1(der: &[u8]) -> Option<PublicKey> {
    let key = sec1::EcPrivateKey::from_der(der).ok()?;
    Some(PublicKey { algorithm: ELLIPTIC, bytes: key.public_key.map(<[u8]>::to_vec) })
}

/// The public half of a private key: `BEGIN PRIVATE KEY`.
pub(super) fn pkcs8(der: &[u8]) -> Option<PublicKey> {
    let key = PrivateKeyInfoRef::from_der(der).ok()?;
    let algorithm = key.algorithm.oid;
    if algorithm == RSA {
        return pkcs1(key.private_key.as_bytes());
    }
    if algorithm == ELLIPTIC {
        return sec1(key.private_key.as_bytes());
    }
    Some(PublicKey { algorithm, bytes: key.public_key.and_then(|key| key.as_bytes().map(<[u8]>::to_vec)) })
}
