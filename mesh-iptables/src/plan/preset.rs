//! Older layouts (section 7.1): the rule sets articles and old clusters show.

use super::{Layout, Lists, RulePlan, self_address};
use crate::chain::{Chain, Family, Table};
use crate::config::CaptureConfig;
use crate::ports::Port;
use crate::reason::{self, Reason};
use crate::render::Command;
use crate::rule::{
    Address, Criterion, Protocol, Rule, Spelling, Target, destination, dport, gid, iif, oif, source, tcp, uid,
};

/// A generation of Istio's rule layout. The names are the contract; versions are approximate.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum Preset {
    /// Istio 0.5 to 1.0: one redirect chain for both directions.
    Gen1,
    /// Istio 1.1 to 1.2: `ISTIO_IN_REDIRECT` appears, still on the outbound port.
    Gen2,
    /// Istio 1.3 to 1.4: inbound port 15006, self calls through it.
    Gen3,
    /// Istio 1.5 to 1.7: self calls told apart by owner.
    Gen4,
    /// Istio 1.8 to 1.12: the tunnel port 15008.
    Gen5,
    /// Istio 1.13 and later: SSH is no longer special.
    Gen6,
    /// Section 2, the same as [`CaptureConfig::plan`].
    Current,
}

impl CaptureConfig {
    /// The rules an older layout made from the same options. Cannot fail.
    ///
    /// Older layouts know only REDIRECT: TPROXY, DNS capture, owner groups and `drop-invalid` are passed over,
    /// and up to [`Preset::Gen3`] also IPv6 and outbound port lists.
    pub fn preset_plan(&self, preset: Preset) -> RulePlan {
        if preset == Preset::Current {
            return self.plan();
        }
        let mut lists = Lists::new(self.ipv6 && preset >= Preset::Gen4, self.expected_rules());
        let mut layout = OldLayout { config: self, preset, lists: &mut lists };
        layout.interfaces();
        layout.base_chains();
        layout.inbound();
        layout.outbound();
        lists.finish(Vec::new(), Layout::Sidecar)
    }
}

impl Preset {
    /// How older layouts closed IPv6 when it was off (`PRS-04`): calls of `ip6tables` that let only answers in.
    /// Empty from [`Preset::Gen4`] on. No plan contains them, for they flush what others have in `INPUT`.
    pub fn ipv6_closing_commands(self) -> Vec<Command> {
        if self >= Self::Gen4 {
            return Vec::new();
        }
        let mut lines: Vec<&[&str]> =
            vec![&["-F", "INPUT"], &["-A", "INPUT", "-m", "state", "--state", "ESTABLISHED", "-j", "ACCEPT"]];
        if self == Self::Gen3 {
            lines.push(&["-A", "INPUT", "-i", "lo", "-d", "::1", "-j", "ACCEPT"]);
        }
        lines.push(&["-A", "INPUT", "-j", "REJECT"]);
        lines.into_iter().map(|line| Command::new(Table::Filter.name(), line.iter().copied())).collect()
    }
}

struct OldLayout<'a> {
    config: &'a CaptureConfig,
    preset: Preset,
    lists: &'a mut Lists,
}

