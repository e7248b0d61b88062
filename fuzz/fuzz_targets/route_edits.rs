//! Header values, names, rewrites and redirects from strangers: what is refused is refused at build, what is built edits
//! any map without a line break, and a location is one line that begins as it was told to.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use mesh_fuzz::fold;
use mesh_route::{
    HeaderEditor, HeaderEdits, HeaderPlan, Limits, NoHeaders, Operator, PathMatch, PathRewrite, Redirect,
    RequestHead, ServerScheme, upstream_authority,
};

#[derive(Arbitrary, Debug)]
enum Edit<'i> {
    Remove(&'i str),
    Set(&'i str, Vec<u8>),
    Add(&'i str, Vec<u8>),
    /// Any text for a value, not made of pieces.
    SetText(&'i str),
}

#[derive(Arbitrary, Debug)]
struct Input<'i> {
    route: Vec<Edit<'i>>,
    destination: Vec<Edit<'i>>,
    lines: Vec<(u8, &'i str)>,
    matched: (u8, Vec<u8>),
    replacement: Vec<u8>,
    substitution: &'i str,
    target: Vec<u8>,
    scheme: Option<bool>,
    authority: Option<Vec<u8>>,
    port: Option<u16>,
}

const VALUES: &[&str] =
    &["%REQ(", "x", "?", "y", ")", "%", "%%", ":2", "%PROTOCOL%", "%START_TIME(%Y)%", "a", " ", "é"];
const NAMES: &[&str] = &["x", "y", "host", "x-a"];
const PATHS: &[&str] = &["/", "a", "b", "%2F", ".", "?", "=", "//"];
const HOSTS: &[&str] = &["a", ".com", ":80", ":443", "[::1]", ":"];

#[derive(Default)]
struct Lines(Vec<(String, Vec<u8>)>);

impl HeaderEditor for Lines {
    fn write(&self, operator: &Operator, out: &mut Vec<u8>) {
        if let Operator::RequestHeader { name, or } = operator {
            let find = |name: &str| self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value);
            if let Some(value) = find(name).or_else(|| find(or.as_deref()?)) {
                out.extend_from_slice(value);
            }
        }
    }

    fn remove(&mut self, name: &str) {
        assert_eq!(name, name.to_ascii_lowercase());
        self.0.retain(|(key, _)| key != name);
    }

    fn set(&mut self, name: &str, value: &[u8]) {
        self.remove(name);
        self.append(name, value);
    }

    fn append(&mut self, name: &str, value: &[u8]) {
        assert!(!name.is_empty() && name != "host" && !name.starts_with(':'), "{name:?} is no line");
        assert!(!value.is_empty(), "an empty value changes nothing");
        self.0.push((name.to_owned(), value.to_vec()));
    }
}

fn build(edits: &[Edit<'_>]) -> HeaderEdits {
    edits.iter().fold(HeaderEdits::new(), |built, edit| {
        // What is refused leaves the others as they were.
        let next = match edit {
            Edit::Remove(name) => built.clone().remove(name),
            Edit::Set(name, value) => built.clone().set(name, &fold(value, VALUES)),
            Edit::Add(name, value) => built.clone().add(name, &fold(value, VALUES)),
            Edit::SetText(value) => built.clone().set("x", value),
        };
        next.unwrap_or_else(|error| {
            assert!(!error.to_string().contains('\n'), "{error:?}");
            built
        })
    })
}

fuzz_target!(|input: Input<'_>| {
    let (route, destination) = (build(&input.route), build(&input.destination));
    let _ = upstream_authority(None, &route, &destination);
    for plan in [
        HeaderPlan::route_only(route.clone()),
        HeaderPlan::single_destination(route.clone(), destination.clone()),
        HeaderPlan::weighted_destination(route, destination),
    ] {
        let mut lines = Lines::default();
        for (name, value) in input.lines.iter().filter(|(_, value)| !value.contains(['\r', '\n', '\0'])) {
            lines.0.push((NAMES[usize::from(*name) % NAMES.len()].to_owned(), value.as_bytes().to_vec()));
        }
        plan.apply(&mut lines);
        for (_, value) in &lines.0 {
            assert!(
                !value.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)),
                "{:?}",
                value.escape_ascii()
            );
        }
    }

    let text = fold(&input.matched.1, PATHS);
    let matched = match input.matched.0 % 4 {
        0 => None,
        1 => Some(PathMatch::prefix(&text)),
        2 => Some(PathMatch::segment_prefix(&text)),
        _ => Some(PathMatch::exact(&text)),
    };
    let target = format!("/{}", fold(&input.target, PATHS));
    let replacement = fold(&input.replacement, PATHS);
    let query = target.split_once('?').map(|(_, query)| query);
    let path = target.split('?').next().unwrap_or_default();
    if matched.as_ref().is_none_or(|matched| matched.matches(path)) {
        let rewritten = PathRewrite::uri(matched.as_ref(), &replacement).apply(&target).into_owned();
        assert!(query.is_none_or(|query| rewritten.ends_with(&format!("?{query}"))), "{rewritten:?}");
        // A rewrite that puts back what was there changes nothing.
        if input.matched.0 % 4 == 1 {
            assert_eq!(PathRewrite::uri(matched.as_ref(), &text).apply(&target), target.as_str());
        }
    }
    if let Ok(rewrite) = PathRewrite::regex("[a-b]+|/", input.substitution, &Limits::new()) {
        let rewritten = rewrite.apply(&target).into_owned();
        assert!(query.is_none_or(|query| rewritten.ends_with(&format!("?{query}"))), "{rewritten:?}");
    }

    let own = fold(input.authority.as_deref().unwrap_or_default(), HOSTS);
    let head = RequestHead::new("GET", &own, &target, &NoHeaders);
    let mut redirect = Redirect::new(0).expect("0 is 301").prefix_rewrite(matched.as_ref(), &replacement);
    if let Some(tls) = input.scheme {
        redirect = redirect.scheme(if tls { "https" } else { "http" });
    }
    if let Some(port) = input.port {
        redirect = redirect.port(port, ServerScheme::Http);
    }
    let location = redirect.location(&head);
    let start = if input.scheme == Some(true) { "https://" } else { "http://" };
    assert!(location.starts_with(start) && location.is_ascii(), "{location:?}");
});
