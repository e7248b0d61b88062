//! Rules that are never reached, and matches that repeat or shadow others (MODEL-VS-58 to 60).

use crate::common::{StringMap, StringMatch};
use crate::networking::virtual_service::{HttpMatchRequest, HttpRoute, TcpRoute, TlsRoute};
use crate::validate::report::{At, Report, show};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{Hash, Hasher};

/// So many earlier entries with one prefix are compared with a later one; beyond, the cost would grow with the
/// square of their number.
const MAX_SAME_PREFIX: usize = 32;
/// Longer prefixes are not taken apart.
const MAX_PREFIX: usize = 1024;

pub(super) fn http(report: &mut Report<'_>, at: &At<'_>, rules: &[HttpRoute]) {
    repeated(report, at, "http", rules.iter().map(|route| route.matches.iter().map(Unnamed)));
    prefixes(report, at, rules);
    bare_paths(report, at, rules);
}

pub(super) fn tls(report: &mut Report<'_>, at: &At<'_>, rules: &[TlsRoute]) {
    // A TLS rule without match is refused already.
    if rules.iter().all(|route| !route.matches.is_empty()) {
        repeated(report, at, "tls", rules.iter().map(|route| route.matches.iter()));
    }
}

pub(super) fn tcp(report: &mut Report<'_>, at: &At<'_>, rules: &[TcpRoute]) {
    repeated(report, at, "tcp", rules.iter().map(|route| route.matches.iter()));
}

/// An entry as it matches: its name is for logs only.
struct Unnamed<'e>(&'e HttpMatchRequest);

type Parts<'e> = (
    ([&'e Option<StringMatch>; 4], [&'e BTreeMap<String, StringMatch>; 3], bool, u32),
    (&'e StringMap, &'e str, &'e [String], &'e str),
);

impl<'e> Unnamed<'e> {
    fn parts(&self) -> Parts<'e> {
        let HttpMatchRequest {
            name: _,
            uri,
            scheme,
            method,
            authority,
            headers,
            without_headers,
            query_params,
            ignore_uri_case,
            port,
            source_labels,
            source_namespace,
            gateways,
            stat_prefix,
        } = self.0;
        (
            (
                [uri, scheme, method, authority],
                [headers, without_headers, query_params],
                *ignore_uri_case,
                *port,
            ),
            (source_labels, source_namespace, gateways, stat_prefix),
        )
    }
}

impl PartialEq for Unnamed<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

impl Eq for Unnamed<'_> {}

impl Hash for Unnamed<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.parts().hash(state);
    }
}

/// MODEL-VS-58 and 59. A rule is given by its entries; none matches everything.
fn repeated<K: Eq + Hash>(
    report: &mut Report<'_>,
    at: &At<'_>,
    list: &str,
    rules: impl Iterator<Item = impl ExactSizeIterator<Item = K>>,
) {
    // What could not be read of two matches may be where they differ.
    let read_whole = report.object.is_usable();
    let mut seen = Seen::new();
    let mut everything: Option<usize> = None;
    for (index, keys) in rules.enumerate() {
        let at = at.index(index);
        if let Some(earlier) = everything {
            report
                .warning(
                    "MODEL-VS-58",
                    &at,
                    format!("never reached, `{list}[{earlier}]` has no match and takes everything (IST0130)"),
                )
                .help("put the rule without match last");
            continue;
        }
        if keys.len() == 0 {
            everything = Some(index);
            continue;
        }
        let total = keys.len();
        let mut repeats = Vec::new();
        for (entry, key) in keys.enumerate() {
            if let Some(earlier) = seen.insert(key, index) {
                repeats.push((entry, earlier));
            }
        }
        if repeats.len() == total {
            let earlier = repeats.first().map_or(0, |(_, earlier)| *earlier);
            report
                .warning(
                    "MODEL-VS-58",
                    &at,
                    format!("never reached, its matches are those of `{list}[{earlier}]` (IST0130)"),
                )
                .help("remove the rule, or change its match");
            continue;
        }
        let matches = at.field("match");
        for (entry, earlier) in repeats {
            if earlier == index && !read_whole {
                continue;
            }
            if earlier == index {
                let message = "the match repeats an earlier one of the same rule (IST0131)";
                report.info("MODEL-VS-59", &matches.index(entry), message).help("it adds nothing, remove it");
                continue;
            }
            report
                .info(
                    "MODEL-VS-59",
                    &matches.index(entry),
                    format!("the match is also in `{list}[{earlier}]` (IST0131)"),
                )
                .help("the earlier rule takes these requests; remove the match here");
        }
    }
}

