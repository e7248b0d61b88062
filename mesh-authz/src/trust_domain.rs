//! Trust-domain aliases: one policy, several names for the same mesh.

/// The trust domain of the mesh and the names it had before.
///
/// Principals of policies are rewritten for all of them when a policy set is built (AUTHZ-SRC-11), and a
/// trust domain that is one of them stands for all of them (AUTHZ-SRC-12).
///
/// ```
/// use mesh_authz::TrustDomains;
///
/// let domains = TrustDomains::new("td-new").aliases(["td-old"]);
/// # let _ = domains;
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustDomains {
    /// The mesh's own domain first. May contain `*` at one end, as Istio allows for aliases.
    all: Vec<String>,
}

impl Default for TrustDomains {
    /// `cluster.local` without aliases.
    fn default() -> Self {
        Self::new(CLUSTER_LOCAL)
    }
}

const CLUSTER_LOCAL: &str = "cluster.local";

impl TrustDomains {
    /// The mesh setting `trustDomain`.
    pub fn new(mesh: impl Into<String>) -> Self {
        Self { all: vec![mesh.into()] }
    }

    /// Adds the mesh setting `trustDomainAliases`.
    #[must_use]
    pub fn aliases<T: Into<String>>(mut self, aliases: impl IntoIterator<Item = T>) -> Self {
        self.all.extend(aliases.into_iter().map(Into::into));
        self
    }

    /// The mesh's own domain, then the aliases.
    pub(crate) fn all(&self) -> impl Iterator<Item = &str> {
        self.all.iter().map(String::as_str)
    }

    /// What the principal `value` of a policy stands for (AUTHZ-SRC-11).
    pub(crate) fn expand_principal(&self, value: &str) -> Vec<String> {
        let Some((domain, rest)) = value.split_once('/') else { return vec![value.into()] };
        let parts = 2 + rest.matches('/').count();
        // `cluster.local` is a pointer to the mesh's domains; it need not be one of them.
        let ours = domain == CLUSTER_LOCAL || self.all.iter().any(|ours| overlap(domain, ours));
        if parts != 5 || domain == "*" || !ours {
            return vec![value.into()];
        }
        let mut expanded = Vec::new();
        for ours in &self.all {
            let covered = domain.strip_prefix('*').is_some_and(|suffix| ours.ends_with(suffix));
            let principal = if covered { value.to_owned() } else { format!("{ours}/{rest}") };
            if !expanded.contains(&principal) {
                expanded.push(principal);
            }
        }
        expanded
    }

    /// What the trust domain `value` of a policy stands for (AUTHZ-SRC-12).
    pub(crate) fn expand_trust_domain<'a>(&'a self, value: &'a str) -> impl Iterator<Item = &'a str> {
        let member = self.all.iter().any(|ours| ours == value);
        let (all, itself) = if member { (&*self.all, None) } else { (&[][..], Some(value)) };
        all.iter().map(String::as_str).chain(itself)
    }
}

/// Whether the domain `theirs` of a policy and the domain `ours` of the mesh, either of which may be a
/// pattern, name the same domain.
fn overlap(theirs: &str, ours: &str) -> bool {
    fn covers(pattern: &str, text: &str) -> bool {
        pattern.strip_suffix('*').is_some_and(|prefix| text.starts_with(prefix))
            || pattern.strip_prefix('*').is_some_and(|suffix| text.ends_with(suffix))
    }
    theirs == ours || covers(theirs, ours) || covers(ours, theirs)
}
