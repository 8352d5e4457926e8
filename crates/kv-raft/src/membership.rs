//! Changes of the membership: one member at a time, one log entry each.

use std::collections::BTreeMap;
use std::sync::Arc;

use kv_types::planted::{Bug, is_planted};
use kv_types::{LogIndex, MemberId};
use openraft::ChangeMembers;
use openraft::errors::{ChangeMembershipError, ClientWriteError, RaftError};
use openraft::raft::Precondition;
use tokio::time::Instant;

use crate::core::{Core, until};
use crate::types::{Membership, Node, Payload, StoredMembership, TypeConfig};
use crate::{ChangeError, RaftMember};

/// A change of the membership.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MembershipChange {
    /// Adds a member. One that is to have a vote gets it once it has caught up with the log: until then it takes the
    /// log only, so that a member which is not started yet stops nobody.
    Add(RaftMember),
    /// Removes a member, voter or not.
    Remove(MemberId),
    /// Tells where a member may be reached from now on.
    Update {
        /// The member.
        id: MemberId,
        /// Its peer URLs.
        peer_urls: Vec<String>,
    },
    /// Gives a learner a vote, at once if it has caught up.
    Promote(MemberId),
}

/// What is to be appended for a change.
#[derive(Debug, PartialEq)]
enum Step {
    /// Nodes alone: the voters stay.
    Nodes(ChangeMembers<u64, Node>),
    /// One voter more or less.
    Voters(Membership),
}

/// Why an attempt has come to nothing.
enum Failed {
    /// Nothing was appended, and soon it may be.
    NotYet,
    For(ChangeError),
}

impl Core {
    /// Only on the leader. Returns the index of the entry that brought the change, once it is applied here.
    pub(crate) async fn change(&self, change: &MembershipChange) -> Result<LogIndex, ChangeError> {
        let _changing = self.changing.lock().await;
        let deadline = self.deadline();
        let index = self
            .append(deadline, |membership| step(membership, change))
            .await?;
        if let MembershipChange::Promote(id) = change {
            // It is to have a vote from now on. Should this fail, it gets it as soon as it can.
            let vote = self.append(deadline, |membership| vote(membership, id.get()));
            return Ok(vote.await.unwrap_or(index));
        }
        Ok(index)
    }

    /// Gives a vote to a member that is to have one, unless a change is being made.
    pub(crate) async fn give_vote(&self, id: u64) {
        let Ok(_changing) = self.changing.try_lock() else {
            return;
        };
        let deadline = Instant::now() + self.options.election_timeout;
        match self.append(deadline, |membership| vote(membership, id)).await {
            Ok(_) => {
                tracing::info!(member_id = %MemberId::new(id), "the member has caught up and has a vote now")
            }
            Err(error) => tracing::info!(member_id = %MemberId::new(id), %error, "no vote given yet"),
        }
    }

    async fn append(
        &self,
        deadline: Instant,
        plan: impl Fn(&Membership) -> Result<Step, ChangeError>,
    ) -> Result<LogIndex, ChangeError> {
        loop {
            let before = self.metrics(|metrics| Arc::clone(&metrics.membership_config));
            let step = plan(before.membership())?;
            match until(deadline, self.append_step(&before, step)).await {
                Some(Ok(index)) => return Ok(index),
                Some(Err(Failed::For(error))) => return Err(error),
                Some(Err(Failed::NotYet)) if Instant::now() < deadline => self.pause().await,
                Some(Err(Failed::NotYet)) | None => return Err(ChangeError::Unknown),
            }
        }
    }

    async fn append_step(&self, before: &StoredMembership, step: Step) -> Result<LogIndex, Failed> {
        let unchanged = [Precondition::LastMembershipLogId {
            last_membership_log_id: *before.log_id(),
        }];
        let appended = match step {
            Step::Nodes(change) => self.openraft.change_membership_if(change, true, unchanged).await,
            Step::Voters(membership) => {
                let payload = Payload::Blank;
                self.openraft
                    .append_membership(membership, payload, unchanged)
                    .await
            }
        };
        match appended {
            Ok(response) => Ok(LogIndex::new(response.log_id.index())),
            Err(error) => Err(self.failure_of_change(error)),
        }
    }

    fn failure_of_change(&self, error: RaftError<TypeConfig, ClientWriteError<TypeConfig>>) -> Failed {
        match error {
            // Its office is not confirmed yet; else somebody else has it.
            RaftError::APIError(ClientWriteError::ForwardToLeader(_))
                if self.leader().is_some_and(|leader| self.is_me(&leader)) =>
            {
                Failed::NotYet
            }
            RaftError::APIError(ClientWriteError::ForwardToLeader(_)) => Failed::For(ChangeError::NotLeader),
            RaftError::APIError(
                ClientWriteError::PreconditionFailed(_)
                | ClientWriteError::ChangeMembershipError(
                    ChangeMembershipError::InProgress(_) | ChangeMembershipError::UncommittedLeaderLog(_),
                ),
            ) => Failed::NotYet,
            RaftError::APIError(ClientWriteError::LogEntryDiscarded(_)) => Failed::For(ChangeError::Unknown),
            RaftError::APIError(error) => Failed::For(ChangeError::Refused(error.to_string())),
            RaftError::Fatal(_) => Failed::For(ChangeError::Stopped),
        }
    }
}

