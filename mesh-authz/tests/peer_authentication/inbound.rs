//! `inbound.toml`: the matrix of modes and connections.

use mesh_authz::peer_authentication::{
    ClientHello, InboundAction, InboundReject, InboundTls, MESH_ALPN, MtlsMode, PortProtocol, TlsVersion,
};
use mesh_authz::{
    Action, HttpAttributes, Peer, PeerIdentity, Policy, PolicyId, PolicySet, Request, Rule, Source,
    TrustDomains,
};
use serde::Deserialize;

use crate::{data, mode};

#[derive(Deserialize)]
struct File {
    cases: Vec<Case>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    spec: String,
    mode: String,
    protocol: String,
    hello: String,
    certificate: Option<String>,
    want: String,
}

fn identity(domain: &str) -> PeerIdentity {
    PeerIdentity::certificate([&*format!("spiffe://{domain}/ns/foo/sa/a")], [], "")
}

fn rejected(reason: InboundReject) -> String {
    match (reason, reason.response_flag().zip(reason.details())) {
        (InboundReject::TlsOnPlaintextHttp, None) => "400".into(),
        (InboundReject::CertificateRequired, None) => "certificate required".into(),
        (InboundReject::UnknownTrustDomain, None) => "unknown trust domain".into(),
        (_, Some((flag, details))) => format!("reset {flag} {details}"),
        (other, None) => format!("{other:?}"),
    }
}

#[test]
fn matrix() {
    // AUTHZ-MTLS-02, AUTHZ-MTLS-05, AUTHZ-MTLS-06, AUTHZ-MTLS-07
    let file: File = toml::from_str(&data("inbound.toml")).unwrap();
    assert!(file.cases.len() >= 29);
    let tls = InboundTls::new(&TrustDomains::new("mesh"));
    for case in &file.cases {
        let hello = match &*case.hello {
            "plaintext" => None,
            "mesh" => Some(ClientHello::new(["h2", "istio"])),
            "other" => Some(ClientHello::new(["h2", "http/1.1"])),
            other => panic!("{other}"),
        };
        let protocol = match &*case.protocol {
            "http" => PortProtocol::Http,
            "tcp" => PortProtocol::Tcp,
            "sniffed" => PortProtocol::Sniffed,
            other => panic!("{other}"),
        };
        let certificate = case.certificate.as_deref().filter(|domain| *domain != "none").map(identity);
        let got = match mode(&case.mode).unwrap().classify(protocol, hello.as_ref()) {
            InboundAction::Plain => "accepted".to_owned(),
            InboundAction::Passthrough => "opaque".to_owned(),
            InboundAction::Reject(reason) => rejected(reason),
            InboundAction::Terminate => match tls.accept(Some(TlsVersion::V1_3), certificate.as_ref()) {
                Ok(()) => "identity".to_owned(),
                Err(reason) => rejected(reason),
            },
        };
        assert_eq!(got, case.want, "{}: {case:?}", case.spec);
    }
}

#[test]
fn names_of_the_mesh() {
    // AUTHZ-MTLS-01
    assert!(MESH_ALPN.iter().all(|name| ClientHello::new([name]).is_mesh()));
    assert!(!ClientHello::new(["istio-http/2", "ISTIO", "h2", ""]).is_mesh());
    assert!(!ClientHello::new([""; 0]).is_mesh());
}

#[test]
fn strict_needs_no_name_of_the_mesh() {
    // AUTHZ-MTLS-01: the names choose the chain in PERMISSIVE mode only.
    for protocol in [PortProtocol::Http, PortProtocol::Tcp, PortProtocol::Sniffed] {
        for hello in [ClientHello::new(["istio"]), ClientHello::default()] {
            assert_eq!(MtlsMode::Strict.classify(protocol, Some(&hello)), InboundAction::Terminate);
        }
    }
}

#[test]
fn versions() {
    // AUTHZ-MTLS-04
    let certificate = identity("mesh");
    let tls = InboundTls::new(&TrustDomains::new("mesh"));
    let accept =
        |tls: &InboundTls, version| tls.accept(TlsVersion::from_wire(version), Some(&certificate)).is_ok();
    assert_eq!(
        [0x0301, 0x0302, 0x0303, 0x0304, 0x0305].map(|v| accept(&tls, v)),
        [false, false, true, true, false]
    );
    let strict = tls.minimum_version(TlsVersion::V1_3);
    assert_eq!([0x0303, 0x0304].map(|v| accept(&strict, v)), [false, true]);
    let version = strict.accept(None, Some(&certificate));
    assert_eq!(version, Err(InboundReject::TlsVersion));
}

#[test]
fn trust_domains() {
    // AUTHZ-MTLS-06
    let tls = InboundTls::new(&TrustDomains::new("mesh").aliases(["old"])).trust(["partner"]);
    let accepts =
        |tls: &InboundTls, domain: &str| tls.accept(Some(TlsVersion::V1_2), Some(&identity(domain))).is_ok();
    let accepted =
        ["mesh", "old", "partner", "mesh2", "mes", "stranger", ""].map(|domain| accepts(&tls, domain));
    assert_eq!(accepted, [true, true, true, false, false, false, false]);
    assert!(accepts(&tls.without_trust_domain_check(), "stranger"));
    let dns_only = PeerIdentity::certificate([], ["mesh"], "CN=mesh");
    let tls = InboundTls::new(&TrustDomains::new("mesh"));
    assert_eq!(tls.accept(Some(TlsVersion::V1_3), Some(&dns_only)), Err(InboundReject::UnknownTrustDomain));
}

#[test]
fn permissive_accepts_the_connection_and_the_policy_refuses_the_request() {
    // AUTHZ-CASE-97, AUTHZ-MTLS-03, AUTHZ-TRIP-22
    let action = MtlsMode::Permissive.classify(PortProtocol::Http, None);
    assert_eq!(action, InboundAction::Plain);
    let rule = Rule::new().from(Source::new().principals(["*"]));
    let policy = Policy::new(PolicyId::new("foo", "a"), Action::Allow).rule(rule);
    let set = PolicySet::builder().policy(policy).build().unwrap();
    let request = Request::new(Peer::new([10, 0, 0, 7].into()), ([10, 0, 0, 9], 8080).into());
    assert!(!set.evaluate(&request.http(HttpAttributes::new("GET", "/"))).is_allowed());
}
