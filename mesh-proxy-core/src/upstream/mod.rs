//! Connections to endpoints: one pool per worker and endpoint, no sharing, no lock.

mod balance;
mod cluster;
mod connection;
mod error;

pub(crate) use balance::{PickInput, WorkerDraw};
pub(crate) use cluster::{
    EndpointCells, EndpointRegistry, UpstreamClusters, WorkerCluster, WorkerEndpoint, sweep,
};
pub(crate) use connection::{ActiveRequest, LocalAddress, UpstreamConnection};
pub(crate) use error::{ResetReason, UpstreamError};
