//! What fails leaves nothing behind and says so (`TST-19`).

use mesh_iptables::apply::{Applier, ApplyErrorKind, Outcome};
use mesh_iptables::{AmbientConfig, AmbientPod, CaptureConfig};

use super::rig::{Backend, Net, apply, backends, bare_options, config, install, options, verify};

const TPROXY: [&str; 10] = ["-b", "*", "-i", "*", "-m", "TPROXY", "-u", "1337", "-g", "1337"];

fn rules(net: &Net, backend: Backend) -> String {
    let dump = backend.dump(&net.pod);
    let kept = dump.lines().filter(|line| line.starts_with("-A") || line.ends_with(" -"));
    kept.collect::<Vec<_>>().join("\n")
}

/// A name nobody has is found out before anything is changed (`IPT-VAL-05`).
#[test]
fn an_unknown_group_changes_nothing_tst_19() {
    const TEST: &str = "an_unknown_group_changes_nothing";
    for backend in backends(TEST) {
        let Some(net) = Net::new(TEST) else { return };
        let variables = [("ISTIO_OUTBOUND_OWNER_GROUPS", "no-such-group")];
        let config = options(&net, backend, &TPROXY).environment(variables).build().unwrap();
        let error = apply(&config).unwrap_err();
        assert_eq!(error.kind(), ApplyErrorKind::Failed, "{error}");
        assert!(error.exit_code().is_some_and(|code| code > 0));
        assert!(error.stderr().contains("no-such-group"), "{}", error.stderr());
        let text = error.to_string();
        let command = ["iptables-nft-restore --", "iptables-legacy-restore --", "nft -f -: exit code 1"];
        assert!(command.iter().any(|command| text.starts_with(command)), "{text}");
        assert!(text.ends_with("; nothing was changed"), "{text}");
        assert_eq!(rules(&net, backend), "");
        assert!(!net.pod.sh("ip rule").contains("133"));
    }
}

/// `SAV-03`: forced, the same rules are refused by the chains that are there, and nothing changes.
#[test]
fn a_second_restore_is_refused_whole_sav_03() {
    const TEST: &str = "a_second_restore_is_refused_whole";
    for backend in backends(TEST).into_iter().filter(|backend| *backend != Backend::Native) {
        let Some(net) = Net::new(TEST) else { return };
        install(&config(&net, backend, &TPROXY));
        let before = rules(&net, backend);
        let forced = options(&net, backend, &TPROXY).args(["--force-apply"]).unwrap().build().unwrap();
        let error = apply(&forced).unwrap_err();
        assert!(error.to_string().contains("line 2 failed"), "{error}");
        assert!(error.to_string().ends_with("; nothing was changed"), "{error}");
        assert_eq!(rules(&net, backend), before);
        assert!(verify(&forced).unwrap().is_in_sync());
    }
}

/// `SAV-04`: what parses need not load, so parsing first does not replace taking back.
#[test]
fn parsing_is_no_validation_sav_04() {
    const TEST: &str = "parsing_is_no_validation";
    if Net::new(TEST).is_none() {
        return;
    }
    const TEXT: &str = "*nat\n-A OUTPUT -j NO_SUCH_CHAIN\nCOMMIT\n";
    let namespace = super::rig::Namespace::new().unwrap();
    assert_eq!(namespace.try_sh("iptables-nft-restore --noflush --test", TEXT).0, Some(0));
    assert_ne!(namespace.try_sh("iptables-nft-restore --noflush", TEXT).0, Some(0));
}

/// `SAV-02`: a restore is whole for a table, not for a family, and a family not for both. What was committed
/// before the failure is taken back.
#[test]
fn a_table_that_fails_takes_the_others_back_sav_02_app_04() {
    const TEST: &str = "a_table_that_fails_takes_the_others_back";
    for backend in backends(TEST).into_iter().filter(|backend| *backend != Backend::Native) {
        for family in 0..2 {
            let Some(net) = Net::new(TEST) else { return };
            // The tables come in the order of their names: mangle is in when nat fails at this chain.
            let program = backend.program(family);
            net.pod.sh(&format!("{program} -t nat -N ISTIO_OUTPUT; {program} -t mangle -N OTHER"));
            let before = rules(&net, backend);
            let config = config(&net, backend, &TPROXY);

            // Past the library: the part before the failure stays.
            let text = config.plan().restore_input(mesh_iptables::Family::BOTH[family]);
            let (code, _, _) = net.pod.try_sh(backend.restore(family), &text);
            assert_ne!(code, Some(0));
            assert!(rules(&net, backend).contains("ISTIO_TPROXY"), "{backend:?} should not be atomic");
            net.pod.sh(&format!(
                "{program} -t mangle -F; for c in DIVERT TPROXY INBOUND; do {program} -t mangle -X ISTIO_$c; done"
            ));
            assert_eq!(rules(&net, backend), before);

            let error = apply(&config).unwrap_err();
            assert_eq!(rules(&net, backend), before, "{backend:?}, family {family}: {error}");
            let text = error.to_string();
            let undone = ["; what this run had added was removed again", "; nothing was changed"];
            assert!(undone.iter().any(|end| text.contains(end)), "{text}");
            if backend == Backend::Nft {
                // This variant parses past an existing chain, so the restore itself had to fail.
                assert!(text.contains(undone[0]), "{text}");
                assert!(text.contains("Chain already exists"), "{text}");
            }
            let ip = net.pod.sh("ip rule; ip -6 rule; ip -o addr show dev lo");
            assert!(!ip.contains("133") && !ip.contains("::6"), "{ip}");
        }
    }
}

