use super::*;
use crate::chain::{Chain, Family, Table};
use crate::config::CaptureConfig;
use crate::rule::{ConnectionState, Protocol};
use crate::saved::SavedRules;

fn packet(text: &str) -> Packet {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn packets_are_read_and_printed_sim_10() {
    let full = "out proto=udp uid=1000 gid=2000 src=[fd00::9]:40000 dst=[fd00::7]:53 iface=eth1 mark=0x539 connmark=0x111 \
                state=established flow=[::1]:15053";
    let read = packet(full);
    assert_eq!(read.to_string(), full);
    let built = Packet::out("[fd00::7]:53".parse().unwrap())
        .protocol(Protocol::Udp)
        .owner(1000, 2000)
        .source("fd00::9".parse().unwrap())
        .source_port(40000)
        .interface("eth1")
        .mark(0x539)
        .connection_mark(0x111)
        .state(ConnectionState::Established)
        .flow("[::1]:15053".parse().unwrap());
    assert_eq!(read, built);
    let cases = [
        ("out dst=10.0.0.7:80", "out uid=1000 gid=1000 dst=10.0.0.7:80"),
        ("out uid=1337 dst=10.0.0.7:80", "out uid=1337 gid=1337 dst=10.0.0.7:80"),
        ("out gid=1337 dst=10.0.0.7:80", "out uid=1000 gid=1337 dst=10.0.0.7:80"),
        ("out owner=none dst=10.0.0.7:80", "out owner=none dst=10.0.0.7:80"),
        ("in src=192.0.2.1 dst=10.0.0.7:80 iface=eth0", "in src=192.0.2.1 dst=10.0.0.7:80 iface=eth0"),
        ("in sport=53 proto=udp dst=10.0.0.7:4000", "in proto=udp sport=53 dst=10.0.0.7:4000"),
        ("in proto=icmp dst=10.0.0.7", "in proto=icmp dst=10.0.0.7"),
        ("in proto=icmp dst=fd00::7", "in proto=icmp dst=fd00::7"),
        ("  in \t dst=[fd00::7]:80  mark=1337 ", "in dst=[fd00::7]:80 mark=0x539"),
        ("in dst=10.0.0.7:80 state=new", "in dst=10.0.0.7:80"),
        ("in dst=10.0.0.7:80 state=untracked", "in dst=10.0.0.7:80 state=untracked"),
    ];
    for (text, want) in cases {
        assert_eq!(packet(text).to_string(), want);
        assert_eq!(packet(want), packet(text));
    }
}

#[test]
fn packet_errors_say_what_to_write() {
    let cases = [
        ("", "a packet is missing, write for example `out uid=1000 dst=10.0.0.7:80`"),
        ("outbound dst=1.2.3.4:80", "`outbound`: begin with `out` or `in`"),
        ("out", "a destination is missing, write `dst=10.0.0.7:80`"),
        ("out 10.0.0.7:80", "`10.0.0.7:80`: write `key=value`, such as `dst=10.0.0.7:80`"),
        ("out dst=10.0.0.7", "`dst=10.0.0.7`: a port is missing, write `dst=10.0.0.7:80`"),
        ("out dst=fd00::7", "`dst=fd00::7`: a port is missing, write `dst=[fd00::7]:80`"),
        (
            "out dst=fd00::x:80",
            "`dst=fd00::x:80`: put an IPv6 address with a port in brackets, such as `[fd00::7]:80`",
        ),
        ("out dst=[fd00::7:80", "`dst=[fd00::7:80`: the bracket is not closed"),
        ("out dst=[10.0.0.7]:80", "`dst=[10.0.0.7]:80`: brackets are for IPv6 addresses"),
        (
            "out dst=[fd00::7]80",
            "`dst=[fd00::7]80`: an address is needed, such as `10.0.0.7:80` or `[fd00::7]:80`",
        ),
        (
            "out dst=example.com:80",
            "`dst=example.com:80`: an address is needed, such as `10.0.0.7:80` or `[fd00::7]:80`",
        ),
        ("out dst=10.0.0.7:65536", "`dst=10.0.0.7:65536`: a port is a number from 0 to 65535"),
        ("out dst=10.0.0.7:+80", "`dst=10.0.0.7:+80`: a port is a number from 0 to 65535"),
        (
            "out dst=10.0.0.7:80 src=fd00::1",
            "`src=fd00::1`: the destination `10.0.0.7` is of the other address family",
        ),
        ("out dst=10.0.0.7:80 uid=app", "`uid=app`: a number is needed"),
        (
            "in dst=10.0.0.7:80 uid=1000",
            "`uid=1000`: only a packet that is sent has an owner, begin with `out`",
        ),
        ("out dst=10.0.0.7:80 owner=root", "`owner=root`: write `owner=none`, or `uid=` and `gid=`"),
        ("out dst=10.0.0.7:80 proto=quic", "`proto=quic`: write `tcp`, `udp`, `sctp` or `icmp`"),
        (
            "out dst=10.0.0.7:80 state=old",
            "`state=old`: write `new`, `established`, `related`, `invalid` or `untracked`",
        ),
        (
            "out dst=10.0.0.7:80 flow=127.0.0.1",
            "`flow=127.0.0.1`: a port is needed, write `flow=127.0.0.1:15001`",
        ),
        // Found by fuzzing: the port was kept and not printed.
        (
            "out dst=10.0.0.7:80 proto=icmp",
            "`dst=10.0.0.7:80`: a packet of this protocol has no ports, leave them out",
        ),
        (
            "in sport=1 dst=10.0.0.7 proto=icmp",
            "`dst=10.0.0.7`: a packet of this protocol has no ports, leave them out",
        ),
        (
            "out dst=10.0.0.7:80 flow=[::1]:1",
            "`flow=[::1]:1`: the destination `10.0.0.7` is of the other address family",
        ),
        ("out dst=10.0.0.7:80 iface=", "`iface=`: an interface name is needed"),
        (
            "out dest=10.0.0.7:80",
            "`dest=10.0.0.7:80`: no such word, there are dst, src, sport, proto, uid, gid, owner, iface, mark, connmark, state and flow",
        ),
    ];
    for (text, want) in cases {
        assert_eq!(text.parse::<Packet>().unwrap_err().to_string(), want, "{text}");
    }
    assert_eq!("out dst=x:1".parse::<Packet>().unwrap_err().word(), "dst=x:1");
}

/// What `nft list ruleset` prints for the mesh's tables (nftables 1.0.6), with a table of someone else.
const LISTING: &str = r#"table inet other {
	chain output {
		type nat hook output priority -100; policy accept;
		meta l4proto tcp counter packets 0 bytes 0 drop
	}
}
table inet istio-proxy-nat {
	comment "of the mesh"
	chain output {
		type nat hook output priority -100; policy accept;
		counter packets 7 bytes 420 jump istio-output
	}

	chain istio-redirect {
		meta l4proto tcp counter packets 0 bytes 0 redirect to :15001
	}

	chain istio-in-redirect {
		meta l4proto tcp counter packets 0 bytes 0 redirect to :15006
	}

	chain istio-output {
		oifname "lo" ip saddr 127.0.0.6 counter packets 0 bytes 0 return
		oifname "lo" ip daddr != 127.0.0.1 tcp dport != { 53, 15008 } meta skuid 1337 counter packets 0 bytes 0 jump istio-in-redirect
		oifname "lo" meta skuid != 1337 counter packets 0 bytes 0 return
		meta skuid 1337 counter packets 0 bytes 0 return
		ip daddr 127.0.0.1 counter packets 0 bytes 0 return
		counter packets 0 bytes 0 jump istio-redirect
	}
}
table inet istio-proxy-mangle {
	chain output {
		type route hook output priority mangle; policy accept;
		meta l4proto tcp ct mark 0x00000539 counter packets 0 bytes 0 meta mark set ct mark
		ct mark & 0x00000fff == 0x00000111 counter packets 0 bytes 0 meta mark set ct mark
	}

	chain prerouting {
		type filter hook prerouting priority mangle; policy accept;
		meta mark & 0x00000fff == 0x00000539 counter packets 0 bytes 0 ct mark set ct mark & 0xfffff111 | 0x00000111
		meta l4proto tcp ct state established,related counter packets 0 bytes 0 jump istio-divert
		meta l4proto tcp ip daddr != 127.0.0.1 tproxy ip to :15006 meta mark set 0x00000539 counter packets 0 bytes 0 accept
	}

	chain istio-divert {
		counter packets 0 bytes 0 meta mark set 0x00000539
		counter packets 0 bytes 0 accept
	}
}
"#;

