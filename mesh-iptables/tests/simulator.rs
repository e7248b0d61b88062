//! The simulator's semantics (section 6), each rule by a walk that would end otherwise without it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unreachable,
    clippy::redundant_closure_for_method_calls,
    reason = "a test may fail loudly"
)]

use mesh_iptables::{
    AmbientConfig, AmbientPod, Backend, CaptureConfig, Delivery, Effect, Family, Namespace, Packet, Ruleset,
    SavedRules, Simulation, Table, Verdict, guardrail_commands, simulate,
};

const ACCEPT: Verdict = Verdict::Accept;
const MARK: u32 = 1337;

fn config(args: &[&str]) -> CaptureConfig {
    CaptureConfig::builder().args(args).unwrap().enable_ipv6().build().unwrap()
}

fn pod() -> Namespace {
    Namespace::pod(["10.77.0.2/24".parse().unwrap(), "fd00:77::2/64".parse().unwrap()])
}

fn packet(text: &str) -> Packet {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn redirect(port: u16) -> Verdict {
    Verdict::Redirect { port }
}

fn tproxy(port: u16) -> Verdict {
    Verdict::Tproxy { port, mark: MARK }
}

/// A configuration in both backends, with what it sets up beside its rules.
struct Pod {
    rulesets: [Ruleset; 2],
    namespace: Namespace,
}

impl Pod {
    fn new(config: &CaptureConfig) -> Self {
        let plan = config.plan();
        let rulesets = [plan.ruleset(), config.nftables_plan().ruleset()];
        Self { rulesets, namespace: pod().host_steps(plan.host_steps()) }
    }

    fn of(args: &[&str]) -> Self {
        Self::new(&config(args))
    }

    fn each(&self, text: &str) -> [Simulation<'_>; 2] {
        [&self.rulesets[0], &self.rulesets[1]].map(|ruleset| {
            let simulation = ruleset.simulate(&packet(text), &self.namespace);
            assert!(simulation.is_certain(), "{simulation:#}");
            simulation
        })
    }

    /// One answer from both backends.
    fn both<T: PartialEq + std::fmt::Debug>(&self, text: &str, ask: impl Fn(&Simulation<'_>) -> T) -> T {
        let [iptables, nftables] = self.each(text);
        let (answer, other) = (ask(&iptables), ask(&nftables));
        assert_eq!(answer, other, "{iptables:#}\n{nftables:#}");
        answer
    }

    fn verdict(&self, text: &str) -> Verdict {
        self.both(text, |simulation| simulation.verdict())
    }
}

/// Rules in the form the restore tools read.
fn saved(text: &str) -> Ruleset {
    Ruleset::from_saved(&SavedRules::parse(text), &SavedRules::empty())
}

fn verdict(rules: &str, text: &str) -> Verdict {
    let rules = saved(rules);
    let simulation = rules.simulate(&packet(text), &pod());
    assert!(simulation.is_certain(), "{simulation:#}");
    simulation.verdict()
}

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
    assert_eq!(*rules.simulate(&lost, &self::pod()).delivery(), Delivery::Leaves("eth0".into()));
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

/// `AMB-02..11`: the last paragraph of section 6.6.
#[test]
fn ambient_pod() {
    let config = AmbientConfig::new().enable_ipv6().redirect_dns();
    let plans = |pod: &AmbientPod| {
        let steps = config.pod_plan(pod);
        let rulesets = [steps.ruleset(), config.pod_nftables_plan(pod).ruleset()];
        Pod { rulesets, namespace: self::pod().host_steps(steps.host_steps()) }
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
