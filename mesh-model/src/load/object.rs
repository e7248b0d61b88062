//! Turns a document's tree into objects.

use super::context::{Context, Path, Step, Written};
use super::decode::{self, decode};
use super::fast::Plain;
use super::gaps::Gaps;
use super::kinds::by_kind;
use super::tree::Tree;
use super::{Loaded, Options, Profile, legacy, replacement};
use crate::common::Value;
use crate::diagnostic::Diagnostic;
use crate::kind::{self, Kind, Resolved};
use crate::meta::{ObjectMeta, Origin};
use crate::object::{Body, LoadState, Object};
use crate::path::{FieldPath, Segment};
use crate::validate::Finding;
use serde::Deserialize;
use std::collections::HashMap;
use std::rc::Rc;

/// Adds the objects of one document to `loaded`.
pub(super) fn build(tree: Tree, text: &str, origin: &Origin, options: &Options, loaded: &mut Loaded) {
    let Tree { value, duplicates } = tree;
    let first = loaded.objects.len();
    let written = Rc::new(Written::new(text));
    document(value, &written, origin.clone(), options, None, loaded);
    let owners: HashMap<Vec<Segment>, usize> = match duplicates.as_slice() {
        [] => HashMap::new(),
        _ => (first..loaded.objects.len())
            .filter_map(|at| Some((loaded.objects.get(at)?.origin.as_ref()?.path.segments().to_vec(), at)))
            .collect(),
    };
    // A key given twice is refused by Istio's reader; which value was meant cannot be known (MODEL-DOC-3).
    for path in duplicates {
        let around = (0..=path.segments().len()).filter_map(|depth| path.segments().get(..depth));
        let owner = around.filter_map(|inside| owners.get(inside)).next_back();
        let owner = owner.and_then(|at| loaded.objects.get_mut(*at));
        let key = match path.segments().last() {
            Some(Segment::Field(key)) => key.clone(),
            _ => String::new(),
        };
        let earlier = written.document().and_then(|document| document.line_of_first(path.segments()));
        let message = match earlier {
            Some(line) => format!("the key `{key}` is given twice, first on line {}", origin.line + line - 1),
            None => format!("the key `{key}` is given twice"),
        };
        let mut found = Diagnostic::error("MODEL-DOC-3", path.clone(), message)
            .help("remove one of the two; the last one is used")
            .at_key()
            .of(None, Some(origin));
        if let Some(object) = owner {
            let skip = object.origin.as_ref().map_or(0, |origin| origin.path.segments().len());
            found.path = FieldPath::from_segments(path.segments().get(skip..).unwrap_or(&[]).to_vec());
            found.object = Some(object.reference());
            found.origin.clone_from(&object.origin);
            let state = match options.profile {
                Profile::Strict => LoadState::Rejected,
                Profile::Compat if object.kind.is_security() => LoadState::Partial,
                Profile::Compat => LoadState::Recovered,
            };
            object.state = object.state.max(state);
        }
        loaded.diagnostics.push(found);
    }
}

/// `apiVersion` and `kind` that items of a typed list inherit.
type Inherited<'i> = Option<(&'i str, &'i str)>;

