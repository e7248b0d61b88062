//! Forms the snapshots do not show: listings, chain declarations, older tools' calls, and any bytes as input.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail loudly"
)]

use mesh_iptables::{
    AmbientConfig, AmbientPod, CaptureConfig, Chain, Counter, Counters, Family, Namespace, Packet, Preset,
    ProtocolColumn, Ruleset, SavedRules, Table,
};
use proptest::prelude::*;

fn config(args: &[&str]) -> CaptureConfig {
    CaptureConfig::builder().args(args).unwrap().build().unwrap()
}

/// Section 7.3, as an article shows it: trailing blanks are gone (`LST-07`).
const LISTING: &str = "\
Chain PREROUTING (policy ACCEPT 2701 packets, 162K bytes)
 pkts bytes target     prot opt in     out     source               destination
 2701  162K ISTIO_INBOUND  tcp  --  *      *       0.0.0.0/0            0.0.0.0/0

Chain INPUT (policy ACCEPT 0 packets, 0 bytes)
 pkts bytes target     prot opt in     out     source               destination

Chain OUTPUT (policy ACCEPT 79 packets, 6761 bytes)
 pkts bytes target     prot opt in     out     source               destination
   15   900 ISTIO_OUTPUT  tcp  --  *      *       0.0.0.0/0            0.0.0.0/0

Chain POSTROUTING (policy ACCEPT 0 packets, 0 bytes)
 pkts bytes target     prot opt in     out     source               destination

Chain ISTIO_INBOUND (1 references)
 pkts bytes target     prot opt in     out     source               destination
    0     0 RETURN     tcp  --  *      *       0.0.0.0/0            0.0.0.0/0            tcp dpt:22
    2   120 RETURN     tcp  --  *      *       0.0.0.0/0            0.0.0.0/0            tcp dpt:15090
    0     0 ISTIO_IN_REDIRECT  tcp  --  *      *       0.0.0.0/0            0.0.0.0/0

Chain ISTIO_IN_REDIRECT (3 references)
 pkts bytes target     prot opt in     out     source               destination
    0     0 REDIRECT   tcp  --  *      *       0.0.0.0/0            0.0.0.0/0            redir ports 15006

Chain ISTIO_OUTPUT (1 references)
 pkts bytes target     prot opt in     out     source               destination
    0     0 RETURN     all  --  *      lo      127.0.0.6            0.0.0.0/0
    0     0 ISTIO_IN_REDIRECT  all  --  *      lo      0.0.0.0/0           !127.0.0.1            owner UID match 1337
    0     0 RETURN     all  --  *      lo      0.0.0.0/0            0.0.0.0/0            ! owner UID match 1337
    0     0 RETURN     all  --  *      *       0.0.0.0/0            0.0.0.0/0            owner UID match 1337
    0     0 ISTIO_IN_REDIRECT  all  --  *      lo      0.0.0.0/0           !127.0.0.1            owner GID match 1337
    0     0 RETURN     all  --  *      lo      0.0.0.0/0            0.0.0.0/0            ! owner GID match 1337
    0     0 RETURN     all  --  *      *       0.0.0.0/0            0.0.0.0/0            owner GID match 1337
    0     0 RETURN     all  --  *      *       0.0.0.0/0            127.0.0.1
    0     0 ISTIO_REDIRECT  all  --  *      *       0.0.0.0/0            0.0.0.0/0

Chain ISTIO_REDIRECT (1 references)
 pkts bytes target     prot opt in     out     source               destination
    0     0 REDIRECT   tcp  --  *      *       0.0.0.0/0            0.0.0.0/0            redir ports 15001
";

