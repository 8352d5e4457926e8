//! What one stream may take of the memory there is for all of them.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::WatchCreate;

/// Most bytes of events in the queues of all streams together; each may exceed its share by one response.
const PUSHED_BYTES_ALL: usize = 256 << 20;

/// Most bytes of events in one stream's queue before it counts as full, so that large values do not make its
/// responses gigabytes. A single response may exceed it.
pub(crate) const PUSHED_BYTES_MAX: usize = 16 << 20;

/// No stream has less room than this.
pub(crate) const PUSHED_BYTES_MIN: usize = 64 << 10;

/// Most memory of all watchers. Beyond, a stream may have more only up to an equal share.
pub(crate) const WATCHERS_BYTES_MAX: usize = 256 << 20;

/// About what a watcher takes beside the keys of its range, which are kept twice.
pub(crate) const WATCHER_BYTES: usize = 512;

/// The share of each stream; known to all their queues.
#[derive(Debug)]
pub(crate) struct Share {
    pushed_bytes: AtomicUsize,
}

impl Share {
    pub(crate) fn new() -> Self {
        Self {
            pushed_bytes: AtomicUsize::new(PUSHED_BYTES_MAX),
        }
    }

    /// There are so many streams now.
    pub(crate) fn divide(&self, streams: usize) {
        let share = PUSHED_BYTES_ALL / streams.max(1);
        let share = share.clamp(PUSHED_BYTES_MIN, PUSHED_BYTES_MAX);
        self.pushed_bytes.store(share, Ordering::Relaxed);
    }

    /// Bytes of events in a queue that counts as full.
    pub(crate) fn pushed_bytes(&self) -> usize {
        self.pushed_bytes.load(Ordering::Relaxed)
    }
}

/// About what the watcher is going to take.
pub(crate) fn watcher_bytes(create: &WatchCreate) -> usize {
    let end = match &create.range.end {
        kv_types::RangeEnd::Before(end) => end.len(),
        kv_types::RangeEnd::Single | kv_types::RangeEnd::Unbounded => 0,
    };
    WATCHER_BYTES + 2 * (create.range.start.len() + end)
}
