use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use kv_proto::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};
use kv_proto::etcdserverpb::kv_client::KvClient;
use kv_proto::etcdserverpb::request_op::Request;
use kv_proto::etcdserverpb::watch_client::WatchClient;
use kv_proto::etcdserverpb::watch_request::RequestUnion;
use kv_proto::etcdserverpb::{
    Compare, PutRequest, RangeRequest, RequestOp, TxnRequest, WatchCreateRequest, WatchRequest,
};
use tonic::transport::Channel;

use crate::load::{self, Achieved, put};

/// One row of the comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Case {
    Put { clients: usize },
    Get { serializable: bool },
    List,
    Count,
    Update,
    Watch,
}

/// Keys that lists and counts find.
const LISTED: usize = 100_000;
const VALUE_BYTES: usize = 256;
const CLIENTS: usize = 64;
const WATCHERS: usize = 1000;

pub(crate) const ALL: &[Case] = &[
    Case::Put { clients: 1 },
    Case::Put { clients: 64 },
    Case::Put { clients: 1000 },
    Case::Update,
    Case::Get { serializable: false },
    Case::Get { serializable: true },
    Case::List,
    Case::Count,
    Case::Watch,
];

impl Case {
    pub(crate) fn name(self) -> String {
        match self {
            Self::Put { clients } => format!("put, {clients} clients"),
            Self::Get { serializable: false } => "get, linearizable".into(),
            Self::Get { serializable: true } => "get, serializable".into(),
            Self::List => "list 500 of 100k".into(),
            Self::Count => "count 100k".into(),
            Self::Update => "update transaction".into(),
            Self::Watch => "events to 1,000 watchers".into(),
        }
    }

    pub(crate) fn is_put(self) -> bool {
        matches!(self, Self::Put { .. })
    }

    pub(crate) async fn run(self, channels: &[Channel], duration: Duration) -> Result<Achieved> {
        match self {
            Self::Put { clients } => puts(channels.to_vec(), clients, duration).await,
            Self::Get { serializable } => gets(channels.to_vec(), serializable, duration).await,
            Self::List => ranges(channels.to_vec(), 16, list_page(), duration).await,
            Self::Count => ranges(channels.to_vec(), 16, count(), duration).await,
            Self::Update => updates(channels.to_vec(), duration).await,
            Self::Watch => watches(channels, duration).await,
        }
    }
}

/// What gets, lists and counts read.
pub(crate) async fn prepare(channels: &[Channel]) -> Result<()> {
    load::fill(channels, "/registry/pods/", LISTED, VALUE_BYTES).await
}

async fn puts(channels: Vec<Channel>, clients: usize, duration: Duration) -> Result<Achieved> {
    load::run(clients, duration, move |client, number| {
        let mut kv = KvClient::new(channels[client % channels.len()].clone());
        async move {
            let key = format!("/bench/put/{client:04}/{:04}", number % 1000);
            kv.put(put(key, VALUE_BYTES, number)).await?;
            Ok(())
        }
    })
    .await
}

async fn gets(channels: Vec<Channel>, serializable: bool, duration: Duration) -> Result<Achieved> {
    load::run(CLIENTS, duration, move |client, number| {
        let mut kv = KvClient::new(channels[client % channels.len()].clone());
        async move {
            let number = (client as u64 * 7919 + number) % LISTED as u64;
            let key = format!("/registry/pods/{number:08}");
            let answer = kv
                .range(RangeRequest {
                    key: key.into(),
                    serializable,
                    ..RangeRequest::default()
                })
                .await?;
            ensure!(answer.into_inner().kvs.len() == 1, "a key is missing");
            Ok(())
        }
    })
    .await
}

fn list_page() -> RangeRequest {
    RangeRequest {
        key: "/registry/pods/".into(),
        range_end: "/registry/pods0".into(),
        limit: 500,
        ..RangeRequest::default()
    }
}

fn count() -> RangeRequest {
    RangeRequest {
        limit: 0,
        count_only: true,
        ..list_page()
    }
}

async fn ranges(
    channels: Vec<Channel>,
    clients: usize,
    request: RangeRequest,
    duration: Duration,
) -> Result<Achieved> {
    load::run(clients, duration, move |client, _| {
        let mut kv = KvClient::new(channels[client % channels.len()].clone());
        let request = request.clone();
        async move {
            let answer = kv.range(request).await?.into_inner();
            ensure!(answer.count == LISTED as i64, "{} keys counted", answer.count);
            Ok(())
        }
    })
    .await
}

