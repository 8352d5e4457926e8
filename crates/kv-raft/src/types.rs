//! openraft's types as this crate uses them, and their counterparts in [`kv_types`].

use std::fmt;

use bytes::Bytes;
use kv_types::{LogIndex, MemberId, Term};

use crate::RaftMember;

/// Ties openraft's types together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TypeConfig;

impl openraft::RaftTypeConfig for TypeConfig {
    type D = Command;
    type R = ();
    type NodeId = u64;
    type Node = Node;
    type Term = u64;
    type LeaderId = LeaderId;
    type Vote = Vote;
    type Payload = Payload;
    type Entry = Entry;
    type AsyncRuntime = crate::runtime::Runtime;
    type Responder<T>
        = crate::reply::Reply<T>
    where
        T: Send + 'static;
    type Batch<T>
        = openraft::impls::InlineBatch<T>
    where
        T: Send + 'static;
    type ErrorSource = openraft::impls::BoxedErrorSource;
}

pub(crate) type LeaderId = openraft::impls::leader_id_adv::LeaderId<u64, u64>;
pub(crate) type LogId = openraft::LogId<LeaderId>;
pub(crate) type Vote = openraft::Vote<LeaderId>;
pub(crate) type Membership = openraft::Membership<u64, Node>;
pub(crate) type StoredMembership = openraft::StoredMembership<LeaderId, u64, Node>;
pub(crate) type Payload = openraft::EntryPayload<Command, u64, Node>;
pub(crate) type Entry = openraft::Entry<LeaderId, Payload>;
pub(crate) type SnapshotMeta = openraft::SnapshotMeta<LeaderId, u64, Node>;
pub(crate) type Snapshot = openraft::Snapshot<LeaderId, u64, Node, crate::snapshot::SnapshotData>;
pub(crate) type AppendRequest = openraft::raft::AppendEntriesRequest<TypeConfig>;
pub(crate) type AppendResult = openraft::raft::StreamAppendResult<TypeConfig>;
pub(crate) type VoteRequest = openraft::raft::VoteRequest<TypeConfig>;
pub(crate) type VoteResponse = openraft::raft::VoteResponse<TypeConfig>;
pub(crate) type TransferRequest = openraft::raft::TransferLeaderRequest<TypeConfig>;
pub(crate) type TransferResponse = openraft::raft::TransferLeaderResponse<TypeConfig>;

/// The opaque content of a proposed entry.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Command(pub(crate) Bytes);

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// What the membership says of a member beside its vote.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Node {
    /// Where it may be reached.
    pub(crate) urls: Vec<String>,
    /// Whether it is to have no vote. One that is to have a vote gets it when it has caught up, so that a member that
    /// is not started yet stops nobody.
    pub(crate) learner: bool,
}

pub(crate) fn to_log_id(log_id: &LogId) -> kv_types::LogId {
    let leader = log_id.committed_leader_id();
    kv_types::LogId {
        term: Term::new(leader.term),
        leader: MemberId::new(leader.node_id),
        index: LogIndex::new(log_id.index()),
    }
}

pub(crate) fn from_log_id(log_id: &kv_types::LogId) -> LogId {
    let leader = LeaderId {
        term: log_id.term.get(),
        node_id: log_id.leader.get(),
    };
    LogId::new(leader, log_id.index.get())
}

/// The members of a membership, ascending by ID.
pub(crate) fn members(membership: &Membership) -> Vec<RaftMember> {
    membership
        .nodes()
        .map(|(id, node)| RaftMember {
            id: MemberId::new(*id),
            peer_urls: node.urls.clone(),
            learner: node.learner,
        })
        .collect()
}
