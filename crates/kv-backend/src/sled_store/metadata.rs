//! sled's metadata directory, as far as we must understand it to tell a crash from damage.
//!
//! | file | content |
//! |---|---|
//! | `snapshot_N` (16 hex digits) | one frame: where every object is, after all logs up to N |
//! | `log_M` | frames, one per flush, each synced before the next |
//! | `*.tmp` | a snapshot that was being written |
//!
//! A frame is 6 bytes of length (little endian), 2 bytes of checksum of these six (the low half of their crc32),
//! the payload, and the crc32 of all that xor 0xAF in 4 bytes. sled stops reading a log at the first bad frame and
//! says nothing, which is right for a torn end and loses flushes when it is damage.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::OpenError;

const HEADER: usize = 8;
const TRAILER: usize = 4;
const CRC_MASK: u32 = 0xAF;
/// The note sled leaves for people.
const NOTE: &str = "DO_NOT_PUT_YOUR_FILES_HERE";

pub(super) fn log_path(dir: &Path, id: u64) -> PathBuf {
    dir.join(format!("log_{id:016x}"))
}

pub(super) fn snapshot_path(dir: &Path, id: u64) -> PathBuf {
    dir.join(format!("snapshot_{id:016x}"))
}

/// The names in the directory.
pub(super) struct Listing {
    /// The newest snapshot: the one that counts.
    pub(super) snapshot: u64,
    /// Older ones, contained in it.
    pub(super) stale_snapshots: BTreeSet<u64>,
    logs: BTreeSet<u64>,
}

pub(super) fn list(dir: &Path) -> Result<Listing, OpenError> {
    let mut snapshots = BTreeSet::new();
    let mut logs = BTreeSet::new();
    for entry in fs::read_dir(dir).map_err(OpenError::io("list", dir))? {
        let name = entry.map_err(OpenError::io("list", dir))?.file_name();
        let name = name.to_string_lossy();
        if name == NOTE || name.ends_with(".tmp") {
            continue;
        }
        let known = match name.split_once('_') {
            Some(("log", id)) => parse_id(id).map(|id| logs.insert(id)),
            Some(("snapshot", id)) => parse_id(id).map(|id| snapshots.insert(id)),
            _ => None,
        };
        // sled panics on names it cannot parse.
        known.ok_or_else(|| damaged(&dir.join(&*name), "unexpected file".to_owned()))?;
    }
    // Created databases have one; without it sled would start an empty database.
    let snapshot = snapshots
        .pop_last()
        .ok_or_else(|| damaged(dir, "it holds no snapshot".to_owned()))?;
    Ok(Listing {
        snapshot,
        stale_snapshots: snapshots,
        logs,
    })
}

impl Listing {
    pub(super) fn logs_after_snapshot(&self) -> impl Iterator<Item = u64> + '_ {
        self.logs.range(self.snapshot + 1..).copied()
    }

    /// Reads the snapshot and the logs that count. A torn end of the last log is what a crash leaves; all else
    /// that is not whole is damage.
    pub(super) fn check(&self, dir: &Path) -> Result<(), OpenError> {
        let path = snapshot_path(dir, self.snapshot);
        let bytes = read(&path)?;
        if frame_len(&bytes) != Some(bytes.len()) {
            return Err(damaged(&path, "its checksum does not fit".to_owned()));
        }
        let last = self.logs.last().copied();
        for (expected, id) in (self.snapshot + 1..).zip(self.logs_after_snapshot()) {
            if id != expected {
                return Err(damaged(
                    &log_path(dir, expected),
                    "it is missing, and later logs are not".to_owned(),
                ));
            }
            check_log(&log_path(dir, id), last == Some(id))?;
        }
        Ok(())
    }
}

fn check_log(path: &Path, may_be_torn: bool) -> Result<(), OpenError> {
    let bytes = read(path)?;
    let mut at = 0;
    while let Some(len) = frame_len(&bytes[at..]) {
        at += len;
    }
    if at == bytes.len() {
        return Ok(());
    }
    if !may_be_torn {
        return Err(damaged(
            path,
            format!("bad checksum at offset {at}, and a later log follows"),
        ));
    }
    // A flush is synced before the next one is written, so nothing whole can follow a torn one.
    match (at + 1..bytes.len()).find(|later| frame_len(&bytes[*later..]).is_some()) {
        Some(later) => Err(damaged(
            path,
            format!("bad checksum at offset {at}, and a good one follows at {later}"),
        )),
        None => Ok(()),
    }
}

/// Length of the frame that starts here, if it is whole.
fn frame_len(bytes: &[u8]) -> Option<usize> {
    let header: [u8; HEADER] = bytes.get(..HEADER)?.try_into().ok()?;
    if crc32fast::hash(&header[..6]).to_le_bytes()[..2] != header[6..] {
        return None;
    }
    let mut len = header;
    len[6..].fill(0);
    let payload = usize::try_from(u64::from_le_bytes(len)).ok()?;
    let end = HEADER.checked_add(payload)?;
    let crc = bytes.get(end..)?.get(..TRAILER)?;
    let fits = (crc32fast::hash(&bytes[..end]) ^ CRC_MASK).to_le_bytes() == *crc;
    fits.then_some(end + TRAILER)
}

fn parse_id(digits: &str) -> Option<u64> {
    let plain = digits.len() == 16 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    plain.then(|| u64::from_str_radix(digits, 16).ok()).flatten()
}

fn read(path: &Path) -> Result<Vec<u8>, OpenError> {
    fs::read(path).map_err(OpenError::io("read", path))
}

fn damaged(path: &Path, reason: String) -> OpenError {
    OpenError::Damaged {
        path: path.to_owned(),
        reason,
    }
}
