//! A home for tests, which loses power, fills its disk and damages what it holds when it is told to.
//!
//! It keeps live bytes apart from durable ones: what a flush has not covered is gone after a crash. Everything
//! it decides by chance follows from its seed.

mod disk;

use std::ops::ControlFlow;
use std::sync::{Arc, Weak};

use bytes::Bytes;
use parking_lot::Mutex;

use self::disk::Disk;
use crate::{Backend, BackendError, BackendHome, Batch, OpenError, Visit};

/// A disk and the power it runs on. Clones are the same disk.
///
/// A crash ends every handle: they answer nothing but errors from then on. The home itself does not open until
/// [`restart`](FaultyHome::restart).
#[derive(Clone)]
pub struct FaultyHome {
    disk: Arc<Mutex<Disk>>,
    handles: Arc<Mutex<Handles>>,
}

#[derive(Default)]
struct Handles {
    current: Weak<FaultyBackend>,
    staged: Weak<FaultyBackend>,
}

impl FaultyHome {
    /// An empty disk without faults.
    pub fn new(seed: u64) -> FaultyHome {
        FaultyHome {
            disk: Arc::new(Mutex::new(Disk::new(seed))),
            handles: Arc::default(),
        }
    }

    /// Loses power now.
    pub fn crash(&self) {
        self.disk.lock().crash();
    }

    /// Loses power within the `flushes`th flush from now on, 1 being the next. Chance decides whether what it had
    /// to make durable is there afterwards: all of it or nothing.
    pub fn crash_at_flush(&self, flushes: u64) {
        self.disk.lock().crash_at_flush(flushes);
    }

    /// Whether the power is lost.
    pub fn is_crashed(&self) -> bool {
        self.disk.lock().is_crashed()
    }

    /// Brings the power back, or ends the process that held the handles: the home opens with what is durable, the
    /// faults that were set are cleared (damage stays), and handles from before stay dead.
    pub fn restart(&self) {
        self.disk.lock().restart();
        *self.handles.lock() = Handles::default();
    }

    /// Lets the `flushes`th flush from now on fail without a crash, 1 being the next. Chance decides whether it was
    /// made durable all the same.
    pub fn fail_flush(&self, flushes: u64) {
        self.disk.lock().fail_flush(flushes);
    }

    /// While the disk is full, flushes that have something to write and the creation of databases fail.
    pub fn set_full(&self, full: bool) {
        self.disk.lock().set_full(full);
    }

    /// Flips one bit in the stored value of a key that begins with `prefix`, without any sign of it in the answer
    /// that a read will get. Returns the key; `None` if nothing is stored under the prefix.
    pub fn flip_bit(&self, prefix: &[u8]) -> Option<Bytes> {
        self.disk.lock().flip_bit(prefix)
    }

    /// Lets every read that meets `key` fail, as a checksum of the database itself would.
    pub fn make_unreadable(&self, key: impl Into<Bytes>) {
        self.disk.lock().make_unreadable(key.into());
    }

    /// Flushes that had something to write, since the disk was made.
    pub fn flushes(&self) -> u64 {
        self.disk.lock().flushes()
    }

    fn handle(&self, number: u64) -> Arc<FaultyBackend> {
        let life = self.disk.lock().life();
        Arc::new(FaultyBackend {
            disk: Arc::clone(&self.disk),
            number,
            life,
        })
    }
}

impl BackendHome for FaultyHome {
    fn open(&self) -> Result<Arc<dyn Backend>, OpenError> {
        let mut handles = self.handles.lock();
        if let Some(open) = handles.current.upgrade().filter(|open| open.is_alive()) {
            return Ok(open);
        }
        let number = self.disk.lock().open()?;
        let open = self.handle(number);
        handles.current = Arc::downgrade(&open);
        Ok(open)
    }

    fn stage(&self) -> Result<Arc<dyn Backend>, OpenError> {
        let mut handles = self.handles.lock();
        let number = self.disk.lock().stage()?;
        let staged = self.handle(number);
        handles.staged = Arc::downgrade(&staged);
        Ok(staged)
    }

    fn promote(&self) -> Result<(), OpenError> {
        let mut handles = self.handles.lock();
        self.disk.lock().promote()?;
        handles.current = std::mem::take(&mut handles.staged);
        Ok(())
    }
}

/// One open database on the disk.
struct FaultyBackend {
    disk: Arc<Mutex<Disk>>,
    number: u64,
    /// Which start of the disk it belongs to.
    life: u64,
}

impl FaultyBackend {
    fn is_alive(&self) -> bool {
        self.disk.lock().check_alive(self.life).is_ok()
    }
}

impl Backend for FaultyBackend {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, BackendError> {
        self.disk.lock().get(self.life, self.number, key)
    }

    fn scan(&self, from: &[u8], to: &[u8], visit: Visit<'_>) -> Result<(), BackendError> {
        // Copied, so that `visit` may read this backend.
        let (pairs, end) = self.disk.lock().range(self.life, self.number, from, to)?;
        for (key, value) in &pairs {
            if let ControlFlow::Break(()) = visit(key, value) {
                return Ok(());
            }
        }
        end.map_or(Ok(()), Err)
    }

    fn write(&self, batch: Batch) -> Result<(), BackendError> {
        self.disk.lock().write(self.life, self.number, batch)
    }

    fn flush(&self) -> Result<(), BackendError> {
        self.disk.lock().flush(self.life, self.number)
    }

    fn reopen(&self) -> Result<(), OpenError> {
        self.disk.lock().reopen(self.life, self.number)
    }

    fn size_on_disk(&self) -> Result<u64, BackendError> {
        self.disk.lock().size(self.life, self.number)
    }
}

impl Drop for FaultyBackend {
    fn drop(&mut self) {
        self.disk.lock().close(self.life, self.number);
    }
}
