//! Inputs that are made to hurt: each ends soon, in bounded memory, with a clear finding.
//!
//! The heavy ones run in a process of their own whose address space is limited (`ulimit -v`), so that what needs more
//! is a failure and not a slow machine. Work is bounded by limits and not by clocks; a watchdog only ends what hangs.
#![allow(
    clippy::disallowed_methods,
    clippy::format_push_string,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test"
)]

use mesh_model::{Diagnostic, LoadState, Loaded, Options, Source, load};
use std::fmt::Write as _;
use std::process::Command;
use std::time::{Duration, Instant};

fn read(text: &str, options: &Options) -> Loaded {
    load([Source::new("x.yaml", text)], options)
}

fn limit(loaded: &Loaded) -> Option<&Diagnostic> {
    loaded.diagnostics.iter().find(|found| found.code == "MODEL-DOC-LIMIT")
}

/// The text is refused for its size, not for its content.
fn refused(name: &str, text: &str) {
    // As many values as a debug build counts in no time; the default only takes longer.
    let mut options = Options::default();
    options.limits.max_nodes = 300_000;
    let loaded = read(text, &options);
    let found = limit(&loaded).unwrap_or_else(|| panic!("{name}: {:?}", loaded.diagnostics.first()));
    assert!(found.is_error() && found.help.is_some() && found.to_string().len() < 300, "{name}: {found}");
}

/// Levels of anchors, each used `width` times by the next.
fn bomb(levels: usize, width: usize, level: impl Fn(&[String]) -> String, leaf: &str) -> String {
    let mut text = format!("a0: &a0 {leaf}\n");
    for number in 1..=levels {
        let uses: Vec<String> = (0..width).map(|_| format!("*a{}", number - 1)).collect();
        writeln!(text, "a{number}: &a{number} {}", level(&uses)).unwrap();
    }
    text
}

#[test]
fn alias_bombs_are_refused() {
    let list = |uses: &[String]| format!("[{}]", uses.join(", "));
    let map = |uses: &[String]| {
        let entries: Vec<String> = uses.iter().enumerate().map(|(at, to)| format!("k{at}: {to}")).collect();
        format!("{{{}}}", entries.join(", "))
    };
    let merge = |uses: &[String]| format!("{{<<: [{}]}}", uses.join(", "));
    let merges = |uses: &[String]| {
        uses.iter().enumerate().fold("{".to_owned(), |text, (at, to)| format!("{text}k{at}: {{<<: {to}}}, "))
            + "}"
    };
    refused("lists", &bomb(9, 9, list, "[x, x, x, x, x, x, x, x, x]"));
    refused("maps", &bomb(9, 9, map, "{a: x, b: x, c: x}"));
    refused("merged lists", &bomb(9, 9, merge, "{a: x, b: x, c: x}"));
    refused("merged maps", &bomb(9, 9, merges, "{a: x, b: x, c: x}"));
    refused("two at a time", &bomb(60, 2, list, "[x]"));
    // Few nodes, much text.
    let long = "x".repeat(100_000);
    refused("long texts", &bomb(4, 16, list, &format!("[{long}, {long}]")));
    // One level, used very often.
    let uses = vec!["*a"; 20_000].join(", ");
    let items = vec!["x"; 1_000].join(", ");
    refused("one level", &format!("a: &a [{items}]\nb: [{uses}]\n"));
    // An anchor around its own alias leads nowhere.
    let loaded = read("a: &a [*a]\n", &Options::default());
    assert!(loaded.has_errors() && loaded.objects.is_empty(), "{:?}", loaded.diagnostics);
}

