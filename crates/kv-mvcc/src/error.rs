use kv_types::RowRevision;
use thiserror::Error;

/// A row could not be read. Whoever sees this must not guess the answer.
#[derive(Clone, Debug, Error)]
pub enum ReadError {
    /// The backend failed to read.
    #[error("read rows: {reason}")]
    Backend {
        /// What it reported.
        reason: String,
    },
    /// What is stored is not what was written.
    #[error("stored rows are damaged: {reason}")]
    Damaged {
        /// What was found, and where.
        reason: String,
    },
    /// The index knows a row that is not stored.
    #[error("row {revision} is missing")]
    Missing {
        /// The row.
        revision: RowRevision,
    },
}

/// A read was refused or failed.
#[derive(Clone, Debug, Error)]
pub enum RangeError {
    /// The revision asked for is below the last compaction.
    #[error("required revision has been compacted")]
    Compacted,
    /// The revision asked for is above the current one.
    #[error("required revision is a future revision")]
    FutureRevision,
    /// A row could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// A write was refused, with nothing changed, or failed.
#[derive(Clone, Debug, Error)]
pub enum WriteError {
    /// A put names a lease that does not exist.
    #[error("lease not found")]
    LeaseNotFound,
    /// A put keeps the value or lease of a key that does not exist.
    #[error("key not found")]
    KeyNotFound,
    /// A range of the transaction was refused.
    ///
    /// With [`RangeError::Read`] inside, part of the write may have been applied: the store must not be used
    /// any further.
    #[error(transparent)]
    Range(#[from] RangeError),
}

impl From<ReadError> for WriteError {
    fn from(error: ReadError) -> Self {
        Self::Range(error.into())
    }
}

/// A compaction was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CompactError {
    /// It is not above the last compaction.
    #[error("required revision has been compacted")]
    Compacted,
    /// It is above the current revision.
    #[error("required revision is a future revision")]
    FutureRevision,
}

/// A store could not be opened.
#[derive(Clone, Debug, Error)]
pub enum StoreError {
    /// Its rows could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Its state record does not decode.
    #[error("the store's state record is damaged: {reason}")]
    State {
        /// What is wrong with it.
        reason: String,
    },
}
