use kv_types::LogIndex;

use super::cluster::Cluster;
use crate::{ProposeError, RaftOptions};

/// Snapshots every 50 entries, and only 10 entries stay.
fn small(options: &mut RaftOptions) {
    options.snapshot_count = 50;
    options.catchup_entries = 10;
}

async fn propose_many(cluster: &Cluster, id: u64, prefix: &str, count: usize) {
    for number in 0..count {
        cluster.propose(id, &format!("{prefix}{number}")).await.unwrap();
    }
}

async fn wait_purged(cluster: &Cluster, id: u64, index: u64) {
    cluster
        .eventually("purge", || {
            let purged = cluster.raft(id).status().purged?;
            (purged.index >= LogIndex::new(index)).then_some(())
        })
        .await;
}

#[tokio::test]
async fn the_log_is_purged_up_to_a_snapshot_less_a_tail() {
    // openraft purges at least 1,024 entries at a time.
    let mut cluster = Cluster::start_tuned(1, small).await;
    cluster.leader().await;
    let mut proposals = tokio::task::JoinSet::new();
    for number in 0..1500 {
        let raft = cluster.raft(1).clone();
        proposals.spawn(async move {
            // On a busy machine the member may be elected anew: then what is superseded is proposed again.
            while let Err(error) = raft.propose(format!("{number}").into()).await {
                assert_eq!(error, ProposeError::Superseded);
            }
        });
    }
    proposals.join_all().await;
    wait_purged(&cluster, 1, 1000).await;
    let status = cluster.raft(1).status();
    assert!(status.snapshot.unwrap().index.get() >= status.purged.unwrap().index.get() + 10);
    cluster.kill(1).await;
    cluster.run(1).await;
    cluster.propose(1, "after").await.unwrap();
    assert_eq!(cluster.machine(1).count(), 1501);
}

#[tokio::test]
async fn large_entries_do_not_stay_in_the_log_by_their_number() {
    let cluster = Cluster::start_tuned(1, |options| {
        options.snapshot_bytes = 200_000;
        options.catchup_bytes = 50_000;
    })
    .await;
    cluster.leader().await;
    for _ in 0..1000 {
        cluster.propose(1, &"x".repeat(250)).await.unwrap();
    }
    wait_purged(&cluster, 1, 400).await;
}

#[tokio::test]
async fn a_member_behind_the_log_gets_a_snapshot_and_goes_on_from_there() {
    let mut cluster = Cluster::start_tuned(3, small).await;
    let leader = cluster.leader().await;
    let away = cluster.others(leader)[0];
    cluster.kill(away).await;
    let leader = cluster.leader_among(&cluster.ids()).await;
    flood(&cluster, leader).await;
    cluster.run(away).await;
    cluster.all_have("c0").await;
    propose_many(&cluster, away, "later", 3).await;
    cluster.all_have("later2").await;
    assert!(cluster.net.snapshot_carried() > 100, "it came as a snapshot");
    // What it has is durable.
    cluster.kill(away).await;
    cluster.run(away).await;
    cluster.all_have("later2").await;
}

#[tokio::test]
async fn an_interrupted_snapshot_goes_on_at_the_frame_that_is_missing() {
    let mut cluster = Cluster::start_tuned(3, small).await;
    let leader = cluster.leader().await;
    let away = cluster.others(leader)[0];
    cluster.kill(away).await;
    let leader = cluster.leader_among(&cluster.ids()).await;
    flood(&cluster, leader).await;
    let frames = cluster.machine(leader).count().div_ceil(10);
    // The connection breaks about half-way, and for good until it is mended.
    let first = frames / 2;
    cluster.net.limit_snapshot_messages(Some(first));
    cluster.run(away).await;
    cluster
        .eventually("half a snapshot", || {
            (cluster.net.snapshot_carried() >= first).then_some(())
        })
        .await;
    cluster.net.limit_snapshot_messages(None);
    cluster.all_have("c0").await;
    let carried = cluster.net.snapshot_carried();
    assert!(
        carried < frames + frames / 4,
        "{carried} messages for {frames} frames"
    );
}

/// Fills the log beyond what is kept.
async fn flood(cluster: &Cluster, id: u64) {
    let mut proposals = tokio::task::JoinSet::new();
    for number in 0..2500 {
        let raft = cluster.raft(id).clone();
        proposals.spawn(async move { raft.propose(format!("c{number}").into()).await.unwrap() });
    }
    proposals.join_all().await;
    wait_purged(cluster, id, 1500).await;
}
