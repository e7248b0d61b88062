//! `mesh-proxy iptables` as a user meets it: what it prints, its exit codes, and Istio's flags and variables.
//!
//! What touches a kernel runs in a network namespace that `unshare` makes for one script and that ends with it;
//! without root those tests say that they skip.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail loudly"
)]

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use mesh_iptables::{CaptureConfig, Family};

const BINARY: &str = env!("CARGO_BIN_EXE_mesh-proxy");
const OPTIONS: [&str; 6] = ["-b", "*", "-d", "15090,15021,15020", "-i", "*"];

struct Run {
    code: i32,
    out: String,
    err: String,
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
    }
}

fn run(args: &[&str], variables: &[(&str, &str)]) -> Run {
    let mut command = Command::new(BINARY);
    command.args(args).env_clear().env("PATH", std::env::var_os("PATH").unwrap());
    command.envs(variables.iter().copied()).output().unwrap().into()
}

fn iptables(words: &[&str]) -> Run {
    run(&[&["iptables"], words].concat(), &[])
}

#[test]
fn generate_prints_the_rules_of_both_families() {
    let config = CaptureConfig::builder().args(OPTIONS).unwrap().enable_ipv6().build().unwrap();
    let plan = config.plan();
    let found = iptables(&[&["generate", "--ipv6", "on"][..], &OPTIONS].concat());
    assert_eq!((found.code, found.err.as_str()), (0, ""));
    let want = format!(
        "# iptables-restore --noflush\n{}# ip6tables-restore --noflush\n{}",
        plan.restore_input(Family::Ipv4),
        plan.restore_input(Family::Ipv6)
    );
    assert_eq!(found.out, want);

    let one = iptables(&[&["generate", "--ipv6", "on", "--family", "ipv6"][..], &OPTIONS].concat());
    assert_eq!(one.out, format!("# ip6tables-restore --noflush\n{}", plan.restore_input(Family::Ipv6)));

    let nft = iptables(&[&["generate", "--ipv6", "on", "--native-nftables"][..], &OPTIONS].concat());
    assert_eq!(nft.out, config.nftables_plan().transaction());
    let commands = iptables(&[&["generate", "--ipv6", "on", "--format", "commands"][..], &OPTIONS].concat());
    assert!(commands.out.starts_with("iptables -t nat -N ISTIO_INBOUND\n"), "{}", commands.out);
    assert!(commands.out.ends_with("ip -6 addr add ::6/128 dev lo\n"), "{}", commands.out);
    let json = iptables(&[&["generate", "--ipv6", "on", "--format", "json"][..], &OPTIONS].concat());
    let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(json["ipv6"].as_array().unwrap().len(), plan.rules(Family::Ipv6).len());
    assert_eq!(json["ipv4"][0]["rule"], plan.rules(Family::Ipv4)[0].to_string());
    assert_eq!(json["ipv4"][0]["reason"], plan.rules(Family::Ipv4)[0].reason.to_string());
}

/// `IPT-CFG-01`, as Istio's tool is configured.
#[test]
fn variables_and_flags_mean_what_they_mean_to_istio_ipt_cfg_01() {
    let variables =
        [("ISTIO_INBOUND_PORTS", "80"), ("ISTIO_OUTBOUND_OWNER_GROUPS", "202"), ("INVALID_DROP", "true")];
    let args = ["iptables", "generate", "--ipv6", "off", "-i", "10.0.0.0/8"];
    let want = |args: &[&str]| {
        let config = CaptureConfig::builder().environment(variables).args(args).unwrap().build().unwrap();
        format!("# iptables-restore --noflush\n{}", config.plan().restore_input(Family::Ipv4))
    };
    assert_eq!(run(&args, &variables).out, want(&["-i", "10.0.0.0/8"]));
    let over = [&args[..], &["-b", "443"]].concat();
    assert_eq!(run(&over, &variables).out, want(&["-i", "10.0.0.0/8", "-b", "443"]));
    assert!(run(&over, &variables).out.contains("--dport 443 "));
}

