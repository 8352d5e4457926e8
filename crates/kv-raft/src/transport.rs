use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use kv_types::MemberId;
use thiserror::Error;

use crate::ServiceError;

/// Carries messages to other members. Their bytes are opaque to it.
///
/// What arrives is handed to [`RaftService`](crate::RaftService) of the member it was sent to, under the sender's
/// ID. Dropping a future or a stream gives the exchange up.
pub trait Transport: Send + Sync + 'static {
    /// Sends one message and returns its answer, within `timeout`. Must not wait behind any stream.
    fn call(
        &self,
        to: &Peer,
        call: Call,
        message: Bytes,
        timeout: Duration,
    ) -> BoxFuture<'static, Result<Bytes, TransportError>>;

    /// Opens a stream each way; messages arrive in order, and are taken from `messages` no faster than the other
    /// side reads them. The two kinds of flow must not wait for each other.
    ///
    /// The answers end when the other side ends them or with the first error. They must end with an error soon
    /// after the connection is lost, or silent for long.
    fn stream(&self, to: &Peer, flow: Flow, messages: BoxStream<'static, Bytes>) -> Answers;
}

/// The way back of a [`Transport::stream`].
pub type Answers = BoxStream<'static, Result<Bytes, TransportError>>;

/// A member to send to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its ID; an answer of any other member must be taken for an error.
    pub id: MemberId,
    /// Where it may be reached.
    pub urls: Vec<String>,
}

/// What a single message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Call {
    /// The leader is alive; says how far the log is committed.
    Heartbeat,
    /// A candidate asks for a vote.
    Vote,
    /// A member asks whether it would be given a vote.
    PreVote,
    /// The leader hands over to a member.
    TransferLeader,
    /// Propose an entry on behalf of another member.
    Propose,
    /// How far must a linearizable read have applied?
    ReadIndex,
    /// A question to the leader that Raft has no part in.
    Ask,
}

impl Call {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Heartbeat,
        Self::Vote,
        Self::PreVote,
        Self::TransferLeader,
        Self::Propose,
        Self::ReadIndex,
        Self::Ask,
    ];

    /// Whether elections or leases wait for it, so that it must not queue behind anything large.
    pub fn is_urgent(self) -> bool {
        match self {
            Self::Heartbeat | Self::Vote | Self::PreVote | Self::TransferLeader => true,
            Self::Propose | Self::ReadIndex | Self::Ask => false,
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Heartbeat => "heartbeat",
            Self::Vote => "vote",
            Self::PreVote => "pre-vote",
            Self::TransferLeader => "transfer leader",
            Self::Propose => "propose",
            Self::ReadIndex => "read index",
            Self::Ask => "ask",
        })
    }
}

/// What a stream of messages is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Flow {
    /// Log entries; each message has one answer, in order.
    Append,
    /// The frames of a snapshot.
    Snapshot,
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Append => "append",
            Self::Snapshot => "snapshot",
        })
    }
}

/// Why a message has no answer.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum TransportError {
    /// It did not leave this member: there is no connection.
    #[error("not sent: {0}")]
    NotSent(String),
    /// It may have arrived, or may still arrive.
    #[error("no answer: {0}")]
    Lost(String),
    /// The other side says that this member was removed from the cluster, for good.
    #[error("the member has been permanently removed from the cluster")]
    Removed,
}

impl From<ServiceError> for TransportError {
    /// What the sender of a message is to be told.
    fn from(error: ServiceError) -> Self {
        match error {
            ServiceError::Removed => Self::Removed,
            ServiceError::Malformed { .. } | ServiceError::Refused(_) | ServiceError::Stopped => {
                Self::Lost(error.to_string())
            }
        }
    }
}
