use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use kv_types::{LogId, LogIndex, MemberId, Term};
use parking_lot::Mutex;

use crate::{
    Applied, CommittedEntry, EntryPayload, RaftMember, SnapshotError, SnapshotFrames, SnapshotMeta,
    SnapshotSource, StateMachine,
};

/// Commands in a frame of a snapshot.
const FRAME_COMMANDS: usize = 10;

/// Keeps the commands it is given; durable are those of the last snapshot.
#[derive(Clone, Default)]
pub(crate) struct Machine(Arc<Inner>);

#[derive(Default)]
struct Inner {
    state: Mutex<State>,
    disk: MachineDisk,
    /// Takes entries with gaps between them.
    lenient: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct State {
    applied: Option<LogId>,
    membership: Bytes,
    members: BTreeSet<MemberId>,
    removed: BTreeSet<MemberId>,
    commands: Vec<Bytes>,
}

impl State {
    fn set_members(&mut self, encoded: Bytes, members: Vec<RaftMember>) {
        self.membership = encoded;
        let members = members.into_iter().map(|member| member.id).collect();
        let before = std::mem::replace(&mut self.members, members);
        self.removed.extend(before.difference(&self.members));
    }
}

/// What survives a crash of the member.
#[derive(Clone, Default)]
pub(crate) struct MachineDisk(Arc<Mutex<Option<Arc<Snapshot>>>>);

#[derive(Debug)]
struct Snapshot {
    id: String,
    state: State,
}

static SNAPSHOTS: AtomicU64 = AtomicU64::new(0);

impl Machine {
    pub(crate) fn open(disk: MachineDisk) -> Self {
        let state = disk
            .0
            .lock()
            .as_ref()
            .map(|snapshot| snapshot.state.clone())
            .unwrap_or_default();
        Self(Arc::new(Inner {
            state: Mutex::new(state),
            disk,
            lenient: false,
        }))
    }

    pub(crate) fn lenient() -> Self {
        Self(Arc::new(Inner {
            lenient: true,
            ..Inner::default()
        }))
    }

    pub(crate) fn commands(&self) -> Vec<Bytes> {
        self.0.state.lock().commands.clone()
    }

    pub(crate) fn has(&self, command: &[u8]) -> bool {
        self.0.state.lock().commands.iter().any(|known| known == command)
    }

    pub(crate) fn count(&self) -> usize {
        self.0.state.lock().commands.len()
    }
}

impl StateMachine for Machine {
    fn applied(&self) -> Applied {
        let state = self.0.state.lock();
        Applied {
            log_id: state.applied,
            membership: state.membership.clone(),
        }
    }

    fn is_removed(&self, member: MemberId) -> bool {
        self.0.state.lock().removed.contains(&member)
    }

    fn apply(&self, batch: Vec<CommittedEntry>) {
        let mut state = self.0.state.lock();
        for entry in batch {
            let next = state
                .applied
                .map_or(entry.log_id.index, |applied| applied.index.next());
            assert!(
                self.0.lenient || entry.log_id.index == next,
                "{:?} instead of {next}",
                entry.log_id
            );
            state.applied = Some(entry.log_id);
            match entry.payload {
                EntryPayload::Blank => {}
                EntryPayload::Command(command) => state.commands.push(command),
                EntryPayload::Membership { encoded, members } => state.set_members(encoded, members),
            }
        }
    }

    fn room(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }

    fn snapshot(&self) -> Result<Arc<dyn SnapshotSource>, SnapshotError> {
        let state = self.0.state.lock().clone();
        let id = format!("s-{}", SNAPSHOTS.fetch_add(1, Ordering::Relaxed));
        let snapshot = Arc::new(Snapshot { id, state });
        *self.0.disk.0.lock() = Some(Arc::clone(&snapshot));
        Ok(snapshot)
    }

    fn current_snapshot(&self) -> Option<Arc<dyn SnapshotSource>> {
        let snapshot = self.0.disk.0.lock().clone()?;
        Some(snapshot)
    }

    fn install(&self, meta: &SnapshotMeta, frames: &mut SnapshotFrames<'_>) -> Result<(), SnapshotError> {
        let mut commands = Vec::new();
        for frame in frames {
            let mut frame = frame?;
            while !frame.is_empty() {
                let length = frame.split_to(1)[0];
                commands.push(frame.split_to(length.into()));
            }
        }
        let state = State {
            applied: Some(meta.log_id),
            membership: meta.membership.clone(),
            commands,
            ..State::default()
        };
        *self.0.disk.0.lock() = Some(Arc::new(Snapshot {
            id: meta.id.clone(),
            state: state.clone(),
        }));
        *self.0.state.lock() = state;
        Ok(())
    }
}

impl SnapshotSource for Snapshot {
    fn meta(&self) -> SnapshotMeta {
        let fresh = LogId {
            term: Term::new(0),
            leader: MemberId::new(0),
            index: LogIndex::new(0),
        };
        SnapshotMeta {
            id: self.id.clone(),
            log_id: self.state.applied.unwrap_or(fresh),
            membership: self.state.membership.clone(),
        }
    }

    fn frames(&self) -> u64 {
        self.state.commands.len().div_ceil(FRAME_COMMANDS) as u64
    }

    fn frame(&self, number: u64) -> Result<Bytes, SnapshotError> {
        let chunk = self
            .state
            .commands
            .chunks(FRAME_COMMANDS)
            .nth(usize::try_from(number).unwrap());
        let mut frame = Vec::new();
        for command in chunk.ok_or_else(|| SnapshotError::new("no such frame"))? {
            frame.push(u8::try_from(command.len()).unwrap());
            frame.extend_from_slice(command);
        }
        Ok(frame.into())
    }
}
