//! What is called.

use super::{Values, field};

/// One entry of a rule's `to`: all of its fields must hold (AUTHZ-RULE-02).
///
/// Hosts, methods and paths exist on HTTP only. On a TCP connection an `Allow` rule that names one
/// never matches, while any other action goes by what is left of the rule (AUTHZ-TCP-02, AUTHZ-TCP-03).
///
/// ```
/// use mesh_authz::Operation;
///
/// let operation = Operation::new().ports([8080]).paths(["/users/{*}/photo"]).not_methods(["DELETE"]);
/// # let _ = operation;
/// ```
#[derive(Debug, Clone, Default)]
pub struct Operation {
    pub(crate) hosts: Values,
    pub(crate) ports: Values,
    pub(crate) methods: Values,
    pub(crate) paths: Values,
}

impl Operation {
    /// An operation that takes every request.
    pub fn new() -> Self {
        Self::default()
    }

    field! {
        /// The authority of the request with its port, if it has one, in any letter case: exact, `p*`,
        /// `*s` or `*` (AUTHZ-OP-01).
        hosts,
        /// Negation of [`hosts`](Self::hosts).
        not_hosts
    }
    field! {
        /// The local port of the connection, 0 to 65535, as a number or as decimal text (AUTHZ-OP-04,
        /// AUTHZ-OP-05).
        ports,
        /// Negation of [`ports`](Self::ports).
        not_ports
    }
    field! {
        /// Methods in their own letter case (AUTHZ-OP-03).
        methods,
        /// Negation of [`methods`](Self::methods).
        not_methods
    }
    field! {
        /// The path without query and fragment: exact, `p*`, `*s`, `*`, or a template with `{*}` for one
        /// segment and `{**}` for any number (AUTHZ-PATH-01, AUTHZ-PATH-08).
        paths,
        /// Negation of [`paths`](Self::paths).
        not_paths
    }
}
