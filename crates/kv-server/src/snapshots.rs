use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use kv_machine::Snapshot;
use kv_raft::{SnapshotError, SnapshotMeta, SnapshotSource};
use kv_types::LogId;

/// A snapshot with a name of its own, as Raft sends it.
pub(crate) struct PinnedSnapshot {
    snapshot: Snapshot,
    meta: SnapshotMeta,
}

/// Tells snapshots of one process apart.
static NEXT: AtomicU64 = AtomicU64::new(0);

impl PinnedSnapshot {
    /// Names a snapshot of the state after an entry: by the entry, and when and as which of this process it was
    /// made, for two snapshots of one entry need not have equal frames.
    pub(crate) fn new(snapshot: Snapshot, log_id: LogId) -> Self {
        let nanos = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_nanos());
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let id = format!("{}-{}-{nanos:x}-{number:x}", log_id.term.get(), log_id.index);
        let membership = snapshot.membership();
        Self {
            snapshot,
            meta: SnapshotMeta {
                id,
                log_id,
                membership,
            },
        }
    }
}

impl SnapshotSource for PinnedSnapshot {
    fn meta(&self) -> SnapshotMeta {
        self.meta.clone()
    }

    fn frames(&self) -> u64 {
        self.snapshot.frames()
    }

    fn frame(&self, number: u64) -> Result<Bytes, SnapshotError> {
        let frame = self.snapshot.frame(number).map_err(SnapshotError::new)?;
        frame.ok_or_else(|| SnapshotError::new(format!("there is no frame {number}")))
    }
}
