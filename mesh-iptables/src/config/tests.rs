//! Options in, configuration or error text out.

use std::net::IpAddr;

use super::*;
use crate::error::ConfigError;

fn from_args(args: &[&str]) -> Result<CaptureConfig, ConfigError> {
    CaptureConfig::builder().args(args.iter().copied())?.build()
}

#[test]
fn ipt_cfg_02_to_33_defaults() {
    let config = CaptureConfig::builder().build().unwrap();
    assert_eq!(config.outbound_port().to_string(), "15001");
    assert_eq!(config.inbound_port().to_string(), "15006");
    assert_eq!(config.tunnel_port().to_string(), "15008");
    assert_eq!(config.proxy_uids(), [OwnerId::new(1337)]);
    assert_eq!(config.proxy_gids(), [OwnerId::new(1337)]);
    assert_eq!(config.mode(), Mode::Redirect);
    assert!(config.inbound_ports().is_none());
    assert_eq!(config.outbound_ranges(), &CidrSet::none());
    assert_eq!(config.tproxy_mark().as_decimal(), Some(1337));
    assert_eq!(config.tproxy_route_table().as_decimal(), Some(133));
    assert_eq!(config.dns(), &DnsCapture::Off);
    assert_eq!(config.owner_groups(), &OwnerGroups::AllExcept(Vec::new()));
    assert_eq!(config.loopback_cidr().to_string(), "127.0.0.1/32");
    assert_eq!(config.apply_options().probe_port, 15002);
    assert_eq!(config.apply_options().probe_timeout, Duration::from_secs(5));
    assert!(!config.drop_invalid() && !config.dual_stack() && !config.ipv6());
    assert_eq!(config.findings(), []);
}

#[test]
fn ipt_cfg_01_precedence_does_not_depend_on_order() {
    let environment = [
        ("REDIRECT_DNS", "false"),
        ("ISTIO_META_DNS_CAPTURE", "true"),
        ("INBOUND_CAPTURE_PORT", "1"),
        ("ENVOY_PORT", "2"),
    ];
    let args = ["-z", "3", "--capture-all-dns"];
    let before = CaptureConfig::builder().environment(environment).args(args).unwrap().build().unwrap();
    let after = CaptureConfig::builder()
        .args(args)
        .unwrap()
        .environment(environment.into_iter().rev())
        .build()
        .unwrap();
    assert_eq!(before, after);
    assert_eq!(before.dns(), &DnsCapture::All);
    assert_eq!(before.inbound_port().number(), Some(3));
    assert_eq!(before.outbound_port().number(), Some(15001), "ENVOY_PORT sets nothing");
}

#[test]
fn ipt_cfg_01_an_unreadable_variable_is_ignored() {
    let variables = [
        ("DROP_INVALID", "true"),
        ("INVALID_DROP", "yes"),
        ("IPTABLES_PROBE_PORT", "99999"),
        ("PROBE_TIMEOUT", "soon"),
    ];
    let config = CaptureConfig::builder().environment(variables).build().unwrap();
    assert!(config.drop_invalid(), "the weaker variable stays in force");
    assert_eq!(config.apply_options().probe_port, 15002);
}

#[test]
fn ipt_cfg_07_only_the_exact_text_switches_to_tproxy() {
    for text in ["", "REDIRECT", "tproxy", "NONE", " TPROXY"] {
        assert_eq!(Mode::parse(text), Mode::Redirect);
    }
    assert_eq!(Mode::parse("TPROXY"), Mode::Tproxy);
}

#[test]
fn command_line_forms() {
    let config = from_args(&[
        "--envoy-port=1",
        "-z2",
        "-e=3",
        "-u",
        "5,6",
        "--istio-outbound-ports",
        "7",
        "--reconcile",
        "--force-apply=false",
        "-n",
        "--skip-rule-apply",
        "--run-validation=true",
        "--iptables-probe-port",
        "8",
        "--probe-timeout=1m",
        "--network-namespace",
        "/ns",
        "--cni-mode",
        "--cleanup-only",
        "--native-nftables",
        "--force-iptables-binary=nft",
    ])
    .unwrap();
    assert_eq!((config.outbound_port().number(), config.inbound_port().number()), (Some(1), Some(2)));
    assert_eq!(config.tunnel_port().number(), Some(3));
    assert_eq!(config.proxy_gids(), [OwnerId::new(5), OwnerId::new(6)], "IPT-CFG-50");
    let apply = config.apply_options();
    assert!(
        apply.reconcile
            && !apply.force_apply
            && apply.dry_run
            && apply.skip_rule_apply
            && apply.run_validation
    );
    assert!(apply.cni_mode && apply.cleanup_only && apply.native_nftables);
    assert_eq!((apply.probe_port, apply.probe_timeout.as_secs(), &*apply.network_namespace), (8, 60, "/ns"));
    assert_eq!(apply.force_variant, Some(IptablesVariant::Nft));
}