impl OldLayout<'_> {
    fn add(&mut self, chain: &Chain, reason: Reason, criteria: &[Criterion], target: &Target) {
        self.lists.both(|_| Rule::new(Table::Nat, chain.clone(), reason, criteria.to_vec(), target.clone()));
    }

    fn output(&mut self, reason: Reason, criteria: &[Criterion], target: &Target) {
        self.add(&Chain::ISTIO_OUTPUT, reason, criteria, target);
    }

    fn redirect(&mut self, chain: &Chain, reason: Reason, port: &Port) {
        // PRS-02: the singular up to gen4.
        let spelling = Spelling { to_port: self.preset <= Preset::Gen4, ..Spelling::default() };
        self.lists.both(|_| {
            let target = Target::Redirect(port.clone());
            Rule::new(Table::Nat, chain.clone(), reason, vec![tcp()], target).spelled(spelling)
        });
    }

    fn interfaces(&mut self) {
        let config = self.config;
        for name in &config.exclude_interfaces {
            self.add(&Chain::PREROUTING, reason::EXCLUDED_INTERFACE, &[iif(name)], &Target::Return);
            self.add(&Chain::OUTPUT, reason::EXCLUDED_INTERFACE, &[oif(name)], &Target::Return);
        }
        for name in &config.virtual_interfaces {
            self.lists.both(|_| {
                let reason = reason::VIRTUAL_INTERFACE;
                Rule::new(Table::Nat, Chain::PREROUTING, reason, vec![iif(name)], Target::Return).insert_at(1)
            });
        }
    }

    fn base_chains(&mut self) {
        let config = self.config;
        if self.preset >= Preset::Gen5 {
            let criteria = [tcp(), dport(Protocol::Tcp, &config.tunnel_port)];
            self.add(&Chain::ISTIO_INBOUND, reason::TUNNEL, &criteria, &Target::Return);
        }
        self.redirect(&Chain::ISTIO_REDIRECT, reason::TO_OUTBOUND, &config.outbound_port);
        let inbound = match self.preset {
            Preset::Gen1 => return,
            // The capture port's default was the outbound port.
            Preset::Gen2 if config.inbound_port_by_default => &config.outbound_port,
            Preset::Gen3 if config.inbound_ports.all_except().is_none() => &config.outbound_port,
            _ => &config.inbound_port,
        };
        self.redirect(&Chain::ISTIO_IN_REDIRECT, reason::TO_INBOUND, inbound);
    }

    fn inbound(&mut self) {
        let config = self.config;
        if config.inbound_ports.is_none() {
            return;
        }
        let chain = Chain::ISTIO_INBOUND;
        let capture = Target::Jump(match self.preset {
            Preset::Gen1 => Chain::ISTIO_REDIRECT,
            _ => Chain::ISTIO_IN_REDIRECT,
        });
        let to = |port: &Port| [tcp(), dport(Protocol::Tcp, port)];
        self.add(&Chain::PREROUTING, reason::INBOUND_JUMP, &[tcp()], &Target::Jump(chain.clone()));
        if let Some(except) = config.inbound_ports.all_except() {
            if self.preset <= Preset::Gen5 {
                self.add(&chain, reason::GEN_SSH, &to(&Port::new(22)), &Target::Return);
            }
            for port in except {
                self.add(&chain, reason::INBOUND_EXCLUDE, &to(port), &Target::Return);
            }
            self.add(&chain, reason::INBOUND_ALL, &[tcp()], &capture);
        }
        for port in config.inbound_ports.listed().unwrap_or_default() {
            self.add(&chain, reason::INBOUND_PORT, &to(port), &capture);
        }
    }

    fn outbound(&mut self) {
        let config = self.config;
        self.add(&Chain::OUTPUT, reason::OUTPUT_JUMP, &[tcp()], &Target::Jump(Chain::ISTIO_OUTPUT));
        if self.preset >= Preset::Gen3 {
            for port in &config.outbound_exclude_ports {
                let criteria = [tcp(), dport(Protocol::Tcp, port)];
                self.output(reason::OUTBOUND_EXCLUDE_PORT, &criteria, &Target::Return);
            }
            self.lists.both(|family| {
                let criteria = vec![oif(&super::lo()), source(self_address(family))];
                let reason = reason::FROM_INBOUND_PROXY;
                Rule::new(Table::Nat, Chain::ISTIO_OUTPUT, reason, criteria, Target::Return)
            });
        }
        if self.preset >= Preset::Gen4 {
            self.owner_triples();
        } else {
            let target = match self.preset {
                Preset::Gen3 => Chain::ISTIO_IN_REDIRECT,
                _ => Chain::ISTIO_REDIRECT,
            };
            self.self_call(reason::GEN_SELF_CALL, None, &Target::Jump(target));
            for id in &config.proxy_uids {
                self.output(reason::UID_NO_LOOP, &[uid(id)], &Target::Return);
            }
            for id in &config.proxy_gids {
                self.output(reason::GID_NO_LOOP, &[gid(id)], &Target::Return);
            }
        }
        self.destinations();
    }

    fn self_call(&mut self, reason: Reason, owner: Option<&Criterion>, target: &Target) {
        let lo = super::lo();
        self.lists.both(|family| {
            let mut criteria = vec![oif(&lo), super::ambient::not_local(family)];
            criteria.extend(owner.cloned());
            Rule::new(Table::Nat, Chain::ISTIO_OUTPUT, reason, criteria, target.clone())
        });
    }

    fn owner_triples(&mut self) {
        let config = self.config;
        let uids = config.proxy_uids.iter().map(uid);
        let uid_reasons = [reason::UID_SELF_CALL, reason::UID_DIRECT, reason::UID_NO_LOOP];
        let gids = config.proxy_gids.iter().map(gid);
        let gid_reasons = [reason::GID_SELF_CALL, reason::GID_DIRECT, reason::GID_NO_LOOP];
        let owners = uids.map(|id| (id, uid_reasons)).chain(gids.map(|id| (id, gid_reasons)));
        for (owner, [self_call, direct, no_loop]) in owners {
            self.self_call(self_call, Some(&owner), &Target::Jump(Chain::ISTIO_IN_REDIRECT));
            self.output(direct, &[oif(&super::lo()), owner.clone().not()], &Target::Return);
            self.output(no_loop, &[owner], &Target::Return);
        }
    }

    fn destinations(&mut self) {
        let config = self.config;
        let redirect = Target::Jump(Chain::ISTIO_REDIRECT);
        self.lists.both(|family| {
            let criteria = vec![destination(super::ambient::local(family))];
            Rule::new(Table::Nat, Chain::ISTIO_OUTPUT, reason::LOOPBACK, criteria, Target::Return)
        });
        for range in config.outbound_ranges.excluded() {
            self.range(reason::OUTBOUND_EXCLUDE_RANGE, Address::Range(*range), &Target::Return);
        }
        if self.preset >= Preset::Gen4 {
            for port in &config.outbound_include_ports {
                self.output(reason::OUTBOUND_PORT, &[tcp(), dport(Protocol::Tcp, port)], &redirect);
            }
        }
        if config.outbound_ranges.is_all() {
            self.output(reason::OUTBOUND_ALL, &[], &redirect);
            for name in &config.virtual_interfaces {
                self.lists.both(|_| from_virtual(reason::VIRTUAL_ALL, vec![iif(name)]));
            }
        }
        for range in config.outbound_ranges.included() {
            let address = Address::Range(*range);
            for name in &config.virtual_interfaces {
                let criteria = vec![iif(name), destination(address.clone())];
                self.lists.one(address.family(), || from_virtual(reason::VIRTUAL_RANGE, criteria));
            }
            self.range(reason::OUTBOUND_RANGE, address, &redirect);
        }
        for family in Family::BOTH {
            if config.outbound_ranges.included().iter().any(|range| Address::Range(*range).family() == family)
            {
                self.lists.one(family, || {
                    Rule::new(Table::Nat, Chain::ISTIO_OUTPUT, reason::GEN_FINAL, vec![], Target::Return)
                });
            }
        }
    }

    fn range(&mut self, reason: Reason, address: Address, target: &Target) {
        let family: Family = address.family();
        self.lists.one(family, || {
            Rule::new(Table::Nat, Chain::ISTIO_OUTPUT, reason, vec![destination(address)], target.clone())
        });
    }
}

fn from_virtual(reason: Reason, criteria: Vec<Criterion>) -> Rule {
    let target = Target::Jump(Chain::ISTIO_REDIRECT);
    Rule::new(Table::Nat, Chain::PREROUTING, reason, criteria, target).insert_at(1)
}
