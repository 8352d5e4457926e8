//! No acknowledgement before a quorum has synced what it speaks of.

use std::time::Duration;

use bytes::Bytes;
use kv_mvcc::{PutLease, PutRequest, PutValue, RangeRequest};
use kv_server::{RequestError, Server};
use kv_types::{KeyRange, Revision};
use tokio::task::JoinHandle;

use crate::cluster::{Cluster, Pace};

/// Longer than an answer takes by far, and shorter than a leader waits for its disk.
const A_WHILE: Duration = Duration::from_millis(400);

const PACE: Pace = Pace {
    election_timeout: Duration::from_millis(1500),
    snapshot_count: 10_000,
};

/// A put that is under way.
pub(crate) struct Put(JoinHandle<Result<Revision, RequestError>>);

impl Put {
    pub(crate) fn start(server: &Server, key: &str) -> Self {
        let (server, key) = (server.clone(), Bytes::copy_from_slice(key.as_bytes()));
        Self(tokio::spawn(async move {
            let request = PutRequest {
                key,
                value: PutValue::New("v".into()),
                lease: PutLease::Set(None),
                prev_kv: false,
            };
            server.put(request).await.map(|result| result.revision)
        }))
    }

    /// Gives it time to be answered; it must not be.
    async fn is_not_answered(&self) {
        tokio::time::sleep(A_WHILE).await;
        assert!(!self.0.is_finished(), "acknowledged without a quorum of syncs");
    }

    pub(crate) async fn answer(self) -> Revision {
        let answered = tokio::time::timeout(10 * A_WHILE, self.0).await;
        answered.expect("a quorum has synced").unwrap().unwrap()
    }
}

/// Whether a member shows a key to those who ask it alone.
async fn shows(server: &Server, key: &'static str) -> bool {
    let request = RangeRequest::new(KeyRange::single(Bytes::from_static(key.as_bytes())));
    server.range(request, true).await.unwrap().count == 1
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_single_member_acknowledges_nothing_before_its_sync() {
    let cluster = Cluster::start(1, PACE, 1).await;
    let (server, gate) = (cluster.server(1), &cluster.seats[&1].disk.gate);
    gate.close();
    let put = Put::start(&server, "held");
    put.is_not_answered().await;
    assert!(
        !shows(&server, "held").await,
        "what is not durable is not to be seen either"
    );
    gate.open();
    put.answer().await;
    assert!(shows(&server, "held").await);
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_members_acknowledge_nothing_before_two_have_synced() {
    let cluster = Cluster::start(3, PACE, 2).await;
    let leader = cluster.leader().await;
    let followers: Vec<u64> = cluster.ids().into_iter().filter(|id| *id != leader).collect();
    let gate = |id: u64| &cluster.seats[&id].disk.gate;

    for through in [leader, followers[0]] {
        // The leader's own sync is not enough; that of either follower makes it so.
        for second in &followers {
            followers.iter().for_each(|id| gate(*id).close());
            let put = Put::start(&cluster.server(through), "held");
            put.is_not_answered().await;
            gate(*second).open();
            put.answer().await;
            followers.iter().for_each(|id| gate(*id).open());
        }
        // One follower's is not enough either; both are, without the leader's.
        gate(leader).close();
        gate(followers[0]).close();
        let put = Put::start(&cluster.server(through), "held");
        put.is_not_answered().await;
        gate(followers[0]).open();
        put.answer().await;
        gate(leader).open();
    }
    assert_eq!(
        cluster.leader().await,
        leader,
        "the test held no disk back for too long"
    );
    cluster.stop().await;
}
