use bytes::Bytes;

use super::BlockId;
use super::damaged::{Damaged, Malformed};
use super::part::{self, PartKind};
use super::varint::{Reader, write_varint};

/// The unpacked values part of a block.
#[derive(Debug)]
pub(crate) struct Values {
    /// Where the value of each row ends in `buffer`.
    // Invariant: ascending from `start`, the last one being the length of `buffer`.
    ends: Box<[usize]>,
    start: usize,
    buffer: Bytes,
}

impl Values {
    /// Reads a stored values part.
    pub(crate) fn decode(block: BlockId, stored: &[u8]) -> Result<Self, Damaged> {
        let body = part::unseal(PartKind::Values, block, stored)?;
        Self::read(body).map_err(|malformed| malformed.of(block, PartKind::Values))
    }

    fn read(body: part::Body) -> Result<Self, Malformed> {
        let buffer = Bytes::from(body.bytes);
        let mut reader = Reader::new(&buffer);
        let mut ends = Vec::with_capacity(body.rows.min(buffer.len()));
        let mut end: usize = 0;
        for _ in 0..body.rows {
            end = end
                .checked_add(reader.length()?)
                .ok_or(Malformed("length too large"))?;
            ends.push(end);
        }
        let start = reader.position();
        if reader.rest().len() != end {
            return Err(Malformed("length does not fit"));
        }
        ends.iter_mut().for_each(|end| *end += start);
        Ok(Self {
            ends: ends.into(),
            start,
            buffer,
        })
    }

    /// How many rows there are.
    pub(crate) fn rows(&self) -> usize {
        self.ends.len()
    }

    /// The value of a row; holds the memory of all values of the block.
    pub(crate) fn value(&self, row: usize) -> Bytes {
        let start = if row == 0 { self.start } else { self.ends[row - 1] };
        self.buffer.slice(start..self.ends[row])
    }

    /// The length of the value of a row.
    pub(crate) fn value_bytes(&self, row: usize) -> usize {
        self.ends[row] - if row == 0 { self.start } else { self.ends[row - 1] }
    }

    /// Memory it takes, in bytes.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.buffer.len() + size_of_val(&*self.ends)
    }
}

/// Room for the values of most blocks.
const VALUES_ROOM_BYTES: usize = 34 << 10;

/// Collects the body of a values part.
#[derive(Debug, Default)]
pub(super) struct ValuesBuilder {
    lengths: Vec<u8>,
    ends: Vec<usize>,
    values: Vec<u8>,
}

impl ValuesBuilder {
    pub(super) fn push(&mut self, value: &[u8]) {
        if self.values.capacity() == 0 {
            self.values.reserve(VALUES_ROOM_BYTES);
        }
        write_varint(&mut self.lengths, value.len() as u64);
        self.values.extend_from_slice(value);
        self.ends.push(self.values.len());
    }

    /// The part, and its stored form.
    pub(super) fn finish(mut self, number: u64) -> (Values, Vec<u8>) {
        let start = self.lengths.len();
        self.lengths.append(&mut self.values);
        self.ends.iter_mut().for_each(|end| *end += start);
        let stored = part::seal(PartKind::Values, number, self.ends.len(), &self.lengths);
        (
            Values {
                ends: self.ends.into(),
                start,
                buffer: self.lengths.into(),
            },
            stored,
        )
    }
}
