use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use kv_config::{AuthConfig, AuthToken, ClusterState, Config, InitialMember, Url};
use kv_gateway::Edge;
use kv_peer::{PeerOptions, PeerTransport};
use kv_raft::{ChangeError, Raft, RaftMember, RaftOptions, RaftParts};
use kv_server::{AuthOptions, LeaderDesk, RequestError, Running, Server, ServerOptions, TokenOptions};
use tokio::net::TcpListener;

use crate::data_dir::{DataDir, Identity};
use crate::error::StartError;
use crate::listen::{Listeners, bind, client_connections_max, peer_connections_max};
use crate::log_gauge::{Gauge, Syncs};
use crate::{join, peers, storage};

/// How long requests under way may take to finish when the member is shut down.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(7);

/// How long the last answers to peers may take to be sent: all are settled, as Raft has stopped.
const PEER_DRAIN_TIMEOUT: Duration = Duration::from_millis(100);

/// A member that was removed serves for so long, as etcd's does.
const REMOVED_LINGERS: Duration = Duration::from_secs(1);

/// Why a member does not go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// Its storage failed; the text says how.
    Failed(String),
    /// It was removed from its cluster, and must not be started again.
    Removed,
}

/// A running member.
///
/// Dropping it ends its tasks without handing leadership over; what was acknowledged is in the log either way.
pub struct Member {
    running: Running,
    edge: Edge,
    clients: Listeners,
    peers: Listeners,
    identity: Identity,
    /// Held until everything else has ended.
    _data_dir: DataDir,
}

impl Member {
    /// Starts a member and waits until it serves: it has joined its cluster and published itself there, for which
    /// a quorum must be up.
    ///
    /// # Errors
    /// [`StartError`], with nothing left running. Dropping the future stops the start.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let peer_listeners = bind("listen-peer-urls", &config.listen_peer_urls).await?;
        let client_listeners = bind("listen-client-urls", &config.listen_client_urls).await?;
        let data_dir = DataDir::open(&config.data_dir)?;
        let identity = identify(&config, &data_dir).await?;
        let member = Self::start_serving_peers(&config, data_dir, identity, peer_listeners).await?;
        member.serve_clients(&config, client_listeners).await
    }

    async fn start_serving_peers(
        config: &Config,
        data_dir: DataDir,
        identity: Identity,
        listeners: Vec<TcpListener>,
    ) -> Result<Self, StartError> {
        let syncs = Arc::new(Syncs::new());
        let interval = config.watch_progress_notify_interval;
        let (wal, replica) = storage::open(&data_dir, identity, Arc::clone(&syncs), interval).await?;
        let peer_identity = kv_peer::Identity {
            cluster: identity.cluster,
            member: identity.member,
        };
        let peer_options = PeerOptions::new(peer_identity, config.election_timeout);
        let desk = Arc::new(LeaderDesk::default());
        let options = server_options(config, identity, data_dir.snapshots());
        let raft = Raft::start(
            raft_options(config, &options, data_dir.snapshots()),
            RaftParts {
                wal: wal.clone(),
                machine: Arc::clone(&replica) as Arc<dyn kv_raft::StateMachine>,
                transport: Arc::new(PeerTransport::new(peer_options.clone())),
                ask_handler: Arc::clone(&desk) as Arc<dyn kv_raft::AskHandler>,
            },
        )
        .await?;
        let service = raft.service();
        let gauge = Arc::new(Gauge { wal, syncs });
        let running =
            Running::start(options, replica, raft.clone(), &desk, gauge).map_err(StartError::Thread)?;
        let router = peers::router(&peer_options, service).merge(peers::pages(running.server()));
        let peers = Listeners::serve(listeners, peer_connections_max(), move || router.clone());
        if !identity.joined {
            bootstrap(&raft, config).await?;
        }
        let edge = Edge::new(running.server());
        Ok(Self {
            running,
            edge,
            clients: Listeners::default(),
            peers,
            identity,
            _data_dir: data_dir,
        })
    }

    async fn serve_clients(
        mut self,
        config: &Config,
        listeners: Vec<TcpListener>,
    ) -> Result<Self, StartError> {
        let serving = async {
            self.running.publish().await?;
            // Who waits for this one to be ready may then let another one go.
            self.running.has_its_vote().await;
            Ok(())
        };
        let published = tokio::select! {
            published = serving => published,
            reason = self.running.failed() => return Err(StartError::Stopped { reason }),
            () = self.running.removed() => return Err(StartError::Removed),
            () = join::removed(config, self.identity), if self.identity.joined => {
                return Err(StartError::Removed);
            }
        };
        match published {
            Ok(()) => {}
            Err(RequestError::Stopped) => {
                return Err(StartError::Stopped {
                    reason: self.running.failed().await,
                });
            }
            Err(error) => {
                return Err(StartError::Stopped {
                    reason: error.to_string(),
                });
            }
        }
        let edge = self.edge.clone();
        self.clients = Listeners::serve(listeners, client_connections_max(), move || edge.for_connection());
        tracing::info!(
            member_id = %self.server().header().member_id,
            cluster_id = %self.server().header().cluster_id,
            urls = %join(&config.listen_client_urls),
            "ready to serve client requests"
        );
        Ok(self)
    }

    /// The member as typed calls, without a socket.
    pub fn server(&self) -> Server {
        self.running.server()
    }

    /// The member as the HTTP service its client URLs serve, for a gRPC client in the same process: generated
    /// clients take it in place of a channel.
    pub fn service(&self) -> Edge {
        self.edge.clone()
    }

    /// Returns when the member should not go on, with the reason. It is still to be [shut down](Member::shutdown).
    pub async fn ended(&self) -> End {
        tokio::select! {
            reason = self.running.failed() => End::Failed(reason),
            () = self.running.removed() => {
                // Whoever asked for it may have asked this member, and waits for the answer.
                tokio::time::sleep(REMOVED_LINGERS).await;
                End::Removed
            }
        }
    }

    /// Hands leadership over, finishes what is under way, and stops.
    pub async fn shutdown(self) {
        let Self {
            running,
            edge: _,
            clients,
            peers,
            identity: _,
            _data_dir,
        } = self;
        running.end_streams();
        // What is under way needs Raft, and Raft needs its peers.
        let (drained, ()) = tokio::join!(clients.stop(DRAIN_TIMEOUT), running.resign());
        if !drained {
            tracing::warn!("requests under way were cut off");
        }
        running.stop().await;
        peers.stop(PEER_DRAIN_TIMEOUT).await;
    }
}

