//! Which keys a request touches, and whether its caller may. Follows etcd's `server/etcdserver/apply/auth.go`.

use kv_auth::{Access, AuthError, AuthStore, Caller};
use kv_lease::Lessor;
use kv_mvcc::{DeleteRequest, Op, PutLease, PutRequest, TxnRequest};
use kv_types::{KeyRange, LeaseId};

use crate::command::Command;

/// Judges the requests of one caller.
#[derive(Clone, Copy)]
pub struct KeyAccess<'a> {
    /// Who may what.
    pub auth: &'a AuthStore,
    /// Who asks.
    pub caller: Option<&'a Caller>,
    /// Which keys hang on which lease. Without it leases are not looked at.
    pub lessor: Option<&'a Lessor>,
}

impl KeyAccess<'_> {
    /// Whether a command may be applied. What no user proposes is not judged, nor is what is judged once and for
    /// all where it is asked for, as etcd does with compactions and grants of leases.
    pub(crate) fn command(&self, command: &Command) -> Result<(), AuthError> {
        if !self.auth.is_enabled() {
            return Ok(());
        }
        match command {
            Command::Put(request) => self.put(request),
            Command::Delete(request) => self.delete(request),
            Command::Txn(request) => self.txn(request),
            Command::LeaseRevoke(id) => self.lease(*id, Access::Write),
            Command::Auth(_) => self.auth.check_root(self.caller),
            Command::Compact(_)
            | Command::LeaseGrant { .. }
            | Command::LeaseExpire { .. }
            | Command::Publish { .. }
            | Command::RaiseAlarm(_)
            | Command::DisarmAlarm(_)
            | Command::Downgrade(_)
            | Command::Authenticate { .. } => Ok(()),
        }
    }

    /// Whether all keys of the range may be read.
    ///
    /// # Errors
    /// As [`AuthStore::check_keys`].
    pub fn read(&self, range: &KeyRange) -> Result<(), AuthError> {
        self.auth.check_keys(self.caller, Access::Read, range)
    }

    fn write(&self, range: &KeyRange) -> Result<(), AuthError> {
        self.auth.check_keys(self.caller, Access::Write, range)
    }

    /// Whether the put may be made: also not if the caller could not end the lease that the key is to hang on.
    ///
    /// # Errors
    /// As [`AuthStore::check_keys`].
    pub fn put(&self, request: &PutRequest) -> Result<(), AuthError> {
        let key = KeyRange::single(request.key.clone());
        self.write(&key)?;
        if let PutLease::Set(Some(lease)) = request.lease {
            self.lease(lease, Access::Write)?;
        }
        if request.prev_kv {
            self.read(&key)?;
        }
        Ok(())
    }

    /// Whether the deletion may be made.
    ///
    /// # Errors
    /// As [`AuthStore::check_keys`].
    pub fn delete(&self, request: &DeleteRequest) -> Result<(), AuthError> {
        self.write(&request.range)?;
        if request.prev_kv {
            self.read(&request.range)?;
        }
        Ok(())
    }

    /// Whether the transaction may run, whichever branches it takes.
    ///
    /// # Errors
    /// As [`AuthStore::check_keys`].
    pub fn txn(&self, request: &TxnRequest) -> Result<(), AuthError> {
        for compare in &request.compare {
            self.read(&compare.range)?;
        }
        for op in request.success.iter().chain(&request.failure) {
            match op {
                Op::Range(range) => self.read(&range.range)?,
                Op::Put(put) => self.put(put)?,
                Op::Delete(delete) => self.delete(delete)?,
                Op::Txn(nested) => self.txn(nested)?,
            }
        }
        Ok(())
    }

    /// Whether all keys that hang on a lease may be read, or written. Root may in any case.
    ///
    /// # Errors
    /// As [`AuthStore::check_keys`].
    pub fn lease(&self, id: LeaseId, access: Access) -> Result<(), AuthError> {
        if self.auth.check_root(self.caller).is_ok() {
            return Ok(());
        }
        let keys = self.lessor.and_then(|lessor| lessor.keys(id));
        for key in keys.into_iter().flatten() {
            let key = KeyRange::single(key.clone());
            self.auth.check_keys(self.caller, access, &key)?;
        }
        Ok(())
    }
}
