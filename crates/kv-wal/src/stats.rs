use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::options::Observer;

/// What a log has done since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Successful syncs of segments.
    pub syncs: u64,
    /// Bytes written to segments, headers and closing zeros included, preparation of segments excluded.
    pub bytes_written: u64,
    /// Time spent in successful syncs.
    pub sync_time: Duration,
    /// How long the last one took.
    pub last_sync: Duration,
    /// Writes and syncs that failed.
    pub failures: u64,
    /// Segments begun.
    pub segments_begun: u64,
    /// Segments created, as opposed to used again.
    pub segments_created: u64,
}

/// Counts, shared by the writer and those who ask.
#[derive(Default)]
pub(crate) struct Meter {
    syncs: AtomicU64,
    bytes_written: AtomicU64,
    sync_nanos: AtomicU64,
    last_sync_nanos: AtomicU64,
    pub(crate) failures: AtomicU64,
    pub(crate) segments_begun: AtomicU64,
    pub(crate) segments_created: AtomicU64,
    observer: Option<Arc<dyn Observer>>,
}

impl Meter {
    pub(crate) fn new(observer: Option<Arc<dyn Observer>>) -> Self {
        Self {
            observer,
            ..Self::default()
        }
    }

    pub(crate) fn synced(&self, took: Duration, bytes: u64) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        add(&self.syncs, 1);
        add(&self.bytes_written, bytes);
        add(&self.sync_nanos, nanos);
        self.last_sync_nanos.store(nanos, Ordering::Relaxed);
        if let Some(observer) = &self.observer {
            observer.synced(took, bytes);
        }
    }

    pub(crate) fn stats(&self) -> Stats {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Stats {
            syncs: get(&self.syncs),
            bytes_written: get(&self.bytes_written),
            sync_time: Duration::from_nanos(get(&self.sync_nanos)),
            last_sync: Duration::from_nanos(get(&self.last_sync_nanos)),
            failures: get(&self.failures),
            segments_begun: get(&self.segments_begun),
            segments_created: get(&self.segments_created),
        }
    }
}

pub(crate) fn add(counter: &AtomicU64, amount: u64) {
    counter.fetch_add(amount, Ordering::Relaxed);
}