/// `TRB-05`: `::6` cannot be added, so the rules that need it do not stay.
#[test]
fn ipv6_off_on_lo_takes_everything_back_tst_19() {
    const TEST: &str = "ipv6_off_on_lo_takes_everything_back";
    for backend in backends(TEST) {
        let Some(net) = Net::new(TEST) else { return };
        net.pod.sh("echo 1 > /proc/sys/net/ipv6/conf/lo/disable_ipv6");
        let error = apply(&config(&net, backend, &TPROXY)).unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("ip -6 addr add ::6/128 dev lo: exit code 2: "), "{text}");
        assert!(text.ends_with("; what this run had added was removed again"), "{text}");
        assert_eq!(rules(&net, backend), "");
        assert!(!Backend::Native.dump(&net.pod).contains("istio-proxy"));
        // An ambient pod does without its IPv6 route (AMB-13).
        if backend == Backend::Nft {
            let report = Applier::new(&bare_options(&net.pod))
                .apply(&AmbientConfig::new().enable_ipv6().pod_plan(&AmbientPod::default()))
                .unwrap();
            assert_eq!(report.warnings, ["IPv6 is disabled on lo, its local route was left out"]);
        }
    }
}

/// `AMB-15`, `NFT-50`: rules that name a set nobody made.
#[test]
fn a_missing_set_is_refused_tst_19() {
    const TEST: &str = "a_missing_set_is_refused";
    let Some(net) = Net::new(TEST) else { return };
    let plan = AmbientConfig::new().enable_ipv6().host_plan();
    for backend in backends(TEST) {
        if backend == Backend::Native {
            let native = AmbientConfig::new().enable_ipv6().host_nftables_plan(0);
            let (code, _, err) = net.pod.try_sh("nft -f -", &native.transaction());
            assert!(code == Some(1) && err.contains("istio-inpod-probes-v4"), "{err}");
            // The library makes the sets in the same transaction, and leaves them to their owner.
            let applier = Applier::new(&bare_options(&net.pod));
            applier.apply_nftables(&native).unwrap();
            net.pod.sh("nft add element inet istio-ambient-nat istio-inpod-probes-v4 { 10.1.1.1 }");
            assert!(applier.verify_nftables(&native).unwrap().is_in_sync());
            applier.apply_nftables(&native).unwrap();
            applier.clean_nftables(&native).unwrap();
            let left = Backend::Native.dump(&net.pod);
            assert!(left.contains("10.1.1.1") && !left.contains("snat"), "{left}");
        } else {
            let forced = options(&net, backend, &[]).build().unwrap();
            let error = Applier::new(forced.apply_options()).apply(&plan).unwrap_err();
            assert!(error.stderr().contains("istio-inpod-probes-v4"), "{error}");
            assert!(error.to_string().ends_with("; nothing was changed"), "{error}");
            assert_eq!(rules(&net, backend), "");
        }
    }
}

#[test]
fn a_namespace_that_is_not_there_ipt_cfg_27() {
    if Net::new("a_namespace_that_is_not_there").is_none() {
        return;
    }
    let config =
        CaptureConfig::builder().args(["--network-namespace", "/proc/none/ns/net"]).unwrap().build().unwrap();
    let error = apply(&config).unwrap_err();
    assert_eq!(error.kind(), ApplyErrorKind::Namespace);
    assert_eq!(
        error.to_string(),
        "network namespace `/proc/none/ns/net` cannot be opened: No such file or directory (os error 2)"
    );
}

/// `APP-11`, `TRB-04`: with the files of the machine but the lock of the pod.
#[test]
fn a_pods_lock_is_its_namespace_app_11() {
    const TEST: &str = "a_pods_lock_is_its_namespace";
    if !backends(TEST).contains(&Backend::Legacy) {
        return;
    }
    let Some(net) = Net::new(TEST) else { return };
    let config = options(&net, Backend::Legacy, &["--cni-mode", "-b", "*"]).build().unwrap();
    let report = apply(&config).unwrap();
    assert_eq!(report.outcome, Outcome::Applied);
    assert_eq!(report.warnings, [""; 0]);
    let lock = ("XTABLES_LOCKFILE".to_owned(), net.pod.path());
    for command in report.commands.iter().filter(|command| command.program.ends_with("-restore")) {
        assert_eq!(command.environment, std::slice::from_ref(&lock), "{command}");
    }
    assert!(verify(&config).unwrap().is_in_sync());
    // The machine's own files are as they were.
    assert!(!std::fs::read_to_string("/proc/self/mounts").unwrap().contains("nsswitch"));
}
