use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::future::BoxFuture;

use kv_backend::BackendHome;
use kv_machine::{Effects, Machine, MachineError, Member, Outcome, Snapshot, SnapshotInstall};
use kv_mvcc::{StoreOptions, View};
use kv_raft::{
    Applied, CommittedEntry, EntryPayload, SnapshotError, SnapshotFrames, SnapshotMeta, SnapshotSource, host,
};
use kv_types::planted::{Bug, is_planted};
use kv_types::{LogIndex, MemberId, Revision};
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{Notify, watch};

use crate::auth::{AuthBoard, SimpleTokens};
use crate::leases::LeaseClock;
use crate::maintenance::{self, Maintenance};
use crate::membership::ClusterView;
use crate::metrics::Metrics;
use crate::snapshots::PinnedSnapshot;
use crate::waiters::Waiters;
use crate::watches::Watches;

/// The state of this member and everyone who waits for it to change.
///
/// Entries are applied under the machine's lock by one task; the maintenance thread takes the lock for short
/// steps. Readers use the published view and take no lock.
pub struct Replica {
    machine: Mutex<Machine>,
    /// The store as of the last batch applied.
    view: ArcSwap<View>,
    /// The members as of the last change of them that was applied.
    cluster: ArcSwap<ClusterView>,
    applied: watch::Sender<LogIndex>,
    home: Arc<dyn BackendHome>,
    store_options: StoreOptions,
    snapshot: Mutex<Option<Arc<PinnedSnapshot>>>,
    /// Held while a checkpoint is planned, written and finished, and while the state is replaced: a plan of one
    /// state must not be finished on another.
    pub(crate) maintaining: Mutex<()>,
    /// Held while another generation of the store is made: there is one at a time.
    pub(crate) staging: Mutex<()>,
    /// Snapshots that were to be installed so far.
    installs: AtomicU64,
    /// The disk had no space for the last checkpoint.
    disk_full: AtomicBool,
    /// Bytes of the store on disk after the last checkpoint.
    disk_bytes: AtomicU64,
    /// Told when maintenance has done something.
    maintained: Notify,
    pub(crate) waiters: Waiters,
    pub(crate) watches: Arc<Watches>,
    pub(crate) leases: LeaseClock,
    pub(crate) auth: Arc<AuthBoard>,
    pub(crate) tokens: SimpleTokens,
    pub(crate) maintenance: Maintenance,
    pub(crate) metrics: Metrics,
}

impl Replica {
    /// Opens the state as the last checkpoint left it.
    ///
    /// # Errors
    /// [`MachineError`] if it cannot be read, or is of a newer version.
    pub fn open(
        home: Arc<dyn BackendHome>,
        store_options: StoreOptions,
        progress_interval: Duration,
    ) -> Result<Self, MachineError> {
        let backend = home.open()?;
        let disk_bytes = backend.size_on_disk()?;
        let machine = Machine::open(backend, store_options)?;
        let view = machine.view();
        let log_id = machine.applied();
        let applied = log_id.map_or(LogIndex::default(), |log_id| log_id.index);
        // A member whose log is purged needs one before maintenance runs.
        let snapshot = snapshot_of_opened(&machine);
        let auth = Arc::new(AuthBoard::new(Arc::clone(machine.auth())));
        Ok(Self {
            view: ArcSwap::from_pointee(view.clone()),
            cluster: ArcSwap::from_pointee(cluster_of(&machine)),
            machine: Mutex::new(machine),
            applied: watch::Sender::new(applied),
            home,
            store_options,
            snapshot: Mutex::new(snapshot),
            maintaining: Mutex::new(()),
            staging: Mutex::new(()),
            installs: AtomicU64::new(0),
            disk_full: AtomicBool::new(false),
            disk_bytes: AtomicU64::new(disk_bytes),
            maintained: Notify::new(),
            waiters: Waiters::default(),
            watches: Arc::new(Watches::new(view, progress_interval, Arc::clone(&auth))),
            leases: LeaseClock::new(),
            auth,
            tokens: SimpleTokens::default(),
            maintenance: Maintenance::default(),
            metrics: Metrics::default(),
        })
    }

    /// The store as of the last entries applied.
    pub fn view(&self) -> Arc<View> {
        self.view.load_full()
    }

