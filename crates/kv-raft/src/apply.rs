//! openraft's state machine over a [`StateMachine`].

use std::io;
use std::sync::Arc;

use futures_util::{FutureExt, Stream, StreamExt};
use openraft::storage::{ApplyResponder, EntryResponder, RaftSnapshotBuilder, RaftStateMachine};
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::codec;
use crate::host;
use crate::log::LogStore;
use crate::snapshot::SnapshotData;
use crate::types::{
    self, Command, Entry, LeaderId, LogId, Payload, Snapshot, SnapshotMeta, StoredMembership, TypeConfig,
};
use crate::{CommittedEntry, EntryPayload, SnapshotError, SnapshotSource, StateMachine};

/// Most entries in a batch.
const BATCH_ENTRIES: usize = 1024;

/// A batch is closed once its commands have this many bytes, so that applying one does not hold up the runtime.
const BATCH_BYTES: usize = 1024 * 1024;

/// Whose entries are being applied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Era {
    /// The leader that made the last entry applied.
    pub(crate) leader: Option<LeaderId>,
    /// Counts snapshots installed: what came in one was not applied entry by entry.
    pub(crate) installs: u64,
}

/// How far the state machine is, for those who wait.
pub(crate) struct Progress {
    pub(crate) applied: watch::Sender<Option<LogId>>,
    pub(crate) era: watch::Sender<Era>,
}

impl Progress {
    fn reached(&self, applied: Option<LogId>, installs: u64) {
        self.applied.send_replace(applied);
        self.era.send_if_modified(|era| {
            let leader = applied.map(|last| *last.committed_leader_id());
            let before = std::mem::replace(
                era,
                Era {
                    leader,
                    installs: era.installs + installs,
                },
            );
            before != *era
        });
    }
}

/// The state machine openraft sees.
#[derive(Clone)]
pub(crate) struct Applier {
    machine: Arc<dyn StateMachine>,
    log: LogStore,
    progress: Arc<Progress>,
    sending: Arc<Sending>,
    made: Arc<Made>,
}

/// A snapshot that was made before openraft was told to make one: it would stop for good if it failed.
#[derive(Default)]
pub(crate) struct Made(Mutex<Option<Arc<dyn SnapshotSource>>>);

impl Made {
    /// Leaves a snapshot for openraft to find.
    pub(crate) fn put(&self, snapshot: Arc<dyn SnapshotSource>) {
        *self.0.lock() = Some(snapshot);
    }

    fn take(&self) -> Option<Arc<dyn SnapshotSource>> {
        self.0.lock().take()
    }
}

/// The snapshot that is being sent, which a retry goes on with although there may be a newer one.
#[derive(Default)]
pub(crate) struct Sending(Mutex<SendingState>);

#[derive(Default)]
struct SendingState {
    source: Option<Arc<dyn SnapshotSource>>,
    transfers: usize,
}

impl Sending {
    /// Notes that a transfer begins, until the guard is dropped.
    pub(crate) fn begin(self: &Arc<Self>, source: &Arc<dyn SnapshotSource>) -> SendingGuard {
        let mut state = self.0.lock();
        state.source = Some(Arc::clone(source));
        state.transfers += 1;
        SendingGuard(Arc::clone(self))
    }

    /// Notes that the snapshot has arrived somewhere.
    pub(crate) fn arrived(&self) {
        self.0.lock().source = None;
    }

    /// Whether a transfer is going on.
    pub(crate) fn is_active(&self) -> bool {
        self.0.lock().transfers > 0
    }

    fn source(&self) -> Option<Arc<dyn SnapshotSource>> {
        self.0.lock().source.clone()
    }
}

/// Ends a transfer when dropped.
pub(crate) struct SendingGuard(Arc<Sending>);

impl Drop for SendingGuard {
    fn drop(&mut self) {
        self.0.0.lock().transfers -= 1;
    }
}

impl Applier {
    pub(crate) fn new(machine: Arc<dyn StateMachine>, log: LogStore) -> Self {
        let progress = Progress {
            applied: watch::Sender::new(None),
            era: watch::Sender::new(Era::default()),
        };
        Self {
            machine,
            log,
            progress: Arc::new(progress),
            sending: Arc::default(),
            made: Arc::default(),
        }
    }

    pub(crate) fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }

    pub(crate) fn made(&self) -> Arc<Made> {
        Arc::clone(&self.made)
    }

    pub(crate) fn sending(&self) -> Arc<Sending> {
        Arc::clone(&self.sending)
    }

    fn applied(&self) -> io::Result<(Option<LogId>, StoredMembership)> {
        let applied = self.machine.applied();
        let membership = codec::decode_stored_membership(applied.membership)?;
        Ok((applied.log_id.as_ref().map(types::from_log_id), membership))
    }

    async fn make_snapshot(&self) -> io::Result<Arc<dyn SnapshotSource>> {
        let machine = Arc::clone(&self.machine);
        blocking(move || machine.snapshot()).await
    }

    /// Applies what is in the batch and tells who waits.
    fn apply_batch(&self, batch: &mut Batch) {
        let Some(last) = batch
            .entries
            .last()
            .map(|entry| types::from_log_id(&entry.log_id))
        else {
            return;
        };
        self.machine.apply(std::mem::take(&mut batch.entries));
        self.progress.reached(Some(last), 0);
        for responder in batch.responders.drain(..) {
            responder.send(());
        }
        batch.bytes = 0;
    }
}

