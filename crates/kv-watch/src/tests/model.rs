//! Random changes, watchers, slow consumers, compactions, catching up: what each watcher receives is compared
//! with what a naive reading of all history says it must.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use kv_mvcc::Change;
use kv_types::{KeyRange, Revision, WatchId};
use proptest::prelude::*;

use super::world::{Op, Store, Stream, World, show};
use crate::{CatchUp, CaughtUp, Filters, Hub, HubOptions, Outgoing, WatchCreate};

const STREAMS: usize = 3;

#[derive(Clone, Debug)]
struct Wish {
    range: (&'static str, &'static str),
    /// Relative to the current revision; `None`: from now on.
    start: Option<i64>,
    id: Option<i64>,
    filters: (bool, bool),
    prev_kv: bool,
    progress_notify: bool,
}

#[derive(Clone, Debug)]
enum Step {
    /// Revisions applied together: of each, which keys to put or delete.
    Apply(Vec<Vec<(usize, bool)>>),
    Create(usize, Wish),
    Cancel(usize, i64),
    RequestProgress(usize),
    Take(usize, usize),
    Reopen(usize),
    CatchUp,
    Plan,
    Read,
    Finish,
    /// How far below the current revision.
    Compact(i64),
    Tick,
    /// A later store takes the place of this one.
    Install(Vec<Vec<(usize, bool)>>),
    /// Whether single rows can be read.
    Readable(bool),
}

const KEYS: [&str; 5] = ["a", "aa", "b", "ba", "c"];
const RANGES: [(&str, &str); 8] = [
    ("a", ""),
    ("b", ""),
    ("a", "b"),
    ("a", "c"),
    ("aa", "bb"),
    ("\0", "\0"),
    ("b", "\0"),
    ("x", "y"),
];

fn revisions() -> impl Strategy<Value = Vec<Vec<(usize, bool)>>> {
    let op = (0..KEYS.len(), prop::bool::weighted(0.75));
    prop::collection::vec(prop::collection::vec(op, 1..4), 1..4)
}

fn wish() -> impl Strategy<Value = Wish> {
    (
        prop::sample::select(&RANGES[..]),
        prop::option::weighted(0.7, -8..4i64),
        prop::option::weighted(0.2, 0..4i64),
        (prop::bool::weighted(0.15), prop::bool::weighted(0.15)),
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(|(range, start, id, filters, prev_kv, progress_notify)| Wish {
            range,
            start,
            id,
            filters,
            prev_kv,
            progress_notify,
        })
}

fn step() -> impl Strategy<Value = Step> {
    let stream = 0..STREAMS;
    prop_oneof![
        12 => revisions().prop_map(Step::Apply),
        6 => (stream.clone(), wish()).prop_map(|(stream, wish)| Step::Create(stream, wish)),
        2 => (stream.clone(), 0..5i64).prop_map(|(stream, id)| Step::Cancel(stream, id)),
        4 => stream.clone().prop_map(Step::RequestProgress),
        8 => (stream.clone(), 1..6usize).prop_map(|(stream, count)| Step::Take(stream, count)),
        1 => stream.prop_map(Step::Reopen),
        5 => Just(Step::CatchUp),
        3 => Just(Step::Plan),
        3 => Just(Step::Read),
        3 => Just(Step::Finish),
        1 => (0..6i64).prop_map(Step::Compact),
        2 => Just(Step::Tick),
        1 => revisions().prop_map(Step::Install),
        1 => prop::bool::weighted(0.7).prop_map(Step::Readable),
    ]
}

/// What a client knows of one of its watchers.
struct Watched {
    create: WatchCreate,
    /// The first revision it must hear of.
    start: Revision,
    /// How many of the changes it must hear of have arrived.
    received: usize,
}

impl Watched {
    fn expected<'a>(&self, store: &'a Store) -> Vec<&'a Change> {
        let wanted = |change: &&Change| {
            change.row.revision.main >= self.start
                && self.create.range.contains(&change.row.key)
                && self.create.filters.pass(change.row.tombstone)
        };
        store.changes.iter().filter(wanted).collect()
    }

    /// The first revision of which something has not arrived.
    fn missing(&self, store: &Store) -> Option<Revision> {
        self.expected(store)
            .get(self.received)
            .map(|change| change.row.revision.main)
    }

    fn receive(&mut self, store: &Store, response: &Outgoing) {
        let Outgoing::Events {
            revision,
            events,
            with_prev,
            fragment,
            ..
        } = response
        else {
            panic!("no events: {response:?}");
        };
        assert_eq!(
            (*with_prev, *fragment),
            (self.create.prev_kv, self.create.fragment)
        );
        let expected = self.expected(store);
        let (received, rest) = expected[self.received..].split_at(events.len());
        let last = events
            .last()
            .expect("a response without events is not sent")
            .revision();
        assert!(
            last <= *revision && revision.get() <= store.revision,
            "{}",
            show(response)
        );
        assert!(
            rest.first().is_none_or(|next| next.row.revision.main > last),
            "a revision is split"
        );
        for (event, change) in events.iter().zip(received) {
            assert_eq!(event.row(), &change.row);
            if !*with_prev {
                continue;
            }
            let prev = store.prev_of(change);
            match event.prev() {
                Some(found) => assert_eq!(Some(found), prev),
                None => assert!(prev.is_none() || change.row.revision.main.get() <= store.compacted),
            }
        }
        self.received += events.len();
    }
}

