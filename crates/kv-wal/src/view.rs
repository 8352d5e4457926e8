use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use crate::error::{ReadError, WriteError};
use crate::format::{Kind, PAYLOAD_BYTES_MAX, RECORD_HEADER, Record};
use crate::index::{Index, Position};
use crate::log::Committed;
use crate::segment::Segment;
use crate::state::State;
use crate::storage::StorageFile;
use crate::wal::Entry;

/// Most bytes that one read of a segment fetches, unless a single entry is larger.
const RUN_BYTES: u64 = 1 << 20;
/// Bytes between two entries that are read along rather than skipped.
const GAP_BYTES: u64 = 4096;

/// The log as its readers see it: with all that was requested, durable or not.
///
/// What was requested is in `state` and `recent` at once; `index` follows when it is durable.
pub(crate) struct View {
    state: State,
    /// The durable entries. Where a truncation waits, not yet those of the state.
    index: Index,
    /// Payloads of the last entries, up to the end.
    // Invariant: covers recent_from..state.end, and recent_from <= stable.
    recent: VecDeque<Bytes>,
    recent_from: u64,
    recent_bytes: usize,
    /// Entries of the state before this one are durable, so that `index` has them.
    stable: u64,
    /// New ends of the truncations that are not durable yet.
    cuts: VecDeque<u64>,
    files: BTreeMap<u32, Arc<dyn StorageFile>>,
    cache_bytes: usize,
}

