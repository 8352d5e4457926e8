use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use kv_auth::Caller;
use kv_lease::Renewal;
use kv_machine::{Command, Outcome, Proposal};
use kv_raft::{AskError, Leadership, ProposeError, Raft, ReadIndexError, Role};
use kv_types::{HistogramSnapshot, LeaseId, MemberId, Revision, Term};
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::auth::{Passwords, Tokens};
use crate::error::RequestError;
use crate::leader_calls::{self, LeaderCall};
use crate::leases::LeaseTimeToLive;
use crate::membership;
use crate::metrics::MetricsSnapshot;
use crate::options::ServerOptions;
use crate::proposals::{ProposalQueue, Taken};
use crate::read_barrier::ReadBarrier;
use crate::replica::Replica;
use crate::status::{ETCD_CLUSTER_VERSION, ETCD_VERSION, Status};
use crate::waiters::RequestIds;

/// What the shell asks of the log on disk.
pub trait LogGauge: Send + Sync + 'static {
    /// Whether the last attempt to write met a full disk.
    fn is_disk_full(&self) -> bool;

    /// How long its syncs took.
    fn syncs(&self) -> HistogramSnapshot;

    /// Bytes written since it was opened.
    fn written_bytes(&self) -> u64;
}

/// What all handles and tasks of a member share.
pub(crate) struct Shell {
    pub(crate) options: ServerOptions,
    pub(crate) raft: Raft,
    pub(crate) leadership: tokio::sync::watch::Receiver<Leadership>,
    pub(crate) log: Arc<dyn LogGauge>,
    pub(crate) replica: Arc<Replica>,
    pub(crate) proposals: ProposalQueue,
    pub(crate) reads: ReadBarrier,
    pub(crate) request_ids: RequestIds,
    /// Who makes a snapshot for a client now.
    pub(crate) images: Arc<Semaphore>,
    pub(crate) tokens: Tokens,
    pub(crate) passwords: Passwords,
    /// The leader this member knows.
    pub(crate) leader: tokio::sync::watch::Sender<Option<MemberId>>,
    /// When this member last saw a leader come into office.
    pub(crate) elected: Mutex<Instant>,
    /// Places for reads off the runtime.
    pub(crate) blocking_reads: Arc<Semaphore>,
    /// Held while the membership is changed.
    pub(crate) member_changes: tokio::sync::Mutex<()>,
}

/// Reads off the runtime at a time: they have nothing to wait for but processors.
pub(crate) fn blocking_reads_max() -> usize {
    std::thread::available_parallelism().map_or(2, std::num::NonZero::get)
}

impl Shell {
    /// Proposes a command of the member's own, or one that was judged for good, and waits until it is applied here.
    pub(crate) async fn propose(&self, command: Command) -> Result<Outcome, RequestError> {
        self.propose_as(None, command).await
    }

    /// Proposes a user's command and waits until it is applied here.
    pub(crate) async fn propose_as(
        &self,
        caller: Option<Caller>,
        command: Command,
    ) -> Result<Outcome, RequestError> {
        let id = self.request_ids.next();
        let started = Instant::now();
        let answer = self.replica.waiters.register(id);
        let _registration = Registration { shell: self, id };
        self.proposals.push(
            &Proposal { id, caller, command },
            self.options.limits.request_bytes_max,
        )?;
        match tokio::time::timeout(self.options.request_timeout(), answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(RequestError::Stopped),
            Err(_) => Err(self.timeout_error(started)),
        }
    }

    /// Takes proposals to the log until the member stops. Each pack waits for its own commit, so that later ones
    /// are not held up.
    pub(crate) async fn run_proposals(self: Arc<Self>) {
        let places = Arc::new(Semaphore::new(PACKS_IN_FLIGHT));
        loop {
            self.proposals.arrived().await;
            let place = Arc::clone(&places).acquire_owned().await;
            let place = place.expect("the semaphore is never closed");
            let pace = self.replica.pace();
            if pace.is_zero() {
                // All who are ready to propose do it now, and share the entry.
                tokio::task::yield_now().await;
            } else {
                tokio::time::sleep(pace).await;
            }
            if let Some(pack) = self.proposals.take() {
                let shell = Arc::clone(&self);
                tokio::spawn(async move { shell.propose_in_place(pack, place).await });
            }
        }
    }

    /// Proposes a pack, which keeps its place for a while at most: one that is stuck must not stop the others.
    async fn propose_in_place(&self, pack: Taken, place: OwnedSemaphorePermit) {
        let mut proposing = std::pin::pin!(self.propose_pack(pack));
        if tokio::time::timeout(PLACE_KEPT_MAX, proposing.as_mut())
            .await
            .is_err()
        {
            drop(place);
            proposing.await;
        }
    }