fn document(
    mut root: Value,
    written: &Rc<Written>,
    origin: Origin,
    options: &Options,
    inherited: Inherited<'_>,
    loaded: &mut Loaded,
) {
    let fail =
        |loaded: &mut Loaded, found: Diagnostic| loaded.diagnostics.push(found.of(None, Some(&origin)));
    let Value::Map(entries) = &root else {
        let message = format!("expected an object with `apiVersion` and `kind`, found {}", root.type_name());
        let help = match &root {
            Value::List(_) => "put the objects under `items` of a `kind: List`, or write `---` between them",
            _ => "write `apiVersion`, `kind`, `metadata` and `spec`",
        };
        fail(loaded, Diagnostic::error("MODEL-DOC-9", FieldPath::new(), message).help(help));
        return;
    };
    let text =
        |key: &str| root.get(key).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
    let (api_version, kind) = match (text("apiVersion"), text("kind"), inherited) {
        (Some(version), Some(kind), _) => (version, kind),
        (version, kind, Some((list_version, list_kind))) if !list_kind.is_empty() => {
            (version.unwrap_or_else(|| list_version.to_owned()), kind.unwrap_or_else(|| list_kind.to_owned()))
        }
        (version, kind, _) => {
            let missing = match (&version, &kind) {
                (None, None) => "`apiVersion` and `kind` are",
                (None, _) => "`apiVersion` is",
                _ => "`kind` is",
            };
            let found = if is_front_matter(entries) {
                Diagnostic::info(
                    "MODEL-SEED-34",
                    FieldPath::new(),
                    "the front matter of a page has no `apiVersion` and `kind` and is passed over",
                )
            } else {
                let help = match fragment_of(entries) {
                    Some(whole) => format!("this looks like a fragment of a {whole} spec"),
                    None if kind.is_none() && version.is_some() => {
                        "add it, such as `kind: VirtualService`".to_owned()
                    }
                    None => "begin with `apiVersion: networking.istio.io/v1` and its `kind`".to_owned(),
                };
                Diagnostic::error("MODEL-DOC-9", FieldPath::new(), format!("{missing} missing")).help(help)
            };
            fail(loaded, found);
            return;
        }
    };
    let is_list = kind == "List" || (kind.ends_with("List") && root.get("items").is_some());
    if is_list && matches!(root.get("items"), Some(Value::List(_) | Value::Null) | None) {
        if let Some(Value::List(items)) = root.remove("items") {
            let item_kind = kind.strip_suffix("List").unwrap_or("").to_owned();
            for (index, item) in items.into_iter().enumerate() {
                let origin =
                    Origin { path: origin.path.clone().field("items").index(index), ..origin.clone() };
                document(item, written, origin, options, Some((&api_version, &item_kind)), loaded);
            }
            return;
        }
        return;
    }
    object(root, api_version, &kind, written, origin, options, loaded);
}

/// True for the head of a Markdown page (MODEL-SEED-34).
fn is_front_matter(entries: &[(String, Value)]) -> bool {
    let has = |name: &str| entries.iter().any(|(key, _)| key == name);
    has("title")
        && ["categories", "tags", "date", "author", "layout", "description", "draft", "slug", "weight"]
            .into_iter()
            .any(has)
        && !has("apiVersion")
        && !has("kind")
}

/// What a document without `kind` seems to be part of (MODEL-DOC-9).
fn fragment_of(entries: &[(String, Value)]) -> Option<&'static str> {
    let has = |name: &str| entries.iter().any(|(key, _)| key == name);
    [
        ("http", "VirtualService"),
        ("servers", "Gateway"),
        ("trafficPolicy", "DestinationRule"),
        ("subsets", "DestinationRule"),
        ("loadBalancer", "DestinationRule"),
        ("connectionPool", "DestinationRule"),
        ("outlierDetection", "DestinationRule"),
        ("rules", "AuthorizationPolicy"),
        ("egress", "Sidecar"),
        ("resolution", "ServiceEntry"),
        ("endpoints", "ServiceEntry"),
        ("tls", "VirtualService"),
        ("tcp", "VirtualService"),
        ("match", "VirtualService"),
        ("route", "VirtualService"),
        ("hosts", "VirtualService"),
        ("host", "DestinationRule"),
    ]
    .into_iter()
    .find_map(|(key, kind)| has(key).then_some(kind))
}

