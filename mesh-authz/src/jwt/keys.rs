//! Key sets (AUTHZ-JWKS-05).

use std::fmt;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::algorithm::Algorithm;
use super::failure::JwtFailure;
use super::json::Json;

/// Issuers write padding or leave it out. Unlike in a token, nothing hangs on there being one spelling only.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Key sets have a few hundred bytes to a few KiB; Istio's own fetcher stops reading at this size as well.
const MAX_TEXT: usize = 1024 * 1024;

/// The curve of an elliptic-curve key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Curve {
    /// `P-256`.
    P256,
    /// `P-384`.
    P384,
    /// `P-521`.
    P521,
}

/// What a key consists of; numbers are big-endian.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyMaterial {
    /// An RSA public key, without leading zero bytes.
    Rsa {
        /// The modulus.
        n: Box<[u8]>,
        /// The exponent.
        e: Box<[u8]>,
    },
    /// An RSA public key as `SubjectPublicKeyInfo` in DER, from a certificate.
    RsaDer(Box<[u8]>),
    /// A point on a curve, both coordinates as long as the curve's numbers are. That it lies on the curve is for the
    /// [`SignatureVerifier`](super::SignatureVerifier) to check.
    Ec {
        /// The curve.
        curve: Curve,
        /// The first coordinate.
        x: Box<[u8]>,
        /// The second coordinate.
        y: Box<[u8]>,
    },
    /// A secret shared with the issuer. Only ever made of a key of type `oct`, never of a public key
    /// (AUTHZ-JWT-27).
    Hmac(Box<[u8]>),
    /// An Ed25519 public key.
    Ed25519(Box<[u8; 32]>),
}

impl KeyMaterial {
    /// Whether a key of this kind can have made a signature of that algorithm: the type of the key decides, and for
    /// elliptic curves the curve, so that no token can choose what a key is used for.
    // DIFFERENCE AUTHZ-JWT-26: Envoy lets a P-384 key without `alg` verify ES256, with the digest that the token
    // asks for, and an Ed25519 or `oct` key whatever the token says its algorithm is. No issuer signs like that.
    pub fn fits(&self, algorithm: Algorithm) -> bool {
        use Algorithm as A;
        match self {
            Self::Rsa { .. } | Self::RsaDer(_) => {
                matches!(algorithm, A::Rs256 | A::Rs384 | A::Rs512 | A::Ps256 | A::Ps384 | A::Ps512)
            }
            Self::Ec { curve: Curve::P256, .. } => algorithm == A::Es256,
            Self::Ec { curve: Curve::P384, .. } => algorithm == A::Es384,
            Self::Ec { curve: Curve::P521, .. } => algorithm == A::Es512,
            Self::Hmac(_) => matches!(algorithm, A::Hs256 | A::Hs384 | A::Hs512),
            Self::Ed25519(_) => algorithm == A::EdDsa,
        }
    }
}

impl fmt::Debug for KeyMaterial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A shared secret does not belong into a log, and the numbers of the others help nobody.
        f.write_str(match self {
            Self::Rsa { .. } | Self::RsaDer(_) => "Rsa",
            Self::Ec { curve: Curve::P256, .. } => "Ec(P-256)",
            Self::Ec { curve: Curve::P384, .. } => "Ec(P-384)",
            Self::Ec { curve: Curve::P521, .. } => "Ec(P-521)",
            Self::Hmac(_) => "Hmac",
            Self::Ed25519(_) => "Ed25519",
        })
    }
}

/// One key of a key set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    kid: String,
    algorithm: Option<Algorithm>,
    material: KeyMaterial,
}

impl Key {
    /// A key without id that verifies any algorithm of its type (AUTHZ-JWT-26).
    pub fn new(material: KeyMaterial) -> Self {
        Self { kid: String::new(), algorithm: None, material }
    }

    /// Names the key; a token that names another is not tried with it. Empty is the same as no name.
    #[must_use]
    pub fn kid(mut self, kid: &str) -> Self {
        kid.clone_into(&mut self.kid);
        self
    }

    /// Restricts the key to one algorithm.
    #[must_use]
    pub fn algorithm(mut self, algorithm: Algorithm) -> Self {
        self.algorithm = Some(algorithm);
        self
    }

    /// What the key consists of.
    pub fn material(&self) -> &KeyMaterial {
        &self.material
    }

    /// Whether a token with this `kid` and `alg` is tried with the key (AUTHZ-JWT-25).
    pub(crate) fn is_candidate(&self, kid: &str, algorithm: Algorithm) -> bool {
        (kid.is_empty() || self.kid.is_empty() || self.kid == kid)
            && self.algorithm.is_none_or(|own| own == algorithm)
    }
}

/// The keys of an issuer, in the order in which they are tried.
///
/// ```
/// use mesh_authz::jwt::{JwtFailure, KeySet};
///
/// let keys = KeySet::parse(r#"{"keys": [
///     {"kty": "OKP", "crv": "Ed25519", "kid": "2024", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
///     {"kty": "oct"}
/// ]}"#)?;
/// assert_eq!(keys.keys().len(), 1); // the second has no `k` and is skipped
/// assert_eq!(KeySet::parse("[]").unwrap_err(), JwtFailure::KeysJson);
/// # Ok::<(), JwtFailure>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeySet {
    keys: Vec<Key>,
}

impl KeySet {
    /// A set of these keys. An empty set refuses every token (AUTHZ-JWKS-03).
    pub fn new(keys: impl IntoIterator<Item = Key>) -> Self {
        Self { keys: keys.into_iter().collect() }
    }

