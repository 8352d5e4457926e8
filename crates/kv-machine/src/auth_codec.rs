//! The bytes of changes of users and roles, in commands and records.
//!
//! | item | layout |
//! |---|---|
//! | password | flag: 0 none, 1 hash (bytes) |
//! | permission | kind as on the wire (signed), key, range end as on the wire (bytes) |
//! | user | name, password, roles (list of bytes) |
//! | role | name, permissions (list) |
//! | change | a tag, then its names and values in the order of [`AuthChange`] |

use kv_auth::{AuthChange, Password, Permission, PermissionKind, Role, User};
use kv_types::KeyRange;

use crate::codec::{CodecError, Reader, Write};

mod tag {
    pub(super) const ENABLE: u8 = 1;
    pub(super) const DISABLE: u8 = 2;
    pub(super) const USER_ADD: u8 = 3;
    pub(super) const USER_DELETE: u8 = 4;
    pub(super) const USER_CHANGE_PASSWORD: u8 = 5;
    pub(super) const USER_GRANT_ROLE: u8 = 6;
    pub(super) const USER_REVOKE_ROLE: u8 = 7;
    pub(super) const ROLE_ADD: u8 = 8;
    pub(super) const ROLE_DELETE: u8 = 9;
    pub(super) const ROLE_GRANT_PERMISSION: u8 = 10;
    pub(super) const ROLE_REVOKE_PERMISSION: u8 = 11;
}

pub(crate) fn write_change(buffer: &mut Vec<u8>, change: &AuthChange) {
    match change {
        AuthChange::Enable => buffer.tag(tag::ENABLE),
        AuthChange::Disable => buffer.tag(tag::DISABLE),
        AuthChange::UserAdd { name, password } => {
            write_named(buffer, tag::USER_ADD, name);
            write_password(buffer, password);
        }
        AuthChange::UserDelete { name } => write_named(buffer, tag::USER_DELETE, name),
        AuthChange::UserChangePassword { name, hash } => {
            write_named(buffer, tag::USER_CHANGE_PASSWORD, name);
            buffer.bytes(hash.as_bytes());
        }
        AuthChange::UserGrantRole { user, role } => {
            write_named(buffer, tag::USER_GRANT_ROLE, user);
            buffer.bytes(role.as_bytes());
        }
        AuthChange::UserRevokeRole { user, role } => {
            write_named(buffer, tag::USER_REVOKE_ROLE, user);
            buffer.bytes(role.as_bytes());
        }
        AuthChange::RoleAdd { name } => write_named(buffer, tag::ROLE_ADD, name),
        AuthChange::RoleDelete { name } => write_named(buffer, tag::ROLE_DELETE, name),
        AuthChange::RoleGrantPermission { role, permission } => {
            write_named(buffer, tag::ROLE_GRANT_PERMISSION, role);
            write_permission(buffer, permission);
        }
        AuthChange::RoleRevokePermission { role, range } => {
            write_named(buffer, tag::ROLE_REVOKE_PERMISSION, role);
            write_range(buffer, range);
        }
    }
}

pub(crate) fn read_change(reader: &mut Reader<'_>) -> Result<AuthChange, CodecError> {
    Ok(match reader.tag()? {
        tag::ENABLE => AuthChange::Enable,
        tag::DISABLE => AuthChange::Disable,
        tag::USER_ADD => AuthChange::UserAdd {
            name: reader.text()?,
            password: read_password(reader)?,
        },
        tag::USER_DELETE => AuthChange::UserDelete { name: reader.text()? },
        tag::USER_CHANGE_PASSWORD => AuthChange::UserChangePassword {
            name: reader.text()?,
            hash: reader.text()?,
        },
        tag::USER_GRANT_ROLE => AuthChange::UserGrantRole {
            user: reader.text()?,
            role: reader.text()?,
        },
        tag::USER_REVOKE_ROLE => AuthChange::UserRevokeRole {
            user: reader.text()?,
            role: reader.text()?,
        },
        tag::ROLE_ADD => AuthChange::RoleAdd { name: reader.text()? },
        tag::ROLE_DELETE => AuthChange::RoleDelete { name: reader.text()? },
        tag::ROLE_GRANT_PERMISSION => AuthChange::RoleGrantPermission {
            role: reader.text()?,
            permission: read_permission(reader)?,
        },
        tag::ROLE_REVOKE_PERMISSION => AuthChange::RoleRevokePermission {
            role: reader.text()?,
            range: read_range(reader)?,
        },
        _ => return Err(reader.error("auth change")),
    })
}

pub(crate) fn write_user(buffer: &mut Vec<u8>, user: &User) {
    buffer.bytes(user.name.as_bytes());
    write_password(buffer, &user.password);
    buffer.unsigned(user.roles.len() as u64);
    for role in &user.roles {
        buffer.bytes(role.as_bytes());
    }
}

pub(crate) fn read_user(reader: &mut Reader<'_>) -> Result<User, CodecError> {
    Ok(User {
        name: reader.text()?,
        password: read_password(reader)?,
        roles: reader.list(Reader::text)?,
    })
}

pub(crate) fn write_role(buffer: &mut Vec<u8>, role: &Role) {
    buffer.bytes(role.name.as_bytes());
    buffer.unsigned(role.permissions.len() as u64);
    for permission in &role.permissions {
        write_permission(buffer, permission);
    }
}

pub(crate) fn read_role(reader: &mut Reader<'_>) -> Result<Role, CodecError> {
    Ok(Role {
        name: reader.text()?,
        permissions: reader.list(read_permission)?,
    })
}

fn write_named(buffer: &mut Vec<u8>, tag: u8, name: &str) {
    buffer.tag(tag);
    buffer.bytes(name.as_bytes());
}

fn write_password(buffer: &mut Vec<u8>, password: &Password) {
    match password {
        Password::None => buffer.flag(false),
        Password::Hash(hash) => {
            buffer.flag(true);
            buffer.bytes(hash.as_bytes());
        }
    }
}

fn read_password(reader: &mut Reader<'_>) -> Result<Password, CodecError> {
    Ok(if reader.flag()? {
        Password::Hash(reader.text()?)
    } else {
        Password::None
    })
}

fn write_permission(buffer: &mut Vec<u8>, permission: &Permission) {
    buffer.signed(i64::from(permission.kind.to_wire()));
    write_range(buffer, &permission.range);
}

fn read_permission(reader: &mut Reader<'_>) -> Result<Permission, CodecError> {
    let kind = i32::try_from(reader.signed()?).map_err(|_| reader.error("permission"))?;
    Ok(Permission {
        kind: PermissionKind::from_wire(kind),
        range: read_range(reader)?,
    })
}

fn write_range(buffer: &mut Vec<u8>, range: &KeyRange) {
    buffer.bytes(&range.start);
    buffer.bytes(range.wire_end());
}

fn read_range(reader: &mut Reader<'_>) -> Result<KeyRange, CodecError> {
    Ok(KeyRange::from_wire(reader.bytes()?, reader.bytes()?))
}
