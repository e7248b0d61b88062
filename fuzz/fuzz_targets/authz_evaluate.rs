//! Authorization over any policies and requests: the order of policies is irrelevant, one more DENY never allows
//! more, dry-run and audit policies never change an answer, and keeping invalid policies never opens anything.
#![no_main]

use std::net::{IpAddr, Ipv4Addr};

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use mesh_authz::{
    Action, Claims, Condition, HttpAttributes, Operation, Peer, PeerIdentity, Policy, PolicyId, PolicySet,
    Request, Rule, Source, TrustDomains, Verdict,
};
use mesh_fuzz::fold;

#[derive(Arbitrary, Debug)]
enum Field {
    Principals,
    RequestPrincipals,
    Namespaces,
    ServiceAccounts,
    TrustDomains,
    IpBlocks,
    RemoteIpBlocks,
    Hosts,
    Ports,
    Methods,
    Paths,
    When(u8),
}

#[derive(Arbitrary, Debug)]
struct Clause {
    field: Field,
    negated: bool,
    values: Vec<Vec<u8>>,
}

#[derive(Arbitrary, Debug)]
struct PolicyInput {
    action: u8,
    dry_run: bool,
    rules: Vec<Vec<Clause>>,
}

#[derive(Arbitrary, Debug)]
struct HttpInput {
    method: Vec<u8>,
    path: Vec<u8>,
    host: Vec<u8>,
    header: Vec<u8>,
}

#[derive(Arbitrary, Debug)]
struct RequestInput {
    ip: u8,
    identity: Option<Vec<u8>>,
    http: Option<HttpInput>,
    claim: Option<Vec<u8>>,
    sni: Vec<u8>,
    port: bool,
}

#[derive(Arbitrary, Debug)]
struct Input {
    policies: Vec<PolicyInput>,
    requests: Vec<RequestInput>,
    strict_namespaces: bool,
}

const WORDS: &[&str] = &[
    "*",
    "a",
    "/a",
    "/b",
    "/",
    "{*}",
    "{**}",
    "GET",
    "POST",
    "spiffe://",
    "cluster.local",
    "td1",
    "/ns/",
    "/sa/",
    "ns",
    "10.0.0.1",
    "10.0.0.0/8",
    "/24",
    "::1",
    "80",
    "8080",
    "65536",
    ".example.com",
    ":80",
    "%",
    "?",
    "[",
    "]",
    "é",
];
const KEYS: &[&str] = &[
    "source.ip",
    "remote.ip",
    "source.namespace",
    "source.principal",
    "source.serviceAccount",
    "request.headers[x-a]",
    "request.headers[]",
    "request.auth.principal",
    "request.auth.audiences",
    "request.auth.presenter",
    "request.auth.claims[a]",
    "request.auth.claims[a][b]",
    "destination.ip",
    "destination.port",
    "connection.sni",
    "experimental.envoy.filters.a[b]",
    "source.foo",
];

fn policy(number: usize, input: &PolicyInput) -> Policy {
    let action = match input.action % 4 {
        0 => Action::Allow,
        1 => Action::Deny,
        2 => Action::Audit,
        _ => Action::Custom("opa".into()),
    };
    let mut policy = Policy::new(PolicyId::new("shop", &number.to_string()), action);
    if input.dry_run {
        policy = policy.dry_run();
    }
    for clauses in &input.rules {
        let (mut source, mut operation, mut rule) = (Source::new(), Operation::new(), Rule::new());
        let (mut from, mut to) = (false, false);
        for Clause { field, negated, values } in clauses {
            let values: Vec<String> = values.iter().map(|value| fold(value, WORDS)).collect();
            from |= !matches!(
                field,
                Field::Hosts | Field::Ports | Field::Methods | Field::Paths | Field::When(_)
            );
            to |= matches!(field, Field::Hosts | Field::Ports | Field::Methods | Field::Paths);
            match (field, negated) {
                (Field::Principals, false) => source = source.principals(values),
                (Field::Principals, true) => source = source.not_principals(values),
                (Field::RequestPrincipals, false) => source = source.request_principals(values),
                (Field::RequestPrincipals, true) => source = source.not_request_principals(values),
                (Field::Namespaces, false) => source = source.namespaces(values),
                (Field::Namespaces, true) => source = source.not_namespaces(values),
                (Field::ServiceAccounts, false) => source = source.service_accounts(values),
                (Field::ServiceAccounts, true) => source = source.not_service_accounts(values),
                (Field::TrustDomains, false) => source = source.trust_domains(values),
                (Field::TrustDomains, true) => source = source.not_trust_domains(values),
                (Field::IpBlocks, false) => source = source.ip_blocks(values),
                (Field::IpBlocks, true) => source = source.not_ip_blocks(values),
                (Field::RemoteIpBlocks, false) => source = source.remote_ip_blocks(values),
                (Field::RemoteIpBlocks, true) => source = source.not_remote_ip_blocks(values),
                (Field::Hosts, false) => operation = operation.hosts(values),
                (Field::Hosts, true) => operation = operation.not_hosts(values),
                (Field::Ports, false) => operation = operation.ports(values),
                (Field::Ports, true) => operation = operation.not_ports(values),
                (Field::Methods, false) => operation = operation.methods(values),
                (Field::Methods, true) => operation = operation.not_methods(values),
                (Field::Paths, false) => operation = operation.paths(values),
                (Field::Paths, true) => operation = operation.not_paths(values),
                (Field::When(key), negated) => {
                    let condition = Condition::new(KEYS[usize::from(*key) % KEYS.len()]);
                    rule = rule.when(if *negated {
                        condition.not_values(values)
                    } else {
                        condition.values(values)
                    });
                }
            }
        }
        rule = if from { rule.from(source) } else { rule };
        rule = if to { rule.to(operation) } else { rule };
        policy = policy.rule(rule);
    }
    policy
}

