//! No text makes loading, validation or analysis panic or hang, and what is loaded can be written and loaded again.
#![allow(
    clippy::format_push_string,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test"
)]

use mesh_model::common::Duration;
use mesh_model::{LoadState, Object, Options, Severity, Source, load, load_by_tree};
use proptest::prelude::*;
use std::path::Path;
use std::sync::LazyLock;

fn files(folder: &str) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder);
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    paths.sort();
    paths.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect()
}

/// Documents to start from: the example and the cases for analysis, one object each.
static DOCUMENTS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let all = files("docs/examples/bookinfo").into_iter().chain(files("testdata/yaml/analyze"));
    all.flat_map(|text| text.split("\n---\n").map(str::to_owned).collect::<Vec<_>>()).collect()
});

/// A text behind and before documents in plain form, which share a parser where they can.
fn among_plain(text: &str) -> String {
    let plain = |number: usize| {
        format!(
            "apiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata:\n  name: plain-{number}\nspec:\n  egress:\n  - hosts:\n    - ./*\n---\n"
        )
    };
    let before: String = (0..10).map(plain).collect();
    format!("{before}{text}\n---\n{}{}", plain(10), plain(11))
}

fn everything(text: &str) {
    let among = among_plain(text);
    let source = || [Source::new("x.yaml", &among)];
    assert_eq!(load(source(), &Options::default()), load_by_tree(source(), &Options::default()), "{text}");
    for mut options in [Options::default(), Options::strict()] {
        options.analyze = true;
        let loaded = load([Source::new("x.yaml", text)], &options);
        // The fast path says nothing of its own.
        assert_eq!(loaded, load_by_tree([Source::new("x.yaml", text)], &options), "{text}");
        for found in &loaded.diagnostics {
            let shown = found.to_string();
            assert!(shown.contains(found.code), "{shown}");
            if let Some(span) = found.span {
                assert!(span.start.byte <= text.len() && span.start.line >= 1, "{shown}");
            }
        }
        // Every error has left its mark on the object it is about.
        for object in &loaded.objects {
            assert!(object.state != LoadState::Invalid || loaded.has_errors());
        }
    }
}

/// Texts that mean something at many places.
const FRAGMENTS: &[&str] = &[
    "",
    "null",
    "{}",
    "[]",
    "-1",
    "99999999999999999999",
    "0.5",
    "'*'",
    "~",
    "&a ",
    "*a",
    "<<: ",
    "!!int ",
    "|\n",
    "---\n",
    "...",
    "- ",
    ": ",
    "\t",
    "\u{0}",
    "\u{feff}",
    "é",
    "{{ x }}",
    "spec:",
    "kind: List\n",
    "items: [",
    "regex: '(a{1000}){9}'",
    "\"\\u0000\"",
    "true",
    "1d",
    "0s",
    "unix://",
    "outbound_._.",
    "@request.auth.claims[",
    "%REQ(",
    "{**}",
    "a/b/c",
    "yes",
    "0x1f",
    "8080",
    "'8080'",
    "\"\\x41\"",
    "\"{{ x }}\"",
    "007",
    "1_000",
    "1e3",
    ".inf",
    "!!str 5",
    "{a: 1, a: 2}",
    "{8080: x, '8080': y}",
    "[null]",
    "[{}]",
    "LEAST_CONN",
    "sds",
    "|\n    5\n",
    "\"5\\\n    6\"",
];

#[derive(Clone, Debug)]
enum Edit {
    Delete(prop::sample::Index, usize),
    Insert(prop::sample::Index, usize),
    Duplicate(prop::sample::Index, prop::sample::Index),
    Value(prop::sample::Index, usize),
    Indent(prop::sample::Index, bool),
}

fn edit() -> impl Strategy<Value = Edit> {
    let at = any::<prop::sample::Index>;
    prop_oneof![
        (at(), 1..40usize).prop_map(|(at, len)| Edit::Delete(at, len)),
        (at(), 0..FRAGMENTS.len()).prop_map(|(at, text)| Edit::Insert(at, text)),
        (at(), at()).prop_map(|(from, to)| Edit::Duplicate(from, to)),
        (at(), 0..FRAGMENTS.len()).prop_map(|(line, text)| Edit::Value(line, text)),
        (at(), any::<bool>()).prop_map(|(line, deeper)| Edit::Indent(line, deeper)),
    ]
}

fn apply(text: &str, edit: &Edit) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    if chars.is_empty() || lines.is_empty() {
        return text.to_owned();
    }
    match edit {
        Edit::Delete(at, len) => {
            let at = at.index(chars.len());
            chars.iter().enumerate().filter(|(i, _)| !(at..at + len).contains(i)).map(|(_, c)| c).collect()
        }
        Edit::Insert(at, fragment) => {
            let at = at.index(chars.len());
            let (head, tail) = chars.split_at(at);
            format!(
                "{}{}{}",
                head.iter().collect::<String>(),
                FRAGMENTS[*fragment],
                tail.iter().collect::<String>()
            )
        }
        Edit::Duplicate(from, to) => {
            let line = lines[from.index(lines.len())].clone();
            let to = to.index(lines.len());
            lines.insert(to, line);
            lines.join("\n")
        }
        Edit::Value(line, fragment) => {
            let line = line.index(lines.len());
            if let Some((key, _)) = lines[line].split_once(':') {
                lines[line] = format!("{key}: {}", FRAGMENTS[*fragment]);
            }
            lines.join("\n")
        }
        Edit::Indent(line, deeper) => {
            let line = line.index(lines.len());
            lines[line] = if *deeper {
                format!("  {}", lines[line])
            } else {
                lines[line].strip_prefix("  ").unwrap_or(&lines[line]).to_owned()
            };
            lines.join("\n")
        }
    }
}