/// Entries and the rules they are in. The few that most objects have are compared sooner than hashed.
struct Seen<K> {
    few: Vec<(K, usize)>,
    many: HashMap<K, usize>,
}

impl<K: Eq + Hash> Seen<K> {
    const FEW: usize = 4;

    fn new() -> Self {
        Self { few: Vec::new(), many: HashMap::new() }
    }

    /// The rule of an earlier entry that is the same; else the entry is kept.
    fn insert(&mut self, key: K, rule: usize) -> Option<usize> {
        if let Some((_, earlier)) = self.few.iter().find(|(earlier, _)| *earlier == key) {
            return Some(*earlier);
        }
        if let Some(earlier) = self.many.get(&key) {
            return Some(*earlier);
        }
        if self.few.len() < Self::FEW {
            self.few.push((key, rule));
        } else {
            self.many.insert(key, rule);
        }
        None
    }
}

/// A longer prefix behind a shorter one that takes its requests (MODEL-VS-60).
fn prefixes(report: &mut Report<'_>, at: &At<'_>, rules: &[HttpRoute]) {
    let is_prefix = |entry: &&HttpMatchRequest| matches!(entry.uri, Some(StringMatch::Prefix(_)));
    if rules.iter().flat_map(|rule| &rule.matches).filter(is_prefix).nth(1).is_none() {
        return;
    }
    let read_whole = report.object.is_usable();
    let mut seen: HashMap<&str, Vec<(usize, &HttpMatchRequest)>> = HashMap::new();
    for (index, rule) in rules.iter().enumerate() {
        let rule_at = at.index(index);
        let matches = rule_at.field("match");
        for (number, entry) in rule.matches.iter().enumerate() {
            let Some(StringMatch::Prefix(prefix)) = &entry.uri else { continue };
            if prefix.len() > MAX_PREFIX {
                continue;
            }
            let earlier = (0..prefix.len())
                .filter_map(|len| seen.get(prefix.get(..len)?))
                .flatten()
                .find(|(other, wide)| (*other != index || read_whole) && covers(wide, entry));
            if let Some((other, wide)) = earlier {
                let text = wide.uri.as_ref().and_then(StringMatch::text).unwrap_or("");
                let (prefix, text) = (show(prefix), show(text));
                // Entries of one rule lead to the same action, in whatever order.
                let (message, help) = if *other == index {
                    let help = if adds_nothing(wide, entry) {
                        "it adds nothing, remove it"
                    } else {
                        "both lead to the same action; remove it if the other takes all that is meant"
                    };
                    (format!("`{prefix}` is covered by `{text}` of the same rule (IST0131)"), help)
                } else {
                    let message = format!("`{prefix}` is covered by `{text}` of `http[{other}]` (IST0131)");
                    (message, "put the longer prefix first")
                };
                report.info("MODEL-VS-60", &matches.index(number), message).help(help);
            }
            let same = seen.entry(prefix).or_default();
            if same.len() < MAX_SAME_PREFIX {
                same.push((index, entry));
            }
        }
    }
}

