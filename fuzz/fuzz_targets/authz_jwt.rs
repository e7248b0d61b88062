//! Tokens from strangers, well formed and not, at all places where rules look: nothing verifies without a signature,
//! what a refused signature rejects is what had a token, and no edit or answer carries a line break.
#![no_main]

use std::fmt::Write as _;
use std::sync::LazyLock;
use std::time::Duration;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use mesh_authz::jwt::{
    Algorithm, JwtAuthentication, JwtContext, JwtOutcome, JwtRule, Key, KeyMaterial, KeySet,
    RequestAuthentication, SignatureVerifier,
};
use mesh_authz::{HttpAttributes, PolicyId};
use mesh_fuzz::base64url;

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    now: u32,
    options: bool,
    path: &'a str,
    token_in_query: Option<Token<'a>>,
    headers: Vec<(Name, Value<'a>)>,
}

#[derive(Debug, Arbitrary, Clone, Copy)]
enum Name {
    Authorization,
    Token,
    Cookie,
    Origin,
    Method,
    User,
}

#[derive(Debug, Arbitrary)]
enum Value<'a> {
    Raw(&'a [u8]),
    Token(Prefix, Token<'a>),
}

#[derive(Debug, Arbitrary, Clone, Copy)]
enum Prefix {
    None,
    Bearer,
    Cookie,
}

/// A token that is nearly right, so that what comes after parsing is reached.
#[derive(Debug, Arbitrary)]
struct Token<'a> {
    edwards: bool,
    kid: Option<bool>,
    other_issuer: bool,
    audience: bool,
    subject: &'a str,
    times: Option<(f32, f32)>,
    more: Option<&'a str>,
    signature: u8,
}

impl Token<'_> {
    fn text(&self) -> String {
        let algorithm = if self.edwards { "EdDSA" } else { "HS256" };
        let kid = self.kid.map_or("", |edwards| if edwards { r#","kid":"e""# } else { r#","kid":"h""# });
        let header = format!(r#"{{"alg":"{algorithm}"{kid}}}"#);
        let subject = serde_json::Value::from(self.subject);
        let issuer = if self.other_issuer { "b" } else { "a" };
        let mut payload = format!(r#"{{"iss":"{issuer}","sub":{subject}"#);
        payload.push_str(if self.audience { r#","aud":["y","https://x/"]"# } else { "" });
        if let Some((nbf, exp)) = self.times {
            let _ = write!(payload, r#","nbf":{nbf:e},"exp":{exp:e}"#);
        }
        payload.push_str(self.more.unwrap_or_default());
        payload.push('}');
        let signature = std::iter::repeat_n(1, usize::from(self.signature));
        format!("{}.{}.{}", base64url(header.bytes()), base64url(payload.bytes()), base64url(signature))
    }
}

/// Says what it is told to say.
struct Says(bool);

impl SignatureVerifier for Says {
    fn verify(&self, algorithm: Algorithm, key: &KeyMaterial, _: &[u8], _: &[u8]) -> bool {
        assert!(key.fits(algorithm));
        self.0
    }
}

static RULES: LazyLock<JwtAuthentication> = LazyLock::new(|| {
    let keys = KeySet::new([
        Key::new(KeyMaterial::Hmac(Box::from(&b"secret"[..]))).kid("h"),
        Key::new(KeyMaterial::Ed25519(Box::new([1; 32]))).kid("e"),
    ]);
    let policy = RequestAuthentication::new(PolicyId::new("a", "b"))
        .rule(JwtRule::new("a").keys(keys.clone()).output_claim_to_header("x-user", "sub"))
        .rule(
            JwtRule::new("b").keys(keys.clone()).audiences(["x"]).from_header("x-token", "").from_param("t"),
        )
        .rule(JwtRule::new("b").keys(keys).from_cookie("t").output_payload_to_header("x-user"));
    JwtAuthentication::builder().policy(policy).build().expect("the rules are right")
});

fuzz_target!(|input: Input<'_>| {
    let line = |(name, value): &(Name, Value<'_>)| {
        let name = match name {
            Name::Authorization => "authorization",
            Name::Token => "x-token",
            Name::Cookie => "cookie",
            Name::Origin => "origin",
            Name::Method => "access-control-request-method",
            Name::User => "x-user",
        };
        let value = match value {
            Value::Raw(value) => value.to_vec(),
            Value::Token(Prefix::None, token) => token.text().into_bytes(),
            Value::Token(Prefix::Bearer, token) => format!("Bearer {}", token.text()).into_bytes(),
            Value::Token(Prefix::Cookie, token) => format!("t={}", token.text()).into_bytes(),
        };
        (name, value)
    };
    let lines: Vec<_> = input.headers.iter().map(line).collect();
    let query = input.token_in_query.as_ref().map(|token| format!("?t={}", token.text())).unwrap_or_default();
    let path = format!("{}{query}", input.path);
    let http = HttpAttributes::new(if input.options { "OPTIONS" } else { "GET" }, &path).headers(&lines);
    let run = |verifier: &dyn SignatureVerifier| {
        RULES.authenticate(&http, &JwtContext::new(Duration::from_secs(u64::from(input.now)), verifier))
    };

    let refusing = run(&Says(false));
    assert!(refusing.token().is_none(), "nothing verifies without a signature");
    let outcome = run(&Says(true));
    let headers = outcome.headers(&http);
    let _ = outcome.attributes(http, &headers);
    match &outcome {
        JwtOutcome::Rejected(rejection) => {
            assert!(!rejection.www_authenticate(&http).contains(['\r', '\n', '\0']));
            assert!(refusing.rejection().is_some());
        }
        JwtOutcome::NoToken(edits) => {
            assert!(refusing.rejection().is_none());
            assert!(edits.removed_headers().any(|name| name == "x-user"));
        }
        JwtOutcome::Verified(token) => {
            assert!(refusing.rejection().is_some(), "a token that does not verify is not a missing one");
            assert!(matches!(token.issuer(), Some("a" | "b")));
            assert!(token.edits().added_headers().all(|(_, value)| !value.contains(['\r', '\n', '\0'])));
        }
    }
});
