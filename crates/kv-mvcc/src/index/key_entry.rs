use std::sync::Arc;

use kv_types::{LeaseId, Revision, RowRevision, Version};

use crate::RowMeta;
use crate::cow_tree::{CowTree, Weight};

/// One version of a key, without its value: where its row is, and what a range may sort and filter by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct VersionMeta {
    main: Revision,
    pub(crate) create_revision: Revision,
    pub(crate) version: Version,
    // In wire form: an `Option<LeaseId>` would be twice as large.
    lease: i64,
    sub: u32,
    pub(crate) tombstone: bool,
}

impl VersionMeta {
    pub(crate) fn put(
        at: RowRevision,
        create_revision: Revision,
        version: Version,
        lease: Option<LeaseId>,
    ) -> Self {
        let lease = LeaseId::to_wire(lease);
        Self {
            main: at.main,
            sub: at.sub,
            create_revision,
            version,
            lease,
            tombstone: false,
        }
    }

    pub(crate) fn tombstone(at: RowRevision) -> Self {
        Self {
            tombstone: true,
            ..Self::put(at, Revision::ZERO, Version::ZERO, None)
        }
    }

    pub(crate) fn revision(&self) -> RowRevision {
        RowRevision::new(self.main, self.sub)
    }

    pub(crate) fn mod_revision(&self) -> Revision {
        self.main
    }

    pub(crate) fn lease(&self) -> Option<LeaseId> {
        LeaseId::from_wire(self.lease)
    }
}

impl From<&RowMeta> for VersionMeta {
    fn from(row: &RowMeta) -> Self {
        let put = Self::put(row.revision, row.create_revision, row.version, row.lease);
        Self {
            tombstone: row.tombstone,
            ..put
        }
    }
}

/// Versions are only looked up, never summed up.
impl Weight for VersionMeta {
    fn weight(&self) -> u64 {
        0
    }
}

/// The kept versions of one key. Most keys have one, which is held in place.
#[derive(Clone, Debug)]
pub(crate) struct KeyEntry {
    latest: VersionMeta,
    // Invariant: not empty, and below `latest`.
    older: Option<Arc<Older>>,
}

/// The versions before the latest, in ascending order. A key that is written all the time, like a leader
/// election's, may have very many between two compactions, and must not be copied as a whole for each.
#[derive(Clone, Debug)]
enum Older {
    Few(Vec<VersionMeta>),
    Many(CowTree<RowRevision, VersionMeta>),
}

/// Most versions held as [`Older::Few`].
const FEW_MAX: usize = 16;

/// The weight is the number of live keys: what a range counts at the current revision.
impl Weight for KeyEntry {
    fn weight(&self) -> u64 {
        u64::from(!self.latest.tombstone)
    }
}

impl KeyEntry {
    pub(crate) fn new(first: VersionMeta) -> Self {
        Self {
            latest: first,
            older: None,
        }
    }

    /// The newest version, if it is a put.
    pub(crate) fn live(&self) -> Option<&VersionMeta> {
        (!self.latest.tombstone).then_some(&self.latest)
    }

    /// The newest version at `revision`, if it is a put.
    pub(crate) fn live_at(&self, revision: Revision) -> Option<&VersionMeta> {
        self.at(revision).filter(|version| !version.tombstone)
    }

    /// The newest version at `revision`, put or tombstone.
    fn at(&self, revision: Revision) -> Option<&VersionMeta> {
        if self.latest.main <= revision {
            return Some(&self.latest);
        }
        match &**self.older.as_ref()? {
            Older::Few(versions) => {
                versions[..versions.partition_point(|version| version.main <= revision)].last()
            }
            Older::Many(versions) => versions
                .floor(&RowRevision::last_of(revision))
                .map(|(_, version)| version),
        }
    }

    /// Adds a version above all others.
    pub(crate) fn push(&mut self, version: VersionMeta) {
        debug_assert!(version.revision() > self.latest.revision());
        let before = std::mem::replace(&mut self.latest, version);
        match &mut self.older {
            None => self.older = Some(Arc::new(Older::Few(vec![before]))),
            Some(older) => Arc::make_mut(older).push(before),
        }
    }

    /// How many versions a compaction at `at` does not keep. See [`Self::drop_garbage`].
    pub(crate) fn garbage(&self, at: Revision) -> usize {
        let Some(kept) = self.at(at) else { return 0 };
        let below = self
            .older
            .as_ref()
            .map_or(0, |older| older.count_below(kept.revision()));
        below + usize::from(kept.is_garbage(at))
    }

    /// Drops up to `count_max` of the versions that a compaction at `at` does not keep, the oldest first, and
    /// reports them to `dead`: all below the newest that is not above `at`, and that one too if it is a
    /// tombstone from before `at`. Returns whether anything is left.
    pub(crate) fn drop_garbage(
        &mut self,
        at: Revision,
        count_max: usize,
        mut dead: impl FnMut(RowRevision),
    ) -> bool {
        let garbage = self.garbage(at).min(count_max);
        let older_garbage = garbage.min(self.older.as_ref().map_or(0, |older| older.len()));
        if let Some(older) = &mut self.older
            && older_garbage > 0
        {
            let older = Arc::make_mut(older);
            older.drop_oldest(older_garbage, &mut dead);
            if older.len() == 0 {
                self.older = None;
            }
        }
        let latest_too = garbage > older_garbage;
        if latest_too {
            dead(self.latest.revision());
        }
        !latest_too
    }
}

