//! The single writer.

mod checkpoint;
mod garbage;
mod write;

use std::sync::Arc;

use bytes::Bytes;
use kv_backend::Backend;
use kv_types::{Revision, RowRevision};

use crate::read::Reader;
use crate::rows::{Rows, RowsOptions};
use crate::state::{STATE_KEY, State, StateRecord};
use crate::txn::{Branch, check_put};
use crate::{
    Change, CompactError, DeleteRequest, DeleteResult, LeaseBook, PutRequest, PutResult, ReadError,
    StoreError, TxnRequest, TxnResult, View, WriteError,
};
pub use checkpoint::{CheckpointPlan, Fill, Finished};
pub use garbage::GarbagePlan;
use write::Write;

/// How a store uses memory and disk.
#[derive(Clone, Copy, Debug)]
pub struct StoreOptions {
    /// Memory for blocks read from the backend, in bytes.
    pub cache_bytes: usize,
    /// Most that one batch of a checkpoint writes, in bytes.
    pub slice_bytes: usize,
    /// What rows are packed into before compression, in bytes.
    pub block_bytes: usize,
}

impl Default for StoreOptions {
    fn default() -> Self {
        let rows = RowsOptions::default();
        Self {
            cache_bytes: rows.cache_bytes,
            slice_bytes: rows.slice_bytes,
            block_bytes: rows.block_bytes,
        }
    }
}

impl From<StoreOptions> for RowsOptions {
    fn from(options: StoreOptions) -> Self {
        let StoreOptions {
            cache_bytes,
            slice_bytes,
            block_bytes,
        } = options;
        Self {
            cache_bytes,
            slice_bytes,
            block_bytes,
        }
    }
}

/// All keys and their history, changed by one writer, read through [`View`]s.
///
/// Nothing here is durable by itself: a change is until a checkpoint includes it only in memory, and the log
/// it came from must be kept till then.
#[derive(Debug)]
pub struct Store {
    state: State,
    rows: Rows,
    changes: Vec<Change>,
    /// What the last checkpoint stored of the state.
    checkpointed: StateRecord,
    /// The last row of an import that is under way.
    imported: Option<RowRevision>,
}

impl Store {
    /// Opens what the last checkpoint left in `backend`, or an empty store.
    ///
    /// # Errors
    /// If what is there cannot be read or is damaged.
    pub fn open(backend: Arc<dyn Backend>, options: StoreOptions) -> Result<Self, StoreError> {
        let record = backend.get(STATE_KEY).map_err(|error| ReadError::Backend {
            reason: error.to_string(),
        })?;
        let record = record.map_or(Ok(StateRecord::FRESH), |bytes| StateRecord::decode(&bytes))?;
        let mut state = State::new(record);
        let mut last = Revision::ZERO;
        let rows = Rows::open(backend, RowsOptions::from(options), &mut |row| {
            last = row.revision.main;
            state.index.restore(&row);
        })?;
        if last > record.revision {
            let reason = format!(
                "it is at revision {}, but there are rows up to {last}",
                record.revision
            );
            return Err(StoreError::State { reason });
        }
        Ok(Self {
            state,
            rows,
            changes: Vec::new(),
            checkpointed: record,
            imported: None,
        })
    }

    /// The store as it is now. Costs next to nothing by itself, but the next change of everything the view
    /// shares copies what it changes.
    pub fn view(&self) -> View {
        View {
            state: self.state.clone(),
            rows: self.rows.view().clone(),
        }
    }

    /// Goes on in another backend, to which a [`Relocation`](crate::Relocation) has copied everything. Views made
    /// before read on in the one before.
    ///
    /// # Panics
    /// If a checkpoint was begun and not finished.
    pub fn move_to(&mut self, backend: Arc<dyn Backend>) {
        self.rows.move_to(backend);
    }

    fn reader(&self) -> Reader<'_> {
        Reader {
            state: &self.state,
            rows: self.rows.view(),
            revision: self.state.revision,
        }
    }

    /// Gives a key a value.
    ///
    /// # Errors
    /// If the lease, or the key whose value or lease is to be kept, does not exist; with nothing changed.
    pub fn put(&mut self, request: &PutRequest, leases: &mut dyn LeaseBook) -> Result<PutResult, WriteError> {
        check_put(&self.reader(), leases, request)?;
        let mut write = Write::begin(self, leases);
        let result = write.put(request)?;
        write.end();
        Ok(result)
    }

    /// Deletes the keys of an interval, in their order, at one revision.
    ///
    /// # Errors
    /// If a previous value could not be read; with nothing changed.
    pub fn delete(
        &mut self,
        request: &DeleteRequest,
        leases: &mut dyn LeaseBook,
    ) -> Result<DeleteResult, WriteError> {
        let mut write = Write::begin(self, leases);
        let result = write.delete(request)?;
        write.end();
        Ok(result)
    }

    /// Deletes those of `keys` that exist, in the order of keys, at one revision: what the end of a lease does.
    pub fn delete_keys(&mut self, keys: &[Bytes], leases: &mut dyn LeaseBook) -> DeleteResult {
        let mut write = Write::begin(self, leases);
        let deleted = write.delete_keys(keys);
        let revision = write.end();
        DeleteResult {
            deleted,
            prev_kvs: Vec::new(),
            revision,
        }
    }

    /// Decides all conditions of a transaction, checks what will run, and runs it at one revision.
    ///
    /// # Errors
    /// See [`WriteError`].
    pub fn txn(&mut self, request: &TxnRequest, leases: &mut dyn LeaseBook) -> Result<TxnResult, WriteError> {
        let reader = self.reader();
        let branch = Branch::choose(&reader, request)?;
        branch.check(&reader, leases)?;
        let mut write = Write::begin(self, leases);
        let result = write.run(branch)?;
        write.end();
        Ok(result)
    }

    /// What was changed since the last call, in order. To be called after each write.
    pub fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    /// Makes history below `at` unreadable: kept are, of each key, the newest version that is not above `at`
    /// if it is a put or a tombstone at exactly `at`, and everything above.
    ///
    /// Takes effect at once; the memory and space are returned later, in bounded steps (see
    /// [`View::plan_garbage`]).
    ///
    /// # Errors
    /// If `at` is not above the last compaction, or above the current revision.
    pub fn compact(&mut self, at: Revision) -> Result<(), CompactError> {
        if at <= self.state.compacted_or_before() {
            return Err(CompactError::Compacted);
        }
        if at > self.state.revision {
            return Err(CompactError::FutureRevision);
        }
        self.state.compacted = Some(at);
        Ok(())
    }
}
