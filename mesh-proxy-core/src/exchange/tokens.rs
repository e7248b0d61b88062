//! Tokens: what happens to a request between the external authorizers and the policies (AUTHZ-EVAL-01).

use std::time::{SystemTime, UNIX_EPOCH};

use http::header::{self, HeaderName, HeaderValue};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{StatusCode, Uri};
use mesh_authz::jwt::{AwsLc, JwtAuthentication, JwtContext, JwtOutcome, RequestEdits, VerifiedToken};
use mesh_authz::{Claims, HttpAttributes, Reason, Value};
use mesh_route::ClaimPath;

use super::record::Record;
use super::reply::LocalReply;
use super::{Exchange, names, policy_request};

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
    record: &mut Record,
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
        edit(parts, edits, record)?;
    }
    Ok(match outcome {
        JwtOutcome::Verified(token) => Some(token),
        JwtOutcome::NoToken(_) | JwtOutcome::Rejected(_) => None,
    })
}

fn edit(parts: &mut Parts, edits: &RequestEdits, record: &mut Record) -> Result<(), LocalReply> {
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
        let invalid = || LocalReply::empty(StatusCode::BAD_REQUEST, "path_normalization_failed");
        parts.uri = Uri::from(PathAndQuery::try_from(path).map_err(|_| invalid())?);
        // The path as it was before it was normalised goes to the upstream and into the log: without the token too.
        let mut original = parts.uri.clone();
        if let Some(header) = parts.headers.get_mut(names::X_ENVOY_ORIGINAL_PATH) {
            let before = header.as_bytes().split(|byte| *byte == b'?').next().unwrap_or_default();
            let query = parts.uri.query().map(|query| [b"?", query.as_bytes()].concat()).unwrap_or_default();
            let whole = [before, &query].concat();
            *header = HeaderValue::from_bytes(&whole).map_err(|_| invalid())?;
            original = Uri::try_from(whole).map_err(|_| invalid())?;
        }
        record.set_target(original);
    }
    Ok(())
}

/// The claims for routes that match on them (AUTHZ-JWT-32).
#[derive(Clone, Copy)]
pub(crate) struct RouteClaims<'t>(pub(crate) &'t Claims);

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
