//! Packets asked about in the words of `--packet`, of both backends at once.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "shared by test binaries that each use a part"
)]

use mesh_iptables::{CaptureConfig, Namespace, Packet, Ruleset, SavedRules, Simulation, Verdict};

pub const ACCEPT: Verdict = Verdict::Accept;
pub const MARK: u32 = 1337;

pub fn config(args: &[&str]) -> CaptureConfig {
    CaptureConfig::builder().args(args).unwrap().enable_ipv6().build().unwrap()
}

pub fn pod() -> Namespace {
    Namespace::pod(["10.77.0.2/24".parse().unwrap(), "fd00:77::2/64".parse().unwrap()])
}

pub fn packet(text: &str) -> Packet {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

pub fn redirect(port: u16) -> Verdict {
    Verdict::Redirect { port }
}

pub fn tproxy(port: u16) -> Verdict {
    Verdict::Tproxy { port, mark: MARK }
}

/// A configuration in both backends, with what it sets up beside its rules.
pub struct Pod {
    pub rulesets: [Ruleset; 2],
    pub namespace: Namespace,
}

impl Pod {
    pub fn new(config: &CaptureConfig) -> Self {
        let plan = config.plan();
        let rulesets = [plan.ruleset(), config.nftables_plan().ruleset()];
        Self { rulesets, namespace: pod().host_steps(plan.host_steps()) }
    }

    pub fn of(args: &[&str]) -> Self {
        Self::new(&config(args))
    }

    pub fn each(&self, text: &str) -> [Simulation<'_>; 2] {
        [&self.rulesets[0], &self.rulesets[1]].map(|ruleset| {
            let simulation = ruleset.simulate(&packet(text), &self.namespace);
            assert!(simulation.is_certain(), "{simulation:#}");
            simulation
        })
    }

    /// One answer from both backends.
    pub fn both<T: PartialEq + std::fmt::Debug>(&self, text: &str, ask: impl Fn(&Simulation<'_>) -> T) -> T {
        let [iptables, nftables] = self.each(text);
        let (answer, other) = (ask(&iptables), ask(&nftables));
        assert_eq!(answer, other, "{iptables:#}\n{nftables:#}");
        answer
    }

    pub fn verdict(&self, text: &str) -> Verdict {
        self.both(text, |simulation| simulation.verdict())
    }
}

/// Rules in the form the restore tools read.
pub fn saved(text: &str) -> Ruleset {
    Ruleset::from_saved(&SavedRules::parse(text), &SavedRules::empty())
}

pub fn verdict(rules: &str, text: &str) -> Verdict {
    let rules = saved(rules);
    let simulation = rules.simulate(&packet(text), &pod());
    assert!(simulation.is_certain(), "{simulation:#}");
    simulation.verdict()
}
