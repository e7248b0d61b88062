//! Tokens: what happens to a request between the external authorizers and the policies (AUTHZ-EVAL-01).

use std::time::{SystemTime, UNIX_EPOCH};

use http::header::{self, HeaderName, HeaderValue};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{StatusCode, Uri};
use mesh_authz::jwt::{AwsLc, JwtAuthentication, JwtContext, JwtOutcome, RequestEdits, VerifiedToken};
use mesh_authz::{Claims, HttpAttributes, Reason, Value};
use mesh_route::ClaimPath;

use super::reply::LocalReply;
use super::{Exchange, policy_request};

/// Verifies the tokens of a request and edits its head: output headers of clients go, the token goes if it is not
/// forwarded, and headers made of claims come (AUTHZ-JWT-15, AUTHZ-JWT-31).
///
/// # Errors
///
/// The reply to a token that is not good, or to a request that an external authorizer would have to be asked about.
pub(super) fn authenticate(
    tokens: &JwtAuthentication,
    parts: &mut Parts,
    exchange: &Exchange<'_>,
) -> Result<Option<VerifiedToken>, LocalReply> {
    // A denial of a CUSTOM policy hides what is wrong with the token (AUTHZ-EVAL-02).
    let denied = policy_request(parts, exchange, None, |request| {
        let decision = exchange.listener.policies.evaluate(request);
        matches!(decision.reason, Reason::BadProvider { .. } | Reason::NotDelegated { .. })
            .then(|| decision.response_code_details().map(|details| details.to_string()))
            .flatten()
    });
    if let Some(details) = denied {
        return Err(LocalReply::access_denied(details));
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let verifier = AwsLc::new();
    let outcome = {
        let head = super::head(parts);
        let http = HttpAttributes::new(head.method(), head.path_and_query())
            .host(head.authority())
            .scheme(head.scheme())
            .headers(&parts.headers);
        let outcome = tokens.authenticate(&http, &JwtContext::new(now, &verifier));
        if let Some(rejection) = outcome.rejection() {
            let status = StatusCode::from_u16(rejection.status()).unwrap_or(StatusCode::UNAUTHORIZED);
            let reply = LocalReply::text(status, rejection.message(), rejection.response_code_details());
            return Err(match HeaderValue::try_from(rejection.www_authenticate(&http)) {
                Ok(challenge) => reply.header(header::WWW_AUTHENTICATE, challenge),
                Err(_) => reply,
            });
        }
        outcome
    };
    if let Some(edits) = outcome.edits() {
        edit(parts, edits)?;
    }
    Ok(match outcome {
        JwtOutcome::Verified(token) => Some(token),
        JwtOutcome::NoToken(_) | JwtOutcome::Rejected(_) => None,
    })
}

fn edit(parts: &mut Parts, edits: &RequestEdits) -> Result<(), LocalReply> {
    for name in edits.removed_headers() {
        parts.headers.remove(name);
    }
    for (name, value) in edits.added_headers() {
        // A value that cannot be written is left out, as one that is not there.
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(value.as_bytes()))
        {
            parts.headers.append(name, value);
        }
    }
    if let Some(path) = edits.path() {
        // A path without some of its query is a path. Were it not, the token must still not get any further.
        let path = PathAndQuery::try_from(path)
            .map_err(|_| LocalReply::empty(StatusCode::BAD_REQUEST, "path_normalization_failed"))?;
        parts.uri = Uri::from(path);
    }
    Ok(())
}

/// The claims for routes that match on them (AUTHZ-JWT-32).
#[derive(Clone, Copy)]
pub(super) struct RouteClaims<'t>(pub(super) &'t Claims);

impl mesh_route::Claims for RouteClaims<'_> {
    fn any_string(&self, path: &ClaimPath, test: &mut dyn FnMut(&str) -> bool) -> bool {
        let mut names = path.names();
        let Some(mut found) = names.next().and_then(|name| self.0.get(name)) else { return false };
        for name in names {
            let Value::Object(members) = found else { return false };
            match members.iter().find(|(member, _)| **member == *name) {
                Some((_, value)) => found = value,
                None => return false,
            }
        }
        let mut string = |value: &Value| matches!(value, Value::String(text) if test(text));
        match found {
            Value::List(items) => items.iter().any(string),
            value => string(value),
        }
    }
}
