//! The simulator says what real connections do (`TST-18`): random configurations, random packets.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;

use mesh_iptables::{
    CaptureConfig, Delivery, NameServers, Namespace, OwnerId, Packet, Port, Protocol, Ruleset, Verdict,
};

use super::rig::{
    Backend, FAMILIES, LOOPBACK, Net, OTHER, PEER, POD, SELF, VIP, apply, backends, clean, options, say,
    verify,
};
use super::traffic::{Answer, Caller, Kind, everyone_but, ip, to};

/// How many configurations each backend meets.
const CONFIGURATIONS: u64 = 30;
/// How many packets each configuration meets.
const PACKETS: usize = 16;

/// A small generator with a fixed beginning: every run asks the same.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[usize::try_from(self.next() % from.len() as u64).unwrap()]
    }

    fn chance(&mut self, one_in: u64) -> bool {
        self.next().is_multiple_of(one_in)
    }

    /// Some of these, as a list.
    fn some(&mut self, from: &[&str], most: u64) -> String {
        let count = self.next() % (most + 1);
        (0..count).map(|_| self.pick(from)).collect::<Vec<_>>().join(",")
    }
}

const PORTS: [&str; 9] = ["1", "22", "53", "80", "443", "3306", "8080", "9999", "65535"];
const RANGES: [&str; 8] = [
    "10.77.0.0/24",
    "10.96.0.0/16",
    "10.0.0.0/8",
    "127.1.2.3/32",
    "0.0.0.0/0",
    "fd00:77::/64",
    "fd00::/8",
    "::/0",
];

/// Options of one random configuration.
fn arguments(dice: &mut Dice) -> Vec<String> {
    let mut args: Vec<String> = Vec::new();
    let mut add = |flag: &str, value: String| args.extend([flag.to_owned(), value]);
    let inbound = if dice.chance(2) { "*".to_owned() } else { dice.some(&PORTS, 3) };
    add("-b", inbound);
    add("-d", dice.some(&PORTS, 2));
    let outbound = if dice.chance(2) { "*".to_owned() } else { dice.some(&RANGES, 3) };
    add("-i", outbound);
    if dice.chance(3) {
        add("-x", dice.some(&RANGES[..3], 1));
    }
    add("-q", dice.some(&PORTS, 2));
    add("-o", dice.some(&PORTS, 2));
    if dice.chance(4) {
        add("-c", dice.pick(&["eth0", "eth9"]).to_owned());
    }
    if dice.chance(4) {
        add("-k", dice.pick(&["eth0", "tap0"]).to_owned());
    }
    if dice.chance(3) {
        add("-m", "TPROXY".to_owned());
    }
    add("-u", dice.pick(&["1337", "1337,1000", "3"]).to_owned());
    add("-g", dice.pick(&["1337", "202", "1337,7"]).to_owned());
    if dice.chance(3) {
        args.push("--redirect-dns".to_owned());
        if dice.chance(2) {
            args.push("--capture-all-dns".to_owned());
        }
    }
    if dice.chance(4) {
        args.push("--drop-invalid".to_owned());
    }
    args
}

fn configuration(net: &Net, backend: Backend, args: &[String], dice: &mut Dice) -> CaptureConfig {
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let servers = NameServers::from_resolv_conf(&format!("nameserver {}\nnameserver {}\n", VIP[0], VIP[1]));
    let groups = match dice.next() % 6 {
        0 => [("ISTIO_OUTBOUND_OWNER_GROUPS", "202,1000"), ("", "")],
        1 => [("ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE", "202"), ("", "")],
        2 => [("ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR", "127.0.0.1/8"), ("", "")],
        _ => [("", ""), ("", "")],
    };
    options(net, backend, &args).name_servers(servers).environment(groups).build().unwrap()
}

/// A random connection: who, from where, to where.
struct Attempt {
    from_peer: bool,
    caller: Caller,
    target: SocketAddr,
    udp: bool,
}

