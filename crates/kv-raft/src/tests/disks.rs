//! What holds whatever the disks of the members do.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use kv_wal::faulty::Random;
use tokio::task::JoinSet;

use super::cluster::{Cluster, quick};
use crate::{ProposeError, RaftOptions};

/// Long enough for anything that does not wait for a disk.
const A_WHILE: Duration = Duration::from_millis(300);

#[tokio::test]
async fn no_acknowledgement_precedes_the_syncs_of_a_quorum() {
    let cluster = Cluster::start(3).await;
    let leader = cluster.leader().await;
    let others = cluster.others(leader);
    cluster.propose(leader, "before").await.unwrap();
    cluster.all_have("before").await;
    for id in &others {
        cluster.disk(*id).stall(true);
    }
    let mut proposal = Box::pin(cluster.propose(leader, "one sync"));
    assert!(
        tokio::time::timeout(A_WHILE, &mut proposal).await.is_err(),
        "only the leader has synced"
    );
    assert!(!cluster.machine(leader).has(b"one sync"));
    cluster.disk(others[0]).stall(false);
    proposal.await.unwrap();

    // The leader's own sync is not needed, but then both others are.
    cluster.disk(others[1]).stall(false);
    cluster.all_have("one sync").await;
    cluster.disk(leader).stall(true);
    cluster.disk(others[1]).stall(true);
    let mut proposal = Box::pin(cluster.propose(leader, "another"));
    assert!(
        tokio::time::timeout(A_WHILE, &mut proposal).await.is_err(),
        "only one follower has synced"
    );
    cluster.disk(others[1]).stall(false);
    proposal.await.unwrap();
    cluster.disk(leader).stall(false);
    cluster.all_have("another").await;
}

#[tokio::test]
async fn heartbeats_and_reads_do_not_wait_for_the_disks_of_followers() {
    let cluster = Cluster::start(3).await;
    let leader = cluster.leader().await;
    cluster.propose(leader, "before").await.unwrap();
    let before = *cluster.raft(leader).leadership().borrow();
    for id in cluster.others(leader) {
        cluster.disk(id).stall(true);
    }
    let raft = cluster.raft(leader).clone();
    let proposal = tokio::spawn(async move { raft.propose("waits".into()).await });
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(3) {
        let asked = Instant::now();
        let index = cluster.raft(leader).read_index().await.unwrap();
        assert!(asked.elapsed() < A_WHILE, "{:?}", asked.elapsed());
        cluster.raft(leader).wait_applied(index).await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(!proposal.is_finished());
    for id in cluster.ids() {
        cluster.disk(id).stall(false);
    }
    proposal.await.unwrap().unwrap();
    assert_eq!(
        *cluster.raft(leader).leadership().borrow(),
        before,
        "the leader stayed in office"
    );
}

#[tokio::test]
async fn a_leader_whose_disk_stalls_hands_over() {
    let cluster = Cluster::start(3).await;
    let leader = cluster.leader().await;
    let others = cluster.others(leader);
    cluster.propose(leader, "before").await.unwrap();
    cluster.disk(leader).stall(true);
    // Its followers make a quorum without it.
    cluster.propose(leader, "without its disk").await.unwrap();
    let successor = cluster.leader_among(&others).await;
    assert_ne!(successor, leader);
    cluster.propose(others[0], "after").await.unwrap();
    cluster.disk(leader).stall(false);
    cluster.all_have("after").await;
}

#[tokio::test]
async fn a_full_disk_is_waited_for() {
    let cluster = Cluster::start(1).await;
    cluster.leader().await;
    let large = || Bytes::from(vec![1; 100_000]);
    cluster.raft(1).propose(large()).await.unwrap();
    cluster.disk(1).set_free(Some(0));
    let mut proposals = JoinSet::new();
    for _ in 0..20 {
        let raft = cluster.raft(1).clone();
        proposals.spawn(async move { raft.propose(large()).await.unwrap() });
    }
    cluster
        .eventually("full disk", || cluster.raft(1).status().disk_full.then_some(()))
        .await;
    let read = cluster.raft(1).read_index().await.unwrap();
    cluster.raft(1).wait_applied(read).await.unwrap();
    cluster.disk(1).set_free(None);
    proposals.join_all().await;
    cluster
        .eventually("application", || (cluster.machine(1).count() == 21).then_some(()))
        .await;
    assert!(!cluster.raft(1).status().disk_full);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_proposal_survives_a_power_failure_of_all_members() {
    fail_power(quick, 7).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_proposal_survives_power_failures_while_the_log_is_purged() {
    let often = |options: &mut RaftOptions| {
        quick(options);
        options.snapshot_count = 15;
        options.catchup_bytes = 100;
    };
    let cluster = fail_power(often, 11).await;
    let purged = |id: &u64| cluster.raft(*id).status().purged.is_some();
    assert!(cluster.ids().iter().any(purged), "the log was purged");
}

/// Cuts the power of all members again and again while they work.
async fn fail_power(tune: fn(&mut RaftOptions), seed: u64) -> Cluster {
    let mut cluster = Cluster::start_tuned(3, tune).await;
    let mut acknowledged: Vec<Bytes> = Vec::new();
    let mut random = Random::new(seed);
    for round in 0..12 {
        cluster.leader().await;
        let mut proposals = JoinSet::new();
        let answered = Arc::new(AtomicU64::new(0));
        for number in 0..60 {
            let raft = cluster.raft(1 + number % 3).clone();
            let command = Bytes::from(format!("{round}-{number}"));
            let delay = Duration::from_micros(random.below(10_000));
            let answered = Arc::clone(&answered);
            proposals.spawn(async move {
                tokio::time::sleep(delay).await;
                let result = raft.propose(command.clone()).await;
                answered.fetch_add(1, Ordering::Relaxed);
                result.map(|_| command)
            });
        }
        let enough = random.below(50);
        cluster
            .eventually("answers", || {
                (answered.load(Ordering::Relaxed) >= enough).then_some(())
            })
            .await;
        for id in cluster.ids() {
            cluster.lose_power(id, &mut random).await;
        }
        while let Some(proposal) = proposals.join_next().await {
            match proposal.unwrap() {
                Ok(command) => acknowledged.push(command),
                Err(ProposeError::Stopped | ProposeError::Superseded | ProposeError::Unknown) => {}
                Err(ProposeError::NoLeader | ProposeError::NoSpace) => {}
            }
        }
        for id in 1..=3 {
            cluster.run(id).await;
        }
    }
    cluster.propose(1, "end").await.unwrap();
    cluster.all_have("end").await;
    let commands = cluster.machine(2).commands();
    for command in &acknowledged {
        assert!(commands.contains(command), "seed {seed}: lost {command:?}");
    }
    assert!(acknowledged.len() > 50, "{} acknowledged", acknowledged.len());
    cluster
}
