use std::sync::Arc;

use kv_types::RowRevision;

use crate::block::{Block, InfoRecord};
use crate::cow_tree::Weight;

/// A block of the store and which of its rows are dead.
///
/// Views share it; marking a row dead changes the writer's copy alone.
#[derive(Clone, Debug)]
pub(super) struct BlockInfo {
    /// All copies of an info share it, so that its reference count tells whether any view knows the block.
    pub(super) block: Arc<Block>,
    /// As in an [`InfoRecord`].
    dead: Box<[u8]>,
    // Invariant: these two are what the rows that are not in `dead` add up to.
    live_rows: usize,
    live_bytes: u64,
    /// The checkpoint that was the next one when a row was last marked dead.
    pub(super) dirty_for: u64,
}

impl BlockInfo {
    /// A block all of whose rows are live.
    pub(super) fn new(block: Block) -> Self {
        let (live_rows, live_bytes) = (block.rows(), block.raw_bytes);
        Self {
            block: Arc::new(block),
            dead: Box::default(),
            live_rows,
            live_bytes,
            dirty_for: 0,
        }
    }

    /// A block with the rows dead that its record names. The record fits the block.
    pub(super) fn with_record(block: Block, record: &InfoRecord) -> Self {
        let mut info = Self::new(block);
        for row in 0..info.block.rows() {
            if bit(&record.dead, row) {
                info.mark_dead(row);
            }
        }
        info
    }

    /// The stored form of its info record.
    pub(super) fn record(&self) -> Vec<u8> {
        InfoRecord::encode(&self.block, &self.dead)
    }

    pub(super) fn is_dead(&self, row: usize) -> bool {
        bit(&self.dead, row)
    }

    /// Marks a row dead and returns whether it was live.
    pub(super) fn mark_dead(&mut self, row: usize) -> bool {
        if self.dead.is_empty() {
            self.dead = vec![0; self.block.rows().div_ceil(8)].into();
        }
        let mask = 1 << (row % 8);
        let byte = &mut self.dead[row / 8];
        let was_live = *byte & mask == 0;
        if was_live {
            *byte |= mask;
            self.live_rows -= 1;
            self.live_bytes -= self.block.row_bytes(row);
        }
        was_live
    }

    /// The place of a row that is here and live.
    pub(super) fn find_live(&self, revision: RowRevision) -> Option<usize> {
        self.block.find(revision).filter(|row| !self.is_dead(*row))
    }

    /// The live rows from `start` on.
    pub(super) fn live_rows_from(&self, start: usize) -> impl Iterator<Item = usize> {
        (start..self.block.rows()).filter(|row| !self.is_dead(*row))
    }

    pub(super) fn is_all_dead(&self) -> bool {
        self.live_rows == 0
    }

    /// Sum of the sizes of the live rows, before compression.
    pub(super) fn live_bytes(&self) -> u64 {
        self.live_bytes
    }

    /// Sum of the sizes of the dead rows, before compression.
    pub(super) fn dead_bytes(&self) -> u64 {
        self.block.raw_bytes - self.live_bytes
    }
}

/// What the live rows take in the backend, taking it that all rows pack equally well.
impl Weight for BlockInfo {
    fn weight(&self) -> u64 {
        let share = u128::from(self.block.stored_bytes) * u128::from(self.live_bytes);
        let weight = share / u128::from(self.block.raw_bytes.max(1));
        u64::try_from(weight).unwrap_or(u64::MAX)
    }
}

fn bit(bitmap: &[u8], at: usize) -> bool {
    bitmap.get(at / 8).is_some_and(|byte| byte & (1 << (at % 8)) != 0)
}
