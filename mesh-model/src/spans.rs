//! Where the fields of an object stand in its text (the parser that reads objects does not keep positions).

use crate::diagnostic::{Position, Span, Target};
use crate::load::Source;
use crate::meta::Origin;
use crate::path::{FieldPath, Segment};
use saphyr_parser::{Event, Parser, ScalarStyle};
use std::collections::HashMap;
use std::sync::OnceLock;

/// The place of every field of one object (MODEL-API-1).
///
/// Made when it is needed: the document is parsed once more, by a parser that keeps positions.
///
/// ```
/// use mesh_model::{Options, Source, Spans, Target, load};
/// let text = "{apiVersion: networking.istio.io/v1, kind: Gateway, metadata: {name: public}, spec:\n  {selector: {istio: ingressgateway}}}";
/// let sources = [Source::new("gateway.yaml", text)];
/// let loaded = load(sources, &Options::default());
/// let spans = Spans::of(&loaded.objects[0], &sources).ok_or("not read from these sources")?;
/// let path = "spec.selector.istio".parse()?;
/// let value = spans.find(&path, Target::Value).ok_or("no such field")?;
/// assert_eq!((value.start.line, value.start.column), (2, 22));
/// assert_eq!(spans.spelling(&path), Some("ingressgateway"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Spans<'t> {
    document: Document<&'t str>,
    /// Where the document starts in its source.
    start: usize,
    line: usize,
    /// Where the object lies in the document.
    inside: FieldPath,
}

impl<'t> Spans<'t> {
    /// The places of an object that was read from `sources`; `None` when it was not, or its document is not YAML.
    pub fn of(object: &crate::Object, sources: &[Source<'t>]) -> Option<Self> {
        Self::at(object.origin.as_ref()?, sources)
    }

    /// The places of the object that was read at `origin`.
    pub fn at(origin: &Origin, sources: &[Source<'t>]) -> Option<Self> {
        let source = sources.get(origin.source_index)?;
        let text = source.text.get(origin.bytes.0..origin.bytes.1)?;
        Some(Self {
            document: Document::parse(text)?,
            start: origin.bytes.0,
            line: origin.line,
            inside: origin.path.clone(),
        })
    }

    /// Where the key or the value of a field stands; `None` when the text has no such field. Of a mapping or a list
    /// the value reaches from its first key or item to the end of its last.
    pub fn find(&self, path: &FieldPath, target: Target) -> Option<Span> {
        let range = self.document.exact(&self.segments(path), target)?;
        Some(self.document.span(range, self.start, self.line))
    }

    /// Where to point for a field: at it, or when it is not there at the nearest field around it that is.
    pub fn nearest(&self, path: &FieldPath, target: Target) -> Span {
        let range = self.document.nearest(&self.segments(path), target);
        self.document.span(range, self.start, self.line)
    }

    /// The value as it was written, quotes and comments within it included.
    pub fn spelling(&self, path: &FieldPath) -> Option<&'t str> {
        let (from, to) = self.document.bytes(self.document.exact(&self.segments(path), Target::Value)?);
        self.document.text.get(from..to)
    }

    fn segments<'p>(&'p self, path: &'p FieldPath) -> Vec<&'p Segment> {
        self.document.written(self.inside.segments(), path.segments())
    }
}

/// Line (from 1) and column (from 0, in characters).
type Mark = (usize, usize);
type Range = (Mark, Mark);

/// A document and where everything in it stands.
#[derive(Debug)]
pub(crate) struct Document<T> {
    text: T,
    root: Node,
    /// Byte offsets of the lines.
    lines: Vec<usize>,
    /// Columns are bytes.
    ascii: bool,
}

impl<T: AsRef<str>> Document<T> {
    /// `None` when the text has no YAML at all.
    pub(crate) fn parse(text: T) -> Option<Self> {
        let root = Node::parse(text.as_ref())?;
        let breaks = text.as_ref().bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let lines = std::iter::once(0).chain(breaks.map(|(at, _)| at + 1)).collect();
        let ascii = text.as_ref().is_ascii();
        Some(Self { text, root, lines, ascii })
    }

