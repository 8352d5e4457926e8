use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use kv_bbolt::{Cursor, Image, ImageError};
use sha2::Sha256;

use crate::error::SnapshotFileError;

/// Length of the digest.
const DIGEST_BYTES: u64 = 32;

/// An image's length is a multiple of this.
const SECTOR_BYTES: u64 = 512;

/// How much is read at a time.
const BUFFER_BYTES: usize = 64 << 10;

/// What is done with the digest at the end of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Digest {
    /// It must be there, and fit.
    Required,
    /// It must fit if it is there.
    Optional,
    /// It is not looked at.
    Skipped,
}

/// A snapshot file, opened and found to be one.
#[derive(Debug)]
pub struct SnapshotFile {
    path: PathBuf,
    image: Image<File>,
}

impl SnapshotFile {
    /// Opens a file and checks its digest, which reads all of it. What is in the image is checked as it is read.
    ///
    /// # Errors
    /// [`SnapshotFileError`] with what is wrong.
    pub fn open(path: &Path, digest: Digest) -> Result<Self, SnapshotFileError> {
        let in_file = |source| SnapshotFileError::Io {
            path: path.to_owned(),
            source,
        };
        let mut file = File::open(path).map_err(in_file)?;
        let length = file.metadata().map_err(in_file)?.len();
        let has_digest = length % SECTOR_BYTES == DIGEST_BYTES;
        let image_length = length - if has_digest { DIGEST_BYTES } else { 0 };
        let copy = file.try_clone().map_err(in_file)?;
        // First, so that a file that ends too early is called that.
        let image = Image::open(copy, image_length).map_err(|source| in_image(path, source))?;
        match digest {
            Digest::Required if !has_digest => return Err(SnapshotFileError::DigestMissing),
            Digest::Required | Digest::Optional if has_digest => {
                check_digest(&mut file, image_length, path)?;
            }
            Digest::Required | Digest::Optional | Digest::Skipped => {}
        }
        Ok(Self {
            path: path.to_owned(),
            image,
        })
    }

    /// Reads every page, whether or not its content is of use.
    ///
    /// # Errors
    /// [`SnapshotFileError::Image`] of the first page that is wrong.
    pub fn check(&self) -> Result<(), SnapshotFileError> {
        self.image.check().map_err(|source| in_image(&self.path, source))
    }

    pub(crate) fn image(&self) -> &Image<File> {
        &self.image
    }

    /// A bucket that every snapshot has.
    pub(crate) fn bucket(&self, name: &'static str) -> Result<Cursor<'_, File>, SnapshotFileError> {
        let cursor = self.image.cursor(name.as_bytes());
        cursor.ok_or(SnapshotFileError::BucketMissing(name))
    }

    pub(crate) fn damaged(&self, source: ImageError) -> SnapshotFileError {
        in_image(&self.path, source)
    }
}

fn in_image(path: &Path, source: ImageError) -> SnapshotFileError {
    SnapshotFileError::Image {
        path: path.to_owned(),
        source,
    }
}

/// `file` is read from its beginning.
fn check_digest(file: &mut File, image_length: u64, path: &Path) -> Result<(), SnapshotFileError> {
    let (found, expected) = read_digests(file, image_length).map_err(|source| SnapshotFileError::Io {
        path: path.to_owned(),
        source,
    })?;
    if found == expected {
        return Ok(());
    }
    Err(SnapshotFileError::Digest {
        expected: hex(&expected),
        found: hex(&found),
    })
}

/// The digest of the image, and the one behind it.
fn read_digests(file: &mut File, image_length: u64) -> io::Result<([u8; 32], [u8; 32])> {
    use sha2::Digest as _;

    file.seek(SeekFrom::Start(0))?;
    let mut sha = Sha256::new();
    let mut image = file.take(image_length);
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let count = image.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        sha.update(&buffer[..count]);
    }
    let mut expected = [0; 32];
    image.into_inner().read_exact(&mut expected)?;
    Ok((sha.finalize().into(), expected))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
