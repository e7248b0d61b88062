//! Peer authentication: merging, inbound connections, ambient, and the client side.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    missing_docs,
    unreachable_pub,
    reason = "tests fail by panicking and read files"
)]

mod ambient;
mod client;
mod inbound;
mod merge;

use std::path::Path;

use mesh_authz::peer_authentication::MtlsMode;

/// The text of a file in `testdata/authz/mtls`.
fn data(file: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/authz/mtls");
    std::fs::read_to_string(folder.join(file)).unwrap()
}

/// `None` is UNSET.
fn mode(name: &str) -> Option<MtlsMode> {
    match name {
        "UNSET" => None,
        "DISABLE" => Some(MtlsMode::Disable),
        "PERMISSIVE" => Some(MtlsMode::Permissive),
        "STRICT" => Some(MtlsMode::Strict),
        other => panic!("mode {other}"),
    }
}
