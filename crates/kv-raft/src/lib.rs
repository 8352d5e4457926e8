//! Consensus on openraft: log store, state machine adapter, snapshots, membership.
//!
//! The only crate that names openraft. Proposals and questions are opaque bytes; what a proposal brought about
//! reaches whoever waits for it through the [`StateMachine`], on the member that applies it, not through Raft.
//!
//! A member is [`Raft::start`]ed from its [`RaftParts`]; the [`Transport`] brings messages to the [`RaftService`] of
//! the other side.

mod apply;
mod codec;
mod contacts;
mod core;
mod error;
mod handle;
mod heard;
pub mod host;
mod log;
mod membership;
mod monitor;
mod network;
mod options;
mod propose;
mod read;
mod removal;
mod reply;
mod restored;
mod runtime;
mod service;
mod snapshot;
mod state_machine;
mod status;
mod transport;
mod types;

#[cfg(test)]
mod tests;

pub use error::{AskError, ChangeError, ProposeError, ReadIndexError, ServiceError, StartError};
pub use handle::{Raft, RaftParts};
pub use membership::MembershipChange;
pub use options::RaftOptions;
pub use read::AskHandler;
pub use restored::RestoredStart;
pub use service::{RaftService, ServiceAnswers};
pub use state_machine::{
    Applied, CommittedEntry, EntryPayload, RaftMember, SnapshotError, SnapshotFrames, SnapshotMeta,
    SnapshotSource, StateMachine,
};
pub use status::{Leadership, Role, Status};
pub use transport::{Answers, Call, Flow, Peer, Transport, TransportError};
