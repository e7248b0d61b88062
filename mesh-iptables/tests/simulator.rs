//! The simulator's semantics (sections 6.1 to 6.4), each rule by a walk that would end otherwise without it.
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

use mesh_iptables::{
    Backend, Delivery, Effect, Ruleset, Simulation, Table, Verdict, guardrail_commands, simulate,
};
use pod_support::{ACCEPT, Pod, config, packet, pod, redirect, saved, tproxy, verdict};

/// The tables met, in order, without repetition.
fn tables(simulation: &Simulation<'_>) -> Vec<String> {
    let mut met: Vec<String> = Vec::new();
    for step in simulation.steps() {
        let place = format!("{} {}", step.table(), if step.reentered() { "again" } else { "" });
        if met.last().map(String::as_str) != Some(place.trim_end()) {
            met.push(place.trim_end().to_owned());
        }
    }
    met
}

const EVERY_HOOK: &str = "\
*filter
-A INPUT -j FILTER_IN
-A FORWARD -j FILTER_FORWARD
-A OUTPUT -j FILTER_OUT
COMMIT
*mangle
-A PREROUTING -j M
-A INPUT -j M
-A FORWARD -j M
-A OUTPUT -j M
-A POSTROUTING -j M
COMMIT
*nat
-A PREROUTING -j N
-A OUTPUT -j N
-A POSTROUTING -j N
COMMIT
*raw
-A PREROUTING -j R
-A OUTPUT -j R
COMMIT
";

#[test]
fn hooks_are_walked_in_order_sim_01_02_03_04_05() {
    let rules = saved(EVERY_HOOK);
    let walk = |text: &str| tables(&rules.simulate(&packet(text), &pod())).join(" ");
    // `SIM-01`: to this pod, and through it.
    assert_eq!(walk("in dst=10.77.0.2:80"), "raw mangle nat mangle filter");
    assert_eq!(walk("in dst=192.0.2.9:80"), "raw mangle nat mangle filter mangle nat");
    // `SIM-02`
    assert_eq!(walk("out dst=192.0.2.9:80"), "raw mangle nat filter mangle nat");
    // `SIM-03`, `SIM-04`: through lo it comes back, and nat PREROUTING does not see it.
    let own = "raw mangle nat filter mangle nat raw again mangle again filter again";
    assert_eq!(walk("out dst=10.77.0.2:80"), own);
    assert_eq!(walk("in iface=lo dst=10.77.0.2:80"), "raw mangle filter");
    // `SIM-05`: later packets of a flow do not see nat at all.
    assert_eq!(walk("in dst=10.77.0.2:80 state=established"), "raw mangle filter");
    assert_eq!(walk("out dst=192.0.2.9:80 state=established"), "raw mangle filter mangle");
    let forwarded = rules.simulate(&packet("in dst=192.0.2.9:80"), &pod());
    assert_eq!(*forwarded.delivery(), Delivery::Forwarded("eth0".into()));
}

#[test]
fn later_packets_follow_their_flow_sim_05() {
    let pod = Pod::of(&["-i", "*", "-b", "*"]);
    let answer = pod.both("out dst=192.0.2.9:80 state=established flow=127.0.0.1:15001", |simulation| {
        (simulation.verdict(), simulation.destination().to_string(), simulation.reentered())
    });
    assert_eq!(answer, (redirect(15001), "127.0.0.1:15001".to_owned(), true));
    let answer = pod.both("in dst=10.77.0.2:80 state=established flow=10.77.0.2:15006", |simulation| {
        (simulation.verdict(), simulation.delivery().clone())
    });
    assert_eq!(answer, (redirect(15006), Delivery::Local));
    // A flow from before the rules is left alone (`APP-30`).
    assert_eq!(pod.verdict("out dst=192.0.2.9:80 state=established"), ACCEPT);
}

