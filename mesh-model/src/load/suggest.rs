//! "Did you mean": finds the field an unknown key was meant to be (MODEL-UNK-4).

/// Keys that belong one level further down: message, key, where.
const BELONGS_BELOW: &[(&str, &[&str], &str)] = &[
    (
        "VirtualService",
        &[
            "match",
            "route",
            "redirect",
            "rewrite",
            "directResponse",
            "delegate",
            "timeout",
            "retries",
            "fault",
            "mirror",
            "mirrors",
            "corsPolicy",
            "headers",
        ],
        "http[0]",
    ),
    (
        "HttpRoute",
        &["uri", "scheme", "method", "authority", "queryParams", "withoutHeaders", "port"],
        "match[0]",
    ),
    ("HttpRoute", &["destination", "weight"], "route[0]"),
    ("HttpRouteDestination", &["host", "subset", "port"], "destination"),
    ("RouteDestination", &["host", "subset", "port"], "destination"),
    ("HttpMatchRequest", &["exact", "prefix", "regex"], "the field it compares, such as `uri`"),
    (
        "DestinationRule",
        &["loadBalancer", "connectionPool", "outlierDetection", "tls", "portLevelSettings"],
        "trafficPolicy",
    ),
    ("TrafficPolicy", &["simple", "consistentHash", "localityLbSetting", "warmup"], "loadBalancer"),
    ("TrafficPolicy", &["tcp", "http"], "connectionPool"),
    ("TrafficPolicy", &["mode", "sni", "caCertificates", "clientCertificate"], "tls"),
    ("ConnectionPoolSettings", &["maxConnections", "connectTimeout", "tcpKeepalive"], "tcp"),
    (
        "ConnectionPoolSettings",
        &["http1MaxPendingRequests", "http2MaxRequests", "maxRequestsPerConnection", "maxRetries"],
        "http",
    ),
    ("Server", &["number", "protocol"], "port"),
    ("Server", &["mode", "credentialName", "httpsRedirect"], "tls"),
    ("PolicySelector", &["labels"], "`matchLabels`"),
    ("Rule", &["source"], "from[0]"),
    ("Rule", &["operation"], "to[0]"),
    ("From", &["principals", "namespaces", "ipBlocks", "requestPrincipals", "serviceAccounts"], "source"),
    ("To", &["methods", "paths", "hosts", "ports"], "operation"),
    ("PeerAuthentication", &["mode"], "mtls"),
];

/// Names that never were fields, or no longer are: message (empty is any), key, what to write (MODEL-LEG-*,
/// MODEL-SEED-15, MODEL-TYPE-14).
const RENAMED: &[(&str, &str, &str)] = &[
    ("StringMatch", "extract", "exact"),
    ("StringMatch", "equals", "exact"),
    ("StringMatch", "equal", "exact"),
    ("StringMatch", "startsWith", "prefix"),
    ("StringMatch", "suffix", "regex"),
    ("StringMatch", "contains", "regex"),
    ("PolicySelector", "labels", "matchLabels"),
    ("WorkloadSelector", "matchLabels", "labels"),
    ("HttpRoute", "prefixRewrite", "rewrite"),
];

/// What to tell the author about an unknown key.
pub(super) struct Suggestion {
    /// The sibling it was meant to be, when it is that close.
    pub(super) rename: Option<&'static str>,
    /// Only spelling conventions or the plural differ: the sibling can be taken for it.
    pub(super) certain: bool,
    /// The help line.
    pub(super) help: String,
}

/// Looks for what `key` in a message `name` with the fields `fields` was meant to be; `ancestors` are the paths and
/// fields of the messages around, innermost first.
pub(super) fn suggest(
    key: &str,
    name: &str,
    fields: &'static [&'static str],
    ancestors: &[(String, &'static [&'static str])],
) -> Option<Suggestion> {
    let rename = |to: &'static str, certain| {
        Some(Suggestion { rename: Some(to), certain, help: format!("did you mean `{to}`") })
    };
    if let Some((_, _, to)) = RENAMED.iter().find(|(message, from, _)| *message == name && *from == key) {
        return rename(to, false);
    }
    if let Some(to) = fields.iter().find(|field| plain(field) == plain(key)) {
        return rename(to, true);
    }
    if let Some(to) = fields.iter().find(|field| is_plural(field, key) || is_plural(key, field)) {
        return rename(to, true);
    }
    let allowed = if key.chars().count() <= 4 { 1 } else { 2 };
    let near = fields
        .iter()
        .map(|field| (distance(key, field, allowed), field))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance);
    // A key that is right elsewhere is misplaced rather than misspelt.
    if let Some((_, _, place)) =
        BELONGS_BELOW.iter().find(|(message, keys, _)| *message == name && keys.contains(&key))
    {
        let place = if place.contains('`') || place.contains(' ') {
            (*place).to_owned()
        } else {
            format!("`{place}`")
        };
        return Some(Suggestion {
            rename: None,
            certain: false,
            help: format!("`{key}` belongs inside {place}; indent it"),
        });
    }
    if let Some((path, _)) = ancestors.iter().find(|(_, fields)| fields.contains(&key)) {
        return Some(Suggestion {
            rename: None,
            certain: false,
            help: format!("`{key}` is a field of `{path}`, further out"),
        });
    }
    match near {
        Some((_, to)) => rename(to, false),
        None => None,
    }
}

