//! Reading objects from text.

mod canonical;
mod context;
mod decode;
mod depth;
mod embedded;
mod fast;
mod fragment;
mod gaps;
mod kinds;
mod legacy;
mod legacy_mesh;
mod object;
mod replacement;
mod split;
mod suggest;
mod syntax;
mod transcript;
mod tree;

pub(crate) use decode::is_yaml11;
pub use fragment::parse_fragment;
pub(crate) use gaps::Gaps;
pub(crate) use suggest::distance;

use crate::diagnostic::{Diagnostic, Position, Span};
use crate::kind::Kind;
use crate::meta::Origin;
use crate::object::{LoadState, Object};
use crate::path::FieldPath;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use transcript::Shell;

pub(crate) use embedded::Embedded;

/// A text and the name it goes by in diagnostics, usually a file's path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Source<'a> {
    /// The name.
    pub name: &'a str,
    /// YAML or JSON; any number of documents.
    pub text: &'a str,
}

impl<'a> Source<'a> {
    /// A text and its name.
    pub const fn new(name: &'a str, text: &'a str) -> Self {
        Self { name, text }
    }
}

/// What to do about spellings that current Istio does not accept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Profile {
    /// Repair what has one plain meaning, and report it.
    #[default]
    Compat,
    /// Report it as an error and refuse the object.
    Strict,
}

/// Bounds on the input; beyond them a document is refused with `MODEL-DOC-LIMIT`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of one document; 64 MiB. A list of objects is one document.
    pub max_document_bytes: usize,
    /// Documents of one source; 1 000 000.
    pub max_documents: usize,
    /// Levels of nesting; 100.
    pub max_depth: usize,
    /// Values in one document once aliases are unfolded; 8 000 000. Long texts count for one more every 64 bytes.
    pub max_nodes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_document_bytes: 64 << 20, max_documents: 1_000_000, max_depth: 100, max_nodes: 8_000_000 }
    }
}

/// How to load.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// See [`Profile`].
    pub profile: Profile,
    /// Namespace of objects that name none; `default`.
    pub default_namespace: String,
    /// See [`Limits`].
    pub limits: Limits,
    /// Also apply [`validate`](crate::validate::validate) to each object; on. An object with errors is then
    /// [`LoadState::Invalid`].
    pub validate: bool,
    /// What validation depends on.
    pub settings: crate::validate::Settings,
    /// Also apply [`analyze`](crate::validate::analyze) to all objects together; off, since the sources may be only
    /// a part of what is in the mesh.
    pub analyze: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            profile: Profile::Compat,
            default_namespace: "default".to_owned(),
            limits: Limits::default(),
            validate: true,
            settings: crate::validate::Settings::default(),
            analyze: false,
        }
    }
}

impl Options {
    /// Current Istio's rules only.
    pub fn strict() -> Self {
        Self { profile: Profile::Strict, ..Self::default() }
    }
}

/// What was read, and what is to be said about it.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Loaded {
    /// In order of appearance. Objects that were refused are among them, see [`LoadState`]; of two with one name
    /// only the last is.
    pub objects: Vec<Object>,
    /// In order of the documents, then of the field's path, then of the code.
    pub diagnostics: Vec<Diagnostic>,
}

impl Loaded {
    /// The mesh configuration: key `mesh` of the ConfigMap `istio`, the default when there is none.
    ///
    /// What is wrong in it is among the diagnostics of [`load`].
    pub fn mesh_config(&self) -> crate::MeshConfig {
        self.mesh_text("mesh").map_or_else(crate::MeshConfig::default, |text| mesh_config(text).0)
    }

    /// The networks of the mesh: key `meshNetworks` of the ConfigMap `istio`, none when there is none.
    ///
    /// What is wrong in it is among the diagnostics of [`load`].
    pub fn mesh_networks(&self) -> crate::mesh_config::MeshNetworks {
        self.mesh_text("meshNetworks").map(|text| mesh_networks(text).0).unwrap_or_default()
    }

    fn mesh_text(&self, key: &str) -> Option<&str> {
        self.objects.iter().find_map(|object| {
            let config = object.as_config_map().filter(|_| object.metadata.name == "istio")?;
            config.data.get(key).map(String::as_str)
        })
    }

    /// True when a diagnostic is an error.
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }
}

