//! The write-ahead log: records in segments, group commit, recovery.
mod driver;
mod error;
pub mod faulty;
mod format;
mod index;
mod log;
mod options;
mod queue;
mod recovery;
mod replay;
mod spares;
mod state;
mod stats;
mod storage;
mod view;
mod wal;

pub use driver::Driver;
pub use error::{OpenError, ReadError, WriteError};
pub use format::{FORMAT_VERSION, PAYLOAD_BYTES_MAX};
pub use options::{Observer, Options};
pub use queue::{Callback, Health};
pub use recovery::{Recovered, Repaired};
pub use state::{Purged, State};
pub use stats::Stats;
pub use storage::{DirStorage, Storage, StorageFile};
pub use wal::{Entry, Wal};
