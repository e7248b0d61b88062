//! LB-HASH-01, LB-HASH-03, LB-HASH-04, LB-HASH-06, LB-HASH-07, LB-HASH-09.

use std::net::{IpAddr, SocketAddr};

use mesh_lb::{CookiePolicy, HashInput, HashPolicies, HashPolicy, RingHash, RingHashConfig, hash_bytes};
use serde::Deserialize;

use crate::world::{Host, Params, World, assert_none, vectors};

#[derive(Deserialize)]
struct Sources {
    ring: Ring,
    cookie: Case,
    source_ip: Case,
    query: Case,
    multi: Case,
    terminal: Case,
    multi_value_header: MultiValue,
    generated_cookie: Generated,
}

#[derive(Deserialize)]
struct Ring {
    hosts: Vec<Host>,
}

#[derive(Deserialize)]
struct Case {
    policy: Vec<Policy>,
    #[serde(default)]
    values: Vec<String>,
    #[serde(default)]
    raw_values: Vec<String>,
    #[serde(default)]
    requests: Vec<Sent>,
    pick: Vec<Option<usize>>,
}

#[derive(Deserialize)]
struct Policy {
    header: Option<String>,
    cookie: Option<Cookie>,
    query_parameter: Option<String>,
    source_ip: Option<bool>,
    terminal: Option<bool>,
}

#[derive(Deserialize)]
struct Cookie {
    name: String,
}

#[derive(Deserialize)]
struct Sent {
    path: String,
    headers: Vec<(String, String)>,
}

#[derive(Deserialize)]
struct MultiValue {
    policy: Vec<Policy>,
    values: Vec<Vec<String>>,
    pick: Vec<usize>,
}

#[derive(Deserialize)]
struct Generated {
    examples: Vec<Example>,
}

#[derive(Deserialize)]
struct Example {
    downstream_remote: SocketAddr,
    downstream_local: SocketAddr,
    cookie_value: String,
    hash: String,
}

#[derive(Default)]
struct Request {
    headers: Vec<(String, String)>,
    query: Option<String>,
    source_ip: Option<IpAddr>,
    connection: Option<(SocketAddr, SocketAddr)>,
}

impl HashInput for Request {
    fn header_values<'i>(&'i self, name: &'i str) -> impl Iterator<Item = &'i [u8]> {
        self.headers.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_bytes())
    }

    fn query(&self) -> Option<&[u8]> {
        self.query.as_deref().map(str::as_bytes)
    }

    fn source_ip(&self) -> Option<IpAddr> {
        self.source_ip
    }

    fn connection(&self) -> Option<(SocketAddr, SocketAddr)> {
        self.connection
    }
}

fn policies(list: &[Policy]) -> HashPolicies {
    HashPolicies::new(list.iter().map(|policy| {
        let built = if let Some(name) = &policy.header {
            HashPolicy::header(name).unwrap()
        } else if let Some(cookie) = &policy.cookie {
            HashPolicy::cookie(CookiePolicy::new(&cookie.name).unwrap())
        } else if let Some(name) = &policy.query_parameter {
            HashPolicy::query_parameter(name).unwrap()
        } else {
            assert_eq!(policy.source_ip, Some(true));
            HashPolicy::source_ip()
        };
        if policy.terminal == Some(true) { built.terminal() } else { built }
    }))
}

fn requests(name: &str, case: &Case) -> Vec<Request> {
    let values = case.values.iter().map(|value| match name {
        "cookie" => Request {
            headers: vec![("cookie".into(), format!("z=1; user={value}; q=2"))],
            ..Request::default()
        },
        _ => Request { source_ip: Some(value.parse().unwrap()), ..Request::default() },
    });
    let raw = case
        .raw_values
        .iter()
        .map(|value| Request { query: Some(format!("a=1&k={value}&z=2")), ..Request::default() });
    let sent = case.requests.iter().map(|sent| Request {
        headers: sent.headers.clone(),
        query: sent.path.split_once('?').map(|(_, query)| query.to_owned()),
        ..Request::default()
    });
    values.chain(raw).chain(sent).collect()
}

#[test]
fn every_source_leads_to_the_host_envoy_chose() {
    let vectors: Sources = vectors("hash_sources.json");
    let World { set, view } = World::new(&Params::default(), &vectors.ring.hosts);
    let ring = RingHash::new(&set, &view, &RingHashConfig::default());
    let find =
        |hash: Option<u64>| hash.and_then(|hash| ring.pick(hash, 0)).map(|picked| picked.endpoint.get());
    let mut differences = Vec::new();
    let cases = [
        ("cookie", &vectors.cookie),
        ("source_ip", &vectors.source_ip),
        ("query", &vectors.query),
        ("multi", &vectors.multi),
        ("terminal", &vectors.terminal),
    ];
    for (name, case) in cases {
        let policies = policies(&case.policy);
        let requests = requests(name, case);
        assert_eq!(requests.len(), case.pick.len(), "{name}");
        for (at, (request, want)) in requests.iter().zip(&case.pick).enumerate() {
            // A `null` pick means that no policy yields a hash.
            let found = find(policies.compute(request).hash);
            if found != *want {
                differences.push(format!("{name}: {at}: want {want:?}, found {found:?}"));
            }
        }
    }
    let multi = &vectors.multi_value_header;
    for (values, &want) in multi.values.iter().zip(&multi.pick) {
        let headers = values.iter().map(|value| ("x-key".to_owned(), value.clone())).collect();
        let request = Request { headers, ..Request::default() };
        let found = find(policies(&multi.policy).compute(&request).hash);
        if found != Some(want) {
            differences.push(format!("multi_value_header: {values:?}: want {want}, found {found:?}"));
        }
    }
    assert_none(&differences);
}

#[test]
fn generated_cookies_have_the_values_of_envoy() {
    // LB-HASH-04
    let vectors: Sources = vectors("hash_sources.json");
    let cookie = CookiePolicy::new("user").unwrap().ttl(std::time::Duration::ZERO);
    let policies = HashPolicies::new([HashPolicy::cookie(cookie)]);
    for example in &vectors.generated_cookie.examples {
        let connection = Some((example.downstream_remote, example.downstream_local));
        let outcome = policies.compute(&Request { connection, ..Request::default() });
        let [made] = outcome.set_cookies() else { panic!("one cookie") };
        assert_eq!(made.value(), example.cookie_value);
        assert_eq!(outcome.hash.map(|hash| hash.to_string()), Some(example.hash.clone()));
        assert_eq!(outcome.hash, Some(hash_bytes(made.value().as_bytes())));
    }
}