impl Attempt {
    fn random(dice: &mut Dice) -> Self {
        let family = dice.pick(&FAMILIES);
        let from_peer = dice.chance(3);
        let port = dice.pick(&[22, 53, 80, 443, 3306, 8080, 9999, 15001, 15006, 15008, 15020, 15090]);
        let loopbacks = if family == 0 { [LOOPBACK[0], "127.0.0.2", "127.1.2.3"] } else { [LOOPBACK[1]; 3] };
        let address = if from_peer {
            POD[family]
        } else {
            dice.pick(&[
                POD[family],
                PEER[family],
                VIP[family],
                OTHER[family],
                loopbacks[0],
                loopbacks[1],
                loopbacks[2],
            ])
        };
        let ids =
            [(1000, 1000), (1337, 1337), (1000, 1337), (1337, 1000), (0, 0), (3, 202), (1001, 202), (0, 7)];
        let (uid, gid) = dice.pick(&ids);
        let caller = Caller::new(uid, gid);
        let own = !from_peer && (address == POD[family] || address.starts_with("127."));
        let caller = if own && dice.chance(6) { caller.from(SELF[family]) } else { caller };
        // Only queries: other datagrams have nobody to answer them everywhere.
        let udp =
            !from_peer && dice.chance(6) && [PEER[family], VIP[family], OTHER[family]].contains(&address);
        let port = if udp { dice.pick(&[53, 443]) } else { port };
        Self { from_peer, caller, target: to(address, port), udp }
    }

    fn packet(&self) -> Packet {
        let packet = if self.from_peer {
            Packet::arriving(self.target).source(ip(PEER[usize::from(self.target.is_ipv6())]))
        } else {
            Packet::out(self.target).owner(self.caller.uid, self.caller.gid)
        };
        let packet = match self.caller.from {
            Some(from) => packet.source(from.ip()),
            None => packet,
        };
        if self.udp { packet.protocol(Protocol::Udp) } else { packet }
    }

    fn connect(&self, net: &Net) -> Result<Answer, String> {
        let namespace = if self.from_peer { &net.peer } else { &net.pod };
        if self.udp {
            self.caller.udp(namespace, self.target).map(|(answer, _)| answer)
        } else {
            self.caller.tcp(namespace, self.target)
        }
    }
}

/// Where the simulator says somebody must answer: namespace, port of the listener, and its own address.
fn foretold(
    rules: &Ruleset,
    attempt: &Attempt,
    namespace: &Namespace,
) -> (String, &'static str, u16, SocketAddr) {
    let found = rules.simulate(&attempt.packet(), namespace);
    assert!(found.is_certain(), "{found:#}");
    let who = match found.delivery() {
        Delivery::Local => "pod",
        Delivery::Leaves(_) => "peer",
        Delivery::Forwarded(_) | Delivery::Dropped => "nobody",
        other => panic!("{other:?}"),
    };
    let port = match found.verdict() {
        Verdict::Tproxy { port, .. } => port,
        _ => found.destination().port(),
    };
    (format!("{found}"), who, port, found.destination())
}