fuzz_target!(|input: Input| {
    let policies: Vec<Policy> =
        input.policies.iter().enumerate().map(|(at, found)| policy(at, found)).collect();
    let build = |policies: Vec<Policy>, keep: bool| {
        let mut builder =
            PolicySet::builder().provider("opa").trust_domains(TrustDomains::new("td1").aliases(["old"]));
        if input.strict_namespaces {
            builder = builder.strict_namespaces();
        }
        if keep {
            builder = builder.keep_invalid();
        }
        builder.policies(policies).build()
    };
    let Ok(set) = build(policies.clone(), true) else { return };
    let strict = build(policies.clone(), false);
    assert_eq!(strict.is_ok(), set.invalid().is_empty());
    let reversed = build(policies.iter().rev().cloned().collect(), true).expect("order does not matter");
    // A CUSTOM policy cannot be tried out: the annotation makes it invalid, and it denies (AUTHZ-EXT-13).
    let enforced = |policy: &&Policy| match policy.action() {
        Action::Allow | Action::Deny => !policy.is_dry_run(),
        Action::Custom(_) => true,
        Action::Audit => false,
    };
    let enforced =
        build(policies.iter().filter(enforced).cloned().collect(), true).expect("a part of what fitted");
    let deny = Policy::new(PolicyId::new("shop", "more"), Action::Deny)
        .rule(Rule::new().to(Operation::new().paths(["/a*"])));
    let more = build(policies.into_iter().chain([deny]).collect(), true).expect("one more");

    for request in &input.requests {
        let text = |bytes: &Vec<u8>| fold(bytes, WORDS);
        let identity =
            request.identity.as_ref().map(|bytes| PeerIdentity::certificate([text(bytes).as_str()], [], ""));
        let mut peer = Peer::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, request.ip)));
        if let Some(identity) = &identity {
            peer = peer.identity(identity);
        }
        let port = if request.port { 80 } else { 8080 };
        let sni = text(&request.sni);
        let mut facts = Request::new(peer, (Ipv4Addr::LOCALHOST, port).into()).sni(&sni);
        let claims = request
            .claim
            .as_ref()
            .map(|value| Claims::new().claim("a", text(value)).claim("iss", "a").claim("sub", "a"));
        let http = request.http.as_ref().map(|http| {
            (
                text(&http.method),
                format!("/{}", text(&http.path)),
                text(&http.host),
                [("x-a", text(&http.header))],
            )
        });
        if let Some((method, path, host, headers)) = &http {
            let mut http = HttpAttributes::new(method, path).host(host).headers(headers);
            if let Some(claims) = &claims {
                http = http.claims(claims);
            }
            facts = facts.http(http);
        }
        for facts in [facts, facts.allowed_by_providers()] {
            let decision = set.evaluate(&facts);
            assert_eq!(decision.verdict, reversed.evaluate(&facts).verdict, "order matters");
            assert_eq!(decision.reason, reversed.evaluate(&facts).reason, "order matters");
            assert_eq!(decision.verdict, enforced.evaluate(&facts).verdict, "dry run or audit matters");
            assert!(
                more.evaluate(&facts).verdict == Verdict::Deny || decision.is_allowed(),
                "a DENY allowed something"
            );
            if let Ok(strict) = &strict {
                assert_eq!(decision, strict.evaluate(&facts));
            }
            let _ = set.dry_run(&facts);
            assert!(set.delegated_to(&facts).count() <= 1, "there is one provider");
        }
    }
});
