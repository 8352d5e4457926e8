use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::Bytes;

use crate::{BackendError, Batch, OpenError};

/// Called with each key and its value, until it breaks.
pub type Visit<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>;

/// One database: pairs of bytes in the order of their keys.
///
/// Readers may be many and on any thread. There is one writer: [`write`](Backend::write),
/// [`flush`](Backend::flush) and [`reopen`](Backend::reopen) are called by one thread at a time, which an
/// implementation enforces with a lock, so that calling them together is slow, not wrong.
///
/// What is on disk is always the state at the end of a flush: the last one that returned, or the one in
/// progress. Nothing written after it, and no part of it, is ever there.
pub trait Backend: Send + Sync + 'static {
    /// The value of `key`, if it has one.
    ///
    /// # Errors
    /// [`BackendError::Read`] if the disk cannot be read or a checksum does not fit. Other keys may then fail
    /// too: the database is to be set aside.
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, BackendError>;

    /// Visits the pairs of `[from, to)` in key order until `visit` breaks.
    ///
    /// Each pair is one that was there during the call; writes made meanwhile may be seen in part. `visit`
    /// must not write to this backend.
    ///
    /// # Errors
    /// As [`get`](Backend::get); the pairs before the damage have been visited.
    fn scan(&self, from: &[u8], to: &[u8], visit: Visit<'_>) -> Result<(), BackendError>;

    /// Puts the batch into the live state: readable at once, durable after the next flush. When a key is in
    /// the batch more than once, the last one counts.
    ///
    /// Until then it is held in memory: flush every 8 MiB or so.
    ///
    /// Of two batches without a flush between them a crash keeps both or neither.
    ///
    /// # Errors
    /// [`BackendError::Refused`] after an error of an earlier write or flush, until [`reopen`](Backend::reopen)
    /// succeeds.
    fn write(&self, batch: Batch) -> Result<(), BackendError>;

    /// When this returns `Ok`, everything written before is durable.
    ///
    /// # Errors
    /// After an error nothing is known about what was written since the last good flush, except that a crash
    /// keeps all of it or nothing. Writes and flushes are refused until [`reopen`](Backend::reopen) succeeds;
    /// reads go on, and see either all of it or nothing. [`BackendError::is_disk_full`] tells the error that
    /// goes away when there is space.
    fn flush(&self) -> Result<(), BackendError>;

    /// Accepts writes again after a failed write or flush. The caller then repeats what it wrote since the last
    /// good flush: the database may hold all of that or nothing.
    ///
    /// Without a failure before, this does nothing.
    ///
    /// # Errors
    /// The cause still stands (the disk is still full, say), and nothing has changed: try again later.
    fn reopen(&self) -> Result<(), OpenError>;

    /// Bytes of all files of this database.
    ///
    /// # Errors
    /// [`BackendError::Read`] if the directory cannot be listed.
    fn size_on_disk(&self) -> Result<u64, BackendError>;
}

/// A place that holds one current database, and may hold a second one that is to replace it (a snapshot
/// being installed).
pub trait BackendHome: Send + Sync + 'static {
    /// The current database, created when there is none. While handles of it live, calling this again
    /// gives the same one.
    ///
    /// # Errors
    /// Damage, a newer format, or a disk that cannot be read or written; the error names the path.
    fn open(&self) -> Result<Arc<dyn Backend>, OpenError>;

    /// A new, empty database beside the current one. An earlier one that was not promoted is removed:
    /// the caller has dropped its handles.
    ///
    /// # Errors
    /// A disk that cannot be read or written.
    fn stage(&self) -> Result<Arc<dyn Backend>, OpenError>;

    /// Makes the staged database current, durably and at once: a crash leaves the old one or the new one.
    /// The caller has flushed it. Its handles stay good; those of the old one do too, and its files go
    /// when they are dropped.
    ///
    /// # Errors
    /// [`OpenError::NothingStaged`], or a disk that cannot be written: the old one is then still current.
    fn promote(&self) -> Result<(), OpenError>;
}
