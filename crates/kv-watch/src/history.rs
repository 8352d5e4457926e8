use std::ops::ControlFlow;
use std::sync::Arc;

use kv_mvcc::{Change, ReadError, Row, View};
use kv_types::{Revision, RowRevision};

/// The store at one moment, as far as watchers need it.
pub trait History {
    /// The current revision.
    fn revision(&self) -> Revision;

    /// The last compaction; changes below it are not all there.
    fn compacted(&self) -> Option<Revision>;

    /// One row, if it is kept.
    ///
    /// # Errors
    /// If it could not be read.
    fn row(&self, revision: RowRevision) -> Result<Option<Arc<Row>>, ReadError>;

    /// Visits the changes of the revisions from `from` to `to`, both included, in order, until `visit` breaks.
    ///
    /// # Errors
    /// If one could not be read; what was visited before stands.
    fn changes(
        &self,
        from: Revision,
        to: Revision,
        visit: &mut dyn FnMut(Change) -> ControlFlow<()>,
    ) -> Result<(), ReadError>;
}

impl History for View {
    fn revision(&self) -> Revision {
        self.revision()
    }

    fn compacted(&self) -> Option<Revision> {
        self.compacted()
    }

    fn row(&self, revision: RowRevision) -> Result<Option<Arc<Row>>, ReadError> {
        self.row(revision)
    }

    fn changes(
        &self,
        from: Revision,
        to: Revision,
        visit: &mut dyn FnMut(Change) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        for change in self.history(from, to) {
            if visit(change?).is_break() {
                break;
            }
        }
        Ok(())
    }
}
