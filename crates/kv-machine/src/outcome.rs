use std::fmt;

use kv_auth::AuthError;
use kv_mvcc::{CompactError, DeleteResult, PutResult, TxnResult, WriteError};
use kv_types::{AuthRevision, LeaseId, RequestId, Revision};
use thiserror::Error;

/// What became of a command, for whoever waits for it.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// Of a put.
    Put(Result<PutResult, WriteError>),
    /// Of a deletion.
    Delete(Result<DeleteResult, WriteError>),
    /// Of a transaction.
    Txn(Result<TxnResult, WriteError>),
    /// Of a compaction.
    Compact(Result<(), CompactError>),
    /// Of a grant.
    LeaseGrant(Result<(), LeaseCommandError>),
    /// Of a revocation.
    LeaseRevoke(Result<(), LeaseCommandError>),
    /// A member has published itself.
    Published,
    /// Of raising or disarming an alarm.
    Alarm {
        /// Whether it was raised: before, if it was disarmed.
        is_raised: bool,
    },
    /// A downgrade was begun or given up.
    Downgrade,
    /// An alarm stands in the way.
    Refused(Refused),
    /// Of a change of users, roles or permissions.
    Auth(Result<(), AuthError>),
    /// Of letting a user in.
    Authenticate(Result<Authenticated, AuthError>),
    /// The caller may not do this: nothing is changed.
    Denied(AuthError),
}

/// A user was let in.
#[derive(Clone, PartialEq, Eq)]
pub struct Authenticated {
    /// The auth revision.
    pub revision: AuthRevision,
    /// The simple token, which all members know; empty if the member that was asked makes tokens of its own.
    pub token: String,
}

/// Tokens do not belong into logs.
impl fmt::Debug for Authenticated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Authenticated(at {})", self.revision)
    }
}

impl Outcome {
    /// Of which kind of command it is. For the log, where keys and values must not be.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Put(_) => "put",
            Self::Delete(_) => "delete",
            Self::Txn(_) => "txn",
            Self::Compact(_) => "compact",
            Self::LeaseGrant(_) => "lease grant",
            Self::LeaseRevoke(_) => "lease revoke",
            Self::Published => "publish",
            Self::Alarm { .. } => "alarm",
            Self::Downgrade => "downgrade",
            Self::Refused(_) => "refused",
            Self::Auth(_) => "auth change",
            Self::Authenticate(_) => "authenticate",
            Self::Denied(_) => "denial",
        }
    }
}

/// Which alarm stands in the way of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// A member has no space.
    NoSpace,
    /// Members differ.
    Corrupt,
}

/// A lease command was refused.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum LeaseCommandError {
    /// A lease with this ID exists.
    #[error("lease already exists")]
    Exists,
    /// There is no such lease.
    #[error("lease not found")]
    NotFound,
}

/// What applying entries brought about, beside the changed state.
#[derive(Debug, Default)]
pub struct Effects {
    /// What became of each proposal, in order.
    pub outcomes: Vec<(RequestId, Outcome)>,
    /// What happened to leases, in order.
    pub leases: Vec<LeaseEffect>,
    /// What happened to tokens, in order.
    pub tokens: Vec<TokenEffect>,
    /// The last compaction among them.
    pub compacted: Option<Revision>,
}

/// What happened to a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseEffect {
    /// It was granted with this time to live in seconds.
    Granted(LeaseId, i64),
    /// It ended.
    Revoked(LeaseId),
}

/// What happened to simple tokens.
#[derive(Clone, PartialEq, Eq)]
pub enum TokenEffect {
    /// A user got one.
    Assigned {
        /// The token.
        token: String,
        /// Whose it is.
        user: String,
    },
    /// Those of this user are void.
    UserInvalidated(String),
    /// All are void.
    AllInvalidated,
}

/// Tokens do not belong into logs.
impl fmt::Debug for TokenEffect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Assigned { user, .. } => write!(f, "Assigned({user:?})"),
            Self::UserInvalidated(user) => write!(f, "UserInvalidated({user:?})"),
            Self::AllInvalidated => f.write_str("AllInvalidated"),
        }
    }
}
