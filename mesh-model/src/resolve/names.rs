//! Host names: completion of short names, wildcards, gateway references.
//!
//! Comparisons ignore ASCII case (MODEL-TYPE-17).

use std::borrow::Cow;
use std::cmp::Ordering;
use std::net::IpAddr;

/// Completes a short name with the namespace of the rule it stands in; a name with a dot, `*` and an IP are taken as
/// they are (MODEL-RES-1, ROUTE-APPLY-35).
///
/// ```
/// use mesh_model::resolve::names::full_name;
/// assert_eq!(full_name("reviews", "shop", "cluster.local"), "reviews.shop.svc.cluster.local");
/// assert_eq!(full_name("reviews.prod", "shop", "cluster.local"), "reviews.prod"); // never completed
/// ```
pub fn full_name<'h>(host: &'h str, namespace: &str, domain: &str) -> Cow<'h, str> {
    if host.is_empty() || host == "*" || host.contains('.') || host.parse::<IpAddr>().is_ok() {
        Cow::Borrowed(host)
    } else {
        Cow::Owned(service_name(host, namespace, domain))
    }
}

/// Name of a Kubernetes Service (MODEL-RES-3).
pub fn service_name(name: &str, namespace: &str, domain: &str) -> String {
    format!("{name}.{namespace}.svc.{domain}")
}

/// True when `host` ends with `suffix`, ignoring ASCII case.
fn ends_with(host: &str, suffix: &str) -> bool {
    host.len()
        .checked_sub(suffix.len())
        .and_then(|at| host.get(at..))
        .is_some_and(|end| end.eq_ignore_ascii_case(suffix))
}

/// True when some name is meant by both: equal, or a wildcard whose text after `*` ends the other (MODEL-RES-6).
///
/// ```
/// use mesh_model::resolve::names::overlaps;
/// assert!(overlaps("*.foo.com", "a.b.foo.com"));
/// assert!(overlaps("a.foo.com", "*.foo.com"));
/// assert!(!overlaps("*.foo.com", "foo.com"));
/// ```
pub fn overlaps(a: &str, b: &str) -> bool {
    match (a.strip_prefix('*'), b.strip_prefix('*')) {
        (None, None) => a.eq_ignore_ascii_case(b),
        (Some(suffix), None) => ends_with(b, suffix),
        (None, Some(suffix)) => ends_with(a, suffix),
        (Some(a), Some(b)) => ends_with(a, b) || ends_with(b, a),
    }
}

/// True when every name meant by `a` is meant by `b` (MODEL-RES-6).
pub fn is_subset_of(a: &str, b: &str) -> bool {
    if a.eq_ignore_ascii_case(b) {
        return true;
    }
    b.strip_prefix('*').is_some_and(|suffix| ends_with(a.strip_prefix('*').unwrap_or(a), suffix))
}

/// The more specific host first: exact before wildcard, longer before shorter, then by bytes (MODEL-RES-7).
pub fn by_specificity(a: &str, b: &str) -> Ordering {
    let wildcard = |host: &str| host.starts_with('*');
    wildcard(a).cmp(&wildcard(b)).then(b.len().cmp(&a.len())).then_with(|| a.cmp(b))
}

/// What an entry of `gateways` refers to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum GatewayReference {
    /// `mesh`: every sidecar.
    Mesh,
    /// A Gateway object.
    Gateway {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
}

/// Reads an entry of `gateways` in a rule of `namespace`: `mesh`, `ns/name`, `./name`, `name`, or the legacy
/// `name.ns…` (MODEL-RES-4).
pub fn gateway_reference(text: &str, namespace: &str) -> GatewayReference {
    if text == "mesh" {
        return GatewayReference::Mesh;
    }
    let (namespace, name) = match text.split_once('/') {
        Some((".", name)) => (namespace, name),
        Some((other, name)) => (other, name),
        None => match text.split_once('.') {
            Some((name, rest)) => (rest.split('.').next().unwrap_or(rest), name),
            None => (namespace, text),
        },
    };
    GatewayReference::Gateway { namespace: namespace.to_owned(), name: name.to_owned() }
}
