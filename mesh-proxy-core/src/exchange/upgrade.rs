//! Byte mode after a 101 (`PROXY-UPG-01`).

use bytes::Bytes;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::record::Record;
use crate::upstream::ActiveRequest;

/// The upstream's side of an upgraded exchange, waiting for hyper to let go of the client's socket.
pub(crate) struct Upgrade {
    upstream: TcpStream,
    /// What the upstream sent right after its 101.
    early: Bytes,
    /// The exchange counts as active until its end.
    _active: ActiveRequest,
    record: Record,
}

impl Upgrade {
    pub(super) fn new(upstream: TcpStream, early: Bytes, active: ActiveRequest, record: Record) -> Self {
        Self { upstream, early, _active: active, record }
    }

    /// Copies both ways until both sides have ended. `early` is what the client sent after its request.
    pub(crate) async fn run(self, mut client: TcpStream, early: Bytes) {
        let Self { mut upstream, early: from_upstream, _active, mut record } = self;
        let copied = async {
            client.write_all(&from_upstream).await?;
            upstream.write_all(&early).await?;
            tokio::io::copy_bidirectional(&mut client, &mut upstream).await
        };
        match copied.await {
            Ok((up, down)) => record.add_upgraded(up + early.len() as u64, down + from_upstream.len() as u64),
            Err(error) => tracing::debug!("upgraded connection ended: {error}"),
        }
        record.complete();
    }
}
