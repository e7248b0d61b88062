//! Header edits of routes and destinations (section 4.6 of the reference).

mod operator;
mod template;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use smallvec::SmallVec;

use crate::error::{BuildError, BuildErrorKind};
pub use operator::Operator;
use template::Template;

/// The edits of one level: `headers.request` or `headers.response` of a route or of a destination.
///
/// # Examples
/// ```
/// use mesh_route::HeaderEdits;
///
/// let edits = HeaderEdits::new().remove("x-old")?.set("x-path", "%REQ(:PATH)%")?.add("via", "mesh")?;
/// let error = HeaderEdits::new().set("x-share", "50%").unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "header value `50%` has a `%` that is not closed, write `%%` for a percent sign",
/// );
/// # drop(edits);
/// # Ok::<(), mesh_route::BuildError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct HeaderEdits {
    removes: Vec<Box<str>>,
    /// In the order of the keys as written.
    sets: Vec<Edit>,
    adds: Vec<Edit>,
    set_authority: Option<Authority>,
    add_authority: Option<Authority>,
}

#[derive(Clone, Debug)]
struct Edit {
    key: Box<str>,
    name: Box<str>,
    value: Template,
}

/// A value given for `Host` or `:authority`, and under which of the keys.
#[derive(Clone, Debug)]
struct Authority {
    key: Box<str>,
    value: Box<str>,
}

enum Name {
    Line(Box<str>),
    Authority,
    /// Another pseudo header: edits of it have no effect.
    Pseudo,
}

impl HeaderEdits {
    /// No edits.
    pub fn new() -> Self {
        Self::default()
    }

    /// Removes all lines of that name. `host` and names that begin with `:` are passed over (ROUTE-HDR-08).
    ///
    /// # Errors
    /// When the name is no header name.
    pub fn remove(mut self, name: &str) -> Result<Self, BuildError> {
        if let Name::Line(name) = parse_name(name)? {
            self.removes.push(name);
        }
        Ok(self)
    }

    /// Makes all lines of that name one line with that value. An empty value, also one that only turns out
    /// empty, has no effect (ROUTE-HDR-07).
    ///
    /// `Host` and `:authority` are no headers: see [`upstream_authority`].
    ///
    /// # Errors
    /// When the name is no header name, or the value breaks the grammar of ROUTE-HDR-09.
    pub fn set(mut self, name: &str, value: &str) -> Result<Self, BuildError> {
        match parse_name(name)? {
            Name::Line(lower) => insert(&mut self.sets, name, lower, value)?,
            Name::Authority => keep_first(&mut self.set_authority, name, value),
            Name::Pseudo => {}
        }
        Ok(self)
    }

    /// Appends a line, with the same rules as for [`set`](Self::set).
    ///
    /// # Errors
    /// As for [`set`](Self::set).
    pub fn add(mut self, name: &str, value: &str) -> Result<Self, BuildError> {
        match parse_name(name)? {
            Name::Line(lower) => insert(&mut self.adds, name, lower, value)?,
            Name::Authority => keep_first(&mut self.add_authority, name, value),
            Name::Pseudo => {}
        }
        Ok(self)
    }

    /// Whether no header line is touched.
    pub fn is_empty(&self) -> bool {
        self.removes.is_empty() && self.sets.is_empty() && self.adds.is_empty()
    }

    fn authority(&self) -> Option<&str> {
        self.set_authority.as_ref().or(self.add_authority.as_ref()).map(|found| &*found.value)
    }

    /// One level out of two, lists concatenated.
    fn then(mut self, other: Self) -> Self {
        self.removes.extend(other.removes);
        self.sets.extend(other.sets);
        self.adds.extend(other.adds);
        self
    }