#[test]
fn a_listing_of_gen4_lst_01_02_03_07() {
    let plan = config(&["-i", "*", "-b", "*", "-d", "15090"]).preset_plan(Preset::Gen4);
    let counters = Counters::new()
        .policy(Chain::PREROUTING, Counter::new(2701, 162_060))
        .policy(Chain::OUTPUT, Counter::new(79, 6761))
        .rules(Chain::PREROUTING, [Counter::new(2701, 162_060)])
        .rules(Chain::OUTPUT, [Counter::new(15, 900)])
        .rules(Chain::ISTIO_INBOUND, [Counter::default(), Counter::new(2, 120)]);
    let listing = plan.listing(Table::Nat, &counters, ProtocolColumn::Names);
    let trimmed: Vec<&str> = listing.lines().map(str::trim_end).collect();
    assert_eq!(trimmed, LISTING.lines().collect::<Vec<_>>());
    // Untrimmed, the header's last column is twenty wide.
    let header = listing.lines().nth(1).unwrap();
    assert_eq!(header.len() - header.find("destination").unwrap(), 20);
}

/// `PRS-04`, `PRS-05`
#[test]
fn what_older_tools_ran() {
    let lines = |preset: Preset| -> Vec<String> {
        preset.ipv6_closing_commands().iter().map(ToString::to_string).collect()
    };
    let gen1 = [
        "-t filter -F INPUT",
        "-t filter -A INPUT -m state --state ESTABLISHED -j ACCEPT",
        "-t filter -A INPUT -j REJECT",
    ];
    assert_eq!(lines(Preset::Gen1), gen1);
    assert_eq!(lines(Preset::Gen2), gen1);
    assert_eq!(lines(Preset::Gen3)[2], "-t filter -A INPUT -i lo -d ::1 -j ACCEPT");
    assert_eq!(lines(Preset::Gen3).len(), 4);
    for preset in [Preset::Gen4, Preset::Gen5, Preset::Gen6, Preset::Current] {
        assert_eq!(lines(preset), [""; 0]);
    }
    // Up to gen3 single calls, after the old chains were removed; from gen4 on one text.
    let plan = config(&["-i", "*", "-b", "9080"]).preset_plan(Preset::Gen2);
    let calls = plan.commands(Family::Ipv4);
    assert_eq!(calls.len(), plan.rules(Family::Ipv4).len() + 4);
    assert!(calls[..4].iter().all(|call| call.args()[2] == "-N"));
    let removal: Vec<String> =
        plan.cleanup_commands(Family::Ipv4).iter().map(|call| call.args()[2..].join(" ")).collect();
    assert!(removal.contains(&"-D PREROUTING -p tcp -j ISTIO_INBOUND".to_owned()));
    assert!(removal.contains(&"-X ISTIO_REDIRECT".to_owned()));
}

/// `NFT-02`, `NFT-03`, `NFT-11`: every chain of every table, in order, with its hook.
#[test]
fn chains_of_nftables() {
    let chains = |transaction: &str| -> Vec<String> {
        let lines = transaction.lines().filter_map(|line| line.strip_prefix("add chain inet "));
        lines.map(str::to_owned).collect()
    };
    let args = [
        "-m",
        "TPROXY",
        "-b",
        "*",
        "-i",
        "*",
        "-c",
        "eth1",
        "--drop-invalid",
        "--redirect-dns",
        "--capture-all-dns",
    ];
    assert_eq!(
        chains(&config(&args).nftables_plan().transaction()),
        [
            "istio-proxy-nat prerouting { type nat hook prerouting priority -100 ; }",
            "istio-proxy-nat output { type nat hook output priority -100 ; }",
            "istio-proxy-nat istio-inbound",
            "istio-proxy-nat istio-redirect",
            "istio-proxy-nat istio-in-redirect",
            "istio-proxy-nat istio-output",
            "istio-proxy-nat istio-output-dns",
            "istio-proxy-mangle prerouting { type filter hook prerouting priority -150 ; }",
            "istio-proxy-mangle output { type route hook output priority -150 ; }",
            "istio-proxy-mangle istio-divert",
            "istio-proxy-mangle istio-tproxy",
            "istio-proxy-mangle istio-inbound",
            "istio-proxy-mangle istio-drop",
            "istio-proxy-raw prerouting { type filter hook prerouting priority -300 ; }",
            "istio-proxy-raw output { type filter hook output priority -300 ; }",
            "istio-proxy-raw istio-inbound",
            "istio-proxy-raw istio-output-dns",
        ]
    );
    let ambient = AmbientConfig::new().redirect_dns().pod_nftables_plan(&AmbientPod::new());
    let ambient = chains(&ambient.transaction());
    assert_eq!(ambient.len(), 12);
    assert_eq!(
        ambient[4..8],
        [
            "istio-ambient-mangle prerouting { type filter hook prerouting priority -150 ; }",
            "istio-ambient-mangle output { type route hook output priority -150 ; }",
            "istio-ambient-mangle istio-prerouting",
            "istio-ambient-mangle istio-output",
        ]
    );
}

