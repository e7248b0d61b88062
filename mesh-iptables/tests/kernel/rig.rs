//! Namespaces, backends, and rules in them.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::AsRawFd as _;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Duration;

use mesh_iptables::apply::{Applier, ApplyError, Report, Verification};
use mesh_iptables::{ApplyOptions, CaptureConfig, CaptureConfigBuilder};
use nix::sched::{CloneFlags, setns, unshare};

/// Addresses by family: IPv4, IPv6.
pub const POD: [&str; 2] = ["10.77.0.2", "fd00:77::2"];
pub const PEER: [&str; 2] = ["10.77.0.1", "fd00:77::1"];
pub const VIP: [&str; 2] = ["10.96.0.10", "fd00:96::a"];
/// Another address of the peer, which no configuration names.
pub const OTHER: [&str; 2] = ["10.99.0.9", "fd00:99::9"];
pub const LOOPBACK: [&str; 2] = ["127.0.0.1", "::1"];
pub const SELF: [&str; 2] = ["127.0.0.6", "::6"];
pub const FAMILIES: [usize; 2] = [0, 1];

/// Written past the test harness, which hides what a passing test prints.
pub fn say(text: &str) {
    std::io::stderr().write_all(format!("{text}\n").as_bytes()).unwrap();
}

/// A network namespace without a name: it ends with the last that holds it, whatever happens to the test.
pub struct Namespace(File);

impl Namespace {
    pub fn new() -> nix::Result<Self> {
        let made = std::thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET)?;
            File::open("/proc/thread-self/ns/net").map_err(|_| nix::Error::ENOENT)
        });
        made.join().unwrap().map(Self)
    }

    /// Runs `work` on a thread of its own inside.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                setns(&self.0, CloneFlags::CLONE_NEWNET).unwrap();
                work()
            });
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// A path by which other processes can open it.
    pub fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd())
    }

    /// Runs a shell script inside; it must succeed.
    pub fn sh(&self, script: &str) -> String {
        let (code, out, err) = self.try_sh(script, "");
        assert_eq!(code, Some(0), "{script}\n{out}{err}");
        out
    }

    /// Runs a shell script inside, with this input.
    pub fn try_sh(&self, script: &str, input: &str) -> (Option<i32>, String, String) {
        self.enter(|| {
            let mut child = Command::new("sh")
                .args(["-ec", script])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            // A program that reads nothing closes its end.
            let _closed = child.stdin.take().unwrap().write_all(input.as_bytes());
            let done = child.wait_with_output().unwrap();
            let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
            (done.status.code(), text(&done.stdout), text(&done.stderr))
        })
    }
}

/// The pod, and the peer it talks to.
pub struct Net {
    pub pod: Namespace,
    pub peer: Namespace,
}

impl Net {
    /// Two namespaces joined by a pair of interfaces, or `None` after saying why not.
    pub fn new(test: &str) -> Option<Self> {
        if let Err(reason) = &*AVAILABLE {
            say(&format!("SKIPPED {test}: {reason}"));
            return None;
        }
        let made = READY.lock().unwrap_or_else(PoisonError::into_inner).recv();
        Some(made.expect("namespaces are made as long as they are taken"))
    }

    fn make() -> Self {
        let net = Self { pod: Namespace::new().unwrap(), peer: Namespace::new().unwrap() };
        net.pod.sh(&format!(
            "ip link set lo up
             ip link add eth0 type veth peer name veth0 netns {}
             ip addr add {}/24 dev eth0
             ip -6 addr add {}/64 dev eth0 nodad
             ip link set eth0 up",
            net.peer.path(),
            POD[0],
            POD[1],
        ));
        net.peer.sh(&format!(
            "ip link set lo up
             ip addr add {}/24 dev veth0
             ip -6 addr add {}/64 dev veth0 nodad
             ip addr add {}/32 dev lo
             ip -6 addr add {}/128 dev lo
             ip addr add {}/32 dev lo
             ip -6 addr add {}/128 dev lo
             ip link set veth0 up",
            PEER[0], PEER[1], VIP[0], VIP[1], OTHER[0], OTHER[1],
        ));
        net.pod.sh(&format!("ip route add default via {}; ip -6 route add default via {}", PEER[0], PEER[1]));
        net.settle();
        net
    }

    /// Waits until packets pass: IPv6 addresses are usable only some time after the interface is up.
    fn settle(&self) {
        for namespace in [&self.pod, &self.peer] {
            for address in POD.into_iter().chain(PEER) {
                let passes = || {
                    let to = std::net::SocketAddr::new(address.parse().unwrap(), 1);
                    let refused = std::net::TcpStream::connect_timeout(&to, Duration::from_millis(200));
                    refused.unwrap_err().kind() == std::io::ErrorKind::ConnectionRefused
                };
                let passed = namespace.enter(|| {
                    (0..50).any(|_| {
                        passes() || {
                            std::thread::sleep(Duration::from_millis(20));
                            false
                        }
                    })
                });
                assert!(passed, "{address} cannot be reached");
            }
        }
    }
}

/// Pods made ahead: the kernel takes up to a second to see that a pair of interfaces is connected.
static READY: LazyLock<Mutex<Receiver<Net>>> = LazyLock::new(|| {
    let (give, take) = sync_channel(4);
    for _ in 0..4 {
        let give = give.clone();
        std::thread::spawn(move || while give.send(Net::make()).is_ok() {});
    }
    Mutex::new(take)
});

