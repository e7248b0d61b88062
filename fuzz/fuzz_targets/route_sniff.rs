//! First bytes of connections. More bytes never change an answer, and a ClientHello says the same however its bytes
//! are cut into records.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use mesh_fuzz::fold;
use mesh_route::{InboundTraffic, Sniffed, Traffic, Unusable, sniff};

#[derive(Arbitrary, Debug)]
enum Piece {
    Bytes(Vec<u8>),
    /// A request line, or nearly one.
    Line(Vec<u8>),
    /// A record of any kind.
    Record(u8, Vec<u8>),
    /// A ClientHello with these extensions, in records of a size.
    Hello(Vec<(u8, Vec<u8>)>, u8),
}

#[derive(Arbitrary, Debug)]
struct Input {
    pieces: Vec<Piece>,
    /// Bytes that are overwritten.
    damage: Vec<(u16, u8)>,
    /// A message behind a length that is right, and two sizes of records.
    message: Vec<u8>,
    sizes: (u8, u8),
}

const LINE: &[&str] = &[
    "GET", "PRI", "CONNECT", " ", "\t", "/", "*", "http://", "a:80", "HTTP/1.1", "HTTP/2.0", "\r", "\n",
    "SM", "\x7f",
];

fn long(bytes: &[u8]) -> Vec<u8> {
    let bytes = &bytes[..bytes.len().min(60_000)];
    [&u16::try_from(bytes.len()).unwrap_or_default().to_be_bytes(), bytes].concat()
}

fn record(kind: u8, payload: &[u8]) -> Vec<u8> {
    [vec![kind, 3, 1], long(payload)].concat()
}

fn records(message: &[u8], size: u8) -> Vec<u8> {
    message.chunks(usize::from(size).max(1)).flat_map(|part| record(22, part)).collect()
}

fn handshake(body: &[u8]) -> Vec<u8> {
    let body = &body[..body.len().min(60_000)];
    [vec![1, 0], long(body)].concat()
}

fn hello(extensions: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let one = |(kind, body): &(u8, Vec<u8>)| {
        let name = [&[0][..], &long(body)].concat();
        let list = [&[u8::try_from(body.len()).unwrap_or(0)][..], body].concat();
        match kind % 4 {
            0 => [vec![0, 0], long(&long(&name))].concat(),
            1 => [vec![0, 16], long(&long(&list))].concat(),
            2 => [vec![0, 16], long(body)].concat(),
            _ => [vec![*kind, 21], long(body)].concat(),
        }
    };
    let extensions: Vec<u8> = extensions.iter().take(20).flat_map(one).collect();
    handshake(&[&[3, 3][..], &[7; 32], &[0], &[0, 2, 0x13, 1], &[1, 0], &long(&extensions)].concat())
}

fn piece(piece: &Piece) -> Vec<u8> {
    match piece {
        Piece::Bytes(bytes) => bytes.clone(),
        Piece::Line(bytes) => fold(bytes, LINE).into_bytes(),
        Piece::Record(kind, payload) => record(20 + kind % 5, payload),
        Piece::Hello(extensions, size) => records(&hello(extensions), *size),
    }
}

fuzz_target!(|input: Input| {
    let mut bytes: Vec<u8> = input.pieces.iter().flat_map(piece).take(20_000).collect();
    for (at, byte) in &input.damage {
        if let Some(place) = bytes.get_mut(usize::from(*at)) {
            *place = *byte;
        }
    }
    let last = sniff(&bytes);
    let mut answered = None;
    // Every border in the first bytes, then some.
    let borders = (0..bytes.len().min(300)).chain((300..bytes.len()).step_by(997));
    for end in borders {
        match (sniff(&bytes[..end]), &answered) {
            (Sniffed::NeedMore, None) => {}
            (found, None) => answered = Some(found),
            (found, Some(before)) => assert_eq!(found, *before, "at {end}"),
        }
    }
    if let Some(before) = answered {
        assert_eq!(last, before);
    }
    let open = matches!(last, Sniffed::NeedMore | Sniffed::Unusable(_));
    assert_eq!(Traffic::of(&last).is_none(), open);
    assert_eq!(InboundTraffic::of(&last).is_none(), open);
    if let Sniffed::Tls(hello) = &last {
        assert!(hello.server_name().is_none_or(|name| (1..256).contains(&name.len()) && !name.contains(&0)));
        assert!(hello.application_protocols().all(|name| !name.is_empty()));
    }

    let message = handshake(&input.message);
    let (one, two) = (records(&message, input.sizes.0), records(&message, input.sizes.1));
    let (a, b) = (sniff(&one), sniff(&two));
    // Headers of many small records may cross the limit that the bytes alone do not.
    let too_large = |found: &Sniffed<'_>| *found == Sniffed::Unusable(Unusable::HelloTooLarge);
    assert!(a == b || too_large(&a) || too_large(&b), "{a:?} {b:?}");
});
