use std::io;
use std::sync::{Arc, OnceLock, Weak};
use std::thread::JoinHandle;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use kv_machine::Command;
use kv_raft::{AskHandler, Raft};
use kv_types::MemberId;
use parking_lot::Mutex;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::auth::{Passwords, Tokens};
use crate::error::RequestError;
use crate::image::IMAGES_MAX;
use crate::maintenance;
use crate::options::ServerOptions;
use crate::proposals::ProposalQueue;
use crate::read_barrier::ReadBarrier;
use crate::replica::Replica;
use crate::server::Server;
use crate::shell::{LogGauge, Shell, blocking_reads_max};
use crate::waiters::RequestIds;

/// Where other members' questions to the leader arrive. Raft needs it before the server is there; until then
/// it answers as a member that does not lead.
#[derive(Default)]
pub struct LeaderDesk {
    shell: OnceLock<Weak<Shell>>,
}

impl AskHandler for LeaderDesk {
    fn ask(&self, _from: MemberId, question: Bytes) -> BoxFuture<'static, Bytes> {
        let shell = self.shell.get().and_then(Weak::upgrade);
        async move {
            match shell {
                Some(shell) => shell.answer(question).await,
                None => Bytes::new(),
            }
        }
        .boxed()
    }
}

/// How often a member that has joined looks whether it has a vote.
const VOTE_INTERVAL: std::time::Duration = std::time::Duration::from_millis(50);

/// A member's server and its tasks. They end when it is stopped or dropped.
pub struct Running {
    shell: Arc<Shell>,
    tasks: JoinSet<()>,
    maintenance: Option<JoinHandle<()>>,
}

impl Running {
    /// Starts the tasks that serve a replica whose Raft runs.
    ///
    /// # Errors
    /// If the maintenance thread cannot be started.
    pub fn start(
        options: ServerOptions,
        replica: Arc<Replica>,
        raft: Raft,
        desk: &LeaderDesk,
        log: Arc<dyn LogGauge>,
    ) -> io::Result<Self> {
        let request_ids = RequestIds::new();
        let shell = Arc::new(Shell {
            tokens: Tokens::new(&options.auth.tokens),
            passwords: Passwords::new(options.auth.bcrypt_cost, options.request_timeout()),
            options,
            leadership: raft.leadership(),
            raft,
            log,
            replica: Arc::clone(&replica),
            proposals: ProposalQueue::default(),
            reads: ReadBarrier::default(),
            request_ids,
            images: Arc::new(Semaphore::new(IMAGES_MAX)),
            leader: watch::Sender::new(None),
            elected: Mutex::new(Instant::now()),
            blocking_reads: Arc::new(Semaphore::new(blocking_reads_max())),
            member_changes: tokio::sync::Mutex::new(()),
        });
        // Set once: a desk belongs to one member.
        let _ = desk.shell.set(Arc::downgrade(&shell));
        let mut tasks = JoinSet::new();
        tasks.spawn(Arc::clone(&shell).run_proposals());
        tasks.spawn(Arc::clone(&shell).run_reads());
        tasks.spawn(Arc::clone(&shell).run_leadership());
        tasks.spawn(Arc::clone(&shell).run_lease_expiry());
        tasks.spawn(Arc::clone(&replica.watches).run_live());
        tasks.spawn(Arc::clone(&replica.watches).run_catching_up());
        tasks.spawn(Arc::clone(&replica.watches).run_progress());
        Ok(Self {
            shell,
            tasks,
            maintenance: maintenance::start(replica)?,
        })
    }

    /// What the edge calls.
    pub fn server(&self) -> Server {
        Server::new(Arc::clone(&self.shell))
    }

    /// Tells the cluster this member's name and client URLs; returns when that is applied here, which takes a
    /// leader and a quorum.
    ///
    /// # Errors
    /// [`RequestError::Stopped`]; everything else is tried again.
    pub fn publish(&self) -> impl Future<Output = Result<(), RequestError>> + Send + 'static {
        let shell = Arc::clone(&self.shell);
        async move {
            loop {
                let command = Command::Publish {
                    member: shell.options.member_id,
                    name: shell.options.name.clone(),
                    client_urls: shell.options.client_urls.clone(),
                };
                match shell.propose(command).await {
                    Ok(_) => return Ok(()),
                    Err(RequestError::Stopped) => return Err(RequestError::Stopped),
                    Err(error) => {
                        tracing::warn!(%error, "this member is not published yet; trying again");
                        tokio::time::sleep(shell.options.election_timeout / 10).await;
                    }
                }
            }
        }
    }

    /// Returns when Raft has stopped by itself, with the reason: its storage failed.
    pub async fn failed(&self) -> String {
        self.shell
            .raft
            .stopped()
            .await
            .unwrap_or_else(|| "raft was shut down".into())
    }

    /// Returns when this member has the vote that it is to have: others may be away from then on.
    pub async fn has_its_vote(&self) {
        let me = self.shell.options.member_id;
        while !self.shell.is_learner() && !self.shell.raft.status().voters.contains(&me) {
            tokio::time::sleep(VOTE_INTERVAL).await;
        }
    }

    /// Returns when this member is known to be removed from its cluster: it should stop.
    pub async fn removed(&self) {
        self.shell.raft.removed().await;
    }

    /// Ends streams that clients keep open at once, so that the edge can finish what it serves.
    pub fn end_streams(&self) {
        self.shell.replica.watches.stop();
    }

    /// Hands the leadership over, if this member has it and another can take it; returns when that is settled.
    /// Requests go on to be served, by way of the new leader.
    pub async fn resign(&self) {
        self.shell.raft.resign().await;
    }

    /// Hands leadership over, stops Raft, and ends the tasks. The log holds everything acknowledged; a
    /// checkpoint under way is finished.
    pub async fn stop(mut self) {
        self.end_streams();
        self.shell.raft.shutdown().await;
        self.tasks.shutdown().await;
        self.shell.replica.maintenance.stop();
        if let Some(thread) = self.maintenance.take() {
            // It ends after what it does now; joining must not block the runtime.
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shell.replica.watches.stop();
        self.shell.replica.maintenance.stop();
    }
}
