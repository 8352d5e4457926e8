use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use kv_raft::{
    Applied, AskHandler, CommittedEntry, EntryPayload, SnapshotError, SnapshotFrames, SnapshotMeta,
    SnapshotSource, StateMachine,
};
use kv_types::{LogId, MemberId};
use parking_lot::Mutex;

/// Keeps the commands it is given.
#[derive(Clone, Default)]
pub(crate) struct Machine(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    current: Snapshot,
    snapshot: Option<Arc<Snapshot>>,
}

#[derive(Clone, Default)]
struct Snapshot {
    applied: Option<LogId>,
    membership: Bytes,
    commands: Vec<Bytes>,
}

impl Machine {
    pub(crate) fn commands(&self) -> Vec<Bytes> {
        self.0.lock().current.commands.clone()
    }
}

impl StateMachine for Machine {
    fn applied(&self) -> Applied {
        let state = self.0.lock();
        Applied {
            log_id: state.current.applied,
            membership: state.current.membership.clone(),
        }
    }

    fn is_removed(&self, _: MemberId) -> bool {
        false
    }

    fn apply(&self, batch: Vec<CommittedEntry>) {
        let current = &mut self.0.lock().current;
        for entry in batch {
            current.applied = Some(entry.log_id);
            match entry.payload {
                EntryPayload::Blank => {}
                EntryPayload::Command(command) => current.commands.push(command),
                EntryPayload::Membership { encoded, .. } => current.membership = encoded,
            }
        }
    }

    fn room(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }

    fn snapshot(&self) -> Result<Arc<dyn SnapshotSource>, SnapshotError> {
        let mut state = self.0.lock();
        let snapshot = Arc::new(state.current.clone());
        state.snapshot = Some(Arc::clone(&snapshot));
        Ok(snapshot)
    }

    fn current_snapshot(&self) -> Option<Arc<dyn SnapshotSource>> {
        let snapshot = self.0.lock().snapshot.clone()?;
        Some(snapshot)
    }

    fn install(&self, meta: &SnapshotMeta, frames: &mut SnapshotFrames<'_>) -> Result<(), SnapshotError> {
        let commands = frames.collect::<Result<_, _>>()?;
        let current = Snapshot {
            applied: Some(meta.log_id),
            membership: meta.membership.clone(),
            commands,
        };
        *self.0.lock() = State {
            snapshot: Some(Arc::new(current.clone())),
            current,
        };
        Ok(())
    }
}

/// One command is one frame.
impl SnapshotSource for Snapshot {
    fn meta(&self) -> SnapshotMeta {
        let log_id = self.applied.unwrap_or_default();
        SnapshotMeta {
            id: format!("s-{}", log_id.index),
            log_id,
            membership: self.membership.clone(),
        }
    }

    fn frames(&self) -> u64 {
        self.commands.len() as u64
    }

    fn frame(&self, number: u64) -> Result<Bytes, SnapshotError> {
        let command = usize::try_from(number)
            .ok()
            .and_then(|number| self.commands.get(number));
        command
            .cloned()
            .ok_or_else(|| SnapshotError::new("no such frame"))
    }
}

/// Answers with the question.
pub(crate) struct Echo;

impl AskHandler for Echo {
    fn ask(&self, _from: MemberId, question: Bytes) -> BoxFuture<'static, Bytes> {
        Box::pin(std::future::ready(question))
    }
}