/// `SAV-31`, `SAV-32`, `TRB-09`: order of tables, comments, other tables and counters make no difference.
#[test]
fn saves_of_both_variants_read_alike() {
    let nft = "\
# Generated by iptables-nft-save v1.8.9 (nf_tables) on Sat Nov 21 09:33:21 2026
*mangle
-A PREROUTING -i eth1 -j RETURN
COMMIT
# Completed on Sat Nov 21 09:33:21 2026
*security
-A INPUT -j ISTIO_SECURITY
COMMIT
*nat
:ISTIO_OUTPUT - [0:0]
-A OUTPUT -j ISTIO_OUTPUT
COMMIT
";
    let legacy = "\
# Generated by iptables-save v1.8.9 on Sat Nov 21 09:33:21 2026
*nat
:OUTPUT ACCEPT [3:180]
:ISTIO_OUTPUT - [0:0]
-A OUTPUT -j ISTIO_OUTPUT
COMMIT
*mangle
:PREROUTING ACCEPT [0:0]
-A PREROUTING -i eth1 -j RETURN
COMMIT
";
    assert_eq!(SavedRules::parse(nft), SavedRules::parse(legacy));
    assert!(SavedRules::parse(nft).has_residue());
}

proptest! {
    /// `TST-05`: no reader panics, and whatever is read can be walked through, compared and cleaned up.
    #[test]
    fn tst_05_any_saved_text(
        text in proptest::collection::vec(
            prop_oneof![
                any::<String>(),
                "[-:*\\[\\]A-Z_ \"a-z0-9/{}=!,.]{0,40}",
                proptest::sample::select(&[
                    "*nat", "* raw", ":ISTIO_X - [0:0]", "-A OUTPUT -j ISTIO_X", "-I ISTIO_X 1 -p tcp -j", "-A ISTIO_X -m owner",
                    "table inet istio-proxy-nat {", "chain output {", "}", "counter packets 0 bytes 0 jump istio-x",
                    "insert rule inet istio-proxy-nat output index 9 tcp dport { 1, 2", "ct mark set ct mark &",
                ][..]).prop_map(str::to_owned),
            ],
            0..12,
        ).prop_map(|lines| lines.join("\n")),
    ) {
        let saved = SavedRules::parse(&text);
        let plan = config(&["-i", "*"]).plan();
        let found = plan.compare(&saved, &saved);
        prop_assert!(found.delta);
        for command in saved.leftover_commands() {
            prop_assert!(command.args().iter().any(|word| word.starts_with("ISTIO_")));
        }
        let packet: Packet = "out dst=10.0.0.7:80".parse().unwrap();
        let _any_answer = format!("{:#}", Ruleset::from_saved(&saved, &saved).simulate(&packet, &Namespace::new()));
        let _any_answer = format!("{:#}", Ruleset::from_nftables(&text).simulate(&packet, &Namespace::new()));
    }

    /// `TST-05` for packets; and what is read prints as it can be read again.
    #[test]
    fn tst_05_any_packet(
        words in proptest::collection::vec(
            prop_oneof![
                "[a-z]{1,5}=[\\[\\]:.0-9a-fx]{0,12}",
                proptest::sample::select(&[
                    "out", "in", "dst=10.0.0.7:80", "dst=[fd00::7]:80", "src=10.0.0.9", "uid=0", "owner=none", "proto=icmp",
                    "state=invalid", "iface=lo", "mark=0x539",
                ][..]).prop_map(str::to_owned),
            ],
            0..6,
        ),
    ) {
        match words.join(" ").parse::<Packet>() {
            Ok(packet) => prop_assert_eq!(packet.to_string().parse::<Packet>().unwrap(), packet),
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }
}
