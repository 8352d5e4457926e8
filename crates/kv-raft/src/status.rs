use std::collections::BTreeMap;
use std::time::Duration;

use kv_types::{LogId, LogIndex, MemberId, Term};

use crate::RaftMember;

/// What a member does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Takes the log and has no vote, or is not yet in the membership.
    Learner,
    /// Takes the log.
    Follower,
    /// Stands for election.
    Candidate,
    /// Makes the log.
    Leader,
    /// No longer takes part: it was shut down, or its storage failed.
    Stopped,
}

/// Who leads, as far as this member knows. Changes seldom; watch it with [`Raft::leadership`](crate::Raft::leadership).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leadership {
    /// The leader, if it was heard of within the election timeout, or (on the leader itself) if a quorum was.
    pub leader: Option<MemberId>,
    /// The term.
    pub term: Term,
    /// What this member does.
    pub role: Role,
}

/// A member's view of the cluster at one moment.
#[derive(Clone, Debug)]
pub struct Status {
    /// Who leads.
    pub leadership: Leadership,
    /// For whom this member has voted last, durably, and in which term.
    pub vote: (Term, MemberId),
    /// The last entry in the log, durable or not.
    pub last: Option<LogIndex>,
    /// How far the log is committed.
    pub committed: Option<LogId>,
    /// How far it is applied here.
    pub applied: Option<LogId>,
    /// The last entry in the newest snapshot here.
    pub snapshot: Option<LogId>,
    /// How far the log is purged here.
    pub purged: Option<LogId>,
    /// The members, ascending by ID.
    pub members: Vec<RaftMember>,
    /// Those that have a vote by now, as far as that is committed.
    pub voters: Vec<MemberId>,
    /// On a leader: how far each member has the leader's log.
    pub matched: Option<BTreeMap<MemberId, Option<LogIndex>>>,
    /// On a leader: for how long each member that answers has done so. One that has just begun to lead takes nobody for
    /// gone.
    pub connected: BTreeMap<MemberId, Duration>,
    /// Whether the disk of the log is full: what is proposed here waits for space.
    pub disk_full: bool,
    /// Why Raft has stopped, if it has.
    pub failure: Option<String>,
}
