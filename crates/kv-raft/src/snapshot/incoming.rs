use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use parking_lot::Mutex;

use crate::{SnapshotError, SnapshotMeta};

/// A snapshot on its way from another member, in the file `incoming-<id>`.
///
/// | Bytes | Content |
/// |---|---|
/// | 8 | `kvdsnap1` |
/// | then for each frame 4 | its length, little-endian |
/// | 4 | its crc32c |
/// | length | the frame |
///
/// What it holds is only a copy in transit, so nothing of it is synced: a torn or damaged end costs those frames a
/// second journey. It goes away when it is dropped, if it was [finished](Incoming::finish).
pub(crate) struct Incoming {
    meta: SnapshotMeta,
    frames: u64,
    path: PathBuf,
    write: Mutex<Position>,
    finished: Mutex<bool>,
}

struct Position {
    file: File,
    frames: u64,
}

const MAGIC: &[u8; 8] = b"kvdsnap1";

/// Largest frame, in bytes.
pub(crate) const FRAME_BYTES_MAX: usize = 64 * 1024 * 1024;

const PREFIX: &str = "incoming-";

impl Incoming {
    /// Opens what there is of a snapshot of so many frames, or begins it. Removes what there is of others.
    pub(crate) fn open(directory: &Path, meta: SnapshotMeta, frames: u64) -> io::Result<Self> {
        if !is_valid_id(&meta.id) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "snapshot ID is none"));
        }
        let name = format!("{PREFIX}{}", meta.id);
        for item in fs::read_dir(directory)? {
            let item = item?;
            let other = item.file_name();
            if other != *name && other.to_string_lossy().starts_with(PREFIX) {
                fs::remove_file(item.path())?;
            }
        }
        let path = directory.join(name);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)?;
        let (end, present) = Self::scan(&mut file, frames)?;
        file.set_len(end)?;
        file.seek(SeekFrom::Start(end))?;
        if end == 0 {
            file.write_all(MAGIC)?;
        }
        let write = Mutex::new(Position {
            file,
            frames: present,
        });
        Ok(Self {
            meta,
            frames,
            path,
            write,
            finished: Mutex::new(false),
        })
    }

    /// Where the whole frames end, and how many there are.
    fn scan(file: &mut File, frames: u64) -> io::Result<(u64, u64)> {
        let mut reader = BufReader::new(file);
        let mut magic = [0; 8];
        if !read_whole(&mut reader, &mut magic)? || magic != *MAGIC {
            return Ok((0, 0));
        }
        let mut end = MAGIC.len() as u64;
        let mut present = 0;
        while present < frames {
            let Some(frame) = read_frame(&mut reader)? else {
                break;
            };
            end += 8 + frame.len() as u64;
            present += 1;
        }
        Ok((end, present))
    }

    pub(crate) fn meta(&self) -> &SnapshotMeta {
        &self.meta
    }

    /// The first frame that is missing.
    pub(crate) fn wanted(&self) -> u64 {
        self.write.lock().frames
    }

    /// Whether all frames are here.
    pub(crate) fn is_whole(&self) -> bool {
        self.wanted() == self.frames
    }

    /// Takes the next frame. Blocking.
    pub(crate) fn push(&self, number: u64, crc: u32, frame: &[u8]) -> io::Result<()> {
        let invalid = |reason: String| Err(io::Error::new(io::ErrorKind::InvalidData, reason));
        let mut write = self.write.lock();
        if number != write.frames || number >= self.frames {
            return invalid(format!(
                "snapshot frame {number} came instead of {}",
                write.frames
            ));
        }
        if frame.len() > FRAME_BYTES_MAX {
            return invalid(format!("snapshot frame {number} has {} bytes", frame.len()));
        }
        if crc32c::crc32c(frame) != crc {
            return invalid(format!("snapshot frame {number} is damaged"));
        }
        let length = u32::try_from(frame.len()).expect("checked against the largest frame above");
        write.file.write_all(&length.to_le_bytes())?;
        write.file.write_all(&crc.to_le_bytes())?;
        write.file.write_all(frame)?;
        write.frames += 1;
        Ok(())
    }

    /// Reads the frames back. Blocking.
    pub(crate) fn frames(&self) -> Result<impl Iterator<Item = Result<Bytes, SnapshotError>>, SnapshotError> {
        let file = File::open(&self.path).map_err(SnapshotError::new)?;
        let mut reader = BufReader::new(file);
        let mut magic = [0; 8];
        reader.read_exact(&mut magic).map_err(SnapshotError::new)?;
        Ok((0..self.frames).map(move |number| match read_frame(&mut reader) {
            Ok(Some(frame)) => Ok(frame),
            Ok(None) => Err(SnapshotError::new(format!(
                "received snapshot frame {number} is damaged"
            ))),
            Err(error) => Err(SnapshotError::new(error)),
        }))
    }

    /// Says that the snapshot is installed and not needed here any more.
    pub(crate) fn finish(&self) {
        *self.finished.lock() = true;
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if *self.finished.get_mut()
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!(%error, path = %self.path.display(), "installed snapshot file stays");
        }
    }
}

