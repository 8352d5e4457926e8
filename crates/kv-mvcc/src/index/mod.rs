//! The ordered index from keys to their kept versions, in memory, with exact counts of intervals.

mod key;
mod key_entry;
mod transitions;

use std::ops::Bound;

use kv_types::{KeyRange, LeaseId, Revision, RowRevision, Version};

use crate::RowMeta;
use crate::cow_tree::CowTree;
pub(crate) use key::Key;
pub(crate) use key_entry::{KeyEntry, VersionMeta};
use transitions::Transitions;

/// Which state of the index is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum At {
    /// Everything applied so far, the part of an unfinished transaction included.
    Latest,
    /// As it was at a revision that is not compacted.
    Past(Revision),
}

/// Key → kept versions. A clone is free and does not change.
#[derive(Clone, Debug)]
pub(crate) struct Index {
    keys: CowTree<Key, KeyEntry>,
    transitions: Transitions,
}

impl Index {
    /// An empty index of a store at `revision`.
    pub(crate) fn new(revision: Revision) -> Self {
        Self {
            keys: CowTree::default(),
            transitions: Transitions::after(revision),
        }
    }

    /// What is known of `key`.
    pub(crate) fn get(&self, key: &[u8]) -> Option<&KeyEntry> {
        self.keys.get(key)
    }

    /// The live version of `key`, with the index's own key.
    pub(crate) fn live_entry(&self, key: &[u8], at: At) -> Option<(&Key, &VersionMeta)> {
        let (key, entry) = self.keys.get_entry(key)?;
        Some((key, live(entry, at)?))
    }

    /// The live version of `key`.
    pub(crate) fn live(&self, key: &[u8], at: At) -> Option<&VersionMeta> {
        live(self.get(key)?, at)
    }

    /// The live keys of an interval in order.
    pub(crate) fn range<'a>(
        &'a self,
        range: &KeyRange,
        at: At,
    ) -> impl Iterator<Item = (&'a Key, &'a VersionMeta)> + use<'a> {
        self.keys
            .range(range.bounds())
            .filter_map(move |(key, entry)| Some((key, live(entry, at)?)))
    }

    /// All entries from a key on, those without live versions included.
    pub(crate) fn entries_from<'a>(
        &'a self,
        start: Option<&Key>,
    ) -> impl Iterator<Item = (&'a Key, &'a KeyEntry)> + use<'a> {
        let start = start.map_or(Bound::Unbounded, Bound::Included);
        self.keys.range((start, Bound::Unbounded))
    }

    /// How many keys of an interval are live. Costs O(log n) for the latest state; for a past one at most a
    /// walk of the interval, or of what came and went since, whichever is less.
    pub(crate) fn count(&self, range: &KeyRange, at: At) -> u64 {
        if range.is_single() {
            return u64::from(self.live(&range.start, at).is_some());
        }
        let latest = self.keys.sums(range.bounds());
        let At::Past(revision) = at else {
            return latest.weight;
        };
        match self.transitions.count_after(revision) {
            Some(transitions) if transitions <= latest.entries => latest
                .weight
                .saturating_add_signed(-self.transitions.growth_after(revision, range)),
            _ => self.range(range, at).map(|_| 1).sum(),
        }
    }

    /// Puts `key` and returns what was live before, and its new version. `compacted` is the last compaction.
    pub(crate) fn put(
        &mut self,
        key: &[u8],
        at: RowRevision,
        lease: Option<LeaseId>,
        compacted: Revision,
    ) -> (Option<VersionMeta>, VersionMeta) {
        let entry = self.keys.get(key);
        let live = entry.and_then(KeyEntry::live).copied();
        let version = match &live {
            Some(live) => VersionMeta::put(at, live.create_revision, live.version.next(), lease),
            None => VersionMeta::put(at, at.main, Version::FIRST, lease),
        };
        if entry.is_some() {
            self.keys.update(key, |entry| entry.push(version));
        } else {
            self.keys.insert(Key::from(key), KeyEntry::new(version));
        }
        if live.is_none() {
            self.log_transition(key, at, true, compacted);
        }
        (live, version)
    }

    fn log_transition(&mut self, key: &[u8], at: RowRevision, created: bool, compacted: Revision) {
        if let Some((key, _)) = self.keys.get_entry(key) {
            self.transitions.push(at, key.clone(), created, compacted);
        }
    }

    /// Deletes `key`, which is live.
    pub(crate) fn delete(&mut self, key: Key, at: RowRevision, compacted: Revision) {
        self.keys
            .update(&key, |entry| entry.push(VersionMeta::tombstone(at)));
        self.transitions.push(at, key, false, compacted);
    }

    /// Takes over a stored row, in the order of revisions.
    pub(crate) fn restore(&mut self, row: &RowMeta) {
        let version = VersionMeta::from(row);
        if self
            .keys
            .update(&row.key[..], |entry| entry.push(version))
            .is_none()
        {
            self.keys.insert(Key::from(&row.key[..]), KeyEntry::new(version));
        }
    }

    /// Begins the log of transitions anew, for an index that was filled by [`Self::restore`].
    pub(crate) fn forget_transitions(&mut self, revision: Revision) {
        self.transitions = Transitions::after(revision);
    }

    /// Drops up to `count_max` versions of `key` that a compaction at `at` does not keep, and the key if
    /// nothing is left of it.
    pub(crate) fn drop_garbage(
        &mut self,
        key: &Key,
        at: Revision,
        count_max: usize,
        dead: impl FnMut(RowRevision),
    ) {
        let left = self
            .keys
            .update(key, |entry| entry.drop_garbage(at, count_max, dead));
        if left == Some(false) {
            self.keys.remove(key);
        }
    }
}

fn live(entry: &KeyEntry, at: At) -> Option<&VersionMeta> {
    match at {
        At::Latest => entry.live(),
        At::Past(revision) => entry.live_at(revision),
    }
}
