//! Fault injection (`ROUTE-FLT-01` to `-05`): `mesh-route` decides, here is the waiting.

use mesh_route::Fault;

use super::draw;
use super::record::Record;
use super::reply::LocalReply;
use crate::telemetry::ResponseFlags;

/// Delays the request if that was drawn, then says how it ends if an abort was drawn.
pub(super) async fn inject(fault: &Fault, record: &mut Record) -> Option<LocalReply> {
    let decision = fault.decide(draw(), draw());
    if let Some(delay) = decision.delay {
        record.insert_flags(ResponseFlags::DELAY_INJECTED);
        tokio::time::sleep(delay).await;
    }
    decision.abort.map(|abort| LocalReply::fault(abort.reply(record.is_grpc())))
}