static AVAILABLE: LazyLock<Result<(), String>> = LazyLock::new(|| {
    if !nix::unistd::geteuid().is_root() {
        return Err("this needs root".to_owned());
    }
    let namespace = Namespace::new().map_err(|error| format!("no network namespace can be made: {error}"))?;
    for tool in [
        "iptables-nft --version",
        "nft --version",
        "ip link add type veth",
        "ip -6 addr add fd00::1/128 dev lo",
    ] {
        let (code, _, err) = namespace.try_sh(tool, "");
        if code != Some(0) {
            return Err(format!("`{tool}` fails: {}", err.trim()));
        }
    }
    Ok(())
});

/// Whether this kernel has the older tables.
static LEGACY: LazyLock<bool> = LazyLock::new(|| {
    let listing = "iptables-legacy -t nat -S && ip6tables-legacy -t nat -S";
    Namespace::new().is_ok_and(|namespace| namespace.try_sh(listing, "").0 == Some(0))
});

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Backend {
    Nft,
    Legacy,
    Native,
}

/// The backends this machine has; the missing one is said (`TST-21`).
pub fn backends(test: &str) -> Vec<Backend> {
    let mut all = vec![Backend::Nft, Backend::Legacy, Backend::Native];
    // Where nothing can be made at all, that is said once, by `Net::new`.
    if AVAILABLE.is_ok() && !*LEGACY {
        say(&format!("SKIPPED {test} with iptables-legacy: `iptables-legacy -t nat -S` fails"));
        all.retain(|backend| *backend != Backend::Legacy);
    }
    all
}

impl Backend {
    /// The programs that show all there is, for comparing before and after.
    pub fn dump(self, namespace: &Namespace) -> String {
        let text = match self {
            Self::Nft => namespace.sh("iptables-nft-save; ip6tables-nft-save"),
            Self::Legacy => namespace.sh("iptables-legacy-save; ip6tables-legacy-save"),
            Self::Native => namespace.sh("nft -s list ruleset"),
        };
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines.map(|line| line.split(" [").next().unwrap()).collect::<Vec<_>>().join("\n")
    }

    /// Restores this text for a family, past the library.
    pub fn restore(self, family: usize) -> &'static str {
        match (self, family) {
            (Self::Nft, 0) => "iptables-nft-restore --noflush",
            (Self::Nft, _) => "ip6tables-nft-restore --noflush",
            (Self::Legacy, 0) => "iptables-legacy-restore --noflush --wait=30",
            (Self::Legacy, _) => "ip6tables-legacy-restore --noflush --wait=30",
            (Self::Native, _) => "nft -f -",
        }
    }

    /// The single-call program of a family.
    pub fn program(self, family: usize) -> &'static str {
        match (self, family) {
            (Self::Nft, 0) => "iptables-nft",
            (Self::Nft, _) => "ip6tables-nft",
            (Self::Legacy, 0) => "iptables-legacy --wait=30",
            (Self::Legacy, _) => "ip6tables-legacy --wait=30",
            (Self::Native, _) => panic!("nft has no such program"),
        }
    }
}

/// A configuration for this pod and backend, IPv6 on.
pub fn options(net: &Net, backend: Backend, args: &[&str]) -> CaptureConfigBuilder {
    let builder = CaptureConfig::builder().args(args).unwrap().enable_ipv6();
    let builder = builder.flag("network-namespace", &net.pod.path()).unwrap();
    match backend {
        Backend::Nft => builder.flag("force-iptables-binary", "nft").unwrap(),
        Backend::Legacy => builder.flag("force-iptables-binary", "legacy").unwrap(),
        Backend::Native => builder.flag("native-nftables", "true").unwrap(),
    }
}

pub fn config(net: &Net, backend: Backend, args: &[&str]) -> CaptureConfig {
    options(net, backend, args).build().unwrap()
}

/// Applies through the library, whichever backend the configuration names.
pub fn apply(config: &CaptureConfig) -> Result<Report, ApplyError> {
    let applier = Applier::new(config.apply_options());
    if config.apply_options().native_nftables {
        applier.apply_nftables(&config.nftables_plan())
    } else {
        applier.apply(&config.plan())
    }
}

pub fn clean(config: &CaptureConfig) -> Result<Report, ApplyError> {
    let applier = Applier::new(config.apply_options());
    if config.apply_options().native_nftables {
        applier.clean_nftables(&config.nftables_plan())
    } else {
        applier.clean(&config.plan())
    }
}

pub fn verify(config: &CaptureConfig) -> Result<Verification, ApplyError> {
    let applier = Applier::new(config.apply_options());
    if config.apply_options().native_nftables {
        applier.verify_nftables(&config.nftables_plan())
    } else {
        applier.verify(&config.plan())
    }
}

/// The options of a namespace without anything else.
pub fn bare_options(namespace: &Namespace) -> ApplyOptions {
    let builder = CaptureConfig::builder().flag("network-namespace", &namespace.path()).unwrap();
    builder.build().unwrap().apply_options().clone()
}

/// Applies, with nothing to warn of.
pub fn install(config: &CaptureConfig) -> Report {
    let report = apply(config).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(report.warnings, [""; 0]);
    report
}
