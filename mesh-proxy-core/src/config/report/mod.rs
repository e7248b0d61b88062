//! What `mesh-proxy validate` found, and its forms for programs.

mod json;
mod rules;
mod sarif;

use std::collections::{HashMap, HashSet};

use mesh_model::validate::Settings;
use mesh_model::{Diagnostic, Object, ObjectRef, Segment, Severity};

use super::files::SourceText;
use super::source::Findings;
use crate::snapshot::Issue;

/// The code of what only compiling finds (`PROXY-SNAP-05`: a bad object costs itself, and is named).
const COMPILE: &str = "PROXY-SNAP-05";

/// All findings in the order of their places.
pub(crate) struct Report {
    findings: Findings,
    objects: usize,
}

impl Report {
    /// Joins what loading, analysis (`references`) and compiling found about `objects`; what several found is told
    /// once.
    pub(crate) fn new(
        mut findings: Findings,
        mut references: Vec<Diagnostic>,
        objects: &[Object],
        settings: &Settings,
    ) -> Self {
        let mut unread = Said::default();
        // An object whose whole `spec` cannot be read is not among the objects: an error there is one of its rules.
        let part = |found: &&Diagnostic| found.is_error() && found.path.segments().len() > 1;
        findings.diagnostics.iter().filter(part).for_each(|found| unread.add(found));
        // What could not be read refers to nothing.
        references.retain(|found| {
            found.object.as_ref().is_none_or(|object| !unread.speaks_of(object, found.path.segments()))
        });
        findings.diagnostics.append(&mut references);
        let origins: HashMap<ObjectRef, _> =
            objects.iter().map(|object| (object.reference(), object.origin.as_ref())).collect();
        let silenced = silenced(objects, settings);
        let mut said = Said::default();
        findings.diagnostics.iter().chain(&silenced).for_each(|found| said.add(found));
        let mut more: Vec<Diagnostic> = findings
            .issues
            .iter()
            .filter(|issue| !said.covers(issue))
            .map(|issue| {
                let origin = origins.get(&issue.object).copied().flatten();
                Diagnostic::new(COMPILE, issue.severity, issue.path.clone(), issue.message.clone())
                    .of(Some(issue.object.clone()), origin)
            })
            .collect();
        findings.issues.clear();
        findings.kept.clear();
        findings.diagnostics.append(&mut more);
        let sources: Vec<_> =
            findings.texts.iter().map(|text| mesh_model::Source::new(&text.name, &text.text)).collect();
        mesh_model::locate(&mut findings.diagnostics, &sources);
        findings.diagnostics.sort_by(|a, b| place(a).cmp(&place(b)).then_with(|| a.code.cmp(b.code)));
        Self { findings, objects: objects.len() }
    }

    /// Leaves errors and warnings.
    pub(crate) fn without_remarks(mut self) -> Self {
        self.findings.diagnostics.retain(|found| found.severity > Severity::Info);
        self
    }

    pub(crate) fn count(&self, severity: Severity) -> usize {
        self.findings.count(severity)
    }

    /// For a person: each finding with its line of the file and a caret, and what many objects have in common a few
    /// times.
    pub(crate) fn human(mut self, styled: bool) -> String {
        shorten(&mut self.findings.diagnostics);
        super::render(&self.findings, styled)
    }

    fn diagnostics(&self) -> &[Diagnostic] {
        &self.findings.diagnostics
    }

    fn texts(&self) -> &[SourceText] {
        &self.findings.texts
    }
}

/// So often a person is shown one warning or remark.
const REPEATS: usize = 3;

/// Leaves a few of those that say the same of many objects, and tells at the last of them how many are not shown.
fn shorten(findings: &mut Vec<Diagnostic>) {
    type Words = (&'static str, String, Option<String>);
    let words = |found: &Diagnostic| -> Words { (found.code, found.message.clone(), found.help.clone()) };
    let mut totals: HashMap<Words, usize> = HashMap::new();
    for found in findings.iter().filter(|found| !found.is_error()) {
        *totals.entry(words(found)).or_default() += 1;
    }
    // One more is shown rather than counted.
    totals.retain(|_, total| *total > REPEATS + 1);
    let mut seen: HashMap<Words, usize> = HashMap::new();
    findings.retain_mut(|found| {
        let key = words(found);
        let Some(total) = totals.get(&key).filter(|_| !found.is_error()) else { return true };
        let shown = seen.entry(key).or_default();
        *shown += 1;
        if *shown == REPEATS {
            let more = total - REPEATS;
            let more = format!("{more} more of the same are not shown, `--format json` lists them");
            let help = found.help.take();
            found.help = Some(help.map_or_else(|| more.clone(), |help| format!("{help}\n{more}")));
        }
        *shown <= REPEATS
    });
}

/// What is said about each object without compiling.
#[derive(Default)]
struct Said<'f> {
    places: HashMap<&'f ObjectRef, Vec<Word<'f>>>,
    broken: HashSet<&'f ObjectRef>,
}

/// A place that is spoken of, and how seriously.
type Word<'f> = (&'f [Segment], Severity);

impl<'f> Said<'f> {
    fn add(&mut self, found: &'f Diagnostic) {
        let Some(object) = &found.object else { return };
        if !found.path.is_empty() {
            self.places.entry(object).or_default().push((found.path.segments(), found.severity));
        }
        if found.is_error() {
            self.broken.insert(object);
        }
    }

    /// That a broken object is left out needs no line of its own, and neither does a second word on one field. A remark
    /// does not stand for a warning, nor a warning on one field for what is said of all around it.
    fn covers(&self, issue: &Issue) -> bool {
        let path = issue.path.segments();
        if path.is_empty() {
            return self.broken.contains(&issue.object);
        }
        self.places.get(&issue.object).is_some_and(|places| {
            places.iter().any(|(place, severity)| {
                (path.starts_with(place) && *severity >= issue.severity)
                    || (place.starts_with(path) && *severity == Severity::Error)
            })
        })
    }

    fn speaks_of(&self, object: &ObjectRef, path: &[Segment]) -> bool {
        let places = self.places.get(object);
        places.is_some_and(|places| {
            places.iter().any(|(place, _)| place.starts_with(path) || path.starts_with(place))
        })
    }
}

const SUPPRESS: &str = "galley.istio.io/analyze-suppress";

/// What analysis would say if no object asked it to be silent.
fn silenced(objects: &[Object], settings: &Settings) -> Vec<Diagnostic> {
    if !objects.iter().any(|object| object.metadata.annotations.contains_key(SUPPRESS)) {
        return Vec::new();
    }
    let mut asked = HashSet::new();
    let mut loud = objects.to_vec();
    for object in &mut loud {
        if object.metadata.annotations.remove(SUPPRESS).is_some() {
            asked.insert(object.reference());
        }
    }
    let mut found = mesh_model::validate::analyze_with(&loud, settings);
    found.retain(|found| found.object.as_ref().is_some_and(|object| asked.contains(object)));
    found
}

/// Index of the file, and byte in it.
fn place(found: &Diagnostic) -> (Option<usize>, Option<usize>) {
    let start = found.origin.as_ref().map(|origin| origin.bytes.0);
    (
        found.origin.as_ref().map(|origin| origin.source_index),
        found.span.map(|span| span.start.byte).or(start),
    )
}

/// The code under which Istio reports a finding; compiling finds what Istio does not look at.
fn istio_code(found: &Diagnostic) -> Option<&str> {
    (found.code != COMPILE).then(|| found.istio_code()).flatten()
}
