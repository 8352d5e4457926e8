use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds, in seconds, of etcd's buckets for disk operations: 1 ms, doubling, 14 of them.
pub const DISK_BUCKETS: [f64; 14] = [
    0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.024, 2.048, 4.096, 8.192,
];

/// How long something took, by buckets; counted without a lock.
#[derive(Debug, Default)]
pub struct Histogram {
    counts: [AtomicU64; DISK_BUCKETS.len() + 1],
    sum_nanos: AtomicU64,
}

/// A histogram at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HistogramSnapshot {
    /// Observations in each of [`DISK_BUCKETS`], then those above all of them; not cumulative.
    pub counts: [u64; DISK_BUCKETS.len() + 1],
    /// Sum of all observations, in seconds.
    pub sum_seconds: f64,
}

impl Histogram {
    /// Counts one observation.
    pub fn observe(&self, took: Duration) {
        let seconds = took.as_secs_f64();
        let bucket = DISK_BUCKETS.iter().position(|bound| seconds <= *bound).unwrap_or(DISK_BUCKETS.len());
        self.counts[bucket].fetch_add(1, Ordering::Relaxed);
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.sum_nanos.fetch_add(nanos, Ordering::Relaxed);
    }

    /// What was counted so far.
    pub fn snapshot(&self) -> HistogramSnapshot {
        HistogramSnapshot {
            counts: std::array::from_fn(|bucket| self.counts[bucket].load(Ordering::Relaxed)),
            sum_seconds: Duration::from_nanos(self.sum_nanos.load(Ordering::Relaxed)).as_secs_f64(),
        }
    }
}

/// What the shell counts.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    /// Checkpoints written.
    pub(crate) backend_commits: Histogram,
    /// Leaders seen to change.
    pub(crate) leader_changes: AtomicU64,
    /// Proposals that ended without an outcome.
    pub(crate) proposals_failed: AtomicU64,
    /// Proposals that wait for their outcome.
    pub(crate) proposals_pending: AtomicU64,
    /// Leases revoked because their time was over.
    pub(crate) leases_expired: AtomicU64,
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
    /// Watchers that lag.
    pub slow_watchers: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn observations_fall_into_the_first_bucket_that_holds_them() {
        let histogram = Histogram::default();
        for millis in [1, 3, 3, 10_000] {
            histogram.observe(Duration::from_millis(millis));
        }
        let snapshot = histogram.snapshot();
        assert_eq!((snapshot.counts[0], snapshot.counts[2], snapshot.counts[14]), (1, 2, 1));
        assert!((snapshot.sum_seconds - 10.007).abs() < 1e-6);
    }
}
