use std::sync::Arc;

use bytes::Bytes;
use kv_backend::Batch;
use kv_types::Revision;

use super::Store;
use crate::rows::{self, decode_chunk};
use crate::state::{STATE_KEY, State, StateRecord};
use crate::{ReadError, Row, StoreError};
pub use rows::{Fill, Finished};

/// What a checkpoint makes durable: the store at the moment the plan was made.
#[derive(Debug)]
pub struct CheckpointPlan {
    rows: rows::CheckpointPlan,
    record: StateRecord,
}

impl CheckpointPlan {
    /// Puts the next part into `batch`; runs beside the writer.
    ///
    /// After [`Fill::Partial`] the batch is to be written and flushed alone, and a new one filled. After
    /// [`Fill::Last`] whatever belongs to the same moment is to be added to it; its flush makes everything
    /// durable at once. Until then a crash leaves the checkpoint before.
    ///
    /// # Errors
    /// If a row that has to be moved could not be read.
    pub fn fill(&mut self, batch: &mut Batch) -> Result<Fill, ReadError> {
        let fill = self.rows.fill(batch)?;
        if matches!(fill, Fill::Last) {
            batch.put(STATE_KEY, self.record.encode());
        }
        Ok(fill)
    }
}

impl Store {
    /// Whether anything is not durable yet.
    pub fn wants_checkpoint(&self) -> bool {
        self.checkpointed != self.state.record() || self.rows.wants_checkpoint()
    }

    /// Takes down what is to be made durable. A plan that fails is dropped: the next one has everything again.
    pub fn begin_checkpoint(&mut self) -> CheckpointPlan {
        CheckpointPlan {
            rows: self.rows.begin_checkpoint(),
            record: self.state.record(),
        }
    }

    /// To be called when the last batch of a plan is durable. What is returned holds the memory this frees: to
    /// be dropped where it stops nobody.
    pub fn finish_checkpoint(&mut self, plan: CheckpointPlan) -> Finished {
        self.checkpointed = plan.record;
        self.rows.finish_checkpoint(plan.rows)
    }

    /// Takes over a chunk of another store, as it is. Chunks come in their order, into a store that was empty;
    /// checkpoints in between bound the memory. Reports no changes.
    ///
    /// # Errors
    /// If the chunk is damaged or out of order.
    pub fn import_chunk(&mut self, chunk: &Bytes) -> Result<(), ReadError> {
        decode_chunk(chunk)?
            .into_iter()
            .try_for_each(|row| self.import_row(row))
    }

    /// Takes over one row, as [`Store::import_chunk`] does those of a chunk.
    ///
    /// # Errors
    /// If the row is out of order.
    pub fn import_row(&mut self, row: Row) -> Result<(), ReadError> {
        if self.imported.is_some_and(|imported| row.revision <= imported) {
            let reason = format!("row {} of an import is out of order", row.revision);
            return Err(ReadError::Damaged { reason });
        }
        self.imported = Some(row.revision);
        self.state.revision = self.state.revision.max(row.revision.main);
        self.state.index.restore(&row.meta());
        self.rows.append(Arc::new(row));
        Ok(())
    }

    /// Ends an import: gives the store the revisions of the one the chunks are from.
    ///
    /// # Errors
    /// If the chunks went beyond `revision`.
    pub fn finish_import(
        &mut self,
        revision: Revision,
        compacted: Option<Revision>,
    ) -> Result<(), StoreError> {
        if self.state.revision > revision {
            let reason = format!(
                "it is at revision {revision}, but there are rows up to {}",
                self.state.revision
            );
            return Err(StoreError::State { reason });
        }
        self.imported = None;
        self.state.restored(StateRecord { revision, compacted });
        Ok(())
    }
}

impl State {
    /// Sets the revisions of a state whose index is complete.
    fn restored(&mut self, record: StateRecord) {
        self.revision = record.revision;
        self.compacted = record.compacted;
        self.index.forget_transitions(record.revision);
    }
}