#[test]
fn deep_nesting_is_refused() {
    refused("lists in flow style", &("[".repeat(100_000) + &"]".repeat(100_000)));
    refused("maps in flow style", &("{a: ".repeat(100_000) + "b" + &"}".repeat(100_000)));
    refused("an object", &format!("apiVersion: v1\nkind: Pod\nspec: {}", "[".repeat(100_000)));
    refused("open lists", &"[".repeat(100_000));
    refused("items on one line", &("- ".repeat(100_000) + "a"));
    refused("open keys", &"? ".repeat(100_000));
    let mut block = String::new();
    for depth in 0..2_000 {
        writeln!(block, "{}a:", " ".repeat(depth)).unwrap();
    }
    refused("block style", &block);
    let mut list = String::from("apiVersion: v1\nkind: List\nitems:\n");
    for depth in 0..200 {
        writeln!(list, "{0}- kind: List\n{0}  apiVersion: v1\n{0}  items:", "  ".repeat(depth)).unwrap();
    }
    refused("lists of lists", &list);
}

/// A depth that is allowed does not overflow the stack of a small thread, in a debug build.
#[test]
fn what_is_allowed_fits_a_small_stack() {
    let deep = "{a: ".repeat(95) + "b" + &"}".repeat(95);
    let text = format!("apiVersion: example.com/v1\nkind: Odd\nmetadata: {{name: a}}\nspec: {deep}\n");
    let thread = std::thread::Builder::new().stack_size(2 << 20).spawn(move || {
        let loaded = read(&text, &Options::default());
        assert_eq!(loaded.objects.len(), 1, "{:?}", loaded.diagnostics);
        serde_json::to_string(&loaded.objects[0]).unwrap().len()
    });
    assert!(thread.unwrap().join().unwrap() > 400);
}

#[test]
fn many_findings_are_cut_off_and_the_object_is_refused() {
    let nulls = "~, ".repeat(60_000);
    let policy = format!(
        "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {{name: a}}\nspec: {{rules: [{nulls}]}}\n"
    );
    let loaded = read(&policy, &Options::default());
    assert!(limit(&loaded).is_some() && loaded.diagnostics.len() < 25_000, "{}", loaded.diagnostics.len());
    assert_eq!(loaded.objects[0].state, LoadState::Rejected);
    assert!(loaded.objects[0].must_deny());

    // As many of validation, where the errors come last.
    let hosts = "- a_b\n  ".repeat(60_000);
    let rule = format!(
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: a}}\nspec:\n  hosts:\n  {hosts}\n  http: []\n"
    );
    let loaded = read(&rule, &Options::default());
    assert!(loaded.diagnostics.len() < 25_000, "{}", loaded.diagnostics.len());
    assert_eq!(loaded.objects[0].state, LoadState::Invalid);
}

#[test]
fn many_duplicate_keys_are_refused() {
    let flow = "a: 1, ".repeat(200_000);
    refused("one key", &format!("spec: {{{flow}}}\n"));
    let pairs: String =
        (0..60_000).fold(String::new(), |text, number| text + &format!("k{number}: 1, k{number}: 2, "));
    refused("every key twice", &format!("spec: {{{pairs}}}\n"));
    // Few of them among many keys, and many objects in one list with one each, are told.
    let many: String = (0..60_000).fold(String::new(), |text, number| text + &format!("k{number}: 1, "));
    let loaded = read(
        &format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\ndata: {{{many} k7: x}}\n"),
        &Options::default(),
    );
    assert!(
        loaded.diagnostics.iter().any(|found| found.code == "MODEL-DOC-3"),
        "{:?}",
        loaded.diagnostics.first()
    );
    let mut list = String::from("apiVersion: v1\nkind: List\nitems:\n");
    for number in 0..3_000 {
        writeln!(
            list,
            "- {{apiVersion: v1, kind: Namespace, metadata: {{name: a{number}, name: b{number}}}}}"
        )
        .unwrap();
    }
    let loaded = read(&list, &Options::default());
    let told: Vec<_> = loaded.diagnostics.iter().filter(|found| found.code == "MODEL-DOC-3").collect();
    assert_eq!((loaded.objects.len(), told.len()), (3_000, 3_000));
    for (found, object) in told.iter().zip(&loaded.objects) {
        assert_eq!(found.object, Some(object.reference()));
        assert_eq!(object.state, LoadState::Recovered);
    }
}

