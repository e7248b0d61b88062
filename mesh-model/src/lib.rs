#![forbid(unsafe_code)]
#![doc = include_str!("../README.md")]

mod macros;

pub mod common;
mod diagnostic;
pub mod extensions;
mod kind;
mod kind_names;
pub mod kubernetes;
mod load;
mod locate;
pub mod mesh_config;
mod meta;
pub mod networking;
mod object;
mod path;
pub mod resolve;
#[cfg(feature = "schemars")]
pub mod schema;
pub mod security;
mod spans;
pub mod telemetry;
pub mod validate;
mod yaml;

pub use diagnostic::{Diagnostic, Position, Severity, Span, Target};
pub use kind::Kind;
#[doc(hidden)]
pub use load::load_by_tree;
pub use load::{Limits, Loaded, Options, Profile, Source, load, mesh_config, mesh_networks, parse_fragment};
pub use locate::locate;
pub use mesh_config::MeshConfig;
pub use meta::{ObjectMeta, ObjectRef, Origin};
pub use object::{Body, LoadState, Object, Typed, Unread};
pub use path::{FieldPath, ParseFieldPathError, Segment};
pub use spans::Spans;
