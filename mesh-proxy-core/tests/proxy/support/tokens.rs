//! Tokens signed with HS256 by a key that exists for these tests alone.

/// A RequestAuthentication's `jwks` with the key.
pub(crate) const JWKS: &str =
    r#"{"keys": [{"kty": "oct", "alg": "HS256", "k": "YSBrZXkgZm9yIHRlc3RzIG9mIHRva2VucywgMzIgYnl0ZQ"}]}"#;

/// `{"iss":"iss1","sub":"s1","aud":["svc","x"],"groups":["dev","ops"],"scope":"read write","exp":4102444800}`
pub(crate) const GOOD: &str = "eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJpc3MxIiwic3ViIjoiczEiLCJhdWQiOlsic3ZjIiwieCJdLCJncm91cHMiOlsiZGV2Iiwib3BzIl0sInNjb3BlIjoicmVhZCB3cml0ZSIsImV4cCI6NDEwMjQ0NDgwMH0.xxM8uUtTbGJYLWhJCCopjzcstZYb8gc3HzsztkAnlWk";

/// `{"iss":"iss1","sub":"s1","exp":1000000000}`
pub(crate) const EXPIRED: &str = "eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJpc3MxIiwic3ViIjoiczEiLCJleHAiOjEwMDAwMDAwMDB9.8Qj7QkIoLEJMrOJh4tX_cdbyDlJMo__WDGx83fbQxeM";

/// `{"iss":"zzz","sub":"s1"}`
pub(crate) const FOREIGN: &str =
    "eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJ6enoiLCJzdWIiOiJzMSJ9.dFaNDtmm37qGTLUe-yu_1k0NC5IMSbBjhqn5NL_Bjp4";

/// `{"iss":"iss1","sub":"s1","aud":"nope"}`
pub(crate) const OTHER_AUDIENCE: &str = "eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJpc3MxIiwic3ViIjoiczEiLCJhdWQiOiJub3BlIn0.X2IekAzQt2X-yNGBDG-7LxdIFtvQAh729nTlWDyXcmM";

/// A RequestAuthentication in `namespace`; `rule` is the rest of its only rule, indented by four, for issuer `iss1`.
pub(crate) fn request_authentication(namespace: &str, rule: &str) -> String {
    format!(
        "apiVersion: security.istio.io/v1\nkind: RequestAuthentication\nmetadata: {{name: jwt, namespace: \
         {namespace}}}\nspec:\n  jwtRules:\n  - issuer: iss1\n{rule}"
    )
}

/// The same with the key.
pub(crate) fn with_key(namespace: &str, rule: &str) -> String {
    request_authentication(namespace, &format!("    jwks: '{JWKS}'\n{rule}"))
}