/// The members that are to have a vote and have none yet.
pub(crate) fn without_vote(membership: &Membership) -> impl Iterator<Item = u64> {
    let voters: Vec<u64> = membership.voter_ids().collect();
    membership
        .nodes()
        .filter(move |(id, node)| (!node.learner || is_planted(Bug::LearnerVotes)) && !voters.contains(id))
        .map(|(id, _)| *id)
}

fn step(membership: &Membership, change: &MembershipChange) -> Result<Step, ChangeError> {
    let refused = |reason: &str| Err(ChangeError::Refused(reason.into()));
    match change {
        MembershipChange::Add(member) if membership.get_node(&member.id.get()).is_some() => {
            refused("the member is there already")
        }
        MembershipChange::Add(RaftMember {
            id,
            peer_urls,
            learner,
        }) => {
            let node = Node {
                urls: peer_urls.clone(),
                learner: *learner,
            };
            Ok(Step::Nodes(ChangeMembers::AddNodes(BTreeMap::from([(
                id.get(),
                node,
            )]))))
        }
        MembershipChange::Remove(id) => {
            if !membership.voter_ids().any(|voter| voter == id.get()) {
                return Ok(Step::Nodes(ChangeMembers::RemoveNodes([id.get()].into())));
            }
            with_voters(membership, |voters, nodes| {
                voters.remove(&id.get());
                nodes.remove(&id.get());
            })
        }
        MembershipChange::Update { id, peer_urls } => set_node(membership, *id, |node| {
            node.urls.clone_from(peer_urls);
        }),
        MembershipChange::Promote(id) => set_node(membership, *id, |node| node.learner = false),
    }
}

/// The membership in which the member has the vote that it is to have.
fn vote(membership: &Membership, id: u64) -> Result<Step, ChangeError> {
    if !without_vote(membership).any(|other| other == id) {
        return Err(ChangeError::Refused(
            "the member is not to be given a vote".into(),
        ));
    }
    with_voters(membership, |voters, _| {
        voters.insert(id);
    })
}

fn set_node(
    membership: &Membership,
    id: MemberId,
    change: impl FnOnce(&mut Node),
) -> Result<Step, ChangeError> {
    let Some(mut node) = membership.get_node(&id.get()).cloned() else {
        return Err(ChangeError::Refused("there is no such member".into()));
    };
    change(&mut node);
    Ok(Step::Nodes(ChangeMembers::SetNodes(BTreeMap::from([(
        id.get(),
        node,
    )]))))
}

fn with_voters(
    membership: &Membership,
    change: impl FnOnce(&mut std::collections::BTreeSet<u64>, &mut BTreeMap<u64, Node>),
) -> Result<Step, ChangeError> {
    let mut voters = membership.voter_ids().collect();
    let mut nodes = membership.nodes().map(|(id, node)| (*id, node.clone())).collect();
    change(&mut voters, &mut nodes);
    Membership::new(vec![voters], nodes)
        .map(Step::Voters)
        .map_err(|error| ChangeError::Refused(error.to_string()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn node(url: &str, learner: bool) -> Node {
        Node {
            urls: vec![url.into()],
            learner,
        }
    }

    /// Members 1 and 2 with votes, 3 to have one, 4 a learner.
    fn membership() -> Membership {
        let nodes = [(1, false), (2, false), (3, false), (4, true)];
        let nodes = nodes.map(|(id, learner)| (id, node("http://h:1", learner)));
        Membership::new(vec![BTreeSet::from([1, 2])], BTreeMap::from(nodes)).unwrap()
    }

    fn voters(step: Result<Step, ChangeError>) -> (Vec<u64>, Vec<u64>) {
        match step {
            Ok(Step::Voters(membership)) => (
                membership.voter_ids().collect(),
                membership.nodes().map(|(id, _)| *id).collect(),
            ),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_vote_is_given_and_taken_alone() {
        let remove = |id| step(&membership(), &MembershipChange::Remove(MemberId::new(id)));
        assert_eq!(voters(remove(2)), (vec![1], vec![1, 3, 4]));
        assert_eq!(voters(vote(&membership(), 3)), (vec![1, 2, 3], vec![1, 2, 3, 4]));
        assert!(matches!(
            remove(3),
            Ok(Step::Nodes(ChangeMembers::RemoveNodes(_)))
        ));
        // A learner has to be promoted first, and who has a vote gets no second one.
        assert!(vote(&membership(), 4).is_err() && vote(&membership(), 2).is_err());
        assert_eq!(without_vote(&membership()).collect::<Vec<_>>(), [3]);
    }

    #[test]
    fn a_change_of_one_thing_leaves_the_others_as_they_are() {
        let change = MembershipChange::Promote(MemberId::new(4));
        let promoted = BTreeMap::from([(4, node("http://h:1", false))]);
        assert_eq!(
            step(&membership(), &change),
            Ok(Step::Nodes(ChangeMembers::SetNodes(promoted)))
        );
        let change = MembershipChange::Update {
            id: MemberId::new(4),
            peer_urls: vec!["http://h:2".into()],
        };
        let moved = BTreeMap::from([(4, node("http://h:2", true))]);
        assert_eq!(
            step(&membership(), &change),
            Ok(Step::Nodes(ChangeMembers::SetNodes(moved)))
        );
        let unknown = MembershipChange::Promote(MemberId::new(9));
        assert!(step(&membership(), &unknown).is_err());
        let known = MembershipChange::Add(RaftMember {
            id: MemberId::new(1),
            peer_urls: vec![],
            learner: true,
        });
        assert!(step(&membership(), &known).is_err());
    }
}
