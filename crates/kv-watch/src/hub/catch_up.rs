use std::sync::Arc;

use kv_mvcc::ReadError;
use kv_types::Revision;

use super::Hub;
use super::live::Weight;
use super::round::{CatchUp, CaughtUp, Source, Wanted};
use super::watcher::{Place, State};
use crate::queue::Full;
use crate::slab::Key;
use crate::{Event, History, Outgoing};

impl Hub {
    /// Plans, reads and finishes one round. Gives whether another one has something to do at once.
    ///
    /// # Errors
    /// If history could not be read; its watchers wait for another attempt.
    pub fn catch_up(&mut self, history: &dyn History) -> Result<bool, ReadError> {
        let Some(round) = self.plan_catch_up(history) else {
            return Ok(false);
        };
        let caught_up = round.read(history)?;
        self.finish_catch_up(history, caught_up)?;
        Ok(!self.lagging.is_empty())
    }

    /// Gathers the watchers of the next round: some at about the same position, whose streams have room.
    /// Cancels those that need what is compacted. `None` if nobody can be served now; then `work` tells when to
    /// try again.
    ///
    /// `history` must not be older than the last batch given to [`Hub::on_applied`]. A round that is not
    /// finished does no harm: its watchers stay where they are.
    pub fn plan_catch_up(&mut self, history: &dyn History) -> Option<CatchUp> {
        self.unblock();
        if let Some(compacted) = history.compacted() {
            self.cancel_compacted(compacted);
        }
        debug_assert!(
            history.revision() >= self.revision,
            "history is older than what was applied"
        );
        let head = self.revision.min(history.revision());
        loop {
            let from = self.next_position()?;
            let to = self.round_end(from).min(head);
            // Past those served now, who will be at the next one, so that they do not get every turn.
            self.turn = to.next().next();
            if to < from {
                return None;
            }
            let wanted = self.gather(from, to);
            if !wanted.is_empty() {
                let source = self.recent.slice(from, to).map_or(Source::Store, Source::Recent);
                return Some(CatchUp {
                    from,
                    to,
                    source,
                    wanted,
                    share: self.share.pushed_bytes(),
                });
            }
        }
    }

    /// Sends what a round has read. A watcher that has all up to now becomes synced.
    ///
    /// # Errors
    /// If a previous value of something applied meanwhile could not be read; what the round had is sent.
    pub fn finish_catch_up(&mut self, history: &dyn History, caught_up: CaughtUp) -> Result<(), ReadError> {
        let next = caught_up.reached.next();
        let behind = self.hand_out(caught_up);
        // What was applied while the round was read would otherwise keep watchers behind as long as writes go on.
        if behind.is_empty() || self.revision > self.round_end(next) {
            return Ok(());
        }
        let Some(chunks) = self.recent.slice(next, self.revision) else {
            return Ok(());
        };
        let wanted = behind
            .into_iter()
            .map(|watcher| self.want(watcher, next))
            .collect();
        let rest = CatchUp {
            from: next,
            to: self.revision,
            source: Source::Recent(chunks),
            wanted,
            share: self.share.pushed_bytes(),
        };
        let caught_up = rest.read(history)?;
        self.hand_out(caught_up);
        Ok(())
    }

    /// The last revision that a round which begins at `from` may read.
    fn round_end(&self, from: Revision) -> Revision {
        let more = i64::from(self.options.round_revisions_max).saturating_sub(1);
        Revision::new(from.get().saturating_add(more))
    }

    /// Lets the watchers go on whose streams have drained.
    fn unblock(&mut self) {
        for stream in self.drained.take() {
            let Some(stream) = self.streams.get_mut(stream) else {
                continue;
            };
            for key in std::mem::take(&mut stream.blocked) {
                let watcher = &mut self.watchers[key];
                if let State::Blocked(next) = watcher.state {
                    watcher.state = State::Lagging(next);
                    self.lagging.insert((next, key));
                }
            }
        }
    }

    /// The lowest position of a lagging watcher after where the last round ended, or else of all.
    fn next_position(&self) -> Option<Revision> {
        let after = self.lagging.range((self.turn, Key::FIRST)..).next();
        after.or(self.lagging.first()).map(|(next, _)| *next)
    }