/// `/service/` does not take `/service` (MODEL-SEED-12).
fn bare_paths(report: &mut Report<'_>, at: &At<'_>, rules: &[HttpRoute]) {
    let uris = || rules.iter().flat_map(|rule| &rule.matches).filter_map(|entry| entry.uri.as_ref());
    // A rule for everything takes the bare path too, and so may an expression.
    let open = rules
        .iter()
        .any(|rule| rule.matches.iter().any(|entry| entry.uri.is_none()) || rule.matches.is_empty());
    if open || uris().any(|uri| matches!(uri, StringMatch::Regex(_) | StringMatch::Unset)) {
        return;
    }
    let texts: HashSet<&str> = uris().filter_map(StringMatch::text).collect();
    let prefixes: HashSet<&str> =
        uris().filter(|uri| matches!(uri, StringMatch::Prefix(_))).filter_map(StringMatch::text).collect();
    let mut told = HashSet::new();
    for (index, rule) in rules.iter().enumerate() {
        let rule_at = at.index(index);
        let matches = rule_at.field("match");
        for (number, entry) in rule.matches.iter().enumerate() {
            let Some(StringMatch::Prefix(prefix)) = &entry.uri else { continue };
            let Some(bare) = prefix.strip_suffix('/').filter(|bare| !bare.is_empty()) else { continue };
            // Some other text of the list is the bare path, or a prefix of it.
            let taken = bare.len() > MAX_PREFIX
                || texts.contains(bare)
                || (0..bare.len()).any(|len| bare.get(..len).is_some_and(|head| prefixes.contains(head)));
            if !taken && told.insert(bare) {
                let at = matches.index(number);
                let at = at.field("uri");
                report
                    .info(
                        "MODEL-SEED-12",
                        &at.field("prefix"),
                        format!("`{}` does not take the path `{}`", show(prefix), show(bare)),
                    )
                    .help("add a match for the bare path if it is meant");
            }
        }
    }
}

/// True when everything that `narrow` takes is taken by `wide` with its shorter prefix too, which Istio does not ask.
fn adds_nothing(wide: &HttpMatchRequest, narrow: &HttpMatchRequest) -> bool {
    let fits = |wide: &Option<StringMatch>, narrow: &Option<StringMatch>| wide.is_none() || wide == narrow;
    fits(&wide.method, &narrow.method)
        && fits(&wide.authority, &narrow.authority)
        && wide.headers == narrow.headers
        && wide.query_params == narrow.query_params
        && wide.without_headers == narrow.without_headers
        && (wide.ignore_uri_case || !narrow.ignore_uri_case)
        // Those are for logs and statistics.
        && wide.name == narrow.name
        && wide.stat_prefix == narrow.stat_prefix
}

/// True when what `wide` asks for besides the path is also asked for by `narrow`.
fn covers(wide: &HttpMatchRequest, narrow: &HttpMatchRequest) -> bool {
    let tag = |value: Option<&StringMatch>| match value {
        None | Some(StringMatch::Unset) => String::new(),
        Some(StringMatch::Exact(text)) => format!("exact:{text}"),
        Some(StringMatch::Prefix(text)) => format!("prefix:{text}"),
        Some(StringMatch::Regex(text)) => format!("regex:{text}"),
    };
    let fits = |wide: &str, narrow: &str| wide == narrow || (!narrow.is_empty() && wide.starts_with(narrow));
    let method = |value: Option<&StringMatch>| match value {
        None => "exact:GET".to_owned(),
        value => tag(value),
    };
    let maps = |wide: &BTreeMap<String, StringMatch>, narrow: &BTreeMap<String, StringMatch>| {
        wide.len() == narrow.len()
            && wide.iter().all(|(key, value)| {
                narrow.get(key).is_some_and(|other| fits(&tag(Some(value)), &tag(Some(other))))
            })
    };
    wide.port == narrow.port
        && fits(&method(wide.method.as_ref()), &method(narrow.method.as_ref()))
        && fits(&tag(wide.authority.as_ref()), &tag(narrow.authority.as_ref()))
        && maps(&wide.headers, &narrow.headers)
        && maps(&wide.query_params, &narrow.query_params)
        && maps(&wide.without_headers, &narrow.without_headers)
        // Istio does not compare these; a rule for other clients is not covered.
        && wide.source_labels == narrow.source_labels
        && wide.source_namespace == narrow.source_namespace
        && wide.gateways == narrow.gateways
        && wide.scheme == narrow.scheme
}
