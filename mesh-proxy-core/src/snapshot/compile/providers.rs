//! External authorizers: `meshConfig.extensionProviders` (section 5.2 of the authorization reference).

use std::collections::BTreeMap;

use mesh_authz::PolicySetBuilder;
use mesh_model::mesh_config::{ExtAuthzGrpc, ExtAuthzHttp, ExtensionProvider};
use mesh_model::resolve::ResourceSet;
use mesh_model::{FieldPath, Kind, ObjectRef};

use super::issues::Issues;

/// The external authorizers by name, and what is wrong with those that cannot be asked.
#[derive(Debug, Default)]
pub(super) struct Providers(BTreeMap<String, Result<Protocol, String>>);

#[derive(Clone, Copy, Debug)]
enum Protocol {
    Http,
    Grpc,
}

impl Providers {
    /// Reads and checks the providers. One that is invalid is told about and stays known as such, so that policies
    /// that name it deny (AUTHZ-EXT-03).
    pub(super) fn read(set: &ResourceSet, issues: &mut Issues) -> Self {
        let mesh = set.mesh();
        let config = ObjectRef::new(Kind::ConfigMap, mesh.root_namespace(), "istio");
        let mut found = BTreeMap::new();
        for provider in &mesh.extension_providers {
            let Some(checked) = check(provider, set) else { continue };
            let checked =
                if found.contains_key(&provider.name) { Err("is defined twice".to_owned()) } else { checked };
            if let Err(fault) = &checked {
                let at = FieldPath::new().field("data").key("mesh");
                let name = &provider.name;
                issues.error(&config, at, format!("extensionProviders: `{name}` {fault}, it is not asked"));
            }
            found.insert(provider.name.clone(), checked);
        }
        Self(found)
    }

    /// Tells the set which providers can be asked.
    pub(super) fn make_known(&self, builder: PolicySetBuilder) -> PolicySetBuilder {
        self.0.iter().fold(builder, |builder, (name, provider)| match provider {
            Ok(Protocol::Http) => builder.http_provider(name.as_str()),
            Ok(Protocol::Grpc) => builder.provider(name.as_str()),
            Err(_) => builder,
        })
    }

    /// Why the provider `name` cannot be asked, if it cannot.
    pub(super) fn fault(&self, name: &str) -> Option<&str> {
        match self.0.get(name) {
            None => Some("is no external authorizer in `extensionProviders` of the mesh configuration"),
            Some(Err(fault)) => Some(fault),
            Some(Ok(_)) => None,
        }
    }
}

/// Whether the provider is sound; `None` if it is no authorizer.
fn check(provider: &ExtensionProvider, set: &ResourceSet) -> Option<Result<Protocol, String>> {
    let service = |service: &str, port: u32| {
        if !(1..=65535).contains(&port) {
            return Err(format!("has port {port}, must be within 1 to 65535"));
        }
        resolve(service, set)
    };
    let status = |text: &str| match text.parse::<u16>() {
        Ok(100..=599) => Ok(()),
        _ if text.is_empty() => Ok(()),
        _ => Err(format!("has statusOnError `{text}`, which is no HTTP status")),
    };
    let checked = match (&provider.envoy_ext_authz_http, &provider.envoy_ext_authz_grpc) {
        (None, None) => return None,
        (Some(_), Some(_)) => Err("has two kinds".to_owned()),
        (Some(http), None) => {
            let ExtAuthzHttp { service: host, port, status_on_error, .. } = http;
            let sound = service(host, *port).and_then(|()| status(status_on_error));
            sound.and_then(|()| lone_star(http)).map(|()| Protocol::Http)
        }
        (None, Some(ExtAuthzGrpc { service: host, port, status_on_error, .. })) => {
            service(host, *port).and_then(|()| status(status_on_error)).map(|()| Protocol::Grpc)
        }
    };
    Some(if is_name(&provider.name) {
        checked
    } else {
        Err("has a name that is not 1 to 63 of `a-z0-9-` without `-` at the ends".to_owned())
    })
}

/// AUTHZ-EXT-04
fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&name.len())
        && name.bytes().all(allowed)
        && !name.starts_with('-')
        && !name.ends_with('-')
}

/// A pattern for all headers would tell the authorizer every secret of the client (AUTHZ-EXT-05).
fn lone_star(http: &ExtAuthzHttp) -> Result<(), String> {
    let mut patterns = http.include_request_headers_in_check.iter().chain(&http.include_headers_in_check);
    if patterns.any(|pattern| pattern == "*") {
        return Err("includes all request headers by `*`".to_owned());
    }
    Ok(())
}

/// Finds the service, `HOST` or `NAMESPACE/HOST`.
fn resolve(service: &str, set: &ResourceSet) -> Result<(), String> {
    let (namespace, host) = match service.split_once('/') {
        Some((namespace, host)) => (Some(namespace), host),
        None => (None, service),
    };
    let mut found = set.services_named(host);
    if found.any(|service| namespace.is_none_or(|namespace| service.namespace == namespace)) {
        Ok(())
    } else {
        Err(format!("names the service `{service}`, which does not exist"))
    }
}
