//! Request authentication as plain values: what a `RequestAuthentication` says, before it is compiled.

use std::fmt;

use super::keys::KeySet;
use crate::policy::PolicyId;

/// One `RequestAuthentication` that is known to apply to the workload.
///
/// Selection by labels and `targetRefs` has happened before. All that apply count together (AUTHZ-JWT-01).
#[derive(Debug, Clone)]
pub struct RequestAuthentication {
    pub(crate) id: PolicyId,
    pub(crate) rules: Vec<JwtRule>,
}

impl RequestAuthentication {
    /// A request authentication without rules, which has no effect.
    pub fn new(id: PolicyId) -> Self {
        Self { id, rules: Vec::new() }
    }

    /// Adds an entry of `jwtRules`.
    #[must_use]
    pub fn rule(mut self, rule: JwtRule) -> Self {
        self.rules.push(rule);
        self
    }

    /// Namespace and name.
    pub fn id(&self) -> &PolicyId {
        &self.id
    }
}

/// One entry of `jwtRules`: whose tokens are taken, and where they are found.
///
/// Values are written as in Istio's YAML and checked when [`JwtAuthentication`](super::JwtAuthentication) is built.
/// Without [`jwks`](Self::jwks), [`keys`](Self::keys) or [`jwks_uri`](Self::jwks_uri) the keys are those that OpenID
/// discovery finds for the issuer (AUTHZ-JWKS-01).
///
/// ```
/// use mesh_authz::jwt::JwtRule;
///
/// let rule = JwtRule::new("https://issuer.example")
///     .audiences(["shop"])
///     .from_header("x-token", "")
///     .output_claim_to_header("x-user", "sub");
/// # let _ = rule;
/// ```
#[derive(Clone)]
pub struct JwtRule {
    pub(crate) issuer: String,
    pub(crate) audiences: Vec<String>,
    pub(crate) jwks: Option<String>,
    pub(crate) keys: Option<KeySet>,
    pub(crate) jwks_uri: Option<String>,
    pub(crate) from_headers: Vec<(String, String)>,
    pub(crate) from_params: Vec<String>,
    pub(crate) from_cookies: Vec<String>,
    pub(crate) forward_original_token: bool,
    pub(crate) output_payload_to_header: Option<String>,
    pub(crate) output_claim_to_headers: Vec<(String, String)>,
    pub(crate) space_delimited_claims: Vec<String>,
}

impl JwtRule {
    /// A rule for the tokens whose `iss` is exactly `issuer`; an empty one takes any (AUTHZ-JWT-22).
    pub fn new(issuer: &str) -> Self {
        Self {
            issuer: issuer.to_owned(),
            audiences: Vec::new(),
            jwks: None,
            keys: None,
            jwks_uri: None,
            from_headers: Vec::new(),
            from_params: Vec::new(),
            from_cookies: Vec::new(),
            forward_original_token: false,
            output_payload_to_header: None,
            output_claim_to_headers: Vec::new(),
            space_delimited_claims: Vec::new(),
        }
    }

    /// Audiences of which a token must have one. They are compared without leading `http://` or `https://` and
    /// without one trailing `/` (AUTHZ-JWT-24). None: not checked.
    #[must_use]
    pub fn audiences<'a>(mut self, audiences: impl IntoIterator<Item = &'a str>) -> Self {
        self.audiences.extend(audiences.into_iter().map(str::to_owned));
        self
    }

    /// The keys as the text of a JSON Web Key Set.
    #[must_use]
    pub fn jwks(mut self, text: &str) -> Self {
        self.jwks = Some(text.to_owned());
        self
    }

    /// The keys as values; they go before [`jwks`](Self::jwks).
    #[must_use]
    pub fn keys(mut self, keys: KeySet) -> Self {
        self.keys = Some(keys);
        self
    }

    /// Where the keys are fetched; see [`KeyStore`](super::KeyStore).
    #[must_use]
    pub fn jwks_uri(mut self, uri: &str) -> Self {
        self.jwks_uri = Some(uri.to_owned());
        self
    }

    /// Looks for tokens in the header `name` after `prefix`, such as `Bearer ` with its space; with an empty prefix
    /// the whole value is the token (AUTHZ-JWT-11, AUTHZ-JWT-12).
    ///
    /// Naming any place, here or below, takes the place of the defaults: the header `Authorization` with the prefix
    /// `Bearer `, then the query parameter `access_token` (AUTHZ-JWT-10).
    #[must_use]
    pub fn from_header(mut self, name: &str, prefix: &str) -> Self {
        self.from_headers.push((name.to_owned(), prefix.to_owned()));
        self
    }

    /// Looks for a token in the query parameter `name` (AUTHZ-JWT-14).
    #[must_use]
    pub fn from_param(mut self, name: &str) -> Self {
        self.from_params.push(name.to_owned());
        self
    }

    /// Looks for a token in the cookie `name` (AUTHZ-JWT-14).
    #[must_use]
    pub fn from_cookie(mut self, name: &str) -> Self {
        self.from_cookies.push(name.to_owned());
        self
    }

    /// Leaves the token in the request; otherwise the header or parameter it came in is removed (AUTHZ-JWT-15).
    #[must_use]
    pub fn forward_original_token(mut self) -> Self {
        self.forward_original_token = true;
        self
    }

    /// Passes the payload of a verified token on in the header `name`, as it came: base64url without padding
    /// (AUTHZ-JWT-31).
    #[must_use]
    pub fn output_payload_to_header(mut self, name: &str) -> Self {
        self.output_payload_to_header = Some(name.to_owned());
        self
    }

    /// Passes a claim of a verified token on in `header`; dots in `claim` walk into objects (AUTHZ-JWT-31).
    #[must_use]
    pub fn output_claim_to_header(mut self, header: &str, claim: &str) -> Self {
        self.output_claim_to_headers.push((header.to_owned(), claim.to_owned()));
        self
    }

    /// Names further top-level claims that policies see as lists, split at spaces; `scope` and `permission` always
    /// are (AUTHZ-COND-07).
    #[must_use]
    pub fn space_delimited_claims<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
        self.space_delimited_claims.extend(names.into_iter().map(str::to_owned));
        self
    }
}

impl fmt::Debug for JwtRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The text of a key set may hold a secret.
        let jwks = self.jwks.as_ref().map(|text| format!("{} bytes", text.len()));
        f.debug_struct("JwtRule")
            .field("issuer", &self.issuer)
            .field("audiences", &self.audiences)
            .field("jwks", &jwks)
            .field("keys", &self.keys)
            .field("jwks_uri", &self.jwks_uri)
            .finish_non_exhaustive()
    }
}
