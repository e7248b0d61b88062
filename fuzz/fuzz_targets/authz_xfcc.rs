//! `x-forwarded-client-cert`: nothing panics, what is read can be written and read again, and appending an element
//! adds that element and nothing else.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mesh_authz::{XfccElement, XfccMode};
use mesh_fuzz::fold;

const WORDS: &[&str] = &[
    "By=",
    "Hash=",
    "Cert=",
    "Chain=",
    "Subject=",
    "URI=",
    "DNS=",
    "X=",
    "uri=",
    ";",
    ",",
    "\"",
    "\\",
    "\\\"",
    "=",
    "a",
    "spiffe://td/ns/a/sa/b",
    " ",
    "é",
    "CN=x",
];

fuzz_target!(|input: (Vec<u8>, Vec<u8>)| {
    let header = fold(&input.0, WORDS);
    let client = XfccElement::new().hash("ab").subject("").uri("spiffe://td/ns/a/sa/b");
    if let Ok(elements) = XfccElement::parse_header(&header) {
        assert!(!elements.is_empty());
        assert!(elements.len() <= header.matches(',').count() + 1);
        if let Some(appended) = XfccMode::AppendForward.apply(Some(&header), Some(&client)) {
            let mut want = elements.clone();
            want.push(client.clone());
            assert_eq!(XfccElement::parse_header(&appended), Ok(want), "{header}");
        }
        for element in elements.iter().filter(|element| !element.is_ambiguous()) {
            let written = element.to_string();
            // Values that were quoted without need, or hold separators, read back differently by design.
            if let Ok(again) = XfccElement::parse_header(&written)
                && let [again] = &again[..]
                && !again.is_ambiguous()
            {
                assert_eq!(again.to_string(), written);
            }
        }
    }
    // Raw values that hold separators make the element ambiguous or another one, and never panic.
    let value = fold(&input.1, WORDS);
    let element = XfccElement::new().by("proxy").hash("00").uri(value.clone());
    if !value.contains([',', ';', '"']) {
        assert_eq!(XfccElement::parse_header(&element.to_string()), Ok(vec![element]));
    } else {
        let _ = XfccElement::parse_header(&element.to_string());
    }
});
