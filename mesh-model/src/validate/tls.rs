//! TLS of clients and servers (MODEL-CTLS, MODEL-STLS).

use super::report::{At, Report, show};
use crate::common::{ClientTlsMode, ClientTlsSettings, ServerTlsMode, ServerTlsSettings, TlsProtocol};

/// A path of the time when certificates were mounted as files into every gateway (MODEL-LEG-16).
fn mounted(report: &mut Report<'_>, at: &At<'_>, path: &str) {
    if path.starts_with("/etc/istio/ingressgateway-certs") || path.starts_with("/etc/certs") {
        report
            .info("MODEL-LEG-16", at, format!("`{}` is a file that the proxy must have mounted", show(path)))
            .help("name a secret with `credentialName` at a gateway");
    }
}

/// `tls` of a DestinationRule.
pub(super) fn client(report: &mut Report<'_>, at: &At<'_>, tls: &ClientTlsSettings) {
    let mode = tls.mode;
    let credential = !tls.credential_name.is_empty();
    if let Some(rest) = tls.credential_name.strip_prefix("configmap://") {
        let namespace = report.namespace();
        let fits = rest
            .split_once('/')
            .is_some_and(|(found, name)| found == namespace && !name.is_empty() && !name.contains('/'));
        if !fits {
            report
                .error(
                    "MODEL-CTLS-1",
                    &at.field("credentialName"),
                    format!("`{}` does not name a ConfigMap of this namespace", show(&tls.credential_name)),
                )
                .help(format!("write configmap://{namespace}/<name>"));
        }
    }
    let skip = tls.insecure_skip_verify == Some(true);
    let verifies = !tls.ca_certificates.is_empty() || !tls.subject_alt_names.is_empty();
    if skip && mode == ClientTlsMode::Simple && (verifies || credential) {
        report
            .error(
                "MODEL-CTLS-2",
                &at.field("insecureSkipVerify"),
                "`insecureSkipVerify` contradicts `caCertificates`, `credentialName` and `subjectAltNames`",
            )
            .help("remove the one or the others");
    }
    if skip && mode == ClientTlsMode::Mutual && verifies {
        report
            .error(
                "MODEL-CTLS-3",
                &at.field("insecureSkipVerify"),
                "`insecureSkipVerify` contradicts `caCertificates` and `subjectAltNames`",
            )
            .help("remove the one or the others");
    }
    let files = [
        ("clientCertificate", &tls.client_certificate),
        ("privateKey", &tls.private_key),
        ("caCertificates", &tls.ca_certificates),
        ("caCrl", &tls.ca_crl),
    ];
    match mode {
        ClientTlsMode::Simple | ClientTlsMode::Mutual => {
            if credential {
                if let Some((name, _)) = files.iter().find(|(_, value)| !value.is_empty()) {
                    report
                        .error(
                            "MODEL-CTLS-4",
                            &at.field("credentialName"),
                            format!("`credentialName` and `{name}` are two sources of certificates"),
                        )
                        .help(format!("remove `{name}`"));
                }
            } else if mode == ClientTlsMode::Mutual {
                for (name, _) in files.into_iter().take(2).filter(|(_, value)| value.is_empty()) {
                    report
                        .error("MODEL-CTLS-5", &at.field(name), format!("MUTUAL needs `{name}`"))
                        .help("give the files, or a `credentialName`")
                        .absent();
                }
            }
        }
        ClientTlsMode::Disable | ClientTlsMode::IstioMutual => {
            let san = !tls.subject_alt_names.is_empty();
            let sni = !tls.sni.is_empty();
            let ignored = files
                .iter()
                .find(|(_, value)| !value.is_empty())
                .map(|(name, _)| *name)
                .or(credential.then_some("credentialName"))
                .or(san.then_some("subjectAltNames"))
                .or(sni.then_some("sni"));
            if let Some(name) = ignored {
                report
                    .warning("MODEL-CTLS-6", &at.field(name), format!("{mode} ignores `{name}`"))
                    .help("remove it, or set the mode to SIMPLE or MUTUAL")
                    .at_key();
            }
        }
    }
}