#[test]
fn a_listing_of_nftables_is_read() {
    let rules = Ruleset::from_nftables(LISTING);
    let pod = Namespace::pod(["10.77.0.2/24".parse().unwrap()]);
    let verdict = |text: &str| {
        let simulation = rules.simulate(&packet(text), &pod);
        assert!(simulation.is_certain(), "{simulation:#}");
        (simulation.verdict(), simulation.mark(), simulation.connection_mark())
    };
    let redirect = |port| (Verdict::Redirect { port }, 0, 0);
    assert_eq!(verdict("out dst=192.0.2.9:80 iface=eth0").0, Verdict::Redirect { port: 15001 });
    assert_eq!(verdict("out uid=1337 dst=192.0.2.9:80"), (Verdict::Accept, 0, 0));
    // Comes back through lo, where the TPROXY rule leaves 127.0.0.1 alone.
    assert_eq!(verdict("out uid=1337 dst=10.77.0.2:80"), redirect(15006));
    assert_eq!(verdict("in dst=10.77.0.2:80"), (Verdict::Tproxy { port: 15006, mark: 0x539 }, 0x539, 0));
    assert_eq!(verdict("in dst=10.77.0.2:80 state=established"), (Verdict::Accept, 0x539, 0));
    // The mark has 0x111 in place of its low twelve bits, whatever was there (`NFT-42`, `SIM-25`).
    let remembered = verdict("in dst=127.0.0.1:80 mark=0x9539 connmark=0xabcdefff");
    assert_eq!(remembered, (Verdict::Accept, 0x9539, 0xabcd_e111));
    let restored = verdict("out uid=1337 dst=192.0.2.9:80 connmark=0x5111 state=established");
    assert_eq!(restored, (Verdict::Accept, 0x5111, 0x5111));
}

