//! What must hold for every configuration (section 6.8), checked by walking packets through the structured
//! rules of both backends and by comparing with models that read the options alone.
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

use mesh_iptables::{
    CaptureConfig, CaptureConfigBuilder, Chain, DnsCapture, Effect, Family, Mode, NameServers, OwnerGroups,
    Protocol, Rule, Table, Target, Test, Validation, Verdict,
};
use proptest::prelude::*;
use walk::{Backends, Fate, POD, Packet, SELF, arriving, fates, ip, sent};

const PORTS: [u16; 12] = [1, 22, 53, 80, 443, 15001, 15006, 15008, 15020, 15021, 15090, 65535];
/// Where every port is asked about by every owner.
const SOME_PORTS: [u16; 6] = [22, 53, 80, 15001, 15006, 15008];
const RANGES: [&str; 10] = [
    "0.0.0.0/0",
    "10.0.0.0/8",
    "10.96.0.0/12",
    "127.0.0.0/8",
    "192.0.2.0/24",
    "::/0",
    "fd00::/8",
    "fd00:77::/32",
    "::1/128",
    "2001:db8::/32",
];
const GROUPS: [u32; 3] = [0, 202, 1000];
const DESTINATIONS: [&str; 8] = [
    "10.77.0.1",
    "10.96.0.10",
    "192.0.2.9",
    "198.51.100.1",
    "fd00:77::1",
    "fd00::a",
    "2001:db8::9",
    "2600::1",
];

fn some<T: Clone + std::fmt::Debug + 'static>(
    items: &'static [T],
    max: usize,
) -> impl Strategy<Value = Vec<T>> {
    proptest::sample::subsequence(items, 0..=max)
}

prop_compose! {
    fn config()(
        inbound in prop_oneof![
            Just(String::new()),
            Just("*".to_owned()),
            some(&PORTS, 3).prop_map(|ports| join(&ports)),
        ],
        inbound_exclude in some(&PORTS, 3),
        ranges in prop_oneof![Just("*".to_owned()), some(&RANGES, 3).prop_map(|ranges| join(&ranges))],
        excludes in some(&RANGES, 2),
        outbound in some(&PORTS, 2),
        outbound_exclude in some(&PORTS, 2),
        interfaces in some(&["eth1", "eth2"], 2),
        virtual_interfaces in some(&["k6t-eth0", "k6t-eth1", "eth2"], 2),
        ids in prop_oneof![
            Just(("1337", "1337")), Just(("1337", "1500")), Just(("0", "1337")), Just(("1337,1500", "1337,0")),
        ],
        groups in prop_oneof![
            some(&GROUPS, 2).prop_map(|groups| ("*".to_owned(), join(&groups))),
            some(&GROUPS, 2).prop_map(|groups| (join(&groups), String::new())),
        ],
        tproxy in any::<bool>(),
        dns in 0..4_u8,
        drop_invalid in any::<bool>(),
        ipv6 in any::<bool>(),
    ) -> CaptureConfigBuilder {
        let mut args = Vec::new();
        for (flag, value) in [
            ("-b", inbound), ("-d", join(&inbound_exclude)), ("-i", ranges), ("-x", join(&excludes)), ("-q", join(&outbound)),
            ("-o", join(&outbound_exclude)), ("-c", join(&interfaces)), ("-k", join(&virtual_interfaces)),
            ("-u", ids.0.to_owned()), ("-g", ids.1.to_owned()),
            ("-m", if tproxy { "TPROXY" } else { "REDIRECT" }.to_owned()),
        ] {
            args.extend([flag.to_owned(), value]);
        }
        let mut builder = CaptureConfig::builder()
            .args(args)
            .unwrap()
            .environment([("ISTIO_OUTBOUND_OWNER_GROUPS", groups.0), ("ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE", groups.1)]);
        let resolvers = ["", "nameserver 10.96.0.10\n", "nameserver 10.96.0.10\nnameserver fd00::a\n", ""][usize::from(dns)];
        builder = builder.name_servers(NameServers::from_resolv_conf(resolvers));
        builder = match dns {
            0 => builder,
            3 => builder.capture_all_dns(),
            _ => builder.redirect_dns(),
        };
        if drop_invalid {
            builder = builder.drop_invalid();
        }
        if ipv6 {
            builder = builder.enable_ipv6();
        }
        builder
    }
}

