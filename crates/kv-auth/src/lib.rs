//! Users, roles and permissions, and who may do what.
//!
//! Pure and synchronous: no clock, randomness, requests or metadata. Passwords come here as hashes that were made
//! before the change was proposed, so that every member holds the same ones. Follows etcd's `server/auth/store.go`.

mod caller;
mod change;
mod error;
mod intervals;
mod role;
mod store;
#[cfg(test)]
mod tests;
mod user;

pub use caller::Caller;
pub use change::AuthChange;
pub use error::AuthError;
pub use role::{Access, Permission, PermissionKind, Role};
pub use store::AuthStore;
pub use user::{Password, User};

/// The user, and the role, that may do everything.
pub const ROOT: &str = "root";
