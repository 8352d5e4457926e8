use kv_auth::AuthError;
use thiserror::Error;

use crate::membership::MemberError;

/// Why a request was not carried out.
///
/// The edge maps each variant to etcd's code and text; the texts here are for logs. A variant that says
/// "outcome unknown" may stand for a write that is applied later.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum RequestError {
    /// The revision asked for has been compacted.
    #[error("required revision has been compacted")]
    Compacted,
    /// The revision asked for does not exist yet.
    #[error("required revision is a future revision")]
    FutureRevision,
    /// The lease named in the request does not exist.
    #[error("lease not found")]
    LeaseNotFound,
    /// A lease with the chosen ID exists already.
    #[error("lease already exists")]
    LeaseExists,
    /// The time to live is above the largest that is accepted.
    #[error("lease time to live is too large")]
    LeaseTtlTooLarge,
    /// A put that keeps the value or the lease of a key that does not exist.
    #[error("key not found")]
    KeyNotFound,
    /// The quota is used up, or the disk is full: writes are refused, reads go on.
    #[error("database space exceeded")]
    NoSpace,
    /// The alarm that members differ is raised: writes are refused, reads go on.
    #[error("corrupt cluster")]
    Corrupt,
    /// The cluster cannot be downgraded to this version.
    #[error("invalid downgrade target version")]
    DowngradeTarget,
    /// The cluster is being downgraded already.
    #[error("a downgrade is in progress")]
    DowngradeInProgress,
    /// The encoded proposal is larger than the limit.
    #[error("request is too large")]
    TooLarge,
    /// Too many proposals wait to be applied.
    #[error("too many requests")]
    TooManyRequests,
    /// No leader is known to this member.
    #[error("no leader")]
    NoLeader,
    /// The leader changed while a linearizable read waited; the read was not done.
    #[error("leader changed")]
    LeaderChanged,
    /// No outcome within the request timeout; outcome unknown.
    #[error("request timed out")]
    Timeout,
    /// As [`RequestError::Timeout`], and the request began shortly before the present leader was elected.
    #[error("request timed out, possibly due to previous leader failure")]
    TimeoutLeaderFailure,
    /// As [`RequestError::Timeout`], and the leader (or a quorum) could not be reached meanwhile.
    #[error("request timed out, possibly due to connection lost")]
    TimeoutConnectionLost,
    /// The member is shutting down; outcome unknown.
    #[error("server stopped")]
    Stopped,
    /// The member is a learner and does not serve this call.
    #[error("not supported for a learner")]
    Learner,
    /// The membership, or the leader, is not changed.
    #[error(transparent)]
    Member(#[from] MemberError),
    /// The caller is not known, or may not do this; or a change of users and roles is refused.
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// A password of more bytes than bcrypt takes.
    #[error("password is longer than {PASSWORD_BYTES_MAX} bytes")]
    PasswordTooLong,
    /// A member that holds only the public key of tokens cannot make one.
    #[error("tokens can only be verified here")]
    TokenVerifyOnly,
    /// The store could not be read or broke a rule; the text says where.
    #[error("{0}")]
    Internal(String),
}

/// What bcrypt takes of a password.
pub const PASSWORD_BYTES_MAX: usize = 72;
