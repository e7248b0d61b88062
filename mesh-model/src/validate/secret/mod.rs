//! Secret (MODEL-K8S-5, MODEL-K8S-6). No message shows what a secret holds.

#[cfg(test)]
mod tests;
mod x509;

use super::report::{At, Report, show};
use crate::kubernetes::Secret;
use crate::load::distance;
use base64::Engine as _;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::collections::BTreeMap;
use x509::{Certificate, PublicKey};

const CODE: &str = "MODEL-K8S-5";

/// Names of a certificate and its key, in the order in which Istio looks for them.
const PAIRS: [(&str, &str); 2] = [("cert", "key"), ("tls.crt", "tls.key")];
/// Names of the certificates that others are verified by.
const ROOTS: [&str; 2] = ["cacert", "ca.crt"];

/// The values by name; `None` what is not base64.
fn values(secret: &Secret) -> BTreeMap<&str, Option<Vec<u8>>> {
    let decoded = secret.data.iter().map(|(name, text)| {
        let plain: String = text.expose().chars().filter(|c| !matches!(c, '\n' | '\r')).collect();
        (name.as_str(), base64::engine::general_purpose::STANDARD.decode(plain).ok())
    });
    let written = secret
        .string_data
        .iter()
        .map(|(name, text)| (name.as_str(), Some(text.expose().as_bytes().to_vec())));
    decoded.chain(written).collect()
}

fn is_pem(value: &[u8]) -> bool {
    value.trim_ascii_start().starts_with(b"-----BEGIN ")
}

pub(super) fn check(report: &mut Report<'_>, secret: &Secret) {
    let values = values(secret);
    let data = At::OBJECT.field("data");
    let string_data = At::OBJECT.field("stringData");
    for (name, value) in &values {
        if value.is_none() {
            report
                .error(CODE, &data.key(name), format!("the value of `{}` is not base64", show(name)))
                .help("encode it, or write it under `stringData` as it is")
                .at_key();
        }
    }
    let at = |name: &str| secret.string_data.contains_key(name);
    let tls = secret.secret_type == "kubernetes.io/tls";
    let get = |name: &str| values.get(name).and_then(Option::as_deref);
    let mut complete = false;
    for (certificate, key) in PAIRS {
        match (get(certificate), get(key)) {
            (Some(chain), Some(private)) => {
                complete = true;
                // Anything may be called `cert` and `key`.
                if !tls && !is_pem(chain) && !is_pem(private) {
                    continue;
                }
                let first = if at(certificate) { string_data } else { data };
                let second = if at(key) { string_data } else { data };
                pair(report, &first.key(certificate), chain, &second.key(key), private);
            }
            (None, None) => {}
            (found, _) => {
                complete |= values.get(certificate).or(values.get(key)).is_some_and(Option::is_none);
                let missing = if found.is_some() { key } else { certificate };
                if tls && !values.contains_key(missing) {
                    complete = true;
                    let there = if found.is_some() { certificate } else { key };
                    report
                        .error(
                            CODE,
                            &data.key(missing),
                            format!("`{there}` is there, but `{missing}` is missing (IST0161)"),
                        )
                        .help(misspelt(&values, missing).unwrap_or_else(|| "add it".to_owned()))
                        .absent();
                }
            }
        }
    }
    if tls && !complete {
        report
            .error(CODE, &data, "a TLS secret without a certificate and key (IST0161)")
            .help(misspelt(&values, "tls.crt").unwrap_or_else(|| "add `tls.crt` and `tls.key`".to_owned()))
            .absent();
    }
    for name in ROOTS {
        let Some(value) = get(name) else { continue };
        if tls || is_pem(value) {
            let base = if at(name) { string_data } else { data };
            chain(report, &base.key(name), value);
        }
    }
}

/// The name that was probably meant to be `missing`.
fn misspelt(values: &BTreeMap<&str, Option<Vec<u8>>>, missing: &str) -> Option<String> {
    let known = |name: &str| {
        ROOTS.contains(&name) || PAIRS.iter().any(|(certificate, key)| [certificate, key].contains(&&name))
    };
    let near = values.keys().find(|name| !known(name) && distance(name, missing, 2) <= 2)?;
    Some(format!("rename `{}` to `{missing}`", show(near)))
}

/// Why a server cannot use the certificate and key of a secret, as far as [`check`] does not say so: anything may be
/// called `cert` and `key` until somebody takes it for them.
pub(super) fn no_certificate(secret: &Secret) -> Option<&'static str> {
    let values = values(secret);
    let get = |name: &str| values.get(name).and_then(Option::as_deref);
    let pair = PAIRS.iter().find_map(|(certificate, key)| Some((get(certificate)?, get(key)?)));
    let unreadable = PAIRS.iter().any(|(certificate, key)| {
        [certificate, key].iter().any(|name| values.get(**name).is_some_and(Option::is_none))
    });
    match pair {
        _ if secret.secret_type == "kubernetes.io/tls" => None,
        None if unreadable => None,
        None => Some("has no certificate and key"),
        Some((chain, key)) if is_pem(chain) || is_pem(key) => None,
        Some(_) => Some("has no certificate and key in PEM"),
    }
}

