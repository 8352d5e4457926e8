use std::sync::Arc;

use bytes::Bytes;
use kv_types::{KeyRange, LeaseId, Revision, RowRevision};

use crate::index::{At, VersionMeta};
use crate::read::Reader;
use crate::rows::{Caching, RowsSizes, RowsView};
use crate::state::State;
use crate::{
    Change, HashKv, OpResult, RangeError, RangeRequest, RangeResult, ReadError, ReadOnlyTxn, Row, TxnResult,
};

/// The store at one moment: it does not change, and reading it waits for nobody. A clone is free; while one is
/// held, memory of what has changed since is held too.
#[derive(Clone, Debug)]
pub struct View {
    pub(crate) state: State,
    pub(crate) rows: RowsView,
}

impl View {
    pub(crate) fn reader(&self) -> Reader<'_> {
        Reader {
            state: &self.state,
            rows: &self.rows,
            revision: self.state.revision,
        }
    }

    /// The current revision of this view.
    pub fn revision(&self) -> Revision {
        self.state.revision
    }

    /// The last compaction. Revisions below it cannot be read.
    pub fn compacted(&self) -> Option<Revision> {
        self.state.compacted
    }

    /// Answers a range.
    ///
    /// # Errors
    /// See [`RangeError`].
    pub fn range(&self, request: &RangeRequest) -> Result<RangeResult, RangeError> {
        self.reader().range(request)
    }

    /// How many keys of an interval exist, now or at a revision.
    ///
    /// # Errors
    /// If the revision is compacted or in the future.
    pub fn count(&self, range: &KeyRange, revision: Option<Revision>) -> Result<u64, RangeError> {
        self.reader().count(range, revision)
    }

    /// Runs a transaction that writes nothing.
    ///
    /// # Errors
    /// That of the first range of the chosen branch that is refused.
    pub fn txn(&self, txn: &ReadOnlyTxn<'_>) -> Result<TxnResult, RangeError> {
        let reader = self.reader();
        let succeeded = reader.all_hold(txn.compare)?;
        let ranges = if succeeded { &txn.success } else { &txn.failure };
        ranges.iter().try_for_each(|range| reader.check_range(range))?;
        let responses = ranges
            .iter()
            .map(|range| reader.range(range).map(OpResult::Range));
        Ok(TxnResult {
            succeeded,
            responses: responses.collect::<Result<_, _>>()?,
            revision: self.revision(),
        })
    }

    /// etcd's hash of all history up to `at`, or up to now. Reads every row.
    ///
    /// # Errors
    /// See [`RangeError`].
    pub fn hash_kv(&self, at: Option<Revision>) -> Result<HashKv, RangeError> {
        self.reader().hash_kv(at)
    }

    /// One row of history, if it is kept.
    ///
    /// # Errors
    /// If it could not be read.
    pub fn row(&self, revision: RowRevision) -> Result<Option<Arc<Row>>, ReadError> {
        self.rows.get(revision)
    }

    /// The kept changes of the revisions from `from` to `to`, both included, in order.
    ///
    /// A change has no `prev` if what was live before it is compacted.
    pub fn history(
        &self,
        from: Revision,
        to: Revision,
    ) -> impl Iterator<Item = Result<Change, ReadError>> + '_ {
        let (from, after) = (RowRevision::first_of(from), RowRevision::first_of(to.next()));
        self.rows.iter(from, Some(after), Caching::Fill).map(|row| {
            let row = row?;
            let prev = self.live_before(&row);
            Ok(Change { row, prev })
        })
    }

    fn live_before(&self, row: &Row) -> Option<RowRevision> {
        let before = row.revision.main.prev();
        if row.is_creation() || before < self.state.compacted_or_before() {
            return None;
        }
        self.state
            .index
            .live_before(row.revision)
            .map(VersionMeta::revision)
    }

    /// All rows that are kept, in order, past the cache.
    pub fn rows(&self) -> impl Iterator<Item = Result<Arc<Row>, ReadError>> + '_ {
        self.rows.iter(RowRevision::default(), None, Caching::Bypass)
    }

    /// Every key that is attached to a lease, in the order of keys.
    pub fn attachments(&self) -> impl Iterator<Item = (LeaseId, Bytes)> + '_ {
        let live = self.state.index.range(&KeyRange::all(), At::Latest);
        live.filter_map(|(key, version)| Some((version.lease()?, Bytes::copy_from_slice(key))))
    }

    /// Where the chunks begin that all live rows are handed over in; the same for the same view.
    pub fn chunk_starts(&self) -> Vec<RowRevision> {
        self.rows.chunk_starts()
    }

    /// The live rows of `[from, to)` as one checked chunk, for [`Store::import_chunk`](crate::Store::import_chunk).
    ///
    /// # Errors
    /// If one could not be read.
    pub fn chunk(&self, from: RowRevision, to: Option<RowRevision>) -> Result<Bytes, ReadError> {
        self.rows.chunk(from, to)
    }

    /// Memory of rows that no checkpoint has taken yet, in bytes.
    pub fn recent_bytes(&self) -> u64 {
        self.rows.recent_bytes()
    }

    /// What the rows take, in memory and on disk.
    pub fn sizes(&self) -> RowsSizes {
        self.rows.sizes()
    }
}