#[test]
fn error_texts() {
    let cases: [(&[&str], &str); 9] = [
        (
            &["--no-such"],
            "--no-such: `--no-such` is no option, see section 1.1 of the interception reference for the names (IPT-CFG-01)",
        ),
        (
            &["stray"],
            "stray: `stray` is no option, see section 1.1 of the interception reference for the names (IPT-CFG-01)",
        ),
        (&["-p"], "envoy-port: a value is missing after the flag (IPT-CFG-01)"),
        (&["--redirect-dns=on"], "redirect-dns: `on` is not a boolean, write `true` or `false` (IPT-CFG-01)"),
        (
            &["--iptables-probe-port=65536"],
            "iptables-probe-port: `65536` is not a port number from 0 to 65535 (IPT-CFG-01)",
        ),
        (
            &["--force-iptables-binary=new"],
            "force-iptables-binary: `new` is no iptables variant, write `legacy` or `nft` or leave it empty (IPT-CFG-33)",
        ),
        (
            &["-i", "10.0.0.0/08"],
            "istio-service-cidr: `10.0.0.0/08` is not a range: the length `08` must be a decimal number without sign or leading zero (IPT-CFG-55)",
        ),
        (
            &["-b", "80\n-A OUTPUT -j DROP"],
            "istio-inbound-ports: `80\\n-A OUTPUT -j DROP` holds a control character, which would break the rule text (IPT-VAL-01)",
        ),
        (
            &["-c", "eth0; flush ruleset"],
            "istio-exclude-interfaces: `eth0; flush ruleset` holds a semicolon, which ends a command of nftables (IPT-VAL-01)",
        ),
    ];
    for (args, want) in cases {
        assert_eq!(from_args(args).unwrap_err().to_string(), want);
    }
}

#[test]
fn ipt_cfg_40_at_most_64_groups() {
    let groups = |count: u32| crate::ports::join_list(0..count);
    let build =
        |list: &str| CaptureConfig::builder().environment([("ISTIO_OUTBOUND_OWNER_GROUPS", list)]).build();
    assert!(build(&groups(64)).is_ok());
    assert_eq!(
        build(&groups(65)).unwrap_err().to_string(),
        "ISTIO_OUTBOUND_OWNER_GROUPS: 65 groups are listed, one rule takes at most 64 (IPT-CFG-40)"
    );
    // IPT-CFG-41: no limit on excludes, and they count only beside `*`.
    let many = CaptureConfig::builder()
        .environment([("ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE", groups(100))])
        .build()
        .unwrap();
    assert!(matches!(many.owner_groups(), OwnerGroups::AllExcept(except) if except.len() == 100));
    assert_eq!(OwnerGroups::parse("java", "ftp"), OwnerGroups::Only(vec![OwnerId::parse("java")]));
}

#[test]
fn ipt_cfg_42_loopback_range() {
    let build = |text: &str| {
        CaptureConfig::builder().environment([("ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR", text)]).build()
    };
    assert_eq!(build("127.0.0.1/8").unwrap().loopback_cidr().to_string(), "127.0.0.1/8");
    for text in ["", "127.0.0.1", "10.0.0.0/8", "127.0.0.0/7", "::1/128", "::ffff:127.0.0.1/104"] {
        assert_eq!(build(text).unwrap_err().rule(), "IPT-CFG-42", "{text}");
    }
}

#[test]
fn ipt_cfg_50_proxy_user() {
    let config = CaptureConfig::builder().envoy_user(1000).build().unwrap();
    assert_eq!(
        (config.proxy_uids(), config.proxy_gids()),
        (&[OwnerId::new(1000)][..], &[OwnerId::new(1000)][..])
    );
    let config =
        CaptureConfig::builder().envoy_user(1000).proxy_uids([3, 4]).proxy_gids([1]).build().unwrap();
    assert_eq!(config.proxy_uids().len(), 2);
    assert_eq!(config.proxy_gids(), [OwnerId::new(1)]);
}

