//! The sidecar's nftables rules (section 4.3), in the step order of section 2.1.

use super::{NftablesPlan, Owner};
use crate::chain::{Chain, Family, Table};
use crate::config::{CaptureConfig, DnsCapture, Mode, NameServer};
use crate::finding::Validation;
use crate::owner::OwnerGroups;
use crate::plan::{
    AGENT_PORT, AGENT_ZONE, APPLICATION_ZONE, DNS_PORT, KNOWN, OUTBOUND_MARK, lo, loopback, self_address,
    sidecar_steps,
};
use crate::ports::Port;
use crate::reason::{self, Reason};
use crate::rule::{
    Address, ConnectionState, Criterion, Protocol, Rule, Spelling, Target, Test, connection_mark,
    destination, dport, gid, iif, mark, oif, source, sport, state, tcp, uid,
};

impl CaptureConfig {
    /// The interception rules of a sidecar as native nftables. Cannot fail.
    pub fn nftables_plan(&self) -> NftablesPlan {
        let mut plan = Sidecar { config: self, rules: Vec::with_capacity(self.expected_rules()) };
        plan.interfaces();
        plan.invalid_packets();
        plan.base_chains();
        plan.inbound();
        plan.owners();
        plan.dns();
        plan.destinations();
        if self.mode == Mode::Tproxy {
            plan.tproxy_marks();
        }
        NftablesPlan { rules: plan.rules, steps: sidecar_steps(self), owner: Owner::Sidecar, ipv6: self.ipv6 }
    }
}

struct Sidecar<'c> {
    config: &'c CaptureConfig,
    rules: Vec<Rule>,
}

impl<'c> Sidecar<'c> {
    fn add(&mut self, table: Table, chain: Chain, reason: Reason, criteria: Vec<Criterion>, target: Target) {
        self.rules.push(Rule::new(table, chain, reason, criteria, target));
    }

    fn nat(&mut self, chain: Chain, reason: Reason, criteria: Vec<Criterion>, target: Target) {
        self.add(Table::Nat, chain, reason, criteria, target);
    }

    fn output(&mut self, reason: Reason, criteria: Vec<Criterion>, target: Target) {
        self.nat(Chain::ISTIO_OUTPUT, reason, criteria, target);
    }

