use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use kv_backend::Backend;
use kv_types::RowRevision;

use super::block_info::BlockInfo;
use super::checkpoint::Chores;
use super::names::{bounds, parse};
use super::source::{BlockSource, backend_error};
use super::view::RowsView;
use super::writer::{Rows, RowsOptions};
use super::{BlockMap, RowMap};
use crate::block::{BlockId, InfoRecord, Keys, PartKind};
use crate::{ReadError, RowMeta};

impl Rows {
    /// Opens what the last completed checkpoint left, and calls `visit` with each live row in revision order.
    ///
    /// Reads everything but the values.
    ///
    /// # Errors
    /// [`ReadError`] if the backend cannot be read or a block is damaged; it names the block. Nothing was
    /// changed in the backend.
    pub(crate) fn open(
        backend: Arc<dyn Backend>,
        options: RowsOptions,
        visit: &mut dyn FnMut(RowMeta),
    ) -> Result<Self, ReadError> {
        let mut loader = Loader {
            records: read_records(&*backend)?,
            ..Loader::default()
        };
        each_part(&*backend, PartKind::Keys, |id, part| loader.load(id, part, visit))?;
        if let Some(id) = loader.records.keys().next() {
            return Err(damaged(format!("keys part of {id}: is missing")));
        }
        let source = BlockSource::new(backend, options.cache_bytes, loader.next_number);
        let view = RowsView {
            recent: RowMap::default(),
            sealed: RowMap::default(),
            blocks: loader.blocks,
            stored_to: loader.stored_to,
            source: Arc::new(source),
        };
        let chores = Chores {
            unused: loader.leftovers,
            ..Chores::default()
        };
        Ok(Self {
            view,
            options,
            next_serial: 1,
            chores,
            graves: Vec::new(),
            running: None,
            more: false,
        })
    }
}

#[derive(Default)]
struct Loader {
    /// Those whose keys part has not been met yet.
    records: BTreeMap<BlockId, InfoRecord>,
    blocks: BlockMap,
    stored_to: RowRevision,
    next_number: u64,
    /// Blocks that no checkpoint has completed or that were replaced.
    leftovers: Vec<BlockId>,
}

impl Loader {
    fn load(&mut self, id: BlockId, part: &[u8], visit: &mut dyn FnMut(RowMeta)) -> Result<(), ReadError> {
        self.next_number = self.next_number.max(id.number.saturating_add(1));
        let Some(record) = self.records.remove(&id) else {
            self.leftovers.push(id);
            return Ok(());
        };
        let keys = Keys::decode(id, part)?;
        let block = keys.block(id, record.stored_bytes)?;
        if block.rows() != record.rows || block.raw_bytes != record.raw_bytes {
            return Err(damaged(format!("info part of {id}: does not fit the keys part")));
        }
        if !self.blocks.is_empty() && id.first <= self.stored_to {
            return Err(damaged(format!("keys part of {id}: overlaps the block before")));
        }
        self.stored_to = block.last();
        let info = BlockInfo::with_record(block, &record);
        for row in info.live_rows_from(0) {
            visit(keys.meta(&keys.rows()[row]));
        }
        self.blocks.insert(id.first, Arc::new(info));
        Ok(())
    }
}

fn read_records(backend: &dyn Backend) -> Result<BTreeMap<BlockId, InfoRecord>, ReadError> {
    let mut records = BTreeMap::new();
    each_part(backend, PartKind::Info, |id, part| {
        records.insert(id, InfoRecord::decode(id, part)?);
        Ok(())
    })?;
    Ok(records)
}

/// Goes through the parts of one kind, in the order of blocks, until one fails.
fn each_part(
    backend: &dyn Backend,
    kind: PartKind,
    mut load: impl FnMut(BlockId, &[u8]) -> Result<(), ReadError>,
) -> Result<(), ReadError> {
    let mut result = Ok(());
    let (from, to) = bounds(kind);
    let mut visit = |name: &[u8], part: &[u8]| {
        result = match parse(name) {
            Some(id) => load(id, part),
            None => Err(damaged(format!("{kind} part under the key {name:02x?}"))),
        };
        if result.is_ok() {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    };
    backend.scan(from, to, &mut visit).map_err(backend_error)?;
    result
}

fn damaged(reason: String) -> ReadError {
    ReadError::Damaged { reason }
}
