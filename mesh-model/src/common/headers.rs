//! Header manipulation, at route and at destination level.

use super::StringMap;
use crate::macros::spec;

spec! {
    /// Header operations on the request to the upstream and on its response.
    pub struct Headers {
        /// Applied before the request is forwarded.
        pub request: Option<HeaderOperations>,
        /// Applied before the response is returned.
        pub response: Option<HeaderOperations>,
    }

    /// Overwrite, append and delete; values may hold `%COMMAND%` substitutions.
    pub struct HeaderOperations {
        /// Overwrites the header.
        pub set: StringMap,
        /// Appends a value.
        pub add: StringMap,
        /// Deletes the header.
        pub remove: Vec<String>,
    }
}