impl View {
    pub(crate) fn new<'a>(
        state: State,
        index: Index,
        segments: impl Iterator<Item = &'a Segment>,
        cache_bytes: usize,
    ) -> Self {
        Self {
            recent: VecDeque::new(),
            recent_from: state.end,
            recent_bytes: 0,
            stable: state.end,
            cuts: VecDeque::new(),
            files: segments
                .map(|segment| (segment.number, segment.file.clone()))
                .collect(),
            cache_bytes,
            state,
            index,
        }
    }

    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    /// Takes the entries, all or none.
    pub(crate) fn append(&mut self, entries: &[Entry]) -> Result<(), WriteError> {
        let Some(first) = entries.first() else {
            return Ok(());
        };
        let mut expected = self.state.expected(first.index);
        for Entry { index, payload } in entries {
            if *index != expected {
                return Err(WriteError::NotContiguous {
                    expected,
                    found: *index,
                });
            }
            check_size(payload)?;
            let beyond = WriteError::NotContiguous {
                expected: 0,
                found: *index,
            };
            expected = expected.checked_add(1).ok_or(beyond)?;
        }
        if self.state.is_empty() {
            self.recent_from = first.index;
            self.stable = first.index;
        }
        for Entry { index, payload } in entries {
            self.state.push(*index).expect("checked above");
            self.recent_bytes += payload.len();
            self.recent.push_back(payload.clone());
        }
        self.evict();
        Ok(())
    }

    /// Drops the entries from `end` on. Returns the record to be written, unless there are none.
    pub(crate) fn truncate(&mut self, end: u64) -> Option<Record> {
        let end = end.max(self.state.first);
        if end >= self.state.end {
            return None;
        }
        self.state
            .truncate(end)
            .expect("the end was brought into the log");
        while self.recent_from + (self.recent.len() as u64) > end
            && let Some(payload) = self.recent.pop_back()
        {
            self.recent_bytes -= payload.len();
        }
        self.recent_from = self.recent_from.min(end);
        self.stable = self.stable.min(end);
        self.cuts.push_back(end);
        Some(Record::plain(Kind::Truncate, end))
    }

    /// Drops the entries up to `up_to`. Returns the record to be written, unless that much was purged.
    pub(crate) fn purge(&mut self, up_to: u64, marker: Bytes) -> Result<Option<Record>, WriteError> {
        check_size(&marker)?;
        let beyond = WriteError::NotContiguous {
            expected: 0,
            found: up_to,
        };
        let first = up_to.checked_add(1).ok_or(beyond)?;
        if first < self.state.first
            || self
                .state
                .purged
                .as_ref()
                .is_some_and(|purged| purged.up_to >= up_to)
        {
            return Ok(None);
        }
        self.state
            .purge(first, marker.clone())
            .expect("the purge does not go back");
        while self.recent_from < first
            && let Some(payload) = self.recent.pop_front()
        {
            self.recent_bytes -= payload.len();
            self.recent_from += 1;
        }
        self.recent_from = self.recent_from.max(first);
        self.stable = self.stable.max(first);
        Ok(Some(Record {
            kind: Kind::Purge,
            index: first,
            payload: marker,
        }))
    }

    pub(crate) fn save_vote(&mut self, vote: Bytes) -> Result<Record, WriteError> {
        check_size(&vote)?;
        self.state.vote = Some(vote.clone());
        Ok(Record {
            kind: Kind::Vote,
            index: 0,
            payload: vote,
        })
    }

    pub(crate) fn save_committed(&mut self, committed: Bytes) -> Result<(), WriteError> {
        check_size(&committed)?;
        self.state.committed = Some(committed);
        Ok(())
    }

    /// Learns what became durable: `records` in order, each with its position.
    pub(crate) fn publish(&mut self, records: &[Record], committed: &Committed) {
        self.files.extend(committed.opened.iter().cloned());
        for (record, position) in records.iter().zip(&committed.positions) {
            match record.kind {
                Kind::Entry => {
                    self.index.push(record.index, *position);
                    // What a waiting truncation drops is durable, but no longer an entry of the state.
                    if self.cuts.iter().all(|cut| record.index < *cut) {
                        self.stable = self.stable.max(record.index + 1);
                    }
                }
                Kind::Truncate => {
                    self.index.truncate(record.index);
                    self.cuts.pop_front();
                }
                Kind::Purge => self.index.purge(record.index),
                _ => {}
            }
        }
        for (index, from, to) in &committed.moved {
            self.index.relocate(*index, *from, *to);
        }
        self.evict();
    }

    /// Goes back to what is durable, after a failure.
    pub(crate) fn roll_back(&mut self, durable: &State) {
        self.state = durable.clone();
        self.recent.clear();
        self.recent_bytes = 0;
        self.recent_from = durable.end;
        self.stable = durable.end;
        self.cuts.clear();
    }

    /// Lets go of a segment of which all entries are purged.
    pub(crate) fn forget(&mut self, segment: u32) {
        self.files.remove(&segment);
    }

    fn evict(&mut self) {
        while self.recent_bytes > self.cache_bytes
            && self.recent_from < self.stable
            && let Some(payload) = self.recent.pop_front()
        {
            self.recent_bytes -= payload.len();
            self.recent_from += 1;
        }
    }

    /// Finds out where the entries of `range` are; fewer if they exceed `bytes_max`, but at least one, and
    /// only those that exist. An error if the first one is gone.
    pub(crate) fn plan(&self, range: Range<u64>, bytes_max: usize) -> Result<Plan, ReadError> {
        let mut plan = Plan::default();
        if range.start < self.state.first && range.start < range.end {
            return Err(ReadError::Purged {
                index: range.start,
                first: self.state.first,
            });
        }
        let mut bytes = 0_usize;
        for index in range.start..range.end.min(self.state.end) {
            let length = if index < self.recent_from {
                let position = self
                    .index
                    .get(index)
                    .expect("entries that left memory are durable");
                bytes += position.length as usize;
                position.length as usize
            } else {
                let payload = self.recent_at(index);
                bytes += payload.len();
                payload.len()
            };
            if bytes > bytes_max && bytes > length {
                break;
            }
            if index < self.recent_from {
                self.plan_disk(&mut plan, index);
            } else {
                plan.recent.push(Entry {
                    index,
                    payload: self.recent_at(index).clone(),
                });
            }
        }
        Ok(plan)
    }

    fn recent_at(&self, index: u64) -> &Bytes {
        let at = usize::try_from(index - self.recent_from).unwrap_or(usize::MAX);
        &self.recent[at]
    }

    fn plan_disk(&self, plan: &mut Plan, index: u64) {
        let position = self
            .index
            .get(index)
            .expect("entries that left memory are durable");
        if let Some(run) = plan.runs.last_mut()
            && run.takes(position)
        {
            run.positions.push(position);
            return;
        }
        let file = self
            .files
            .get(&position.segment)
            .expect("segments with live entries stay")
            .clone();
        plan.runs.push(Run {
            file,
            first: index,
            positions: vec![position],
        });
    }

    /// Whether the entry `index` is still where a plan thought it to be.
    pub(crate) fn is_at(&self, index: u64, position: Position) -> bool {
        (self.state.first..self.stable).contains(&index) && self.index.get(index) == Some(position)
    }
}

/// Where to read entries, oldest first.
#[derive(Default)]
pub(crate) struct Plan {
    /// From disk.
    pub(crate) runs: Vec<Run>,
    /// After those, from memory.
    pub(crate) recent: Vec<Entry>,
}

/// Entries that are near each other in one segment.
pub(crate) struct Run {
    pub(crate) file: Arc<dyn StorageFile>,
    pub(crate) first: u64,
    // Invariant: never empty; ascending offsets in one segment.
    pub(crate) positions: Vec<Position>,
}

impl Run {
    fn takes(&self, next: Position) -> bool {
        let (first, last) = (self.positions[0], self.positions[self.positions.len() - 1]);
        next.segment == last.segment
            && next.offset() >= last.end()
            && next.offset() - last.end() <= GAP_BYTES
            && next.end() - first.offset() <= RUN_BYTES
    }
}

fn check_size(payload: &Bytes) -> Result<(), WriteError> {
    if payload.len() > PAYLOAD_BYTES_MAX - RECORD_HEADER {
        return Err(WriteError::TooLarge { bytes: payload.len() });
    }
    Ok(())
}
