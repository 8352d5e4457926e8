//! Users, roles and permissions in the buckets `auth`, `authUsers` and `authRoles`.

use bytes::Bytes;
use kv_auth::{AuthStore, Password, Permission, PermissionKind, Role, User};
use kv_types::{AuthRevision, KeyRange};
use prost::Message;

use crate::error::SnapshotFileError;
use crate::file::SnapshotFile;

const ENABLED: &[u8] = b"authEnabled";
const REVISION: &[u8] = b"authRevision";

#[derive(Clone, PartialEq, Message)]
struct OptionsRecord {
    #[prost(bool, tag = "1")]
    no_password: bool,
}

#[derive(Clone, PartialEq, Message)]
struct UserRecord {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    password: String,
    #[prost(string, repeated, tag = "3")]
    roles: Vec<String>,
    #[prost(message, optional, tag = "4")]
    options: Option<OptionsRecord>,
}

#[derive(Clone, PartialEq, Message)]
struct PermissionRecord {
    #[prost(int32, tag = "1")]
    kind: i32,
    #[prost(bytes = "bytes", tag = "2")]
    key: Bytes,
    #[prost(bytes = "bytes", tag = "3")]
    range_end: Bytes,
}

#[derive(Clone, PartialEq, Message)]
struct RoleRecord {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, repeated, tag = "2")]
    permissions: Vec<PermissionRecord>,
}

/// Keys and values of a bucket.
type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

pub(crate) fn settings(auth: &AuthStore) -> Pairs {
    let revision = auth.revision().get().to_be_bytes().to_vec();
    let mut pairs = vec![(REVISION.to_vec(), revision)];
    if auth.is_enabled() {
        pairs.push((ENABLED.to_vec(), vec![1]));
    }
    pairs
}

pub(crate) fn users(auth: &AuthStore) -> Pairs {
    let record = |user: &User| UserRecord {
        name: user.name.clone(),
        password: match &user.password {
            Password::Hash(hash) => hash.clone(),
            Password::None => String::new(),
        },
        roles: user.roles.clone(),
        options: Some(OptionsRecord {
            no_password: user.password == Password::None,
        }),
    };
    let pair = |user: &User| (user.name.clone().into_bytes(), record(user).encode_to_vec());
    auth.users().map(pair).collect()
}

pub(crate) fn roles(auth: &AuthStore) -> Pairs {
    let permission = |permission: &Permission| PermissionRecord {
        kind: permission.kind.to_wire(),
        key: permission.range.start.clone(),
        range_end: Bytes::copy_from_slice(permission.range.wire_end()),
    };
    let record = |role: &Role| RoleRecord {
        name: role.name.clone(),
        permissions: role.permissions.iter().map(permission).collect(),
    };
    let pair = |role: &Role| (role.name.clone().into_bytes(), record(role).encode_to_vec());
    auth.roles().map(pair).collect()
}

impl SnapshotFile {
    /// The users and roles, and whether requests need a user.
    ///
    /// # Errors
    /// [`SnapshotFileError`] if one of the buckets is damaged.
    pub fn auth(&self) -> Result<AuthStore, SnapshotFileError> {
        let (mut enabled, mut revision) = (false, AuthRevision::new(1));
        self.each("auth", |key, value| {
            if key == ENABLED {
                enabled = value == [1];
            } else if key == REVISION {
                let number = value.try_into().map_err(|_| "it is no number of 8 bytes")?;
                revision = AuthRevision::new(u64::from_be_bytes(number));
            }
            Ok(())
        })?;
        let (mut users, mut roles) = (Vec::new(), Vec::new());
        self.each("authUsers", |key, value| {
            users.push(user(key, value)?);
            Ok(())
        })?;
        self.each("authRoles", |key, value| {
            roles.push(role(key, value)?);
            Ok(())
        })?;
        Ok(AuthStore::from_parts(enabled, revision, users, roles))
    }
}

fn named(key: &[u8], name: &str) -> Result<(), String> {
    if key == name.as_bytes() {
        Ok(())
    } else {
        Err(format!("it says that its name is {name:?}"))
    }
}

fn user(key: &[u8], value: &[u8]) -> Result<User, String> {
    let record = UserRecord::decode(value).map_err(|error| error.to_string())?;
    named(key, &record.name)?;
    let mut roles = record.roles;
    roles.sort_unstable();
    roles.dedup();
    let without = record.options.is_some_and(|options| options.no_password);
    Ok(User {
        name: record.name,
        password: if without {
            Password::None
        } else {
            Password::Hash(record.password)
        },
        roles,
    })
}

fn role(key: &[u8], value: &[u8]) -> Result<Role, String> {
    let record = RoleRecord::decode(value).map_err(|error| error.to_string())?;
    named(key, &record.name)?;
    let permission = |record: PermissionRecord| Permission {
        kind: PermissionKind::from_wire(record.kind),
        range: KeyRange::from_wire(record.key, record.range_end),
    };
    let mut permissions: Vec<_> = record.permissions.into_iter().map(permission).collect();
    permissions.sort_by(|a, b| a.range.start.cmp(&b.range.start));
    Ok(Role {
        name: record.name,
        permissions,
    })
}
