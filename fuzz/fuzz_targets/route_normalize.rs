//! Path normalization: a second pass changes nothing, the query stays, no dot segment and, where asked for, no
//! run of slashes is left for a later stage to read otherwise.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mesh_fuzz::fold;
use mesh_route::{Compat, PathNormalization, normalize_path};

const PIECES: &[&str] = &[
    "/", "/", ".", "..", "%2e", "%2F", "%5c", "\\", ";x", "?", "a", "A", "%", "%25", "%61", "%7E", "%00",
    "{", "\"", "#", " ", "2", "f",
];

fuzz_target!(|input: (u8, bool, Vec<u8>, bool)| {
    let (mode, leading, bytes, old) = input;
    let compat = if old { Compat::new().keep_dot_segment_parameters() } else { Compat::new() };
    let mode = [
        PathNormalization::None,
        PathNormalization::Base,
        PathNormalization::MergeSlashes,
        PathNormalization::DecodeAndMergeSlashes,
    ][usize::from(mode % 4)];
    let raw = format!("{}{}", if leading { "/" } else { "" }, fold(&bytes, PIECES));
    let Ok(once) = compat.normalize_path(&raw, mode) else { return };
    if !old {
        assert_eq!(normalize_path(&raw, mode).as_deref(), Ok(&*once));
    }
    let twice = compat.normalize_path(&once, mode).expect("what came out goes in again");
    assert_eq!(once, twice, "{raw:?} {mode:?}");

    let split = |text: &str| text.split_once('?').map(|(path, query)| (path.to_owned(), query.to_owned()));
    assert_eq!(split(&once).map(|parts| parts.1), split(&raw).map(|parts| parts.1), "{raw:?} {mode:?}");
    if mode == PathNormalization::None || !raw.starts_with('/') {
        assert_eq!(once, raw);
        return;
    }
    let path = once.split('?').next().unwrap_or_default();
    assert!(path.starts_with('/'), "{raw:?} {mode:?} gives {path:?}");
    assert!(
        !path.split('/').any(|segment| segment == "." || segment == ".."),
        "{raw:?} {mode:?} gives {path:?}"
    );
    if mode != PathNormalization::Base {
        assert!(!path.contains("//"), "{raw:?} {mode:?} gives {path:?}");
    }
});
