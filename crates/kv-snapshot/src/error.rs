use std::io;
use std::path::PathBuf;

use kv_bbolt::ImageError;
use kv_machine::MachineError;
use thiserror::Error;

/// Why a snapshot file is refused, or could not be taken over.
#[derive(Debug, Error)]
pub enum SnapshotFileError {
    /// The file could not be opened or read.
    #[error("read {path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// What it holds is no image, or a damaged one.
    #[error("{path} is no usable snapshot: {source}", path = path.display())]
    Image {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: ImageError,
    },
    /// There is no digest at its end.
    #[error("snapshot missing hash but --skip-hash-check=false")]
    DigestMissing,
    /// The digest at its end is not that of the image.
    #[error("expected sha256 {expected}, got {found}: the snapshot is damaged or was changed")]
    Digest {
        /// What the file says.
        expected: String,
        /// What it is.
        found: String,
    },
    /// A bucket that a snapshot has is not there.
    #[error("there is no bucket {0:?}: this is a bbolt database, but no snapshot")]
    BucketMissing(&'static str),
    /// An entry is not what it should be.
    #[error("bucket {bucket:?}, key {key:02x?}: {reason}")]
    Entry {
        /// The bucket.
        bucket: &'static str,
        /// The key.
        key: Vec<u8>,
        /// What is wrong with it.
        reason: String,
    },
    /// The revision cannot be raised by so much.
    #[error("revision {revision} cannot be raised by {by}")]
    RevisionTooLarge {
        /// The revision of the snapshot.
        revision: i64,
        /// By how much.
        by: u64,
    },
    /// The new store could not be written.
    #[error("write the store: {0}")]
    Store(#[from] MachineError),
}
