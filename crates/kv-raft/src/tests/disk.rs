use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use kv_wal::faulty::{FaultyStorage, Random};
use kv_wal::{Options, Storage, StorageFile, Wal};
use parking_lot::{Condvar, Mutex};

/// A disk in memory whose syncs can be held up.
#[derive(Clone, Default)]
pub(crate) struct TestDisk {
    storage: FaultyStorage,
    gate: Arc<Gate>,
}

#[derive(Default)]
struct Gate {
    closed: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    fn pass(&self) {
        let mut closed = self.closed.lock();
        while *closed {
            self.opened.wait(&mut closed);
        }
    }

    fn set_closed(&self, closed: bool) {
        *self.closed.lock() = closed;
        self.opened.notify_all();
    }
}

impl TestDisk {
    /// Opens the log on this disk.
    pub(crate) fn open_wal(&self) -> Wal {
        let options = Options {
            segment_bytes: 1024 * 1024,
            first_segment_bytes: 64 * 1024,
            spare_segments: 0,
            full_disk_retry: Some(Duration::from_millis(20)),
            ..Options::default()
        };
        let (wal, driver, _) = Wal::open_manual(Arc::new(self.clone()), options).unwrap();
        thread::spawn(move || driver.run());
        wal
    }

    /// Lets syncs wait, or lets them go on.
    pub(crate) fn stall(&self, stall: bool) {
        self.gate.set_closed(stall);
    }

    /// Leaves room for so many bytes more.
    pub(crate) fn set_free(&self, bytes: Option<u64>) {
        self.storage.set_free(bytes);
    }

    /// What the next start finds after the death of the process.
    pub(crate) fn after_crash(&self) -> Self {
        let after = Self {
            storage: self.storage.copy(),
            gate: Arc::default(),
        };
        self.stall(false);
        after
    }

    /// What the next start finds after a power failure, which happens now.
    pub(crate) fn after_power_loss(&self, random: &mut Random) -> Self {
        let after = Self {
            storage: self.storage.lose_power(random),
            gate: Arc::default(),
        };
        self.stall(false);
        after
    }
}

impl Storage for TestDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        self.storage.list()
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn StorageFile>> {
        self.file(self.storage.create(name)?)
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn StorageFile>> {
        self.file(self.storage.open(name)?)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.storage.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.storage.remove(name)
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.storage.sync_dir()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.storage.path(name)
    }
}

impl TestDisk {
    fn file(&self, file: Arc<dyn StorageFile>) -> io::Result<Arc<dyn StorageFile>> {
        Ok(Arc::new(GatedFile {
            file,
            gate: Arc::clone(&self.gate),
        }))
    }
}

struct GatedFile {
    file: Arc<dyn StorageFile>,
    gate: Arc<Gate>,
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
