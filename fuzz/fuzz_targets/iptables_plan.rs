//! Rules from any flags, environment and annotations: the restore text is made of whole lines of the four known
//! forms, every jump has a chain to land in, and cleanup answers every rule.
#![no_main]

use std::collections::HashSet;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use mesh_fuzz::fold;
use mesh_iptables::{CaptureConfig, Family, NameServers, Preset, RulePlan, Validation};

#[derive(Arbitrary, Debug)]
struct Input {
    flags: Vec<(u8, Vec<u8>)>,
    environment: Vec<(u8, Vec<u8>)>,
    ipv6: bool,
    strict: bool,
    resolv_conf: Vec<u8>,
}

const FLAGS: &[&str] = &[
    "envoy-port",
    "inbound-capture-port",
    "inbound-tunnel-port",
    "proxy-uid",
    "proxy-gid",
    "istio-inbound-interception-mode",
    "istio-inbound-ports",
    "istio-local-exclude-ports",
    "istio-exclude-interfaces",
    "istio-service-cidr",
    "istio-service-exclude-cidr",
    "istio-outbound-ports",
    "istio-local-outbound-ports-exclude",
    "kube-virt-interfaces",
    "istio-inbound-tproxy-mark",
    "istio-inbound-tproxy-route-table",
    "redirect-dns",
    "capture-all-dns",
    "drop-invalid",
    "dual-stack",
    "no-such-flag",
];
const VARIABLES: &[&str] = &[
    "ISTIO_OUTBOUND_OWNER_GROUPS",
    "ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE",
    "ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR",
    "PROXY_UID",
    "ISTIO_META_DNS_CAPTURE",
    "INVALID_DROP",
    "ENVOY_USER",
    "ISTIO_INBOUND_PORTS",
];
const WORDS: &[&str] = &[
    "*",
    ",",
    "80",
    "15001",
    "1337",
    "0",
    "65535",
    "65536",
    "-1",
    "10.0.0.0/8",
    "127.0.0.1/32",
    "fd00::/8",
    "::1",
    "eth0",
    "lo",
    "TPROXY",
    "REDIRECT",
    "true",
    "false",
    " ",
    "\n",
    "\"",
    "-j",
    "0x10",
    "nameserver 10.0.0.53\n",
    "nameserver fd00::53\n",
    "!",
    "é",
];

fn check(plan: &RulePlan) {
    for family in [Family::Ipv4, Family::Ipv6] {
        let text = plan.restore_input(family);
        let mut chains: HashSet<&str> = ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"].into();
        for line in text.lines() {
            if let Some(table) = line.strip_prefix("* ") {
                assert!(["filter", "mangle", "nat", "raw"].contains(&table), "{line:?}");
                chains.retain(|chain| !chain.starts_with("ISTIO"));
            } else if let Some(chain) = line.strip_prefix("-N ") {
                chains.insert(chain);
            } else if let Some(rule) = line.strip_prefix("-A ").or_else(|| line.strip_prefix("-I ")) {
                let chain = rule.split(' ').next().unwrap_or_default();
                assert!(chains.contains(chain), "{chain} has no chain line: {line:?}");
                let jump = rule.rsplit_once("-j ").and_then(|(_, target)| target.split(' ').next());
                let jump = jump.filter(|target| target.starts_with("ISTIO_"));
                assert!(jump.is_none_or(|target| chains.contains(target)), "{line:?} jumps nowhere");
            } else {
                assert_eq!(line, "COMMIT");
            }
        }
        assert!(text.is_empty() || text.ends_with("COMMIT\n"));
        assert!(plan.commands(family).len() >= plan.rules(family).len());
        assert_eq!(plan.check_commands(family).len(), plan.rules(family).len());
        let cleanup = plan.cleanup_commands(family);
        let count = |operation: &str| {
            cleanup.iter().filter(|command| command.args().iter().any(|arg| arg == operation)).count()
        };
        let outside = plan.rules(family).iter().filter(|rule| rule.chain.is_built_in()).count();
        let created = plan.commands(family).len() - plan.rules(family).len();
        assert!(count("-D") >= outside, "a rule stays behind");
        assert_eq!((count("-F"), count("-X")), (created, created), "a chain stays behind");
    }
    let _ = plan.dry_run_transcript();
}

fuzz_target!(|input: Input| {
    let environment: Vec<(&str, String)> = input
        .environment
        .iter()
        .map(|(name, value)| (VARIABLES[usize::from(*name) % VARIABLES.len()], fold(value, WORDS)))
        .collect();
    let mut builder = CaptureConfig::builder().environment(environment);
    for (name, value) in &input.flags {
        let name = FLAGS[usize::from(*name) % FLAGS.len()];
        let Ok(next) = builder.clone().flag(name, &fold(value, WORDS)) else { continue };
        builder = next;
    }
    if input.ipv6 {
        builder = builder.enable_ipv6();
    }
    if input.strict {
        builder = builder.validation(Validation::Strict);
    }
    builder = builder.name_servers(NameServers::from_resolv_conf(&fold(&input.resolv_conf, WORDS)));
    let Ok(config) = builder.build() else { return };
    check(&config.plan());
    for preset in [Preset::Gen1, Preset::Gen2, Preset::Gen3, Preset::Gen4, Preset::Gen5, Preset::Gen6] {
        let _ = config.preset_plan(preset).restore_input(Family::Ipv4);
    }
});