/// Reads every object of every source.
///
/// Never stops at a problem: a broken document, object or field costs only itself and is reported. Multi-document
/// streams and `List` objects are taken apart; kinds that are not known are kept as opaque values.
///
/// Cost: linear in the text. A document in plain, current form is read straight into its types, about as fast as by
/// `serde_yaml` alone. Any other is read through a tree, which takes about half as long again; and a document with
/// findings once more, by a parser that keeps positions, to find the line and column of each.
///
/// ```
/// use mesh_model::{Options, Source, load};
/// let text = "
/// apiVersion: networking.istio.io/v1
/// kind: VirtualService
/// metadata: {name: reviews, namespace: shop}
/// spec:
///   hosts: [reviews]
///   http:
///   - match:
///     - gateway: [mesh]
///     route:
///     - destination: {host: reviews}
/// ";
/// let loaded = load([Source::new("reviews.yaml", text)], &Options::default());
/// assert_eq!(loaded.objects.len(), 1);
/// let found = &loaded.diagnostics[0];
/// assert_eq!(
///     found.to_string(),
///     "reviews.yaml:9:7: error[MODEL-UNK-2]: VirtualService shop/reviews: \
///      spec.http[0].match[0].gateway: unknown field `gateway`",
/// );
/// assert_eq!(found.help.as_deref(), Some("did you mean `gateways`"));
/// ```
pub fn load<'a>(sources: impl IntoIterator<Item = Source<'a>>, options: &Options) -> Loaded {
    load_all(sources.into_iter().collect(), options, true)
}

/// [`load`] without its fast path, for tests that compare the two.
#[doc(hidden)]
pub fn load_by_tree<'a>(sources: impl IntoIterator<Item = Source<'a>>, options: &Options) -> Loaded {
    load_all(sources.into_iter().collect(), options, false)
}

#[allow(clippy::needless_pass_by_value, reason = "the list is made for this")]
fn load_all(sources: Vec<Source<'_>>, options: &Options, fast: bool) -> Loaded {
    let mut loaded = Loaded::default();
    for (index, source) in sources.iter().enumerate() {
        load_source(index, source, options, fast, &mut loaded);
    }
    note_duplicates(&mut loaded);
    note_unknown_kinds(&mut loaded);
    if options.validate {
        note_internals(&mut loaded);
    }
    if options.analyze {
        loaded.diagnostics.append(&mut crate::validate::analyze_with(&loaded.objects, &options.settings));
    }
    crate::locate::locate(&mut loaded.diagnostics, &sources);
    sort(&mut loaded.diagnostics);
    loaded
}

/// Reads a mesh configuration from YAML, such as the key `mesh` of the ConfigMap `istio`.
///
/// What cannot be read has its default and a diagnostic; the paths are those within the text. [`load`] reads the
/// ConfigMap as well, and also tells what [`validate`](crate::validate::validate) finds.
pub fn mesh_config(text: &str) -> (crate::MeshConfig, Vec<Diagnostic>) {
    let read = embedded_mesh_config(text);
    (read.value.unwrap_or_default(), read.findings)
}

/// Reads the networks of a mesh from YAML, such as the key `meshNetworks` of the ConfigMap `istio`.
///
/// What cannot be read has its default and a diagnostic; the paths are those within the text.
pub fn mesh_networks(text: &str) -> (crate::mesh_config::MeshNetworks, Vec<Diagnostic>) {
    let read = embedded_mesh_networks(text);
    (read.value.unwrap_or_default(), read.findings)
}

pub(crate) fn embedded_mesh_config(text: &str) -> Embedded<crate::MeshConfig> {
    embedded::embedded(text, legacy_mesh::mesh)
}

pub(crate) fn embedded_mesh_networks(text: &str) -> Embedded<crate::mesh_config::MeshNetworks> {
    embedded::embedded(text, |_, _| {})
}

/// The annotation `proxy.istio.io/config`.
pub(crate) fn embedded_proxy_config(text: &str) -> Embedded<crate::mesh_config::DefaultConfig> {
    embedded::embedded(text, |value, found| legacy_mesh::proxy(value, &FieldPath::new(), found))
}

fn sort(diagnostics: &mut [Diagnostic]) {
    diagnostics.sort_by(|a, b| {
        let key = |found: &Diagnostic| {
            found.origin.as_ref().map(|origin| (origin.source_index, origin.bytes, origin.path.clone()))
        };
        key(a).cmp(&key(b)).then_with(|| a.path.cmp(&b.path)).then_with(|| a.code.cmp(b.code))
    });
}

