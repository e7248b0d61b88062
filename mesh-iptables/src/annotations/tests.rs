//! Annotations in, options or error text out.

use super::*;
use crate::config::{CaptureConfig, CaptureConfigBuilder, DnsCapture};
use crate::error::ConfigError;

const INJECTED: (&str, &str) = ("sidecar.istio.io/status", "true");

fn capture(annotations: &[(&str, &str)]) -> Result<CaptureConfigBuilder, ConfigError> {
    let pod = Pod::new(annotations.iter().copied().chain([INJECTED]));
    match pod.interception()? {
        Interception::Capture(builder) => Ok(builder),
        Interception::Skip(reason) => panic!("skipped: {reason:?}"),
    }
}

#[test]
fn ipt_ann_20_excluded_inbound_ports() {
    let cases = [
        (None, "15020,15021,15090"),
        (Some(""), "15020,15021,15090"),
        (Some(" 15090 "), "15090,15020,15021"),
        (Some("9000,9000,15021"), "9000,15021,15020,15090"),
        // Items are compared as they are written.
        (Some("15090, 15090"), "15090, 15090,15020,15021"),
        (Some("*"), "*,15020,15021,15090"),
    ];
    for (annotation, want) in cases {
        let annotations: Vec<(&str, &str)> =
            annotation.map(|value| (EXCLUDE_INBOUND, value)).into_iter().collect();
        assert_eq!(capture(&annotations).unwrap().value("istio-local-exclude-ports"), Some(want));
    }
}

#[test]
fn ipt_ann_01_to_10_flags() {
    let builder = capture(&[
        (MODE, "TPROXY"),
        (INCLUDE_RANGES, ""),
        (EXCLUDE_RANGES, "10.0.0.0/8"),
        (INCLUDE_INBOUND, "80, 90"),
        (INCLUDE_OUTBOUND, "1"),
        (EXCLUDE_OUTBOUND, "2"),
        (EXCLUDE_INTERFACES, "eth1"),
        (VIRTUAL_INTERFACES, ""),
        (KUBEVIRT_INTERFACES, "k6t-eth0"),
    ])
    .unwrap();
    let flags = [
        ("istio-inbound-interception-mode", "TPROXY"),
        ("istio-service-cidr", ""),
        ("istio-service-exclude-cidr", "10.0.0.0/8"),
        ("istio-inbound-ports", "80, 90"),
        ("istio-outbound-ports", "1"),
        ("istio-local-outbound-ports-exclude", "2"),
        ("istio-exclude-interfaces", "eth1"),
        // IPT-ANN-09: present though empty, it wins.
        ("kube-virt-interfaces", ""),
    ];
    for (flag, want) in flags {
        assert_eq!(builder.value(flag), Some(want), "{flag}");
    }
    let deprecated = capture(&[(KUBEVIRT_INTERFACES, "k6t-eth0")]).unwrap();
    assert_eq!(deprecated.value("kube-virt-interfaces"), Some("k6t-eth0"));
    let defaults = capture(&[]).unwrap();
    assert_eq!(defaults.value("istio-service-cidr"), Some("*"));
    assert_eq!(
        defaults.value("istio-local-outbound-ports-exclude"),
        Some("15020"),
        "IPT-ANN-24: only CNI does this"
    );
}

#[test]
fn ipt_ann_21_error_texts() {
    let cases = [
        (
            MODE,
            "NONE",
            "sidecar.istio.io/interceptionMode: `NONE` is no interception mode, write `REDIRECT` or `TPROXY` (IPT-ANN-01)",
        ),
        (
            INCLUDE_RANGES,
            "10.0.0.0/8,",
            "traffic.sidecar.istio.io/includeOutboundIPRanges: `` is not a range: write address/length, such as `10.0.0.0/8` (IPT-CFG-55)",
        ),
        (
            EXCLUDE_RANGES,
            "*",
            "traffic.sidecar.istio.io/excludeOutboundIPRanges: `*` is not a range: write address/length, such as `10.0.0.0/8` (IPT-CFG-55)",
        ),
        (
            INCLUDE_INBOUND,
            "80,http",
            "traffic.sidecar.istio.io/includeInboundPorts: `http` is not a port, write numbers from 0 to 65535 with commas between them (IPT-ANN-21)",
        ),
        (
            EXCLUDE_INBOUND,
            "65536",
            "traffic.sidecar.istio.io/excludeInboundPorts: `65536` is not a port, write numbers from 0 to 65535 with commas between them (IPT-ANN-21)",
        ),
        (
            INCLUDE_OUTBOUND,
            "+1",
            "traffic.sidecar.istio.io/includeOutboundPorts: `+1` is not a port, write numbers from 0 to 65535 with commas between them (IPT-ANN-21)",
        ),
        (
            EXCLUDE_OUTBOUND,
            "1,,2",
            "traffic.sidecar.istio.io/excludeOutboundPorts: `` is not a port, write numbers from 0 to 65535 with commas between them (IPT-ANN-21)",
        ),
        (
            EXCLUDE_INTERFACES,
            "0eth",
            "traffic.sidecar.istio.io/excludeInterfaces: `0eth` is no interface name, at most 15 letters, digits, `_`, `.` and `-` after a first letter (IPT-ANN-21)",
        ),
        (
            VIRTUAL_INTERFACES,
            "a,",
            "istio.io/reroute-virtual-interfaces: `` is no interface name, at most 15 letters, digits, `_`, `.` and `-` after a first letter (IPT-ANN-21)",
        ),
    ];
    for (name, value, want) in cases {
        assert_eq!(capture(&[(name, value)]).unwrap_err().to_string(), want);
    }
    // Port lists may be blank or hold blanks; `*` is fine for every port annotation (IPT-VAL-03 comes later).
    for value in [" ", "*", "0", " 80 , 90 "] {
        assert!(capture(&[(EXCLUDE_OUTBOUND, value)]).is_ok(), "{value:?}");
    }
}

