use kv_types::MemberId;

use super::cluster::{Cluster, member, quick};
use crate::{ChangeError, MembershipChange, RaftMember, Role};

fn id(id: u64) -> MemberId {
    MemberId::new(id)
}

fn add(id: u64, learner: bool) -> MembershipChange {
    MembershipChange::Add(RaftMember {
        learner,
        ..member(id)
    })
}

/// Makes a change on the one of `ids` that leads, whichever that is.
async fn change(cluster: &Cluster, ids: &[u64], change: &MembershipChange) {
    loop {
        let leader = cluster.leader_among(ids).await;
        match cluster.raft(leader).change(change).await {
            Err(ChangeError::NotLeader) => {}
            result => {
                result.unwrap();
                return;
            }
        }
    }
}

async fn votes(cluster: &Cluster, at: u64, expected: &[u64]) {
    let expected: Vec<MemberId> = expected.iter().copied().map(MemberId::new).collect();
    let voters = || (cluster.raft(at).status().voters == expected).then_some(());
    cluster.eventually("those voters", voters).await;
}

#[tokio::test]
async fn members_are_added_as_learners_promoted_and_removed() {
    let mut cluster = Cluster::start(1).await;
    cluster.leader().await;
    cluster.propose(1, "before").await.unwrap();
    cluster.run(2).await;
    assert!(!cluster.raft(2).is_bootstrapped().await.unwrap());
    change(&cluster, &[1], &add(2, true)).await;
    cluster.all_have("before").await;
    assert_eq!(cluster.raft(2).leadership().borrow().role, Role::Learner);
    assert!(cluster.raft(1).status().members[1].learner);
    change(&cluster, &[1, 2], &MembershipChange::Promote(id(2))).await;
    votes(&cluster, 1, &[1, 2]).await;
    cluster.propose(2, "with two").await.unwrap();
    cluster.all_have("with two").await;
    let update = MembershipChange::Update {
        id: id(2),
        peer_urls: vec!["http://two:1".into()],
    };
    change(&cluster, &[1, 2], &update).await;
    assert_eq!(cluster.raft(1).status().members[1].peer_urls, ["http://two:1"]);
    change(&cluster, &[1, 2], &MembershipChange::Remove(id(2))).await;
    assert_eq!(cluster.raft(1).status().members.len(), 1);
    cluster.kill(2).await;
    cluster.propose(1, "alone again").await.unwrap();
}

#[tokio::test]
async fn a_voter_that_is_not_started_stops_nobody_and_votes_once_it_has_caught_up() {
    let mut cluster = Cluster::start_tuned(1, quick).await;
    cluster.leader().await;
    change(&cluster, &[1], &add(2, false)).await;
    let status = cluster.raft(1).status();
    assert!(!status.members[1].learner, "it is listed as what it is to be");
    cluster.propose(1, "without the other").await.unwrap();
    assert_eq!(cluster.raft(1).status().voters, [id(1)]);

    cluster.run(2).await;
    votes(&cluster, 1, &[1, 2]).await;
    cluster.all_have("without the other").await;
    cluster.kill(2).await;
    let alone = cluster.propose(1, "alone");
    assert!(
        tokio::time::timeout(std::time::Duration::from_millis(500), alone)
            .await
            .is_err()
    );
}

#[tokio::test]
async fn who_was_removed_learns_it_although_nobody_sends_it_the_log() {
    let mut cluster = Cluster::start_tuned(3, quick).await;
    change(&cluster, &[1, 2, 3], &add(4, true)).await;
    cluster.run(4).await;
    let leader = cluster.leader().await;
    let [away, stays] = [1, 2, 3]
        .into_iter()
        .filter(|id| *id != leader)
        .collect::<Vec<_>>()[..]
    else {
        unreachable!("three without one")
    };
    cluster.propose(leader, "four").await.unwrap();
    cluster.all_have("four").await;
    for gone in [away, 4] {
        cluster.net.isolate(gone, cluster.others(gone));
        let remove = MembershipChange::Remove(id(gone));
        cluster.raft(leader).change(&remove).await.unwrap();
        cluster.net.heal();
        cluster.raft(gone).removed().await;
        cluster.kill(gone).await;
    }
    // Also after a restart with its old data.
    cluster.run(away).await;
    cluster.raft(away).removed().await;
    cluster.kill(away).await;
    cluster.propose(stays, "two left").await.unwrap();
}

#[tokio::test]
async fn a_leader_that_is_removed_hands_over() {
    let mut cluster = Cluster::start_tuned(3, quick).await;
    let leader = cluster.leader().await;
    let others = cluster.others(leader);
    let remove = MembershipChange::Remove(id(leader));
    cluster.raft(leader).change(&remove).await.unwrap();
    cluster.raft(leader).removed().await;
    assert_ne!(cluster.raft(leader).leadership().borrow().role, Role::Leader);
    cluster.kill(leader).await;
    let next = cluster.leader_among(&others).await;
    cluster.propose(next, "after it").await.unwrap();
    cluster.all_have("after it").await;
    votes(&cluster, next, &others).await;
}

#[tokio::test]
async fn changes_made_at_the_same_time_are_all_made() {
    let cluster = Cluster::start_tuned(3, quick).await;
    let leader = cluster.leader().await;
    let adds = (4..9).map(|id| {
        let raft = cluster.raft(leader).clone();
        async move { raft.change(&add(id, true)).await }
    });
    for added in futures_util::future::join_all(adds).await {
        added.unwrap();
    }
    assert_eq!(cluster.raft(leader).status().members.len(), 8);
    let other = cluster.others(leader)[0];
    assert_eq!(
        cluster.raft(other).change(&add(9, true)).await,
        Err(ChangeError::NotLeader)
    );
}
