//! Path templates: what the set accepts matches as a plain translation of the template says, segment by segment.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mesh_authz::{Action, HttpAttributes, Operation, Peer, Policy, PolicyId, PolicySet, Request, Rule};
use mesh_fuzz::fold;

const TEMPLATE: &[&str] =
    &["/", "{*}", "{**}", "/{*}", "/{**}", "a", "/a", "/b", "*", "{", "}", "~", "%2F", "?", "é"];
const PATH: &[&str] = &["/", "a", "/a", "/b", "b", "*", "[", "%2F", "~", "?", "#", "é", "{", "|", "/a/"];

/// AUTHZ-PATH-08, AUTHZ-PATH-10: tries every way to share the path out.
fn matches(template: &[u8], path: &[u8]) -> bool {
    let content = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%!$&'()+,;:@=*".contains(&byte);
    if let Some(rest) = template.strip_prefix(b"{**}") {
        let end = path.iter().take_while(|&&byte| byte == b'/' || content(byte)).count();
        (0..=end).any(|len| matches(rest, &path[len..]))
    } else if let Some(rest) = template.strip_prefix(b"{*}") {
        let end = path.iter().take_while(|&&byte| content(byte)).count();
        (1..=end).any(|len| matches(rest, &path[len..]))
    } else {
        match (template.split_first(), path.split_first()) {
            (Some((one, rest)), Some((other, tail))) => one == other && matches(rest, tail),
            (None, None) => true,
            _ => false,
        }
    }
}

/// AUTHZ-PATH-09
fn is_valid(template: &str) -> bool {
    let literal = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%!$&'()+,;:@=".contains(&byte);
    let segments: Vec<&str> = template.trim_matches('/').split('/').collect();
    let operators: Vec<&&str> = segments.iter().filter(|segment| segment.contains('{')).collect();
    segments.iter().all(|segment| {
        matches!(*segment, "{*}" | "{**}") || (!segment.is_empty() && segment.bytes().all(literal))
    }) && operators.iter().rev().skip(1).all(|operator| **operator != "{**}")
}

fuzz_target!(|input: (Vec<u8>, Vec<u8>)| {
    // The translation backs up, so it must be kept from long texts.
    let cut = |bytes: &[u8], len: usize| bytes[..bytes.len().min(len)].to_vec();
    let template = fold(&cut(&input.0, 12), TEMPLATE);
    let path = fold(&cut(&input.1, 16), PATH);
    let rule = Rule::new().to(Operation::new().paths([&template]));
    let policy = Policy::new(PolicyId::new("n", "p"), Action::Allow).rule(rule);
    let is_template = template.contains("{*}") || template.contains("{**}");
    let built = PolicySet::builder().policy(policy).build();
    if is_template {
        assert_eq!(built.is_ok(), is_valid(&template), "{template}");
    } else {
        assert_eq!(built.is_ok(), !template.is_empty() && !template.contains(['{', '}']), "{template}");
    }
    let Ok(set) = built else { return };
    let connection = Request::new(Peer::new([10, 0, 0, 1].into()), ([10, 0, 0, 2], 80).into());
    let allowed = set.evaluate(&connection.http(HttpAttributes::new("GET", &path))).is_allowed();
    let plain = path.split(['?', '#']).next().unwrap_or_default();
    let want = if is_template {
        matches(template.as_bytes(), plain.as_bytes())
    } else if template == "*" {
        !plain.is_empty()
    } else if let Some(suffix) = template.strip_prefix('*') {
        plain.ends_with(suffix)
    } else if let Some(prefix) = template.strip_suffix('*') {
        plain.starts_with(prefix)
    } else {
        plain == template
    };
    assert_eq!(allowed, want, "{template} {path}");
});
