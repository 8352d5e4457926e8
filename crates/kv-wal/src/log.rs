use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use tracing::warn;

use crate::error::{OpenError, WriteError};
use crate::format::{
    FIRST_RECORD, Kind, PAGE, Place, RECORD_HEADER, RESERVE, Record, decode, encode, segment_name,
};
use crate::index::{Index, Position};
use crate::options::Options;
use crate::recovery::{self, Recovered};
use crate::segment::{Segment, Tail, begin_segment, end_with_zeros, fill_ahead, write_and_sync};
use crate::spares::Spares;
use crate::state::State;
use crate::stats::Meter;
use crate::storage::{Storage, StorageFile};

/// Most room that entries leave at the end of a segment.
const CONTROL_BYTES_MAX: u64 = 64 << 10;
/// The buffer of a batch is given back to the allocator beyond this size.
const BUFFER_KEPT_BYTES: usize = 1 << 20;

/// The writing side of a log: takes batches of records to a [`Storage`], without threads or queues.
pub(crate) struct Log {
    storage: Arc<dyn Storage>,
    pub(crate) spares: Arc<Spares>,
    meter: Arc<Meter>,
    segment_bytes: u64,
    /// What is durable.
    state: State,
    // Invariant: never empty; consecutive numbers; the last one is written to.
    segments: VecDeque<Segment>,
    tail: Tail,
    condition: Condition,
    buffer: Vec<u8>,
}

/// Whether and how the last segment may be written to.
enum Condition {
    /// It may.
    Good,
    /// Its successor may exist on disk, with a header that says where it ends: nothing may be added.
    Closed,
    /// A write or sync failed: what its last page holds on disk is not known, whatever the page cache
    /// shows. The records in it go into the next segment first.
    Torn,
    /// The log takes nothing more.
    Poisoned(Arc<str>),
}

/// What a commit did, in the order in which readers must learn of it.
#[derive(Default)]
pub(crate) struct Committed {
    /// Segments begun.
    pub(crate) opened: Vec<(u32, Arc<dyn StorageFile>)>,
    /// Where the records are, one by one, as far as they are durable.
    pub(crate) positions: Vec<Position>,
    /// Entries that were written again: index, from, to.
    pub(crate) moved: Vec<(u64, Position, Position)>,
}

impl Log {
    /// Recovers the log in `storage`, or begins one.
    pub(crate) fn open(
        storage: Arc<dyn Storage>,
        options: &Options,
        meter: Arc<Meter>,
    ) -> Result<(Self, Index, Recovered), OpenError> {
        let file = storage.path("");
        let list_error = |source| OpenError::Io {
            action: "list log directory",
            file,
            source,
        };
        let names = storage.list().map_err(list_error)?;
        let found = recovery::recover(&*storage, &names)?;
        if found.is_none() && !options.create {
            let directory = storage.path("");
            return Err(OpenError::Missing { directory });
        }
        let keep = options.spare_segments;
        let spares = Spares::new(storage.clone(), meter.clone(), options.segment_bytes, keep);
        let file = storage.path("");
        let adopt_error = |source| OpenError::Io {
            action: "adopt spare log segments in",
            file,
            source,
        };
        spares.adopt(&names, found.is_some()).map_err(adopt_error)?;
        let created = found.is_none();
        let found = match found {
            Some(found) => found,
            None => create(&*storage, &spares, &meter, options).map_err(create_error)?,
        };
        let recovered = Recovered {
            state: found.state.clone(),
            created,
            segments: found.segments.len(),
            repaired: found.repaired,
        };
        let log = Self {
            storage,
            spares: Arc::new(spares),
            meter,
            segment_bytes: options.segment_bytes,
            state: found.state,
            segments: found.segments,
            tail: found.tail,
            condition: Condition::Good,
            buffer: Vec::new(),
        };
        Ok((log, found.index, recovered))
    }

    /// What is durable.
    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    pub(crate) fn segments(&self) -> impl Iterator<Item = &Segment> {
        self.segments.iter()
    }

