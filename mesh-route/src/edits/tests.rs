//! Order of edits, composition of levels, and the grammar of values.

use super::{HeaderEditor, HeaderEdits, HeaderPlan, Operator, upstream_authority};
use crate::error::BuildErrorKind;

/// A map that knows `REQ` of its own lines and of two pseudo headers.
#[derive(Clone)]
struct Lines(Vec<(String, String)>);

impl Lines {
    fn new(lines: &[(&str, &str)]) -> Self {
        Self(lines.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    fn first(&self, wanted: &str) -> Option<&str> {
        match wanted {
            ":path" => Some("/p?q"),
            ":authority" => Some("h:1"),
            _ => self.0.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str()),
        }
    }

    fn after(mut self, plan: &HeaderPlan) -> String {
        plan.apply(&mut self);
        self.0.iter().map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>().join("|")
    }
}

impl HeaderEditor for Lines {
    fn write(&self, operator: &Operator, out: &mut Vec<u8>) {
        match operator {
            Operator::RequestHeader { name, or } => {
                let value = self.first(name).or_else(|| self.first(or.as_deref()?));
                out.extend_from_slice(value.unwrap_or_default().as_bytes());
            }
            Operator::Protocol => out.extend_from_slice(b"HTTP/1.1"),
            _ => {}
        }
    }

    fn remove(&mut self, name: &str) {
        self.0.retain(|(key, _)| key != name);
    }

    fn set(&mut self, name: &str, value: &[u8]) {
        self.remove(name);
        self.append(name, value);
    }

