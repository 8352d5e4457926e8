use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kv_backend::faulty::FaultyHome;
use kv_wal::faulty::{FaultyStorage, Random};
use parking_lot::Mutex;
use tempfile::TempDir;

use crate::chance;
use crate::rot::Rot;

/// What a member keeps when it is not running, and how its disk behaves.
pub(crate) struct Disk {
    pub(crate) log: FaultyStorage,
    pub(crate) store: FaultyHome,
    pub(crate) pace: SyncPace,
    /// Whether a fault is due or going on that may fail what the member does.
    troubled: AtomicBool,
    rot: Mutex<Option<Rot>>,
    // Only copies in transit are there, and they are checked: files of the real system will do.
    snapshots: TempDir,
}

impl Disk {
    pub(crate) fn new(seed: u64) -> std::io::Result<Self> {
        Ok(Self {
            log: FaultyStorage::new(),
            store: FaultyHome::new(seed),
            pace: SyncPace::default(),
            troubled: AtomicBool::new(false),
            rot: Mutex::new(None),
            snapshots: tempfile::tempdir()?,
        })
    }

    pub(crate) fn snapshot_dir(&self) -> PathBuf {
        self.snapshots.path().join("snap")
    }

    /// Switches the power off: what was not synced is lost by chance. The disk is then ready for the next start.
    pub(crate) fn lose_power(&mut self, random: &mut Random) {
        self.store.crash();
        self.log = self.log.lose_power(random);
        self.repair();
    }

    /// Ends the process that used the disk; the page cache stays.
    pub(crate) fn end_process(&mut self, random: &mut Random) {
        let left = self.log.copy();
        // What is left of the process must not write any more.
        let _ = self.log.lose_power(random);
        self.log = left;
        self.repair();
    }

    /// Ends all faults of the disk.
    fn repair(&mut self) {
        self.store.restart();
        self.log.set_free(None);
        self.pace.set(Speed::Normal);
        self.troubled.store(false, Ordering::Relaxed);
    }

    /// Whether the disk may have failed what the member did.
    pub(crate) fn is_troubled(&self) -> bool {
        self.troubled.load(Ordering::Relaxed)
    }

    /// Lets a bit of the log change, unless one has.
    pub(crate) fn strike_with_rot(&self, random: &mut Random) -> bool {
        let mut rot = self.rot.lock();
        if rot.is_none() {
            *rot = Rot::strike(&self.log, random);
            return rot.is_some();
        }
        false
    }

    /// Makes good what has changed, as from a copy of the disk. Whether something had.
    pub(crate) fn mend_rot(&self) -> bool {
        let rot = self.rot.lock().take();
        rot.inspect(|rot| rot.mend(&self.log)).is_some()
    }

    /// Whether the power went off.
    pub(crate) fn is_off(&self) -> bool {
        self.log.is_off() || self.store.is_crashed()
    }

    fn trouble(&self) {
        self.troubled.store(true, Ordering::Relaxed);
    }

    /// Lets the power go off at a change of the log from now on.
    pub(crate) fn power_off_after(&self, changes: u64) {
        self.trouble();
        self.log.power_off_after(changes);
    }

    /// Lets the power go off in a flush of the store from now on.
    pub(crate) fn power_off_at_flush(&self, flushes: u64) {
        self.trouble();
        self.store.crash_at_flush(flushes);
    }

    pub(crate) fn fail_log_syncs(&self, pattern: u64) {
        self.trouble();
        self.log.fail_syncs(pattern);
    }

    pub(crate) fn fail_flush(&self) {
        self.trouble();
        self.store.fail_flush(1);
    }

    pub(crate) fn set_full(&self, full: bool) {
        self.trouble();
        self.log.set_free(full.then_some(0));
        self.store.set_full(full);
    }
}

/// How long syncs take.
#[derive(Clone, Default)]
pub(crate) struct SyncPace(Arc<Mutex<Speed>>);

/// How fast a disk is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Speed {
    #[default]
    Normal,
    Slow,
    Stuck,
}

impl SyncPace {
    pub(crate) fn set(&self, speed: Speed) {
        *self.0.lock() = speed;
    }

    pub(crate) fn is_stuck(&self) -> bool {
        *self.0.lock() == Speed::Stuck
    }

    pub(crate) fn sync_time(&self, random: &mut Random) -> Duration {
        match *self.0.lock() {
            Speed::Normal => chance::millis(random, 1..4),
            Speed::Slow => chance::millis(random, 20..300),
            Speed::Stuck => Duration::from_millis(50),
        }
    }
}
