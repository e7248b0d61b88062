//! What is found while an object is read, and what that does to the object.

use super::Profile;
use super::gaps::Gaps;
use crate::common::Value;
use crate::diagnostic::{Diagnostic, Severity};
use crate::object::{LoadState, Unread};
use crate::path::{FieldPath, Segment};
use crate::spans::Document;
use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;

/// A document's text, examined again only where the spelling of a value matters.
pub(super) struct Written {
    text: Rc<str>,
    parsed: OnceCell<Option<Document<Rc<str>>>>,
}

impl Written {
    pub(super) fn new(text: &str) -> Self {
        Self { text: text.into(), parsed: OnceCell::new() }
    }

    pub(super) fn document(&self) -> Option<&Document<Rc<str>>> {
        self.parsed.get_or_init(|| Document::parse(Rc::clone(&self.text))).as_ref()
    }
}

/// So many findings of one object are kept: nobody reads more, and each costs more than the text it is about.
const MAX_FINDINGS: usize = 20_000;

/// Collects the findings of one object.
pub(super) struct Context {
    profile: Profile,
    /// The kind decides about access: dropping what is not understood could grant it.
    security: bool,
    pub(super) check_unknown: bool,
    findings: RefCell<Vec<Diagnostic>>,
    state: Cell<LoadState>,
    /// More was found than is kept.
    full: Cell<bool>,
    /// Places that could not be read: the next attempt leaves them out.
    poisoned: RefCell<Vec<FieldPath>>,
    gaps: RefCell<Gaps>,
    /// The text, and where the object lies in it.
    written: Option<(Rc<Written>, FieldPath)>,
    /// The object's namespace, once it is known.
    pub(super) namespace: RefCell<String>,
    /// What was written and could not be read, by its path.
    unread: RefCell<Vec<Unread>>,
}

impl Context {
    pub(super) fn new(profile: Profile, security: bool, check_unknown: bool) -> Self {
        Self {
            profile,
            security,
            check_unknown,
            findings: RefCell::default(),
            state: Cell::new(LoadState::Clean),
            full: Cell::new(false),
            poisoned: RefCell::default(),
            gaps: RefCell::default(),
            written: None,
            namespace: RefCell::default(),
            unread: RefCell::default(),
        }
    }

    /// With the text that the object at `inside` was read from.
    pub(super) fn written(mut self, text: &Rc<Written>, inside: &FieldPath) -> Self {
        self.written = Some((Rc::clone(text), inside.clone()));
        self
    }

    /// The scalar at `path` as its author wrote it, with quotes if there are any.
    pub(super) fn spelling(&self, path: &Path<'_>) -> Option<&str> {
        let (text, inside) = self.written.as_ref()?;
        let document = text.document()?;
        document.scalar(&document.written(inside.segments(), path.to_field_path().segments()))
    }

    /// Keeps a value that has no place in the object.
    pub(super) fn keep(&self, path: FieldPath, value: Value) {
        self.unread.borrow_mut().push(Unread { path, value, left_out: false });
    }

    /// Keeps what could not be read of `value`, which stands at the field `name`.
    pub(super) fn keep_unread(&self, name: &str, value: &Value) {
        let gaps = self.gaps.borrow();
        for path in gaps.unread() {
            if let Some((Segment::Field(first), rest)) = path.segments().split_first()
                && first == name
                && let Some(found) = value.at(rest)
            {
                let left_out = gaps.is_left_out(path);
                self.unread.borrow_mut().push(Unread { path: path.clone(), value: found.clone(), left_out });
            }
        }
    }

    /// Whether a field may be taken for one of a similar name: never where that could grant access.
    pub(super) fn may_guess(&self) -> bool {
        !self.security
    }

    fn push(&self, found: Diagnostic) {
        if self.is_full() {
            self.full.set(true);
            self.worsen(LoadState::Rejected);
        } else {
            self.findings.borrow_mut().push(found);
        }
    }

    /// True when nothing more is noted about the object: it is refused.
    fn is_full(&self) -> bool {
        self.findings.borrow().len() >= MAX_FINDINGS
    }

    fn worsen(&self, state: LoadState) {
        self.state.set(self.state.get().max(state));
    }

    /// A finding that changes nothing.
    pub(super) fn note(&self, found: Diagnostic) {
        self.push(found);
    }

    /// A spelling that was put right: a warning, and a reason to refuse under `strict`.
    pub(super) fn repair(&self, mut found: Diagnostic) {
        if self.profile == Profile::Strict {
            found.severity = Severity::Error;
            self.worsen(LoadState::Rejected);
        } else {
            self.worsen(LoadState::Recovered);
        }
        self.push(found);
    }

    /// Something that was left out, though it may be only a field of a newer Istio.
    pub(super) fn dropped(&self, found: Diagnostic) {
        self.worsen(match self.profile {
            Profile::Strict => LoadState::Rejected,
            Profile::Compat if self.security => LoadState::Partial,
            Profile::Compat => LoadState::Recovered,
        });
        if !self.is_full() {
            self.gaps.borrow_mut().unknown(&found.path);
            if found.severity == Severity::Error {
                self.gaps.borrow_mut().field(&found.path);
            }
        }
        self.push(found);
    }

    /// Something that could not be understood.
    pub(super) fn lost(&self, found: Diagnostic) {
        self.worsen(match self.profile {
            Profile::Strict => LoadState::Rejected,
            Profile::Compat => LoadState::Partial,
        });
        if !self.is_full() {
            self.gaps.borrow_mut().value(found.path.clone());
        }
        self.push(found);
    }