    fn append(&mut self, name: &str, value: &[u8]) {
        self.0.push((name.to_owned(), String::from_utf8(value.to_vec()).unwrap()));
    }
}

fn set(name: &str, value: &str) -> HeaderEdits {
    HeaderEdits::new().set(name, value).unwrap()
}

fn add(name: &str, value: &str) -> HeaderEdits {
    HeaderEdits::new().add(name, value).unwrap()
}

fn remove(name: &str) -> HeaderEdits {
    HeaderEdits::new().remove(name).unwrap()
}

// ROUTE-HDR-01, ROUTE-HDR-02.
#[test]
fn order_inside_a_level_route_hdr_01_02() {
    let level = HeaderEdits::new()
        .add("x", "added")
        .and_then(|edits| edits.set("x", "set, was %REQ(x)%"))
        .and_then(|edits| edits.set("y", "%REQ(gone)%%REQ(x)%"))
        .and_then(|edits| edits.remove("gone"))
        .unwrap();
    let lines = Lines::new(&[("x", "1"), ("x", "2"), ("gone", "g")]);
    // Formatted after removes and before sets; of repeated lines, the first (ROUTE-HDR-12).
    assert_eq!(lines.after(&HeaderPlan::route_only(level)), "x: set, was 1|y: 1|x: added");
    let twice = set("x", "lower").set("X", "upper").unwrap();
    assert_eq!(Lines::new(&[]).after(&HeaderPlan::route_only(twice)), "x: lower", "`X` sorts before `x`");
    let sorted = add("b", "2").add("a", "1").unwrap().add("C", "0").unwrap();
    assert_eq!(Lines::new(&[]).after(&HeaderPlan::route_only(sorted)), "c: 0|a: 1|b: 2");
}

// ROUTE-HDR-03.
#[test]
fn one_destination_route_hdr_03() {
    let plan = HeaderPlan::single_destination;
    let client = || Lines::new(&[("x", "C")]);
    assert_eq!(client().after(&plan(set("x", "R"), set("x", "D"))), "x: D");
    assert_eq!(client().after(&plan(set("x", "R"), remove("x"))), "x: R");
    assert_eq!(client().after(&plan(add("x", "R"), remove("x"))), "x: R");
    assert_eq!(client().after(&plan(add("x", "R"), set("x", "D"))), "x: D|x: R");
}

// ROUTE-HDR-04.
#[test]
fn several_destinations_route_hdr_04() {
    let plan = HeaderPlan::weighted_destination;
    let client = || Lines::new(&[("x", "C")]);
    assert_eq!(client().after(&plan(set("x", "R"), set("x", "D"))), "x: R");
    assert_eq!(client().after(&plan(remove("x"), set("x", "D"))), "");
    assert_eq!(client().after(&plan(set("y", "%REQ(x)%"), set("x", "D"))), "x: D|y: D");
}

// ROUTE-HDR-07.
#[test]
fn empty_values_route_hdr_07() {
    let client = || Lines::new(&[("x", "C")]);
    assert_eq!(client().after(&HeaderPlan::route_only(set("x", ""))), "x: C");
    assert_eq!(client().after(&HeaderPlan::route_only(set("x", "%REQ(none)%"))), "x: C");
    assert_eq!(client().after(&HeaderPlan::route_only(add("x", "%RESP(a)%"))), "x: C");
}

// ROUTE-HDR-09, ROUTE-HDR-10.
#[test]
fn values_route_hdr_09_10() {
    for (value, want) in [
        ("plain", "plain"),
        ("100%%", "100%"),
        ("%%REQ%%", "%REQ%"),
        ("%REQ(:PATH)%", "/p?q"),
        ("<%REQ(:AUTHORITY)%>", "<h:1>"),
        ("%REQUEST_HEADER(X-A)%", "abcdef"),
        ("%REQ(x-a):3%!", "abc!"),
        ("%REQ(x-a):0%z", "z"),
        ("%REQ(none?X-A)%", "abcdef"),
        ("%PROTOCOL%-%PROTOCOL:4%", "HTTP/1.1-HTTP"),
        ("tab\there", "tab\there"),
        ("é", "é"),
    ] {
        let lines = Lines::new(&[("x-a", "abcdef")]);
        assert_eq!(lines.after(&HeaderPlan::route_only(set("y", value))), format!("x-a: abcdef|y: {want}"));
    }
    for value in [
        "%START_TIME%",
        "%START_TIME(%Y-%m)%",
        "%ENVIRONMENT(HOME)%",
        "%PATH(NQ)%",
        "%QUERY_PARAM(k)%",
        "%RESPONSE_FLAGS%",
        "%DOWNSTREAM_PEER_URI_SAN%",
        "%UPSTREAM_METADATA([\"a\", \"b\"])%",
        "%TRAILER(x)%",
        "%GRPC_STATUS%",
    ] {
        assert!(HeaderEdits::new().set("x", value).is_ok(), "{value}");
    }
}

// ROUTE-HDR-09, ROUTE-HDR-11.
#[test]
fn refused_values_route_hdr_09_11() {
    let message = |value: &str| {
        let error = HeaderEdits::new().set("x", value).unwrap_err();
        assert_eq!(error.kind(), BuildErrorKind::HeaderValue);
        error.to_string()
    };
    let open = "has a `%` that is not closed, write `%%` for a percent sign";
    for value in ["50%", "%", "%%%", "%REQ(x)", "%REQ(x", "%req(x)%", "% x%", "%REQ(x):%x", "%REQ(x):1"] {
        let text = message(value);
        assert!(text.ends_with(open) || text.contains("without a number"), "{text}");
    }
    for (value, want) in [
        ("%VIRTUAL_HOST_NAME%", "has `%VIRTUAL_HOST_NAME%`, which is no operator of header values"),
        ("%REQ_WITHOUT_QUERY(:PATH)%", "has `%REQ_WITHOUT_QUERY%`, which is no operator of header values"),
        ("%REQ%", "has `%REQ%`, which needs an argument in parentheses"),
        ("%REQ()%", "has `%REQ%`, which has an empty argument"),
        ("%PROTOCOL(x)%", "has `%PROTOCOL%`, which takes no argument"),
        ("%PATH(XX)%", "has `%PATH%`, which takes `WQ` or `NQ`"),
    ] {
        assert_eq!(message(value), format!("header value `{value}` {want}"));
    }
    assert_eq!(message("a\r\nb"), "header value `a\\r\\nb` holds the control character 0x0d");
}

// ROUTE-HDR-08.
#[test]
fn names_route_hdr_08() {
    let edits =
        set(":path", "/x").set("Host", "h").unwrap().remove("host").unwrap().remove(":method").unwrap();
    assert!(edits.is_empty() && HeaderPlan::route_only(edits).is_empty());
    for name in ["", "a b", "a:b", "é", "a\n"] {
        assert_eq!(HeaderEdits::new().set(name, "v").unwrap_err().kind(), BuildErrorKind::HeaderName);
    }
}

// ROUTE-CASE-64, ROUTE-RWR-10.
#[test]
fn authority_route_rwr_10_case_64() {
    let (route, destination) = (set(":authority", "R"), set("Host", "D"));
    let none = HeaderEdits::new();
    assert_eq!(upstream_authority(None, &route, &destination), Some("R"));
    assert_eq!(upstream_authority(Some("W"), &route, &destination), Some("W"));
    assert_eq!(upstream_authority(None, &none, &destination), Some("D"));
    assert_eq!(upstream_authority(None, &none, &none), None);
    let both = add("host", "A").set("HOST", "S").unwrap();
    assert_eq!(upstream_authority(None, &both, &destination), Some("S"), "set goes before add");
    assert_eq!(upstream_authority(None, &add("host", "A"), &destination), Some("A"));
    let twice = set("Host", "2").set(":authority", "1").unwrap();
    assert_eq!(upstream_authority(None, &twice, &none), Some("1"), "whatever the order given");
}
