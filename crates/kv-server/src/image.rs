use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use kv_machine::Frozen;
use kv_raft::host;
use kv_snapshot::write_image;
use sha2::{Digest, Sha256};
use tokio::sync::OwnedSemaphorePermit;

use crate::error::RequestError;
use crate::status::VERSIONS;

/// Images that a member makes and sends at a time; further ones wait. Each takes as much of the disk as the store.
pub(crate) const IMAGES_MAX: usize = 2;

/// What one message of a stream holds, as etcd's.
const CHUNK_BYTES: usize = 32 << 10;

/// Read from the file at a time, so that reading costs few tasks.
const READ_BYTES: u64 = 1 << 20;

/// An etcd snapshot of one moment on its way to a client: an image in a file that has no name, and goes with this.
pub struct SnapshotImage {
    file: Arc<File>,
    length: u64,
    /// How far the file was read.
    read: u64,
    buffer: Bytes,
    digest: Option<Sha256>,
    _permit: OwnedSemaphorePermit,
}

/// A part of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotChunk {
    /// The bytes.
    pub bytes: Bytes,
    /// How many bytes of the image follow.
    pub remaining: u64,
}

impl SnapshotImage {
    /// Writes the image of a state into a file in `dir`.
    pub(crate) async fn write(
        frozen: Frozen,
        dir: &Path,
        permit: OwnedSemaphorePermit,
    ) -> Result<Self, RequestError> {
        let dir = dir.to_owned();
        let written = host::blocking(move || {
            let file = tempfile::tempfile_in(dir).map_err(|error| error.to_string())?;
            write_image(&frozen, VERSIONS, file).map_err(|error| error.to_string())
        });
        let (file, length) = written
            .await
            .map_err(internal)?
            .map_err(|error| internal(format!("make a snapshot: {error}")))?;
        tracing::info!(bytes = length, "sending a snapshot");
        Ok(Self {
            file: Arc::new(file),
            length,
            read: 0,
            buffer: Bytes::new(),
            digest: Some(Sha256::new()),
            _permit: permit,
        })
    }

    /// The version of its format.
    pub fn version(&self) -> &'static str {
        VERSIONS.storage
    }

    /// The next part; the last one is the SHA-256 of all others. Nothing after it.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub async fn next(&mut self) -> Result<Option<SnapshotChunk>, RequestError> {
        if self.buffer.is_empty() && self.read < self.length {
            self.fill().await?;
        }
        if self.buffer.is_empty() {
            let digest = self.digest.take();
            return Ok(digest.map(|digest| SnapshotChunk {
                bytes: digest.finalize().to_vec().into(),
                remaining: 0,
            }));
        }
        let bytes = self.buffer.split_to(CHUNK_BYTES.min(self.buffer.len()));
        if let Some(digest) = &mut self.digest {
            digest.update(&bytes);
        }
        Ok(Some(SnapshotChunk {
            bytes,
            remaining: self.length - self.read + self.buffer.len() as u64,
        }))
    }

    async fn fill(&mut self) -> Result<(), RequestError> {
        let (file, at) = (Arc::clone(&self.file), self.read);
        let length = READ_BYTES.min(self.length - at);
        let read = host::blocking(move || -> io::Result<Vec<u8>> {
            let mut buffer = vec![0; usize::try_from(length).map_err(io::Error::other)?];
            file.read_exact_at(&mut buffer, at)?;
            Ok(buffer)
        });
        self.buffer = read.await.map_err(internal)?.map_err(internal)?.into();
        self.read += length;
        Ok(())
    }
}

/// The hash of a whole state, as etcd reckons it.
pub(crate) async fn hash(frozen: Frozen) -> Result<u32, RequestError> {
    let hash = host::blocking(move || kv_snapshot::hash(&frozen, VERSIONS));
    hash.await.map_err(internal)?.map_err(internal)
}

fn internal(error: impl ToString) -> RequestError {
    RequestError::Internal(error.to_string())
}

#[cfg(test)]
mod tests {
    use kv_backend::{BackendHome, MemoryHome};
    use kv_machine::Machine;
    use kv_mvcc::StoreOptions;
    use tokio::sync::Semaphore;

    use super::*;

    #[tokio::test]
    async fn chunks_are_counted_down_and_end_with_the_digest() {
        let backend = MemoryHome::default().open().unwrap();
        let machine = Machine::open(backend, StoreOptions::default()).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let permit = Arc::new(Semaphore::new(1)).acquire_owned().await.unwrap();
        let mut image = SnapshotImage::write(machine.freeze(), dir.path(), permit)
            .await
            .unwrap();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        let length = image.length;
        let mut bytes = Vec::new();
        while let Some(chunk) = image.next().await.unwrap() {
            if bytes.len() as u64 == length {
                assert_eq!(chunk.remaining, 0);
                assert_eq!(chunk.bytes, Sha256::digest(&bytes)[..]);
                assert_eq!(image.next().await.unwrap(), None);
                return;
            }
            bytes.extend_from_slice(&chunk.bytes);
            assert_eq!(bytes.len() as u64 + chunk.remaining, length);
        }
        panic!("there was no digest");
    }
}
