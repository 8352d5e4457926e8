use std::collections::HashSet;

use kv_mvcc::EtcdEntry;
use kv_types::Revision;
use sha2::{Digest as _, Sha256};

use crate::error::SnapshotFileError;
use crate::file::SnapshotFile;
use crate::import::read_text;

/// What a snapshot holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileStatus {
    /// CRC-32C of the names, keys and values of all buckets.
    pub hash: u32,
    /// The revision of the last change.
    pub revision: Revision,
    /// How many keys there are.
    pub total_keys: u64,
    /// Bytes of the image.
    pub total_bytes: u64,
    /// The version of the format, as far as it says.
    pub version: String,
}

impl SnapshotFile {
    /// Reads everything. Memory: 16 bytes and a little more for each key.
    ///
    /// # Errors
    /// [`SnapshotFileError`] with the first thing that is wrong.
    pub fn status(&self) -> Result<FileStatus, SnapshotFileError> {
        self.check()?;
        let image = self.image();
        let mut hash = 0;
        let mut keys = Keys::default();
        for name in image.buckets() {
            hash = crc32c::crc32c_append(hash, name);
            let Some(mut cursor) = image.cursor(name) else {
                continue;
            };
            while let Some((key, value)) = cursor.next().map_err(|error| self.damaged(error))? {
                hash = crc32c::crc32c_append(hash, key);
                hash = crc32c::crc32c_append(hash, value);
                if name == b"key" {
                    keys.add(key, value)?;
                }
            }
        }
        Ok(FileStatus {
            hash,
            revision: keys.revision,
            total_keys: keys.live.len() as u64,
            total_bytes: image.size(),
            version: read_text(self, "meta", b"storageVersion")?.unwrap_or_default(),
        })
    }
}

#[derive(Default)]
struct Keys {
    revision: Revision,
    /// Digests of them: keys may be long.
    live: HashSet<[u8; 16]>,
}

impl Keys {
    fn add(&mut self, key: &[u8], value: &[u8]) -> Result<(), SnapshotFileError> {
        let entry = EtcdEntry::decode(key, value).map_err(|reason| SnapshotFileError::Entry {
            bucket: "key",
            key: key.to_vec(),
            reason,
        })?;
        match entry {
            EtcdEntry::Row(row) => {
                self.revision = row.revision.main;
                let digest: [u8; 32] = Sha256::digest(&row.key).into();
                let digest = std::array::from_fn(|i| digest[i]);
                if row.tombstone {
                    self.live.remove(&digest);
                } else {
                    self.live.insert(digest);
                }
            }
            EtcdEntry::Revision(revision) => self.revision = revision,
        }
        Ok(())
    }
}