#[test]
fn mistakes_are_named_with_the_option() {
    let cases: [(&[&str], i32, &str); 6] = [
        (
            &["generate", "-i", "10.0.0.1"],
            1,
            "mesh-proxy: istio-service-cidr: `10.0.0.1` is not a range: a length is missing, write `10.0.0.1/32` (IPT-CFG-55)\n",
        ),
        (
            &["verify", "--force-iptables-binary", "old"],
            2,
            "mesh-proxy: force-iptables-binary: `old` is no iptables variant",
        ),
        (&["apply", "--no-such-flag"], 2, "error: unexpected argument '--no-such-flag' found"),
        (
            &["explain", "--packet", "out uid=1 dst=10.0.0.7"],
            2,
            "error: invalid value 'out uid=1 dst=10.0.0.7'",
        ),
        (&["generate", "--resolver", "dns.example"], 2, "error: invalid value 'dns.example'"),
        (
            &["generate", "--ipv6", "off", "--strict", "-b", "080"],
            1,
            "mesh-proxy: istio-inbound-ports: `080` has",
        ),
    ];
    for (words, code, text) in cases {
        let found = iptables(words);
        assert_eq!(found.code, code, "{words:?}: {}", found.err);
        assert!(found.err.starts_with(text), "{words:?}: {}", found.err);
        assert_eq!(found.out, "");
    }
    let loose = iptables(&["generate", "--ipv6", "off", "-b", "080"]);
    assert_eq!(loose.code, 0);
    assert!(loose.err.starts_with("mesh-proxy: warning: istio-inbound-ports: `080` has"), "{}", loose.err);
}

#[test]
fn explain_shows_the_way_and_the_end_of_a_packet() {
    let packet = ["explain", "--ipv6", "off", "--packet", "out uid=1000 dst=10.0.0.7:80"];
    let found = iptables(&[&packet[..], &OPTIONS].concat());
    assert_eq!((found.code, found.err.as_str()), (0, ""));
    let lines: Vec<&str> = found.out.lines().collect();
    assert_eq!(lines[0], "out uid=1000 gid=1000 dst=10.0.0.7:80");
    assert!(found.out.contains("nat OUTPUT 1 "), "{}", found.out);
    assert!(found.out.contains("every other destination is captured (IPT-OUT-14)"), "{}", found.out);
    assert_eq!(*lines.last().unwrap(), "redirected to port 15001: delivered here at 127.0.0.1:15001");
    let full = iptables(&[&packet[..], &["--full"], &OPTIONS].concat());
    assert!(full.out.lines().count() > found.out.lines().count());
    assert!(full.out.contains("- not so: "), "{}", full.out);
    let proxy = ["--packet", "out uid=1337 dst=10.0.0.7:80"];
    let two = iptables(&[&packet[..], &proxy, &OPTIONS].concat());
    assert!(two.out.starts_with(&found.out), "{}", two.out);
    assert!(
        two.out.trim_end().lines().last().unwrap().starts_with("not captured: leaves through "),
        "{}",
        two.out
    );
}

/// `IPT-CFG-22`, `ORD-01`, `ORD-02`
#[test]
fn a_dry_run_lists_and_runs_nothing_ipt_cfg_22() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rules");
    let args = [&["iptables", "apply", "--dry-run", "--ipv6", "on"][..], &OPTIONS].concat();
    let mut command = Command::new(BINARY);
    // No program is there to be run.
    let found: Run = command
        .args(args)
        .env("PATH", folder.path())
        .env("DRY_RUN_FILE_PATH", &file)
        .output()
        .unwrap()
        .into();
    assert_eq!((found.code, found.err.as_str()), (0, ""));
    assert_eq!(
        found.out.lines().collect::<Vec<_>>(),
        [
            "iptables-save",
            "ip6tables-save",
            "iptables-restore --noflush --test",
            "ip6tables-restore --noflush --test",
            "iptables-restore --noflush",
            "ip6tables-restore --noflush",
            "ip -6 addr add ::6/128 dev lo",
            "iptables-save",
            "ip6tables-save",
        ]
    );
    let config = CaptureConfig::builder().args(OPTIONS).unwrap().enable_ipv6().build().unwrap();
    assert_eq!(std::fs::read_to_string(file).unwrap(), config.plan().dry_run_transcript());
}