/// A frame, unless it is cut off or damaged.
fn read_frame(reader: &mut impl Read) -> io::Result<Option<Bytes>> {
    let mut header = [0; 8];
    if !read_whole(reader, &mut header)? {
        return Ok(None);
    }
    let [l0, l1, l2, l3, c0, c1, c2, c3] = header;
    let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
    let crc = u32::from_le_bytes([c0, c1, c2, c3]);
    if length > FRAME_BYTES_MAX {
        return Ok(None);
    }
    let mut frame = vec![0; length];
    let whole = read_whole(reader, &mut frame)? && crc32c::crc32c(&frame) == crc;
    Ok(whole.then(|| frame.into()))
}

fn read_whole(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match reader.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

/// An ID becomes part of a file name.
pub(crate) fn is_valid_id(id: &str) -> bool {
    (1..=64).contains(&id.len())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use kv_types::LogId;

    use super::*;

    fn meta(id: &str) -> SnapshotMeta {
        SnapshotMeta {
            id: id.into(),
            log_id: LogId::default(),
            membership: Bytes::new(),
        }
    }

    fn push(incoming: &Incoming, number: u64, frame: &[u8]) {
        incoming.push(number, crc32c::crc32c(frame), frame).unwrap();
    }

    fn read(incoming: &Incoming) -> Vec<Bytes> {
        incoming.frames().unwrap().map(Result::unwrap).collect()
    }

    #[test]
    fn a_transfer_goes_on_after_the_last_whole_frame() {
        let directory = tempfile::tempdir().unwrap();
        let open = || Incoming::open(directory.path(), meta("a-1"), 3).unwrap();
        {
            let incoming = open();
            assert_eq!(incoming.wanted(), 0);
            push(&incoming, 0, b"zero");
            push(&incoming, 1, b"one");
        }
        // The last byte of the file is lost, and with it the second frame.
        let path = directory.path().join("incoming-a-1");
        let length = fs::metadata(&path).unwrap().len();
        OpenOptions::new()
            .write(true)
            .open(&path)
            .unwrap()
            .set_len(length - 1)
            .unwrap();
        let incoming = open();
        assert_eq!(incoming.wanted(), 1);
        push(&incoming, 1, b"one");
        push(&incoming, 2, b"");
        assert!(incoming.is_whole());
        assert_eq!(read(&incoming), ["zero", "one", ""]);
        incoming.finish();
        drop(incoming);
        assert!(!path.exists());
    }

    #[test]
    fn damaged_and_misplaced_frames_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let incoming = Incoming::open(directory.path(), meta("a"), 2).unwrap();
        assert!(incoming.push(0, 1, b"zero").is_err());
        assert!(incoming.push(1, crc32c::crc32c(b"one"), b"one").is_err());
        push(&incoming, 0, b"zero");
        push(&incoming, 1, b"one");
        assert!(incoming.push(2, crc32c::crc32c(b"two"), b"two").is_err());
    }

    #[test]
    fn another_snapshot_replaces_what_came_of_the_first() {
        let directory = tempfile::tempdir().unwrap();
        push(
            &Incoming::open(directory.path(), meta("a"), 2).unwrap(),
            0,
            b"zero",
        );
        fs::write(directory.path().join("unrelated"), b"").unwrap();
        assert_eq!(
            Incoming::open(directory.path(), meta("b"), 2).unwrap().wanted(),
            0
        );
        assert!(!directory.path().join("incoming-a").exists() && directory.path().join("unrelated").exists());
    }

    #[test]
    fn ids_cannot_leave_the_directory() {
        for id in ["", "../x", "a/b", "a.b", &"a".repeat(65)] {
            assert!(!is_valid_id(id), "{id}");
        }
        assert!(is_valid_id("1f-22-A"));
    }
}
