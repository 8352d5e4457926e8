//! The watchers of one member.

mod catch_up;
mod live;
mod progress;
mod round;
mod watcher;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kv_types::planted::{Bug, is_planted};
use kv_types::{KeyRange, Revision, WatchId};
use thiserror::Error;

pub use round::{CatchUp, CaughtUp};

use crate::groups::Groups;
use crate::matcher::Interest;
use crate::queue::{Drained, Queue};
use crate::recent::Recent;
use crate::share::{Share, WATCHERS_BYTES_MAX, watcher_bytes};
use crate::slab::{Key, Slab};
use crate::{Outgoing, RejectReason, StreamReceiver, Waker, WatchCreate};
use watcher::{State, Watcher};

/// Most ids of watchers ended by compaction that a stream remembers in order to answer their cancels; of more,
/// the smallest are forgotten.
const ENDED_IDS_MAX: usize = 4096;

/// How a hub behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HubOptions {
    /// How often idle watchers that ask for it hear of progress; each stream adds up to a tenth to it.
    pub progress_interval: Duration,
    /// Most changes kept for watchers that lag a little.
    pub recent_changes_max: usize,
    /// Most bytes of such changes.
    pub recent_bytes_max: usize,
    /// Most responses that wait in one stream's queue without being answers to its requests; a watcher that
    /// finds it full becomes unsynced.
    pub responses_max: usize,
    /// Most watchers served by one round of catching up.
    pub round_watchers_max: usize,
    /// Most revisions read by one round, and so in one of its responses.
    pub round_revisions_max: u32,
}

/// etcd's numbers, where it has them.
impl Default for HubOptions {
    fn default() -> Self {
        Self {
            progress_interval: Duration::from_secs(600),
            recent_changes_max: 8192,
            recent_bytes_max: 4 << 20,
            responses_max: 128,
            round_watchers_max: 512,
            round_revisions_max: 1000,
        }
    }
}

/// Names a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(Key);

/// Too many answers wait to be sent: take some from the stream, then ask again. Nothing was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("too many answers wait to be sent on the watch stream")]
pub struct Busy;

/// How many there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Streams.
    pub streams: usize,
    /// Watchers of all streams.
    pub watchers: usize,
    /// Watchers that still have to be sent what has already happened.
    pub unsynced: usize,
}

/// All watch streams of a member and their watchers.
///
/// Synchronous, and never waits: whoever holds it calls [`Hub::on_applied`] with each batch of changes,
/// [`Hub::catch_up`] (or its three steps) whenever `work` was called, and [`Hub::tick`] at
/// [`Hub::next_tick`]. A change must be given to the hub before a client hears of it in any other way, so that a
/// watch which a client creates after a write begins after that write.
#[derive(Debug)]
pub struct Hub {
    options: HubOptions,
    /// The revision of the last change given.
    revision: Revision,
    streams: Slab<Stream>,
    watchers: Slab<Watcher>,
    /// Invariant: a watcher here has been sent, or has in its stream's queue, all it wants up to `revision`.
    groups: Groups,
    /// Watchers that start after the next revision, by their start.
    future: BTreeSet<(Revision, Key)>,
    /// Watchers that can be served from history, by the revision they need next.
    /// Invariant: that is not above `revision`.
    lagging: BTreeSet<(Revision, Key)>,
    /// Where the next round of catching up looks first, so that all positions get their turn.
    turn: Revision,
    recent: Recent,
    drained: Arc<Drained>,
    share: Arc<Share>,
    /// About what all watchers take.
    watchers_bytes: usize,
    /// When each stream reports progress next.
    ticks: BTreeSet<(Duration, Key)>,
}

