//! What else must hold.

use super::Values;

/// One entry of a rule's `when`: an attribute by its key, and the values it may and may not have.
///
/// The keys are those of AUTHZ-COND-01, among them `request.headers[NAME]`, `source.ip`,
/// `request.auth.claims[NAME][INNER]` and `connection.sni`. Conditions with the same key must all hold,
/// so "the claim contains a and b" is written as two of them (AUTHZ-RULE-04).
///
/// ```
/// use mesh_authz::Condition;
///
/// let condition = Condition::new("request.headers[x-env]").values(["*"]).not_values(["test"]);
/// # let _ = condition;
/// ```
#[derive(Debug, Clone)]
pub struct Condition {
    pub(crate) key: String,
    pub(crate) values: Values,
}

impl Condition {
    /// A condition on the attribute `key`; without values it is always true (AUTHZ-RULE-06).
    pub fn new(key: impl Into<String>) -> Self {
        Self { key: key.into(), values: Values::default() }
    }

    /// Adds values of which one must match.
    #[must_use]
    pub fn values<T: ToString>(mut self, values: impl IntoIterator<Item = T>) -> Self {
        self.values.add(values);
        self
    }

    /// Adds values of which none may match.
    #[must_use]
    pub fn not_values<T: ToString>(mut self, values: impl IntoIterator<Item = T>) -> Self {
        self.values.add_not(values);
        self
    }
}
