//! Which blocks are worth writing anew.

use std::sync::Arc;

use super::BlockMap;
use super::block_info::BlockInfo;

/// A run is cut when its blocks are as large as so many full ones, so that the best of many can be chosen.
const RUN_BLOCKS_MAX: u64 = 16;

/// How much of the live rows may lie dead beside them. With keys overwritten at random, two bytes are then
/// copied for each new one.
const DEAD_PERCENT_OF_LIVE: u64 = 20;

/// So many small neighbours are joined even if that makes one small block.
const SMALL_NEIGHBOURS_MAX: usize = 8;

/// Neighbouring blocks whose live rows are to be packed into new ones. Neighbours, because blocks must not
/// overlap.
#[derive(Default)]
pub(super) struct Run {
    pub(super) blocks: Vec<Arc<BlockInfo>>,
    live_bytes: u64,
    dead_bytes: u64,
    has_sparse: bool,
    /// Whether small blocks are to become a larger one.
    joins: bool,
}

/// What a checkpoint rewrites.
#[derive(Default)]
pub(super) struct Selection {
    pub(super) runs: Vec<Run>,
    /// Whether there are runs beyond the budget.
    pub(super) more: bool,
}

/// Chooses runs with up to `budget_bytes` of live rows (one run at least), those first that return the most
/// space for the copying.
///
/// Dead rows are left alone while they are a small part of all. Neighbours that are each less than half of
/// `block_bytes` are joined if together they are more, or many; so a small block grows manifold each time.
pub(super) fn select(blocks: &BlockMap, block_bytes: u64, budget_bytes: u64) -> Selection {
    let mut candidates = Candidates::find(blocks, block_bytes);
    candidates
        .runs
        .sort_by(|one, other| other.return_for(one).cmp(&one.return_for(other)));
    let tolerated_bytes = candidates.live_bytes / 100 * DEAD_PERCENT_OF_LIVE;
    let mut selection = Selection::default();
    let (mut dead_bytes, mut taken_bytes) = (candidates.dead_bytes, 0);
    for run in candidates.runs {
        if !run.joins && dead_bytes <= tolerated_bytes {
            continue;
        }
        if taken_bytes > 0 && taken_bytes + run.live_bytes > budget_bytes {
            selection.more = true;
            break;
        }
        taken_bytes += run.live_bytes;
        dead_bytes -= run.dead_bytes;
        selection.runs.push(run);
    }
    selection
}

/// All that might be rewritten.
#[derive(Default)]
struct Candidates {
    runs: Vec<Run>,
    /// Of all blocks, whether or not they are in a run.
    live_bytes: u64,
    dead_bytes: u64,
}

impl Candidates {
    fn find(blocks: &BlockMap, block_bytes: u64) -> Self {
        let half = block_bytes / 2;
        let mut candidates = Self::default();
        let mut run = Run::default();
        for (_, info) in blocks.iter() {
            let (live_bytes, dead_bytes) = (info.live_bytes(), info.dead_bytes());
            candidates.live_bytes += live_bytes;
            candidates.dead_bytes += dead_bytes;
            let sparse = dead_bytes >= live_bytes / 3 && dead_bytes >= block_bytes / 8;
            if !sparse && live_bytes >= half {
                candidates.end_run(&mut run, half);
                continue;
            }
            run.live_bytes += live_bytes;
            run.dead_bytes += dead_bytes;
            run.has_sparse |= sparse;
            run.blocks.push(Arc::clone(info));
            if run.live_bytes + run.dead_bytes >= RUN_BLOCKS_MAX * block_bytes {
                candidates.end_run(&mut run, half);
            }
        }
        candidates.end_run(&mut run, half);
        candidates
    }

    /// Ends a run, and keeps it if there is anything to gain from it.
    fn end_run(&mut self, run: &mut Run, half: u64) {
        let mut run = std::mem::take(run);
        let small = run
            .blocks
            .iter()
            .map(|info| info.live_bytes())
            .filter(|bytes| *bytes < half);
        let (count, bytes) = small.fold((0, 0), |(count, sum), bytes| (count + 1, sum + bytes));
        run.joins = count > 1 && (bytes >= half || count >= SMALL_NEIGHBOURS_MAX);
        if run.has_sparse || run.joins {
            self.runs.push(run);
        }
    }
}

impl Run {
    /// What this run returns for each byte copied, in a measure that can be compared with that of `other`.
    fn return_for(&self, other: &Run) -> u128 {
        u128::from(self.dead_bytes) * u128::from(other.live_bytes)
    }
}
