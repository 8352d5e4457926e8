use std::sync::Arc;

use bytes::Bytes;
use kv_types::RowRevision;

use super::block_info::BlockInfo;
use super::iter::RowsIter;
use super::source::{BlockSource, Caching};
use super::{BlockMap, RowMap};
use crate::block::{BLOCK_BYTES_MAX, encode_chunk, row_bytes};
use crate::cow_tree::Weight;
use crate::{ReadError, Row};

/// What a row in memory takes beside its key and value: itself, the handles of both, its place in the tree.
const ROW_MEMORY_BYTES: usize = size_of::<Row>() + 64;

/// Values up to this length are copied out of a block: a response that holds many single rows would
/// otherwise hold as many blocks in memory.
const COPIED_VALUE_BYTES_MAX: usize = 4096;

/// Unless those that are read together are at least this part of their block.
const SHARED_BLOCK_PART: usize = 4;

/// The memory it takes.
impl Weight for Row {
    fn weight(&self) -> u64 {
        (ROW_MEMORY_BYTES + self.key.len() + self.value.len()) as u64
    }
}

/// All rows as they were at one moment. Cloning it is cheap, and it never changes.
#[derive(Clone, Debug)]
pub(crate) struct RowsView {
    /// Rows that no checkpoint has begun to write.
    pub(super) recent: RowMap,
    /// Rows that a checkpoint is writing.
    // Invariant: all below those in `recent`, all above `stored_to`.
    pub(super) sealed: RowMap,
    pub(super) blocks: BlockMap,
    /// Rows up to this one are in blocks.
    pub(super) stored_to: RowRevision,
    pub(super) source: Arc<BlockSource>,
}

/// How much there is of what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowsSizes {
    /// About what the live rows take in the backend, in bytes.
    pub live_bytes: u64,
    /// How many blocks there are.
    pub blocks: usize,
    /// Memory of the rows that are not in blocks yet, in bytes.
    pub recent_bytes: u64,
}

