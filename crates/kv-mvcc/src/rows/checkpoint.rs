use std::collections::VecDeque;
use std::mem;
use std::ops::Bound;
use std::sync::Arc;

use kv_backend::Batch;
use kv_types::RowRevision;
use parking_lot::Mutex;

use super::block_info::BlockInfo;
use super::names::name;
use super::rewrite::{self, Selection};
use super::source::Caching;
use super::view::RowsView;
use super::{RowMap, RowsOptions};
use crate::block::{Block, BlockBuilder, BlockId, PartKind};
use crate::{ReadError, Row};

/// What to do with a batch that [`CheckpointPlan::fill`](crate::CheckpointPlan::fill) has filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Fill {
    /// Write it, flush, and call again with a new one. It holds nothing yet that counts after a crash.
    Partial,
    /// Add what belongs to the same moment, write it, flush, and finish the checkpoint.
    Last,
}

/// A checkpoint in progress: what was there when it began, and what is to become of it in the backend.
///
/// It works off the writer's path; the writer goes on meanwhile. A plan whose batch could not be written or
/// flushed is dropped: the next one takes up all it would have done.
#[derive(Debug)]
pub(crate) struct CheckpointPlan {
    pub(super) view: RowsView,
    pub(super) serial: u64,
    options: RowsOptions,
    chores: Chores,
    step: Step,
    rewrites: VecDeque<Rewrite>,
    builder: BlockBuilder,
    pub(super) written: Vec<Arc<BlockInfo>>,
    pub(super) replaced: Vec<Arc<Block>>,
    pub(super) more: bool,
    traces: Arc<Mutex<Traces>>,
}

/// Changes of the backend that wait for the next checkpoint.
#[derive(Clone, Debug, Default)]
pub(super) struct Chores {
    /// First rows of blocks whose info record is not up to date.
    pub(super) dirty: Vec<RowRevision>,
    /// Blocks without a live row; their info records are there.
    pub(super) dropped: Vec<Arc<Block>>,
    /// Blocks that no view knows; their info records are gone.
    pub(super) unused: Vec<BlockId>,
    /// Blocks of checkpoints that were not finished; it is not known which of their parts are there.
    pub(super) stale: Vec<BlockId>,
}

impl Chores {
    pub(super) fn is_empty(&self) -> bool {
        self.dirty.is_empty() && self.dropped.is_empty() && self.unused.is_empty() && self.stale.is_empty()
    }

    pub(super) fn append(&mut self, mut other: Chores) {
        self.dirty.append(&mut other.dirty);
        self.dropped.append(&mut other.dropped);
        self.unused.append(&mut other.unused);
        self.stale.append(&mut other.stale);
    }
}

/// What a plan may have changed in the backend, for the case that it is not finished.
#[derive(Debug, Default)]
pub(super) struct Traces {
    pub(super) written: Vec<BlockId>,
    pub(super) replaced: Vec<RowRevision>,
}

#[derive(Debug)]
enum Step {
    Select,
    Rewrite,
    /// Pack the sealed rows above this one.
    Pack(Option<RowRevision>),
    Commit,
    Done,
}

#[derive(Debug)]
struct Rewrite {
    info: Arc<BlockInfo>,
    /// Whether the next one is no neighbour, so that rows must not go into one block with it.
    ends_run: bool,
}

/// A finished checkpoint. It holds what is not needed any more: to be dropped where taking some
/// milliseconds does no harm.
#[derive(Debug)]
#[must_use]
pub struct Finished {
    pub(super) more: bool,
    pub(super) _plan: CheckpointPlan,
    pub(super) _sealed: RowMap,
}

impl Finished {
    /// Whether another checkpoint right away would return more space.
    pub fn more(&self) -> bool {
        self.more
    }
}

impl CheckpointPlan {
    pub(super) fn new(
        view: RowsView,
        serial: u64,
        options: RowsOptions,
        chores: Chores,
        traces: Arc<Mutex<Traces>>,
    ) -> Self {
        Self {
            view,
            serial,
            options,
            chores,
            step: Step::Select,
            rewrites: VecDeque::new(),
            builder: BlockBuilder::default(),
            written: Vec::new(),
            replaced: Vec::new(),
            more: false,
            traces,
        }
    }

    /// Whether its last batch was filled.
    pub(super) fn is_done(&self) -> bool {
        matches!(self.step, Step::Done)
    }

    /// The last row that is in a block when this is finished.
    pub(super) fn stored_to(&self) -> RowRevision {
        self.view
            .sealed
            .last()
            .map_or(self.view.stored_to, |(revision, _)| *revision)
    }

