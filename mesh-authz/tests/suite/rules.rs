//! Rules of the reference that are about attributes as a whole.

use mesh_authz::{
    Action, Condition, HttpAttributes, Operation, Peer, PeerIdentity, Policy, PolicyId, PolicySet, Request,
    Rule, Source, SpiffeId, XfccElement, XfccMode,
};

const ID: &str = "spiffe://cluster.local/ns/prod/sa/web";

fn connection(identity: Option<&PeerIdentity>) -> Request<'_> {
    let peer = Peer::new([10, 0, 0, 7].into());
    let peer = identity.map_or(peer, |identity| peer.identity(identity));
    Request::new(peer, ([10, 0, 0, 9], 8080).into())
}

fn allows(rule: Rule, request: &Request<'_>) -> bool {
    let policy = Policy::new(PolicyId::new("foo", "p"), Action::Allow).rule(rule);
    PolicySet::builder().policy(policy).build().unwrap().evaluate(request).is_allowed()
}

#[test]
fn an_attribute_that_is_missing_passes_no_value_and_every_negation() {
    // AUTHZ-GEN-04
    let from = |source: Source| Rule::new().from(source);
    let to = |operation: Operation| Rule::new().to(operation);
    let fields: [(Rule, Rule); 5] = [
        (from(Source::new().principals(["*"])), from(Source::new().not_principals(["*"]))),
        (from(Source::new().namespaces(["*"])), from(Source::new().not_namespaces(["*"]))),
        (from(Source::new().trust_domains(["*"])), from(Source::new().not_trust_domains(["*"]))),
        (from(Source::new().request_principals(["*"])), from(Source::new().not_request_principals(["*"]))),
        (to(Operation::new().hosts(["*"])), to(Operation::new().not_hosts(["*"]))),
    ];
    let keys = [
        "request.headers[x-a]",
        "request.headers[:authority]",
        "request.headers[:scheme]",
        "source.namespace",
        "source.trustDomain",
        "source.principal",
        "request.auth.principal",
        "request.auth.audiences",
        "request.auth.presenter",
        "request.auth.claims[a][b]",
        "connection.sni",
        "experimental.envoy.filters.a[b]",
    ];
    let conditions = keys.map(|key| {
        let condition = || Condition::new(key);
        (Rule::new().when(condition().values(["*"])), Rule::new().when(condition().not_values(["*"])))
    });
    let request = connection(None).http(HttpAttributes::new("GET", "/"));
    for (positive, negative) in fields.into_iter().chain(conditions) {
        assert!(!allows(positive.clone(), &request), "{positive:?}");
        assert!(allows(negative.clone(), &request), "{negative:?}");
    }
    // Accounts know no `*`.
    let account = |source: Source| allows(from(source), &request);
    assert!(!account(Source::new().service_accounts(["prod/web"])));
    assert!(account(Source::new().not_service_accounts(["prod/web"])));
}

#[test]
fn a_forwarded_principal_is_the_only_name() {
    // AUTHZ-SRC-03
    let forwarded = PeerIdentity::forwarded(ID);
    assert_eq!(forwarded.names().collect::<Vec<_>>(), [ID]);
    let request = connection(Some(&forwarded));
    let principals = |value: &str| Rule::new().from(Source::new().principals([value]));
    assert!(allows(principals("cluster.local/ns/prod/sa/web"), &request));
    assert!(allows(Rule::new().from(Source::new().namespaces(["prod"])), &request));
    assert!(!allows(principals("cluster.local/ns/prod/sa/other"), &request));
    // Of a certificate the DNS names and the subject count as well.
    let certificate = PeerIdentity::certificate([ID], ["spiffe://cluster.local/ns/dev/sa/db"], "CN=x");
    assert!(allows(principals("cluster.local/ns/dev/sa/db"), &connection(Some(&certificate))));
}

#[test]
fn names_of_another_form_follow_the_same_rules() {
    // AUTHZ-ID-02: the text of the name counts, and only the fast path needs the five parts
    let identity = PeerIdentity::certificate(["spiffe://td/cluster/c1/ns/prod/sa/web/x"], [], "");
    assert_eq!(identity.spiffe_id(), None);
    let request = connection(Some(&identity));
    assert!(allows(Rule::new().from(Source::new().principals(["td/cluster/*"])), &request));
    assert!(allows(Rule::new().from(Source::new().namespaces(["prod"])), &request));
    assert!(allows(Rule::new().from(Source::new().service_accounts(["prod/web"])), &request));
    assert!(allows(Rule::new().from(Source::new().trust_domains(["td"])), &request));
    assert!(!allows(Rule::new().from(Source::new().namespaces(["c1"])), &request));
}

#[test]
fn spiffe_ids_have_five_parts() {
    // AUTHZ-ID-01
    let parts = |text| SpiffeId::parse(text).map(|id| (id.trust_domain, id.namespace, id.service_account));
    assert_eq!(parts(ID), Ok(("cluster.local", "prod", "web")));
    assert_eq!(parts("spiffe:///ns//sa/"), Ok(("", "", "")));
    assert_eq!(parts("spiffe://TD/ns/a%2Fb/sa/C"), Ok(("TD", "a%2Fb", "C")));
    for text in [
        "",
        "spiffe://",
        "spiffe://td/ns/prod/sa",
        "spiffe://td/ns/prod/sa/web/",
        "spiffe://td/NS/prod/sa/web",
        "spiffe://td/ns/prod/account/web",
        "SPIFFE://td/ns/prod/sa/web",
        " spiffe://td/ns/prod/sa/web",
        "td/ns/prod/sa/web",
    ] {
        assert!(parts(text).is_err(), "{text}");
    }
    let at = SpiffeId { trust_domain: "dev@example.com", namespace: "n", service_account: "s" };
    assert_eq!(at.to_string(), "spiffe://dev.example.com/ns/n/sa/s");
    // AUTHZ-ID-03
    assert_eq!(SpiffeId::parse(ID).unwrap().principal().to_string(), "cluster.local/ns/prod/sa/web");
}

#[test]
fn sidecars_append_and_gateways_replace_the_client_certificate_header() {
    // AUTHZ-XFCC-03: with subject, URI and DNS names, gateways with the certificate as well
    let client = XfccElement::new().hash("ab").subject("CN=web").uri(ID).dns("web.prod");
    let sidecar = XfccMode::AppendForward.apply(Some("Hash=cd"), Some(&client)).unwrap();
    assert_eq!(sidecar, format!("Hash=cd,Hash=ab;Subject=\"CN=web\";URI={ID};DNS=web.prod"));
    let gateway = XfccMode::SanitizeSet.apply(Some("Hash=cd"), Some(&client.cert("PEM"))).unwrap();
    assert_eq!(gateway, format!("Hash=ab;Cert=\"PEM\";Subject=\"CN=web\";URI={ID};DNS=web.prod"));
    assert_eq!(XfccMode::SanitizeSet.apply(Some("Hash=cd"), None), None);
}

#[test]
fn no_regular_expressions_are_involved() {
    // AUTHZ-STR-04
    let manifest: toml::Table = toml::from_str(include_str!("../../Cargo.toml")).unwrap();
    let dependencies = manifest["dependencies"].as_table().unwrap();
    assert!(dependencies.contains_key("memchr"));
    assert!(dependencies.keys().all(|name| !name.contains("regex")), "{dependencies:?}");
}