fn join<T: std::fmt::Display>(items: &[T]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// A configuration that strict validation accepts.
fn strict() -> impl Strategy<Value = CaptureConfig> {
    config().prop_filter_map("refused by strict validation", |builder| {
        builder.validation(Validation::Strict).build().ok()
    })
}

/// A configuration that Istio would accept.
fn compat() -> impl Strategy<Value = CaptureConfig> {
    config().prop_map(|builder| builder.build().unwrap())
}

/// The owners that matter: an application, root, and the proxy in all its guises.
const OWNERS: [(u32, u32); 6] = [(1000, 1000), (0, 0), (1337, 1337), (0, 1337), (1000, 1500), (202, 202)];

fn number(ids: &[mesh_iptables::OwnerId], id: u32) -> bool {
    ids.iter().any(|listed| listed.number() == Some(id))
}

fn listed(ports: &[mesh_iptables::Port], port: u16) -> bool {
    ports.iter().any(|listed| listed.number() == Some(port))
}

/// What a packet that leaves the pod must meet, straight from the options.
fn outbound_model(config: &CaptureConfig, packet: &Packet) -> Fate {
    let (uid, gid) = packet.owner.unwrap();
    let group_left_out = match config.owner_groups() {
        OwnerGroups::AllExcept(except) => number(except, gid),
        OwnerGroups::Only(only) => !number(only, gid),
        _ => unreachable!(),
    };
    if config.exclude_interfaces().iter().any(|name| **name == *packet.interface)
        || listed(config.outbound_exclude_ports(), packet.port)
        || number(config.proxy_uids(), uid)
        || number(config.proxy_gids(), gid)
        || group_left_out
    {
        return Fate::Direct;
    }
    let to_agent = packet.port == 53
        && match config.dns() {
            DnsCapture::Off => false,
            DnsCapture::All => true,
            DnsCapture::Servers(servers) => servers
                .ipv4()
                .iter()
                .chain(servers.ipv6())
                .any(|server| server.address() == packet.destination),
            _ => unreachable!(),
        };
    if to_agent {
        return Fate::Redirect(15053);
    }
    let excluded =
        config.outbound_ranges().excluded().iter().any(|range| range.contains(&packet.destination));
    let included = listed(config.outbound_include_ports(), packet.port)
        || config.outbound_ranges().contains(packet.destination);
    if packet.protocol == Protocol::Tcp && !excluded && included {
        Fate::Redirect(15001)
    } else {
        Fate::Direct
    }
}

/// What a TCP packet from outside must meet.
fn inbound_model(config: &CaptureConfig, packet: &Packet) -> Fate {
    let excluded = config.exclude_interfaces().iter().any(|name| **name == *packet.interface);
    if excluded || !config.inbound_ports().contains(packet.port) {
        return Fate::Direct;
    }
    match config.mode() {
        // `INV-05`: only REDIRECT leaves the tunnel port alone.
        Mode::Redirect if packet.port == 15008 => Fate::Direct,
        Mode::Redirect => Fate::Redirect(15006),
        Mode::Tproxy => Fate::Tproxy(15006),
    }
}

/// The families a plan has rules for, as a filter on packets. nftables without IPv6 behaves differently on
/// purpose (`NFT-30`), so such packets are left out.
fn has_family(config: &CaptureConfig, packet: &Packet) -> bool {
    packet.destination.is_ipv4() || config.ipv6()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// `INV-01`, `INV-03`, `INV-04`, `INV-08`: the walk through the rules of either backend agrees with the
    /// options, for every packet that leaves through a real interface.
    #[test]
    fn inv_01_03_04_outbound_rules_do_what_the_options_say(
        config in strict(),
        interface in proptest::sample::select(&["eth0", "eth1"][..]),
        uid in proptest::sample::select(&[0_u32, 1000, 1337][..]),
        gid in proptest::sample::select(&[0_u32, 202, 1000, 1337, 1500][..]),
        udp in any::<bool>(),
    ) {
        let backends = Backends::of(&config);
        for to in DESTINATIONS {
            for port in PORTS {
                let protocol = if udp { Protocol::Udp } else { Protocol::Tcp };
                let packet = Packet { protocol, ..sent(interface, to, port, (uid, gid)) };
                if has_family(&config, &packet) {
                    prop_assert_eq!(backends.fates(&packet), [outbound_model(&config, &packet); 2], "{:?}", packet);
                }
            }
        }
    }

    /// `INV-03`, `INV-04`, `INV-05`: the same for packets from outside.
    #[test]
    fn inv_03_04_05_inbound_rules_do_what_the_options_say(
        config in strict(),
        interface in proptest::sample::select(&["eth0", "eth1"][..]),
    ) {
        let backends = Backends::of(&config);
        for to in POD {
            for port in PORTS {
                let packet = arriving(interface, to, port);
                if has_family(&config, &packet) {
                    prop_assert_eq!(backends.fates(&packet), [inbound_model(&config, &packet); 2], "{:?}", packet);
                }
            }
        }
    }

    /// `INV-01`, `INV-02`, `INV-06` on loopback: the proxy's calls to the application are direct, nothing
    /// goes to 15001 that was not asked for, and plain loopback stays in the pod.
    #[test]
    fn inv_02_06_loopback(config in strict(), port in proptest::sample::select(&PORTS[..])) {
        let backends = Backends::of(&config);
        for family in 0..=usize::from(config.ipv6()) {
            let proxy = (
                config.proxy_uids()[0].number().unwrap(),
                config.proxy_gids()[0].number().unwrap(),
            );
            let from_self = Packet { source: ip(SELF[family]), ..sent("lo", POD[family], port, proxy) };
            prop_assert_eq!(backends.fates(&from_self), [Fate::Direct; 2]);

            let own = backends.fates(&sent("lo", POD[family], port, proxy));
            prop_assert!(own == [Fate::Direct; 2] || own == [Fate::Redirect(15006); 2], "{:?}", own);

            let loopback = ["127.0.0.1", "::1"][family];
            for owner in [proxy, (1000, 1000)] {
                let local = backends.fates(&sent("lo", loopback, port, owner));
                let dns = config.dns() == &DnsCapture::All && port == 53;
                prop_assert!(local == [Fate::Direct; 2] || (dns && local == [Fate::Redirect(15053); 2]), "{:?}", local);
            }
        }
    }

    /// `INV-01`, `INV-02`, `INV-06` over the whole way of a packet: what is redirected on its way out comes back
    /// through `lo` and is left alone there; the proxy's own packets leave as they are.
    #[test]
    fn inv_01_02_06_whole_ways(config in strict(), udp in any::<bool>()) {
        let backends = Backends::of(&config);
        let protocol = if udp { Protocol::Udp } else { Protocol::Tcp };
        let loopback = ["127.0.0.1", "::1"];
        for to in DESTINATIONS.iter().chain(&POD).chain(&loopback) {
            let address = ip(to);
            if address.is_ipv6() && !config.ipv6() {
                continue;
            }
            for (port, (uid, gid)) in SOME_PORTS.iter().flat_map(|port| OWNERS.map(|owner| (*port, owner))) {
                let packet = mesh_iptables::Packet::out((address, port).into()).owner(uid, gid).protocol(protocol);
                for simulation in backends.simulate(&packet) {
                    let redirects: Vec<_> = simulation
                        .hits()
                        .filter_map(|step| match step.effect() {
                            Effect::Redirect(to) => Some((to.port(), step.reentered())),
                            _ => None,
                        })
                        .collect();
                    prop_assert!(redirects.len() <= 1, "{simulation:#}");
                    if let [(port, again)] = redirects[..] {
                        prop_assert!([15001, 15006, 15053].contains(&port) && !again, "{simulation:#}");
                        prop_assert!(simulation.reentered());
                        let handed = simulation.hits().any(|step| matches!(step.effect(), Effect::Tproxy { .. }));
                        prop_assert!(!handed, "{simulation:#}");
                    }
                    let is_proxy = number(config.proxy_uids(), uid) || number(config.proxy_gids(), gid);
                    if is_proxy && !backends.namespace.is_local(address) {
                        prop_assert_eq!(simulation.verdict(), Verdict::Accept, "{:#}", simulation);
                    }
                    let to_dns = port == 53 && config.dns().is_on();
                    if loopback.contains(to) && !to_dns {
                        prop_assert_eq!(simulation.verdict(), Verdict::Accept, "{:#}", simulation);
                    }
                }
            }
        }
    }

    /// `INV-08` for every configuration Istio would accept: plan, restore text, saved text and transaction give
    /// equal results (checked by `fates`), and both backends agree where `NFT-30`, `NFT-60`, `NFT-61` and
    /// `NFT-63` do not part them.
    #[test]
    fn inv_08_all_forms_agree(
        config in compat(),
        interface in proptest::sample::select(&["eth0", "eth1", "eth2", "k6t-eth0", "lo"][..]),
        udp in any::<bool>(),
    ) {
        let backends = Backends::of(&config);
        let protocol = if udp { Protocol::Udp } else { Protocol::Tcp };
        for to in DESTINATIONS.iter().chain(&POD).chain(&["127.0.0.1", "::1"]) {
            for port in SOME_PORTS {
                for owner in OWNERS {
                    let packet = Packet { protocol, ..sent(interface, to, port, owner) };
                    let [iptables, nftables] = backends.fates(&packet);
                    prop_assert!(!has_family(&config, &packet) || iptables == nftables, "{:?}", packet);
                }
                let packet = Packet { protocol, ..arriving(interface, to, port) };
                let [iptables, nftables] = backends.fates(&packet);
                prop_assert!(!has_family(&config, &packet) || iptables == nftables, "{:?}", packet);
            }
        }
    }

    /// `INV-09`: one more exclude never captures more, one more include never less.
    #[test]
    fn inv_09_monotone(
        ranges in some(&RANGES, 2),
        ports in some(&PORTS, 2),
        more_range in proptest::sample::select(&RANGES[..]),
        more_port in proptest::sample::select(&PORTS[..]),
    ) {
        let build = |flags: [(&str, String); 4]| {
            let args = flags.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value]);
            CaptureConfig::builder().args(args).unwrap().enable_ipv6().build().unwrap()
        };
        let (range_list, port_list) = (join(&ranges), join(&ports));
        let (longer_ranges, longer_ports) = (format!("{range_list},{more_range}"), format!("{port_list},{more_port}"));
        let captured = |config: &CaptureConfig| -> Vec<[bool; 2]> {
            let backends = Backends::of(config);
            DESTINATIONS
                .iter()
                .flat_map(|to| PORTS.map(|port| sent("eth0", to, port, (1000, 1000))))
                .map(|packet| backends.fates(&packet).map(|fate| fate != Fate::Direct))
                .collect()
        };
        let pairs = [
            // Excludes: the second captures no more than the first.
            (
                build([("-i", "*".to_owned()), ("-q", String::new()), ("-x", range_list.clone()), ("-o", port_list.clone())]),
                build([("-i", "*".to_owned()), ("-q", String::new()), ("-x", longer_ranges.clone()), ("-o", longer_ports.clone())]),
            ),
            // Includes: the first captures no less than the second.
            (
                build([("-x", String::new()), ("-o", String::new()), ("-i", longer_ranges), ("-q", longer_ports)]),
                build([("-x", String::new()), ("-o", String::new()), ("-i", range_list), ("-q", port_list)]),
            ),
        ];
        for (wide, narrow) in pairs {
            for (wide, narrow) in captured(&wide).into_iter().zip(captured(&narrow)) {
                prop_assert!((0..2).all(|backend| wide[backend] || !narrow[backend]));
            }
        }
    }

    /// `INV-07`: the two lists have the same chains in the same order and differ only in addresses.
    #[test]
    fn inv_07_families_are_isomorphic(config in strict()) {
        let shape = |family: Family| -> Vec<String> {
            // Rules for one address or range of a family have no twin.
            let listed_servers = matches!(config.dns(), DnsCapture::Servers(_));
            let of_both = |rule: &&Rule| match rule.reason.id() {
                "IPT-OUT-12" | "IPT-OUT-15" => false,
                id => !(listed_servers && id.starts_with("IPT-DNS")),
            };
            config.plan().rules(family).iter().filter(of_both).map(|rule| {
                let words = rule.to_string();
                let words = words.split(' ').filter(|word| !word.contains('/') || word.contains("0x"));
                format!("{} {}", rule.table, words.collect::<Vec<_>>().join(" "))
            }).collect()
        };
        if config.ipv6() {
            prop_assert_eq!(shape(Family::Ipv4), shape(Family::Ipv6));
        } else {
            prop_assert!(config.plan().rules(Family::Ipv6).is_empty());
        }
    }

    /// `INV-10` and `NFT-61`: every chain jumped to has a line, and every line a way to it.
    #[test]
    fn inv_10_chains_are_declared_and_reachable(config in strict()) {
        let plan = config.plan();
        for &family in plan.families() {
            for table in Table::ALL {
                let rules: Vec<&Rule> = plan.rules(family).iter().filter(|rule| rule.table == table).collect();
                check_chains(&config, table, &rules, &plan.restore_input(family), "-N ")?;
            }
        }
        let plan = config.nftables_plan();
        let text = plan.transaction().replace("add chain inet istio-proxy-nat ", "-N ");
        for table in [Table::Nat, Table::Mangle, Table::Raw] {
            let rules: Vec<&Rule> = plan.rules(table).collect();
            if !matches!(config.dns(), DnsCapture::Servers(_)) || config.ipv6() {
                for rule in &rules {
                    if let Target::Jump(chain) = &rule.target {
                        let prefix = format!("add chain inet {} {}", plan.table_name(table).unwrap(), chain.nft_name());
                        let replaced = format!("-N {}", chain.nft_name());
                        prop_assert!(text.lines().any(|line| line == prefix || line == replaced), "{}", chain);
                    }
                }
            }
        }
    }

    /// `RST-04` to `RST-07`: apply then clean up is the identity on a model of the tables.
    #[test]
    fn rst_07_cleanup_undoes_every_command(config in strict()) {
        let plan = config.plan();
        for &family in plan.families() {
            let mut model = Model::default();
            for command in plan.commands(family) {
                model.run(command.args())?;
            }
            for command in plan.check_commands(family) {
                model.run(command.args())?;
            }
            for command in plan.cleanup_commands(family) {
                model.run(command.args())?;
            }
            prop_assert_eq!(&model, &Model::default());
        }
    }

    /// `TST-05`: any text in any option either is refused or gives text whose lines are still the lines of
    /// the format: nothing can start a rule of its own.
    #[test]
    fn tst_05_any_text(values in proptest::collection::vec(".{0,12}|[0-9,*+: \\-\\n/]{0,12}", 18)) {
        let flags = [
            "envoy-port", "inbound-capture-port", "inbound-tunnel-port", "proxy-uid", "proxy-gid",
            "istio-inbound-interception-mode", "istio-inbound-ports", "istio-local-exclude-ports", "istio-exclude-interfaces",
            "istio-outbound-ports", "istio-local-outbound-ports-exclude", "kube-virt-interfaces", "istio-inbound-tproxy-mark",
            "istio-inbound-tproxy-route-table", "network-namespace",
        ];
        let mut builder = CaptureConfig::builder().enable_ipv6();
        for (flag, value) in flags.iter().zip(&values) {
            builder = builder.flag(flag, value).unwrap();
        }
        builder = builder.environment([
            ("ISTIO_OUTBOUND_OWNER_GROUPS", &values[15]),
            ("ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE", &values[16]),
        ]);
        let _unused = mesh_iptables::NameServers::from_resolv_conf(&values[17]);
        let Ok(config) = builder.clone().build() else { return Ok(()) };
        let _any_answer = builder.validation(Validation::Strict).build();
        for family in Family::BOTH {
            for line in config.plan().restore_input(family).split_terminator('\n') {
                let known = ["* ", "-N ", "-A ", "-I ", "COMMIT"].iter().any(|start| line.starts_with(start));
                prop_assert!(known, "{:?}", line);
            }
            let _saved = config.plan().save_text(family, Table::Nat, &mesh_iptables::Counters::new());
        }
        for line in config.nftables_plan().transaction().split_terminator('\n') {
            prop_assert!(["add ", "flush ", "insert "].iter().any(|start| line.starts_with(start)), "{:?}", line);
        }
    }

    /// The same for annotations.
    #[test]
    fn tst_05_any_annotation(values in proptest::collection::vec(".{0,12}|[0-9,* /]{0,12}", 6)) {
        use mesh_iptables::annotations::{InitContainer, Pod};
        let names = [
            "traffic.sidecar.istio.io/includeOutboundIPRanges", "traffic.sidecar.istio.io/includeInboundPorts",
            "traffic.sidecar.istio.io/excludeInboundPorts", "traffic.sidecar.istio.io/excludeInterfaces",
            "istio.io/reroute-virtual-interfaces", "status.sidecar.istio.io/port",
        ];
        let pairs = || names.iter().copied().chain(["sidecar.istio.io/status"]).zip(values.iter().cloned().chain(["x".to_owned()]));
        let _any_answer = Pod::new(pairs()).interception();
        let args = InitContainer::new().args(pairs()).unwrap();
        let _any_answer = CaptureConfig::builder().args(args).unwrap().build();
    }
}

