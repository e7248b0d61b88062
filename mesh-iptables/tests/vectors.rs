//! The Istio project's golden files, read in place (rule `TST-01`, sections 3 and 7 of the reference).
//!
//! The data is not part of the repository: without it these tests say so and pass. The project's own
//! snapshots (`snapshots.rs`) cover the same ground for a plain clone.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail loudly"
)]

mod support;

use std::collections::BTreeMap;
use std::io::Write as _;

use mesh_iptables::annotations::{Interception, Pod};
use mesh_iptables::{
    AmbientConfig, AmbientPod, CaptureConfig, CaptureConfigBuilder, Chain, Counter, Counters, Family,
    NameServer, NameServers, Preset, ProtocolColumn, Table,
};
use serde_json::Value;
use support::{Case, cases};

/// Runs `produce` on every case of a folder and reports all differences at once.
fn run(folder: &str, want_cases: usize, produce: impl Fn(&Case) -> String) {
    let Some(cases) = cases(folder) else {
        // Written past the test harness, which hides what a passing test prints.
        let text = format!("SKIPPED {folder}: no vectors at {}\n", support::vectors().display());
        std::io::stderr().write_all(text.as_bytes()).unwrap();
        return;
    };
    let mut failures = Vec::new();
    for case in &cases {
        let found = produce(case);
        if found.trim_end() != case.golden.trim_end() {
            failures.push(format!("== {}\n{}", case.name, support::diff(&case.golden, &found)));
        }
    }
    assert!(failures.is_empty(), "{} of {} differ\n{}", failures.len(), cases.len(), failures.join("\n"));
    assert_eq!(cases.len(), want_cases, "cases in {folder}");
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(bool) => bool.to_string(),
        other => panic!("unexpected value {other}"),
    }
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().map(|items| items.iter().map(text).collect()).unwrap_or_default()
}

/// Flags, environment and detected facts of a `sidecar` or `preset` case.
fn builder(input: &Value) -> CaptureConfigBuilder {
    let mut builder = CaptureConfig::builder();
    for (flag, value) in input["flags"].as_object().unwrap() {
        builder = builder.flag(flag, &text(value)).unwrap();
    }
    if let Some(env) = input["env"].as_object() {
        builder = builder.environment(env.iter().map(|(name, value)| (name, text(value))));
    }
    let detected = &input["detected"];
    if detected["enable-ipv6"] == Value::Bool(true) {
        builder = builder.enable_ipv6();
    }
    let servers = ["dns-servers-v4", "dns-servers-v6"].into_iter().flat_map(|key| texts(&detected[key]));
    builder.name_servers(NameServers::new(servers.map(|server| NameServer::parse(&server).unwrap())))
}

fn ambient(input: &Value) -> (AmbientConfig, AmbientPod) {
    let settings = &input["config"];
    let address = |key: &str| text(&settings[key]);
    let mut config = AmbientConfig::new().probe_addresses(
        address("host-probe-snat-address").parse().unwrap(),
        address("host-probe-v6-snat-address").parse().unwrap(),
    );
    if settings["enable-ipv6"] == Value::Bool(true) {
        config = config.enable_ipv6();
    }
    if settings["redirect-dns"] == Value::Bool(true) {
        config = config.redirect_dns();
    }
    let mut pod = AmbientPod::new().virtual_interfaces(texts(&input["pod"]["virtual-interfaces"])).unwrap();
    if input["pod"]["ingress-mode"] == Value::Bool(true) {
        pod = pod.bypass_inbound_capture();
    }
    pod = match input["pod"]["dns-proxy"].as_str() {
        Some("enabled") => pod.capture_dns(),
        Some("disabled") => pod.leave_dns(),
        _ => pod,
    };
    (config, pod)
}

#[test]
fn sidecar_iptables() {
    run("iptables", 18, |case| builder(&case.input).build().unwrap().plan().dry_run_transcript());
}

#[test]
fn sidecar_nftables() {
    run("nftables", 19, |case| builder(&case.input).build().unwrap().nftables_plan().transaction());
}

