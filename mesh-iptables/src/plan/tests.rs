//! Host steps, ambient plans and older layouts, written from the reference.

use super::*;
use crate::render::Counters;
use crate::{CaptureConfigBuilder, Mode, Numeral, PortSet, ProtocolColumn};

fn text(plan: &RulePlan) -> String {
    plan.restore_input(Family::Ipv4)
}

fn config(args: &[&str]) -> CaptureConfigBuilder {
    CaptureConfig::builder().args(args.iter().copied()).unwrap()
}

#[test]
fn ipt_hst_01_02_steps_of_a_sidecar() {
    let steps = |builder: CaptureConfigBuilder| builder.build().unwrap().plan().host_steps().to_vec();
    let address = HostStep::LoopbackAddress("::6".parse().unwrap());
    assert_eq!(steps(CaptureConfig::builder()), []);
    assert_eq!(steps(CaptureConfig::builder().enable_ipv6()), std::slice::from_ref(&address));
    // TPROXY without inbound capture needs no routes.
    assert_eq!(steps(CaptureConfig::builder().mode(Mode::Tproxy)), []);
    let rule = |family| HostStep::PolicyRule {
        family,
        mark: Numeral::decimal(7),
        mask: None,
        table: Numeral::decimal(8),
        priority: None,
    };
    let route = |family| HostStep::LocalRoute { family, table: Numeral::decimal(8) };
    let tproxy = config(&["-m", "TPROXY", "-b", "*", "-t", "7", "-r", "8"]);
    assert_eq!(steps(tproxy.clone()), [rule(Family::Ipv4), route(Family::Ipv4)]);
    let both = [address, rule(Family::Ipv4), rule(Family::Ipv6), route(Family::Ipv4), route(Family::Ipv6)];
    assert_eq!(steps(tproxy.enable_ipv6()), both);
}

#[test]
fn amb_01_to_12_a_pod_with_everything() {
    let pod = AmbientPod::new().virtual_interfaces(["eth9"]).unwrap().capture_dns();
    let plan = AmbientConfig::new().enable_ipv6().pod_plan(&pod);
    let want = "\
* mangle
-N ISTIO_PRERT
-N ISTIO_OUTPUT
-A PREROUTING -j ISTIO_PRERT
-A OUTPUT -j ISTIO_OUTPUT
-A ISTIO_PRERT -m mark --mark 0x539/0xfff -j CONNMARK --set-xmark 0x111/0xfff
-A ISTIO_OUTPUT -m connmark --mark 0x111/0xfff -j CONNMARK --restore-mark --nfmask 0xffffffff --ctmask 0xffffffff
COMMIT
* nat
-N ISTIO_PRERT
-N ISTIO_OUTPUT
-A OUTPUT -j ISTIO_OUTPUT
-A PREROUTING -j ISTIO_PRERT
-A ISTIO_PRERT -i eth9 -p tcp -j REDIRECT --to-ports 15001
-A ISTIO_PRERT -i eth9 -p tcp -j RETURN
-A ISTIO_PRERT -s fd16:9254:7127:1337:ffff:ffff:ffff:ffff -p tcp -m tcp -j ACCEPT
-A ISTIO_OUTPUT -d fd16:9254:7127:1337:ffff:ffff:ffff:ffff -p tcp -m tcp -j ACCEPT
-A ISTIO_PRERT ! -d ::1/128 -p tcp ! --dport 15008 -m mark ! --mark 0x539/0xfff -j REDIRECT --to-ports 15006
-A ISTIO_OUTPUT ! -o lo -p udp -m mark ! --mark 0x539/0xfff -m udp --dport 53 -j REDIRECT --to-port 15053
-A ISTIO_OUTPUT ! -d ::1/128 -p tcp --dport 53 -m mark ! --mark 0x539/0xfff -j REDIRECT --to-ports 15053
-A ISTIO_OUTPUT -p tcp -m mark --mark 0x111/0xfff -j ACCEPT
-A ISTIO_OUTPUT ! -d ::1/128 -o lo -j ACCEPT
-A ISTIO_OUTPUT ! -d ::1/128 -p tcp -m mark ! --mark 0x539/0xfff -j REDIRECT --to-ports 15001
COMMIT
* raw
-N ISTIO_OUTPUT
-N ISTIO_PRERT
-A PREROUTING -j ISTIO_PRERT
-A OUTPUT -j ISTIO_OUTPUT
-A ISTIO_OUTPUT -p udp -m mark --mark 0x539/0xfff -m udp --dport 53 -j CT --zone 1
-A ISTIO_PRERT -p udp -m mark ! --mark 0x539/0xfff -m udp --sport 53 -j CT --zone 1
COMMIT
";
    assert_eq!(plan.restore_input(Family::Ipv6), want);
    let ipv4 = want
        .replace("::1/128", "127.0.0.1/32")
        .replace("fd16:9254:7127:1337:ffff:ffff:ffff:ffff", "169.254.7.127");
    assert_eq!(text(&plan), ipv4);
}

