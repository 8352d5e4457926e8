use std::sync::Arc;
use std::time::Duration;

use kv_auth::Access;
use kv_machine::{Command, LeaseCommandError, Member, Outcome, Refused};
use kv_mvcc::{
    CompactError, DeleteRequest, DeleteResult, HashKv, PutRequest, PutResult, RangeError, RangeRequest,
    RangeResult, ReadOnlyTxn, TxnRequest, TxnResult, View, WriteError,
};
use kv_types::planted::{Bug, is_planted};
use kv_types::{ClusterId, KeyRange, LeaseId, Limits, MemberId, Revision, Term};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::auth::Credentials;
use crate::error::RequestError;
use crate::leader_calls::{self, LeaderCall};
use crate::leases::{LeaseGranted, LeaseTimeToLive, TTL_SECONDS_MAX, granted_ttl};
use crate::membership::MemberChange;
use crate::metrics::MetricsSnapshot;
use crate::quota::{LEASE_COST, put_cost, txn_cost};
use crate::shell::Shell;
use crate::status::Status;
use crate::watch_stream::WatchStream;

/// Ranges over more keys are not read on the runtime's threads: heartbeats run there, too.
const READ_IN_PLACE_KEYS_MAX: u64 = 10_000;

/// A running member, as the edge sees it. Clones are handles of the same member.
///
/// Each call is judged by the credentials of the handle: a new one has none; see [`Server::with_credentials`].
#[derive(Clone)]
pub struct Server {
    pub(crate) shell: Arc<Shell>,
    pub(crate) credentials: Credentials,
}

/// What heads an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The cluster.
    pub cluster_id: ClusterId,
    /// The member that answers.
    pub member_id: MemberId,
    /// The revision the answer speaks of.
    pub revision: Revision,
    /// The term at answering time.
    pub raft_term: Term,
}

impl Server {
    pub(crate) fn new(shell: Arc<Shell>) -> Self {
        Self {
            shell,
            credentials: Credentials::None,
        }
    }

    /// A header with the current revision.
    pub fn header(&self) -> Header {
        self.header_at(self.view().revision())
    }

    /// A header with a given revision.
    pub fn header_at(&self, revision: Revision) -> Header {
        let shell = &self.shell;
        Header {
            cluster_id: shell.options.cluster_id,
            member_id: shell.options.member_id,
            revision,
            raft_term: shell.leadership.borrow().term,
        }
    }

    /// Bounds on single requests.
    pub fn limits(&self) -> Limits {
        self.shell.options.limits
    }

    /// The time without a leader's heartbeat after which an election starts.
    pub fn election_timeout(&self) -> Duration {
        self.shell.options.election_timeout
    }

    /// The store as of the last entry applied here.
    pub fn view(&self) -> Arc<View> {
        self.shell.replica.view()
    }

    /// The leader this member knows.
    pub fn leader(&self) -> Option<MemberId> {
        *self.shell.leader.borrow()
    }

    /// The leader this member knows, as it changes.
    pub fn leader_watch(&self) -> watch::Receiver<Option<MemberId>> {
        self.shell.leader.subscribe()
    }