/// A client's end of a stream.
struct Client {
    stream: Stream,
    /// Creates whose answers have not arrived.
    asked: Vec<WatchCreate>,
    watched: BTreeMap<WatchId, Watched>,
    /// Ids ended by compaction and not cancelled.
    ended: Vec<WatchId>,
}

impl Client {
    fn open(world: &mut World) -> Self {
        Self {
            stream: world.open(),
            asked: Vec::new(),
            watched: BTreeMap::new(),
            ended: Vec::new(),
        }
    }

    /// Takes one response and judges it.
    fn take(&mut self, store: &Store) -> Option<Outgoing> {
        let response = self.stream.receiver.try_next()?;
        match &response {
            Outgoing::Created { id, revision } => {
                let create = self.asked.remove(0);
                assert!(create.id.is_none_or(|asked| asked == *id));
                assert!(!self.ended.contains(id));
                let start = create
                    .start
                    .filter(|start| start.get() > 0)
                    .unwrap_or(revision.next());
                let before = self.watched.insert(
                    *id,
                    Watched {
                        create,
                        start,
                        received: 0,
                    },
                );
                assert!(before.is_none(), "two watchers with the id {id}");
            }
            Outgoing::Rejected { .. } => {
                let id = self
                    .asked
                    .remove(0)
                    .id
                    .expect("only ids asked for are rejected here");
                assert!(self.watched.contains_key(&id) || self.ended.contains(&id));
            }
            Outgoing::Events { id, .. } => {
                self.watched
                    .get_mut(id)
                    .expect("events come while a watcher is there")
                    .receive(store, &response);
            }
            Outgoing::Progress { id, revision } => {
                let spoken_for = |(other, _): &(&WatchId, &Watched)| id.is_none_or(|id| id == **other);
                let mut watched = self.watched.iter().filter(spoken_for).peekable();
                assert!(watched.peek().is_some());
                for (_, watched) in watched {
                    assert!(watched.start <= *revision || watched.create.start.is_none());
                    assert!(
                        watched.missing(store).is_none_or(|missing| missing > *revision),
                        "progress is ahead"
                    );
                    assert!(id.is_none() || watched.create.progress_notify);
                }
            }
            Outgoing::Canceled { id, .. } => {
                let ended = self.ended.iter().position(|ended| ended == id);
                ended.map(|at| self.ended.remove(at));
                assert!(self.watched.remove(id).is_some() != ended.is_some());
            }
            Outgoing::Compacted { id, compact_revision } => {
                assert!(compact_revision.get() <= store.compacted);
                assert!(self.watched.remove(id).is_some());
                self.ended.push(*id);
            }
        }
        Some(response)
    }
}

struct Run {
    world: World,
    clients: Vec<Client>,
    planned: Option<(CatchUp, Store)>,
    read: Option<CaughtUp>,
    now: Duration,
}

impl Run {
    fn new(options: HubOptions) -> Self {
        let mut world = World::with(options);
        let clients = (0..STREAMS).map(|_| Client::open(&mut world)).collect();
        Self {
            world,
            clients,
            planned: None,
            read: None,
            now: Duration::ZERO,
        }
    }

    fn changes(&mut self, revisions: &[Vec<(usize, bool)>]) -> Vec<Change> {
        let mut changes = Vec::new();
        for revision in revisions {
            let value = self.world.store.revision.to_string();
            let mut ops: Vec<Op<'_>> = Vec::new();
            for (key, put) in revision {
                if ops.iter().all(|(other, _)| *other != KEYS[*key]) {
                    ops.push((KEYS[*key], put.then_some(&value)));
                }
            }
            changes.extend(self.world.store.apply(&ops));
        }
        changes
    }