#[test]
fn ipt_cfg_51_first_usable_address_decides() {
    let addresses = |list: &str| list.split(' ').map(|text| text.parse().unwrap()).collect::<Vec<IpAddr>>();
    let v6_later = addresses("127.0.0.1 169.254.1.1 224.0.0.1 ::ffff:10.0.0.1 fe80::1 ff02::1 fd00::1");
    let single = HostAddresses::detect(v6_later.clone()).unwrap();
    assert_eq!((single.host.to_string(), single.ipv6), ("10.0.0.1".to_owned(), false));
    // `TRB-06`: what goes past the proxy is known.
    assert!(single.has_unused_ipv6);
    let both = HostAddresses::detect_dual_stack(v6_later).unwrap();
    assert!(both.ipv6 && !both.has_unused_ipv6);
    assert!(HostAddresses::detect(addresses("::1 fd00::1 10.0.0.1")).unwrap().ipv6);
    assert!(!HostAddresses::detect_dual_stack(addresses("10.0.0.1 fe80::1")).unwrap().ipv6);
    let none = HostAddresses::detect(addresses("127.0.0.1 ::1")).unwrap_err();
    assert_eq!(none.rule(), "IPT-CFG-51");
}

#[test]
fn ipt_cfg_53_54_resolvers() {
    let text = "# nameserver 1.1.1.1\nnameserver 10.0.0.10\nnameserver bad\nnameserver\nnameserver 2001:DB8::1 x\nnameserver fe80::1%eth0\n";
    let servers = NameServers::from_resolv_conf(text);
    assert_eq!(crate::ports::join_list(servers.ipv4()), "10.0.0.10");
    assert_eq!(crate::ports::join_list(servers.ipv6()), "2001:db8::1,fe80::1%eth0");

    let compat = CaptureConfig::builder().redirect_dns().name_servers(servers.clone()).build().unwrap();
    assert_eq!(compat.dns(), &DnsCapture::Servers(servers.clone()));
    let strict = CaptureConfig::builder()
        .redirect_dns()
        .name_servers(servers)
        .validation(Validation::Strict)
        .build()
        .unwrap();
    assert!(matches!(strict.dns(), DnsCapture::Servers(servers) if servers.ipv6().len() == 1));
    assert_eq!(strict.findings()[0].rule, "IPT-CFG-53");

    let off = CaptureConfig::builder().redirect_dns().build().unwrap();
    assert_eq!(off.dns(), &DnsCapture::Off);
    assert_eq!(off.findings()[0].rule, "IPT-CFG-54");
    assert_eq!(CaptureConfig::builder().capture_all_dns().build().unwrap().dns(), &DnsCapture::All);
    let ignored = CaptureConfig::builder().flag("capture-all-dns", "true").unwrap().build().unwrap();
    assert_eq!(ignored.dns(), &DnsCapture::Off, "IPT-CFG-19: only with redirect-dns");
}

/// Arguments, variables, the rule broken and the error text.
type Doubt<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)], &'a str, &'a str);