#[test]
fn rules_of_both_backends_run_sim_06() {
    let (old, new) = (config(&["-i", "*", "-p", "15001"]), config(&["-i", "10.0.0.0/8", "-p", "16001"]));
    let (iptables, nftables) = (old.plan().ruleset(), new.nftables_plan().ruleset());
    let namespace = pod();
    let outcome = simulate([&nftables, &iptables], &packet("out dst=192.0.2.9:80"), &namespace);
    // What the newer rules leave alone the older ones still take (`TRB-03`, `TRB-14`).
    assert_eq!(outcome.verdict(), redirect(15001));
    assert_ne!(outcome.steps()[0].text(), outcome.steps().last().unwrap().text());
    let outcome = simulate([&nftables, &iptables], &packet("out dst=10.0.0.1:80"), &namespace);
    assert_eq!(outcome.verdict(), redirect(16001));
    assert_eq!((iptables.backend(), nftables.backend()), (Backend::Iptables, Backend::Nftables));
}

#[test]
fn targets_end_what_they_end_sim_12() {
    // ACCEPT ends its own table only, in a called chain too.
    let accepted = "*mangle\n-A OUTPUT -j A\n-A OUTPUT -j DROP\n-A A -j ACCEPT\n*nat\n-A OUTPUT -p tcp -j REDIRECT --to-ports 1\n";
    assert_eq!(verdict(accepted, "out dst=192.0.2.9:80"), redirect(1));
    // RETURN goes back to the rule behind the jump; in a built-in chain it is the policy.
    let returned =
        "*nat\n-A OUTPUT -j A\n-A OUTPUT -p tcp -j REDIRECT --to-ports 2\n-A A -j RETURN\n-A A -j DROP\n";
    assert_eq!(verdict(returned, "out dst=192.0.2.9:80"), redirect(2));
    assert_eq!(verdict("*nat\n-A OUTPUT -j RETURN\n-A OUTPUT -j DROP\n", "out dst=192.0.2.9:80"), ACCEPT);
    // The first terminating match wins; DROP ends everything.
    let twice =
        "*nat\n-A OUTPUT -p tcp -j REDIRECT --to-ports 1\n-A OUTPUT -p tcp -j REDIRECT --to-ports 2\n";
    assert_eq!(verdict(twice, "out dst=192.0.2.9:80"), redirect(1));
    let dropped = "*raw\n-A OUTPUT -j DROP\n*nat\n-A OUTPUT -p tcp -j REDIRECT --to-ports 1\n";
    assert_eq!(verdict(dropped, "out dst=192.0.2.9:80"), Verdict::Drop);
    // TPROXY ends mangle as accepted; the filter table may still drop.
    let handed = "*mangle\n-A PREROUTING -p tcp -j TPROXY --on-port 15006 --tproxy-mark 1337/0xffffffff\n-A PREROUTING -j DROP\n";
    assert_eq!(verdict(handed, "in dst=10.77.0.2:80"), tproxy(15006));
    assert_eq!(
        verdict(&format!("{handed}*filter\n-A INPUT -j DROP\n"), "in dst=10.77.0.2:80"),
        Verdict::Drop
    );
}

#[test]
fn guardrails_stop_everything_app_01() {
    let mut rules = "*filter\n".to_owned();
    for command in guardrail_commands() {
        rules.push_str(&command.args()[2..].join(" "));
        rules.push('\n');
    }
    for text in [
        "out dst=192.0.2.9:80",
        "out dst=127.0.0.1:80",
        "out proto=udp dst=192.0.2.9:53",
        "in dst=10.77.0.2:80",
        "in dst=192.0.2.9:80",
    ] {
        assert_eq!(verdict(&rules, text), Verdict::Drop, "{text}");
    }
    assert_eq!(verdict(&rules, "out proto=icmp dst=192.0.2.9"), ACCEPT);
}

