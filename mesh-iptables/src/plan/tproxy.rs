//! The marks of TPROXY mode (rules `IPT-TPX-01` to `IPT-TPX-07`).

use super::{Lists, lo, loopback, self_address};
use crate::chain::{Chain, Table};
use crate::config::CaptureConfig;
use crate::numeral::Numeral;
use crate::reason::{self, Reason};
use crate::rule::{
    Criterion, Rule, Target, connection_mark, destination, gid, iif, mark, oif, source, tcp, uid,
};

/// The mark of the proxy's own packets on loopback.
pub(crate) const OUTBOUND_MARK: Numeral = Numeral::decimal(1338);

/// Emitted even without inbound capture.
pub(super) fn rules(config: &CaptureConfig, lists: &mut Lists) {
    let lo = lo();
    let marked = &config.tproxy_mark;
    let mangle = |chain: Chain, reason: Reason, criteria: Vec<Criterion>, target: Target| {
        Rule::new(Table::Mangle, chain, reason, criteria, target)
    };
    lists.both(|_| {
        mangle(Chain::PREROUTING, reason::TPROXY_SAVE, vec![tcp(), mark(marked)], Target::SaveMark)
    });
    lists.both(|_| {
        let criteria = vec![tcp(), oif(&lo), mark(marked)];
        mangle(Chain::OUTPUT, reason::TPROXY_TO_APPLICATION, criteria, Target::Return)
    });
    for owner in config.proxy_uids.iter().map(uid).chain(config.proxy_gids.iter().map(gid)) {
        lists.both(|family| {
            let loopback = destination(loopback(config, family)).not();
            let criteria = vec![loopback, tcp(), oif(&lo), owner.clone()];
            mangle(Chain::OUTPUT, reason::TPROXY_MARK_PROXY, criteria, Target::SetMark(OUTBOUND_MARK))
        });
    }
    lists.both(|_| {
        let criteria = vec![tcp(), connection_mark(marked)];
        mangle(Chain::OUTPUT, reason::TPROXY_RESTORE, criteria, Target::RestoreMark)
    });
    lists.both(|_| {
        let criteria = vec![tcp(), mark(marked)];
        mangle(Chain::ISTIO_INBOUND, reason::TPROXY_SKIP_MARKED, criteria, Target::Return).insert_at(1)
    });
    lists.both(|family| {
        let criteria = vec![tcp(), source(self_address(family)), iif(&lo)];
        mangle(Chain::ISTIO_INBOUND, reason::TPROXY_SKIP_SELF, criteria, Target::Return).insert_at(2)
    });
    lists.both(|_| {
        let criteria = vec![tcp(), iif(&lo), mark(&OUTBOUND_MARK).not()];
        mangle(Chain::ISTIO_INBOUND, reason::TPROXY_SKIP_LOCAL, criteria, Target::Return).insert_at(3)
    });
}
