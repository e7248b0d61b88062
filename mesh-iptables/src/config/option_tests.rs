//! Each option by its flag and its variable: what it changes, and nothing else; and what advice it gets.

use std::time::Duration;

use super::{CaptureConfig, CaptureConfigBuilder, HostAddresses, IptablesVariant, NameServers};
use crate::chain::{Family, Table};
use crate::finding::{Severity, Validation};

fn builder(args: &[&str]) -> CaptureConfigBuilder {
    CaptureConfig::builder().args(args.iter().copied()).unwrap()
}

fn build(args: &[&str]) -> CaptureConfig {
    builder(args).build().unwrap()
}

/// The lines `changed` has and `base` has not.
fn added(base: &CaptureConfig, changed: &CaptureConfig) -> Vec<String> {
    let (base, changed) =
        (base.plan().restore_input(Family::Ipv4), changed.plan().restore_input(Family::Ipv4));
    changed.lines().filter(|line| !base.lines().any(|other| other == *line)).map(str::to_owned).collect()
}

/// Options that shape rules: flag, short form, variable, and the lines they add to the same base.
#[test]
fn each_rule_shaping_option_adds_its_rules() {
    type Row<'a> = (&'a str, &'a [&'a str], &'a str, &'a str, &'a [&'a str]);
    let rows: &[Row<'_>] = &[
        (
            "IPT-CFG-10",
            &["--istio-exclude-interfaces", "-c"],
            "ISTIO_EXCLUDE_INTERFACES",
            "eth1",
            &[
                "-A PREROUTING -i eth1 -j RETURN",
                "-A OUTPUT -o eth1 -j RETURN",
                // TPROXY in the base: in mangle too.
                "-A PREROUTING -i eth1 -j RETURN",
                "-A OUTPUT -o eth1 -j RETURN",
            ],
        ),
        (
            "IPT-CFG-13",
            &["--istio-outbound-ports", "-q"],
            "ISTIO_OUTBOUND_PORTS",
            "8080",
            &["-A ISTIO_OUTPUT -p tcp --dport 8080 -j ISTIO_REDIRECT"],
        ),
        (
            "IPT-CFG-14",
            &["--istio-local-outbound-ports-exclude", "-o"],
            "ISTIO_LOCAL_OUTBOUND_PORTS_EXCLUDE",
            "3306",
            &[
                "-A ISTIO_OUTPUT -p tcp --dport 3306 -j RETURN",
                "-A ISTIO_OUTPUT -p udp --dport 3306 -j RETURN",
            ],
        ),
        (
            "IPT-CFG-15",
            &["--kube-virt-interfaces", "-k"],
            "KUBE_VIRT_INTERFACES",
            "k6t0",
            &["-I PREROUTING 1 -i k6t0 -j RETURN", "-I PREROUTING 1 -i k6t0 -d 10.0.0.0/8 -j ISTIO_REDIRECT"],
        ),
        (
            "IPT-CFG-20",
            &["--drop-invalid"],
            "DROP_INVALID",
            "true",
            &[
                "-N ISTIO_DROP",
                "-A PREROUTING -m conntrack --ctstate INVALID -j ISTIO_DROP",
                "-A ISTIO_DROP -j DROP",
            ],
        ),
    ];
    let base_args = ["-m", "TPROXY", "-b", "80", "-i", "10.0.0.0/8"];
    let base = build(&base_args);
    for (rule, flags, variable, value, want) in rows {
        for flag in *flags {
            let changed =
                builder(&base_args).args([*flag].into_iter().chain((*value != "true").then_some(*value)));
            let mut found = added(&base, &changed.unwrap().build().unwrap());
            let mut want: Vec<&str> = want.to_vec();
            found.sort_unstable();
            want.sort_unstable();
            assert_eq!(found, want, "{rule} {flag}");
        }
        let from_environment = builder(&base_args).environment([(variable, value)]).build().unwrap();
        assert_eq!(added(&base, &from_environment).len(), want.len(), "{rule} {variable}");
    }
    // `IPT-CFG-20` has a second variable.
    let also = builder(&base_args).environment([("INVALID_DROP", "1")]).build().unwrap();
    assert!(also.drop_invalid());
}

