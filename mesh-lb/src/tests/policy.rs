use proptest::prelude::*;

use super::*;

#[derive(Clone, Default)]
struct Request {
    headers: Vec<(&'static str, Vec<u8>)>,
    authority: Option<&'static [u8]>,
    query: Option<&'static [u8]>,
    source_ip: Option<IpAddr>,
    connection: Option<(SocketAddr, SocketAddr)>,
}

impl HashInput for Request {
    fn header_values<'i>(&'i self, name: &'i str) -> impl Iterator<Item = &'i [u8]> {
        self.headers.iter().filter(move |(key, _)| *key == name).map(|(_, value)| value.as_slice())
    }

    fn authority(&self) -> Option<&[u8]> {
        self.authority
    }

    fn query(&self) -> Option<&[u8]> {
        self.query
    }

    fn source_ip(&self) -> Option<IpAddr> {
        self.source_ip
    }

    fn connection(&self) -> Option<(SocketAddr, SocketAddr)> {
        self.connection
    }
}

fn with(headers: &[(&'static str, &str)]) -> Request {
    let headers = headers.iter().map(|(name, value)| (*name, value.as_bytes().to_vec())).collect();
    Request { headers, ..Request::default() }
}

fn hash(policies: &[HashPolicy], request: &Request) -> Option<u64> {
    HashPolicies::new(policies.iter().cloned()).compute(request).hash
}

fn header(name: &str) -> HashPolicy {
    HashPolicy::header(name).unwrap()
}

#[test]
fn header_lines_are_sorted_before_they_are_folded() {
    // LB-HASH-01, LB-TEST-17
    let policy = [header("X-Key")];
    let fold = Some(6_648_465_492_906_218_751);
    assert_eq!(hash(&policy, &with(&[("x-key", "foo"), ("x-key", "bar")])), fold);
    assert_eq!(hash(&policy, &with(&[("x-key", "bar"), ("x-key", "foo")])), fold);
    assert_eq!(hash(&policy, &with(&[("x-key", "bar,foo")])), Some(hash_bytes(b"bar,foo"))); // one value
    assert_eq!(hash(&policy, &with(&[("x-key", "")])), Some(hash_bytes(b"")));
    assert_eq!(hash(&policy, &with(&[("other", "a")])), None);
}

#[test]
fn host_means_the_authority() {
    // LB-HASH-02
    let request = Request { authority: Some(b"shop.example"), ..with(&[("host", "other")]) };
    assert_eq!(hash(&[header("Host")], &request), Some(hash_bytes(b"shop.example")));
}

#[test]
fn the_client_address_is_hashed_as_canonical_text() {
    // LB-HASH-06
    for text in ["10.1.2.3", "2001:db8::1"] {
        let request = Request { source_ip: text.parse().ok(), ..Request::default() };
        assert_eq!(hash(&[HashPolicy::source_ip()], &request), Some(hash_bytes(text.as_bytes())));
    }
    assert_eq!(hash(&[HashPolicy::source_ip()], &Request::default()), None); // a Unix socket
}

#[test]
fn policies_combine_in_order() {
    // LB-HASH-09, LB-HASH-12, LB-TEST-17
    let both = with(&[("a", "a"), ("b", "b")]);
    let (a, b) = (header("a"), header("b"));
    assert_eq!(hash(&[a.clone(), b.clone()], &both), Some(15_913_648_788_416_971_564));
    assert_ne!(hash(&[b.clone(), a.clone()], &both), Some(15_913_648_788_416_971_564));
    assert_eq!(hash(&[], &both), None);
    assert_eq!(hash(std::slice::from_ref(&a), &both), Some(hash_bytes(b"a")));
    assert_eq!(hash(&[header("c"), a.clone()], &both), Some(hash_bytes(b"a"))); // no hash adds nothing
    assert_eq!(hash(&[a.clone().terminal(), b.clone()], &both), Some(hash_bytes(b"a")));
    // A terminal policy stops only when there is a hash by then.
    assert_eq!(hash(&[header("c").terminal(), b.clone()], &both), Some(hash_bytes(b"b")));
    assert_eq!(hash(&[a.clone(), header("c").terminal(), b], &both), Some(hash_bytes(b"a")));
    assert!(HashPolicies::new([]).is_empty() && !HashPolicies::new([a]).is_empty());
}

#[test]
fn a_missing_or_empty_cookie_is_made_when_there_is_a_lifetime() {
    // LB-HASH-03, LB-HASH-04
    let connection = Some(("10.0.0.1:5".parse().unwrap(), "10.0.0.2:80".parse().unwrap()));
    let policy = CookiePolicy::new("user").unwrap();
    let making = HashPolicies::new([HashPolicy::cookie(policy.clone().ttl(std::time::Duration::ZERO))]);
    let reading = HashPolicies::new([HashPolicy::cookie(policy)]);
    for cookies in ["z=1", "user=", "user=\"\""] {
        let request = Request { connection, ..with(&[("cookie", cookies)]) };
        let made = making.compute(&request);
        assert_eq!(made.set_cookies().len(), 1, "{cookies}");
        assert_eq!(made.set_cookies().first().map(GeneratedCookie::hash), made.hash);
        assert_eq!(making.compute(&request), made); // the same connection, the same value
        assert_eq!(reading.compute(&request).hash, None);
    }
    let request = Request { connection, ..with(&[("cookie", "z=1"), ("cookie", "user=me")]) };
    let found = making.compute(&request);
    assert_eq!((found.hash, found.set_cookies().len()), (Some(hash_bytes(b"me")), 0));
    assert_eq!(making.compute(&Request::default()).hash, None); // no connection to name
}

#[test]
fn the_longest_addresses_fit() {
    let ip = "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%4294967295]:65535";
    let address: SocketAddr = ip.parse().unwrap();
    let policy = CookiePolicy::new("user").unwrap().ttl(std::time::Duration::ZERO);
    let made = policy.generate(address, address).unwrap();
    assert_eq!(made.value(), format!("{:016x}", hash_bytes(format!("{ip}{ip}").as_bytes())));
}

#[test]
fn names_must_not_be_empty() {
    assert_eq!(HashPolicy::header("").unwrap_err().to_string(), "httpHeaderName: the name is empty");
    let error = HashPolicy::query_parameter("").unwrap_err();
    assert_eq!(error.to_string(), "httpQueryParameterName: the name is empty");
}

proptest! {
    #[test]
    fn the_order_of_header_lines_does_not_matter(
        mut values in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..12), 1..8), by in 0_usize..8,
    ) {
        // LB-TEST-17
        let request = |values: &[Vec<u8>]| {
            let headers = values.iter().map(|value| ("k", value.clone())).collect();
            Request { headers, ..Request::default() }
        };
        let before = hash(&[header("k")], &request(&values));
        let middle = by % values.len();
        values.rotate_left(middle);
        prop_assert_eq!(hash(&[header("k")], &request(&values)), before);
    }
}
