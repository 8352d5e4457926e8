//! A vote survives a crash: a member that comes back has voted for the same candidate or a greater one. Raft paper,
//! figure 2, "persistent state on all servers".

use kv_types::{MemberId, Term};

use crate::violation::{Verdict, require};

pub(crate) fn check(member: u64, before: (Term, MemberId), after: (Term, MemberId)) -> Verdict {
    require(after >= before, "vote durability", || {
        format!("member {member} voted {before:?} and comes back with {after:?}")
    })
}