/// `IPT-CFG-16` and `IPT-CFG-17`: the mark in the rules, mark and table in the steps beside them.
#[test]
fn mark_and_table_ipt_cfg_16_17() {
    let config = build(&["-m", "TPROXY", "-b", "*", "-t", "77", "-r", "88"]);
    let text = config.plan().restore_input(Family::Ipv4);
    assert!(text.contains("--set-mark 77\n") && text.contains("--tproxy-mark 77/0xffffffff"));
    assert_eq!(text.matches("--mark 77").count(), 4);
    assert!(!text.contains("1337/") && !text.contains("--mark 1337"));
    let steps = format!("{:?}", config.plan().host_steps());
    assert!(steps.contains("mark: Numeral(Decimal(77))") && steps.contains("table: Numeral(Decimal(88))"));
    let config = CaptureConfig::builder()
        .environment([("ISTIO_INBOUND_TPROXY_MARK", "7"), ("ISTIO_INBOUND_TPROXY_ROUTE_TABLE", "8")])
        .build()
        .unwrap();
    assert_eq!((config.tproxy_mark().value(), config.tproxy_route_table().value()), (Some(7), Some(8)));
    // Rules take `0x539`, the route setup does not (`IPT-VAL-11`).
    assert_eq!(build(&["-t", "0x539"]).findings()[0].rule, "IPT-VAL-11");
}

#[test]
fn dns_flags_ipt_cfg_18_19() {
    let servers = || NameServers::from_resolv_conf("nameserver 10.0.0.10\n");
    let dns = |builder: CaptureConfigBuilder| builder.name_servers(servers()).build().unwrap().dns().clone();
    let off = dns(builder(&["--capture-all-dns"]));
    assert!(!off.is_on(), "effective only with redirect-dns");
    assert_eq!(dns(builder(&["--redirect-dns"])), super::DnsCapture::Servers(servers()));
    assert_eq!(dns(builder(&["--redirect-dns", "--capture-all-dns=true"])), super::DnsCapture::All);
    assert!(dns(CaptureConfig::builder().environment([("REDIRECT_DNS", "true")])).is_on());
    assert!(dns(CaptureConfig::builder().environment([("ISTIO_META_DNS_CAPTURE", "true")])).is_on());
}

/// `IPT-CFG-21`: dual stack matters where the addresses are looked at, not in the rules.
#[test]
fn dual_stack_shapes_no_rule_ipt_cfg_21() {
    let config = build(&["--dual-stack"]);
    assert!(config.dual_stack());
    assert_eq!(config.plan(), build(&[]).plan());
    assert!(builder(&[]).environment([("ISTIO_DUAL_STACK", "true")]).build().unwrap().dual_stack());
}

/// Options that say how rules are applied, by flag and by variable; they shape no rule.
#[test]
fn apply_options_ipt_cfg_22_23_24_25() {
    // `IPT-CFG-26..32` with them.
    let flags = [
        "--dry-run",
        "--skip-rule-apply",
        "--run-validation",
        "--iptables-probe-port=1",
        "--probe-timeout=2s",
        "--network-namespace=/run/netns/p",
        "--cni-mode",
        "--reconcile",
        "--cleanup-only",
        "--force-apply",
        "--native-nftables",
        "--force-iptables-binary=legacy",
    ];
    let config = build(&flags);
    let variables = flags.map(|flag| {
        let (name, value) = flag.split_once('=').unwrap_or((flag, "true"));
        (name.trim_start_matches('-').to_uppercase().replace('-', "_"), value)
    });
    let from_environment = CaptureConfig::builder().environment(variables).build().unwrap();
    for config in [&config, &from_environment] {
        let options = config.apply_options();
        assert!(options.dry_run && options.skip_rule_apply && options.run_validation);
        assert_eq!((options.probe_port, options.probe_timeout), (1, Duration::from_secs(2)));
        assert_eq!(options.network_namespace, "/run/netns/p");
        assert!(options.cni_mode && options.reconcile && options.cleanup_only && options.force_apply);
        assert!(options.native_nftables);
        assert_eq!(options.force_variant, Some(IptablesVariant::Legacy));
        assert_eq!(config.plan(), build(&[]).plan());
    }
    assert!(build(&["-n"]).apply_options().dry_run);
    let defaults = build(&[]);
    let options = defaults.apply_options();
    assert_eq!((options.probe_port, options.probe_timeout), (15002, Duration::from_secs(5)));
    assert!(!options.dry_run && !options.reconcile && options.force_variant.is_none());
}

