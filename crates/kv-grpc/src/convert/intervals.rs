use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::Bytes;

/// A set of keys made of half-open intervals, merged where they overlap.
#[derive(Clone, Debug, Default)]
pub(crate) struct Intervals {
    // Start to end. Invariant: not empty, and apart from each other.
    map: BTreeMap<Bytes, Bytes>,
}

impl Intervals {
    /// Adds the keys from `start` on and before `end`; none if `end` is not above `start`.
    pub(crate) fn insert(&mut self, mut start: Bytes, mut end: Bytes) {
        if end <= start {
            return;
        }
        if let Some((before, before_end)) = self.map.range(..start.clone()).next_back()
            && *before_end >= start
        {
            start = before.clone();
        }
        while let Some((next, next_end)) = self.map.range(start.clone()..).next()
            && *next <= end
        {
            end = end.max(next_end.clone());
            let next = next.clone();
            self.map.remove(&next);
        }
        self.map.insert(start, end);
    }

    /// Adds all of `other`.
    pub(crate) fn extend(&mut self, other: Self) {
        for (start, end) in other.map {
            self.insert(start, end);
        }
    }

    /// Whether `key` is in the set.
    pub(crate) fn contains(&self, key: &[u8]) -> bool {
        let at_or_before = (Bound::Unbounded, Bound::Included(key));
        self.map
            .range::<[u8], _>(at_or_before)
            .next_back()
            .is_some_and(|(_, end)| &end[..] > key)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn contains_what_any_inserted_interval_contains(
            inserted in prop::collection::vec(("[a-d]{0,2}", "[a-d]{0,2}"), 0..12),
            key in "[a-d]{0,3}",
        ) {
            let mut intervals = Intervals::default();
            for (start, end) in &inserted {
                intervals.insert(start.clone().into(), end.clone().into());
            }
            let expected = inserted.iter().any(|(start, end)| *start <= key && key < *end);
            prop_assert_eq!(intervals.contains(key.as_bytes()), expected);
            let ends: Vec<_> = intervals.map.iter().flat_map(|(start, end)| [start, end]).collect();
            prop_assert!(ends.is_sorted_by(|a, b| a < b));
        }
    }
}
