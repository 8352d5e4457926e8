use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use kv_proto::etcdserverpb::lease_client::LeaseClient;
use kv_proto::etcdserverpb::watch_client::WatchClient;
use kv_proto::etcdserverpb::watch_request::RequestUnion;
use kv_proto::etcdserverpb::{
    LeaseGrantRequest, LeaseKeepAliveRequest, LeaseLeasesRequest, WatchCreateRequest, WatchRequest,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::siege::{Siege, put};

const MANY: usize = 10_000;

/// How long one more message may take to come.
const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test]
async fn ten_thousand_watchers_of_one_stream_all_hear_of_a_put() -> Result<()> {
    let siege = Siege::begin(&[]).await?;
    let (requests, receiver) = mpsc::channel(100);
    let mut client = WatchClient::new(siege.cluster.members[0].channel()?);
    let create = WatchRequest {
        request_union: Some(RequestUnion::CreateRequest(WatchCreateRequest {
            key: "watched".into(),
            ..WatchCreateRequest::default()
        })),
    };
    let sending = tokio::spawn(async move {
        for _ in 0..MANY {
            requests.send(create.clone()).await?;
        }
        anyhow::Ok(requests)
    });
    let mut responses = client.watch(ReceiverStream::new(receiver)).await?.into_inner();
    let mut created = BTreeSet::new();
    while created.len() < MANY {
        let response = tokio::time::timeout(PATIENCE, responses.message()).await??;
        let response = response.context("the stream has ended")?;
        ensure!(
            response.created && created.insert(response.watch_id),
            "{response:?}"
        );
    }
    let requests = sending.await??;
    put(&mut siege.cluster.members[0].kv()?, "watched", "1").await?;
    let mut told = BTreeSet::new();
    while told.len() < MANY {
        let response = tokio::time::timeout(PATIENCE, responses.message()).await??;
        let response = response.context("the stream has ended")?;
        ensure!(
            response.events.len() == 1 && told.insert(response.watch_id),
            "{response:?}"
        );
    }
    drop((requests, responses, client));
    siege.end(200).await
}

#[tokio::test]
async fn ten_thousand_leases_of_one_client_are_all_granted_and_renewed() -> Result<()> {
    let siege = Siege::begin(&[]).await?;
    let mut client = LeaseClient::new(siege.cluster.members[0].channel()?);
    let mut granting = tokio::task::JoinSet::new();
    for id in 1..=i64::try_from(MANY)? {
        let mut client = client.clone();
        granting.spawn(async move { client.lease_grant(LeaseGrantRequest { id, ttl: 600 }).await });
    }
    while let Some(granted) = granting.join_next().await {
        granted??;
    }
    let (requests, receiver) = mpsc::channel(100);
    tokio::spawn(async move {
        for id in 1..=i64::try_from(MANY)? {
            requests.send(LeaseKeepAliveRequest { id }).await?;
        }
        anyhow::Ok(())
    });
    let mut renewals = client
        .lease_keep_alive(ReceiverStream::new(receiver))
        .await?
        .into_inner();
    for _ in 0..MANY {
        let renewal = tokio::time::timeout(PATIENCE, renewals.message()).await??;
        ensure!(
            renewal.is_some_and(|renewal| renewal.ttl == 600),
            "a lease was not renewed"
        );
    }
    let leases = client
        .lease_leases(LeaseLeasesRequest {})
        .await?
        .into_inner()
        .leases;
    ensure!(leases.len() == MANY, "there are {} leases", leases.len());
    drop((renewals, client));
    siege.end(200).await
}