fn plain(name: &str) -> String {
    name.chars().filter(|c| *c != '_' && *c != '-').flat_map(char::to_lowercase).collect()
}

fn is_plural(plural: &str, singular: &str) -> bool {
    let (plural, singular) = (plain(plural), plain(singular));
    plural.strip_suffix('s') == Some(&singular)
        || plural.strip_suffix("es") == Some(&singular)
        || plural.strip_suffix("ies").is_some_and(|stem| singular.strip_suffix('y') == Some(stem))
}

/// Damerau-Levenshtein (adjacent transpositions), or anything above `limit` as soon as that is certain.
pub(crate) fn distance(a: &str, b: &str, limit: usize) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(64).collect(), b.chars().take(64).collect());
    if a.len().abs_diff(b.len()) > limit {
        return limit + 1;
    }
    let width = b.len() + 1;
    let mut before: Vec<usize> = vec![0; width];
    let mut last: Vec<usize> = (0..width).collect();
    for (i, &ca) in a.iter().enumerate() {
        let mut row = Vec::with_capacity(width);
        row.push(i + 1);
        for (j, &cb) in b.iter().enumerate() {
            let at = |row: &[usize], index: usize| row.get(index).copied().unwrap_or(usize::MAX / 2);
            let mut best =
                (at(&last, j) + usize::from(ca != cb)).min(at(&last, j + 1) + 1).min(at(&row, j) + 1);
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(&cb) && b.get(j - 1) == Some(&ca);
            if swapped {
                best = best.min(at(&before, j - 1) + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(limit + 1)
}

/// `name` in lowerCamelCase if it is in snake_case (MODEL-UNK-5).
pub(super) fn camel_case(name: &str) -> Option<String> {
    if !name.contains('_') {
        return None;
    }
    let mut out = String::with_capacity(name.len());
    let mut upper = false;
    for c in name.chars() {
        if c == '_' {
            upper = true;
        } else if upper {
            out.extend(c.to_uppercase());
            upper = false;
        } else {
            out.push(c);
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn model_unk_4_suggestions_in_order() {
        const FIELDS: &[&str] =
            &["gateways", "headers", "hosts", "ignoreUriCase", "match", "sourceLabels", "uri"];
        let outer: &[(String, &'static [&'static str])] =
            &[("spec.http[0]".to_owned(), &["redirect", "route"])];
        let table = [
            ("gateway", "HttpMatchRequest", Some("did you mean `gateways`")),
            ("host", "HttpMatchRequest", Some("did you mean `hosts`")),
            ("source-labels", "HttpMatchRequest", Some("did you mean `sourceLabels`")),
            ("ignoreURICase", "HttpMatchRequest", Some("did you mean `ignoreUriCase`")),
            ("haeders", "HttpMatchRequest", Some("did you mean `headers`")),
            ("ur", "HttpMatchRequest", Some("did you mean `uri`")),
            ("xyz", "HttpMatchRequest", None),
            ("redirect", "HttpMatchRequest", Some("`redirect` is a field of `spec.http[0]`, further out")),
            (
                "exact",
                "HttpMatchRequest",
                Some("`exact` belongs inside the field it compares, such as `uri`; indent it"),
            ),
            ("redirect", "VirtualService", Some("`redirect` belongs inside `http[0]`; indent it")),
        ];
        for (key, name, want) in table {
            let found = suggest(key, name, FIELDS, outer).map(|suggestion| suggestion.help);
            assert_eq!(found.as_deref(), want, "{key} in {name}");
        }
    }

    #[test]
    fn model_type_14_names_of_comparisons() {
        const FIELDS: &[&str] = &["exact", "prefix", "regex"];
        for (key, want) in [("extract", "exact"), ("startsWith", "prefix"), ("contains", "regex")] {
            assert_eq!(suggest(key, "StringMatch", FIELDS, &[]).and_then(|s| s.rename), Some(want));
        }
    }

    #[test]
    fn distance_counts_edits_and_swaps() {
        for (a, b, want) in
            [("", "", 0), ("abc", "abc", 0), ("abc", "acb", 1), ("abcd", "abxd", 1), ("abc", "ab", 1)]
        {
            assert_eq!(distance(a, b, 2), want, "{a} {b}");
        }
    }

    #[test]
    fn model_unk_5_snake_case() {
        assert_eq!(camel_case("consecutive_5xx_errors").as_deref(), Some("consecutive5xxErrors"));
        assert_eq!(camel_case("hosts"), None);
    }
}
