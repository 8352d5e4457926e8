use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use kv_types::{LogIndex, MemberId, Term};
use kv_wal::Wal;
use openraft::errors::{InitializeError, RaftError};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::apply::Applier;
use crate::contacts::Contacts;
use crate::core::{Core, Openraft, Stopped, until};
use crate::heard::Heard;
use crate::log::LogStore;
use crate::monitor;
use crate::network::{Addresses, Network};
use crate::removal::Listening;
use crate::snapshot::Receiver;
use crate::transport::Transport;
use crate::types::Node;
use crate::{
    AskError, AskHandler, ChangeError, Leadership, MembershipChange, ProposeError, RaftMember, RaftOptions,
    RaftService, ReadIndexError, Role, StartError, StateMachine, Status,
};

/// A member's part in Raft; clones share it.
///
/// Futures of its methods may be dropped; a proposal, question or change may then happen or not.
#[derive(Clone)]
pub struct Raft {
    core: Arc<Core>,
}

/// What [`Raft::start`] connects.
pub struct RaftParts {
    /// The log on disk, opened with [`kv_wal::Options::full_disk_retry`] so that a full disk is waited for; an error
    /// of it is the end of Raft. Its `queue_bytes` should be well above 64 MiB: nothing waits for room in it then.
    pub wal: Wal,
    /// What the log is applied to.
    pub machine: Arc<dyn StateMachine>,
    /// The way to the other members.
    pub transport: Arc<dyn Transport>,
    /// Answers questions to the leader.
    pub ask_handler: Arc<dyn AskHandler>,
}

impl Raft {
    /// Starts a member on the current runtime. Applies what the log is known to have committed beyond the state
    /// machine's durable state before it returns. A member without a log does nothing until it is
    /// [bootstrapped](Raft::bootstrap) or a leader finds it.
    ///
    /// # Errors
    /// [`StartError`] if the options, the storage or the snapshot directory are unusable.
    pub async fn start(options: RaftOptions, parts: RaftParts) -> Result<Self, StartError> {
        let config = options.openraft_config()?;
        let directory = options.snapshot_dir.clone();
        if let Err(source) = std::fs::create_dir_all(&directory) {
            return Err(StartError::Directory {
                path: directory,
                source,
            });
        }
        let storage = |error: &dyn std::fmt::Display| StartError::Storage(error.to_string());
        let log = LogStore::open(parts.wal).map_err(|error| storage(&error))?;
        let applier = Applier::new(Arc::clone(&parts.machine), log.clone());
        let (progress, sending, made) = (applier.progress(), applier.sending(), applier.made());
        let removed = Arc::new(watch::Sender::new(false));
        let transport: Arc<dyn Transport> = Arc::new(Listening {
            transport: parts.transport,
            removed: Arc::clone(&removed),
        });
        let addresses = Arc::new(Addresses::default());
        let network = Network {
            transport: Arc::clone(&transport),
            sending: Arc::clone(&sending),
            addresses: Arc::clone(&addresses),
        };
        let member = options.member.get();
        let openraft = Openraft::new(member, Arc::new(config), network, log.clone(), applier)
            .await
            .map_err(|error| storage(&error))?;
        let leadership = Leadership {
            leader: None,
            term: Term::default(),
            role: Role::Learner,
        };
        let heard = Arc::new(Heard::new(options.election_timeout));
        let core = Arc::new(Core {
            options,
            openraft,
            log,
            machine: parts.machine,
            transport,
            ask_handler: parts.ask_handler,
            progress,
            sending,
            made,
            snapshotting: tokio::sync::Mutex::new(()),
            receiver: Receiver::new(directory),
            leadership: watch::Sender::new(leadership),
            shutting_down: AtomicBool::new(false),
            heard,
            changing: tokio::sync::Mutex::new(()),
            contacts: parking_lot::Mutex::new(Contacts::new(Instant::now())),
            removed,
            addresses,
        });
        monitor::spawn(&core);
        Ok(Self { core })
    }

    /// The receiving end for the transport.
    pub fn service(&self) -> RaftService {
        RaftService::new(Arc::clone(&self.core))
    }

    /// Begins a new cluster of `members`, all voters. Every one of them may do so, with the same members; a member
    /// that has a log already is left as it is.
    ///
    /// # Errors
    /// [`ChangeError::Refused`] if this member is not among them, [`ChangeError::Stopped`].
    pub async fn bootstrap(&self, members: &[RaftMember]) -> Result<(), ChangeError> {
        let nodes: BTreeMap<u64, Node> = members
            .iter()
            .map(|member| {
                let node = Node {
                    urls: member.peer_urls.clone(),
                    learner: false,
                };
                (member.id.get(), node)
            })
            .collect();
        match self.core.openraft.initialize(nodes).await {
            Ok(()) | Err(RaftError::APIError(InitializeError::NotAllowed(_))) => Ok(()),
            Err(RaftError::APIError(error @ InitializeError::NotInMembers(_))) => {
                Err(ChangeError::Refused(error.to_string()))
            }
            Err(RaftError::Fatal(_)) => Err(ChangeError::Stopped),
        }
    }

    /// Whether the member has a log: it was bootstrapped, or a leader has found it.
    ///
    /// # Errors
    /// [`ChangeError::Stopped`].
    pub async fn is_bootstrapped(&self) -> Result<bool, ChangeError> {
        self.core
            .openraft
            .is_initialized()
            .await
            .map_err(|_| ChangeError::Stopped)
    }

