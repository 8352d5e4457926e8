//! One open sled database.
//!
//! Every handle of it (a [`Db`], each clone, each iterator) flushes when it is dropped, and hangs in that for ever
//! when an earlier flush has failed. So handles are dropped only when a flush has just found nothing to do
//! ([`settle`]), and leaked after a failure ([`leak`]).

use std::io;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::precautions;
use crate::OpenError;

/// Pairs per leaf. Blocks of 16 to 64 KiB in leaves of more would make each flush rewrite a lot around them.
const LEAF_FANOUT: usize = 4;
/// Values come compressed; this pays for keys and small values only.
const ZSTD_LEVEL: i32 = 1;
/// A slab whose slots are filled less than this is compacted within a flush, all that is to be moved at once in
/// memory: sled's own 0.9 moves twice as much to save a tenth of the disk.
const FILL_RATIO: f32 = 0.75;
/// Flushes in which sled may move objects to smaller offsets before it must come to rest.
const SETTLE_ROUNDS_MAX: usize = 64;
/// Slots freed by a flush become known to be free some flushes later, and may then give cause to move more.
const CALM_ROUNDS: usize = 8;
/// How long a database just closed may stay locked: its background thread, or a child process between fork and
/// exec, may hold the lock a moment longer.
const LOCKED_MAX: Duration = Duration::from_secs(2);

pub(super) type Db = sled::Db<LEAF_FANOUT>;

/// An empty database in `dir`, which does not exist. Its files are durable when this returns.
pub(super) fn create(dir: &Path, cache_bytes: usize) -> Result<Db, OpenError> {
    let db = open_sled(dir, cache_bytes)?;
    if let Err(error) = precautions::settle_new(dir) {
        leak(db);
        return Err(error);
    }
    Ok(db)
}

/// The database in `dir`, which [`create`] made.
pub(super) fn open(dir: &Path, cache_bytes: usize) -> Result<Db, OpenError> {
    precautions::repair(dir)?;
    open_sled(dir, cache_bytes)
}

fn open_sled(dir: &Path, cache_bytes: usize) -> Result<Db, OpenError> {
    let mut config = sled::Config::new()
        .path(dir)
        .cache_capacity_bytes(cache_bytes)
        .zstd_compression_level(ZSTD_LEVEL)
        .flush_every_ms(None);
    config.target_heap_file_fill_ratio = FILL_RATIO;
    let deadline = Instant::now() + LOCKED_MAX;
    loop {
        match config.open() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && Instant::now() < deadline => {
                thread::sleep(Duration::from_millis(1));
            }
            opened => return opened.map_err(OpenError::io("open backend at", dir)),
        }
    }
}

/// Puts changes into the tree. After an error some are in it.
pub(super) fn apply<'a>(
    db: &Db,
    changes: impl Iterator<Item = (&'a Bytes, &'a Option<Bytes>)>,
) -> io::Result<()> {
    for (key, value) in changes {
        // One by one: sled's batches never give back leaves they have emptied.
        match value {
            Some(value) => db.insert(key, &value[..])?,
            None => db.remove(key)?,
        };
    }
    Ok(())
}

/// Flushes until there is nothing left to flush, so that dropping a handle will do nothing. `false` if sled keeps
/// finding something to move.
pub(super) fn settle(db: &Db) -> io::Result<bool> {
    let mut calm = 0;
    for _ in 0..SETTLE_ROUNDS_MAX {
        calm = if db.flush()?.objects_flushed == 0 {
            calm + 1
        } else {
            0
        };
        if calm == CALM_ROUNDS {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Visits pairs from `from` on until `visit` breaks. Nothing is unflushed in `db`.
pub(super) fn scan(
    db: &Db,
    from: &[u8],
    mut visit: impl FnMut(sled::InlineArray, sled::InlineArray) -> std::ops::ControlFlow<()>,
) -> io::Result<()> {
    // Dropping the iterator flushes.
    settle(db)?;
    // Without an end: given one, sled goes on to the last leaf all the same.
    for pair in db.range(from..) {
        let (key, value) = pair?;
        if visit(key, value).is_break() {
            break;
        }
    }
    Ok(())
}

/// Gives up a handle whose dropping would hang or write.
pub(super) fn leak(db: Db) {
    std::mem::forget(db);
}
