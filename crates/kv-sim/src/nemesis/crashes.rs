use std::time::Duration;

use kv_wal::faulty::Random;

use super::Fault;
use crate::chance;
use crate::cluster::End;

/// How long a crash waits for the moment it is meant for.
const MOMENT_PATIENCE: Duration = Duration::from_millis(200);

impl Fault {
    /// A member loses power, perhaps in the middle of a write, and comes back.
    pub(super) async fn crash_one(mut self) {
        let id = self.victim();
        self.wait_for_the_moment(&[id]).await;
        self.power_off(&[id]);
        self.wait(0..5000).await;
        self.cluster.start(id).await;
    }

    /// All members, or most of them, lose power at once.
    pub(super) async fn crash_all(mut self) {
        let mut ids = self.cluster.ids();
        if ids.len() > 2 && chance::percent(&mut self.random, 30) {
            let spared = chance::index(&mut self.random, ids.len());
            ids.remove(spared);
        }
        self.wait_for_the_moment(&ids).await;
        self.power_off(&ids);
        for id in ids {
            self.wait(0..1500).await;
            self.cluster.start(id).await;
        }
    }

    /// The process of a member is killed.
    pub(super) async fn kill_one(mut self) {
        let id = self.victim();
        if self.cluster.end(id, End::Process) {
            self.fault("process killed", &id.to_string());
        }
        self.wait(0..2000).await;
        self.cluster.start(id).await;
    }

    /// A member loses power, and a bit of its log has changed when it comes back.
    pub(super) async fn rot(mut self) {
        let id = self.victim();
        if !self.cluster.end(id, End::Power) {
            return;
        }
        self.fault("power lost", &id.to_string());
        let mut random = Random::new(self.random.next_u64());
        let struck = self
            .cluster
            .with_disk(id, |disk| disk.strike_with_rot(&mut random));
        if struck == Some(true) {
            self.fault("bit flip at rest", &id.to_string());
        }
        self.wait(0..2000).await;
        self.cluster.start(id).await;
    }

    fn power_off(&self, ids: &[u64]) {
        for id in ids {
            if self.cluster.end(*id, End::Power) {
                self.fault("power lost", &id.to_string());
            }
        }
    }

    /// Perhaps the middle of a write to the log, or of a flush of the store.
    async fn wait_for_the_moment(&mut self, ids: &[u64]) {
        match self.random.below(3) {
            0 => {
                let changes = chance::within(&mut self.random, 1..8);
                for id in ids {
                    self.cluster.with_disk(*id, |disk| disk.power_off_after(changes));
                }
                self.until(ids, |disk| disk.log.is_off()).await;
            }
            1 => {
                let flushes = chance::within(&mut self.random, 1..3);
                for id in ids {
                    self.cluster
                        .with_disk(*id, |disk| disk.power_off_at_flush(flushes));
                }
                self.until(ids, |disk| disk.store.is_crashed()).await;
            }
            _ => {}
        }
    }

    async fn until(&self, ids: &[u64], reached: impl Fn(&crate::disk::Disk) -> bool) {
        let waited = async {
            while !ids
                .iter()
                .any(|id| self.cluster.with_disk(*id, &reached) == Some(true))
            {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        // If the moment does not come, any other will do.
        let _ = tokio::time::timeout(MOMENT_PATIENCE, waited).await;
    }
}
