use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use kv_wal::faulty::FaultyStorage;
use kv_wal::{Callback, Driver, Entry, Options, Recovered, Wal, WriteError};

/// Segments of one and two pages, so that few entries exercise what millions do.
pub(crate) fn small() -> Options {
    Options {
        segment_bytes: 8192,
        first_segment_bytes: 4096,
        spare_segments: 1,
        cache_bytes: 1500,
        ..Options::default()
    }
}

/// A log without threads.
pub(crate) struct Manual {
    pub(crate) storage: FaultyStorage,
    pub(crate) wal: Wal,
    pub(crate) driver: Driver,
    pub(crate) recovered: Recovered,
}

impl Manual {
    pub(crate) fn open(storage: &FaultyStorage) -> Self {
        let opened = Wal::open_manual(Arc::new(storage.clone()), small());
        let (wal, driver, recovered) = opened.unwrap_or_else(|error| panic!("open: {error}"));
        Self {
            storage: storage.clone(),
            wal,
            driver,
            recovered,
        }
    }

    /// The death of the process.
    pub(crate) fn reopen(self) -> Self {
        let Self {
            storage, wal, driver, ..
        } = self;
        drop((driver, wal));
        Self::open(&storage)
    }

    pub(crate) fn step_all(&mut self) {
        while self.driver.step() {}
    }

    /// Appends one entry for each of `indexes` and writes them.
    pub(crate) fn append(&mut self, indexes: std::ops::Range<u64>, length: usize) -> Result<(), WriteError> {
        let outcome = Outcome::default();
        self.wal.append(
            indexes.map(|index| entry(index, length)).collect(),
            outcome.callback(),
        );
        self.step_all();
        outcome.get().expect("the steps answered")
    }

    /// Closes the log in order.
    pub(crate) fn close(mut self) -> FaultyStorage {
        self.wal.close().unwrap();
        self.step_all();
        self.storage
    }

    pub(crate) fn contents(&self) -> Model {
        contents(&self.wal)
    }
}

/// All that a log holds, read through its handle.
pub(crate) fn contents(wal: &Wal) -> Model {
    let state = wal.state();
    let entries = wal.read(state.first..state.end, usize::MAX).unwrap();
    assert_eq!(entries.len() as u64, state.end - state.first);
    Model {
        first: state.first,
        end: state.end,
        entries: entries
            .into_iter()
            .map(|entry| (entry.index, entry.payload))
            .collect(),
        vote: state.vote,
        purged: state.purged.map(|purged| (purged.up_to, purged.marker)),
    }
}

/// An entry whose payload follows from its index and length.
pub(crate) fn entry(index: u64, length: usize) -> Entry {
    entry_of(index, length, 0)
}

/// The same for the `round`th writing of that index.
pub(crate) fn entry_of(index: u64, length: usize, round: u64) -> Entry {
    let text = format!("{index}.{round}/");
    Entry {
        index,
        payload: text.bytes().cycle().take(length).collect(),
    }
}

/// The answer to one request.
#[derive(Clone, Default)]
pub(crate) struct Outcome(Arc<Mutex<Option<Result<(), WriteError>>>>);

impl Outcome {
    pub(crate) fn callback(&self) -> Callback {
        let slot = self.0.clone();
        Box::new(move |result| {
            let before = slot.lock().unwrap().replace(result);
            assert!(before.is_none(), "answered twice");
        })
    }

    pub(crate) fn get(&self) -> Option<Result<(), WriteError>> {
        self.0.lock().unwrap().clone()
    }
}

/// What a log must hold, kept in the simplest way.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Model {
    pub(crate) first: u64,
    pub(crate) end: u64,
    pub(crate) entries: BTreeMap<u64, Bytes>,
    pub(crate) vote: Option<Bytes>,
    pub(crate) purged: Option<(u64, Bytes)>,
}

/// The smallest thing that is durable or not.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Push(Entry),
    TruncateAfter(Option<u64>),
    Purge(u64, Bytes),
    Vote(Bytes),
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}..{} vote {:?} purged {:?}",
            self.first, self.end, self.vote, self.purged
        )?;
        for (index, payload) in &self.entries {
            write!(
                f,
                "\n  {index}: {} bytes of {:?}",
                payload.len(),
                payload.slice(..payload.len().min(12))
            )?;
        }
        Ok(())
    }
}

impl Model {
    pub(crate) fn apply(&mut self, step: &Step) {
        match step {
            Step::Push(entry) => {
                if self.entries.is_empty() && self.purged.is_none() {
                    self.first = entry.index;
                }
                self.entries.insert(entry.index, entry.payload.clone());
                self.end = entry.index + 1;
            }
            Step::TruncateAfter(index) => {
                let end = index.map_or(0, |index| index + 1).max(self.first);
                if end < self.end {
                    self.entries.split_off(&end);
                    self.end = end;
                }
            }
            Step::Purge(up_to, marker) => {
                if self.purged.as_ref().is_none_or(|(before, _)| up_to > before) && up_to + 1 >= self.first {
                    self.entries = self.entries.split_off(&(up_to + 1));
                    self.first = up_to + 1;
                    self.end = self.end.max(self.first);
                    self.purged = Some((*up_to, marker.clone()));
                }
            }
            Step::Vote(vote) => self.vote = Some(vote.clone()),
        }
    }

    pub(crate) fn after(&self, steps: &[Step]) -> Self {
        let mut model = self.clone();
        steps.iter().for_each(|step| model.apply(step));
        model
    }

    /// The smallest number of steps that lead from here to `found`.
    pub(crate) fn steps_to(&self, found: &Self, steps: &[Step]) -> Option<usize> {
        let mut model = self.clone();
        for (at, step) in steps.iter().enumerate() {
            if model == *found {
                return Some(at);
            }
            model.apply(step);
        }
        (model == *found).then_some(steps.len())
    }
}
