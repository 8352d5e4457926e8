//! The guarantees of a watch: ordered, unique, atomic, reliable, resumable, bookmarkable; and right previous values.
//! etcd's "KV API guarantees", section "Watch APIs"; `tests/robustness/validate/watch.go`.

use std::sync::Arc;

use kv_mvcc::Change;
use kv_types::{KeyRange, Revision};
use kv_watch::Event;

use crate::truth::Truth;
use crate::violation::{Verdict, require};

/// What one watcher has been told, over all its connections.
#[derive(Clone, Debug)]
pub(crate) struct Watched {
    pub(crate) range: KeyRange,
    pub(crate) prev_kv: bool,
    /// Everything before this revision was delivered.
    pub(crate) next: Revision,
}

impl Watched {
    /// Events came: exactly those between what came before and the last of them, in order, whole revisions.
    pub(crate) fn events(&mut self, truth: &Truth, events: &[Arc<Event>]) -> Verdict {
        let Some(last) = events.last().map(|event| event.revision()) else {
            return Ok(());
        };
        let expected = truth.changes(&self.range, self.next, last);
        let same = |(event, change): (&Arc<Event>, &Change)| event.row() == &change.row;
        let complete = expected.len() == events.len() && events.iter().zip(&expected).all(same);
        require(complete, "watch: ordered, unique, atomic and reliable", || {
            let revisions = |event: &Arc<Event>| event.row().revision.to_string();
            let got: Vec<_> = events.iter().map(revisions).collect();
            let wanted: Vec<_> = expected
                .iter()
                .map(|change| change.row.revision.to_string())
                .collect();
            format!("from {} on, {got:?} came instead of {wanted:?}", self.next)
        })?;
        self.next = last.next();
        if self.prev_kv {
            events.iter().try_for_each(|event| right_prev(truth, event))?;
        }
        Ok(())
    }

    /// Progress was reported: nothing up to there is still to come.
    pub(crate) fn progress(&mut self, truth: &Truth, revision: Revision) -> Verdict {
        let missed = truth.changes(&self.range, self.next, revision);
        require(missed.is_empty(), "watch: bookmarkable", || {
            format!("progress at {revision}, and {missed:?} did not come")
        })?;
        require(revision <= truth.revision(), "watch: bookmarkable", || {
            format!("progress at {revision}, which is in the future")
        })?;
        self.next = self.next.max(revision.next());
        Ok(())
    }

    /// The watcher was ended because it wants what is compacted.
    pub(crate) fn compacted(&mut self, truth: &Truth, compact_revision: Revision) -> Verdict {
        let justified = self.next < compact_revision && compact_revision <= truth.compacted;
        require(justified, "watch: resumable", || {
            format!(
                "from {} on it is refused as compacted at {compact_revision}, but compacted is {}",
                self.next, truth.compacted
            )
        })?;
        self.next = compact_revision;
        Ok(())
    }
}

fn right_prev(truth: &Truth, event: &Event) -> Verdict {
    let found = event.prev().map(|row| row.key_value());
    let expected = truth.before(&event.row().key, event.revision());
    // What is compacted cannot be looked up any more.
    let known = found.is_some() || event.revision() > truth.compacted;
    require(!known || found == expected, "watch: right prev_kv", || {
        format!(
            "event {} comes with {found:?} instead of {expected:?}",
            event.row().revision
        )
    })
}
