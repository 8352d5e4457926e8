use std::io;
use std::path::{Path, PathBuf};

/// Why a database could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// The disk could not be read, or what it holds is damaged.
    #[error("read backend at {path}: {source}", path = path.display())]
    Read {
        /// The database.
        path: PathBuf,
        /// What the system or the checksum said.
        source: io::Error,
    },
    /// A batch could not be taken.
    #[error("write to backend at {path}: {source}", path = path.display())]
    Write {
        /// The database.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// What was written could not be made durable.
    #[error("flush backend at {path}: {source}", path = path.display())]
    Flush {
        /// The database.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// An earlier write or flush failed, and the database has not been reopened since.
    #[error("backend at {path} refuses writes since an earlier one failed", path = path.display())]
    Refused {
        /// The database.
        path: PathBuf,
    },
}

impl BackendError {
    /// Whether it goes away when the disk has space again.
    pub fn is_disk_full(&self) -> bool {
        match self {
            BackendError::Read { .. } | BackendError::Refused { .. } => false,
            BackendError::Write { source, .. } | BackendError::Flush { source, .. } => is_disk_full(source),
        }
    }
}

/// Why a database could not be opened, created or made current.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The system refused a file operation.
    #[error("{attempt} {path}: {source}", path = path.display())]
    Io {
        /// What was attempted, to be read before the path.
        attempt: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The files contradict themselves: the database is to be set aside, and its content fetched from another
    /// member or from the log.
    #[error("backend at {path} is damaged: {reason}", path = path.display())]
    Damaged {
        /// The file or directory.
        path: PathBuf,
        /// What does not fit.
        reason: String,
    },
    /// A newer program wrote it.
    #[error("backend at {path} has format {found}, this program knows formats up to {supported}", path = path.display())]
    NewerFormat {
        /// The file that says so.
        path: PathBuf,
        /// The format it names.
        found: u32,
        /// The newest format known here.
        supported: u32,
    },
    /// There is no staged database to promote.
    #[error("nothing is staged at {path}", path = path.display())]
    NothingStaged {
        /// The home.
        path: PathBuf,
    },
}

impl OpenError {
    pub(crate) fn io(attempt: &'static str, path: &Path) -> impl FnOnce(io::Error) -> OpenError {
        let path = path.to_owned();
        move |source| OpenError::Io {
            attempt,
            path,
            source,
        }
    }

    /// Whether it goes away when the disk has space again.
    pub fn is_disk_full(&self) -> bool {
        matches!(self, OpenError::Io { source, .. } if is_disk_full(source))
    }
}

fn is_disk_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}
