//! What etcd allows. `check_quorum` is its strict reconfiguration check, of what the member that is asked sees;
//! `check_request` is what it checks when it applies a change.
//!
//! Follows etcd `server/etcdserver/server.go` and `api/membership/cluster.go`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kv_machine::Member;
use kv_types::{LogIndex, MemberId};

use super::{MemberChange, MemberError};

/// A member counts as connected when it has answered for so long.
const HEALTHY_AFTER: Duration = Duration::from_secs(5);

/// How many hundredths of the leader's log a learner needs to be promoted.
const READY_PERCENT: u64 = 90;

/// What the leader knows.
pub(crate) struct Situation<'a> {
    pub(crate) me: MemberId,
    pub(crate) members: &'a [Member],
    pub(crate) removed: &'a BTreeSet<MemberId>,
    /// For how long each member that answers has done so.
    pub(crate) connected: &'a BTreeMap<MemberId, Duration>,
    /// How far each member has the log.
    pub(crate) matched: &'a BTreeMap<MemberId, Option<LogIndex>>,
    /// The end of the leader's log.
    pub(crate) last: LogIndex,
    pub(crate) max_learners: usize,
}

/// Whether the quorum would be in danger; `strict` says whether that counts.
pub(crate) fn check_quorum(
    change: &MemberChange,
    now: &Situation<'_>,
    strict: bool,
) -> Result<(), MemberError> {
    match change {
        MemberChange::Add { learner, .. } if strict => check_adding(*learner, now),
        MemberChange::Remove(id) if strict => check_removing(*id, now),
        MemberChange::Promote(id) => {
            check_in_sync(*id, now)?;
            // The one that is promoted has started.
            let started = now.started().count() + 1;
            let enough = !strict || started >= quorum(now.voters().count() + 1);
            enough.then_some(()).ok_or(MemberError::NotEnoughStarted)
        }
        MemberChange::Add { .. } | MemberChange::Remove(_) | MemberChange::Update { .. } => Ok(()),
    }
}

fn check_adding(learner: bool, now: &Situation<'_>) -> Result<(), MemberError> {
    let (voters, started) = (now.voters().count(), now.started().count());
    let becomes_two = voters == 1 && started == 1;
    if !learner && !becomes_two && started < quorum(voters + 1) {
        return Err(MemberError::NotEnoughStarted);
    }
    if voters > 1 && now.connected_voters() < quorum(voters + 1) {
        return Err(MemberError::Unhealthy);
    }
    Ok(())
}

fn check_removing(id: MemberId, now: &Situation<'_>) -> Result<(), MemberError> {
    if now.members.iter().any(|member| member.id == id && member.learner) {
        return Ok(());
    }
    let remaining = now.voters().filter(|member| member.id != id).count();
    let started = now.started().filter(|member| member.id != id).count();
    if started < quorum(remaining) {
        return Err(MemberError::NotEnoughStarted);
    }
    // One that is away is no part of the quorum that works.
    if id != now.me && !now.connected.contains_key(&id) {
        return Ok(());
    }
    let voters = now.voters().count();
    if now.connected_voters().saturating_sub(1) < 1 + voters.saturating_sub(1) / 2 {
        return Err(MemberError::Unhealthy);
    }
    Ok(())
}

fn check_in_sync(id: MemberId, now: &Situation<'_>) -> Result<(), MemberError> {
    let matched = if id == now.me {
        now.last
    } else {
        let matched = now.matched.get(&id).ok_or(MemberError::NotFound)?;
        matched.unwrap_or_default()
    };
    let ready = u128::from(matched.get()) * 100 >= u128::from(now.last.get()) * u128::from(READY_PERCENT);
    ready.then_some(()).ok_or(MemberError::LearnerNotReady)
}

/// Whether the change makes sense for the members there are.
pub(crate) fn check_request(change: &MemberChange, now: &Situation<'_>) -> Result<(), MemberError> {
    let find = |id: MemberId| now.members.iter().find(|member| member.id == id);
    let known = |id| find(id).ok_or(MemberError::NotFound);
    match change {
        MemberChange::Add { id, .. } if now.removed.contains(id) => Err(MemberError::NotFound),
        MemberChange::Add { id, .. } if find(*id).is_some() => Err(MemberError::IdExists),
        MemberChange::Add {
            peer_urls, learner, ..
        } => {
            check_urls(None, peer_urls, now)?;
            let learners = now.members.iter().filter(|member| member.learner).count();
            let too_many = *learner && learners >= now.max_learners;
            if too_many {
                Err(MemberError::TooManyLearners)
            } else {
                Ok(())
            }
        }
        MemberChange::Remove(id) => known(*id).map(drop),
        MemberChange::Update { id, peer_urls } => {
            known(*id)?;
            check_urls(Some(*id), peer_urls, now)
        }
        MemberChange::Promote(id) => {
            let learner = known(*id)?.learner;
            learner.then_some(()).ok_or(MemberError::NotLearner)
        }
    }
}

fn check_urls(owner: Option<MemberId>, urls: &[String], now: &Situation<'_>) -> Result<(), MemberError> {
    let others = now.members.iter().filter(|member| Some(member.id) != owner);
    let mut taken = others.flat_map(|member| &member.peer_urls);
    if taken.any(|url| urls.contains(url)) {
        Err(MemberError::PeerUrlsExist)
    } else {
        Ok(())
    }
}

impl Situation<'_> {
    fn voters(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(|member| !member.learner)
    }

    /// The voters that have published themselves.
    fn started(&self) -> impl Iterator<Item = &Member> {
        self.voters().filter(|member| !member.name.is_empty())
    }

    fn connected_voters(&self) -> usize {
        let long_enough = |member: &&Member| {
            let connected = self.connected.get(&member.id);
            member.id == self.me || connected.is_some_and(|time| *time >= HEALTHY_AFTER)
        };
        self.voters().filter(long_enough).count()
    }
}

fn quorum(voters: usize) -> usize {
    voters / 2 + 1
}

#[cfg(test)]
mod tests;