fn object(
    mut root: Value,
    api_version: String,
    kind_name: &str,
    written: &Rc<Written>,
    origin: Origin,
    options: &Options,
    loaded: &mut Loaded,
) {
    let mut early = Vec::new();
    let at_kind = FieldPath::new().field("kind");
    let kind = match kind::resolve(&api_version, kind_name) {
        Resolved::Known(kind) => kind,
        Resolved::OddVersion(kind, stored) => {
            let strict_only =
                matches!(kind, Kind::EnvoyFilter | Kind::ProxyConfig) && options.profile == Profile::Strict;
            let message = format!("`{api_version}` is not a version of {kind}");
            let at = FieldPath::new().field("apiVersion");
            let found = if strict_only {
                Diagnostic::error("MODEL-GV-2", at, message)
            } else {
                Diagnostic::warning("MODEL-GV-2", at, message)
            };
            early.push(found.help(format!("write {}{stored}", group_prefix(&kind))));
            kind
        }
        Resolved::Misspelt(kind) => {
            let right = kind::stored_api_version(&kind);
            early.push(
                Diagnostic::error(
                    "MODEL-GV-5",
                    at_kind,
                    format!("`{kind_name}` is not a kind of `{api_version}`"),
                )
                .help(format!("did you mean kind `{kind}` of `{right}`")),
            );
            Kind::Other(kind_name.to_owned())
        }
        Resolved::Removed(replacement) => {
            early.push(
                Diagnostic::error(
                    "MODEL-GV-4",
                    at_kind,
                    format!("`{kind_name}` of `{api_version}` was removed"),
                )
                .help(format!("write {replacement}")),
            );
            Kind::Other(kind_name.to_owned())
        }
        Resolved::Unknown => Kind::Other(kind_name.to_owned()),
    };
    let mut context = Context::new(options.profile, kind.is_security(), false).written(written, &origin.path);
    for found in early {
        context.note(found);
    }
    root.remove("apiVersion");
    root.remove("kind");
    let metadata = metadata(&mut root, &kind, options, &context);
    let status =
        if kind.is_istio() { root.remove("status").filter(|status| !status.is_null()) } else { None };
    metadata.namespace.clone_into(&mut context.namespace.borrow_mut());
    if api_version.starts_with("authentication.istio.io/") {
        let spec = root.get("spec").unwrap_or(&Value::Null);
        for found in replacement::of(kind_name, spec, &metadata, &options.settings.root_namespace) {
            context.note(found);
        }
    }
    if kind.is_istio() {
        top_level_keys(&mut root, &kind, &context);
    }
    // Metadata has many fields that only a server writes; `spec` is examined key by key.
    context.check_unknown = kind.is_istio();
    let body = body(root, &kind, &context);
    add(Plain { api_version, kind, metadata, status, body }, context, origin, options, loaded);
}

/// Adds an object that needed no repair.
pub(super) fn plain(mut plain: Plain, origin: &Origin, options: &Options, loaded: &mut Loaded) {
    let context = Context::new(options.profile, plain.kind.is_security(), false);
    check_metadata(&mut plain.metadata, &plain.kind, options, &context);
    add(plain, context, origin.clone(), options, loaded);
}

fn add(object: Plain, context: Context, origin: Origin, options: &Options, loaded: &mut Loaded) {
    let Plain { api_version, kind, metadata, status, body } = object;
    let (mut findings, state, gaps, unread) = context.finish();
    let assumed = gaps.all_assumed();
    let mut object =
        Object { api_version, kind, metadata, body, status, origin: None, state, unread, assumed };
    if options.validate {
        validate(&mut object, &gaps, options, &mut findings);
    }
    if !findings.is_empty() {
        let reference = object.reference();
        loaded
            .diagnostics
            .extend(findings.into_iter().map(|found| found.of(Some(reference.clone()), Some(&origin))));
    }
    object.origin = Some(origin);
    loaded.objects.push(object);
}

/// Adds what validation finds, without the consequences of what could not be read.
fn validate(object: &mut Object, gaps: &Gaps, options: &Options, findings: &mut Vec<Diagnostic>) {
    for Finding { mut diagnostic, absence } in crate::validate::findings(object, &options.settings) {
        diagnostic.path = gaps.in_text(&diagnostic.path);
        if gaps.explain(&diagnostic.path, absence) {
            continue;
        }
        // A ConfigMap may say anything: what is wrong in the mesh configuration costs the field, not the object, since
        // without it the root namespace and the trust domain would be others.
        if diagnostic.is_error() && object.kind != Kind::ConfigMap {
            object.state = object.state.max(LoadState::Invalid);
        }
        findings.push(diagnostic);
    }
}

