//! Delegation: a rule that hands over to another VirtualService is replaced by that one's rules (MODEL-RES-17).

use super::names::{GatewayReference, gateway_reference};
use super::{Resource, ResourceSet};
use crate::common::StringMatch;
use crate::meta::ObjectRef;
use crate::networking::VirtualService;
use crate::networking::virtual_service::{HttpMatchRequest, HttpRoute};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// An HTTP rule after delegation.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct EffectiveRoute<'a> {
    /// The rule, merged with the one that delegated to it.
    pub route: Cow<'a, HttpRoute>,
    /// Namespace in which its short names are completed: the delegate's (MODEL-RES-2). A merged rule has none left.
    pub namespace: &'a str,
    /// The VirtualService that holds the action.
    pub source: ObjectRef,
    /// Index of the rule in that VirtualService.
    pub index: usize,
}

impl ResourceSet {
    /// The HTTP rules of `root` in order, with delegates put in place.
    ///
    /// A rule whose delegate is missing, not exported to the root's namespace, has hosts or delegates itself is left
    /// out. So is a delegate's rule whose conditions contradict the root's.
    pub fn http_routes<'s>(&'s self, root: Resource<'s, VirtualService>) -> Vec<EffectiveRoute<'s>> {
        let mut out = Vec::new();
        for (index, route) in root.spec.http.iter().enumerate() {
            let Some(delegate) = &route.delegate else {
                out.push(EffectiveRoute {
                    route: Cow::Borrowed(route),
                    namespace: root.namespace(),
                    source: root.reference(),
                    index,
                });
                continue;
            };
            let namespace =
                if delegate.namespace.is_empty() { root.namespace() } else { &delegate.namespace };
            let Some(target) = self.find::<VirtualService>(namespace, &delegate.name) else { continue };
            let usable = target.hosts.is_empty()
                && self.visibility(target.object).includes(root.namespace())
                && target.http.iter().all(|route| route.delegate.is_none());
            if !usable {
                continue;
            }
            // Istio completes names before it merges: a name means what it means where it was written.
            let route = self.completed(route, root.namespace());
            for (index, inner) in target.spec.http.iter().enumerate() {
                let inner = self.completed(inner, target.namespace());
                if let Some(merged) = merge(&route, &inner) {
                    out.push(EffectiveRoute {
                        route: Cow::Owned(merged),
                        namespace: target.namespace(),
                        source: target.reference(),
                        index,
                    });
                }
            }
        }
        out
    }

    /// The rule with every name that depends on its namespace written in full (ROUTE-APPLY-02, ROUTE-APPLY-36).
    fn completed(&self, route: &HttpRoute, namespace: &str) -> HttpRoute {
        let mut route = route.clone();
        let destinations = (route.route.iter_mut().filter_map(|to| to.destination.as_mut()))
            .chain(route.mirror.as_mut())
            .chain(route.mirrors.iter_mut().filter_map(|to| to.destination.as_mut()));
        for destination in destinations {
            destination.host = self.full_name(&destination.host, namespace).into_owned();
        }
        for gateway in route.matches.iter_mut().flat_map(|block| &mut block.gateways) {
            if let GatewayReference::Gateway { namespace, name } = gateway_reference(gateway, namespace) {
                *gateway = format!("{namespace}/{name}");
            }
        }
        route
    }
}

fn join(root: &str, inner: &str) -> String {
    match (root, inner) {
        ("", only) | (only, "") => only.to_owned(),
        (root, inner) => format!("{root}-{inner}"),
    }
}

/// The delegate's rule, with the root's conditions added and what it leaves unset taken from the root.
fn merge(root: &HttpRoute, inner: &HttpRoute) -> Option<HttpRoute> {
    let matches = merge_matches(&root.matches, &inner.matches)?;
    let mut out = inner.clone();
    out.matches = matches;
    out.name = join(&root.name, &inner.name);
    out.delegate = None;
    macro_rules! inherit {
        ($($field:ident),*) => {$(
            if out.$field.is_none() {
                out.$field.clone_from(&root.$field);
            }
        )*};
    }
    inherit!(
        rewrite,
        direct_response,
        timeout,
        retries,
        fault,
        mirror,
        mirror_percentage,
        mirror_percent,
        cors_policy,
        headers
    );
    if out.mirrors.is_empty() {
        out.mirrors.clone_from(&root.mirrors);
    }
    Some(out)
}

fn merge_matches(root: &[HttpMatchRequest], inner: &[HttpMatchRequest]) -> Option<Vec<HttpMatchRequest>> {
    if root.is_empty() {
        return Some(inner.to_vec());
    }
    if inner.is_empty() {
        return Some(root.to_vec());
    }
    let mut out = Vec::new();
    for narrow in inner {
        let before = out.len();
        out.extend(root.iter().filter(|wide| !conflict(wide, narrow)).map(|wide| merge_match(wide, narrow)));
        if out.len() == before {
            return None;
        }
    }
    Some(out)
}

fn merge_match(root: &HttpMatchRequest, inner: &HttpMatchRequest) -> HttpMatchRequest {
    let mut out = inner.clone();
    out.name = join(&root.name, &inner.name);
    for (field, wide) in [
        (&mut out.uri, &root.uri),
        (&mut out.scheme, &root.scheme),
        (&mut out.method, &root.method),
        (&mut out.authority, &root.authority),
    ] {
        if field.is_none() {
            field.clone_from(wide);
        }
    }
    let fill = |map: &mut BTreeMap<String, StringMatch>, wide: &BTreeMap<String, StringMatch>| {
        for (key, value) in wide {
            map.entry(key.clone()).or_insert_with(|| value.clone());
        }
    };
    fill(&mut out.headers, &root.headers);
    fill(&mut out.without_headers, &root.without_headers);
    fill(&mut out.query_params, &root.query_params);
    for (key, value) in &root.source_labels {
        out.source_labels.entry(key.clone()).or_insert_with(|| value.clone());
    }
    if out.port == 0 {
        out.port = root.port;
    }
    if out.source_namespace.is_empty() {
        out.source_namespace.clone_from(&root.source_namespace);
    }
    if out.gateways.is_empty() {
        out.gateways.clone_from(&root.gateways);
    }
    if out.stat_prefix.is_empty() {
        out.stat_prefix.clone_from(&root.stat_prefix);
    }
    out
}

