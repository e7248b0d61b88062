//! Whole scenes (sections 6.5 to 6.7 and 10.2): TPROXY, DNS, ambient mode, older layouts and daily life.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unreachable,
    clippy::redundant_closure_for_method_calls,
    reason = "a test may fail loudly"
)]

#[path = "support/pod.rs"]
mod pod_support;

use mesh_iptables::{AmbientConfig, AmbientPod, CaptureConfig, Delivery, Family, Namespace, Ruleset};
use pod_support::{ACCEPT, MARK, Pod, packet, pod, redirect, tproxy};

/// `SIM-51`, `OUT-D03`, `TRB-29`: application and agent share a zone, agent and resolver share another.
#[test]
fn dns_flows_are_kept_apart_sim_51() {
    let servers = mesh_iptables::NameServers::from_resolv_conf("nameserver 10.96.0.10\nnameserver fd00::a\n");
    let builder = CaptureConfig::builder().enable_ipv6().name_servers(servers).redirect_dns();
    let listed = Pod::new(&builder.clone().build().unwrap());
    let all = Pod::new(&builder.capture_all_dns().build().unwrap());
    for pod in [&listed, &all] {
        let zone = |text: &str| pod.both(text, |simulation| simulation.zone());
        for (server, app) in [("10.96.0.10", "10.77.0.2"), ("[fd00::a]", "[fd00:77::2]")] {
            assert_eq!(zone(&format!("out proto=udp uid=1000 dst={server}:53")), Some(2));
            assert_eq!(zone(&format!("out proto=udp uid=1337 sport=15053 dst={app}:40000")), Some(2));
            assert_eq!(zone(&format!("out proto=udp uid=1337 dst={server}:53")), Some(1));
            assert_eq!(
                zone(&format!("in proto=udp src={server}:53 dst={app}:40000 state=established")),
                Some(1)
            );
            // TCP is tracked as ever.
            assert_eq!(zone(&format!("out uid=1000 dst={server}:53")), None);
        }
    }
    let other = |pod: &Pod| pod.both("out proto=udp dst=192.0.2.53:53", |simulation| simulation.zone());
    assert_eq!((other(&listed), other(&all)), (None, Some(2)));
    let answer = "in proto=udp src=192.0.2.53:53 dst=10.77.0.2:40000 state=established";
    assert_eq!(
        (
            listed.both(answer, |simulation| simulation.zone()),
            all.both(answer, |simulation| simulation.zone())
        ),
        (None, Some(1))
    );
}

