use std::sync::Arc;

use kv_backend::faulty::FaultyHome;
use kv_wal::Storage;
use kv_wal::faulty::{FaultyStorage, Random};
use tempfile::TempDir;

use crate::gate::{Gate, GatedStorage};

/// What a member keeps when it is not running.
pub(crate) struct Disk {
    pub(crate) log: FaultyStorage,
    pub(crate) store: FaultyHome,
    pub(crate) gate: Gate,
    snapshots: TempDir,
}

impl Disk {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            log: FaultyStorage::new(),
            store: FaultyHome::new(seed),
            gate: Gate::default(),
            snapshots: tempfile::tempdir().unwrap(),
        }
    }

    /// The log's files, whose syncs pass the gate.
    pub(crate) fn log_storage(&self) -> Arc<dyn Storage> {
        Arc::new(GatedStorage::new(self.log.clone(), self.gate.clone()))
    }

    pub(crate) fn snapshot_dir(&self) -> std::path::PathBuf {
        self.snapshots.path().join("snap")
    }

    /// Switches the power off; what was not synced is lost by chance.
    pub(crate) fn lose_power(&mut self, random: &mut Random) {
        self.store.crash();
        self.log = self.log.lose_power(random);
    }

    /// Gives the disk power again.
    pub(crate) fn restart(&self) {
        self.store.restart();
    }
}
