//! From files to a snapshot, keeping the last good form of what a bad edit breaks (`PROXY-CFG-02`, `PROXY-SNAP-05`).

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use mesh_model::{Diagnostic, Kind, LoadState, Object, ObjectRef, Severity};

use super::files::{ConfigError, SourceText, read};
use crate::snapshot::{Context, Issue, Snapshot, compile};

/// The configuration's files and what was last made of them.
pub(crate) struct Source {
    paths: Vec<PathBuf>,
    context: Context,
    options: mesh_model::Options,
    /// Texts beside those of the paths.
    fixed: Vec<SourceText>,
    texts: Vec<SourceText>,
    objects: Arc<Vec<Object>>,
}

/// All that was found when loading once.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) diagnostics: Vec<Diagnostic>,
    pub(crate) issues: Vec<Issue>,
    /// Objects whose former version stays in force.
    pub(crate) kept: Vec<ObjectRef>,
    /// The texts that the diagnostics point into.
    pub(crate) texts: Vec<SourceText>,
}

impl Findings {
    /// One line for each finding.
    pub(crate) fn lines(&self) -> Arc<Vec<String>> {
        let diagnostics = self.diagnostics.iter().map(|found| match &found.help {
            Some(help) => format!("{found} (help: {help})"),
            None => found.to_string(),
        });
        let issues = self.issues.iter().map(ToString::to_string);
        let kept =
            self.kept.iter().map(|object| format!("kept: {object}: the last good version stays in force"));
        Arc::new(diagnostics.chain(issues).chain(kept).collect())
    }

    /// Leaves what a running proxy should say: warnings and errors that `shown` does not have yet. Afterwards `shown`
    /// has those of this configuration.
    pub(crate) fn retain_news(&mut self, shown: &mut HashSet<String>) {
        let mut now = HashSet::new();
        let mut is_new = |severity: Severity, line: String| {
            let new = severity > Severity::Info && !shown.contains(&line);
            now.insert(line);
            new
        };
        self.diagnostics.retain(|found| is_new(found.severity, found.to_string()));
        self.issues.retain(|found| is_new(found.severity, found.to_string()));
        *shown = now;
    }

    /// How many findings have this severity.
    pub(crate) fn count(&self, severity: Severity) -> usize {
        self.diagnostics.iter().filter(|found| found.severity == severity).count()
            + self.issues.iter().filter(|found| found.severity == severity).count()
    }
}

impl Source {
    pub(crate) fn new(paths: Vec<PathBuf>, context: Context) -> Self {
        Self {
            paths,
            context,
            options: mesh_model::Options::default(),
            fixed: Vec::new(),
            texts: Vec::new(),
            objects: Arc::default(),
        }
    }

    /// Loads with these options.
    #[must_use]
    pub(crate) fn with_options(mut self, options: mesh_model::Options) -> Self {
        self.options = options;
        self
    }

    /// Reads these texts as well, before the files.
    #[must_use]
    pub(crate) fn with_texts(mut self, texts: Vec<SourceText>) -> Self {
        self.fixed = texts;
        self
    }

    fn read(&self) -> Result<Vec<SourceText>, ConfigError> {
        let mut texts = self.fixed.clone();
        texts.append(&mut read(&self.paths)?);
        Ok(texts)
    }

    /// The objects in force.
    pub(crate) fn objects(&self) -> Arc<Vec<Object>> {
        Arc::clone(&self.objects)
    }

    /// `12 objects from 3 files`
    pub(crate) fn summary(&self) -> String {
        let count =
            |number: usize, what: &str| format!("{number} {what}{}", if number == 1 { "" } else { "s" });
        format!("{} from {}", count(self.objects.len(), "object"), count(self.texts.len(), "file"))
    }

    /// Reads and compiles everything.
    ///
    /// # Errors
    ///
    /// A path that cannot be read. What the files say never fails: see [`Findings`].
    pub(crate) fn load(&mut self) -> Result<(Snapshot, Findings), ConfigError> {
        let texts = self.read()?;
        Ok(self.accept(texts))
    }

    /// [`Self::load`], or `None` when no file has changed.
    ///
    /// # Errors
    ///
    /// As [`Self::load`].
    pub(crate) fn reload(&mut self) -> Result<Option<(Snapshot, Findings)>, ConfigError> {
        let texts = self.read()?;
        Ok((texts != self.texts).then(|| self.accept(texts)))
    }

    fn accept(&mut self, texts: Vec<SourceText>) -> (Snapshot, Findings) {
        let sources = texts.iter().map(|text| mesh_model::Source::new(&text.name, &text.text));
        let loaded = mesh_model::load(sources, &self.options);
        let (objects, kept) = keep_last_good(loaded.objects, &loaded.diagnostics, &self.objects);
        let compiled = compile(&objects, &self.context);
        self.objects = Arc::new(objects);
        self.texts.clone_from(&texts);
        (
            compiled.snapshot,
            Findings { diagnostics: loaded.diagnostics, issues: compiled.issues, kept, texts },
        )
    }
}

