//! A naive store, and a hub driven beside it.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use kv_mvcc::{Change, ReadError, Row};
use kv_types::{KeyRange, Revision, RowRevision, Version, WatchId};

use crate::{
    Event, Filters, History, Hub, HubOptions, Outgoing, StreamId, StreamReceiver, Waker, WatchCreate,
};

/// One operation: a key and what to put there, or `None` to delete it.
pub(super) type Op<'a> = (&'a str, Option<&'a str>);

/// All history, kept as it was made; what a compaction drops is hidden by looking at `compacted`.
#[derive(Clone, Default)]
pub(super) struct Store {
    pub(super) changes: Vec<Change>,
    live: BTreeMap<Bytes, Arc<Row>>,
    pub(super) revision: i64,
    pub(super) compacted: i64,
    /// Reading single rows fails.
    pub(super) unreadable: bool,
}

impl Store {
    pub(super) fn new() -> Self {
        Self {
            revision: 1,
            ..Self::default()
        }
    }

    /// Applies operations as one revision, unless they change nothing.
    pub(super) fn apply(&mut self, ops: &[Op<'_>]) -> Vec<Change> {
        let main = Revision::new(self.revision + 1);
        let mut made = Vec::new();
        for (key, value) in ops {
            let key = Bytes::copy_from_slice(key.as_bytes());
            let revision = RowRevision::new(main, u32::try_from(made.len()).unwrap());
            let old = self.live.get(&key).cloned();
            let row = match (value, &old) {
                (None, None) => continue,
                (None, Some(_)) => Row::tombstone(revision, key.clone()),
                (Some(value), old) => Row {
                    revision,
                    key: key.clone(),
                    value: Bytes::copy_from_slice(value.as_bytes()),
                    create_revision: old.as_ref().map_or(main, |old| old.create_revision),
                    version: old.as_ref().map_or(Version::FIRST, |old| old.version.next()),
                    lease: None,
                    tombstone: false,
                },
            };
            let row = Arc::new(row);
            if row.tombstone {
                self.live.remove(&key);
            } else {
                self.live.insert(key, Arc::clone(&row));
            }
            made.push(Change {
                row,
                prev: old.map(|old| old.revision),
            });
        }
        if !made.is_empty() {
            self.revision += 1;
            self.changes.extend(made.iter().cloned());
        }
        made
    }

    /// The row that was live before a change, compacted or not.
    pub(super) fn prev_of(&self, change: &Change) -> Option<&Arc<Row>> {
        let prev = change.prev?;
        self.changes
            .iter()
            .map(|change| &change.row)
            .find(|row| row.revision == prev)
    }
}

impl History for Store {
    fn revision(&self) -> Revision {
        Revision::new(self.revision)
    }

    fn compacted(&self) -> Option<Revision> {
        (self.compacted > 0).then(|| Revision::new(self.compacted))
    }

    fn row(&self, revision: RowRevision) -> Result<Option<Arc<Row>>, ReadError> {
        if self.unreadable {
            return Err(ReadError::Missing { revision });
        }
        let replaced_by = self.changes.iter().find(|change| change.prev == Some(revision));
        if replaced_by.is_some_and(|change| change.row.revision.main.get() <= self.compacted) {
            return Ok(None);
        }
        Ok(self
            .changes
            .iter()
            .map(|change| &change.row)
            .find(|row| row.revision == revision)
            .cloned())
    }

    fn changes(
        &self,
        from: Revision,
        to: Revision,
        visit: &mut dyn FnMut(Change) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        assert!(from.get() >= self.compacted, "nobody reads what is compacted");
        let main = |change: &&Change| change.row.revision.main;
        for change in self
            .changes
            .iter()
            .filter(|change| main(change) >= from && main(change) <= to)
        {
            let prev = change.prev.filter(|_| main(&change).get() > self.compacted);
            if visit(Change {
                row: Arc::clone(&change.row),
                prev,
            })
            .is_break()
            {
                break;
            }
        }
        Ok(())
    }
}

pub(super) struct World {
    pub(super) store: Store,
    pub(super) hub: Hub,
    pub(super) work: Arc<AtomicUsize>,
}

/// A stream with a count of its wakes.
pub(super) struct Stream {
    pub(super) id: StreamId,
    pub(super) receiver: StreamReceiver,
    pub(super) wakes: Arc<AtomicUsize>,
}

fn counter() -> (Arc<AtomicUsize>, Waker) {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    (
        count,
        Arc::new(move || _ = counted.fetch_add(1, Ordering::Relaxed)),
    )
}

impl World {
    pub(super) fn new() -> Self {
        Self::with(HubOptions::default())
    }

