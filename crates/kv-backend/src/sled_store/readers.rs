use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::{Mutex, MutexGuard};

use super::engine::Db;

/// Handles for reading. A handle serves one thread at a time, and making one costs more than a read, so there are a
/// few, and a thread takes the one it had before, or any that is free.
///
/// A flush takes none of them: reads go on meanwhile. Only reopening takes all, and then readers wait.
pub(super) struct Readers {
    slots: Box<[Mutex<Option<Db>>]>,
}

thread_local! {
    static PREFERRED: Cell<Option<usize>> = const { Cell::new(None) };
}

/// Hands out preferences, so that threads spread over the slots.
static THREADS: AtomicUsize = AtomicUsize::new(0);

impl Readers {
    pub(super) fn new(count: usize) -> Readers {
        Readers {
            slots: (0..count).map(|_| Mutex::new(None)).collect(),
        }
    }

    /// Runs `read` with a handle; `None` when the database is not open.
    pub(super) fn with<R>(&self, read: impl FnOnce(&Db) -> R) -> Option<R> {
        self.take_slot().as_ref().map(read)
    }

    /// All slots, once no read is in progress; new reads wait until they are given back.
    pub(super) fn stop(&self) -> Stopped<'_> {
        Stopped {
            slots: self.slots.iter().map(Mutex::lock).collect(),
        }
    }

    fn take_slot(&self) -> MutexGuard<'_, Option<Db>> {
        let preferred = PREFERRED.get().unwrap_or_else(|| {
            let fresh = THREADS.fetch_add(1, Ordering::Relaxed);
            PREFERRED.set(Some(fresh));
            fresh
        });
        let count = self.slots.len();
        let mut slots = (preferred..preferred.saturating_add(count)).map(|at| &self.slots[at % count]);
        slots
            .find_map(Mutex::try_lock)
            .unwrap_or_else(|| self.slots[preferred % count].lock())
    }
}

/// The slots while no reader is in.
pub(super) struct Stopped<'a> {
    slots: Vec<MutexGuard<'a, Option<Db>>>,
}

impl Stopped<'_> {
    /// The handles, for dropping or leaking them.
    pub(super) fn take(&mut self) -> Vec<Db> {
        self.slots.iter_mut().filter_map(|slot| slot.take()).collect()
    }

    /// Lets readers in again, to `db`.
    pub(super) fn resume(mut self, db: &Db) {
        for slot in &mut self.slots {
            **slot = Some(db.clone());
        }
    }
}
