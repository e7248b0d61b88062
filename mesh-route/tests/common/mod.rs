//! Reading of `testdata/route`.

use std::path::PathBuf;

use serde::Deserialize;

pub(crate) fn read<T: for<'d> Deserialize<'d>>(file: &str) -> T {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../testdata/route").join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    toml::from_str(&text).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// What went wrong in a file, told at once at the end.
pub(crate) struct Failures {
    file: &'static str,
    found: Vec<String>,
}

impl Failures {
    pub(crate) fn of(file: &'static str) -> Self {
        Self { file, found: Vec::new() }
    }

    /// Starts a test, which must say what it is about and cite the reference.
    pub(crate) fn begin(&self, name: &str, spec: &str) {
        assert!(!name.is_empty() && spec.starts_with("ROUTE-"), "{}: {name}: cites no rule", self.file);
    }

    pub(crate) fn check<T: PartialEq + std::fmt::Debug>(
        &mut self,
        name: &str,
        what: &str,
        got: &T,
        want: &T,
    ) {
        if got != want {
            self.found.push(format!("{}: {name}: {what}: want {want:?}, got {got:?}", self.file));
        }
    }

    pub(crate) fn finish(self) {
        assert!(self.found.is_empty(), "{} cases fail:\n{}", self.found.len(), self.found.join("\n"));
    }
}
