//! Loading any text, both raw and shaped like Istio's resources: it ends, and every finding has a place inside
//! its source. An object found without fault says the same after it was written and read again. The fast path and the
//! one through a tree answer alike.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use mesh_fuzz::Tree;
use mesh_model::{Loaded, Options, Source, load, load_by_tree};

#[derive(Arbitrary, Debug)]
enum Text<'t> {
    Raw(&'t str),
    Shaped(Tree),
}

fn check_places(loaded: &Loaded, text: &str) {
    for found in &loaded.diagnostics {
        assert!(!found.code.is_empty() && !found.message.is_empty(), "{found:?}");
        assert!(!found.to_string().contains('\n'), "more than one line: {found}");
        if let Some(span) = found.span {
            assert!(span.start.byte <= span.end.byte, "{found:?}");
            assert!(
                text.is_char_boundary(span.start.byte) && text.is_char_boundary(span.end.byte),
                "{found:?}"
            );
            // YAML 1.1 knows more line breaks than an editor does; where they occur, numbers may differ.
            // And at the end of a text the parser already stands on the line after.
            let odd = text.contains(['\r', '\u{85}', '\u{2028}', '\u{2029}']);
            if !odd && span.start.byte < text.len() {
                let line = text[..span.start.byte].matches('\n').count() + 1;
                assert_eq!(span.start.line, line, "{found:?}");
            }
        }
    }
}

fuzz_target!(|text: Text<'_>| {
    let text = match &text {
        Text::Raw(text) => text,
        Text::Shaped(tree) => tree.0.as_str(),
    };
    let options = Options::default();
    let loaded = load([Source::new("input.yaml", text)], &options);
    check_places(&loaded, text);
    let by_tree = load_by_tree([Source::new("input.yaml", text)], &options);
    // Not a number is not equal to itself, but looks so.
    assert!(loaded == by_tree || format!("{loaded:?}") == format!("{by_tree:?}"), "{loaded:#?}\n{by_tree:#?}");
    check_places(&load([Source::new("input.yaml", text)], &Options::strict()), text);

    if loaded.diagnostics.is_empty() {
        for object in &loaded.objects {
            let written = serde_json::to_string(object).expect("an object is plain data");
            let again = load([Source::new("again.json", &written)], &options);
            assert_eq!(again.diagnostics, [], "{written}");
            let [again] = again.objects.as_slice() else {
                panic!("{written} is {} objects", again.objects.len())
            };
            assert_eq!((&again.metadata, &again.body), (&object.metadata, &object.body), "{written}");
        }
    }
});
