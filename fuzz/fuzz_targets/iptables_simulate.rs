//! Packets through rules from any options: a packet prints as it is read, every walk ends, and planned rules, their
//! restore text and their transaction give equal results.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use mesh_fuzz::fold;
use mesh_iptables::{CaptureConfig, Family, Namespace, Packet, Ruleset, SavedRules, Verdict};

#[derive(Arbitrary, Debug)]
struct Input {
    flags: Vec<(u8, Vec<u8>)>,
    packet: Vec<u8>,
    ipv6: bool,
}

const FLAGS: &[&str] = &[
    "envoy-port",
    "inbound-capture-port",
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
    "redirect-dns",
    "capture-all-dns",
    "drop-invalid",
];
const VALUES: &[&str] = &[
    "*",
    ",",
    "80",
    "53",
    "1337",
    "1000",
    "15006",
    "15008",
    "10.0.0.0/8",
    "127.0.0.0/8",
    "fd00::/8",
    "eth0",
    "k6t0",
    "TPROXY",
    "true",
    "lo",
];
const WORDS: &[&str] = &[
    "out ",
    "in ",
    "dst=10.0.0.7:80 ",
    "dst=10.77.0.2:8080 ",
    "dst=127.0.0.1:53 ",
    "dst=[fd00::7]:443 ",
    "dst=[::1]:53 ",
    "src=127.0.0.6 ",
    "src=192.0.2.9:53 ",
    "uid=1337 ",
    "gid=1337 ",
    "uid=0 ",
    "owner=none ",
    "proto=udp ",
    "proto=icmp ",
    "iface=eth0 ",
    "iface=lo ",
    "iface=k6t0 ",
    "mark=1337 ",
    "mark=0x53a ",
    "connmark=1337 ",
    "state=established ",
    "state=invalid ",
    "flow=127.0.0.1:15001 ",
    "=",
    "[",
    ":",
];

fuzz_target!(|input: Input| {
    let Ok(packet) = fold(&input.packet, WORDS).parse::<Packet>() else { return };
    let printed = packet.to_string();
    assert_eq!(printed.parse::<Packet>().as_ref(), Ok(&packet), "{printed}");

    let mut builder = CaptureConfig::builder();
    for (name, value) in &input.flags {
        let name = FLAGS[usize::from(*name) % FLAGS.len()];
        let Ok(next) = builder.clone().flag(name, &fold(value, VALUES)) else { continue };
        builder = next;
    }
    if input.ipv6 {
        builder = builder.enable_ipv6();
    }
    let Ok(config) = builder.build() else { return };
    let (plan, nftables) = (config.plan(), config.nftables_plan());
    let [ipv4, ipv6] = Family::BOTH.map(|family| SavedRules::parse(&plan.restore_input(family)));
    let forms = [
        [plan.ruleset(), Ruleset::from_saved(&ipv4, &ipv6)],
        [nftables.ruleset(), Ruleset::from_nftables(&nftables.transaction())],
    ];
    let pod = ["10.77.0.2/24", "fd00:77::2/64"].map(|address| address.parse().expect("an address"));
    let namespace = Namespace::pod(pod).host_steps(plan.host_steps());
    for [planned, read] in &forms {
        let (a, b) = (planned.simulate(&packet, &namespace), read.simulate(&packet, &namespace));
        if !a.is_certain() || !b.is_certain() {
            continue;
        }
        let end = |simulation: &mesh_iptables::Simulation<'_>| {
            (
                simulation.verdict(),
                simulation.delivery().clone(),
                simulation.mark(),
                simulation.connection_mark(),
            )
        };
        assert_eq!(end(&a), end(&b), "{a:#}\n{b:#}");
        assert_eq!(a.zone(), b.zone());
        assert_eq!(a.hits().count(), b.hits().count(), "{a:#}\n{b:#}");
        if let Verdict::Redirect { .. } = a.verdict() {
            assert!(!printed.contains("icmp"), "{a:#}");
        }
    }
});
