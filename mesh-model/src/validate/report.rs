//! Collects the findings of one object, and says where they are.

use super::Settings;
use crate::diagnostic::Diagnostic;
use crate::object::Object;
use crate::path::{FieldPath, Segment};

/// Where a check is: a chain of frames on the stack, turned into a [`FieldPath`] only when something is found, so
/// that an object without findings costs no allocation for its paths.
#[derive(Clone, Copy)]
pub(super) struct At<'p> {
    parent: Option<&'p At<'p>>,
    step: Step<'p>,
}

#[derive(Clone, Copy)]
enum Step<'p> {
    Object,
    Field(&'static str),
    Index(usize),
    Key(&'p str),
}

impl<'p> At<'p> {
    /// The object itself.
    pub(super) const OBJECT: At<'static> = At { parent: None, step: Step::Object };

    pub(super) fn field(&'p self, name: &'static str) -> Self {
        Self { parent: Some(self), step: Step::Field(name) }
    }

    pub(super) fn index(&'p self, index: usize) -> Self {
        Self { parent: Some(self), step: Step::Index(index) }
    }

    pub(super) fn key(&'p self, key: &'p str) -> Self {
        Self { parent: Some(self), step: Step::Key(key) }
    }

    pub(super) fn path(&self) -> FieldPath {
        let mut segments = Vec::new();
        let mut at = Some(self);
        while let Some(here) = at {
            match here.step {
                Step::Object => {}
                Step::Field(name) => segments.push(Segment::Field(name.to_owned())),
                Step::Index(index) => segments.push(Segment::Index(index)),
                Step::Key(key) => segments.push(Segment::Key(key.to_owned())),
            }
            at = here.parent;
        }
        segments.reverse();
        FieldPath::from_segments(segments)
    }
}

/// A finding, and whether it says that something is missing.
///
/// What is missing may be what the loader could not read; such a finding would only repeat the loader's.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    pub(crate) diagnostic: Diagnostic,
    pub(crate) absence: bool,
}

/// The findings of one object.
pub(super) struct Report<'o> {
    pub(super) object: &'o Object,
    pub(super) settings: &'o Settings,
    findings: Vec<Finding>,
    /// Takes what is beyond [`MAX_FINDINGS`].
    unlisted: Option<Finding>,
    lost_error: bool,
}

/// So many findings of one object are kept.
const MAX_FINDINGS: usize = 20_000;

/// The finding just made, to add to it.
pub(super) struct Added<'r>(&'r mut Finding);

impl Added<'_> {
    /// What to do about it.
    pub(super) fn help(self, help: impl Into<String>) -> Self {
        self.0.diagnostic.help = Some(help.into());
        self
    }

    /// Points at the key instead of the value.
    pub(super) fn at_key(self) -> Self {
        self.0.diagnostic.target = crate::diagnostic::Target::Key;
        self
    }

    /// It says that something is missing.
    pub(super) fn absent(self) -> Self {
        self.0.absence = true;
        self
    }
}

impl<'o> Report<'o> {
    pub(super) fn new(object: &'o Object, settings: &'o Settings) -> Self {
        Self { object, settings, findings: Vec::new(), unlisted: None, lost_error: false }
    }

    /// The object's namespace.
    pub(super) fn namespace(&self) -> &'o str {
        &self.object.metadata.namespace
    }

    /// Istio, or the API server by the CRD, refuses the object.
    pub(super) fn error(&mut self, code: &'static str, at: &At<'_>, message: impl Into<String>) -> Added<'_> {
        self.add(Diagnostic::error(code, at.path(), message))
    }

    /// Accepted, but probably not what was meant.
    pub(super) fn warning(
        &mut self,
        code: &'static str,
        at: &At<'_>,
        message: impl Into<String>,
    ) -> Added<'_> {
        self.add(Diagnostic::warning(code, at.path(), message))
    }

    /// Worth knowing.
    pub(super) fn info(&mut self, code: &'static str, at: &At<'_>, message: impl Into<String>) -> Added<'_> {
        self.add(Diagnostic::info(code, at.path(), message))
    }

    /// Takes over a finding whose path begins at `at`.
    pub(super) fn adopt(&mut self, at: &At<'_>, mut finding: Finding) {
        let path = at.path();
        let inside = finding.diagnostic.path.segments();
        finding.diagnostic.path = FieldPath::from_segments([path.segments(), inside].concat());
        self.findings.push(finding);
    }

    fn add(&mut self, diagnostic: Diagnostic) -> Added<'_> {
        let finding = Finding { diagnostic, absence: false };
        if self.findings.len() >= MAX_FINDINGS {
            self.lost_error |= finding.diagnostic.is_error();
            return Added(self.unlisted.insert(finding));
        }
        self.findings.push(finding);
        let last = self.findings.len() - 1;
        // INVARIANT: `last` is the index of the finding pushed just here.
        #[allow(clippy::indexing_slicing, reason = "see the invariant")]
        let added = &mut self.findings[last];
        Added(added)
    }

    /// An object for a whole namespace, in one that was or is the root namespace elsewhere (MODEL-SEED-28).
    pub(super) fn meant_for_the_mesh(&mut self) {
        let namespace = self.namespace();
        let root = &self.settings.root_namespace;
        if matches!(namespace, "istio-config" | "istio-system") && namespace != root {
            let metadata = At::OBJECT.field("metadata");
            let message = format!("it is not for the whole mesh, the root namespace is `{root}`");
            self.info("MODEL-SEED-28", &metadata.field("namespace"), message)
                .help("move it there, or set `rootNamespace` in the mesh configuration");
        }
    }

    pub(super) fn finish(mut self) -> Vec<Finding> {
        if self.unlisted.is_some() {
            let message = format!("more than {MAX_FINDINGS} findings, the rest is not listed");
            let path = crate::path::FieldPath::new();
            let diagnostic = if self.lost_error {
                Diagnostic::error("MODEL-DOC-LIMIT", path, message)
            } else {
                Diagnostic::warning("MODEL-DOC-LIMIT", path, message)
            };
            let diagnostic = diagnostic.help("correct what is listed first");
            self.findings.push(Finding { diagnostic, absence: false });
        }
        self.findings.sort_by(|a, b| {
            let key = |finding: &Finding| (finding.diagnostic.path.clone(), finding.diagnostic.code);
            key(a).cmp(&key(b))
        });
        self.findings
    }
}

/// A text in backticks, which would say nothing around an empty one.
pub(super) fn quote(text: &str) -> String {
    if text.is_empty() { "the empty text".to_owned() } else { format!("`{}`", show(text)) }
}

/// A text as it is shown in a message: the first 60 characters.
pub(super) fn show(text: &str) -> String {
    let mut short: String =
        text.chars().take(60).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}