    /// Some of the watchers that need a revision from `from` to `to` next. Those without room are set aside.
    fn gather(&mut self, from: Revision, to: Revision) -> Vec<Wanted> {
        let here = self.lagging.range((from, Key::FIRST)..(to.next(), Key::FIRST));
        let here: Vec<_> = here.take(self.options.round_watchers_max).copied().collect();
        let mut wanted = Vec::with_capacity(here.len());
        for (next, key) in here {
            match self.streams[self.watchers[key].stream].queue.reserve() {
                Ok(()) => wanted.push(self.want(key, next)),
                Err(Full) => self.move_to(key, Place::Blocked(next)),
            }
        }
        wanted
    }

    fn want(&self, key: Key, next: Revision) -> Wanted {
        let watcher = &self.watchers[key];
        Wanted {
            watcher: key,
            next,
            interest: watcher.interest.clone(),
            with_prev: watcher.prev_kv,
        }
    }

    /// Ends watchers that need revisions below the last compaction, as far as their streams have room to say so.
    fn cancel_compacted(&mut self, compact_revision: Revision) {
        while let Some((next, key)) = self
            .lagging
            .first()
            .copied()
            .filter(|(next, _)| *next < compact_revision)
        {
            let watcher = &self.watchers[key];
            let (stream, id) = (watcher.stream, watcher.id);
            let canceled = Outgoing::Compacted { id, compact_revision };
            if self.streams[stream].queue.push(canceled, 0).is_err() {
                self.move_to(key, Place::Blocked(next));
                continue;
            }
            self.remove_watcher(key);
            let ended = &mut self.streams[stream].ended;
            ended.insert(id);
            if ended.len() > super::ENDED_IDS_MAX {
                ended.pop_first();
            }
        }
    }

    /// Gives those that still wait what was read for them. Returns the ones that got all of it and still lag.
    fn hand_out(&mut self, caught_up: CaughtUp) -> Vec<Key> {
        let CaughtUp { reached, shares } = caught_up;
        let mut behind = Vec::new();
        for share in shares {
            let mut cut = Cut::none();
            for (key, next) in share.watchers {
                let still_there = self
                    .watchers
                    .get(key)
                    .is_some_and(|w| w.state == State::Lagging(next));
                if !still_there || next > reached {
                    continue;
                }
                cut.move_to(next, &share.events);
                let place = match self.send_history(key, &cut) {
                    Err(Full) => Place::Blocked(next),
                    Ok(()) if reached >= self.revision => Place::Synced,
                    Ok(()) => {
                        behind.push(key);
                        Place::Lagging(reached.next())
                    }
                };
                self.move_to(key, place);
            }
        }
        behind
    }

    fn send_history(&mut self, key: Key, cut: &Cut) -> Result<(), Full> {
        let Some(events) = &cut.events else {
            return Ok(());
        };
        let watcher = &mut self.watchers[key];
        let response = Outgoing::Events {
            id: watcher.id,
            revision: self.revision,
            events: Arc::clone(events),
            with_prev: watcher.prev_kv,
            fragment: watcher.fragment,
        };
        self.streams[watcher.stream]
            .queue
            .push(response, cut.weight.bytes(watcher.prev_kv))?;
        watcher.quiet = false;
        Ok(())
    }
}

/// The events of a share from some revision on, shared by the watchers that need the same.
struct Cut {
    start: Option<usize>,
    /// `None` if there are none.
    events: Option<Arc<[Arc<Event>]>>,
    weight: Weight,
}

impl Cut {
    fn none() -> Self {
        Self {
            start: None,
            events: None,
            weight: Weight::default(),
        }
    }

    fn move_to(&mut self, next: Revision, events: &[Arc<Event>]) {
        let start = events.partition_point(|event| event.revision() < next);
        if self.start != Some(start) {
            let rest = &events[start..];
            let events = (!rest.is_empty()).then(|| rest.into());
            *self = Self {
                start: Some(start),
                events,
                weight: Weight::of(rest),
            };
        }
    }
}