/// `IPT-CFG-43` with `IPT-CFG-50`: the user's name is the caller's to look up, its id comes in.
#[test]
fn the_proxy_user_by_name_ipt_cfg_43() {
    let config =
        CaptureConfig::builder().environment([("ENVOY_USER", "someone")]).envoy_user(99).build().unwrap();
    assert_eq!(config.proxy_uids()[0].number(), Some(99));
    assert_eq!(config.proxy_gids()[0].number(), Some(99));
    let unknown = CaptureConfig::builder().environment([("ENVOY_USER", "someone")]).build().unwrap();
    assert_eq!(unknown.proxy_uids()[0].number(), Some(1337));
}

/// `IPT-PRE-01`: excludes are read before includes, and nothing is made of what cannot be read.
#[test]
fn ranges_are_read_first_ipt_pre_01() {
    let refused = |args: &[&str]| builder(args).build().unwrap_err().to_string();
    assert!(refused(&["-i", "bad", "-x", "also-bad"]).contains("`also-bad`"));
    assert!(refused(&["-i", "bad", "-x", "*"]).contains("IPT-CFG-12"));
    assert!(refused(&["-i", "10.0.0.0/8,bad"]).contains("`bad`"));
}

/// `IPT-VAL-14` and `IPT-VAL-16`: the kernel's limits are never reached.
#[test]
fn kernel_limits_ipt_val_14_16() {
    let groups = (1..=64).map(|id| id.to_string()).collect::<Vec<_>>().join(",");
    let config = builder(&[
        "-m",
        "TPROXY",
        "-b",
        "*",
        "-i",
        "*",
        "--drop-invalid",
        "--redirect-dns",
        "--capture-all-dns",
    ])
    .environment([("ISTIO_OUTBOUND_OWNER_GROUPS", groups.clone())])
    .build()
    .unwrap();
    for rule in config.plan().rules(Family::Ipv4) {
        assert!(rule.chain.name().len() <= 28);
        for criterion in &rule.criteria {
            if let crate::Test::DestinationPorts(_, ports) = &criterion.test {
                assert!(ports.len() <= 15);
            }
        }
    }
    let most = config.plan().rules(Family::Ipv4).iter().map(|rule| rule.criteria.len()).max();
    assert_eq!(most, Some(64));
    let more =
        CaptureConfig::builder().environment([("ISTIO_OUTBOUND_OWNER_GROUPS", format!("{groups},65"))]);
    assert_eq!(more.build().unwrap_err().rule(), "IPT-CFG-40");
}

/// `DIA-03`: what users trip over, where the options show it. Advice never refuses a configuration.
#[test]
fn advice_about_what_users_trip_over_dia_03() {
    type Row<'a> = (&'a [&'a str], &'a str, &'a [&'a str]);
    let cases: &[Row<'_>] = &[
        (&["-i", "*", "-b", "*", "-d", "15090,15021,15020"], "", &[]),
        (
            &["-i", "*", "-q", "80,443"],
            "",
            &[
                "istio-outbound-ports: `80,443` narrows nothing while istio-service-cidr is `*`, empty that (TRB-22)",
            ],
        ),
        (&["-i", "10.0.0.0/8", "-q", "80"], "", &[]),
        (
            &["-b", "80", "-d", "15020,9000"],
            "",
            &["istio-local-exclude-ports: `9000` has no effect beside a list of included ports (TRB-22)"],
        ),
        (&["-b", "80", "-d", "15020,15021,15090"], "", &[]),
        (
            &["-b", "*", "-d", "15021"],
            "",
            &[
                "istio-local-exclude-ports: `15020,15090` is not excluded, probes and metrics of the proxy itself are captured (TRB-24)",
            ],
        ),
        (
            &["-i", "*", "-x", "0.0.0.0/0"],
            "",
            &[
                "istio-service-exclude-cidr: `0.0.0.0/0` turns outbound capture off for its address family (TRB-23)",
            ],
        ),
        (
            &["-i", "*", "-x", "10.96.0.0/12", "--redirect-dns"],
            "10.96.0.10",
            &[
                "istio-service-exclude-cidr: DNS queries into `10.96.0.0/12` are captured all the same, DNS rules come first (TRB-20)",
            ],
        ),
        (&["-i", "*", "-x", "10.0.0.0/12", "--redirect-dns"], "10.96.0.10", &[]),
        (
            &["--redirect-dns", "--capture-all-dns"],
            "127.0.0.53",
            &[
                "capture-all-dns: resolver `127.0.0.53` is in the pod: what it asks is captured too and comes back to it, unless it runs as the proxy's user (TRB-28)",
            ],
        ),
        // Listed servers exist for that.
        (&["--redirect-dns"], "127.0.0.53", &[]),
    ];
    for (args, resolver, want) in cases {
        let servers = NameServers::from_resolv_conf(&format!("nameserver {resolver}\n"));
        let config = builder(args).name_servers(servers).validation(Validation::Strict).build().unwrap();
        let found: Vec<String> = config.findings().iter().map(ToString::to_string).collect();
        assert_eq!(found, *want, "{args:?}");
        assert!(config.findings().iter().all(|finding| finding.severity == Severity::Advice));
    }
}

