#![forbid(unsafe_code)]
#![doc = include_str!("../README.md")]

mod claim;
mod compat;
mod cors;
mod direct;
mod domain;
mod edits;
mod error;
mod explain;
mod fault;
mod grpc;
mod hash_policy;
mod head;
mod header;
mod index;
mod l4;
mod mirror;
mod near;
mod normalize;
mod path;
mod pattern;
mod percentage;
mod precedence;
mod query;
mod re2;
mod redirect;
mod retry;
mod rewrite;
mod rule;
mod sniff;
mod split;
mod string_match;
mod table;
mod timeout;

pub use claim::{ClaimPath, Claims};
pub use compat::{Compat, JoinedHeaders, RegexAlphabet};
pub use cors::{CorsDecision, CorsHeaders, CorsPolicy};
pub use direct::DirectResponse;
pub use domain::HostPattern;
pub use edits::{HeaderEditor, HeaderEdits, HeaderPlan, Operator, upstream_authority};
pub use error::{BuildError, BuildErrorKind, PatternError, PatternErrorKind};
pub use explain::{Condition, Explanation, NearDomain, Outcome, Refusal, RuleTrace};
pub use fault::{Abort, AbortReply, Fault, FaultDecision};
pub use grpc::{GrpcStatus, is_grpc_content_type};
pub use hash_policy::HashPolicy;
pub use head::{Headers, NoHeaders, RequestHead};
pub use l4::{
    ChainCriterion, ChainExplanation, ChainLookup, ChainMatch, ChainOutcome, ChainStep, ChainTable,
    ChainTableBuilder, ClientCertificate, Connection, GatewayServer, Inbound, InboundPort, InboundTraffic,
    IpPrefix, Listeners, MESH_PROTOCOLS, MutualTlsMode, Narrowed, OutboundDecider, OutboundPolicy,
    OutboundPort, ServerProtocol, ServerSkip, ServerTls, ServerUse, SourceType, Traffic, Transport,
    UnmatchedBy, UnmatchedOutcome, auto_passthrough_name, decide_inbound, decide_outbound, place_servers,
    unmatched_outbound,
};
pub use mirror::Mirror;
pub use near::NearMiss;
pub use normalize::{PathNormalization, TargetError, normalize_path};
pub use path::PathMatch;
pub use pattern::Limits;
pub use percentage::Percentage;
pub use precedence::Precedence;
pub use redirect::{Redirect, ServerScheme, https_location};
pub use retry::{Attempt, RetryDecision, RetryPolicy};
pub use rewrite::PathRewrite;
pub use rule::{Conditions, RuleId};
pub use sniff::{ApplicationProtocols, ClientHello, HttpVersion, Name, Sniffed, Unusable, sniff};
pub use split::WeightedSplit;
pub use string_match::StringMatch;
pub use table::{Lookup, Match, RouteTable, TableBuilder, VirtualHost};
pub use timeout::{Limit, Timeouts, parse_grpc_timeout};
