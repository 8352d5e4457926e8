//! How failures look on the wire. Go clients recognise errors by their exact text, so the texts are contract.

use kv_mvcc::RangeError;
use kv_server::{AuthError, MemberError, PASSWORD_BYTES_MAX, RequestError};
use thiserror::Error;
use tonic::{Code, Status};

pub(crate) const COMPACTED: &str = "etcdserver: mvcc: required revision has been compacted";
pub(crate) const NO_LEADER: &str = "etcdserver: no leader";
/// Bytes that are no message.
pub(crate) const UNREADABLE: &str =
    "grpc: error unmarshalling request: proto: cannot parse invalid wire-format data";
/// A message with a string that is no text.
pub(crate) const INVALID_TEXT: &str =
    "grpc: error unmarshalling request: string field contains invalid UTF-8";
const DOWNGRADE_TARGET: &str = "etcdserver: invalid downgrade target version";
pub(crate) const TOO_MANY_REQUESTS: &str = "etcdserver: too many requests";
pub(crate) const STOPPED: &str = "etcdserver: server stopped";

/// Why a request is refused before anything is done.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Refusal {
    /// An empty key where one is needed.
    #[error("etcdserver: key is not provided")]
    KeyNotProvided,
    /// A put that keeps the value and brings one.
    #[error("etcdserver: value is provided")]
    ValueProvided,
    /// A put that keeps the lease and brings one.
    #[error("etcdserver: lease is provided")]
    LeaseProvided,
    /// An operation of a transaction that is none of the known kinds; the text is etcd's.
    #[error("etcdserver: key not found")]
    NoOperation,
    /// A transaction above the limit on operations.
    #[error("etcdserver: too many operations in txn request")]
    TooManyOperations,
    /// A transaction that would write one key twice.
    #[error("etcdserver: duplicate key given in txn request")]
    DuplicateKey,
    /// An order or a sort target that is not known.
    #[error("etcdserver: invalid sort option")]
    InvalidSortOption,
    /// Peer URLs that are none, or none at all.
    #[error("etcdserver: given member URLs are invalid")]
    BadMemberUrls,
    /// A version to downgrade to that is no version.
    #[error("etcdserver: wrong downgrade target version format")]
    DowngradeFormat,
    /// Metadata `client-api-version` that is not text.
    #[error("etcdserver: invalid client api version")]
    InvalidClientApiVersion,
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        Self::invalid_argument(refusal.to_string())
    }
}

/// The status a failed request is answered with.
pub fn status(error: RequestError) -> Status {
    let (code, text) = match error {
        RequestError::Compacted => (Code::OutOfRange, COMPACTED),
        RequestError::FutureRevision => (
            Code::OutOfRange,
            "etcdserver: mvcc: required revision is a future revision",
        ),
        RequestError::LeaseNotFound => (Code::NotFound, "etcdserver: requested lease not found"),
        RequestError::LeaseExists => (Code::FailedPrecondition, "etcdserver: lease already exists"),
        RequestError::LeaseTtlTooLarge => (Code::OutOfRange, "etcdserver: too large lease TTL"),
        RequestError::KeyNotFound => (Code::InvalidArgument, "etcdserver: key not found"),
        RequestError::NoSpace => (
            Code::ResourceExhausted,
            "etcdserver: mvcc: database space exceeded",
        ),
        RequestError::Corrupt => (Code::DataLoss, "etcdserver: corrupt cluster"),
        RequestError::DowngradeTarget => (Code::InvalidArgument, DOWNGRADE_TARGET),
        RequestError::DowngradeInProgress => (
            Code::FailedPrecondition,
            "etcdserver: cluster has a downgrade job in progress",
        ),
        RequestError::TooLarge => (Code::InvalidArgument, "etcdserver: request is too large"),
        RequestError::TooManyRequests => (Code::ResourceExhausted, TOO_MANY_REQUESTS),
        RequestError::NoLeader => (Code::Unavailable, NO_LEADER),
        RequestError::LeaderChanged => (Code::Unavailable, "etcdserver: leader changed"),
        RequestError::Timeout => (Code::Unavailable, "etcdserver: request timed out"),
        RequestError::TimeoutLeaderFailure => (
            Code::Unavailable,
            "etcdserver: request timed out, possibly due to previous leader failure",
        ),
        RequestError::TimeoutConnectionLost => (
            Code::Unavailable,
            "etcdserver: request timed out, possibly due to connection lost",
        ),
        RequestError::Stopped => (Code::Unavailable, STOPPED),
        RequestError::Learner => (
            Code::FailedPrecondition,
            "etcdserver: rpc not supported for learner",
        ),
        RequestError::Member(error) => member_error(error),
        RequestError::Auth(error) => auth_text(error),
        RequestError::PasswordTooLong => {
            return Status::unknown(format!(
                "bcrypt: password length exceeds {PASSWORD_BYTES_MAX} bytes"
            ));
        }
        RequestError::TokenVerifyOnly => (
            Code::Unknown,
            "auth: token signing attempted with verify-only key",
        ),
        RequestError::Internal(text) => return Status::unknown(text),
    };
    Status::new(code, text)
}

