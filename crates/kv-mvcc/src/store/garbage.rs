use std::sync::Arc;

use bytes::Bytes;
use kv_types::Revision;

use super::Store;
use crate::View;
use crate::state::GarbagePass;

/// One bounded step of dropping what compactions do not keep.
#[derive(Clone, Debug)]
pub struct GarbagePlan {
    /// Where the step starts.
    pass: GarbagePass,
    /// The keys with something to drop, and how many versions of each.
    keys: Vec<(Bytes, usize)>,
    /// Where the next step starts; none if all keys are done.
    next: Option<Arc<[u8]>>,
}

impl View {
    /// Finds the next versions to drop, if any compaction is not done with. Looks at no more than `count_max`
    /// keys and versions; runs beside the writer, which then gets the plan by [`Store::finish_garbage`].
    pub fn plan_garbage(&self, count_max: usize) -> Option<GarbagePlan> {
        let garbage = &self.state.garbage;
        let pass = match &garbage.pass {
            Some(pass) => pass.clone(),
            None if garbage.collected >= self.state.compacted => return None,
            None => GarbagePass {
                at: self.state.compacted?,
                next: None,
            },
        };
        let mut keys = Vec::new();
        let mut budget = count_max.max(1);
        for (key, garbage) in self
            .state
            .index
            .garbage_from(pass.next.as_deref(), pass.at, budget + 1)
        {
            if budget == 0 {
                return Some(GarbagePlan {
                    pass,
                    keys,
                    next: Some(key.into()),
                });
            }
            budget -= 1;
            if garbage == 0 {
                continue;
            }
            let versions = garbage.min(budget.max(1));
            keys.push((Bytes::copy_from_slice(key), versions));
            if versions < garbage {
                return Some(GarbagePlan {
                    pass,
                    keys,
                    next: Some(key.into()),
                });
            }
            budget = budget.saturating_sub(versions);
        }
        Some(GarbagePlan {
            pass,
            keys,
            next: None,
        })
    }

    /// The last compaction of which everything not kept is dropped from memory and marked so in the rows. It
    /// has left the disk after the next checkpoints.
    pub fn garbage_collected(&self) -> Option<Revision> {
        self.state.garbage.collected
    }
}

impl Store {
    /// Carries a plan out. Does nothing if another one was carried out since the view it was made on.
    ///
    /// Readers of older views still find what this drops.
    pub fn finish_garbage(&mut self, plan: GarbagePlan) {
        let garbage = &mut self.state.garbage;
        let current = match &garbage.pass {
            Some(pass) => *pass == plan.pass,
            None => plan.pass.next.is_none() && garbage.collected < Some(plan.pass.at),
        };
        if !current {
            return;
        }
        garbage.pass = match plan.next {
            Some(key) => Some(GarbagePass {
                at: plan.pass.at,
                next: Some(key),
            }),
            None => {
                garbage.collected = Some(plan.pass.at);
                None
            }
        };
        let (index, rows) = (&mut self.state.index, &mut self.rows);
        for (key, versions) in plan.keys {
            index.drop_garbage(&key, plan.pass.at, versions, |revision| {
                let was_live = rows.mark_dead(revision);
                debug_assert!(was_live, "the index and the rows know the same versions");
            });
        }
    }
}
