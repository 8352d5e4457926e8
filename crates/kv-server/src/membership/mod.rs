//! Changes of the membership, as clients ask for them. The leader decides about them, one after the other.

mod changes;
mod rules;
mod wire;

pub(crate) use changes::ClusterView;
pub(crate) use rules::{Situation, check_quorum, check_request};
pub(crate) use wire::{decode_answer, encode_answer};

use kv_types::MemberId;
use thiserror::Error;

/// What a client wants changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MemberChange {
    /// A new member, whose ID was derived from its URLs and the time.
    Add {
        /// Its ID.
        id: MemberId,
        /// Its peer URLs, checked and sorted.
        peer_urls: Vec<String>,
        /// Whether it is to have no vote.
        learner: bool,
    },
    /// One member less.
    Remove(MemberId),
    /// Other peer URLs.
    Update {
        /// Of this member.
        id: MemberId,
        /// Checked.
        peer_urls: Vec<String>,
    },
    /// A vote for a learner.
    Promote(MemberId),
}

/// Why the membership, or the leader, is not changed.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum MemberError {
    /// A member with this ID is there.
    #[error("member ID already exists")]
    IdExists,
    /// Another member has one of these URLs.
    #[error("peer URLs already exist")]
    PeerUrlsExist,
    /// Too few of those who would have a vote have ever started.
    #[error("not enough started members")]
    NotEnoughStarted,
    /// There is no such member, or not any more.
    #[error("member not found")]
    NotFound,
    /// It has a vote already.
    #[error("not a learner")]
    NotLearner,
    /// It lacks too much of the log.
    #[error("the learner is not in sync with the leader")]
    LearnerNotReady,
    /// There are as many learners as there may be.
    #[error("too many learners")]
    TooManyLearners,
    /// Too few members answer.
    #[error("unhealthy cluster")]
    Unhealthy,
    /// This member does not lead, and so has no leadership to give.
    #[error("not leader")]
    NotLeader,
    /// No member, or one without a vote, cannot lead.
    #[error("bad leader transferee")]
    BadTransferee,
    /// The other member did not take over in time.
    #[error("leader transfer took too long")]
    TransferTimeout,
}