fn check_chains(
    config: &CaptureConfig,
    table: Table,
    rules: &[&Rule],
    text: &str,
    declares: &str,
) -> Result<(), TestCaseError> {
    let targets: Vec<&Chain> = rules
        .iter()
        .filter_map(|rule| match &rule.target {
            Target::Jump(chain) => Some(chain),
            _ => None,
        })
        .collect();
    for chain in &targets {
        prop_assert!(text.contains(&format!("{declares}{chain}\n")), "{chain} has no line");
    }
    for chain in rules.iter().map(|rule| &rule.chain).filter(|chain| chain.is_istio()) {
        let redirect_inbound = config.mode() == Mode::Redirect && !config.inbound_ports().is_none();
        let excused = match chain.name() {
            "ISTIO_INBOUND" if table == Table::Nat => !redirect_inbound,
            // In TPROXY the marks are there without inbound capture (`IPT-TPX-05`).
            "ISTIO_INBOUND" if table == Table::Mangle => config.inbound_ports().is_none(),
            "ISTIO_REDIRECT" => true,
            _ => false,
        };
        prop_assert!(excused || targets.contains(&chain), "{table} {chain} is not reachable");
    }
    Ok(())
}

/// Tables as the commands see them: chains with their rules as words.
#[derive(Default, PartialEq, Debug)]
struct Model(std::collections::BTreeMap<(String, String), Vec<Vec<String>>>);

