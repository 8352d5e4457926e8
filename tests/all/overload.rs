//! Far more load than three members can carry: they refuse what is too much, and keep what keeps the cluster going.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use kv_proto::etcdserverpb::kv_client::KvClient;
use kv_proto::etcdserverpb::lease_client::LeaseClient;
use kv_proto::etcdserverpb::maintenance_client::MaintenanceClient;
use kv_proto::etcdserverpb::watch_client::WatchClient;
use kv_proto::etcdserverpb::watch_request::RequestUnion;
use kv_proto::etcdserverpb::{
    LeaseGrantRequest, LeaseKeepAliveRequest, PutRequest, RangeRequest, StatusRequest, WatchCreateRequest,
    WatchRequest,
};
use kv_proto::grpc::health::v1::HealthCheckRequest;
use kv_proto::grpc::health::v1::health_client::HealthClient;
use kv_tests::{Cluster, Member};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio_stream::StreamExt;
use tonic::transport::Channel;
use tonic::{Code, Status};

/// Puts in flight at a time, of 64 KiB each: four times what a member has room for.
const PUTS: usize = 4000;
const VALUE_BYTES: usize = 64 << 10;

/// Ranges over everything in flight at a time, while the puts go on.
const RANGES: usize = 200;

/// Connections that share them.
const CONNECTIONS: usize = 20;

/// Memory that a member may take, in MiB.
const PEAK_MIB: u64 = 1100;

const LEASE: i64 = 77;

/// Elections do not come of a machine that is busy with other things as well.
const FLAGS: &[&str] = &["--heartbeat-interval=300", "--election-timeout=3000"];

/// How requests ended.
#[derive(Debug, Default)]
struct Ends {
    succeeded: AtomicU64,
    refused: AtomicU64,
}

impl Ends {
    fn note<T>(&self, result: Result<T, Status>) -> Result<()> {
        match result {
            Ok(_) => self.succeeded.fetch_add(1, Ordering::Relaxed),
            Err(status)
                if status.code() == Code::ResourceExhausted
                    && status.message() == "etcdserver: too many requests" =>
            {
                self.refused.fetch_add(1, Ordering::Relaxed)
            }
            Err(status) => anyhow::bail!("a request failed otherwise: {status}"),
        };
        Ok(())
    }