    /// Path in the document to `path` of an object at `inside`.
    pub(crate) fn written<'p>(&self, inside: &'p [Segment], path: &'p [Segment]) -> Vec<&'p Segment> {
        let mut whole: Vec<&Segment> = inside.iter().chain(path).collect();
        // Fields of `spec` that were found beside it (MODEL-SEED-7) still stand there.
        if path.len() > 1 && self.root.is_leaf(whole.get(..=inside.len()).unwrap_or(&[])) {
            whole.remove(inside.len());
        }
        whole
    }

    /// The range of the field at `path`, or of the nearest one around it.
    pub(crate) fn nearest(&self, path: &[&Segment], target: Target) -> Range {
        self.within_block(path, target).unwrap_or_else(|| self.root.nearest(path, target))
    }

    /// The range of a field of the YAML in a block scalar that is on the way, as in a ConfigMap.
    ///
    /// The lines of the block are those of the text without their indentation.
    fn within_block(&self, path: &[&Segment], target: Target) -> Option<Range> {
        let mut at = &self.root;
        let mut rest = path.iter();
        let text = loop {
            match &at.children {
                Children::Block(text) if !rest.as_slice().is_empty() => break text,
                _ => at = at.child(rest.next()?)?.1,
            }
        };
        let inside = Document::parse(text.as_str())?;
        let found = inside.nearest(rest.as_slice(), target);
        // The scalar is marked where its text begins, which may be behind lines that are blank.
        let blank = text.bytes().take_while(|byte| *byte == b'\n').count();
        [blank, 0].into_iter().find_map(|skipped| {
            let before = at.range.0.0.checked_sub(1 + skipped)?;
            let outer = |(line, column): Mark| {
                let at = before + line;
                let indentation = self.line(at)?.strip_suffix(inside.line(line)?)?;
                indentation.bytes().all(|byte| byte == b' ').then_some((at, column + indentation.len()))
            };
            Some((outer(found.0)?, outer(found.1)?))
        })
    }

    /// A line without its end, counted from 1.
    fn line(&self, number: usize) -> Option<&str> {
        let start = self.lines.get(number.checked_sub(1)?).copied()?;
        let rest = self.text.as_ref().get(start..)?;
        let line = rest.split_once('\n').map_or(rest, |(line, _)| line);
        Some(line.strip_suffix('\r').unwrap_or(line))
    }

    fn exact(&self, path: &[&Segment], target: Target) -> Option<Range> {
        self.root.exact(path, target)
    }

    /// The line, counted from 1, of the first of several equal keys.
    pub(crate) fn line_of_first(&self, path: &[Segment]) -> Option<usize> {
        let (last, around) = path.split_last()?;
        let around: Vec<&Segment> = around.iter().collect();
        match (last, &self.root.walk(&around)?.1.children) {
            // The keys of a large mapping are not searched through for each that is given twice.
            (Segment::Field(name) | Segment::Key(name), Children::Map(entries)) if entries.len() < 10_000 => {
                entries.iter().find(|(key, ..)| key == name).map(|(_, range, _)| range.0.0)
            }
            _ => None,
        }
    }

    /// The scalar at `path` as it was written, unless it is an alias.
    pub(crate) fn scalar(&self, path: &[&Segment]) -> Option<&str> {
        let node = self.root.walk(path)?.1;
        let (from, to) =
            matches!(node.children, Children::None | Children::Block(_)).then(|| self.bytes(node.range))?;
        self.text.as_ref().get(from..to)
    }

    fn bytes(&self, range: Range) -> (usize, usize) {
        (self.byte(range.0), self.byte(range.1))
    }

    fn byte(&self, (line, column): Mark) -> usize {
        let text = self.text.as_ref();
        let Some(start) = self.lines.get(line.saturating_sub(1)).copied() else { return text.len() };
        if self.ascii {
            // A text of one long line is not counted through for each of its findings.
            return (start + column).min(text.len());
        }
        let rest = text.get(start..).unwrap_or("");
        start + rest.char_indices().nth(column).map_or(rest.len(), |(at, _)| at)
    }

