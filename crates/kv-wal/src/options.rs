use std::sync::Arc;
use std::time::Duration;

use crate::format::{CAPACITY_MAX, PAGE};

/// See [`Options::wake`]. Must be quick and must not call the log.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

/// Sizes and behaviour of a log. The defaults are those of the product.
#[derive(Clone)]
pub struct Options {
    /// Whether to begin a log where there is none. Without it that is [`OpenError::Missing`](crate::OpenError), and
    /// nothing on disk is changed.
    pub create: bool,
    /// Length of a segment's file once the log has grown; rounded up to pages of 4 KiB. A record that is
    /// larger gets a segment of its own size.
    pub segment_bytes: u64,
    /// Length of the very first segment; each next one is four times as long until `segment_bytes` is
    /// reached. So a new and small log starts fast and takes little room.
    pub first_segment_bytes: u64,
    /// Segments kept ready: prepared ahead, or purged and kept for use again.
    pub spare_segments: usize,
    /// Payload bytes of durable entries kept in memory for reading, newest first. What is not durable yet
    /// is always in memory.
    pub cache_bytes: usize,
    /// Bytes of requests that may wait for the writer before the caller of `append` has to wait. Entries
    /// in the queue or being written are bounded by this, one `batch_bytes` and one request.
    pub queue_bytes: usize,
    /// Bytes of requests that one write takes together; one more request may exceed it.
    pub batch_bytes: usize,
    /// What to do when the disk is full: `None` fails the requests, a duration keeps them and tries again
    /// in that interval and whenever [`Wal::retry`](crate::Wal::retry) is called.
    pub full_disk_retry: Option<Duration>,
    /// Told of each sync.
    pub observer: Option<Arc<dyn Observer>>,
    /// Called when there is something to do for the driver of a log without threads.
    pub wake: Option<Wake>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            create: true,
            segment_bytes: 64 << 20,
            first_segment_bytes: 4 << 20,
            spare_segments: 2,
            cache_bytes: 4 << 20,
            queue_bytes: 64 << 20,
            batch_bytes: 4 << 20,
            full_disk_retry: None,
            observer: None,
            wake: None,
        }
    }
}

impl Options {
    /// With sizes that the format can hold.
    pub(crate) fn rounded(mut self) -> Self {
        let round = |bytes: u64| bytes.clamp(PAGE, CAPACITY_MAX / 2).next_multiple_of(PAGE);
        self.segment_bytes = round(self.segment_bytes);
        self.first_segment_bytes = round(self.first_segment_bytes).min(self.segment_bytes);
        self
    }
}

/// Sees what the log does, for metrics. Called on the log's thread: must be quick and must not block.
pub trait Observer: Send + Sync + 'static {
    /// One `fdatasync` of a segment ended well after `took`; it made `bytes` durable.
    fn synced(&self, took: Duration, bytes: u64);
}
