//! Structured attributes: the claims of a verified token, and filter metadata.

/// A value of a claim or of a metadata entry.
///
/// Policies see strings, and strings in lists; every other JSON value matches nothing, not even `*`
/// (AUTHZ-COND-05).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Value {
    /// A string.
    String(Box<str>),
    /// A list.
    List(Vec<Value>),
    /// An object.
    Object(Vec<(Box<str>, Value)>),
    /// A number, a boolean or null.
    Other,
}

impl Value {
    /// A list of strings.
    pub fn list<'a>(items: impl IntoIterator<Item = &'a str>) -> Self {
        Self::List(items.into_iter().map(Self::from).collect())
    }

    /// An object; where a name occurs twice the later one counts.
    pub fn object<'a>(members: impl IntoIterator<Item = (&'a str, Value)>) -> Self {
        let mut found = Vec::new();
        for (name, value) in members {
            set(&mut found, name, value);
        }
        Self::Object(found)
    }

    /// Whether this is a string that passes `test`, or a list with at least one such string.
    pub(crate) fn any_string(&self, test: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        match self {
            Self::String(s) => test(s.as_bytes()),
            Self::List(_) => self.any_listed_string(test),
            Self::Object(_) | Self::Other => false,
        }
    }

    /// Whether this is a list with at least one string that passes `test`.
    pub(crate) fn any_listed_string(&self, test: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        match self {
            Self::List(items) => {
                items.iter().any(|item| matches!(item, Self::String(s) if test(s.as_bytes())))
            }
            _ => false,
        }
    }

    fn member(&self, name: &str) -> Option<&Value> {
        match self {
            Self::Object(members) => get(members, name),
            _ => None,
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::String(text.into())
    }
}

fn get<'v>(members: &'v [(Box<str>, Value)], name: &str) -> Option<&'v Value> {
    members.iter().find(|(n, _)| &**n == name).map(|(_, v)| v)
}

fn set(members: &mut Vec<(Box<str>, Value)>, name: &str, value: Value) {
    match members.iter_mut().find(|(n, _)| &**n == name) {
        Some((_, old)) => *old = value,
        None => members.push((name.into(), value)),
    }
}

/// The value of the claim `name`, as a list if its words count one by one (AUTHZ-COND-07).
fn split<'n>(name: &str, value: Value, mut delimited: impl Iterator<Item = &'n str>) -> Value {
    match value {
        Value::String(text) if matches!(name, "scope" | "permission") || delimited.any(|n| n == name) => {
            Value::list(text.split(' ').filter(|s| !s.is_empty()))
        }
        value => value,
    }
}

/// The claims of one verified token, as policies see them.
///
/// Made once a token; every request that carries it borrows it. They come out of a
/// [`VerifiedToken`](crate::jwt::VerifiedToken), or from an embedder who verifies tokens another way: only claims of
/// a token whose signature, issuer, audience and times have been checked belong here.
///
/// ```
/// use mesh_authz::{Claims, Value};
///
/// let claims = Claims::new()
///     .claim("iss", "https://issuer.example")
///     .claim("sub", "alice")
///     .claim("groups", Value::list(["dev", "ops"]));
/// assert_eq!(claims.get("sub"), Some(&Value::from("alice")));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claims {
    space_delimited: Vec<Box<str>>,
    members: Vec<(Box<str>, Value)>,
}

impl Claims {
    /// No claims yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Names further claims whose strings are split at spaces, the rule's `spaceDelimitedClaims`; call it
    /// before adding them. `scope` and `permission` are always split (AUTHZ-COND-07).
    #[must_use]
    pub fn space_delimited<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
        self.space_delimited.extend(names.into_iter().map(Box::from));
        self
    }

    /// Sets the top-level claim `name`.
    #[must_use]
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        let value = split(name, value.into(), self.space_delimited.iter().map(|n| &**n));
        set(&mut self.members, name, value);
        self
    }

    /// All claims at once. The names are distinct, so that none has to be looked for among the others: a token may
    /// have thousands.
    pub(crate) fn from_distinct(
        space_delimited: &[String],
        members: impl Iterator<Item = (Box<str>, Value)>,
    ) -> Self {
        let delimited = || space_delimited.iter().map(String::as_str);
        let members = members.map(|(name, value)| {
            let value = split(&name, value, delimited());
            (name, value)
        });
        Self { space_delimited: delimited().map(Box::from).collect(), members: members.collect() }
    }

    /// The top-level claim `name`.
    pub fn get(&self, name: &str) -> Option<&Value> {
        get(&self.members, name)
    }

    /// The claim at `path`, walking through objects only (AUTHZ-COND-06).
    pub(crate) fn at(&self, path: &[Box<str>]) -> Option<&Value> {
        let (first, rest) = path.split_first()?;
        rest.iter().try_fold(self.get(first)?, |value, name| value.member(name))
    }

    /// The claim `name` if it is a string.
    pub(crate) fn string(&self, name: &str) -> Option<&[u8]> {
        match self.get(name)? {
            Value::String(text) => Some(text.as_bytes()),
            _ => None,
        }
    }
}

/// Metadata that other filters have left about a request or connection, by namespace and key
/// (AUTHZ-COND-09).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    namespaces: Vec<(Box<str>, Value)>,
}

impl Metadata {
    /// No metadata yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the entry `key` of `namespace`, such as `a` of `envoy.filters.http.x`.
    #[must_use]
    pub fn entry(mut self, namespace: &str, key: &str, value: impl Into<Value>) -> Self {
        let mut members = match get(&self.namespaces, namespace) {
            Some(Value::Object(members)) => members.clone(),
            _ => Vec::new(),
        };
        set(&mut members, key, value.into());
        set(&mut self.namespaces, namespace, Value::Object(members));
        self
    }

    pub(crate) fn at(&self, namespace: &str, key: &str) -> Option<&Value> {
        get(&self.namespaces, namespace)?.member(key)
    }
}