#[derive(Debug)]
struct Stream {
    queue: Arc<Queue>,
    watchers: BTreeMap<WatchId, Key>,
    /// Ids of watchers ended by compaction that have not been cancelled; they are still taken.
    ended: BTreeSet<WatchId>,
    next_id: i64,
    /// Watchers that wait for the queue to drain.
    blocked: BTreeSet<Key>,
    /// About what its watchers take.
    watchers_bytes: usize,
    progress_interval: Duration,
    next_tick: Duration,
}

impl Stream {
    fn is_taken(&self, id: WatchId) -> bool {
        self.watchers.contains_key(&id) || self.ended.contains(&id)
    }

    fn allocate_id(&mut self) -> WatchId {
        while self.is_taken(WatchId::new(self.next_id)) {
            self.next_id += 1;
        }
        let id = WatchId::new(self.next_id);
        self.next_id += 1;
        id
    }
}

impl Hub {
    /// A hub of a store that is at `revision`. `work` is called when there is catching up to do.
    pub fn new(options: HubOptions, revision: Revision, work: Waker) -> Self {
        Self {
            options,
            revision,
            streams: Slab::new(),
            watchers: Slab::new(),
            groups: Groups::new(),
            future: BTreeSet::new(),
            lagging: BTreeSet::new(),
            turn: Revision::ZERO,
            recent: Recent::new(options.recent_changes_max, options.recent_bytes_max),
            drained: Arc::new(Drained::new(work)),
            share: Arc::new(Share::new()),
            watchers_bytes: 0,
            ticks: BTreeSet::new(),
        }
    }

    /// The revision up to which changes have been given.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// How many streams and watchers there are.
    pub fn counts(&self) -> Counts {
        let blocked: usize = self.streams.iter().map(|stream| stream.blocked.len()).sum();
        Counts {
            streams: self.streams.len(),
            watchers: self.watchers.len(),
            unsynced: self.lagging.len() + blocked,
        }
    }

    /// Opens a stream. `waker` is called when its receiver has something to take. `jitter`, from 0 to 1, says
    /// how much of a tenth to add to the progress interval, so that streams do not all report at once.
    pub fn open_stream(&mut self, now: Duration, jitter: f64, waker: Waker) -> (StreamId, StreamReceiver) {
        let key = self.streams.next_key();
        let queue = Arc::new(Queue::new(
            key,
            self.options.responses_max,
            Arc::clone(&self.share),
            waker,
            Arc::clone(&self.drained),
        ));
        let interval = self.options.progress_interval;
        let progress_interval = interval + (interval / 10).mul_f64(jitter.clamp(0.0, 1.0));
        let next_tick = now + progress_interval;
        self.streams.insert(Stream {
            queue: Arc::clone(&queue),
            watchers: BTreeMap::new(),
            ended: BTreeSet::new(),
            next_id: 0,
            blocked: BTreeSet::new(),
            watchers_bytes: 0,
            progress_interval,
            next_tick,
        });
        self.share.divide(self.streams.len());
        self.ticks.insert((next_tick, key));
        (StreamId(key), StreamReceiver::new(queue))
    }

    /// Ends a stream and all its watchers, silently.
    pub fn close_stream(&mut self, stream: StreamId) {
        let StreamId(key) = stream;
        let Some(open) = self.streams.get(key) else {
            return;
        };
        let (next_tick, watchers) = (
            open.next_tick,
            open.watchers.values().copied().collect::<Vec<_>>(),
        );
        for watcher in watchers {
            self.remove_watcher(watcher);
        }
        self.ticks.remove(&(next_tick, key));
        self.streams.remove(key);
        self.share.divide(self.streams.len());
    }