#[test]
fn ambient_iptables() {
    run("ambient/iptables", 9, |case| {
        let (config, pod) = ambient(&case.input);
        match case.input["mode"].as_str() {
            Some("ambient-host") => config.host_plan().dry_run_transcript(),
            _ => config.pod_plan(&pod).dry_run_transcript(),
        }
    });
}

#[test]
fn ambient_nftables() {
    run("ambient/nftables", 9, |case| {
        let (config, pod) = ambient(&case.input);
        match case.input["mode"].as_str() {
            Some("ambient-host") => {
                let uid = text(&case.input["kubelet-uid"]).parse().unwrap();
                config.host_nftables_plan(uid).transaction()
            }
            _ => config.pod_nftables_plan(&pod).transaction(),
        }
    });
}

#[test]
fn annotations_to_rules() {
    run("annotations", 6, |case| {
        let pairs = |key: &str| -> Vec<(String, String)> {
            case.input[key]
                .as_object()
                .unwrap()
                .iter()
                .map(|(name, value)| (name.clone(), text(value)))
                .collect()
        };
        let id = |key: &str| case.input[key].as_u64().map(|id| u32::try_from(id).unwrap());
        let mut pod = Pod::new(pairs("annotations")).proxy_environment(pairs("proxy-env"));
        if let Some(uid) = id("proxy-run-as-user") {
            pod = pod.proxy_user(uid);
        }
        if let Some(gid) = id("proxy-run-as-group") {
            pod = pod.proxy_group(gid);
        }
        let Interception::Capture(builder) = pod.interception().unwrap() else { panic!("skipped") };
        for (flag, want) in case.input["expect-flags"].as_object().unwrap() {
            assert_eq!(builder.value(flag), Some(&*text(want)), "{}: {flag}", case.name);
        }
        builder.build().unwrap().plan().restore_input(Family::Ipv4)
    });
}

#[test]
fn tst_06_presets() {
    run("presets", 4, |case| {
        let preset = match case.input["preset"].as_str() {
            Some("gen2") => Preset::Gen2,
            Some("gen4") => Preset::Gen4,
            Some("gen5") => Preset::Gen5,
            other => panic!("{other:?}"),
        };
        let plan = builder(&case.input).build().unwrap().preset_plan(preset);
        match case.input["form"].as_str() {
            Some("restore") => plan.restore_input(Family::Ipv4),
            Some("save") => {
                let saved = plan.save_text(Family::Ipv4, Table::Nat, &counters(&case.input));
                saved.strip_suffix("COMMIT\n").unwrap().to_owned()
            }
            Some("list") => {
                let listing = plan.listing(Table::Nat, &counters(&case.input), ProtocolColumn::Names);
                listing.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
            }
            other => panic!("{other:?}"),
        }
    });
}

fn counters(input: &Value) -> Counters {
    let mut counters = Counters::new();
    let by_chain = |key: &str| -> BTreeMap<String, Value> {
        input[key].as_object().map(|map| map.clone().into_iter().collect()).unwrap_or_default()
    };
    for (chain, counter) in by_chain("policy-counters") {
        counters = counters.policy(Chain::new(chain), pair(&counter));
    }
    for (chain, list) in by_chain("rule-counters") {
        counters = counters.rules(Chain::new(chain), list.as_array().unwrap().iter().map(pair));
    }
    counters
}

/// A pair of counts, which the listings give in abbreviated form.
fn pair(value: &Value) -> Counter {
    let count = |value: &Value| match value {
        Value::String(text) => match text.strip_suffix(['K', 'M']) {
            Some(thousands) if text.ends_with('K') => thousands.parse::<u64>().unwrap() * 1_000,
            Some(millions) => millions.parse::<u64>().unwrap() * 1_000_000,
            None => text.parse().unwrap(),
        },
        number => number.as_u64().unwrap(),
    };
    Counter::new(count(&value[0]), count(&value[1]))
}
