//! Members that come and go while the cluster serves.

mod joining;
mod removal;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use kv_proto::etcdserverpb::maintenance_client::MaintenanceClient;
use kv_proto::etcdserverpb::{
    MemberAddRequest, MemberPromoteRequest, MemberUpdateRequest, MoveLeaderRequest, PutRequest, RangeRequest,
};
use kv_tests::{Cluster, Member};
use tonic::{Code, Status};

/// Tests that are not about the check would otherwise have to wait until members count as connected.
const LAX: &[&str] = &["--strict-reconfig-check=false"];

async fn put(member: &Member, key: &str, value: &str) -> Result<()> {
    let request = PutRequest {
        key: key.to_owned().into(),
        value: value.to_owned().into(),
        ..PutRequest::default()
    };
    member.kv()?.put(request).await?;
    Ok(())
}

async fn get(member: &Member, key: &str, serializable: bool) -> Result<Option<String>> {
    let request = RangeRequest {
        key: key.to_owned().into(),
        serializable,
        ..RangeRequest::default()
    };
    let answer = member.kv()?.range(request).await?.into_inner();
    let value = answer.kvs.first();
    Ok(value.map(|kv| String::from_utf8_lossy(&kv.value).into_owned()))
}

/// Waits until `look` sees what it looks for.
async fn eventually<F: Future<Output = Result<bool>>>(what: &str, mut look: impl FnMut() -> F) -> Result<()> {
    let seen = async {
        while !look().await.unwrap_or(false) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(30), seen).await;
    in_time.with_context(|| format!("{what}: not within 30 seconds"))
}

fn refused<T>(answer: Result<T, Status>, code: Code, text: &str) -> Result<()> {
    let Err(status) = answer else {
        anyhow::bail!("it was not refused with {text:?}");
    };
    ensure!(
        status.code() == code && status.message() == text,
        "refused with {:?} {:?} instead of {code:?} {text:?}",
        status.code(),
        status.message()
    );
    Ok(())
}

