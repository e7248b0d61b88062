//! One match block as conditions on a request (section 3 of the route reference).

use mesh_model::FieldPath;
use mesh_model::common::StringMatch as ModelMatch;
use mesh_model::networking::virtual_service::HttpMatchRequest;
use mesh_route::{Conditions, Limits, PathMatch, StringMatch};

use super::issues::Fault;

/// The conditions of `block`, which stands at `at`.
///
/// # Errors
///
/// The first pattern that does not compile (ROUTE-RX-08).
pub(super) fn conditions(block: &HttpMatchRequest, at: &FieldPath) -> Result<Conditions, Fault> {
    let mut when = Conditions::any();
    if let Some(uri) = &block.uri {
        when = when.path(path(uri, block.ignore_uri_case, &at.clone().field("uri"))?);
    }
    if let Some(method) = &block.method {
        when = when.method(string(method, &at.clone().field("method"))?);
    }
    if let Some(scheme) = &block.scheme {
        when = when.scheme(string(scheme, &at.clone().field("scheme"))?);
    }
    if let Some(authority) = &block.authority {
        when = when.authority(string(authority, &at.clone().field("authority"))?);
    }
    for (name, value) in &block.headers {
        when = when.header(name, string(value, &at.clone().field("headers").key(name))?);
    }
    for (name, value) in &block.without_headers {
        when = when.without_header(name, string(value, &at.clone().field("withoutHeaders").key(name))?);
    }
    for (name, value) in &block.query_params {
        when = when.query_param(name, string(value, &at.clone().field("queryParams").key(name))?);
    }
    Ok(when)
}

/// Whether Istio takes the route for one that matches everything, so that nothing after it counts (ROUTE-MATCH-06).
pub(super) fn is_catch_all(block: &HttpMatchRequest) -> bool {
    let any_path = match &block.uri {
        None | Some(ModelMatch::Unset) => true,
        Some(ModelMatch::Prefix(text)) => text == "/",
        Some(ModelMatch::Regex(text)) => text == ".*",
        Some(_) => false,
    };
    any_path
        && block.method.is_none()
        && block.scheme.is_none()
        && block.authority.is_none()
        && block.headers.is_empty()
        && block.without_headers.is_empty()
        && block.query_params.is_empty()
}

fn path(uri: &ModelMatch, ignore_case: bool, at: &FieldPath) -> Result<PathMatch, Fault> {
    let path = match uri {
        ModelMatch::Exact(text) => PathMatch::exact(text),
        ModelMatch::Prefix(text) => PathMatch::prefix(text),
        ModelMatch::Regex(text) => PathMatch::regex(text, &Limits::new())
            .map_err(|error| Fault::new(at.clone().field("regex"), error.to_string()))?,
        // ROUTE-MATCH-15
        _ => PathMatch::prefix("/"),
    };
    Ok(if ignore_case { path.ignore_case() } else { path })
}

/// A `StringMatch` of anything but the path; without a kind it asks for presence (ROUTE-MATCH-20).
pub(super) fn string(value: &ModelMatch, at: &FieldPath) -> Result<StringMatch, Fault> {
    Ok(match value {
        ModelMatch::Exact(text) => StringMatch::exact(text),
        ModelMatch::Prefix(text) => StringMatch::prefix(text),
        ModelMatch::Regex(text) => StringMatch::regex(text, &Limits::new())
            .map_err(|error| Fault::new(at.clone().field("regex"), error.to_string()))?,
        _ => StringMatch::present(),
    })
}
