//! What the handle, the service and the monitor of a member share.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kv_types::{LogIndex, MemberId, Term};
use openraft::async_runtime::WatchReceiver;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::apply::{Applier, Era, Made, Progress, Sending};
use crate::contacts::Contacts;
use crate::heard::Heard;
use crate::log::LogStore;
use crate::network::Addresses;
use crate::snapshot::Receiver;
use crate::transport::{Peer, Transport};
use crate::types::{self, LeaderId, LogId, TypeConfig, Vote};
use crate::{AskHandler, Leadership, RaftOptions, Role, StateMachine, Status};

pub(crate) type Openraft = openraft::Raft<TypeConfig, Applier>;
pub(crate) type Metrics = openraft::RaftMetrics<TypeConfig>;

/// A member's part in Raft.
pub(crate) struct Core {
    pub(crate) options: RaftOptions,
    pub(crate) openraft: Openraft,
    pub(crate) log: LogStore,
    pub(crate) machine: Arc<dyn StateMachine>,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) ask_handler: Arc<dyn AskHandler>,
    pub(crate) progress: Arc<Progress>,
    pub(crate) sending: Arc<Sending>,
    pub(crate) made: Arc<Made>,
    /// Held while a snapshot is made.
    pub(crate) snapshotting: tokio::sync::Mutex<()>,
    pub(crate) receiver: Receiver,
    pub(crate) leadership: watch::Sender<Leadership>,
    /// Set when the member is told to stop.
    pub(crate) shutting_down: AtomicBool,
    pub(crate) heard: Arc<Heard>,
    /// Held while the membership is changed.
    pub(crate) changing: tokio::sync::Mutex<()>,
    pub(crate) contacts: parking_lot::Mutex<Contacts>,
    /// Whether this member is known to have been removed.
    pub(crate) removed: Arc<watch::Sender<bool>>,
    pub(crate) addresses: Arc<Addresses>,
}

/// The Raft core has ended.
#[derive(Debug)]
pub(crate) struct Stopped;

impl Core {
    pub(crate) fn openraft(&self) -> &Openraft {
        &self.openraft
    }

    pub(crate) fn metrics<T>(&self, read: impl FnOnce(&Metrics) -> T) -> T {
        read(&self.openraft.metrics().borrow_watched())
    }

    /// The vote of this member that is durable.
    pub(crate) fn vote(&self) -> Vote {
        self.metrics(|metrics| metrics.vote)
    }

    /// The established leader this member follows, or is, dead or alive.
    pub(crate) fn leader(&self) -> Option<LeaderId> {
        let vote = self.vote();
        (vote.committed && vote.leader_id.term > 0).then_some(vote.leader_id)
    }

    pub(crate) fn is_me(&self, leader: &LeaderId) -> bool {
        leader.node_id == self.options.member.get()
    }

    pub(crate) fn peer(&self, id: u64) -> Option<Peer> {
        self.metrics(|metrics| {
            let urls = metrics.membership_config.get_node(&id)?.urls.clone();
            Some(Peer {
                id: MemberId::new(id),
                urls,
            })
        })
    }

    /// Waits until so much is applied.
    pub(crate) async fn wait_applied(&self, index: LogIndex) -> Result<(), Stopped> {
        let mut applied = self.progress.applied.subscribe();
        let reached = |applied: &Option<LogId>| applied.is_some_and(|applied| applied.index() >= index.get());
        if reached(&applied.borrow()) {
            return Ok(());
        }
        tokio::select! {
            reached = applied.wait_for(reached) => reached.map(drop).map_err(|_| Stopped),
            () = self.stopped() => Err(Stopped),
        }
    }

    /// Waits until an entry of a leader after `leader` is applied. Entries of `leader` that are not applied by then
    /// never will be.
    pub(crate) async fn wait_superseded(&self, leader: LeaderId) -> Result<Era, Stopped> {
        let mut era = self.progress.era.subscribe();
        tokio::select! {
            era = era.wait_for(|era| era.leader > Some(leader)) => era.map(|era| *era).map_err(|_| Stopped),
            () = self.stopped() => Err(Stopped),
        }
    }

    /// How many snapshots this member has installed.
    pub(crate) fn installs(&self) -> u64 {
        self.progress.era.borrow().installs
    }

    /// Returns once Raft has stopped.
    pub(crate) async fn stopped(&self) {
        let mut leadership = self.leadership.subscribe();
        // An error means that the sender, which is in here, is gone.
        let _ = leadership
            .wait_for(|leadership| leadership.role == Role::Stopped)
            .await;
    }

    /// Waits for a sign that a request refused a moment ago may be taken now: another leader, or a little time.
    pub(crate) async fn pause(&self) {
        let mut leadership = self.leadership.subscribe();
        let _ = tokio::time::timeout(RETRY_INTERVAL, leadership.changed()).await;
    }

    /// The deadline of a request that begins now.
    pub(crate) fn deadline(&self) -> Instant {
        Instant::now() + self.options.request_timeout
    }

    pub(crate) fn status(&self) -> Status {
        let leadership = *self.leadership.borrow();
        self.metrics(|metrics| {
            let log_id = |log_id: &Option<LogId>| log_id.as_ref().map(types::to_log_id);
            let matched = metrics.replication.as_ref().map(|replication| {
                let index = |log_id: &Option<LogId>| log_id.map(|log_id| LogIndex::new(log_id.index()));
                replication
                    .iter()
                    .map(|(id, matched)| (MemberId::new(*id), index(matched)))
                    .collect()
            });
            let voted = metrics.vote.leader_id;
            Status {
                leadership,
                vote: (Term::new(voted.term), MemberId::new(voted.node_id)),
                last: metrics.last_log_index.map(LogIndex::new),
                committed: log_id(&metrics.local_committed),
                applied: log_id(&self.progress.applied.borrow()),
                snapshot: log_id(&metrics.snapshot),
                purged: log_id(&metrics.purged),
                members: types::members(metrics.membership_config.membership()),
                voters: metrics
                    .committed_membership_config
                    .voter_ids()
                    .map(MemberId::new)
                    .collect(),
                matched,
                connected: self.contacts.lock().connected(Instant::now()),
                disk_full: self.log.is_full(),
                failure: self.failure(metrics),
            }
        })
    }

    /// Why Raft has stopped, if it has and was not told to.
    pub(crate) fn failure(&self, metrics: &Metrics) -> Option<String> {
        if self.shutting_down.load(Ordering::Relaxed) {
            return None;
        }
        match &metrics.running_state {
            Err(error) => Some(error.to_string()),
            Ok(()) => (self.leadership.borrow().role == Role::Stopped).then(|| "raft has panicked".into()),
        }
    }
}

/// How long a refused request waits before it is tried again.
const RETRY_INTERVAL: Duration = Duration::from_millis(10);

/// Runs `work` up to `deadline`.
pub(crate) async fn until<T>(deadline: Instant, work: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout_at(deadline, work).await.ok()
}
