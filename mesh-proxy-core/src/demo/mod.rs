//! What `mesh-proxy demo` runs beside the proxy: the services of the Bookinfo example and the list of
//! requests to try on them.
//!
//! The demo shows Istio's YAML steering real HTTP traffic, so everything here sits *outside* the proxy
//! and talks to it over sockets only: the services call one another through the mesh listener, and the
//! checks go through the gateway with an HTTP client that shares no code with the engine under test.
//!
//! ```text
//! checks ──> gateway :8080 ──> productpage ──> mesh listener :9080 ──> details
//!                         └──> reviews ...                         ├─> reviews ──> :9080 ──> ratings
//!                                                                  └─> ratings
//! ```
//!
//! The configuration itself is not here: it is the YAML of `docs/examples/bookinfo`, and a test keeps
//! the ports of [`backends`] in step with its EndpointSlices.

pub(crate) mod backends;
pub(crate) mod checks;

mod call;
mod client;
mod io;
mod list;
mod productpage;
mod report;
mod services;