    /// Makes `records` durable, in order; `committed` says how far it got.
    ///
    /// After an error the records that are not in `committed` are not part of the log, though a recovery
    /// may find them until something else was committed. Unless it is [`WriteError::Poisoned`], a later
    /// commit may succeed.
    pub(crate) fn commit(&mut self, records: &[Record], committed: &mut Committed) -> Result<(), WriteError> {
        committed.opened.clear();
        committed.positions.clear();
        committed.moved.clear();
        if let Condition::Poisoned(reason) = &self.condition {
            return Err(WriteError::Poisoned {
                reason: reason.clone(),
            });
        }
        let mut failed_before = false;
        while let Some(next) = records.get(committed.positions.len()) {
            if !self.has_room(next) {
                self.roll(next.bytes(), committed)?;
            }
            let rest = &records[committed.positions.len()..];
            match self.write(rest, &mut committed.positions) {
                Ok(()) => {}
                // A fresh segment right after another one failed: the disk is no good.
                Err(error) if failed_before => return Err(self.poison(&error)),
                Err(error) => {
                    warn!(%error, "log continues in a new segment after a failed write");
                    self.condition = Condition::Torn;
                    failed_before = true;
                }
            }
        }
        Ok(())
    }

    /// Whether a new segment should be made ready, and of which length.
    pub(crate) fn wants_spare(&self) -> Option<u64> {
        let half_full = self.tail.offset > self.segment().capacity / 2;
        (half_full && self.spares.ask()).then(|| self.next_capacity(PAGE))
    }

    /// Takes the segments off the log whose entries are all purged. Their removal need not be durable.
    pub(crate) fn take_purged(&mut self) -> Vec<Segment> {
        let is_purged = |segment: &Segment| segment.entries_end <= self.state.first;
        let older = self.segments.len() - 1;
        let purged = self
            .segments
            .iter()
            .take(older)
            .take_while(|segment| is_purged(segment))
            .count();
        self.segments.drain(..purged).collect()
    }

    fn segment(&self) -> &Segment {
        self.segments
            .back()
            .expect("a log has a segment from its creation on")
    }

    fn segment_mut(&mut self) -> &mut Segment {
        self.segments
            .back_mut()
            .expect("a log has a segment from its creation on")
    }

    fn has_room(&self, record: &Record) -> bool {
        matches!(self.condition, Condition::Good)
            && self.tail.offset + record.bytes() <= room_end(record.kind, self.segment().capacity)
    }

    /// Writes and syncs as many of `records` as fit into the segment, at least one.
    fn write(&mut self, records: &[Record], positions: &mut Vec<Position>) -> Result<(), WriteError> {
        let Segment {
            number,
            capacity,
            filled,
            ..
        } = *self.segment();
        let start = self.tail.offset;
        let done = positions.len();
        let mut tail = self.tail;
        self.buffer.clear();
        for record in records {
            if tail.offset + record.bytes() > room_end(record.kind, capacity) {
                break;
            }
            let place = Place {
                segment: number,
                offset: tail.offset,
                batch: start,
                previous: tail.previous,
            };
            let crc = encode(record, place, &mut self.buffer);
            positions.push(Position::new(place, record.payload.len()));
            tail.advance(tail.offset + record.bytes(), crc);
        }
        debug_assert!(
            positions.len() > done,
            "the caller found room for the first record"
        );
        end_with_zeros(&mut self.buffer, start, tail.offset);
        let filled = fill_ahead(&mut self.buffer, start, filled, capacity);
        if let Err(error) = self.write_buffer(start) {
            positions.truncate(done);
            return Err(WriteError::io("write log segment", self.path(number), error));
        }
        self.tail = tail;
        self.segment_mut().filled = filled;
        for record in &records[..positions.len() - done] {
            self.apply(record);
        }
        Ok(())
    }

    fn write_buffer(&mut self, offset: u64) -> io::Result<()> {
        let file = self.segment().file.clone();
        let written = write_and_sync(&*file, &self.buffer, offset, &self.meter);
        if self.buffer.capacity() > BUFFER_KEPT_BYTES {
            self.buffer = Vec::new();
        }
        written
    }

