//! What goes wrong, and when.

mod crashes;
mod disks;
mod members;
mod network;
mod shocks;

use std::time::Duration;

use kv_wal::faulty::Random;
use tokio::task::JoinSet;

use crate::chance;
use crate::cluster::Cluster;

/// Faults that may go on at once.
const AT_ONCE: usize = 3;

/// Brings faults about for a while, by chance.
pub(crate) struct Nemesis {
    pub(crate) cluster: Cluster,
    pub(crate) random: Random,
    pub(crate) calm_millis_max: u64,
}

/// A fault that goes on for a while.
struct Fault {
    cluster: Cluster,
    random: Random,
}

impl Nemesis {
    pub(crate) async fn run(mut self, faults_for: Duration) {
        let end = tokio::time::Instant::now() + faults_for;
        let mut faults = JoinSet::new();
        while tokio::time::Instant::now() < end {
            let calm = chance::millis(&mut self.random, 50..self.calm_millis_max);
            tokio::time::sleep(calm).await;
            while faults.try_join_next().is_some() {}
            if faults.len() < AT_ONCE {
                let fault = Fault {
                    cluster: self.cluster.clone(),
                    random: Random::new(self.random.next_u64()),
                };
                faults.spawn(fault.run());
            }
        }
        // What is under way comes to its end.
        while faults.join_next().await.is_some() {}
        self.heal().await;
    }

    /// Ends all faults.
    async fn heal(&self) {
        self.cluster.net.heal();
        for id in self.cluster.ids() {
            self.cluster.with_disk(id, |disk| {
                disk.set_full(false);
                disk.pace.set(crate::disk::Speed::Normal);
            });
            self.cluster.start(id).await;
        }
        self.cluster.world.note("faults are over");
    }
}

impl Fault {
    async fn run(mut self) {
        match self.random.below(100) {
            0..12 => self.crash_one().await,
            12..19 => self.crash_all().await,
            19..24 => self.kill_one().await,
            24..33 => self.isolate().await,
            33..39 => self.deafen().await,
            39..45 => self.split().await,
            45..50 => self.flap().await,
            50..58 => self.bad_weather().await,
            58..63 => self.slow_disk().await,
            63..68 => self.stuck_disk().await,
            68..73 => self.full_disk().await,
            73..77 => self.failing_sync(),
            77..81 => self.transfer().await,
            81..84 => self.rot().await,
            84..95 => self.change_members().await,
            _ => self.snapshot().await,
        }
    }

    /// A member, the leader more often than others.
    fn victim(&mut self) -> u64 {
        let leader = self.cluster.leader();
        match leader {
            Some(leader) if chance::percent(&mut self.random, 40) => leader,
            _ => {
                let ids = self.cluster.ids();
                chance::one_of(&mut self.random, &ids)
            }
        }
    }

    fn fault(&self, kind: &'static str, detail: &str) {
        self.cluster.world.fault(kind, detail);
    }

    async fn wait(&mut self, millis: std::ops::Range<u64>) {
        tokio::time::sleep(chance::millis(&mut self.random, millis)).await;
    }
}
