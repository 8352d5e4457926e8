use std::collections::BTreeMap;
use std::sync::Arc;

use kv_types::{AuthRevision, KeyRange};

use crate::ROOT;
use crate::caller::Caller;
use crate::change::AuthChange;
use crate::error::AuthError;
use crate::intervals::Intervals;
use crate::role::{Access, Permission, Role};
use crate::user::{Password, User};

/// All users and roles. A clone shares them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthStore {
    enabled: bool,
    revision: AuthRevision,
    users: BTreeMap<String, Arc<Account>>,
    roles: BTreeMap<String, Arc<Role>>,
}

/// A user, with what all its roles allow.
#[derive(Debug, PartialEq, Eq)]
struct Account {
    user: User,
    readable: Intervals,
    writable: Intervals,
}

impl Default for AuthStore {
    fn default() -> Self {
        Self {
            enabled: false,
            revision: AuthRevision::new(1),
            users: BTreeMap::new(),
            roles: BTreeMap::new(),
        }
    }
}

impl AuthStore {
    /// Puts together what was taken apart with [`AuthStore::users`] and [`AuthStore::roles`].
    pub fn from_parts(
        enabled: bool,
        revision: AuthRevision,
        users: impl IntoIterator<Item = User>,
        roles: impl IntoIterator<Item = Role>,
    ) -> Self {
        let roles = roles
            .into_iter()
            .map(|role| (role.name.clone(), Arc::new(role)))
            .collect();
        let mut store = Self {
            enabled,
            revision,
            users: BTreeMap::new(),
            roles,
        };
        users.into_iter().for_each(|user| store.put_user(user));
        store
    }

    /// Whether requests need a user.
    pub fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// Grows with every change of users, roles and permissions.
    pub fn revision(&self) -> AuthRevision {
        self.revision
    }

    /// A user.
    pub fn user(&self, name: &str) -> Option<&User> {
        self.users.get(name).map(|account| &account.user)
    }

    /// All users, by name.
    pub fn users(&self) -> impl ExactSizeIterator<Item = &User> {
        self.users.values().map(|account| &account.user)
    }

    /// A role.
    pub fn role(&self, name: &str) -> Option<&Role> {
        self.roles.get(name).map(Arc::as_ref)
    }

    /// All roles, by name.
    pub fn roles(&self) -> impl ExactSizeIterator<Item = &Role> {
        self.roles.values().map(Arc::as_ref)
    }

    /// What differs from an earlier state of this store: the names of users, then of roles.
    pub fn changed_since(&self, earlier: &Self) -> (Vec<String>, Vec<String>) {
        (
            changed(&self.users, &earlier.users),
            changed(&self.roles, &earlier.roles),
        )
    }

    /// Whether the caller may do what only administrators may: nothing is asked while auth is not enabled. The
    /// caller's revision does not matter, as in etcd.
    ///
    /// # Errors
    /// [`AuthError::UserEmpty`], [`AuthError::UserNotFound`], [`AuthError::PermissionDenied`].
    pub fn check_root(&self, caller: Option<&Caller>) -> Result<(), AuthError> {
        if !self.enabled {
            return Ok(());
        }
        let caller = caller.filter(|caller| !caller.user.is_empty());
        let caller = caller.ok_or(AuthError::UserEmpty)?;
        let user = self.user(&caller.user).ok_or(AuthError::UserNotFound)?;
        if user.has_role(ROOT) {
            Ok(())
        } else {
            Err(AuthError::PermissionDenied)
        }
    }

    /// Whether the caller may read, or write, all keys of a range: nothing is asked while auth is not enabled.
    ///
    /// # Errors
    /// [`AuthError::UserEmpty`], [`AuthError::OldRevision`], [`AuthError::PermissionDenied`].
    pub fn check_keys(
        &self,
        caller: Option<&Caller>,
        access: Access,
        range: &KeyRange,
    ) -> Result<(), AuthError> {
        if !self.enabled {
            return Ok(());
        }
        let caller = caller.filter(|caller| caller.revision != AuthRevision::default());
        let caller = caller.ok_or(AuthError::UserEmpty)?;
        if caller.revision < self.revision {
            return Err(AuthError::OldRevision);
        }
        let account = self.users.get(&caller.user).ok_or(AuthError::PermissionDenied)?;
        if account.allows(access, range) {
            Ok(())
        } else {
            Err(AuthError::PermissionDenied)
        }
    }

    /// Carries out a change.
    ///
    /// # Errors
    /// Why it is refused; nothing has changed then.
    pub fn apply(&mut self, change: AuthChange) -> Result<(), AuthError> {
        match change {
            AuthChange::Enable => self.enable(),
            AuthChange::Disable => {
                self.disable();
                Ok(())
            }
            AuthChange::UserAdd { name, password } => self.user_add(name, password),
            AuthChange::UserDelete { name } => self.user_delete(&name),
            AuthChange::UserChangePassword { name, hash } => self.user_change_password(&name, hash),
            AuthChange::UserGrantRole { user, role } => self.user_grant_role(&user, role),
            AuthChange::UserRevokeRole { user, role } => self.user_revoke_role(&user, &role),
            AuthChange::RoleAdd { name } => self.role_add(name),
            AuthChange::RoleDelete { name } => self.role_delete(&name),
            AuthChange::RoleGrantPermission { role, permission } => self.role_grant(&role, permission),
            AuthChange::RoleRevokePermission { role, range } => self.role_revoke(&role, &range),
        }
    }

    fn enable(&mut self) -> Result<(), AuthError> {
        if self.enabled {
            return Ok(());
        }
        let root = self.user(ROOT).ok_or(AuthError::RootUserNotExist)?;
        if !root.has_role(ROOT) {
            return Err(AuthError::RootRoleNotExist);
        }
        self.enabled = true;
        Ok(())
    }

