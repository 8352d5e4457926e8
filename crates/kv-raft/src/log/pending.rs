use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::time::Instant;

use bytes::Bytes;

use crate::journal::{Done, Journal, JournalError, Record};

/// A request to the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    Append(Vec<Record>),
    Vote(Bytes),
    Truncate(Option<u64>),
    Purge(u64, Bytes),
}

impl Request {
    pub(crate) fn send(self, journal: &dyn Journal, done: Done) {
        match self {
            Self::Append(records) => journal.append(records, done),
            Self::Vote(vote) => journal.save_vote(vote, done),
            Self::Truncate(index) => journal.truncate_after(index, done),
            Self::Purge(up_to, marker) => journal.purge(up_to, marker, done),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Append(records) => records.iter().map(|record| record.payload.len()).sum(),
            Self::Vote(_) | Self::Truncate(_) | Self::Purge(..) => 0,
        }
    }
}

/// Told when a request is durable, or that the journal has failed.
pub(crate) type Finished = Box<dyn FnOnce(Result<(), String>) + Send>;

/// Who is to be told what, once no lock is held.
pub(crate) type Told = Vec<(Finished, Result<(), String>)>;

/// The requests that are not known to be durable, in order.
///
/// A full disk is no failure here: the requests wait and are made again, and meanwhile their entries are read from
/// here. openraft would stop for good at an error.
#[derive(Default)]
pub(crate) struct Pending {
    slots: VecDeque<Slot>,
    // Invariant: in_flight == slots.len() while the health is good.
    in_flight: usize,
    bytes: usize,
    /// The entries that the slots leave in the log.
    tail: BTreeMap<u64, Bytes>,
    health: Health,
}

struct Slot {
    request: Request,
    since: Instant,
    finished: Vec<Finished>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Health {
    #[default]
    Good,
    /// The disk is full: nothing more is sent, and once all that was sent has come back, it is made again.
    Full,
    Failed(String),
}

impl Pending {
    /// Takes a request; whether it is to be sent now.
    pub(crate) fn push(&mut self, request: &Request, finished: Finished) -> Result<bool, (Finished, String)> {
        if let Health::Failed(reason) = &self.health {
            return Err((finished, reason.clone()));
        }
        match request {
            Request::Append(records) => {
                self.tail.extend(
                    records
                        .iter()
                        .map(|record| (record.index, record.payload.clone())),
                );
            }
            Request::Truncate(None) => self.tail.clear(),
            Request::Truncate(Some(index)) => drop(self.tail.split_off(&index.saturating_add(1))),
            Request::Purge(up_to, _) => self.tail = self.tail.split_off(&up_to.saturating_add(1)),
            Request::Vote(_) => {}
        }
        let send = self.health == Health::Good;
        self.in_flight += usize::from(send);
        self.keep(request.clone(), vec![finished], Instant::now());
        Ok(send)
    }

    fn keep(&mut self, request: Request, finished: Vec<Finished>, since: Instant) {
        self.bytes += request.bytes();
        self.slots.push_back(Slot {
            request,
            since,
            finished,
        });
    }

    /// Takes the journal's answer to the oldest request in flight.
    #[must_use]
    pub(crate) fn answer(&mut self, result: Result<(), JournalError>) -> Told {
        self.in_flight = self.in_flight.saturating_sub(1);
        match (&self.health, result) {
            (Health::Failed(_), _) => Vec::new(),
            (_, Err(JournalError::Failed(reason))) if self.health == Health::Good => self.fail(&reason),
            (Health::Good, Ok(())) => self.release(),
            (Health::Good, Err(reason)) => {
                tracing::error!(%reason, "disk full, the log waits for space");
                self.health = Health::Full;
                Vec::new()
            }
            // What was sent behind the request that was refused; all of it is made again.
            (Health::Full, _) => Vec::new(),
        }
    }

    fn release(&mut self) -> Told {
        let Some(slot) = self.slots.pop_front() else {
            return Vec::new();
        };
        self.bytes -= slot.request.bytes();
        if let Request::Append(records) = &slot.request {
            for record in records {
                // The same index may have been cut off and written anew meanwhile.
                let kept = self.tail.get(&record.index);
                if kept.is_some_and(|kept| kept.as_ptr() == record.payload.as_ptr()) {
                    self.tail.remove(&record.index);
                }
            }
        }
        slot.finished
            .into_iter()
            .map(|finished| (finished, Ok(())))
            .collect()
    }

    fn fail(&mut self, reason: &str) -> Told {
        self.health = Health::Failed(reason.into());
        self.bytes = 0;
        let finished = self.slots.drain(..).flat_map(|slot| slot.finished);
        finished.map(|finished| (finished, Err(reason.into()))).collect()
    }

    /// What to send now that there may be space; nothing while something is still in flight.
    ///
    /// Nobody has been told of any of the waiting requests, so it is enough that the same vote and the same entries
    /// come to be: they shrink to at most one request of each kind, and whoever waits is told after the last.
    pub(crate) fn again(&mut self) -> Vec<Request> {
        if self.health != Health::Full || self.in_flight > 0 {
            return Vec::new();
        }
        self.health = Health::Good;
        self.bytes = 0;
        let mut finished = Vec::new();
        let mut since = Instant::now();
        let (mut vote, mut purge) = (None, None);
        // The entries up to here are none of what waits: `Some(None)` if there are none such.
        let mut untouched: Option<Option<u64>> = None;
        let mut touch =
            |index: Option<u64>| untouched = Some(untouched.map_or(index, |before| before.min(index)));
        for slot in self.slots.drain(..) {
            since = since.min(slot.since);
            finished.extend(slot.finished);
            match slot.request {
                Request::Append(records) => {
                    if let Some(first) = records.first() {
                        touch(first.index.checked_sub(1));
                    }
                }
                Request::Truncate(index) => touch(index),
                Request::Vote(bytes) => vote = Some(Request::Vote(bytes)),
                Request::Purge(up_to, marker) => purge = Some(Request::Purge(up_to, marker)),
            }
        }
        let records = self.tail.iter().map(|(index, payload)| Record {
            index: *index,
            payload: payload.clone(),
        });
        let append = Some(Request::Append(records.collect())).filter(|_| !self.tail.is_empty());
        let requests: Vec<_> = [vote, untouched.map(Request::Truncate), purge, append]
            .into_iter()
            .flatten()
            .collect();
        self.in_flight = requests.len();
        for request in &requests {
            self.keep(request.clone(), Vec::new(), since);
        }
        if let Some(last) = self.slots.back_mut() {
            last.finished = finished;
        }
        requests
    }

    /// Whether the disk is full.
    pub(crate) fn is_full(&self) -> bool {
        self.health == Health::Full
    }

    /// Bytes of entries that are not durable.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// When the oldest request that is not durable was made.
    pub(crate) fn oldest(&self) -> Option<Instant> {
        self.slots.front().map(|slot| slot.since)
    }

    /// The first entry that is here.
    pub(crate) fn tail_start(&self) -> Option<u64> {
        self.tail.first_key_value().map(|(index, _)| *index)
    }

    /// The entries of `range` that are here: all, or as many as have `bytes_max` bytes, but at least one.
    pub(crate) fn read(&self, range: Range<u64>, bytes_max: usize) -> Vec<Record> {
        let mut left = bytes_max;
        let mut records = Vec::new();
        for (index, payload) in self.tail.range(range) {
            if !records.is_empty() && payload.len() > left {
                break;
            }
            left = left.saturating_sub(payload.len());
            records.push(Record {
                index: *index,
                payload: payload.clone(),
            });
        }
        records
    }
}
