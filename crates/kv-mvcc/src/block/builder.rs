use kv_types::RowRevision;

use super::keys::write_row;
use super::part::{self, PartKind};
use super::shape::{Block, ShapeBuilder, row_bytes};
use super::values::{Values, ValuesBuilder};
use crate::Row;

/// Collects rows into a block.
#[derive(Debug, Default)]
pub(crate) struct BlockBuilder {
    shape: ShapeBuilder,
    last: Option<RowRevision>,
    keys: Vec<u8>,
    values: ValuesBuilder,
}

/// A block ready to be written.
pub(crate) struct EncodedBlock {
    pub(crate) block: Block,
    /// Stored form of the keys part.
    pub(crate) keys: Vec<u8>,
    /// Stored form of the values part.
    pub(crate) values: Vec<u8>,
    /// The values part as reading it back would give it.
    pub(crate) decoded_values: Values,
}

impl BlockBuilder {
    /// Whether it has no row yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.shape.rows() == 0
    }

    /// Sum of the sizes of its rows, see [`row_bytes`].
    pub(crate) fn raw_bytes(&self) -> u64 {
        self.shape.raw_bytes()
    }

    /// Whether `row` may go into the same block as the rows so far. Any row fits an empty block.
    pub(crate) fn fits(&self, row: &Row) -> bool {
        self.shape
            .fits(row.revision, row_bytes(row.key.len(), row.value.len()))
    }

    /// Adds a row that fits and comes after the rows so far.
    pub(crate) fn push(&mut self, row: &Row) {
        debug_assert!(self.last.is_none_or(|last| last < row.revision));
        self.shape
            .push(row.revision, row_bytes(row.key.len(), row.value.len()))
            .expect("the caller has asked whether the row fits");
        write_row(&mut self.keys, row, self.last);
        self.values.push(&row.value);
        self.last = Some(row.revision);
    }

    /// The block; none if it has no row.
    pub(crate) fn finish(self, number: u64) -> Option<EncodedBlock> {
        let keys = part::seal(PartKind::Keys, number, self.shape.rows(), &self.keys);
        let (decoded_values, values) = self.values.finish(number);
        let block = self.shape.finish(number, (keys.len() + values.len()) as u64)?;
        Some(EncodedBlock {
            block,
            keys,
            values,
            decoded_values,
        })
    }
}