/// Section 6.5. The proxy runs as UID 0 and GID 1337; the ids listed are 1337 (`IPT-ANN-25`).
#[test]
fn tproxy_from_end_to_end_sim_40_41_42_43_44() {
    let pod = Pod::of(&["-m", "TPROXY", "-b", "*", "-i", "*", "-u", "1337", "-g", "1337"]);
    for (own, client) in [("10.77.0.2", "192.0.2.9"), ("[fd00:77::2]", "[2001:db8::9]")] {
        let ask = |text: String| {
            pod.both(&text, |simulation| {
                (
                    simulation.verdict(),
                    simulation.mark(),
                    simulation.connection_mark(),
                    simulation.delivery().clone(),
                )
            })
        };
        let local = Delivery::Local;
        // `SIM-40`: addresses stay, the listener is handed the packet; later packets are marked for table 133.
        let first = pod.both(&format!("in src={client}:40000 dst={own}:80"), |simulation| {
            (simulation.verdict(), simulation.mark(), simulation.destination(), simulation.source())
        });
        let whole = |text: &str, port| format!("{text}:{port}").parse().unwrap();
        assert_eq!(first, (tproxy(15006), MARK, whole(own, 80), whole(client, 40000)));
        let later = ask(format!("in src={client}:40000 dst={own}:80 state=established"));
        assert_eq!(later, (ACCEPT, MARK, 0, local.clone()));
        // `SIM-41`: to the application with the client's address; the connection remembers the mark.
        let to_app = ask(format!("out uid=0 gid=1337 mark=1337 src={client}:40000 dst={own}:80"));
        assert_eq!(to_app, (ACCEPT, MARK, MARK, local.clone()));
        // The answer is for somebody outside, and yet stays here.
        let answer =
            ask(format!("out uid=1000 src={own}:80 dst={client}:40000 state=established connmark=1337"));
        assert_eq!(answer, (ACCEPT, MARK, MARK, local.clone()));
        let without_mark = ask(format!("out uid=1000 src={own}:80 dst={client}:40000 state=established"));
        assert_eq!(without_mark, (ACCEPT, 0, 0, Delivery::Leaves("eth0".into())));
        // `SIM-42`: proxy → own pod comes in again; application → own pod is direct.
        let own_pod = pod.both(&format!("out uid=0 gid=1337 dst={own}:80"), |simulation| {
            (simulation.verdict(), simulation.reentered(), simulation.destination())
        });
        assert_eq!(own_pod, (tproxy(15006), true, whole(own, 80)));
        assert_eq!(ask(format!("out uid=1000 dst={own}:80")), (ACCEPT, 0, 0, local.clone()));
        // `SIM-43`: as UID 1337 its call to the application is sent back to it.
        let listed = ask(format!("out uid=1337 gid=1337 mark=1337 src={client}:40000 dst={own}:80"));
        assert_eq!(listed.0, redirect(15006));
        // Everything else outbound is REDIRECT as ever.
        assert_eq!(ask(format!("out uid=1000 dst={client}:80")).0, redirect(15001));
        assert_eq!(ask(format!("out uid=0 gid=1337 dst={client}:80")).0, ACCEPT);
        // `INV-05`: the tunnel port is captured here.
        assert_eq!(pod.verdict(&format!("in dst={own}:15008")), tproxy(15006));
    }
    // `SIM-44`
    for (source, own) in [("127.0.0.6", "10.77.0.2"), ("::6", "[fd00:77::2]")] {
        let text = format!("out uid=0 gid=1337 src={source} dst={own}:80");
        assert_eq!(pod.verdict(&text), ACCEPT);
        assert_eq!(pod.verdict(&format!("in iface=lo mark=1338 src={source} dst={own}:80")), ACCEPT);
    }
    // `IPT-HST-02`: without policy rule and route the answer leaves, and the flow breaks.
    let rules = &pod.rulesets[0];
    let lost = packet("out uid=1000 src=10.77.0.2:80 dst=192.0.2.9:40000 state=established connmark=1337");
    assert_eq!(*rules.simulate(&lost, &pod_support::pod()).delivery(), Delivery::Leaves("eth0".into()));
}

/// `SIM-41`: an upstream of 127.0.0.1 does not work with TPROXY, because the rules leave loopback alone: the
/// connection's answers are for an outside address, and they are not marked.
#[test]
fn tproxy_upstream_on_loopback_sim_41() {
    let pod = Pod::of(&["-m", "TPROXY", "-b", "*"]);
    let marks = |text: &str| pod.both(text, |simulation| (simulation.mark(), simulation.connection_mark()));
    assert_eq!(marks("out uid=0 gid=1337 src=192.0.2.9 dst=127.0.0.1:80"), (0, 0));
    let answer = pod
        .both("out uid=1000 src=127.0.0.1:80 dst=192.0.2.9:40000 state=established", |simulation| {
            simulation.delivery().clone()
        });
    assert_eq!(answer, Delivery::Leaves("eth0".into()));
}

/// `IPT-VAL-17`: mangle hands the packet to the inbound listener, and nat rewrites its destination all the same. A
/// kernel was seen to do so: the listener on 15006 accepted it with the local address `10.77.0.2:15001`.
#[test]
fn tproxy_and_virtual_interfaces() {
    let pod = Pod::of(&["-m", "TPROXY", "-b", "*", "-i", "*", "-k", "eth0"]);
    for to in ["10.77.0.2:8080", "192.0.2.9:80"] {
        let end = pod.both(&format!("in iface=eth0 dst={to}"), |simulation| {
            (simulation.verdict(), simulation.destination().to_string(), simulation.delivery().clone())
        });
        assert_eq!(end, (tproxy(15006), "10.77.0.2:15001".to_owned(), Delivery::Local));
    }
    // Without inbound capture it is outbound, as wanted.
    let outbound = Pod::of(&["-m", "TPROXY", "-i", "*", "-k", "eth0"]);
    assert_eq!(outbound.verdict("in iface=eth0 dst=192.0.2.9:80"), redirect(15001));
}