#[derive(Default)]
struct Batch {
    entries: Vec<CommittedEntry>,
    responders: Vec<ApplyResponder<TypeConfig>>,
    bytes: usize,
}

impl Batch {
    fn push(&mut self, (entry, responder): EntryResponder<TypeConfig>) {
        let entry = committed(entry);
        if let EntryPayload::Command(command) = &entry.payload {
            self.bytes += command.len();
        }
        self.entries.push(entry);
        self.responders.extend(responder);
    }

    fn is_full(&self) -> bool {
        self.entries.len() >= BATCH_ENTRIES || self.bytes >= BATCH_BYTES
    }
}

fn committed(Entry { log_id, payload }: Entry) -> CommittedEntry {
    let payload = match payload {
        Payload::Blank => EntryPayload::Blank,
        Payload::Normal(Command(command)) => EntryPayload::Command(command),
        Payload::Membership(membership) => {
            let members = types::members(&membership);
            let stored = StoredMembership::new(Some(log_id), membership);
            EntryPayload::Membership {
                encoded: codec::encode_stored_membership(&stored),
                members,
            }
        }
    };
    CommittedEntry {
        log_id: types::to_log_id(&log_id),
        payload,
    }
}

impl RaftStateMachine<TypeConfig> for Applier {
    type SnapshotData = SnapshotData;
    type SnapshotBuilder = Self;

    async fn applied_state(&mut self) -> io::Result<(Option<LogId>, StoredMembership)> {
        let applied = self.applied()?;
        self.progress.reached(applied.0, 0);
        Ok(applied)
    }

    async fn apply<S>(&mut self, entries: S) -> io::Result<()>
    where
        S: Stream<Item = io::Result<EntryResponder<TypeConfig>>> + Unpin + Send,
    {
        let mut entries = entries.fuse();
        let mut batch = Batch::default();
        while let Some(item) = entries.next().await {
            batch.push(item?);
            while !batch.is_full() {
                // What is ready, and no more: those in the batch should not wait for the disk.
                match entries.next().now_or_never().flatten() {
                    Some(item) => batch.push(item?),
                    None => break,
                }
            }
            self.machine.room().await;
            self.apply_batch(&mut batch);
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> Self::SnapshotBuilder {
        self.clone()
    }

    async fn install_snapshot(&mut self, meta: &SnapshotMeta, data: SnapshotData) -> io::Result<()> {
        let machine = Arc::clone(&self.machine);
        let install = move || match data {
            SnapshotData::Received(incoming) => machine.install(incoming.meta(), &mut incoming.frames()?),
            SnapshotData::Own(source) => {
                let mut frames = (0..source.frames()).map(|number| source.frame(number));
                machine.install(&source.meta(), &mut frames)
            }
        };
        blocking(install).await?;
        self.progress.reached(meta.last_log_id, 1);
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> io::Result<Option<Snapshot>> {
        let reaches_the_log = |source: &Arc<dyn SnapshotSource>| {
            self.log
                .purged()
                .is_none_or(|purged| purged.index() <= source.meta().log_id.index.get())
        };
        let known = self.sending.source().filter(reaches_the_log);
        let known = known.or_else(|| self.machine.current_snapshot().filter(reaches_the_log));
        let source = match known {
            Some(source) => Some(source),
            // Whoever asks needs one; openraft would stop for good without.
            None if self.log.purged().is_some() => Some(self.make_snapshot().await?),
            None => None,
        };
        source.map(snapshot).transpose()
    }
}

impl RaftSnapshotBuilder<TypeConfig> for Applier {
    type SnapshotData = SnapshotData;

    // Makes one itself only at the start of a member that has a purged log and no snapshot.
    async fn build_snapshot(&mut self) -> io::Result<Snapshot> {
        let source = match self.made.take() {
            Some(source) => source,
            None => self.make_snapshot().await?,
        };
        snapshot(source)
    }
}

fn snapshot(source: Arc<dyn SnapshotSource>) -> io::Result<Snapshot> {
    let meta = source.meta();
    let meta = SnapshotMeta {
        last_log_id: Some(types::from_log_id(&meta.log_id)),
        last_membership: codec::decode_stored_membership(meta.membership)?,
    };
    Ok(Snapshot {
        meta,
        snapshot: SnapshotData::Own(source),
    })
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SnapshotError> + Send + 'static,
) -> io::Result<T> {
    host::blocking(work)
        .await
        .map_err(io::Error::other)?
        .map_err(io::Error::other)
}