/// An init container's command line needs no change, be it this program's word or its name.
#[test]
fn istios_own_command_line_runs_as_it_is() {
    let istio = [
        "-p",
        "15001",
        "-z",
        "15006",
        "-u",
        "1337",
        "-m",
        "REDIRECT",
        "-i",
        "*",
        "-x",
        "",
        "-b",
        "*",
        "-d",
        "15090,15021,15020",
        "--log_output_level=default:info",
        "-n",
        "--ipv6",
        "off",
    ];
    let found = run(&[&["istio-iptables"][..], &istio].concat(), &[]);
    assert_eq!((found.code, found.err.as_str()), (0, ""));
    assert!(found.out.ends_with("iptables-restore --noflush\niptables-save\n"), "{}", found.out);
    let folder = tempfile::tempdir().unwrap();
    let name = folder.path().join("istio-iptables");
    std::os::unix::fs::symlink(BINARY, &name).unwrap();
    let named: Run = Command::new(name).args(istio).output().unwrap().into();
    assert_eq!((named.code, named.out), (0, found.out));
}

/// `TRB-01`: the family, and what was found of each variant.
#[test]
fn a_missing_program_is_named_trb_01() {
    let folder = tempfile::tempdir().unwrap();
    let args = [&["iptables", "apply", "--ipv6", "off"][..], &OPTIONS].concat();
    let found: Run = Command::new(BINARY).args(args).env("PATH", folder.path()).output().unwrap().into();
    assert_eq!(found.code, 1);
    let begin = "mesh-proxy: no usable iptables was found: iptables-legacy-save --version: `iptables-legacy-save` is not on the path";
    assert!(found.err.starts_with(begin), "{}", found.err);
    for program in ["iptables-nft-save", "iptables-save"] {
        assert!(
            found.err.contains(&format!("{program} --version: `{program}` is not on the path")),
            "{}",
            found.err
        );
    }
}

/// Runs a script in a namespace of its own with one address, or says why not.
fn in_a_namespace(test: &str, script: &str, variables: &[(&str, &Path)]) -> Option<String> {
    const SETUP: &str = "ip link set lo up
        ip link add eth0 type veth peer name veth0
        ip addr add 10.77.0.2/24 dev eth0
        ip link set eth0 up; ip link set veth0 up
        iptables-nft -t nat -S >/dev/null; nft list ruleset";
    let shell = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["--net", "sh", "-c", script]).env("MESH", BINARY);
        command.envs(variables.iter().copied()).output()
    };
    match shell(&format!("set -e; {SETUP}")) {
        Ok(output) if output.status.success() => {}
        found => {
            let why = found.map_or_else(|error| error.to_string(), |output| Run::from(output).err);
            let text = format!("SKIPPED {test}: no namespace with iptables and nft: {}\n", why.trim());
            std::io::stderr().write_all(text.as_bytes()).unwrap();
            return None;
        }
    }
    let found: Run = shell(&format!("{SETUP}\nexec 2>&1\nset -f\n{script}")).unwrap().into();
    Some(found.out)
}

