use kv_auth::{AuthChange, AuthError, Password, Permission, Role};
use kv_machine::{Command, Outcome};
use kv_types::{AuthRevision, KeyRange};

use crate::error::RequestError;
use crate::server::{Server, unexpected};

/// How often a password is checked again because users or roles changed meanwhile.
const CHECKS_MAX: usize = 16;

impl Server {
    /// From now on every request needs a user.
    ///
    /// # Errors
    /// A refusal (nothing changed), or as [`Server::put`].
    pub async fn auth_enable(&self) -> Result<(), RequestError> {
        self.change_auth(AuthChange::Enable).await
    }

    /// From now on no request needs a user.
    ///
    /// # Errors
    /// As [`Server::auth_enable`].
    pub async fn auth_disable(&self) -> Result<(), RequestError> {
        self.change_auth(AuthChange::Disable).await
    }

    /// Whether requests need a user, and the auth revision. Nobody is asked who they are.
    ///
    /// # Errors
    /// Whatever keeps a quorum from confirming.
    pub async fn auth_status(&self) -> Result<(bool, AuthRevision), RequestError> {
        self.read_barrier().await?;
        let auth = self.auth();
        Ok((auth.is_enabled(), auth.revision()))
    }

    /// A token for a user who knows the password.
    ///
    /// # Errors
    /// [`AuthError::AuthFailed`] and the like; [`RequestError::TooManyRequests`] if too many log in at once.
    pub async fn authenticate(&self, user: &str, password: &str) -> Result<String, RequestError> {
        self.read_barrier().await?;
        for _ in 0..CHECKS_MAX {
            let revision = self.check_password(user, password).await?;
            let command = Command::Authenticate {
                user: user.to_owned(),
                revision,
                token_prefix: self.shell.tokens.prefix(),
            };
            match self.shell.propose(command).await? {
                Outcome::Authenticate(Ok(authenticated)) => {
                    return self.shell.tokens.issue(authenticated);
                }
                // Users or roles have changed since the password was checked: it may be another now.
                Outcome::Authenticate(Err(AuthError::OldRevision)) => {}
                Outcome::Authenticate(Err(error)) => return Err(error.into()),
                other => return Err(unexpected(&other)),
            }
        }
        Err(RequestError::TooManyRequests)
    }

    /// The auth revision at which the password is the user's.
    async fn check_password(&self, user: &str, password: &str) -> Result<AuthRevision, RequestError> {
        let auth = self.auth();
        if !auth.is_enabled() {
            return Err(AuthError::NotEnabled.into());
        }
        let user = auth.user(user).ok_or(AuthError::AuthFailed)?;
        let Password::Hash(hash) = &user.password else {
            return Err(AuthError::NoPasswordUser.into());
        };
        let passwords = &self.shell.passwords;
        if passwords.verify(password.to_owned(), hash.clone()).await? {
            Ok(auth.revision())
        } else {
            Err(AuthError::AuthFailed.into())
        }
    }

    /// Adds a user; without a password it can come in by a certificate only.
    ///
    /// # Errors
    /// As [`Server::auth_enable`], or [`RequestError::PasswordTooLong`].
    pub async fn user_add(&self, name: String, password: Option<String>) -> Result<(), RequestError> {
        // Before the password is hashed, which is expensive.
        self.require_root().await?;
        let password = match password {
            Some(password) => Password::Hash(self.shell.passwords.hash(password).await?),
            None => Password::None,
        };
        self.change_auth(AuthChange::UserAdd { name, password }).await
    }

    /// Ends a user; its tokens are void.
    ///
    /// # Errors
    /// As [`Server::auth_enable`].
    pub async fn user_delete(&self, name: String) -> Result<(), RequestError> {
        self.change_auth(AuthChange::UserDelete { name }).await
    }

    /// Gives a user another password; its tokens are void. With an empty one nobody comes in, as in etcd.
    ///
    /// # Errors
    /// As [`Server::user_add`].
    pub async fn user_change_password(&self, name: String, password: String) -> Result<(), RequestError> {
        self.require_root().await?;
        let hash = if password.is_empty() {
            String::new()
        } else {
            self.shell.passwords.hash(password).await?
        };
        self.change_auth(AuthChange::UserChangePassword { name, hash })
            .await
    }