#[test]
fn both_forms_of_nftables_text_are_read_alike() {
    let args = ["-i", "*", "-b", "*", "-d", "15090", "-k", "k6t0", "-m", "TPROXY", "--drop-invalid"];
    let config = CaptureConfig::builder().args(args).unwrap().enable_ipv6().build().unwrap();
    let plan = config.nftables_plan();
    let (planned, read) = (plan.ruleset(), Ruleset::from_nftables(&plan.transaction()));
    for table in Table::ALL {
        for chain in [
            Chain::PREROUTING,
            Chain::OUTPUT,
            Chain::ISTIO_INBOUND,
            Chain::ISTIO_OUTPUT,
            Chain::ISTIO_TPROXY,
            Chain::ISTIO_DIVERT,
            Chain::ISTIO_DROP,
            Chain::ISTIO_REDIRECT,
        ] {
            let lines = |ruleset: &Ruleset| -> Vec<String> {
                let lines = ruleset.chain(Family::Ipv4, table, &chain);
                lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
            };
            assert_eq!(lines(&planned), lines(&read), "{table} {chain}");
        }
    }
}

#[test]
fn foreign_rules_are_met_but_not_believed() {
    let saved = SavedRules::parse(
        "*nat\n\
         -A OUTPUT -m comment --comment \"jump first\" -j MINE\n\
         -A OUTPUT -p tcp -m statistic --mode random --probability 0.5 -j DROP\n\
         -A OUTPUT -p tcp -m owner --uid-owner app -j DROP\n\
         -A OUTPUT -p tcp -j LOG\n\
         -A OUTPUT -p tcp -j REDIRECT --to-ports 15001\n\
         -A MINE -m owner --uid-owner 0-999 -j ACCEPT\n\
         -A MINE -p tcp -m tcp --dport 8000:8999 -j ACCEPT\n\
         COMMIT\n",
    );
    let rules = Ruleset::from_saved(&saved, &SavedRules::empty());
    let simulate = |text: &str| rules.simulate(&packet(text), &Namespace::new());
    let met = simulate("out dst=192.0.2.9:80");
    assert_eq!(met.verdict(), Verdict::Redirect { port: 15001 });
    assert!(!met.is_certain());
    let unknown: Vec<String> =
        met.steps().iter().filter_map(Step::unknown).map(std::borrow::Cow::into_owned).collect();
    assert_eq!(unknown, ["--mode", "-p tcp -m owner --uid-owner app -j DROP", "LOG"]);
    assert!(met.to_string().ends_with("some rules were not understood, the kernel may decide otherwise"));
    assert!(met.steps()[0].reason().is_none() && met.steps()[0].matched());
    // Ranges of ids and of ports (`SIM-23`); a rule that is not met does not matter.
    for direct in ["out uid=999 dst=192.0.2.9:80", "out dst=192.0.2.9:8000", "out dst=192.0.2.9:8999"] {
        let simulation = simulate(direct);
        assert_eq!(simulation.verdict(), Verdict::Accept, "{direct}");
        assert!(simulation.is_certain());
    }
    assert_eq!(simulate("out dst=192.0.2.9:9000").verdict(), Verdict::Redirect { port: 15001 });
}