fn load_source(index: usize, source: &Source<'_>, options: &Options, fast: bool, loaded: &mut Loaded) {
    let name: Arc<str> = source.name.into();
    let chunks = split::chunks(source.text);
    let total = chunks.len();
    let mut fast = fast.then(|| fast::Reader::new(source.text));
    let mut is_page = false;
    for (document, chunk) in chunks.into_iter().enumerate() {
        let origin = Origin {
            source: Arc::clone(&name),
            source_index: index,
            document,
            line: chunk.line,
            bytes: (chunk.start, chunk.start + chunk.text.len()),
            path: FieldPath::new(),
        };
        if document >= options.limits.max_documents {
            let message = format!(
                "the source has {total} documents, at most {} are read",
                options.limits.max_documents
            );
            loaded.diagnostics.push(
                Diagnostic::error("MODEL-DOC-LIMIT", FieldPath::new(), message)
                    .help("split it, or raise the limit")
                    .of(None, Some(&origin)),
            );
            return;
        }
        // What follows the front matter of a page is prose.
        if is_page && !chunk.text.lines().any(|line| line.starts_with("apiVersion:")) {
            continue;
        }
        let before = loaded.diagnostics.len();
        load_chunk(&chunk, source.text, &origin, options, fast.as_mut(), loaded);
        is_page |= document == 0
            && loaded.diagnostics.get(before).is_some_and(|found| found.code == "MODEL-SEED-34");
    }
}

fn load_chunk<'t>(
    chunk: &split::Chunk<'t>,
    source: &str,
    origin: &Origin,
    options: &Options,
    fast: Option<&mut fast::Reader<'t>>,
    loaded: &mut Loaded,
) {
    let mut state = LoadState::Clean;
    let strict = options.profile == Profile::Strict;
    let mut recovered = |loaded: &mut Loaded, mut found: Diagnostic| {
        if strict {
            found.severity = crate::Severity::Error;
        }
        state = if strict { LoadState::Rejected } else { LoadState::Recovered };
        loaded.diagnostics.push(found.of(None, Some(origin)));
    };
    if chunk.missing_separator {
        recovered(
            loaded,
            Diagnostic::warning("MODEL-DOC-4", FieldPath::new(), "a second object begins here without `---`")
                .help("put a line `---` before it"),
        );
    }
    match chunk.shell {
        Shell::No => {}
        Shell::HereDocument => recovered(
            loaded,
            Diagnostic::warning("MODEL-DOC-11", FieldPath::new(), "the text is a shell command, not YAML")
                .help("keep only the lines between `<<EOF` and `EOF`"),
        ),
        Shell::Command(at) => {
            recovered(loaded, transcript::finding(at, chunk, source));
            if chunk.text.is_empty() {
                return;
            }
        }
    }
    if let Some(line) = chunk.ellipsis {
        let mut found =
            Diagnostic::warning("MODEL-SEED-5", FieldPath::new(), "the line is a literal ellipsis, not YAML")
                .help("remove the line");
        let before: usize = chunk.text.split_inclusive('\n').take(line).map(str::len).sum();
        let at = Position { line: chunk.line + line, column: 1, byte: chunk.start + before };
        found.span = Some(Span { start: at, end: at });
        recovered(loaded, found);
    }
    let before = loaded.objects.len();
    if let Some(plain) = fast.and_then(|reader| reader.read(chunk, &options.limits)) {
        object::plain(plain, origin, options, loaded);
    } else {
        match tree::parse(&chunk.text, &options.limits) {
            Ok(tree) => object::build(tree, &chunk.text, origin, options, loaded),
            Err(error) => loaded.diagnostics.push(syntax_error(&error, chunk, origin)),
        }
    }
    for object in loaded.objects.iter_mut().skip(before) {
        object.state = object.state.max(state);
    }
}

