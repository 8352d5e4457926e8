//! Reading segments back: what holds after a sequence of records, and what a bad record means.

use bytes::Bytes;

use crate::format::{FIRST_RECORD, Found, Kind, RECORD_HEADER, decode, decode_state};
use crate::index::{Index, Position};
use crate::state::State;

/// Walks the records of a segment until one is not whole, or does not follow the one before.
pub(crate) struct Walk<'a> {
    bytes: &'a [u8],
    segment: u32,
    /// Where the next record starts, or where the bad one is.
    pub(crate) offset: u64,
    /// Offset of the first record of the batch of the last record.
    pub(crate) batch: u64,
    /// Check of the last record.
    pub(crate) previous: u32,
}

impl<'a> Walk<'a> {
    /// Walks the segment `segment`, whose file begins with `bytes`.
    pub(crate) fn new(bytes: &'a [u8], segment: u32) -> Self {
        Self {
            bytes,
            segment,
            offset: FIRST_RECORD,
            batch: FIRST_RECORD,
            previous: 0,
        }
    }

    fn at(&self, offset: u64) -> Option<Found<'a>> {
        let start = usize::try_from(offset).ok()?;
        decode(self.bytes.get(start..)?, self.segment, offset)
    }

    pub(crate) fn next(&mut self) -> Option<Found<'a>> {
        let found = self.at(self.offset)?;
        let same_batch = found.place.batch == self.batch;
        let next_batch = found.place.batch == self.offset;
        if found.place.previous != self.previous || !(same_batch || next_batch) {
            return None;
        }
        self.offset = found.end();
        self.batch = found.place.batch;
        self.previous = found.crc;
        Some(found)
    }

    /// Looks past the point where the walk ended, to the end of the segment.
    pub(crate) fn look_past(&self) -> Beyond {
        // Whole records right here do not follow what was read: no crash leaves that.
        if self.at(self.offset).is_some() {
            return Beyond::Damage;
        }
        let mut beyond = if self.ends_in_zeros() {
            Beyond::Nothing
        } else {
            Beyond::Torn
        };
        for offset in (self.offset..self.bytes.len() as u64).step_by(8) {
            match self.at(offset) {
                None => {}
                // Parts of the one batch that was not synced: pages reach the disk in any order.
                Some(found) if [self.batch, self.offset].contains(&found.place.batch) => {
                    beyond = Beyond::Torn
                }
                // Written after the sync of what is missing here.
                Some(_) => return Beyond::Damage,
            }
        }
        beyond
    }

    /// Whether any record was written after the opening batch of the segment.
    pub(crate) fn has_later_batch(&self) -> bool {
        let mut offsets = (FIRST_RECORD..self.bytes.len() as u64).step_by(8);
        offsets.any(|offset| {
            self.at(offset)
                .is_some_and(|found| found.place.batch != FIRST_RECORD)
        })
    }

    fn ends_in_zeros(&self) -> bool {
        let start = usize::try_from(self.offset).unwrap_or(usize::MAX);
        let rest = self.bytes.get(start..).unwrap_or_default();
        rest.iter().take(RECORD_HEADER).all(|byte| *byte == 0)
    }
}

/// What follows the last good record of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beyond {
    /// A clean end.
    Nothing,
    /// Remains of the last batch, which was never acknowledged.
    Torn,
    /// A record that was durable once is bad.
    Damage,
}

/// What a log holds after the records seen so far.
#[derive(Default)]
pub(crate) struct Replay {
    started: bool,
    pub(crate) state: State,
    pub(crate) index: Index,
    /// Entries of the state before this index are in segments that were not read.
    pub(crate) missing_end: u64,
    /// Number of each segment with one past the highest entry that is in it.
    pub(crate) segments: Vec<(u32, u64)>,
}

impl Replay {
    /// Takes the next record.
    pub(crate) fn accept(&mut self, found: &Found<'_>) -> Result<(), &'static str> {
        let payload = || Bytes::copy_from_slice(found.payload);
        match found.kind {
            Kind::State => return self.begin(found),
            _ if self
                .segments
                .last()
                .is_none_or(|(number, _)| *number != found.place.segment) =>
            {
                return Err("the state record at the start of the segment is missing");
            }
            Kind::Entry => {
                self.state.push(found.index)?;
                self.index
                    .push(found.index, Position::new(found.place, found.payload.len()));
                if let Some((_, entries_end)) = self.segments.last_mut() {
                    *entries_end = self.state.end;
                }
            }
            Kind::Truncate => {
                self.state.truncate(found.index)?;
                self.cut(found.index);
            }
            Kind::Purge => {
                self.state.purge(found.index, payload())?;
                self.index.purge(found.index);
            }
            Kind::Vote => self.state.vote = Some(payload()),
            Kind::Committed => self.state.committed = Some(payload()),
            Kind::Closed | Kind::Sealed => {}
        }
        Ok(())
    }

    /// Takes the state record of a new segment. It has the last word on what the segments before it hold:
    /// after a failed write, entries at their end were written again into the new one.
    fn begin(&mut self, found: &Found<'_>) -> Result<(), &'static str> {
        let state = decode_state(found.payload).ok_or("a state record that makes no sense")?;
        if found.place.offset != FIRST_RECORD {
            return Err("a state record that does not begin its segment");
        }
        if !self.started {
            self.started = true;
            self.missing_end = state.end;
        } else if !state.is_empty() && (state.first < self.state.first || state.end > self.state.end) {
            return Err("a state record that does not fit the segments before");
        }
        self.cut(state.end);
        self.index.purge(state.first);
        self.segments.push((found.place.segment, 0));
        self.state = state;
        Ok(())
    }

    /// Forgets the last entry: for a bug that is planted.
    pub(crate) fn forget_last(&mut self) {
        if let Some(last) = self.state.last()
            && self.state.truncate(last).is_ok()
        {
            self.cut(last);
        }
    }

    fn cut(&mut self, end: u64) {
        self.index.truncate(end);
        self.missing_end = self.missing_end.min(end);
        for (_, entries_end) in &mut self.segments {
            *entries_end = (*entries_end).min(end);
        }
    }

    /// Whether entries of the log are in segments that were not read.
    pub(crate) fn is_incomplete(&self) -> bool {
        self.state.first < self.missing_end
    }
}
