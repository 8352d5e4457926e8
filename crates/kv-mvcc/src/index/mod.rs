//! The ordered index from keys to their kept versions, in memory, with exact counts of intervals.

mod superseded;
mod transitions;
mod version;

use std::ops::Bound;

use kv_types::{KeyRange, LeaseId, Revision, RowRevision};

use crate::RowMeta;
use crate::cow_tree::CowTree;
use superseded::{Left, Superseded};
use transitions::Transitions;
pub(crate) use version::VersionMeta;

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
    /// The newest version of each key, put or tombstone.
    keys: CowTree<[u8], VersionMeta>,
    superseded: Superseded,
    transitions: Transitions,
}

impl Index {
    /// An empty index of a store at `revision`.
    pub(crate) fn new(revision: Revision) -> Self {
        Self {
            keys: CowTree::default(),
            superseded: Superseded::default(),
            transitions: Transitions::after(revision),
        }
    }

    /// The live version of `key`.
    pub(crate) fn live(&self, key: &[u8], at: At) -> Option<&VersionMeta> {
        self.live_of(self.keys.get(key)?, at)
    }

    fn live_of<'a>(&'a self, newest: &'a VersionMeta, at: At) -> Option<&'a VersionMeta> {
        match at {
            At::Latest => newest.live(),
            At::Past(revision) => self.superseded.at(newest, revision)?.live(),
        }
    }

    /// What was live at the key of the change at `at` one revision before, if that is kept.
    pub(crate) fn live_before(&self, at: RowRevision) -> Option<&VersionMeta> {
        let mut before = self.superseded.before(at)?;
        while before.mod_revision() == at.main {
            before = self.superseded.before(before.revision())?;
        }
        before.live()
    }

    /// The live keys of an interval in order.
    pub(crate) fn range<'a>(
        &'a self,
        range: &KeyRange,
        at: At,
    ) -> impl Iterator<Item = (&'a [u8], &'a VersionMeta)> + use<'a> {
        let keys = self.keys.range(range.bounds());
        keys.filter_map(move |(key, newest)| Some((key, self.live_of(newest, at)?)))
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
        let (before, version) = self.push(key, at, |before| VersionMeta::put(before, at, lease));
        let live = before.filter(|before| !before.is_tombstone());
        if live.is_none() {
            self.transitions.push(at, key, true, compacted);
        }
        (live, version)
    }

    /// Deletes `key`, which is live.
    pub(crate) fn delete(&mut self, key: &[u8], at: RowRevision, compacted: Revision) {
        self.push(key, at, |before| VersionMeta::tombstone(before, at));
        self.transitions.push(at, key, false, compacted);
    }

    /// Takes over a stored row, in the order of revisions.
    pub(crate) fn restore(&mut self, row: &RowMeta) {
        self.push(&row.key, row.revision, |before| {
            VersionMeta::restored(before, row)
        });
    }

    /// Adds a version and returns the one before it, and itself.
    fn push(
        &mut self,
        key: &[u8],
        at: RowRevision,
        version: impl FnOnce(Option<&VersionMeta>) -> VersionMeta,
    ) -> (Option<VersionMeta>, VersionMeta) {
        let mut pushed = None;
        let before = self.keys.upsert(key, |before| *pushed.insert(version(before)));
        if let Some(before) = before {
            self.superseded.push(at, before);
        }
        (before, pushed.expect("upsert asks for the value in any case"))
    }

    /// Begins the log of transitions anew, for an index that was filled by [`Self::restore`].
    pub(crate) fn forget_transitions(&mut self, revision: Revision) {
        self.transitions = Transitions::after(revision);
    }

    /// From a key on, all keys in order, each with the number of its versions that a compaction at `at` drops,
    /// counted up to `count_max`.
    pub(crate) fn garbage_from<'a>(
        &'a self,
        start: Option<&[u8]>,
        at: Revision,
        count_max: usize,
    ) -> impl Iterator<Item = (&'a [u8], usize)> + use<'a> {
        let start = start.map_or(Bound::Unbounded, Bound::Included);
        self.keys
            .range((start, Bound::Unbounded))
            .map(move |(key, newest)| {
                let may_have_garbage = newest.depth() > 0 || newest.is_garbage(at);
                let garbage = if may_have_garbage {
                    self.superseded.count_garbage(newest, at, count_max)
                } else {
                    0
                };
                (key, garbage)
            })
    }

    /// Drops up to `count_max` versions of `key` that a compaction at `at` does not keep, and the key if
    /// nothing is left of it.
    pub(crate) fn drop_garbage(
        &mut self,
        key: &[u8],
        at: Revision,
        count_max: usize,
        dead: impl FnMut(RowRevision),
    ) {
        let Some(newest) = self.keys.get(key) else { return };
        let Some(found) = self.superseded.find(newest, at) else {
            return;
        };
        match self.superseded.drop_garbage(&found, at, count_max, dead) {
            Left::Nothing => {
                self.keys.remove(key);
            }
            Left::Newest => {
                self.keys.update(key, VersionMeta::forget_depth);
            }
            Left::Some => {}
        }
    }
}
