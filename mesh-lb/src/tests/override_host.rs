use std::net::SocketAddr;

use proptest::prelude::*;

use super::*;
use crate::{Endpoint, PrioritySetConfig, Weight};

const STATES: [HealthStatus; 6] = [
    HealthStatus::Unknown,
    HealthStatus::Healthy,
    HealthStatus::Degraded,
    HealthStatus::Draining,
    HealthStatus::Unhealthy,
    HealthStatus::Timeout,
];

/// One endpoint a state, spread over two priorities, and an ejected one.
fn world() -> (EndpointSet<usize>, PrioritySet) {
    let states = STATES.into_iter().chain([HealthStatus::Healthy]).enumerate();
    let endpoints = states.map(|(at, status)| {
        Endpoint::new(at, Weight::ONE).health(status).priority(u8::try_from(at % 2).unwrap())
    });
    let set = EndpointSet::new(endpoints).unwrap();
    let view = PrioritySet::new(&set, &PrioritySetConfig::new(), &|at: EndpointIndex| at.get() != 6);
    (set, view)
}

fn used(policy: OverrideHost) -> Vec<usize> {
    let (set, view) = world();
    let is_used = |key: &usize| matches!(policy.resolve(&view, set.find(key)), Override::Use(_));
    (0..7).filter(is_used).collect()
}

#[test]
fn a_named_endpoint_is_used_if_its_status_is_allowed_lb_aff_01_02() {
    assert_eq!(used(OverrideHost::new()), [0, 1, 2]);
    assert_eq!(used(OverrideHost::persistent_session()), [0, 1, 2, 3]);
    assert_eq!(used(OverrideHost::new().forbid(HealthStatus::Degraded)), [0, 1]);
    // LB-AFF-02: ejected is unhealthy
    assert_eq!(used(OverrideHost::new().allow(HealthStatus::Timeout)), [0, 1, 2, 4, 5, 6]);
    let (set, view) = world();
    let picked = |key| match OverrideHost::new().resolve(&view, set.find(&key)) {
        Override::Use(picked) => Some((picked.endpoint.get(), picked.priority, picked.panic)),
        Override::Balance | Override::Fail => None,
    };
    assert_eq!(picked(1), Some((1, 1, false))); // whatever the priority
    let strict = OverrideHost::new().strict();
    for key in [3, 6, 77] {
        assert_eq!(OverrideHost::new().resolve(&view, set.find(&key)), Override::Balance);
        assert_eq!(strict.resolve(&view, set.find(&key)), Override::Fail);
    }
    assert!(matches!(strict.resolve(&view, set.find(&0)), Override::Use(_)));
}

#[test]
fn a_refusal_says_why() {
    let (set, view) = world();
    let text = |key| OverrideHost::new().explain(&view, set.find(&key)).unwrap_err().to_string();
    assert_eq!(text(3), "the endpoint is draining, which is not among the allowed states");
    assert_eq!(text(5), "the endpoint is timed out, which is not among the allowed states");
    assert_eq!(text(6), "the endpoint is ejected");
    assert_eq!(text(99), "the cluster has no such endpoint");
}

#[test]
fn labels_name_the_carrier_of_a_session_lb_aff_03() {
    let cookie =
        |name: &str, path: &str| Some(SessionCarrier::Cookie { name: name.into(), path: path.into() });
    let header = Some(SessionCarrier::Header("x-session".into()));
    for (cookie_label, header_label, want) in [
        (Some("sid:/shop"), None, cookie("sid", "/shop")),
        (Some("sid"), None, cookie("sid", "/")),
        (Some("sid:"), Some("x-session"), cookie("sid", "/")), // the cookie wins
        (None, Some("x-session"), header.clone()),
        (Some(""), Some("x-session"), header.clone()),
        (Some(":/shop"), Some("x-session"), header),
        (None, Some(""), None),
        (None, None, None),
    ] {
        assert_eq!(SessionCarrier::from_labels(cookie_label, header_label), want, "{cookie_label:?}");
    }
    // The published examples of base64.
    for (text, code) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
        assert_eq!(SessionCarrier::encode(text), code);
        assert_eq!(SessionCarrier::decode(code.as_bytes()).unwrap().as_str(), text);
    }
    assert_eq!(SessionCarrier::encode("10.0.0.7:8080"), "MTAuMC4wLjc6ODA4MA==");
    for bad in ["Zg=", "Zg", "Zh==", "Z===", "====", "Zm9v\n", "Zm 9", "_-==", &"Zm9v".repeat(50)] {
        assert!(SessionCarrier::decode(bad.as_bytes()).is_none(), "{bad}");
    }
    assert!(SessionCarrier::decode(b"//79").is_none(), "not a text");
}

#[test]
fn each_attempt_takes_the_next_of_a_list_lb_aff_04() {
    let (set, _) = world();
    let find = |text: &str| set.find(&text.parse().ok()?);
    let mut list = OverrideList::new("6, 4 ,77,,x,1");
    let mut attempt = || list.next_host(&set, find);
    let endpoint = |outcome| match outcome {
        Override::Use(picked) => Some((picked.endpoint.get(), picked.priority)),
        Override::Balance | Override::Fail => None,
    };
    assert_eq!(endpoint(attempt()), Some((6, 0))); // ejected: the status is not checked
    assert_eq!(endpoint(attempt()), Some((4, 0))); // nor is unhealthy
    for unknown in ["77", "", "x"] {
        assert_eq!(attempt(), Override::Balance, "{unknown}");
    }
    assert_eq!(endpoint(attempt()), Some((1, 1)));
    assert_eq!((attempt(), attempt()), (Override::Balance, Override::Balance)); // exhausted
}

proptest! {
    #[test]
    fn what_was_encoded_is_decoded(ip in any::<u128>(), port in any::<u16>(), garbage in prop::collection::vec(any::<u8>(), 0..200)) {
        let address = SocketAddr::from((std::net::Ipv6Addr::from(ip), port)).to_string();
        let value = SessionCarrier::encode(&address);
        let found = SessionCarrier::decode(value.as_bytes()).unwrap();
        prop_assert_eq!(found.as_str(), &address);
        // Whatever is decoded is encoded to what it was.
        if let Some(text) = SessionCarrier::decode(&garbage) {
            prop_assert_eq!(SessionCarrier::encode(text.as_str()).into_bytes(), garbage);
        }
    }
}