    /// Has the leader append a proposal to the log. Returns its index once a quorum has it durably; it is then
    /// applied on every member, here perhaps a little later. Tries again, up to the request timeout, as long as no
    /// leader has taken it.
    ///
    /// # Errors
    /// [`ProposeError`], whose variants say whether the proposal may still be applied.
    pub async fn propose(&self, proposal: Bytes) -> Result<LogIndex, ProposeError> {
        self.core.propose(proposal).await
    }

    /// The index a linearizable read that begins now must have applied, confirmed by the leader with a quorum. Tries
    /// again up to the request timeout. One call serves any number of reads.
    ///
    /// # Errors
    /// [`ReadIndexError`].
    pub async fn read_index(&self) -> Result<LogIndex, ReadIndexError> {
        self.core.read_index().await
    }

    /// Returns once the entry `index` is applied on this member.
    ///
    /// # Errors
    /// [`ReadIndexError::Stopped`].
    pub async fn wait_applied(&self, index: LogIndex) -> Result<(), ReadIndexError> {
        self.core
            .wait_applied(index)
            .await
            .map_err(|Stopped| ReadIndexError::Stopped)
    }

    /// Has the leader's [`AskHandler`] answer a question.
    ///
    /// # Errors
    /// [`AskError`].
    pub async fn ask_leader(&self, question: Bytes) -> Result<Bytes, AskError> {
        self.core.ask_leader(question).await
    }

    /// Who leads, and each change of it.
    pub fn leadership(&self) -> watch::Receiver<Leadership> {
        self.core.leadership.subscribe()
    }

    /// This member's view of the cluster.
    pub fn status(&self) -> Status {
        self.core.status()
    }

    /// Returns once Raft has stopped, with the reason if it was not a shutdown. A member that gets one must not go
    /// on: its storage has failed.
    pub async fn stopped(&self) -> Option<String> {
        self.core.stopped().await;
        self.core.metrics(|metrics| self.core.failure(metrics))
    }

    /// Makes a snapshot and purges the log before it, less what is kept for followers. Returns when the snapshot is
    /// made; it happens by itself now and then.
    ///
    /// # Errors
    /// The state machine's [`SnapshotError`](crate::SnapshotError).
    pub async fn snapshot(&self) -> Result<(), crate::SnapshotError> {
        monitor::snapshot(&self.core).await
    }

    /// Hands the leadership over to `to`. Returns once it leads; this member takes no proposals meanwhile.
    ///
    /// # Errors
    /// [`ChangeError::NotLeader`] if this member does not lead, [`ChangeError::Refused`] if `to` is no voter,
    /// [`ChangeError::Unknown`] if it has not happened within the request timeout.
    pub async fn transfer_leader(&self, to: MemberId) -> Result<(), ChangeError> {
        let core = &self.core;
        let Some(leader) = core.leader().filter(|leader| core.is_me(leader)) else {
            return Err(ChangeError::NotLeader);
        };
        if to == core.options.member {
            return Ok(());
        }
        if !core.metrics(|metrics| metrics.membership_config.voter_ids().any(|id| id == to.get())) {
            return Err(ChangeError::Refused(format!("member {to} is no voter")));
        }
        tracing::info!(member_id = %to, raft_term = leader.term, "handing over the leadership");
        core.openraft
            .trigger()
            .transfer_leader(to.get())
            .await
            .map_err(|_| ChangeError::Stopped)?;
        let mut leadership = core.leadership.subscribe();
        let leads = leadership
            .wait_for(|leadership| leadership.leader == Some(to) || leadership.role == Role::Stopped);
        match until(core.deadline(), leads).await {
            Some(Ok(leadership)) if leadership.role != Role::Stopped => Ok(()),
            Some(_) => Err(ChangeError::Stopped),
            None => Err(ChangeError::Unknown),
        }
    }

    /// Hands the leadership over before a shutdown, if this member has it and another takes it within the election
    /// timeout; returns when that is settled. The messages of the others must be served meanwhile.
    pub async fn resign(&self) {
        let core = &self.core;
        if let Some(successor) = monitor::successor(core) {
            let handover = self.transfer_leader(successor);
            match tokio::time::timeout(core.options.election_timeout, handover).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::info!(%error, "leadership not handed over"),
                Err(_) => tracing::info!("leadership not handed over in time"),
            }
        }
    }

    /// Stops taking part, after [`Raft::resign`].
    pub async fn shutdown(&self) {
        self.resign().await;
        let core = &self.core;
        core.shutting_down.store(true, Ordering::Relaxed);
        // Its only error is that of a task that ended before.
        let _ = core.openraft.shutdown().await;
        core.leadership.send_modify(|leadership| {
            *leadership = Leadership {
                leader: None,
                role: Role::Stopped,
                ..*leadership
            }
        });
    }

    /// Stops at once, as a crash would.
    #[cfg(test)]
    pub(crate) async fn kill(&self) {
        let _ = self.core.openraft.shutdown().await;
    }

    /// Changes the membership. Only on the leader; returns the index of the entry that brought the change once it is
    /// applied here.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub async fn change(&self, change: &MembershipChange) -> Result<LogIndex, ChangeError> {
        self.core.change(change).await
    }

    /// Returns once this member is known to be removed from the cluster, and does not lead any more. It should stop
    /// then; it is not stopped by itself.
    pub async fn removed(&self) {
        let mut removed = self.core.removed.subscribe();
        // An error means that the sender, which is in here, is gone.
        let _ = removed.wait_for(|removed| *removed).await;
    }
}
