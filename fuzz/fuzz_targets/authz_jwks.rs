//! Key sets from strangers: reading is total and gives at least one key or says why not, and no key that was read makes
//! the real verifier accept, or panic on, what nobody has signed.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use mesh_authz::jwt::{Algorithm, AwsLc, KeySet, SignatureVerifier};
use mesh_fuzz::base64url;

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    text: &'a str,
    members: Vec<(Member, Value<'a>)>,
    algorithm: usize,
    signature: &'a [u8],
}

#[derive(Debug, Arbitrary)]
enum Member {
    Kty,
    Crv,
    Alg,
    Kid,
    N,
    E,
    X,
    Y,
    K,
}

#[derive(Debug, Arbitrary)]
enum Value<'a> {
    Word(u8),
    Bytes(&'a [u8]),
    Repeated(u8, u8),
    Number(i32),
}

const WORDS: [&str; 12] =
    ["RSA", "EC", "oct", "OKP", "P-256", "P-384", "P-521", "Ed25519", "RS256", "ES512", "HS384", "EdDSA"];

fuzz_target!(|input: Input<'_>| {
    let members: Vec<String> = input
        .members
        .iter()
        .map(|(member, value)| {
            let value = match value {
                Value::Word(word) => format!("\"{}\"", WORDS[usize::from(*word) % WORDS.len()]),
                Value::Bytes(bytes) => format!("\"{}\"", base64url(bytes.iter().copied())),
                Value::Repeated(byte, times) => {
                    format!("\"{}\"", base64url(std::iter::repeat_n(*byte, usize::from(*times))))
                }
                Value::Number(number) => number.to_string(),
            };
            format!("\"{}\":{value}", format!("{member:?}").to_lowercase())
        })
        .collect();
    let one = format!("{{\"keys\":[{{{}}}]}}", members.join(","));
    for text in [input.text, &one] {
        let Ok(set) = KeySet::parse(text) else { continue };
        assert!(!set.keys().is_empty());
        assert_eq!(KeySet::parse(text).as_ref(), Ok(&set));
        let algorithm = Algorithm::ALL[input.algorithm % Algorithm::ALL.len()];
        for key in set.keys() {
            // Nobody can have signed this by chance, but for keys so weak that anybody can: those of Ed25519 of small
            // order. Panics are looked for there as well.
            let accepted = AwsLc::new().verify(algorithm, key.material(), b"message", input.signature);
            assert!(!accepted || algorithm == Algorithm::EdDsa, "{algorithm} {key:?}");
        }
    }
});
