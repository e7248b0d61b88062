//! RequestAuthentications of a workload, ready to verify tokens (section 7 of the authorization reference).

use std::sync::Arc;

use mesh_authz::PolicyId;
use mesh_authz::jwt::{JwtAuthentication, JwtRule, RequestAuthentication};
use mesh_model::resolve::{Proxy, Resource, ResourceSet};
use mesh_model::security::{self, request_authentication as model};
use mesh_model::{Kind, ObjectRef};

use super::issues::{Issues, spec};
use super::policies::guards;

/// The request authentication of the workload of `proxy`, and the objects it is made of; `None` if there is no rule.
///
/// Objects that were not read whole are not here: for those a policy denies.
pub(super) fn tokens(
    set: &ResourceSet,
    proxy: &Proxy,
    issues: &mut Issues,
) -> (Option<Arc<JwtAuthentication>>, Vec<ObjectRef>) {
    let found: Vec<_> = set
        .all::<security::RequestAuthentication>()
        .filter(|found| !found.object.must_deny() && guards(set, proxy, found))
        .collect();
    let sources = found.iter().map(Resource::reference).collect();
    if found.iter().all(|found| found.jwt_rules.is_empty()) {
        return (None, sources);
    }
    // Connections to workloads are not received yet: what their tokens need is no news (see `unserved`).
    for found in found.iter().filter(|_| proxy.gateway) {
        keys_to_fetch(*found, issues);
    }
    let builder = JwtAuthentication::builder().keep_invalid().policies(found.iter().map(policy));
    // INVARIANT: with `keep_invalid` what is wrong with a rule is kept, and refuses tokens.
    #[allow(clippy::expect_used, reason = "to go on without would let every token pass unread")]
    let tokens = builder.build().expect("invalid rules are kept");
    for error in tokens.invalid() {
        let id = error.policy();
        let object = ObjectRef::new(Kind::RequestAuthentication, id.namespace(), id.name());
        issues.error(&object, spec(), format!("{error}, so the rule refuses every token"));
    }
    (Some(Arc::new(tokens)), sources)
}

/// AUTHZ-JWKS-03: without keys every token is refused, and requests without a token pass.
fn keys_to_fetch(found: Resource<'_, security::RequestAuthentication>, issues: &mut Issues) {
    for (index, rule) in found.jwt_rules.iter().enumerate() {
        if rule.jwks.is_empty() {
            let at = spec().field("jwtRules").index(index);
            let message = format!(
                "keys are not fetched yet, so every token of `{}` is refused with 401: write them into `jwks`",
                rule.issuer
            );
            issues.error(&found.reference(), at, message);
        }
    }
}

fn policy(found: &Resource<'_, security::RequestAuthentication>) -> RequestAuthentication {
    let policy = RequestAuthentication::new(PolicyId::new(found.namespace(), found.name()));
    found.jwt_rules.iter().map(rule).fold(policy, RequestAuthentication::rule)
}

fn rule(found: &model::JwtRule) -> JwtRule {
    let mut rule = JwtRule::new(&found.issuer)
        .audiences(found.audiences.iter().map(String::as_str))
        .space_delimited_claims(found.space_delimited_claims.iter().map(String::as_str));
    if !found.jwks.is_empty() {
        rule = rule.jwks(&found.jwks);
    }
    if !found.jwks_uri.is_empty() {
        rule = rule.jwks_uri(&found.jwks_uri);
    }
    for header in &found.from_headers {
        rule = rule.from_header(&header.name, &header.prefix);
    }
    rule = found.from_params.iter().fold(rule, |rule, name| rule.from_param(name));
    rule = found.from_cookies.iter().fold(rule, |rule, name| rule.from_cookie(name));
    if found.forward_original_token {
        rule = rule.forward_original_token();
    }
    if !found.output_payload_to_header.is_empty() {
        rule = rule.output_payload_to_header(&found.output_payload_to_header);
    }
    let outputs = &found.output_claim_to_headers;
    outputs.iter().fold(rule, |rule, output| rule.output_claim_to_header(&output.header, &output.claim))
}
