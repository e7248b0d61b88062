#![forbid(unsafe_code)]
//! Istio's authorization decisions as a pure library: may this request pass, and which rule said so.
//!
//! Policies come in as plain values, requests as borrowed attributes, and the answer is what Istio's
//! control plane and Envoy together would have answered, without either of them. The crate opens no file
//! and no socket, reads no clock, and a decision neither fails nor panics nor allocates.
//!
//! ```
//! use mesh_authz::{
//!     Action, HttpAttributes, Operation, Peer, PeerIdentity, Policy, PolicyId, PolicySet, Request, Rule, Source,
//! };
//!
//! // ALLOW the frontend to read, DENY /admin to everybody.
//! let reads = Rule::new()
//!     .from(Source::new().principals(["cluster.local/ns/web/sa/frontend"]))
//!     .to(Operation::new().methods(["GET"]));
//! let admin = Rule::new().to(Operation::new().paths(["/admin*"]));
//! let policies = PolicySet::builder()
//!     .policy(Policy::new(PolicyId::new("shop", "frontend-reads"), Action::Allow).rule(reads))
//!     .policy(Policy::new(PolicyId::new("shop", "no-admin"), Action::Deny).rule(admin))
//!     .build()?;
//!
//! // Once a connection:
//! let identity = PeerIdentity::certificate(["spiffe://cluster.local/ns/web/sa/frontend"], [], "");
//! let peer = Peer::new([10, 0, 0, 7].into()).identity(&identity);
//! let connection = Request::new(peer, ([10, 0, 0, 9], 8080).into());
//!
//! // Once a request:
//! let decision = policies.evaluate(&connection.http(HttpAttributes::new("GET", "/admin/users")));
//! assert!(!decision.is_allowed());
//! assert_eq!(decision.to_string(), "denied by rule 0 of shop/no-admin");
//! # Ok::<(), mesh_authz::BuildError>(())
//! ```
//!
//! # Order of evaluation
//!
//! | stage | a rule matches | none matches | no policy of the action |
//! |---|---|---|---|
//! | CUSTOM, one for each provider | the provider is asked; its no is final | next stage | next stage |
//! | AUDIT | the access log is told | the access log is told that none did | next stage |
//! | DENY | **denied** | next stage | next stage |
//! | ALLOW | **allowed** | **denied** | **allowed** |
//!
//! The ALLOW stage exists as soon as one enforced ALLOW policy is selected, even if it has no rules: the
//! first ALLOW policy closes everything else. Dry-run policies take no part; [`PolicySet::dry_run`] says
//! what they would have done. The crate asks no provider: [`PolicySet::delegated_to`] says whom to ask,
//! and until the caller says that all have allowed, [`PolicySet::evaluate`] denies.
//!
//! # Two protocols
//!
//! A [`Request`] with [`HttpAttributes`] is an HTTP request, one without is a TCP connection. On TCP a
//! clause about an HTTP field is neither true nor false, and each action resolves that towards denial: an
//! ALLOW rule with such a clause never matches, every other action goes by what is left of its rule. So
//! `DENY methods: [GET]` denies every TCP connection; add `ports` to such rules.
//!
//! That is what Envoy does. [`Profile::Ztunnel`] does what ztunnel does, where such a rule denies nothing.
//!
//! # What cannot be understood
//!
//! Values are parsed when the set is built. A value that means nothing is a [`BuildError`] with the policy
//! and the path of the field. A caller who must go on regardless asks for
//! [`PolicySetBuilder::keep_invalid`]: such a policy is then never thinned out, but denies as a whole. Istio
//! drops the value, or for an unknown condition key the rule; this is the one place where the crate differs
//! from it on purpose.
//!
//! # Coming from Istio
//!
//! | in the YAML | here |
//! |---|---|
//! | `AuthorizationPolicy`, `spec.action`, `spec.provider` | [`Policy`], [`Action`] |
//! | annotation `istio.io/dry-run` | [`Policy::dry_run_annotation`] |
//! | `spec.rules[]` | [`Rule`] |
//! | `from[].source` with its `not…` fields | [`Source`] |
//! | `to[].operation` with its `not…` fields | [`Operation`] |
//! | `when[]` | [`Condition`] |
//! | `spec.selector`, `spec.targetRefs` | not here: add the policies that apply to the workload |
//! | mesh config `trustDomain`, `trustDomainAliases` | [`TrustDomains`] |
//! | mesh config `extensionProviders` | [`PolicySetBuilder::provider`], [`PolicySetBuilder::http_provider`] |
//! | mesh config `numTrustedProxies` | [`ForwardedFor`] |
//! | `RequestAuthentication` | module [`jwt`] |
//! | `PeerAuthentication`, TLS modes of `DestinationRule` | module [`peer_authentication`] |
//! | response-code details `rbac_access_denied_matched_policy[…]` | [`Decision::response_code_details`] |
//!
//! # Cost
//!
//! A set is compiled into an index: a hash, a walk over a trie or a binary search for each attribute that
//! tells rules apart, and then a full check of the rules that share the values of the request. What counts
//! is how many those are, not how many rules there are. Negated values never narrow the search, because
//! nearly everything passes them. [`PolicySet::explain`] walks all rules.
//!
//! What is known about a connection is worked out once: a [`PeerIdentity`] holds the hashes of its names, so
//! keep it as long as the connection. A decision over 64 to 10,000 policies for one caller, method and path
//! prefix each takes some 45 ns on a 2020s server core, a rule 215 bytes with its texts, and building 10,000
//! of them 25 ms; `docs/BENCHMARKS.md` of the repository has the numbers beside those of other libraries.
//!
//! # Not here
//!
//! Reading YAML, selecting policies for a workload, fetching keys, TLS itself, calling providers,
//! normalizing paths, logging. The claims of a request are taken as verified, its path as normalized.
//!
//! # Features
//!
//! None is on by default.
//!
//! - `http`: [`Headers`] for `http::HeaderMap`.
//! - `serde`: [`Decision`], [`DryRun`] and [`Explanation`] can be serialized, for logs.
//! - `jwt`: checking signatures of tokens with AWS-LC (`jwt::AwsLc`), and key sets made of certificates. Needs
//!   a C compiler. Without it everything else about tokens is there, and the embedder brings a
//!   [`SignatureVerifier`](jwt::SignatureVerifier).
//!
//! # Stability
//!
//! A decision is part of the API: another answer for the same policies and request is a breaking change,
//! unless it mends a documented deviation from Istio. The texts of errors and explanations are not.

