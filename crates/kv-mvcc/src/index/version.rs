use kv_types::{LeaseId, Revision, RowRevision, Version};

use crate::RowMeta;
use crate::cow_tree::Weight;

/// One version of a key, without its value: where its row is, and what a range may sort and filter by.
///
/// Plain bytes of a fixed size, so that copying a node of the index is copying memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct VersionMeta {
    main: Revision,
    pub(crate) create_revision: Revision,
    pub(crate) version: Version,
    // In wire form: an `Option<LeaseId>` would be twice as large.
    lease: i64,
    sub: u32,
    // Bit 0: tombstone. The others: how many versions of the key came before this one, as far as it matters.
    tombstone_and_depth: u32,
}

/// The weight of a key's newest version: what a range counts at the current revision.
impl Weight for VersionMeta {
    fn weight(&self) -> u64 {
        u64::from(!self.is_tombstone())
    }
}

impl VersionMeta {
    /// A put at `at` over the newest version before it.
    pub(super) fn put(before: Option<&Self>, at: RowRevision, lease: Option<LeaseId>) -> Self {
        let (create_revision, version) = match before.filter(|before| !before.is_tombstone()) {
            Some(live) => (live.create_revision, live.version.next()),
            None => (at.main, Version::FIRST),
        };
        Self {
            main: at.main,
            create_revision,
            version,
            lease: LeaseId::to_wire(lease),
            sub: at.sub,
            tombstone_and_depth: depth_after(before) << 1,
        }
    }

    /// A deletion at `at` of the newest version before it.
    pub(super) fn tombstone(before: Option<&Self>, at: RowRevision) -> Self {
        Self {
            main: at.main,
            create_revision: Revision::ZERO,
            version: Version::ZERO,
            lease: 0,
            sub: at.sub,
            tombstone_and_depth: depth_after(before) << 1 | 1,
        }
    }

    /// A stored row over the newest version before it.
    pub(super) fn restored(before: Option<&Self>, row: &RowMeta) -> Self {
        if row.tombstone {
            return Self::tombstone(before, row.revision);
        }
        let (create_revision, version) = (row.create_revision, row.version);
        Self {
            create_revision,
            version,
            ..Self::put(before, row.revision, row.lease)
        }
    }

    pub(crate) fn is_tombstone(&self) -> bool {
        self.tombstone_and_depth & 1 == 1
    }

    /// This version, if it is not a tombstone.
    pub(super) fn live(&self) -> Option<&Self> {
        (!self.is_tombstone()).then_some(self)
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

    /// At least how many versions of the key are kept below this one; zero only if there are none.
    pub(super) fn depth(&self) -> u32 {
        self.tombstone_and_depth >> 1
    }

    /// Notes that no version below this one is kept.
    pub(super) fn forget_depth(&mut self) {
        self.tombstone_and_depth &= 1;
    }

    /// Whether a compaction at `at` drops this version although it is the newest that is not above `at`. A
    /// tombstone at exactly `at` stays, so that a watch from there still sees the deletion.
    pub(super) fn is_garbage(&self, at: Revision) -> bool {
        self.is_tombstone() && self.main < at
    }
}

/// Saturates: whoever gets there is only looked up more slowly.
fn depth_after(before: Option<&VersionMeta>) -> u32 {
    before.map_or(0, |before| (before.depth() + 1).min(u32::MAX >> 1))
}
