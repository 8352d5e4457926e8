use kv_types::KeyRange;

use crate::role::Permission;
use crate::user::Password;

/// A change of the users, the roles and what they may do.
#[derive(Clone, Debug, PartialEq)]
pub enum AuthChange {
    /// From now on every request needs a user.
    Enable,
    /// From now on no request needs a user.
    Disable,
    /// A new user without roles.
    UserAdd {
        /// Its name.
        name: String,
        /// Its password.
        password: Password,
    },
    /// A user's end.
    UserDelete {
        /// Its name.
        name: String,
    },
    /// Another password.
    UserChangePassword {
        /// Whose.
        name: String,
        /// The hash of the new one.
        hash: String,
    },
    /// Gives a user a role.
    UserGrantRole {
        /// The user.
        user: String,
        /// The role.
        role: String,
    },
    /// Takes a role from a user.
    UserRevokeRole {
        /// The user.
        user: String,
        /// The role.
        role: String,
    },
    /// A new role without permissions.
    RoleAdd {
        /// Its name.
        name: String,
    },
    /// A role's end; all users lose it.
    RoleDelete {
        /// Its name.
        name: String,
    },
    /// Gives a role a permission, or changes the kind of the one it has on this very range.
    RoleGrantPermission {
        /// The role.
        role: String,
        /// The permission.
        permission: Permission,
    },
    /// Takes a permission from a role.
    RoleRevokePermission {
        /// The role.
        role: String,
        /// Exactly the range of the permission.
        range: KeyRange,
    },
}
