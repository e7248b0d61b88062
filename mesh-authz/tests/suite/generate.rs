//! Random policies and calls over small alphabets, so that they collide often (AUTHZ-TEST-01).

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use crate::case::{Call, ConditionCase, Fields, Http, Names, PolicyCase, RuleCase};

const PRINCIPALS: &[&str] = &[
    "td1/ns/foo/sa/a",
    "td1/ns/foo/sa/ab",
    "cluster.local/ns/bar/sa/a",
    "old/ns/foo/sa/a",
    "td1/ns/*",
    "cluster.local/ns/foo/sa/*",
    "*/sa/a",
    "*1/ns/foo/sa/a",
    "*/ns/foo/sa/a",
    "*",
    "spiffe://td1/ns/foo/sa/a",
    "td9/ns/foo/sa/a",
    "x",
    "*b",
];
const NAMESPACES: &[&str] = &["foo", "bar", "fo*", "*o", "*a", "*", "f*o", "ns", "foo/sa", "b*r*", "sa", "x"];
const ACCOUNTS: &[&str] = &["a", "ab", "foo/a", "bar/a", "ns/a", "foo/sa", "foo/b", "sa/sa"];
const TRUST_DOMAINS: &[&str] = &["td1", "old", "cluster.local", "td*", "*1", "*", "ns", ""];
const BLOCKS: &[&str] = &[
    "10.0.0.1",
    "10.0.0.0/8",
    "10.0.0.0/30",
    "10.0.0.2/31",
    "0.0.0.0/0",
    "192.168.0.0/16",
    "::1",
    "2001:db8::/32",
    "2001:db8::1/127",
    "::/0",
    "::ffff:10.0.0.1",
];
const PORTS: &[&str] = &["80", "8080", "0", "08080", "65535"];
const HOSTS: &[&str] = &["a.io", "A.io", "a.io:80", "*.io", "a.*", "a.io:*", "*", "*.io:*", "x.a.io", "b"];
const METHODS: &[&str] = &["GET", "get", "POST", "P*", "*T", "*", "DELETE"];
const PATHS: &[&str] = &[
    "/x",
    "/x/",
    "/x*",
    "/x/*",
    "*x",
    "*",
    "/",
    "/*",
    "/y",
    "/x/y",
    "/{*}",
    "/x/{*}",
    "/x/{**}",
    "/{*}/{**}/y",
    "/{**}",
    "/x?q",
    "*/y",
];
const REQUEST_PRINCIPALS: &[&str] =
    &["*", "i/s", "i/*", "i/s*", "*/s", "*i/s", "*s", "i*", "i", "j/s", "i/s/t", "*/s*", "*j", "j/*"];
const STRINGS: &[&str] = &["1", "2", "12", "1*", "*2", "*", "1,2", "x"];
const SNI: &[&str] = &["a.io", "*.io", "a*", "*"];
const METADATA: &[&str] = &["1", "[1]", "[1*]", "*", "[*]", "12"];

/// A field, its values, and the key of a condition on the same attribute.
const SOURCE: &[(&str, &[&str])] = &[
    ("principals", PRINCIPALS),
    ("requestPrincipals", REQUEST_PRINCIPALS),
    ("namespaces", NAMESPACES),
    ("serviceAccounts", ACCOUNTS),
    ("trustDomains", TRUST_DOMAINS),
    ("ipBlocks", BLOCKS),
    ("remoteIpBlocks", BLOCKS),
];
const OPERATION: &[(&str, &[&str])] =
    &[("hosts", HOSTS), ("ports", PORTS), ("methods", METHODS), ("paths", PATHS)];
pub const KEYS: &[(&str, &[&str])] = &[
    ("request.headers[X-A]", STRINGS),
    ("request.headers[x-b]", STRINGS),
    ("request.headers[host]", HOSTS),
    ("request.headers[:path]", PATHS_AS_TEXT),
    ("request.headers[:method]", METHODS),
    ("source.ip", BLOCKS),
    ("remote.ip", BLOCKS),
    ("source.namespace", NAMESPACES),
    ("source.serviceAccount", ACCOUNTS),
    ("source.trustDomain", TRUST_DOMAINS),
    ("source.principal", PRINCIPALS),
    ("request.auth.principal", REQUEST_PRINCIPALS),
    ("request.auth.audiences", STRINGS),
    ("request.auth.presenter", STRINGS),
    ("request.auth.claims[groups]", STRINGS),
    ("request.auth.claims[o][k]", STRINGS),
    ("request.auth.claims[scope]", STRINGS),
    ("destination.ip", BLOCKS),
    ("destination.port", PORTS),
    ("connection.sni", SNI),
    ("experimental.envoy.filters.a.b[c]", METADATA),
];
const PATHS_AS_TEXT: &[&str] = &["/x", "/x?q", "*q", "/x*", "*"];