/// The fields that name a certificate, and whether each is set.
fn sources(tls: &ServerTlsSettings) -> [(&'static str, bool); 6] {
    [
        ("serverCertificate", !tls.server_certificate.is_empty()),
        ("privateKey", !tls.private_key.is_empty()),
        ("caCertificates", !tls.ca_certificates.is_empty()),
        ("tlsCertificates", !tls.tls_certificates.is_empty()),
        ("credentialName", !tls.credential_name.is_empty()),
        ("credentialNames", !tls.credential_names.is_empty()),
    ]
}

/// MODEL-CHK-22.
pub(super) fn is_curve(name: &str) -> bool {
    matches!(
        name,
        "P-224" | "P-256" | "P-384" | "P-521" | "X25519" | "X25519Kyber768Draft00" | "X25519MLKEM768"
    )
}

fn is_cipher(name: &str) -> bool {
    const KNOWN: [&str; 15] = [
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-RSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        "ECDHE-RSA-CHACHA20-POLY1305",
        "ECDHE-ECDSA-AES128-SHA",
        "ECDHE-RSA-AES128-SHA",
        "ECDHE-ECDSA-AES256-SHA",
        "ECDHE-RSA-AES256-SHA",
        "AES128-GCM-SHA256",
        "AES256-GCM-SHA384",
        "AES128-SHA",
        "AES256-SHA",
        "DES-CBC3-SHA",
    ];
    name.is_empty()
        || name == "ALL"
        || !name.starts_with(|c: char| c.is_ascii_alphanumeric())
        || KNOWN.contains(&name)
}

/// Secrets that exclude each other, whatever the mode (MODEL-STLS-6). True when there are any.
fn secrets(report: &mut Report<'_>, at: &At<'_>, tls: &ServerTlsSettings) -> bool {
    let others = [
        ("credentialName", !tls.credential_name.is_empty()),
        ("tlsCertificates", !tls.tls_certificates.is_empty()),
    ];
    let names = !tls.credential_names.is_empty();
    let found = others.into_iter().find(|(_, set)| names && *set);
    if let Some((other, _)) = found {
        report
            .error("MODEL-STLS-6", at, format!("`{other}` and `credentialNames` exclude each other"))
            .help("keep one of them");
    }
    found.is_some()
}

/// `tls` of a Gateway server or a Sidecar ingress listener.
pub(super) fn server(report: &mut Report<'_>, at: &At<'_>, tls: &ServerTlsSettings) {
    let mode = tls.mode;
    versions_and_ciphers(report, at, tls);
    let sources = sources(tls);
    let secrets = secrets(report, at, tls);
    if mode == ServerTlsMode::IstioMutual {
        for (name, _) in sources.into_iter().filter(|(_, set)| *set) {
            report
                .error("MODEL-STLS-3", &at.field(name), "ISTIO_MUTUAL uses the mesh's own certificates")
                .help(format!("remove `{name}`, or set the mode to MUTUAL"))
                .at_key();
        }
        return;
    }
    if matches!(mode, ServerTlsMode::Passthrough | ServerTlsMode::AutoPassthrough) {
        let crl = ("caCrl", !tls.ca_crl.is_empty());
        for (name, _) in sources.into_iter().chain([crl]).filter(|(_, set)| *set) {
            report
                .warning("MODEL-STLS-4", &at.field(name), format!("{mode} does not use `{name}`"))
                .help("remove it, or set the mode to SIMPLE or MUTUAL")
                .at_key();
        }
        return;
    }
    mounted(report, &at.field("serverCertificate"), &tls.server_certificate);
    let files = !tls.server_certificate.is_empty() || !tls.private_key.is_empty();
    let kinds: Vec<&str> = [
        ("serverCertificate", files),
        ("credentialName", !tls.credential_name.is_empty()),
        ("credentialNames", !tls.credential_names.is_empty()),
        ("tlsCertificates", !tls.tls_certificates.is_empty()),
    ]
    .into_iter()
    .filter_map(|(name, set)| set.then_some(name))
    .collect();
    if let [first, second, ..] = kinds.as_slice()
        && (!secrets || files)
    {
        report
            .error("MODEL-STLS-5", at, format!("`{first}` and `{second}` are two sources of certificates"))
            .help("keep one of them");
    }
    if tls.credential_names.len() > 2 {
        let count = tls.credential_names.len();
        report
            .error(
                "MODEL-STLS-7",
                &at.field("credentialNames"),
                format!("{count} credentials are given, at most 2 are allowed"),
            )
            .help("keep one with an RSA key and one with an ECDSA key");
    }
    if tls.tls_certificates.len() > 2 {
        let count = tls.tls_certificates.len();
        report
            .error(
                "MODEL-STLS-7",
                &at.field("tlsCertificates"),
                format!("{count} certificates are given, at most 2 are allowed"),
            )
            .help("keep one with an RSA key and one with an ECDSA key");
    }
    let credential = !tls.credential_name.is_empty() || !tls.credential_names.is_empty();
    if !credential {
        certificates(report, at, tls);
    }
    if !tls.ca_crl.is_empty() {
        let reason = if credential {
            Some("a secret brings its own revocation list")
        } else if mode == ServerTlsMode::Simple {
            Some("SIMPLE does not ask for client certificates")
        } else {
            None
        };
        if let Some(reason) = reason {
            report.error("MODEL-STLS-10", &at.field("caCrl"), reason).help("remove `caCrl`").at_key();
        }
    }
    if !tls.subject_alt_names.is_empty() && mode == ServerTlsMode::Simple {
        report
            .warning(
                "MODEL-STLS-11",
                &at.field("subjectAltNames"),
                "SIMPLE does not ask for client certificates",
            )
            .help("set the mode to MUTUAL, or remove it")
            .at_key();
    }
}

/// Files of a mode that terminates TLS, when no secret gives them.
fn certificates(report: &mut Report<'_>, at: &At<'_>, tls: &ServerTlsSettings) {
    let mode = tls.mode;
    let client = matches!(mode, ServerTlsMode::Mutual | ServerTlsMode::OptionalMutual);
    if client && tls.ca_certificates.is_empty() && tls.ca_cert_credential_name.is_empty() {
        report
            .error("MODEL-STLS-8", &at.field("caCertificates"), format!("{mode} needs `caCertificates`"))
            .help("give the file of the CA, or a `credentialName`")
            .absent();
    }
    let mut pair = |at: &At<'_>, certificate: &str, key: &str| {
        for (name, value) in [("serverCertificate", certificate), ("privateKey", key)] {
            if value.is_empty() {
                report
                    .error("MODEL-STLS-9", &at.field(name), format!("{mode} needs `{name}`"))
                    .help("give the files, or a `credentialName`")
                    .absent();
            }
        }
    };
    if tls.tls_certificates.is_empty() {
        pair(at, &tls.server_certificate, &tls.private_key);
    } else {
        let at = at.field("tlsCertificates");
        for (index, item) in tls.tls_certificates.iter().enumerate() {
            pair(&at.index(index), &item.server_certificate, &item.private_key);
        }
    }
}

