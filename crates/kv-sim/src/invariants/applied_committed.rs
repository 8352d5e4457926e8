//! Applied ≤ committed. Raft paper, figure 2.

use kv_raft::Status;

use crate::violation::{Verdict, require};

pub(crate) fn check(member: u64, status: &Status) -> Verdict {
    let index = |log_id: Option<kv_types::LogId>| log_id.map_or(0, |log_id| log_id.index.get());
    let (applied, committed) = (index(status.applied), index(status.committed));
    require(applied <= committed, "applied ≤ committed", || {
        format!("member {member} has applied {applied} of {committed}")
    })
}
