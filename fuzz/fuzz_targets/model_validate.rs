//! Validating and analyzing objects of any content: it ends, says the same again, and every finding is one line about
//! an object that is there.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mesh_fuzz::Tree;
use mesh_model::validate::{Settings, analyze, validate};
use mesh_model::{LoadState, Options, Source, load};

fuzz_target!(|tree: Tree| {
    let mut options = Options::default();
    // As a program would have made them.
    options.validate = false;
    let objects = load([Source::new("input.yaml", &tree.0)], &options).objects;
    let settings = Settings::default();
    let mut all = Vec::new();
    for object in &objects {
        let found = validate(object, &settings);
        assert_eq!(found, validate(object, &settings));
        all.extend(found);
    }
    let references = analyze(&objects);
    assert_eq!(references, analyze(&objects));
    for found in references.iter().chain(&all) {
        assert!(!found.message.is_empty() && !found.to_string().contains('\n'), "{found:?}");
        if let Some(about) = &found.object {
            assert!(objects.iter().any(|object| object.reference() == *about), "{found:?}");
        }
    }
    // Loading says the same of an object that it read whole.
    options.validate = true;
    let loaded = load([Source::new("input.yaml", &tree.0)], &options);
    for (object, judged) in objects.iter().zip(&loaded.objects) {
        if object.state == LoadState::Clean {
            let refused = validate(object, &settings).iter().any(mesh_model::Diagnostic::is_error);
            assert_eq!(judged.state == LoadState::Invalid, refused, "{}", object.reference());
        }
    }
});
