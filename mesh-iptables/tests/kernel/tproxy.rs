//! TPROXY with real connections (`TST-13`): section 6.5.

use super::rig::{Backend, FAMILIES, Net, PEER, POD, SELF, backends, config, install};
use super::traffic::{APP, Caller, Kind, Want, differs, everyone_but, to};

const ARGS: [&str; 12] =
    ["-b", "*", "-d", "15020,15090", "-m", "TPROXY", "-u", "1337", "-g", "1337", "-i", "*"];
/// The proxy of this mode runs as root, in the proxy's group (`IPT-ANN-25`).
const PROXY: Caller = Caller::new(0, 1337);

#[test]
fn transparent_rows_tst_13() {
    const TEST: &str = "transparent_rows";
    let mut failures = Vec::new();
    for backend in backends(TEST) {
        let Some(net) = Net::new(TEST) else { return };
        let _listeners = everyone_but(&net, Kind::Transparent);
        install(&config(&net, backend, &ARGS));
        for family in FAMILIES {
            failures
                .extend(rows(&net, family).into_iter().flatten().map(|row| format!("{backend:?}: {row}")));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn rows(net: &Net, family: usize) -> Vec<Option<String>> {
    let (pod, peer) = (POD[family], PEER[family]);
    vec![
        // SIM-40: nothing is translated, the accepted socket's own address is where the peer wanted to go.
        captured(net, APP, pod, 8080, true),
        captured(net, APP, pod, 9999, true),
        differs(&net.peer, APP, to(pod, 15090), Want::Direct),
        // INV-05: the tunnel port is captured in this mode.
        captured(net, APP, pod, 15008, true),
        // SIM-41: to the application in the name of the client, whose answers come back to the proxy.
        upstream(net, PROXY, pod, peer, Want::Direct),
        // SIM-43: as the user listed it meets itself. In IPv4 the redirected flow goes nowhere, in IPv6 it arrives.
        upstream(
            net,
            Caller::new(1337, 1337),
            pod,
            peer,
            if family == 0 { Want::Nobody } else { Want::Redirect(15006) },
        ),
        // SIM-42: to its own pod as outbound proxy, captured as inbound; the application's own calls are not.
        captured(net, PROXY, pod, 8080, false),
        differs(&net.pod, APP, to(pod, 8080), Want::Direct),
        // SIM-44
        differs(&net.pod, PROXY.from(SELF[family]), to(pod, 8080), Want::Direct),
        // Outbound is redirected as ever.
        differs(&net.pod, APP, to(peer, 80), Want::Redirect(15001)),
        differs(&net.pod, PROXY, to(peer, 80), Want::Direct),
    ]
}

/// The transparent listener answers, and sees both ends as they are.
fn captured(net: &Net, caller: Caller, pod: &str, port: u16, from_peer: bool) -> Option<String> {
    let namespace = if from_peer { &net.peer } else { &net.pod };
    let found = caller.tcp(namespace, to(pod, port));
    let fine = found.as_ref().is_ok_and(|answer| {
        answer.port == 15006
            && answer.local == to(pod, port)
            && (!from_peer || answer.caller.ip() != answer.local.ip())
    });
    (!fine).then(|| format!("{}:{} to {pod} port {port}: found {found:?}", caller.uid, caller.gid))
}

/// The proxy calls the application from the client's address, with the mark.
fn upstream(net: &Net, proxy: Caller, pod: &str, client: &str, want: Want) -> Option<String> {
    let proxy = Caller { transparent: true, from: Some(to(client, 41_000)), ..proxy.marked(1337) };
    let target = to(pod, 8080);
    let found = proxy.tcp(&net.pod, target);
    let fine = match (&found, want) {
        (Ok(answer), Want::Direct) => answer.port == 8080 && answer.caller == to(client, 41_000),
        (Ok(answer), Want::Redirect(port)) => answer.port == port && answer.meant == Some(target),
        (found, want) => found.is_err() && want == Want::Nobody,
    };
    (!fine).then(|| {
        format!("upstream as {}:{} to {target}: want {want:?}, found {found:?}", proxy.uid, proxy.gid)
    })
}

/// `SIM-41`: without the policy route the answers go out to the client, who knows nothing of it.
#[test]
fn without_the_policy_route_answers_go_astray_ipt_hst_02() {
    const TEST: &str = "without_the_policy_route";
    let Some(net) = Net::new(TEST) else { return };
    let _listeners = everyone_but(&net, Kind::Transparent);
    install(&config(&net, Backend::Nft, &ARGS));
    assert_eq!(upstream(&net, PROXY, POD[0], PEER[0], Want::Direct), None);
    net.pod.sh("ip rule del fwmark 1337 lookup 133");
    assert_eq!(upstream(&net, PROXY, POD[0], PEER[0], Want::Nobody), None);
    let found = super::rig::verify(&config(&net, Backend::Nft, &ARGS)).unwrap();
    let drifts: Vec<String> = found.drifts.iter().map(ToString::to_string).collect();
    assert_eq!(drifts, ["IPv4: the policy rule for mark 1337 to route table 133 is missing"]);
    // The rules are as planned, so a second apply adds just the route.
    install(&config(&net, Backend::Nft, &ARGS));
    assert_eq!(upstream(&net, PROXY, POD[0], PEER[0], Want::Direct), None);
}