/// Why a secret cannot verify others, as far as [`check`] does not say so.
pub(super) fn no_root(secret: &Secret) -> Option<&'static str> {
    let values = values(secret);
    match ROOTS.iter().find_map(|name| values.get(name)) {
        None => Some("has no CA"),
        Some(Some(value)) if secret.secret_type != "kubernetes.io/tls" && !is_pem(value) => {
            Some("has no CA in PEM")
        }
        Some(_) => None,
    }
}

fn certificates(text: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    all.ok().filter(|all| !all.is_empty())
}

/// Reports what is wrong with certificates; the first of them when nothing is.
fn chain(report: &mut Report<'_>, at: &At<'_>, text: &[u8]) -> Option<Certificate> {
    let fault = if text.is_empty() {
        "the value is empty (IST0161)"
    } else {
        let all = certificates(text);
        let parsed: Option<Vec<Certificate>> =
            all.iter().flatten().map(|der| Certificate::parse(der)).collect();
        match parsed {
            _ if all.is_none() => "there is no certificate in PEM in it (IST0161)",
            None => "a certificate in it cannot be read (IST0161)",
            Some(parsed) => {
                for (number, certificate) in parsed.iter().enumerate() {
                    let which = match parsed.len() {
                        1 => "the certificate".to_owned(),
                        all => format!("certificate {} of {all}", number + 1),
                    };
                    validity(report, at, certificate, &which);
                }
                return parsed.into_iter().next();
            }
        }
    };
    report
        .error(CODE, at, fault)
        .help("put a text that begins with -----BEGIN CERTIFICATE----- here")
        .at_key();
    None
}

/// MODEL-K8S-6, when the time is known.
fn validity(report: &mut Report<'_>, at: &At<'_>, certificate: &Certificate, which: &str) {
    let Some(now) = report.settings.now else { return };
    let fault = if certificate.not_after < now {
        format!("{which} expired on {}", certificate.not_after)
    } else if certificate.not_before > now {
        format!("{which} is not valid before {}", certificate.not_before)
    } else {
        return;
    };
    report.warning("MODEL-K8S-6", at, fault).help("put a renewed one here").at_key();
}

fn pair(report: &mut Report<'_>, certificate: &At<'_>, text: &[u8], key: &At<'_>, private: &[u8]) {
    let leaf = chain(report, certificate, text);
    let parsed = PrivateKeyDer::from_pem_slice(private).ok();
    let Some(public) = parsed.as_ref().and_then(public_half) else {
        let fault = if private.is_empty() {
            "the value is empty (IST0161)"
        } else {
            "there is no private key in PEM in it that can be read (IST0161)"
        };
        report
            .error(CODE, key, fault)
            .help("put a text that begins with -----BEGIN PRIVATE KEY----- here; it may not be encrypted")
            .at_key();
        return;
    };
    if leaf.is_some_and(|leaf| !leaf.key.fits(&public)) {
        report
            .error(CODE, key, "the key does not belong to the first certificate (IST0161)")
            .help("put the key of that certificate here, and the certificates in order: the server's first")
            .at_key();
    }
}

fn public_half(key: &PrivateKeyDer<'_>) -> Option<PublicKey> {
    match key {
        PrivateKeyDer::Pkcs1(key) => x509::pkcs1(key.secret_pkcs1_der()),
        PrivateKeyDer::Sec1(key) => x509::sec1(key.secret_sec1_der()),
        PrivateKeyDer::Pkcs8(key) => x509::pkcs8(key.secret_pkcs8_der()),
        _ => None,
    }
}

/// The certificate that a server shows: what it is valid for, as far as a client checks.
pub(super) struct ServerNames(Certificate);

impl ServerNames {
    /// The first pair of a secret; `None` when there is none that can be read.
    pub(super) fn of(secret: &Secret) -> Option<Self> {
        let values = values(secret);
        let value = PAIRS.iter().find_map(|(certificate, key)| {
            values.contains_key(key).then(|| values.get(certificate)?.as_deref()).flatten()
        })?;
        Certificate::parse(certificates(value)?.first()?).map(Self)
    }

    /// True when a client that asks for `host` accepts the certificate.
    pub(super) fn covers(&self, host: &str) -> bool {
        self.0.covers(host)
    }

    /// Whom it is for, for a message; `None` for nobody: clients no longer look at the subject.
    pub(super) fn shown(&self) -> Option<String> {
        const LISTED: usize = 5;
        let names = self.0.dns_names.iter().map(|name| show(name));
        let all: Vec<String> = names.chain(self.0.addresses.iter().map(ToString::to_string)).collect();
        let more = all.len().saturating_sub(LISTED);
        let listed = all.get(..LISTED).unwrap_or(&all).join(", ");
        match more {
            _ if all.is_empty() => None,
            0 => Some(listed),
            _ => Some(format!("{listed} and {more} more")),
        }
    }
}
