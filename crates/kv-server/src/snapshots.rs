use bytes::Bytes;
use kv_machine::Snapshot;
use kv_raft::{SnapshotError, SnapshotMeta, SnapshotSource, host};
use kv_types::LogId;

/// A snapshot with a name of its own, as Raft sends it.
pub(crate) struct PinnedSnapshot {
    snapshot: Snapshot,
    meta: SnapshotMeta,
}

impl PinnedSnapshot {
    /// Names a snapshot of the state after an entry: by the entry and by chance, for two snapshots of one entry need
    /// not have equal frames.
    pub(crate) fn new(snapshot: Snapshot, log_id: LogId) -> Self {
        let id = format!(
            "{}-{}-{:016x}",
            log_id.term.get(),
            log_id.index,
            host::random_u64()
        );
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
