//! Proposals that wait share a log entry; one that is stuck does not hold up the others.

use std::time::Duration;

use kv_types::LogIndex;

use crate::cluster::{Cluster, Pace};
use crate::quorum::Put;

const PACE: Pace = Pace {
    election_timeout: Duration::from_millis(1500),
    snapshot_count: 10_000,
};

fn last_entry(cluster: &Cluster) -> u64 {
    cluster.status(1).last.map_or(0, LogIndex::get)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn proposals_that_wait_share_entries() {
    const PUTS: u64 = 300;
    let cluster = Cluster::start(1, PACE, 1).await;
    let (server, gate) = (cluster.server(1), &cluster.seats[&1].disk.gate);
    let before = last_entry(&cluster);
    gate.close();
    let puts: Vec<Put> = (0..PUTS)
        .map(|number| Put::start(&server, &format!("key-{number}")))
        .collect();
    gate.open();
    for put in puts {
        put.answer().await;
    }
    let entries = last_entry(&cluster) - before;
    assert!(entries < PUTS / 4, "{entries} entries for {PUTS} puts");
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn packs_that_are_stuck_make_place_for_the_next() {
    let cluster = Cluster::start(1, PACE, 2).await;
    let (server, gate) = (cluster.server(1), &cluster.seats[&1].disk.gate);
    let before = last_entry(&cluster);
    gate.close();
    let mut puts = Vec::new();
    // More than travel at a time.
    for number in 1..=8 {
        puts.push(Put::start(&server, &format!("key-{number}")));
        let in_log = || (last_entry(&cluster) >= before + number).then_some(());
        cluster.eventually("entry of its own", in_log).await;
    }
    gate.open();
    for put in puts {
        put.answer().await;
    }
    cluster.stop().await;
}
