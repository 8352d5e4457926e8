//! Leader completeness: a leader has every entry that was committed by the leaders before it. Raft paper, figure 3.

use kv_types::{MemberId, Term};

use super::log_matching::Log;
use crate::truth::Truth;
use crate::violation::{Verdict, require};

/// `purged`: up to where the leader's log may be missing.
pub(crate) fn check(truth: &Truth, leader: (Term, MemberId), log: &Log, purged: u64) -> Verdict {
    let committed = truth.entries.range(purged + 1..);
    for (index, entry) in committed {
        // It may be deposed without knowing.
        if (entry.log_id.term, entry.log_id.leader) >= leader {
            break;
        }
        let Some(record) = &entry.record else {
            continue;
        };
        require(log.get(index) == Some(record), "leader completeness", || {
            format!(
                "leader {leader:?} does not have the committed entry {}",
                entry.log_id
            )
        })?;
    }
    Ok(())
}
