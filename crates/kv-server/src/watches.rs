use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use kv_mvcc::{Change, ReadError, Row, View};
use kv_types::{Revision, RowRevision};
use kv_watch::{Counts, History, Hub, HubOptions, StreamId, StreamReceiver};
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::auth::{AuthBoard, AuthEpoch};

/// Changes that were applied and not yet given to the watchers may be this many before the watchers are told to
/// read them from history instead: writers never wait for watchers, and memory stays bounded.
const PENDING_CHANGES_MAX: usize = 100_000;

/// After history could not be read, catching up is tried again this much later.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// The watchers of this member, fed from the apply path without ever holding it up.
///
/// The apply path only leaves its changes here; the hub is moved by tasks, and by whoever creates a watcher.
pub(crate) struct Watches {
    hub: Mutex<Hub>,
    pending: Mutex<Pending>,
    /// The store as of the last changes given to the hub or later.
    view: ArcSwap<Stored>,
    applied: Notify,
    lagging: Arc<Notify>,
    state: watch::Sender<StreamsState>,
    auth: Arc<AuthBoard>,
    epoch: Instant,
}

/// What all streams look at, beside what is sent through them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StreamsState {
    pub(crate) is_stopped: bool,
    pub(crate) auth: AuthEpoch,
}

#[derive(Default)]
struct Pending {
    changes: Vec<Change>,
    /// The store after the changes.
    view: Option<View>,
    /// Not all changes are there: the store was replaced, or they were too many.
    gap: bool,
}

impl Watches {
    pub(crate) fn new(view: View, progress_interval: Duration, auth: Arc<AuthBoard>) -> Self {
        let lagging = Arc::new(Notify::new());
        let waker = Arc::clone(&lagging);
        let options = HubOptions {
            progress_interval,
            ..HubOptions::default()
        };
        let hub = Hub::new(options, view.revision(), Arc::new(move || waker.notify_one()));
        Self {
            hub: Mutex::new(hub),
            pending: Mutex::default(),
            view: ArcSwap::from_pointee(Stored(view)),
            applied: Notify::new(),
            lagging,
            state: watch::Sender::new(StreamsState {
                is_stopped: false,
                auth: auth.epoch(),
            }),
            auth,
            epoch: Instant::now(),
        }
    }

    /// Leaves what was applied; `view` is the store after it.
    pub(crate) fn applied(&self, view: View, changes: Vec<Change>) {
        {
            let mut pending = self.pending.lock();
            pending.view = Some(view);
            if pending.gap || pending.changes.len() + changes.len() > PENDING_CHANGES_MAX {
                pending.gap = true;
                pending.changes = Vec::new();
            } else if pending.changes.is_empty() {
                pending.changes = changes;
            } else {
                pending.changes.extend(changes);
            }
        }
        self.applied.notify_one();
    }

    /// The store was replaced by a later one.
    pub(crate) fn replaced(&self, view: View) {
        let mut pending = self.pending.lock();
        *pending = Pending {
            changes: Vec::new(),
            view: Some(view),
            gap: true,
        };
        self.applied.notify_one();
    }