#[test]
fn amb_04_06_12_an_ingress_pod() {
    let plan =
        AmbientConfig::new().redirect_dns().pod_plan(&AmbientPod::new().bypass_inbound_capture().leave_dns());
    let nat = "\
* nat
-N ISTIO_OUTPUT
-N ISTIO_PRERT
-A OUTPUT -j ISTIO_OUTPUT
-A PREROUTING -j ISTIO_PRERT
-A ISTIO_OUTPUT -d 169.254.7.127 -p tcp -m tcp -j ACCEPT
-A ISTIO_OUTPUT -p tcp -m mark --mark 0x111/0xfff -j ACCEPT
-A ISTIO_OUTPUT ! -d 127.0.0.1/32 -o lo -j ACCEPT
-A ISTIO_OUTPUT ! -d 127.0.0.1/32 -p tcp -m mark ! --mark 0x539/0xfff -j REDIRECT --to-ports 15001
COMMIT
";
    assert!(text(&plan).ends_with(nat), "{}", text(&plan));
}

#[test]
fn amb_13_steps_of_a_pod() {
    let route = HostStep::LocalRoute { family: Family::Ipv4, table: Numeral::decimal(100) };
    let rule = HostStep::PolicyRule {
        family: Family::Ipv4,
        mark: Numeral::hex(0x111),
        mask: Some(0xfff),
        table: Numeral::decimal(100),
        priority: Some(32764),
    };
    assert_eq!(AmbientConfig::new().pod_plan(&AmbientPod::new()).host_steps(), [route, rule]);
    assert_eq!(AmbientConfig::new().enable_ipv6().pod_plan(&AmbientPod::new()).host_steps().len(), 4);
}

#[test]
fn amb_14_cleanup_of_a_pod() {
    let commands = AmbientConfig::new().pod_plan(&AmbientPod::new()).cleanup_commands(Family::Ipv4);
    let lines: Vec<String> = commands.iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        [
            "-t mangle -D PREROUTING -j ISTIO_PRERT",
            "-t mangle -D OUTPUT -j ISTIO_OUTPUT",
            "-t nat -D OUTPUT -j ISTIO_OUTPUT",
            "-t raw -D PREROUTING -j ISTIO_PRERT",
            "-t raw -D OUTPUT -j ISTIO_OUTPUT",
            "-t nat -D PREROUTING -j ISTIO_PRERT",
            "-t mangle -F ISTIO_PRERT",
            "-t mangle -F ISTIO_OUTPUT",
            "-t nat -F ISTIO_PRERT",
            "-t nat -F ISTIO_OUTPUT",
            "-t raw -F ISTIO_PRERT",
            "-t raw -F ISTIO_OUTPUT",
            "-t mangle -X ISTIO_PRERT",
            "-t mangle -X ISTIO_OUTPUT",
            "-t nat -X ISTIO_PRERT",
            "-t nat -X ISTIO_OUTPUT",
            "-t raw -X ISTIO_PRERT",
            "-t raw -X ISTIO_OUTPUT",
        ]
    );
}

#[test]
fn amb_15_host_rules() {
    let plan = AmbientConfig::new().enable_ipv6().host_plan();
    let want = "\
* nat
-N ISTIO_POSTRT
-I POSTROUTING 1 -j ISTIO_POSTRT
-A ISTIO_POSTRT -m owner --socket-exists -p tcp -m set --match-set istio-inpod-probes-v4 dst -j SNAT --to-source 169.254.7.127
COMMIT
";
    assert_eq!(text(&plan), want);
    assert!(plan.restore_input(Family::Ipv6).contains("istio-inpod-probes-v6 dst -j SNAT --to-source fd16:"));
    assert_eq!(plan.dry_run_transcript().lines().last(), Some("COMMIT"), "no closing dump");
}

