//! Names: DNS labels and domains, addresses, ports, label keys and values (MODEL-CHK-1 to 9).

use super::report::{Added, At, Report};
use ipnet::IpNet;
use std::net::IpAddr;

/// What is wrong with a name, to put behind `... is not valid: `.
pub(super) type Fault = String;

/// MODEL-CHK-1; Istio allows upper case.
pub(super) fn is_dns_label(text: &str) -> bool {
    let bytes = text.as_bytes();
    text.len() <= 63
        && bytes.first().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.last().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.iter().all(|c| c.is_ascii_alphanumeric() || *c == b'-')
}

/// MODEL-CHK-2.
fn is_wildcard_label(text: &str) -> bool {
    text.len() <= 63
        && match text.strip_prefix('*') {
            Some("") => true,
            Some(rest) => is_dns_label(rest.strip_prefix('-').unwrap_or(rest)),
            None => is_dns_label(text),
        }
}

fn length(text: &str) -> Result<(), Fault> {
    match text.chars().count() {
        0 => Err("it is empty".to_owned()),
        1..=255 => Ok(()),
        found => Err(format!("it has {found} characters, at most 255 are allowed")),
    }
}

fn label_fault(label: &str) -> Fault {
    if label.is_empty() {
        "a part between dots is empty".to_owned()
    } else if label.contains('*') {
        "`*` is only allowed at the start".to_owned()
    } else if label.len() > 63 {
        format!("a part has {} characters, at most 63 are allowed", label.len())
    } else {
        format!("`{}` may only have letters, digits and inner `-`", super::report::show(label))
    }
}

/// The labels of a domain whose first label was not a wildcard.
fn labels(text: &str) -> Result<(), Fault> {
    let mut parts = text.split('.').peekable();
    while let Some(label) = parts.next() {
        if parts.peek().is_none() {
            // One dot may end an absolute name.
            if label.is_empty() {
                return Ok(());
            }
            if label.bytes().all(|c| c.is_ascii_digit()) {
                return Err("its last part is a number".to_owned());
            }
        }
        if !is_dns_label(label) {
            return Err(label_fault(label));
        }
    }
    Ok(())
}

/// MODEL-CHK-3.
pub(super) fn fqdn(text: &str) -> Result<(), Fault> {
    length(text)?;
    labels(text)
}

/// MODEL-CHK-4.
pub(super) fn wildcard_domain(text: &str) -> Result<(), Fault> {
    length(text)?;
    let (first, rest) = text.split_once('.').map_or((text, None), |(first, rest)| (first, Some(rest)));
    if !is_wildcard_label(first) {
        return Err(label_fault(first.strip_prefix('*').unwrap_or(first)));
    }
    rest.map_or(Ok(()), labels)
}

/// MODEL-CHK-5.
pub(super) fn sni_domain(text: &str) -> Result<(), Fault> {
    if !text.starts_with("outbound_") {
        return wildcard_domain(text);
    }
    let form = || "expected outbound_.<port>_.<subset>_.<host>".to_owned();
    let mut parts = text.splitn(4, '_');
    let (Some("outbound"), Some(port), Some(_), Some(host)) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(form());
    };
    if port.bytes().any(|c| c.is_ascii_digit()) && host.bytes().any(|c| c.is_ascii_alphabetic()) {
        Ok(())
    } else {
        Err(form())
    }
}

/// MODEL-CHK-6.
pub(super) fn is_ip(text: &str) -> bool {
    if text.parse::<IpAddr>().is_ok() {
        return true;
    }
    // A zone belongs to IPv6 only.
    text.split_once('%').is_some_and(|(address, zone)| {
        !zone.is_empty() && address.parse::<IpAddr>().is_ok_and(|address| address.is_ipv6())
    })
}

/// MODEL-CHK-6: an address, or a prefix whose host bits may be set.
pub(super) fn is_subnet(text: &str) -> bool {
    if text.contains('/') { text.parse::<IpNet>().is_ok() } else { is_ip(text) }
}

/// MODEL-CHK-7.
pub(super) fn is_port(number: u32) -> bool {
    (1..=65535).contains(&number)
}

/// Reports a number that is not one of a port (MODEL-CHK-7).
pub(super) fn not_a_port<'r>(
    report: &'r mut Report<'_>,
    code: &'static str,
    at: &At<'_>,
    number: impl std::fmt::Display,
) -> Added<'r> {
    report.error(code, at, format!("`{number}` is not a port")).help("write a number from 1 to 65535")
}

/// What follows `unix://` (MODEL-CHK-7).
pub(super) fn unix_path(path: &str) -> Result<(), Fault> {
    match path {
        "" => Err("the path of the socket is empty".to_owned()),
        abstract_name if abstract_name.starts_with('@') => Ok(()),
        relative if !relative.starts_with('/') => Err("the path of the socket is not absolute".to_owned()),
        directory if directory.ends_with('/') => Err("the path of the socket is a directory".to_owned()),
        _ => Ok(()),
    }
}

fn is_label_name(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.first().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.last().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.iter().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.'))
}

/// MODEL-CHK-8.
pub(super) fn is_label_key(text: &str) -> bool {
    let (prefix, name) = text.split_once('/').map_or((None, text), |(prefix, name)| (Some(prefix), name));
    prefix.is_none_or(|prefix| prefix.len() <= 253 && prefix.split('.').all(is_dns_label))
        && name.len() <= 63
        && is_label_name(name)
}

