//! The bytes of a segment, format version 1. All numbers are little endian, all sizes are bytes.
//!
//! A log is a directory of segments `wal-<number, 16 hex digits>.log`. A segment is a header, then
//! records, then zeros. Its file has its full length from the beginning.
//!
//! | Offset | Size | Segment header |
//! |-------:|-----:|----------------|
//! | 0 | 8 | magic `kvd-wal\n` |
//! | 8 | 4 | format version |
//! | 12 | 4 | crc32c of bytes 0 to 12; up to here the same in every version |
//! | 16 | 4 | number of the segment |
//! | 20 | 4 | zero |
//! | 24 | 8 | capacity: length of the file |
//! | 32 | 8 | where the records of the segment before it end; zero in the first one |
//! | 40 | 8 | where the opening batch of this one ends |
//! | 48 | 12 | zero |
//! | 60 | 4 | crc32c of bytes 0 to 60 |
//!
//! | Offset | Size | Record |
//! |-------:|-----:|--------|
//! | 0 | 4 | crc32c of (segment number as u32, offset of this record as u64, bytes 4 to 32, payload) |
//! | 4 | 4 | length of the payload |
//! | 8 | 4 | number of the segment |
//! | 12 | 4 | offset of the first record of the batch, in units of 8 bytes |
//! | 16 | 4 | crc of the record before, zero for the first |
//! | 20 | 1 | kind |
//! | 21 | 3 | zero |
//! | 24 | 8 | index, by kind |
//! | 32 | length | payload, then zeros up to a multiple of 8 |
//!
//! | Kind | Name | Index | Payload | Meaning |
//! |-----:|------|-------|---------|---------|
//! | 1 | state | 0 | see below | what held when the segment was begun; its first record |
//! | 2 | entry | its index | opaque | follows the entry before |
//! | 3 | truncate | new end | – | entries from the new end on are dropped |
//! | 4 | purge | new first | marker | entries before the new first are dropped |
//! | 5 | vote | 0 | opaque | replaces the vote |
//! | 6 | committed | 0 | opaque | replaces the committed index |
//! | 7 | closed | 0 | – | the log was closed in order: all before it is durable |
//! | 8 | sealed | 0 | – | a next segment exists; is not counted in where the records end |
//!
//! | Offset | Size | Payload of a state record |
//! |-------:|-----:|---------------------------|
//! | 0 | 8 | first |
//! | 8 | 8 | end |
//! | 16 | 4 + n | vote: length and bytes; a length of `ffff_ffff` means none |
//! | | 4 + n | committed, in the same way |
//! | | 4 + n | marker of the last purge, in the same way |
//!
//! A *batch* is what one write and one sync took to disk; the next batch is written only after that sync.
//! So a valid record of a later batch proves that all before its batch had been durable, while records of
//! the last batch may be there in part. The number of the segment and the offset go into each check,
//! because segments are used again without being zeroed: what an earlier use left never looks valid.

use bytes::Bytes;

use crate::state::{Purged, State};

/// The version that this build writes, and the newest it reads.
pub const FORMAT_VERSION: u32 = 1;
/// Longest payload of an entry or value, in bytes.
pub const PAYLOAD_BYTES_MAX: usize = 1 << 30;

/// The unit in which the page cache is written back.
pub(crate) const PAGE: u64 = 4096;
/// Where the first record is.
pub(crate) const FIRST_RECORD: u64 = HEADER_BYTES as u64;
/// Bytes of a record before its payload.
pub(crate) const RECORD_HEADER: usize = 32;
/// Room kept behind the last record: for the seal and for the zeros that end the log.
pub(crate) const RESERVE: u64 = 2 * RECORD_HEADER as u64;
/// Longest segment, by what its batch offsets can say.
pub(crate) const CAPACITY_MAX: u64 = (u32::MAX as u64) * ALIGN;

const HEADER_BYTES: usize = 64;
const MAGIC: [u8; 8] = *b"kvd-wal\n";
const ALIGN: u64 = 8;
const NONE: u32 = u32::MAX;

/// The start of a page, at or before `offset`.
pub(crate) fn page_of(offset: u64) -> u64 {
    offset / PAGE * PAGE
}

