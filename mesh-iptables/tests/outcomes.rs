//! The outcome tables of sections 6.5 to 6.7, by walking packets through the structured rules of both backends.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unreachable,
    reason = "a test may fail loudly"
)]

#[path = "support/walk.rs"]
mod walk;

use mesh_iptables::{CaptureConfig, NameServers, Protocol};
use walk::{Fate, POD, Packet, SELF, UID, arriving, fates, ip, sent};

/// `OUT-T01` to `OUT-T15`, `TST-04`: for both families; by plan, restore text, saved text and transaction.
#[test]
fn section_6_6_outcome_table() {
    let config = CaptureConfig::builder()
        .args(["-b", "*", "-d", "15020,15021,15090", "-i", "*", "-o", "3306"])
        .unwrap()
        .enable_ipv6()
        .build()
        .unwrap();
    for family in 0..2 {
        let (pod, peer, loopback) =
            (POD[family], ["192.0.2.9", "2001:db8::9"][family], ["127.0.0.1", "::1"][family]);
        let (app, proxy) = ((1000, 1000), (UID, UID));
        let from_self = Packet { source: ip(SELF[family]), ..sent("lo", pod, 8080, proxy) };
        let udp = Packet { protocol: Protocol::Udp, ..sent("eth0", peer, 443, app) };
        let inbound = Fate::Redirect(15006);
        let outbound = Fate::Redirect(15001);
        let mut rows = vec![
            ("OUT-T01", arriving("eth0", pod, 8080), inbound),
            ("OUT-T01", arriving("eth0", pod, 22), inbound),
            ("OUT-T02", arriving("eth0", pod, 15008), Fate::Direct),
            ("OUT-T02", arriving("eth0", pod, 15090), Fate::Direct),
            ("OUT-T03", arriving("eth0", pod, 15001), inbound),
            ("OUT-T03", arriving("eth0", pod, 15006), inbound),
            ("OUT-T04", sent("eth0", peer, 80, app), outbound),
            ("OUT-T04", sent("eth0", peer, 1, app), outbound),
            ("OUT-T05", sent("eth0", peer, 3306, app), Fate::Direct),
            ("OUT-T06", sent("eth0", peer, 80, proxy), Fate::Direct),
            ("OUT-T06", sent("eth0", peer, 80, (1000, UID)), Fate::Direct),
            ("OUT-T06", sent("eth0", peer, 80, (UID, 1000)), Fate::Direct),
            ("OUT-T07", sent("lo", pod, 8080, app), Fate::Direct),
            ("OUT-T08", sent("lo", pod, 8080, proxy), inbound),
            ("OUT-T09", sent("lo", pod, 15008, proxy), Fate::Direct),
            ("OUT-T09", sent("lo", pod, 3306, proxy), Fate::Direct),
            ("OUT-T10", from_self, Fate::Direct),
            ("OUT-T11", sent("lo", loopback, 8080, app), Fate::Direct),
            ("OUT-T11", sent("lo", loopback, 8080, proxy), Fate::Direct),
            ("OUT-T13", sent("lo", pod, 8080, (1000, UID)), Fate::Direct),
            ("OUT-T14", sent("lo", pod, 15001, app), Fate::Direct),
            ("OUT-T15", udp, Fate::Direct),
        ];
        if family == 0 {
            rows.push(("OUT-T12", sent("lo", "127.0.0.2", 8080, proxy), inbound));
        }
        for (id, packet, want) in rows {
            assert_eq!(fates(&config, &packet), [want; 2], "{id} {packet:?}");
        }
    }
}

/// `OUT-D01` to `OUT-D05`, `TST-04`.
#[test]
fn section_6_6_dns_table() {
    let servers = NameServers::from_resolv_conf("nameserver 10.96.0.10\nnameserver fd00::a\n");
    let builder = CaptureConfig::builder().enable_ipv6().name_servers(servers);
    let all = builder.clone().capture_all_dns().build().unwrap();
    let listed = builder.redirect_dns().build().unwrap();
    let (app, proxy, agent) = ((1000, 1000), (UID, UID), Fate::Redirect(15053));
    for (server, other, pod) in [("10.96.0.10", "192.0.2.53", POD[0]), ("fd00::a", "2001:db8::53", POD[1])] {
        for protocol in [Protocol::Tcp, Protocol::Udp] {
            let query = |interface, to, owner| Packet { protocol, ..sent(interface, to, 53, owner) };
            let rows = [
                ("OUT-D01", query("eth0", server, app), [agent, agent]),
                ("OUT-D02", query("eth0", other, app), [agent, Fate::Direct]),
                ("OUT-D03", query("eth0", server, proxy), [Fate::Direct; 2]),
                ("OUT-D05", query("lo", pod, proxy), [Fate::Direct; 2]),
            ];
            for (id, packet, [want_all, want_listed]) in rows {
                assert_eq!(fates(&all, &packet), [want_all; 2], "{id} all {packet:?}");
                assert_eq!(fates(&listed, &packet), [want_listed; 2], "{id} listed {packet:?}");
            }
        }
    }
    let local = sent("lo", "127.0.0.1", 53, app);
    assert_eq!(fates(&all, &local), [agent; 2], "OUT-D04");
    assert_eq!(fates(&listed, &local), [Fate::Direct; 2], "OUT-D04");
}

