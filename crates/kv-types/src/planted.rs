//! Bugs that the simulation plants, to show that it would find them.
//!
//! Without the feature `planted` none of them exists: [`is_planted`] is `false`, and the compiler drops what hangs
//! on it.

/// A bug that can be planted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// The log calls what it has written durable without a sync.
    AckBeforeSync,
    /// A vote is answered, but not saved.
    VoteNotPersisted,
    /// An entry is applied twice.
    ApplyTwice,
    /// A linearizable read is answered like a serializable one.
    StaleRead,
    /// A leader confirms a read index without asking a quorum.
    ReadIndexWithoutQuorum,
    /// A watch that resumes misses the first revision.
    LostWatchEvent,
    /// A watch that resumes gets the revision before again.
    DuplicateWatchEvent,
    /// Progress is reported before the events it covers.
    ProgressOvertakes,
    /// An event carries the wrong previous value.
    WrongPrevKv,
    /// A deposed leader may end leases.
    LeaseRevokedByOldLeader,
    /// A renewal does not renew.
    LeaseEndedEarly,
    /// A compacted revision can still be read.
    CompactedRead,
    /// Recovery drops the last whole record of the log.
    LostOnRecovery,
    /// A received snapshot is installed without its last frame.
    SnapshotMissesRows,
    /// A checkpoint claims entries that it does not hold.
    CheckpointRunsAhead,
    /// A learner gets a vote as soon as it has caught up.
    LearnerVotes,
    /// A member that was removed goes on, and is served by the others.
    RemovedMemberStays,
    /// A checkpoint does not hold who was removed.
    RemovedMemberForgotten,
}

impl Bug {
    /// All of them.
    pub const ALL: [Self; 18] = [
        Self::AckBeforeSync,
        Self::VoteNotPersisted,
        Self::ApplyTwice,
        Self::StaleRead,
        Self::ReadIndexWithoutQuorum,
        Self::LostWatchEvent,
        Self::DuplicateWatchEvent,
        Self::ProgressOvertakes,
        Self::WrongPrevKv,
        Self::LeaseRevokedByOldLeader,
        Self::LeaseEndedEarly,
        Self::CompactedRead,
        Self::LostOnRecovery,
        Self::SnapshotMissesRows,
        Self::CheckpointRunsAhead,
        Self::LearnerVotes,
        Self::RemovedMemberStays,
        Self::RemovedMemberForgotten,
    ];
}

#[cfg(feature = "planted")]
thread_local! {
    static PLANTED: std::cell::Cell<Option<Bug>> = const { std::cell::Cell::new(None) };
}

/// Plants a bug in what runs on this thread, in place of the one before.
#[cfg(feature = "planted")]
pub fn plant(bug: Option<Bug>) {
    PLANTED.set(bug);
}

/// Whether a bug is planted on this thread.
#[cfg(feature = "planted")]
pub fn is_planted(bug: Bug) -> bool {
    PLANTED.get() == Some(bug)
}

/// Whether a bug is planted: no.
#[cfg(not(feature = "planted"))]
pub const fn is_planted(_: Bug) -> bool {
    false
}
