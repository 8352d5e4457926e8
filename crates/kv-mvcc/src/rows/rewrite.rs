//! Which blocks are worth writing anew.

use std::sync::Arc;

use super::BlockMap;
use super::block_info::BlockInfo;

/// A run is cut when its blocks are as large as so many full ones, so that the best of many can be chosen.
const RUN_BLOCKS_MAX: u64 = 16;

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
/// Worth it is a block that is less than half live, and neighbours that are each less than half of
/// `block_bytes` if together they are more, or many. So each byte is copied once for each byte that is returned,
/// and a small block grows manifold each time.
pub(super) fn select(blocks: &BlockMap, block_bytes: u64, budget_bytes: u64) -> Selection {
    let mut runs = find_runs(blocks, block_bytes);
    runs.sort_by(|one, other| {
        let (one_first, other_first) = (one.return_for(other), other.return_for(one));
        other_first.cmp(&one_first)
    });
    let mut taken_bytes: u64 = 0;
    let fits = |run: &Run| {
        let fits = taken_bytes == 0 || taken_bytes + run.live_bytes <= budget_bytes;
        taken_bytes += run.live_bytes;
        fits
    };
    let taken = runs.iter().map(fits).take_while(|fits| *fits).count();
    let more = taken < runs.len();
    runs.truncate(taken);
    Selection { runs, more }
}

fn find_runs(blocks: &BlockMap, block_bytes: u64) -> Vec<Run> {
    let half = block_bytes / 2;
    let mut runs = Vec::new();
    let mut run = Run::default();
    for (_, info) in blocks.iter() {
        let sparse = info.live_bytes() < info.dead_bytes() && info.dead_bytes() >= block_bytes / 8;
        if !sparse && info.live_bytes() >= half {
            close(&mut runs, &mut run, half);
            continue;
        }
        run.live_bytes += info.live_bytes();
        run.dead_bytes += info.dead_bytes();
        run.has_sparse |= sparse;
        run.blocks.push(Arc::clone(info));
        if run.live_bytes + run.dead_bytes >= RUN_BLOCKS_MAX * block_bytes {
            close(&mut runs, &mut run, half);
        }
    }
    close(&mut runs, &mut run, half);
    runs
}

/// Ends a run, and keeps it if it is worth it.
fn close(runs: &mut Vec<Run>, run: &mut Run, half: u64) {
    let run = std::mem::take(run);
    let joins = run.blocks.len() > 1 && (run.live_bytes >= half || run.blocks.len() >= SMALL_NEIGHBOURS_MAX);
    if run.has_sparse || joins {
        runs.push(run);
    }
}

impl Run {
    /// What this run returns for each byte copied, in a measure that can be compared with that of `other`.
    fn return_for(&self, other: &Run) -> u128 {
        u128::from(self.dead_bytes) * u128::from(other.live_bytes)
    }
}
