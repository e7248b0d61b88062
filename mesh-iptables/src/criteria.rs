//! The conditions of one rule.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::{Deref, DerefMut};

use crate::rule::Criterion;

/// All conditions of a [`Rule`](crate::Rule), in the order they are written; a slice of [`Criterion`].
///
/// Most rules have one or two, which are kept in place: a plan of thousands of ports and ranges costs no
/// allocation a rule.
#[derive(Clone)]
pub struct Criteria(Kept);

#[derive(Clone)]
enum Kept {
    None,
    One([Criterion; 1]),
    Two([Criterion; 2]),
    More(Vec<Criterion>),
}

impl Criteria {
    pub(crate) fn push(&mut self, criterion: Criterion) {
        self.0 = match std::mem::replace(&mut self.0, Kept::None) {
            Kept::None => Kept::One([criterion]),
            Kept::One([first]) => Kept::Two([first, criterion]),
            Kept::Two([first, second]) => Kept::More(vec![first, second, criterion]),
            Kept::More(mut list) => {
                list.push(criterion);
                Kept::More(list)
            }
        };
    }
}

impl Deref for Criteria {
    type Target = [Criterion];

    fn deref(&self) -> &[Criterion] {
        match &self.0 {
            Kept::None => &[],
            Kept::One(one) => one,
            Kept::Two(two) => two,
            Kept::More(list) => list,
        }
    }
}

impl DerefMut for Criteria {
    fn deref_mut(&mut self) -> &mut [Criterion] {
        match &mut self.0 {
            Kept::None => &mut [],
            Kept::One(one) => one,
            Kept::Two(two) => two,
            Kept::More(list) => list,
        }
    }
}

impl From<[Criterion; 0]> for Criteria {
    fn from(_: [Criterion; 0]) -> Self {
        Self(Kept::None)
    }
}

impl From<[Criterion; 1]> for Criteria {
    fn from(one: [Criterion; 1]) -> Self {
        Self(Kept::One(one))
    }
}

impl From<[Criterion; 2]> for Criteria {
    fn from(two: [Criterion; 2]) -> Self {
        Self(Kept::Two(two))
    }
}

impl From<Vec<Criterion>> for Criteria {
    fn from(list: Vec<Criterion>) -> Self {
        Self(Kept::More(list))
    }
}

impl FromIterator<Criterion> for Criteria {
    fn from_iter<I: IntoIterator<Item = Criterion>>(criteria: I) -> Self {
        let mut collected = Self(Kept::None);
        for criterion in criteria {
            collected.push(criterion);
        }
        collected
    }
}

impl<'c> IntoIterator for &'c Criteria {
    type Item = &'c Criterion;
    type IntoIter = std::slice::Iter<'c, Criterion>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'c> IntoIterator for &'c mut Criteria {
    type Item = &'c mut Criterion;
    type IntoIter = std::slice::IterMut<'c, Criterion>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter_mut()
    }
}

// By content, however it is kept.

impl PartialEq for Criteria {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Criteria {}

impl Hash for Criteria {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

impl fmt::Debug for Criteria {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::{tcp, udp};

    #[test]
    fn they_are_equal_by_content() {
        let forms: [(Criteria, Criteria); 3] = [
            ([].into(), vec![].into()),
            ([tcp()].into(), vec![tcp()].into()),
            ([tcp(), udp()].into(), [tcp(), udp()].into_iter().collect()),
        ];
        for (kept, listed) in &forms {
            assert_eq!(kept, listed);
            assert_eq!(format!("{kept:?}"), format!("{listed:?}"));
        }
        let mut grown = Criteria::from([]);
        for length in 1..5 {
            grown.push(tcp().not());
            assert_eq!(grown.len(), length);
            assert!(grown.iter().all(|criterion| criterion.negated));
        }
        grown[3].negated = false;
        assert!(!grown[3].negated && grown != Criteria::from([tcp()]));
    }
}
