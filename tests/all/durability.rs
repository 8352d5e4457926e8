//! Processes are killed in the middle of concurrent writes; nothing acknowledged may be lost.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use kv_proto::etcdserverpb::HashKvRequest;
use kv_proto::etcdserverpb::maintenance_client::MaintenanceClient;
use kv_tests::{Acknowledged, Cluster, Random, Writers, check_acknowledged, read_all};

/// Kills in the bounded run; `KVD_LONG=1` multiplies them by ten.
const SINGLE_KILLS: u64 = 40;
const CLUSTER_KILLS: u64 = 60;

fn rounds(bounded: u64) -> u64 {
    if std::env::var_os("KVD_LONG").is_some() {
        bounded * 10
    } else {
        bounded
    }
}

/// The seed of this run: `KVD_SEED`, or the time; printed, so that a failure can be repeated.
fn seed() -> u64 {
    let given = std::env::var("KVD_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(|| {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs())
    });
    println!("KVD_SEED={seed}");
    seed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_member_keeps_every_acknowledged_write() -> Result<()> {
    let mut random = Random::new(seed());
    let mut cluster = Cluster::started(1).await?;
    let mut acknowledged = Vec::new();
    let mut revision = 0;
    for round in 0..rounds(SINGLE_KILLS) {
        let writers = Writers::start(&cluster, round, 16)?;
        writers.progress(1 + random.below(300)).await?;
        cluster.members[0].kill().await?;
        acknowledged.extend(writers.stop().await?);
        cluster.start_all().await?;
        revision = check(&cluster, &acknowledged, revision)
            .await
            .with_context(|| format!("round {round}"))?;
    }
    println!(
        "kills {} acknowledged {}",
        rounds(SINGLE_KILLS),
        acknowledged.len()
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_members_of_three_lose_nothing_and_stay_equal() -> Result<()> {
    let mut random = Random::new(seed());
    let mut cluster = Cluster::started(3).await?;
    let mut acknowledged = Vec::new();
    let mut revision = 0;
    let (mut kills, mut round) = (0, 0);
    while kills < rounds(CLUSTER_KILLS) {
        round += 1;
        let writers = Writers::start(&cluster, round, 16)?;
        writers.progress(1 + random.below(300)).await?;
        let victims: Vec<usize> = match random.below(3) {
            0 => vec![0, 1, 2],
            1 => vec![cluster.leader().await?],
            _ => vec![usize::try_from(random.below(3))?],
        };
        for victim in &victims {
            cluster.members[*victim].kill().await?;
        }
        kills += victims.len() as u64;
        if victims.len() == 1 {
            writers.progress(20).await.context("the other two go on")?;
        }
        for victim in &victims {
            cluster.members[*victim].start()?;
        }
        for victim in victims {
            cluster.members[victim].ready().await?;
        }
        writers.progress(1).await?;
        acknowledged.extend(writers.stop().await?);
        revision = check(&cluster, &acknowledged, revision)
            .await
            .with_context(|| format!("round {round}"))?;
    }
    println!("kills {kills} acknowledged {}", acknowledged.len());
    Ok(())
}

/// Checks every member; the revision they are at, which is never below `before`.
async fn check(cluster: &Cluster, acknowledged: &[Acknowledged], before: i64) -> Result<i64> {
    let mut hashes = Vec::new();
    let mut revision = before;
    for member in &cluster.members {
        let found = read_all(&mut member.kv()?).await?;
        check_acknowledged(&found, acknowledged).with_context(|| format!("on {}", member.name))?;
        ensure!(
            found.revision >= revision,
            "{} went back from {revision} to {}",
            member.name,
            found.revision
        );
        revision = found.revision;
    }
    for member in &cluster.members {
        let request = HashKvRequest { revision };
        let hash = MaintenanceClient::new(member.channel()?)
            .hash_kv(request)
            .await?
            .into_inner();
        hashes.push((hash.hash, hash.compact_revision));
    }
    ensure!(
        hashes.windows(2).all(|pair| pair[0] == pair[1]),
        "members differ at {revision}: {hashes:?}"
    );
    Ok(revision)
}
