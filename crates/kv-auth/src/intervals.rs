use bytes::Bytes;
use kv_types::{KeyRange, RangeEnd};

/// Keys from one, and up to another if there is an end.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Interval {
    start: Bytes,
    /// The first key behind it.
    end: Option<Bytes>,
}

impl Interval {
    fn of(range: &KeyRange) -> Self {
        let end = match &range.end {
            // The next key there can be.
            RangeEnd::Single => Some([&range.start[..], &[0]].concat().into()),
            RangeEnd::Before(end) => Some(end.clone()),
            RangeEnd::Unbounded => None,
        };
        Self {
            start: range.start.clone(),
            end,
        }
    }

    /// Whether its end is not before this one.
    fn reaches(&self, end: Option<&Bytes>) -> bool {
        match (&self.end, end) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(own), Some(end)) => own >= end,
        }
    }
}

/// Intervals of keys merged into one set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Intervals {
    /// Invariant: sorted, with a gap between any two.
    merged: Vec<Interval>,
}

impl Intervals {
    pub(crate) fn new<'a>(ranges: impl Iterator<Item = &'a KeyRange>) -> Self {
        let mut all: Vec<_> = ranges.map(Interval::of).collect();
        all.sort_by(|a, b| a.start.cmp(&b.start));
        let mut merged: Vec<Interval> = Vec::new();
        for interval in all {
            match merged.last_mut() {
                Some(last) if last.reaches(Some(&interval.start)) => {
                    if !last.reaches(interval.end.as_ref()) {
                        last.end = interval.end;
                    }
                }
                _ => merged.push(interval),
            }
        }
        Self { merged }
    }

    /// Whether all of the range is in the set. Of a range that ends before it begins its first key is asked for, as
    /// in etcd.
    pub(crate) fn contain(&self, range: &KeyRange) -> bool {
        let asked = Interval::of(range);
        let behind = self
            .merged
            .partition_point(|interval| interval.start <= asked.start);
        let Some(before) = behind.checked_sub(1).map(|place| &self.merged[place]) else {
            return false;
        };
        before.end.as_ref().is_none_or(|end| asked.start < *end) && before.reaches(asked.end.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn range(key: &str, end: &str) -> KeyRange {
        KeyRange::from_wire(
            Bytes::copy_from_slice(key.as_bytes()),
            Bytes::copy_from_slice(end.as_bytes()),
        )
    }

    fn set(ranges: &[(&str, &str)]) -> Intervals {
        let ranges: Vec<_> = ranges.iter().map(|(key, end)| range(key, end)).collect();
        Intervals::new(ranges.iter())
    }

    #[test]
    fn adjacent_intervals_are_one_and_a_gap_is_a_gap() {
        let touching = set(&[("c", "e"), ("a", "c"), ("x", "\0")]);
        for (key, end, want) in [
            ("a", "e", true),
            ("b", "d", true),
            ("a", "f", false),
            ("d", "x", false),
            ("e", "", false),
            ("x", "\0", true),
            ("a", "\0", false),
            ("zz", "", true),
        ] {
            assert_eq!(touching.contain(&range(key, end)), want, "{key} {end}");
        }
    }

    #[test]
    fn a_single_key_is_no_more_than_that() {
        let one = set(&[("k", "")]);
        assert!(one.contain(&range("k", "")) && one.contain(&range("k", "k\0")));
        for (key, end) in [("k", "\0"), ("k", "l"), ("k\0", ""), ("j", "k"), ("kk", "")] {
            assert!(!one.contain(&range(key, end)), "{key} {end:?}");
        }
        assert!(!set(&[]).contain(&range("k", "")));
        // Ends before it begins: judged by the first key.
        assert!(one.contain(&range("k", "a")) && !one.contain(&range("l", "a")));
    }

    proptest! {
        /// Against all keys of a small alphabet, one by one.
        #[test]
        fn a_range_is_contained_if_each_of_its_keys_is(
            granted in prop::collection::vec(("[a-c]{1,2}", "[a-d]{0,2}"), 0..5),
            key in "[a-c]{1,2}",
            end in "[a-d]{1,2}",
        ) {
            let granted: Vec<_> = granted
                .iter()
                .map(|(key, end)| range(key, end))
                .filter(|range| !range.is_empty())
                .collect();
            let asked = range(&key, &end);
            prop_assume!(!asked.is_empty());
            const LETTERS: [&str; 6] = ["", "\0", "a", "b", "c", "d"];
            let pairs = LETTERS.iter().flat_map(|a| LETTERS.iter().map(move |b| format!("{a}{b}")));
            let mut keys = pairs.flat_map(|pair| LETTERS.iter().map(move |c| format!("{pair}{c}")));
            let each = keys
                .all(|key| !asked.contains(key.as_bytes()) || granted.iter().any(|range| range.contains(key.as_bytes())));
            prop_assert_eq!(Intervals::new(granted.iter()).contain(&asked), each);
        }
    }
}