/// Whose data the directory holds; for a new one, whose it is going to be.
async fn identify(config: &Config, data_dir: &DataDir) -> Result<Identity, StartError> {
    let existing = config.initial_cluster_state == ClusterState::Existing;
    let asked = Identity {
        member: config.member_id(),
        cluster: config.cluster_id(),
        joined: false,
    };
    match data_dir.identity()? {
        Some(identity) => {
            // As in etcd, the flags of the bootstrap are not used again; but if nothing of them fits, this is
            // the wrong directory.
            if config.initial_cluster_given
                && !existing
                && !identity.joined
                && identity.member != asked.member
                && identity.cluster != asked.cluster
            {
                return Err(StartError::OtherCluster {
                    dir: config.data_dir.clone(),
                    member: identity.member,
                    cluster: identity.cluster,
                    asked_member: asked.member,
                    asked_cluster: asked.cluster,
                });
            }
            Ok(identity)
        }
        None if existing => join::identity(config).await,
        None => {
            join::check_new(config, asked.member).await?;
            Ok(asked)
        }
    }
}

async fn bootstrap(raft: &Raft, config: &Config) -> Result<(), StartError> {
    let members: Vec<RaftMember> = config.initial_cluster.members.iter().map(raft_member).collect();
    match raft.bootstrap(&members).await {
        Ok(()) => Ok(()),
        Err(
            error @ (ChangeError::NotLeader
            | ChangeError::Refused(_)
            | ChangeError::Unknown
            | ChangeError::Stopped),
        ) => Err(StartError::Stopped {
            reason: error.to_string(),
        }),
    }
}

pub(crate) fn raft_member(member: &InitialMember) -> RaftMember {
    RaftMember {
        id: member.id,
        peer_urls: member.peer_urls.iter().map(Url::to_string).collect(),
        learner: false,
    }
}

fn raft_options(config: &Config, options: &ServerOptions, snapshot_dir: PathBuf) -> RaftOptions {
    RaftOptions {
        heartbeat_interval: config.heartbeat_interval,
        election_timeout: config.election_timeout,
        request_timeout: options.request_timeout(),
        snapshot_count: config.snapshot_count,
        catchup_entries: config.snapshot_catchup_entries,
        ..RaftOptions::new(options.member_id, snapshot_dir)
    }
}

fn server_options(config: &Config, identity: Identity, scratch_dir: PathBuf) -> ServerOptions {
    ServerOptions {
        member_id: identity.member,
        cluster_id: identity.cluster,
        name: config.name.clone(),
        client_urls: config.advertise_client_urls.iter().map(Url::to_string).collect(),
        election_timeout: config.election_timeout,
        strict_reconfig_check: config.strict_reconfig_check,
        max_learners: usize::try_from(config.max_learners).unwrap_or(usize::MAX),
        quota_bytes: config.quota_bytes,
        limits: config.limits,
        scratch_dir,
        auth: auth_options(&config.auth),
    }
}

fn auth_options(config: &AuthConfig) -> AuthOptions {
    AuthOptions {
        tokens: match config.token {
            AuthToken::Simple { ttl } => TokenOptions::Simple { ttl },
        },
        bcrypt_cost: config.bcrypt_cost,
    }
}

fn join(urls: &[Url]) -> String {
    urls.iter().map(Url::as_str).collect::<Vec<_>>().join(",")
}