    fn apply(&self, target: &mut impl HeaderEditor) {
        for name in &self.removes {
            target.remove(name);
        }
        // All values are formatted against the map as it is now, before any is written (ROUTE-HDR-01).
        let mut values: SmallVec<[Cow<'_, [u8]>; 8]> = SmallVec::new();
        for edit in self.sets.iter().chain(&self.adds) {
            values.push(edit.value.evaluate(|operator, out| target.write(operator, out)));
        }
        let (sets, adds) = values.split_at_checked(self.sets.len()).unwrap_or_default();
        for (edit, value) in self.sets.iter().zip(sets).filter(|(_, value)| !value.is_empty()) {
            target.set(&edit.name, value);
        }
        for (edit, value) in self.adds.iter().zip(adds).filter(|(_, value)| !value.is_empty()) {
            target.append(&edit.name, value);
        }
    }
}

/// A header map to edit, and the facts that header values may ask for.
///
/// Implemented by the embedder over a mutable reference to its own map plus what it knows of the request.
pub trait HeaderEditor {
    /// Appends what `operator` yields, against the map as it is now; nothing if that is missing (ROUTE-HDR-10).
    fn write(&self, operator: &Operator, out: &mut Vec<u8>);
    /// Removes all lines of the header `name`, which is lower-case.
    fn remove(&mut self, name: &str);
    /// Replaces all lines of the header `name` by one.
    fn set(&mut self, name: &str, value: &[u8]);
    /// Appends a line.
    fn append(&mut self, name: &str, value: &[u8]);
}

/// The edits of a route and of the destination that was drawn, in the order Envoy makes them.
///
/// # Examples
/// ```
/// use mesh_route::{HeaderEdits, HeaderEditor, HeaderPlan, Operator};
///
/// struct Lines(Vec<(String, Vec<u8>)>);
/// impl HeaderEditor for Lines {
///     fn write(&self, operator: &Operator, out: &mut Vec<u8>) {
///         if let Operator::Protocol = operator {
///             out.extend_from_slice(b"HTTP/1.1");
///         }
///     }
///     fn remove(&mut self, name: &str) {
///         self.0.retain(|(key, _)| key != name);
///     }
///     fn set(&mut self, name: &str, value: &[u8]) {
///         self.remove(name);
///         self.append(name, value);
///     }
///     fn append(&mut self, name: &str, value: &[u8]) {
///         self.0.push((name.into(), value.into()));
///     }
/// }
///
/// let route = HeaderEdits::new().set("x", "route, %PROTOCOL%")?;
/// let destination = HeaderEdits::new().set("x", "destination")?;
/// let mut lines = Lines(vec![]);
/// HeaderPlan::weighted_destination(route.clone(), destination.clone()).apply(&mut lines);
/// assert_eq!(lines.0[0].1, b"route, HTTP/1.1");
/// HeaderPlan::single_destination(route, destination).apply(&mut lines);
/// assert_eq!(lines.0[0].1, b"destination");
/// # Ok::<(), mesh_route::BuildError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct HeaderPlan {
    levels: SmallVec<[Box<HeaderEdits>; 2]>,
}

impl HeaderPlan {
    /// The edits of a route without destinations: a redirect, a direct response.
    pub fn route_only(route: HeaderEdits) -> Self {
        Self::of([route])
    }

    /// For a route with one destination: both are one level, so the destination's `set` wins and its `remove`
    /// takes nothing the route sets or adds (ROUTE-HDR-03).
    pub fn single_destination(route: HeaderEdits, destination: HeaderEdits) -> Self {
        Self::of([route.then(destination)])
    }

    /// For one of several destinations: its level comes first, the route's second, so the route's `set` wins
    /// (ROUTE-HDR-04).
    pub fn weighted_destination(route: HeaderEdits, destination: HeaderEdits) -> Self {
        Self::of([destination, route])
    }

    fn of(levels: impl IntoIterator<Item = HeaderEdits>) -> Self {
        Self { levels: levels.into_iter().filter(|level| !level.is_empty()).map(Box::new).collect() }
    }

    /// Whether nothing is edited.
    pub fn is_empty(&self) -> bool {
        self.levels.is_empty()
    }

    /// Makes the edits: level by level removes, then sets, then adds (ROUTE-HDR-01).
    ///
    /// Allocates for values with operators, and for more than eight sets and adds in a level.
    pub fn apply(&self, target: &mut impl HeaderEditor) {
        for level in &self.levels {
            level.apply(target);
        }
    }
}

/// The authority to send upstream, if it is not the request's: `rewrite.authority`, else the route's `set` of
/// `Host` or `:authority`, else its `add`, else the destination's (ROUTE-RWR-10). Verbatim, no operators.
pub fn upstream_authority<'e>(
    rewrite: Option<&'e str>,
    route: &'e HeaderEdits,
    destination: &'e HeaderEdits,
) -> Option<&'e str> {
    rewrite.or_else(|| route.authority()).or_else(|| destination.authority())
}

/// Keys are processed in alphabetical order, as written (ROUTE-HDR-02).
fn insert(edits: &mut Vec<Edit>, key: &str, name: Box<str>, value: &str) -> Result<(), BuildError> {
    let value = Template::new(value)?;
    let at = edits.partition_point(|edit| *edit.key <= *key);
    edits.insert(at, Edit { key: key.into(), name, value });
    Ok(())
}

/// Keeps the value of the alphabetically first key. Two are refused before they come here; this makes the
/// answer independent of their order all the same.
fn keep_first(slot: &mut Option<Authority>, key: &str, value: &str) {
    if slot.as_ref().is_none_or(|found| key < &*found.key) {
        *slot = Some(Authority { key: key.into(), value: value.into() });
    }
}

fn parse_name(name: &str) -> Result<Name, BuildError> {
    let lower = name.to_ascii_lowercase();
    if lower == "host" || lower == ":authority" {
        return Ok(Name::Authority);
    }
    if lower.starts_with(':') {
        return Ok(Name::Pseudo);
    }
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if lower.is_empty() || !lower.bytes().all(is_token) {
        let message = format!("`{}` is no header name", name.escape_debug());
        return Err(BuildError::new(BuildErrorKind::HeaderName, message));
    }
    Ok(Name::Line(lower.into()))
}
