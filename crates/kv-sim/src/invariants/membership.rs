//! Members change one at a time; who was removed never comes back; a change that is acknowledged is made, and one that
//! is refused is not; a learner has no vote. Ongaro's dissertation, chapter 4; etcd's documentation of its cluster API.

use std::collections::BTreeSet;

use kv_machine::Member;
use kv_raft::Status;
use kv_server::MemberChange;
use kv_types::MemberId;

use crate::truth::Truth;
use crate::violation::{Verdict, require};

const NAME: &str = "membership";

/// `before`: the members before the last change.
pub(crate) fn one_at_a_time(before: &[Member], truth: &Truth) -> Verdict {
    let after = truth.members();
    let missing = |from: &[Member], of: &[Member]| {
        let gone = from
            .iter()
            .filter(|member| !of.iter().any(|other| other.id == member.id));
        gone.count()
    };
    let changed = missing(before, &after) + missing(&after, before);
    // The first membership is that of the bootstrap.
    require(before.is_empty() || changed <= 1, NAME, || {
        format!("one entry makes {after:?} of {before:?}")
    })?;
    let back = after
        .iter()
        .find(|member| truth.removed_members().contains(&member.id));
    require(back.is_none(), NAME, || {
        format!("{back:?} was removed and is back")
    })
}

pub(crate) fn learners_have_no_vote(member: u64, status: &Status) -> Verdict {
    let learner = |id: &MemberId| {
        status
            .members
            .iter()
            .any(|other| other.id == *id && other.learner)
    };
    let found = status.voters.iter().find(|id| learner(id));
    require(found.is_none(), NAME, || {
        format!("learner {found:?} has a vote, says member {member}")
    })
}

/// `made`: whether the change was acknowledged, or refused.
pub(crate) fn answered(truth: &Truth, change: &MemberChange, made: bool) -> Verdict {
    let members = truth.members();
    let find = |id: &MemberId| members.iter().find(|member| member.id == *id);
    let gone = |id: &MemberId| truth.removed_members().contains(id);
    let holds = match change {
        MemberChange::Add { id, .. } => made == (find(id).is_some() || gone(id)),
        MemberChange::Remove(id) => !made || gone(id),
        MemberChange::Promote(id) => !made || gone(id) || find(id).is_some_and(|member| !member.learner),
        MemberChange::Update { id, peer_urls } => {
            !made || gone(id) || find(id).is_some_and(|member| member.peer_urls == *peer_urls)
        }
    };
    require(holds, NAME, || {
        let answer = if made { "acknowledged" } else { "refused" };
        format!("{change:?} was {answer}, and the members are {members:?}")
    })
}

/// What a member says of the members, and of who was one, once it has applied everything.
pub(crate) fn same_members(truth: &Truth, member: u64, told: &(Vec<Member>, BTreeSet<MemberId>)) -> Verdict {
    let expected = (truth.members(), truth.removed_members().clone());
    require(*told == expected, NAME, || {
        format!("member {member} lists {told:?} instead of {expected:?}")
    })
}
