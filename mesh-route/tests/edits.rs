//! Header edits against the reference read word by word, and what rewrites and redirects undo of one another.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use mesh_route::{
    HeaderEditor, HeaderEdits, HeaderPlan, Limits, NoHeaders, Operator, PathMatch, PathRewrite, Redirect,
    RequestHead,
};
use proptest::prelude::*;

/// Header lines with lower-case names. Every operator but `REQ` yields its own debug text.
#[derive(Clone, Debug, PartialEq)]
struct Lines(Vec<(String, String)>);

impl Lines {
    fn first(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

impl HeaderEditor for Lines {
    fn write(&self, operator: &Operator, out: &mut Vec<u8>) {
        let text = match operator {
            Operator::RequestHeader { name, or } => {
                self.first(name).or_else(|| self.first(or.as_deref()?)).unwrap_or_default().to_owned()
            }
            other => format!("{other:?}"),
        };
        out.extend_from_slice(text.as_bytes());
    }

    fn remove(&mut self, name: &str) {
        self.0.retain(|(key, _)| key != name);
    }

    fn set(&mut self, name: &str, value: &[u8]) {
        self.remove(name);
        self.append(name, value);
    }

    fn append(&mut self, name: &str, value: &[u8]) {
        self.0.push((name.to_owned(), String::from_utf8(value.to_vec()).unwrap()));
    }
}

/// Edits as written: a key may be in any letter case, and only once in a list, as in YAML.
#[derive(Clone, Debug, Default)]
struct Written {
    removes: Vec<String>,
    sets: Vec<(String, Vec<Piece>)>,
    adds: Vec<(String, Vec<Piece>)>,
}

#[derive(Clone, Debug)]
enum Piece {
    Text(&'static str),
    Percent,
    Request(&'static str, Option<&'static str>, Option<usize>),
}

impl Piece {
    fn write(&self) -> String {
        match self {
            Self::Text(text) => (*text).to_owned(),
            Self::Percent => "%%".to_owned(),
            Self::Request(name, or, cut) => {
                let or = or.map_or(String::new(), |or| format!("?{or}"));
                let cut = cut.map_or(String::new(), |cut| format!(":{cut}"));
                format!("%REQ({name}{or}){cut}%")
            }
        }
    }

    fn value(&self, lines: &Lines) -> String {
        match self {
            Self::Text(text) => (*text).to_owned(),
            Self::Percent => "%".to_owned(),
            Self::Request(name, or, cut) => {
                let find = |name: &str| lines.first(&name.to_ascii_lowercase());
                let value = find(name).or_else(|| find((*or)?)).unwrap_or_default();
                value.chars().take(cut.unwrap_or(usize::MAX)).collect()
            }
        }
    }
}

impl Written {
    fn build(&self) -> HeaderEdits {
        let text = |value: &[Piece]| value.iter().map(Piece::write).collect::<String>();
        let edits = self.removes.iter().fold(HeaderEdits::new(), |edits, name| edits.remove(name).unwrap());
        let edits =
            self.sets.iter().fold(edits, |edits, (name, value)| edits.set(name, &text(value)).unwrap());
        self.adds.iter().fold(edits, |edits, (name, value)| edits.add(name, &text(value)).unwrap())
    }

    fn then(&self, other: &Self) -> Self {
        Self {
            removes: [&self.removes[..], &other.removes].concat(),
            sets: [sorted(&self.sets), sorted(&other.sets)].concat(),
            adds: [sorted(&self.adds), sorted(&other.adds)].concat(),
        }
    }

    /// One level, as ROUTE-HDR-01, -02 and -07 tell it.
    fn run(&self, lines: &mut Lines) {
        for name in &self.removes {
            lines.remove(&name.to_ascii_lowercase());
        }
        let before = lines.clone();
        let values = |list: &[(String, Vec<Piece>)]| -> Vec<(String, String)> {
            list.iter()
                .map(|(name, value)| {
                    let value = value.iter().map(|piece| piece.value(&before)).collect::<String>();
                    (name.to_ascii_lowercase(), value)
                })
                .filter(|(_, value)| !value.is_empty())
                .collect()
        };
        for (name, value) in values(&self.sets) {
            lines.set(&name, value.as_bytes());
        }
        for (name, value) in values(&self.adds) {
            lines.append(&name, value.as_bytes());
        }
    }
}

fn sorted(list: &[(String, Vec<Piece>)]) -> Vec<(String, Vec<Piece>)> {
    let mut list = list.to_vec();
    list.sort_by(|one, other| one.0.cmp(&other.0));
    list
}

const NAMES: [&str; 5] = ["x", "X", "y", "Y-z", "w"];

fn name() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&NAMES[..])
}

fn edit() -> impl Strategy<Value = (String, Vec<Piece>)> {
    let piece = prop_oneof![
        prop::sample::select(&["a", "", "b c"][..]).prop_map(Piece::Text),
        Just(Piece::Percent),
        (name(), prop::option::of(name()), prop::option::of(0..3usize))
            .prop_map(|(name, or, cut)| Piece::Request(name, or, cut)),
    ];
    (name().prop_map(str::to_owned), prop::collection::vec(piece, 0..3))
}

fn written() -> impl Strategy<Value = Written> {
    // A map has each key once; `x` and `X` are two keys.
    let list = || {
        prop::collection::vec(edit(), 0..4).prop_map(|mut list| {
            list.sort_by(|one, other| one.0.cmp(&other.0));
            list.dedup_by(|one, other| one.0 == other.0);
            list.reverse();
            list
        })
    };
    (prop::collection::vec(name().prop_map(str::to_owned), 0..3), list(), list())
        .prop_map(|(removes, sets, adds)| Written { removes, sets, adds })
}

fn lines() -> impl Strategy<Value = Lines> {
    let line = (name(), prop::sample::select(&["1", "22", "333", ""][..]));
    prop::collection::vec(line, 0..5).prop_map(|lines| {
        Lines(lines.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect())
    })
}

proptest! {
    /// ROUTE-HDR-01..04, ROUTE-HDR-07, ROUTE-HDR-12.
    #[test]
    fn plans_do_what_the_reference_says(route in written(), destination in written(), lines in lines()) {
        let (mut want, mut got) = (lines.clone(), lines.clone());
        sorted_level(&route).run(&mut want);
        HeaderPlan::route_only(route.build()).apply(&mut got);
        prop_assert_eq!(&got, &want, "the route alone");

        let (mut want, mut got) = (lines.clone(), lines.clone());
        route.then(&destination).run(&mut want);
        HeaderPlan::single_destination(route.build(), destination.build()).apply(&mut got);
        prop_assert_eq!(&got, &want, "one destination");

        let (mut want, mut got) = (lines.clone(), lines);
        sorted_level(&destination).run(&mut want);
        sorted_level(&route).run(&mut want);
        HeaderPlan::weighted_destination(route.build(), destination.build()).apply(&mut got);
        prop_assert_eq!(&got, &want, "one of several destinations");
    }

    /// What a prefix rewrite does to a path, the rewrite the other way round undoes.
    #[test]
    fn a_prefix_rewrite_can_be_undone(one in "/[a-c/]{0,4}", other in "/[a-c/]{0,4}", rest in "[a-c/%.]{0,6}(\\?[a-c=/]{0,4})?") {
        let there = PathRewrite::uri(Some(&PathMatch::prefix(&one)), &other);
        let back = PathRewrite::uri(Some(&PathMatch::prefix(&other)), &one);
        let path = format!("{one}{rest}");
        let moved = there.apply(&path).into_owned();
        prop_assert_eq!(&moved, &format!("{other}{rest}"));
        prop_assert_eq!(back.apply(&moved), path);
    }

    /// `\0` puts back what was matched, and groups that cover everything put back the path.
    #[test]
    fn a_regex_rewrite_can_be_the_identity(path in "/[a-c0-9/.-]{0,10}(\\?[a-c=/]{0,4})?") {
        for (pattern, substitution) in [("[a-c]+|/", r"\0"), ("x*", r"\0"), ("^(/[^/]*)(.*)$", r"\1\2"), ("([0-9]?)([0-9]?)", r"\1\2")] {
            let rewrite = PathRewrite::regex(pattern, substitution, &Limits::new()).unwrap();
            prop_assert_eq!(rewrite.apply(&path), path.as_str(), "{}", pattern);
        }
    }

    /// Following a redirect and looking at what was asked for gives the parts that were configured, and following one
    /// that changes nothing leads back.
    #[test]
    fn a_location_can_be_followed(
        scheme in prop::option::of("https?"), authority in prop::option::of("[a-c]{1,3}(:[1-9][0-9]{0,2})?"),
        uri in prop::option::of("/[a-c/]{0,4}"), target in "/[a-c/]{0,4}(\\?[a-c=]{0,3})?", port in prop::option::of(1..999u16),
    ) {
        let own = port.map_or("h.com".to_owned(), |port| format!("h.com:{port}"));
        let head = RequestHead::new("GET", &own, &target, &NoHeaders);
        let mut redirect = Redirect::new(0).unwrap();
        for (field, set) in [(&scheme, Redirect::scheme as fn(Redirect, &str) -> Redirect), (&authority, Redirect::authority), (&uri, Redirect::uri)] {
            redirect = field.iter().fold(redirect, |redirect, field| set(redirect, field));
        }
        let location = redirect.location(&head);
        let (found_scheme, rest) = location.split_once("://").unwrap();
        let (found_authority, found_target) = rest.split_at(rest.find('/').unwrap());
        let (found_path, found_query) = found_target.split_once('?').map_or((found_target, None), |(path, query)| (path, Some(query)));
        prop_assert_eq!(found_scheme, scheme.as_deref().unwrap_or("http"));
        prop_assert_eq!(found_path, uri.as_deref().unwrap_or(head.path()));
        prop_assert_eq!(found_query, head.query());
        let own_host = authority.is_none() && found_authority.split(':').next() == Some("h.com");
        prop_assert!(own_host || authority.as_deref() == Some(found_authority), "{}", found_authority);
        let followed = RequestHead::new("GET", found_authority, found_target, &NoHeaders).with_scheme(found_scheme);
        prop_assert_eq!(Redirect::new(0).unwrap().location(&followed), location.as_str());
        prop_assert_eq!(redirect.location(&followed), location.as_str(), "followed twice is followed once");
    }
}

/// A level of its own, its keys in alphabetical order (ROUTE-HDR-02).
fn sorted_level(written: &Written) -> Written {
    Written::default().then(written)
}

/// Every operator of the table reaches the editor as what it is, with its argument.
#[test]
fn all_operators_are_known_route_hdr_10() {
    let plain = "DOWNSTREAM_REMOTE_ADDRESS DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT DOWNSTREAM_REMOTE_PORT \
                 DOWNSTREAM_DIRECT_REMOTE_ADDRESS DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT \
                 DOWNSTREAM_LOCAL_ADDRESS DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT DOWNSTREAM_LOCAL_PORT PROTOCOL HOSTNAME \
                 ROUTE_NAME UPSTREAM_CLUSTER STREAM_ID CONNECTION_ID UNIQUE_ID REQUESTED_SERVER_NAME \
                 DOWNSTREAM_TLS_VERSION DOWNSTREAM_TLS_CIPHER DOWNSTREAM_TLS_SESSION_ID DOWNSTREAM_PEER_URI_SAN \
                 DOWNSTREAM_PEER_DNS_SAN DOWNSTREAM_PEER_SUBJECT DOWNSTREAM_PEER_ISSUER DOWNSTREAM_PEER_SERIAL \
                 DOWNSTREAM_PEER_CERT DOWNSTREAM_PEER_CERT_V_START DOWNSTREAM_LOCAL_URI_SAN DOWNSTREAM_LOCAL_SUBJECT \
                 QUERY_PARAMS UPSTREAM_HOST UPSTREAM_REMOTE_ADDRESS UPSTREAM_LOCAL_ADDRESS UPSTREAM_PROTOCOL \
                 RESPONSE_CODE RESPONSE_CODE_DETAILS RESPONSE_FLAGS BYTES_RECEIVED BYTES_SENT DURATION REQUEST_DURATION \
                 TRACE_ID GRPC_STATUS";
    let value = |text: &str| {
        let mut lines = Lines(Vec::new());
        HeaderPlan::route_only(HeaderEdits::new().set("v", text).unwrap()).apply(&mut lines);
        lines.first("v").unwrap_or_default().to_owned()
    };
    for name in plain.split_whitespace() {
        // The variant is the operator's name in another spelling.
        let variant: String = name
            .split('_')
            .flat_map(|word| {
                let (first, rest) = word.split_at(1);
                [first.to_owned(), rest.to_ascii_lowercase()]
            })
            .collect();
        assert_eq!(value(&format!("%{name}%")), variant);
        assert_eq!(value(&format!("<%{name}:3%>")), format!("<{}>", &variant[..3]));
    }
    for (text, want) in [
        ("%DOWNSTREAM_PEER_FINGERPRINT_256%", "DownstreamPeerFingerprint256"),
        ("%START_TIME%", "StartTime(None)"),
        ("%START_TIME(%Y/%m/%dT%H:%M:%S.%3f)%", "StartTime(Some(\"%Y/%m/%dT%H:%M:%S.%3f\"))"),
        ("%ENVIRONMENT(HOME)%", "Environment(\"HOME\")"),
        ("%PATH%", "Path { with_query: true }"),
        ("%PATH(NQ)%", "Path { with_query: false }"),
        ("%QUERY_PARAM(k)%", "QueryParam(\"k\")"),
        ("%DYNAMIC_METADATA(ns:k)%", "DynamicMetadata(\"ns:k\")"),
        ("%FILTER_STATE(k)%", "FilterState(\"k\")"),
        ("%METADATA(ROUTE:ns:k)%", "Metadata(\"ROUTE:ns:k\")"),
        ("%UPSTREAM_METADATA(ns:k)%", "UpstreamMetadata(\"ns:k\")"),
        ("%CEL(request.path)%", "Cel(\"request.path\")"),
        ("%RESP(X-A?X-B)%", "ResponseHeader { name: \"x-a\", or: Some(\"x-b\") }"),
        ("%TRAILER(X-A)%", "Trailer { name: \"x-a\", or: None }"),
    ] {
        assert_eq!(value(text), want, "{text}");
    }
}
