//! Finds the line and column of a field (the parser that reads objects does not keep them).

use crate::diagnostic::{Diagnostic, Position, Span, Target};
use crate::load::Source;
use crate::path::Segment;
use saphyr_parser::{Event, Parser};
use std::collections::HashMap;

/// Fills in [`Diagnostic::span`] of every finding that has an origin in `sources` and no span yet.
///
/// Each document with findings is parsed once more. A field that is not there (because it is missing) is located at
/// the nearest field around it that is. Texts that are not YAML locate nothing.
pub fn locate(diagnostics: &mut [Diagnostic], sources: &[Source<'_>]) {
    let mut documents: HashMap<(usize, (usize, usize)), Vec<usize>> = HashMap::new();
    for (index, found) in diagnostics.iter().enumerate() {
        if let (None, Some(origin)) = (found.span, &found.origin) {
            documents.entry((origin.source_index, origin.bytes)).or_default().push(index);
        }
    }
    for ((source, (start, end)), findings) in documents {
        let Some(text) = sources.get(source).and_then(|source| source.text.get(start..end)) else { continue };
        let Some(tree) = Node::parse(text) else { continue };
        let first_line = findings
            .first()
            .and_then(|index| diagnostics.get(*index))
            .and_then(|found| found.origin.as_ref())
            .map_or(1, |origin| origin.line);
        let lines = Lines::new(text);
        for index in findings {
            let Some(found) = diagnostics.get_mut(index) else { continue };
            let inside = found.origin.as_ref().map_or(&[][..], |origin| origin.path.segments());
            let mut path: Vec<&Segment> = inside.iter().chain(found.path.segments()).collect();
            // Fields of `spec` that were found beside it (MODEL-SEED-7) still stand there.
            if tree.is_leaf(path.get(..=inside.len()).unwrap_or(&[])) && path.len() > inside.len() + 1 {
                path.remove(inside.len());
            }
            let range = tree.find(path.into_iter(), found.target);
            let position = |mark: (usize, usize)| Position {
                line: first_line + mark.0.saturating_sub(1),
                column: mark.1 + 1,
                byte: start + lines.byte(mark),
            };
            found.span = Some(Span { start: position(range.0), end: position(range.1) });
        }
    }
}

/// Line (from 1) and column (from 0, in characters).
type Mark = (usize, usize);
type Range = (Mark, Mark);

/// Where each value and key of a document stands.
struct Node {
    range: Range,
    children: Children,
}

enum Children {
    None,
    List(Vec<Node>),
    Map(Vec<(String, Range, Node)>),
}

/// A collection that is not finished.
struct Open {
    range: Range,
    children: Children,
    /// The key whose value comes next.
    key: Option<(String, Range)>,
}

impl Node {
    fn parse(text: &str) -> Option<Self> {
        let mut stack: Vec<Open> = Vec::new();
        for event in Parser::new_from_str(text) {
            let Ok((event, span)) = event else { return Self::close(stack) };
            let range = ((span.start.line(), span.start.col()), (span.end.line(), span.end.col()));
            let done = match event {
                Event::Scalar(text, ..) => {
                    // In key position of a mapping the text is the key.
                    if let Some(Open { children: Children::Map(_), key: key @ None, .. }) = stack.last_mut() {
                        *key = Some((text.into_owned(), range));
                        continue;
                    }
                    Self { range, children: Children::None }
                }
                // An alias is located where it is used.
                Event::Alias(_) => Self { range, children: Children::None },
                Event::SequenceStart(..) => {
                    stack.push(Open { range, children: Children::List(Vec::new()), key: None });
                    continue;
                }
                Event::MappingStart(..) => {
                    stack.push(Open { range, children: Children::Map(Vec::new()), key: None });
                    continue;
                }
                Event::SequenceEnd | Event::MappingEnd => {
                    let open = stack.pop()?;
                    open.finish(range.1)
                }
                _ => continue,
            };
            match stack.last_mut() {
                None => return Some(done),
                Some(parent) => parent.add(done),
            }
        }
        Self::close(stack)
    }

    /// What there is when the text ends, or goes wrong, half way.
    fn close(mut stack: Vec<Open>) -> Option<Self> {
        let open = stack.pop()?;
        let mut node = open.finish((1, 0));
        while let Some(mut parent) = stack.pop() {
            parent.add(node);
            node = parent.finish((1, 0));
        }
        Some(node)
    }

    /// The range of the field at `path`, or of the nearest one around it.
    fn find<'s>(&self, path: impl Iterator<Item = &'s Segment>, target: Target) -> Range {
        let mut at = self;
        let mut key: Option<Range> = None;
        for segment in path {
            let next = match (segment, &at.children) {
                (Segment::Index(index), Children::List(items)) => items.get(*index).map(|node| (None, node)),
                (Segment::Field(name) | Segment::Key(name), Children::Map(entries)) => {
                    // The last of several, as when the object is read.
                    entries
                        .iter()
                        .rev()
                        .find(|(key, ..)| key == name)
                        .map(|(_, range, node)| (Some(*range), node))
                }
                _ => None,
            };
            match next {
                Some((range, node)) => {
                    // What is missing in a list item is shown at the item, not at the list.
                    key = range.or_else(|| Some(node.first()));
                    at = node;
                }
                // The field is missing: point at the key of what should hold it.
                None => return key.unwrap_or_else(|| at.first()),
            }
        }
        match (target, key) {
            (Target::Key, Some(range)) => range,
            _ => at.first(),
        }
    }

    /// True when `path` leads to a scalar, or to nothing at all.
    fn is_leaf(&self, path: &[&Segment]) -> bool {
        let mut at = self;
        for segment in path {
            let next = match (segment, &at.children) {
                (Segment::Index(index), Children::List(items)) => items.get(*index),
                (Segment::Field(name) | Segment::Key(name), Children::Map(entries)) => {
                    entries.iter().rev().find(|(key, ..)| key == name).map(|(.., node)| node)
                }
                _ => None,
            };
            match next {
                Some(node) => at = node,
                None => return true,
            }
        }
        matches!(at.children, Children::None)
    }

    /// A scalar's own range; for a collection, that of its first key or item.
    fn first(&self) -> Range {
        let mut at = self;
        loop {
            match &at.children {
                Children::None => return at.range,
                Children::List(items) => match items.first() {
                    Some(node) => at = node,
                    None => return at.range,
                },
                Children::Map(entries) => match entries.first() {
                    Some((_, range, _)) => return *range,
                    None => return at.range,
                },
            }
        }
    }
}

impl Open {
    fn add(&mut self, node: Node) {
        match &mut self.children {
            Children::List(items) => items.push(node),
            Children::Map(entries) => match self.key.take() {
                Some((key, range)) => entries.push((key, range, node)),
                // A key that is itself a collection: nothing refers to it.
                None => self.key = Some((String::new(), node.range)),
            },
            Children::None => {}
        }
    }

    fn finish(self, end: Mark) -> Node {
        Node { range: (self.range.0, end.max(self.range.1)), children: self.children }
    }
}

/// Byte offsets of the lines of a text.
struct Lines<'t> {
    text: &'t str,
    starts: Vec<usize>,
}

impl<'t> Lines<'t> {
    fn new(text: &'t str) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        Self { text, starts: std::iter::once(0).chain(breaks).collect() }
    }

    fn byte(&self, (line, column): Mark) -> usize {
        let Some(start) = self.starts.get(line.saturating_sub(1)).copied() else { return self.text.len() };
        let rest = self.text.get(start..).unwrap_or("");
        start + rest.char_indices().nth(column).map_or(rest.len(), |(at, _)| at)
    }
}