#[test]
fn rules_come_stay_drift_and_go() {
    let script = r#"
        OPTIONS="-b * -d 15090,15021,15020 -i *"
        say() { "$MESH" iptables "$@"; echo "code $?"; }
        say apply $OPTIONS
        say apply $OPTIONS
        say verify $OPTIONS
        iptables-nft -t nat -D ISTIO_OUTPUT -d 127.0.0.1/32 -j RETURN
        say verify $OPTIONS
        say apply $OPTIONS
        say apply --reconcile $OPTIONS
        say verify $OPTIONS
        say explain --live $OPTIONS --packet 'out dst=127.0.0.1:80' | tail -2
        say clean $OPTIONS
        iptables-nft-save | grep -c -e ISTIO -e DROP
        say apply --native-nftables $OPTIONS
        say verify --native-nftables $OPTIONS
        say clean --all
        nft list ruleset inet
    "#;
    let Some(out) = in_a_namespace("rules_come_stay_drift_and_go", script, &[]) else { return };
    let kept = out.lines().filter(|line| !line.starts_with("mesh-proxy: note: "));
    let text = kept.fold(String::new(), |text, line| text + line + "\n");
    let version = text.split("iptables-nft ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap_or("?");
    let text = text.replace(version, "V");
    // Either both families' programs are there or one; the first is what matters.
    let text = text.replace(" and ip6tables-nft V (nf_tables)", "");
    let want = "\
rules: applied with iptables-nft V (nf_tables), 18 IPv4 rules
code 0
rules: already in place with iptables-nft V (nf_tables), 18 IPv4 rules
code 0
in sync
code 0
IPv4 nat ISTIO_OUTPUT: 8 rules instead of 9
IPv4 nat ISTIO_OUTPUT: the rule `-d 127.0.0.1/32 -j RETURN` is missing
code 1
mesh-proxy: iptables-nft-restore --noflush: exit code 1 (other problem): line 2 failed: Chain already exists; nothing was changed; other rules of Istio's are in the way, `--reconcile` replaces them
code 1
rules: repaired with iptables-nft V (nf_tables), 18 IPv4 rules
code 0
in sync
code 0
not captured: delivered here at 127.0.0.1:80
code 0
";
    assert!(text.starts_with(want), "{text}");
    let rest = &text[want.len()..];
    assert!(rest.starts_with("rules: removed with iptables-nft V (nf_tables)\n"), "{rest}");
    assert!(rest.contains("code 0\n0\nrules: applied with nft, "), "{rest}");
    assert!(rest.contains("\nin sync\ncode 0\nrules: removed"), "{rest}");
    assert!(rest.ends_with("\ncode 0\n"), "native tables are left: {rest}");
}

/// `APP-01`: nothing passes while rules are replaced; afterwards the guardrails are gone, also when the restore
/// fails, and then the former rules are back.
#[test]
fn guardrails_are_up_during_a_repair_and_gone_after_it_app_01() {
    let folder = tempfile::tempdir().unwrap();
    let wrapper = folder.path().join("iptables-nft-restore");
    let text = r#"#!/bin/sh
real=/usr/sbin/iptables-nft-restore
case "$*" in
*--test*) exec $real "$@" ;;
*--noflush*) iptables-nft-save -t filter >>"$SEEN"
    if [ -e "$SEEN.fail" ]; then cat >/dev/null; echo "iptables-restore: made to fail" >&2; exit 4; fi ;;
esac
exec $real "$@"
"#;
    std::fs::write(&wrapper, text).unwrap();
    std::fs::set_permissions(&wrapper, std::fs::Permissions::from_mode(0o755)).unwrap();
    let seen = folder.path().join("seen");
    let script = r#"
        OPTIONS="--ipv6 off -b * -i *"
        PATH="$WRAP:$PATH"
        iptables-nft -t nat -A OUTPUT -p tcp --dport 9 -j RETURN
        "$MESH" iptables apply $OPTIONS >/dev/null 2>&1; : >"$SEEN"
        iptables-nft -t nat -I ISTIO_INBOUND 1 -p tcp --dport 5 -j RETURN
        iptables-nft-save | grep -v '^#' | sed 's/ \[.*//' >"$SEEN.before"
        touch "$SEEN.fail"
        "$MESH" iptables apply --reconcile $OPTIONS 2>&1 | grep -v note:
        iptables-nft-save | grep -v '^#' | sed 's/ \[.*//' | grep -v -e '^:INPUT' -e '^:FORWARD' -e '^:OUTPUT' -e '^.filter' >"$SEEN.after"
        grep -v -e '^:INPUT' -e '^:FORWARD' -e '^:OUTPUT' "$SEEN.before" | diff - "$SEEN.after" | grep -e '^[<>] [-:]'
        echo guarded $(grep -c -e '-j DROP' "$SEEN")
        rm "$SEEN.fail"
        "$MESH" iptables apply --reconcile $OPTIONS 2>&1 | grep -v note:
        iptables-nft-save | grep -c -e DROP -e 'dport 5 '
        iptables-nft-save | grep -c 'dport 9 '
    "#;
    let variables = [("SEEN", seen.as_path()), ("WRAP", folder.path())];
    let Some(out) = in_a_namespace("guardrails_are_up_during_a_repair", script, &variables) else { return };
    let mut lines = out.lines();
    assert_eq!(
        lines.next(),
        Some(
            "mesh-proxy: iptables-nft-restore --noflush: exit code 4 (resource problem): made to fail; the former rules are back"
        ),
        "{out}"
    );
    assert_eq!(lines.next(), Some("guarded 6"), "{out}");
    assert!(lines.next().unwrap().starts_with("rules: repaired with "), "{out}");
    assert_eq!(lines.collect::<Vec<_>>(), ["0", "1"], "{out}");
}

