//! What a text says and the object read from it does not: needed to tell which findings of validation are mere
//! consequences, and where in the text the others are.

use crate::object::Unread;
use crate::path::{FieldPath, Segment};
use std::collections::{BTreeMap, BTreeSet};

/// The gaps of one object. Paths are those of the text.
#[derive(Debug, Default)]
pub(crate) struct Gaps {
    /// Values that could not be read.
    lost: BTreeSet<FieldPath>,
    /// List elements that were left out, by list, in order; those behind them moved up.
    elements: BTreeMap<FieldPath, Vec<usize>>,
    /// Messages with a field that is probably misspelt: the right one is missing.
    misspelt: BTreeSet<FieldPath>,
    /// Fields that are not known.
    unknown: BTreeSet<FieldPath>,
    /// Values that nobody wrote.
    assumed: BTreeSet<FieldPath>,
}

fn parent(path: &FieldPath) -> FieldPath {
    FieldPath::from_segments(path.segments().split_last().map_or(&[][..], |(_, head)| head).to_vec())
}

/// How many of the ascending places in `out` lie before the element that is now at `index`.
fn moved(out: &[usize], index: usize) -> usize {
    let (mut low, mut high) = (0, out.len());
    while low < high {
        let middle = usize::midpoint(low, high);
        // Before the n-th place left out, n others are left out, so this is where it stands among the rest.
        if out.get(middle).is_some_and(|place| place - middle <= index) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

impl Gaps {
    /// The value at `path` could not be read.
    pub(super) fn value(&mut self, path: FieldPath) {
        self.lost.insert(path);
    }

    /// The list element at `path` is not in the object.
    pub(super) fn element(&mut self, path: &FieldPath) {
        if let Some(Segment::Index(index)) = path.segments().last() {
            let list = self.elements.entry(parent(path)).or_default();
            if let Err(place) = list.binary_search(index) {
                list.insert(place, *index);
            }
        }
    }

    /// The field at `path` is not known and probably stands for another.
    pub(super) fn field(&mut self, path: &FieldPath) {
        self.misspelt.insert(parent(path));
    }

    /// The field at `path` is not known.
    pub(super) fn unknown(&mut self, path: &FieldPath) {
        self.unknown.insert(path.clone());
    }

    /// The value at `path` was put there for one that is missing.
    pub(super) fn assumed(&mut self, path: FieldPath) {
        self.assumed.insert(path);
    }

    /// The values that nobody wrote.
    pub(super) fn all_assumed(&self) -> BTreeSet<FieldPath> {
        self.assumed.clone()
    }

    /// The gaps of which an object knows itself: elements that are left out.
    pub(crate) fn of(unread: &[Unread]) -> Self {
        let mut gaps = Self::default();
        unread.iter().filter(|unread| unread.left_out).for_each(|unread| gaps.element(&unread.path));
        gaps
    }

    /// Everything that is in the text and not in the object, but nothing twice.
    pub(super) fn unread(&self) -> Vec<&FieldPath> {
        let mut all: Vec<&FieldPath> = self.lost.iter().chain(&self.unknown).collect();
        all.sort_unstable();
        all.dedup();
        // A path sorts right before all that lie within it.
        let mut around: Option<&FieldPath> = None;
        all.retain(|path| {
            let inside = around.is_some_and(|around| path.segments().starts_with(around.segments()));
            if !inside {
                around = Some(path);
            }
            !inside
        });
        all
    }

    /// True for a list element that is not in the object.
    pub(super) fn is_left_out(&self, path: &FieldPath) -> bool {
        match path.segments().last() {
            Some(Segment::Index(index)) => {
                self.elements.get(&parent(path)).is_some_and(|list| list.binary_search(index).is_ok())
            }
            _ => false,
        }
    }

    /// Turns a path of the object into one of the text.
    pub(crate) fn in_text(&self, path: &FieldPath) -> FieldPath {
        if self.elements.is_empty() {
            return path.clone();
        }
        let mut text = FieldPath::new();
        for segment in path.segments() {
            text = match segment {
                Segment::Field(name) => text.field(name),
                Segment::Key(key) => text.key(key),
                Segment::Index(index) => {
                    let moved = self.elements.get(&text).map_or(0, |list| moved(list, *index));
                    text.index(index + moved)
                }
            };
        }
        text
    }

    /// True when a finding at `path` of the text only follows from a gap; `absence` says that it misses something.
    pub(super) fn explain(&self, path: &FieldPath, absence: bool) -> bool {
        let mut around = FieldPath::new();
        let mut inside = self.lost.contains(&around);
        for segment in path.segments() {
            around = match segment {
                Segment::Field(name) => around.field(name),
                Segment::Key(key) => around.key(key),
                Segment::Index(index) => around.index(*index),
            };
            inside |= self.lost.contains(&around);
        }
        // A path sorts right before all that lie within it.
        let holds = || {
            let next = self.lost.range(path..).next();
            next.is_some_and(|lost| lost.segments().starts_with(path.segments()))
                || self.elements.contains_key(path)
        };
        // The misspelt field stands in the message where the right one is missing, or that has too little in it.
        let renamed = || self.misspelt.contains(path) || self.misspelt.contains(&parent(path));
        inside || (absence && (holds() || renamed()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn http(index: usize) -> FieldPath {
        FieldPath::new().field("spec").field("http").index(index)
    }

    #[test]
    fn indexes_of_the_object_become_those_of_the_text() {
        let mut gaps = Gaps::default();
        for out in [0, 1, 4] {
            gaps.element(&http(out));
        }
        let places: Vec<FieldPath> = (0..4).map(|index| gaps.in_text(&http(index).field("match"))).collect();
        assert_eq!(places, [2, 3, 5, 6].map(|index| http(index).field("match")));
        let elsewhere = FieldPath::new().field("spec").field("tcp").index(0);
        assert_eq!(gaps.in_text(&elsewhere), elsewhere);
    }

    #[test]
    fn what_follows_from_a_gap() {
        let mut gaps = Gaps::default();
        gaps.value(http(0).field("route"));
        gaps.field(&http(1).field("rout"));
        assert!(gaps.explain(&http(0).field("route").index(0), false), "inside of what was lost");
        assert!(gaps.explain(&http(0), true), "around what was lost, something is missing");
        assert!(!gaps.explain(&http(0), false), "around what was lost, something is wrong");
        assert!(gaps.explain(&http(1), true) && gaps.explain(&http(1).field("route"), true));
        assert!(!gaps.explain(&http(1).field("route"), false));
        assert!(!gaps.explain(&http(2), true));
    }
}
