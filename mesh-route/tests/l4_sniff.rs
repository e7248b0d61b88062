//! What the first bytes say: Envoy's answers as data, and laws over bytes built to be nearly TLS or nearly HTTP.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests fail by panicking and read files"
)]

mod common;

use common::{Failures, read};
use mesh_route::{ClientHello, HttpVersion, Sniffed, Unusable, sniff};
use proptest::prelude::*;
use proptest::sample::select;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Golden {
    http: Vec<Case>,
    tls: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    #[serde(default)]
    name: String,
    #[serde(default)]
    text: String,
    #[serde(default)]
    hex: String,
    want: String,
}

impl Case {
    fn bytes(&self) -> Vec<u8> {
        if self.hex.is_empty() {
            return self.text.clone().into_bytes();
        }
        let digit = |byte: u8| u8::try_from(char::from(byte).to_digit(16).unwrap()).unwrap();
        self.hex.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
    }
}

/// The answer in the words of the file.
fn chain(bytes: &[u8]) -> &'static str {
    match sniff(bytes) {
        Sniffed::NeedMore => "more",
        Sniffed::Http(version) => version.as_str(),
        Sniffed::Tls(hello) => {
            let known = hello.server_name().is_some_and(|name| name.eq_ignore_ascii_case(b"a.example.com"));
            let h2 = hello.application_protocols().any(|name| &*name == b"h2");
            match (known, h2) {
                (true, true) => "tls-a-h2",
                (true, false) => "tls-a",
                (false, true) => "tls-h2",
                (false, false) => "tls",
            }
        }
        Sniffed::Other => "other",
        Sniffed::Unusable(_) => "closed",
    }
}

#[test]
fn as_envoy_answered_route_sniff_02_03() {
    let golden: Golden = read("l4-sniff.toml");
    let mut failures = Failures::of("l4-sniff.toml");
    for case in golden.http.iter().chain(&golden.tls) {
        let name = if case.name.is_empty() { &case.text } else { &case.name };
        failures.begin("bytes", "ROUTE-SNIFF-02");
        failures.check(name, "chain", &chain(&case.bytes()), &case.want.as_str());
    }
    failures.finish();
}

/// Bytes behind their length in one byte, in two.
fn short(bytes: &[u8]) -> Vec<u8> {
    [&[u8::try_from(bytes.len()).unwrap()], bytes].concat()
}

fn long(bytes: &[u8]) -> Vec<u8> {
    [&u16::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat()
}

fn extension(kind: u16, body: &[u8]) -> Vec<u8> {
    [kind.to_be_bytes().to_vec(), long(body)].concat()
}

fn server_name(name: &[u8]) -> Vec<u8> {
    extension(0, &long(&[&[0][..], &long(name)].concat()))
}

fn protocols(names: &[&[u8]]) -> Vec<u8> {
    extension(16, &long(&names.iter().map(|name| short(name)).collect::<Vec<_>>().concat()))
}

/// A ClientHello of TLS 1.2 and 1.3 with its header (RFC 8446, section 4.1.2).
fn hello(extensions: &[u8]) -> Vec<u8> {
    let body = [
        &[3, 3][..],
        &[7; 32],
        &short(&[9; 32]),
        &long(&[0x13, 0x01, 0xc0, 0x2f]),
        &short(&[0]),
        &long(extensions),
    ]
    .concat();
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&[1], &length[1..], &body].concat()
}

fn record(kind: u8, payload: &[u8]) -> Vec<u8> {
    [&[kind, 3, 1][..], &long(payload)].concat()
}

/// Handshake records of at most `size` bytes.
fn records(message: &[u8], size: usize) -> Vec<u8> {
    message.chunks(size).flat_map(|part| record(22, part)).collect()
}

fn said(found: &ClientHello<'_>) -> (Option<Vec<u8>>, Vec<Vec<u8>>) {
    let names = found.application_protocols().map(|name| name.to_vec()).collect();
    (found.server_name().map(|name| name.to_vec()), names)
}

#[test]
fn names_cut_by_records_are_put_together_route_sniff_02() {
    let long_name = [b"a".repeat(250), b".com".to_vec()].concat();
    let message =
        hello(&[server_name(&long_name), protocols(&[b"h2", b"http/1.1", &b"x".repeat(255)])].concat());
    for size in [1, 2, 3, 7, 64, 255, 16_000] {
        let bytes = records(&message, size);
        let Sniffed::Tls(found) = sniff(&bytes) else { panic!("{size}: {:?}", sniff(&bytes)) };
        let (name, list) = said(&found);
        assert_eq!(name.as_deref(), Some(&long_name[..]), "{size}");
        assert_eq!(list, [b"h2".to_vec(), b"http/1.1".to_vec(), b"x".repeat(255)], "{size}");
        assert_eq!(sniff(&bytes), sniff(&records(&message, 16_000)), "cuts do not matter");
        assert_eq!(sniff(&bytes[..bytes.len() - 1]), Sniffed::NeedMore, "{size}");
    }
    let hello = hello(&server_name(b"A.example.com"));
    let bytes = records(&hello, 9);
    let Sniffed::Tls(found) = sniff(&bytes) else { panic!() };
    assert_eq!(found.server_name().unwrap().to_str(), Some("A.example.com"));
    assert_eq!(
        format!("{found:?}"),
        r#"ClientHello { server_name: Some("A.example.com"), application_protocols: [] }"#
    );
}