/// Every strict check: accepted in compat with a finding, refused in strict with the same rule and text.
#[test]
fn section_1_6_findings_are_errors_in_strict() {
    let cases: &[Doubt<'_>] = &[
        (
            &["-q", " 80"],
            &[],
            "IPT-VAL-01",
            "istio-outbound-ports: ` 80` has a blank, a sign or a leading zero (octal to iptables), write a plain number (IPT-VAL-01)",
        ),
        (
            &["-o", "010"],
            &[],
            "IPT-VAL-01",
            "istio-local-outbound-ports-exclude: `010` has a blank, a sign or a leading zero (octal to iptables), write a plain number (IPT-VAL-01)",
        ),
        (
            &["-b", "+80"],
            &[],
            "IPT-VAL-01",
            "istio-inbound-ports: `+80` has a blank, a sign or a leading zero (octal to iptables), write a plain number (IPT-VAL-01)",
        ),
        (
            &["-b", "0"],
            &[],
            "IPT-VAL-02",
            "istio-inbound-ports: `0` is no port, ports are 1 to 65535 (IPT-VAL-02)",
        ),
        (
            &["-b", "70000"],
            &[],
            "IPT-VAL-02",
            "istio-inbound-ports: `70000` is no port, ports are 1 to 65535 (IPT-VAL-02)",
        ),
        (
            &["-b", "80:90"],
            &[],
            "IPT-VAL-02",
            "istio-inbound-ports: `80:90` is not a port number; ranges and service names are not portable (IPT-VAL-02)",
        ),
        (
            &["-p", "ssh"],
            &[],
            "IPT-VAL-02",
            "envoy-port: `ssh` is not a port number; ranges and service names are not portable (IPT-VAL-02)",
        ),
        (
            &["-b", "80,*"],
            &[],
            "IPT-VAL-03",
            "istio-inbound-ports: `*` is only understood as the whole include, list the ports (IPT-VAL-03)",
        ),
        (
            &["-o", "*"],
            &[],
            "IPT-VAL-03",
            "istio-local-outbound-ports-exclude: `*` is only understood as the whole include, list the ports (IPT-VAL-03)",
        ),
        (
            &["-c", "eth0+"],
            &[],
            "IPT-VAL-04",
            "istio-exclude-interfaces: `eth0+` is no interface name, at most 15 letters, digits, `_`, `.` and `-` after a first letter (IPT-VAL-04)",
        ),
        (
            &["-k", "abcdefghijklmnop"],
            &[],
            "IPT-VAL-04",
            "kube-virt-interfaces: `abcdefghijklmnop` is no interface name, at most 15 letters, digits, `_`, `.` and `-` after a first letter (IPT-VAL-04)",
        ),
        (
            &[],
            &[("ISTIO_OUTBOUND_OWNER_GROUPS", "java")],
            "IPT-VAL-05",
            "ISTIO_OUTBOUND_OWNER_GROUPS: `java` is looked up where the rules are applied and may be unknown there, write the number (IPT-VAL-05)",
        ),
        (
            &[],
            &[("ISTIO_OUTBOUND_OWNER_GROUPS", "")],
            "IPT-VAL-06",
            "ISTIO_OUTBOUND_OWNER_GROUPS: no group is listed, so nothing outbound is captured, write `*` for all (IPT-VAL-06)",
        ),
        (
            &["-u", "1,2", "-g", "3"],
            &[],
            "IPT-VAL-07",
            "proxy-uid: `1,2` lists several ids, only the first is captured when it calls its own pod (IPT-VAL-07)",
        ),
        (
            &[],
            &[("ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR", "127.0.0.1/8")],
            "IPT-VAL-08",
            "ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR: `127.0.0.1/8` exempts the proxy's calls to all of it and breaks the self-test, which uses 127.0.0.6, write `127.0.0.1/32` (IPT-VAL-08)",
        ),
        (
            &["-b", "15008"],
            &[],
            "IPT-VAL-09",
            "istio-inbound-ports: port `15008` belongs to the mesh and cannot be captured, take it out of the list (IPT-VAL-09)",
        ),
        (
            &["-b", "*", "-d", "15006,15020,15021,15090"],
            &[],
            "IPT-VAL-09",
            "istio-local-exclude-ports: port `15006` is the proxy's own listener, excluding it opens a way around the proxy (IPT-VAL-09)",
        ),
        (
            &["-i", "10.1.0.0/16", "-x", "10.0.0.0/8"],
            &[],
            "IPT-VAL-10",
            "istio-service-exclude-cidr: `10.0.0.0/8` covers the included `10.1.0.0/16`, which is then never captured (IPT-VAL-10)",
        ),
        (
            &["-t", "0x539"],
            &[],
            "IPT-VAL-11",
            "istio-inbound-tproxy-mark: `0x539` is not a decimal number, which the route setup needs (IPT-VAL-11)",
        ),
        (
            &["-t", "1338"],
            &[],
            "IPT-VAL-12",
            "istio-inbound-tproxy-mark: `1338` is the unmarked value or the mark of outbound packets (IPT-VAL-12)",
        ),
        (
            &["-r", "254"],
            &[],
            "IPT-VAL-12",
            "istio-inbound-tproxy-route-table: `254` is a table of the system (IPT-VAL-12)",
        ),
        (
            &["-u", "4294967295", "-g", "1"],
            &[],
            "IPT-VAL-13",
            "proxy-uid: `4294967295` means no id and is refused by iptables (IPT-VAL-13)",
        ),
        (
            &["-u", "0", "-g", "1337"],
            &[],
            "IPT-VAL-13",
            "proxy-uid: `0` makes everything that runs as root bypass the mesh, give the proxy a user of its own (IPT-VAL-13)",
        ),
        (
            &["-u", ",", "-g", "1"],
            &[],
            "INV-01",
            "proxy-uid: no id is listed, the proxy's own traffic would be captured again (INV-01)",
        ),
    ];
    for (args, env, rule, text) in cases {
        let builder =
            CaptureConfig::builder().args(args.iter().copied()).unwrap().environment(env.iter().copied());
        let compat = builder.clone().build().unwrap();
        assert_eq!(
            compat.findings().iter().map(|finding| finding.rule).collect::<Vec<_>>(),
            [*rule],
            "{args:?} {env:?}"
        );
        let strict = builder.validation(Validation::Strict).build().unwrap_err();
        assert_eq!(strict.to_string(), *text);
        assert_eq!(strict.kind(), crate::error::ConfigErrorKind::Strict);
    }
}

