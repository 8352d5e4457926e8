use std::io;
use std::sync::Arc;
use std::time::Instant;

use kv_types::planted::{Bug, is_planted};
use tracing::warn;

use crate::error::WriteError;
use crate::format::{
    FIRST_RECORD, PAGE, Place, RECORD_HEADER, Record, SegmentHeader, encode, page_of, segment_name,
};
use crate::index::Position;
use crate::spares::Spare;
use crate::stats::{Meter, add};
use crate::storage::{Storage, StorageFile};

/// A segment of the log.
pub(crate) struct Segment {
    pub(crate) number: u32,
    pub(crate) file: Arc<dyn StorageFile>,
    pub(crate) capacity: u64,
    /// One past the highest live entry in it; entries of later segments are higher.
    pub(crate) entries_end: u64,
    /// What lies before was written to since the file was made, as far as is known. The first write to a page behind
    /// it makes its sync dearer, by a change of the file system's own records.
    pub(crate) filled: u64,
}

/// The end of the records in the last segment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tail {
    /// Where the next record goes.
    pub(crate) offset: u64,
    /// Check of the last record.
    pub(crate) previous: u32,
    /// Start of the first record that reaches into the page of `offset`: a write at `offset` that goes
    /// wrong can take the records from here on with it. Never before the end of the opening batch.
    pub(crate) boundary: u64,
}

impl Tail {
    /// Before the first record of a segment.
    pub(crate) fn opening() -> Self {
        Self {
            offset: FIRST_RECORD,
            previous: 0,
            boundary: FIRST_RECORD,
        }
    }

    /// Takes a record that goes from `offset` to `end`.
    pub(crate) fn advance(&mut self, end: u64, crc: u32) {
        if page_of(end) != page_of(self.offset) {
            self.boundary = if end == page_of(end) { end } else { self.offset };
        }
        self.offset = end;
        self.previous = crc;
    }

    /// Counts all records so far as the opening batch.
    pub(crate) fn keep_opening(&mut self) {
        self.boundary = self.offset;
    }
}

/// A new segment and what is in it.
pub(crate) struct Begun {
    pub(crate) segment: Segment,
    pub(crate) tail: Tail,
    pub(crate) positions: Vec<Position>,
}

/// Turns a spare file into the segment `number`, whose opening batch is `records`. Durable on return.
///
/// The name is durable before the first byte is written: else a crash could leave these records under
/// the name of a spare, and the number be given to another file, in which they would look valid.
///
/// After an error a crash may still bring the segment to light, so nothing may be added to the one before.
pub(crate) fn begin_segment(
    storage: &dyn Storage,
    meter: &Meter,
    spare: Spare,
    number: u32,
    previous_end: u64,
    records: &[Record],
) -> Result<Begun, WriteError> {
    let name = segment_name(number);
    let written = storage
        .rename(&spare.name, &name)
        .and_then(|()| storage.sync_dir())
        .and_then(|()| write_opening(spare, number, previous_end, records, meter));
    written.map_err(|error| {
        // For its space only; the next attempt would replace it.
        if let Err(error) = storage.remove(&name) {
            warn!(%error, file = %storage.path(&name).display(), "unfinished log segment stays on disk");
        }
        WriteError::io("begin log segment", storage.path(&name), error)
    })
}

fn write_opening(
    spare: Spare,
    number: u32,
    previous_end: u64,
    records: &[Record],
    meter: &Meter,
) -> io::Result<Begun> {
    let opening_end = FIRST_RECORD + records.iter().map(Record::bytes).sum::<u64>();
    let capacity = spare.capacity;
    let mut buffer = SegmentHeader {
        number,
        capacity,
        previous_end,
        opening_end,
    }
    .encode()
    .to_vec();
    let mut tail = Tail::opening();
    let mut positions = Vec::with_capacity(records.len());
    for record in records {
        let Tail { offset, previous, .. } = tail;
        let place = Place {
            segment: number,
            offset,
            batch: FIRST_RECORD,
            previous,
        };
        let crc = encode(record, place, &mut buffer);
        positions.push(Position::new(place, record.payload.len()));
        tail.advance(offset + record.bytes(), crc);
    }
    tail.keep_opening();
    end_with_zeros(&mut buffer, 0, opening_end);
    let filled = fill_ahead(&mut buffer, 0, spare.filled, capacity);
    write_and_sync(&*spare.file, &buffer, 0, meter)?;
    add(&meter.segments_begun, 1);
    let segment = Segment {
        number,
        file: spare.file,
        capacity,
        entries_end: 0,
        filled,
    };
    Ok(Begun {
        segment,
        tail,
        positions,
    })
}

/// Ends a buffer that goes from `start` to `end` with zeros: always as many as tell a reader that no
/// record follows, and up to the end of a page that was not written to before, so that the page need not
/// be read from a used file before it can be changed.
pub(crate) fn end_with_zeros(buffer: &mut Vec<u8>, start: u64, end: u64) {
    let zeros = end + RECORD_HEADER as u64;
    let stop = if page_of(zeros) == page_of(start) && start != page_of(start) {
        zeros
    } else {
        zeros.next_multiple_of(PAGE)
    };
    buffer.resize(usize::try_from(stop - start).unwrap_or(usize::MAX), 0);
}

/// A write shorter than this goes on with zeros when it comes to pages that were never written to. A longer one does
/// not: it is as well off without them, and they would cost the disk more than they save it.
const FILL_BELOW_BYTES: usize = 32 << 10;

/// Where those zeros end: at the next multiple.
const FILL_AHEAD_BYTES: u64 = 128 << 10;

/// Adds zeros to a buffer that goes from `start` if it is short and goes beyond what is `filled`, so that of many short
/// writes only one pays for the first use of pages. Returns what is filled once it is written.
pub(crate) fn fill_ahead(buffer: &mut Vec<u8>, start: u64, filled: u64, capacity: u64) -> u64 {
    let stop = start + buffer.len() as u64;
    if stop <= filled {
        return filled;
    }
    if buffer.len() >= FILL_BELOW_BYTES {
        return stop;
    }
    let ahead = stop.next_multiple_of(FILL_AHEAD_BYTES).min(capacity).max(stop);
    buffer.resize(usize::try_from(ahead - start).unwrap_or(usize::MAX), 0);
    ahead
}

/// Writes, syncs, and counts both.
pub(crate) fn write_and_sync(
    file: &dyn StorageFile,
    bytes: &[u8],
    offset: u64,
    meter: &Meter,
) -> io::Result<()> {
    let written = file.write_all_at(bytes, offset).and_then(|()| {
        let start = Instant::now();
        if !is_planted(Bug::AckBeforeSync) {
            file.sync_data()?;
        }
        meter.synced(start.elapsed(), bytes.len() as u64);
        Ok(())
    });
    if written.is_err() {
        add(&meter.failures, 1);
    }
    written
}
