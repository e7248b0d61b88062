//! What ambient makes of the modes.

use mesh_authz::peer_authentication::{AmbientMerge, EffectiveMtls, MtlsMode, PeerAuthentication};
use mesh_authz::{Peer, PeerIdentity, PolicyId, PolicySet, Request};

fn merged(inherited: Option<MtlsMode>, own: Option<MtlsMode>, ports: &[(u16, MtlsMode)]) -> EffectiveMtls {
    let namespace = PeerAuthentication::new(PolicyId::new("foo", "n"));
    let namespace = inherited.into_iter().fold(namespace, PeerAuthentication::mode);
    let workload = PeerAuthentication::new(PolicyId::new("foo", "w")).selector();
    let workload = own.into_iter().fold(workload, PeerAuthentication::mode);
    let workload = ports.iter().fold(workload, |policy, (port, mode)| policy.port(*port, Some(*mode)));
    EffectiveMtls::merge(&[namespace, workload], "istio-system", "foo")
}

/// Whether a caller without identity may connect to each of the ports 1, 2, 3; one with identity always may.
fn open(mtls: &EffectiveMtls, merge: AmbientMerge) -> [bool; 3] {
    let policy = mtls.ambient_policy(PolicyId::new("foo", "converted"), merge);
    let set = PolicySet::builder().policies(policy).build().unwrap();
    let identity = PeerIdentity::forwarded("spiffe://td/ns/foo/sa/a");
    [1, 2, 3].map(|port| {
        let peer = Peer::new([10, 0, 0, 7].into());
        let at = |peer| Request::new(peer, ([10, 0, 0, 9], port).into());
        assert!(set.evaluate(&at(peer.identity(&identity))).is_allowed());
        set.evaluate(&at(peer)).is_allowed()
    })
}

#[test]
fn strict_becomes_a_deny_policy() {
    // AUTHZ-PEER-10
    use MtlsMode::{Disable, Permissive, Strict};
    let sidecar = AmbientMerge::Sidecar;
    assert_eq!(open(&merged(None, None, &[]), sidecar), [true; 3]);
    assert_eq!(open(&merged(Some(Strict), None, &[]), sidecar), [false; 3]);
    assert_eq!(open(&merged(Some(Strict), Some(Permissive), &[]), sidecar), [true; 3]);
    assert_eq!(open(&merged(Some(Disable), None, &[(2, Strict)]), sidecar), [true, false, true]);
    assert_eq!(
        open(&merged(None, Some(Strict), &[(1, Permissive), (2, Disable)]), sidecar),
        [true, true, false]
    );
    assert_eq!(open(&merged(None, Some(Strict), &[(1, Strict)]), sidecar), [false; 3]);
    assert!(
        merged(None, Some(Disable), &[(1, Permissive)])
            .ambient_policy(PolicyId::new("a", "b"), sidecar)
            .is_none()
    );
}

#[test]
fn each_port_as_its_mode_says() {
    // AUTHZ-PEER-10: for all combinations, on the rules of sidecars.
    let modes = [None, Some(MtlsMode::Disable), Some(MtlsMode::Permissive), Some(MtlsMode::Strict)];
    for inherited in modes {
        for own in modes {
            for (first, second) in modes.iter().flat_map(|a| modes.map(|b| (*a, b))) {
                let ports: Vec<_> =
                    [(1, first), (2, second)].into_iter().filter_map(|(p, m)| Some((p, m?))).collect();
                let mtls = merged(inherited, own, &ports);
                let expected = [1, 2, 3].map(|port| mtls.mode_of(port) != MtlsMode::Strict);
                assert_eq!(open(&mtls, AmbientMerge::Sidecar), expected, "{mtls:?}");
            }
        }
    }
}

#[test]
fn the_deviation_of_ztunnel() {
    // AUTHZ-PEER-11
    use MtlsMode::{Disable, Permissive, Strict};
    let ztunnel = AmbientMerge::Ztunnel;
    assert_eq!(open(&merged(Some(Strict), None, &[(1, Disable)]), ztunnel), [false; 3]);
    assert_eq!(
        open(&merged(Some(Strict), None, &[(1, Disable)]), AmbientMerge::Sidecar),
        [true, false, false]
    );
    assert_eq!(open(&merged(Some(Strict), None, &[(1, Permissive)]), ztunnel), [true, false, false]);
    assert_eq!(
        open(&merged(Some(Strict), None, &[(1, Permissive), (2, Disable)]), ztunnel),
        [true, true, false]
    );
    assert_eq!(
        open(&merged(None, Some(Strict), &[(1, Disable)]), ztunnel),
        [true, false, false],
        "not inherited"
    );
    assert_eq!(open(&merged(None, None, &[(1, Strict)]), ztunnel), [false, true, true]);
}
