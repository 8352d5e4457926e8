use std::mem;
use std::sync::Arc;

use kv_types::RowRevision;
use parking_lot::Mutex;

use super::checkpoint::{CheckpointPlan, Chores, Finished, Traces};
use super::view::RowsView;
use crate::Row;
use crate::block::Block;

/// How much memory and disk traffic rows may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RowsOptions {
    /// Most bytes of unpacked blocks in the cache.
    pub(crate) cache_bytes: usize,
    /// About how many bytes of blocks go into one flush.
    pub(crate) slice_bytes: usize,
    /// From which size a block is full; at most 64 KiB. Before compression.
    pub(crate) block_bytes: usize,
}

impl Default for RowsOptions {
    fn default() -> Self {
        Self {
            cache_bytes: 40 << 20,
            slice_bytes: 8 << 20,
            block_bytes: 32 << 10,
        }
    }
}

/// All rows, and the one who changes them. What is appended or marked dead is in memory alone until a
/// checkpoint has been completed.
#[derive(Debug)]
pub(crate) struct Rows {
    pub(super) view: RowsView,
    pub(super) options: RowsOptions,
    /// Number of the checkpoint that will be next.
    pub(super) next_serial: u64,
    pub(super) chores: Chores,
    /// Replaced blocks whose info records are gone; their data waits until no view knows them.
    pub(super) graves: Vec<Arc<Block>>,
    /// The checkpoint that began last, unless it was finished.
    pub(super) running: Option<Running>,
    pub(super) more: bool,
}

/// What the writer remembers of a checkpoint in progress.
#[derive(Debug)]
pub(super) struct Running {
    serial: u64,
    /// Rows that have died since it began: the new blocks do not know yet.
    died: Vec<RowRevision>,
    chores: Chores,
    traces: Arc<Mutex<Traces>>,
}

impl Rows {
    /// All rows as they are now.
    pub(crate) fn view(&self) -> &RowsView {
        &self.view
    }

    /// Adds a row after all others.
    pub(crate) fn append(&mut self, row: Arc<Row>) {
        debug_assert!(row.revision > self.view.stored_to);
        debug_assert!(
            self.view
                .recent
                .last()
                .is_none_or(|(last, _)| *last < row.revision)
        );
        self.view.recent.insert(row.revision, row);
    }

    /// Takes a row away and returns whether it was there. Views made before keep it.
    ///
    /// Reads nothing, whatever the row's age.
    pub(crate) fn mark_dead(&mut self, revision: RowRevision) -> bool {
        if revision > self.view.stored_to && self.view.recent.remove(&revision).is_some() {
            return true;
        }
        let was_live = self.view.sealed.remove(&revision).is_some() || self.mark_dead_in_block(revision);
        if was_live && let Some(running) = &mut self.running {
            running.died.push(revision);
        }
        was_live
    }

    fn mark_dead_in_block(&mut self, revision: RowRevision) -> bool {
        let Some((first, info)) = self.view.blocks.floor(&revision) else {
            return false;
        };
        let (first, Some(row)) = (*first, info.find_live(revision)) else {
            return false;
        };
        let serial = self.next_serial;
        let changed = self.view.blocks.update(&first, |info| {
            let info = Arc::make_mut(info);
            info.mark_dead(row);
            (info.is_all_dead(), mem::replace(&mut info.dirty_for, serial))
        });
        match changed {
            Some((true, _)) => {
                let dropped = self.view.blocks.remove(&first);
                self.chores
                    .dropped
                    .extend(dropped.map(|info| Arc::clone(&info.block)));
            }
            Some((false, dirty_for)) if dirty_for != serial => self.chores.dirty.push(first),
            _ => {}
        }
        true
    }

    /// Whether there is anything that a checkpoint would make durable or tidy up.
    pub(crate) fn wants_checkpoint(&self) -> bool {
        !self.view.recent.is_empty()
            || !self.view.sealed.is_empty()
            || !self.chores.is_empty()
            || self.more
            || self.running.is_some()
            || self.graves.iter().any(is_forgotten)
    }

    /// Begins to make durable what is there now. Takes no time worth mentioning.
    ///
    /// There is one checkpoint at a time: if one that began before was not finished, it must have been dropped.
    pub(crate) fn begin_checkpoint(&mut self) -> CheckpointPlan {
        self.take_back_unfinished();
        self.seal();
        let graves = mem::take(&mut self.graves);
        let (forgotten, known) = graves.into_iter().partition(is_forgotten);
        self.graves = known;
        self.chores
            .unused
            .extend(forgotten.into_iter().map(|block: Arc<Block>| block.id));

        let serial = self.next_serial;
        self.next_serial += 1;
        let chores = mem::take(&mut self.chores);
        let traces = Arc::default();
        let plan = CheckpointPlan::new(
            self.view.clone(),
            serial,
            self.options,
            chores.clone(),
            Arc::clone(&traces),
        );
        self.running = Some(Running {
            serial,
            died: Vec::new(),
            chores,
            traces,
        });
        plan
    }

    /// Ends a checkpoint whose last batch was flushed. Takes some milliseconds at most.
    ///
    /// # Panics
    /// If another checkpoint began since, or not all batches were filled: what is in the backend would not
    /// be what is in memory.
    pub(crate) fn finish_checkpoint(&mut self, mut plan: CheckpointPlan) -> Finished {
        let running = self.running.take();
        let running = running.filter(|running| running.serial == plan.serial && plan.is_done());
        let running =
            running.expect("the checkpoint that ends is the one that began last, and it is complete");

        for old in mem::take(&mut plan.replaced) {
            // Unless its last row has died meanwhile: then it is among the dropped ones of the next checkpoint.
            if self.view.blocks.remove(&old.id.first).is_some() {
                self.graves.push(old);
            }
        }
        self.graves.extend(running.chores.dropped);
        for info in mem::take(&mut plan.written) {
            self.view.blocks.insert(info.block.id.first, info);
        }
        self.view.stored_to = plan.stored_to();
        let sealed = mem::take(&mut self.view.sealed);
        for revision in running.died {
            self.mark_dead_in_block(revision);
        }
        self.more = plan.more;
        Finished {
            more: plan.more,
            _plan: plan,
            _sealed: sealed,
        }
    }

    /// Takes up again what a checkpoint that was not finished had to do, whether or not it reached the
    /// backend.
    fn take_back_unfinished(&mut self) {
        let Some(running) = self.running.take() else {
            return;
        };
        self.chores.append(running.chores);
        let traces = mem::take(&mut *running.traces.lock());
        self.chores.stale.extend(traces.written);
        self.chores.dirty.extend(traces.replaced);
    }

    /// Sets the recent rows apart as those to be written.
    fn seal(&mut self) {
        let recent = mem::take(&mut self.view.recent);
        if self.view.sealed.is_empty() {
            self.view.sealed = recent;
            return;
        }
        for (revision, row) in recent.iter() {
            self.view.sealed.insert(*revision, Arc::clone(row));
        }
    }
}

/// Whether nobody but the graveyard knows the block. Nobody will again: there is no one to get it from.
fn is_forgotten(block: &Arc<Block>) -> bool {
    Arc::strong_count(block) == 1
}
