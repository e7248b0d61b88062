//! Tokens: Istio's `RequestAuthentication` as a pure step.
//!
//! [`JwtAuthentication`] looks for JSON Web Tokens in a request, verifies them, and says what the request looks like
//! to the policies after that. It fetches no keys, reads no clock and does no cryptography: the time, the fetched
//! keys ([`KeyStore`]) and the [`SignatureVerifier`] are arguments. With the feature `jwt` there is a verifier,
//! `AwsLc`.
//!
#![cfg_attr(feature = "jwt", doc = "```")]
#![cfg_attr(not(feature = "jwt"), doc = "```ignore")]
//! use std::time::Duration;
//! use mesh_authz::jwt::{AwsLc, JwtAuthentication, JwtContext, JwtRule, RequestAuthentication};
//! use mesh_authz::{
//!     Action, HttpAttributes, Peer, Policy, PolicyId, PolicySet, Request, Rule, Source,
//! };
//!
//! // A token of this issuer need not be there, but if it is it must be good ...
//! let rule = JwtRule::new("shop-issuer").jwks(r#"{"keys": [{"kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0"}]}"#);
//! let tokens = RequestAuthentication::new(PolicyId::new("shop", "tokens")).rule(rule);
//! let authentication = JwtAuthentication::builder().policy(tokens).build()?;
//! // ... and this makes it obligatory.
//! let rule = Rule::new().from(Source::new().request_principals(["shop-issuer/*"]));
//! let policies = PolicySet::builder()
//!     .policy(Policy::new(PolicyId::new("shop", "known-users"), Action::Allow).rule(rule))
//!     .build()?;
//!
//! let verifier = AwsLc::new();
//! let context = JwtContext::new(Duration::from_secs(1_700_000_000), &verifier);
//! let peer = Peer::new([10, 0, 0, 7].into());
//! let connection = Request::new(peer, ([10, 0, 0, 9], 8080).into());
//!
//! let token = "eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJzaG9wLWlzc3VlciIsInN1YiI6ImFsaWNlIn0.T52ici0SGT4wysHwWY8_qRVkOQkkLvWhTUqDPS-EC90";
//! let lines = [("authorization", format!("Bearer {token}"))];
//! let http = HttpAttributes::new("GET", "/cart").headers(&lines);
//! let outcome = authentication.authenticate(&http, &context);
//! if let Some(rejection) = outcome.rejection() {
//!     panic!("answer {} {}", rejection.status(), rejection.message());
//! }
//! let headers = outcome.headers(&http);
//! let http = outcome.attributes(http, &headers);
//! assert_eq!(outcome.token().and_then(|token| token.principal()).as_deref(), Some("shop-issuer/alice"));
//! assert!(policies.evaluate(&connection.http(http)).is_allowed());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Order
//!
//! CUSTOM policies are asked before tokens are looked at, all others after: with the claims, and without the token
//! (AUTHZ-JWT-15).
//!
//! # Coming from Istio
//!
//! | in the YAML | here |
//! |---|---|
//! | `RequestAuthentication`, `spec.jwtRules[]` | [`RequestAuthentication`], [`JwtRule`] |
//! | `issuer`, `audiences` | [`JwtRule::new`], [`JwtRule::audiences`] |
//! | `jwks`, `jwksUri` | [`JwtRule::jwks`], [`JwtRule::jwks_uri`] with [`KeyStore`] |
//! | `fromHeaders`, `fromParams`, `fromCookies` | [`JwtRule::from_header`], [`JwtRule::from_param`], [`JwtRule::from_cookie`] |
//! | `forwardOriginalToken` | [`JwtRule::forward_original_token`] |
//! | `outputPayloadToHeader`, `outputClaimToHeaders` | [`JwtRule::output_payload_to_header`], [`JwtRule::output_claim_to_header`] |
//! | `spaceDelimitedClaims` | [`JwtRule::space_delimited_claims`] |
//! | `timeout` | not here: it is about fetching |
//! | `spec.selector`, `spec.targetRefs` | not here: add the objects that apply to the workload |
//! | routes on `@request.auth.claims…` | [`ClaimHeader`] |
//!
//! # Limits
//!
//! Tokens have at most 64 KiB, key sets 1 MiB, and JSON nests at most 64 deep; beyond that they are refused.

mod algorithm;
mod authenticate;
#[cfg(feature = "jwt")]
mod aws_lc;
mod build;
#[cfg(feature = "jwt")]
mod certificate;
mod claim_header;
mod error;
mod failure;
mod json;
mod keys;
mod location;
mod outcome;
mod output;
mod rule;
mod store;
mod token;
mod verify;

pub use algorithm::Algorithm;
pub use authenticate::{JwtAuthentication, JwtContext};
#[cfg(feature = "jwt")]
pub use aws_lc::AwsLc;
pub use build::JwtAuthenticationBuilder;
pub use claim_header::ClaimHeader;
pub use error::{JwtBuildError, JwtBuildErrorKind};
pub use failure::JwtFailure;
pub use keys::{Curve, Key, KeyMaterial, KeySet};
pub use outcome::{EditedHeaders, JwtOutcome, Rejection, RequestEdits, VerifiedToken};
pub use rule::{JwtRule, RequestAuthentication};
pub use store::{KeyLookup, KeySource, KeyStore, is_blocked_key_host};
pub use verify::SignatureVerifier;