    /// Reads a JSON Web Key Set (AUTHZ-JWKS-05): RSA, EC on P-256, P-384 and P-521, `oct`, and OKP with Ed25519.
    /// Keys that cannot be used are skipped. With the feature `jwt` also an object that maps key ids to RSA
    /// certificates in PEM.
    ///
    /// Cost: linear in the text. Reading once and keeping the set is right.
    ///
    /// # Errors
    ///
    /// [`JwtFailure::KeysJson`] for text that is no JSON object, names a member twice, or exceeds 1 MiB;
    /// [`JwtFailure::KeysMissing`] and [`JwtFailure::KeysNotArray`] for an object of another form;
    /// [`JwtFailure::NoValidKeys`] if no key can be used.
    pub fn parse(text: &str) -> Result<Self, JwtFailure> {
        if text.len() > MAX_TEXT {
            return Err(JwtFailure::KeysJson);
        }
        let json = Json::parse(text.as_bytes()).ok_or(JwtFailure::KeysJson)?;
        let Json::Object(members) = &json else { return Err(JwtFailure::KeysJson) };
        let keys: Vec<Key> = match json.get("keys") {
            Some(Json::List(keys)) => keys.iter().filter_map(key).collect(),
            Some(_) => return Err(JwtFailure::KeysNotArray),
            None => match certificates(members) {
                Some(keys) => keys,
                None => return Err(JwtFailure::KeysMissing),
            },
        };
        if keys.is_empty() { Err(JwtFailure::NoValidKeys) } else { Ok(Self { keys }) }
    }

    /// The keys.
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }
}

/// The key that a member of `keys` describes; `None` if it is of no use.
fn key(json: &Json) -> Option<Key> {
    let kid = optional(json, "kid")?;
    let algorithm = match optional(json, "alg")? {
        "" => None,
        name => Some(Algorithm::parse(name)?),
    };
    let material = match json.get("kty")?.as_str()? {
        "RSA" => KeyMaterial::Rsa { n: number(json, "n")?, e: number(json, "e")? },
        "EC" => {
            let curve = curve(optional(json, "crv")?, algorithm)?;
            let len = match curve {
                Curve::P256 => 32,
                Curve::P384 => 48,
                Curve::P521 => 66,
            };
            KeyMaterial::Ec { curve, x: coordinate(json, "x", len)?, y: coordinate(json, "y", len)? }
        }
        "oct" => KeyMaterial::Hmac(bytes(json, "k")?.into()),
        "OKP" if json.get("crv")?.as_str()? == "Ed25519" => {
            let x: [u8; 32] = bytes(json, "x")?.try_into().ok()?;
            KeyMaterial::Ed25519(Box::new(x))
        }
        _ => return None,
    };
    let fits = algorithm.is_none_or(|algorithm| material.fits(algorithm));
    fits.then(|| Key { kid: kid.to_owned(), algorithm, material })
}

/// A member that is a string if it is there at all; not there is the same as empty.
fn optional<'j>(json: &'j Json, name: &str) -> Option<&'j str> {
    json.get(name).map_or(Some(""), Json::as_str)
}

/// The curve goes by its name, else by the algorithm; with neither it is P-256.
fn curve(name: &str, algorithm: Option<Algorithm>) -> Option<Curve> {
    match (name, algorithm) {
        ("P-256", _) | ("", None | Some(Algorithm::Es256)) => Some(Curve::P256),
        ("P-384", _) | ("", Some(Algorithm::Es384)) => Some(Curve::P384),
        ("P-521", _) | ("", Some(Algorithm::Es512)) => Some(Curve::P521),
        _ => None,
    }
}

fn bytes(json: &Json, name: &str) -> Option<Vec<u8>> {
    LENIENT.decode(json.get(name)?.as_str()?).ok().filter(|bytes| !bytes.is_empty())
}

/// A positive number without leading zero bytes.
fn number(json: &Json, name: &str) -> Option<Box<[u8]>> {
    let bytes = bytes(json, name)?;
    let zeros = bytes.iter().position(|byte| *byte != 0)?;
    Some(bytes.get(zeros..)?.into())
}

/// A number of exactly `len` bytes. Issuers that cut off leading zeros, or put one in front, are common.
fn coordinate(json: &Json, name: &str, len: usize) -> Option<Box<[u8]>> {
    let number = number(json, name)?;
    let mut padded = vec![0; len.checked_sub(number.len())?];
    padded.extend_from_slice(&number);
    Some(padded.into())
}

/// Keys out of an object that maps key ids to certificates; `None` if that is not what the object is.
#[cfg(feature = "jwt")]
fn certificates(members: &[(String, Json)]) -> Option<Vec<Key>> {
    use super::certificate::rsa_key;

    let texts: Vec<_> =
        members.iter().map(|(kid, value)| Some((kid, value.as_str()?))).collect::<Option<_>>()?;
    if !texts.iter().any(|(_, text)| text.contains("-----BEGIN CERTIFICATE-----")) {
        return None;
    }
    let key = |(kid, text): (&String, &str)| Some(Key::new(KeyMaterial::RsaDer(rsa_key(text)?)).kid(kid));
    Some(texts.into_iter().filter_map(key).collect())
}

#[cfg(not(feature = "jwt"))]
fn certificates(_: &[(String, Json)]) -> Option<Vec<Key>> {
    None
}