/// MODEL-CHK-9; the length is not Istio's affair.
pub(super) fn is_label_value(text: &str) -> bool {
    text.is_empty() || is_label_name(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_domains_model_chk_1() {
        let longest = "a".repeat(63);
        for good in ["a", "A", "7", "a-b", "a--b", "Reviews-2", &longest] {
            assert!(is_dns_label(good), "{good}");
        }
        let long = "a".repeat(64);
        for bad in ["", "-", "-a", "a-", "a.b", "a_b", "a*", "*", "é", "a b", &long] {
            assert!(!is_dns_label(bad), "{bad}");
        }
    }

    #[test]
    fn first_labels_of_wildcards_model_chk_2() {
        let longest = format!("*-{}", "a".repeat(61));
        for good in ["*", "*a", "*-a", "*a-b", "a", &longest] {
            assert!(is_wildcard_label(good), "{good}");
        }
        let long = format!("*-{}", "a".repeat(62));
        for bad in ["", "**", "*-", "*--a", "*a-", "a*", "a*b", "*_a", &long] {
            assert!(!is_wildcard_label(bad), "{bad}");
        }
    }

    #[test]
    fn domains() {
        // MODEL-CHK-3, MODEL-CHK-4
        for good in ["a", "a.b", "A-1.example.com", "example.com.", "1.a"] {
            assert_eq!(fqdn(good), Ok(()), "{good}");
        }
        for bad in ["", ".", "a..b", "-a.b", "a_b", "10.0.0.1", "7", "*.a", "a b", "a.b/c", "é.com"] {
            assert!(fqdn(bad).is_err(), "{bad}");
        }
        for good in ["*", "*.", "*.foo.com", "*foo.com", "*-x.foo.com", "foo", "7"] {
            assert_eq!(wildcard_domain(good), Ok(()), "{good}");
        }
        for bad in ["", "foo.*.com", "foo*", "_x.com", "10.0.0.1", "a_b.com", "**", "*--x", "*.*"] {
            assert!(wildcard_domain(bad).is_err(), "{bad}");
        }
        let label = "a".repeat(63);
        let longest = format!("*.{label}.{label}.{label}.{}", "a".repeat(61));
        assert_eq!((longest.len(), wildcard_domain(&longest)), (255, Ok(())));
        assert!(wildcard_domain(&format!("{longest}a")).is_err());
        let long = "a".repeat(64);
        assert!(fqdn(&long).is_err());
        assert!(fqdn(&"ab.".repeat(90)).is_err());
    }

    #[test]
    fn model_chk_5_sni_names_of_multicluster_gateways() {
        assert_eq!(sni_domain("outbound_.80_._.reviews.shop.svc.cluster.local"), Ok(()));
        assert_eq!(sni_domain("outbound_.80_.v1_.reviews.shop.svc.cluster.local"), Ok(()));
        assert!(sni_domain("outbound_.x_._.reviews").is_err());
        assert!(sni_domain("outbound_.80_").is_err());
        assert!(sni_domain("inbound_.80_._.reviews").is_err());
        assert_eq!(sni_domain("*.example.com"), Ok(()));
    }

    #[test]
    fn addresses_ports_and_sockets() {
        // MODEL-CHK-6, MODEL-CHK-7
        for good in ["10.0.0.1", "::1", "fe80::1%eth0"] {
            assert!(is_ip(good) && is_subnet(good), "{good}");
        }
        for bad in ["", "10.0.0", "10.0.0.256", "10.0.0.1%eth0", "a"] {
            assert!(!is_ip(bad) && !is_subnet(bad), "{bad}");
        }
        assert!(is_subnet("192.192.192.192/24"), "host bits may be set");
        assert!(!is_subnet("10.0.0.0/33") && !is_subnet("10.0.0.0/8/8") && !is_subnet("10.0.0.0/"));
        assert_eq!(unix_path("/var/run/x"), Ok(()));
        assert_eq!(unix_path("@x"), Ok(()));
        assert!(unix_path("").is_err() && unix_path("x").is_err() && unix_path("/x/").is_err());
        assert!(is_port(1) && is_port(65535) && !is_port(0) && !is_port(65536));
    }

    #[test]
    fn keys_and_values_of_labels() {
        // MODEL-CHK-8, MODEL-CHK-9
        for good in ["app", "app.kubernetes.io/name", "a_b.c-d", "A"] {
            assert!(is_label_key(good), "{good}");
        }
        for bad in ["", "/a", "a/", "-a", "a-", "a/b/c", "a b", "*"] {
            assert!(!is_label_key(bad), "{bad}");
        }
        assert!(
            is_label_value("") && is_label_value("v1.2_x") && !is_label_value("-v") && !is_label_value("v*")
        );
        let name = "a".repeat(63);
        let prefix = format!("{name}.{name}.{name}.{}", "a".repeat(61));
        assert!(is_label_key(&name) && !is_label_key(&format!("{name}a")));
        assert!(is_label_key(&format!("{prefix}/a")) && !is_label_key(&format!("{prefix}a/a")));
        // Only Kubernetes bounds a value.
        assert!(is_label_value(&"a".repeat(64)));
    }
}
