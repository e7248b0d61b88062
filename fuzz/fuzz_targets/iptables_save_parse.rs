//! The kernel's tables from any text, and from texts in the words of the save tools: reading ends, what is removed is
//! what belongs to Istio, a plan equals its own text whatever stands in other tables, and every walk through the rules
//! ends.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use mesh_fuzz::fold;
use mesh_iptables::{CaptureConfig, Family, Namespace, Packet, Ruleset, SavedRules, Table};

#[derive(Arbitrary, Debug)]
struct Input {
    text: Vec<u8>,
    nftables: bool,
}

const WORDS: &[&str] = &[
    "*nat\n",
    "* mangle\n",
    "*raw\n",
    "*filter\n",
    "*security\n",
    "COMMIT\n",
    ":ISTIO_OUTPUT - [0:0]\n",
    ":PREROUTING ACCEPT [0:0]\n",
    "-N ISTIO_INBOUND\n",
    "-A OUTPUT ",
    "-A PREROUTING ",
    "-A ISTIO_OUTPUT ",
    "-I ISTIO_INBOUND 2 ",
    "[1:2] ",
    "-j ISTIO_OUTPUT\n",
    "-j ISTIO_INBOUND\n",
    "-j REDIRECT --to-ports 15001\n",
    "-j TPROXY --on-port 15006 --on-ip 0.0.0.0 --tproxy-mark 0x539/0xffffffff\n",
    "-j MARK --set-xmark 0x1/0xffffffff\n",
    "-j CONNMARK --restore-mark\n",
    "-j CT --zone 1\n",
    "-j RETURN\n",
    "-j DROP\n",
    "! ",
    "-p tcp ",
    "-m tcp --dport 80 ",
    "-m multiport --dports 1,2 ",
    "-m owner --uid-owner 1-3 ",
    "-d 10.0.0.0/8 ",
    "-o lo ",
    "-m comment --comment \"a b\" ",
    "table inet istio-proxy-nat {\n",
    "chain output {\n",
    "}\n",
    "counter packets 0 bytes 0 ",
    "jump istio-output\n",
    "redirect to :15001\n",
    "meta l4proto tcp ",
    "tcp dport { 1, 2 } ",
    "ct mark set ct mark & 0xfffff111 | 0x111\n",
    "meta mark & 0xfff == 0x539 ",
    "add rule inet istio-proxy-nat output ",
    "insert rule inet istio-proxy-nat istio-output index 9 ",
];

fuzz_target!(|input: Input| {
    let text = fold(&input.text, WORDS);
    let packets =
        ["out uid=1000 dst=10.0.0.7:80", "in dst=10.77.0.2:80 mark=0x539", "out proto=udp dst=127.0.0.1:53"]
            .map(|packet| packet.parse::<Packet>().expect("a packet"));
    let namespace = Namespace::new();
    let saved = SavedRules::parse(&text);
    let rules =
        if input.nftables { Ruleset::from_nftables(&text) } else { Ruleset::from_saved(&saved, &saved) };
    for packet in &packets {
        let simulation = rules.simulate(packet, &namespace);
        assert!(simulation.steps().len() <= 100_001);
        if simulation.steps().len() < 100 {
            assert!(!format!("{simulation:#}").is_empty());
        }
    }
    for command in saved.leftover_commands() {
        let [t, table, operation, chain, rest @ ..] = command.args() else { panic!("{command}") };
        assert_eq!(t, "-t");
        assert!(Table::ALL.iter().any(|known| known.name() == table));
        match operation.as_str() {
            "-D" => assert!(rest.iter().any(|word| word.starts_with("ISTIO_")), "{command}"),
            "-F" | "-X" => assert!(chain.starts_with("ISTIO_"), "{command}"),
            other => panic!("{other}"),
        }
    }
    let plan = CaptureConfig::builder().build().expect("the defaults").plan();
    let own = plan.restore_input(Family::Ipv4);
    let _ = plan.compare(&saved, &SavedRules::empty());
    // Text before the first table belongs to none.
    let noise: String =
        text.lines().filter(|line| !line.starts_with('*')).map(|line| format!("{line}\n")).collect();
    let with_noise = SavedRules::parse(&format!("{noise}*security\n{noise}{own}"));
    assert_eq!(plan.drift(Family::Ipv4, &with_noise), []);
});
