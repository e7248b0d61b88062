//! Why a token is refused, in Envoy's words.

use std::error::Error;
use std::fmt;

macro_rules! failures {
    ($($(#[$doc:meta])* $name:ident => $message:literal,)*) => {
        /// Why a token, or a key set, is refused (AUTHZ-JWT-29).
        ///
        /// `Display` writes the message that Envoy answers with, letter by letter: clients and dashboards match on
        /// it. That is why it does not follow the grammar of this crate's other messages.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum JwtFailure {
            $($(#[$doc])* $name,)*
        }

        impl JwtFailure {
            /// All of them.
            #[cfg(test)]
            pub(crate) const ALL: &[Self] = &[$(Self::$name,)*];

            /// The message, which is also the body of the answer.
            pub fn message(self) -> &'static str {
                match self {
                    $(Self::$name => $message,)*
                }
            }
        }
    };
}

failures! {
    /// There is no token. Istio's rules never end with it (AUTHZ-JWT-06); here for embedders that insist on a token.
    Missing => "Jwt is missing",
    /// `nbf` lies more than a minute ahead (AUTHZ-JWT-23).
    NotYetValid => "Jwt not yet valid",
    /// `exp` lies more than a minute back (AUTHZ-JWT-23).
    Expired => "Jwt is expired",
    /// Not three parts, or longer than 64 KiB.
    Malformed => "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections",
    /// The first part is not base64url.
    HeaderBase64 => "Jwt header is an invalid Base64url encoded",
    /// The first part is no JSON object, or names a member twice.
    HeaderJson => "Jwt header is an invalid JSON",
    /// No `alg`, or not a string.
    AlgMissing => "Jwt header [alg] field is required and must be a string",
    /// `alg` is none of AUTHZ-JWT-26.
    AlgUnsupported => "Jwt header [alg] is not supported",
    /// `kid` is not a string.
    KidNotString => "Jwt header [kid] field is not a string",
    /// The second part is not base64url.
    PayloadBase64 => "Jwt payload is an invalid Base64url encoded",
    /// The second part is no JSON object, or names a member twice.
    PayloadJson => "Jwt payload is an invalid JSON",
    /// `iss` is not a string.
    IssNotString => "Jwt payload [iss] field is not a string",
    /// `sub` is not a string.
    SubNotString => "Jwt payload [sub] field is not a string",
    /// `jti` is not a string.
    JtiNotString => "Jwt payload [jti] field is not a string",
    /// `iat` is not a number.
    IatNotInteger => "Jwt payload [iat] field is not an integer",
    /// `iat` is negative or too large.
    IatOutOfRange => "Jwt payload [iat] field is not a positive 64 bit integer",
    /// `nbf` is not a number.
    NbfNotInteger => "Jwt payload [nbf] field is not an integer",
    /// `nbf` is negative or too large.
    NbfOutOfRange => "Jwt payload [nbf] field is not a positive 64 bit integer",
    /// `exp` is not a number.
    ExpNotInteger => "Jwt payload [exp] field is not an integer",
    /// `exp` is negative or too large.
    ExpOutOfRange => "Jwt payload [exp] field is not a positive 64 bit integer",
    /// `aud` is neither a string nor a list of strings.
    AudNotString => "Jwt payload [aud] field is not a string or string list",
    /// The third part is not base64url.
    SignatureBase64 => "Jwt signature is an invalid Base64url encoded",
    /// An Ed25519 key was chosen and the signature does not have 64 bytes (AUTHZ-JWT-25).
    Ed25519Length => "Jwt ED25519 signature is wrong length",
    /// No rule at the token's place is for its issuer (AUTHZ-JWT-22).
    UnknownIssuer => "Jwt issuer is not configured",
    /// No audience of the token is one of the rule's (AUTHZ-JWT-24). The only failure with status 403.
    AudienceNotAllowed => "Audiences in Jwt are not allowed",
    /// No key that fits has made the signature (AUTHZ-JWT-25).
    VerificationFails => "Jwt verification fails",
    /// No key has the token's `kid` and `alg` (AUTHZ-JWT-25).
    NoMatchingKey => "Jwks doesn't have key to match kid or alg from Jwt",
    /// The key set holds no key that can be used (AUTHZ-JWKS-05).
    NoValidKeys => "Jwks doesn't have any valid public key",
    /// The keys are not there: not fetched yet, fetching failed, or too old (AUTHZ-JWKS-04).
    KeysNotFetched => "Jwks remote fetch is failed",
    /// The key set is no JSON object, or names a member twice.
    KeysJson => "Jwks is an invalid JSON",
    /// The key set has no `keys`.
    KeysMissing => "Jwks does not have [keys] field",
    /// `keys` of the key set is not a list.
    KeysNotArray => "[keys] in Jwks is not an array",
}

impl JwtFailure {
    /// The HTTP status: 403 for an audience that is not allowed, 401 for everything else (AUTHZ-JWT-28).
    pub fn status(self) -> u16 {
        if self == Self::AudienceNotAllowed { 403 } else { 401 }
    }

    /// The `grpc-status` for a gRPC request: 7, permission denied, or 16, unauthenticated (AUTHZ-JWT-28).
    pub fn grpc_status(self) -> u8 {
        if self == Self::AudienceNotAllowed { 7 } else { 16 }
    }

    /// Envoy's response-code details, such as `jwt_authn_access_denied{Jwt_is_expired}` (AUTHZ-JWT-28).
    pub fn response_code_details(self) -> String {
        format!("jwt_authn_access_denied{{{}}}", self.message().replace(' ', "_"))
    }
}

impl fmt::Display for JwtFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl Error for JwtFailure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_as_the_reference_lists_them() {
        // AUTHZ-JWT-29: the list of the reference, which groups the fields of the payload.
        let spec = "Jwt is missing; Jwt not yet valid; Jwt is expired; \
             Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections; \
             Jwt header is an invalid Base64url encoded; Jwt header is an invalid JSON; \
             Jwt header [alg] field is required and must be a string; Jwt header [alg] is not supported; \
             Jwt header [kid] field is not a string; Jwt payload is an invalid Base64url encoded; \
             Jwt payload is an invalid JSON; Jwt payload [iss] field is not a string; \
             Jwt payload [sub] field is not a string; Jwt payload [jti] field is not a string; \
             Jwt payload [iat] field is not an integer; Jwt payload [iat] field is not a positive 64 bit integer; \
             Jwt payload [nbf] field is not an integer; Jwt payload [nbf] field is not a positive 64 bit integer; \
             Jwt payload [exp] field is not an integer; Jwt payload [exp] field is not a positive 64 bit integer; \
             Jwt payload [aud] field is not a string or string list; \
             Jwt signature is an invalid Base64url encoded; Jwt ED25519 signature is wrong length; \
             Jwt issuer is not configured; Audiences in Jwt are not allowed; Jwt verification fails; \
             Jwks doesn't have key to match kid or alg from Jwt; Jwks doesn't have any valid public key; \
             Jwks remote fetch is failed; Jwks is an invalid JSON; Jwks does not have [keys] field; \
             [keys] in Jwks is not an array";
        let ours: Vec<_> = JwtFailure::ALL.iter().map(ToString::to_string).collect();
        assert_eq!(ours, spec.split("; ").collect::<Vec<_>>());
    }

    #[test]
    fn only_audiences_are_forbidden() {
        // AUTHZ-JWT-28
        for &failure in JwtFailure::ALL {
            let expected = if failure == JwtFailure::AudienceNotAllowed { (403, 7) } else { (401, 16) };
            assert_eq!((failure.status(), failure.grpc_status()), expected);
        }
        let details = JwtFailure::AudienceNotAllowed.response_code_details();
        assert_eq!(details, "jwt_authn_access_denied{Audiences_in_Jwt_are_not_allowed}");
    }
}
