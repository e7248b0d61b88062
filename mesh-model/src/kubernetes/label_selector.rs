//! Selectors by labels, with expressions.

use crate::common::StringMap;
use crate::macros::spec;

spec! {
    /// Selects by labels: all pairs and all expressions must hold. An empty one selects everything.
    pub struct LabelSelector {
        /// Labels that must have these values.
        pub match_labels: StringMap,
        /// More conditions.
        pub match_expressions: Vec<LabelSelectorRequirement>,
    }

    /// A condition on one label.
    pub struct LabelSelectorRequirement {
        /// The label.
        pub key: String,
        /// `In`, `NotIn`, `Exists` or `DoesNotExist`.
        pub operator: String,
        /// With `In` and `NotIn`.
        pub values: Vec<String>,
    }
}

impl LabelSelector {
    /// True when it selects an object with these labels.
    ///
    /// A label that is absent satisfies `NotIn` and `DoesNotExist`. An operator that does not exist selects nothing.
    ///
    /// ```
    /// use mesh_model::kubernetes::LabelSelector;
    /// let selector: LabelSelector =
    ///     serde_yaml::from_str("{matchExpressions: [{key: env, operator: In, values: [test]}]}")?;
    /// let labels = |value: &str| [("env".to_owned(), value.to_owned())].into();
    /// assert!(selector.matches(&labels("test")) && !selector.matches(&labels("prod")));
    /// # Ok::<(), serde_yaml::Error>(())
    /// ```
    pub fn matches(&self, labels: &StringMap) -> bool {
        self.match_labels.iter().all(|(key, value)| labels.get(key) == Some(value))
            && self.match_expressions.iter().all(|expression| expression.holds(labels))
    }
}

impl LabelSelectorRequirement {
    fn holds(&self, labels: &StringMap) -> bool {
        let value = labels.get(&self.key);
        match self.operator.as_str() {
            "In" => value.is_some_and(|value| self.values.contains(value)),
            "NotIn" => value.is_none_or(|value| !self.values.contains(value)),
            "Exists" => value.is_some(),
            "DoesNotExist" => value.is_none(),
            _ => false,
        }
    }
}
