//! State machine safety: no two members apply different entries at one index, and the state after an index is the
//! same everywhere. Raft paper, figure 3. With it, election safety as far as it can be seen from outside: the entries
//! of a leader never come after those of a greater one (openraft's `leader_id_adv` lets a term have two leaders, of
//! which the greater wins; figure 3 has one per term).

use bytes::Bytes;
use kv_mvcc::View;
use kv_raft::CommittedEntry;
use kv_types::{KeyRange, Revision};

use crate::truth::{Entry, Truth};
use crate::violation::{Verdict, Violation, require};

const NAME: &str = "state machine safety";

pub(crate) fn same_entry(
    member: u64,
    known: &Entry,
    entry: &CommittedEntry,
    record: Option<&Bytes>,
) -> Verdict {
    let same_record = match (&known.record, record) {
        (Some(known), Some(record)) => known == record,
        _ => true,
    };
    let same = known.log_id == entry.log_id && known.payload == entry.payload && same_record;
    require(same, NAME, || {
        format!(
            "member {member} applies {} where {} was applied before",
            entry.log_id, known.log_id
        )
    })
}

pub(crate) fn no_gap(member: u64, last: Option<u64>, index: u64) -> Verdict {
    let expected = last.map_or(index, |last| last + 1);
    require(index == expected, NAME, || {
        format!("member {member} applies {index}, which nobody committed: the next is {expected}")
    })
}

pub(crate) fn leaders_in_order(before: Option<&Entry>, entry: &CommittedEntry) -> Verdict {
    let leader = |log_id: &kv_types::LogId| (log_id.term, log_id.leader);
    let ordered = before.is_none_or(|before| leader(&before.log_id) <= leader(&entry.log_id));
    require(ordered, "election safety", || {
        format!("{} is committed after an entry of a greater leader", entry.log_id)
    })
}

/// After the entry `last`, a member has the true revision, and the true changes since `from`.
pub(crate) fn same_state(truth: &Truth, member: u64, view: &View, from: Revision, last: u64) -> Verdict {
    let revision = view.revision();
    require(truth.revision_after(last) == Some(revision), NAME, || {
        format!(
            "member {member} is at revision {revision} after entry {last}, others at {:?}",
            truth.revision_after(last)
        )
    })?;
    let from = view
        .compacted()
        .map_or(from, |compacted| from.max(compacted.next()));
    let mut changes = truth.changes(&KeyRange::all(), from, revision).into_iter();
    for found in view.history(from, revision) {
        let found = found.map_err(|error| Violation {
            invariant: NAME,
            detail: format!("member {member} cannot read its history: {error}"),
        })?;
        let expected = changes.next();
        let same = expected.as_ref().is_some_and(|change| change.row == found.row);
        require(same, NAME, || {
            format!("member {member} has {found:?} instead of {expected:?}")
        })?;
    }
    let missing = changes.next();
    // Garbage may be gone that nobody can ask for; what is live may not.
    let gone = missing.filter(|_| view.compacted().is_none());
    require(gone.is_none(), NAME, || {
        format!("member {member} misses {gone:?} of its history")
    })
}
