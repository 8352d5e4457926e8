use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use kv_wal::faulty::FaultyStorage;
use kv_wal::{Storage, StorageFile};
use parking_lot::{Condvar, Mutex};

/// Holds syncs back while it is closed.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<State>);

#[derive(Default)]
struct State {
    closed: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    pub(crate) fn close(&self) {
        *self.0.closed.lock() = true;
    }

    pub(crate) fn open(&self) {
        *self.0.closed.lock() = false;
        self.0.opened.notify_all();
    }

    fn pass(&self) {
        let mut closed = self.0.closed.lock();
        while *closed {
            self.0.opened.wait(&mut closed);
        }
    }
}

/// A disk whose files are synced only when the gate is open.
pub(crate) struct GatedStorage {
    storage: FaultyStorage,
    gate: Gate,
}

impl GatedStorage {
    pub(crate) fn new(storage: FaultyStorage, gate: Gate) -> Self {
        Self { storage, gate }
    }

    fn gated(&self, file: Arc<dyn StorageFile>) -> Arc<dyn StorageFile> {
        Arc::new(GatedFile {
            file,
            gate: self.gate.clone(),
        })
    }
}

impl Storage for GatedStorage {
    fn list(&self) -> io::Result<Vec<String>> {
        self.storage.list()
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn StorageFile>> {
        Ok(self.gated(self.storage.create(name)?))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn StorageFile>> {
        Ok(self.gated(self.storage.open(name)?))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.storage.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.storage.remove(name)
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.gate.pass();
        self.storage.sync_dir()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.storage.path(name)
    }
}

struct GatedFile {
    file: Arc<dyn StorageFile>,
    gate: Gate,
}

impl StorageFile for GatedFile {
    fn length(&self) -> io::Result<u64> {
        self.file.length()
    }

    fn allocate(&self, length: u64) -> io::Result<bool> {
        self.file.allocate(length)
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.gate.pass();
        self.file.sync_data()
    }
}
