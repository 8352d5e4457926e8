use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use kv_types::{LogId, MemberId};

/// What the log is applied to.
///
/// Calls come from one place at a time, except [`StateMachine::snapshot`] and
/// [`StateMachine::current_snapshot`], which may come while entries are applied.
pub trait StateMachine: Send + Sync + 'static {
    /// The last entry applied, and the membership in force there. After a restart: as far as the state that
    /// was made durable reaches; the log is applied again from there.
    fn applied(&self) -> Applied;

    /// Whether a member was removed by what is applied. It never comes back. Cheap.
    fn is_removed(&self, member: MemberId) -> bool;

    /// Applies committed entries, in order and without gaps. Synchronous; runs on the async runtime, so a batch
    /// is bounded and its work should be too.
    ///
    /// Whoever waits for an outcome on this member must have it when this returns: a proposer is told
    /// [`ProposeError::Superseded`](crate::ProposeError::Superseded) on that ground. Infallible: a state machine
    /// that cannot apply what is committed has to end the process.
    fn apply(&self, batch: Vec<CommittedEntry>);

    /// Returns when another batch may be applied: a state machine that cannot follow holds up its log with this.
    /// It must not wait without bound, for nothing else is applied meanwhile.
    fn room(&self) -> BoxFuture<'_, ()>;

    /// Makes the state durable and pins it. Blocking; called off the runtime while entries are applied. The log
    /// is purged up to the entry this returns (less a tail), so it must be durable by then.
    ///
    /// # Errors
    /// [`SnapshotError`] if it cannot be made; it is tried again later.
    fn snapshot(&self) -> Result<Arc<dyn SnapshotSource>, SnapshotError>;

    /// The newest snapshot there is, if any. Never ahead of [`StateMachine::applied`]. Cheap.
    fn current_snapshot(&self) -> Option<Arc<dyn SnapshotSource>>;

    /// Replaces the whole state by a snapshot and makes it durable. Blocking; called off the runtime while
    /// nothing is applied. A crash before it returns leaves the old state or the new one.
    ///
    /// # Errors
    /// [`SnapshotError`] if the frames are damaged or cannot be stored. The member then stops: its log may end
    /// before its leader's begins.
    fn install(&self, meta: &SnapshotMeta, frames: &mut SnapshotFrames<'_>) -> Result<(), SnapshotError>;
}

/// The frames of a received snapshot, in order.
pub type SnapshotFrames<'a> = dyn Iterator<Item = Result<Bytes, SnapshotError>> + 'a;

/// How far a state machine is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// The last entry applied.
    pub log_id: Option<LogId>,
    /// The membership in force there, as [`EntryPayload::Membership`] or [`SnapshotMeta`] gave it; empty if there
    /// was none yet.
    pub membership: Bytes,
}

/// An entry a quorum has made durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedEntry {
    /// Its place.
    pub log_id: LogId,
    /// Its content.
    pub payload: EntryPayload,
}

/// What an entry holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryPayload {
    /// Nothing: a new leader's first entry.
    Blank,
    /// What was proposed.
    Command(Bytes),
    /// A new membership.
    Membership {
        /// To be kept and given back in [`Applied`] and [`SnapshotMeta`]; opaque to everyone else.
        encoded: Bytes,
        /// Who is a member now, ascending by ID.
        members: Vec<RaftMember>,
    },
}

/// A member as the log knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RaftMember {
    /// Its ID.
    pub id: MemberId,
    /// Where its peers reach it.
    pub peer_urls: Vec<String>,
    /// Whether it has no vote.
    pub learner: bool,
}

/// The state after one entry, pinned for as long as someone holds it.
pub trait SnapshotSource: Send + Sync + 'static {
    /// What it is.
    fn meta(&self) -> SnapshotMeta;

    /// How many frames it has.
    fn frames(&self) -> u64;

    /// The frame of this number, from 0. The same number always gives the same bytes, so that a transfer goes on
    /// where it stopped. Blocking; called off the runtime.
    ///
    /// # Errors
    /// [`SnapshotError`] if it cannot be read.
    fn frame(&self, number: u64) -> Result<Bytes, SnapshotError>;
}

/// What a snapshot is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotMeta {
    /// Names these frames and no others, in the whole cluster: two snapshots of the same entry have different IDs
    /// unless their frames are equal. 1 to 64 ASCII letters, digits and `-`.
    pub id: String,
    /// The last entry in it.
    pub log_id: LogId,
    /// The membership in it, as [`Applied::membership`].
    pub membership: Bytes,
}

/// Why a snapshot could not be made, read or installed.
#[derive(Debug)]
pub struct SnapshotError(Box<dyn std::error::Error + Send + Sync>);

impl SnapshotError {
    /// Wraps an error, or a message.
    pub fn new(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(source.into())
    }
}

impl fmt::Display for SnapshotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for SnapshotError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}
