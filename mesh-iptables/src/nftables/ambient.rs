//! Ambient mode as native nftables (section 4.4).

use super::{NftablesPlan, Owner};
use crate::chain::{Chain, Family, Table};
use crate::owner::OwnerId;
use crate::plan::{
    AGENT_PORT, AGENT_ZONE, AmbientConfig, AmbientPod, CONNECTION_MARK, DNS_PORT, INBOUND_PORT, JUMPS,
    OUTBOUND_PORT, PACKET_MASK, TUNNEL_PORT, arriving, leaving, lo, masked, not_local, packet_mark,
    probe_set,
};
use crate::reason;
use crate::rule::{
    Protocol, Rule, Spelling, Target, Test, destination, dport, iif, oif, source, sport, tcp, uid,
};

impl AmbientConfig {
    /// The rules inside a pod as native nftables (`NFT-40` to `NFT-48`). Cannot fail.
    pub fn pod_nftables_plan(&self, pod: &AmbientPod) -> NftablesPlan {
        let families = if self.ipv6 { &Family::BOTH[..] } else { &[Family::Ipv4] };
        let dns = self.captures_dns(pod);
        let mut rules = Vec::with_capacity(24);
        for (table, hook, chain) in JUMPS {
            if table != Table::Raw || dns {
                let spelling = Spelling { no_counter: true, ..Spelling::default() };
                let jump = Rule::new(table, hook, reason::AMBIENT_JUMP, vec![], Target::Jump(chain));
                rules.push(jump.spelled(spelling));
            }
        }
        for name in &pod.virtual_interfaces {
            let criteria = || vec![iif(name), tcp()];
            let redirect = Target::Redirect(OUTBOUND_PORT);
            rules.push(arriving(Table::Nat, reason::AMBIENT_VIRTUAL, criteria(), redirect));
            rules.push(arriving(Table::Nat, reason::AMBIENT_VIRTUAL_RETURN, criteria(), Target::Return));
        }
        let remember = Target::SetConnectionMark { value: CONNECTION_MARK, mask: PACKET_MASK };
        rules.push(
            arriving(Table::Mangle, reason::AMBIENT_REMEMBER, vec![packet_mark()], remember)
                .spelled(Spelling { meta: true, ampersand: true, ..Spelling::default() }),
        );
        for &family in families.iter().filter(|_| !pod.bypass_inbound) {
            let criteria = vec![tcp(), source(self.probe(family))];
            rules.push(arriving(Table::Nat, reason::AMBIENT_PROBE_IN, criteria, Target::Accept));
        }
        for &family in families {
            let criteria = vec![tcp(), destination(self.probe(family))];
            rules.push(leaving(Table::Nat, reason::AMBIENT_PROBE_OUT, criteria, Target::Accept));
        }
        for &family in families.iter().filter(|_| !pod.bypass_inbound) {
            let tunnel = dport(Protocol::Tcp, &TUNNEL_PORT).not();
            let criteria = vec![not_local(family), tunnel, packet_mark().not()];
            let spelling = Spelling { wide: family == Family::Ipv4, ..Spelling::default() };
            let rule =
                arriving(Table::Nat, reason::AMBIENT_INBOUND, criteria, Target::Redirect(INBOUND_PORT));
            rules.push(rule.spelled(spelling));
        }
        let connection = || masked(CONNECTION_MARK);
        let criteria = vec![Test::ConnectionMark(connection()).into()];
        rules.push(leaving(Table::Mangle, reason::AMBIENT_RESTORE, criteria, Target::RestoreMark));
        if dns {
            dns_rules(families, &mut rules);
        }
        let known = vec![tcp(), Test::Mark(connection()).into()];
        rules.push(leaving(Table::Nat, reason::AMBIENT_KNOWN, known, Target::Accept));
        let lo = lo();
        for &family in families {
            let criteria = vec![oif(&lo), not_local(family)];
            rules.push(leaving(Table::Nat, reason::AMBIENT_SELF, criteria, Target::Accept));
        }
        for &family in families {
            let criteria = vec![tcp(), not_local(family), packet_mark().not()];
            let redirect = Target::Redirect(OUTBOUND_PORT);
            rules.push(leaving(Table::Nat, reason::AMBIENT_OUTBOUND, criteria, redirect));
        }
        NftablesPlan { rules, steps: self.pod_steps(), owner: Owner::AmbientPod, ipv6: self.ipv6 }
    }

    /// The rules on the node as native nftables (`NFT-49`). nftables cannot ask whether a packet has a socket,
    /// so the probes are recognised by the kubelet's user; as root that is every process of root.
    pub fn host_nftables_plan(&self, kubelet_uid: u32) -> NftablesPlan {
        let families = if self.ipv6 { &Family::BOTH[..] } else { &[Family::Ipv4] };
        let rule = |&family: &Family| {
            let set = Test::DestinationInSet(family, probe_set(family)).into();
            let criteria = vec![tcp(), uid(&OwnerId::new(kubelet_uid)), set];
            let target = Target::Snat(self.probe_source(family));
            Rule::new(Table::Nat, Chain::POSTROUTING, reason::NFT_HOST_PROBE, criteria, target)
        };
        let rules = families.iter().map(rule).collect();
        NftablesPlan { rules, steps: Vec::new(), owner: Owner::AmbientHost, ipv6: self.ipv6 }
    }
}

fn dns_rules(families: &[Family], rules: &mut Vec<Rule>) {
    let redirect = || Target::Redirect(AGENT_PORT);
    let meta = Spelling { meta: true, ..Spelling::default() };
    let query = |protocol| dport(protocol, &DNS_PORT);
    let udp_query = vec![oif(&lo()).not(), packet_mark().not(), query(Protocol::Udp)];
    rules.push(leaving(Table::Nat, reason::AMBIENT_DNS, udp_query, redirect()));
    for &family in families {
        let criteria = vec![not_local(family), query(Protocol::Tcp), packet_mark().not()];
        rules.push(leaving(Table::Nat, reason::AMBIENT_DNS, criteria, redirect()));
    }
    let asks = vec![query(Protocol::Udp), packet_mark()];
    rules.push(leaving(Table::Raw, reason::AMBIENT_DNS_ZONE, asks, Target::Zone(AGENT_ZONE)).spelled(meta));
    let answers = vec![sport(Protocol::Udp, &DNS_PORT), packet_mark().not()];
    rules.push(
        arriving(Table::Raw, reason::AMBIENT_DNS_ZONE, answers, Target::Zone(AGENT_ZONE)).spelled(meta),
    );
}