impl Model {
    /// Runs one command as the kernel tool would; a failure of the tool is a failure of the test.
    fn run(&mut self, args: &[String]) -> Result<(), TestCaseError> {
        let [dash_t, table, operation, chain, rest @ ..] = args else {
            return Err(TestCaseError::fail(format!("{args:?}")));
        };
        prop_assert_eq!(dash_t, "-t");
        let key = (table.clone(), chain.clone());
        let built_in = Chain::new(chain.clone()).is_built_in();
        if operation == "-N" {
            prop_assert!(!built_in && self.0.insert(key, Vec::new()).is_none(), "{args:?}: exists");
            return Ok(());
        }
        if built_in {
            self.0.entry(key.clone()).or_default();
        }
        let Some(rules) = self.0.get_mut(&key) else {
            return Err(TestCaseError::fail(format!("{args:?}: no such chain")));
        };
        match operation.as_str() {
            "-A" => rules.push(rest.to_vec()),
            "-I" => {
                let place: usize = rest[0].parse().unwrap();
                prop_assert!(place <= rules.len() + 1, "{args:?}: index too big");
                rules.insert(place - 1, rest[1..].to_vec());
            }
            "-C" => prop_assert!(rules.iter().any(|rule| rule == rest), "{args:?}: no such rule"),
            "-D" => {
                let Some(position) = rules.iter().position(|rule| rule == rest) else {
                    return Err(TestCaseError::fail(format!("{args:?}: no such rule")));
                };
                rules.remove(position);
            }
            "-F" => rules.clear(),
            "-X" => {
                prop_assert!(rules.is_empty(), "{args:?}: not empty");
                let jump = ["-j".to_owned(), chain.clone()];
                let held = self
                    .0
                    .iter()
                    .any(|((at, _), rules)| at == table && rules.iter().any(|rule| rule.ends_with(&jump)));
                prop_assert!(!held, "{args:?}: still referenced");
                self.0.remove(&key);
            }
            other => return Err(TestCaseError::fail(other.to_owned())),
        }
        if self.0.get(&key).is_some_and(Vec::is_empty) && built_in {
            self.0.remove(&key);
        }
        Ok(())
    }
}

/// A test that cannot fail tests nothing: the walk tells a broken plan from a good one.
#[test]
fn the_model_notices_a_missing_exclude() {
    let with = CaptureConfig::builder().args(["-i", "*", "-o", "22"]).unwrap().build().unwrap();
    let without = CaptureConfig::builder().args(["-i", "*"]).unwrap().build().unwrap();
    let packet = sent("eth0", "192.0.2.9", 22, (1000, 1000));
    assert_eq!(outbound_model(&with, &packet), Fate::Direct);
    assert_ne!(fates(&without, &packet), [outbound_model(&with, &packet); 2]);
    assert!(with.plan().rules(Family::Ipv4).iter().any(|rule| {
        rule.criteria.iter().any(|criterion| matches!(&criterion.test, Test::DestinationPort(_, port) if port.number() == Some(22)))
    }));
}
