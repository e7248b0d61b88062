//! Reading configuration files.

use std::collections::HashSet;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// One file's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SourceText {
    pub(crate) name: String,
    pub(crate) text: String,
}

/// A path that cannot be read at all.
#[derive(Debug)]
pub(crate) struct ConfigError {
    path: PathBuf,
    problem: Problem,
}

#[derive(Debug)]
enum Problem {
    Read(io::Error),
    /// The line with the first byte that is none of a text.
    NotText(usize),
    NoFiles,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match &self.problem {
            Problem::Read(error) => match error.kind() {
                io::ErrorKind::NotFound => {
                    write!(f, "config `{path}`: no such file or directory, pass an existing one")
                }
                io::ErrorKind::PermissionDenied => {
                    write!(f, "config `{path}`: permission denied, make it readable for this user")
                }
                _ => write!(f, "config `{path}`: {error}"),
            },
            Problem::NotText(line) => {
                write!(f, "config `{path}`: line {line} is not UTF-8 text, save it as UTF-8")
            }
            Problem::NoFiles => write!(
                f,
                "config `{path}`: no file ending in .yaml, .yml or .json below it, put Istio or Kubernetes objects there"
            ),
        }
    }
}

impl std::error::Error for ConfigError {}

impl ConfigError {
    fn read(path: &Path, error: io::Error) -> Self {
        Self { path: path.to_owned(), problem: Problem::Read(error) }
    }
}

/// Reads every file of `paths`: a file as it is, a directory with all `.yaml`, `.yml` and `.json` files below it, in
/// the order of their names. Hidden entries are left out, which also skips the `..data` folders of mounted ConfigMaps
/// while following the links to them (`PROXY-CFG-02`).
///
/// # Errors
///
/// The first path that cannot be read, or a directory without a single configuration file.
pub(crate) fn read(paths: &[PathBuf]) -> Result<Vec<SourceText>, ConfigError> {
    let mut sources = Vec::new();
    for path in paths {
        let before = sources.len();
        let metadata = fs::metadata(path).map_err(|error| ConfigError::read(path, error))?;
        if metadata.is_dir() {
            read_directory(path, &mut sources, 0)?;
            if sources.len() == before {
                return Err(ConfigError { path: path.clone(), problem: Problem::NoFiles });
            }
        } else {
            sources.push(read_file(path)?);
        }
    }
    if paths.len() > 1 {
        // A file and its directory, or one file twice, would be objects that hide themselves.
        let mut seen = HashSet::new();
        sources.retain(|source| {
            seen.insert(fs::canonicalize(&source.name).unwrap_or_else(|_| PathBuf::from(&source.name)))
        });
    }
    Ok(sources)
}

/// Deeper nesting than this is a link that leads back.
const MAX_DEPTH: usize = 32;

fn read_directory(path: &Path, sources: &mut Vec<SourceText>, depth: usize) -> Result<(), ConfigError> {
    if depth > MAX_DEPTH {
        return Err(ConfigError::read(path, io::Error::other("nested too deep, does a link lead back?")));
    }
    let entries = fs::read_dir(path).and_then(std::iter::Iterator::collect::<io::Result<Vec<_>>>);
    let mut entries = entries.map_err(|error| ConfigError::read(path, error))?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name();
        if name.to_string_lossy().starts_with('.') {
            continue;
        }
        let path = entry.path();
        match fs::metadata(&path) {
            Ok(metadata) if metadata.is_dir() => read_directory(&path, sources, depth + 1)?,
            Ok(_) if is_configuration(&path) => match read_file(&path) {
                Ok(source) => sources.push(source),
                // Editors replace files: what has just vanished is gone on the next look as well.
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error),
            },
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(ConfigError::read(&path, error)),
        }
    }
    Ok(())
}

impl ConfigError {
    fn is_not_found(&self) -> bool {
        matches!(&self.problem, Problem::Read(error) if error.kind() == io::ErrorKind::NotFound)
    }
}

fn is_configuration(path: &Path) -> bool {
    path.extension().and_then(|extension| extension.to_str()).is_some_and(|extension| {
        ["yaml", "yml", "json"].iter().any(|known| extension.eq_ignore_ascii_case(known))
    })
}

fn read_file(path: &Path) -> Result<SourceText, ConfigError> {
    let bytes = fs::read(path).map_err(|error| ConfigError::read(path, error))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let good = error.as_bytes().iter().take(error.utf8_error().valid_up_to());
        let line = good.filter(|byte| **byte == b'\n').count() + 1;
        ConfigError { path: path.to_owned(), problem: Problem::NotText(line) }
    })?;
    Ok(SourceText { name: path.display().to_string(), text })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// PROXY-CFG-02
    #[test]
    fn directories_are_read_in_order_and_hidden_entries_left_out() {
        let dir = tempfile::tempdir().expect("a directory");
        let write = |name: &str, text: &str| {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().expect("a parent")).expect("created");
            fs::write(path, text).expect("written");
        };
        write("b.yaml", "b");
        write("a.yml", "a");
        write("sub/c.json", "c");
        write("notes.txt", "no");
        write(".hidden/d.yaml", "no");
        let sources = read(&[dir.path().to_owned()]).expect("readable");
        assert_eq!(sources.iter().map(|source| &*source.text).collect::<Vec<_>>(), ["a", "b", "c"]);
    }

    #[test]
    fn what_cannot_be_read_is_named_with_what_to_do() {
        let error = read(&[PathBuf::from("/no/such/mesh.yaml")]).expect_err("missing");
        assert_eq!(
            error.to_string(),
            "config `/no/such/mesh.yaml`: no such file or directory, pass an existing one"
        );
        let dir = tempfile::tempdir().expect("a directory");
        let error = read(&[dir.path().to_owned()]).expect_err("empty");
        assert!(error.to_string().contains("no file ending in .yaml, .yml or .json"), "{error}");
        let path = dir.path().join("x.yaml");
        fs::write(&path, b"a: b\nc: \xff\n").expect("written");
        let error = read(&[path]).expect_err("not text");
        assert!(error.to_string().ends_with("line 2 is not UTF-8 text, save it as UTF-8"), "{error}");
    }

    #[test]
    fn a_file_that_is_given_twice_is_read_once() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("x.yaml");
        fs::write(&path, "a: b").expect("written");
        let sources = read(&[path.clone(), dir.path().to_owned(), path]).expect("readable");
        assert_eq!(sources.len(), 1);
    }
}