#[test]
fn ipt_ann_22_ids_and_environment() {
    let pod = Pod::new([INJECTED]).proxy_user(0).proxy_group(1000).proxy_environment([
        ("ISTIO_META_DNS_CAPTURE", "1"),
        ("ISTIO_DUAL_STACK", "yes"),
        ("INVALID_DROP", "t"),
    ]);
    let Interception::Capture(builder) = pod.interception().unwrap() else { panic!() };
    let config = builder.build().unwrap();
    assert_eq!(config.proxy_uids()[0].number(), Some(1337));
    assert_eq!(config.proxy_gids()[0].number(), Some(1000));
    assert_eq!(config.dns(), &DnsCapture::All);
    assert!(config.drop_invalid() && !config.dual_stack());
    assert_eq!(
        config.findings()[0].to_string(),
        "ISTIO_DUAL_STACK: `yes` is not a boolean and counts as `false` (IPT-ANN-22)"
    );
}

#[test]
fn ipt_ann_23_skipped_pods() {
    let pod = || Pod::new([INJECTED]);
    let cases = [
        (pod().in_excluded_namespace().with_init_container(), Some(SkipReason::NamespaceExcluded)),
        (pod().with_init_container(), Some(SkipReason::InitContainer)),
        // `TRB-33`
        (pod().in_host_network(), Some(SkipReason::HostNetwork)),
        (pod().proxy_environment([("DISABLE_ENVOY", "true")]), Some(SkipReason::EnvoyDisabled)),
        (pod().proxy_environment([("DISABLE_ENVOY", "no")]), None),
        (pod().without_proxy(), Some(SkipReason::NoProxy)),
        (pod().proxy_type("router"), Some(SkipReason::NotASidecar)),
        (pod().proxy_type("sidecar"), None),
        (pod().labels([("sidecar.istio.io/inject", "false")]), Some(SkipReason::InjectionDisabled)),
        (Pod::new([INJECTED, ("sidecar.istio.io/inject", "false")]), Some(SkipReason::InjectionDisabled)),
        // The label is preferred to the annotation.
        (
            Pod::new([INJECTED, ("sidecar.istio.io/inject", "false")])
                .labels([("sidecar.istio.io/inject", "true")]),
            None,
        ),
        (Pod::new([("a", "b")]), Some(SkipReason::NotInjected)),
        // A skipped pod's bad annotations are no error.
        (Pod::new([(MODE, "bad")]), Some(SkipReason::NotInjected)),
    ];
    for (pod, want) in cases {
        let found = match pod.interception().unwrap() {
            Interception::Skip(reason) => Some(reason),
            Interception::Capture(_) => None,
        };
        assert_eq!(found, want, "{pod:?}");
    }
}

#[test]
fn ipt_ann_11_24_init_container_arguments() {
    let args = |annotations: &[(&str, &str)]| {
        InitContainer::new().args(annotations.iter().copied()).map(|args| args.join(" ")).unwrap_or_default()
    };
    let base = "-p 15001 -z 15006 -u 1337 -m REDIRECT -i * -x  -b * -d 15090,15021";
    assert_eq!(args(&[]), format!("{base},15020"));
    assert_eq!(args(&[(STATUS_PORT, "0")]), base);
    assert_eq!(args(&[(STATUS_PORT, "")]), base);
    assert_eq!(args(&[(STATUS_PORT, "9"), (EXCLUDE_INBOUND, "8,9")]), format!("{base},8,9"));
    assert_eq!(args(&[(STATUS_PORT, "9"), (EXCLUDE_INBOUND, "8, 7,")]), format!("{base},8,7,9"));
    assert_eq!(
        args(&[
            (INCLUDE_OUTBOUND, ""),
            (EXCLUDE_OUTBOUND, "5"),
            (EXCLUDE_INTERFACES, "c"),
            (KUBEVIRT_INTERFACES, "k")
        ]),
        format!("{base},15020 -q  -o 5 -k k -c c")
    );
    assert_eq!(args(&[(MODE, "NONE")]), "");

    let init =
        InitContainer::new().ports(1, 2).proxy_uid(3).include_outbound_ports("4").log_level("default:info");
    let want =
        "-p 1 -z 2 -u 3 -m REDIRECT -i * -x  -b * -d 15090,15021,15020 -q 4 --log_output_level=default:info";
    assert_eq!(init.args([("", ""); 0]).unwrap().join(" "), want);
    assert!(init.args([(MODE, "TPROXY")]).unwrap().join(" ").contains("-u 1337 -m TPROXY"));
    let tail = |init: InitContainer| init.args([("", ""); 0]).unwrap().split_off(16).join(" ");
    assert_eq!(
        tail(InitContainer::new().with_cni().with_force_apply()),
        "--run-validation --skip-rule-apply"
    );
    assert_eq!(
        tail(InitContainer::new().with_force_apply().with_native_nftables()),
        "--force-apply --native-nftables"
    );
}

