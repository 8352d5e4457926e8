use std::time::Duration;

use kv_types::planted::{Bug, is_planted};
use kv_types::{Revision, WatchId};

use super::watcher::{State, Watcher};
use super::{Hub, StreamId};
use crate::Outgoing;
use crate::slab::Key;

impl Watcher {
    /// Whether all it wants up to `revision` has been queued, and that includes what it asked to start with.
    fn is_caught_up(&self, revision: Revision) -> bool {
        matches!(self.state, State::Synced(_)) && self.start.is_none_or(|start| start <= revision)
    }
}

impl Hub {
    /// Reports progress of a whole stream, if it has watchers and all of them are caught up; otherwise does
    /// nothing, and the client has to ask again.
    pub fn request_progress(&mut self, stream: StreamId) {
        let Some(open) = self.streams.get(stream.0) else {
            return;
        };
        let mut watchers = open.watchers.values();
        let caught_up = watchers.all(|watcher| self.watchers[*watcher].is_caught_up(self.revision));
        if (caught_up || is_planted(Bug::ProgressOvertakes)) && !open.watchers.is_empty() {
            // A full queue is no loss either: the client has much to read before it asks again.
            let _ = open.queue.push_if_room(Outgoing::Progress {
                id: None,
                revision: self.revision,
            });
        }
    }

    /// When [`Hub::tick`] is to be called next.
    pub fn next_tick(&self) -> Option<Duration> {
        self.ticks.first().map(|(at, _)| *at)
    }

    /// Reports progress of the idle watchers that want it, on the streams whose time has come.
    pub fn tick(&mut self, now: Duration) {
        while let Some((_, key)) = self.ticks.first().copied().filter(|(at, _)| *at <= now) {
            self.ticks.pop_first();
            let stream = &mut self.streams[key];
            stream.next_tick = now + stream.progress_interval;
            self.ticks.insert((stream.next_tick, key));
            let watchers: Vec<(WatchId, Key)> = stream
                .watchers
                .iter()
                .map(|(id, watcher)| (*id, *watcher))
                .collect();
            for (id, watcher) in watchers {
                self.report(key, id, watcher);
            }
        }
    }

    fn report(&mut self, stream: Key, id: WatchId, watcher: Key) {
        let watcher = &mut self.watchers[watcher];
        if watcher.progress_notify && watcher.quiet && watcher.is_caught_up(self.revision) {
            let progress = Outgoing::Progress {
                id: Some(id),
                revision: self.revision,
            };
            // Without room the stream is not idle; the next tick comes.
            let _ = self.streams[stream].queue.push_if_room(progress);
        }
        watcher.quiet = true;
    }
}
