use std::sync::Arc;

use kv_mvcc::{Change, ReadError};
use kv_types::Revision;

use super::Hub;
use super::watcher::Place;
use crate::event::row_weight;
use crate::groups::Group;
use crate::recent::Chunk;
use crate::slab::Key;
use crate::{Event, History, Outgoing};

/// Most bytes of events that revisions applied together share one response for; a single revision may exceed it.
const MERGED_BYTES_MAX: usize = 1 << 20;

/// About what events weigh in one response, in bytes; computed once for all watchers that get them.
#[derive(Clone, Copy, Default)]
pub(super) struct Weight {
    plain: usize,
    with_prev: usize,
}

impl Weight {
    pub(super) fn of(events: &[Arc<Event>]) -> Self {
        let weigh = |with_prev| events.iter().map(|event| event.weight(with_prev)).sum();
        Self {
            plain: weigh(false),
            with_prev: weigh(true),
        }
    }

    pub(super) fn bytes(self, with_prev: bool) -> usize {
        if with_prev { self.with_prev } else { self.plain }
    }
}

impl Hub {
    /// Sends what was applied to the synced watchers that want it. `changes` are whole revisions in order, from
    /// the one after [`Hub::revision`] on without gaps; `history` is the store after them.
    ///
    /// Waits for no stream: a watcher whose stream has no room, or whose previous values cannot be read, becomes
    /// unsynced and catches up later.
    pub fn on_applied(&mut self, history: &dyn History, changes: &[Change]) {
        let (Some(first), Some(last)) = (changes.first(), changes.last()) else {
            return;
        };
        let (first, last) = (first.row.revision.main, last.row.revision.main);
        debug_assert_eq!(first, self.revision.next(), "changes are given without gaps");
        if self.watchers.len() == 0 {
            self.recent.clear();
            self.revision = last;
            return;
        }
        let chunk = Arc::new(Chunk::new(changes));
        self.recent.push(Arc::clone(&chunk));
        self.start_future(first, first);
        for group in self.groups.note(&chunk) {
            self.deliver(history, &chunk, group);
        }
        self.revision = last;
        // Those that start in the middle of what was applied together read the rest of it as history.
        self.start_future(first, last);
    }

    /// The store was replaced by a later one, without its changes being given: every watcher has to read them
    /// from its history.
    pub fn on_installed(&mut self, revision: Revision) {
        debug_assert!(revision >= self.revision, "the store never goes back");
        if revision <= self.revision {
            return;
        }
        let next = self.revision.next();
        self.recent.clear();
        self.revision = revision;
        for key in self.groups.watchers() {
            self.move_to(key, Place::Lagging(next));
        }
        self.start_future(next, revision);
    }

    /// Moves the watchers that start at or before `until` to where they belong when `first` is next.
    fn start_future(&mut self, first: Revision, until: Revision) {
        while let Some((start, key)) = self.future.first().copied().filter(|(start, _)| *start <= until) {
            let place = if start <= first && self.revision < first {
                Place::Synced
            } else {
                Place::Lagging(start)
            };
            self.move_to(key, place);
        }
    }

    /// Sends the noted changes of a chunk to a group, in as few responses as may be.
    fn deliver(&mut self, history: &dyn History, chunk: &Chunk, key: Key) {
        let Some(group) = self.groups.get_mut(key) else {
            return;
        };
        let pending = std::mem::take(&mut group.pending);
        let mut rest = &pending[..];
        while !rest.is_empty() {
            let Some(group) = self.groups.get_mut(key) else {
                return;
            };
            let (now, later) = rest.split_at(response_len(chunk, rest));
            let events: Arc<[Arc<Event>]> = now
                .iter()
                .map(|at| Arc::clone(chunk.changes[*at].event()))
                .collect();
            let readable = group.prev_wanted == 0 || find_prevs(history, &events).is_ok();
            self.send(key, &events, readable);
            rest = later;
        }
        if let Some(group) = self.groups.get_mut(key) {
            group.pending = pending;
            group.pending.clear();
        }
    }

    /// Sends one response to each member of a group; `readable` says whether the previous values were found.
    fn send(&mut self, key: Key, events: &Arc<[Arc<Event>]>, readable: bool) {
        let (Some(first), Some(last)) = (events.first(), events.last()) else {
            return;
        };
        let (first, revision) = (first.revision(), last.revision());
        let Some(Group { members, .. }) = self.groups.get_mut(key) else {
            return;
        };
        let weight = Weight::of(events);
        let mut left_out = Vec::new();
        for member in members.iter() {
            if member.with_prev && !readable {
                left_out.push((member.watcher, Place::Lagging(first)));
                continue;
            }
            let response = Outgoing::Events {
                id: member.id,
                revision,
                events: Arc::clone(events),
                with_prev: member.with_prev,
                fragment: member.fragment,
            };
            let bytes = weight.bytes(member.with_prev);
            match member.queue.push(response, bytes) {
                Ok(()) => self.watchers[member.watcher].quiet = false,
                Err(_) => left_out.push((member.watcher, Place::Blocked(first))),
            }
        }
        for (watcher, place) in left_out {
            self.move_to(watcher, place);
        }
    }
}

/// How many of these changes go into the next response: whole revisions, as many as fit.
fn response_len(chunk: &Chunk, pending: &[usize]) -> usize {
    let mut bytes = 0;
    let mut before = None;
    for (count, at) in pending.iter().enumerate() {
        let logged = &chunk.changes[*at];
        let revision = logged.revision();
        if bytes >= MERGED_BYTES_MAX && before.is_some_and(|before| before != revision) {
            return count;
        }
        bytes += row_weight(&logged.change.row);
        before = Some(revision);
    }
    pending.len()
}

/// Looks up what the events replaced, as far as it is kept.
pub(super) fn find_prevs(history: &dyn History, events: &[Arc<Event>]) -> Result<(), ReadError> {
    events.iter().try_for_each(|event| event.find_prev(history))
}