    /// The hub, with everything given to it that was applied before the call. Whoever hears of a write before
    /// creating a watcher has it begin after that write.
    pub(crate) fn hub(&self) -> MutexGuard<'_, Hub> {
        let mut hub = self.hub.lock();
        let Pending { changes, view, gap } = std::mem::take(&mut *self.pending.lock());
        if let Some(view) = view {
            let stored = Stored(view);
            if gap {
                hub.on_installed(stored.revision());
            } else if !changes.is_empty() {
                hub.on_applied(&stored, &changes);
            }
            self.view.store(Arc::new(stored));
        }
        hub
    }

    /// Ends all streams.
    pub(crate) fn stop(&self) {
        self.state.send_modify(|state| state.is_stopped = true);
    }

    /// Users, roles or permissions changed: each stream looks whether its watchers may go on.
    pub(crate) fn auth_changed(&self) {
        self.state.send_modify(|state| state.auth = self.auth.epoch());
    }

    /// Who may read what.
    pub(crate) fn auth(&self) -> &AuthBoard {
        &self.auth
    }

    /// Returns when all streams end.
    pub(crate) fn stopping(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut state = self.state.subscribe();
        async move {
            // An error means that the member is gone altogether.
            let _ = state.wait_for(|state| state.is_stopped).await;
        }
    }

    /// How many streams and watchers there are.
    pub(crate) fn counts(&self) -> Counts {
        self.hub.lock().counts()
    }

    /// Opens a stream: its ID, what is to be sent through it, when there is more of that, and what else it has to
    /// look at.
    pub(crate) fn open_stream(
        &self,
    ) -> (
        StreamId,
        StreamReceiver,
        Arc<Notify>,
        watch::Receiver<StreamsState>,
    ) {
        let ready = Arc::new(Notify::new());
        let waker = Arc::clone(&ready);
        let now = self.epoch.elapsed();
        // Spread by the time of opening: any spread will do.
        let jitter = f64::from(now.subsec_micros() % 1000) / 1000.0;
        let (id, receiver) = self
            .hub()
            .open_stream(now, jitter, Arc::new(move || waker.notify_one()));
        (id, receiver, ready, self.state.subscribe())
    }

    /// Ends a stream and all its watchers.
    pub(crate) fn close_stream(&self, id: StreamId) {
        self.hub.lock().close_stream(id);
    }

    /// Gives the hub what is applied, until the member stops.
    pub(crate) async fn run_live(self: Arc<Self>) {
        loop {
            self.applied.notified().await;
            drop(self.hub());
        }
    }

    /// Lets lagging watchers read history, until the member stops. Rounds are read without the hub.
    pub(crate) async fn run_catching_up(self: Arc<Self>) {
        loop {
            self.lagging.notified().await;
            let watches = Arc::clone(&self);
            let caught_up = kv_raft::host::blocking(move || watches.catch_up()).await;
            if let Ok(Err(error)) = caught_up {
                tracing::error!(%error, "watchers cannot read history; trying again");
                tokio::time::sleep(RETRY_PAUSE).await;
                self.lagging.notify_one();
            }
        }
    }

    fn catch_up(&self) -> Result<(), ReadError> {
        loop {
            let (round, history) = {
                let mut hub = self.hub();
                let history = self.view.load_full();
                let Some(round) = hub.plan_catch_up(history.as_ref()) else {
                    return Ok(());
                };
                (round, history)
            };
            let caught_up = round.read(history.as_ref())?;
            let mut hub = self.hub();
            let history = self.view.load_full();
            hub.finish_catch_up(history.as_ref(), caught_up)?;
        }
    }

    /// Reports progress when it is due, until the member stops.
    pub(crate) async fn run_progress(self: Arc<Self>) {
        loop {
            let due = self.hub().next_tick();
            let pause = due.map_or(IDLE_TICK, |due| due.saturating_sub(self.epoch.elapsed()));
            tokio::time::sleep(pause.min(IDLE_TICK)).await;
            self.hub().tick(self.epoch.elapsed());
        }
    }
}

/// How long the progress task sleeps at most, since a stream opened meanwhile may be due earlier.
const IDLE_TICK: Duration = Duration::from_millis(100);

/// The store as watchers read it.
struct Stored(View);

impl History for Stored {
    fn revision(&self) -> Revision {
        self.0.revision()
    }

    fn compacted(&self) -> Option<Revision> {
        self.0.compacted()
    }

    fn row(&self, revision: RowRevision) -> Result<Option<Arc<Row>>, ReadError> {
        self.0.row(revision)
    }

    fn changes(
        &self,
        from: Revision,
        to: Revision,
        visit: &mut dyn FnMut(Change) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        for change in self.0.history(from, to) {
            if visit(change?).is_break() {
                break;
            }
        }
        Ok(())
    }
}
