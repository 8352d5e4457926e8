use std::sync::Arc;

use kv_types::{Revision, WatchId};

use super::Hub;
use crate::groups::{Member, Seat};
use crate::matcher::Interest;
use crate::slab::Key;

#[derive(Debug)]
pub(super) struct Watcher {
    pub(super) stream: Key,
    pub(super) id: WatchId,
    pub(super) interest: Interest,
    /// The start revision asked for, if any.
    pub(super) start: Option<Revision>,
    pub(super) prev_kv: bool,
    pub(super) progress_notify: bool,
    pub(super) fragment: bool,
    /// No event was sent since the stream last reported progress.
    pub(super) quiet: bool,
    /// About what it takes.
    pub(super) bytes: usize,
    pub(super) state: State,
}

/// Where a watcher is in the hub's structures, and what it needs next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// In none of them, for a moment.
    Nowhere,
    /// In a group: everything up to the hub's revision is sent or queued.
    Synced(Seat),
    /// Needs nothing before a revision that is after the next one.
    Future(Revision),
    /// Needs the revisions from this one on, which is not above the hub's.
    Lagging(Revision),
    /// The same, but its stream's queue has no room.
    Blocked(Revision),
}

impl State {
    /// Where a watcher belongs that needs the revisions from `next` on, or whatever comes, when the hub is at
    /// `revision`. The seat is taken on entering.
    pub(super) fn from(next: Option<Revision>, revision: Revision) -> Place {
        match next {
            Some(next) if next > revision.next() => Place::Future(next),
            Some(next) if next <= revision => Place::Lagging(next),
            _ => Place::Synced,
        }
    }
}

/// Where to put a watcher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Synced,
    Future(Revision),
    Lagging(Revision),
    Blocked(Revision),
}

impl Hub {
    /// Takes a watcher from where it is.
    pub(super) fn leave(&mut self, key: Key) {
        let watcher = &mut self.watchers[key];
        match std::mem::replace(&mut watcher.state, State::Nowhere) {
            State::Nowhere => {}
            State::Synced(seat) => {
                if let Some(moved) = self.groups.remove(seat) {
                    self.watchers[moved].state = State::Synced(seat);
                }
            }
            State::Future(start) => {
                self.future.remove(&(start, key));
            }
            State::Lagging(next) => {
                self.lagging.remove(&(next, key));
            }
            State::Blocked(_) => {
                self.streams[watcher.stream].blocked.remove(&key);
            }
        }
    }

    /// Puts a watcher that is nowhere to its place.
    pub(super) fn enter(&mut self, key: Key, place: Place) {
        let watcher = &mut self.watchers[key];
        debug_assert_eq!(watcher.state, State::Nowhere);
        let stream = &mut self.streams[watcher.stream];
        watcher.state = match place {
            Place::Synced => {
                let member = Member {
                    watcher: key,
                    queue: Arc::clone(&stream.queue),
                    id: watcher.id,
                    with_prev: watcher.prev_kv,
                    fragment: watcher.fragment,
                };
                State::Synced(self.groups.add(&watcher.interest, member))
            }
            Place::Future(start) => {
                self.future.insert((start, key));
                State::Future(start)
            }
            Place::Lagging(next) => {
                self.lagging.insert((next, key));
                self.drained.wake();
                State::Lagging(next)
            }
            Place::Blocked(next) => {
                stream.blocked.insert(key);
                State::Blocked(next)
            }
        };
    }

    pub(super) fn move_to(&mut self, key: Key, place: Place) {
        self.leave(key);
        self.enter(key, place);
    }
}
