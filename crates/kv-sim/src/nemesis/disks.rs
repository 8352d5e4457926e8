use super::Fault;
use crate::chance;
use crate::disk::Speed;

impl Fault {
    pub(super) async fn slow_disk(mut self) {
        self.change_speed("slow disk", Speed::Slow, 500..6000).await;
    }

    pub(super) async fn stuck_disk(mut self) {
        self.change_speed("stuck disk", Speed::Stuck, 300..6000).await;
    }

    async fn change_speed(&mut self, kind: &'static str, speed: Speed, millis: std::ops::Range<u64>) {
        let id = self.victim();
        self.fault(kind, &id.to_string());
        self.cluster.with_disk(id, |disk| disk.pace.set(speed));
        self.wait(millis).await;
        self.cluster.with_disk(id, |disk| disk.pace.set(Speed::Normal));
    }

    pub(super) async fn full_disk(mut self) {
        let id = self.victim();
        self.fault("full disk", &id.to_string());
        self.cluster.with_disk(id, |disk| disk.set_full(true));
        self.wait(500..6000).await;
        self.cluster.with_disk(id, |disk| disk.set_full(false));
    }

    /// Syncs of the log, or flushes of the store, fail.
    pub(super) fn failing_sync(mut self) {
        let id = self.victim();
        self.fault("failed sync", &id.to_string());
        let store = chance::percent(&mut self.random, 40);
        let pattern = chance::one_of(&mut self.random, &[1, 1, 2, 5, 3]);
        self.cluster.with_disk(id, |disk| {
            if store {
                disk.fail_flush();
            } else {
                disk.fail_log_syncs(pattern);
            }
        });
    }
}