#[test]
fn ipt_ann_24_the_two_ways_differ_where_istio_does() {
    let init = CaptureConfig::builder()
        .args(InitContainer::new().log_level("all:debug").args([("", ""); 0]).unwrap())
        .unwrap();
    let cni = capture(&[]).unwrap();
    assert_eq!(init.value("istio-local-exclude-ports"), Some("15090,15021,15020"));
    assert_eq!(cni.value("istio-local-exclude-ports"), Some("15020,15021,15090"));
    assert_eq!(init.value("istio-local-outbound-ports-exclude"), Some(""));
    assert_eq!(cni.value("istio-local-outbound-ports-exclude"), Some("15020"));
    assert_eq!(init.value("istio-service-cidr"), cni.value("istio-service-cidr"));
}

/// One annotation a row, on both ways: the flag it becomes, and its default there.
#[test]
fn every_annotation_becomes_its_flag() {
    // (rule, annotation, flag, CNI's default, the init container's default, a value)
    let rows = [
        ("IPT-ANN-01", MODE, "istio-inbound-interception-mode", "REDIRECT", "REDIRECT", "TPROXY"),
        ("IPT-ANN-02", INCLUDE_RANGES, "istio-service-cidr", "*", "*", "10.0.0.0/8,fd00::/8"),
        ("IPT-ANN-03", EXCLUDE_RANGES, "istio-service-exclude-cidr", "", "", "10.1.0.0/16"),
        ("IPT-ANN-04", INCLUDE_INBOUND, "istio-inbound-ports", "*", "*", "8080,8081"),
        (
            "IPT-ANN-05",
            EXCLUDE_INBOUND,
            "istio-local-exclude-ports",
            "15020,15021,15090",
            "15090,15021,15020",
            "22",
        ),
        ("IPT-ANN-06", INCLUDE_OUTBOUND, "istio-outbound-ports", "", "", "9000"),
        ("IPT-ANN-07", EXCLUDE_OUTBOUND, "istio-local-outbound-ports-exclude", "15020", "", "9001"),
        ("IPT-ANN-08", EXCLUDE_INTERFACES, "istio-exclude-interfaces", "", "", "eth1,eth2"),
        ("IPT-ANN-09", VIRTUAL_INTERFACES, "kube-virt-interfaces", "", "", "k6t-eth0"),
        ("IPT-ANN-10", KUBEVIRT_INTERFACES, "kube-virt-interfaces", "", "", "k6t-eth0"),
    ];
    let injected = |annotations: &[(&str, &str)]| {
        let args = InitContainer::new().args(annotations.iter().copied()).unwrap();
        CaptureConfig::builder().args(args).unwrap()
    };
    for (rule, annotation, flag, cni_default, init_default, value) in rows {
        assert_eq!(capture(&[]).unwrap().value(flag), Some(cni_default), "{rule}");
        assert_eq!(injected(&[]).value(flag), Some(init_default), "{rule}");
        let (cni_want, init_want) = match rule {
            // The mesh's own ports are added on both ways (`IPT-ANN-20`, `IPT-ANN-24`).
            "IPT-ANN-05" => ("22,15020,15021,15090".to_owned(), "15090,15021,22,15020".to_owned()),
            _ => (value.to_owned(), value.to_owned()),
        };
        assert_eq!(capture(&[(annotation, value)]).unwrap().value(flag), Some(&*cni_want), "{rule}");
        assert_eq!(injected(&[(annotation, value)]).value(flag), Some(&*init_want), "{rule}");
    }
    // Empty ranges are a value of their own: nothing is captured by range (`IPT-ANN-02`).
    assert_eq!(capture(&[(INCLUDE_RANGES, "")]).unwrap().value("istio-service-cidr"), Some(""));
    // `*` for ports passes here, and is found when the configuration is made (`TRB-22`, `IPT-VAL-03`).
    for annotation in [EXCLUDE_INBOUND, EXCLUDE_OUTBOUND] {
        let config = capture(&[(annotation, "*")]).unwrap().build().unwrap();
        assert!(config.findings().iter().any(|finding| finding.rule == "IPT-VAL-03"), "{annotation}");
    }
}