impl VersionMeta {
    /// Whether a compaction at `at` drops this version although it is the newest that is not above `at`. A
    /// tombstone at exactly `at` stays, so that a watch from there still sees the deletion.
    fn is_garbage(&self, at: Revision) -> bool {
        self.tombstone && self.main < at
    }
}

impl Older {
    fn len(&self) -> usize {
        match self {
            Self::Few(versions) => versions.len(),
            Self::Many(versions) => versions.len(),
        }
    }

    fn count_below(&self, revision: RowRevision) -> usize {
        match self {
            Self::Few(versions) => versions.partition_point(|version| version.revision() < revision),
            Self::Many(versions) => {
                let below = (std::ops::Bound::Unbounded, std::ops::Bound::Excluded(&revision));
                versions.sums(below).entries
            }
        }
    }

    fn push(&mut self, version: VersionMeta) {
        match self {
            Self::Few(versions) if versions.len() < FEW_MAX => versions.push(version),
            Self::Few(versions) => {
                let versions = versions.drain(..).chain([version]);
                *self = Self::Many(versions.map(|version| (version.revision(), version)).collect());
            }
            Self::Many(versions) => {
                versions.insert(version.revision(), version);
            }
        }
    }

    fn drop_oldest(&mut self, count: usize, dead: &mut impl FnMut(RowRevision)) {
        match self {
            Self::Few(versions) => {
                versions
                    .drain(..count)
                    .for_each(|version| dead(version.revision()));
                versions.shrink_to_fit();
            }
            Self::Many(versions) => {
                let dropped: Vec<RowRevision> = versions
                    .iter()
                    .take(count)
                    .map(|(revision, _)| *revision)
                    .collect();
                for revision in dropped {
                    versions.remove(&revision);
                    dead(revision);
                }
                if versions.len() <= FEW_MAX / 2 {
                    *self = Self::Few(versions.iter().map(|(_, version)| *version).collect());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(main: i64) -> VersionMeta {
        VersionMeta::put(
            RowRevision::new(Revision::new(main), 0),
            Revision::new(1),
            Version::FIRST,
            None,
        )
    }

    fn tombstone(main: i64) -> VersionMeta {
        VersionMeta::tombstone(RowRevision::new(Revision::new(main), 0))
    }

    fn entry(versions: &[VersionMeta]) -> KeyEntry {
        let mut entry = KeyEntry::new(versions[0]);
        versions[1..].iter().for_each(|version| entry.push(*version));
        entry
    }

    /// Compacts at `at` and returns the main revisions dropped, or all of them with the entry gone.
    fn compacted(entry: &mut KeyEntry, at: i64) -> (Vec<i64>, bool) {
        let (mut dead, at) = (Vec::new(), Revision::new(at));
        let garbage = entry.garbage(at);
        let left = entry.drop_garbage(at, usize::MAX, |revision| dead.push(revision.main.get()));
        assert_eq!(dead.len(), garbage);
        (dead, left)
    }

    #[test]
    fn an_entry_is_small() {
        assert_eq!(size_of::<KeyEntry>(), 48);
    }

    #[test]
    fn compaction_keeps_the_newest_put_and_a_tombstone_at_its_revision() {
        let key = entry(&[put(2), put(4), tombstone(6), put(8)]);
        assert_eq!(compacted(&mut key.clone(), 1), (vec![], true));
        assert_eq!(compacted(&mut key.clone(), 3), (vec![], true));
        assert_eq!(compacted(&mut key.clone(), 5), (vec![2], true));
        assert_eq!(compacted(&mut key.clone(), 6), (vec![2, 4], true));
        assert_eq!(compacted(&mut key.clone(), 7), (vec![2, 4, 6], true));
        assert_eq!(compacted(&mut key.clone(), 9), (vec![2, 4, 6], true));
        let deleted = entry(&[put(2), tombstone(6)]);
        assert_eq!(compacted(&mut deleted.clone(), 6), (vec![2], true));
        assert_eq!(compacted(&mut deleted.clone(), 7), (vec![2, 6], false));
    }

    #[test]
    fn a_key_with_very_many_versions_is_read_and_compacted_like_any_other() {
        let versions: Vec<VersionMeta> = (1..=1_000).map(|main| put(2 * main)).collect();
        let mut key = entry(&versions);
        assert_eq!(key.live_at(Revision::new(1)), None);
        for main in 1..=1_000 {
            assert_eq!(key.live_at(Revision::new(2 * main + 1)), Some(&put(2 * main)));
        }
        let mut dead = 0;
        assert!(key.drop_garbage(Revision::new(1_001), 100, |_| dead += 1));
        assert_eq!((dead, key.garbage(Revision::new(1_001))), (100, 399));
        assert_eq!(compacted(&mut key, 1_995).0.len(), 896);
        assert!(matches!(key.older.as_deref(), Some(Older::Few(versions)) if versions.len() == 3));
        assert_eq!(key.live_at(Revision::new(1_995)), Some(&put(1_994)));
        assert_eq!(compacted(&mut key, 2_000).0, [1_994, 1_996, 1_998]);
        assert!(key.older.is_none());
    }
}
