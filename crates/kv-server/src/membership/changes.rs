use std::collections::{BTreeMap, BTreeSet};

use kv_machine::Member;
use kv_raft::{ChangeError, MembershipChange, RaftMember};
use kv_types::{LogIndex, MemberId};
use tokio::time::{Instant, timeout_at};

use super::{MemberChange, MemberError, Situation, check_quorum, check_request};
use crate::RequestError;
use crate::leader_calls::LeaderCall;
use crate::shell::Shell;

/// The members as of the last entry applied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ClusterView {
    /// Ascending by ID.
    pub(crate) members: Vec<Member>,
    /// Who was a member once.
    pub(crate) removed: BTreeSet<MemberId>,
}

impl ClusterView {
    pub(crate) fn is_learner(&self, id: MemberId) -> bool {
        self.members
            .iter()
            .any(|member| member.id == id && member.learner)
    }
}

impl Shell {
    /// Has the leader make a change; the members after it, as soon as it is applied here.
    pub(crate) async fn change_members(&self, change: MemberChange) -> Result<Vec<Member>, RequestError> {
        let started = Instant::now();
        let deadline = started + self.options.request_timeout();
        if self.options.strict_reconfig_check && self.needs_quorum(&change) {
            self.wait_for_leader().await?;
        }
        let answer = self.ask_leader(LeaderCall::Change(change.clone())).await?;
        let undecodable = || RequestError::Internal("the leader's answer cannot be read".into());
        let index = super::decode_answer(answer).ok_or_else(undecodable)??;
        let applied = async {
            tokio::select! {
                () = self.replica.wait_applied(index) => {}
                // Who is removed is not sent the entry that says so.
                () = self.raft.removed() => {}
            }
        };
        let own_removal = change == MemberChange::Remove(self.options.member_id);
        if !own_removal && timeout_at(deadline, applied).await.is_err() {
            return Err(self.timeout_error(started));
        }
        let mut members = self.replica.members();
        if own_removal {
            members.retain(|member| member.id != self.options.member_id);
        }
        Ok(members)
    }

    /// Whether etcd looks at its connections before it does anything: without a leader it sees too few of them.
    fn needs_quorum(&self, change: &MemberChange) -> bool {
        let cluster = self.replica.cluster();
        let voters = cluster.members.iter().filter(|member| !member.learner);
        let counts = match change {
            MemberChange::Add { .. } => true,
            MemberChange::Remove(id) => !cluster.is_learner(*id),
            MemberChange::Update { .. } | MemberChange::Promote(_) => false,
        };
        counts && voters.count() > 1
    }

    /// # Errors
    /// [`MemberError::Unhealthy`] if there is none for longer than an election takes.
    async fn wait_for_leader(&self) -> Result<(), RequestError> {
        let mut leader = self.leader.subscribe();
        let elected = leader.wait_for(Option::is_some);
        match tokio::time::timeout(2 * self.options.election_timeout, elected).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) => Err(RequestError::Stopped),
            Err(_) => Err(MemberError::Unhealthy.into()),
        }
    }

    /// Makes a change if this member leads; `None` if it does not and nothing was done. One at a time.
    pub(crate) async fn change_members_here(
        &self,
        change: MemberChange,
    ) -> Option<Result<LogIndex, RequestError>> {
        let deadline = Instant::now() + self.options.request_timeout();
        let deciding = async {
            let _turn = self.member_changes.lock().await;
            self.decide(&change).await
        };
        timeout_at(deadline, deciding)
            .await
            .unwrap_or(Some(Err(RequestError::Timeout)))
    }

    async fn decide(&self, change: &MemberChange) -> Option<Result<LogIndex, RequestError>> {
        let strict = self.options.strict_reconfig_check;
        if let Err(error) = self.situation(|now| check_quorum(change, now, strict))? {
            return Some(Err(error.into()));
        }
        // What was changed before must be known here.
        if let Err(error) = self.reads.pass().await {
            return Some(Err(error));
        }
        if let Err(error) = self.situation(|now| check_request(change, now))? {
            return Some(Err(error.into()));
        }
        tracing::info!(?change, "changing the membership");
        match self.raft.change(&raft_change(change)).await {
            Ok(index) => Some(Ok(index)),
            Err(ChangeError::NotLeader) => None,
            Err(ChangeError::Stopped) => Some(Err(RequestError::Stopped)),
            Err(ChangeError::Unknown) => Some(Err(RequestError::Timeout)),
            Err(error @ ChangeError::Refused(_)) => {
                tracing::warn!(%error, "membership not changed");
                Some(Err(RequestError::Timeout))
            }
        }
    }

    /// Judges by what this member knows as the leader; `None` if it does not lead.
    fn situation<T>(&self, judge: impl FnOnce(&Situation<'_>) -> T) -> Option<T> {
        let status = self.raft.status();
        let matched: BTreeMap<_, _> = status.matched?;
        let cluster = self.replica.cluster();
        Some(judge(&Situation {
            me: self.options.member_id,
            members: &cluster.members,
            removed: &cluster.removed,
            connected: &status.connected,
            matched: &matched,
            last: status.last.unwrap_or_default(),
            max_learners: self.options.max_learners,
        }))
    }

    /// Hands the leadership over, which this member must have.
    pub(crate) async fn move_leader(&self, to: MemberId) -> Result<(), RequestError> {
        if *self.leader.borrow() != Some(self.options.member_id) {
            return Err(MemberError::NotLeader.into());
        }
        let cluster = self.replica.cluster();
        if cluster.is_learner(to) || !cluster.members.iter().any(|member| member.id == to) {
            return Err(MemberError::BadTransferee.into());
        }
        match self.raft.transfer_leader(to).await {
            Ok(()) => Ok(()),
            Err(ChangeError::NotLeader) => Err(MemberError::NotLeader.into()),
            Err(ChangeError::Stopped) => Err(RequestError::Stopped),
            // It is to have a vote and has not caught up, or does not answer.
            Err(ChangeError::Refused(_) | ChangeError::Unknown) => Err(MemberError::TransferTimeout.into()),
        }
    }
}

fn raft_change(change: &MemberChange) -> MembershipChange {
    match change {
        MemberChange::Add {
            id,
            peer_urls,
            learner,
        } => MembershipChange::Add(RaftMember {
            id: *id,
            peer_urls: peer_urls.clone(),
            learner: *learner,
        }),
        MemberChange::Remove(id) => MembershipChange::Remove(*id),
        MemberChange::Update { id, peer_urls } => MembershipChange::Update {
            id: *id,
            peer_urls: peer_urls.clone(),
        },
        MemberChange::Promote(id) => MembershipChange::Promote(*id),
    }
}
