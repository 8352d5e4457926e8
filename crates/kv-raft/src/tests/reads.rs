use std::time::Duration;

use bytes::Bytes;

use super::cluster::Cluster;
use crate::{AskError, ReadIndexError};

#[tokio::test]
async fn a_read_index_on_any_member_covers_every_acknowledged_proposal() {
    let cluster = Cluster::start(3).await;
    cluster.leader().await;
    for round in 0..30 {
        let command = format!("{round}");
        cluster.propose(1 + round % 3, &command).await.unwrap();
        for id in cluster.ids() {
            let index = cluster.raft(id).read_index().await.unwrap();
            cluster.raft(id).wait_applied(index).await.unwrap();
            assert!(
                cluster.machine(id).has(command.as_bytes()),
                "member {id} misses {command}"
            );
        }
    }
}

#[tokio::test]
async fn a_leader_that_is_cut_off_serves_no_linearizable_read() {
    let cluster =
        Cluster::start_tuned(3, |options| options.request_timeout = Duration::from_millis(1500)).await;
    let leader = cluster.leader().await;
    cluster.net.isolate(leader, cluster.others(leader));
    let read = cluster.raft(leader).read_index().await;
    assert!(
        matches!(read, Err(ReadIndexError::Timeout | ReadIndexError::NoLeader)),
        "{read:?}"
    );
}

#[tokio::test]
async fn reads_that_wait_for_a_dead_leader_are_served_by_the_next() {
    let mut cluster = Cluster::start(3).await;
    let leader = cluster.leader().await;
    let other = cluster.others(leader)[0];
    cluster.propose(other, "before").await.unwrap();
    cluster.kill(leader).await;
    let index = cluster.raft(other).read_index().await.unwrap();
    cluster.raft(other).wait_applied(index).await.unwrap();
    assert!(cluster.machine(other).has(b"before"));
}

#[tokio::test]
async fn questions_are_answered_by_the_leader() {
    let cluster =
        Cluster::start_tuned(3, |options| options.request_timeout = Duration::from_millis(1500)).await;
    let leader = cluster.leader().await;
    for id in cluster.ids() {
        let answer = cluster
            .raft(id)
            .ask_leader(Bytes::from_static(b"who?"))
            .await
            .unwrap();
        assert_eq!(answer, format!("{leader} to {id}: who?"));
    }
    let other = cluster.others(leader)[0];
    cluster.net.isolate(other, cluster.others(other));
    let answer = cluster.raft(other).ask_leader(Bytes::from_static(b"who?")).await;
    assert!(
        matches!(answer, Err(AskError::Lost(_) | AskError::NoLeader)),
        "{answer:?}"
    );
}