/// `TST-18`: "who answered" and the original destination, on every backend.
#[test]
fn the_simulator_agrees_with_the_kernel_tst_18() {
    const TEST: &str = "the_simulator_agrees_with_the_kernel";
    let (mut failures, mut tally) = (String::new(), BTreeMap::<&str, u32>::new());
    for backend in backends(TEST) {
        let Some(net) = Net::new(TEST) else { return };
        let _listeners = everyone_but(&net, Kind::Transparent);
        for seed in 0..CONFIGURATIONS {
            let mut dice = Dice(seed);
            let args = arguments(&mut dice);
            let config = configuration(&net, backend, &args, &mut dice);
            let (plan, native) = (config.plan(), config.nftables_plan());
            let rules = if backend == Backend::Native { native.ruleset() } else { plan.ruleset() };
            if let Err(error) = apply(&config) {
                panic!("{backend:?} {}: {error}", args.join(" "));
            }
            let state = verify(&config).unwrap();
            assert!(state.is_in_sync(), "{backend:?} {}: {:?}", args.join(" "), state.drifts);
            let pod = Namespace::pod([
                format!("{}/24", POD[0]).parse().unwrap(),
                format!("{}/64", POD[1]).parse().unwrap(),
            ])
            .host_steps(plan.host_steps());
            for _ in 0..PACKETS {
                let attempt = Attempt::random(&mut dice);
                let (walk, who, port, destination) = foretold(&rules, &attempt, &pod);
                let found = attempt.connect(&net);
                let agrees = match &found {
                    Ok(answer) => {
                        let meant = attempt.udp || answer.meant.is_none_or(|meant| meant == attempt.target);
                        answer.who == who
                            && answer.port == port
                            && meant
                            && answer.local.port() == destination.port()
                    }
                    // Nobody listens where it went; where somebody does, he must have answered.
                    Err(_) => !listens(who, destination.ip().is_loopback(), port, attempt.udp),
                };
                if let Some(broken) = invariant(&config, &attempt, &found) {
                    writeln!(failures, "{backend:?} {}: {broken}\n{walk}\nfound {found:?}\n", args.join(" "))
                        .unwrap();
                }
                *tally.entry(if found.is_ok() { "answered" } else { "unanswered" }).or_default() += 1;
                if !agrees {
                    writeln!(failures, "{backend:?} {}\n{walk}\nfound {found:?}\n", args.join(" ")).unwrap();
                }
            }
            clean(&config).unwrap();
        }
    }
    assert!(failures.is_empty(), "{failures}");
    say(&format!("{TEST}: connections {tally:?}"));
    assert!(tally["answered"] > 3 * tally["unanswered"], "most of it proves nothing: {tally:?}");
}

/// What must hold whatever the simulator says: the proxy's own traffic leaves (`INV-01`), and a port that is
/// excluded is not captured (`INV-04`).
fn invariant(
    config: &CaptureConfig,
    attempt: &Attempt,
    found: &Result<Answer, String>,
) -> Option<&'static str> {
    let answer = found.as_ref().ok()?;
    let port = attempt.target.port();
    let direct = answer.port == port;
    let mine = |ids: &[OwnerId], id: u32| ids.iter().any(|own| own.number() == Some(id));
    let is_proxy =
        mine(config.proxy_uids(), attempt.caller.uid) || mine(config.proxy_gids(), attempt.caller.gid);
    let leaves =
        !attempt.from_peer && [PEER, VIP, OTHER].concat().iter().any(|far| ip(far) == attempt.target.ip());
    let listed = |ports: &[Port]| ports.iter().any(|listed| listed.number() == Some(port));
    if is_proxy && leaves && !direct {
        return Some("the proxy's own traffic loops");
    }
    if !attempt.from_peer && leaves && listed(config.outbound_exclude_ports()) && !direct {
        return Some("an excluded outbound port is captured");
    }
    // A virtual interface sends what arrives there outbound before ports are looked at (IPT-VIF-01).
    let plain = attempt.from_peer && config.virtual_interfaces().is_empty();
    if plain && config.inbound_ports().all_except().is_some_and(listed) && !direct {
        return Some("an excluded inbound port is captured");
    }
    None
}

fn listens(who: &str, on_loopback: bool, port: u16, udp: bool) -> bool {
    match (who, udp) {
        ("pod", true) => port == 15053,
        ("pod", false) => {
            [15001, 15006, 15008, 15020, 15021, 15090, 8080, 22, 3306, 53].contains(&port)
                || (port == 15053 && on_loopback)
        }
        ("peer", true) => [53, 443].contains(&port),
        ("peer", false) => [80, 443, 53, 3306].contains(&port),
        _ => false,
    }
}
