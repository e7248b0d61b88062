//! A compact token taken apart (AUTHZ-JWT-21).

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::algorithm::Algorithm;
use super::failure::JwtFailure;
use super::json::Json;

/// More than any proxy lets through as headers; Envoy stops at 60 KiB for all of them together.
const MAX_TOKEN: usize = 64 * 1024;

/// As lenient as Envoy's: padding may be there or not, and loose bits of the last character are dropped. That the same
/// token can be written in several ways does no harm, because nothing here looks a token up by its text.
const BARE: GeneralPurpose = base64url(DecodePaddingMode::RequireNone);
const PADDED: GeneralPurpose = base64url(DecodePaddingMode::RequireCanonical);

const fn base64url(padding: DecodePaddingMode) -> GeneralPurpose {
    let config = GeneralPurposeConfig::new();
    GeneralPurpose::new(
        &URL_SAFE,
        config.with_decode_padding_mode(padding).with_decode_allow_trailing_bits(true),
    )
}

/// 2⁶⁴, the first number that does not fit; a power of two, so exact.
const TWO_TO_THE_64: f64 = 18_446_744_073_709_551_616.0;

/// A token whose form is right. Nothing in it has been checked against anything.
#[derive(Debug)]
pub(crate) struct Token {
    pub(crate) algorithm: Algorithm,
    /// Empty if it has none, which means the same (AUTHZ-JWT-25).
    pub(crate) kid: String,
    pub(crate) payload: Json,
    /// Header, dot and payload as they came: what is signed.
    pub(crate) signed: String,
    /// Where in `signed` the payload starts.
    payload_at: usize,
    pub(crate) signature: Vec<u8>,
    pub(crate) nbf: Option<u64>,
    pub(crate) exp: Option<u64>,
}

impl Token {
    pub(crate) fn parse(text: &[u8]) -> Result<Self, JwtFailure> {
        let text = std::str::from_utf8(text).ok().filter(|text| text.len() <= MAX_TOKEN);
        // DIFFERENCE AUTHZ-JWT-21: Envoy skips line breaks and tabs as it skips blanks. A query can bring them, and the
        // payload may be passed on in a header, so they are refused.
        let text = text.filter(|text| !text.bytes().any(|byte| byte.is_ascii_control()));
        let text = text.ok_or(JwtFailure::Malformed)?;
        let mut parts = text.split('.').filter(|part| !part.is_empty());
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(JwtFailure::Malformed);
        };
        let payload_at = header.len() + 1;
        let signed = format!("{header}.{payload}");

        let header = decode(header).ok_or(JwtFailure::HeaderBase64)?;
        let header = object(&header).ok_or(JwtFailure::HeaderJson)?;
        let algorithm = header.get("alg").and_then(Json::as_str).ok_or(JwtFailure::AlgMissing)?;
        let algorithm = Algorithm::parse(algorithm).ok_or(JwtFailure::AlgUnsupported)?;
        let kid = string(&header, "kid", JwtFailure::KidNotString)?.unwrap_or_default().to_owned();

        let payload = decode(payload).ok_or(JwtFailure::PayloadBase64)?;
        let payload = object(&payload).ok_or(JwtFailure::PayloadJson)?;
        string(&payload, "iss", JwtFailure::IssNotString)?;
        string(&payload, "sub", JwtFailure::SubNotString)?;
        integer(&payload, "iat", JwtFailure::IatNotInteger, JwtFailure::IatOutOfRange)?;
        let nbf = integer(&payload, "nbf", JwtFailure::NbfNotInteger, JwtFailure::NbfOutOfRange)?;
        let exp = integer(&payload, "exp", JwtFailure::ExpNotInteger, JwtFailure::ExpOutOfRange)?;
        string(&payload, "jti", JwtFailure::JtiNotString)?;
        check_audiences(&payload)?;

        let signature = decode(signature).ok_or(JwtFailure::SignatureBase64)?;
        Ok(Self { algorithm, kid, payload, signed, payload_at, signature, nbf, exp })
    }

    /// The payload as it came: base64url without padding (AUTHZ-JWT-31).
    pub(crate) fn payload_text(&self) -> &str {
        self.signed.get(self.payload_at..).unwrap_or_default()
    }

    /// The claim `iss`.
    pub(crate) fn issuer(&self) -> Option<&str> {
        self.payload.get("iss").and_then(Json::as_str)
    }

    /// The claim `aud`, one or several.
    pub(crate) fn audiences(&self) -> impl Iterator<Item = &str> {
        let found = self.payload.get("aud");
        let (one, list) = match found {
            Some(Json::List(items)) => (None, items.as_slice()),
            other => (other, &[][..]),
        };
        one.into_iter().chain(list).filter_map(Json::as_str)
    }
}

/// Blanks do not count, as in Envoy.
fn decode(text: &str) -> Option<Vec<u8>> {
    let engine = if text.contains('=') { PADDED } else { BARE };
    if text.contains(' ') { engine.decode(text.replace(' ', "")) } else { engine.decode(text) }.ok()
}

// DIFFERENCE AUTHZ-JWT-21: Envoy's reader takes `null` for an empty object and a comma after the last member. No issuer
// writes that, and refusing it only ever refuses.
fn object(text: &[u8]) -> Option<Json> {
    Json::parse(text).filter(|json| matches!(json, Json::Object(_)))
}

fn string<'j>(object: &'j Json, name: &str, otherwise: JwtFailure) -> Result<Option<&'j str>, JwtFailure> {
    match object.get(name) {
        None => Ok(None),
        Some(value) => value.as_str().map(Some).ok_or(otherwise),
    }
}

fn integer(
    object: &Json,
    name: &str,
    no_number: JwtFailure,
    out_of_range: JwtFailure,
) -> Result<Option<u64>, JwtFailure> {
    match object.get(name) {
        None => Ok(None),
        Some(Json::Number(value)) if (0.0..TWO_TO_THE_64).contains(value) =>
        {
            #[allow(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "in range, and fractions are cut off on purpose"
            )]
            Ok(Some(*value as u64))
        }
        Some(Json::Number(_)) => Err(out_of_range),
        Some(_) => Err(no_number),
    }
}

fn check_audiences(payload: &Json) -> Result<(), JwtFailure> {
    match payload.get("aud") {
        None | Some(Json::String(_)) => Ok(()),
        Some(Json::List(items)) if items.iter().all(|item| item.as_str().is_some()) => Ok(()),
        Some(_) => Err(JwtFailure::AudNotString),
    }
}