    /// The machine, for a short step. Never held across anything that waits.
    pub(crate) fn machine(&self) -> MutexGuard<'_, Machine> {
        self.machine.lock()
    }

    pub(crate) fn members(&self) -> Vec<Member> {
        self.cluster().members.clone()
    }

    /// The members, and who was one.
    pub(crate) fn cluster(&self) -> Arc<ClusterView> {
        self.cluster.load_full()
    }

    /// Lets readers see the members that `machine` has, if they are others than before.
    fn publish_cluster(&self, machine: &Machine) {
        let cluster = cluster_of(machine);
        if **self.cluster.load() != cluster {
            self.cluster.store(Arc::new(cluster));
        }
    }

    /// The last entry applied.
    pub(crate) fn applied_index(&self) -> LogIndex {
        *self.applied.borrow()
    }

    /// Waits until entry `index` is applied.
    pub(crate) async fn wait_applied(&self, index: LogIndex) {
        let mut applied = self.applied.subscribe();
        // The sender lives as long as this replica.
        let _ = applied.wait_for(|applied| *applied >= index).await;
    }

    /// Where generations of the store are.
    pub(crate) fn home(&self) -> &dyn BackendHome {
        self.home.as_ref()
    }

    /// About how many bytes go into one flush.
    pub(crate) fn slice_bytes(&self) -> usize {
        self.store_options.slice_bytes
    }

    /// Changes when whoever makes another generation is to give it up.
    pub(crate) fn interrupts(&self) -> (u64, bool) {
        (
            self.installs.load(Ordering::Relaxed),
            self.maintenance.is_stopped(),
        )
    }

    /// Shows readers and watchers the state of a machine that reads from another place now.
    pub(crate) fn show(&self, machine: &Machine) {
        let view = machine.view();
        self.view.store(Arc::new(view.clone()));
        self.watches.applied(view, Vec::new());
    }

    /// Makes a snapshot the newest one for other members.
    pub(crate) fn pin(&self, snapshot: Snapshot) {
        if let Some(log_id) = snapshot.applied() {
            *self.snapshot.lock() = Some(Arc::new(PinnedSnapshot::new(snapshot, log_id)));
        }
    }

    /// Makes what maintenance changed visible to readers: what it dropped is freed.
    pub(crate) fn publish(&self) {
        let machine = self.machine.lock();
        self.view.store(Arc::new(machine.view()));
        drop(machine);
        self.maintained.notify_waiters();
    }

    /// Waits until what compaction at `revision` left over is dropped here.
    pub(crate) async fn wait_garbage_collected(&self, revision: Revision) {
        loop {
            let maintained = self.maintained.notified();
            if self.view().garbage_collected() >= Some(revision) {
                return;
            }
            maintained.await;
        }
    }

    /// Waits until the rows that no checkpoint holds take less memory than they may.
    async fn wait_for_room(&self) {
        loop {
            let maintained = self.maintained.notified();
            // With a full disk no new writes come.
            if self.view.load().recent_bytes() < RECENT_BYTES_MAX || self.is_disk_full() {
                return;
            }
            maintained.await;
        }
    }

    /// How long to hold back the next proposals, so that checkpoints follow without anybody waiting for one.
    pub(crate) fn pace(&self) -> Duration {
        pace(self.view.load().recent_bytes())
    }

    /// Bytes of the store on disk, as of the last checkpoint.
    pub(crate) fn size_on_disk(&self) -> u64 {
        self.disk_bytes.load(Ordering::Relaxed)
    }

    /// Whether writes have to be refused because the disk is full.
    pub(crate) fn is_disk_full(&self) -> bool {
        self.disk_full.load(Ordering::Relaxed)
    }

    /// A checkpoint could not be written; rows stay in memory and the log is kept.
    pub(crate) fn checkpoint_failed(&self, error: &MachineError) {
        if error.is_disk_full() {
            self.disk_full.store(true, Ordering::Relaxed);
        }
        tracing::error!(%error, "checkpoint failed; trying again");
    }

    /// A checkpoint is durable: the newest snapshot is of it.
    pub(crate) fn checkpoint_done(&self, snapshot: &Snapshot, took: Duration) {
        if self.disk_full.swap(false, Ordering::Relaxed) {
            tracing::info!("the disk has space again; accepting writes");
        }
        match self.machine.lock().size_on_disk() {
            Ok(bytes) => self.disk_bytes.store(bytes, Ordering::Relaxed),
            Err(error) => tracing::warn!(%error, "the size of the store cannot be read"),
        }
        self.metrics.backend_commits.observe(took);
        tracing::debug!(applied = ?snapshot.applied(), elapsed_ms = took.as_millis(), "checkpoint written");
    }

    fn apply_entries(&self, batch: Vec<CommittedEntry>) {
        let Some(last) = batch.last().map(|entry| entry.log_id.index) else {
            return;
        };
        let mut effects = Effects::default();
        let sizes = {
            let mut machine = self.machine.lock();
            let mut members_change = false;
            for CommittedEntry { log_id, payload } in batch {
                match payload {
                    EntryPayload::Blank => machine.apply_blank(log_id),
                    EntryPayload::Membership { encoded, members } => {
                        machine.apply_membership(log_id, encoded, members.into_iter().map(member).collect());
                        members_change = true;
                    }
                    EntryPayload::Command(payload) => {
                        let payload = if is_planted(Bug::ApplyTwice) {
                            [&payload[..], &payload[..]].concat().into()
                        } else {
                            payload
                        };
                        if let Err(error) = machine.apply(log_id, &payload, &mut effects) {
                            stop_before_diverging(&error);
                        }
                    }
                }
            }
            let published = |(_, outcome): &(_, Outcome)| matches!(outcome, Outcome::Published);
            if members_change || effects.outcomes.iter().any(published) {
                self.publish_cluster(&machine);
            }
            self.publish_auth(&machine);
            let view = machine.view();
            let changes = machine.take_changes();
            self.view.store(Arc::new(view.clone()));
            let sizes = view.sizes();
            // Under the lock, so that batches reach the watchers in order.
            self.watches.applied(view, changes);
            sizes
        };
        self.leases.applied(&effects.leases);
        self.tokens.applied(effects.tokens);
        self.waiters.complete_all(effects.outcomes);
        self.applied.send_replace(last);
        self.maintenance.applied(sizes, effects.compacted.is_some());
    }

    /// Before the view that comes with it, see [`AuthBoard`].
    fn publish_auth(&self, machine: &Machine) {
        if self.auth.publish(machine.auth()) {
            self.watches.auth_changed();
        }
    }

    fn install_frames(&self, frames: &mut SnapshotFrames<'_>) -> Result<(), SnapshotError> {
        self.installs.fetch_add(1, Ordering::Relaxed);
        let _staging = self.staging.lock();
        let staged = self.home.stage().map_err(SnapshotError::new)?;
        let header = frames
            .next()
            .ok_or_else(|| SnapshotError::new("a snapshot has at least one frame"))??;
        let mut install =
            SnapshotInstall::begin(staged, self.store_options, &header).map_err(SnapshotError::new)?;
        let missed = usize::from(is_planted(Bug::SnapshotMissesRows));
        for frame in frames.skip(missed) {
            install.frame(&frame?).map_err(SnapshotError::new)?;
        }
        let installed = install.finish().map_err(SnapshotError::new)?;
        let _maintaining = self.maintaining.lock();
        let mut machine = self.machine.lock();
        self.home.promote().map_err(SnapshotError::new)?;
        let applied = installed
            .applied()
            .map_or(LogIndex::default(), |log_id| log_id.index);
        *self.snapshot.lock() = snapshot_of_opened(&installed);
        *machine = installed;
        self.publish_cluster(&machine);
        self.tokens.forget_all();
        self.publish_auth(&machine);
        let view = machine.view();
        self.view.store(Arc::new(view.clone()));
        self.watches.replaced(view);
        self.applied.send_replace(applied);
        Ok(())
    }
}