#[test]
fn ipt_ann_12_to_14_ambient_annotations() {
    let (pod, findings) = AmbientPod::from_annotations([
        ("ambient.istio.io/bypass-inbound-capture", "true"),
        ("ambient.istio.io/dns-capture", "0"),
        ("istio.io/reroute-virtual-interfaces", " a, ,b,"),
        ("other", "x"),
    ])
    .unwrap();
    assert_eq!(
        pod,
        AmbientPod::new().virtual_interfaces(["a", "b"]).unwrap().bypass_inbound_capture().leave_dns()
    );
    assert_eq!(findings, []);
    let (pod, findings) = AmbientPod::from_annotations([
        ("ambient.istio.io/bypass-inbound-capture", "yes"),
        ("ambient.istio.io/dns-capture", ""),
    ])
    .unwrap();
    assert_eq!(pod, AmbientPod::new());
    assert_eq!(
        findings[0].to_string(),
        "ambient.istio.io/bypass-inbound-capture: `yes` is not a boolean and is ignored, write `true` or `false` (IPT-ANN-12)"
    );
    assert_eq!(findings[1].rule, "IPT-ANN-13");
    let broken = AmbientPod::from_annotations([("istio.io/reroute-virtual-interfaces", "a\nb")]).unwrap_err();
    assert_eq!(
        broken.to_string(),
        "istio.io/reroute-virtual-interfaces: `a\\nb` holds a control character (IPT-VAL-04)"
    );
    let broken = AmbientPod::from_annotations([("istio.io/reroute-virtual-interfaces", "a;b")]).unwrap_err();
    assert!(broken.to_string().contains("`a;b` holds a semicolon (IPT-VAL-04)"), "{broken}");
}

/// Section 7.1, the columns that the vectors do not show.
#[test]
fn section_7_1_older_layouts() {
    let inbound_all =
        config(&["-b", "*", "-d", "15020", "-i", "10.0.0.0/8", "-o", "7", "-q", "8"]).build().unwrap();
    let gen1 = "\
* nat
-N ISTIO_REDIRECT
-N ISTIO_INBOUND
-N ISTIO_OUTPUT
-A ISTIO_REDIRECT -p tcp -j REDIRECT --to-port 15001
-A PREROUTING -p tcp -j ISTIO_INBOUND
-A ISTIO_INBOUND -p tcp --dport 22 -j RETURN
-A ISTIO_INBOUND -p tcp --dport 15020 -j RETURN
-A ISTIO_INBOUND -p tcp -j ISTIO_REDIRECT
-A OUTPUT -p tcp -j ISTIO_OUTPUT
-A ISTIO_OUTPUT -o lo ! -d 127.0.0.1/32 -j ISTIO_REDIRECT
-A ISTIO_OUTPUT -m owner --uid-owner 1337 -j RETURN
-A ISTIO_OUTPUT -m owner --gid-owner 1337 -j RETURN
-A ISTIO_OUTPUT -d 127.0.0.1/32 -j RETURN
-A ISTIO_OUTPUT -d 10.0.0.0/8 -j ISTIO_REDIRECT
-A ISTIO_OUTPUT -j RETURN
COMMIT
";
    assert_eq!(text(&inbound_all.preset_plan(Preset::Gen1)), gen1);
    let gen3 = text(&inbound_all.preset_plan(Preset::Gen3));
    for line in [
        "-A ISTIO_IN_REDIRECT -p tcp -j REDIRECT --to-port 15006\n",
        "-A ISTIO_INBOUND -p tcp -j ISTIO_IN_REDIRECT\n",
        "-A ISTIO_OUTPUT -p tcp --dport 7 -j RETURN\n-A ISTIO_OUTPUT -o lo -s 127.0.0.6/32 -j RETURN\n\
         -A ISTIO_OUTPUT -o lo ! -d 127.0.0.1/32 -j ISTIO_IN_REDIRECT\n",
    ] {
        assert!(gen3.contains(line), "{line}");
    }
    // Gen3 sends a list of inbound ports to the outbound listener, gen2 everything unless told otherwise.
    let inbound_list = config(&["-b", "80"]).build().unwrap();
    let in_redirect = |plan: &RulePlan| {
        let rules = plan.chain(Family::Ipv4, Table::Nat, &Chain::ISTIO_IN_REDIRECT);
        rules[0].to_string().rsplit(' ').next().unwrap().to_owned()
    };
    assert_eq!(in_redirect(&inbound_list.preset_plan(Preset::Gen3)), "15001");
    assert_eq!(in_redirect(&inbound_all.preset_plan(Preset::Gen2)), "15001");
    assert_eq!(
        in_redirect(&config(&["-z", "9", "-b", "80"]).build().unwrap().preset_plan(Preset::Gen2)),
        "9"
    );

    // PRS-01: port 22 up to gen5 and only beside `*`; gen5 adds the tunnel port.
    for (preset, ssh, tunnel) in
        [(Preset::Gen4, true, false), (Preset::Gen5, true, true), (Preset::Gen6, false, true)]
    {
        let text = text(&inbound_all.preset_plan(preset));
        assert_eq!(text.contains("--dport 22 -j RETURN"), ssh, "{preset:?}");
        assert_eq!(text.contains("--dport 15008 -j RETURN"), tunnel, "{preset:?}");
        assert!(text.contains("-A ISTIO_OUTPUT -p tcp --dport 8 -j ISTIO_REDIRECT\n"));
        assert!(
            !text.contains("-p udp")
                && text.ends_with("-d 10.0.0.0/8 -j ISTIO_REDIRECT\n-A ISTIO_OUTPUT -j RETURN\nCOMMIT\n")
        );
    }
    assert!(!text(&inbound_list.preset_plan(Preset::Gen5)).contains("--dport 22 "));
    assert_eq!(inbound_all.preset_plan(Preset::Current), inbound_all.plan());

    // IPv6 from gen4 on; interfaces in all.
    let dual = config(&["-i", "*", "-k", "eth9", "-c", "eth1"]).enable_ipv6().build().unwrap();
    assert_eq!(dual.preset_plan(Preset::Gen3).families(), [Family::Ipv4]);
    let gen6 = dual.preset_plan(Preset::Gen6).restore_input(Family::Ipv6);
    assert!(gen6.contains("-A ISTIO_OUTPUT -d ::1/128 -j RETURN\n"));
    assert!(
        gen6.contains("-I PREROUTING 1 -i eth9 -j ISTIO_REDIRECT\n")
            && gen6.contains("-A OUTPUT -o eth1 -j RETURN\n")
    );
}