    fn disable(&mut self) {
        if self.enabled {
            self.enabled = false;
            self.changed();
        }
    }

    fn user_add(&mut self, name: String, password: Password) -> Result<(), AuthError> {
        if name.is_empty() {
            return Err(AuthError::UserEmpty);
        }
        if self.users.contains_key(&name) {
            return Err(AuthError::UserAlreadyExists);
        }
        self.put_user(User {
            name,
            password,
            roles: Vec::new(),
        });
        self.changed();
        Ok(())
    }

    fn user_delete(&mut self, name: &str) -> Result<(), AuthError> {
        if self.enabled && name == ROOT {
            return Err(AuthError::InvalidManagement);
        }
        self.users.remove(name).ok_or(AuthError::UserNotFound)?;
        self.changed();
        Ok(())
    }

    /// A user without password stays one, as in etcd.
    fn user_change_password(&mut self, name: &str, hash: String) -> Result<(), AuthError> {
        let mut user = self.user(name).ok_or(AuthError::UserNotFound)?.clone();
        if user.password != Password::None {
            user.password = Password::Hash(hash);
        }
        self.put_user(user);
        self.changed();
        Ok(())
    }

    fn user_grant_role(&mut self, name: &str, role: String) -> Result<(), AuthError> {
        let user = self.user(name).ok_or(AuthError::UserNotFound)?;
        if role != ROOT && !self.roles.contains_key(&role) {
            return Err(AuthError::RoleNotFound);
        }
        let Err(place) = user.roles.binary_search(&role) else {
            return Ok(());
        };
        let mut user = user.clone();
        user.roles.insert(place, role);
        self.put_user(user);
        self.changed();
        Ok(())
    }

    fn user_revoke_role(&mut self, name: &str, role: &str) -> Result<(), AuthError> {
        if self.enabled && name == ROOT && role == ROOT {
            return Err(AuthError::InvalidManagement);
        }
        let mut user = self.user(name).ok_or(AuthError::UserNotFound)?.clone();
        if !user.has_role(role) {
            return Err(AuthError::RoleNotGranted);
        }
        user.roles.retain(|own| own != role);
        self.put_user(user);
        self.changed();
        Ok(())
    }

    fn role_add(&mut self, name: String) -> Result<(), AuthError> {
        if name.is_empty() {
            return Err(AuthError::RoleEmpty);
        }
        if self.roles.contains_key(&name) {
            return Err(AuthError::RoleAlreadyExists);
        }
        self.roles.insert(name.clone(), Arc::new(Role::new(name)));
        self.changed();
        Ok(())
    }

    fn role_delete(&mut self, name: &str) -> Result<(), AuthError> {
        if self.enabled && name == ROOT {
            return Err(AuthError::InvalidManagement);
        }
        self.roles.remove(name).ok_or(AuthError::RoleNotFound)?;
        for mut user in self.users_with(name) {
            user.roles.retain(|own| own != name);
            self.put_user(user);
        }
        self.changed();
        Ok(())
    }

    fn role_grant(&mut self, name: &str, permission: Permission) -> Result<(), AuthError> {
        if !permission.is_valid() {
            return Err(AuthError::InvalidManagement);
        }
        let mut role = self.role(name).ok_or(AuthError::RoleNotFound)?.clone();
        role.grant(permission);
        self.put_role(role);
        self.changed();
        Ok(())
    }

    fn role_revoke(&mut self, name: &str, range: &KeyRange) -> Result<(), AuthError> {
        let mut role = self.role(name).ok_or(AuthError::RoleNotFound)?.clone();
        if !role.revoke(range) {
            return Err(AuthError::PermissionNotGranted);
        }
        self.put_role(role);
        self.changed();
        Ok(())
    }

    fn changed(&mut self) {
        self.revision = self.revision.next();
    }

    fn users_with(&self, role: &str) -> Vec<User> {
        self.users().filter(|user| user.has_role(role)).cloned().collect()
    }

    /// Replaces a role, and gathers anew what those who have it may do.
    fn put_role(&mut self, role: Role) {
        let name = role.name.clone();
        self.roles.insert(name.clone(), Arc::new(role));
        for user in self.users_with(&name) {
            self.put_user(user);
        }
    }

    fn put_user(&mut self, user: User) {
        let roles: Vec<_> = user.roles.iter().filter_map(|name| self.role(name)).collect();
        let ranges = |access| {
            let permissions = roles.iter().flat_map(|role| &role.permissions);
            let allowing = permissions.filter(move |permission| permission.kind.allows(access));
            Intervals::new(allowing.map(|permission| &permission.range))
        };
        let account = Account {
            readable: ranges(Access::Read),
            writable: ranges(Access::Write),
            user,
        };
        self.users.insert(account.user.name.clone(), Arc::new(account));
    }
}

impl Account {
    fn allows(&self, access: Access, range: &KeyRange) -> bool {
        let allowed = match access {
            Access::Read => &self.readable,
            Access::Write => &self.writable,
        };
        self.user.has_role(ROOT) || allowed.contain(range)
    }
}

fn changed<T>(now: &BTreeMap<String, Arc<T>>, before: &BTreeMap<String, Arc<T>>) -> Vec<String> {
    let same = |name: &String, item: &Arc<T>| before.get(name).is_some_and(|old| Arc::ptr_eq(item, old));
    let new = now
        .iter()
        .filter(|(name, item)| !same(name, item))
        .map(|(name, _)| name.clone());
    let gone = before.keys().filter(|name| !now.contains_key(*name)).cloned();
    new.chain(gone).collect()
}
