//! A set of steps, by their index in a definition.

use serde::{Deserialize, Serialize};

/// Up to 64 steps by their index, as one number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepSet(u64);

impl StepSet {
    /// How many steps a set can tell apart; a definition has no more of a kind.
    pub const CAPACITY: usize = 64;

    /// Adds a step; whether it was not in yet.
    ///
    /// # Panics
    /// In debug builds, when the index is not below [`StepSet::CAPACITY`].
    pub fn insert(&mut self, index: usize) -> bool {
        let before = self.0;
        self.0 |= 1 << index;
        self.0 != before
    }

    /// Takes a step out; whether it was in.
    pub fn remove(&mut self, index: usize) -> bool {
        let before = self.0;
        self.0 &= !(1 << index);
        self.0 != before
    }

    /// Whether a step is in.
    pub const fn contains(self, index: usize) -> bool {
        self.0 >> index & 1 == 1
    }

    /// Whether no step is in.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// How many steps are in.
    pub const fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// The step with the greatest index: the latest.
    pub fn last(self) -> Option<usize> {
        self.0.checked_ilog2().map(|index| index as usize)
    }

    /// The steps, the first first.
    pub fn iter(self) -> impl Iterator<Item = usize> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let index = (rest != 0).then(|| rest.trailing_zeros() as usize)?;
            rest &= rest - 1;
            Some(index)
        })
    }
}

impl FromIterator<usize> for StepSet {
    fn from_iter<I: IntoIterator<Item = usize>>(indexes: I) -> Self {
        let mut set = Self::default();
        for index in indexes {
            set.insert(index);
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_knows_its_members_and_its_latest() {
        let mut set: StepSet = [0, 63, 5].into_iter().collect();
        assert_eq!((set.len(), set.last()), (3, Some(63)));
        assert!(!set.insert(5));
        assert!(set.remove(63));
        assert!(!set.remove(63));
        assert_eq!((set.last(), set.iter().collect::<Vec<_>>()), (Some(5), vec![0, 5]));
        assert!(StepSet::default().is_empty());
        assert_eq!(StepSet::default().last(), None);
    }
}
