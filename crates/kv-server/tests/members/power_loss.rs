//! The power fails in the middle of concurrent writes, on one member or on all; what was not synced is lost by
//! chance. Nothing acknowledged may be lost.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kv_types::Revision;
use kv_wal::faulty::Random;
use tokio::task::JoinSet;

use crate::cluster::{Cluster, Pace};
use crate::journal::Found;
use crate::writer::{Control, Writer};

/// Clusters that run side by side, and how often the power fails in each of them. `KVD_LONG=1` multiplies the
/// latter by ten.
const CLUSTERS: u64 = 10;
const FAILURES: u64 = 10;

/// Clients that write at once.
const WRITERS: u64 = 8;

/// Short, so that elections take little of the test; snapshots and purges come often, though writers share entries.
const PACE: Pace = Pace {
    election_timeout: Duration::from_millis(300),
    snapshot_count: 6,
};

fn failures() -> u64 {
    if std::env::var_os("KVD_LONG").is_some() {
        10 * FAILURES
    } else {
        FAILURES
    }
}

/// The seed of this run: `KVD_SEED`, or the time; printed, so that a failure can be repeated.
fn seed() -> u64 {
    let given = std::env::var("KVD_SEED").ok().and_then(|seed| seed.parse().ok());
    let now = || {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs())
    };
    let seed = given.unwrap_or_else(now);
    println!("KVD_SEED={seed}");
    seed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_loses_power_keeps_every_acknowledged_write() {
    run(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_of_three_that_lose_power_lose_nothing_and_stay_equal() {
    run(3).await;
}

async fn run(size: u64) {
    let seed = seed();
    let mut clusters = JoinSet::new();
    for number in 0..CLUSTERS {
        clusters.spawn(fail_often(size, seed.wrapping_mul(1000).wrapping_add(number)));
    }
    let (mut acknowledged, mut purges) = (0, 0);
    while let Some(done) = clusters.join_next().await {
        let (writes, purged) = done.unwrap();
        acknowledged += writes;
        purges += u64::from(purged);
    }
    assert!(purges > 0, "no log was purged");
    println!(
        "{size} members: {} power losses, {acknowledged} writes acknowledged, {purges} logs purged",
        CLUSTERS * failures()
    );
}

/// Lets the power fail again and again; the writes acknowledged, and whether a log was purged.
async fn fail_often(size: u64, seed: u64) -> (u64, bool) {
    let mut random = Random::new(seed);
    let mut cluster = Cluster::start(size, PACE, seed).await;
    let mut writers: Vec<Writer> = (0..WRITERS)
        .map(|number| Writer::new(format!("w{number}"), random.next_u64()))
        .collect();
    let mut revision = Revision::INITIAL;
    for _ in 0..failures() {
        let control = Control::default();
        let mut writing = JoinSet::new();
        for writer in writers.drain(..) {
            writing.spawn(writer.run(cluster.servers(), control.clone()));
        }
        let victims = choose_victims(&cluster, &mut random).await;
        wait_for_the_moment(&cluster, &victims, &control, &mut random).await;
        cluster
            .power_off(&victims, |disk| disk.lose_power(&mut random))
            .await;
        control.stop();
        while let Some(writer) = writing.join_next().await {
            writers.push(writer.unwrap());
        }
        cluster.run(&victims).await;
        cluster.ready(&victims).await;
        revision = check(&cluster, &writers, revision).await;
    }
    let purged = cluster
        .ids()
        .iter()
        .any(|id| cluster.status(*id).purged.is_some());
    cluster.stop().await;
    (
        writers.iter().map(|writer| writer.journal.acknowledged).sum(),
        purged,
    )
}

/// All members, the leader, or any one.
async fn choose_victims(cluster: &Cluster, random: &mut Random) -> Vec<u64> {
    let ids = cluster.ids();
    match random.below(3) {
        0 => ids,
        1 => vec![cluster.leader().await],
        _ => vec![ids[usize::try_from(random.below(ids.len() as u64)).unwrap()]],
    }
}

/// Waits for some writes; then perhaps until a victim's store is in the middle of a flush, or its log in the middle
/// of a write.
async fn wait_for_the_moment(cluster: &Cluster, victims: &[u64], control: &Control, random: &mut Random) {
    // A member alone is faster.
    let goal = 1 + random.below(if cluster.ids().len() == 1 { 3000 } else { 150 });
    cluster
        .eventually("progress of the writers", || {
            (control.acknowledged() >= goal).then_some(())
        })
        .await;
    let disk = &cluster.seats[&victims[0]].disk;
    match random.below(3) {
        0 => {
            disk.store.crash_at_flush(1 + random.below(2));
            for _ in 0..100 {
                if disk.store.is_crashed() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
        1 => {
            disk.log.power_off_after(1 + random.below(8));
            cluster
                .eventually("write to the log", || disk.log.is_off().then_some(()))
                .await;
        }
        _ => tokio::time::sleep(Duration::from_micros(random.below(5000))).await,
    }
}

/// Checks every member; the revision they are at, which is never below `before`.
async fn check(cluster: &Cluster, writers: &[Writer], before: Revision) -> Revision {
    let mut revision = before;
    for server in cluster.servers() {
        let found = Found::read(&server).await;
        assert!(
            found.revision >= revision,
            "back from {revision} to {}",
            found.revision
        );
        revision = found.revision;
        found.check_pairs();
        for writer in writers {
            found.check(&writer.journal);
        }
    }
    let mut hashes = Vec::new();
    for server in cluster.servers() {
        let hash = server.hash_kv(Some(revision)).await.unwrap();
        hashes.push((hash.hash, hash.compact_revision));
    }
    assert!(
        hashes.windows(2).all(|pair| pair[0] == pair[1]),
        "members differ at {revision}: {hashes:?}"
    );
    revision
}
