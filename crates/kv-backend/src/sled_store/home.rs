use std::path::PathBuf;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::backend::SledBackend;
use super::engine;
use super::generations::Generations;
use crate::{Backend, BackendHome, OpenError};

/// How a sled database uses memory and disk.
#[derive(Clone, Debug)]
pub struct SledOptions {
    /// Bytes of pairs read from disk that sled keeps in memory.
    pub cache_bytes: usize,
    /// Bytes written after which the database is closed and opened again within a flush: until then sled keeps all
    /// that was written in memory. Readers wait some milliseconds.
    pub reopen_bytes: u64,
    /// Bytes that stay free on the disk: a flush that might take them is refused before it begins, as sled survives
    /// a full disk no better than a power loss.
    pub free_bytes_min: u64,
}

impl Default for SledOptions {
    fn default() -> SledOptions {
        SledOptions {
            cache_bytes: 16 * 1024 * 1024,
            reopen_bytes: 16 * 1024 * 1024,
            free_bytes_min: 16 * 1024 * 1024,
        }
    }
}

/// A directory with sled databases: the product's [`BackendHome`].
///
/// One process at a time, which the caller ensures.
///
/// Neighbouring pairs share a leaf, up to four, mostly two when keys are written in order; a leaf takes a slot of
/// (in KiB) ..., 16, 20, 24, 28, 32, 40, 48, 56, 64, 96, 128 or 160. So values of 32,000 bytes fill their slots,
/// and values of 32 KiB waste a third of them.
pub struct SledHome {
    generations: Arc<Generations>,
    handles: Mutex<Handles>,
}

#[derive(Default)]
struct Handles {
    current: Weak<SledBackend>,
    staged: Weak<SledBackend>,
}

impl SledHome {
    /// The home in `dir`, which is created when the first database is.
    pub fn new(dir: impl Into<PathBuf>) -> SledHome {
        SledHome::with_options(dir, SledOptions::default())
    }

    /// [`SledHome::new`] with other limits.
    pub fn with_options(dir: impl Into<PathBuf>, options: SledOptions) -> SledHome {
        SledHome {
            generations: Arc::new(Generations::new(dir.into(), options)),
            handles: Mutex::default(),
        }
    }
}

impl BackendHome for SledHome {
    fn open(&self) -> Result<Arc<dyn Backend>, OpenError> {
        let mut handles = self.handles.lock();
        if let Some(open) = handles.current.upgrade() {
            return Ok(open);
        }
        let (number, db) = match self.generations.current()? {
            Some(number) => (
                number,
                engine::open(&self.generations.dir(number), self.generations.cache_bytes())?,
            ),
            None => {
                let (number, db) = self.generations.create()?;
                if let Err(error) = self.generations.make_current(number) {
                    engine::leak(db);
                    return Err(error);
                }
                (number, db)
            }
        };
        let open = SledBackend::new(Arc::clone(&self.generations), number, db);
        handles.current = Arc::downgrade(&open);
        Ok(open)
    }

    fn stage(&self) -> Result<Arc<dyn Backend>, OpenError> {
        let mut handles = self.handles.lock();
        if let Some(number) = self.generations.unstage()? {
            discard(&handles.staged, || self.generations.remove(number));
        }
        let (number, db) = self.generations.create()?;
        self.generations.set_staged(number);
        let staged = SledBackend::new(Arc::clone(&self.generations), number, db);
        handles.staged = Arc::downgrade(&staged);
        Ok(staged)
    }

    fn promote(&self) -> Result<(), OpenError> {
        let mut handles = self.handles.lock();
        let replaced = self.generations.promote()?;
        if let Some(number) = replaced {
            discard(&handles.current, || self.generations.remove(number));
        }
        handles.current = std::mem::take(&mut handles.staged);
        Ok(())
    }
}

/// Removes files no longer needed: at once, or with the last handle that reads them.
fn discard(handle: &Weak<SledBackend>, remove: impl FnOnce()) {
    match handle.upgrade() {
        Some(open) => open.set_obsolete(),
        None => remove(),
    }
}
