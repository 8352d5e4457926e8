use std::io::ErrorKind;

use kv_backend::{BackendError, OpenError};
use kv_mvcc::{ReadError, StoreError};
use kv_types::LogId;
use thiserror::Error;

use crate::codec::CodecError;

/// The state could not be opened.
#[derive(Debug, Error)]
pub enum MachineError {
    /// The database could not be read or written.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// The database could not be opened, or not again after a failure.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The revisions in it could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A row could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A record of the machine's own does not decode.
    #[error("record {record} of the state machine is damaged: {source}")]
    Record {
        /// Which record.
        record: &'static str,
        /// What is wrong with it.
        source: CodecError,
    },
    /// The state was written by a later version.
    #[error(
        "state of format {found} is newer than this version of kvd, which reads up to {known}; use the newer kvd"
    )]
    NewerFormat {
        /// The format found.
        found: u64,
        /// The newest format this version reads.
        known: u64,
    },
}

impl MachineError {
    /// Whether what is stored may be damaged, as far as can be told: not if a newer version wrote it, nor if the
    /// system only refuses to read or write it.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Backend(BackendError::Read { source, .. }) | Self::Open(OpenError::Io { source, .. }) => {
                !is_refusal(source.kind())
            }
            Self::Backend(_) | Self::NewerFormat { .. } => false,
            Self::Open(error) => matches!(error, OpenError::Damaged { .. }),
            Self::Store(_) | Self::Read(_) | Self::Record { .. } => true,
        }
    }

    /// Whether it goes away when the disk has space again.
    pub fn is_disk_full(&self) -> bool {
        match self {
            Self::Backend(error) => error.is_disk_full(),
            Self::Open(error) => error.is_disk_full(),
            Self::Store(_) | Self::Read(_) | Self::Record { .. } | Self::NewerFormat { .. } => false,
        }
    }
}

fn is_refusal(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::PermissionDenied
            | ErrorKind::ReadOnlyFilesystem
            | ErrorKind::StorageFull
            | ErrorKind::QuotaExceeded
            | ErrorKind::OutOfMemory
            | ErrorKind::WouldBlock
            | ErrorKind::Interrupted
    )
}

/// A committed entry could not be applied: this member must stop, for it may differ from the others.
#[derive(Debug, Error)]
pub enum ApplyError {
    /// The entry is not a command of this version.
    #[error("entry {log_id} is not a command of this version: {source}")]
    Decode {
        /// The entry.
        log_id: LogId,
        /// What is wrong with it.
        source: CodecError,
    },
    /// A row that the entry needs could not be read.
    #[error("entry {log_id} needs a row that cannot be read: {source}")]
    Read {
        /// The entry.
        log_id: LogId,
        /// Why.
        source: ReadError,
    },
}