mod cidr;
mod claims;
mod decision;
mod error;
mod explain;
mod forwarded_for;
mod headers;
mod identity;
mod index;
pub mod jwt;
mod path_template;
pub mod peer_authentication;
mod policy;
mod policy_set;
mod program;
mod request;
mod rule;
#[cfg(feature = "serde")]
mod serialize;
mod spiffe;
mod stage;
mod trust_domain;
mod xfcc;

pub use claims::{Claims, Metadata, Value};
pub use decision::{Decision, Delegation, DryRun, Reason, RuleName, Shadow, Verdict};
pub use error::{BuildError, BuildErrorKind};
pub use explain::{Explanation, Failure, Outcome, RuleExplanation, StageExplanation, StageKind};
pub use forwarded_for::ForwardedFor;
pub use headers::{Headers, NoHeaders};
pub use identity::PeerIdentity;
pub use policy::{Action, Policy, PolicyId, Profile, ProviderId, Rule};
pub use policy_set::{PolicySet, PolicySetBuilder};
pub use request::{HttpAttributes, Peer, Request};
pub use rule::{Condition, Operation, Source};
pub use spiffe::{SpiffeId, SpiffeIdError};
pub use trust_domain::TrustDomains;
pub use xfcc::{XfccElement, XfccError, XfccMode};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