/// Section 5.2: the normal form of every kind of rule, as the kernel tools print it.
#[test]
fn sav_20_to_29_saved_form() {
    let builder =
        config(&["-m", "TPROXY", "-b", "*", "-i", "10.1.2.3/8,0.0.0.0/0", "-k", "k"]).capture_all_dns();
    let plan = builder.drop_invalid().enable_ipv6().build().unwrap().plan();
    let saved = |family, table| plan.save_text(family, table, &Counters::new());
    let mangle = saved(Family::Ipv4, Table::Mangle);
    assert!(mangle.starts_with(
        "*mangle\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n\
         :POSTROUTING ACCEPT [0:0]\n:ISTIO_DIVERT - [0:0]\n:ISTIO_DROP - [0:0]\n:ISTIO_INBOUND - [0:0]\n:ISTIO_TPROXY - [0:0]\n\
         -A PREROUTING -m conntrack --ctstate INVALID -j ISTIO_DROP\n"
    ));
    for line in [
        "-A PREROUTING -p tcp -m mark --mark 0x539 -j CONNMARK --save-mark --nfmask 0xffffffff --ctmask 0xffffffff\n",
        "-A OUTPUT ! -d 127.0.0.1/32 -o lo -p tcp -m owner --uid-owner 1337 -j MARK --set-xmark 0x53a/0xffffffff\n",
        "-A OUTPUT -p tcp -m connmark --mark 0x539 -j CONNMARK --restore-mark --nfmask 0xffffffff --ctmask 0xffffffff\n",
        "-A ISTIO_INBOUND -p tcp -m mark --mark 0x539 -j RETURN\n-A ISTIO_INBOUND -s 127.0.0.6/32 -i lo -p tcp -j RETURN\n\
         -A ISTIO_INBOUND -i lo -p tcp -m mark ! --mark 0x53a -j RETURN\n\
         -A ISTIO_INBOUND -p tcp -m conntrack --ctstate RELATED,ESTABLISHED -j ISTIO_DIVERT\n",
        "-A ISTIO_TPROXY ! -d 127.0.0.1/32 -p tcp -j TPROXY --on-port 15006 --on-ip 0.0.0.0 --tproxy-mark 0x539/0xffffffff\n",
    ] {
        assert!(mangle.contains(line), "{line}{mangle}");
    }
    assert!(saved(Family::Ipv6, Table::Mangle).contains("--on-ip :: --tproxy-mark"));
    let nat = saved(Family::Ipv4, Table::Nat);
    for line in [
        "-A PREROUTING -i k -j ISTIO_REDIRECT\n-A PREROUTING -d 10.0.0.0/8 -i k -j ISTIO_REDIRECT\n-A PREROUTING -i k -j RETURN\n",
        "-A ISTIO_OUTPUT ! -d 127.0.0.1/32 -o lo -p tcp -m multiport ! --dports 53,15008 -m owner --uid-owner 1337 -j ISTIO_IN_REDIRECT\n",
        "-A ISTIO_OUTPUT ! -d 127.0.0.1/32 -o lo -p tcp -m tcp ! --dport 15008 -m owner --gid-owner 1337 -j ISTIO_IN_REDIRECT\n",
        "-A ISTIO_OUTPUT_DNS -p udp -m udp --dport 53 -j REDIRECT --to-ports 15053\n",
    ] {
        assert!(nat.contains(line), "{line}{nat}");
    }
    let raw = saved(Family::Ipv4, Table::Raw);
    assert!(raw.contains("-A ISTIO_INBOUND -p udp -m udp --sport 53 -j CT --zone 1\n"));
    assert_eq!(saved(Family::Ipv4, Table::Filter), "");

    let ambient = AmbientConfig::new().redirect_dns();
    let nat = ambient.pod_plan(&AmbientPod::new()).save_text(Family::Ipv4, Table::Nat, &Counters::new());
    for line in [
        "-A ISTIO_PRERT -s 169.254.7.127/32 -p tcp -m tcp -j ACCEPT\n",
        "-A ISTIO_OUTPUT ! -o lo -p udp -m mark ! --mark 0x539/0xfff -m udp --dport 53 -j REDIRECT --to-ports 15053\n",
    ] {
        assert!(nat.contains(line), "{line}{nat}");
    }
}

