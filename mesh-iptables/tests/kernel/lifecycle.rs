//! Apply, apply again, verify, repair, clean up (`TST-16`, `TST-17`).

use std::collections::BTreeSet;

use mesh_iptables::apply::{Applier, Outcome};
use mesh_iptables::{CaptureConfig, Family, Preset};

use super::rig::{Backend, Namespace, Net, apply, backends, clean, config, install, options, verify};

const CONFIGS: [&[&str]; 4] = [
    &["-b", "*", "-d", "15020,15021,15090", "-i", "*"],
    &[
        "-b",
        "*",
        "-m",
        "TPROXY",
        "-i",
        "10.0.0.0/8,fd00::/8",
        "-x",
        "10.1.0.0/16",
        "-u",
        "1337",
        "-g",
        "1337",
    ],
    &[
        "-b",
        "80,443",
        "-q",
        "8080",
        "-o",
        "3306",
        "-c",
        "eth9",
        "-k",
        "tap0",
        "--redirect-dns",
        "--capture-all-dns",
    ],
    &["--drop-invalid", "-b", "22", "-m", "TPROXY", "-u", "1,2", "-g", "3"],
];

/// Rules of somebody else's, in the chains Istio's rules go to.
fn plant_foreign(net: &Net, backend: Backend) {
    match backend {
        Backend::Native => drop(net.pod.sh("nft -f - <<'END'
add table inet foreign
add chain inet foreign output { type nat hook output priority -100 ; }
add rule inet foreign output tcp dport 9 counter return
add table ip nat
add chain ip nat DOCKER
END")),
        _ => {
            for family in 0..2 {
                let program = backend.program(family);
                net.pod.sh(&format!(
                    "{program} -t nat -N DOCKER
                     {program} -t nat -A OUTPUT -p tcp --dport 9 -m comment --comment 'not ours' -j DOCKER
                     {program} -t filter -A INPUT -p tcp --dport 9 -j ACCEPT
                     {program} -t mangle -A PREROUTING -p udp -j ACCEPT"
                ));
            }
        }
    }
}

/// What counts as there: rules, chains of somebody, and what `ip` shows; empty built-in chains do not (`SAV-33`).
fn all_there_is(net: &Net, backend: Backend) -> String {
    let dump = backend.dump(&net.pod);
    let kept = dump.lines().filter(|line| match backend {
        Backend::Native => true,
        _ => line.starts_with("-A") || (line.starts_with(':') && line.ends_with('-')),
    });
    let mut lines: Vec<&str> = kept.collect();
    let ip = net.pod.sh(
        "ip rule; ip -6 rule; ip -o addr show dev lo; ip route show table all; ip -6 route show table all",
    );
    // The kernel's own link-local addresses come when they are ready.
    lines.extend(ip.lines().filter(|line| !line.contains("fe80:") && !line.contains("multicast")));
    lines.join("\n")
}

fn difference(before: &str, after: &str) -> String {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<BTreeSet<_>>();
    let (before, after) = (lines(before), lines(after));
    let only = |one: &BTreeSet<String>, other| one.difference(other).cloned().collect::<Vec<_>>();
    format!("gone {:#?}\nnew {:#?}", only(&before, &after), only(&after, &before))
}

#[test]
fn apply_is_idempotent_and_cleanup_leaves_what_was_there_tst_16_17() {
    const TEST: &str = "apply_is_idempotent";
    for backend in backends(TEST) {
        for args in CONFIGS {
            let Some(net) = Net::new(TEST) else { return };
            plant_foreign(&net, backend);
            let before = all_there_is(&net, backend);
            let config = config(&net, backend, args);
            assert!(!verify(&config).unwrap().is_in_sync(), "{backend:?} {args:?}: nothing is there yet");

            // APP-04 and the rest of 5.4: what was there makes it a drift, but no chain is in the way.
            let report = install(&config);
            assert_eq!(report.outcome, Outcome::Applied);
            let found = verify(&config).unwrap();
            assert!(found.is_in_sync(), "{backend:?} {args:?}: {:?}", found.drifts);
            assert!(found.commands.iter().all(|command| !command.writes || command.program == "nft"));
            if backend != Backend::Native {
                every_check_succeeds(&net, backend, &config);
            }

            let once = all_there_is(&net, backend);
            let outcome = if backend == Backend::Native { Outcome::Applied } else { Outcome::Unchanged };
            // A second run of the init container succeeds (TRB-02), also with a policy rule (TRB-10).
            assert_eq!(install(&config).outcome, outcome);
            let twice = all_there_is(&net, backend);
            assert!(once == twice, "{backend:?} {args:?}: applied twice\n{}", difference(&once, &twice));

            assert_eq!(clean(&config).unwrap().outcome, Outcome::Cleaned);
            let after = all_there_is(&net, backend);
            assert!(before == after, "{backend:?} {args:?}: cleaned\n{}", difference(&before, &after));
            // Nothing left to remove is no error (ORD-03).
            clean(&config).unwrap();
        }
    }
}

/// `RST-05`
fn every_check_succeeds(net: &Net, backend: Backend, config: &CaptureConfig) {
    let plan = config.plan();
    for (index, family) in Family::BOTH.into_iter().enumerate() {
        let program = backend.program(index);
        let checks = plan.check_commands(family);
        assert!(!checks.is_empty());
        let calls: Vec<String> = checks.iter().map(|check| format!("{program} {check}")).collect();
        net.pod.sh(&calls.join("\n"));
    }
}

/// `APP-03`: where exactly the plan is, every single call of its cleanup succeeds and nothing stays.
#[test]
fn every_cleanup_call_succeeds_app_03() {
    const TEST: &str = "every_cleanup_call_succeeds";
    for backend in backends(TEST).into_iter().filter(|backend| *backend != Backend::Native) {
        for args in CONFIGS {
            let Some(net) = Net::new(TEST) else { return };
            let config = config(&net, backend, args);
            install(&config);
            for (index, family) in Family::BOTH.into_iter().enumerate() {
                let commands = config.plan().cleanup_commands(family);
                let calls = commands.iter().map(|command| format!("{} {command}", backend.program(index)));
                net.pod.sh(&calls.collect::<Vec<_>>().join("\n"));
            }
            let left = backend.dump(&net.pod);
            assert!(!left.contains("ISTIO") && !left.contains("-A "), "{backend:?} {args:?}: {left}");
        }
    }
}

/// `APP-04`: one process that writes rules for each family, after one that parses each.
#[test]
fn one_restore_process_a_family_app_04() {
    const TEST: &str = "one_restore_process";
    for backend in backends(TEST) {
        let Some(net) = Net::new(TEST) else { return };
        let report = install(&config(&net, backend, CONFIGS[1]));
        let lines: Vec<String> = report.commands.iter().map(ToString::to_string).collect();
        let restores: Vec<&String> = report
            .commands
            .iter()
            .zip(&lines)
            .filter(|(command, _)| command.writes && command.program != "ip")
            .map(|(_, line)| line)
            .collect();
        let want: &[&str] = match backend {
            Backend::Nft => &["iptables-nft-restore --noflush", "ip6tables-nft-restore --noflush"],
            Backend::Legacy => &[
                "iptables-legacy-restore --noflush --wait=30",
                "ip6tables-legacy-restore --noflush --wait=30",
            ],
            Backend::Native => &["nft -f -"],
        };
        assert_eq!(restores, want);
        let place = |end: &str| lines.iter().position(|line| line.ends_with(end));
        if backend != Backend::Native {
            let parsed = lines.iter().rposition(|line| line.contains("--test"));
            assert!(parsed < lines.iter().position(|line| line == want[0]), "{lines:#?}");
        }
        // Addresses and routes come after the rules (IPT-HST-01, IPT-HST-02).
        assert!(place("dev lo table 133") > lines.iter().position(|line| line == want[0]));
    }
}

#[test]
fn foreign_rules_are_no_drift_and_changed_ones_are_tst_16() {
    const TEST: &str = "foreign_rules_are_no_drift";
    for backend in backends(TEST).into_iter().filter(|backend| *backend != Backend::Native) {
        let Some(net) = Net::new(TEST) else { return };
        let config = config(&net, backend, CONFIGS[0]);
        install(&config);
        let program = backend.program(0);
        net.pod.sh(&format!("{program} -t nat -I OUTPUT 1 -p tcp --dport 4 -j RETURN"));
        assert!(verify(&config).unwrap().is_in_sync());
        assert_eq!(install(&config).outcome, Outcome::Unchanged);

        net.pod.sh(&format!("{program} -t nat -I ISTIO_INBOUND 1 -p tcp --dport 5 -j RETURN"));
        // DIA-01: the first item that differs, by name.
        let drifts: Vec<String> = verify(&config).unwrap().drifts.iter().map(ToString::to_string).collect();
        assert_eq!(drifts, ["IPv4 nat ISTIO_INBOUND: 6 rules instead of 5"]);
        let before = all_there_is(&net, backend);
        // SAV-03: without reconcile the chains are in the way.
        let error = apply(&config).unwrap_err();
        assert!(error.to_string().contains("line 2 failed"), "{error}");
        assert!(error.to_string().contains("; nothing was changed"), "{error}");
        assert_eq!(before, all_there_is(&net, backend));

        let repair = options(&net, backend, CONFIGS[0]).args(["--reconcile"]).unwrap().build().unwrap();
        let report = install(&repair);
        assert_eq!(report.outcome, Outcome::Reconciled);
        assert!(verify(&config).unwrap().is_in_sync());
        let after = all_there_is(&net, backend);
        assert!(after.contains("-A OUTPUT -p tcp -m tcp --dport 4 -j RETURN"), "somebody's rule is gone");
        assert!(!after.contains("DROP"), "guardrails are still there:\n{after}");
        // RST-08, APP-01: up before the first removal, down after the last restore.
        let lines: Vec<String> = report.commands.iter().map(ToString::to_string).collect();
        let place = |part: &str| lines.iter().position(|line| line.contains(part)).unwrap();
        let last = |part: &str| lines.iter().rposition(|line| line.contains(part)).unwrap();
        assert!(last("-I OUTPUT 1 -p udp -j DROP") < place("-D ISTIO_OUTPUT"), "{lines:#?}");
        assert!(last("-restore --noflush") < last("-t filter -D INPUT -p tcp"), "{lines:#?}");
    }
}

/// `SAV-14`: chains in a family that is off now are drift, and a repair removes them.
#[test]
fn a_family_switched_off_is_cleaned_by_a_repair_sav_14() {
    const TEST: &str = "a_family_switched_off";
    for backend in backends(TEST).into_iter().filter(|backend| *backend != Backend::Native) {
        let Some(net) = Net::new(TEST) else { return };
        install(&config(&net, backend, CONFIGS[0]));
        let variant = if backend == Backend::Nft { "nft" } else { "legacy" };
        let path = net.pod.path();
        let only_ipv4 = CaptureConfig::builder()
            .args(CONFIGS[0])
            .unwrap()
            .args(["--reconcile", "--force-iptables-binary", variant, "--network-namespace", &path])
            .unwrap()
            .build()
            .unwrap();
        assert!(
            verify(&only_ipv4)
                .unwrap()
                .drifts
                .iter()
                .any(|drift| drift.to_string().starts_with("IPv6 nat ISTIO_"))
        );
        assert_eq!(install(&only_ipv4).outcome, Outcome::Reconciled);
        assert!(verify(&only_ipv4).unwrap().is_in_sync());
        assert_eq!(install(&only_ipv4).outcome, Outcome::Unchanged);
        assert!(!net.pod.sh(&format!("{} -t nat -S", backend.program(1))).contains("ISTIO"));
    }
}

/// `NFT-15`, `NFT-62`: applying native rules is its own repair, and a former mode leaves no table.
#[test]
fn native_rules_are_replaced_whole_nft_15_62() {
    const TEST: &str = "native_rules_are_replaced_whole";
    let Some(net) = Net::new(TEST) else { return };
    let tproxy = config(&net, Backend::Native, CONFIGS[1]);
    let redirect = config(&net, Backend::Native, CONFIGS[0]);
    install(&tproxy);
    let drifts = verify(&redirect).unwrap().drifts;
    assert!(drifts.iter().any(|drift| drift.to_string().starts_with("istio-proxy-mangle")), "{drifts:?}");
    install(&redirect);
    assert!(verify(&redirect).unwrap().is_in_sync());
    assert_eq!(net.pod.sh("nft list tables"), "table inet istio-proxy-nat\n");
    net.pod.sh("nft insert rule inet istio-proxy-nat istio-output tcp dport 80 return");
    let drifts: Vec<String> = verify(&redirect).unwrap().drifts.iter().map(ToString::to_string).collect();
    assert_eq!(
        drifts,
        ["istio-proxy-nat istio-output: the rule `tcp dport 80 return` is not part of the plan"]
    );
    net.pod.sh("nft flush chain inet istio-proxy-nat istio-in-redirect");
    assert!(!verify(&redirect).unwrap().is_in_sync());
    install(&redirect);
    assert!(verify(&redirect).unwrap().is_in_sync());
}

/// `RST-09`, `APP-02`: whatever layout and variant made them.
#[test]
fn clean_all_removes_every_layout_rst_09() {
    const TEST: &str = "clean_all_removes_every_layout";
    let presets =
        [Preset::Gen1, Preset::Gen2, Preset::Gen3, Preset::Gen4, Preset::Gen5, Preset::Gen6, Preset::Current];
    for backend in backends(TEST) {
        let Some(net) = Net::new(TEST) else { return };
        plant_foreign(&net, backend);
        let before = all_there_is(&net, backend);
        for preset in presets {
            let config = config(&net, backend, CONFIGS[0]);
            let old = config.preset_plan(preset);
            if backend == Backend::Native {
                let (code, _, err) = net.pod.try_sh("nft -f -", &config.nftables_plan().transaction());
                assert_eq!(code, Some(0), "{err}");
            } else {
                for (index, family) in Family::BOTH.into_iter().enumerate() {
                    let (code, _, err) = net.pod.try_sh(backend.restore(index), &old.restore_input(family));
                    assert_eq!(code, Some(0), "{preset:?}: {err}");
                    // What a repair that was killed leaves.
                    let program = backend.program(index);
                    net.pod.sh(&format!("{program} -t filter -I INPUT 1 -p tcp -j DROP"));
                }
            }
            // The caller knows nothing of what is there: another configuration, no variant named.
            let unknowing = super::rig::bare_options(&net.pod);
            let plan = CaptureConfig::builder().build().unwrap().plan();
            Applier::new(&unknowing).clean_all(&plan).unwrap();
            let after = all_there_is(&net, backend);
            assert!(
                before == after.replace("\n\n", "\n"),
                "{backend:?} {preset:?}\n{}",
                difference(&before, &after)
            );
        }
    }
}

/// What TPROXY adds beside its chains goes too, though the caller knows nothing of the mode.
#[test]
fn clean_all_removes_what_another_mode_made_ipt_hst_03() {
    const TEST: &str = "clean_all_removes_what_another_mode_made";
    for backend in backends(TEST) {
        let Some(net) = Net::new(TEST) else { return };
        plant_foreign(&net, backend);
        let before = all_there_is(&net, backend);
        install(&config(&net, backend, &["-b", "*", "-i", "*", "-m", "TPROXY"]));
        assert!(net.pod.sh("ip rule").contains("lookup 133"));
        let unknowing = super::rig::bare_options(&net.pod);
        let plan = CaptureConfig::builder().enable_ipv6().build().unwrap().removal_plan();
        Applier::new(&unknowing).clean_all(&plan).unwrap();
        let after = all_there_is(&net, backend);
        assert!(before == after.replace("\n\n", "\n"), "{backend:?}\n{}", difference(&before, &after));
    }
}

/// Rules of nftables beside those of iptables are seen.
#[test]
fn nftables_beside_iptables_is_a_difference() {
    const TEST: &str = "nftables_beside_iptables_is_a_difference";
    if !backends(TEST).contains(&Backend::Native) {
        return;
    }
    for backend in backends(TEST).into_iter().filter(|backend| *backend != Backend::Native) {
        let Some(net) = Net::new(TEST) else { return };
        let wanted = config(&net, backend, CONFIGS[0]);
        install(&wanted);
        assert!(verify(&wanted).unwrap().is_in_sync());
        install(&config(&net, Backend::Native, CONFIGS[0]));
        let found = verify(&wanted).unwrap().drifts;
        assert_eq!(found.len(), 1, "{backend:?}: {found:?}");
        assert_eq!(found[0].to_string(), "nft holds tables of Istio's as well, traffic meets both");
    }
}

/// The same rules in another order mean something else: no difference to the check commands, but said.
#[test]
fn another_order_is_said() {
    const TEST: &str = "another_order_is_said";
    for backend in backends(TEST).into_iter().filter(|backend| *backend != Backend::Native) {
        let Some(net) = Net::new(TEST) else { return };
        let wanted = config(&net, backend, CONFIGS[0]);
        install(&wanted);
        assert_eq!(verify(&wanted).unwrap().warnings, [""; 0]);
        let program = backend.program(0);
        net.pod.sh(&format!(
            "{program} -t nat -D ISTIO_OUTPUT -j ISTIO_REDIRECT; {program} -t nat -I ISTIO_OUTPUT 1 -j ISTIO_REDIRECT"
        ));
        let found = verify(&wanted).unwrap();
        assert!(found.is_in_sync(), "{:?}", found.drifts);
        assert_eq!(
            found.warnings,
            ["IPv4 nat ISTIO_OUTPUT: the rules are there in another order; clean and apply again"]
        );
    }
}

/// `APP-20` to `APP-22`: looking changes nothing and does not decide the next look.
#[test]
fn detection_writes_nothing_and_stays_with_its_choice_app_21_22() {
    const TEST: &str = "detection_writes_nothing";
    if Net::new(TEST).is_none() || !backends(TEST).contains(&Backend::Legacy) {
        return;
    }
    let plan = CaptureConfig::builder().build().unwrap().plan();
    let chosen = |namespace: &Namespace| -> Vec<String> {
        let found = Applier::new(&super::rig::bare_options(namespace)).verify(&plan).unwrap();
        found.tools.iter().map(|tool| tool.program.clone()).collect()
    };
    let nft = ["iptables-nft", "ip6tables-nft"];
    let legacy = ["iptables-legacy", "ip6tables-legacy"];

    let fresh = Namespace::new().unwrap();
    assert_eq!(chosen(&fresh), nft);
    assert_eq!(chosen(&fresh), nft);
    assert_eq!(fresh.sh("iptables-legacy-save; iptables-nft-save; nft list ruleset"), "", "it wrote");

    let primed = Namespace::new().unwrap();
    primed.sh(
        "iptables-legacy -t nat -A INPUT -p 255 -j RETURN; iptables-legacy -t nat -D INPUT -p 255 -j RETURN",
    );
    primed.sh("ip6tables-legacy -t nat -S");
    assert!(primed.sh("iptables-legacy-save").lines().count() > 6, "the baseline takes this for rules");
    assert_eq!(chosen(&primed), nft);

    let foreign = Namespace::new().unwrap();
    foreign.sh("iptables-legacy -t nat -N DOCKER; ip6tables-legacy -t filter -A INPUT -j ACCEPT");
    assert_eq!(chosen(&foreign), legacy);
    // Istio's chains in nft weigh more than somebody's rules in legacy.
    foreign.sh("iptables-nft -t nat -N ISTIO_OUTPUT");
    assert_eq!(chosen(&foreign), ["iptables-nft", "ip6tables-legacy"]);

    // TRB-03, DIA-01: rules in both variants.
    let both = Namespace::new().unwrap();
    both.sh("iptables-nft -t nat -N ISTIO_OUTPUT; iptables-legacy -t nat -N ISTIO_OUTPUT");
    let found = Applier::new(&super::rig::bare_options(&both)).verify(&plan).unwrap();
    let drifts: Vec<String> = found.drifts.iter().map(ToString::to_string).collect();
    assert!(
        drifts.contains(&"iptables-nft holds chains of Istio's as well, traffic meets both".to_owned()),
        "{drifts:?}"
    );
}