/// Values of a field: mostly one.
fn values(all: &'static [&'static str]) -> impl Strategy<Value = Vec<String>> {
    let all: Vec<_> = all.iter().copied().filter(|v| !v.is_empty()).collect();
    vec(select(all).prop_map(str::to_owned), 1..3)
}

fn fields(all: &'static [(&'static str, &'static [&'static str])]) -> impl Strategy<Value = Fields> {
    let field = select(all).prop_flat_map(|(name, all)| {
        (prop::bool::weighted(0.3), values(all)).prop_map(move |(negated, values)| {
            let (first, rest) = name.split_at(1);
            let negation = format!("not{}{rest}", first.to_uppercase());
            (if negated { negation } else { name.to_owned() }, values)
        })
    });
    vec(field, 0..3).prop_map(|fields| fields.into_iter().collect())
}

pub fn condition() -> impl Strategy<Value = ConditionCase> {
    select(KEYS).prop_flat_map(|(key, all)| {
        let some = |p| option::weighted(p, values(all)).prop_map(Option::unwrap_or_default);
        (some(0.8), some(0.3)).prop_map(move |(values, not_values)| ConditionCase {
            key: key.to_owned(),
            values,
            not_values,
        })
    })
}

pub fn rule() -> impl Strategy<Value = RuleCase> {
    let when = prop_oneof![3 => Just(Vec::new()), 2 => vec(condition(), 1..3)];
    (vec(fields(SOURCE), 0..3), vec(fields(OPERATION), 0..3), when).prop_map(|(from, to, when)| RuleCase {
        from,
        to,
        when,
    })
}

pub fn policy(actions: &'static [&'static str]) -> impl Strategy<Value = PolicyCase> {
    let name = select(&["a", "b", "c"][..]);
    let namespace = select(&["foo", "bar"][..]);
    (select(actions), name, namespace, prop::bool::weighted(0.15), vec(rule(), 0..4)).prop_map(
        |(action, name, namespace, dry_run, rules)| PolicyCase {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            action: action.to_owned(),
            provider: "p".to_owned(),
            dry_run: dry_run && matches!(action, "ALLOW" | "DENY"),
            rules,
        },
    )
}