/// `LST-03` to `LST-05`: texts the preset listings do not show.
#[test]
fn lst_04_05_listing_texts() {
    let builder = config(&["-m", "TPROXY", "-b", "*", "-i", "10.1.2.3/8"]).capture_all_dns();
    let plan = builder.build().unwrap().plan();
    let listing = |table, protocols| plan.listing(table, &Counters::new(), protocols);
    let mangle = listing(Table::Mangle, ProtocolColumn::Numbers);
    for text in [
        "CONNMARK   6    --  *      *       0.0.0.0/0            0.0.0.0/0            mark match 0x539 CONNMARK save\n",
        "connmark match  0x539 CONNMARK restore\n",
        "mark match ! 0x53a\n",
        "ctstate RELATED,ESTABLISHED\n",
        "MARK       6    --  *      lo      0.0.0.0/0           !127.0.0.1            owner UID match 1337 MARK set 0x53a\n",
        "TPROXY redirect 0.0.0.0:15006 mark 0x539/0xffffffff\n",
    ] {
        assert!(mangle.contains(text), "{text}{mangle}");
    }
    let nat = listing(Table::Nat, ProtocolColumn::Names);
    for text in [
        " multiport dports  !53,15008 owner UID match 1337\n",
        " tcp dpt:!15008 owner GID match 1337\n",
        " tcp dpt:!53 ! owner UID match 1337\n",
        " udp dpt:53 redir ports 15053\n",
        " 0.0.0.0/0            10.0.0.0/8          \n",
        "Chain ISTIO_INBOUND (0 references)\n",
    ] {
        assert!(nat.contains(text), "{text}{nat}");
    }
    let raw = listing(Table::Raw, ProtocolColumn::Numbers);
    assert!(raw.contains(" udp spt:15053 owner UID match 1337 CT zone 2\n") && raw.contains("  17   --  "));
    assert!(
        raw.contains("ISTIO_OUTPUT_DNS  0    --  *      *       0.0.0.0/0            0.0.0.0/0           \n")
    );
}

