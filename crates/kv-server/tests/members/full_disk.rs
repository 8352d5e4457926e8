//! A full disk refuses writes with an error of its own, serves reads, and takes writes again once there is space.

use std::time::Duration;

use bytes::Bytes;
use kv_mvcc::{PutLease, PutRequest, PutValue, RangeRequest};
use kv_server::{RequestError, Server};
use kv_types::{KeyRange, Revision};
use kv_wal::faulty::Random;

use crate::cluster::{Cluster, PATIENCE, Pace};
use crate::disk::Disk;

const PACE: Pace = Pace {
    election_timeout: Duration::from_millis(300),
    snapshot_count: 100,
};

/// Larger than any segment of the log that was prepared ahead.
const VALUE_BYTES: usize = 300 * 1024;

async fn put(server: &Server, key: &str, value_bytes: usize) -> Result<Revision, RequestError> {
    let request = PutRequest {
        key: Bytes::copy_from_slice(key.as_bytes()),
        value: PutValue::New(Bytes::from(vec![7; value_bytes])),
        lease: PutLease::Set(None),
        prev_kv: false,
    };
    server.put(request).await.map(|result| result.revision)
}

async fn count(server: &Server) -> u64 {
    server
        .range(RangeRequest::new(KeyRange::all()), false)
        .await
        .unwrap()
        .count
}

fn set_full(disk: &Disk, full: bool) {
    disk.log.set_free(full.then_some(0));
    disk.store.set_full(full);
}

/// Writes until the full disk is noticed; how many were acknowledged before.
async fn fill(server: &Server) -> u64 {
    let mut written = 0;
    loop {
        match put(server, &format!("fill/{written}"), VALUE_BYTES).await {
            Ok(_) => written += 1,
            Err(RequestError::NoSpace) => return written,
            // Taken by the log before it knew.
            Err(RequestError::Timeout) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// Writes until it is taken.
async fn put_again(server: &Server, key: &str) {
    let taken = async {
        while put(server, key, 10).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, taken)
        .await
        .expect("there is space again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_with_a_full_disk_reads_and_recovers() {
    let mut cluster = Cluster::start(1, PACE, 1).await;
    let server = cluster.server(1);
    put(&server, "before", 10).await.unwrap();
    set_full(&cluster.seats[&1].disk, true);
    let filled = fill(&server).await;
    assert_eq!(put(&server, "refused", 10).await, Err(RequestError::NoSpace));
    assert!(count(&server).await > filled);

    set_full(&cluster.seats[&1].disk, false);
    put_again(&server, "after").await;
    let keys = count(&server).await;
    assert!(keys >= 2 + filled);

    let mut random = Random::new(1);
    cluster.power_off(&[1], |disk| disk.lose_power(&mut random)).await;
    cluster.run(&[1]).await;
    cluster.ready(&[1]).await;
    assert_eq!(count(&cluster.server(1)).await, keys);
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_without_space_refuses_writes_until_its_checkpoint_succeeds() {
    let cluster = Cluster::start(1, PACE, 2).await;
    let server = cluster.server(1);
    let store = &cluster.seats[&1].disk.store;
    store.set_full(true);
    // The log has space: only the checkpoint that a compaction brings about meets the full disk.
    put(&server, "before", 10).await.unwrap();
    server.compact(Revision::new(2), false).await.unwrap();
    let refused = async {
        while put(&server, "filling", 10).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, refused)
        .await
        .expect("the full disk is noticed");
    assert_eq!(put(&server, "refused", 10).await, Err(RequestError::NoSpace));
    assert_eq!(count(&server).await, 2);

    store.set_full(false);
    put_again(&server, "after").await;
    assert_eq!(count(&server).await, 3);
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_with_a_full_disk_does_not_hold_up_the_cluster() {
    let cluster = Cluster::start(3, PACE, 3).await;
    let leader = cluster.leader().await;
    let other = cluster.ids().into_iter().find(|id| *id != leader).unwrap();
    set_full(&cluster.seats[&leader].disk, true);
    let server = cluster.server(other);
    // Larger than what the leader's log has prepared ahead.
    for number in 0..5 {
        let _ = put(&server, &format!("large/{number}"), VALUE_BYTES).await;
    }
    put_again(&server, "small").await;
    let hands_over = || server.leader().filter(|now| now.get() != leader);
    cluster.eventually("other leader", hands_over).await;

    set_full(&cluster.seats[&leader].disk, false);
    put_again(&cluster.server(leader), "after").await;
    let counts = [count(&cluster.server(leader)).await, count(&server).await];
    assert_eq!(counts[0], counts[1]);
    cluster.stop().await;
}
