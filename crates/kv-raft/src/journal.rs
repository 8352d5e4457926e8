use std::io;
use std::ops::Range;

use bytes::Bytes;
use thiserror::Error;

/// The log on disk, as this crate uses it: numbered records, and a few small named ones.
///
/// What is requested happens in the order of the requests. `done` is called once, on any thread, when the request and
/// all before it are durable or have failed.
pub trait Journal: Send + Sync + 'static {
    /// Appends records, which follow the last one. They are readable when this returns.
    fn append(&self, records: Vec<Record>, done: Done);

    /// Keeps a vote in place of the one before.
    fn save_vote(&self, vote: Bytes, done: Done);

    /// Keeps a committed index in place of the one before; becomes durable with some later request.
    fn save_committed(&self, committed: Bytes);

    /// Drops the records after `index`, or all.
    fn truncate_after(&self, index: Option<u64>, done: Done);

    /// Drops the records up to `up_to`, which may lie beyond the last one, and keeps `marker`.
    fn purge(&self, up_to: u64, marker: Bytes, done: Done);

    /// Reads records in order from the start of `range`: all of it, or as many as have `bytes_max` bytes, but at
    /// least one. Records that are not there are left out, and so are those after a gap.
    ///
    /// # Errors
    /// The operating system's, or `InvalidData` for damage.
    fn read(&self, range: Range<u64>, bytes_max: usize) -> io::Result<Vec<Record>>;

    /// Whether reading from `index` on needs no disk, as far as can be told cheaply.
    fn is_in_memory(&self, index: u64) -> bool;

    /// What there is, including what is not durable yet.
    fn state(&self) -> JournalState;
}

/// A numbered record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its number.
    pub index: u64,
    /// Its content.
    pub payload: Bytes,
}

/// Told the fate of a request.
pub type Done = Box<dyn FnOnce(Result<(), JournalError>) + Send>;

/// What a journal holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JournalState {
    /// Number of the last record, if there is any.
    pub last: Option<u64>,
    /// The vote.
    pub vote: Option<Bytes>,
    /// The committed index.
    pub committed: Option<Bytes>,
    /// The marker of the last purge.
    pub purged: Option<Bytes>,
}

/// Why a request is not durable.
#[derive(Clone, Debug, Error)]
pub enum JournalError {
    /// The disk is full. The journal went back to what is durable; the request may be made again.
    #[error("no space left on disk: {0}")]
    NoSpace(String),
    /// The journal is of no more use until it is opened anew.
    #[error("{0}")]
    Failed(String),
}
