//! Explanations: for every refusal its condition and, if it was a near miss, what is lacking.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use mesh_route::{
    ClaimPath, Claims, Condition, Conditions, Limits, NearMiss, NoHeaders, Outcome, PathMatch, RequestHead,
    RouteTable, StringMatch, VirtualHost,
};

fn exact(text: &str) -> StringMatch {
    StringMatch::exact(text)
}

fn regex(pattern: &str) -> StringMatch {
    StringMatch::regex(pattern, &Limits::new()).unwrap()
}

fn path_regex(pattern: &str) -> PathMatch {
    PathMatch::regex(pattern, &Limits::new()).unwrap()
}

fn table(rules: impl IntoIterator<Item = Conditions>) -> RouteTable<usize> {
    let host = VirtualHost::new("web", ["*".parse().unwrap()]);
    let host = rules.into_iter().enumerate().fold(host, |host, (at, when)| host.rule(when, at));
    RouteTable::builder().virtual_host(host).build().unwrap()
}

/// The only rule's refusal.
fn refusal(when: Conditions, head: &RequestHead<'_, Vec<(&str, &str)>>) -> (Condition, Option<NearMiss>) {
    let table = table([when]);
    let refusal = table.explain(head).rules.remove(0).refusal.unwrap();
    (refusal.condition, refusal.near)
}

#[test]
fn paths() {
    use NearMiss::{
        DoubleSlash, InsideSegment, LetterCase, Part, PercentEncoded, Query, TrailingSlash,
        TrailingSlashMissing,
    };
    let none = vec![];
    for (want, path, near) in [
        (PathMatch::prefix("/service/"), "/service", Some(TrailingSlashMissing)),
        (PathMatch::exact("/a/"), "/a", Some(TrailingSlashMissing)),
        (PathMatch::exact("/a"), "/a/", Some(TrailingSlash)),
        (PathMatch::exact("/a").ignore_case(), "/A/", Some(TrailingSlash)),
        (PathMatch::prefix("/Login"), "/login/x", Some(LetterCase)),
        (PathMatch::exact("/a?x=1"), "/a?x=1", Some(Query)),
        (PathMatch::segment_prefix("/api"), "/apiary", Some(InsideSegment)),
        (PathMatch::prefix("/a/b"), "/a//b", Some(DoubleSlash)),
        (PathMatch::exact("/a b"), "/a%20b", Some(PercentEncoded)),
        (PathMatch::exact("/a"), "/b", None),
        (PathMatch::exact("/a"), "/ab", None),
        (path_regex("/users/[0-9]+"), "/users/12/cart", Some(Part)),
        (path_regex("/users/[a-z]+"), "/users/ANN", Some(LetterCase)),
        (path_regex("/users/[0-9]+"), "/users/ann", None),
    ] {
        let head = RequestHead::new("GET", "h", path, &none);
        assert_eq!(
            refusal(Conditions::any().path(want.clone()), &head),
            (Condition::Path, near),
            "{want} {path}"
        );
    }
}

#[test]
fn headers() {
    use NearMiss::{Blanks, LetterCase, ListItem, Part, Port, SimilarName, TrailingDot};
    let lines = vec![
        ("x-user", "Ann"),
        ("x-padded", " v "),
        ("x-list", "a, v,b"),
        ("X-Env_Name", "prod"),
        ("x-version", "v12-rc1"),
        ("x-version", "v1"),
    ];
    for (name, value, near) in [
        ("x-user", exact("ann"), Some(LetterCase)),
        ("x-user", StringMatch::prefix("an"), Some(LetterCase)),
        ("x-user", exact("bob"), None),
        ("x-padded", exact("v"), Some(Blanks)),
        ("x-user", exact("Ann "), Some(Blanks)),
        ("x-list", exact("v"), Some(ListItem)),
        ("x-version", regex("v[0-9]+-rc"), Some(Part)),
        ("x-usr", exact("Ann"), Some(SimilarName("x-user".into()))),
        ("x-env-name", StringMatch::present(), Some(SimilarName("X-Env_Name".into()))),
        ("xenvname", regex("prod"), Some(SimilarName("X-Env_Name".into()))),
        ("x-tenant", exact("a"), None),
        (":method", exact("get"), Some(LetterCase)),
        (":path", exact("/A"), Some(LetterCase)),
        ("host", exact("h.com"), Some(Port)),
    ] {
        let head = RequestHead::new("GET", "h.com:80", "/a", &lines);
        let when = Conditions::any().header(name, value.clone());
        assert_eq!(refusal(when, &head), (Condition::Header, near), "{name} {value}");
    }
    for (authority, near) in [
        ("h.com:80", Some(Port)),
        ("h.com.", Some(TrailingDot)),
        ("h.com.:80", Some(TrailingDot)),
        ("H.com", Some(LetterCase)),
        ("x.com", None),
    ] {
        let head = RequestHead::new("GET", authority, "/", &lines);
        let when = Conditions::any().authority(exact("h.com"));
        assert_eq!(refusal(when, &head), (Condition::Authority, near), "{authority}");
    }
    let head = RequestHead::new("get", "h", "/", &lines).with_scheme("HTTP");
    assert_eq!(refusal(Conditions::any().method(exact("GET")), &head), (Condition::Method, Some(LetterCase)));
    assert_eq!(
        refusal(Conditions::any().scheme(exact("http")), &head),
        (Condition::Scheme, Some(LetterCase))
    );
    let without = Conditions::any().without_header("x-user", StringMatch::present());
    assert_eq!(refusal(without, &head), (Condition::WithoutHeader, None));
}

