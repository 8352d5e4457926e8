use std::ops::Bound;

use bytes::Bytes;

/// Where a [`KeyRange`] ends.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RangeEnd {
    /// The range is the start key alone.
    Single,
    /// Every key at or after the start.
    Unbounded,
    /// Every key at or after the start and before this one.
    Before(Bytes),
}

/// An interval of keys in byte order, with etcd's rules for `key` and `range_end`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KeyRange {
    /// First key of the interval.
    pub start: Bytes,
    /// Where it ends.
    pub end: RangeEnd,
}

impl KeyRange {
    /// Exactly one key.
    pub fn single(key: Bytes) -> Self {
        Self {
            start: key,
            end: RangeEnd::Single,
        }
    }

    /// Every key there is.
    pub fn all() -> Self {
        Self {
            start: Bytes::new(),
            end: RangeEnd::Unbounded,
        }
    }

    /// Reads the wire form: an empty `range_end` means the key alone, one zero byte means no end.
    pub fn from_wire(key: Bytes, range_end: Bytes) -> Self {
        let end = match &range_end[..] {
            [] => RangeEnd::Single,
            [0] => RangeEnd::Unbounded,
            _ => RangeEnd::Before(range_end),
        };
        Self { start: key, end }
    }

    /// The `range_end` of the wire form.
    pub fn wire_end(&self) -> &[u8] {
        match &self.end {
            RangeEnd::Single => &[],
            RangeEnd::Unbounded => &[0],
            RangeEnd::Before(end) => end,
        }
    }

    /// Whether the range is one key by its form (not merely by holding one).
    pub fn is_single(&self) -> bool {
        self.end == RangeEnd::Single
    }

    /// Whether no key can lie in the range.
    pub fn is_empty(&self) -> bool {
        matches!(&self.end, RangeEnd::Before(end) if *end <= self.start)
    }

    /// Whether `key` lies in the range.
    pub fn contains(&self, key: &[u8]) -> bool {
        match &self.end {
            RangeEnd::Single => key == self.start,
            RangeEnd::Unbounded => key >= &self.start[..],
            RangeEnd::Before(end) => key >= &self.start[..] && key < &end[..],
        }
    }

    /// The bounds for an ordered map. Never panics a `BTreeMap::range`: an empty range starts and ends
    /// (exclusively) at its start.
    pub fn bounds(&self) -> (Bound<&[u8]>, Bound<&[u8]>) {
        let start = &self.start[..];
        match &self.end {
            RangeEnd::Single => (Bound::Included(start), Bound::Included(start)),
            RangeEnd::Unbounded => (Bound::Included(start), Bound::Unbounded),
            RangeEnd::Before(end) => (Bound::Included(start), Bound::Excluded((&end[..]).max(start))),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn range(key: &'static str, end: &'static str) -> KeyRange {
        KeyRange::from_wire(
            Bytes::from_static(key.as_bytes()),
            Bytes::from_static(end.as_bytes()),
        )
    }

    #[test]
    fn wire_forms_select_what_etcd_selects() {
        assert!(range("a", "").contains(b"a") && !range("a", "").contains(b"aa"));
        assert!(range("a", "\0").contains(b"zz") && !range("b", "\0").contains(b"a"));
        assert!(range("a", "b").contains(b"azz") && !range("a", "b").contains(b"b"));
        assert!(range("b", "a").is_empty() && range("a", "a").is_empty());
        assert!(range("\0", "\0").contains(b"\0") && range("\0", "").is_single());
    }

    proptest! {
        #[test]
        fn bounds_and_contains_agree(
            keys in prop::collection::btree_set("[a-c]{0,3}", 0..20),
            start in "[a-c]{0,3}",
            end in "[a-c]{0,3}",
        ) {
            let keys: BTreeSet<Vec<u8>> = keys.into_iter().map(String::into_bytes).collect();
            let range = KeyRange::from_wire(start.into(), end.into());
            let by_bounds: Vec<_> = keys.range::<[u8], _>(range.bounds()).collect();
            let by_contains: Vec<_> = keys.iter().filter(|key| range.contains(key)).collect();
            prop_assert_eq!(by_bounds, by_contains);
        }
    }
}
