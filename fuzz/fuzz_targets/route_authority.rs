//! Authorities: where the port begins, letter case, and which domain owns what is left, against trying all of them.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use mesh_fuzz::fold;
use mesh_route::{HostPattern, RouteTable, VirtualHost};

#[derive(Arbitrary, Debug)]
struct Input {
    domains: Vec<Vec<u8>>,
    authority: Authority,
}

#[derive(Arbitrary, Debug)]
enum Authority {
    Any(String),
    Folded(Vec<u8>),
}

const TEXTS: &[&str] =
    &["a", "B", ".", "-", ":", "80", "[", "]", "fd00::1", "example", ".com", "*", "é", "@"];

/// The text without a port, as the reference has it: cut at the last `:`, unless a `]` comes after it.
fn host(authority: &str) -> &str {
    match (authority.rfind(':'), authority.rfind(']')) {
        (Some(colon), Some(bracket)) if bracket > colon => authority,
        (Some(colon), _) => &authority[..colon],
        (None, _) => authority,
    }
}

/// How well a domain covers a host; more is better.
fn rank(domain: &str, host: &str) -> Option<(u8, usize)> {
    // A wildcard stands for one character or more.
    let long = host.len() >= domain.len();
    match (domain.strip_prefix('*'), domain.strip_suffix('*')) {
        (Some(""), _) => Some((0, 0)),
        (Some(suffix), _) => (long && host.ends_with(suffix)).then_some((2, domain.len())),
        (_, Some(prefix)) => (long && host.starts_with(prefix)).then_some((1, domain.len())),
        _ => (host == domain).then_some((3, 0)),
    }
}

fuzz_target!(|input: Input| {
    let mut domains: Vec<HostPattern> = Vec::new();
    for domain in input.domains.iter().filter_map(|bytes| fold(bytes, TEXTS).parse::<HostPattern>().ok()) {
        if !domains.contains(&domain) {
            domains.push(domain);
        }
    }
    let mut builder = RouteTable::<()>::builder();
    for domain in &domains {
        builder = builder.virtual_host(VirtualHost::new(domain.as_str(), [domain.clone()]));
    }
    let table = builder.build().expect("domains that differ");
    let authority = match &input.authority {
        Authority::Any(text) => text.clone(),
        Authority::Folded(bytes) => fold(bytes, TEXTS),
    };
    let owner = |authority: &str| table.virtual_host(authority).map(|host| host.name().to_owned());
    let found = owner(&authority);
    let folded = host(&authority).to_ascii_lowercase();
    let best = domains.iter().filter_map(|domain| Some((rank(domain.as_str(), &folded)?, domain.as_str())));
    assert_eq!(found.as_deref(), best.max_by_key(|(rank, _)| *rank).map(|(_, domain)| domain), "{authority}");
    assert_eq!(found, owner(&authority.to_ascii_uppercase()), "{authority}");
    // One more port is cut in place of the first; what has none gets none.
    if host(&authority) == authority {
        for port in ["", "80", "x", "80 "] {
            assert_eq!(found, owner(&format!("{authority}:{port}")), "{authority}:{port}");
        }
    }
});