/// Sizes around the limits, as Envoy 1.40 took them.
#[test]
fn limits_route_sniff_02() {
    let padded = |body: usize| {
        let bare = hello(&[server_name(b"a"), extension(21, &[])].concat()).len() - 4;
        hello(&[server_name(b"a"), extension(21, &vec![0; body - bare])].concat())
    };
    assert!(matches!(sniff(&records(&padded(16_000), 8_000)), Sniffed::Tls(_)));
    assert!(matches!(sniff(&records(&padded(16_384 - 9), 16_384)), Sniffed::Tls(_)));
    for (body, size, want) in [
        (16_384 - 8, 16_384, Sniffed::Unusable(Unusable::HelloTooLarge)),
        (16_384, 8_000, Sniffed::Unusable(Unusable::HelloTooLarge)),
        (16_385, 8_000, Sniffed::Other),
        (14_000, 2, Sniffed::Unusable(Unusable::HelloTooLarge)),
    ] {
        assert_eq!(sniff(&records(&padded(body), size)), want, "{body} {size}");
    }
    let line = |length: usize| format!("GET /{} HTTP/1.1\r\n", "a".repeat(length - 16)).into_bytes();
    assert_eq!(sniff(&line(16_384)), Sniffed::Http(HttpVersion::Http11));
    assert_eq!(sniff(&line(16_384)[..16_383]), Sniffed::NeedMore);
    // DIFFERENCE ROUTE-SNIFF-02: Envoy waits for ever.
    assert_eq!(sniff(&line(16_385)), Sniffed::Other);
}

#[test]
fn every_first_byte_route_sniff_02() {
    for byte in 0..=255_u8 {
        let bytes = [&[byte][..], b"AAAAAAA"].concat();
        let token = byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        let want = if token { Sniffed::NeedMore } else { Sniffed::Other };
        assert_eq!(sniff(&bytes), want, "{byte:#x}");
        assert_eq!(sniff(&bytes[..4]), Sniffed::NeedMore, "{byte:#x}");
    }
}

/// Nothing received is no answer, however often one asks (what a timeout makes of that is the caller's).
#[test]
fn silence_route_sniff_04() {
    assert_eq!(sniff(b""), Sniffed::NeedMore);
}

/// Pieces that nearly are something, put together and damaged.
fn nearly() -> impl Strategy<Value = Vec<u8>> {
    let extensions = prop::collection::vec(
        prop_oneof![
            select(vec![&b"a.example.com"[..], b"b", b"", b"\0", b"\xff"]).prop_map(server_name),
            prop::collection::vec(select(vec![&b"h2"[..], b"http/1.1", b""]), 0..4)
                .prop_map(|names| protocols(&names)),
            (select(vec![0_u16, 16, 21, 43]), prop::collection::vec(any::<u8>(), 0..6))
                .prop_map(|(kind, body)| extension(kind, &body)),
        ],
        0..4,
    )
    .prop_map(|list| list.concat());
    let tls = (extensions, 1_usize..90).prop_map(|(extensions, size)| records(&hello(&extensions), size));
    let odd = prop_oneof![
        Just(record(22, b"")),
        Just(record(21, &[1, 90])),
        Just(record(21, &[1, 0])),
        Just(record(21, &[2, 40])),
        Just(record(23, b"x")),
        Just(vec![0x80, 0x2e, 1, 3, 1]),
    ];
    let http = (
        select(vec!["GET", "get", "PRI", "CONNECT", "G(T", ""]),
        select(vec![" ", "\t", "  ", "\r"]),
        select(vec!["/", "*", "http://a/b", "a:80", "x", ""]),
        select(vec![" HTTP/1.1", " HTTP/1.0", " HTTP/2.0", " HTTP/1.10", " ", ""]),
        select(vec!["\r\n", "\n", "\r", "\r\n\r\nSM\r\n\r\n", ""]),
    )
        .prop_map(|(method, space, target, version, end)| {
            [method, space, target, version, end].concat().into_bytes()
        });
    let bytes = prop::collection::vec(any::<u8>(), 0..40);
    let parts = prop::collection::vec(prop_oneof![4 => tls, 2 => odd, 4 => http, 1 => bytes], 1..4);
    let damage = prop::option::weighted(0.4, (any::<prop::sample::Index>(), any::<u8>()));
    (parts, damage).prop_map(|(parts, damage)| {
        let mut bytes = parts.concat();
        if let Some((at, byte)) = damage.filter(|_| !bytes.is_empty()) {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, ..ProptestConfig::default() })]

    /// More bytes never change an answer, so every way to split the input leads to the same one.
    #[test]
    fn answers_are_final_route_sniff_02(bytes in nearly()) {
        let last = sniff(&bytes);
        let mut answered = None;
        for end in 0..=bytes.len() {
            match (sniff(&bytes[..end]), answered) {
                (Sniffed::NeedMore, None) => {}
                (found, None) => answered = Some(found),
                (found, Some(before)) => prop_assert_eq!(found, before, "at {}", end),
            }
        }
        prop_assert_eq!(answered.unwrap_or(Sniffed::NeedMore), last);
    }

    /// What a ClientHello says does not depend on how it is cut into records.
    #[test]
    fn cuts_do_not_matter_route_sniff_02(
        name in prop::collection::vec(1_u8..=255, 1..=255),
        list in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..=255), 0..4),
        size in 1_usize..700,
    ) {
        let list: Vec<&[u8]> = list.iter().map(Vec::as_slice).collect();
        let message = hello(&[protocols(&list), server_name(&name)].concat());
        let bytes = records(&message, size);
        let Sniffed::Tls(found) = sniff(&bytes) else { panic!("{:?}", sniff(&bytes)) };
        let (said_name, said_list) = said(&found);
        prop_assert_eq!(said_name.as_deref(), Some(&name[..]));
        prop_assert_eq!(said_list, list);
    }
}
