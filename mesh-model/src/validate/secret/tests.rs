use super::*;
use crate::Object;
use crate::validate::{Settings, validate};

macro_rules! file {
    ($name:literal) => {
        include_str!(concat!("../../../../testdata/model/certificates/", $name))
    };
}

const SHOP: &str = file!("shop.crt");
const SHOP_KEY: &str = file!("shop.key");
const RSA: &str = file!("rsa.crt");
const RSA_KEY: &str = file!("rsa.key");

fn secret(kind: &str, entries: &[(&str, &str)]) -> Secret {
    let string_data =
        entries.iter().map(|(name, text)| ((*name).to_owned(), crate::kubernetes::SecretText::new(*text)));
    Secret { secret_type: kind.to_owned(), string_data: string_data.collect(), ..Secret::default() }
}

fn at(time: &str) -> Settings {
    Settings { now: Some(time.parse().unwrap()), ..Settings::default() }
}

/// `severity[code] path: message` of each finding.
fn told(secret: Secret, settings: &Settings) -> Vec<String> {
    validate(&Object::new("shop", "s", secret), settings)
        .into_iter()
        .map(|found| format!("{}[{}] {}: {}", found.severity, found.code, found.path, found.message))
        .collect()
}

fn tls(certificate: &str, key: &str) -> Vec<String> {
    told(
        secret("kubernetes.io/tls", &[("tls.crt", certificate), ("tls.key", key)]),
        &at("2027-01-01T00:00:00Z"),
    )
}

#[test]
fn pairs_of_every_format_are_accepted_model_k8s_5() {
    for (certificate, key) in [
        (SHOP, SHOP_KEY),
        (SHOP, file!("shop.sec1.key")),
        (RSA, RSA_KEY),
        (RSA, file!("rsa.pkcs1.key")),
        (file!("ed25519.crt"), file!("ed25519.key")),
    ] {
        assert_eq!(tls(certificate, key), [""; 0]);
    }
    let chain = format!("{SHOP}{RSA}");
    assert_eq!(tls(&chain, SHOP_KEY), [""; 0]);
    let other = [("cert", SHOP), ("key", SHOP_KEY), ("cacert", RSA)];
    assert_eq!(told(secret("", &other), &Settings::default()), [""; 0]);
    // Nothing is known of secrets for something else.
    let password = [("key", "hunter2"), ("cert", "none")];
    assert_eq!(told(secret("Opaque", &password), &Settings::default()), [""; 0]);
}

#[test]
fn what_is_no_pair_is_refused_without_showing_it_model_k8s_5() {
    let mismatch =
        "error[MODEL-K8S-5] stringData{tls.key}: the key does not belong to the first certificate (IST0161)";
    assert_eq!(tls(SHOP, RSA_KEY), [mismatch]);
    assert_eq!(tls(RSA, SHOP_KEY), [mismatch]);
    assert_eq!(tls(&format!("{RSA}{SHOP}"), SHOP_KEY), [mismatch], "the order of a chain");
    assert_eq!(
        tls("", ""),
        [
            "error[MODEL-K8S-5] stringData{tls.crt}: the value is empty (IST0161)",
            "error[MODEL-K8S-5] stringData{tls.key}: the value is empty (IST0161)",
        ]
    );
    assert_eq!(
        tls("hunter2", SHOP),
        [
            "error[MODEL-K8S-5] stringData{tls.crt}: there is no certificate in PEM in it (IST0161)",
            "error[MODEL-K8S-5] stringData{tls.key}: there is no private key in PEM in it that can be read (IST0161)",
        ]
    );
    let garbage = "-----BEGIN CERTIFICATE-----\naHVudGVyMg==\n-----END CERTIFICATE-----\n";
    assert_eq!(
        tls(garbage, SHOP_KEY),
        ["error[MODEL-K8S-5] stringData{tls.crt}: a certificate in it cannot be read (IST0161)"]
    );
    assert_eq!(
        told(secret("kubernetes.io/tls", &[]), &Settings::default()),
        ["error[MODEL-K8S-5] data: a TLS secret without a certificate and key (IST0161)"]
    );
    assert_eq!(
        told(secret("kubernetes.io/tls", &[("tls.key", SHOP_KEY)]), &Settings::default()),
        ["error[MODEL-K8S-5] data{tls.crt}: `tls.key` is there, but `tls.crt` is missing (IST0161)"]
    );
}

#[test]
fn times_are_compared_only_when_given_model_k8s_6() {
    let pair = || secret("kubernetes.io/tls", &[("tls.crt", SHOP), ("tls.key", SHOP_KEY)]);
    assert_eq!(told(pair(), &Settings::default()), [""; 0]);
    assert_eq!(told(pair(), &at("2030-01-01T00:00:00Z")), [""; 0]);
    let expired = told(pair(), &at("2090-01-01T00:00:00Z"));
    assert!(
        expired[0].starts_with("warning[MODEL-K8S-6] stringData{tls.crt}: the certificate expired on 2036-")
    );
    let chain = secret("", &[("cert", &format!("{SHOP}{RSA}")), ("key", SHOP_KEY)]);
    let both = told(chain, &at("2090-01-01T00:00:00Z"));
    assert!(both[1].contains("stringData{cert}: certificate 2 of 2 expired on 2036-"), "{both:?}");
    let early = told(pair(), &at("2020-01-01T00:00:00Z"));
    assert!(early[0].contains("the certificate is not valid before 2026-"), "{early:?}");
}

#[test]
fn names_a_certificate_is_for_model_k8s_6() {
    let names = ServerNames::of(&secret("", &[("cert", SHOP), ("key", SHOP_KEY)])).unwrap();
    for host in ["shop.example.com", "SHOP.example.com", "a.example.org", "*.example.org", "192.0.2.1"] {
        assert!(names.covers(host), "{host}");
    }
    for host in ["example.com", "a.b.example.org", "*.example.com", "example.org", "192.0.2.2", "*.org"] {
        assert!(!names.covers(host), "{host}");
    }
    assert_eq!(names.shown().unwrap(), "shop.example.com, *.example.org, 192.0.2.1");
}

#[test]
fn no_cut_or_flipped_certificate_panics() {
    use rustls_pki_types::pem::PemObject as _;
    let der = CertificateDer::from_pem_slice(SHOP.as_bytes()).unwrap();
    for end in 0..der.len() {
        let _ = Certificate::parse(&der[..end]);
    }
    let mut bytes = der.to_vec();
    for place in 0..bytes.len() {
        for value in [0x00, 0x30, 0x80, 0x84, 0xff] {
            let old = std::mem::replace(&mut bytes[place], value);
            let _ = Certificate::parse(&bytes);
            let _ = (x509::pkcs1(&bytes), x509::sec1(&bytes), x509::pkcs8(&bytes));
            bytes[place] = old;
        }
    }
}
