use std::sync::Arc;

use bytes::Bytes;
use kv_backend::Backend;
use kv_lease::Lessor;
use kv_mvcc::{Change, LeaseBook, RangeError, ReadError, Store, StoreOptions, View, WriteError};
use kv_types::planted::{Bug, is_planted};
use kv_types::{LeaseId, LogId, Revision};

use crate::cluster::{Cluster, Member, RaftMember};
use crate::command::{Command, Proposal};
use crate::error::{ApplyError, MachineError};
use crate::outcome::{Effects, LeaseCommandError, LeaseEffect, Outcome};
use crate::records;

/// The replicated state of one member, as of the last entry applied.
///
/// Deterministic: the state after an entry is a function of the state before it and of the entry. It lives in
/// memory and, up to the last completed checkpoint, in the backend; after a crash the log is applied again
/// from there.
pub struct Machine {
    pub(crate) store: Store,
    pub(crate) lessor: Lessor,
    pub(crate) cluster: Cluster,
    /// Invariant: `store`, `lessor` and `cluster` are the outcome of all entries up to this one.
    pub(crate) applied: Option<LogId>,
    pub(crate) backend: Arc<dyn Backend>,
}

impl Machine {
    /// Opens the state as the last completed checkpoint left it; an empty backend is an empty state.
    ///
    /// # Errors
    /// [`MachineError`] if anything in the backend is not as it was written.
    pub fn open(backend: Arc<dyn Backend>, options: StoreOptions) -> Result<Self, MachineError> {
        let state = records::read_state(backend.as_ref())?;
        let mut lessor = records::read_leases(backend.as_ref())?;
        let store = Store::open(Arc::clone(&backend), options)?;
        attach_keys(&store, &mut lessor);
        Ok(Self {
            store,
            lessor,
            cluster: state.cluster,
            applied: state.applied,
            backend,
        })
    }

    /// The last entry applied.
    pub fn applied(&self) -> Option<LogId> {
        self.applied
    }

    /// The Raft membership as of the last membership entry, as Raft encoded it; empty before the first.
    pub fn membership(&self) -> Bytes {
        self.cluster.membership()
    }

    /// The members, ascending by ID.
    pub fn members(&self) -> Vec<Member> {
        self.cluster.members()
    }

    /// Who was a member once and never will be again.
    pub fn removed_members(&self) -> &std::collections::BTreeSet<kv_types::MemberId> {
        self.cluster.removed()
    }

    /// The leases there are.
    pub fn lessor(&self) -> &Lessor {
        &self.lessor
    }

    /// The revisions as they are now, for reading while later entries are applied.
    pub fn view(&self) -> View {
        self.store.view()
    }

    /// The revisions, for maintenance.
    pub fn store_mut(&mut self) -> &mut Store {
        &mut self.store
    }

    /// Bytes of the store's files on disk.
    ///
    /// # Errors
    /// [`MachineError::Backend`] if they cannot be listed.
    pub fn size_on_disk(&self) -> Result<u64, MachineError> {
        Ok(self.backend.size_on_disk()?)
    }

    /// The changes applied since this was last asked, in order.
    pub fn take_changes(&mut self) -> Vec<Change> {
        self.store.take_changes()
    }

    /// Applies an entry that carries nothing.
    pub fn apply_blank(&mut self, log_id: LogId) {
        self.advance(log_id);
    }

    /// Applies a change of the Raft membership.
    pub fn apply_membership(&mut self, log_id: LogId, encoded: Bytes, members: Vec<RaftMember>) {
        self.cluster.set_membership(encoded, members);
        self.advance(log_id);
    }

    /// Applies the proposals of an entry; refused ones change nothing and say so in their outcome.
    ///
    /// # Errors
    /// [`ApplyError`] if this member cannot know the outcome: it must not answer anything from then on.
    pub fn apply(&mut self, log_id: LogId, payload: &[u8], effects: &mut Effects) -> Result<(), ApplyError> {
        let proposals =
            Proposal::decode_all(payload).map_err(|source| ApplyError::Decode { log_id, source })?;
        for Proposal { id, command } in proposals {
            let outcome = self
                .apply_command(command, log_id, effects)
                .map_err(|source| ApplyError::Read { log_id, source })?;
            effects.outcomes.push((id, outcome));
        }
        self.advance(log_id);
        Ok(())
    }

