//! RequestAuthentication: which JSON Web Tokens are valid.

use crate::common::{Duration, PolicySelector, TargetRef};
use crate::macros::{not_empty_text, spec};

not_empty_text!(issuer, "MODEL-RA-2");
not_empty_text!(jwks_uri, "MODEL-RA-3");

spec! {
    /// `spec` of a RequestAuthentication.
    pub struct RequestAuthentication {
        /// Absent is the whole namespace, or the mesh in the root namespace.
        pub selector: Option<PolicySelector>,
        /// Older singular form.
        pub target_ref: Option<TargetRef>,
        /// Attach by name; excludes `selector`.
        pub target_refs: Vec<TargetRef>,
        /// Accepted issuers. A request without a token passes.
        pub jwt_rules: Vec<JwtRule>,
    }

    /// One issuer.
    pub struct JwtRule {
        /// The `iss` claim.
        #[serde(deserialize_with = "issuer")]
        pub issuer: String,
        /// Accepted `aud` values; empty accepts the service's name.
        pub audiences: Vec<String>,
        /// Where the keys are.
        #[serde(deserialize_with = "jwks_uri")]
        pub jwks_uri: String,
        /// The keys themselves.
        pub jwks: String,
        /// Headers that carry the token.
        pub from_headers: Vec<JwtHeader>,
        /// Query parameters that carry the token.
        pub from_params: Vec<String>,
        /// Cookies that carry the token.
        pub from_cookies: Vec<String>,
        /// Header for the payload, base64.
        pub output_payload_to_header: String,
        /// Headers for single claims.
        pub output_claim_to_headers: Vec<ClaimToHeader>,
        /// Keep the token on the forwarded request.
        pub forward_original_token: bool,
        /// Of the key fetch; absent is 5 s.
        pub timeout: Option<Duration>,
        /// Claims split at blanks, besides `scope` and `permission`.
        pub space_delimited_claims: Vec<String>,
    }

    /// A header that carries a token.
    pub struct JwtHeader {
        /// Required.
        pub name: String,
        /// Text before the token.
        pub prefix: String,
    }

    /// A claim copied to a header.
    pub struct ClaimToHeader {
        /// Required.
        pub header: String,
        /// Required; may be nested, `a.b.c`.
        pub claim: String,
    }
}