    fn families(&self) -> &'static [Family] {
        if self.config.ipv6 { &Family::BOTH } else { &[Family::Ipv4] }
    }

    fn interfaces(&mut self) {
        let config = self.config;
        for (table, reason, wanted) in [
            (Table::Nat, reason::EXCLUDED_INTERFACE, true),
            (Table::Mangle, reason::EXCLUDED_INTERFACE_MANGLE, config.mode == Mode::Tproxy),
        ] {
            for name in config.exclude_interfaces.iter().filter(|_| wanted) {
                self.add(table, Chain::PREROUTING, reason, vec![iif(name)], Target::Return);
                self.add(table, Chain::OUTPUT, reason, vec![oif(name)], Target::Return);
            }
        }
        for name in &config.virtual_interfaces {
            self.add_virtual(reason::VIRTUAL_INTERFACE, vec![iif(name)], Target::Return);
        }
    }

    fn add_virtual(&mut self, reason: Reason, criteria: Vec<Criterion>, target: Target) {
        self.rules.push(Rule::new(Table::Nat, Chain::PREROUTING, reason, criteria, target).insert_at(1));
    }

    fn invalid_packets(&mut self) {
        if self.config.drop_invalid {
            // `NFT-63`: TCP only, unlike iptables.
            let criteria = vec![tcp(), state(&[ConnectionState::Invalid])];
            let target = Target::Jump(Chain::ISTIO_DROP);
            self.add(Table::Mangle, Chain::PREROUTING, reason::INVALID_JUMP, criteria, target);
            self.add(Table::Mangle, Chain::ISTIO_DROP, reason::INVALID_DROP, vec![], Target::Drop);
        }
    }

    fn base_chains(&mut self) {
        let config = self.config;
        let tunnel = vec![tcp(), dport(Protocol::Tcp, &config.tunnel_port)];
        self.nat(Chain::ISTIO_INBOUND, reason::TUNNEL, tunnel, Target::Return);
        let outbound = Target::Redirect(config.outbound_port.clone());
        self.nat(Chain::ISTIO_REDIRECT, reason::TO_OUTBOUND, vec![tcp()], outbound);
        let inbound = Target::Redirect(config.inbound_port.clone());
        self.nat(Chain::ISTIO_IN_REDIRECT, reason::TO_INBOUND, vec![tcp()], inbound);
    }

    fn inbound(&mut self) {
        let config = self.config;
        if config.inbound_ports.is_none() {
            return;
        }
        let tproxy = config.mode == Mode::Tproxy;
        let table = if tproxy { Table::Mangle } else { Table::Nat };
        if tproxy {
            self.tproxy_chains();
        }
        let jump = Target::Jump(Chain::ISTIO_INBOUND);
        self.add(table, Chain::PREROUTING, reason::INBOUND_JUMP, vec![tcp()], jump);
        let to = |port: &Port| dport(Protocol::Tcp, port);
        let mut add =
            |reason, criteria, target| self.add(table, Chain::ISTIO_INBOUND, reason, criteria, target);
        for port in config.inbound_ports.all_except().unwrap_or_default() {
            add(reason::INBOUND_EXCLUDE, vec![tcp(), to(port)], Target::Return);
        }
        let divert = || Target::Jump(Chain::ISTIO_DIVERT);
        let hand_over = || Target::Jump(Chain::ISTIO_TPROXY);
        let redirect = || Target::Jump(Chain::ISTIO_IN_REDIRECT);
        match (config.inbound_ports.all_except(), config.mode) {
            (None, _) => {}
            (Some(_), Mode::Redirect) => add(reason::INBOUND_ALL, vec![tcp()], redirect()),
            (Some(_), Mode::Tproxy) => {
                add(reason::INBOUND_ALL_DIVERT, vec![tcp(), state(KNOWN)], divert());
                add(reason::INBOUND_ALL_TPROXY, vec![tcp()], hand_over());
            }
        }
        for port in config.inbound_ports.listed().unwrap_or_default() {
            match config.mode {
                Mode::Redirect => add(reason::INBOUND_PORT, vec![tcp(), to(port)], redirect()),
                Mode::Tproxy => {
                    // The state stands before the port here, unlike in iptables.
                    add(reason::INBOUND_PORT_DIVERT, vec![tcp(), state(KNOWN), to(port)], divert());
                    add(reason::INBOUND_PORT_TPROXY, vec![tcp(), to(port)], hand_over());
                }
            }
        }
    }

    fn tproxy_chains(&mut self) {
        let config = self.config;
        let set_mark = Target::SetMark(config.tproxy_mark.clone());
        self.add(Table::Mangle, Chain::ISTIO_DIVERT, reason::DIVERT_MARK, vec![], set_mark);
        self.add(Table::Mangle, Chain::ISTIO_DIVERT, reason::DIVERT_ACCEPT, vec![], Target::Accept);
        for &family in self.families() {
            let criteria = vec![tcp(), destination(loopback(config, family)).not()];
            let (port, mark) = (config.inbound_port.clone(), config.tproxy_mark.clone());
            let target = Target::Tproxy { family, port, mark };
            self.add(Table::Mangle, Chain::ISTIO_TPROXY, reason::TO_TPROXY, criteria, target);
        }
    }

    fn owners(&mut self) {
        let config = self.config;
        let lo = lo();
        self.nat(Chain::OUTPUT, reason::OUTPUT_JUMP, vec![], Target::Jump(Chain::ISTIO_OUTPUT));
        for port in &config.outbound_exclude_ports {
            for protocol in [Protocol::Tcp, Protocol::Udp] {
                self.output(reason::OUTBOUND_EXCLUDE_PORT, vec![dport(protocol, port)], Target::Return);
            }
        }
        for &family in self.families() {
            let criteria = vec![oif(&lo), source(self_address(family))];
            self.output(reason::FROM_INBOUND_PROXY, criteria, Target::Return);
        }
        for id in &config.proxy_uids {
            let ports: Criterion = if config.dns.is_on() {
                Test::DestinationPorts(Protocol::Tcp, vec![DNS_PORT, config.tunnel_port.clone()]).into()
            } else {
                dport(Protocol::Tcp, &config.tunnel_port)
            };
            let reasons = [reason::UID_SELF_CALL, reason::UID_DIRECT, reason::UID_NO_LOOP];
            self.owner_triple(reasons, &ports, &uid(id));
        }
        for id in &config.proxy_gids {
            let ports = dport(Protocol::Tcp, &config.tunnel_port);
            let reasons = [reason::GID_SELF_CALL, reason::GID_DIRECT, reason::GID_NO_LOOP];
            self.owner_triple(reasons, &ports, &gid(id));
        }
        match &config.owner_groups {
            OwnerGroups::AllExcept(except) => {
                for group in except {
                    self.output(reason::OWNER_GROUPS, vec![gid(group)], Target::Return);
                }
            }
            OwnerGroups::Only(only) => {
                let criteria = only.iter().map(|group| gid(group).not()).collect();
                self.output(reason::OWNER_GROUPS, criteria, Target::Return);
            }
        }
    }

    fn owner_triple(
        &mut self,
        [self_call, direct, no_loop]: [Reason; 3],
        tunnel: &Criterion,
        owner: &Criterion,
    ) {
        let config = self.config;
        let lo = lo();
        for &family in self.families() {
            let not_loopback = destination(loopback(config, family)).not();
            let criteria = vec![oif(&lo), tcp(), not_loopback, tunnel.clone().not(), owner.clone()];
            self.output(self_call, criteria, Target::Jump(Chain::ISTIO_IN_REDIRECT));
        }
        if !config.outbound_ranges.includes_loopback() {
            let mut criteria = vec![oif(&lo)];
            if config.dns.is_on() {
                criteria.extend([tcp(), dport(Protocol::Tcp, &DNS_PORT).not()]);
            }
            criteria.push(owner.clone().not());
            self.output(direct, criteria, Target::Return);
        }
        self.output(no_loop, vec![owner.clone()], Target::Return);
    }

    fn dns(&mut self) {
        let config = self.config;
        let servers: Option<[(Family, &'c [NameServer]); 2]> = match &config.dns {
            DnsCapture::Off => return,
            DnsCapture::All => None,
            DnsCapture::Servers(servers) => {
                Some([(Family::Ipv4, servers.ipv4()), (Family::Ipv6, servers.ipv6())])
            }
        };
        let served: Vec<(Family, &NameServer)> = servers
            .into_iter()
            .flatten()
            .filter(|(family, _)| self.families().contains(family))
            .flat_map(|(family, list)| list.iter().map(move |server| (family, server)))
            .collect();
        // `NFT-61`: with IPv6 servers only and IPv6 off the baseline jumps to chains it does not declare. That
        // text is kept in compat mode alone.
        let jumps = servers.is_none() || !served.is_empty() || config.validation == Validation::Compat;
        let jump = || Target::Jump(Chain::ISTIO_OUTPUT_DNS);
        self.add(Table::Raw, Chain::OUTPUT, reason::DNS_RAW_JUMP, vec![], jump());
        if jumps {
            self.output(reason::DNS_NAT_JUMP, vec![], jump());
        }
        for (protocol, reason) in [(Protocol::Tcp, reason::DNS_TCP), (Protocol::Udp, reason::DNS_UDP)] {
            let port = dport(protocol, &DNS_PORT);
            let redirect = || Target::Redirect(AGENT_PORT);
            if servers.is_none() {
                let protocol = (protocol == Protocol::Tcp).then(tcp);
                let criteria = protocol.into_iter().chain([port.clone()]).collect();
                self.nat(Chain::ISTIO_OUTPUT_DNS, reason, criteria, redirect());
            }
            for (_, server) in &served {
                let criteria = vec![destination(Address::server(server)), port.clone()];
                self.nat(Chain::ISTIO_OUTPUT_DNS, reason, criteria, redirect());
            }
        }
        self.dns_zones(servers.is_none(), jumps, &served);
    }

    fn dns_zones(&mut self, all: bool, jumps: bool, served: &[(Family, &NameServer)]) {
        let config = self.config;
        let meta = Spelling { meta: true, ..Spelling::default() };
        let zone = |chain: Chain, reason: Reason, criteria: Vec<Criterion>, zone: u16| {
            Rule::new(Table::Raw, chain, reason, criteria, Target::Zone(zone))
        };
        let query = || dport(Protocol::Udp, &DNS_PORT);
        for owner in config.proxy_uids.iter().map(uid).chain(config.proxy_gids.iter().map(gid)) {
            let dns = Chain::ISTIO_OUTPUT_DNS;
            let asks = vec![query(), owner.clone()];
            self.rules.push(zone(dns.clone(), reason::DNS_PROXY_ZONE, asks, AGENT_ZONE).spelled(meta));
            let answers = vec![sport(Protocol::Udp, &AGENT_PORT), owner];
            self.rules.push(zone(dns, reason::DNS_ANSWER_ZONE, answers, APPLICATION_ZONE).spelled(meta));
        }
        let to_inbound = Target::Jump(Chain::ISTIO_INBOUND);
        let answer = || sport(Protocol::Udp, &DNS_PORT);
        if all {
            self.add(Table::Raw, Chain::PREROUTING, reason::DNS_ALL_PREROUTING, vec![], to_inbound);
            let query_zone = (reason::DNS_ALL_QUERY_ZONE, vec![query()]);
            self.rules.push(zone(Chain::ISTIO_OUTPUT_DNS, query_zone.0, query_zone.1, APPLICATION_ZONE));
            self.rules.push(zone(
                Chain::ISTIO_INBOUND,
                reason::DNS_ALL_ANSWER_ZONE,
                vec![answer()],
                AGENT_ZONE,
            ));
            return;
        }
        if jumps {
            self.add(Table::Raw, Chain::PREROUTING, reason::DNS_PREROUTING, vec![], to_inbound);
        }
        for (_, server) in served {
            let asks = vec![query(), destination(Address::server(server))];
            self.rules.push(zone(Chain::ISTIO_OUTPUT_DNS, reason::DNS_QUERY_ZONE, asks, APPLICATION_ZONE));
            let answers = vec![answer(), source(Address::server(server))];
            self.rules.push(zone(Chain::ISTIO_INBOUND, reason::DNS_RESPONSE_ZONE, answers, AGENT_ZONE));
        }
    }

    fn destinations(&mut self) {
        let config = self.config;
        let redirect = || Target::Jump(Chain::ISTIO_REDIRECT);
        for &family in self.families() {
            self.output(reason::LOOPBACK, vec![destination(loopback(config, family))], Target::Return);
        }
        for &family in self.families() {
            for address in of(family, config.outbound_ranges.excluded()) {
                self.output(reason::OUTBOUND_EXCLUDE_RANGE, vec![destination(address)], Target::Return);
            }
        }
        for port in &config.outbound_include_ports {
            self.output(reason::OUTBOUND_PORT, vec![dport(Protocol::Tcp, port)], redirect());
        }
        if config.outbound_ranges.is_all() {
            // Once, not per family: the rule matches both.
            self.output(reason::OUTBOUND_ALL, vec![], redirect());
            for name in &config.virtual_interfaces {
                self.add_virtual(reason::VIRTUAL_ALL, vec![iif(name)], redirect());
            }
        }
        for &family in self.families() {
            for address in of(family, config.outbound_ranges.included()) {
                for name in &config.virtual_interfaces {
                    let criteria = vec![iif(name), destination(address.clone())];
                    self.add_virtual(reason::VIRTUAL_RANGE, criteria, redirect());
                }
                self.output(reason::OUTBOUND_RANGE, vec![destination(address)], redirect());
            }
        }
    }

    fn tproxy_marks(&mut self) {
        let config = self.config;
        let lo = lo();
        let marked = || mark(&config.tproxy_mark);
        let mut mangle =
            |chain: Chain, reason: Reason, place: usize, criteria: Vec<Criterion>, target: Target| {
                self.rules.push(Rule::new(Table::Mangle, chain, reason, criteria, target).insert_at(place));
            };
        let families = if config.ipv6 { &Family::BOTH[..] } else { &[Family::Ipv4] };
        mangle(Chain::PREROUTING, reason::TPROXY_SAVE, 0, vec![tcp(), marked()], Target::SaveMark);
        let to_application = vec![oif(&lo), tcp(), marked()];
        mangle(Chain::OUTPUT, reason::TPROXY_TO_APPLICATION, 0, to_application, Target::Return);
        for owner in config.proxy_uids.iter().map(uid).chain(config.proxy_gids.iter().map(gid)) {
            for &family in families {
                let not_loopback = destination(loopback(config, family)).not();
                let criteria = vec![oif(&lo), tcp(), not_loopback, owner.clone()];
                mangle(Chain::OUTPUT, reason::TPROXY_MARK_PROXY, 0, criteria, Target::SetMark(OUTBOUND_MARK));
            }
        }
        let connection = vec![tcp(), connection_mark(&config.tproxy_mark)];
        mangle(Chain::OUTPUT, reason::TPROXY_RESTORE, 0, connection, Target::RestoreMark);
        mangle(Chain::ISTIO_INBOUND, reason::TPROXY_SKIP_MARKED, 1, vec![tcp(), marked()], Target::Return);
        for &family in families {
            // Both go to index 1, so the IPv6 rule ends up first.
            let criteria = vec![iif(&lo), tcp(), source(self_address(family))];
            mangle(Chain::ISTIO_INBOUND, reason::TPROXY_SKIP_SELF, 2, criteria, Target::Return);
        }
        let local = vec![iif(&lo), tcp(), mark(&OUTBOUND_MARK).not()];
        mangle(Chain::ISTIO_INBOUND, reason::TPROXY_SKIP_LOCAL, 3, local, Target::Return);
    }
}

fn of(family: Family, ranges: &[ipnet::IpNet]) -> impl Iterator<Item = Address> + '_ {
    ranges.iter().copied().map(Address::Range).filter(move |address| address.family() == family)
}
