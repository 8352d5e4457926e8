use std::ops::Bound;
use std::sync::Arc;

use kv_types::{KeyRange, Revision, RowRevision};

use crate::cow_tree::{CowTree, Weight};

/// Most transitions kept: about two megabytes. A count from before them walks its interval.
const TRANSITIONS_MAX: usize = 16_384;

/// Which keys came into being or ceased to, newest last: what turns the current count of an interval into the
/// count of a little while ago.
#[derive(Clone, Debug)]
pub(super) struct Transitions {
    log: CowTree<RowRevision, Transition>,
    // Invariant: every transition above this revision is in `log`.
    complete_after: Revision,
}

#[derive(Clone, Debug)]
struct Transition {
    key: Arc<[u8]>,
    created: bool,
}

/// Transitions are only counted.
impl Weight for Transition {
    fn weight(&self) -> u64 {
        0
    }
}

impl Transitions {
    /// An empty log of what happens after `revision`.
    pub(super) fn after(revision: Revision) -> Self {
        Self {
            log: CowTree::default(),
            complete_after: revision,
        }
    }

    /// Adds what happened at `at`, above all before, and drops a little of what is too much or from before
    /// `needed_after`.
    pub(super) fn push(&mut self, at: RowRevision, key: &[u8], created: bool, needed_after: Revision) {
        self.log.insert(
            at,
            Transition {
                key: key.into(),
                created,
            },
        );
        for _ in 0..2 {
            let Some((first, _)) = self.log.first() else {
                return;
            };
            let first = *first;
            if self.log.len() <= TRANSITIONS_MAX && first.main > needed_after {
                return;
            }
            self.log.remove(&first);
            self.complete_after = self.complete_after.max(first.main);
        }
    }

    /// How many transitions there were after `revision`, if all of them are known.
    pub(super) fn count_after(&self, revision: Revision) -> Option<usize> {
        (revision >= self.complete_after)
            .then(|| self.log.sums(after(&RowRevision::last_of(revision))).entries)
    }

    /// By how much the number of keys of `range` has grown since `revision`.
    pub(super) fn growth_after(&self, revision: Revision, range: &KeyRange) -> i64 {
        self.log
            .range(after(&RowRevision::last_of(revision)))
            .filter(|(_, transition)| range.contains(&transition.key))
            .map(|(_, transition)| if transition.created { 1 } else { -1 })
            .sum()
    }
}

fn after(revision: &RowRevision) -> (Bound<&RowRevision>, Bound<&RowRevision>) {
    (Bound::Excluded(revision), Bound::Unbounded)
}
