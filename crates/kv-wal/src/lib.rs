//! The write-ahead log: records in segments, group commit, recovery.
//!
//! One thread takes all that waits to disk with one write and one `fdatasync` and then answers, in order.
//! What was requested can be read at once; what was answered with `Ok` survives a power loss, byte for
//! byte and in order. The log does not know what its entries, vote and committed index mean. The bytes on
//! disk are described in `format.rs`.
//!
//! **Recovery.** A bad record is the torn end of the last write only if nothing that was written after a
//! later sync can be found behind it, in its segment or in a later one; then it is removed and reported in
//! [`Recovered::repaired`]. Anything else is [`OpenError::Damaged`], and the log does not start. What
//! cannot be told apart: damage to the very last batch after a crash looks like a torn one. A log that was
//! closed in order has a mark behind that batch, so there it is noticed.
//!
//! **Failing disks.** Segments are allocated and filled before they are used, so a full disk shows when a
//! segment is created, where nothing of the log is touched: the waiting requests get
//! [`WriteError::NoSpace`] and the state goes back to what is durable, or, with
//! [`Options::full_disk_retry`], they wait. After a failed write or sync the page cache cannot be trusted:
//! the segment is left, the records that shared its last page are written again with the failed batch into
//! a fresh segment, and only then the batch is answered. If that fails, too, the log takes nothing more
//! until it is opened anew; reads go on. Recovery writes the last batch once more before it counts.
//!
//! **Threads.** [`Wal::open`] starts a writer and a helper that prepares and removes segment files.
//! [`Wal::open_manual`] starts none: a simulation calls [`Driver::step`] and gives a [`Storage`] of its
//! own, for example [`faulty::FaultyStorage`].
//!
//! **Choices a user may not expect.** [`Wal::save_committed`] returns a `Result`, as it has no callback.
//! A state has an exclusive `end` instead of a last index, because an empty log also has a place to go on.
//! [`Wal::append`] waits when `queue_bytes` are queued; nothing else waits. A failed request takes
//! with it all that was requested after it, since that was built on it.
mod driver;
mod error;
pub mod faulty;
mod format;
#[cfg(test)]
mod fuzz;
mod index;
mod log;
mod options;
mod queue;
mod recovery;
mod replay;
mod segment;
mod spares;
mod state;
mod stats;
mod storage;
mod view;
mod wal;

pub use driver::Driver;
pub use error::{OpenError, ReadError, WriteError};
pub use format::{FORMAT_VERSION, PAYLOAD_BYTES_MAX};
pub use options::{Observer, Options, Wake};
pub use queue::{Callback, Health};
pub use recovery::{Recovered, Repaired};
pub use state::{Purged, State};
pub use stats::Stats;
pub use storage::{DirStorage, Storage, StorageFile};
pub use wal::{Entry, Wal};
