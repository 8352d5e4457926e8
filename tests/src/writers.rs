use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Result, bail};
use kv_proto::etcdserverpb::kv_client::KvClient;
use kv_proto::etcdserverpb::request_op::Request;
use kv_proto::etcdserverpb::{PutRequest, RequestOp, TxnRequest};
use tokio::task::JoinHandle;
use tonic::transport::Channel;

use crate::Cluster;

/// A write whose answer came: the two keys it put together (or one), their value, and the revision told.
#[derive(Clone, Debug)]
pub struct Acknowledged {
    /// The keys, written by one request.
    pub keys: Vec<String>,
    /// Their value.
    pub value: String,
    /// The revision in the answer.
    pub revision: i64,
}

/// Between two writes of one writer: keeps what has to be read back small.
const PAUSE: Duration = Duration::from_millis(2);

/// Tasks that write without pause, each to keys of its own and each through one member after another, and
/// remember every acknowledged write.
#[derive(Debug)]
pub struct Writers {
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicU64>,
    tasks: Vec<JoinHandle<Vec<Acknowledged>>>,
}

impl Writers {
    /// Starts `count` of them.
    ///
    /// # Errors
    /// If a member's URL is none.
    pub fn start(cluster: &Cluster, round: u64, count: usize) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let acknowledged = Arc::new(AtomicU64::new(0));
        let clients = cluster
            .members
            .iter()
            .map(|member| member.kv())
            .collect::<Result<Vec<_>>>()?;
        let tasks = (0..count)
            .map(|writer| {
                let (stop, acknowledged) = (Arc::clone(&stop), Arc::clone(&acknowledged));
                tokio::spawn(write(clients.clone(), round, writer, stop, acknowledged))
            })
            .collect();
        Ok(Self {
            stop,
            acknowledged,
            tasks,
        })
    }

    /// How many writes have been acknowledged so far.
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// Waits until `more` further writes have been acknowledged.
    ///
    /// # Errors
    /// If that takes more than 30 seconds.
    pub async fn progress(&self, more: u64) -> Result<()> {
        let goal = self.acknowledged() + more;
        for _ in 0..3000 {
            if self.acknowledged() >= goal {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        bail!(
            "{} writes acknowledged, {goal} expected within 30 seconds",
            self.acknowledged()
        )
    }

    /// Stops them; what was acknowledged.
    ///
    /// # Errors
    /// If a writer panicked.
    pub async fn stop(self) -> Result<Vec<Acknowledged>> {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Vec::new();
        for task in self.tasks {
            all.extend(task.await?);
        }
        Ok(all)
    }
}

async fn write(
    mut clients: Vec<KvClient<Channel>>,
    round: u64,
    writer: usize,
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicU64>,
) -> Vec<Acknowledged> {
    let mut done = Vec::new();
    let mut through = writer % clients.len();
    for number in 0_u64.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let value = format!("{round}/{writer}/{number}");
        let keys: Vec<String> = match number % 4 {
            0 => vec![format!("pair/a/{value}"), format!("pair/b/{value}")],
            _ => vec![format!("single/{value}")],
        };
        let request = TxnRequest {
            success: keys.iter().map(|key| put(key, &value)).collect(),
            ..TxnRequest::default()
        };
        let answer = tokio::time::timeout(Duration::from_secs(3), clients[through].txn(request)).await;
        match answer {
            Ok(Ok(answer)) => {
                let revision = answer.into_inner().header.map_or(0, |header| header.revision);
                done.push(Acknowledged {
                    keys,
                    value,
                    revision,
                });
                acknowledged.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(PAUSE).await;
            }
            // Outcome unknown: the write is not counted, and its keys are not used again.
            _ => {
                through = (through + 1) % clients.len();
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
    done
}

fn put(key: &str, value: &str) -> RequestOp {
    let request = PutRequest {
        key: key.to_owned().into(),
        value: value.to_owned().into(),
        ..PutRequest::default()
    };
    RequestOp {
        request: Some(Request::RequestPut(request)),
    }
}
