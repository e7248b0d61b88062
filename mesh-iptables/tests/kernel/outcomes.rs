//! The outcome tables of section 6.6 with real connections, on every backend and in both families (`TST-12`).

use super::rig::{FAMILIES, LOOPBACK, Net, OTHER, PEER, POD, SELF, VIP, backends, config, install};
use super::traffic::{APP, Caller, PROXY, Want, differs, everyone, to};

const DEFAULT: [&str; 8] = ["-b", "*", "-d", "15020,15021,15090", "-i", "*", "-o", "3306"];

/// Runs the rows on every backend and reports all failures at once.
fn on_every_backend(test: &str, args: &[&str], rows: impl Fn(&Net, usize) -> Vec<Option<String>>) {
    let mut failures = Vec::new();
    for backend in backends(test) {
        let Some(net) = Net::new(test) else { return };
        let _listeners = everyone(&net);
        install(&config(&net, backend, args));
        for family in FAMILIES {
            failures
                .extend(rows(&net, family).into_iter().flatten().map(|row| format!("{backend:?}: {row}")));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn redirect_rows_sim_30_32() {
    on_every_backend("redirect_rows", &DEFAULT, |net, family| {
        let (pod, peer) = (POD[family], PEER[family]);
        let inbound = |port, want| differs(&net.peer, APP, to(pod, port), want);
        let outbound = |caller, address, port, want| differs(&net.pod, caller, to(address, port), want);
        let (to_inbound, to_outbound, direct) = (Want::Redirect(15006), Want::Redirect(15001), Want::Direct);
        let mut rows = vec![
            // OUT-T01, a closed port too
            inbound(8080, to_inbound),
            inbound(22, to_inbound),
            inbound(9999, to_inbound),
            // OUT-T02
            inbound(15008, direct),
            inbound(15020, direct),
            inbound(15021, direct),
            inbound(15090, direct),
            // OUT-T03
            inbound(15001, to_inbound),
            inbound(15006, to_inbound),
            // OUT-T04, a closed port too
            outbound(APP, peer, 80, to_outbound),
            outbound(APP, VIP[family], 443, to_outbound),
            outbound(APP, OTHER[family], 9999, to_outbound),
            // OUT-T05
            outbound(APP, peer, 3306, direct),
            // OUT-T06
            outbound(PROXY, peer, 80, direct),
            outbound(Caller::new(1000, 1337), VIP[family], 443, direct),
            outbound(Caller::new(1337, 1000), peer, 80, direct),
            // OUT-T07
            outbound(APP, pod, 8080, direct),
            // OUT-T08
            outbound(PROXY, pod, 8080, to_inbound),
            // OUT-T09
            outbound(PROXY, pod, 15008, direct),
            outbound(PROXY, pod, 3306, direct),
            // OUT-T10
            outbound(PROXY.from(SELF[family]), pod, 8080, direct),
            // OUT-T11
            outbound(APP, LOOPBACK[family], 8080, direct),
            outbound(PROXY, LOOPBACK[family], 8080, direct),
            // OUT-T13
            outbound(Caller::new(1000, 1337), pod, 8080, direct),
            // OUT-T14
            outbound(APP, pod, 15001, direct),
            outbound(APP, LOOPBACK[family], 15001, direct),
        ];
        if family == 0 {
            // OUT-T12
            rows.push(outbound(PROXY, "127.0.0.2", 8080, to_inbound));
        }
        // OUT-T15
        let udp = APP.udp(&net.pod, to(peer, 443));
        rows.push(
            (!udp.as_ref().is_ok_and(|(answer, _)| answer.who == "peer")).then(|| format!("udp: {udp:?}")),
        );
        rows
    });
}