/// True when no request can satisfy both, or when that cannot be told.
fn conflict(root: &HttpMatchRequest, inner: &HttpMatchRequest) -> bool {
    let single = |a: &Option<StringMatch>, b: &Option<StringMatch>| match (a, b) {
        (Some(a), Some(b)) => string_conflict(a, b),
        _ => false,
    };
    let maps = |a: &BTreeMap<String, StringMatch>, b: &BTreeMap<String, StringMatch>| {
        a.iter().any(|(key, wide)| b.get(key).is_some_and(|narrow| string_conflict(wide, narrow)))
    };
    single(&root.uri, &inner.uri)
        || single(&root.scheme, &inner.scheme)
        || single(&root.method, &inner.method)
        || single(&root.authority, &inner.authority)
        || maps(&root.headers, &inner.headers)
        || maps(&root.without_headers, &inner.without_headers)
        || maps(&root.query_params, &inner.query_params)
        || root.ignore_uri_case != inner.ignore_uri_case
        || (root.port != 0 && inner.port != 0 && root.port != inner.port)
        || (!root.source_namespace.is_empty() && root.source_namespace != inner.source_namespace)
        || root
            .source_labels
            .iter()
            .any(|(key, value)| inner.source_labels.get(key).is_some_and(|other| other != value))
        || (!root.gateways.is_empty()
            && inner.gateways.iter().any(|gateway| !root.gateways.contains(gateway)))
}

fn string_conflict(root: &StringMatch, inner: &StringMatch) -> bool {
    match (root, inner) {
        // Presence alone is comparable with nothing (ROUTE-DELEG-06).
        (StringMatch::Unset, _) | (_, StringMatch::Unset) => true,
        (StringMatch::Regex(_), _) | (_, StringMatch::Regex(_)) => true,
        (StringMatch::Exact(wide), StringMatch::Exact(narrow)) => wide != narrow,
        (StringMatch::Exact(_), StringMatch::Prefix(_)) => true,
        (StringMatch::Prefix(wide), StringMatch::Exact(narrow) | StringMatch::Prefix(narrow)) => {
            !narrow.starts_with(wide.as_str())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Object, Options, Source, load};

    fn rules(root: &str, delegate: &str) -> Vec<HttpRoute> {
        let text = format!(
            "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: root, namespace: a}}\nspec:\n  \
             hosts: [x.com]\n  http:\n  - delegate: {{name: sub, namespace: b}}\n{root}\n---\n\
             apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: sub, namespace: b}}\nspec:\n  \
             http:\n{delegate}\n"
        );
        let options = Options { validate: false, ..Options::default() };
        let objects: Vec<Object> = load([Source::new("t.yaml", &text)], &options).objects;
        let set = ResourceSet::new(objects, crate::MeshConfig::default());
        let root = set.find::<VirtualService>("a", "root").expect("the root");
        set.http_routes(root).into_iter().map(|found| found.route.into_owned()).collect()
    }

    const ROUTE: &str = "    route: [{destination: {host: reviews}}]";

    /// ROUTE-DELEG-06
    #[test]
    fn presence_contradicts_every_value() {
        let with = |root: &str, inner: &str| {
            rules(
                &format!("    match: [{{headers: {{k: {root}}}}}]"),
                &format!("  - match: [{{headers: {{k: {inner}}}}}]\n{ROUTE}"),
            )
            .len()
        };
        assert_eq!(with("{}", "{exact: v}"), 0);
        assert_eq!(with("{exact: v}", "{}"), 0);
        assert_eq!(with("{exact: v}", "{exact: v}"), 1);
        assert_eq!(with("{prefix: v}", "{exact: vw}"), 1);
    }

    /// ROUTE-APPLY-36, ROUTE-DELEG-12, MODEL-RES-2
    #[test]
    fn names_mean_what_they_mean_where_they_are_written() {
        let found = rules("    mirror: {host: shadow}", &format!("  - name: n\n{ROUTE}"));
        let mirror = found[0].mirror.as_ref().expect("the root's mirror");
        assert_eq!(mirror.host, "shadow.a.svc.cluster.local");
        let destination = found[0].route[0].destination.as_ref().expect("a destination");
        assert_eq!(destination.host, "reviews.b.svc.cluster.local");
    }

    /// ROUTE-APPLY-02, ROUTE-DELEG-10
    #[test]
    fn gateways_are_compared_by_what_they_refer_to() {
        let root = "    match: [{gateways: [front], uri: {prefix: /a}}]";
        let inner = |gateway: &str| format!("  - match: [{{gateways: [{gateway}]}}]\n{ROUTE}");
        assert_eq!(rules(root, &inner("a/front")).len(), 1);
        assert_eq!(rules(root, &inner("front")).len(), 0, "b/front is another gateway");
        let inherited = rules(root, &format!("  - match: [{{uri: {{prefix: /a/b}}}}]\n{ROUTE}"));
        assert_eq!(inherited[0].matches[0].gateways, ["a/front"]);
    }
}
