use std::sync::Arc;
use std::time::Duration;

use kv_wal::faulty::Random;
use kv_wal::{Driver, Health, Wal};
use tokio::sync::{Notify, watch};

use crate::disk::SyncPace;

/// Between two attempts to write to a full disk.
const FULL_DISK_PAUSE: Duration = Duration::from_millis(50);

/// In place of the log's thread: steps it in simulated time.
pub(crate) struct LogWriter {
    pub(crate) driver: Driver,
    pub(crate) wal: Wal,
    pub(crate) wake: Arc<Notify>,
    pub(crate) pace: SyncPace,
    pub(crate) random: Random,
}

impl LogWriter {
    /// Writes until the member is down.
    pub(crate) async fn run(mut self, mut down: watch::Receiver<bool>) {
        tokio::select! {
            biased;
            _ = down.wait_for(|down| *down) => {}
            () = self.write() => {}
        }
    }

    async fn write(&mut self) {
        loop {
            self.wake.notified().await;
            // A batch takes its time first: what arrives meanwhile goes with it.
            self.sync_time().await;
            while self.driver.step() {
                if self.wal.health() == Health::DiskFull {
                    tokio::time::sleep(FULL_DISK_PAUSE).await;
                }
                self.sync_time().await;
            }
        }
    }

    async fn sync_time(&mut self) {
        loop {
            tokio::time::sleep(self.pace.sync_time(&mut self.random)).await;
            if !self.pace.is_stuck() {
                return;
            }
        }
    }
}
