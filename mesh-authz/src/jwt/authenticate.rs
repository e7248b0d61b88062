//! The pure step from a request to an outcome.

use std::sync::Arc;
use std::time::Duration;

use super::build::{Keys, Rule, sanitized};
use super::failure::JwtFailure;
use super::location::{Found, Place, without_params};
use super::outcome::{JwtOutcome, Rejection, RequestEdits, VerifiedToken};
use super::store::{KeySource, KeyStore};
use super::token::Token;
use super::verify::{SignatureVerifier, check};
use super::{JwtAuthenticationBuilder, JwtBuildError, output};
use crate::request::HttpAttributes;

/// The clock skew that Envoy grants, in seconds; Istio cannot change it (AUTHZ-JWT-23).
const SKEW: u64 = 60;

/// What verifying tokens needs beside the request: the time, and who checks signatures.
#[derive(Clone, Copy)]
pub struct JwtContext<'c> {
    now: Duration,
    verifier: &'c dyn SignatureVerifier,
    keys: Option<&'c KeyStore>,
}

impl<'c> JwtContext<'c> {
    /// `now` is the time since the Unix epoch, which `SystemTime::now().duration_since(UNIX_EPOCH)` tells.
    pub fn new(now: Duration, verifier: &'c dyn SignatureVerifier) -> Self {
        Self { now, verifier, keys: None }
    }

    /// The keys that have been fetched. Without them every token of a rule whose keys must be fetched is refused.
    #[must_use]
    pub fn keys(mut self, keys: &'c KeyStore) -> Self {
        self.keys = Some(keys);
        self
    }
}

impl std::fmt::Debug for JwtContext<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JwtContext").field("now", &self.now).field("keys", &self.keys).finish_non_exhaustive()
    }
}

/// The request authentication of one workload, ready to verify tokens.
///
/// Immutable; see the [module page](super) for an example.
#[derive(Debug, Clone)]
pub struct JwtAuthentication {
    /// By issuer.
    rules: Vec<Rule>,
    /// The headers that rules write, in lower case and without repetition.
    output_headers: Arc<[String]>,
    invalid: Vec<JwtBuildError>,
}

impl JwtAuthentication {
    /// Collects request authentications.
    pub fn builder() -> JwtAuthenticationBuilder {
        JwtAuthenticationBuilder::default()
    }

    pub(crate) fn new(rules: Vec<Rule>, invalid: Vec<JwtBuildError>) -> Self {
        let payload = rules.iter().filter_map(|rule| rule.payload_header.clone());
        let claims = rules.iter().flat_map(|rule| rule.claim_headers.iter().map(|(name, _)| name.clone()));
        let mut output_headers: Vec<String> = payload.chain(claims).collect();
        output_headers.sort_unstable();
        output_headers.dedup();
        Self { rules, output_headers: output_headers.into(), invalid }
    }

    /// The rules that could not be built and were kept; see
    /// [`keep_invalid`](JwtAuthenticationBuilder::keep_invalid).
    pub fn invalid(&self) -> &[JwtBuildError] {
        &self.invalid
    }

    /// The keys to fetch, each once.
    pub fn key_sources(&self) -> Vec<&KeySource> {
        let fetched = self.rules.iter().filter_map(|rule| match &rule.keys {
            Keys::Fetched(source) => Some(source),
            Keys::Inline(_) | Keys::Unusable => None,
        });
        let mut sources: Vec<_> = fetched.collect();
        sources.sort_unstable();
        sources.dedup();
        sources
    }

    /// Looks for tokens, and verifies those it finds.
    ///
    /// The rules are tried in the order of their issuers. The first rule that finds a token, and whose tokens are
    /// all good, decides; if no rule finds one the request goes on without identity; else it is refused
    /// (AUTHZ-JWT-03, AUTHZ-JWT-04). A CORS preflight is not looked at (AUTHZ-JWT-07).
    ///
    /// Cost: one search of each rule's places, about 20 ns; parsing each distinct token once, about 5 µs for 750 bytes;
    /// and one signature for each rule and token that got so far and each key that fits. Allocates in proportion to
    /// the tokens, and not at all without one. Never panics.
    pub fn authenticate(&self, http: &HttpAttributes<'_>, context: &JwtContext<'_>) -> JwtOutcome {
        // DIFFERENCE AUTHZ-JWT-07: Envoy leaves forged output headers in a preflight. They are stripped here, as
        // AUTHZ-JWT-31 has it for all other requests.
        let edits = RequestEdits { stripped: Arc::clone(&self.output_headers), ..RequestEdits::default() };
        if is_cors_preflight(http) {
            return JwtOutcome::NoToken(edits);
        }
        let mut tokens = Tokens::default();
        let mut failure: Option<JwtFailure> = None;
        for rule in &self.rules {
            let mut found = Vec::new();
            for place in &rule.places {
                place.tokens(http, &self.output_headers, &mut found);
            }
            if found.is_empty() {
                continue;
            }
            match tokens.verify(rule, &found, context) {
                Ok(last) => return JwtOutcome::Verified(accept(rule, &found, last, edits, http)),
                // The first that says more than that the rule is for somebody else (AUTHZ-JWT-06).
                Err(reason) => match failure {
                    None | Some(JwtFailure::UnknownIssuer) => failure = Some(reason),
                    Some(_) => {}
                },
            }
        }
        match failure {
            None => JwtOutcome::NoToken(edits),
            Some(failure) => JwtOutcome::Rejected(Rejection::new(failure)),
        }
    }
}