/// Rows that no checkpoint holds may take this much memory before proposals are held back.
const RECENT_BYTES_EASY: u64 = 16 << 20;

/// With this much memory taken, nothing is applied before a checkpoint is written.
const RECENT_BYTES_MAX: u64 = 96 << 20;

/// Proposals are held back by this much at most, when memory is at its bound.
const PACE_MAX: Duration = Duration::from_millis(25);

/// Entries wait so long for a checkpoint at most.
const ROOM_PATIENCE: Duration = Duration::from_secs(1);

/// Grows with what is above the easy part.
fn pace(recent_bytes: u64) -> Duration {
    let over = recent_bytes.saturating_sub(RECENT_BYTES_EASY);
    let share = over as f64 / (RECENT_BYTES_MAX - RECENT_BYTES_EASY) as f64;
    PACE_MAX.mul_f64(share.min(1.0))
}

fn cluster_of(machine: &Machine) -> ClusterView {
    ClusterView {
        members: machine.members(),
        removed: machine.removed_members().clone(),
    }
}

/// The state in the backend of a machine that was just opened or installed.
fn snapshot_of_opened(machine: &Machine) -> Option<Arc<PinnedSnapshot>> {
    let log_id = machine.applied()?;
    Some(Arc::new(PinnedSnapshot::new(
        Snapshot::of_opened(machine),
        log_id,
    )))
}

/// A replica that cannot know the outcome of a committed entry must not answer anything any more.
fn stop_before_diverging(error: &dyn std::error::Error) -> ! {
    tracing::error!(%error, "this member cannot apply a committed entry and stops, so as not to differ from the others");
    host::stop_process()
}