fn member_error(error: MemberError) -> (Code, &'static str) {
    match error {
        MemberError::IdExists => (Code::FailedPrecondition, "etcdserver: member ID already exist"),
        MemberError::PeerUrlsExist => (Code::FailedPrecondition, "etcdserver: Peer URLs already exists"),
        // etcd means another code and sends this one.
        MemberError::NotEnoughStarted => (
            Code::Unknown,
            "etcdserver: re-configuration failed due to not enough started members",
        ),
        MemberError::NotFound => (Code::NotFound, "etcdserver: member not found"),
        MemberError::NotLearner => (
            Code::FailedPrecondition,
            "etcdserver: can only promote a learner member",
        ),
        MemberError::LearnerNotReady => (
            Code::FailedPrecondition,
            "etcdserver: can only promote a learner member which is in sync with leader",
        ),
        MemberError::TooManyLearners => (
            Code::FailedPrecondition,
            "etcdserver: too many learner members in cluster",
        ),
        MemberError::Unhealthy => (Code::Unavailable, "etcdserver: unhealthy cluster"),
        MemberError::NotLeader => (Code::FailedPrecondition, "etcdserver: not leader"),
        MemberError::BadTransferee => (Code::FailedPrecondition, "etcdserver: bad leader transferee"),
        MemberError::TransferTimeout => (
            Code::Unknown,
            "etcdserver: request timed out, leader transfer took too long",
        ),
    }
}

fn auth_text(error: AuthError) -> (Code, &'static str) {
    match error {
        AuthError::RootUserNotExist => (Code::FailedPrecondition, "etcdserver: root user does not exist"),
        AuthError::RootRoleNotExist => (
            Code::FailedPrecondition,
            "etcdserver: root user does not have root role",
        ),
        AuthError::UserAlreadyExists => (Code::FailedPrecondition, "etcdserver: user name already exists"),
        AuthError::UserEmpty => (Code::InvalidArgument, "etcdserver: user name is empty"),
        AuthError::UserNotFound => (Code::FailedPrecondition, "etcdserver: user name not found"),
        AuthError::RoleAlreadyExists => (Code::FailedPrecondition, "etcdserver: role name already exists"),
        AuthError::RoleNotFound => (Code::FailedPrecondition, "etcdserver: role name not found"),
        AuthError::RoleEmpty => (Code::InvalidArgument, "etcdserver: role name is empty"),
        AuthError::AuthFailed => (
            Code::InvalidArgument,
            "etcdserver: authentication failed, invalid user ID or password",
        ),
        AuthError::NoPasswordUser => (
            Code::Unknown,
            "auth: authentication failed, password was given for no password user",
        ),
        AuthError::PermissionNotGiven => (Code::InvalidArgument, "etcdserver: permission not given"),
        AuthError::PermissionDenied => (Code::PermissionDenied, "etcdserver: permission denied"),
        AuthError::RoleNotGranted => (
            Code::FailedPrecondition,
            "etcdserver: role is not granted to the user",
        ),
        AuthError::PermissionNotGranted => (
            Code::FailedPrecondition,
            "etcdserver: permission is not granted to the role",
        ),
        AuthError::NotEnabled => (
            Code::FailedPrecondition,
            "etcdserver: authentication is not enabled",
        ),
        AuthError::InvalidToken => (Code::Unauthenticated, "etcdserver: invalid auth token"),
        AuthError::InvalidManagement => (Code::InvalidArgument, "etcdserver: invalid auth management"),
        AuthError::OldRevision => (Code::InvalidArgument, "etcdserver: revision of auth store is old"),
    }
}

/// Why a watcher ended or was not created, in the words of etcd, which writes the whole status as Go does.
pub(crate) fn watch_denial(error: AuthError) -> String {
    let (code, text) = match error {
        AuthError::InvalidToken | AuthError::OldRevision | AuthError::UserEmpty => auth_text(error),
        _ => auth_text(AuthError::PermissionDenied),
    };
    format!("rpc error: code = {code:?} desc = {text}")
}

