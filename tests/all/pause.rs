//! Members that stand still for a while, as on a host that is overloaded or moved, and go on as if no time had passed
//! (etcd's issue 20418: stale reads after a paused process resumes).

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use kv_proto::etcdserverpb::kv_client::KvClient;
use kv_proto::etcdserverpb::{PutRequest, RangeRequest};
use kv_tests::Cluster;
use tonic::transport::Channel;

/// How often a leader is paused.
const PAUSES: usize = 5;

/// Reads sent to the paused member, which find it in the middle of all it has to catch up with.
const READERS: usize = 16;

/// How long another member may take to become leader and acknowledge a write.
const WRITE_TIMEOUT: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_was_paused_serves_no_linearizable_read_of_the_past() -> Result<()> {
    let mut cluster = Cluster::started(3).await?;
    let mut answered = 0;
    for number in 0..PAUSES {
        let leader = cluster.leader().await?;
        let old = cluster.members[leader].kv()?;
        // Connections that are there before the pause.
        let mut readers = vec![old; READERS];
        for reader in &mut readers {
            read(reader).await?;
        }
        cluster.members[leader].process()?.pause().await?;
        let other = cluster.members[(leader + 1) % 3].kv()?;
        let revision = write(other, number).await?;
        let reads: Vec<_> = readers
            .into_iter()
            .map(|mut reader| tokio::spawn(async move { read(&mut reader).await }))
            .collect();
        cluster.members[leader].process()?.resume().await?;
        for answer in reads {
            // An error is no stale answer.
            if let Ok(answer) = answer.await? {
                answered += 1;
                ensure!(
                    answer >= revision,
                    "read at {answer} what was written at {revision}"
                );
            }
        }
    }
    ensure!(answered > 0, "no read was answered");
    Ok(())
}

/// The revision of the key, by a linearizable read; 0 if it is not there.
async fn read(kv: &mut KvClient<Channel>) -> Result<i64> {
    let request = RangeRequest {
        key: "paused".into(),
        ..RangeRequest::default()
    };
    let answer = kv.range(request).await?.into_inner();
    Ok(answer.kvs.first().map_or(0, |kv| kv.mod_revision))
}

/// Writes through a member whose leader stands still, until that is acknowledged.
async fn write(mut kv: KvClient<Channel>, number: usize) -> Result<i64> {
    let attempts = async {
        loop {
            let request = PutRequest {
                key: "paused".into(),
                value: number.to_string().into(),
                ..PutRequest::default()
            };
            if let Ok(answer) = kv.put(request).await {
                return answer.into_inner().header;
            }
        }
    };
    let header = tokio::time::timeout(WRITE_TIMEOUT, attempts).await;
    Ok(header
        .context("no other member leads in time")?
        .context("an answer has a header")?
        .revision)
}