/// Odd texts as every value, one at a time: both ways of loading agree. Each value is tried with some of them.
#[test]
fn odd_values_are_read_alike() {
    for (number, text) in DOCUMENTS.iter().enumerate() {
        for line in 0..text.lines().count() {
            let mut edited: Vec<String> = text.lines().map(str::to_owned).collect();
            let Some((key, _)) = edited[line].split_once(':') else { continue };
            let key = key.to_owned();
            for fragment in FRAGMENTS.iter().skip((line + number) % 16).step_by(16) {
                edited[line] = format!("{key}: {fragment}");
                let edited = edited.join("\n");
                let source = || [Source::new("x.yaml", &edited)];
                let options = Options::default();
                assert_eq!(load(source(), &options), load_by_tree(source(), &options), "{edited}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn mutated_documents_never_panic(
        document in any::<prop::sample::Index>(),
        edits in prop::collection::vec(edit(), 1..6),
    ) {
        let mut text = DOCUMENTS[document.index(DOCUMENTS.len())].clone();
        for edit in &edits {
            text = apply(&text, edit);
        }
        everything(&text);
    }

    #[test]
    fn arbitrary_text_never_panics(text in "\\PC{0,200}") {
        everything(&text);
    }

    /// MODEL-TYPE-1, MODEL-TYPE-4
    #[test]
    fn durations_are_read_back(nanos in any::<i64>()) {
        let value = Duration::from_nanos(nanos);
        prop_assert_eq!(value.to_string().parse::<Duration>().unwrap(), value);
    }
}

/// MODEL-TYPE-1, MODEL-TYPE-3
#[test]
fn spellings_of_durations() {
    for (text, nanos) in [
        ("0", 0),
        ("-0", 0),
        ("1.5s", 1_500_000_000),
        (".5s", 500_000_000),
        ("1h30m", 5_400_000_000_000),
        ("100ms", 100_000_000),
        ("1us", 1_000),
        ("1µs", 1_000),
        ("-2ns", -2),
        ("+3600s", 3_600_000_000_000),
    ] {
        assert_eq!(text.parse::<Duration>().unwrap().as_nanos(), nanos, "{text}");
    }
    for text in ["", "5", "5sec", "1min", "5S", "1 s", "s", ".s", "1d", "9999999999h", "1.2.3s", "--1s"] {
        assert!(text.parse::<Duration>().is_err(), "{text}");
    }
}

fn read(text: &str) -> Vec<Object> {
    let loaded = load([Source::new("x.yaml", text)], &Options::default());
    let mut objects = loaded.objects;
    for object in &mut objects {
        object.origin = None;
    }
    objects
}

/// An object written as YAML or as JSON is the same object, in its original version (MODEL-GV-1).
#[test]
fn what_is_loaded_can_be_written_and_loaded_again() {
    let mut count = 0;
    for text in DOCUMENTS.iter() {
        for object in read(text) {
            let yaml = serde_yaml::to_string(&object).unwrap();
            assert_eq!(read(&yaml), std::slice::from_ref(&object), "{yaml}");
            let json = serde_json::to_string(&object).unwrap();
            assert_eq!(read(&json), std::slice::from_ref(&object), "{json}");
            count += 1;
        }
    }
    assert!(count > 40, "{count}");
    let old =
        "{apiVersion: networking.istio.io/v1alpha3, kind: Gateway, metadata: {name: a}, spec: {servers: []}}";
    assert!(
        serde_yaml::to_string(&read(old)[0]).unwrap().starts_with("apiVersion: networking.istio.io/v1alpha3")
    );
}

/// The example is admitted, and worth no warning but for the subset that it lacks on purpose.
#[test]
fn the_example_is_clean() {
    let texts = files("docs/examples/bookinfo");
    let mut options = Options::default();
    options.analyze = true;
    let loaded = load(texts.iter().map(|text| Source::new("bookinfo", text)), &options);
    let bad: Vec<String> = loaded
        .diagnostics
        .iter()
        .filter(|found| found.severity > Severity::Info)
        .map(|found| format!("{} {}", found.code, found.path))
        .collect();
    // The missing subset is meant, and the annotation of its object says so.
    assert!(bad.is_empty(), "{bad:?}");
    assert!(loaded.objects.iter().all(|object| object.state == LoadState::Clean));
}

/// Sizes at which anything but linear cost would be felt.
#[test]
fn large_objects_take_time_in_proportion() {
    let mut text = String::from(
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a, namespace: b}\nspec:\n  hosts:\n",
    );
    for n in 0..5_000 {
        text += &format!("  - '*.h{n}.example.com'\n");
    }
    text += "  http:\n";
    for n in 0..5_000 {
        text += &format!(
            "  -\n  - match: [{{uri: {{prefix: /a/{n}}}}}]\n    route: [{{destination: {{host: '*'}}}}]\n"
        );
    }
    let loaded = load([Source::new("x.yaml", &text)], &Options::default());
    let of = |code: &str| loaded.diagnostics.iter().filter(|found| found.code == code).count();
    assert_eq!((of("MODEL-TYPE-20"), of("MODEL-VS-51")), (5_000, 5_000));
    let last = loaded.diagnostics.last().unwrap();
    assert!(last.path.to_string().starts_with("spec.http[9999]."), "{last}");
}