/// The status a failed read of a view is answered with.
pub(crate) fn range_status(error: RangeError) -> Status {
    status(match error {
        RangeError::Compacted => RequestError::Compacted,
        RangeError::FutureRevision => RequestError::FutureRevision,
        RangeError::Read(error) => RequestError::Internal(error.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_has_etcds_code_and_text() {
        let cases = [
            (
                RequestError::Compacted,
                11,
                "etcdserver: mvcc: required revision has been compacted",
            ),
            (
                RequestError::FutureRevision,
                11,
                "etcdserver: mvcc: required revision is a future revision",
            ),
            (
                RequestError::LeaseNotFound,
                5,
                "etcdserver: requested lease not found",
            ),
            (RequestError::LeaseExists, 9, "etcdserver: lease already exists"),
            (
                RequestError::LeaseTtlTooLarge,
                11,
                "etcdserver: too large lease TTL",
            ),
            (RequestError::KeyNotFound, 3, "etcdserver: key not found"),
            (
                RequestError::NoSpace,
                8,
                "etcdserver: mvcc: database space exceeded",
            ),
            (RequestError::Corrupt, 15, "etcdserver: corrupt cluster"),
            (
                RequestError::DowngradeTarget,
                3,
                "etcdserver: invalid downgrade target version",
            ),
            (
                RequestError::DowngradeInProgress,
                9,
                "etcdserver: cluster has a downgrade job in progress",
            ),
            (RequestError::TooLarge, 3, "etcdserver: request is too large"),
            (RequestError::TooManyRequests, 8, "etcdserver: too many requests"),
            (RequestError::NoLeader, 14, "etcdserver: no leader"),
            (RequestError::LeaderChanged, 14, "etcdserver: leader changed"),
            (RequestError::Timeout, 14, "etcdserver: request timed out"),
            (
                RequestError::TimeoutLeaderFailure,
                14,
                "etcdserver: request timed out, possibly due to previous leader failure",
            ),
            (
                RequestError::TimeoutConnectionLost,
                14,
                "etcdserver: request timed out, possibly due to connection lost",
            ),
            (RequestError::Stopped, 14, "etcdserver: server stopped"),
            (
                RequestError::Learner,
                9,
                "etcdserver: rpc not supported for learner",
            ),
            (
                RequestError::PasswordTooLong,
                2,
                "bcrypt: password length exceeds 72 bytes",
            ),
            (
                RequestError::TokenVerifyOnly,
                2,
                "auth: token signing attempted with verify-only key",
            ),
            (
                AuthError::RootUserNotExist.into(),
                9,
                "etcdserver: root user does not exist",
            ),
            (
                AuthError::RootRoleNotExist.into(),
                9,
                "etcdserver: root user does not have root role",
            ),
            (
                AuthError::UserAlreadyExists.into(),
                9,
                "etcdserver: user name already exists",
            ),
            (AuthError::UserEmpty.into(), 3, "etcdserver: user name is empty"),
            (
                AuthError::UserNotFound.into(),
                9,
                "etcdserver: user name not found",
            ),
            (
                AuthError::RoleAlreadyExists.into(),
                9,
                "etcdserver: role name already exists",
            ),
            (
                AuthError::RoleNotFound.into(),
                9,
                "etcdserver: role name not found",
            ),
            (AuthError::RoleEmpty.into(), 3, "etcdserver: role name is empty"),
            (
                AuthError::AuthFailed.into(),
                3,
                "etcdserver: authentication failed, invalid user ID or password",
            ),
            (
                AuthError::NoPasswordUser.into(),
                2,
                "auth: authentication failed, password was given for no password user",
            ),
            (
                AuthError::PermissionNotGiven.into(),
                3,
                "etcdserver: permission not given",
            ),
            (
                AuthError::PermissionDenied.into(),
                7,
                "etcdserver: permission denied",
            ),
            (
                AuthError::RoleNotGranted.into(),
                9,
                "etcdserver: role is not granted to the user",
            ),
            (
                AuthError::PermissionNotGranted.into(),
                9,
                "etcdserver: permission is not granted to the role",
            ),
            (
                AuthError::NotEnabled.into(),
                9,
                "etcdserver: authentication is not enabled",
            ),
            (
                AuthError::InvalidToken.into(),
                16,
                "etcdserver: invalid auth token",
            ),
            (
                AuthError::InvalidManagement.into(),
                3,
                "etcdserver: invalid auth management",
            ),
            (
                AuthError::OldRevision.into(),
                3,
                "etcdserver: revision of auth store is old",
            ),
            (
                RequestError::Internal("row 7/0 is damaged".into()),
                2,
                "row 7/0 is damaged",
            ),
        ];
        for (error, code, text) in cases {
            let status = status(error);
            assert_eq!((status.code() as i32, status.message()), (code, text));
        }
    }

    #[test]
    fn each_refusal_is_an_invalid_argument_with_etcds_text() {
        let cases = [
            (Refusal::KeyNotProvided, "etcdserver: key is not provided"),
            (Refusal::ValueProvided, "etcdserver: value is provided"),
            (Refusal::LeaseProvided, "etcdserver: lease is provided"),
            (Refusal::NoOperation, "etcdserver: key not found"),
            (
                Refusal::TooManyOperations,
                "etcdserver: too many operations in txn request",
            ),
            (
                Refusal::DuplicateKey,
                "etcdserver: duplicate key given in txn request",
            ),
            (Refusal::InvalidSortOption, "etcdserver: invalid sort option"),
            (
                Refusal::DowngradeFormat,
                "etcdserver: wrong downgrade target version format",
            ),
            (
                Refusal::InvalidClientApiVersion,
                "etcdserver: invalid client api version",
            ),
        ];
        for (refusal, text) in cases {
            let status = Status::from(refusal);
            assert_eq!((status.code(), status.message()), (Code::InvalidArgument, text));
        }
    }
}
