use std::io;

use thiserror::Error;

/// Why an image cannot be read.
#[derive(Debug, Error)]
pub enum ImageError {
    /// The file could not be read.
    #[error("read {bytes} bytes at byte {offset}: {source}")]
    Io {
        /// Where.
        offset: u64,
        /// How much.
        bytes: usize,
        /// What the system said.
        source: io::Error,
    },
    /// Neither meta page is one.
    #[error("this is no bbolt database: neither of its two meta pages is valid")]
    NoMeta,
    /// It is shorter than its meta page says.
    #[error("it is truncated: it should have {expected} bytes, but has {found}")]
    Truncated {
        /// What it should have.
        expected: u64,
        /// What it has.
        found: u64,
    },
    /// A page is not what it should be.
    #[error("page {page}: {reason}")]
    Page {
        /// Its number.
        page: u64,
        /// What is wrong.
        reason: String,
    },
}

impl ImageError {
    pub(crate) fn page(page: u64, reason: impl Into<String>) -> Self {
        Self::Page {
            page,
            reason: reason.into(),
        }
    }
}

/// Why an image could not be written.
#[derive(Debug, Error)]
pub enum WriteError {
    /// The file could not be written.
    #[error("write the image: {0}")]
    Io(#[from] io::Error),
    /// Keys come in ascending order, and so do the names of buckets.
    #[error("key {key:02x?} does not come after the one before it")]
    OutOfOrder {
        /// The key.
        key: Vec<u8>,
    },
    /// The format has no place for a key or value of this length, or for an empty key.
    #[error("a key of {key_bytes} bytes with a value of {value_bytes} bytes has no place in an image")]
    Length {
        /// Of the key.
        key_bytes: usize,
        /// Of the value.
        value_bytes: usize,
    },
}
