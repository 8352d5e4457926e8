use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use kv_backend::faulty::FaultyHome;
use kv_raft::{
    Applied, CommittedEntry, SnapshotError, SnapshotFrames, SnapshotMeta, SnapshotSource, StateMachine,
};
use kv_server::Replica;
use kv_types::{MemberId, Revision};
use kv_wal::Wal;
use tokio::sync::watch;

use crate::invariants::{state_hash, state_machine_safety};
use crate::panics;
use crate::world::World;

/// A member's state machine, between Raft and the replica: compares what is applied with the truth.
pub(crate) struct Observed {
    pub(crate) world: World,
    pub(crate) id: u64,
    pub(crate) replica: Arc<Replica>,
    pub(crate) wal: Wal,
    pub(crate) store: FaultyHome,
    pub(crate) down: watch::Receiver<bool>,
}

impl Observed {
    /// What is left of a crashed member is of no interest.
    fn is_alive(&self) -> bool {
        !*self.down.borrow()
    }

    /// Whether it can read what it has stored: not between the loss of its disk and its own end.
    fn can_read(&self) -> bool {
        self.is_alive() && !self.store.is_crashed()
    }

    fn observe(&self, batch: &[CommittedEntry]) {
        let now = self.world.elapsed();
        for entry in batch {
            let index = entry.log_id.index.get();
            self.world.mix(&[0x1000, self.id, index, entry.log_id.term.get()]);
            let record = self.record(index);
            let verdict = self.world.truth().observe(self.id, entry, record, now);
            self.world.judge(verdict);
        }
    }

    /// The bytes that the log has for an entry.
    fn record(&self, index: u64) -> Option<Bytes> {
        let found = self.wal.read_cached(index..index + 1, 0).ok()??;
        Some(found.into_iter().next()?.payload)
    }

    fn check(&self, from: Revision, last: u64) {
        let view = self.replica.view();
        let verdict = state_machine_safety::same_state(&self.world.truth(), self.id, &view, from, last);
        self.world.judge(verdict);
    }
}

impl StateMachine for Observed {
    fn applied(&self) -> Applied {
        self.replica.applied()
    }

    fn is_removed(&self, member: MemberId) -> bool {
        self.replica.is_removed(member)
    }

    fn apply(&self, batch: Vec<CommittedEntry>) {
        let last = batch.last().map(|entry| entry.log_id.index.get());
        let before = self.replica.view().revision();
        if self.is_alive() {
            self.observe(&batch);
        }
        panics::excuse_stopping(!self.can_read());
        self.replica.apply(batch);
        panics::excuse_stopping(false);
        if let Some(last) = last
            && self.can_read()
        {
            self.check(before.next(), last);
        }
    }

    fn room(&self) -> BoxFuture<'_, ()> {
        self.replica.room()
    }

    fn snapshot(&self) -> Result<Arc<dyn SnapshotSource>, SnapshotError> {
        self.replica.snapshot()
    }

    fn current_snapshot(&self) -> Option<Arc<dyn SnapshotSource>> {
        self.replica.current_snapshot()
    }

    fn install(&self, meta: &SnapshotMeta, frames: &mut SnapshotFrames<'_>) -> Result<(), SnapshotError> {
        self.replica.install(meta, frames)?;
        if self.can_read() {
            let index = meta.log_id.index.get();
            self.world
                .note(&format!("member {} installs a snapshot at {index}", self.id));
            self.world.checked("snapshots installed");
            self.check(Revision::INITIAL.next(), index);
            let verdict = state_hash::whole_state(&mut self.world.truth(), self.id, &self.replica.view());
            self.world.judge(verdict);
        }
        Ok(())
    }
}
