//! Both values of every switch.

use super::{Compat, JoinedHeaders};
use crate::{
    Attempt, Conditions, Headers, PathMatch, PathNormalization, RequestHead, RetryPolicy, StringMatch,
    TargetError, normalize_path,
};

fn old() -> Compat {
    Compat::new()
        .join_repeated_headers()
        .utf8_regex()
        .keep_dot_segment_parameters()
        .shadow_mirrors()
        .retry_503()
}

#[test]
fn repeated_headers_route_match_23() {
    assert!(!Compat::new().joins_repeated_headers() && old().joins_repeated_headers());
    let lines = [("x", "v"), ("y", "1"), ("X", "w"), ("cookie", "a=1"), ("cookie", "user=jason")];
    let joined = JoinedHeaders::new(lines.iter().map(|(name, value)| (*name, value.as_bytes())));
    assert_eq!(joined.values("x").collect::<Vec<_>>(), [b"v,w"]);
    assert_eq!(joined.values("y").collect::<Vec<_>>(), [b"1"]);
    assert_eq!(joined.first("z"), None);
    let regex = |pattern: &str| StringMatch::regex(pattern, &Compat::new().limits()).unwrap();
    let with = |name: &str, value: StringMatch| Conditions::any().header(name, value);
    let without = |name: &str, value: StringMatch| Conditions::any().without_header(name, value);
    for (what, when, today, before) in [
        ("ROUTE-CASE-27", with("x", StringMatch::exact("v")), true, false),
        ("the second", with("x", StringMatch::exact("w")), true, false),
        ("all of it", with("x", StringMatch::exact("v,w")), false, true),
        ("the start", with("x", StringMatch::prefix("w")), true, false),
        ("the start of the first", with("x", StringMatch::prefix("v")), true, true),
        ("present", with("x", StringMatch::present()), true, true),
        ("not one of", without("x", StringMatch::exact("w")), false, true),
        ("not all of it", without("x", StringMatch::exact("v,w")), true, false),
        ("one line", with("y", StringMatch::exact("1")), true, true),
        ("missing", without("z", StringMatch::exact("1")), true, true),
        ("ROUTE-CASE-34", with("cookie", regex("^(.*?;)?(user=jason)(;.*)?$")), true, false),
    ] {
        assert_eq!(when.matches(&RequestHead::new("GET", "h", "/", &lines)), today, "{what}, today");
        assert_eq!(when.matches(&RequestHead::new("GET", "h", "/", &joined)), before, "{what}, before");
    }
}

#[test]
fn the_alphabet_of_regexes_route_rx_02_03() {
    let (today, before) = (Compat::new().limits(), old().limits());
    for (pattern, text, now, then) in [
        (".", "é".as_bytes(), false, true),
        (".", b"\xE9", true, false),
        ("..", "é".as_bytes(), true, false),
        (r"\xe9", b"\xE9", true, false),
        (r"\xe9", "é".as_bytes(), false, true),
        (r"\w", "é".as_bytes(), false, false),
        ("é", "é".as_bytes(), true, true),
    ] {
        assert_eq!(StringMatch::regex(pattern, &today).unwrap().matches(text), now, "{pattern} now");
        assert_eq!(StringMatch::regex(pattern, &before).unwrap().matches(text), then, "{pattern} then");
    }
    assert!(PathMatch::regex("/[^/]", &before).unwrap().matches("/é"));
    assert!(!PathMatch::regex("/[^/]", &today).unwrap().matches("/é"));
}

#[test]
fn dot_segments_with_parameters_route_path_06() {
    use PathNormalization::{Base, DecodeAndMergeSlashes, MergeSlashes, None};
    for (raw, mode, today, before) in [
        ("/a/..;x/b", Base, "/b", "/a/..;x/b"),
        ("/a/.;/b", Base, "/a/b", "/a/.;/b"),
        ("/a/../b;x", Base, "/b;x", "/b;x"),
        ("/a/%2e%2e;/b", Base, "/b", "/a/..;/b"),
        ("/a//..;x//b?..;", MergeSlashes, "/a/b?..;", "/a/..;x/b?..;"),
        ("/a%2F..;x%2Fb/..", DecodeAndMergeSlashes, "/", "/a/..;x/"),
        ("/a/..;x/b", None, "/a/..;x/b", "/a/..;x/b"),
    ] {
        assert_eq!(Compat::new().normalize_path(raw, mode).as_deref(), Ok(today), "{raw} today");
        assert_eq!(normalize_path(raw, mode).as_deref(), Ok(today), "{raw} without switches");
        let found = old().normalize_path(raw, mode).unwrap();
        assert_eq!(found, before, "{raw} before");
        assert_eq!(old().normalize_path(&found, mode).as_deref(), Ok(before), "{raw} twice");
    }
    assert_eq!(old().normalize_path("/a#", Base), Err(TargetError::Fragment));
}

#[test]
fn hosts_of_mirrored_requests_route_mir_04() {
    for (authority, marked) in [
        ("x.com:80", "x.com-shadow:80"),
        ("x.com", "x.com-shadow"),
        ("[fd00::1]:80", "[fd00::1]-shadow:80"),
        ("[fd00::1]", "[fd00::1]-shadow"),
    ] {
        assert_eq!(Compat::new().mirror_authority(authority), authority);
        assert_eq!(old().mirror_authority(authority), marked);
    }
}

#[test]
fn the_default_retry_policy_route_rty_01() {
    let busy = Attempt::response(503);
    for attempts in [None, Some(2), Some(7)] {
        let (today, before) = (Compat::new().retries(attempts), old().retries(attempts));
        assert_eq!(today, attempts.map_or_else(RetryPolicy::mesh_default, RetryPolicy::new));
        assert!(!today.is_retriable(&busy) && before.is_retriable(&busy));
        assert_eq!(before.attempts(), today.attempts());
        assert!(
            !before.is_retriable(&Attempt::response(502)) && before.is_retriable(&Attempt::RefusedStream)
        );
        // A list of one's own says all there is to retry.
        assert!(!before.retry_on("connect-failure").is_retriable(&busy));
    }
}
