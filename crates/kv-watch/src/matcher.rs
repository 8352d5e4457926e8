use std::collections::HashMap;

use bytes::Bytes;
use kv_types::{KeyRange, RangeEnd};

use crate::Filters;
use crate::intervals::{End, IntervalTree};

/// Which changes somebody wants to hear of.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Interest {
    pub(crate) range: KeyRange,
    pub(crate) filters: Filters,
}

/// Finds the values whose range holds a key: single keys in a table, the rest in an interval tree.
#[derive(Debug)]
pub(crate) struct Matcher<T> {
    /// Only looked up, never iterated, so its order is nowhere seen.
    singles: HashMap<Bytes, Vec<T>>,
    ranges: IntervalTree<T>,
}

impl<T: Copy + Ord> Matcher<T> {
    pub(crate) fn new() -> Self {
        Self {
            singles: HashMap::new(),
            ranges: IntervalTree::new(),
        }
    }

    pub(crate) fn insert(&mut self, range: &KeyRange, value: T) {
        match end(range) {
            None => self.singles.entry(range.start.clone()).or_default().push(value),
            Some(end) => self.ranges.insert(range.start.clone(), end, value),
        }
    }

    pub(crate) fn remove(&mut self, range: &KeyRange, value: T) {
        if let Some(end) = end(range) {
            self.ranges.remove(&range.start, &end, value);
        } else if let Some(values) = self.singles.get_mut(&range.start) {
            values.retain(|other| *other != value);
            if values.is_empty() {
                self.singles.remove(&range.start);
            }
        }
    }

    /// Visits the values whose range holds `key`, each once.
    pub(crate) fn visit(&self, key: &Bytes, mut visit: impl FnMut(T)) {
        for value in self.singles.get(key).into_iter().flatten() {
            visit(*value);
        }
        self.ranges.visit(key, &mut visit);
    }
}

/// The end of a range that is not a single key.
fn end(range: &KeyRange) -> Option<End> {
    match &range.end {
        RangeEnd::Single => None,
        RangeEnd::Unbounded => Some(End::Unbounded),
        RangeEnd::Before(end) => Some(End::Before(end.clone())),
    }
}