fn member(member: kv_raft::RaftMember) -> kv_machine::RaftMember {
    let kv_raft::RaftMember {
        id,
        peer_urls,
        learner,
    } = member;
    kv_machine::RaftMember {
        id,
        peer_urls,
        learner,
    }
}

impl kv_raft::StateMachine for Replica {
    fn applied(&self) -> Applied {
        let machine = self.machine.lock();
        Applied {
            log_id: machine.applied(),
            membership: machine.membership(),
        }
    }

    fn is_removed(&self, member: MemberId) -> bool {
        self.cluster.load().removed.contains(&member) && !is_planted(Bug::RemovedMemberStays)
    }

    fn apply(&self, batch: Vec<CommittedEntry>) {
        self.apply_entries(batch);
    }

    fn room(&self) -> BoxFuture<'_, ()> {
        let room = self.wait_for_room();
        // Memory above its bound beats a member that follows no more; why the store does not follow is in the log.
        Box::pin(async { tokio::time::timeout(ROOM_PATIENCE, room).await.unwrap_or(()) })
    }

    fn snapshot(&self) -> Result<Arc<dyn SnapshotSource>, SnapshotError> {
        let snapshot = if host::is_simulated() {
            maintenance::snapshot_in_place(self)
        } else {
            let made = self.maintenance.snapshot().blocking_recv();
            made.map_err(|_| SnapshotError::new("the member is shutting down"))?
        }
        .map_err(SnapshotError::new)?;
        let log_id = snapshot
            .applied()
            .ok_or_else(|| SnapshotError::new("nothing is applied yet"))?;
        let pinned = Arc::new(PinnedSnapshot::new(snapshot, log_id));
        *self.snapshot.lock() = Some(Arc::clone(&pinned));
        Ok(pinned)
    }

    fn current_snapshot(&self) -> Option<Arc<dyn SnapshotSource>> {
        self.snapshot
            .lock()
            .clone()
            .map(|pinned| pinned as Arc<dyn SnapshotSource>)
    }

    fn install(&self, meta: &SnapshotMeta, frames: &mut SnapshotFrames<'_>) -> Result<(), SnapshotError> {
        tracing::info!(
            snapshot = meta.id,
            log_index = meta.log_id.index.get(),
            "installing a snapshot"
        );
        self.install_frames(frames)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use kv_backend::MemoryHome;
    use kv_machine::{Command, Proposal};
    use kv_mvcc::{PutLease, PutRequest, PutValue};
    use kv_raft::StateMachine;
    use kv_types::{LogId, MemberId, RequestId, Term};
    use tokio::time::Instant;

    use super::*;

    /// An entry that puts a mebibyte.
    fn large_entry(index: u64) -> CommittedEntry {
        let request = PutRequest {
            key: "k".into(),
            value: PutValue::New(vec![7; 1 << 20].into()),
            lease: PutLease::Set(None),
            prev_kv: false,
        };
        let proposal = Proposal {
            id: RequestId::new(index),
            caller: None,
            command: Command::Put(request),
        };
        let mut payload = Vec::new();
        proposal.encode(&mut payload);
        CommittedEntry {
            log_id: LogId {
                term: Term::new(1),
                leader: MemberId::new(1),
                index: LogIndex::new(index),
            },
            payload: EntryPayload::Command(payload.into()),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn with_memory_at_its_bound_entries_wait_for_a_checkpoint_but_not_for_ever() {
        let home = Arc::new(MemoryHome::default());
        let replica = Replica::open(home, StoreOptions::default(), Duration::from_secs(600)).unwrap();
        assert!(replica.wait_for_room().now_or_never().is_some());
        let entries = (1..=RECENT_BYTES_MAX >> 20).map(large_entry);
        replica.apply_entries(entries.collect());
        assert!(replica.wait_for_room().now_or_never().is_none());
        assert_eq!(replica.pace(), PACE_MAX);

        let started = Instant::now();
        replica.room().await;
        assert!(started.elapsed() >= ROOM_PATIENCE);

        crate::maintenance::snapshot_in_place(&replica).unwrap();
        assert!(replica.wait_for_room().now_or_never().is_some());
        assert_eq!(replica.pace(), Duration::ZERO);
    }

    #[test]
    fn proposals_are_held_back_the_more_the_less_memory_is_left() {
        assert_eq!(pace(0), Duration::ZERO);
        assert_eq!(pace(RECENT_BYTES_EASY), Duration::ZERO);
        assert_eq!(pace(RECENT_BYTES_EASY / 2 + RECENT_BYTES_MAX / 2), PACE_MAX / 2);
        assert_eq!(pace(10 * RECENT_BYTES_MAX), PACE_MAX);
    }
}
