//! DNS capture (rules `IPT-DNS-01` to `IPT-DNS-07`): redirection in nat, tracking zones in raw.

use super::Lists;
use super::outbound::DNS_PORT;
use crate::chain::{Chain, Family, Table};
use crate::config::{CaptureConfig, DnsCapture, NameServer};
use crate::ports::Port;
use crate::reason::{self, Reason};
use crate::rule::{
    Address, Criterion, Protocol, Rule, Spelling, Target, destination, dport, gid, source, sport, tcp, udp,
    uid,
};

/// The port of the local agent.
pub(crate) const AGENT_PORT: Port = Port::new(15053);
/// The zone of flows between the agent and the resolvers.
pub(crate) const AGENT_ZONE: u16 = 1;
/// The zone of flows between the application and the agent.
pub(crate) const APPLICATION_ZONE: u16 = 2;

pub(super) fn rules(config: &CaptureConfig, lists: &mut Lists) {
    let servers: Option<[(Family, &[NameServer]); 2]> = match &config.dns {
        DnsCapture::Off => return,
        DnsCapture::All => None,
        DnsCapture::Servers(servers) => {
            Some([(Family::Ipv4, servers.ipv4()), (Family::Ipv6, servers.ipv6())])
        }
    };
    let jump = Target::Jump(Chain::ISTIO_OUTPUT_DNS);
    lists.both(|_| Rule::new(Table::Raw, Chain::OUTPUT, reason::DNS_RAW_JUMP, vec![], jump.clone()));
    let nat_jump = || Rule::new(Table::Nat, Chain::ISTIO_OUTPUT, reason::DNS_NAT_JUMP, vec![], jump.clone());
    match servers {
        None => lists.both(|_| nat_jump()),
        Some(servers) => {
            for (family, _) in servers.into_iter().filter(|(_, list)| !list.is_empty()) {
                lists.one(family, nat_jump);
            }
        }
    }
    for protocol in [Protocol::Tcp, Protocol::Udp] {
        match servers {
            None => lists.both(|_| redirect(protocol, None)),
            Some(servers) => {
                for (family, list) in servers {
                    for server in list {
                        lists.one(family, || redirect(protocol, Some(destination(Address::server(server)))));
                    }
                }
            }
        }
    }
    for owner in config.proxy_uids.iter().map(uid).chain(config.proxy_gids.iter().map(gid)) {
        let query = dport(Protocol::Udp, &DNS_PORT);
        let answer = sport(Protocol::Udp, &AGENT_PORT);
        lists.both(|_| zone(reason::DNS_PROXY_ZONE, vec![udp(), query.clone(), owner.clone()], AGENT_ZONE));
        lists.both(|_| {
            zone(reason::DNS_ANSWER_ZONE, vec![udp(), answer.clone(), owner.clone()], APPLICATION_ZONE)
        });
    }
    let prerouting = |reason: Reason| {
        Rule::new(Table::Raw, Chain::PREROUTING, reason, vec![], Target::Jump(Chain::ISTIO_INBOUND))
    };
    let query = || vec![udp(), dport(Protocol::Udp, &DNS_PORT)];
    let answer = |reason: Reason, from: Option<Criterion>| {
        let mut criteria = vec![udp(), sport(Protocol::Udp, &DNS_PORT)];
        criteria.extend(from);
        Rule::new(Table::Raw, Chain::ISTIO_INBOUND, reason, criteria, Target::Zone(AGENT_ZONE))
    };
    let Some(servers) = servers else {
        lists.both(|_| prerouting(reason::DNS_ALL_PREROUTING));
        lists.both(|_| zone(reason::DNS_ALL_QUERY_ZONE, query(), APPLICATION_ZONE));
        lists.both(|_| answer(reason::DNS_ALL_ANSWER_ZONE, None));
        return;
    };
    for (family, list) in servers.into_iter().filter(|(_, list)| !list.is_empty()) {
        lists.one(family, || prerouting(reason::DNS_PREROUTING));
        for server in list {
            lists.one(family, || {
                let mut criteria = query();
                criteria.push(destination(Address::server(server)));
                zone(reason::DNS_QUERY_ZONE, criteria, APPLICATION_ZONE)
            });
            lists.one(family, || answer(reason::DNS_RESPONSE_ZONE, Some(source(Address::server(server)))));
        }
    }
}

fn redirect(protocol: Protocol, to: Option<Criterion>) -> Rule {
    let (reason, criterion) = match protocol {
        Protocol::Tcp => (reason::DNS_TCP, tcp()),
        _ => (reason::DNS_UDP, udp()),
    };
    let mut criteria = vec![criterion, dport(protocol, &DNS_PORT)];
    criteria.extend(to);
    // The baseline writes the singular for UDP; the tool takes both.
    let spelling = Spelling { to_port: protocol == Protocol::Udp, ..Spelling::default() };
    Rule::new(Table::Nat, Chain::ISTIO_OUTPUT_DNS, reason, criteria, Target::Redirect(AGENT_PORT))
        .spelled(spelling)
}

fn zone(reason: Reason, criteria: Vec<Criterion>, zone: u16) -> Rule {
    Rule::new(Table::Raw, Chain::ISTIO_OUTPUT_DNS, reason, criteria, Target::Zone(zone))
}