    fn counts(&self) -> (u64, u64) {
        (
            self.succeeded.load(Ordering::Relaxed),
            self.refused.load(Ordering::Relaxed),
        )
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_times_the_load_is_shed_and_the_cluster_goes_on() -> Result<()> {
    let mut cluster = Cluster::new(3, FLAGS)?;
    cluster.start_all().await?;
    let leader = cluster.leader().await?;
    let before = leadership(&cluster).await?;
    let (stop, stopped) = watch::channel(false);
    let lease = keep_lease(&cluster.members[leader], stopped.clone()).await?;
    let health = watch_health(&cluster, stopped)?;
    let watcher = watch_puts(&cluster.members[(leader + 1) % 3]).await?;

    let (puts, ranges) = (Arc::new(Ends::default()), Arc::new(Ends::default()));
    overload(&cluster.members[leader], &puts, &ranges).await?;

    stop.send_replace(true);
    let renewals = lease.await?.context("the lease was not renewed")?;
    let checks = health.await?.context("a member was not healthy")?;
    ensure!(leadership(&cluster).await? == before, "leader or term changed");
    let (succeeded, refused) = puts.counts();
    println!(
        "puts {succeeded} refused {refused}, ranges {:?}, renewals {renewals}, checks {checks}",
        ranges.counts()
    );
    ensure!(
        succeeded > 0 && refused > 0,
        "{succeeded} puts succeeded, {refused} were refused"
    );

    // The load has fallen: everything succeeds at once.
    let after = Ends::default();
    let mut client = cluster.members[leader]
        .kv()?
        .max_decoding_message_size(usize::MAX);
    for number in 0..100 {
        after.note(client.put(put(number)).await)?;
    }
    after.note(client.range(everything()).await)?;
    ensure!(
        after.counts() == (101, 0),
        "requests are refused after the load has fallen"
    );

    watcher.has_all(succeeded + 100).await?;
    for member in &mut cluster.members {
        let peak = peak_mib(member)?;
        println!("peak {peak} MiB");
        ensure!(peak <= PEAK_MIB, "a member took {peak} MiB of memory");
    }
    Ok(())
}

fn put(number: usize) -> PutRequest {
    PutRequest {
        key: format!("key{number}").into(),
        value: vec![b'v'; VALUE_BYTES].into(),
        ..PutRequest::default()
    }
}

fn everything() -> RangeRequest {
    RangeRequest {
        key: vec![0].into(),
        range_end: vec![0].into(),
        ..RangeRequest::default()
    }
}

/// All requests at once.
async fn overload(member: &Member, puts: &Arc<Ends>, ranges: &Arc<Ends>) -> Result<()> {
    let clients: Vec<KvClient<Channel>> = (0..CONNECTIONS)
        .map(|_| Ok(member.kv()?.max_decoding_message_size(usize::MAX)))
        .collect::<Result<_>>()?;
    let mut requests = JoinSet::new();
    for number in 0..PUTS {
        let (mut client, puts) = (clients[number % CONNECTIONS].clone(), Arc::clone(puts));
        requests.spawn(async move { puts.note(client.put(put(number)).await) });
        if number % (PUTS / RANGES) == 0 {
            let (mut client, ranges) = (clients[number % CONNECTIONS].clone(), Arc::clone(ranges));
            requests.spawn(async move { ranges.note(client.range(everything()).await) });
        }
    }
    while let Some(ended) = requests.join_next().await {
        ended??;
    }
    Ok(())
}

/// Who leads and in which term, as every member says.
async fn leadership(cluster: &Cluster) -> Result<Vec<(u64, u64)>> {
    let mut said = Vec::new();
    for member in &cluster.members {
        let status = MaintenanceClient::new(member.channel()?)
            .status(StatusRequest {})
            .await?;
        let status = status.into_inner();
        said.push((status.leader, status.raft_term));
    }
    Ok(said)
}

/// Renews a lease until it is told to stop; how often. It must not have ended.
async fn keep_lease(member: &Member, stopped: watch::Receiver<bool>) -> Result<JoinHandle<Result<usize>>> {
    let mut client = LeaseClient::new(member.channel()?);
    client
        .lease_grant(LeaseGrantRequest { id: LEASE, ttl: 10 })
        .await?;
    Ok(tokio::spawn(async move {
        let mut renewals = 0;
        while !*stopped.borrow() {
            let request = tokio_stream::once(LeaseKeepAliveRequest { id: LEASE });
            let answer = client
                .lease_keep_alive(request)
                .await?
                .into_inner()
                .message()
                .await?;
            ensure!(
                answer.is_some_and(|answer| answer.ttl == 10),
                "the lease has ended"
            );
            renewals += 1;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(renewals)
    }))
}

/// Asks every member whether it is healthy until it is told to stop; how often.
fn watch_health(cluster: &Cluster, stopped: watch::Receiver<bool>) -> Result<JoinHandle<Result<usize>>> {
    let clients = cluster
        .members
        .iter()
        .map(|member| Ok(HealthClient::new(member.channel()?)));
    let mut clients: Vec<HealthClient<Channel>> = clients.collect::<Result<_>>()?;
    Ok(tokio::spawn(async move {
        let mut checks = 0;
        while !*stopped.borrow() {
            for client in &mut clients {
                let answer = client.check(HealthCheckRequest::default()).await?.into_inner();
                ensure!(answer.status == 1, "{answer:?}");
                checks += 1;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(checks)
    }))
}

/// Counts the puts that a watcher hears of.
struct Watcher {
    events: watch::Receiver<u64>,
    ended: JoinHandle<Result<()>>,
}

async fn watch_puts(member: &Member) -> Result<Watcher> {
    let mut client = WatchClient::new(member.channel()?).max_decoding_message_size(usize::MAX);
    let create = WatchRequest {
        request_union: Some(RequestUnion::CreateRequest(WatchCreateRequest {
            key: "key".into(),
            range_end: "kez".into(),
            ..WatchCreateRequest::default()
        })),
    };
    let requests = tokio_stream::once(create).chain(tokio_stream::pending());
    let mut responses = client.watch(requests).await?.into_inner();
    let created = responses.message().await?.context("the stream has ended")?;
    ensure!(created.created, "{created:?}");
    let (sender, events) = watch::channel(0);
    let ended = tokio::spawn(async move {
        let mut revision = 0;
        while let Some(response) = responses.message().await? {
            ensure!(!response.canceled, "the watcher was cancelled");
            for event in &response.events {
                let at = event.kv.as_ref().context("an event has a key")?.mod_revision;
                ensure!(at > revision, "an event at {at} after one at {revision}");
                revision = at;
            }
            sender.send_modify(|events| *events += response.events.len() as u64);
        }
        anyhow::bail!("the stream has ended")
    });
    Ok(Watcher { events, ended })
}

impl Watcher {
    /// Waits until it has heard of so many puts.
    async fn has_all(mut self, count: u64) -> Result<()> {
        let all = self.events.wait_for(|events| *events >= count);
        tokio::select! {
            ended = &mut self.ended => ended?,
            all = tokio::time::timeout(Duration::from_secs(60), all) => {
                let events = *all.context("events are missing")??;
                ensure!(events == count, "there were {events} events of {count} puts");
                Ok(())
            }
        }
    }
}

fn peak_mib(member: &mut Member) -> Result<u64> {
    let pid = member.process()?.pid().context("the member has ended")?;
    kv_tests::peak_mib(pid)
}