/// Bytes that a record with a payload of `length` takes.
pub(crate) fn record_bytes(length: usize) -> u64 {
    (RECORD_HEADER as u64 + length as u64).next_multiple_of(ALIGN)
}

/// The name of a segment's file.
pub(crate) fn segment_name(number: u32) -> String {
    format!("wal-{number:016x}.log")
}

/// The number of the segment in a file of this name.
pub(crate) fn segment_number(name: &str) -> Option<u32> {
    let digits = name.strip_prefix("wal-")?.strip_suffix(".log")?;
    let number = u32::from_str_radix(digits, 16).ok()?;
    (segment_name(number) == name).then_some(number)
}

/// The header of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) number: u32,
    pub(crate) capacity: u64,
    pub(crate) previous_end: u64,
    pub(crate) opening_end: u64,
}

/// What the start of a segment turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum HeaderRead {
    Valid(SegmentHeader),
    Newer(u32),
    Bad,
}

impl SegmentHeader {
    pub(crate) fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
        let crc = crc32c::crc32c(&bytes[..12]);
        bytes[12..16].copy_from_slice(&crc.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.number.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.capacity.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.previous_end.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.opening_end.to_le_bytes());
        let crc = crc32c::crc32c(&bytes[..60]);
        bytes[60..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> HeaderRead {
        if bytes.len() < HEADER_BYTES
            || bytes[..8] != MAGIC
            || u32_at(bytes, 12) != crc32c::crc32c(&bytes[..12])
        {
            return HeaderRead::Bad;
        }
        let version = u32_at(bytes, 8);
        if version > FORMAT_VERSION {
            return HeaderRead::Newer(version);
        }
        if version == 0 || u32_at(bytes, 60) != crc32c::crc32c(&bytes[..60]) {
            return HeaderRead::Bad;
        }
        HeaderRead::Valid(Self {
            number: u32_at(bytes, 16),
            capacity: u64_at(bytes, 24),
            previous_end: u64_at(bytes, 32),
            opening_end: u64_at(bytes, 40),
        })
    }
}

/// The kind of a record; the numbers are on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    State = 1,
    Entry = 2,
    Truncate = 3,
    Purge = 4,
    Vote = 5,
    Committed = 6,
    Closed = 7,
    Sealed = 8,
}

impl Kind {
    fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::State,
            2 => Self::Entry,
            3 => Self::Truncate,
            4 => Self::Purge,
            5 => Self::Vote,
            6 => Self::Committed,
            7 => Self::Closed,
            8 => Self::Sealed,
            _ => return None,
        })
    }
}

/// One record, ready to be written.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) kind: Kind,
    pub(crate) index: u64,
    pub(crate) payload: Bytes,
}

impl Record {
    pub(crate) fn plain(kind: Kind, index: u64) -> Self {
        Self {
            kind,
            index,
            payload: Bytes::new(),
        }
    }

    /// The state record that begins a segment.
    pub(crate) fn state(state: &State) -> Self {
        Self {
            kind: Kind::State,
            index: 0,
            payload: encode_state(state).into(),
        }
    }

    pub(crate) fn bytes(&self) -> u64 {
        record_bytes(self.payload.len())
    }
}

/// Where a record goes, or is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) segment: u32,
    pub(crate) offset: u64,
    /// Offset of the first record of its batch.
    pub(crate) batch: u64,
    /// The check of the record before it.
    pub(crate) previous: u32,
}

/// Appends the bytes of `record` to `out` and returns its check.
#[expect(
    clippy::cast_possible_truncation,
    reason = "payload and capacity limits are checked on entry"
)]
pub(crate) fn encode(record: &Record, place: Place, out: &mut Vec<u8>) -> u32 {
    debug_assert!(place.offset.is_multiple_of(ALIGN) && place.batch <= place.offset);
    let start = out.len();
    let mut header = [0; RECORD_HEADER];
    header[4..8].copy_from_slice(&(record.payload.len() as u32).to_le_bytes());
    header[8..12].copy_from_slice(&place.segment.to_le_bytes());
    header[12..16].copy_from_slice(&((place.batch / ALIGN) as u32).to_le_bytes());
    header[16..20].copy_from_slice(&place.previous.to_le_bytes());
    header[20] = record.kind as u8;
    header[24..].copy_from_slice(&record.index.to_le_bytes());
    out.extend_from_slice(&header);
    out.extend_from_slice(&record.payload);
    let crc = check(place.segment, place.offset, &out[start + 4..]);
    out[start..start + 4].copy_from_slice(&crc.to_le_bytes());
    out.resize(start + record.bytes() as usize, 0);
    crc
}

