use kv_types::{Revision, RowRevision};

use super::damaged::{Damaged, Malformed};
use super::{BlockId, PartKind};

/// Most bytes, see [`row_bytes`], that several rows make together in one block: the size of each then fits
/// 16 bits. A row that is larger has a block of its own.
pub(crate) const BLOCK_BYTES_MAX: usize = u16::MAX as usize;

/// What a row counts for beside its key and value: about what the rest of it takes in a block.
const ROW_OVERHEAD_BYTES: usize = 16;

/// What a row counts for in the sizes of blocks: its bytes before compression.
pub(crate) fn row_bytes(key_bytes: usize, value_bytes: usize) -> usize {
    key_bytes
        .saturating_add(value_bytes)
        .saturating_add(ROW_OVERHEAD_BYTES)
}

/// What is known of a stored block without reading it: which rows it holds and how large they are. Six
/// bytes per row in memory. None of it ever changes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) id: BlockId,
    /// Main revision of each row, less that of the first.
    mains: Box<[u32]>,
    /// Sub revision of each row; empty if all are zero.
    subs: Box<[u32]>,
    /// Size of each row; empty if there is one row alone.
    sizes: Box<[u16]>,
    /// Sum of the sizes of the rows.
    pub(crate) raw_bytes: u64,
    /// Bytes of the keys and the values part as stored.
    pub(crate) stored_bytes: u64,
}

impl Block {
    /// How many rows it holds, dead ones included.
    pub(crate) fn rows(&self) -> usize {
        self.mains.len()
    }

    /// The revision of a row.
    pub(crate) fn revision(&self, row: usize) -> RowRevision {
        let main = self.id.first.main.get().wrapping_add(i64::from(self.mains[row]));
        RowRevision::new(Revision::new(main), self.sub(row))
    }

    /// Its last row.
    pub(crate) fn last(&self) -> RowRevision {
        self.revision(self.rows() - 1)
    }

    /// The place of a row, if it is here.
    pub(crate) fn find(&self, revision: RowRevision) -> Option<usize> {
        let at = self.lower_bound(revision);
        (at < self.rows() && self.revision(at) == revision).then_some(at)
    }

    /// How many rows come before `revision`.
    pub(crate) fn lower_bound(&self, revision: RowRevision) -> usize {
        let (mut low, mut high) = (0, self.rows());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.revision(middle) < revision {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// The size of a row.
    pub(crate) fn row_bytes(&self, row: usize) -> u64 {
        self.sizes
            .get(row)
            .map_or(self.raw_bytes, |size| u64::from(*size))
    }

    /// Checks that a part that was read for this block has a row for each of its rows.
    pub(crate) fn check_rows(&self, rows: usize, part: PartKind) -> Result<(), Damaged> {
        if rows == self.rows() {
            Ok(())
        } else {
            Err(Malformed("has another number of rows").of(self.id, part))
        }
    }

    fn sub(&self, row: usize) -> u32 {
        self.subs.get(row).copied().unwrap_or(0)
    }
}

/// Collects what a [`Block`] is made of.
#[derive(Debug, Default)]
pub(super) struct ShapeBuilder {
    first: Option<RowRevision>,
    mains: Vec<u32>,
    subs: Vec<u32>,
    sizes: Vec<u16>,
    raw_bytes: u64,
}

impl ShapeBuilder {
    pub(super) fn rows(&self) -> usize {
        self.mains.len()
    }

    pub(super) fn raw_bytes(&self) -> u64 {
        self.raw_bytes
    }

    /// Whether a row of this revision and size may follow the rows so far.
    pub(super) fn fits(&self, revision: RowRevision, bytes: usize) -> bool {
        let Some(first) = self.first else { return true };
        let near = u32::try_from(revision.main.get().abs_diff(first.main.get())).is_ok();
        near && self.raw_bytes.saturating_add(bytes as u64) <= BLOCK_BYTES_MAX as u64
    }

    /// Adds a row whose revision is above those so far.
    pub(super) fn push(&mut self, revision: RowRevision, bytes: usize) -> Result<(), Malformed> {
        let first = *self.first.get_or_insert(revision);
        let main = u32::try_from(revision.main.get().abs_diff(first.main.get()))
            .map_err(|_| Malformed("revisions lie too far apart"))?;
        self.mains.push(main);
        self.subs.push(revision.sub);
        // Beyond 16 bits only if it is the only row, and then its size is the sum.
        self.sizes.push(u16::try_from(bytes).unwrap_or(u16::MAX));
        self.raw_bytes = self.raw_bytes.saturating_add(bytes as u64);
        if self.rows() > 1 && self.raw_bytes > BLOCK_BYTES_MAX as u64 {
            return Err(Malformed("is too large"));
        }
        Ok(())
    }

    pub(super) fn finish(mut self, number: u64, stored_bytes: u64) -> Option<Block> {
        if self.subs.iter().all(|sub| *sub == 0) {
            self.subs.clear();
        }
        if self.sizes.len() == 1 {
            self.sizes.clear();
        }
        Some(Block {
            id: BlockId {
                first: self.first?,
                number,
            },
            mains: self.mains.into(),
            subs: self.subs.into(),
            sizes: self.sizes.into(),
            raw_bytes: self.raw_bytes,
            stored_bytes,
        })
    }
}