/// `AMB-02..11`: the last paragraph of section 6.6.
#[test]
fn ambient_pod() {
    let config = AmbientConfig::new().enable_ipv6().redirect_dns();
    let plans = |pod: &AmbientPod| {
        let steps = config.pod_plan(pod);
        let rulesets = [steps.ruleset(), config.pod_nftables_plan(pod).ruleset()];
        Pod { rulesets, namespace: pod_support::pod().host_steps(steps.host_steps()) }
    };
    let pod = plans(&AmbientPod::new());
    for (own, outside, probe, loopback) in [
        ("10.77.0.2", "192.0.2.9", "169.254.7.127", "127.0.0.1"),
        ("[fd00:77::2]", "[2001:db8::9]", "[fd16:9254:7127:1337:ffff:ffff:ffff:ffff]", "[::1]"),
    ] {
        let source = |text: &str| text.trim_matches(['[', ']']).to_owned();
        let rows = [
            // `AMB-06`, `AMB-04`
            (format!("in dst={own}:8080"), redirect(15006)),
            (format!("in dst={own}:15008"), ACCEPT),
            (format!("in src={} dst={own}:8080", source(probe)), ACCEPT),
            (format!("in mark=0x539 dst={own}:8080"), ACCEPT),
            // `AMB-11`, `AMB-05`: whoever sends it.
            (format!("out uid=1000 dst={outside}:80"), redirect(15001)),
            (format!("out uid=0 dst={outside}:80"), redirect(15001)),
            (format!("out uid=1337 dst={outside}:80"), redirect(15001)),
            (format!("out uid=1000 dst={probe}:40000"), ACCEPT),
            (format!("out mark=0x539 dst={outside}:80"), ACCEPT),
            // `AMB-10`
            (format!("out uid=1000 dst={own}:80"), ACCEPT),
            (format!("out uid=1000 dst={loopback}:80"), ACCEPT),
            // `AMB-08`
            (format!("out proto=udp dst={outside}:53"), redirect(15053)),
            (format!("out proto=udp mark=0x539 dst={outside}:53"), ACCEPT),
            (format!("out dst={outside}:53"), redirect(15053)),
            (format!("out dst={loopback}:53"), ACCEPT),
            (format!("out proto=udp dst={outside}:54"), ACCEPT),
        ];
        for (text, want) in rows {
            assert_eq!(pod.verdict(&text), want, "{text}");
        }
        // `AMB-03`, `AMB-07`: ztunnel → application with the client's address, and the way back.
        let there = pod
            .both(&format!("out mark=0x539 src={} dst={own}:8080", source(outside)), |simulation| {
                (simulation.verdict(), simulation.connection_mark(), simulation.delivery().clone())
            });
        assert_eq!(there, (ACCEPT, 0x111, Delivery::Local));
        let back = format!("out src={own}:8080 dst={outside}:40000 state=established connmark=0x111");
        let back = pod.both(&back, |simulation| (simulation.mark(), simulation.delivery().clone()));
        assert_eq!(back, (0x111, Delivery::Local));
        // `AMB-09`: packets of such a connection are not captured even where nat sees them.
        assert_eq!(pod.verdict(&format!("out dst={outside}:80 connmark=0x111")), ACCEPT);
        // `AMB-08`: zones of ztunnel's own queries.
        let zone = |text: String| pod.both(&text, |simulation| simulation.zone());
        assert_eq!(zone(format!("out proto=udp mark=0x539 dst={outside}:53")), Some(1));
        assert_eq!(zone(format!("out proto=udp dst={outside}:53")), None);
        assert_eq!(zone(format!("in proto=udp src={outside}:53 dst={own}:40000")), Some(1));
    }
    // `AMB-02`, `IPT-ANN-14`
    let machine = plans(&AmbientPod::new().virtual_interfaces(["vm0"]).unwrap());
    assert_eq!(machine.verdict("in iface=vm0 dst=192.0.2.9:80"), redirect(15001));
    assert_eq!(machine.verdict("in iface=vm0 proto=udp dst=192.0.2.9:80"), ACCEPT);
    assert_eq!(machine.verdict("in dst=10.77.0.2:80"), redirect(15006));
    // `IPT-ANN-12`: a gateway's inbound is its own business.
    let gateway = plans(&AmbientPod::new().bypass_inbound_capture());
    assert_eq!(gateway.verdict("in dst=10.77.0.2:80"), ACCEPT);
    assert_eq!(gateway.verdict("out dst=192.0.2.9:80"), redirect(15001));
}

