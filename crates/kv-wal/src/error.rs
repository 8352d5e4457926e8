use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use thiserror::Error;

/// Why a log could not be opened. Nothing was changed on disk unless the error is [`OpenError::Io`].
#[derive(Debug, Error)]
pub enum OpenError {
    /// The operating system refused.
    #[error("{action} {}: {source}", file.display())]
    Io {
        /// What was attempted.
        action: &'static str,
        /// On which file.
        file: PathBuf,
        /// Its answer.
        source: io::Error,
    },
    /// What the log holds is not what was written, in a place no crash can explain. The log is left as
    /// it is: take the member's data from another member, or from a backup.
    #[error("log segment {} is damaged at offset {offset}: {reason}", file.display())]
    Damaged {
        /// The segment.
        file: PathBuf,
        /// Where in it, in bytes.
        offset: u64,
        /// What is wrong there.
        reason: &'static str,
    },
    /// There is no log, and none was to be created.
    #[error("there is no log in {}", directory.display())]
    Missing {
        /// Where there is none.
        directory: PathBuf,
    },
    /// A newer build wrote this log.
    #[error("log segment {} has format version {found}, this build reads up to {supported}", file.display())]
    NewerFormat {
        /// The segment.
        file: PathBuf,
        /// Its version.
        found: u32,
        /// The newest version this build knows.
        supported: u32,
    },
}

/// Why a request to the log was not made durable. The callback of each request gets one of these or `Ok`.
///
/// Cheap to clone: one failure ends every request that waits behind it.
#[derive(Clone, Debug, Error)]
pub enum WriteError {
    /// The disk is full. What was acknowledged is safe, reads go on, and so do writes once there is
    /// space. The state went back to what is durable, see [`Wal::state`](crate::Wal::state).
    #[error("no space left on disk to {action} {}", file.display())]
    NoSpace {
        /// What was attempted.
        action: &'static str,
        /// On which file.
        file: PathBuf,
        /// The operating system's answer.
        source: Arc<io::Error>,
    },
    /// A write or sync failed. What was acknowledged is safe and the state went back to what is durable.
    /// What failed may yet be found by the next recovery, unless a later request succeeds.
    #[error("{action} {}: {source}", file.display())]
    Io {
        /// What was attempted.
        action: &'static str,
        /// On which file.
        file: PathBuf,
        /// The operating system's answer.
        source: Arc<io::Error>,
    },
    /// The log could not be kept safe after failures and takes nothing more until it is opened anew.
    #[error("log takes no writes until reopened: {reason}")]
    Poisoned {
        /// What led to it.
        reason: Arc<str>,
    },
    /// An entry does not follow the last one.
    #[error("log entry {found} does not follow the log, which expects {expected}")]
    NotContiguous {
        /// The index that had to come.
        expected: u64,
        /// The index that came.
        found: u64,
    },
    /// A payload or state value is beyond [`PAYLOAD_BYTES_MAX`](crate::PAYLOAD_BYTES_MAX).
    #[error("log record of {bytes} bytes is too large")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// The log was closed.
    #[error("log is closed")]
    Closed,
}

impl WriteError {
    pub(crate) fn io(action: &'static str, file: PathBuf, source: io::Error) -> Self {
        let full = is_full(&source);
        let source = Arc::new(source);
        if full {
            Self::NoSpace { action, file, source }
        } else {
            Self::Io { action, file, source }
        }
    }

    /// Whether the disk, or the owner's quota on it, is full.
    pub fn is_no_space(&self) -> bool {
        matches!(self, Self::NoSpace { .. })
    }
}

/// Whether `error` says that there is no room.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

/// Why entries could not be read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The range starts before the first entry the log holds.
    #[error("log entry {index} is gone, the first is {first}")]
    Purged {
        /// The index asked for.
        index: u64,
        /// The first one that could be had.
        first: u64,
    },
    /// The operating system refused.
    #[error("read {}: {source}", file.display())]
    Io {
        /// The segment.
        file: PathBuf,
        /// The answer.
        source: io::Error,
    },
    /// What was read is not what was written.
    #[error("log segment {} is damaged at offset {offset}: entry {index} fails its check", file.display())]
    Damaged {
        /// The segment.
        file: PathBuf,
        /// Where in it, in bytes.
        offset: u64,
        /// The entry.
        index: u64,
    },
}