#[test]
fn marks_go_on_and_the_first_zone_counts_sim_13() {
    let pod = Pod::of(&["--redirect-dns", "--capture-all-dns"]);
    let zones = |text: &str| {
        pod.both(text, |simulation| {
            let zones: Vec<Effect> = simulation
                .hits()
                .map(mesh_iptables::Step::effect)
                .filter(|effect| matches!(effect, Effect::Zone(_) | Effect::ZoneKept(_)))
                .collect();
            (simulation.zone(), zones)
        })
    };
    // The proxy's own query meets the general rule too, and keeps its zone.
    let proxy = zones("out proto=udp uid=1337 dst=192.0.2.53:53");
    assert_eq!(proxy, (Some(1), vec![Effect::Zone(1), Effect::ZoneKept(1), Effect::ZoneKept(1)]));
    let app = zones("out proto=udp uid=1000 dst=192.0.2.53:53");
    assert_eq!(app, (Some(2), vec![Effect::Zone(2)]));
    let marks =
        "*mangle\n-A OUTPUT -j MARK --set-mark 1\n-A OUTPUT -j MARK --set-mark 2\n-A OUTPUT -j DROP\n";
    assert_eq!(verdict(marks, "out dst=192.0.2.9:80"), Verdict::Drop);
}

/// `SIM-14`, `TRB-32`
#[test]
fn only_tcp_is_redirected() {
    let pod = Pod::of(&["-i", "*", "-b", "*"]);
    for protocol in ["udp", "sctp"] {
        let out = format!("out proto={protocol} dst=192.0.2.9:443");
        assert_eq!(pod.verdict(&out), ACCEPT);
        let [iptables, _] = pod.each(&out);
        let entered =
            iptables.steps().iter().any(|step| step.chain().name() == "ISTIO_REDIRECT" && !step.matched());
        assert!(entered, "it falls through the chain: {iptables:#}");
        assert_eq!(pod.verdict(&format!("in proto={protocol} dst=10.77.0.2:443")), ACCEPT);
    }
    assert_eq!(pod.verdict("out proto=icmp dst=192.0.2.9"), ACCEPT);
    assert_eq!(pod.verdict("out proto=icmp dst=2001:db8::9"), ACCEPT);
}

#[test]
fn addresses_interfaces_and_ports_match_as_the_kernel_does_sim_20_21_22() {
    let taken = |rule: &str, text: &str| {
        let rules = format!("*nat\n-A OUTPUT {rule} -p tcp -j REDIRECT --to-ports 1\n");
        verdict(&rules, text) == redirect(1)
    };
    // `SIM-20`: `!` negates what follows it and no more.
    assert!(taken("! -d 10.0.0.0/8 -o eth0", "out dst=192.0.2.9:80"));
    assert!(!taken("! -d 10.0.0.0/8 -o eth0", "out dst=10.1.1.1:80"));
    assert!(!taken("! -d 10.0.0.0/8 -o eth1", "out dst=192.0.2.9:80"));
    // `SIM-21`: exact, or by prefix with `+`; `-o` for the pod's own address is lo.
    for (rule, text, want) in [
        ("-o eth0", "out dst=192.0.2.9:80", true),
        ("-o eth", "out dst=192.0.2.9:80", false),
        ("-o eth+", "out dst=192.0.2.9:80", true),
        ("-o +", "out dst=192.0.2.9:80", true),
        ("-o lo", "out dst=10.77.0.2:80", true),
        ("-o lo", "out dst=127.0.0.6:80", true),
        ("-o lo", "out dst=10.77.0.1:80", false),
        // No packet that is sent came in anywhere.
        ("-i eth0", "out dst=192.0.2.9:80", false),
        ("! -i eth0", "out dst=192.0.2.9:80", true),
    ] {
        assert_eq!(taken(rule, text), want, "{rule} {text}");
    }
    // `SIM-22`: a port is looked at for its own protocol only, negated or not; multiport means any of them.
    let dropped =
        |rule: &str, text: &str| verdict(&format!("*raw\n-A OUTPUT {rule} -j DROP\n"), text) == Verdict::Drop;
    assert!(dropped("-p tcp ! --dport 80", "out dst=192.0.2.9:81"));
    assert!(!dropped("-p tcp ! --dport 80", "out dst=192.0.2.9:80"));
    assert!(!dropped("-p tcp ! --dport 80", "out proto=udp dst=192.0.2.9:81"));
    assert!(dropped("-p tcp -m multiport ! --dports 53,15008", "out dst=192.0.2.9:80"));
    assert!(!dropped("-p tcp -m multiport ! --dports 53,15008", "out dst=192.0.2.9:15008"));
    assert!(!dropped("-p tcp -m multiport ! --dports 53,15008", "out proto=udp dst=192.0.2.9:80"));
}