    /// Counts a durable record in.
    fn apply(&mut self, record: &Record) {
        let state = &mut self.state;
        let accepted = match record.kind {
            Kind::Entry => state.push(record.index),
            Kind::Truncate => state.truncate(record.index),
            Kind::Purge => state.purge(record.index, record.payload.clone()),
            Kind::Vote => {
                state.vote = Some(record.payload.clone());
                Ok(())
            }
            Kind::Committed => {
                state.committed = Some(record.payload.clone());
                Ok(())
            }
            Kind::State | Kind::Closed | Kind::Sealed => Ok(()),
        };
        accepted.expect("requests are checked against the state before they are queued");
        match record.kind {
            Kind::Entry => {
                self.segment_mut().entries_end = self.state.end;
            }
            Kind::Truncate => self.cut_segments(record.index),
            _ => {}
        }
    }

    fn cut_segments(&mut self, end: u64) {
        for segment in &mut self.segments {
            segment.entries_end = segment.entries_end.min(end);
        }
    }

    /// Begins a new segment with room for a record of `bytes`.
    fn roll(&mut self, bytes: u64, committed: &mut Committed) -> Result<(), WriteError> {
        let rescued = match self.condition {
            Condition::Torn => self.rescue().map_err(|error| self.poison(&error))?,
            _ => Rescued {
                previous_end: self.tail.offset,
                entries: Vec::new(),
            },
        };
        let mut state = self.state.clone();
        if let Some((index, ..)) = rescued.entries.first() {
            state.end = *index;
        }
        let mut records = vec![Record::state(&state)];
        records.extend(rescued.entries.iter().map(|(index, _, payload)| Record {
            kind: Kind::Entry,
            index: *index,
            payload: payload.clone(),
        }));
        let Some(number) = self.segment().number.checked_add(1) else {
            let error = io::Error::other("out of segment numbers");
            return Err(WriteError::io("begin log segment", self.path(u32::MAX), error));
        };
        let opening = records.iter().map(Record::bytes).sum::<u64>();
        let capacity = self.next_capacity(capacity_for(FIRST_RECORD + opening + bytes));
        let spare = self.spares.take(capacity)?;
        let torn = matches!(self.condition, Condition::Torn);
        if !torn {
            self.condition = Condition::Closed;
        }
        let begun = begin_segment(
            &*self.storage,
            &self.meter,
            spare,
            number,
            rescued.previous_end,
            &records,
        )?;
        for ((index, from, _), to) in rescued.entries.iter().zip(&begun.positions[1..]) {
            committed.moved.push((*index, *from, *to));
            // Those of this commit are not known to the readers yet.
            for position in committed
                .positions
                .iter_mut()
                .filter(|position| *position == from)
            {
                *position = *to;
            }
        }
        committed.opened.push((number, begun.segment.file.clone()));
        if torn {
            self.cut_segments(state.end);
        } else {
            self.seal();
        }
        self.segments.push_back(Segment {
            entries_end: if rescued.entries.is_empty() {
                0
            } else {
                self.state.end
            },
            ..begun.segment
        });
        self.tail = begun.tail;
        self.condition = Condition::Good;
        Ok(())
    }

    /// Reads back the live entries that may have gone down with the last write.
    fn rescue(&self) -> Result<Rescued, WriteError> {
        let Segment { number, ref file, .. } = *self.segment();
        let (mut offset, end) = (self.tail.boundary, self.tail.offset);
        let damaged = || io::Error::other("the records before the failed write cannot be read");
        let mut bytes = vec![0; usize::try_from(end - offset).unwrap_or(usize::MAX)];
        file.read_exact_at(&mut bytes, offset)
            .map_err(|error| WriteError::io("read log segment", self.path(number), error))?;
        let bytes = Bytes::from(bytes);
        let mut entries: Vec<(u64, Position, Bytes)> = Vec::new();
        while offset < end {
            let rest = bytes.slice(usize::try_from(offset - self.tail.boundary).unwrap_or(usize::MAX)..);
            let Some(found) = decode(&rest, number, offset) else {
                return Err(WriteError::io("read log segment", self.path(number), damaged()));
            };
            match found.kind {
                Kind::Entry => {
                    let payload = rest.slice(RECORD_HEADER..RECORD_HEADER + found.payload.len());
                    let position = Position::new(found.place, found.payload.len());
                    entries.push((found.index, position, payload));
                }
                Kind::Truncate => entries.retain(|(index, ..)| *index < found.index),
                _ => {}
            }
            offset = found.end();
        }
        entries.retain(|(index, ..)| *index >= self.state.first);
        Ok(Rescued {
            previous_end: self.tail.boundary,
            entries,
        })
    }

