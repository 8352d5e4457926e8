//! A member that is told to stop does so soon, whatever clients and peers keep open.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use kv_embed::{Config, Member, Options};
use kv_proto::etcdserverpb::lease_client::LeaseClient;
use kv_proto::etcdserverpb::watch_client::WatchClient;
use kv_proto::etcdserverpb::{LeaseKeepAliveRequest, WatchRequest};
use kv_proto::grpc::health::v1::HealthCheckRequest;
use kv_proto::grpc::health::v1::health_check_response::ServingStatus;
use kv_proto::grpc::health::v1::health_client::HealthClient;
use tempfile::TempDir;
use tonic::Code;
use tonic::transport::Channel;

/// Long, so that a hand-over is told from an election.
const ELECTION_TIMEOUT_MS: u64 = 8000;

/// Less than requests may take to finish, and than an election.
const SOON: Duration = Duration::from_secs(4);

/// Below the ports that systems give to outgoing connections, so that none of those takes one.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let [low, high, ..] = std::process::id().to_le_bytes();
    let first = u16::from_le_bytes([low, high]);
    loop {
        let port = 9000 + first.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % 2500;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

fn url(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

struct Site {
    member: Member,
    client_url: String,
    _data: TempDir,
}

async fn start(count: usize) -> Vec<Site> {
    let peer_urls: Vec<String> = (0..count).map(|_| url(free_port())).collect();
    let members: Vec<String> = peer_urls
        .iter()
        .enumerate()
        .map(|(n, url)| format!("m{n}={url}"))
        .collect();
    let mut starting = Vec::new();
    for (n, peer_url) in peer_urls.iter().enumerate() {
        let data = tempfile::tempdir().unwrap();
        let client_url = url(free_port());
        let options = Options {
            name: format!("m{n}"),
            data_dir: Some(data.path().display().to_string()),
            listen_client_urls: Some(client_url.clone()),
            advertise_client_urls: Some(client_url.clone()),
            listen_peer_urls: peer_url.clone(),
            initial_advertise_peer_urls: peer_url.clone(),
            initial_cluster: Some(members.join(",")),
            election_timeout: ELECTION_TIMEOUT_MS,
            ..Options::default()
        };
        let config = Config::from_options(&options).unwrap();
        starting.push(tokio::spawn(async move {
            let member = Member::start(config).await.unwrap();
            Site {
                member,
                client_url,
                _data: data,
            }
        }));
    }
    let mut sites = Vec::new();
    for site in starting {
        sites.push(site.await.unwrap());
    }
    sites
}

/// The place of the leader that all know.
async fn leader(sites: &[Site]) -> usize {
    loop {
        let known: Vec<_> = sites.iter().map(|site| site.member.server().leader()).collect();
        let place = sites
            .iter()
            .position(|site| Some(site.member.server().header().member_id) == known[0]);
        if let Some(place) = place
            && known.iter().all(|leader| *leader == known[0])
        {
            return place;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn stop(site: Site) -> Duration {
    let began = Instant::now();
    site.member.shutdown().await;
    began.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leaders_hand_over_and_followers_just_leave() {
    let mut sites = start(3).await;
    let place = leader(&sites).await;
    let took = stop(sites.remove(place)).await;
    assert!(took < SOON, "a leader took {took:?} to stop");
    let place = leader(&sites).await;
    let took = stop(sites.remove(1 - place)).await;
    assert!(took < SOON, "a follower took {took:?} to stop");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_that_clients_keep_open_end_when_the_member_stops() {
    let site = start(1).await.remove(0);
    let channel = Channel::from_shared(site.client_url.clone())
        .unwrap()
        .connect()
        .await
        .unwrap();
    let none = tokio_stream::pending::<WatchRequest>();
    let mut events = WatchClient::new(channel.clone())
        .watch(none)
        .await
        .unwrap()
        .into_inner();
    let none = tokio_stream::pending::<LeaseKeepAliveRequest>();
    let mut renewals = LeaseClient::new(channel.clone())
        .lease_keep_alive(none)
        .await
        .unwrap()
        .into_inner();
    let asked = HealthCheckRequest::default();
    let mut health = HealthClient::new(channel)
        .watch(asked)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        health.message().await.unwrap().unwrap().status(),
        ServingStatus::Serving
    );

    let took = stop(site).await;
    assert!(took < SOON, "it took {took:?} to stop");
    for ended in [
        events.message().await.map(drop),
        renewals.message().await.map(drop),
    ] {
        let status = ended.unwrap_err();
        assert_eq!(
            (status.code(), status.message()),
            (Code::Unavailable, "etcdserver: server stopped")
        );
    }
    assert_eq!(
        health.message().await.unwrap().unwrap().status(),
        ServingStatus::NotServing
    );
    assert!(health.message().await.unwrap().is_none());
}
