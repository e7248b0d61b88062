//! The three parts of a rule as plain values.

mod condition;
mod operation;
mod source;

pub use condition::Condition;
pub use operation::Operation;
pub use source::Source;

/// The values of one field and of its negation.
///
/// The field holds if (`values` is empty or one of them matches) and no one of `not` matches
/// (AUTHZ-RULE-03).
#[derive(Debug, Clone, Default)]
pub(crate) struct Values {
    pub(crate) values: Vec<String>,
    pub(crate) not: Vec<String>,
}

impl Values {
    pub(crate) fn add<T: ToString>(&mut self, values: impl IntoIterator<Item = T>) {
        self.values.extend(values.into_iter().map(|v| v.to_string()));
    }

    pub(crate) fn add_not<T: ToString>(&mut self, values: impl IntoIterator<Item = T>) {
        self.not.extend(values.into_iter().map(|v| v.to_string()));
    }
}

/// Writes the setter of a field and of its negation.
macro_rules! field {
    ($(#[$doc:meta])* $name:ident, $(#[$not_doc:meta])* $not_name:ident) => {
        $(#[$doc])*
        #[must_use]
        pub fn $name<T: ToString>(mut self, values: impl IntoIterator<Item = T>) -> Self {
            self.$name.add(values);
            self
        }

        $(#[$not_doc])*
        #[must_use]
        pub fn $not_name<T: ToString>(mut self, values: impl IntoIterator<Item = T>) -> Self {
            self.$name.add_not(values);
            self
        }
    };
}
pub(crate) use field;