    /// Puts into `batch`, which is empty, what comes next, about as much as should be flushed at once.
    ///
    /// The last batch is small apart from its blocks: an info record of some 50 to 500 bytes for each block
    /// that is new, or in which rows have died since the last checkpoint.
    ///
    /// # Errors
    /// [`ReadError`] if a block that is to be rewritten cannot be read.
    ///
    /// # Panics
    /// After the last batch: a batch that could not be written cannot be had again.
    pub(crate) fn fill(&mut self, batch: &mut Batch) -> Result<Fill, ReadError> {
        loop {
            if batch.bytes() >= self.options.slice_bytes {
                return Ok(Fill::Partial);
            }
            match self.step {
                Step::Select => self.select(),
                Step::Rewrite => self.rewrite(batch)?,
                Step::Pack(after) => self.pack(after, batch),
                Step::Commit => {
                    self.commit(batch);
                    self.step = Step::Done;
                    return Ok(Fill::Last);
                }
                Step::Done => panic!("a checkpoint whose last batch was filled is to be finished or dropped"),
            }
        }
    }

    /// Chooses what to rewrite: up to three times as much as is new, so that blocks that are three quarters
    /// live return as much space as is taken.
    fn select(&mut self) {
        let budget = (3 * self.view.sealed.weight()).max(self.options.slice_bytes as u64);
        let Selection { runs, more } =
            rewrite::select(&self.view.blocks, self.options.block_bytes as u64, budget);
        self.more = more;
        for run in runs {
            let last = run.blocks.len() - 1;
            let rewrites = run.blocks.into_iter().enumerate();
            self.rewrites.extend(rewrites.map(|(at, info)| Rewrite {
                info,
                ends_run: at == last,
            }));
        }
        self.traces.lock().replaced = self
            .rewrites
            .iter()
            .map(|rewrite| rewrite.info.block.id.first)
            .collect();
        self.step = Step::Rewrite;
    }

    /// Packs the live rows of the next block into a new one.
    fn rewrite(&mut self, batch: &mut Batch) -> Result<(), ReadError> {
        let Some(Rewrite { info, ends_run }) = self.rewrites.pop_front() else {
            self.step = Step::Pack(None);
            return Ok(());
        };
        let keys = self.view.source.keys(&info.block, Caching::Bypass)?;
        let values = self.view.source.values(&info.block, Caching::Bypass)?;
        keys.check_values(info.block.id, &values)?;
        for at in info.live_rows_from(0) {
            let row = &keys.rows()[at];
            self.push(&keys.row(row, keys.key(row), values.value(at)), batch);
        }
        if ends_run {
            self.end_block(batch);
        }
        self.replaced.push(Arc::clone(&info.block));
        Ok(())
    }

    /// Packs sealed rows until there are no more or the batch is full.
    fn pack(&mut self, after: Option<RowRevision>, batch: &mut Batch) {
        let sealed = self.view.sealed.clone();
        let start = after.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        for (revision, row) in sealed.range((start, Bound::Unbounded)) {
            self.push(row, batch);
            if batch.bytes() >= self.options.slice_bytes {
                self.step = Step::Pack(Some(*revision));
                return;
            }
        }
        self.end_block(batch);
        self.step = Step::Commit;
    }

    fn push(&mut self, row: &Row, batch: &mut Batch) {
        if !self.builder.fits(row) {
            self.end_block(batch);
        }
        self.builder.push(row);
        if self.builder.raw_bytes() >= self.options.block_bytes as u64 {
            self.end_block(batch);
        }
    }

    /// Writes the rows collected so far as a block.
    fn end_block(&mut self, batch: &mut Batch) {
        let builder = mem::take(&mut self.builder);
        if builder.is_empty() {
            return;
        }
        let source = &self.view.source;
        let Some(encoded) = builder.finish(source.next_number()) else {
            return;
        };
        let id = encoded.block.id;
        self.traces.lock().written.push(id);
        batch.put(name(PartKind::Keys, id), encoded.keys);
        batch.put(name(PartKind::Values, id), encoded.values);
        if matches!(self.step, Step::Pack(_)) {
            source.cache_values(id, Arc::new(encoded.decoded_values));
        }
        self.written.push(Arc::new(BlockInfo::new(encoded.block)));
    }

    /// Makes all of it count. Of several changes of one key, the later one holds.
    fn commit(&mut self, batch: &mut Batch) {
        let dirty = self
            .chores
            .dirty
            .iter()
            .filter_map(|first| self.view.blocks.get(first));
        for info in dirty.chain(&self.written) {
            batch.put(name(PartKind::Info, info.block.id), info.record());
        }
        let gone = self
            .replaced
            .iter()
            .chain(&self.chores.dropped)
            .map(|block| block.id);
        for id in gone.chain(self.chores.stale.iter().copied()) {
            batch.delete(name(PartKind::Info, id));
        }
        for id in self.chores.unused.iter().chain(&self.chores.stale) {
            batch.delete(name(PartKind::Keys, *id));
            batch.delete(name(PartKind::Values, *id));
        }
    }
}