    pub(super) fn with(options: HubOptions) -> Self {
        let (work, waker) = counter();
        let store = Store::new();
        let hub = Hub::new(options, store.revision(), waker);
        Self { store, hub, work }
    }

    pub(super) fn open(&mut self) -> Stream {
        let (wakes, waker) = counter();
        let (id, receiver) = self.hub.open_stream(Duration::ZERO, 0.0, waker);
        Stream { id, receiver, wakes }
    }

    /// A stream with one watcher, its `created` response taken.
    pub(super) fn watching(&mut self, create: WatchCreate) -> Stream {
        let stream = self.open();
        self.hub.create(stream.id, create).unwrap();
        let created = stream.receiver.try_next();
        assert!(matches!(created, Some(Outgoing::Created { .. })), "{created:?}");
        stream
    }

    /// Applies one revision.
    pub(super) fn apply(&mut self, ops: &[Op<'_>]) {
        let changes = self.store.apply(ops);
        self.hub.on_applied(&self.store, &changes);
    }

    pub(super) fn put(&mut self, key: &str, value: &str) {
        self.apply(&[(key, Some(value))]);
    }

    /// Applies several revisions at once.
    pub(super) fn apply_together(&mut self, revisions: &[&[Op<'_>]]) {
        let changes: Vec<_> = revisions.iter().flat_map(|ops| self.store.apply(ops)).collect();
        self.hub.on_applied(&self.store, &changes);
    }

    /// Serves lagging watchers until there is nothing to do.
    pub(super) fn catch_up(&mut self) {
        while self.hub.catch_up(&self.store).unwrap() {}
    }
}

impl Stream {
    /// Everything queued, shortened to text.
    pub(super) fn take(&self) -> Vec<String> {
        std::iter::from_fn(|| self.receiver.try_next())
            .map(|response| show(&response))
            .collect()
    }
}

/// `put a=1@2` with the previous value in brackets, `del a@3`.
fn show_event(event: &Event, with_prev: bool) -> String {
    let row = event.row();
    let value = |row: &Row| String::from_utf8(row.value.to_vec()).unwrap();
    let key = String::from_utf8(row.key.to_vec()).unwrap();
    let mut text = if row.tombstone {
        format!("del {key}@{}", row.revision.main)
    } else {
        format!("put {key}={}@{}", value(row), row.revision.main)
    };
    if let Some(prev) = event.prev().filter(|_| with_prev) {
        text += &format!("[{}]", value(prev));
    }
    text
}

pub(super) fn show(response: &Outgoing) -> String {
    match response {
        Outgoing::Created { id, revision } => format!("created {id} at {revision}"),
        Outgoing::Rejected { reason, revision } => format!("rejected {reason:?} at {revision}"),
        Outgoing::Events {
            id,
            revision,
            events,
            with_prev,
            ..
        } => {
            let events: Vec<_> = events.iter().map(|event| show_event(event, *with_prev)).collect();
            format!("{id} at {revision}: {}", events.join(", "))
        }
        Outgoing::Progress {
            id: Some(id),
            revision,
        } => format!("progress {id} at {revision}"),
        Outgoing::Progress { id: None, revision } => format!("progress of all at {revision}"),
        Outgoing::Canceled { id, revision } => format!("canceled {id} at {revision}"),
        Outgoing::Compacted { id, compact_revision } => format!("compacted {id} at {compact_revision}"),
    }
}

/// A watcher of `[key, end)` as on the wire.
pub(super) fn watch(key: &str, end: &str) -> WatchCreate {
    WatchCreate {
        range: KeyRange::from_wire(
            Bytes::copy_from_slice(key.as_bytes()),
            Bytes::copy_from_slice(end.as_bytes()),
        ),
        start: None,
        id: None,
        filters: Filters::default(),
        prev_kv: false,
        progress_notify: false,
        fragment: false,
    }
}

pub(super) fn watch_all() -> WatchCreate {
    watch("\0", "\0")
}

pub(super) fn from(create: WatchCreate, start: i64) -> WatchCreate {
    WatchCreate {
        start: Some(Revision::new(start)),
        ..create
    }
}

pub(super) fn with_id(create: WatchCreate, id: i64) -> WatchCreate {
    WatchCreate {
        id: Some(WatchId::new(id)),
        ..create
    }
}
