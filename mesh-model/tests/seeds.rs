//! The resources of the project's founding documents load in `compat` and mean what the documents say.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test")]

use mesh_model::{Body, Kind, LoadState, Loaded, Options, Severity, Source, load};
use std::path::PathBuf;

fn seeds() -> Option<Vec<(String, String)>> {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/seeds/yaml");
    let Ok(entries) = std::fs::read_dir(&dir) else {
        println!("SKIPPED: {} is not there", dir.display());
        return None;
    };
    let mut files: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .map(|path| {
            (
                path.file_name().unwrap().to_string_lossy().into_owned(),
                std::fs::read_to_string(&path).unwrap(),
            )
        })
        .collect();
    files.sort();
    Some(files)
}

fn load_one(name: &str, text: &str) -> Loaded {
    load([Source::new(name, text)], &Options::default())
}

#[test]
fn all_75_resources_load_with_types() {
    let Some(files) = seeds() else { return };
    assert_eq!(files.len(), 75);
    for (name, text) in files {
        let loaded = load_one(&name, &text);
        for found in &loaded.diagnostics {
            println!(
                "{found}{}",
                found.help.as_ref().map(|help| format!("\n    help: {help}")).unwrap_or_default()
            );
        }
        assert_eq!(loaded.objects.len(), 1, "{name}");
        let object = &loaded.objects[0];
        assert!(name.contains(object.kind.as_str()), "{name}: {}", object.kind);
        assert!(object.kind == Kind::EnvoyFilter || !matches!(object.body, Body::Opaque(_)), "{name}");
        assert_ne!(object.state, LoadState::Rejected, "{name}");
        let _ = Severity::Error;
    }
}