    fn hub(&mut self) -> (&mut Hub, &Store) {
        (&mut self.world.hub, &self.world.store)
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Apply(revisions) => {
                let changes = self.changes(&revisions);
                let (hub, store) = self.hub();
                hub.on_applied(store, &changes);
            }
            Step::Install(revisions) => {
                self.changes(&revisions);
                let (hub, store) = self.hub();
                hub.on_installed(Revision::new(store.revision));
            }
            Step::Create(stream, wish) => self.create(stream, &wish),
            Step::Cancel(stream, id) => {
                self.world
                    .hub
                    .cancel(self.clients[stream].stream.id, WatchId::new(id))
                    .unwrap();
            }
            Step::RequestProgress(stream) => self.world.hub.request_progress(self.clients[stream].stream.id),
            Step::Take(stream, count) => {
                for _ in 0..count {
                    self.clients[stream].take(&self.world.store);
                }
            }
            Step::Reopen(stream) => {
                self.world.hub.close_stream(self.clients[stream].stream.id);
                self.clients[stream] = Client::open(&mut self.world);
            }
            // Unreadable rows make this fail: then it is tried again some time.
            Step::CatchUp => {
                let (hub, store) = self.hub();
                let _ = hub.catch_up(store);
            }
            Step::Plan => {
                let (hub, store) = self.hub();
                self.planned = hub.plan_catch_up(store).map(|round| (round, store.clone()));
            }
            Step::Read => {
                if let Some((round, store)) = self.planned.take() {
                    self.read = round.read(&store).ok();
                }
            }
            Step::Finish => {
                if let Some(caught_up) = self.read.take() {
                    let (hub, store) = self.hub();
                    let _ = hub.finish_catch_up(store, caught_up);
                }
            }
            Step::Compact(below) => {
                let store = &mut self.world.store;
                store.compacted = store.compacted.max(store.revision - below);
            }
            Step::Tick => {
                self.now += Duration::from_secs(600);
                self.world.hub.tick(self.now);
            }
            Step::Readable(readable) => self.world.store.unreadable = !readable,
        }
    }

    fn create(&mut self, stream: usize, wish: &Wish) {
        let (key, end) = wish.range;
        let revision = self.world.store.revision;
        let create = WatchCreate {
            range: KeyRange::from_wire(
                Bytes::from_static(key.as_bytes()),
                Bytes::from_static(end.as_bytes()),
            ),
            start: wish.start.map(|start| Revision::new((revision + start).max(1))),
            id: wish.id.map(WatchId::new),
            filters: Filters {
                no_put: wish.filters.0,
                no_delete: wish.filters.1,
            },
            prev_kv: wish.prev_kv,
            progress_notify: wish.progress_notify,
            fragment: wish.prev_kv,
        };
        let client = &mut self.clients[stream];
        self.world.hub.create(client.stream.id, create.clone()).unwrap();
        client.asked.push(create);
    }

    /// When everything is read and taken, nobody lacks anything.
    fn settle(&mut self) {
        self.world.store.unreadable = false;
        loop {
            self.world.catch_up();
            let store = &self.world.store;
            let taken = self
                .clients
                .iter_mut()
                .map(|client| std::iter::from_fn(|| client.take(store)).count());
            if taken.sum::<usize>() == 0 {
                break;
            }
        }
        assert_eq!(self.world.hub.counts().unsynced, 0);
        let store = &self.world.store;
        for client in &mut self.clients {
            assert!(client.asked.is_empty());
            assert!(
                client
                    .watched
                    .values()
                    .all(|watched| watched.missing(store).is_none())
            );
            self.world.hub.request_progress(client.stream.id);
            let begun = |watched: &Watched| {
                watched
                    .create
                    .start
                    .is_none_or(|start| start.get() <= store.revision)
            };
            let answered = !client.watched.is_empty() && client.watched.values().all(begun);
            assert_eq!(client.take(store).is_some(), answered);
        }
    }
}

proptest! {
    #[test]
    fn each_watcher_receives_what_history_says(
        steps in prop::collection::vec(step(), 0..150),
        responses_max in 1..5usize,
        recent_changes_max in prop::sample::select(vec![0, 4, 1000]),
        round_revisions_max in 1..6u32,
        round_watchers_max in 1..4usize,
    ) {
        let mut run = Run::new(HubOptions {
            responses_max,
            recent_changes_max,
            round_revisions_max,
            round_watchers_max,
            ..HubOptions::default()
        });
        for step in steps {
            run.step(step);
        }
        run.settle();
    }
}
