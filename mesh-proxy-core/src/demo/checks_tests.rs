//! The printed lines, and that nothing passes without a proxy.

use std::collections::BTreeSet;
use std::net::TcpListener;

use super::*;

fn all() -> impl Iterator<Item = &'static Check> {
    SECTIONS.iter().flat_map(|(_, checks)| *checks)
}

fn line(title: &str) -> String {
    let check = all().find(|check| check.title == title).expect("a check with this title");
    curl(check, SocketAddr::from(([127, 0, 0, 1], 8080)))
}

#[test]
fn curl_lines_can_be_pasted() {
    let cases = [
        ("injected abort", "curl -i http://127.0.0.1:8080/fault-abort"),
        ("injected delay", "curl -i -w '\\n%{time_total} s\\n' http://127.0.0.1:8080/slow"),
        ("a method", "curl -i -X DELETE http://127.0.0.1:8080/productpage"),
        ("a user agent", "curl -i -H 'user-agent: bad-bot/1.0' http://127.0.0.1:8080/productpage"),
        ("the same path in disguise", "curl -i --path-as-is http://127.0.0.1:8080/static/%2e%2e/admin/users"),
        ("a query parameter asks for v3", "curl -i 'http://127.0.0.1:8080/reviews/0?version=v3'"),
        (
            "canary: one request in ten goes to v3, none to v2",
            "for i in $(seq 50); do curl -s -o /dev/null -D - http://127.0.0.1:8080/reviews/0; done \
             | grep -i x-served-by | sort | uniq -c",
        ),
        (
            "ratings fails for the tester, the page stays whole",
            "curl -s -H 'end-user: fault-tester' http://127.0.0.1:8080/productpage \
             | grep -F -e 'served by' -e stars -e unavailable",
        ),
    ];
    for (title, expected) in cases {
        assert_eq!(line(title), expected, "{title}");
    }
    assert_eq!(quoted("it's"), "'it'\\''s'");
}

#[test]
fn every_check_is_printed_once() {
    let (gateway, admin) = (SocketAddr::from(([127, 0, 0, 1], 1)), SocketAddr::from(([127, 0, 0, 1], 2)));
    let mut out = Vec::new();
    print_what_to_try(&mut out, gateway, admin, Path::new("some/dir")).unwrap();
    let text = String::from_utf8(out).unwrap();
    for check in all() {
        assert_eq!(text.matches(&format!("  # {} -> ", check.title)).count(), 1, "{}", check.title);
        assert!(text.contains(&curl(check, check.server(gateway, admin))), "{}", check.title);
    }
    assert!(text.contains("http://127.0.0.1:2/ready"));
    assert!(text.contains("edit a file in some/dir"));
}

#[test]
fn titles_are_unique_and_every_check_wants_a_status() {
    let titles: BTreeSet<_> = all().map(|check| check.title).collect();
    assert_eq!(titles.len(), all().count());
    for check in all() {
        let asks = check.wants.iter().any(|want| matches!(want, Want::Status(_)));
        assert!(asks && check.times > 0, "{}", check.title);
    }
}

/// Each path asked for at the gateway is one that the example files speak of.
#[test]
fn the_example_files_name_every_path() {
    let files = [
        include_str!("../../../docs/examples/bookinfo/authorization-policy.yaml"),
        include_str!("../../../docs/examples/bookinfo/virtual-service-bookinfo.yaml"),
        include_str!("../../../docs/examples/bookinfo/virtual-service-canary.yaml"),
        include_str!("../../../docs/examples/bookinfo/virtual-service-echo.yaml"),
        include_str!("../../../docs/examples/bookinfo/virtual-service-faults.yaml"),
        include_str!("../../../docs/examples/bookinfo/virtual-service-redirects.yaml"),
    ]
    .concat();
    for check in all().filter(|check| check.at == At::Gateway) {
        let path = check.probe.target.split('?').next().unwrap_or_default();
        let segment = path.split('/').nth(1).unwrap_or_default();
        assert!(files.contains(&format!("/{segment}")), "{}: {path}", check.title);
    }
}

#[test]
fn nothing_passes_without_a_proxy() {
    // A port that was free a moment ago and is bound by nobody.
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let report = perform(closed, closed);
    assert!(!report.all_passed());
    let mut table = Vec::new();
    report.write(&mut table).unwrap();
    let table = String::from_utf8(table).unwrap();
    let count = all().count();
    assert!(table.ends_with(&format!("0 of {count} as expected\n")), "{table}");
}
