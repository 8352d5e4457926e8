use thiserror::Error;

/// Why a change of users and roles, or a request of a user, is refused.
///
/// The texts are for logs; the edge has etcd's.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum AuthError {
    /// Auth cannot be enabled without the user `root`.
    #[error("root user does not exist")]
    RootUserNotExist,
    /// Auth cannot be enabled while the user `root` lacks the role `root`.
    #[error("root user does not have root role")]
    RootRoleNotExist,
    /// There is a user of this name.
    #[error("user name already exists")]
    UserAlreadyExists,
    /// A user without a name; also a request of nobody while auth is enabled.
    #[error("user name is empty")]
    UserEmpty,
    /// There is no such user.
    #[error("user name not found")]
    UserNotFound,
    /// There is a role of this name.
    #[error("role name already exists")]
    RoleAlreadyExists,
    /// There is no such role.
    #[error("role name not found")]
    RoleNotFound,
    /// A role without a name.
    #[error("role name is empty")]
    RoleEmpty,
    /// No such user, or another password.
    #[error("invalid user or password")]
    AuthFailed,
    /// The user can come in by certificate only.
    #[error("password given for a user without password")]
    NoPasswordUser,
    /// A grant of nothing.
    #[error("permission not given")]
    PermissionNotGiven,
    /// The user may not do this.
    #[error("permission denied")]
    PermissionDenied,
    /// The user does not have the role.
    #[error("role is not granted to the user")]
    RoleNotGranted,
    /// The role does not have exactly this permission.
    #[error("permission is not granted to the role")]
    PermissionNotGranted,
    /// Auth is not enabled, so there is nothing to log in to.
    #[error("authentication is not enabled")]
    NotEnabled,
    /// A token that is not known, or no longer.
    #[error("invalid auth token")]
    InvalidToken,
    /// What would take `root` away while auth is enabled, or a permission on no proper range.
    #[error("invalid auth management")]
    InvalidManagement,
    /// Users, roles or permissions have changed since the caller was found out.
    #[error("revision of auth store is old")]
    OldRevision,
}