fn syntax_error(error: &tree::TreeError, chunk: &split::Chunk<'_>, origin: &Origin) -> Diagnostic {
    if error.limit {
        let found = Diagnostic::error("MODEL-DOC-LIMIT", FieldPath::new(), error.message.clone());
        let mut found = found.help("split it, or raise the limit").of(None, Some(origin));
        // Not to be looked for: that would read the text once more.
        let at = Position { line: chunk.line, column: 1, byte: chunk.start };
        found.span = Some(Span { start: at, end: at });
        return found;
    }
    let syntax::Syntax { message, help, range, line, columns } = syntax::explain(&chunk.text, error);
    let found = if has_placeholder(&chunk.text) {
        Diagnostic::error(
            "MODEL-DOC-12",
            FieldPath::new(),
            format!("the document has an unexpanded placeholder and is not YAML: {message}"),
        )
        .help("render the template, or fill in the bracketed names, before it is read")
    } else {
        Diagnostic::error("MODEL-DOC-SYNTAX", FieldPath::new(), message).help(help)
    };
    let mut found = found.of(None, Some(origin));
    let at = |column: usize, byte: usize| Position {
        line: (chunk.line + line).saturating_sub(1),
        column,
        byte: chunk.start + byte,
    };
    found.span = Some(Span { start: at(columns.0, range.start), end: at(columns.1, range.end) });
    found
}

/// `{{ … }}`, `${…}`, or `key: [text]more` (MODEL-DOC-12).
fn has_placeholder(text: &str) -> bool {
    text.lines().any(|line| {
        let bracket =
            line.split_once(": [").and_then(|(_, rest)| rest.split_once(']')).is_some_and(|(_, after)| {
                after.chars().next().is_some_and(|c| !c.is_whitespace() && c != ',' && c != '}')
            });
        bracket || decode::is_placeholder(line.split_once(':').map_or(line, |(_, value)| value).trim())
    })
}

/// The same object twice: the last one counts (MODEL-DOC-13).
fn note_duplicates(loaded: &mut Loaded) {
    let mut seen: HashMap<(&str, &Kind, &str, &str), usize> = HashMap::with_capacity(loaded.objects.len());
    let mut again = Vec::new();
    for (index, object) in loaded.objects.iter().enumerate() {
        let group = object.api_version.split_once('/').map_or("", |(group, _)| group);
        let key = (group, &object.kind, object.metadata.namespace.as_str(), object.metadata.name.as_str());
        if let Some(earlier) = seen.insert(key, index) {
            again.push((earlier, index));
        }
    }
    if again.is_empty() {
        return;
    }
    let mut superseded = BTreeSet::new();
    for (earlier, later) in again {
        let Some(first) = loaded.objects.get(earlier).and_then(|object| object.origin.clone()) else {
            continue;
        };
        let Some(object) = loaded.objects.get(later) else { continue };
        let message =
            format!("the object is also defined at {}:{}, this one is used", first.source, first.line);
        loaded.diagnostics.push(
            Diagnostic::warning("MODEL-DOC-13", FieldPath::new().field("metadata").field("name"), message)
                .help("remove or rename one of the two")
                .of(Some(object.reference()), object.origin.as_ref()),
        );
        superseded.insert(earlier);
    }
    let mut index = 0;
    loaded.objects.retain(|_| {
        index += 1;
        !superseded.contains(&(index - 1))
    });
}

/// Kinds that are not known: one remark each (MODEL-GV-3).
fn note_unknown_kinds(loaded: &mut Loaded) {
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for object in &loaded.objects {
        // Of a misspelt or removed kind that was said already.
        if let Kind::Other(kind) = &object.kind
            && matches!(crate::kind::resolve(&object.api_version, kind), crate::kind::Resolved::Unknown)
            && let group = object.api_version.split_once('/').map_or("", |(group, _)| group)
            && seen.insert((group.to_owned(), kind.clone()))
        {
            let message = if group == "gateway.networking.k8s.io" {
                format!("`{kind}` of the Gateway API is outside of what is modelled here, it is not examined")
            } else {
                format!("`{kind}` of `{}` is not a kind of Istio, it is not examined", object.api_version)
            };
            found.push(
                Diagnostic::info("MODEL-GV-3", FieldPath::new().field("kind"), message)
                    .of(Some(object.reference()), object.origin.as_ref()),
            );
        }
    }
    loaded.diagnostics.append(&mut found);
}

/// An EnvoyFilter depends on internals of Istio: one remark for all of them (MODEL-EF-1).
fn note_internals(loaded: &mut Loaded) {
    if let Some(object) = loaded.objects.iter().find(|object| object.kind == Kind::EnvoyFilter) {
        let found = Diagnostic::info(
            "MODEL-EF-1",
            FieldPath::new().field("spec"),
            "an EnvoyFilter changes what Istio generates, which may differ in its next version",
        )
        .help("prefer Istio's other resources where they can say it, and look at it again with each version");
        loaded.diagnostics.push(found.of(Some(object.reference()), object.origin.as_ref()));
    }
}
