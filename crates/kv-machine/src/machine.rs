use std::sync::Arc;

use bytes::Bytes;
use kv_auth::{AuthChange, AuthError, AuthStore, Password};
use kv_backend::Backend;
use kv_lease::Lessor;
use kv_mvcc::{Change, LeaseBook, RangeError, ReadError, Store, StoreOptions, View, WriteError};
use kv_types::planted::{Bug, is_planted};
use kv_types::{AuthRevision, LeaseId, LogId, LogIndex, Revision};

use crate::access::KeyAccess;
use crate::auth_records;
use crate::cluster::{Cluster, Member, RaftMember};
use crate::command::{Command, Proposal};
use crate::error::{ApplyError, MachineError};
use crate::outcome::{Authenticated, Effects, LeaseCommandError, LeaseEffect, Outcome, TokenEffect};
use crate::records;
use crate::upkeep::{Alarm, Upkeep};

/// The replicated state of one member, as of the last entry applied.
///
/// Deterministic: the state after an entry is a function of the state before it and of the entry. It lives in
/// memory and, up to the last completed checkpoint, in the backend; after a crash the log is applied again
/// from there.
pub struct Machine {
    pub(crate) store: Store,
    pub(crate) lessor: Lessor,
    pub(crate) cluster: Cluster,
    pub(crate) upkeep: Upkeep,
    pub(crate) auth: Arc<AuthStore>,
    /// The auth state in the backend.
    pub(crate) auth_recorded: Arc<AuthStore>,
    /// Invariant: `store`, `lessor`, `cluster`, `upkeep` and `auth` are the outcome of all entries up to this one.
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
        let upkeep = records::read_upkeep(backend.as_ref())?;
        let mut lessor = records::read_leases(backend.as_ref())?;
        let auth = Arc::new(auth_records::read_auth(backend.as_ref())?);
        let store = Store::open(Arc::clone(&backend), options)?;
        attach_keys(&store, &mut lessor);
        Ok(Self {
            store,
            lessor,
            cluster: state.cluster,
            upkeep,
            auth_recorded: Arc::clone(&auth),
            auth,
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

    /// The alarms that are raised, by kind.
    pub fn alarms(&self) -> Vec<Alarm> {
        self.upkeep.alarms().collect()
    }

    /// The version that the cluster is being downgraded to.
    pub fn downgrade(&self) -> Option<String> {
        self.upkeep.downgrade().map(str::to_owned)
    }

    /// The leases there are.
    pub fn lessor(&self) -> &Lessor {
        &self.lessor
    }

    /// The users, the roles, and who may do what.
    pub fn auth(&self) -> &Arc<AuthStore> {
        &self.auth
    }

    /// The revisions as they are now, for reading while later entries are applied.
    pub fn view(&self) -> View {
        self.store.view()
    }

    /// The revisions, for maintenance.
    pub fn store_mut(&mut self) -> &mut Store {
        &mut self.store
    }

    /// Where the last checkpoint is.
    pub fn backend(&self) -> Arc<dyn Backend> {
        Arc::clone(&self.backend)
    }

    /// Goes on in another backend, to which everything of the last checkpoint was copied.
    ///
    /// # Panics
    /// If a checkpoint was planned and not finished.
    pub fn move_to(&mut self, backend: Arc<dyn Backend>) {
        self.store.move_to(Arc::clone(&backend));
        self.backend = backend;
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
        for Proposal { id, caller, command } in proposals {
            let access = KeyAccess {
                auth: &self.auth,
                caller: caller.as_ref(),
                lessor: Some(&self.lessor),
            };
            // Judged here, too: what the user may do can have changed since it was asked.
            let outcome = match access.command(&command) {
                Ok(()) => self
                    .apply_command(command, log_id, effects)
                    .map_err(|source| ApplyError::Read { log_id, source })?,
                Err(denial) => Outcome::Denied(denial),
            };
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
        if let Some(refused) = self.upkeep.refuses(&command) {
            return Ok(Outcome::Refused(refused));
        }
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
            Command::RaiseAlarm(alarm) => {
                self.upkeep.raise(alarm);
                Outcome::Alarm { is_raised: true }
            }
            Command::DisarmAlarm(alarm) => Outcome::Alarm {
                is_raised: self.upkeep.disarm(alarm),
            },
            Command::Downgrade(target) => {
                self.upkeep.set_downgrade(target);
                Outcome::Downgrade
            }
            Command::Auth(change) => Outcome::Auth(self.change_auth(change, effects)),
            Command::Authenticate {
                user,
                revision,
                token_prefix,
            } => {
                Outcome::Authenticate(self.authenticate(user, revision, &token_prefix, log_id.index, effects))
            }
        })
    }

    fn change_auth(&mut self, change: AuthChange, effects: &mut Effects) -> Result<(), AuthError> {
        let void = match &change {
            AuthChange::Disable => Some(TokenEffect::AllInvalidated),
            AuthChange::UserDelete { name } | AuthChange::UserChangePassword { name, .. } => {
                Some(TokenEffect::UserInvalidated(name.clone()))
            }
            _ => None,
        };
        Arc::make_mut(&mut self.auth).apply(change)?;
        effects.tokens.extend(void);
        Ok(())
    }

    /// Lets a user in whose password was right at `revision`. A simple token ends with the log index, by which any
    /// member knows how far it must have applied to know the token.
    fn authenticate(
        &self,
        user: String,
        revision: AuthRevision,
        token_prefix: &str,
        index: LogIndex,
        effects: &mut Effects,
    ) -> Result<Authenticated, AuthError> {
        if !self.auth.is_enabled() {
            return Err(AuthError::NotEnabled);
        }
        if self.auth.revision() != revision {
            return Err(AuthError::OldRevision);
        }
        match self.auth.user(&user).map(|user| &user.password) {
            Some(Password::Hash(_)) => {}
            Some(Password::None) => return Err(AuthError::NoPasswordUser),
            None => return Err(AuthError::AuthFailed),
        }
        let token = if token_prefix.is_empty() {
            String::new()
        } else {
            format!("{token_prefix}.{}", index.get())
        };
        if !token.is_empty() {
            effects.tokens.push(TokenEffect::Assigned {
                token: token.clone(),
                user,
            });
        }
        Ok(Authenticated { revision, token })
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
        // A snapshot from elsewhere may name leases that it does not have.
        if lessor.ttl(lease).is_some() {
            lessor.attach(lease, &key);
        }
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
