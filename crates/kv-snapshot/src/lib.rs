//! etcd's snapshot file: a member's state as etcd's buckets, and back.
//!
//! A file is a bbolt image and the SHA-256 of it (32 bytes). As images are a multiple of 512 bytes long, its length
//! tells whether the digest is there.
//!
//! | bucket | key | value |
//! |---|---|---|
//! | `alarm` | alarm (protobuf: 1 member, 2 kind) | |
//! | `auth` | `authRevision` | 8 bytes, big endian |
//! | `authRoles`, `authUsers` | name | |
//! | `cluster` | `clusterVersion`; `downgrade` | text; JSON |
//! | `key` | revision | key and value, see [`kv_mvcc::EtcdEntry`] |
//! | `lease` | ID, 8 bytes, big endian | protobuf: 1 ID, 2 granted seconds, 3 remaining seconds |
//! | `members` | ID in hexadecimal | JSON |
//! | `members_removed` | ID in hexadecimal | `removed` |
//! | `meta` | `consistent_index`, `term` | 8 bytes, big endian |
//! | | `confState` | JSON |
//! | | `scheduledCompactRev`, `finishedCompactRev` | revision |
//! | | `storageVersion` | text |

mod error;
mod export;
mod file;
mod hash;
mod import;
mod records;
mod status;
#[cfg(test)]
mod tests;

pub use error::SnapshotFileError;
pub use export::{ExportError, Sink, Versions, export, write_image};
pub use file::{Digest, SnapshotFile};
pub use hash::hash;
pub use import::{Imported, RevisionBump};
pub use status::FileStatus;