    /// Notes that the field at `path` is written elsewhere: what is missing beside it is no news.
    pub(super) fn misplaced(&self, path: &FieldPath) {
        if !self.is_full() {
            self.gaps.borrow_mut().field(path);
        }
    }

    /// Notes that nobody wrote the value at `path`.
    pub(super) fn assumed(&self, path: FieldPath) {
        if !self.is_full() {
            self.gaps.borrow_mut().assumed(path);
        }
    }

    /// Notes that a list element is left out.
    pub(super) fn left_out(&self, path: &FieldPath) {
        if !self.is_full() {
            self.gaps.borrow_mut().element(path);
        }
    }

    /// The object cannot be used, for a reason that was given.
    pub(super) fn refuse(&self) {
        self.worsen(LoadState::Rejected);
    }

    pub(super) fn reject(&self, found: Diagnostic) {
        self.worsen(LoadState::Rejected);
        if !self.is_full() {
            self.gaps.borrow_mut().value(found.path.clone());
        }
        self.push(found);
    }

    pub(super) fn poison(&self, path: FieldPath) {
        self.poisoned.borrow_mut().push(path);
    }

    pub(super) fn is_poisoned(&self, path: &Path<'_>) -> bool {
        let poisoned = self.poisoned.borrow();
        // Nearly always the last step differs, which spares the rest of the path.
        poisoned.iter().any(|place| place.segments().last().is_some_and(|last| path.ends_with(last)))
            && poisoned.contains(&path.to_field_path())
    }

    /// How many findings there are, to return to with [`Context::rewind`].
    pub(super) fn mark(&self) -> (usize, LoadState) {
        (self.findings.borrow().len(), self.state.get())
    }

    /// Forgets the findings since `mark`: the attempt that made them is repeated.
    pub(super) fn rewind(&self, mark: (usize, LoadState)) {
        self.findings.borrow_mut().truncate(mark.0);
        self.state.set(mark.1);
    }

    pub(super) fn finish(mut self) -> (Vec<Diagnostic>, LoadState, Gaps, Vec<Unread>) {
        if self.full.get() {
            let message = format!(
                "more than {MAX_FINDINGS} findings, the rest is not listed and the object is refused"
            );
            let found = Diagnostic::error("MODEL-DOC-LIMIT", FieldPath::new(), message);
            self.findings.get_mut().push(found.help("correct what is listed first"));
        }
        (self.findings.into_inner(), self.state.get(), self.gaps.into_inner(), self.unread.into_inner())
    }
}

/// Where the decoder is: a list of frames on the stack, turned into a [`FieldPath`] only when something is found.
pub(super) struct Path<'p> {
    parent: Option<&'p Path<'p>>,
    step: Step<'p>,
    /// Name and fields of the message this frame is in.
    pub(super) message: Option<(&'static str, &'static [&'static str])>,
}

#[derive(Clone, Copy)]
pub(super) enum Step<'p> {
    Root,
    Field(&'p str),
    Key(&'p str),
    Index(usize),
}

impl<'p> Path<'p> {
    pub(super) const fn root() -> Self {
        Self { parent: None, step: Step::Root, message: None }
    }

    pub(super) fn child(&'p self, step: Step<'p>) -> Self {
        Self { parent: Some(self), step, message: None }
    }

    pub(super) fn in_message(
        &'p self,
        step: Step<'p>,
        name: &'static str,
        fields: &'static [&'static str],
    ) -> Self {
        Self { parent: Some(self), step, message: Some((name, fields)) }
    }

    fn ends_with(&self, segment: &Segment) -> bool {
        match (self.step, segment) {
            (Step::Field(name), Segment::Field(other)) | (Step::Key(name), Segment::Key(other)) => {
                name == other
            }
            (Step::Index(index), Segment::Index(other)) => index == *other,
            _ => false,
        }
    }

    pub(super) fn to_field_path(&self) -> FieldPath {
        let mut segments = Vec::new();
        let mut at = Some(self);
        while let Some(path) = at {
            match path.step {
                Step::Root => {}
                Step::Field(name) => segments.push(Segment::Field(name.to_owned())),
                Step::Key(key) => segments.push(Segment::Key(key.to_owned())),
                Step::Index(index) => segments.push(Segment::Index(index)),
            }
            at = path.parent;
        }
        segments.reverse();
        FieldPath::from_segments(segments)
    }

    /// Paths and fields of the messages around this one, innermost first.
    pub(super) fn ancestors(&self) -> Vec<(String, &'static [&'static str])> {
        let mut out = Vec::new();
        let mut at = Some(self);
        while let Some(path) = at {
            if let (Some((_, fields)), Some(parent)) = (path.message, path.parent) {
                out.push((parent.to_field_path().to_string(), fields));
            }
            at = path.parent;
        }
        out
    }

    /// Name of the innermost field on the path.
    pub(super) fn last_field(&self) -> &str {
        let mut at = Some(self);
        while let Some(path) = at {
            if let Step::Field(name) = path.step {
                return name;
            }
            at = path.parent;
        }
        ""
    }

    pub(super) fn is_map_entry_of(&self, fields: &[&str]) -> bool {
        matches!(self.step, Step::Key(_)) && fields.contains(&self.last_field())
    }
}