/// `APP-01`: asked to end in the middle, the repair is finished first.
#[test]
fn a_signal_waits_until_the_guardrails_are_gone_app_01() {
    let folder = tempfile::tempdir().unwrap();
    let wrapper = folder.path().join("iptables-nft-restore");
    let text = r#"#!/bin/sh
case "$*" in
*--test*) ;;
*) touch "$SEEN"; sleep 1 ;;
esac
exec /usr/sbin/iptables-nft-restore "$@"
"#;
    std::fs::write(&wrapper, text).unwrap();
    std::fs::set_permissions(&wrapper, std::fs::Permissions::from_mode(0o755)).unwrap();
    let seen = folder.path().join("seen");
    let script = r#"
        OPTIONS="--ipv6 off -b * -i *"
        "$MESH" iptables apply $OPTIONS >/dev/null 2>&1
        iptables-nft -t nat -I ISTIO_INBOUND 1 -p tcp --dport 5 -j RETURN
        PATH="$WRAP:$PATH" "$MESH" iptables apply --reconcile $OPTIONS >/dev/null 2>&1 &
        pid=$!
        while [ ! -e "$SEEN" ]; do sleep 0.05; done
        kill -TERM $pid
        echo during $(iptables-nft-save -t filter | grep -c -e '-j DROP')
        wait $pid
        echo code $?
        iptables-nft-save | grep -c -e DROP -e 'dport 5 '
        "$MESH" iptables verify $OPTIONS 2>/dev/null
    "#;
    let variables = [("SEEN", seen.as_path()), ("WRAP", folder.path())];
    let Some(out) = in_a_namespace("a_signal_waits", script, &variables) else { return };
    // 143 is SIGTERM, taken in the end.
    let lines: Vec<&str> = out.lines().filter(|line| !line.contains("Terminated")).collect();
    assert_eq!(lines, ["during 6", "code 143", "0", "in sync"], "{out}");
}

/// `APP-23`: a family's missing program matters only if the family is on.
#[test]
fn ip6tables_is_needed_only_for_ipv6_app_23() {
    let folder = tempfile::tempdir().unwrap();
    let script = r#"
        for program in iptables-nft iptables-nft-save iptables-nft-restore ip; do
            ln -s "$(command -v $program)" "$WRAP/$program"
        done
        OPTIONS="-b * -i * -d 15090,15021,15020"
        PATH="$WRAP" "$MESH" iptables apply $OPTIONS --ipv6 off 2>&1; echo code $?
        PATH="$WRAP" "$MESH" iptables verify $OPTIONS --ipv6 off; echo code $?
        PATH="$WRAP" "$MESH" iptables clean $OPTIONS; echo code $?
        PATH="$WRAP" "$MESH" iptables apply $OPTIONS --ipv6 on 2>&1; echo code $?
        iptables-nft-save | grep -c ISTIO
    "#;
    let variables = [("WRAP", folder.path())];
    let Some(out) = in_a_namespace("ip6tables_is_needed_only_for_ipv6", script, &variables) else { return };
    let lines: Vec<&str> = out.lines().collect();
    assert!(
        lines[0].starts_with("rules: applied with iptables-nft ") && lines[0].ends_with(", 18 IPv4 rules"),
        "{out}"
    );
    assert_eq!(lines[1..4], ["code 0", "in sync", "code 0"], "{out}");
    assert!(lines[4].starts_with("rules: removed with iptables-nft "), "{out}");
    assert_eq!(lines[5], "code 0", "{out}");
    assert!(
        lines[6].starts_with("mesh-proxy: no usable ip6tables was found: ip6tables-legacy-save "),
        "{out}"
    );
    assert_eq!(lines[7..], ["code 1", "0"], "{out}");
}
