use std::time::Duration;

use kv_types::MemberId;

use super::cluster::Cluster;
use crate::{ChangeError, Role};

#[tokio::test]
async fn one_member_alone_leads_soon_and_again_after_a_restart() {
    let mut cluster = Cluster::start(1).await;
    assert_eq!(cluster.leader().await, 1);
    cluster.propose(1, "a").await.unwrap();
    cluster.kill(1).await;
    cluster.run(1).await;
    cluster
        .raft(1)
        .bootstrap(&[super::cluster::member(1)])
        .await
        .unwrap();
    let began = std::time::Instant::now();
    cluster.propose(1, "b").await.unwrap();
    assert!(
        began.elapsed() < Duration::from_secs(1),
        "a member alone need not wait for an election timeout"
    );
    cluster.all_have("b").await;
    assert!(cluster.machine(1).has(b"a"));
}

#[tokio::test]
async fn members_that_all_bootstrap_agree_on_a_leader_and_a_log() {
    let cluster = Cluster::start(3).await;
    let leader = cluster.leader().await;
    for id in cluster.ids() {
        cluster.propose(id, &format!("from {id}")).await.unwrap();
    }
    for id in cluster.ids() {
        cluster.all_have(&format!("from {id}")).await;
    }
    let status = cluster.raft(leader).status();
    assert_eq!(status.members.len(), 3);
    assert_eq!(status.matched.unwrap().len(), 3);
    assert!(
        status
            .members
            .iter()
            .all(|member| !member.learner && member.peer_urls.len() == 1)
    );
}

#[tokio::test]
async fn leadership_is_handed_over_on_request_without_an_election_timeout() {
    let cluster = Cluster::start(3).await;
    let leader = cluster.leader().await;
    let successor = cluster.others(leader)[0];
    let began = std::time::Instant::now();
    cluster
        .raft(leader)
        .transfer_leader(MemberId::new(successor))
        .await
        .unwrap();
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert_eq!(cluster.leader().await, successor);
    cluster.propose(leader, "after").await.unwrap();
    cluster.all_have("after").await;
    let refused = cluster.raft(leader).transfer_leader(MemberId::new(leader)).await;
    assert_eq!(refused, Err(ChangeError::NotLeader));
    let unknown = cluster.raft(successor).transfer_leader(MemberId::new(77)).await;
    assert!(matches!(unknown, Err(ChangeError::Refused(_))), "{unknown:?}");
}

#[tokio::test]
async fn a_leader_that_shuts_down_leaves_a_leader_behind() {
    let mut cluster = Cluster::start(3).await;
    let leader = cluster.leader().await;
    let others = cluster.others(leader);
    // By now it has heard of another member.
    cluster.propose(leader, "before").await.unwrap();
    cluster.raft(leader).shutdown().await;
    assert_eq!(cluster.raft(leader).leadership().borrow().role, Role::Stopped);
    assert_eq!(cluster.raft(leader).stopped().await, None);
    let began = std::time::Instant::now();
    cluster.kill(leader).await;
    cluster.propose(others[0], "at once").await.unwrap();
    assert!(
        began.elapsed() < Duration::from_millis(500),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test]
async fn pre_vote_keeps_a_member_that_returns_from_deposing_the_leader() {
    let cluster = Cluster::start(3).await;
    let leader = cluster.leader().await;
    let away = cluster.others(leader)[0];
    let term = cluster.raft(leader).leadership().borrow().term;
    cluster.net.isolate(away, cluster.others(away));
    cluster.propose(leader, "meanwhile").await.unwrap();
    // Long enough for several attempts to be elected.
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(cluster.raft(away).leadership().borrow().leader, None);
    cluster.net.heal();
    cluster.all_have("meanwhile").await;
    assert_eq!(cluster.leader().await, leader);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let seen = *cluster.raft(leader).leadership().borrow();
    assert_eq!((seen.leader, seen.term), (Some(MemberId::new(leader)), term));
}