    /// Says in the last segment that it has a successor, so that the loss of that file is noticed.
    /// Nothing depends on it.
    fn seal(&mut self) {
        let number = self.segment().number;
        let file = self.segment().file.clone();
        let Tail { offset, previous, .. } = self.tail;
        debug_assert!(offset + RESERVE <= self.segment().capacity);
        let place = Place {
            segment: number,
            offset,
            batch: offset,
            previous,
        };
        self.buffer.clear();
        encode(&Record::plain(Kind::Sealed, 0), place, &mut self.buffer);
        if let Err(error) = write_and_sync(&*file, &self.buffer, offset, &self.meter) {
            warn!(%error, file = %self.path(number).display(), "full log segment could not be sealed");
        }
    }

    /// The length of the next segment, which must hold `needed` bytes.
    fn next_capacity(&self, needed: u64) -> u64 {
        let grown = self.segment().capacity.saturating_mul(4).min(self.segment_bytes);
        grown.max(needed.next_multiple_of(PAGE))
    }

    fn poison(&mut self, error: &WriteError) -> WriteError {
        let reason: Arc<str> = error.to_string().into();
        self.condition = Condition::Poisoned(reason.clone());
        WriteError::Poisoned { reason }
    }

    fn path(&self, number: u32) -> std::path::PathBuf {
        self.storage.path(&segment_name(number))
    }
}

/// Where records of this kind have to end. Entries leave some room to the others: while the disk is full
/// and takes no entries, a member can still vote and purge, which may be what gives space back.
fn room_end(kind: Kind, capacity: u64) -> u64 {
    let control = if kind == Kind::Entry {
        (capacity / 16).min(CONTROL_BYTES_MAX)
    } else {
        0
    };
    capacity - RESERVE - control
}

/// The capacity of a segment in which an entry may end at `end`.
fn capacity_for(end: u64) -> u64 {
    let needed = end + RESERVE;
    needed + (needed / 8).min(CONTROL_BYTES_MAX)
}

/// What a segment has to hand over to the next one because its last page may be lost.
struct Rescued {
    /// Where the records end that stay in it.
    previous_end: u64,
    /// Index, old place and payload; consecutive, up to the last entry of the log.
    entries: Vec<(u64, Position, Bytes)>,
}

/// Begins a log with an empty first segment.
fn create(
    storage: &dyn Storage,
    spares: &Spares,
    meter: &Meter,
    options: &Options,
) -> Result<recovery::Found, WriteError> {
    let spare = spares.take(options.first_segment_bytes)?;
    let state = State::default();
    let begun = begin_segment(storage, meter, spare, 1, 0, &[Record::state(&state)])?;
    Ok(recovery::Found {
        state,
        index: Index::default(),
        segments: VecDeque::from([begun.segment]),
        tail: begun.tail,
        repaired: Vec::new(),
    })
}

fn create_error(error: WriteError) -> OpenError {
    match error {
        WriteError::NoSpace { action, file, source } | WriteError::Io { action, file, source } => {
            let source = Arc::try_unwrap(source).unwrap_or_else(io::Error::other);
            OpenError::Io { action, file, source }
        }
        other => OpenError::Io {
            action: "create log segment",
            file: segment_name(1).into(),
            source: io::Error::other(other),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_made_for_an_entry_has_room_for_it() {
        for end in (64..4_000_000).step_by(56).chain([1 << 30, 1 << 31]) {
            let least = capacity_for(end).next_multiple_of(PAGE);
            for capacity in [least, least + PAGE, least * 2, least * 50] {
                assert!(
                    end <= room_end(Kind::Entry, capacity),
                    "entry to {end} in {capacity}"
                );
            }
        }
    }
}