    /// Returns when this member begins to stop, for streams that clients would keep open.
    pub fn stopping(&self) -> impl Future<Output = ()> + Send + 'static {
        self.shell.replica.watches.stopping()
    }

    /// Reads an interval of keys; linearizable unless `serializable`.
    ///
    /// # Errors
    /// A revision that cannot be read; for linearizable reads also whatever keeps a quorum from confirming.
    pub async fn range(
        &self,
        request: RangeRequest,
        serializable: bool,
    ) -> Result<RangeResult, RequestError> {
        if !serializable && !is_planted(Bug::StaleRead) {
            self.read_barrier().await?;
        }
        self.judged(|access| access.read(&request.range), || self.read(&request))
            .await
    }

    /// Reads the published view; what takes long is done off the runtime, where it holds nobody up.
    async fn read(&self, request: &RangeRequest) -> Result<RangeResult, RequestError> {
        let view = self.view();
        if request.range.is_single() || view.cost(request).keys <= READ_IN_PLACE_KEYS_MAX {
            return view.range(request).map_err(range_error);
        }
        let request = request.clone();
        let read = self.shell.blocking_read(move || view.range(&request)).await?;
        read.map_err(range_error)
    }

    /// Puts a key.
    ///
    /// # Errors
    /// A refusal (nothing changed), or [`RequestError::Timeout`] and the like: outcome unknown.
    pub async fn put(&self, request: PutRequest) -> Result<PutResult, RequestError> {
        self.check_space(put_cost(&request)).await?;
        let caller = self.permitted(|access| access.put(&request)).await?;
        match self.shell.propose_as(caller, Command::Put(request)).await? {
            Outcome::Put(result) => result.map_err(write_error),
            other => Err(unexpected(&other)),
        }
    }

    /// Deletes the keys of an interval.
    ///
    /// # Errors
    /// As [`Server::put`].
    pub async fn delete_range(&self, request: DeleteRequest) -> Result<DeleteResult, RequestError> {
        let caller = self.permitted(|access| access.delete(&request)).await?;
        match self.shell.propose_as(caller, Command::Delete(request)).await? {
            Outcome::Delete(result) => result.map_err(write_error),
            other => Err(unexpected(&other)),
        }
    }

    /// Runs a transaction that the edge has checked. One that cannot write does not go through the log; it is
    /// linearizable unless all its ranges are serializable.
    ///
    /// # Errors
    /// As [`Server::put`].
    pub async fn txn(&self, request: TxnRequest, serializable: bool) -> Result<TxnResult, RequestError> {
        if let Some(read_only) = request.read_only() {
            if !serializable {
                self.read_barrier().await?;
            }
            return self
                .judged(
                    |access| access.txn(&request),
                    || self.read_txn(&request, &read_only),
                )
                .await;
        }
        self.check_space(txn_cost(&request)).await?;
        let caller = self.permitted(|access| access.txn(&request)).await?;
        match self.shell.propose_as(caller, Command::Txn(request)).await? {
            Outcome::Txn(result) => result.map_err(write_error),
            other => Err(unexpected(&other)),
        }
    }

    /// As [`Server::read`]; `read_only` is how `request` reads.
    async fn read_txn(
        &self,
        request: &TxnRequest,
        read_only: &ReadOnlyTxn<'_>,
    ) -> Result<TxnResult, RequestError> {
        let view = self.view();
        let keys = read_only.ranges().map(|range| view.cost(range).keys);
        if keys.sum::<u64>() <= READ_IN_PLACE_KEYS_MAX {
            return view.txn(read_only).map_err(range_error);
        }
        let request = request.clone();
        let read = move || request.read_only().map(|read_only| view.txn(&read_only));
        let read = self.shell.blocking_read(read).await?;
        read.expect("it is read-only").map_err(range_error)
    }

    /// Discards history below `revision`; with `physical`, returns when this member has no more of it in its
    /// store. The current revision.
    ///
    /// # Errors
    /// A revision that is compacted already or in the future, or as [`Server::put`].
    pub async fn compact(&self, revision: Revision, physical: bool) -> Result<Revision, RequestError> {
        self.require_root().await?;
        let result = match self.shell.propose(Command::Compact(revision)).await? {
            Outcome::Compact(result) => result,
            other => return Err(unexpected(&other)),
        };
        if physical && result != Err(CompactError::FutureRevision) {
            self.shell.replica.wait_garbage_collected(revision).await;
        }
        match result {
            Ok(()) => Ok(self.view().revision()),
            Err(CompactError::Compacted) => Err(RequestError::Compacted),
            Err(CompactError::FutureRevision) => Err(RequestError::FutureRevision),
        }
    }

    /// Grants a lease; without an ID this member chooses one.
    ///
    /// # Errors
    /// A time to live or an ID that is not to be had, or as [`Server::put`].
    pub async fn lease_grant(
        &self,
        id: Option<LeaseId>,
        ttl_seconds: i64,
    ) -> Result<LeaseGranted, RequestError> {
        if ttl_seconds > TTL_SECONDS_MAX {
            return Err(RequestError::LeaseTtlTooLarge);
        }
        self.check_space(LEASE_COST).await?;
        self.require_user().await?;
        let ttl_seconds = granted_ttl(ttl_seconds, self.shell.options.election_timeout);
        loop {
            let chosen = id.unwrap_or_else(|| self.shell.random_lease_id());
            match self
                .shell
                .propose(Command::LeaseGrant {
                    id: chosen,
                    ttl_seconds,
                })
                .await?
            {
                Outcome::LeaseGrant(Ok(())) => {
                    return Ok(LeaseGranted {
                        id: chosen,
                        ttl_seconds,
                    });
                }
                Outcome::LeaseGrant(Err(_)) if id.is_some() => return Err(RequestError::LeaseExists),
                // An ID of our own choice that was taken: choose again.
                Outcome::LeaseGrant(Err(_)) => {}
                other => return Err(unexpected(&other)),
            }
        }
    }

    /// Ends a lease and deletes its keys.
    ///
    /// # Errors
    /// [`RequestError::LeaseNotFound`], or as [`Server::put`].
    pub async fn lease_revoke(&self, id: LeaseId) -> Result<(), RequestError> {
        self.require_user().await?;
        let caller = self.caller().await?;
        match self.shell.propose_as(caller, Command::LeaseRevoke(id)).await? {
            Outcome::LeaseRevoke(Ok(())) => Ok(()),
            Outcome::LeaseRevoke(Err(LeaseCommandError::NotFound | LeaseCommandError::Exists)) => {
                Err(RequestError::LeaseNotFound)
            }
            other => Err(unexpected(&other)),
        }
    }

    /// Renews a lease on the leader; its time to live in seconds, 0 if there is no such lease (any more).
    ///
    /// # Errors
    /// No leader to ask within the request timeout.
    pub async fn lease_keep_alive(&self, id: LeaseId) -> Result<i64, RequestError> {
        self.check_lease(id, Access::Write).await?;
        let answer = self.shell.ask_leader(LeaderCall::KeepAlive(id)).await?;
        leader_calls::decode_ttl(answer).ok_or_else(undecodable)
    }

    /// How long a lease still lives, by the leader's clock; `None` if there is no such lease.
    ///
    /// # Errors
    /// No leader to ask within the request timeout.
    pub async fn lease_time_to_live(
        &self,
        id: LeaseId,
        keys: bool,
    ) -> Result<Option<LeaseTimeToLive>, RequestError> {
        self.require_user().await?;
        if keys {
            self.check_lease(id, Access::Read).await?;
        }
        let answer = self.shell.ask_leader(LeaderCall::TimeToLive { id, keys }).await?;
        let lease = leader_calls::decode_time_to_live(answer).ok_or_else(undecodable)?;
        // The leader can know keys of the lease that this member does not know yet.
        for key in lease.iter().flat_map(|lease| &lease.keys) {
            let key = KeyRange::single(key.clone());
            self.judged(|access| access.read(&key), async || Ok(())).await?;
        }
        Ok(lease)
    }

    /// The leases this member knows; on the leader those that end first come first.
    ///
    /// # Errors
    /// A denial: the caller must be allowed to read all keys that hang on leases.
    pub async fn leases(&self) -> Result<Vec<LeaseId>, RequestError> {
        self.require_user().await?;
        let leases = self.shell.leases();
        if self.require_root().await.is_err() {
            for id in &leases {
                self.check_lease(*id, Access::Read).await?;
            }
        }
        Ok(leases)
    }

    /// The members of the cluster, ascending by ID.
    ///
    /// # Errors
    /// If `linearizable`, whatever keeps a quorum from confirming.
    pub async fn member_list(&self, linearizable: bool) -> Result<Vec<Member>, RequestError> {
        if linearizable {
            self.read_barrier().await?;
        }
        self.require_user().await?;
        Ok(self.shell.replica.members())
    }

    /// Changes the membership, by way of the leader; the members after it, as soon as the change is applied here.
    ///
    /// # Errors
    /// [`RequestError::Member`] if it is refused, [`RequestError::Timeout`] and the like: outcome unknown.
    pub async fn change_members(&self, change: MemberChange) -> Result<Vec<Member>, RequestError> {
        self.shell.change_members(change).await
    }

    /// Hands the leadership over to another member; returns when it leads.
    ///
    /// # Errors
    /// [`RequestError::Member`] if this member does not lead, or the other one cannot.
    pub async fn move_leader(&self, to: MemberId) -> Result<(), RequestError> {
        self.shell.move_leader(to).await
    }

    /// Who was a member once, as this member knows it.
    pub fn removed_members(&self) -> std::collections::BTreeSet<MemberId> {
        self.shell.replica.cluster().removed.clone()
    }

    /// Whether this member is a learner, which serves only what needs no vote.
    pub fn is_learner(&self) -> bool {
        self.shell.is_learner()
    }

    /// The members as this member knows them, ascending by ID.
    pub fn local_members(&self) -> Vec<Member> {
        self.shell.replica.members()
    }

    /// How this member is.
    pub fn status(&self) -> Status {
        self.shell.status()
    }

    /// The numbers of this moment.
    pub fn metrics(&self) -> MetricsSnapshot {
        self.shell.metrics()
    }

    /// The hash of all history up to a revision, or up to now. Reads every row, off the runtime.
    ///
    /// # Errors
    /// A revision that cannot be read.
    pub async fn hash_kv(&self, revision: Option<Revision>) -> Result<HashKv, RequestError> {
        let view = self.view();
        let hash = self.shell.blocking_read(move || view.hash_kv(revision)).await?;
        hash.map_err(range_error)
    }

    /// Opens a stream of watchers. They end when it is dropped.
    pub fn watch_stream(&self) -> WatchStream {
        WatchStream::new(self.clone())
    }

    /// Returns once this member has applied everything acknowledged before the call.
    ///
    /// # Errors
    /// No confirmation by a quorum within the request timeout.
    pub async fn read_barrier(&self) -> Result<(), RequestError> {
        let started = Instant::now();
        let pass = self.shell.reads.pass();
        match tokio::time::timeout(self.shell.options.request_timeout(), pass).await {
            Ok(result) => result,
            Err(_) => Err(self.shell.timeout_error(started)),
        }
    }

    pub(crate) fn shell(&self) -> &Shell {
        &self.shell
    }
}

fn range_error(error: RangeError) -> RequestError {
    match error {
        RangeError::Compacted => RequestError::Compacted,
        RangeError::FutureRevision => RequestError::FutureRevision,
        RangeError::Read(error) => RequestError::Internal(error.to_string()),
    }
}

fn write_error(error: WriteError) -> RequestError {
    match error {
        WriteError::LeaseNotFound => RequestError::LeaseNotFound,
        WriteError::KeyNotFound => RequestError::KeyNotFound,
        WriteError::Range(error) => range_error(error),
    }
}

/// A refusal, or an outcome of another kind than the command: impossible unless two proposals had one ID.
pub(crate) fn unexpected(outcome: &Outcome) -> RequestError {
    match outcome {
        Outcome::Denied(denial) => RequestError::Auth(*denial),
        Outcome::Refused(Refused::NoSpace) => RequestError::NoSpace,
        Outcome::Refused(Refused::Corrupt) => RequestError::Corrupt,
        other => {
            tracing::error!(outcome = other.kind(), "outcome does not fit its request");
            RequestError::Internal("outcome does not fit its request".into())
        }
    }
}

fn undecodable() -> RequestError {
    RequestError::Internal("the leader's answer cannot be read; is it another version?".into())
}