#[test]
fn rules_name_their_reasons() {
    let builder = config(&["-b", "*", "-i", "*"]).inbound_ports(&PortSet::all().except([1]));
    let plan = builder.build().unwrap().plan();
    let reasons: Vec<&str> = plan.rules(Family::Ipv4).iter().map(|rule| rule.reason.id()).collect();
    assert_eq!(
        reasons,
        [
            "IPT-INB-01",
            "IPT-RED-01",
            "IPT-RED-02",
            "IPT-INB-03",
            "IPT-INB-04",
            "IPT-INB-05",
            "IPT-OUT-01",
            "IPT-OUT-03",
            "IPT-OUT-04",
            "IPT-OUT-05",
            "IPT-OUT-06",
            "IPT-OUT-07",
            "IPT-OUT-08",
            "IPT-OUT-09",
            "IPT-OUT-11",
            "IPT-OUT-14",
        ]
    );
}

/// `ORD-02` and the order of cleanup (`RST-06`, `RST-07`).
#[test]
fn ord_02_rst_05_07_transcript_check_and_cleanup() {
    let plan = config(&["-b", "80"]).enable_ipv6().build().unwrap().plan();
    let transcript = plan.dry_run_transcript();
    assert!(transcript.starts_with("iptables-save\nip6tables-save\n* nat\n"));
    assert!(transcript.ends_with("COMMIT\niptables-save\nip6tables-save\n"));

    let lines = |commands: Vec<crate::Command>| commands.iter().map(ToString::to_string).collect::<Vec<_>>();
    let plan = config(&["-k", "eth9", "-u", "3", "-g", "4"]).build().unwrap().plan();
    assert_eq!(
        lines(plan.check_commands(Family::Ipv4))[..3],
        [
            "-t nat -C PREROUTING -i eth9 -j RETURN",
            "-t nat -C ISTIO_INBOUND -p tcp --dport 15008 -j RETURN",
            "-t nat -C ISTIO_REDIRECT -p tcp -j REDIRECT --to-ports 15001",
        ]
    );
    assert_eq!(
        lines(plan.cleanup_commands(Family::Ipv4)),
        [
            "-t nat -D ISTIO_OUTPUT -o lo ! -d 127.0.0.1/32 -p tcp ! --dport 15008 -m owner --gid-owner 4 -j ISTIO_IN_REDIRECT",
            "-t nat -D ISTIO_OUTPUT -o lo ! -d 127.0.0.1/32 -p tcp ! --dport 15008 -m owner --uid-owner 3 -j ISTIO_IN_REDIRECT",
            "-t nat -D OUTPUT -j ISTIO_OUTPUT",
            "-t nat -D PREROUTING -i eth9 -j RETURN",
            "-t nat -F ISTIO_OUTPUT",
            "-t nat -X ISTIO_OUTPUT",
            "-t nat -F ISTIO_IN_REDIRECT",
            "-t nat -X ISTIO_IN_REDIRECT",
            "-t nat -F ISTIO_REDIRECT",
            "-t nat -X ISTIO_REDIRECT",
            "-t nat -F ISTIO_INBOUND",
            "-t nat -X ISTIO_INBOUND",
        ]
    );
    assert_eq!(lines(plan.cleanup_commands(Family::Ipv6)), [] as [&str; 0]);
}

/// `PRS-02`, `PRS-03`: the singular up to gen4, and which chain comes first.
#[test]
fn prs_02_03_order_of_chains_in_older_layouts() {
    let config = config(&["-b", "80"]).build().unwrap();
    let start = |preset| text(&config.preset_plan(preset)).split("-A PREROUTING").next().unwrap().to_owned();
    assert_eq!(
        start(Preset::Gen4),
        "* nat\n-N ISTIO_REDIRECT\n-N ISTIO_IN_REDIRECT\n-N ISTIO_INBOUND\n-N ISTIO_OUTPUT\n\
         -A ISTIO_REDIRECT -p tcp -j REDIRECT --to-port 15001\n-A ISTIO_IN_REDIRECT -p tcp -j REDIRECT --to-port 15006\n"
    );
    assert_eq!(
        start(Preset::Gen5),
        "* nat\n-N ISTIO_INBOUND\n-N ISTIO_REDIRECT\n-N ISTIO_IN_REDIRECT\n-N ISTIO_OUTPUT\n\
         -A ISTIO_INBOUND -p tcp --dport 15008 -j RETURN\n-A ISTIO_REDIRECT -p tcp -j REDIRECT --to-ports 15001\n\
         -A ISTIO_IN_REDIRECT -p tcp -j REDIRECT --to-ports 15006\n"
    );
}
