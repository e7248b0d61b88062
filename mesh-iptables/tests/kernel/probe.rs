//! The self-test and live connections (`TST-20`, `APP-40` to `APP-42`).

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use mesh_iptables::apply::ApplyErrorKind;
use mesh_iptables::apply::probe::Probe;
use nix::unistd::{Gid, Uid, setfsgid, setfsuid};

use super::rig::{FAMILIES, Net, PEER, POD, backends, clean, config, install};
use super::traffic::{APP, Want, differs, everyone, to};

const ARGS: [&str; 4] = ["-b", "*", "-i", "*"];

/// Runs the self-test as this user.
fn test_as(net: &Net, user: u32, ipv6: bool) -> Result<(), ApplyErrorKind> {
    let mut probe = Probe::new(ipv6);
    probe.timeout = Duration::from_millis(600);
    net.pod.enter(|| {
        setfsgid(Gid::from_raw(user));
        setfsuid(Uid::from_raw(user));
        probe.run(None).map_err(|error| error.kind())
    })
}

/// `APP-41`: only a proxy's own call is captured, and not with a loopback range that holds 127.0.0.6.
#[test]
fn the_self_test_tells_whether_rules_are_in_force_app_40_41() {
    const TEST: &str = "the_self_test";
    for backend in backends(TEST) {
        let Some(net) = Net::new(TEST) else { return };
        assert_eq!(test_as(&net, 1337, false), Err(ApplyErrorKind::Validation), "{backend:?}: no rules");
        install(&config(&net, backend, &ARGS));
        for ipv6 in [false, true] {
            assert_eq!(test_as(&net, 1337, ipv6), Ok(()), "{backend:?}, IPv6 {ipv6}");
        }
        assert_eq!(test_as(&net, 1000, false), Err(ApplyErrorKind::Validation), "{backend:?}: not the proxy");
        clean(&config(&net, backend, &ARGS)).unwrap();
        let wide = [("ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR", "127.0.0.1/8")];
        let wide = super::rig::options(&net, backend, &ARGS).environment(wide).build().unwrap();
        install(&wide);
        assert_eq!(test_as(&net, 1337, false), Err(ApplyErrorKind::Validation), "{backend:?}: wide loopback");
    }
}

/// `APP-42`: any tracked flow has an original destination, its own if nobody redirected it; an untracked one has
/// none.
#[test]
fn an_original_destination_proves_no_redirection_app_42() {
    const TEST: &str = "an_original_destination";
    let Some(net) = Net::new(TEST) else { return };
    let _listeners = everyone(&net);
    for family in FAMILIES {
        let target = to(POD[family], 8080);
        let untracked = APP.tcp(&net.peer, target).unwrap();
        assert_eq!(untracked.meant, None);
    }
    for backend in backends(TEST) {
        install(&config(&net, backend, &["-b", "80"]));
        for family in FAMILIES {
            let target = to(POD[family], 8080);
            let answer = APP.tcp(&net.peer, target).unwrap();
            assert_eq!((answer.port, answer.meant), (8080, Some(target)), "{backend:?}");
        }
        clean(&config(&net, backend, &["-b", "80"])).unwrap();
    }
}

/// A connection that echoes one byte at a time.
struct Live {
    client: TcpStream,
    server: TcpStream,
}

impl Live {
    fn open(net: &Net, port: u16) -> Self {
        let address = to(PEER[0], port);
        let listener = net.peer.enter(|| TcpListener::bind(address).unwrap());
        let client = net.pod.enter(|| TcpStream::connect(address).unwrap());
        let (server, _) = listener.accept().unwrap();
        for stream in [&client, &server] {
            stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        }
        Self { client, server }
    }

    /// Whether a byte still makes it there and back.
    fn works(&mut self) -> bool {
        let mut byte = [0];
        let there = self.client.write_all(b"x").is_ok() && self.server.read_exact(&mut byte).is_ok();
        there && self.server.write_all(b"y").is_ok() && self.client.read_exact(&mut byte).is_ok()
    }
}

/// `APP-30`, `APP-31`, `TST-20`
#[test]
fn live_connections_survive_only_if_they_were_tracked_tst_20() {
    const TEST: &str = "live_connections";
    for backend in backends(TEST) {
        // Tracked before: the flow keeps what was decided for it.
        let Some(net) = Net::new(TEST) else { return };
        let _listeners =
            super::traffic::Listeners::tcp(&net.pod, "pod", &[15001], super::traffic::Kind::Plain);
        net.pod.sh("nft 'add table ip t; add chain ip t c { type filter hook output priority 0; }; add rule ip t c ct state new accept'");
        let mut live = Live::open(&net, 7001);
        assert!(live.works());
        install(&config(&net, backend, &ARGS));
        assert!(live.works(), "{backend:?}: a tracked flow was cut");
        assert_eq!(differs(&net.pod, APP, to(PEER[0], 7001), Want::Redirect(15001)), None);

        // APP-31: a redirected flow outlives the rules.
        let mut redirected = net.pod.enter(|| TcpStream::connect(to(PEER[0], 7002)).unwrap());
        clean(&config(&net, backend, &ARGS)).unwrap();
        let mut line = String::new();
        redirected.read_to_string(&mut line).unwrap();
        assert!(line.starts_with("pod 15001 "), "{line}");

        // Not tracked before: picked up in the middle as a new flow, and cut.
        let Some(net) = Net::new(TEST) else { return };
        let _listeners =
            super::traffic::Listeners::tcp(&net.pod, "pod", &[15001], super::traffic::Kind::Plain);
        let mut live = Live::open(&net, 7003);
        assert!(live.works());
        install(&config(&net, backend, &ARGS));
        assert!(!live.works(), "{backend:?}: an untracked flow survived");
    }
}