    /// A range as one of the source, in which the document starts at byte `start` on line `line`.
    pub(crate) fn span(&self, range: Range, start: usize, line: usize) -> Span {
        let position = |mark: Mark| Position {
            line: line + mark.0.saturating_sub(1),
            column: mark.1 + 1,
            byte: start + self.byte(mark),
        };
        Span { start: position(range.0), end: position(range.1) }
    }
}

/// Where a value stands.
#[derive(Debug)]
struct Node {
    range: Range,
    children: Children,
    /// Of a large mapping: where the last of each key is; made when it is first asked.
    #[allow(clippy::box_collection, reason = "nearly every node goes without, and there are many nodes")]
    index: OnceLock<Box<HashMap<Box<str>, usize>>>,
}

/// Mappings with more keys are indexed.
const INDEXED: usize = 32;

#[derive(Debug)]
enum Children {
    None,
    /// A literal block scalar: its text may itself be YAML.
    Block(String),
    Alias,
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
                Event::Scalar(text, style, ..) => {
                    // In key position of a mapping the text is the key.
                    if let Some(Open { children: Children::Map(_), key: key @ None, .. }) = stack.last_mut() {
                        *key = Some((text.into_owned(), range));
                        continue;
                    }
                    let children = match style {
                        ScalarStyle::Literal => Children::Block(text.into_owned()),
                        _ => Children::None,
                    };
                    Self { range, children, index: OnceLock::new() }
                }
                // An alias is located where it is used.
                Event::Alias(_) => Self { range, children: Children::Alias, index: OnceLock::new() },
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

    fn index(&self, entries: &[(String, Range, Self)]) -> &HashMap<Box<str>, usize> {
        self.index.get_or_init(|| {
            let keys = entries.iter().enumerate().map(|(at, (key, ..))| (key.as_str().into(), at));
            Box::new(keys.collect())
        })
    }

    /// The child that a step leads to, and the range of its key.
    fn child(&self, segment: &Segment) -> Option<(Option<Range>, &Self)> {
        match (segment, &self.children) {
            (Segment::Index(index), Children::List(items)) => items.get(*index).map(|node| (None, node)),
            (Segment::Field(name) | Segment::Key(name), Children::Map(entries)) => {
                // The last of several, as when the object is read.
                let entry = if entries.len() > INDEXED {
                    entries.get(*self.index(entries).get(name.as_str())?)
                } else {
                    entries.iter().rev().find(|(key, ..)| key == name)
                };
                entry.map(|(_, range, node)| (Some(*range), node))
            }
            _ => None,
        }
    }

    fn walk(&self, path: &[&Segment]) -> Option<(Option<Range>, &Self)> {
        path.iter().try_fold((None, self), |(_, at), segment| at.child(segment))
    }

    fn exact(&self, path: &[&Segment], target: Target) -> Option<Range> {
        let (key, node) = self.walk(path)?;
        match target {
            Target::Key => key.or_else(|| Some(node.first())),
            Target::Value => Some(node.whole()),
        }
    }

    fn nearest(&self, path: &[&Segment], target: Target) -> Range {
        let mut at = self;
        let mut key: Option<Range> = None;
        for segment in path {
            match at.child(segment) {
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
        self.walk(path).is_none_or(|(_, node)| {
            matches!(node.children, Children::None | Children::Block(_) | Children::Alias)
        })
    }

    /// A scalar's own range; for a collection, that of its first key or item.
    fn first(&self) -> Range {
        let mut at = self;
        loop {
            match &at.children {
                Children::None | Children::Block(_) | Children::Alias => return at.range,
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

    /// From the start to the end of the last scalar within.
    fn whole(&self) -> Range {
        let mut last = self;
        loop {
            let next = match &last.children {
                Children::None | Children::Block(_) | Children::Alias => None,
                Children::List(items) => items.last(),
                Children::Map(entries) => entries.last().map(|(.., node)| node),
            };
            match next {
                Some(node) => last = node,
                None => return (self.first().0, last.range.1),
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
            Children::None | Children::Block(_) | Children::Alias => {}
        }
    }

    fn finish(self, end: Mark) -> Node {
        let range = (self.range.0, end.max(self.range.1));
        Node { range, children: self.children, index: OnceLock::new() }
    }
}