#[test]
fn sim_60_only_the_first_of_several_users_is_captured_on_its_own_pod() {
    let config = CaptureConfig::builder().proxy_uids([3, 4]).proxy_gids([9]).build().unwrap();
    assert_eq!(fates(&config, &sent("lo", POD[0], 80, (3, 1))), [Fate::Redirect(15006); 2]);
    assert_eq!(fates(&config, &sent("lo", POD[0], 80, (4, 1))), [Fate::Direct; 2]);
}

#[test]
fn sim_61_a_loopback_range_makes_the_group_rule_reachable() {
    let config = CaptureConfig::builder().args(["-i", "127.1.2.3/32"]).unwrap().build().unwrap();
    assert_eq!(fates(&config, &sent("lo", POD[0], 80, (1000, UID))), [Fate::Redirect(15006); 2]);
    assert_eq!(fates(&config, &sent("lo", POD[0], 80, (1000, 1000))), [Fate::Direct; 2]);
    assert_eq!(fates(&config, &sent("lo", "127.1.2.3", 80, (1000, 1000))), [Fate::Redirect(15001); 2]);
}

#[test]
fn sim_23_nft_60_packets_of_nobody() {
    let config = CaptureConfig::builder().args(["-i", "*"]).unwrap().build().unwrap();
    let nobody = Packet { owner: None, ..sent("lo", POD[0], 80, (0, 0)) };
    assert_eq!(fates(&config, &nobody), [Fate::Direct, Fate::Redirect(15001)]);
}

#[test]
fn ipt_vif_01_virtual_interfaces_are_outbound() {
    let args = ["-i", "10.0.0.0/8", "-b", "*", "-k", "k6t-eth0"];
    let config = CaptureConfig::builder().args(args).unwrap().build().unwrap();
    assert_eq!(fates(&config, &arriving("k6t-eth0", "10.1.1.1", 80)), [Fate::Redirect(15001); 2]);
    assert_eq!(fates(&config, &arriving("k6t-eth0", "192.0.2.1", 80)), [Fate::Direct; 2]);
    assert_eq!(fates(&config, &arriving("eth0", "10.1.1.1", 80)), [Fate::Redirect(15006); 2]);
}

/// `SIM-40`, `SIM-42`, `SIM-44` as far as one packet shows them.
#[test]
fn section_6_5_tproxy() {
    // The proxy runs as root with GID 1337, and UID 1337 stays the one listed (`IPT-ANN-25`).
    let args = ["-m", "TPROXY", "-b", "*", "-d", "15090", "-u", "1337", "-g", "1337"];
    let config = CaptureConfig::builder().args(args).unwrap().build().unwrap();
    assert_eq!(fates(&config, &arriving("eth0", POD[0], 80)), [Fate::Tproxy(15006); 2]);
    assert_eq!(fates(&config, &arriving("eth0", POD[0], 15090)), [Fate::Direct; 2]);
    assert_eq!(fates(&config, &arriving("eth0", POD[0], 15008)), [Fate::Tproxy(15006); 2], "INV-05");
    assert_eq!(
        fates(&config, &arriving("lo", POD[0], 80)),
        [Fate::Direct; 2],
        "unmarked: the application itself"
    );
    assert_eq!(
        fates(&config, &sent("lo", POD[0], 80, (0, UID))),
        [Fate::Direct; 2],
        "marked, not redirected"
    );
    // `SIM-43`: a proxy whose user is listed meets its own connection again.
    assert_eq!(fates(&config, &sent("lo", POD[0], 80, (UID, UID))), [Fate::Redirect(15006); 2]);
}