fn group_prefix(kind: &Kind) -> String {
    if kind.group().is_empty() { String::new() } else { format!("{}/", kind.group()) }
}

fn metadata(root: &mut Value, kind: &Kind, options: &Options, context: &Context) -> ObjectMeta {
    let root_path = Path::root();
    let base = root_path.child(Step::Field("metadata"));
    let raw = root.remove("metadata").unwrap_or_default();
    let mut metadata: ObjectMeta = decode(&raw, &base, context).unwrap_or_default();
    context.keep_unread("metadata", &raw);
    if metadata.name.is_empty() && matches!(raw.get("name"), Some(Value::List(_) | Value::Map(_))) {
        // That it is no text was said.
        context.refuse();
    } else if metadata.name.is_empty() {
        let at = FieldPath::new().field("metadata").field("name");
        let found = Diagnostic::error("MODEL-META-1", at, "the object has no name");
        context.reject(if raw.get("generateName").is_some() {
            found.help("`generateName` needs a server; give a `name`")
        } else {
            found.help("add `metadata.name`")
        });
    }
    check_metadata(&mut metadata, kind, options, context);
    metadata
}

/// Looks at name and namespace, and completes the namespace.
fn check_metadata(metadata: &mut ObjectMeta, kind: &Kind, options: &Options, context: &Context) {
    let path = |field: &str| FieldPath::new().field("metadata").field(field);
    if metadata.name.is_empty() {
        // That was said already.
    } else if decode::is_placeholder(&metadata.name) {
        context.lost(
            Diagnostic::error(
                "MODEL-DOC-12",
                path("name"),
                format!("`{}` is an unexpanded placeholder", metadata.name),
            )
            .help("render the template before it is read"),
        );
    } else if !is_subdomain(&metadata.name) && !matches!(kind, Kind::Other(_)) {
        let lower = metadata.name.to_ascii_lowercase();
        if is_subdomain(&lower) {
            context.repair(
                Diagnostic::warning(
                    "MODEL-META-1",
                    path("name"),
                    format!("`{}` has upper-case letters", metadata.name),
                )
                .help(format!("write {lower}")),
            );
        } else {
            context.lost(
                Diagnostic::error(
                    "MODEL-META-1",
                    path("name"),
                    format!("`{}` is not a valid name", metadata.name),
                )
                .help("lower-case letters, digits, `-` and `.`, at most 253 characters"),
            );
        }
    }
    if kind.is_cluster_scoped() {
        if !metadata.namespace.is_empty() {
            context.note(
                Diagnostic::warning(
                    "MODEL-META-3",
                    path("namespace"),
                    format!("a {kind} has no namespace, `{}` is ignored", metadata.namespace),
                )
                .help("remove it"),
            );
            metadata.namespace.clear();
        }
    } else if metadata.namespace.is_empty() {
        metadata.namespace.clone_from(&options.default_namespace);
    } else if metadata.namespace.len() > 63
        || metadata.namespace.contains('.')
        || !is_subdomain(&metadata.namespace)
    {
        context.lost(
            Diagnostic::error(
                "MODEL-META-2",
                path("namespace"),
                format!("`{}` is not a valid namespace", metadata.namespace),
            )
            .help("lower-case letters, digits and `-`, at most 63 characters"),
        );
    }
}

/// A Kubernetes name: DNS labels in lower case, joined by dots, at most 253 characters.
fn is_subdomain(name: &str) -> bool {
    let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
    name.len() <= 253
        && name.split('.').all(|label| {
            let bytes = label.as_bytes();
            bytes.first().is_some_and(|c| plain(*c))
                && bytes.last().is_some_and(|c| plain(*c))
                && bytes.iter().all(|c| plain(*c) || *c == b'-')
        })
}

