//! Patterns from strangers: building is bounded and never panics, the path and the string matcher agree, and a
//! rewrite by pattern takes any path.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mesh_route::{Compat, Limits, PathMatch, PathRewrite, StringMatch};

fuzz_target!(|input: (&str, &str, &str, bool)| {
    let (pattern, substitution, path, utf8) = input;
    let limits = if utf8 { Compat::new().utf8_regex().limits() } else { Limits::new() };
    let (by_path, by_string) = (PathMatch::regex(pattern, &limits), StringMatch::regex(pattern, &limits));
    if let (Ok(by_path), Ok(by_string), true) = (&by_path, &by_string, path.is_ascii())
        && !by_string.is_presence()
    {
        assert_eq!(by_path.matches(path), by_string.matches(path.as_bytes()), "{pattern:?} {path:?}");
    }
    if let Err(error) = by_path {
        assert!(!error.to_string().is_empty());
    }
    if let Ok(rewrite) = PathRewrite::regex(pattern, substitution, &limits) {
        let _ = rewrite.apply(path);
    }
});
