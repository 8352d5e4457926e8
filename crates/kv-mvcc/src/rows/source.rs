use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use kv_backend::{Backend, BackendError};

use super::cache::Cache;
use super::names::name;
use crate::ReadError;
use crate::block::{Block, BlockId, Keys, PartKind, Values};

/// Whether blocks that had to be read stay in the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caching {
    /// They do: the next reader may want them too.
    Fill,
    /// They do not: this reader goes through everything once.
    Bypass,
}

/// Where blocks are read from: the backend, with a cache of unpacked parts before it.
pub(super) struct BlockSource {
    pub(super) backend: Arc<dyn Backend>,
    keys: Cache<Keys>,
    values: Cache<Values>,
    // Invariant: above the number of every block that is or was in the backend while this process runs.
    next_number: AtomicU64,
}

impl BlockSource {
    pub(super) fn new(backend: Arc<dyn Backend>, cache_bytes_max: usize, next_number: u64) -> Self {
        let keys_bytes_max = cache_bytes_max / 4;
        Self {
            backend,
            keys: Cache::new(keys_bytes_max),
            values: Cache::new(cache_bytes_max - keys_bytes_max),
            next_number: AtomicU64::new(next_number),
        }
    }

    /// A number for a new block.
    pub(super) fn next_number(&self) -> u64 {
        self.next_number.fetch_add(1, Ordering::Relaxed)
    }

    /// All of the rows of a block but their values: as many rows as the block has.
    pub(super) fn keys(&self, block: &Block, caching: Caching) -> Result<Arc<Keys>, ReadError> {
        let id = block.id;
        if let Some(keys) = self.keys.get(id.number) {
            return Ok(keys);
        }
        let keys = Arc::new(Keys::decode(id, &self.read(PartKind::Keys, id)?)?);
        block.check_rows(keys.rows().len(), PartKind::Keys)?;
        if caching == Caching::Fill {
            self.keys
                .insert(id.number, Arc::clone(&keys), keys.memory_bytes());
        }
        Ok(keys)
    }

    /// The values of the rows of a block: as many as the block has rows.
    pub(super) fn values(&self, block: &Block, caching: Caching) -> Result<Arc<Values>, ReadError> {
        let id = block.id;
        if let Some(values) = self.values.get(id.number) {
            return Ok(values);
        }
        let values = Values::decode(id, &self.read(PartKind::Values, id)?)?;
        block.check_rows(values.rows(), PartKind::Values)?;
        if caching == Caching::Bypass {
            return Ok(Arc::new(values));
        }
        let values = Arc::new(values);
        self.cache_values(id, Arc::clone(&values));
        Ok(values)
    }

    /// Keeps the values of a block that was just written or read.
    pub(super) fn cache_values(&self, id: BlockId, values: Arc<Values>) {
        let bytes = values.memory_bytes();
        self.values.insert(id.number, values, bytes);
    }

    #[cfg(test)]
    pub(super) fn cached_bytes(&self) -> usize {
        self.keys.bytes() + self.values.bytes()
    }

    fn read(&self, kind: PartKind, id: BlockId) -> Result<Bytes, ReadError> {
        let part = self.backend.get(&name(kind, id)).map_err(backend_error)?;
        part.ok_or_else(|| ReadError::Damaged {
            reason: format!("{kind} part of {id}: is missing"),
        })
    }
}

impl fmt::Debug for BlockSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockSource")
            .field("next_number", &self.next_number)
            .finish_non_exhaustive()
    }
}

pub(super) fn backend_error(error: BackendError) -> ReadError {
    ReadError::Backend {
        reason: error.to_string(),
    }
}