/// `AMB-15`, `NFT-49`: on the node.
#[test]
fn ambient_node() {
    let config = AmbientConfig::new();
    let node = Namespace::pod(["10.0.0.1/24".parse().unwrap()])
        .set("istio-inpod-probes-v4", ["10.0.0.7".parse().unwrap()]);
    let source = |rules: &Ruleset, text: &str| rules.simulate(&packet(text), &node).source().ip().to_string();
    let iptables = config.host_plan().ruleset();
    let nftables = config.host_nftables_plan(0).ruleset();
    for rules in [&iptables, &nftables] {
        assert_eq!(source(rules, "out uid=0 dst=10.0.0.7:8080"), "169.254.7.127");
        assert_eq!(source(rules, "out uid=0 dst=10.0.0.8:8080"), "10.0.0.1");
        assert_eq!(source(rules, "in src=10.0.0.9 dst=10.0.0.7:8080"), "10.0.0.9", "passed on, not a probe");
    }
    // nftables tells the kubelet by its user (`TRB-13`: as root that is everything of root).
    assert_eq!(source(&iptables, "out uid=1000 dst=10.0.0.7:8080"), "169.254.7.127");
    assert_eq!(source(&nftables, "out uid=1000 dst=10.0.0.7:8080"), "10.0.0.1");
    // A set nobody described cannot be decided about.
    let rules = iptables.simulate(&packet("out uid=0 dst=10.0.0.7:8080"), &pod()).is_certain();
    assert!(!rules);
}

/// `NFT-30`, `IPT-CFG-52`, `TRB-06`
#[test]
fn ipv6_off_is_not_captured_by_iptables_but_by_nftables() {
    let config = CaptureConfig::builder()
        .args(["-i", "*", "-b", "*", "-d", "15020,15021,15090"])
        .unwrap()
        .build()
        .unwrap();
    let pod = Pod::new(&config);
    let verdicts = |text: &str| pod.each(text).map(|simulation| simulation.verdict());
    assert_eq!(verdicts("out dst=[2001:db8::9]:80"), [ACCEPT, redirect(15001)]);
    assert_eq!(verdicts("in dst=[fd00:77::2]:80"), [ACCEPT, redirect(15006)]);
    // Not even loopback is left alone there.
    assert_eq!(verdicts("out owner=none dst=[::1]:80"), [ACCEPT, redirect(15001)]);
    assert!(pod.rulesets[0].is_empty(Family::Ipv6) && !pod.rulesets[1].is_empty(Family::Ipv6));
    assert!(config.findings().is_empty(), "with iptables nothing is unexpected");
}

/// What a pod meets in daily life: `TRB-27`, `TRB-31`, `TRB-35`.
#[test]
fn daily_life() {
    // Its own Service, resolved to its own address, is a call from outside.
    let pod = Pod::of(&["-i", "*", "-b", "*"]);
    assert_eq!(pod.verdict("out uid=1000 dst=10.96.0.10:80"), redirect(15001));
    assert_eq!(pod.verdict("out uid=1337 dst=10.77.0.2:8080"), redirect(15006));
    let several = Pod::of(&["-i", "*", "-b", "*", "-u", "1337,1500"]);
    assert_eq!(several.verdict("out uid=1500 gid=7 dst=10.77.0.2:8080"), ACCEPT, "only the first user");
    // Credentials of a cloud before the proxy is up.
    let excluded = Pod::of(&["-i", "*", "-x", "169.254.169.254/32"]);
    assert_eq!(excluded.verdict("out dst=169.254.169.254:80"), ACCEPT);
    assert_eq!(excluded.verdict("out dst=169.254.169.253:80"), redirect(15001));
    // A virtual interface: TCP is captured, and nothing behind the return is asked about the rest.
    let machine = Pod::of(&["-i", "*", "-b", "*", "-k", "k6t0"]);
    assert_eq!(machine.verdict("in iface=k6t0 dst=192.0.2.9:80"), redirect(15001));
    let answer = machine.both("in iface=k6t0 proto=udp dst=192.0.2.9:53", |simulation| {
        let last = simulation.hits().last().unwrap();
        (simulation.verdict(), simulation.delivery().clone(), last.reason().unwrap().id())
    });
    assert_eq!(answer, (ACCEPT, Delivery::Forwarded("eth0".into()), "IPT-VIF-01"));
}

/// `TRB-25`: SSH is exempt up to gen5, and with every port captured it is captured since.
#[test]
fn ssh_is_captured_since_gen6() {
    use mesh_iptables::Preset;
    let config = CaptureConfig::builder().args(["-i", "*", "-b", "*"]).unwrap().build().unwrap();
    let verdict = |preset| {
        let rules = config.preset_plan(preset).ruleset();
        rules.simulate(&packet("in dst=10.77.0.2:22"), &pod()).verdict()
    };
    let presets = [Preset::Gen2, Preset::Gen3, Preset::Gen4, Preset::Gen5, Preset::Gen6, Preset::Current];
    assert_eq!(presets.map(|preset| verdict(preset) == ACCEPT), [true, true, true, true, false, false]);
}

