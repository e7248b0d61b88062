#![forbid(unsafe_code)]
//! Istio authorization decisions as a pure library.

mod cidr;
mod claims;
mod decision;
mod error;
mod explain;
mod forwarded_for;
mod headers;
mod identity;
mod index;
mod path_template;
mod policy;
mod policy_set;
mod program;
mod request;
mod rule;
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
pub use policy::{Action, Policy, PolicyId, ProviderId, Rule};
pub use policy_set::{PolicySet, PolicySetBuilder};
pub use request::{HttpAttributes, Peer, Request};
pub use rule::{Condition, Operation, Source};
pub use spiffe::{SpiffeId, SpiffeIdError};
pub use trust_domain::TrustDomains;
pub use xfcc::{XfccElement, XfccError, XfccMode};
