use std::net::SocketAddr;

use proptest::prelude::*;

use super::*;

#[test]
fn the_value_of_a_cookie() {
    // LB-HASH-03
    let cases: [(&[u8], Option<&[u8]>); 14] = [
        (b"user=a", Some(b"a")),
        (b"z=1; user=a; q=2", Some(b"a")),
        (b"z=1;   user=a", Some(b"a")),
        (b"user=a; user=b", Some(b"a")),
        (b"User=a", None),
        (b"user =a", None),
        (b"user=a=b", Some(b"a=b")),
        (b"user= a ", Some(b" a ")),
        (b"user=\"a b\"", Some(b"a b")),
        (b"user=\"", Some(b"\"")),
        (b"user=\"\"", Some(b"")),
        (b"user=", Some(b"")),
        (b"user; x=1", None),
        (b";;  ; ", None),
    ];
    for (header, want) in cases {
        assert_eq!(cookie_value(header, b"user"), want, "{}", String::from_utf8_lossy(header));
    }
}

#[test]
fn the_header_that_sets_a_cookie() {
    // LB-HASH-05
    let (remote, local): (SocketAddr, SocketAddr) =
        ("127.0.0.1:40001".parse().unwrap(), "127.0.0.1:21000".parse().unwrap());
    let header = |policy: CookiePolicy| policy.generate(remote, local).map(|cookie| cookie.set_cookie());
    let policy = || CookiePolicy::new("user").unwrap();
    assert_eq!(header(policy()), None); // LB-HASH-04: no lifetime, no cookie
    let session = header(policy().ttl(Duration::ZERO));
    assert_eq!(session.as_deref(), Some("user=\"923752a0b0015d6c\"; HttpOnly"));
    let full = policy()
        .ttl(Duration::from_millis(3_900))
        .path("/shop")
        .attribute("SameSite", "Lax")
        .and_then(|policy| policy.attribute("Secure", ""))
        .unwrap();
    let want = "user=\"923752a0b0015d6c\"; Max-Age=3; Path=/shop; SameSite=Lax; Secure; HttpOnly";
    assert_eq!(header(full).as_deref(), Some(want));
    let short = header(policy().ttl(Duration::from_millis(999)).path(""));
    assert_eq!(short, session);
}

#[test]
fn names_must_not_be_empty() {
    // LB-MAP-08
    let error = CookiePolicy::new("").unwrap_err();
    assert_eq!(error.to_string(), "httpCookie.name: the name is empty");
    let error = CookiePolicy::new("user").and_then(|policy| policy.attribute("", "x")).unwrap_err();
    assert_eq!(error.to_string(), "httpCookie.attributes.name: the name is empty");
}

/// The rule over text pieces, with allocations.
fn slow_value(header: &[u8], name: &[u8]) -> Option<Vec<u8>> {
    let text: String = header.iter().map(|&byte| char::from(byte)).collect();
    let name: String = name.iter().map(|&byte| char::from(byte)).collect();
    for piece in text.split(';') {
        let Some((key, value)) = piece.trim_start_matches(' ').split_once('=') else { continue };
        if key == name {
            let quoted = value.len() >= 2 && value.starts_with('"') && value.ends_with('"');
            let value = if quoted { value.get(1..value.len() - 1)? } else { value };
            return Some(value.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect());
        }
    }
    None
}

proptest! {
    #[test]
    fn scanning_agrees_with_a_slow_reader(header in "[ab=;\" ]{0,24}", name in "[ab]{1,2}") {
        // LB-TEST-51
        let found = cookie_value(header.as_bytes(), name.as_bytes());
        prop_assert_eq!(found.map(<[u8]>::to_vec), slow_value(header.as_bytes(), name.as_bytes()));
    }

    #[test]
    fn any_bytes_are_read(header in prop::collection::vec(any::<u8>(), 0..64)) {
        // LB-TEST-51
        let found = cookie_value(&header, b"a").map(<[u8]>::to_vec);
        prop_assert_eq!(found, slow_value(&header, b"a"));
    }
}