/// A record found on disk and checked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found<'a> {
    pub(crate) place: Place,
    pub(crate) kind: Kind,
    pub(crate) index: u64,
    pub(crate) payload: &'a [u8],
    pub(crate) crc: u32,
}

impl Found<'_> {
    /// Where the next record starts.
    pub(crate) fn end(&self) -> u64 {
        self.place.offset + record_bytes(self.payload.len())
    }
}

/// Reads the record that starts with `bytes`, which are those of `segment` from `offset` on. `None` if
/// there is none that is whole and was written to this very place.
pub(crate) fn decode(bytes: &[u8], segment: u32, offset: u64) -> Option<Found<'_>> {
    // The cheap tests first: a look past a bad record tries this at every eighth byte.
    if bytes.len() < RECORD_HEADER || u32_at(bytes, 8) != segment {
        return None;
    }
    let batch = u64::from(u32_at(bytes, 12)) * ALIGN;
    let kind = Kind::from_byte(bytes[20])?;
    let length = usize::try_from(u32_at(bytes, 4)).ok()?;
    if batch < FIRST_RECORD || batch > offset || length > bytes.len() - RECORD_HEADER {
        return None;
    }
    let crc = u32_at(bytes, 0);
    if crc != check(segment, offset, &bytes[4..RECORD_HEADER + length]) {
        return None;
    }
    Some(Found {
        place: Place {
            segment,
            offset,
            batch,
            previous: u32_at(bytes, 16),
        },
        kind,
        index: u64_at(bytes, 24),
        payload: &bytes[RECORD_HEADER..RECORD_HEADER + length],
        crc,
    })
}

fn check(segment: u32, offset: u64, bytes: &[u8]) -> u32 {
    let mut seed = [0; 12];
    seed[..4].copy_from_slice(&segment.to_le_bytes());
    seed[4..].copy_from_slice(&offset.to_le_bytes());
    crc32c::crc32c_append(crc32c::crc32c(&seed), bytes)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "state values are limited to PAYLOAD_BYTES_MAX"
)]
fn encode_state(state: &State) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend_from_slice(&state.first.to_le_bytes());
    out.extend_from_slice(&state.end.to_le_bytes());
    let marker = state.purged.as_ref().map(|purged| &purged.marker);
    for value in [state.vote.as_ref(), state.committed.as_ref(), marker] {
        out.extend_from_slice(&value.map_or(NONE, |value| value.len() as u32).to_le_bytes());
        out.extend_from_slice(value.map_or(&[], |value| &value[..]));
    }
    out
}

/// Reads the payload of a state record. `None` if it makes no sense.
pub(crate) fn decode_state(mut bytes: &[u8]) -> Option<State> {
    let first = u64::from_le_bytes(*bytes.split_off(..8)?.first_chunk()?);
    let end = u64::from_le_bytes(*bytes.split_off(..8)?.first_chunk()?);
    let vote = take_value(&mut bytes)?;
    let committed = take_value(&mut bytes)?;
    let purged = match take_value(&mut bytes)? {
        Some(marker) => Some(Purged {
            up_to: first.checked_sub(1)?,
            marker,
        }),
        None => None,
    };
    (bytes.is_empty() && first <= end).then_some(State {
        first,
        end,
        vote,
        committed,
        purged,
    })
}

fn take_value(bytes: &mut &[u8]) -> Option<Option<Bytes>> {
    let length = u32::from_le_bytes(*bytes.split_off(..4)?.first_chunk()?);
    if length == NONE {
        return Some(None);
    }
    let value = bytes.split_off(..usize::try_from(length).ok()?)?;
    Some(Some(Bytes::copy_from_slice(value)))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut number = [0; 4];
    number.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(number)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut number = [0; 8];
    number.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(number)
}

#[cfg(test)]
mod tests;