    async fn propose_pack(&self, pack: Taken) {
        let (since, ids) = (pack.since, &pack.ids);
        let error = loop {
            match self.raft.propose(pack.payload.clone()).await {
                Ok(_) => return,
                // What has an outcome by now must not be proposed again, or it would be applied twice; what
                // has none is in no log. A pack is applied as a whole.
                Err(ProposeError::Superseded) if !self.replica.waiters.any_waits(ids) => return,
                Err(ProposeError::Superseded | ProposeError::NoLeader)
                    if since.elapsed() < self.options.request_timeout() => {}
                Err(ProposeError::Stopped) => break RequestError::Stopped,
                Err(ProposeError::NoSpace) => break RequestError::NoSpace,
                Err(ProposeError::Superseded | ProposeError::NoLeader | ProposeError::Unknown) => {
                    break self.timeout_error(since);
                }
            }
        };
        self.replica
            .metrics
            .proposals_failed
            .fetch_add(ids.len() as u64, Ordering::Relaxed);
        self.replica.waiters.fail_all(ids, &error);
    }

    /// Serves linearizable reads, a round at a time, until the member stops.
    pub(crate) async fn run_reads(self: Arc<Self>) {
        loop {
            let round = self.reads.next_round().await;
            let started = Instant::now();
            let result = loop {
                match self.raft.read_index().await {
                    Ok(index) => {
                        self.replica.wait_applied(index).await;
                        break Ok(());
                    }
                    Err(ReadIndexError::Stopped) => break Err(RequestError::Stopped),
                    Err(ReadIndexError::NoLeader | ReadIndexError::Timeout) => {
                        if started.elapsed() >= self.options.request_timeout() || round.is_abandoned() {
                            break Err(self.timeout_error(started));
                        }
                    }
                }
            };
            round.complete(&result);
        }
    }

    /// Reads what takes long where it holds nobody up.
    pub(crate) async fn blocking_read<T: Send + 'static>(
        &self,
        read: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, RequestError> {
        let place = Arc::clone(&self.blocking_reads).acquire_owned().await;
        let place = place.expect("the semaphore is never closed");
        // The place is the work's, which goes on when its caller has gone away.
        let read = kv_raft::host::blocking(move || {
            let _place = place;
            read()
        })
        .await;
        read.map_err(|error| RequestError::Internal(error.to_string()))
    }

    /// Why a request that began at `started` had no answer in time.
    pub(crate) fn timeout_error(&self, started: Instant) -> RequestError {
        let elected = *self.elected.lock();
        if self.leader.borrow().is_none() {
            RequestError::Timeout
        } else if started < elected && elected - started < 2 * self.options.election_timeout {
            RequestError::TimeoutLeaderFailure
        } else {
            RequestError::Timeout
        }
    }

    /// Follows who leads: tells watchers of it, and keeps the time of leases while it is this member.
    pub(crate) async fn run_leadership(self: Arc<Self>) {
        let mut leadership = self.leadership.clone();
        let mut lead: Option<Term> = None;
        loop {
            let Leadership { leader, term, role } = *leadership.borrow_and_update();
            self.note_leader(leader);
            let leads = role == Role::Leader && leader == Some(self.options.member_id);
            if !leads {
                self.replica.leases.demote();
                lead = None;
            } else if lead != Some(term) && self.promote_leases(term).await {
                lead = Some(term);
            }
            let changed = if leads && lead != Some(term) {
                // Not confirmed yet: ask again soon, unless somebody else leads before.
                let pause = self.options.election_timeout / 10;
                tokio::time::timeout(pause, leadership.changed())
                    .await
                    .unwrap_or(Ok(()))
            } else {
                leadership.changed().await
            };
            if changed.is_err() {
                return;
            }
        }
    }

    fn note_leader(&self, leader: Option<MemberId>) {
        let changed = self.leader.send_if_modified(|known| {
            let changed = *known != leader;
            *known = leader;
            changed
        });
        if changed && let Some(leader) = leader {
            *self.elected.lock() = Instant::now();
            self.replica
                .metrics
                .leader_changes
                .fetch_add(1, Ordering::Relaxed);
            tracing::info!(leader = %leader, "elected leader");
        } else if changed {
            tracing::warn!("lost leader");
        }
    }

    /// Begins to keep the time of leases, once everything that earlier leaders committed is applied here.
    async fn promote_leases(&self, term: Term) -> bool {
        if self.reads.pass().await.is_err() {
            return false;
        }
        let leases = self.replica.machine().lessor().iter().collect();
        self.replica
            .leases
            .promote(term, leases, self.options.election_timeout);
        true
    }

