use kv_auth::{Access, AuthError, AuthStore, Caller};
use kv_machine::KeyAccess;
use kv_types::{KeyRange, LeaseId};

use super::board::AuthEpoch;
use super::credentials::Credentials;
use crate::error::RequestError;
use crate::server::Server;

/// Allows a read that takes several steps, until users, roles or permissions change.
#[derive(Clone, Copy, Debug)]
pub struct ReadGrant(AuthEpoch);

impl Server {
    /// This member, for requests that bring these credentials.
    #[must_use]
    pub fn with_credentials(&self, credentials: Credentials) -> Self {
        Self {
            shell: self.shell.clone(),
            credentials,
        }
    }

    /// Succeeds if the request is a user's, whoever it is.
    ///
    /// # Errors
    /// [`AuthError::UserEmpty`], [`AuthError::InvalidToken`].
    pub async fn require_user(&self) -> Result<(), RequestError> {
        if !self.is_judged() {
            return Ok(());
        }
        match self.caller().await? {
            Some(_) => Ok(()),
            None => Err(AuthError::UserEmpty.into()),
        }
    }

    /// Succeeds if the request is an administrator's.
    ///
    /// # Errors
    /// As [`AuthStore::check_root`], or [`AuthError::InvalidToken`].
    pub async fn require_root(&self) -> Result<(), RequestError> {
        self.permitted(|access| access.auth.check_root(access.caller))
            .await
            .map(|_| ())
    }

    /// Reads what `range` allows to be read, after `check` by the auth state that belongs to it.
    pub(crate) async fn judged<T>(
        &self,
        check: impl Fn(KeyAccess<'_>) -> Result<(), AuthError>,
        read: impl Fn() -> Result<T, RequestError>,
    ) -> Result<T, RequestError> {
        if self.credentials == Credentials::Member {
            return read();
        }
        loop {
            let board = &self.shell.replica.auth;
            let epoch = board.epoch();
            if epoch.is_enabled() {
                let caller = self.caller().await?;
                check(KeyAccess {
                    auth: &board.store(),
                    caller: caller.as_ref(),
                    lessor: None,
                })?;
            }
            let result = read()?;
            if board.epoch() == epoch {
                return Ok(result);
            }
            // Auth was enabled, or changed, while the store was read. Whoever has just been let in by the old state
            // is told so, as in etcd.
            if epoch.is_enabled() {
                return Err(AuthError::OldRevision.into());
            }
        }
    }

    /// Allows reading a range in several steps.
    ///
    /// # Errors
    /// As [`AuthStore::check_keys`], or [`AuthError::InvalidToken`].
    pub async fn grant_read(&self, range: &KeyRange) -> Result<ReadGrant, RequestError> {
        let board = &self.shell.replica.auth;
        let epoch = board.epoch();
        if self.is_judged() {
            let caller = self.caller().await?;
            board.store().check_keys(caller.as_ref(), Access::Read, range)?;
        }
        Ok(ReadGrant(epoch))
    }

    /// Succeeds while what was granted may be used: to be asked before each step's result is given away.
    ///
    /// # Errors
    /// [`AuthError::OldRevision`].
    pub fn still_granted(&self, grant: ReadGrant) -> Result<(), RequestError> {
        let unchanged = self.shell.replica.auth.epoch() == grant.0;
        if unchanged || self.credentials == Credentials::Member {
            Ok(())
        } else {
            Err(AuthError::OldRevision.into())
        }
    }

    /// Who proposes what `check` allows: it is judged again when it is applied. A denial is believed only when this
    /// member has applied everything acknowledged before the request.
    pub(crate) async fn permitted(
        &self,
        check: impl Fn(KeyAccess<'_>) -> Result<(), AuthError>,
    ) -> Result<Option<Caller>, RequestError> {
        if !self.is_judged() {
            return Ok(None);
        }
        let judge = async || -> Result<Option<Caller>, RequestError> {
            let caller = self.caller().await?;
            check(KeyAccess {
                auth: &self.auth(),
                caller: caller.as_ref(),
                lessor: None,
            })?;
            Ok(caller)
        };
        match judge().await {
            Err(RequestError::Auth(_)) => {
                self.read_barrier().await?;
                judge().await
            }
            other => other,
        }
    }

    /// Succeeds if all keys that hang on a lease may be read, or written.
    pub(crate) async fn check_lease(&self, id: LeaseId, access: Access) -> Result<(), RequestError> {
        if !self.is_judged() {
            return Ok(());
        }
        let caller = self.caller().await?.ok_or(AuthError::UserEmpty)?;
        let machine = self.shell.replica.machine();
        let judge = KeyAccess {
            auth: machine.auth(),
            caller: Some(&caller),
            lessor: Some(machine.lessor()),
        };
        Ok(judge.lease(id, access)?)
    }

    /// Who makes the request; nobody if auth is not enabled, or the request brings nothing.
    pub(crate) async fn caller(&self) -> Result<Option<Caller>, RequestError> {
        let shell = &self.shell;
        if !self.is_judged() {
            return Ok(None);
        }
        match &self.credentials {
            Credentials::None | Credentials::Member => Ok(None),
            Credentials::Token(token) => {
                let patience = shell.options.request_timeout();
                let caller = shell.tokens.caller(&shell.replica, token, patience);
                Ok(Some(caller.await?))
            }
        }
    }

    pub(crate) fn auth(&self) -> std::sync::Arc<AuthStore> {
        self.shell.replica.auth.store()
    }

    /// Whether anybody is asked: nobody is while auth is not enabled.
    fn is_judged(&self) -> bool {
        self.shell.replica.auth.epoch().is_enabled() && self.credentials != Credentials::Member
    }
}