#[test]
fn ipt_val_15_and_advice_about_backends() {
    let builder = CaptureConfig::builder().enable_ipv6().loopback_refuses_ipv6();
    assert_eq!(builder.clone().build().unwrap().findings()[0].rule, "IPT-VAL-15");
    assert_eq!(builder.validation(Validation::Strict).build().unwrap_err().rule(), "IPT-VAL-15");

    let advice = |args: &[&str]| {
        let builder =
            CaptureConfig::builder().args(args.iter().copied()).unwrap().validation(Validation::Strict);
        let servers = NameServers::from_resolv_conf("nameserver fd00::1");
        builder
            .name_servers(servers)
            .build()
            .unwrap()
            .findings()
            .iter()
            .map(|finding| finding.rule)
            .collect::<Vec<_>>()
    };
    assert_eq!(advice(&["--native-nftables", "-i", "*"]), ["NFT-30"]);
    assert_eq!(advice(&["--native-nftables", "--redirect-dns"]), ["NFT-61"]);
    assert_eq!(advice(&["-m", "TPROXY", "-b", "*", "-d", "15020,15021,15090"]), ["INV-05"]);
    assert_eq!(advice(&["-m", "TPROXY", "-b", "*", "-d", "15008,15020,15021,15090"]), [] as [&str; 0]);
}

#[test]
fn sim_43_root_is_not_listed_in_tproxy() {
    let config = from_args(&["-m", "TPROXY", "-u", "0", "-g", "1337"]).unwrap();
    assert_eq!(config.findings().iter().map(|finding| finding.rule).collect::<Vec<_>>(), ["SIM-43"]);
    assert_eq!(from_args(&["-m", "TPROXY"]).unwrap().findings(), []);
}

#[test]
fn typed_setters_and_flags_agree() {
    let typed = CaptureConfig::builder()
        .outbound_port(1)
        .inbound_port(2)
        .tunnel_port(3)
        .proxy_uids([4])
        .proxy_gids([5])
        .mode(Mode::Tproxy)
        .inbound_ports(&PortSet::all().except([6, 7]))
        .outbound_ranges(
            &CidrSet::only(["10.0.0.0/8".parse().unwrap()]).except(["10.1.0.0/16".parse().unwrap()]),
        )
        .outbound_include_ports([8])
        .outbound_exclude_ports([9, 10])
        .exclude_interfaces(["a", "b"])
        .virtual_interfaces(["c"])
        .tproxy_mark(11)
        .tproxy_route_table(12)
        .capture_all_dns()
        .drop_invalid()
        .owner_groups(&OwnerGroups::AllExcept(vec![OwnerId::new(13)]))
        .loopback_cidr("127.0.0.2/32".parse().unwrap())
        .build()
        .unwrap();
    let flags = CaptureConfig::builder()
        .args([
            "-p",
            "1",
            "-z",
            "2",
            "-e",
            "3",
            "-u",
            "4",
            "-g",
            "5",
            "-m",
            "TPROXY",
            "-b",
            "*",
            "-d",
            "6,7",
            "-i",
            "10.0.0.0/8",
            "-x",
            "10.1.0.0/16",
            "-q",
            "8",
            "-o",
            "9,10",
            "-c",
            "a,b",
            "-k",
            "c",
            "-t",
            "11",
            "-r",
            "12",
            "--redirect-dns",
            "--capture-all-dns",
            "--drop-invalid",
        ])
        .unwrap()
        .environment([
            ("ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE", "13"),
            ("ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR", "127.0.0.2/32"),
        ])
        .build()
        .unwrap();
    assert_eq!(typed, flags);
}
