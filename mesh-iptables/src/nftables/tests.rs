//! What the snapshots do not show: cleanup, sets, stale tables, normalisation and the one known fault.

use crate::{
    AmbientConfig, AmbientPod, CaptureConfig, CaptureConfigBuilder, HostStep, Mode, NameServers,
    NftablesPlan, PortSet, Table, Test, Validation,
};

fn sidecar(builder: CaptureConfigBuilder) -> NftablesPlan {
    builder.build().unwrap().nftables_plan()
}

#[test]
fn nft_14_cleanup() {
    assert_eq!(
        sidecar(CaptureConfig::builder()).cleanup_transaction(),
        "add table inet istio-proxy-nat\ndelete table inet istio-proxy-nat\n\
         add table inet istio-proxy-mangle\ndelete table inet istio-proxy-mangle\n\
         add table inet istio-proxy-raw\ndelete table inet istio-proxy-raw\n"
    );
    assert_eq!(
        AmbientConfig::new().pod_nftables_plan(&AmbientPod::new()).cleanup_transaction(),
        "add table inet istio-ambient-nat\ndelete table inet istio-ambient-nat\n\
         add table inet istio-ambient-mangle\ndelete table inet istio-ambient-mangle\n\
         add table inet istio-ambient-raw\ndelete table inet istio-ambient-raw\n"
    );
    assert_eq!(
        AmbientConfig::new().host_nftables_plan(0).cleanup_transaction(),
        "add table inet istio-ambient-nat\nflush table inet istio-ambient-nat\n"
    );
}

#[test]
fn nft_49_50_host_rules_and_their_sets() {
    let plan = AmbientConfig::new().enable_ipv6().host_nftables_plan(7);
    assert_eq!(
        plan.sets_transaction(),
        "add table inet istio-ambient-nat\n\
         add set inet istio-ambient-nat istio-inpod-probes-v4 { type ipv4_addr ; comment \"UUID of the pods that are part of ambient mesh\" ; }\n\
         add set inet istio-ambient-nat istio-inpod-probes-v6 { type ipv6_addr ; comment \"UUID of the pods that are part of ambient mesh\" ; }\n"
    );
    assert_eq!(
        plan.transaction(),
        "add table inet istio-ambient-nat\n\
         flush table inet istio-ambient-nat\n\
         add chain inet istio-ambient-nat postrouting { type nat hook postrouting priority 100 ; }\n\
         add rule inet istio-ambient-nat postrouting meta l4proto tcp skuid 7 ip daddr @istio-inpod-probes-v4 counter snat to 169.254.7.127\n\
         add rule inet istio-ambient-nat postrouting meta l4proto tcp skuid 7 ip6 daddr @istio-inpod-probes-v6 counter snat to fd16:9254:7127:1337:ffff:ffff:ffff:ffff\n"
    );
    assert_eq!(AmbientConfig::new().host_nftables_plan(7).sets_transaction().lines().count(), 2);
    assert_eq!(sidecar(CaptureConfig::builder()).sets_transaction(), "");
    assert_eq!(plan.stale_tables_transaction(), "", "the tables of pods are none of the node's business");
}

#[test]
fn nft_62_tables_of_a_former_configuration() {
    let redirect = sidecar(CaptureConfig::builder().inbound_ports(&PortSet::all()));
    assert_eq!(
        redirect.stale_tables_transaction(),
        "add table inet istio-proxy-mangle\ndelete table inet istio-proxy-mangle\n\
         add table inet istio-proxy-raw\ndelete table inet istio-proxy-raw\n"
    );
    let tproxy = sidecar(CaptureConfig::builder().mode(Mode::Tproxy).capture_all_dns());
    assert_eq!(tproxy.stale_tables_transaction(), "");
}

