use std::io::{self, ErrorKind};

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
                !is_refusal(source)
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

/// Whether the system says nothing about what is stored.
fn is_refusal(error: &io::Error) -> bool {
    /// `ENFILE` and `EMFILE`, which have no kind of their own.
    const TOO_MANY_OPEN_FILES: [i32; 2] = [23, 24];
    let too_many = |code| TOO_MANY_OPEN_FILES.contains(&code);
    error.raw_os_error().is_some_and(too_many)
        || matches!(
            error.kind(),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn read_failed(source: io::Error) -> MachineError {
        let path = "db".into();
        BackendError::Read { path, source }.into()
    }

    #[test]
    fn what_does_not_fit_is_damage_and_what_is_only_refused_is_not() {
        let damaged: [MachineError; 4] = [
            read_failed(ErrorKind::InvalidData.into()),
            read_failed(ErrorKind::UnexpectedEof.into()),
            // The disk cannot read it back.
            read_failed(io::Error::from_raw_os_error(5)),
            ReadError::Damaged {
                reason: "block 7".into(),
            }
            .into(),
        ];
        for error in damaged {
            assert!(error.is_damage(), "{error}");
        }
        let refused = [
            read_failed(ErrorKind::PermissionDenied.into()),
            read_failed(ErrorKind::StorageFull.into()),
            read_failed(io::Error::from_raw_os_error(24)),
            MachineError::NewerFormat { found: 9, known: 1 },
        ];
        for error in refused {
            assert!(!error.is_damage(), "{error}");
        }
    }
}
