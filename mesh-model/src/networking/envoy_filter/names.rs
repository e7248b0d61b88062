//! Names of Envoy's filters that have changed (MODEL-LEG-20).

/// The connection manager, in whose match HTTP filters are named.
pub(crate) const HTTP_CONNECTION_MANAGER: &str = "envoy.filters.network.http_connection_manager";

/// Old name, new name.
const RENAMED: [(&str, &str); 27] = [
    ("envoy.buffer", "envoy.filters.http.buffer"),
    ("envoy.client_ssl_auth", "envoy.filters.network.client_ssl_auth"),
    ("envoy.cors", "envoy.filters.http.cors"),
    ("envoy.csrf", "envoy.filters.http.csrf"),
    ("envoy.ext_authz", "envoy.filters.http.ext_authz"),
    ("envoy.fault", "envoy.filters.http.fault"),
    ("envoy.grpc_http1_bridge", "envoy.filters.http.grpc_http1_bridge"),
    ("envoy.grpc_json_transcoder", "envoy.filters.http.grpc_json_transcoder"),
    ("envoy.grpc_web", "envoy.filters.http.grpc_web"),
    ("envoy.gzip", "envoy.filters.http.gzip"),
    ("envoy.health_check", "envoy.filters.http.health_check"),
    ("envoy.http_connection_manager", HTTP_CONNECTION_MANAGER),
    ("envoy.http_dynamo_filter", "envoy.filters.http.dynamo"),
    ("envoy.ip_tagging", "envoy.filters.http.ip_tagging"),
    ("envoy.listener.http_inspector", "envoy.filters.listener.http_inspector"),
    ("envoy.listener.original_dst", "envoy.filters.listener.original_dst"),
    ("envoy.listener.original_src", "envoy.filters.listener.original_src"),
    ("envoy.listener.proxy_protocol", "envoy.filters.listener.proxy_protocol"),
    ("envoy.listener.tls_inspector", "envoy.filters.listener.tls_inspector"),
    ("envoy.lua", "envoy.filters.http.lua"),
    ("envoy.mongo_proxy", "envoy.filters.network.mongo_proxy"),
    ("envoy.rate_limit", "envoy.filters.http.ratelimit"),
    ("envoy.ratelimit", "envoy.filters.network.ratelimit"),
    ("envoy.redis_proxy", "envoy.filters.network.redis_proxy"),
    ("envoy.router", "envoy.filters.http.router"),
    ("envoy.squash", "envoy.filters.http.squash"),
    ("envoy.tcp_proxy", "envoy.filters.network.tcp_proxy"),
];

/// The name of today, when `name` is an old one; `network` tells the filters apart that exist in both layers.
pub(crate) fn canonical(name: &str, network: bool) -> Option<&'static str> {
    if network && name == "envoy.ext_authz" {
        return Some("envoy.filters.network.ext_authz");
    }
    let at = RENAMED.binary_search_by_key(&name, |(old, _)| old).ok()?;
    RENAMED.get(at).map(|(_, new)| *new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_its_new_names_are_not_old_ones() {
        assert!(RENAMED.is_sorted_by_key(|(old, _)| old));
        for (old, new) in RENAMED {
            assert_eq!(canonical(old, false), Some(new));
            assert!(new.starts_with("envoy.filters."), "{new}");
            assert_eq!(canonical(new, false), None);
        }
    }

    #[test]
    fn a_name_of_both_layers_is_told_apart() {
        assert_eq!(canonical("envoy.ext_authz", false), Some("envoy.filters.http.ext_authz"));
        assert_eq!(canonical("envoy.ext_authz", true), Some("envoy.filters.network.ext_authz"));
        assert_eq!(canonical("envoy.filters.http.router", true), None);
    }
}