/// Istio objects have five top-level keys (MODEL-DOC-5); fields of `spec` that stand beside an empty `spec` are moved
/// into it (MODEL-SEED-7).
fn top_level_keys(root: &mut Value, kind: &Kind, context: &Context) {
    let Value::Map(entries) = root else { return };
    let extra: Vec<String> = entries.iter().map(|(key, _)| key.clone()).filter(|key| key != "spec").collect();
    if extra.is_empty() {
        return;
    }
    let spec_missing = root.get("spec").is_none_or(Value::is_null);
    let known = spec_fields(kind);
    let hoist = spec_missing && extra.iter().all(|key| known.contains(&key.as_str()));
    let mut spec = Vec::new();
    for key in extra {
        let at = FieldPath::new().field(&key);
        let value = root.remove(&key).unwrap_or_default();
        if hoist {
            context.repair(
                Diagnostic::warning("MODEL-SEED-7", at, format!("`{key}` belongs under `spec`"))
                    .help("indent it")
                    .at_key(),
            );
            spec.push((key, value));
        } else {
            context.keep(at.clone(), value);
            let found =
                Diagnostic::error("MODEL-DOC-5", at, format!("unknown top-level key `{key}`")).at_key();
            context.dropped(if known.contains(&key.as_str()) {
                // What `spec` lacks is here.
                context.misplaced(&FieldPath::new().field("spec").field(&key));
                found.help("indent it under `spec`")
            } else {
                found.help("an object has `apiVersion`, `kind`, `metadata`, `spec` and `status`")
            });
        }
    }
    if hoist {
        root.remove("spec");
        root.set("spec", Value::Map(spec));
    }
}

/// Names of the fields of a kind's `spec`.
fn spec_fields(kind: &Kind) -> &'static [&'static str] {
    macro_rules! of_spec {
        ($ty:ty) => {
            fields_of::<$ty>()
        };
    }
    macro_rules! none {
        ($ty:ty) => {
            &[]
        };
    }
    by_kind!(kind, of_spec, none, &[])
}

/// The field names that `T` asks its deserializer for.
fn fields_of<T: for<'de> Deserialize<'de>>() -> &'static [&'static str] {
    struct Ask<'f>(&'f mut &'static [&'static str]);
    impl<'de> serde::Deserializer<'de> for Ask<'_> {
        type Error = serde::de::value::Error;

        fn deserialize_any<V: serde::de::Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
            Err(serde::de::Error::custom("only asked for its fields"))
        }
        fn deserialize_struct<V: serde::de::Visitor<'de>>(
            self,
            _: &'static str,
            fields: &'static [&'static str],
            visitor: V,
        ) -> Result<V::Value, Self::Error> {
            *self.0 = fields;
            self.deserialize_any(visitor)
        }
        serde::forward_to_deserialize_any! {
            bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit unit_struct
            newtype_struct seq tuple tuple_struct map enum identifier ignored_any
        }
    }
    let mut fields: &'static [&'static str] = &[];
    // The error is the point: the type has said what it expects.
    let _asked = T::deserialize(Ask(&mut fields));
    fields
}

pub(super) fn body(mut root: Value, kind: &Kind, context: &Context) -> Body {
    let path = Path::root();
    let spec_path = path.child(Step::Field("spec"));
    if kind.requires_spec() && root.get("spec").is_none_or(Value::is_null) {
        context.reject(
            Diagnostic::error("MODEL-DOC-8", FieldPath::new(), format!("a {kind} needs a `spec`"))
                .help("add `spec:` with its fields below, two blanks further in"),
        );
    }
    macro_rules! spec_of {
        ($ty:ty) => {{
            let mut spec = root.remove("spec").unwrap_or_default();
            legacy::modernize(&mut spec, kind, context);
            let read = decode::<$ty>(&spec, &spec_path, context).unwrap_or_default();
            context.keep_unread("spec", &spec);
            read.into()
        }};
    }
    macro_rules! root_of {
        ($ty:ty) => {
            decode::<$ty>(&root, &path, context).unwrap_or_default().into()
        };
    }
    by_kind!(kind, spec_of, root_of, Body::Opaque(root))
}