    fn advance(&mut self, log_id: LogId) {
        // A member that leaves one out differs from the others from then on.
        assert!(
            self.applied
                .is_none_or(|applied| applied.index.next() == log_id.index),
            "{log_id:?} applied after {:?}",
            self.applied
        );
        self.applied = Some(log_id);
    }

    fn apply_command(
        &mut self,
        command: Command,
        log_id: LogId,
        effects: &mut Effects,
    ) -> Result<Outcome, ReadError> {
        let book = &mut Book(&mut self.lessor);
        Ok(match command {
            Command::Put(request) => Outcome::Put(refused_or_broken(self.store.put(&request, book))?),
            Command::Delete(request) => {
                Outcome::Delete(refused_or_broken(self.store.delete(&request, book))?)
            }
            Command::Txn(request) => Outcome::Txn(refused_or_broken(self.store.txn(&request, book))?),
            Command::Compact(revision) => Outcome::Compact(self.compact(revision, effects)),
            Command::LeaseGrant { id, ttl_seconds } => {
                Outcome::LeaseGrant(self.grant(id, ttl_seconds, effects))
            }
            Command::LeaseRevoke(id) => Outcome::LeaseRevoke(self.revoke(id, effects)),
            Command::LeaseExpire { id, leader, term }
                if (term, leader) == (log_id.term, log_id.leader)
                    || is_planted(Bug::LeaseRevokedByOldLeader) =>
            {
                Outcome::LeaseRevoke(self.revoke(id, effects))
            }
            Command::LeaseExpire { .. } => Outcome::LeaseRevoke(Err(LeaseCommandError::NotFound)),
            Command::Publish {
                member,
                name,
                client_urls,
            } => {
                self.cluster.publish(member, name, client_urls);
                Outcome::Published
            }
        })
    }

    fn compact(&mut self, revision: Revision, effects: &mut Effects) -> Result<(), kv_mvcc::CompactError> {
        self.store.compact(revision)?;
        effects.compacted = Some(revision);
        Ok(())
    }

    fn grant(&mut self, id: LeaseId, ttl: i64, effects: &mut Effects) -> Result<(), LeaseCommandError> {
        self.lessor
            .grant(id, ttl)
            .map_err(|_| LeaseCommandError::Exists)?;
        effects.leases.push(LeaseEffect::Granted(id, ttl));
        Ok(())
    }

    fn revoke(&mut self, id: LeaseId, effects: &mut Effects) -> Result<(), LeaseCommandError> {
        let keys = self.lessor.revoke(id).ok_or(LeaseCommandError::NotFound)?;
        effects.leases.push(LeaseEffect::Revoked(id));
        self.store.delete_keys(&keys, &mut Book(&mut self.lessor));
        Ok(())
    }
}

/// Tells a refusal, which every member gives alike, from a failure to read, which is this member's alone.
fn refused_or_broken<T>(result: Result<T, WriteError>) -> Result<Result<T, WriteError>, ReadError> {
    match result {
        Err(WriteError::Range(RangeError::Read(error))) => Err(error),
        other => Ok(other),
    }
}

/// Tells the lessor which keys hang on its leases: the keys know, the leases do not record it.
pub(crate) fn attach_keys(store: &Store, lessor: &mut Lessor) {
    for (lease, key) in store.view().attachments() {
        lessor.attach(lease, &key);
    }
}

/// Shows the lessor to the store.
pub(crate) struct Book<'a>(pub(crate) &'a mut Lessor);

impl LeaseBook for Book<'_> {
    fn exists(&self, lease: LeaseId) -> bool {
        self.0.ttl(lease).is_some()
    }

    fn attach(&mut self, lease: LeaseId, key: &Bytes) {
        self.0.attach(lease, key);
    }

    fn detach(&mut self, lease: LeaseId, key: &Bytes) {
        self.0.detach(lease, key);
    }
}
