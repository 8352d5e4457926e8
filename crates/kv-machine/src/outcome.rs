use kv_mvcc::{CompactError, DeleteResult, PutResult, TxnResult, WriteError};
use kv_types::{LeaseId, RequestId, Revision};
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
