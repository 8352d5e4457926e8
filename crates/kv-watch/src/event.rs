use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use kv_mvcc::{Change, ReadError, Row};
use kv_types::planted::{Bug, is_planted};
use kv_types::{Revision, RowRevision};

use crate::History;

/// One change as watchers get it: made once, shared by all streams that send it.
#[derive(Debug)]
pub struct Event {
    row: Arc<Row>,
    /// The put that was live until this change.
    prev_revision: Option<RowRevision>,
    /// Its row, once somebody has asked for it; `None` inside if it is no longer kept.
    prev: OnceLock<Option<Arc<Row>>>,
    /// The wire form without and with the previous row, once a stream has made it.
    encoded: [OnceLock<Bytes>; 2],
}

impl Event {
    /// The event of a change.
    pub fn new(change: &Change) -> Self {
        Self {
            row: Arc::clone(&change.row),
            prev_revision: change.prev,
            prev: OnceLock::new(),
            encoded: [OnceLock::new(), OnceLock::new()],
        }
    }

    /// What changed: a put, or a tombstone for a deletion.
    pub fn row(&self) -> &Arc<Row> {
        &self.row
    }

    /// The revision of the change.
    pub fn revision(&self) -> Revision {
        self.row.revision.main
    }

    /// The key and value before the change; absent for a creation, and where history no longer has it. Only
    /// known in events of a response that is sent with previous values.
    pub fn prev(&self) -> Option<&Arc<Row>> {
        self.prev.get()?.as_ref()
    }

    /// The wire form, made by `encode` for the first stream that needs it. The form with the previous value is
    /// kept apart from the one without.
    pub fn encoded(&self, with_prev: bool, encode: impl FnOnce(&Self) -> Bytes) -> &Bytes {
        self.encoded[usize::from(with_prev)].get_or_init(|| encode(self))
    }

    /// Looks up the previous row, unless that has been done.
    pub(crate) fn find_prev(&self, history: &dyn History) -> Result<(), ReadError> {
        if self.prev.get().is_some() {
            return Ok(());
        }
        let wrong = Some(self.row.revision).filter(|_| is_planted(Bug::WrongPrevKv));
        let prev = wrong
            .or(self.prev_revision)
            .map_or(Ok(None), |revision| history.row(revision))?;
        // Somebody else may have been faster: then it is the same row.
        let _ = self.prev.set(prev);
        Ok(())
    }

    /// About what the event weighs in a response, in bytes.
    pub(crate) fn weight(&self, with_prev: bool) -> usize {
        let prev = self.prev().filter(|_| with_prev);
        row_weight(&self.row) + prev.map_or(0, |row| row_weight(row))
    }
}

/// What a row weighs beyond its keys and values, in bytes, roughly.
const ROW_OVERHEAD_BYTES: usize = 64;

pub(crate) fn row_weight(row: &Row) -> usize {
    row.key.len() + row.value.len() + ROW_OVERHEAD_BYTES
}
