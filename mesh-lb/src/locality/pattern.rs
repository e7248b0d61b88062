//! `region/zone/sub_zone` with wildcards.

use crate::endpoint::Locality;
use crate::error::{BuildError, BuildErrorKind};

/// One side of a `distribute` entry (LB-ILOC-05).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LocalityPattern {
    text: Box<str>,
    /// `None` is "any": the part is `*` or left out.
    parts: [Option<Box<str>>; 3],
}

impl LocalityPattern {
    pub(super) fn new(field: &'static str, text: &str) -> Result<Self, BuildError> {
        let problem = |problem| Err(BuildErrorKind::Locality { field, text: text.into(), problem }.into());
        let mut parts = [None, None, None];
        let mut wild = false;
        for (at, part) in text.split('/').enumerate() {
            let Some(slot) = parts.get_mut(at) else { return problem("has more than three parts") };
            match part {
                _ if wild => return problem("has `*` before its last part"),
                "" => return problem("has an empty part"),
                "*" => wild = true,
                _ => *slot = Some(Box::from(part)),
            }
        }
        Ok(Self { text: text.into(), parts })
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn matches(&self, locality: &Locality) -> bool {
        let texts = [locality.region(), locality.zone(), locality.sub_zone()];
        self.parts.iter().zip(texts).all(|(part, text)| part.as_deref().is_none_or(|part| part == text))
    }

    /// Whether some locality matches both.
    fn overlaps(&self, other: &Self) -> bool {
        let compatible =
            |(a, b): (&Option<Box<str>>, &Option<Box<str>>)| a.is_none() || b.is_none() || a == b;
        self.parts.iter().zip(&other.parts).all(compatible)
    }

    /// LB-ILOC-07: no two may overlap, so the order they are tried in does not matter.
    pub(super) fn check_apart<'p>(
        field: &'static str,
        patterns: impl IntoIterator<Item = &'p Self>,
    ) -> Result<(), BuildError> {
        let patterns: Vec<&Self> = patterns.into_iter().collect();
        for (at, pattern) in patterns.iter().enumerate() {
            if patterns.iter().take(at).any(|before| before.overlaps(pattern)) {
                let problem = "overlaps with another entry";
                return Err(BuildErrorKind::Locality { field, text: pattern.text().into(), problem }.into());
            }
        }
        Ok(())
    }
}
