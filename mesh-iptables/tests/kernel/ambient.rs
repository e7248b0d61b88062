//! Ambient mode with real connections (`TST-15`): the last paragraph of section 6.6.

use mesh_iptables::apply::Applier;
use mesh_iptables::{AmbientConfig, AmbientPod};

use super::rig::{Backend, FAMILIES, LOOPBACK, Net, PEER, POD, backends, options};
use super::traffic::{APP, Caller, Kind, Want, differs, everyone_but, to};

/// ztunnel's mark on its own packets.
const ZTUNNEL: Caller = Caller { mark: 0x539, ..Caller::new(0, 0) };
const PROBE: [&str; 2] = ["169.254.7.127", "fd16:9254:7127:1337:ffff:ffff:ffff:ffff"];

fn install(net: &Net, backend: Backend, pod: &AmbientPod) {
    let config = AmbientConfig::new().enable_ipv6().redirect_dns();
    let options = options(net, backend, &[]).build().unwrap();
    let applier = Applier::new(options.apply_options());
    let report = match backend {
        Backend::Native => applier.apply_nftables(&config.pod_nftables_plan(pod)),
        _ => applier.apply(&config.pod_plan(pod)),
    };
    assert_eq!(report.unwrap().warnings, [""; 0]);
    let found = match backend {
        Backend::Native => applier.verify_nftables(&config.pod_nftables_plan(pod)),
        _ => applier.verify(&config.pod_plan(pod)),
    };
    assert!(found.as_ref().unwrap().is_in_sync(), "{found:?}");
}

#[test]
fn ambient_rows_tst_15() {
    const TEST: &str = "ambient_rows";
    let mut failures = Vec::new();
    for backend in backends(TEST) {
        let Some(net) = Net::new(TEST) else { return };
        let _listeners = everyone_but(&net, Kind::Transparent);
        install(&net, backend, &AmbientPod::new());
        // The node's probes come from this address.
        net.peer.sh(&format!("ip addr add {}/32 dev lo; ip -6 addr add {}/128 dev lo", PROBE[0], PROBE[1]));
        for family in FAMILIES {
            failures
                .extend(rows(&net, family).into_iter().flatten().map(|row| format!("{backend:?}: {row}")));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn rows(net: &Net, family: usize) -> Vec<Option<String>> {
    let (pod, peer) = (POD[family], PEER[family]);
    let inbound = |caller: Caller, port, want| differs(&net.peer, caller, to(pod, port), want);
    let outbound = |caller, address, port, want| differs(&net.pod, caller, to(address, port), want);
    let query = |caller: Caller, want: (&str, u16)| {
        let found = caller.udp(&net.pod, to(peer, 53));
        let fine = found.as_ref().is_ok_and(|(answer, _)| (answer.who.as_str(), answer.port) == want);
        (!fine).then(|| format!("query marked {:#x}: want {want:?}, found {found:?}", caller.mark))
    };
    // In the name of a client whose address is not local: the answers come back by the connection mark.
    let named = Caller { transparent: true, from: Some(to(peer, 42_000)), ..ZTUNNEL };
    let named = match named.tcp(&net.pod, to(pod, 8080)) {
        Ok(answer) if answer.port == 8080 && answer.caller == to(peer, 42_000) => None,
        found => Some(format!("in the client's name: found {found:?}")),
    };
    vec![
        // AMB-06
        inbound(APP, 8080, Want::Redirect(15006)),
        inbound(APP, 9999, Want::Redirect(15006)),
        inbound(APP, 15008, Want::Direct),
        // AMB-04
        inbound(APP.from(PROBE[family]), 8080, Want::Direct),
        // AMB-11, whoever it is
        outbound(APP, peer, 80, Want::Redirect(15001)),
        outbound(Caller::new(0, 0), peer, 80, Want::Redirect(15001)),
        outbound(Caller::new(1337, 1337), peer, 80, Want::Redirect(15001)),
        outbound(ZTUNNEL, peer, 80, Want::Direct),
        // AMB-10
        outbound(APP, pod, 8080, Want::Direct),
        outbound(APP, LOOPBACK[family], 8080, Want::Direct),
        // AMB-03, AMB-07, AMB-09, AMB-13
        named,
        // AMB-08
        query(APP, ("pod", 15053)),
        query(ZTUNNEL, ("peer", 53)),
        outbound(APP, peer, 53, Want::Redirect(15053)),
    ]
}

/// `AMB-02`, `AMB-05`: gateways leave inbound traffic alone.
#[test]
fn a_gateway_keeps_its_inbound_traffic_amb_06() {
    const TEST: &str = "a_gateway_keeps_its_inbound_traffic";
    for backend in backends(TEST) {
        let Some(net) = Net::new(TEST) else { return };
        let _listeners = everyone_but(&net, Kind::Plain);
        install(&net, backend, &AmbientPod::new().bypass_inbound_capture());
        for family in FAMILIES {
            assert_eq!(differs(&net.peer, APP, to(POD[family], 8080), Want::Direct), None);
            assert_eq!(differs(&net.pod, APP, to(PEER[family], 80), Want::Redirect(15001)), None);
        }
    }
}

/// `AMB-14`, `NFT-14`
#[test]
fn a_pod_leaves_ambient_as_it_came_amb_14() {
    const TEST: &str = "a_pod_leaves_ambient_as_it_came";
    for backend in backends(TEST) {
        let Some(net) = Net::new(TEST) else { return };
        install(&net, backend, &AmbientPod::new());
        let routes = "ip rule; ip -6 rule; ip route show table 100; ip -6 route show table 100";
        let there = net.pod.sh(routes);
        assert_eq!(there.matches("32764:\tfrom all fwmark 0x111/0xfff lookup 100").count(), 2, "{there}");
        assert_eq!(there.matches("local default dev lo").count(), 2, "{there}");
        let config = AmbientConfig::new().enable_ipv6().redirect_dns();
        let applier = Applier::new(options(&net, backend, &[]).build().unwrap().apply_options());
        match backend {
            Backend::Native => applier.clean_nftables(&config.pod_nftables_plan(&AmbientPod::new())),
            _ => applier.clean(&config.pod_plan(&AmbientPod::new())),
        }
        .unwrap_or_else(|error| panic!("{error}"));
        let left = backend.dump(&net.pod);
        assert!(!left.contains("ISTIO") && !left.contains("-A ") && !left.contains("istio"), "{left}");
        assert!(!net.pod.try_sh(routes, "").1.contains("100"), "routes are still there");
    }
}