/// A preflight carries no credentials by definition (AUTHZ-JWT-07).
fn is_cors_preflight(http: &HttpAttributes<'_>) -> bool {
    let has = |name| http.headers.any(name, &mut |value| !value.is_empty());
    http.method == b"OPTIONS" && has("origin") && has("access-control-request-method")
}

/// The tokens of a request, each parsed once however many rules look at it.
#[derive(Default)]
struct Tokens {
    parsed: Vec<(Vec<u8>, Result<Token, JwtFailure>)>,
}

impl Tokens {
    fn parse(&mut self, text: &[u8]) -> Result<&Token, JwtFailure> {
        let known = self.parsed.iter().position(|(known, _)| known == text);
        let at = known.unwrap_or_else(|| {
            self.parsed.push((text.to_vec(), Token::parse(text)));
            self.parsed.len() - 1
        });
        match self.parsed.get(at) {
            Some((_, Ok(token))) => Ok(token),
            Some((_, Err(failure))) => Err(*failure),
            None => Err(JwtFailure::Malformed),
        }
    }

    /// The last of the tokens if all are good for the rule, else what is wrong with the first that is not.
    fn verify(
        &mut self,
        rule: &Rule,
        found: &[Found<'_>],
        context: &JwtContext<'_>,
    ) -> Result<&Token, JwtFailure> {
        let (last, others) = found.split_last().ok_or(JwtFailure::Missing)?;
        for other in others {
            verify(rule, self.parse(&other.token)?, context)?;
        }
        let last = self.parse(&last.token)?;
        verify(rule, last, context)?;
        Ok(last)
    }
}

/// Issuer, times, audiences, signature, in this order (AUTHZ-JWT-20).
fn verify(rule: &Rule, token: &Token, context: &JwtContext<'_>) -> Result<(), JwtFailure> {
    if !rule.issuer.is_empty() && token.issuer() != Some(&rule.issuer) {
        return Err(JwtFailure::UnknownIssuer);
    }
    let now = context.now.as_secs();
    if token.nbf.is_some_and(|nbf| now.saturating_add(SKEW) < nbf) {
        return Err(JwtFailure::NotYetValid);
    }
    // 0 is as good as none, in Envoy as well.
    if token.exp.is_some_and(|exp| exp != 0 && now > exp.saturating_add(SKEW)) {
        return Err(JwtFailure::Expired);
    }
    if !rule.audiences.is_empty() {
        let allowed = |audience: &str| rule.audiences.iter().any(|allowed| allowed == sanitized(audience));
        if !token.audiences().any(allowed) {
            return Err(JwtFailure::AudienceNotAllowed);
        }
    }
    let keys = match &rule.keys {
        Keys::Inline(keys) => keys,
        Keys::Fetched(source) => {
            let found = context.keys.and_then(|store| store.lookup(source, context.now).keys());
            found.ok_or(JwtFailure::KeysNotFetched)?
        }
        Keys::Unusable => return Err(JwtFailure::NoValidKeys),
    };
    check(token, keys, context.verifier)
}

/// The edits and claims of the rule that has verified its tokens. With several tokens the claims are the last one's.
fn accept(
    rule: &Rule,
    found: &[Found<'_>],
    token: &Token,
    mut edits: RequestEdits,
    http: &HttpAttributes<'_>,
) -> VerifiedToken {
    output::headers(token, rule, &mut edits.add);
    if !rule.forward_original_token {
        let mut params = Vec::new();
        for found in found {
            match found.place {
                Place::Header { name, .. } if !edits.consumed.contains(name) => {
                    edits.consumed.push(name.clone());
                }
                Place::Param(name) => params.push(name.as_str()),
                Place::Header { .. } | Place::Cookie(_) => {}
            }
        }
        if !params.is_empty() {
            edits.path = Some(without_params(http.path_and_query, &params));
        }
    }
    VerifiedToken { claims: output::claims(token, &rule.space_delimited), edits }
}
