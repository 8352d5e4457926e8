use std::sync::atomic::AtomicU64;

use kv_types::{Histogram, HistogramSnapshot};

/// What the shell counts.
#[derive(Debug)]
pub(crate) struct Metrics {
    /// Checkpoints written.
    pub(crate) backend_commits: Histogram,
    /// Leaders seen to change.
    pub(crate) leader_changes: AtomicU64,
    /// Proposals that ended without an outcome.
    pub(crate) proposals_failed: AtomicU64,
    /// Leases revoked because their time was over.
    pub(crate) leases_expired: AtomicU64,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            backend_commits: disk_histogram(),
            leader_changes: AtomicU64::new(0),
            proposals_failed: AtomicU64::new(0),
            leases_expired: AtomicU64::new(0),
        }
    }
}

/// etcd's buckets for disk operations: from 1 ms, doubling.
pub fn disk_histogram() -> Histogram {
    Histogram::exponential(0.001, 2.0, 14)
}

/// The numbers of a member at one moment, for `/metrics`.
#[derive(Clone, Debug, Default)]
pub struct MetricsSnapshot {
    /// Whether this member knows a leader.
    pub has_leader: bool,
    /// Whether it is the leader.
    pub is_leader: bool,
    /// Whether it has no vote.
    pub is_learner: bool,
    /// How often it saw the leader change.
    pub leader_changes: u64,
    /// Last entry known to be committed.
    pub proposals_committed: u64,
    /// Last entry applied.
    pub proposals_applied: u64,
    /// Proposals that wait for their outcome.
    pub proposals_pending: u64,
    /// Proposals that ended without an outcome.
    pub proposals_failed: u64,
    /// Durations of the log's syncs.
    pub wal_fsync: HistogramSnapshot,
    /// Bytes written to the log.
    pub wal_written_bytes: u64,
    /// Durations of checkpoints.
    pub backend_commit: HistogramSnapshot,
    /// Bytes of the store on disk.
    pub db_size: u64,
    /// Bytes of them in use.
    pub db_size_in_use: u64,
    /// Quota in bytes; the largest number if it is switched off.
    pub quota_bytes: u64,
    /// Current revision.
    pub current_revision: i64,
    /// Last compaction; −1 if there was none.
    pub compact_revision: i64,
    /// Keys that exist.
    pub keys: u64,
    /// Leases revoked because their time was over.
    pub leases_expired: u64,
    /// Watchers.
    pub watchers: u64,
    /// Streams of watchers.
    pub watch_streams: u64,
    /// Watchers that lag.
    pub slow_watchers: u64,
}
