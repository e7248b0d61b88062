//! The texts that people read, and promises about types.

use mesh_authz::{
    Action, BuildError, Claims, Condition, Decision, HttpAttributes, Operation, Peer, PeerIdentity, Policy,
    PolicyId, PolicySet, Request, Rule, Source, Value,
};

fn policy(name: &str, action: Action) -> Policy {
    Policy::new(PolicyId::new("shop", name), action)
}

fn connection<'r>() -> Request<'r> {
    Request::new(Peer::new([10, 0, 0, 7].into()), ([10, 0, 0, 9], 8080).into())
}

#[test]
fn explanations_name_the_clause_and_the_value() {
    // AUTHZ-EXPL-02, AUTHZ-EXPL-03
    let allow = policy("a", Action::Allow)
        .rule(
            Rule::new()
                .from(Source::new().namespaces(["prod"]).not_ip_blocks(["10.0.0.0/8"]))
                .from(Source::new().service_accounts(["web"]).request_principals(["iss/*"]))
                .to(Operation::new().hosts(["a.io"]).ports([80, 443]).methods(["get"]))
                .when(Condition::new("request.headers[x-env]").values(["prod"]).not_values(["test"])),
        )
        .rule(
            Rule::new()
                .when(Condition::new("request.auth.claims[groups]").values(["dev", "ops*"]))
                .when(Condition::new("request.auth.claims[admin]").values(["true"]))
                .when(Condition::new("connection.sni").values(["*"])),
        );
    let deny = policy("d", Action::Deny).rule(Rule::new().to(Operation::new().paths(["/{*}/x", "*.html"])));
    let set =
        PolicySet::builder().policy(allow).policy(deny).policy(policy("u", Action::Audit)).build().unwrap();

    let identity = PeerIdentity::certificate(["spiffe://td/ns/dev/sa/web"], [], "CN=web");
    let claims = Claims::new().claim("groups", Value::list(["qa"])).claim("admin", Value::Other);
    let headers = [("x-env", "test")];
    let http = HttpAttributes::new("GET", "/x?q").host("a.io:80").headers(&headers).claims(&claims);
    let request =
        Request::new(Peer::new([10, 0, 0, 7].into()).identity(&identity), ([10, 0, 0, 9], 8080).into())
            .http(http);
    assert_eq!(
        set.explain(&request).to_string(),
        "\
denied: no ALLOW rule matched
AUDIT
  ns[shop]-policy[u]-rule[0]: no match, the policy has no rules
DENY
  ns[shop]-policy[d]-rule[0]: no match
    to[0].operation.paths: found `/x`, wanted `/{*}/x` or `*.html`
ALLOW
  ns[shop]-policy[a]-rule[0]: no match
    to[0].operation.ports: found `8080`, wanted `80` or `443`
    to[0].operation.methods: found `GET`, wanted `get`; the letter case makes the difference
    to[0].operation.hosts: found `a.io:80`, wanted `a.io`; the port makes the difference
    when[0].values: found `test`, wanted `prod`
    from[0].source.notIpBlocks: found `10.0.0.7`, excluded by `10.0.0.0/8`
    from[0].source.namespaces: found `spiffe://td/ns/dev/sa/web`, `CN=web`, wanted `prod`
    from[1].source.serviceAccounts: found `spiffe://td/ns/dev/sa/web`, `CN=web`, wanted `shop/web`
    from[1].source.requestPrincipals: the token lacks `iss` or `sub` as a string, wanted `iss/*`
  ns[shop]-policy[a]-rule[1]: no match
    when[0].values: found `qa`, wanted `dev` or `ops*`
    when[1].values: the claim is neither a string nor a list of strings, wanted `true`
    when[2].values: the connection has no SNI, wanted `*`
"
    );
    assert_eq!(
        set.explain(&connection()).to_string(),
        "\
denied by rule 0 of shop/d
AUDIT
  ns[shop]-policy[u]-rule[0]: no match, the policy has no rules
DENY
  ns[shop]-policy[d]-rule[0]: match
ALLOW
  ns[shop]-policy[a]-rule[0]: left out, it has HTTP fields and this is a TCP connection
  ns[shop]-policy[a]-rule[1]: left out, it has HTTP fields and this is a TCP connection
"
    );
}

#[test]
fn explanations_of_providers_and_invalid_policies() {
    let any = Rule::new;
    let set = PolicySet::builder()
        .provider("opa")
        .policy(policy("ask", Action::Custom("opa".into())).rule(any()))
        .policy(policy("try", Action::Allow).rule(any()).dry_run())
        .policy(policy("bad", Action::Audit).rule(any().to(Operation::new().ports(["x"]))))
        .keep_invalid()
        .build()
        .unwrap();
    let explanation = set.explain(&connection());
    assert_eq!(
        explanation.to_string(),
        "\
denied by rule 0 of shop/ask: provider `opa` has not been asked
CUSTOM by `opa`
  istio-ext-authz-opa-ns[shop]-policy[ask]-rule[0]: match
AUDIT
  ns[shop]-policy[bad]-rule[0]: kept although invalid: AuthorizationPolicy shop/bad: \
spec.rules[0].to[0].operation.ports[0]: `x` is not a port, write a decimal number from 0 to 65535
ALLOW, dry run
  ns[shop]-policy[try]-rule[0]: match
"
    );
    let asked: Vec<_> = explanation.delegated_to.iter().map(|d| d.rule_name().to_string()).collect();
    assert_eq!(asked, ["istio-ext-authz-opa-ns[shop]-policy[ask]-rule[0]"]);
    assert_eq!(set.invalid().len(), 1);
}

#[test]
fn the_dry_run_annotation_is_a_boolean_of_go() {
    // AUTHZ-EVAL-08
    let on = |value| policy("p", Action::Allow).dry_run_annotation(value).is_dry_run();
    for value in ["1", "t", "T", "true", "True", "TRUE"] {
        assert!(on(value), "{value}");
    }
    for value in ["0", "f", "F", "false", "False", "FALSE", "", "yes", "tRUE", " true"] {
        assert!(!on(value), "{value}");
    }
}

#[test]
fn a_set_is_shared_between_threads_and_an_error_is_small() {
    fn shared<T: Send + Sync>() {}
    shared::<PolicySet>();
    shared::<Decision<'_>>();
    shared::<BuildError>();
    shared::<PeerIdentity>();
    // A request may be held while a provider is being asked.
    shared::<Request<'_>>();
    assert_eq!(size_of::<BuildError>(), size_of::<usize>());
}
