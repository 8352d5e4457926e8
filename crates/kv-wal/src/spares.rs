use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use parking_lot::Mutex;
use tracing::warn;

use crate::error::WriteError;
use crate::stats::{Meter, add};
use crate::storage::{Storage, StorageFile};

const SPARE_PREFIX: &str = "spare-";
const NEW_PREFIX: &str = "new-";
/// Written at once while a file is filled.
static ZEROS: [u8; 256 << 10] = [0; 256 << 10];
/// Filled between two syncs, so that the sync of a batch never waits for a whole segment of zeros.
const FILL_SYNC_BYTES: u64 = 4 << 20;

/// A file that is to become a segment: its space is allocated, durably, and its content has no meaning.
pub(crate) struct Spare {
    pub(crate) name: String,
    pub(crate) file: Arc<dyn StorageFile>,
    pub(crate) capacity: u64,
    /// See [`Segment::filled`](crate::segment::Segment::filled).
    pub(crate) filled: u64,
}

/// Files ready to become segments. Shared by the writer, who takes them, and the thread that makes them.
pub(crate) struct Spares {
    storage: Arc<dyn Storage>,
    meter: Arc<Meter>,
    /// Length of the files worth keeping.
    capacity: u64,
    keep: usize,
    ready: Mutex<Ready>,
}

struct Ready {
    files: VecDeque<Spare>,
    next_id: u64,
    /// Set from a request for preparation until a file was taken: one attempt is enough, and a full disk
    /// is not filled again and again.
    asked: bool,
}

impl Spares {
    pub(crate) fn new(storage: Arc<dyn Storage>, meter: Arc<Meter>, capacity: u64, keep: usize) -> Self {
        let ready = Mutex::new(Ready {
            files: VecDeque::new(),
            next_id: 1,
            asked: false,
        });
        Self {
            storage,
            meter,
            capacity,
            keep,
            ready,
        }
    }

    /// Takes over the spare files among `names` and removes what was not finished. With `trusted` false
    /// all are removed: where there are no segments, nobody knows what the files hold.
    pub(crate) fn adopt(&self, names: &[String], trusted: bool) -> io::Result<()> {
        for name in names {
            if is_unfinished(name) {
                self.storage.remove(name)?;
            } else if let Some(id) = spare_id(name) {
                let file = self.storage.open(name)?;
                let capacity = file.length()?;
                let mut ready = self.ready.lock();
                ready.next_id = ready.next_id.max(id + 1);
                if trusted && capacity == self.capacity && ready.files.len() < self.keep {
                    ready.files.push_back(Spare {
                        name: name.clone(),
                        file,
                        capacity,
                        filled: 0,
                    });
                } else {
                    self.storage.remove(name)?;
                }
            }
        }
        Ok(())
    }

    /// A ready file of at least `capacity` bytes, or a new one of exactly that many.
    ///
    /// A full disk shows here, where nothing of the log has been touched.
    pub(crate) fn take(&self, capacity: u64) -> Result<Spare, WriteError> {
        let mut ready = self.ready.lock();
        ready.asked = false;
        if let Some(at) = ready.files.iter().position(|spare| spare.capacity >= capacity)
            && let Some(spare) = ready.files.remove(at)
        {
            return Ok(spare);
        }
        drop(ready);
        self.make(capacity)
    }

    /// Whether to call [`Spares::prepare`]; says so once.
    pub(crate) fn ask(&self) -> bool {
        let mut ready = self.ready.lock();
        let wanted = self.keep > 0 && ready.files.is_empty() && !ready.asked;
        ready.asked |= wanted;
        wanted
    }

    /// Makes a file of `capacity` bytes ready.
    pub(crate) fn prepare(&self, capacity: u64) {
        // A failure costs nothing yet; the writer meets it again when it needs the file.
        if let Err(error) = self.make(capacity).and_then(|spare| self.keep_ready(spare)) {
            warn!(%error, "log segment could not be prepared ahead");
        }
    }

    /// Keeps the file of a purged segment for use again, or removes it.
    pub(crate) fn retire(&self, spare: Spare) {
        let wanted = spare.capacity == self.capacity && self.ready.lock().files.len() < self.keep;
        let name = spare.name.clone();
        let done = if wanted {
            self.keep_ready(spare)
        } else {
            let error = |error| WriteError::io("remove log segment", self.storage.path(&name), error);
            self.storage.remove(&name).map_err(error)
        };
        // What stays is found, and purged, by the next recovery.
        if let Err(error) = done {
            warn!(%error, "purged log segment stays on disk");
        }
    }

    fn keep_ready(&self, spare: Spare) -> Result<(), WriteError> {
        let name = format!("{SPARE_PREFIX}{:016x}", self.next_id());
        self.storage
            .rename(&spare.name, &name)
            .map_err(|error| WriteError::io("rename log segment", self.storage.path(&spare.name), error))?;
        self.ready.lock().files.push_back(Spare { name, ..spare });
        Ok(())
    }

    fn make(&self, capacity: u64) -> Result<Spare, WriteError> {
        let name = format!("{NEW_PREFIX}{:016x}.tmp", self.next_id());
        let filled = self
            .storage
            .create(&name)
            .and_then(|file| Ok((fill(&*file, capacity)?, file)));
        match filled {
            Ok((filled, file)) => {
                add(&self.meter.segments_created, 1);
                Ok(Spare {
                    name,
                    file,
                    capacity,
                    filled,
                })
            }
            Err(error) => {
                // Gives back what a full disk let us have; if that fails too, the next open removes it.
                if let Err(error) = self.storage.remove(&name) {
                    warn!(%error, file = %self.storage.path(&name).display(), "unfinished log segment stays on disk");
                }
                Err(WriteError::io(
                    "create log segment",
                    self.storage.path(&name),
                    error,
                ))
            }
        }
    }

    fn next_id(&self) -> u64 {
        let mut ready = self.ready.lock();
        ready.next_id += 1;
        ready.next_id - 1
    }
}

/// Gives a new file its space, durably. Returns how far it had to be filled for that.
fn fill(file: &dyn StorageFile, capacity: u64) -> io::Result<u64> {
    let filled = if file.allocate(capacity)? { 0 } else { capacity };
    write_zeros(file, 0, filled)?;
    file.sync_data()?;
    Ok(filled)
}

/// Writes zeros from `start` to `end`, syncing now and then but not at the end.
pub(crate) fn write_zeros(file: &dyn StorageFile, start: u64, end: u64) -> io::Result<()> {
    let mut offset = start;
    let mut unsynced = 0;
    while offset < end {
        let length = (end - offset).min(ZEROS.len() as u64);
        let chunk = usize::try_from(length).unwrap_or(ZEROS.len());
        file.write_all_at(&ZEROS[..chunk], offset)?;
        offset += length;
        unsynced += length;
        if unsynced >= FILL_SYNC_BYTES {
            file.sync_data()?;
            unsynced = 0;
        }
    }
    Ok(())
}

fn spare_id(name: &str) -> Option<u64> {
    u64::from_str_radix(name.strip_prefix(SPARE_PREFIX)?, 16)
        .ok()
        .filter(|id| *id < u64::MAX)
}

fn is_unfinished(name: &str) -> bool {
    name.starts_with(NEW_PREFIX) && name.ends_with(".tmp")
}