    /// Proposes the end of leases whose time is over.
    pub(crate) async fn run_lease_expiry(self: Arc<Self>) {
        let mut ticks = tokio::time::interval(crate::leases::EXPIRY_INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let (term, expired) = self.replica.leases.expired(kv_lease::OFFERS_PER_SECOND_MAX);
            let leader = self.options.member_id;
            for id in expired {
                let proposal = Proposal {
                    id: self.request_ids.next(),
                    caller: None,
                    command: Command::LeaseExpire { id, leader, term },
                };
                // One that is refused now is offered again.
                if self.proposals.push(&proposal, usize::MAX).is_ok() {
                    self.replica
                        .metrics
                        .leases_expired
                        .fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }

    /// Asks the leader, which may be this member, until it answers or the request timeout is over.
    pub(crate) async fn ask_leader(&self, call: LeaderCall) -> Result<Bytes, RequestError> {
        let deadline = Instant::now() + self.options.request_timeout();
        loop {
            let error = match self.raft.ask_leader(call.encode()).await {
                Ok(answer) if !answer.is_empty() => return Ok(answer.slice(1..)),
                // The member asked does not lead any more.
                Ok(_) | Err(AskError::NoLeader) => RequestError::NoLeader,
                Err(AskError::Lost(_)) if !call.is_repeatable() => return Err(RequestError::Timeout),
                Err(AskError::Lost(_)) => RequestError::Timeout,
                Err(AskError::Stopped) => return Err(RequestError::Stopped),
            };
            if Instant::now() >= deadline {
                return Err(error);
            }
            tokio::time::sleep(ASK_PAUSE).await;
        }
    }

    /// Answers a member that takes this one for the leader; nothing if it is not. An answer begins with a byte
    /// that says no more than that there is one.
    pub(crate) async fn answer(&self, call: Bytes) -> Bytes {
        let answer = match LeaderCall::decode(call) {
            Some(LeaderCall::KeepAlive(id)) => self.keep_alive(id).await.map(leader_calls::encode_ttl),
            Some(LeaderCall::TimeToLive { id, keys }) => self
                .time_to_live(id, keys)
                .await
                .map(|lease| leader_calls::encode_time_to_live(lease.as_ref())),
            Some(LeaderCall::Change(change)) => self
                .change_members_here(change)
                .await
                .map(|answer| membership::encode_answer(&answer)),
            None => None,
        };
        answer.map_or_else(Bytes::new, |answer| [&[1], &answer[..]].concat().into())
    }

    /// Renews a lease if this member leads for sure; `None` if it does not.
    async fn keep_alive(&self, id: LeaseId) -> Option<i64> {
        let deadline = Instant::now() + self.options.request_timeout();
        loop {
            // A deposed leader must not promise time that the new one does not know of.
            self.reads.pass().await.ok()?;
            match self.replica.leases.renew(id).ok()? {
                Renewal::Renewed { ttl_seconds } => return Some(ttl_seconds),
                Renewal::Unknown => return Some(0),
                Renewal::Expired if Instant::now() >= deadline => return Some(0),
                // Its end is proposed: wait for it.
                Renewal::Expired => tokio::time::sleep(ASK_PAUSE).await,
            }
        }
    }

    async fn time_to_live(&self, id: LeaseId, keys: bool) -> Option<Option<LeaseTimeToLive>> {
        self.reads.pass().await.ok()?;
        let remaining = self.replica.leases.remaining(id).ok()?;
        let machine = self.replica.machine();
        let granted = machine.lessor().ttl(id);
        let (Some(remaining), Some(granted_ttl_seconds)) = (remaining, granted) else {
            return Some(None);
        };
        let keys = machine.lessor().keys(id).filter(|_| keys);
        Some(Some(LeaseTimeToLive {
            ttl_seconds: i64::try_from(remaining.as_secs()).unwrap_or(i64::MAX),
            granted_ttl_seconds,
            keys: keys.map(|keys| keys.cloned().collect()).unwrap_or_default(),
        }))
    }

    pub(crate) fn leases(&self) -> Vec<LeaseId> {
        let by_end = self.replica.leases.by_end();
        by_end.unwrap_or_else(|| self.replica.machine().lessor().iter().map(|(id, _)| id).collect())
    }

    /// A positive ID that is not likely to be taken.
    pub(crate) fn random_lease_id(&self) -> LeaseId {
        LeaseId::new((self.request_ids.next().get() & i64::MAX.cast_unsigned()).cast_signed())
    }

    /// Whether this member is to have no vote.
    pub(crate) fn is_learner(&self) -> bool {
        self.replica.cluster().is_learner(self.options.member_id)
    }

    /// Refuses what would add `cost` bytes while there is no space for it.
    pub(crate) fn check_space(&self, cost: u64) -> Result<(), RequestError> {
        if cost == 0 {
            return Ok(());
        }
        if self.is_over_quota(cost) || self.replica.is_disk_full() || self.log.is_disk_full() {
            return Err(RequestError::NoSpace);
        }
        Ok(())
    }

    /// Whether the quota is used up by what would add `cost` bytes.
    pub(crate) fn is_over_quota(&self, cost: u64) -> bool {
        let quota = self.options.quota_bytes;
        cost > 0 && quota.is_some_and(|quota| self.db_size() + cost >= quota)
    }

    /// Bytes the store takes: on disk by estimate, and in memory for what is not there yet.
    fn db_size(&self) -> u64 {
        let sizes = self.replica.view().sizes();
        sizes.live_bytes + sizes.recent_bytes
    }

    pub(crate) fn status(&self) -> Status {
        let raft = self.raft.status();
        let leader = *self.leader.borrow();
        let sizes = self.replica.view().sizes();
        let in_use = sizes.live_bytes + sizes.recent_bytes;
        let (alarms, downgrade) = {
            let machine = self.replica.machine();
            (machine.alarms(), machine.downgrade())
        };
        let mut errors = Vec::new();
        if leader.is_none() {
            errors.push("etcdserver: no leader".to_owned());
        }
        errors.extend(alarms.iter().map(|alarm| {
            let member = alarm.member.get();
            format!("memberID:{member} alarm:{}", alarm.kind.name())
        }));
        Status {
            version: ETCD_VERSION.into(),
            db_size: self.replica.size_on_disk().max(in_use),
            db_size_in_use: in_use,
            leader,
            raft_index: raft.committed.map(|log_id| log_id.index).unwrap_or_default(),
            raft_term: raft.leadership.term,
            raft_applied_index: self.replica.applied_index(),
            errors,
            learner: self.is_learner(),
            storage_version: ETCD_CLUSTER_VERSION.into(),
            db_size_quota: self
                .options
                .quota_bytes
                .map_or(i64::MAX, |quota| i64::try_from(quota).unwrap_or(i64::MAX)),
            downgrade,
        }
    }
}

impl Shell {
    /// The numbers of this moment.
    pub(crate) fn metrics(&self) -> MetricsSnapshot {
        let status = self.status();
        let view = self.replica.view();
        let metrics = &self.replica.metrics;
        let counts = self.replica.watches.counts();
        let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        MetricsSnapshot {
            has_leader: status.leader.is_some(),
            is_leader: status.leader == Some(self.options.member_id),
            is_learner: status.learner,
            leader_changes: count(&metrics.leader_changes),
            proposals_committed: status.raft_index.get(),
            proposals_applied: status.raft_applied_index.get(),
            proposals_pending: self.replica.waiters.len() as u64,
            proposals_failed: count(&metrics.proposals_failed),
            wal_fsync: self.log.syncs(),
            wal_written_bytes: self.log.written_bytes(),
            backend_commit: metrics.backend_commits.snapshot(),
            db_size: status.db_size,
            db_size_in_use: status.db_size_in_use,
            quota_bytes: u64::try_from(status.db_size_quota).unwrap_or(0),
            current_revision: view.revision().get(),
            compact_revision: view.compacted().map_or(-1, Revision::get),
            keys: view.count(&kv_types::KeyRange::all(), None).unwrap_or(0),
            leases_expired: count(&metrics.leases_expired),
            watchers: counts.watchers as u64,
            watch_streams: counts.streams as u64,
            slow_watchers: counts.unsynced as u64,
        }
    }
}

/// Packs that are on their way to the log at a time. While so many are, proposals gather in the next one: a log
/// entry costs the members several times what a command in it does. More than one, so that the log writes one
/// while another travels.
const PACKS_IN_FLIGHT: usize = 3;

/// A pack that is not committed after this time makes place for the next, as if there were no bound.
const PLACE_KEPT_MAX: Duration = Duration::from_millis(100);

/// Between two questions to a leader that is not there yet.
const ASK_PAUSE: Duration = Duration::from_millis(50);

/// Takes a waiter away when its request ends, in whatever way.
struct Registration<'a> {
    shell: &'a Shell,
    id: kv_types::RequestId,
}

impl Drop for Registration<'_> {
    fn drop(&mut self) {
        self.shell.replica.waiters.forget(self.id);
    }
}