fn member_refused<T>(answer: Result<T>, text: &str) -> Result<()> {
    let Err(error) = answer else {
        anyhow::bail!("it was not refused with {text:?}");
    };
    let status = error.downcast_ref::<Status>().context("a status")?;
    ensure!(status.message() == text, "{status}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_grows_from_one_to_five_under_load_and_survives_a_restart_of_all() -> Result<()> {
    let mut cluster = Cluster::new(1, LAX)?;
    cluster.start_all().await?;
    for number in 1..5 {
        put(&cluster.members[0], &format!("before {number}"), "1").await?;
        let name = format!("n{number}");
        cluster.add(number - 1, &name, false).await?;
        // It does not serve yet, and the others go on without it.
        put(&cluster.members[number - 1], &format!("between {number}"), "2").await?;
        let newcomer = cluster.members.last_mut().context("the newcomer")?;
        newcomer.start()?;
        newcomer.ready().await?;
        let value = get(&cluster.members[number], &format!("between {number}"), false).await?;
        ensure!(value.as_deref() == Some("2"), "{value:?}");
    }
    // It has come to this: two may be away.
    eventually("all five have a vote", || async {
        Ok(cluster.members[0]
            .listed()
            .await?
            .iter()
            .all(|m| !m.name.is_empty()))
    })
    .await?;
    let before = cluster.members[0].listed().await?;
    for member in &mut cluster.members {
        member.kill().await?;
    }
    cluster.start_all().await?;
    for member in &cluster.members {
        let listed = member.listed().await?;
        ensure!(listed == before, "{listed:?} instead of {before:?}");
        ensure!(get(member, "before 1", false).await?.is_some());
    }
    for away in [0, 1] {
        cluster.members[away].kill().await?;
    }
    cluster.leader().await?;
    eventually("three of five write", || async {
        put(&cluster.members[4], "three of five", "3").await?;
        Ok(true)
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_learner_serves_what_needs_no_vote_and_is_promoted_when_it_has_caught_up() -> Result<()> {
    let mut cluster = Cluster::started(1).await?;
    put(&cluster.members[0], "a", "1").await?;
    let id = cluster.add(0, "learner", true).await?;
    let mut leader = cluster.members[0].cluster()?;
    let promote = MemberPromoteRequest { id };
    let early = leader.member_promote(promote).await;
    let text = "etcdserver: can only promote a learner member which is in sync with leader";
    refused(early, Code::FailedPrecondition, text)?;
    let another = leader
        .member_add(MemberAddRequest {
            peer_ur_ls: vec!["http://127.0.0.1:1".into()],
            is_learner: true,
        })
        .await;
    let text = "etcdserver: too many learner members in cluster";
    refused(another, Code::FailedPrecondition, text)?;

    let learner = &mut cluster.members[1];
    learner.start()?;
    learner.ready().await?;
    ensure!(get(learner, "a", true).await?.as_deref() == Some("1"));
    let text = "etcdserver: rpc not supported for learner";
    for refusal in [
        get(learner, "a", false).await.map(drop),
        put(learner, "a", "2").await,
    ] {
        member_refused(refusal, text)?;
    }
    member_refused(learner.listed().await, text)?;
    let status = MaintenanceClient::new(learner.channel()?);
    ensure!(
        status
            .clone()
            .status(kv_proto::etcdserverpb::StatusRequest {})
            .await?
            .into_inner()
            .is_learner
    );
    let to_learner = MoveLeaderRequest { target_id: id };
    let moved = MaintenanceClient::new(cluster.members[0].channel()?)
        .move_leader(to_learner)
        .await;
    refused(
        moved,
        Code::FailedPrecondition,
        "etcdserver: bad leader transferee",
    )?;

    eventually("the learner is promoted", || async {
        let promote = MemberPromoteRequest { id };
        Ok(cluster.members[0]
            .cluster()?
            .member_promote(promote)
            .await
            .is_ok())
    })
    .await?;
    eventually("it serves as a voter", || async {
        put(&cluster.members[1], "a", "3").await?;
        Ok(true)
    })
    .await?;
    let again = cluster.members[1].cluster()?.member_promote(promote).await;
    refused(
        again,
        Code::FailedPrecondition,
        "etcdserver: can only promote a learner member",
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_strict_check_protects_the_quorum() -> Result<()> {
    let mut cluster = Cluster::started(3).await?;
    let add = MemberAddRequest {
        peer_ur_ls: vec!["http://127.0.0.1:1".into()],
        is_learner: false,
    };
    let leader = cluster.leader().await?;
    let [one, other] = [0, 1, 2]
        .into_iter()
        .filter(|index| *index != leader)
        .collect::<Vec<_>>()[..]
    else {
        anyhow::bail!("three without one")
    };
    let other_id = cluster.members[other].id().await?;
    cluster.members[other].kill().await?;
    eventually("the loss is noticed", || async {
        let answer = cluster.members[one].cluster()?.member_add(add.clone()).await;
        refused(answer, Code::Unavailable, "etcdserver: unhealthy cluster")?;
        Ok(true)
    })
    .await?;
    let own_id = cluster.members[one].id().await?;
    let removal = cluster.remove(leader, own_id).await;
    member_refused(removal, "etcdserver: unhealthy cluster")?;
    // The one that is away is no part of the quorum, once it counts as away.
    eventually("the one that is away is removed", || async {
        cluster.remove(one, other_id).await?;
        Ok(true)
    })
    .await?;
    put(&cluster.members[one], "two of two", "1").await?;
    // Alone of two, nobody leads.
    cluster.members[leader].kill().await?;
    eventually("the loss is noticed", || async {
        let answer = cluster.members[one].cluster()?.member_add(add.clone()).await;
        refused(answer, Code::Unavailable, "etcdserver: unhealthy cluster")?;
        Ok(true)
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leadership_and_addresses_move() -> Result<()> {
    let mut cluster = Cluster::new(3, LAX)?;
    cluster.start_all().await?;
    let leader = cluster.leader().await?;
    let next = (leader + 1) % 3;
    let target_id = cluster.members[next].id().await?;
    let elsewhere = MaintenanceClient::new(cluster.members[next].channel()?)
        .move_leader(MoveLeaderRequest { target_id })
        .await;
    refused(elsewhere, Code::FailedPrecondition, "etcdserver: not leader")?;
    let mut here = MaintenanceClient::new(cluster.members[leader].channel()?);
    let nobody = here.move_leader(MoveLeaderRequest { target_id: 1 }).await;
    refused(
        nobody,
        Code::FailedPrecondition,
        "etcdserver: bad leader transferee",
    )?;
    let moved = here
        .move_leader(MoveLeaderRequest { target_id })
        .await?
        .into_inner();
    ensure!(moved.header.is_none(), "{moved:?}");
    ensure!(cluster.leader().await? == next);

    // A follower comes back under another address.
    let id = cluster.members[leader].id().await?;
    let [port] = kv_tests::free_ports::<1>();
    let url = format!("http://127.0.0.1:{port}");
    let update = |url: &str| MemberUpdateRequest {
        id,
        peer_ur_ls: vec![url.to_owned()],
    };
    let taken = cluster.members[next].peer_url.clone();
    let refusal = cluster.members[next]
        .cluster()?
        .member_update(update(&taken))
        .await;
    refused(
        refusal,
        Code::FailedPrecondition,
        "etcdserver: Peer URLs already exists",
    )?;
    let refusal = cluster.members[next]
        .cluster()?
        .member_update(update("nowhere"))
        .await;
    refused(
        refusal,
        Code::InvalidArgument,
        "etcdserver: given member URLs are invalid",
    )?;
    cluster.members[next]
        .cluster()?
        .member_update(update(&url))
        .await?;
    cluster.members[leader].kill().await?;
    put(&cluster.members[next], "while away", "1").await?;
    let moved = &mut cluster.members[leader];
    let old = std::mem::replace(&mut moved.peer_url, url.clone());
    for arg in &mut moved.args {
        if arg.starts_with("--listen-peer-urls") {
            *arg = arg.replace(&old, &url);
        }
    }
    moved.start()?;
    moved.ready().await?;
    ensure!(
        get(&cluster.members[leader], "while away", false)
            .await?
            .as_deref()
            == Some("1")
    );
    Ok(())
}