    /// Creates a watcher, or rejects it; the answer goes through the stream, and before any event of the
    /// watcher. Nothing happens if the stream is closed.
    ///
    /// # Errors
    /// [`Busy`] if too many answers wait to be sent.
    pub fn create(&mut self, stream: StreamId, create: WatchCreate) -> Result<(), Busy> {
        let StreamId(key) = stream;
        let streams = self.streams.len();
        let Some(open) = self.streams.get_mut(key) else {
            return Ok(());
        };
        if !open.queue.takes_requests() {
            return Err(Busy);
        }
        let bytes = watcher_bytes(&create);
        let is_fair = open.watchers_bytes + bytes <= WATCHERS_BYTES_MAX / streams;
        if self.watchers_bytes >= WATCHERS_BYTES_MAX && !is_fair {
            open.queue.answer(Outgoing::Rejected {
                reason: RejectReason::TooMany,
                revision: self.revision,
            });
            return Ok(());
        }
        let id = match admit(open, &create) {
            Ok(id) => id,
            Err(reason) => {
                open.queue.answer(Outgoing::Rejected {
                    reason,
                    revision: self.revision,
                });
                return Ok(());
            }
        };
        open.queue.answer(Outgoing::Created {
            id,
            revision: self.revision,
        });
        let start = planted_start(create.start.filter(|start| *start > Revision::ZERO));
        let watcher = self.watchers.insert(Watcher {
            stream: key,
            id,
            interest: Interest {
                range: normal_range(create.range),
                filters: create.filters,
            },
            start,
            prev_kv: create.prev_kv,
            progress_notify: create.progress_notify,
            fragment: create.fragment,
            quiet: true,
            bytes,
            state: State::Nowhere,
        });
        self.watchers_bytes += bytes;
        let open = &mut self.streams[key];
        open.watchers_bytes += bytes;
        open.watchers.insert(id, watcher);
        self.enter(watcher, State::from(start, self.revision));
        Ok(())
    }

    /// Ends a watcher, if there is one with this id on the stream. The answer follows whatever was queued for
    /// it; nothing comes after.
    ///
    /// # Errors
    /// [`Busy`] if too many answers wait to be sent.
    pub fn cancel(&mut self, stream: StreamId, id: WatchId) -> Result<(), Busy> {
        let StreamId(key) = stream;
        let Some(open) = self.streams.get_mut(key).filter(|open| open.is_taken(id)) else {
            return Ok(());
        };
        if !open.queue.takes_requests() {
            return Err(Busy);
        }
        open.ended.remove(&id);
        open.queue.answer(Outgoing::Canceled {
            id,
            revision: self.revision,
        });
        if let Some(watcher) = open.watchers.get(&id).copied() {
            self.remove_watcher(watcher);
        }
        Ok(())
    }

    fn remove_watcher(&mut self, key: Key) {
        self.leave(key);
        if let Some(watcher) = self.watchers.remove(key) {
            self.watchers_bytes -= watcher.bytes;
            let stream = &mut self.streams[watcher.stream];
            stream.watchers_bytes -= watcher.bytes;
            stream.watchers.remove(&watcher.id);
        }
    }
}

/// Where a watcher starts: where its client wants, unless a bug is planted.
fn planted_start(start: Option<Revision>) -> Option<Revision> {
    if is_planted(Bug::LostWatchEvent) {
        return start.map(Revision::next);
    }
    if is_planted(Bug::DuplicateWatchEvent) {
        return start.map(Revision::prev);
    }
    start
}

/// Checks a create in etcd's order, and gives the watcher its id.
fn admit(stream: &mut Stream, create: &WatchCreate) -> Result<WatchId, RejectReason> {
    if create.start.is_some_and(|start| start < Revision::ZERO) {
        return Err(RejectReason::Compacted);
    }
    if create.range.is_empty() {
        return Err(RejectReason::RangeEmpty);
    }
    match create.id {
        None => Ok(stream.allocate_id()),
        Some(id) if stream.is_taken(id) => Err(RejectReason::DuplicateId),
        Some(id) => Ok(id),
    }
}

/// An empty start means the first key there can be.
fn normal_range(range: KeyRange) -> KeyRange {
    if range.start.is_empty() {
        KeyRange {
            start: Bytes::from_static(&[0]),
            ..range
        }
    } else {
        range
    }
}