#[test]
fn queries() {
    use NearMiss::{LaterParameter, LetterCase, Part, PercentEncoded, SimilarName};
    let none = vec![];
    for (value, target, near) in [
        (exact("1"), "/?key=2&key=1", Some(LaterParameter)),
        (exact("a b"), "/?key=a%20b", Some(PercentEncoded)),
        (exact("v"), "/?key=V", Some(LetterCase)),
        (exact("1"), "/?Key=1", Some(SimilarName("Key".into()))),
        (exact("1"), "/?keys=1", Some(SimilarName("keys".into()))),
        (regex("[0-9]"), "/?key=12", Some(Part)),
        (exact("1"), "/?other=1", None),
        (exact("1"), "/", None),
        (exact("1"), "/?key=2", None),
    ] {
        let head = RequestHead::new("GET", "h", target, &none);
        let when = Conditions::any().query_param("key", value.clone());
        assert_eq!(refusal(when, &head), (Condition::QueryParam, near), "{value} {target}");
    }
}

struct Groups;

impl Claims for Groups {
    fn any_string(&self, _: &ClaimPath, test: &mut dyn FnMut(&str) -> bool) -> bool {
        test("secret-group")
    }
}

#[test]
fn secrets_stay_out() {
    let lines = [("authorization", "Bearer abc"), ("cookie", "session=def")];
    let table = table([
        Conditions::any().header("authorization", exact("Bearer xyz")),
        Conditions::any().header("cookies", exact("session=xyz")),
        Conditions::any().without_header("cookie", regex("session=.*")),
        Conditions::any().header("@request.auth.claims.groups", exact("ops")),
    ]);
    let head = RequestHead::new("GET", "h", "/", &lines).with_claims(&Groups);
    let text = table.explain(&head).to_string();
    assert!(!text.contains("abc") && !text.contains("def") && !text.contains("secret-group"), "{text}");
    assert_eq!(
        text,
        "virtual host web: no rule matches
  0: header `authorization` is different, wanted exact `Bearer xyz`
  1: header `cookies` is missing, wanted exact `session=xyz` (there is `cookie`)
  2: header `cookie` counts as regex `session=.*`, which is excluded
  3: claim `@request.auth.claims.groups`: no such value, condition is exact `ops`
"
    );
}

#[test]
fn hosts_route_host_21_23_25() {
    use NearMiss::{Misspelt, PortInDomain, Subdomain, TrailingDot, WildcardNeedsLabel};
    let host = |name: &str, domains: &[&str]| {
        let domains: Vec<_> = domains.iter().map(|domain| domain.parse().unwrap()).collect();
        VirtualHost::new(name, domains).rule(Conditions::any().path(PathMatch::prefix("/api")), ())
    };
    let table = RouteTable::builder()
        .virtual_host(host("wild", &["*.example.com"]))
        .virtual_host(host("shop", &["shop.example.org"]))
        .virtual_host(host("ported", &["reviews.example.net:9080"]))
        .build()
        .unwrap();
    for (authority, want) in [
        ("Example.com:8080", vec![("*.example.com", WildcardNeedsLabel)]),
        ("shop.example.org.", vec![("shop.example.org", TrailingDot)]),
        ("a.example.com.", vec![("*.example.com", TrailingDot)]),
        ("eu.shop.example.org", vec![("shop.example.org", Subdomain)]),
        ("shpo.example.org", vec![("shop.example.org", Misspelt)]),
        ("reviews.example.net:9080", vec![("reviews.example.net:9080", PortInDomain)]),
        ("entirely.different", vec![]),
        ("", vec![]),
    ] {
        let head = RequestHead::new("GET", authority, "/", &NoHeaders);
        let explanation = table.explain(&head);
        assert_eq!(explanation.outcome, Outcome::NoVirtualHost, "{authority}");
        let near: Vec<_> =
            explanation.nearest.iter().map(|near| (near.domain.as_str(), near.near.clone())).collect();
        assert_eq!(near, want, "{authority}");
    }
    let head = RequestHead::new("GET", "example.com", "/", &NoHeaders);
    assert_eq!(
        table.explain(&head).to_string(),
        "no virtual host covers the authority
  perhaps meant: domain `*.example.com` of virtual host wild: a wildcard stands for at least one character
"
    );
    let head = RequestHead::new("GET", "shop.example.org", "/API", &NoHeaders);
    assert_eq!(
        table.explain(&head).to_string(),
        "virtual host shop: no rule matches
  0: path `/API` is not prefix `/api` (only the letter case differs)
"
    );
}

/// A request that lands in `*` because the virtual host that was meant does not cover it.
#[test]
fn another_virtual_host_may_have_been_meant_route_host_27() {
    let host = |name: &str, domain: &str, path: &str| {
        VirtualHost::new(name, [domain.parse().unwrap()])
            .rule(Conditions::any().path(PathMatch::prefix(path)), name.to_owned())
    };
    let table = RouteTable::builder()
        .virtual_host(host("fallback", "*", "/health"))
        .virtual_host(host("wild", "*.example.com", "/"))
        .build()
        .unwrap();
    let explain =
        |path: &str| table.explain(&RequestHead::new("GET", "example.com", path, &NoHeaders)).to_string();
    assert_eq!(
        explain("/shop"),
        "virtual host fallback: no rule matches
  0: path `/shop` is not prefix `/health`
  perhaps meant: domain `*.example.com` of virtual host wild: a wildcard stands for at least one character
"
    );
    assert_eq!(explain("/health"), "virtual host fallback: rule 0 matches\n  0: matches\n");
}
