//! The absolute form of a request target.

use crate::support::{Backend, World};

/// PROXY-REQ-03, ROUTE-HOST-20: the target's authority wins over `host`.
#[test]
fn an_absolute_target_routes_by_its_authority() {
    let (one, two) = (Backend::named("one"), Backend::named("two"));
    let route = |name: &str| {
        format!(
            "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: {name}, namespace: default}}\n\
             spec:\n  hosts: [{name}.example]\n  gateways: [entry]\n  http:\n  - route: [{{destination: {{host: \
             {name}}}}}]\n"
        )
    };
    let proxy = World::new()
        .service("one", &[("v1", one.address())])
        .service("two", &[("v1", two.address())])
        .object("one.yaml", &route("one"))
        .object("two.yaml", &route("two"))
        .start();
    let ask = |target: &str, host: &str| {
        proxy.exchange(format!("GET {target} HTTP/1.1\r\nhost: {host}\r\n\r\n")).brief()
    };
    assert_eq!(ask("/", "one.example"), (200, "one".to_owned()));
    assert_eq!(ask("http://two.example/x?y=1", "one.example"), (200, "two".to_owned()));
    assert_eq!(ask("http://three.example/", "one.example"), (404, String::new()));
    let request = two.only_request();
    assert_eq!((request.target(), request.header("host").as_deref()), ("/x?y=1", Some("two.example")));
    // ROUTE-HOST-21, ROUTE-HOST-23
    assert_eq!(ask("http://TWO.example:8443", "one.example"), (200, "two".to_owned()));
    let request = two.requests().pop().expect("a request");
    assert_eq!((request.target(), request.header("host").as_deref()), ("/", Some("TWO.example:8443")));
}

/// PROXY-REQ-03: this connection is not encrypted, whatever the target says.
#[test]
fn an_https_target_on_a_plain_connection_is_forbidden() {
    let backend = Backend::echo();
    let proxy = World::to(&backend).start();
    assert_eq!(proxy.exchange("GET https://a.example/ HTTP/1.1\r\nhost: a.example\r\n\r\n").status, 403);
    assert!(backend.requests().is_empty());
}