#[test]
fn an_address_that_rules_do_not_cover_trb_06() {
    let addresses = ["10.0.0.2".parse().unwrap(), "fd00::2".parse().unwrap()];
    let single = CaptureConfig::builder().host(HostAddresses::detect(addresses).unwrap()).build().unwrap();
    assert_eq!(
        single.findings()[0].to_string(),
        "dual-stack: the pod has an IPv6 address but IPv6 is off, its IPv6 traffic goes past the proxy; set dual-stack (TRB-06)"
    );
    let dual = CaptureConfig::builder().host(HostAddresses::detect_dual_stack(addresses).unwrap());
    assert_eq!(dual.build().unwrap().findings(), []);
}

/// What would break an invariant is refused in strict validation.
#[test]
fn strict_refuses_what_breaks_an_invariant() {
    let cases = [
        (
            ["-c", "eth1", "-k", "eth0,eth1"],
            "istio-exclude-interfaces: `eth1` is also listed in kube-virt-interfaces, whose rules come first, so it is captured all the same (INV-04)",
        ),
        (
            ["-e", "15006", "-b", "80"],
            "inbound-tunnel-port: port `15006` is also a listener of the proxy, which the tunnel's exemption would open to everybody (IPT-VAL-09)",
        ),
        (
            ["-e", "16001", "-p", "16001"],
            "inbound-tunnel-port: port `16001` is also a listener of the proxy, which the tunnel's exemption would open to everybody (IPT-VAL-09)",
        ),
        (
            ["-mTPROXY", "-b*", "-d15020,15021,15090", "-kk6t0"],
            "kube-virt-interfaces: `k6t0` is captured as inbound in TPROXY mode, with its destination lost; use REDIRECT or capture nothing inbound (IPT-VAL-17)",
        ),
        // `TRB-21`: everything of root would go past the mesh. `IPT-VAL-05`, `TRB-07`: a name may be unknown.
        (
            ["-u", "0", "-g", "1337"],
            "proxy-uid: `0` makes everything that runs as root bypass the mesh, give the proxy a user of its own (IPT-VAL-13)",
        ),
        (
            ["-u", "istio-proxy", "-g", "1337"],
            "proxy-uid: `istio-proxy` is looked up where the rules are applied and may be unknown there, write the number (IPT-VAL-05)",
        ),
    ];
    for (args, want) in cases {
        assert!(builder(&args).build().is_ok());
        assert_eq!(builder(&args).validation(Validation::Strict).build().unwrap_err().to_string(), want);
    }
}

/// `NFT-61`: `compat` keeps the baseline's faulty text, `strict` leaves the jump out.
#[test]
fn nothing_jumps_to_nowhere_in_strict_nft_61() {
    let servers = NameServers::from_resolv_conf("nameserver fd00::a\n");
    let text = |validation| {
        let config = builder(&["--redirect-dns"]).name_servers(servers.clone()).validation(validation);
        config.build().unwrap().nftables_plan().transaction()
    };
    let jump = "add rule inet istio-proxy-nat istio-output counter jump istio-output-dns\n";
    assert!(text(Validation::Compat).contains(jump));
    assert!(!text(Validation::Strict).contains(jump));
    assert!(!text(Validation::Compat).contains("add chain inet istio-proxy-nat istio-output-dns"));
    let iptables = builder(&["--redirect-dns"]).name_servers(servers).build().unwrap().plan();
    assert!(iptables.rules(Family::Ipv4).iter().any(|rule| rule.table == Table::Raw), "accepted there");
}
