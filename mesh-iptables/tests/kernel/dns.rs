//! DNS capture with real queries (`TST-14`): the second table of section 6.6, and the zones of its flows.

use mesh_iptables::{CaptureConfig, NameServers};

use super::rig::{Backend, FAMILIES, LOOPBACK, Net, OTHER, POD, VIP, backends, install, options, say};
use super::traffic::{APP, Caller, Listeners, PROXY, Want, differs, everyone, to};

fn configuration(net: &Net, backend: Backend, all: bool) -> CaptureConfig {
    let resolvers = format!("nameserver {}\nnameserver {}\n", VIP[0], VIP[1]);
    let servers = NameServers::from_resolv_conf(&resolvers);
    let builder = options(net, backend, &["-b", "*", "-i", "*", "--redirect-dns"]).name_servers(servers);
    let builder = if all { builder.args(["--capture-all-dns"]).unwrap() } else { builder };
    builder.build().unwrap()
}

/// The complaint about a query that someone else answers, or that is answered from another address.
fn query(net: &Net, caller: Caller, address: &str, want: (&str, u16)) -> Option<String> {
    let target = to(address, 53);
    let found = caller.udp(&net.pod, target);
    let fine = found
        .as_ref()
        .is_ok_and(|(answer, from)| (answer.who.as_str(), answer.port) == want && *from == target);
    (!fine).then(|| format!("{}:{} asks {target}: want {want:?}, found {found:?}", caller.uid, caller.gid))
}

const AGENT: (&str, u16) = ("pod", 15053);
const SERVER: (&str, u16) = ("peer", 53);

#[test]
fn queries_reach_the_agent_or_their_server_tst_14() {
    const TEST: &str = "queries_reach_the_agent_or_their_server";
    let mut failures = Vec::new();
    for backend in backends(TEST) {
        for all in [true, false] {
            let Some(net) = Net::new(TEST) else { return };
            let _listeners = everyone(&net);
            let _local = Listeners::tcp(&net.pod, "pod", &[], super::traffic::Kind::Plain).udp(
                &net.pod,
                "pod",
                &LOOPBACK.map(|address| to(address, 53)),
            );
            install(&configuration(&net, backend, all));
            let group = Caller::new(1000, 1337);
            for family in FAMILIES {
                let (server, other, own) = (VIP[family], OTHER[family], LOOPBACK[family]);
                let captured =
                    |address, port: u16| differs(&net.pod, APP, to(address, 53), Want::Redirect(port));
                let direct = |caller, address| differs(&net.pod, caller, to(address, 53), Want::Direct);
                let mut rows = vec![
                    // OUT-D01
                    query(&net, APP, server, AGENT),
                    captured(server, 15053),
                    // OUT-D02; over TCP an unlisted server is outbound traffic like any other
                    query(&net, APP, other, if all { AGENT } else { SERVER }),
                    captured(other, if all { 15053 } else { 15001 }),
                    // OUT-D03
                    query(&net, PROXY, server, SERVER),
                    query(&net, group, other, SERVER),
                    direct(PROXY, server),
                    // OUT-D04
                    query(&net, APP, own, if all { AGENT } else { ("pod", 53) }),
                    // OUT-D05
                    direct(PROXY, POD[family]),
                ];
                rows.push(if all { captured(own, 15053) } else { direct(APP, own) });
                let named = |row| format!("{backend:?}, {}: {row}", if all { "all" } else { "listed" });
                failures.extend(rows.into_iter().flatten().map(named));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// `SIM-50`: answering from the wildcard address, the agent answers from the wrong one.
#[test]
fn an_agent_on_the_wildcard_address_is_not_understood_sim_50() {
    const TEST: &str = "an_agent_on_the_wildcard_address";
    for backend in backends(TEST) {
        let Some(net) = Net::new(TEST) else { return };
        let wildcard = Listeners::tcp(&net.pod, "pod", &[], super::traffic::Kind::Plain);
        let _agent = wildcard.udp_of(PROXY, &net.pod, "pod", &[to("0.0.0.0", 15053)]);
        install(&configuration(&net, backend, true));
        let (answer, from) = APP.udp(&net.pod, to(VIP[0], 53)).unwrap();
        assert_eq!((answer.port, from), (15053, to(POD[0], 15053)), "{backend:?}");
    }
}

/// `SIM-51`, `SIM-13`: application and agent in zone 2, agent and upstream in zone 1, whatever else matches.
#[test]
fn flows_have_their_zones_sim_13_51() {
    const TEST: &str = "flows_have_their_zones";
    for backend in backends(TEST) {
        let Some(net) = Net::new(TEST) else { return };
        if net.pod.try_sh("conntrack --version && conntrack -L", "").0 != Some(0) {
            say(&format!("SKIPPED {TEST}: the flow table cannot be listed with conntrack"));
            return;
        }
        let _listeners = everyone(&net);
        for all in [true, false] {
            install(&configuration(&net, backend, all));
            for family in ["ipv4", "ipv6"] {
                let server = VIP[usize::from(family == "ipv6")];
                // The same source port in both flows: without zones one would be taken for the other.
                let port = to(POD[usize::from(family == "ipv6")], 40053);
                let app = Caller { from: Some(port), ..APP };
                let proxy = Caller { from: Some(port), ..PROXY };
                assert_eq!(query(&net, app, server, AGENT), None, "{backend:?}");
                assert_eq!(query(&net, proxy, server, SERVER), None, "{backend:?}");
                let flows = net.pod.sh(&format!("conntrack -L -f {family} -p udp 2>/dev/null"));
                let of = |needle: &str| {
                    let flow = flows.lines().find(|line| line.contains(needle));
                    flow.unwrap_or_else(|| panic!("no flow {needle} in\n{flows}")).to_owned()
                };
                let (to_agent, upstream) = (of("sport=15053"), of("zone=1"));
                assert!(to_agent.contains("zone=2"), "{backend:?}: {to_agent}");
                assert!(
                    upstream.contains("dport=53 ") && !upstream.contains("15053"),
                    "{backend:?}: {upstream}"
                );
                assert!(!upstream.contains("UNREPLIED"), "{backend:?}: {upstream}");
            }
            super::rig::clean(&configuration(&net, backend, all)).unwrap();
            net.pod.sh("conntrack -F 2>/dev/null");
        }
    }
}