fn versions_and_ciphers(report: &mut Report<'_>, at: &At<'_>, tls: &ServerTlsSettings) {
    let low = tls.min_protocol_version;
    if matches!(low, TlsProtocol::V1_0 | TlsProtocol::V1_1) && tls.cipher_suites.is_empty() {
        report
            .warning(
                "MODEL-STLS-1",
                &at.field("minProtocolVersion"),
                format!("{low} has no cipher suite among the defaults"),
            )
            .help("write TLSV1_2, or list `cipherSuites`");
    }
    // An unset bound is not compared.
    let high = tls.max_protocol_version;
    if low != TlsProtocol::Auto && high != TlsProtocol::Auto && low > high {
        report
            .warning(
                "MODEL-STLS-11",
                &at.field("maxProtocolVersion"),
                format!("the lowest version {low} is above the highest, {high}"),
            )
            .help("no client can connect; swap the two");
    }
    let at = at.field("cipherSuites");
    let mut seen = std::collections::BTreeSet::new();
    for (index, name) in tls.cipher_suites.iter().enumerate() {
        if !is_cipher(name) {
            report
                .warning(
                    "MODEL-STLS-2",
                    &at.index(index),
                    format!("`{}` is not a known cipher suite and is left out", show(name)),
                )
                .help("write a name of OpenSSL, such as ECDHE-RSA-AES128-GCM-SHA256");
        } else if !seen.insert(name) {
            report
                .warning("MODEL-STLS-2", &at.index(index), format!("`{}` is listed twice", show(name)))
                .help("remove one of the two");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_cipher;

    #[test]
    fn names_of_cipher_suites_model_chk_22() {
        let pairs =
            ["AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305", "AES128-SHA", "AES256-SHA"];
        for suite in pairs {
            for key in ["ECDSA", "RSA"] {
                assert!(is_cipher(&format!("ECDHE-{key}-{suite}")), "{key} {suite}");
            }
            assert_eq!(is_cipher(suite), suite != "CHACHA20-POLY1305", "{suite}");
        }
        // Not names but expressions, which Envoy takes.
        for good in ["DES-CBC3-SHA", "", "ALL", "!aNULL", "-SHA", "[A|B]"] {
            assert!(is_cipher(good), "{good}");
        }
        for bad in
            ["TLS_RSA_WITH_AES_128_CBC_SHA", "ecdhe-rsa-aes128-sha", "ALL:!aNULL", "RC4-MD5", "AES128-SHA "]
        {
            assert!(!is_cipher(bad), "{bad}");
        }
    }
}