/// Rules of one shape, many of them: what an index is made for.
pub fn uniform_rules() -> impl Strategy<Value = Vec<RuleCase>> {
    (vec(select(SOURCE), 0..3), vec(select(OPERATION), 0..3), option::of(select(KEYS))).prop_flat_map(
        |(source, operation, key)| {
            fn entry(
                shape: &[(&'static str, &'static [&'static str])],
            ) -> impl Strategy<Value = Vec<Fields>> + use<> {
                let fields: Vec<_> = shape
                    .iter()
                    .map(|&(name, all)| values(all).prop_map(move |v| (name.to_owned(), v)))
                    .collect();
                let entries = vec(fields, 1..3);
                entries.prop_map(|entries| match entries.first() {
                    Some(first) if first.is_empty() => Vec::new(),
                    _ => entries.into_iter().map(|fields| fields.into_iter().collect()).collect(),
                })
            }
            let when = match key {
                None => Just(Vec::new()).boxed(),
                Some((key, all)) => values(all)
                    .prop_map(move |values| {
                        vec![ConditionCase { key: key.to_owned(), values, not_values: Vec::new() }]
                    })
                    .boxed(),
            };
            let rule = (entry(&source), entry(&operation), when);
            vec(rule.prop_map(|(from, to, when)| RuleCase { from, to, when }), 1..40)
        },
    )
}

fn maybe<S: Strategy<Value = String>>(strategy: S) -> impl Strategy<Value = Option<String>> {
    option::weighted(0.7, strategy)
}

fn text(all: &'static [&'static str]) -> impl Strategy<Value = String> {
    select(all).prop_map(str::to_owned)
}

fn names() -> impl Strategy<Value = Option<Names>> {
    let uri = prop_oneof![
        6 => text(&[
            "spiffe://td1/ns/foo/sa/a",
            "spiffe://td1/ns/foo/sa/ab",
            "spiffe://cluster.local/ns/bar/sa/a",
            "spiffe://old/ns/foo/sa/a",
        ]),
        2 => text(&[
            "spiffe://ns/ns/ns/sa/a",
            "spiffe://td1/ns/foo/x/sa/a",
            "spiffe://td1/ns/foo/sa/a/y",
            "spiffe://td1/ns/foo//sa/a",
            "spiffe://td1/ns/ns/foo/sa/sa/sa/a",
            "spiffe:///ns/foo/sa/a",
            "spiffe://td1/ns//sa/",
            "spiffe://x",
            "spiffe://",
            "https://td1/ns/foo/sa/a",
            "",
        ]),
    ];
    let dns = text(&["a.io", "spiffe://td1/ns/bar/sa/a"]);
    let subject = text(&["", "", "CN=a", "/ns/foo/"]);
    option::weighted(
        0.75,
        (vec(uri, 0..3), vec(dns, 0..2), subject).prop_map(|(uri, dns, subject)| Names { uri, dns, subject }),
    )
}

fn value() -> impl Strategy<Value = toml::Value> {
    let scalar = prop_oneof![
        4 => text(&["1", "2", "12", "1 2", "x", ""]).prop_map(toml::Value::String),
        1 => Just(toml::Value::Integer(1)),
        1 => Just(toml::Value::Boolean(true)),
    ];
    prop_oneof![
        3 => scalar.clone(),
        1 => vec(scalar.clone(), 0..3).prop_map(toml::Value::Array),
        1 => scalar.prop_map(|v| toml::Value::Table([("k".to_owned(), v)].into_iter().collect())),
    ]
}

fn claims() -> impl Strategy<Value = toml::Table> {
    let text = |all| text(all).prop_map(toml::Value::String);
    (
        option::weighted(0.8, prop_oneof![5 => text(&["i", "j", "", "ii"]), 1 => value()]),
        option::weighted(0.8, prop_oneof![5 => text(&["s", "st", "s/t", "", "s*"]), 1 => value()]),
        prop::collection::btree_map(
            select(&["aud", "azp", "groups", "scope", "o"][..]).prop_map(str::to_owned),
            value(),
            0..4,
        ),
    )
        .prop_map(|(iss, sub, others)| {
            let mut table: toml::Table = others.into_iter().collect();
            table.extend(iss.map(|v| ("iss".to_owned(), v)));
            table.extend(sub.map(|v| ("sub".to_owned(), v)));
            table
        })
}

fn http() -> impl Strategy<Value = Http> {
    let header = (text(&["x-a", "X-A", "x-b"]), text(&["1", "2", "12", "", "1,2"]));
    (
        text(&["GET", "get", "POST", "PUT"]),
        text(&["/x", "/x/", "/xy", "/x/y", "/", "/x?q", "/y#f", "/z/x", "/x/a[", "", "/x/y/y"]),
        maybe(text(&["a.io", "A.IO", "a.io:80", "x.a.io", "b", "", ".io"])),
        vec(header, 0..3),
        option::weighted(0.6, claims()),
    )
        .prop_map(|(method, path, host, headers, claims)| Http { method, path, host, headers, claims })
}

pub fn call() -> impl Strategy<Value = Call> {
    let ip = select(
        &[
            "10.0.0.1",
            "10.0.0.2",
            "10.0.0.3",
            "10.9.9.9",
            "192.168.0.1",
            "::1",
            "2001:db8::",
            "2001:db8::1",
            "::ffff:10.0.0.1",
        ][..],
    )
    .prop_map(|ip| ip.parse().unwrap());
    let metadata = (Just("envoy.filters.a.b".to_owned()), text(&["c", "d"]), value());
    (
        names(),
        ip.clone(),
        ip.clone(),
        (ip, select(&[80_u16, 8080, 0][..])),
        text(&["", "a.io", "b.a.io", "a"]),
        option::weighted(0.8, http()),
        vec(metadata, 0..2),
    )
        .prop_map(|(names, ip, remote_ip, destination, sni, http, metadata)| Call {
            names,
            ip,
            remote_ip,
            destination: destination.into(),
            sni,
            http,
            metadata,
        })
}