/// IPv6 resolvers only while IPv6 is off: the baseline jumps to chains it does not declare.
#[test]
fn nft_61_the_faulty_text_is_kept_in_compat_alone() {
    let servers = NameServers::from_resolv_conf("nameserver fd00::a");
    let builder = CaptureConfig::builder().redirect_dns().name_servers(servers);
    let jumps = |plan: &NftablesPlan| {
        let text = plan.transaction();
        let declared = text.contains("add chain inet istio-proxy-nat istio-output-dns\n");
        let nat = text.contains("istio-proxy-nat istio-output counter jump istio-output-dns\n");
        let raw = text.contains("istio-proxy-raw prerouting counter jump istio-inbound\n");
        (declared, nat, raw)
    };
    assert_eq!(jumps(&sidecar(builder.clone())), (false, true, true));
    let strict = builder.validation(Validation::Strict);
    assert_eq!(jumps(&sidecar(strict.clone())), (false, false, false));
    assert_eq!(jumps(&sidecar(strict.enable_ipv6())), (true, true, true));
}

#[test]
fn nft_30_ipv6_off_leaves_family_neutral_rules() {
    let plan = sidecar(CaptureConfig::builder().args(["-i", "*", "-b", "*"]).unwrap());
    let text = plan.transaction();
    assert!(!text.contains("ip6"));
    assert!(text.contains("istio-output counter jump istio-redirect\n"));
    assert!(text.contains("istio-inbound meta l4proto tcp counter jump istio-in-redirect\n"));
}

#[test]
fn an_inet_rule_is_about_one_family() {
    let args = ["-m", "TPROXY", "-b", "*", "-i", "10.0.0.0/8,fd00::/8", "-x", "10.1.0.0/16", "-k", "eth0"];
    let servers = NameServers::from_resolv_conf("nameserver 10.0.0.1\nnameserver fd00::a");
    let builder =
        CaptureConfig::builder().args(args).unwrap().enable_ipv6().redirect_dns().name_servers(servers);
    let sidecar = sidecar(builder);
    let ambient = AmbientConfig::new().enable_ipv6().redirect_dns().pod_nftables_plan(&AmbientPod::new());
    for rule in sidecar.rules.iter().chain(&ambient.rules) {
        let mut families: Vec<_> = rule
            .criteria
            .iter()
            .filter_map(|criterion| match &criterion.test {
                Test::Source(address) | Test::Destination(address) => Some(address.family()),
                _ => None,
            })
            .collect();
        families.dedup();
        assert!(families.len() <= 1, "{rule}");
    }
}

#[test]
fn nft_48_steps_come_with_the_plan() {
    let plan = AmbientConfig::new().pod_nftables_plan(&AmbientPod::new());
    assert!(matches!(plan.host_steps(), [HostStep::LocalRoute { .. }, HostStep::PolicyRule { .. }]));
    assert_eq!(plan.table_name(Table::Filter), None);
    let tproxy = sidecar(CaptureConfig::builder().mode(Mode::Tproxy).inbound_ports(&PortSet::all()));
    assert_eq!(tproxy.host_steps().len(), 2);
}

