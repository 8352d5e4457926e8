use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kv_raft::{Leadership, MembershipChange, ProposeError, Raft, RaftMember, RaftOptions, RaftParts, Role};
use kv_types::{ClusterId, MemberId};
use kv_wal::Wal;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::time::Instant;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;

use super::machine::{Echo, Machine};
use crate::{CONNECTION_WINDOW_BYTES, Identity, PeerOptions, PeerTransport, STREAM_WINDOW_BYTES, service};

pub(crate) const CLUSTER: ClusterId = ClusterId::new(0xc1);

const ELECTION_TIMEOUT: Duration = Duration::from_millis(1000);

/// A member with a listener of its own.
pub(crate) struct Node {
    pub(crate) raft: Raft,
    pub(crate) machine: Machine,
    pub(crate) url: String,
    /// All that the member does, so that it ends at once, as with a process.
    runtime: Option<Runtime>,
    _directory: TempDir,
}

pub(crate) async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    (listener, url)
}

pub(crate) fn options(id: u64) -> PeerOptions {
    let identity = Identity {
        cluster: CLUSTER,
        member: MemberId::new(id),
    };
    PeerOptions::new(identity, ELECTION_TIMEOUT)
}

impl Node {
    pub(crate) async fn start(id: u64, listener: TcpListener, url: String) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let wal_options = kv_wal::Options {
            segment_bytes: 4 * 1024 * 1024,
            first_segment_bytes: 64 * 1024,
            spare_segments: 0,
            ..kv_wal::Options::default()
        };
        let (wal, _) = Wal::open(&directory.path().join("wal"), wal_options).unwrap();
        let machine = Machine::default();
        let mut raft_options = RaftOptions::new(MemberId::new(id), directory.path().join("snap"));
        raft_options.snapshot_count = 500;
        raft_options.catchup_entries = 10;
        let peer_options = options(id);
        let parts = RaftParts {
            wal,
            machine: Arc::new(machine.clone()),
            transport: Arc::new(PeerTransport::new(peer_options.clone())),
            ask_handler: Arc::new(Echo),
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = listener.into_std().unwrap();
        let start = async move {
            let raft = Raft::start(raft_options, parts).await.unwrap();
            let server = Server::builder()
                .initial_stream_window_size(STREAM_WINDOW_BYTES)
                .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
                .add_service(service(&peer_options, raft.service()));
            let connections = TcpListenerStream::new(TcpListener::from_std(listener).unwrap());
            tokio::spawn(async move { server.serve_with_incoming(connections).await.unwrap() });
            raft
        };
        let raft = runtime.spawn(start).await.unwrap();
        Self {
            raft,
            machine,
            url,
            runtime: Some(runtime),
            _directory: directory,
        }
    }

    fn leadership(&self) -> Leadership {
        *self.raft.leadership().borrow()
    }

    /// Proposes again what a change of leader superseded: a busy machine may bring one about at any time.
    async fn propose(&self, command: impl Into<Bytes>) {
        let command = command.into();
        loop {
            match self.raft.propose(command.clone()).await {
                Ok(_) => return,
                Err(ProposeError::Superseded) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.runtime.take().unwrap().shutdown_background();
    }
}

pub(crate) async fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "no {what} in time");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn start_three() -> Vec<Node> {
    let mut nodes = Vec::new();
    for id in 1..=3 {
        let (listener, url) = listen().await;
        nodes.push(Node::start(id, listener, url).await);
    }
    let member = |(id, node): (u64, &Node)| RaftMember {
        id: MemberId::new(id),
        peer_urls: vec![node.url.clone()],
        learner: false,
    };
    let members: Vec<_> = (1..).zip(&nodes).map(member).collect();
    for node in &nodes {
        node.raft.bootstrap(&members).await.unwrap();
    }
    nodes
}

async fn leader(nodes: &[Node]) -> usize {
    eventually("leader", || {
        let known = nodes[0].leadership().leader?;
        let agreed = nodes.iter().all(|node| node.leadership().leader == Some(known));
        agreed.then(|| {
            nodes
                .iter()
                .position(|node| node.leadership().role == Role::Leader)
        })?
    })
    .await
}

async fn wait_same(nodes: &[Node], count: usize) {
    eventually("agreement", || {
        let first = nodes[0].machine.commands();
        (first.len() == count && nodes.iter().all(|node| node.machine.commands() == first)).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_members_agree_over_grpc_and_survive_the_loss_of_the_leader() {
    let mut nodes = start_three().await;
    let first = leader(&nodes).await;
    for node in &nodes {
        node.propose("hello").await;
        let index = node.raft.read_index().await.unwrap();
        node.raft.wait_applied(index).await.unwrap();
        assert_eq!(node.raft.ask_leader("question".into()).await.unwrap(), "question");
    }
    wait_same(&nodes, 3).await;
    let large = vec![7; 5 * 1024 * 1024];
    nodes[(first + 1) % 3].propose(large).await;
    wait_same(&nodes, 4).await;

    let handed_over_to = MemberId::new(1 + ((first as u64 + 1) % 3));
    nodes[first].raft.transfer_leader(handed_over_to).await.unwrap();
    nodes[first].propose("after the transfer").await;
    wait_same(&nodes, 5).await;

    let second = leader(&nodes).await;
    let began = Instant::now();
    drop(nodes.remove(second));
    nodes[0].propose("after the loss").await;
    assert!(began.elapsed() < ELECTION_TIMEOUT * 2, "{:?}", began.elapsed());
    wait_same(&nodes, 6).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_member_is_filled_with_a_snapshot_in_frames() {
    let (listener, url) = listen().await;
    let first = Node::start(1, listener, url.clone()).await;
    let only = RaftMember {
        id: MemberId::new(1),
        peer_urls: vec![url],
        learner: false,
    };
    first.raft.bootstrap(&[only]).await.unwrap();
    let mut proposals = tokio::task::JoinSet::new();
    for number in 0..1600 {
        let raft = first.raft.clone();
        proposals.spawn(async move {
            raft.propose(Bytes::from(format!("{number:>1000}")))
                .await
                .unwrap()
        });
    }
    proposals.join_all().await;
    eventually("purge", || first.raft.status().purged).await;
    let (listener, url) = listen().await;
    let second = Node::start(2, listener, url.clone()).await;
    let learner = RaftMember {
        id: MemberId::new(2),
        peer_urls: vec![url],
        learner: true,
    };
    let add = MembershipChange::Add(learner);
    first.raft.change(&add).await.unwrap();
    let nodes = [first, second];
    wait_same(&nodes, 1600).await;
    assert!(nodes[1].raft.status().purged.is_some(), "it came as a snapshot");
    let promote = MembershipChange::Promote(MemberId::new(2));
    nodes[0].raft.change(&promote).await.unwrap();
    nodes[1].propose("both").await;
    wait_same(&nodes, 1601).await;
}