/// `SIM-23`, `SIM-24`, `NFT-60`
#[test]
fn packets_without_owner() {
    let rules = "*nat\n-A OUTPUT -m owner ! --uid-owner 1337 -p tcp -j REDIRECT --to-ports 1\n\
                 -A OUTPUT -m owner --uid-owner 1337 -p tcp -j REDIRECT --to-ports 2\n\
                 -A OUTPUT -m owner --socket-exists -p tcp -j REDIRECT --to-ports 3\n\
                 -A OUTPUT -p tcp -j REDIRECT --to-ports 4\n";
    assert_eq!(verdict(rules, "out uid=1337 dst=192.0.2.9:80"), redirect(2));
    assert_eq!(verdict(rules, "out uid=1000 dst=192.0.2.9:80"), redirect(1));
    assert_eq!(verdict(rules, "out owner=none dst=192.0.2.9:80"), redirect(1));
    let rest = rules
        .lines()
        .filter(|line| !line.contains("uid-owner"))
        .fold(String::new(), |text, line| text + line + "\n");
    assert_eq!(verdict(&rest, "out uid=1000 dst=192.0.2.9:80"), redirect(3));
    assert_eq!(verdict(&rest, "out owner=none dst=192.0.2.9:80"), redirect(4));
    // In nftables neither polarity matches.
    let rules = Ruleset::from_nftables(
        "add rule inet istio-proxy-nat output skuid 1337 counter drop\n\
         add rule inet istio-proxy-nat output skuid != 1337 counter drop\n\
         add rule inet istio-proxy-nat output skgid != 1337 counter drop\n",
    );
    let nobody = rules.simulate(&packet("out owner=none dst=192.0.2.9:80"), &pod()).verdict();
    let somebody = rules.simulate(&packet("out uid=1 dst=192.0.2.9:80"), &pod()).verdict();
    assert_eq!((nobody, somebody), (ACCEPT, Verdict::Drop));
}

#[test]
fn marks_are_masked_and_copied_sim_25() {
    let ask = |rules: &str, text: &str| {
        let rules = saved(&format!("*mangle\n{rules}"));
        let simulation = rules.simulate(&packet(text), &pod());
        assert!(simulation.is_certain());
        (simulation.verdict(), simulation.mark(), simulation.connection_mark())
    };
    let out = "out dst=192.0.2.9:80";
    let exact = "-A OUTPUT -m mark --mark 0x539 -j DROP\n";
    assert_eq!(ask(exact, &format!("{out} mark=0x539")).0, Verdict::Drop);
    assert_eq!(ask(exact, &format!("{out} mark=0x10539")).0, ACCEPT);
    let masked = "-A OUTPUT -m mark --mark 0x539/0xfff -j DROP\n";
    assert_eq!(ask(masked, &format!("{out} mark=0x10539")).0, Verdict::Drop);
    let other = "-A OUTPUT -m mark ! --mark 0x539/0xfff -j DROP\n";
    assert_eq!(ask(other, &format!("{out} mark=0x10539")).0, ACCEPT);
    assert_eq!(ask(other, out).0, Verdict::Drop);
    assert_eq!(ask("-A OUTPUT -j MARK --set-mark 1338\n", &format!("{out} mark=7")), (ACCEPT, 1338, 0));
    assert_eq!(ask("-A OUTPUT -j CONNMARK --save-mark\n", &format!("{out} mark=7")), (ACCEPT, 7, 7));
    assert_eq!(ask("-A OUTPUT -j CONNMARK --restore-mark\n", &format!("{out} connmark=9")), (ACCEPT, 9, 9));
    let set = "-A OUTPUT -j CONNMARK --set-xmark 0x111/0xfff\n";
    assert_eq!(ask(set, &format!("{out} connmark=0xabcd5")), (ACCEPT, 0, 0xab111));
    // Bits outside the mask are turned over.
    let toggled = "-A OUTPUT -j CONNMARK --set-xmark 0x1011/0xff\n";
    assert_eq!(ask(toggled, &format!("{out} connmark=0x1234")), (ACCEPT, 0, 0x211));
}

