use kv_types::MemberId;

use super::Fault;

impl Fault {
    /// The leadership is handed over in the middle of everything.
    pub(super) async fn transfer(mut self) {
        let to = self.victim();
        let Some(raft) = self.cluster.leader().and_then(|leader| self.cluster.raft(leader)) else {
            return;
        };
        self.fault("leadership transfer", &to.to_string());
        // It may fail: what counts is what it leaves.
        let _ = raft.transfer_leader(MemberId::new(to)).await;
    }

    /// A member makes a snapshot and purges its log.
    pub(super) async fn snapshot(mut self) {
        let id = self.victim();
        if let Some(raft) = self.cluster.raft(id) {
            self.fault("snapshot and purge", &id.to_string());
            // As above.
            let _ = raft.snapshot().await;
        }
    }
}
