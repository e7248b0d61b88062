//! The client side.

use mesh_authz::PeerIdentity;
use mesh_authz::peer_authentication::{
    ClientEndpoint, ClientTls, ClientTlsMode, DestinationTls, MtlsMode, PortProtocol, ServerSide,
    TlsConflict, server_identity_accepted,
};

const USER: ClientTls = ClientTls::User { certificate: false };

#[test]
fn an_explicit_mode_wins() {
    // AUTHZ-AUTO-01, AUTHZ-TRIP-23
    let endpoint = ClientEndpoint::new(true, MtlsMode::Strict);
    let without = ClientEndpoint::new(false, MtlsMode::Disable).mesh_external().without_auto_mtls();
    for (mode, expected) in [
        (ClientTlsMode::IstioMutual, ClientTls::Mesh),
        (ClientTlsMode::Disable, ClientTls::Plaintext),
        (ClientTlsMode::Simple, USER),
        (ClientTlsMode::Mutual, ClientTls::User { certificate: true }),
    ] {
        for endpoint in [endpoint, without] {
            assert_eq!(ClientTls::decide(&DestinationTls::new().rule(mode), &endpoint), expected);
        }
    }
}

#[test]
fn the_narrowest_setting_counts() {
    // AUTHZ-AUTO-01: subset port, subset, port, rule.
    use ClientTlsMode::{Disable, IstioMutual, Mutual, Simple};
    let rule = DestinationTls::new().rule(Disable);
    let port = rule.port(Simple);
    let subset = port.subset(Mutual);
    let subset_port = subset.subset_port(IstioMutual);
    let modes = [DestinationTls::new(), rule, port, subset, subset_port].map(|settings| settings.mode());
    assert_eq!(modes, [None, Some(Disable), Some(Simple), Some(Mutual), Some(IstioMutual)]);
}

#[test]
fn auto_mtls() {
    // AUTHZ-AUTO-02
    let decide = |endpoint: ClientEndpoint| ClientTls::decide(&DestinationTls::new(), &endpoint);
    let capable = |mode| ClientEndpoint::new(true, mode);
    assert_eq!(decide(capable(MtlsMode::Strict)), ClientTls::Mesh);
    assert_eq!(decide(capable(MtlsMode::Permissive)), ClientTls::Mesh);
    assert_eq!(decide(capable(MtlsMode::Disable)), ClientTls::Plaintext);
    assert_eq!(decide(ClientEndpoint::new(false, MtlsMode::Strict)), ClientTls::Plaintext);
    assert_eq!(decide(capable(MtlsMode::Strict).without_auto_mtls()), ClientTls::Plaintext);
    assert_eq!(decide(capable(MtlsMode::Strict).mesh_external()), ClientTls::Plaintext);
}

#[test]
fn headless_services() {
    // AUTHZ-AUTO-03
    let decide = |capable: &[bool]| {
        let endpoint = ClientEndpoint::all_of(capable.iter().copied(), MtlsMode::Permissive);
        ClientTls::decide(&DestinationTls::new(), &endpoint)
    };
    assert_eq!(decide(&[true, true]), ClientTls::Mesh);
    assert_eq!(decide(&[true, false]), ClientTls::Plaintext);
    assert_eq!(decide(&[]), ClientTls::Plaintext);
}

#[test]
fn conflicts() {
    // AUTHZ-AUTO-04
    let server = |mode, protocol| ServerSide::Sidecar { mode, protocol };
    let http = |mode| server(mode, PortProtocol::Http);
    let (reset, failure) = (Some(TlsConflict::Reset), Some(TlsConflict::TlsFailure));
    let cases = [
        (ClientTls::Plaintext, http(MtlsMode::Strict), reset),
        (ClientTls::Plaintext, http(MtlsMode::Permissive), None),
        (ClientTls::Plaintext, ServerSide::NoSidecar, None),
        (ClientTls::Mesh, ServerSide::NoSidecar, failure),
        (ClientTls::Mesh, http(MtlsMode::Disable), failure),
        (ClientTls::Mesh, server(MtlsMode::Disable, PortProtocol::Tcp), failure),
        (ClientTls::Mesh, server(MtlsMode::Disable, PortProtocol::Sniffed), failure),
        (ClientTls::Mesh, http(MtlsMode::Permissive), None),
        (ClientTls::Mesh, http(MtlsMode::Strict), None),
        (USER, http(MtlsMode::Permissive), reset),
        (USER, server(MtlsMode::Permissive, PortProtocol::Tcp), None),
        (USER, http(MtlsMode::Strict), failure),
        (USER, ServerSide::NoSidecar, None),
    ];
    for (client, server, expected) in cases {
        assert_eq!(client.conflict(server), expected, "{client:?} {server:?}");
    }
}

#[test]
fn secure_naming() {
    // AUTHZ-AUTO-05
    let accounts = ["spiffe://td/ns/foo/sa/a", "spiffe://td/ns/foo/sa/b"];
    let identity =
        |account: &str| PeerIdentity::certificate([&*format!("spiffe://td/ns/foo/sa/{account}")], [], "");
    assert!(server_identity_accepted(&identity("b"), &accounts));
    assert!(!server_identity_accepted(&identity("c"), &accounts));
    assert!(!server_identity_accepted(&identity("b2"), &accounts));
    assert!(!server_identity_accepted::<&str>(&identity("a"), &[]));
}