/// `SIM-26`, `TRB-30`, `NFT-63`
#[test]
fn invalid_packets_pass_untranslated_unless_dropped() {
    let plain = Pod::of(&["-i", "*", "-b", "*"]);
    for text in ["in dst=10.77.0.2:80 state=invalid", "out dst=192.0.2.9:80 state=invalid"] {
        assert_eq!(plain.verdict(text), ACCEPT);
    }
    let strict = Pod::of(&["-i", "*", "-b", "*", "--drop-invalid"]);
    assert_eq!(strict.verdict("in dst=10.77.0.2:80 state=invalid"), Verdict::Drop);
    assert_eq!(strict.verdict("in dst=10.77.0.2:80"), redirect(15006));
    // nftables drops TCP only.
    let [iptables, nftables] = strict.each("in proto=udp dst=10.77.0.2:80 state=invalid");
    assert_eq!((iptables.verdict(), nftables.verdict()), (Verdict::Drop, ACCEPT));
}

#[test]
fn where_redirect_sends_packets_sim_30_31_32() {
    let config = config(&["-i", "*", "-b", "*"]);
    let rules = config.plan().ruleset();
    let namespace = pod()
        .address("eth0", "10.77.0.99/24".parse().unwrap())
        .address("eth0", "fe80::2/64".parse().unwrap())
        .address("eth0", "fd00:77::99/64".parse().unwrap());
    let ends = |text: &str| {
        let simulation = rules.simulate(&packet(text), &namespace);
        (simulation.destination().to_string(), simulation.source().ip().to_string())
    };
    // `SIM-30`: the source stays, so the listener sees the pod's address as its peer.
    assert_eq!(ends("out dst=192.0.2.9:80"), ("127.0.0.1:15001".into(), "10.77.0.2".into()));
    assert_eq!(ends("out dst=[2001:db8::9]:80"), ("[::1]:15001".into(), "fd00:77::2".into()));
    // `SIM-31`: a secondary address is delivered to the first one.
    assert_eq!(ends("in src=192.0.2.9 dst=10.77.0.99:80"), ("10.77.0.2:15006".into(), "192.0.2.9".into()));
    assert_eq!(
        ends("in src=2001:db8::9 dst=[fd00:77::99]:80"),
        ("[fd00:77::2]:15006".into(), "2001:db8::9".into())
    );
    assert_eq!(
        ends("in src=fe80::9 dst=[fe80::2]:80 iface=eth0"),
        ("[fe80::2]:15006".into(), "fe80::9".into())
    );
    // `SIM-32`: nothing else of the packet changes.
    let simulation = rules.simulate(&packet("out src=10.77.0.2:40000 dst=192.0.2.9:80"), &namespace);
    assert_eq!((simulation.source().port(), simulation.mark(), simulation.connection_mark()), (40000, 0, 0));
    assert_eq!(simulation.packet().destination().to_string(), "192.0.2.9:80");
}

#[test]
fn each_step_says_where_and_why_sim_11() {
    let pod = Pod::of(&["-i", "*", "-b", "*"]);
    let [iptables, _] = pod.each("in dst=10.77.0.2:15008");
    let hit = iptables.hits().nth(1).unwrap();
    assert_eq!((hit.table(), hit.chain().name(), hit.number()), (Table::Nat, "ISTIO_INBOUND", 1));
    assert_eq!(hit.text(), "-p tcp --dport 15008 -j RETURN");
    assert_eq!(hit.effect(), Effect::Return);
    assert_eq!(hit.reason().unwrap().id(), "IPT-INB-01");
    assert_eq!(iptables.verdict(), ACCEPT);
    let [iptables, _] = pod.each("in dst=10.77.0.2:80");
    let missed = iptables.steps().iter().find(|step| !step.matched()).unwrap();
    assert_eq!(missed.failed().unwrap().to_string(), "--dport 15008");
}