/// `NFT-01` to `NFT-04`, `NFT-10` to `NFT-12`, and every rule of `NFT-40`, `NFT-41`, `NFT-42`, `NFT-43`, `NFT-44`,
/// `NFT-45`, `NFT-46`, `NFT-47` with their blanks.
#[test]
fn nft_40_to_47_a_pod_with_everything() {
    let pod = AmbientPod::new().virtual_interfaces(["eth9"]).unwrap();
    let plan = AmbientConfig::new().enable_ipv6().redirect_dns().pod_nftables_plan(&pod);
    let snat6 = "fd16:9254:7127:1337:ffff:ffff:ffff:ffff";
    let want = "\
add table inet istio-ambient-nat
flush table inet istio-ambient-nat
add chain inet istio-ambient-nat prerouting { type nat hook prerouting priority -100 ; }
add chain inet istio-ambient-nat output { type nat hook output priority -100 ; }
add chain inet istio-ambient-nat istio-prerouting
add chain inet istio-ambient-nat istio-output
add rule inet istio-ambient-nat output jump istio-output
add rule inet istio-ambient-nat prerouting jump istio-prerouting
add rule inet istio-ambient-nat istio-prerouting iifname eth9 meta l4proto tcp counter redirect to :15001
add rule inet istio-ambient-nat istio-prerouting iifname eth9 meta l4proto tcp counter return
add rule inet istio-ambient-nat istio-prerouting meta l4proto tcp ip saddr 169.254.7.127 counter accept
add rule inet istio-ambient-nat istio-prerouting meta l4proto tcp ip6 saddr SNAT6 counter accept
add rule inet istio-ambient-nat istio-output meta l4proto tcp ip daddr 169.254.7.127 counter accept
add rule inet istio-ambient-nat istio-output meta l4proto tcp ip6 daddr SNAT6 counter accept
add rule inet istio-ambient-nat istio-prerouting ip daddr != 127.0.0.1/32 tcp dport != 15008 mark and 0xfff  != 0x539 counter redirect to :15006
add rule inet istio-ambient-nat istio-prerouting ip6 daddr != ::1/128 tcp dport != 15008 mark and 0xfff != 0x539 counter redirect to :15006
add rule inet istio-ambient-nat istio-output oifname != lo mark and 0xfff != 0x539 udp dport 53 counter redirect to :15053
add rule inet istio-ambient-nat istio-output ip daddr != 127.0.0.1/32 tcp dport 53 mark and 0xfff != 0x539 counter redirect to :15053
add rule inet istio-ambient-nat istio-output ip6 daddr != ::1/128 tcp dport 53 mark and 0xfff != 0x539 counter redirect to :15053
add rule inet istio-ambient-nat istio-output meta l4proto tcp mark and 0xfff == 0x111 counter accept
add rule inet istio-ambient-nat istio-output oifname lo ip daddr != 127.0.0.1/32 counter accept
add rule inet istio-ambient-nat istio-output oifname lo ip6 daddr != ::1/128 counter accept
add rule inet istio-ambient-nat istio-output meta l4proto tcp ip daddr != 127.0.0.1/32 mark and 0xfff != 0x539 counter redirect to :15001
add rule inet istio-ambient-nat istio-output meta l4proto tcp ip6 daddr != ::1/128 mark and 0xfff != 0x539 counter redirect to :15001
add table inet istio-ambient-mangle
flush table inet istio-ambient-mangle
add chain inet istio-ambient-mangle prerouting { type filter hook prerouting priority -150 ; }
add chain inet istio-ambient-mangle output { type route hook output priority -150 ; }
add chain inet istio-ambient-mangle istio-prerouting
add chain inet istio-ambient-mangle istio-output
add rule inet istio-ambient-mangle prerouting jump istio-prerouting
add rule inet istio-ambient-mangle output jump istio-output
add rule inet istio-ambient-mangle istio-prerouting meta mark & 0xfff == 0x539 counter ct mark set ct mark & 0xfffff000 |  0x111
add rule inet istio-ambient-mangle istio-output ct mark and 0xfff == 0x111 counter meta mark set ct mark
add table inet istio-ambient-raw
flush table inet istio-ambient-raw
add chain inet istio-ambient-raw prerouting { type filter hook prerouting priority -300 ; }
add chain inet istio-ambient-raw output { type filter hook output priority -300 ; }
add chain inet istio-ambient-raw istio-prerouting
add chain inet istio-ambient-raw istio-output
add rule inet istio-ambient-raw prerouting jump istio-prerouting
add rule inet istio-ambient-raw output jump istio-output
add rule inet istio-ambient-raw istio-output udp dport 53 meta mark and 0xfff == 0x539 counter ct zone set 1
add rule inet istio-ambient-raw istio-prerouting udp sport 53 meta mark and 0xfff != 0x539 counter ct zone set 1
";
    assert_eq!(plan.transaction(), want.replace("SNAT6", snat6));
    // `NFT-04`: in ingress mode the chain is declared because it is jumped to.
    let ingress =
        AmbientConfig::new().pod_nftables_plan(&AmbientPod::new().bypass_inbound_capture()).transaction();
    assert!(
        ingress.contains("add chain inet istio-ambient-nat istio-prerouting\n") && !ingress.contains("15006")
    );
}
