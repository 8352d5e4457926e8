use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use kv_proto::etcdserverpb::kv_client::KvClient;
use kv_proto::etcdserverpb::{PutRequest, RangeRequest};
use tonic::transport::Channel;

use crate::servers::Servers;

/// Connections the clients of a load share, as the clients of one big program would.
const CONNECTIONS: usize = 8;

/// Whether a linearizable read answers.
pub(crate) async fn serves(channel: Channel) -> bool {
    let request = RangeRequest {
        key: "x".into(),
        ..RangeRequest::default()
    };
    let mut client = KvClient::new(channel);
    let read = client.range(request);
    matches!(
        tokio::time::timeout(Duration::from_secs(2), read).await,
        Ok(Ok(_))
    )
}

/// Connections to the members in turn.
pub(crate) async fn channels(servers: &Servers) -> Result<Vec<Channel>> {
    let mut channels = Vec::new();
    for index in 0..CONNECTIONS {
        let members = servers.members();
        channels.push(members[index % members.len()].channel().await?);
    }
    Ok(channels)
}

/// What a load achieved.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Achieved {
    pub(crate) per_second: f64,
    pub(crate) operations: u64,
}

/// Lets `clients` call without pause: half a second to warm up, then `duration`, which counts.
pub(crate) async fn run<F, Fut>(clients: usize, duration: Duration, call: F) -> Result<Achieved>
where
    F: Fn(usize, u64) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = Result<()>> + Send + 'static,
{
    let stop = Arc::new(AtomicBool::new(false));
    let done = Arc::new(AtomicU64::new(0));
    let tasks: Vec<_> = (0..clients)
        .map(|client| {
            let (stop, done, call) = (Arc::clone(&stop), Arc::clone(&done), call.clone());
            tokio::spawn(async move {
                for number in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    call(client, number).await?;
                    done.fetch_add(1, Ordering::Relaxed);
                }
                anyhow::Ok(())
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let (start, before) = (Instant::now(), done.load(Ordering::Relaxed));
    tokio::time::sleep(duration).await;
    let operations = done.load(Ordering::Relaxed) - before;
    let per_second = operations as f64 / start.elapsed().as_secs_f64();
    stop.store(true, Ordering::Relaxed);
    for task in tasks {
        task.await??;
    }
    Ok(Achieved {
        per_second,
        operations,
    })
}

/// Writes `count` keys of `value_bytes` below `prefix`, some at a time.
pub(crate) async fn fill(channels: &[Channel], prefix: &str, count: usize, value_bytes: usize) -> Result<()> {
    const WRITERS: usize = 128;
    let tasks: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let mut client = KvClient::new(channels[writer % channels.len()].clone());
            let prefix = prefix.to_owned();
            tokio::spawn(async move {
                for number in (writer..count).step_by(WRITERS) {
                    client
                        .put(put(format!("{prefix}{number:08}"), value_bytes, number as u64))
                        .await?;
                }
                anyhow::Ok(())
            })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    Ok(())
}

/// A put of a value that does not compress to nothing, and differs by `seed`.
pub(crate) fn put(key: String, value_bytes: usize, seed: u64) -> PutRequest {
    PutRequest {
        key: key.into(),
        value: value(value_bytes, seed).into(),
        ..PutRequest::default()
    }
}

/// Half random, half text, as stored objects are.
pub(crate) fn value(bytes: usize, seed: u64) -> Vec<u8> {
    let mut random = kv_tests::Random::new(seed);
    let mut value = Vec::with_capacity(bytes + 16);
    while value.len() < bytes {
        value.extend_from_slice(&random.draw().to_le_bytes());
        value.extend_from_slice(b"metadata");
    }
    value.truncate(bytes);
    value
}