#[test]
fn long_keys_and_names_are_shown_short() {
    let long = "k".repeat(1_000_000);
    for text in [
        format!(
            "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {{name: a}}\nspec: {{{long}: 1}}\n"
        ),
        format!(
            "apiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {{name: a}}\nspec: {{egress: [{{hosts: [{long}]}}]}}\n"
        ),
        format!("apiVersion: {long}\nkind: {long}\nmetadata: {{name: a}}\n"),
        format!("[{long}\n"),
        format!("{long}\n{long}: a\n"),
    ] {
        let loaded = read(&text, &Options::default());
        assert!(!loaded.diagnostics.is_empty());
        for found in &loaded.diagnostics {
            let shown = found.message.len() + found.help.as_ref().map_or(0, String::len);
            // The path and the name of an object are given in full.
            assert!(shown < 3 * long.len(), "{shown}");
        }
    }
}

#[test]
fn more_documents_than_allowed_are_said() {
    let mut options = Options::default();
    options.limits.max_documents = 100;
    let text = "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n".repeat(20_000);
    let loaded = read(&text, &options);
    assert!(
        limit(&loaded).is_some_and(|found| found.message.contains("20000 documents")),
        "{:?}",
        limit(&loaded)
    );
}

/// A long file on one line, with findings all over: their places are found without counting it through each time.
#[test]
fn findings_on_one_long_line_are_placed() {
    let mut text = String::from("{\"apiVersion\": \"v1\", \"kind\": \"List\", \"items\": [");
    for number in 0..1_500 {
        let comma = if number == 0 { "" } else { ", " };
        write!(text, "{comma}{{\"apiVersion\": \"networking.istio.io/v1\", \"kind\": \"Sidecar\", \"metadata\": {{\"name\": \"a{number}\"}}, \"spec\": {{\"egres\": []}}}}").unwrap();
    }
    text += "]}";
    let loaded = read(&text, &Options::default());
    let told: Vec<_> = loaded.diagnostics.iter().filter(|found| found.code == "MODEL-UNK-2").collect();
    assert_eq!(told.len(), 1_500);
    for found in told {
        let span = found.span.unwrap();
        assert!(text[span.start.byte..].starts_with("\"egres\""), "{found}");
    }
}

/// Where the address space is limited, in KiB. Twelve times the largest input.
const ROOM: usize = 1_200_000;

/// Runs one of the cases below in a process of its own.
fn confined(case: &str) {
    let program = std::env::current_exe().unwrap();
    let command = format!("ulimit -v {ROOM} && exec \"$0\" --exact in_confinement --nocapture");
    let mut child =
        Command::new("sh").arg("-c").arg(command).arg(program).env("CONFINED", case).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_mins(2);
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if Instant::now() > deadline {
            child.kill().unwrap();
            panic!("{case} hangs");
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    assert!(status.success(), "{case}: {status}");
}

/// Nothing, unless started by [`confined`].
#[test]
fn in_confinement() {
    const MIB: usize = 1 << 20;
    let Ok(case) = std::env::var("CONFINED") else { return };
    match case.as_str() {
        "scalar" => refused(&case, &format!("a: {}\n", "x".repeat(100 * MIB))),
        "quoted" => refused(&case, &format!("a: \"{}\n", "x".repeat(65 * MIB))),
        "allowed" => {
            let text = format!(
                "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\ndata: {{text: {}}}\n",
                "x".repeat(4 * MIB)
            );
            assert_eq!(read(&text, &Options::default()).objects.len(), 1);
        }
        "bomb" => {
            let list = |uses: &[String]| format!("[{}]", uses.join(", "));
            refused(&case, &bomb(9, 9, list, "[x, x, x, x, x, x, x, x, x]"));
        }
        "nesting" => refused(&case, &"[".repeat(4 * MIB)),
        other => panic!("no case {other}"),
    }
}

#[test]
#[cfg(target_os = "linux")]
fn large_inputs_need_little_memory() {
    for case in ["scalar", "quoted", "allowed", "bomb", "nesting"] {
        confined(case);
    }
}
