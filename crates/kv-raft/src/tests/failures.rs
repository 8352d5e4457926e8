use std::time::{Duration, Instant};

use bytes::Bytes;

use super::cluster::Cluster;
use crate::ProposeError;

/// Twice the election timeout.
const FAIL_OVER_MAX: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_go_on_within_two_election_timeouts_after_the_leader_is_killed() {
    let mut cluster = Cluster::start(3).await;
    for round in 0..5 {
        let leader = cluster.leader().await;
        let other = cluster.others(leader)[round % 2];
        cluster.propose(other, &format!("before {round}")).await.unwrap();
        let began = Instant::now();
        cluster.kill(leader).await;
        cluster.propose(other, &format!("after {round}")).await.unwrap();
        let took = began.elapsed();
        assert!(took < FAIL_OVER_MAX, "round {round}: {took:?}");
        cluster.run(leader).await;
        cluster.all_have(&format!("after {round}")).await;
    }
}

#[tokio::test]
async fn every_acknowledged_proposal_survives_a_crash_of_all_members() {
    let mut cluster = Cluster::start(3).await;
    cluster.leader().await;
    let mut acknowledged = Vec::new();
    for round in 0..3 {
        for number in 0..50 {
            let command = format!("{round}-{number}");
            cluster.propose(1 + number % 3, &command).await.unwrap();
            acknowledged.push(Bytes::from(command));
        }
        for id in cluster.ids() {
            cluster.kill(id).await;
        }
        for id in 1..=3 {
            cluster.run(id).await;
        }
        cluster.leader().await;
    }
    cluster.propose(1, "last").await.unwrap();
    cluster.all_have("last").await;
    acknowledged.push("last".into());
    assert_eq!(cluster.machine(2).commands(), acknowledged);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proposal_whose_leader_died_is_known_to_be_applied_or_never() {
    let mut cluster = Cluster::start(3).await;
    let (mut committed, mut superseded) = (0, 0);
    for round in 0..3 {
        let leader = cluster.leader().await;
        let other = cluster.others(leader)[0];
        let machine = cluster.machine(other).clone();
        let mut proposals = tokio::task::JoinSet::new();
        for number in 0..200 {
            let raft = cluster.raft(other).clone();
            let command = Bytes::from(format!("{round}-{number}"));
            proposals.spawn(async move {
                tokio::time::sleep(Duration::from_micros(number * 50)).await;
                (command.clone(), raft.propose(command).await)
            });
        }
        tokio::time::sleep(Duration::from_millis(6)).await;
        cluster.kill(leader).await;
        while let Some(proposal) = proposals.join_next().await {
            let (command, result) = proposal.unwrap();
            match result {
                Ok(index) => {
                    cluster.raft(other).wait_applied(index).await.unwrap();
                    assert!(machine.has(&command), "acknowledged and lost: {command:?}");
                    committed += 1;
                }
                // Whether it was applied is known by now; proposed again, it is applied exactly once.
                Err(ProposeError::Superseded) => {
                    if !machine.has(&command) {
                        cluster.raft(other).propose(command.clone()).await.unwrap();
                        superseded += 1;
                    }
                }
                Err(error) => panic!("{error}"),
            }
        }
        cluster.run(leader).await;
        cluster.propose(other, &format!("end {round}")).await.unwrap();
        cluster.all_have(&format!("end {round}")).await;
        let commands = machine.commands();
        let mut unique = commands.clone();
        unique.sort();
        unique.dedup();
        assert_eq!(unique.len(), commands.len(), "nothing is applied twice");
    }
    assert!(committed > 0, "{committed} committed, {superseded} made again");
}

#[tokio::test]
async fn an_isolated_leader_steps_back_and_its_entries_are_replaced() {
    let cluster = Cluster::start(3).await;
    let leader = cluster.leader().await;
    let others = cluster.others(leader);
    cluster.propose(leader, "common").await.unwrap();
    cluster.net.isolate(leader, others.clone());
    let raft = cluster.raft(leader).clone();
    let doomed = tokio::spawn(async move { raft.propose("doomed".into()).await });
    let successor = cluster.leader_among(&others).await;
    cluster.propose(successor, "new era").await.unwrap();
    cluster
        .eventually("leader that knows it is alone", || {
            cluster
                .raft(leader)
                .leadership()
                .borrow()
                .leader
                .is_none()
                .then_some(())
        })
        .await;
    cluster.net.heal();
    cluster.all_have("new era").await;
    let doomed = doomed.await.unwrap();
    match doomed {
        Err(ProposeError::Superseded) => assert!(!cluster.machine(leader).has(b"doomed")),
        // The lease had run out before, so it waited for the new leader.
        Ok(_) => cluster.all_have("doomed").await,
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_and_lossy_links_lose_no_acknowledged_proposal() {
    let cluster = Cluster::start(3).await;
    cluster.leader().await;
    cluster.net.set_delay(Duration::from_millis(5));
    cluster.net.lose_every(7);
    let mut acknowledged = Vec::new();
    for number in 0..60 {
        let command = format!("c{number}");
        match cluster.propose(1 + number % 3, &command).await {
            Ok(_) => acknowledged.push(command),
            Err(ProposeError::Unknown | ProposeError::Superseded) => {}
            Err(error) => panic!("{error}"),
        }
        if acknowledged.len() >= 20 {
            break;
        }
    }
    cluster.net.lose_every(u64::MAX);
    cluster.propose(1, "end").await.unwrap();
    cluster.all_have("end").await;
    for command in acknowledged {
        assert!(cluster.machine(3).has(command.as_bytes()), "lost {command}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_proposals_at_once_are_applied_once_and_in_the_same_order_everywhere() {
    let cluster = Cluster::start(3).await;
    cluster.leader().await;
    let mut proposals = tokio::task::JoinSet::new();
    for number in 0..3000 {
        let raft = cluster.raft(1 + number % 3).clone();
        proposals.spawn(async move { raft.propose(Bytes::from(format!("{number}"))).await });
    }
    while let Some(result) = proposals.join_next().await {
        result.unwrap().unwrap();
    }
    cluster.propose(1, "end").await.unwrap();
    cluster.all_have("end").await;
    assert_eq!(cluster.machine(1).count(), 3001);
}