/// Chains that multiply, as no kernel would take them, come to an end all the same.
#[test]
fn every_walk_ends() {
    let mut text = "*nat\n-A OUTPUT -j C0\n".to_owned();
    for level in 0..40 {
        for _ in 0..3 {
            text.extend(["-A C", &level.to_string(), " -j C", &(level + 1).to_string(), "\n"]);
        }
    }
    text += "-A OUTPUT -j ROUND\n-A ROUND -j ROUND\n";
    let rules = Ruleset::from_saved(&SavedRules::parse(&text), &SavedRules::empty());
    let simulation = rules.simulate(&packet("out dst=192.0.2.9:80"), &Namespace::new());
    assert!(!simulation.is_certain());
    assert!(simulation.steps().len() <= 100_001);
}

#[test]
fn a_walk_reads_as_a_table_sim_11() {
    let config = CaptureConfig::builder().args(["-i", "*", "-o", "22"]).unwrap().build().unwrap();
    let pod = Namespace::pod(["10.77.0.2/24".parse().unwrap()]);
    let rules = config.plan().ruleset();
    let simulation = rules.simulate(&packet("out uid=1337 dst=10.77.0.2:8080"), &pod);
    let want = "\
out uid=1337 gid=1337 dst=10.77.0.2:8080
sent through lo
  nat OUTPUT 1             -j ISTIO_OUTPUT
                             > go through ISTIO_OUTPUT: everything a local process sends passes the outbound rules (IPT-OUT-01)
  nat ISTIO_OUTPUT 4       -o lo ! -d 127.0.0.1/32 -p tcp ! --dport 15008 -m owner --uid-owner 1337 -j ISTIO_IN_REDIRECT
                             > go through ISTIO_IN_REDIRECT: the proxy calls its own pod, which counts as inbound (IPT-OUT-04)
  nat ISTIO_IN_REDIRECT 1  -p tcp -j REDIRECT --to-ports 15006
                             > redirect to 127.0.0.1:15006: captured inbound traffic goes to the inbound listener (IPT-RED-02)
comes back through lo
redirected to port 15006: delivered here at 127.0.0.1:15006";
    assert_eq!(simulation.to_string(), want);
    let all = format!("{simulation:#}");
    assert!(all.contains("  nat ISTIO_OUTPUT 1       -p tcp --dport 22 -j RETURN\n                             - not so: --dport 22\n"), "{all}");
    assert!(all.contains("- not so: -s 127.0.0.6/32\n"));
    let nothing = rules.simulate(&packet("in dst=10.77.0.2:80"), &pod);
    assert_eq!(
        nothing.to_string(),
        "in dst=10.77.0.2:80\narrives on eth0\n  no rule applies\nnot captured: delivered here at 10.77.0.2:80"
    );
}

/// `DIA-02`: live rules beside the expected ones, with the same reasons.
#[test]
fn live_rules_are_explained_by_the_plan_dia_02() {
    let config = CaptureConfig::builder().args(["-i", "*", "-b", "*"]).unwrap().build().unwrap();
    let plan = config.plan();
    let saved = plan.save_text(Family::Ipv4, Table::Nat, &crate::Counters::new());
    let foreign = saved.replace("COMMIT", "-A OUTPUT -j ACCEPT\nCOMMIT");
    let live = Ruleset::from_saved(&SavedRules::parse(&foreign), &SavedRules::empty());
    let explained = live.clone().explained_by(&plan);
    let question = packet("out uid=1337 dst=192.0.2.9:80");
    let pod = Namespace::new();
    let reasons = |ruleset: &Ruleset| -> Vec<Option<&'static str>> {
        let simulation = ruleset.simulate(&question, &pod);
        simulation.hits().map(|step| step.reason().map(crate::Reason::id)).collect()
    };
    assert_eq!(reasons(&explained), [Some("IPT-OUT-01"), Some("IPT-OUT-06"), None]);
    assert_eq!(reasons(&live), [None; 3]);
    assert_eq!(reasons(&plan.ruleset()), [Some("IPT-OUT-01"), Some("IPT-OUT-06")]);
}
