use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use kv_server::{LogGauge, disk_histogram};
use kv_types::{Histogram, HistogramSnapshot};
use kv_wal::{Health, Observer, Wal};

/// Counts the log's syncs.
#[derive(Debug)]
pub(crate) struct Syncs {
    durations: Histogram,
    bytes: AtomicU64,
}

impl Syncs {
    pub(crate) fn new() -> Self {
        Self {
            durations: disk_histogram(),
            bytes: AtomicU64::new(0),
        }
    }
}

impl Observer for Syncs {
    fn synced(&self, took: Duration, bytes: u64) {
        self.durations.observe(took);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// What the server wants to know of the log.
pub(crate) struct Gauge {
    pub(crate) wal: Wal,
    pub(crate) syncs: Arc<Syncs>,
}

impl LogGauge for Gauge {
    fn is_disk_full(&self) -> bool {
        self.wal.health() == Health::DiskFull
    }

    fn syncs(&self) -> HistogramSnapshot {
        self.syncs.durations.snapshot()
    }

    fn written_bytes(&self) -> u64 {
        self.syncs.bytes.load(Ordering::Relaxed)
    }
}