    /// Gives a user a role.
    ///
    /// # Errors
    /// As [`Server::auth_enable`].
    pub async fn user_grant_role(&self, user: String, role: String) -> Result<(), RequestError> {
        self.change_auth(AuthChange::UserGrantRole { user, role }).await
    }

    /// Takes a role from a user.
    ///
    /// # Errors
    /// As [`Server::auth_enable`].
    pub async fn user_revoke_role(&self, user: String, role: String) -> Result<(), RequestError> {
        self.change_auth(AuthChange::UserRevokeRole { user, role }).await
    }

    /// The roles of a user: for administrators, and for the user itself.
    ///
    /// # Errors
    /// [`AuthError::UserNotFound`], a denial, or whatever keeps a quorum from confirming.
    pub async fn user_get(&self, name: &str) -> Result<Vec<String>, RequestError> {
        self.read_barrier().await?;
        let caller = self.caller().await?;
        let auth = self.auth();
        let own = caller.as_ref().map_or("", |caller| &caller.user);
        if own != name {
            self.require_root().await?;
        }
        let user = auth.user(name).ok_or(AuthError::UserNotFound)?;
        Ok(user.roles.clone())
    }

    /// The names of all users.
    ///
    /// # Errors
    /// A denial, or whatever keeps a quorum from confirming.
    pub async fn user_list(&self) -> Result<Vec<String>, RequestError> {
        self.read_barrier().await?;
        self.require_root().await?;
        let auth = self.auth();
        Ok(auth.users().map(|user| user.name.clone()).collect())
    }

    /// Adds a role.
    ///
    /// # Errors
    /// As [`Server::auth_enable`].
    pub async fn role_add(&self, name: String) -> Result<(), RequestError> {
        self.change_auth(AuthChange::RoleAdd { name }).await
    }

    /// Ends a role; all users lose it.
    ///
    /// # Errors
    /// As [`Server::auth_enable`].
    pub async fn role_delete(&self, name: String) -> Result<(), RequestError> {
        self.change_auth(AuthChange::RoleDelete { name }).await
    }

    /// A role: for administrators, and for users who have it.
    ///
    /// # Errors
    /// [`AuthError::RoleNotFound`], a denial, or whatever keeps a quorum from confirming.
    pub async fn role_get(&self, name: &str) -> Result<Role, RequestError> {
        self.read_barrier().await?;
        let caller = self.caller().await?;
        let auth = self.auth();
        let user = caller.as_ref().and_then(|caller| auth.user(&caller.user));
        if !user.is_some_and(|user| user.has_role(name)) {
            self.require_root().await?;
        }
        let role = auth.role(name).ok_or(AuthError::RoleNotFound)?;
        Ok(role.clone())
    }

    /// The names of all roles.
    ///
    /// # Errors
    /// As [`Server::user_list`].
    pub async fn role_list(&self) -> Result<Vec<String>, RequestError> {
        self.read_barrier().await?;
        self.require_root().await?;
        let auth = self.auth();
        Ok(auth.roles().map(|role| role.name.clone()).collect())
    }

    /// Gives a role a permission.
    ///
    /// # Errors
    /// As [`Server::auth_enable`].
    pub async fn role_grant_permission(
        &self,
        role: String,
        permission: Option<Permission>,
    ) -> Result<(), RequestError> {
        self.require_root().await?;
        let permission = permission.ok_or(AuthError::PermissionNotGiven)?;
        self.change_auth(AuthChange::RoleGrantPermission { role, permission })
            .await
    }

    /// Takes a permission on exactly this range from a role.
    ///
    /// # Errors
    /// As [`Server::auth_enable`].
    pub async fn role_revoke_permission(&self, role: String, range: KeyRange) -> Result<(), RequestError> {
        self.change_auth(AuthChange::RoleRevokePermission { role, range })
            .await
    }

    async fn change_auth(&self, change: AuthChange) -> Result<(), RequestError> {
        let caller = self
            .permitted(|access| access.auth.check_root(access.caller))
            .await?;
        match self.shell.propose_as(caller, Command::Auth(change)).await? {
            Outcome::Auth(result) => Ok(result?),
            other => Err(unexpected(&other)),
        }
    }
}