/// The transaction of an apiserver's update: put if the mod revision is the known one, else read.
async fn updates(channels: Vec<Channel>, duration: Duration) -> Result<Achieved> {
    let revisions: Arc<Vec<AtomicU64>> = Arc::new((0..CLIENTS).map(|_| AtomicU64::new(0)).collect());
    load::run(CLIENTS, duration, move |client, number| {
        let mut kv = KvClient::new(channels[client % channels.len()].clone());
        let revisions = Arc::clone(&revisions);
        async move {
            let key = format!("/registry/leases/{client:04}");
            let known = revisions[client].load(Ordering::Relaxed).cast_signed();
            let answer = kv.txn(update(&key, known, number)).await?.into_inner();
            let header = answer.header.map_or(0, |header| header.revision);
            ensure!(answer.succeeded || known == 0, "nobody else updates {key}");
            let revision = if answer.succeeded {
                header
            } else {
                mod_revision(&mut kv, &key).await?
            };
            revisions[client].store(revision.cast_unsigned(), Ordering::Relaxed);
            Ok(())
        }
    })
    .await
}

fn update(key: &str, known: i64, number: u64) -> TxnRequest {
    let range = RangeRequest {
        key: key.to_owned().into(),
        ..RangeRequest::default()
    };
    TxnRequest {
        compare: vec![Compare {
            result: CompareResult::Equal.into(),
            target: CompareTarget::Mod.into(),
            key: key.to_owned().into(),
            target_union: Some(TargetUnion::ModRevision(known)),
            ..Compare::default()
        }],
        success: vec![RequestOp {
            request: Some(Request::RequestPut(put(key.to_owned(), 1024, number))),
        }],
        failure: vec![RequestOp {
            request: Some(Request::RequestRange(range)),
        }],
    }
}

async fn mod_revision(kv: &mut KvClient<Channel>, key: &str) -> Result<i64> {
    let request = RangeRequest {
        key: key.to_owned().into(),
        ..RangeRequest::default()
    };
    Ok(kv
        .range(request)
        .await?
        .into_inner()
        .kvs
        .first()
        .map_or(0, |kv| kv.mod_revision))
}

/// Events per second that reach a thousand watchers of one prefix while one client puts.
async fn watches(channels: &[Channel], duration: Duration) -> Result<Achieved> {
    let received = Arc::new(AtomicU64::new(0));
    let mut readers = Vec::new();
    for watcher in 0..WATCHERS {
        let (sender, requests) = tokio::sync::mpsc::channel(1);
        let create = WatchCreateRequest {
            key: "/bench/watch/".into(),
            range_end: "/bench/watch0".into(),
            prev_kv: true,
            ..WatchCreateRequest::default()
        };
        sender
            .send(WatchRequest {
                request_union: Some(RequestUnion::CreateRequest(create)),
            })
            .await?;
        let mut client = WatchClient::new(channels[watcher % channels.len()].clone());
        let requests = tokio_stream::wrappers::ReceiverStream::new(requests);
        let mut answers = client.watch(requests).await?.into_inner();
        ensure!(
            answers.message().await?.is_some_and(|answer| answer.created),
            "the watch was not created"
        );
        let received = Arc::clone(&received);
        readers.push(tokio::spawn(async move {
            let _open = sender;
            while let Ok(Some(answer)) = answers.message().await {
                received.fetch_add(answer.events.len() as u64, Ordering::Relaxed);
            }
        }));
    }
    let mut kv = KvClient::new(channels[0].clone());
    let (start, mut sent) = (Instant::now(), 0);
    while start.elapsed() < duration {
        let request: PutRequest = put(format!("/bench/watch/{:04}", sent % 100), VALUE_BYTES, sent);
        kv.put(request).await?;
        sent += 1;
        // Not further ahead than watchers follow: what is measured is delivery.
        while received.load(Ordering::Relaxed) + 20 * (WATCHERS as u64) < sent * WATCHERS as u64 {
            tokio::time::sleep(Duration::from_millis(1)).await;
            ensure!(start.elapsed() < duration * 10, "watchers stay behind");
        }
    }
    let operations = received.load(Ordering::Relaxed);
    let per_second = operations as f64 / start.elapsed().as_secs_f64();
    for reader in readers {
        reader.abort();
    }
    Ok(Achieved {
        per_second,
        operations,
    })
}