/// Section 7.2: in gen2 the proxy's call to its own pod loops into the outbound listener; gen4 tells owners apart.
#[test]
fn older_layouts_and_calls_to_the_own_pod() {
    use mesh_iptables::Preset;
    let config = CaptureConfig::builder().args(["-i", "*", "-b", "9080"]).unwrap().build().unwrap();
    let verdict =
        |preset, text: &str| config.preset_plan(preset).ruleset().simulate(&packet(text), &pod()).verdict();
    for own in ["out uid=1337 dst=10.77.0.2:80", "out uid=1000 dst=10.77.0.2:80"] {
        assert_eq!(verdict(Preset::Gen2, own), redirect(15001), "{own}");
    }
    assert_eq!(verdict(Preset::Gen2, "in dst=10.77.0.2:9080"), redirect(15001), "one listener for both");
    assert_eq!(verdict(Preset::Gen4, "out uid=1337 dst=10.77.0.2:80"), redirect(15006));
    assert_eq!(verdict(Preset::Gen4, "out uid=1000 dst=10.77.0.2:80"), ACCEPT);
}

/// `LNK-03..05`, `LNK-08`: the rules of another mesh are read and walked like any; the differences in effect show.
#[test]
fn rules_of_linkerd() {
    let rules = pod_support::saved(
        "*nat
-N PROXY_INIT_REDIRECT
-N PROXY_INIT_OUTPUT
-A PROXY_INIT_REDIRECT -p tcp --match multiport --dports 4190,4191 -j RETURN -m comment --comment proxy-init/ignore-port-4190,4191
-A PROXY_INIT_REDIRECT -p all -j RETURN -s 10.9.0.0/16 -m comment --comment proxy-init/ignore-subnet-10.9.0.0/16
-A PROXY_INIT_REDIRECT -p tcp -j REDIRECT --to-port 4143 -m comment --comment proxy-init/redirect-all-incoming-to-proxy-port
-A PREROUTING -j PROXY_INIT_REDIRECT -m comment --comment proxy-init/install-proxy-init-prerouting
-A PROXY_INIT_OUTPUT -m owner --uid-owner 2102 -j RETURN -m comment --comment proxy-init/ignore-proxy-user-id
-A PROXY_INIT_OUTPUT -o lo -j RETURN -m comment --comment proxy-init/ignore-loopback
-A PROXY_INIT_OUTPUT -p tcp -j REDIRECT --to-port 4140 -m comment --comment proxy-init/redirect-all-outgoing-to-proxy-port
-A OUTPUT -j PROXY_INIT_OUTPUT -m comment --comment proxy-init/install-proxy-init-output
COMMIT
",
    );
    let rows = [
        ("in dst=10.77.0.2:80", redirect(4143)),
        ("in dst=10.77.0.2:4191", ACCEPT),
        // An ignored subnet is where inbound traffic comes from, and nothing to outbound traffic.
        ("in src=10.9.1.1 dst=10.77.0.2:80", ACCEPT),
        ("out dst=10.9.1.1:80", redirect(4140)),
        ("out uid=2102 dst=192.0.2.9:80", ACCEPT),
        // No call to the own pod is captured, whoever makes it, and no DNS.
        ("out uid=2102 dst=10.77.0.2:80", ACCEPT),
        ("out uid=1000 dst=10.77.0.2:80", ACCEPT),
        ("out proto=udp dst=192.0.2.53:53", ACCEPT),
    ];
    for (text, want) in rows {
        let simulation = rules.simulate(&packet(text), &pod());
        assert!(simulation.is_certain(), "{simulation:#}");
        assert_eq!(simulation.verdict(), want, "{text}");
    }
}

/// `NFT-64`: base chains that were emptied do nothing.
#[test]
fn emptied_chains_of_nftables() {
    let listing = "table inet istio-proxy-mangle {\n\tchain prerouting {\n\t\ttype filter hook prerouting priority mangle; policy accept;\n\t}\n}\n";
    let rules = Ruleset::from_nftables(listing);
    let simulation = rules.simulate(&packet("in dst=10.77.0.2:80"), &pod());
    assert_eq!((simulation.verdict(), simulation.steps().len()), (ACCEPT, 0));
    assert!(rules.is_empty(Family::Ipv4) && simulation.is_certain());
}