/// Marks objects with errors as rejected, and puts the former version in the place of those that have one. A file
/// that is broken beyond its objects keeps the objects that it last contributed.
fn keep_last_good(
    objects: Vec<Object>,
    diagnostics: &[Diagnostic],
    before: &[Object],
) -> (Vec<Object>, Vec<ObjectRef>) {
    let errors = || diagnostics.iter().filter(|found| found.is_error());
    let broken: HashSet<&ObjectRef> = errors().filter_map(|found| found.object.as_ref()).collect();
    let broken_files: HashSet<&str> = errors()
        .filter(|found| found.object.is_none())
        .filter_map(|found| found.origin.as_ref().map(|origin| &*origin.source))
        .collect();
    let former: HashMap<ObjectRef, &Object> = before
        .iter()
        .filter(|object| object.state != LoadState::Rejected)
        .map(|object| (object.reference(), object))
        .collect();
    let mut kept = Vec::new();
    let mut present = HashSet::new();
    let mut result: Vec<Object> = objects
        .into_iter()
        .map(|mut object| {
            let reference = object.reference();
            let bad = object.state == LoadState::Rejected || broken.contains(&reference);
            if bad {
                if let Some(good) = former.get(&reference) {
                    kept.push(reference.clone());
                    present.insert(reference);
                    return (*good).clone();
                }
                // Without the mesh configuration the root namespace and the trust domain would be others: what can
                // be read of it counts.
                if object.kind != Kind::ConfigMap {
                    object.state = LoadState::Rejected;
                }
            }
            present.insert(reference);
            object
        })
        .collect();
    for object in before {
        let reference = object.reference();
        let from_broken_file =
            object.origin.as_ref().is_some_and(|origin| broken_files.contains(&*origin.source));
        if from_broken_file && object.state != LoadState::Rejected && !present.contains(&reference) {
            kept.push(reference);
            result.push(object.clone());
        }
    }
    (result, kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GATEWAY: &str = "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: g}\nspec:\n  selector: \
                           {istio: ingressgateway}\n  servers:\n  - port: {number: 8080, name: http, protocol: HTTP}\n    \
                           hosts: ['*']\n";

    fn route(prefix: &str) -> String {
        format!(
            "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: v}}\nspec:\n  hosts: ['*']\n  \
             gateways: [g]\n  http:\n  - match: [{{uri: {{prefix: {prefix}}}}}]\n    directResponse: {{status: 200}}\n"
        )
    }

    fn answers(snapshot: &Snapshot, path: &str) -> bool {
        let head = mesh_route::RequestHead::new("GET", "a", path, &mesh_route::NoHeaders);
        snapshot.listeners()[0].routes.lookup(&head).route().is_some()
    }

    /// PROXY-CFG-02, PROXY-SNAP-05
    #[test]
    fn a_broken_edit_keeps_the_last_good_version() {
        let dir = tempfile::tempdir().expect("a directory");
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).expect("written");
        write("gateway.yaml", GATEWAY);
        write("route.yaml", &route("/one"));
        let mut source = Source::new(vec![dir.path().to_owned()], Context::default());
        let (snapshot, findings) = source.load().expect("readable");
        assert!(answers(&snapshot, "/one"), "{:?}", findings.lines());
        assert!(source.reload().expect("readable").is_none(), "nothing changed");

        // A file that is not YAML any more.
        write("route.yaml", "spec: [unclosed\n");
        let (snapshot, findings) = source.reload().expect("readable").expect("changed");
        assert!(answers(&snapshot, "/one"));
        assert_eq!(findings.kept.len(), 1, "{:?}", findings.lines());
        assert!(findings.count(Severity::Error) > 0);

        // An object with an unknown field.
        write("route.yaml", &route("/two").replace("  http:", "  htttp:"));
        let (snapshot, findings) = source.reload().expect("readable").expect("changed");
        assert!(answers(&snapshot, "/one"), "{:?}", findings.lines());
        assert_eq!(findings.kept.len(), 1, "{:?}", findings.lines());

        write("route.yaml", &route("/two"));
        let (snapshot, findings) = source.reload().expect("readable").expect("changed");
        assert!(answers(&snapshot, "/two") && !answers(&snapshot, "/one"));
        assert!(findings.kept.is_empty());
    }

    #[test]
    fn a_finding_is_told_once() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("route.yaml");
        std::fs::write(&path, route("/one").replace("  http:", "  htttp:")).expect("written");
        let mut source = Source::new(vec![path.clone()], Context::default());
        let mut shown = HashSet::new();
        let (_, mut findings) = source.load().expect("readable");
        findings.retain_news(&mut shown);
        assert!(findings.count(Severity::Error) > 0);
        std::fs::write(&path, route("/two").replace("  http:", "  htttp:")).expect("written");
        let (_, mut findings) = source.reload().expect("readable").expect("changed");
        findings.retain_news(&mut shown);
        assert_eq!(findings.count(Severity::Error), 0, "{:?}", findings.lines());
    }
}