/// Where a live row is.
enum Place<'a> {
    Memory(&'a Arc<Row>),
    Block(&'a BlockInfo, usize),
}

impl RowsView {
    /// A row that is live; none if there is no such row.
    ///
    /// # Errors
    /// [`ReadError`] if its block cannot be read.
    pub(crate) fn get(&self, revision: RowRevision) -> Result<Option<Arc<Row>>, ReadError> {
        let (info, at) = match self.find(revision) {
            None => return Ok(None),
            Some(Place::Memory(row)) => return Ok(Some(Arc::clone(row))),
            Some(Place::Block(info, at)) => (info, at),
        };
        let keys = self.source.keys(&info.block, Caching::Fill)?;
        let values = self.source.values(&info.block, Caching::Fill)?;
        let row = &keys.rows()[at];
        let key = Bytes::copy_from_slice(&keys.key(row));
        Ok(Some(Arc::new(keys.row(
            row,
            key,
            copied_if_small(values.value(at)),
        ))))
    }

    /// The value of a row that is live; none if there is no such row. Reads half of what
    /// [`get`](Self::get) does.
    ///
    /// # Errors
    /// [`ReadError`] if its block cannot be read.
    pub(crate) fn value(&self, revision: RowRevision) -> Result<Option<Bytes>, ReadError> {
        let (info, at) = match self.find(revision) {
            None => return Ok(None),
            Some(Place::Memory(row)) => return Ok(Some(row.value.clone())),
            Some(Place::Block(info, at)) => (info, at),
        };
        let values = self.source.values(&info.block, Caching::Fill)?;
        Ok(Some(copied_if_small(values.value(at))))
    }

    /// The values of many rows, each as [`value`](Self::value) gives it. Rows of one block that follow each
    /// other in `revisions` cost one look-up of the block.
    ///
    /// # Errors
    /// [`ReadError`] if one of the blocks cannot be read.
    pub(crate) fn values(&self, revisions: &[RowRevision]) -> Result<Vec<Option<Bytes>>, ReadError> {
        let mut values = Vec::with_capacity(revisions.len());
        while let Some(revision) = revisions.get(values.len()) {
            let rest = &revisions[values.len()..];
            match self.find_block(*revision) {
                Some(info) => self.values_of_block(info, rest, &mut values)?,
                None => self.values_in_memory(rest, &mut values),
            }
        }
        Ok(values)
    }

    /// Adds the values of all rows at the head of `revisions` that lie in no block: of one at least.
    fn values_in_memory(&self, revisions: &[RowRevision], values: &mut Vec<Option<Bytes>>) {
        let others = revisions[1..]
            .iter()
            .take_while(|revision| self.find_block(**revision).is_none())
            .count();
        let revisions = &revisions[..=others];
        let recent = self.recent.get_many(revisions).into_iter().zip(revisions);
        values.extend(recent.map(|(row, revision)| {
            let row = row.or_else(|| self.sealed.get(revision))?;
            Some(row.value.clone())
        }));
    }

    /// Adds the values of all rows at the head of `revisions` that lie within the block: of one at least.
    fn values_of_block(
        &self,
        info: &BlockInfo,
        revisions: &[RowRevision],
        values: &mut Vec<Option<Bytes>>,
    ) -> Result<(), ReadError> {
        let (first, last) = (info.block.id.first, info.block.last());
        let others = revisions[1..]
            .iter()
            .take_while(|revision| (first..=last).contains(revision))
            .count();
        let found: Vec<_> = revisions[..=others]
            .iter()
            .map(|revision| info.find_live(*revision))
            .collect();
        let block = self.source.values(&info.block, Caching::Fill)?;
        let wanted_bytes: usize = found.iter().flatten().map(|row| block.value_bytes(*row)).sum();
        let shared = wanted_bytes >= block.memory_bytes() / SHARED_BLOCK_PART;
        let value = |row| {
            if shared {
                block.value(row)
            } else {
                copied_if_small(block.value(row))
            }
        };
        values.extend(found.into_iter().map(|row| row.map(value)));
        Ok(())
    }

    /// The live rows from `from` on, in revision order, up to but without `to`.
    ///
    /// Rows of one block share memory; who keeps a few of them for long copies them.
    pub(crate) fn iter(&self, from: RowRevision, to: Option<RowRevision>, caching: Caching) -> RowsIter<'_> {
        RowsIter::new(self, from, to, caching)
    }

    /// Memory of the rows that are not in blocks yet, in bytes.
    pub(crate) fn recent_bytes(&self) -> u64 {
        self.recent.weight() + self.sealed.weight()
    }

    /// How much there is of what.
    pub(crate) fn sizes(&self) -> RowsSizes {
        RowsSizes {
            live_bytes: self.blocks.weight(),
            blocks: self.blocks.len(),
            recent_bytes: self.recent_bytes(),
        }
    }

    /// Where to cut all rows into pieces for another member: the first row of each. Each piece is a block or
    /// about as large.
    pub(crate) fn chunk_starts(&self) -> Vec<RowRevision> {
        let mut starts: Vec<_> = self.blocks.iter().map(|(first, _)| *first).collect();
        let mut bytes = BLOCK_BYTES_MAX;
        for (revision, row) in self.sealed.iter().chain(self.recent.iter()) {
            let row_bytes = row_bytes(row.key.len(), row.value.len());
            bytes = bytes.saturating_add(row_bytes);
            if bytes > BLOCK_BYTES_MAX {
                starts.push(*revision);
                bytes = row_bytes;
            }
        }
        starts
    }

    /// The live rows from `from` on, up to but without `to`, packed; see [`super::decode_chunk`]. The same
    /// view gives the same bytes each time.
    ///
    /// # Errors
    /// [`ReadError`] if a block cannot be read.
    pub(crate) fn chunk(&self, from: RowRevision, to: Option<RowRevision>) -> Result<Bytes, ReadError> {
        let rows: Result<Vec<_>, _> = self.iter(from, to, Caching::Bypass).collect();
        Ok(encode_chunk(&rows?))
    }

    fn find(&self, revision: RowRevision) -> Option<Place<'_>> {
        match self.find_block(revision) {
            Some(info) => Some(Place::Block(info, info.find_live(revision)?)),
            None => self.in_memory(revision).map(Place::Memory),
        }
    }

    /// The block that a row is in if it is in one.
    fn find_block(&self, revision: RowRevision) -> Option<&BlockInfo> {
        if revision > self.stored_to {
            return None;
        }
        self.blocks.floor(&revision).map(|(_, info)| &**info)
    }

    fn in_memory(&self, revision: RowRevision) -> Option<&Arc<Row>> {
        self.recent.get(&revision).or_else(|| self.sealed.get(&revision))
    }
}

fn copied_if_small(value: Bytes) -> Bytes {
    if value.len() <= COPIED_VALUE_BYTES_MAX {
        Bytes::copy_from_slice(&value)
    } else {
        value
    }
}
