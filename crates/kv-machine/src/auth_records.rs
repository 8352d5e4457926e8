//! The auth state in the backend and in a snapshot.
//!
//! | key | value |
//! |---|---|
//! | `m/auth` | enabled (flag), revision (unsigned) |
//! | `m/user/` + name | user, see `auth_codec.rs` |
//! | `m/role/` + name | role |
//!
//! In a snapshot: enabled, revision, users (list), roles (list).

use std::ops::ControlFlow;

use kv_auth::AuthStore;
use kv_backend::{Backend, Batch};
use kv_types::AuthRevision;

use crate::auth_codec::{read_role, read_user, write_role, write_user};
use crate::codec::{CodecError, Reader, Write};
use crate::error::MachineError;

const AUTH_KEY: &[u8] = b"m/auth";
const USER_PREFIX: &[u8] = b"m/user/";
/// The first key after all users.
const USER_END: &[u8] = b"m/user0";
const ROLE_PREFIX: &[u8] = b"m/role/";
/// The first key after all roles.
const ROLE_END: &[u8] = b"m/role0";

pub(crate) fn read_auth(backend: &dyn Backend) -> Result<AuthStore, MachineError> {
    let Some(head) = backend.get(AUTH_KEY)? else {
        return Ok(AuthStore::default());
    };
    let mut reader = Reader::new(&head);
    let (enabled, revision) = read_head(&mut reader).map_err(|source| damaged("m/auth", source))?;
    reader.finish().map_err(|source| damaged("m/auth", source))?;
    let users = scan(backend, "m/user", [USER_PREFIX, USER_END], read_user)?;
    let roles = scan(backend, "m/role", [ROLE_PREFIX, ROLE_END], read_role)?;
    Ok(AuthStore::from_parts(enabled, revision, users, roles))
}

fn scan<T>(
    backend: &dyn Backend,
    record: &'static str,
    [start, end]: [&[u8]; 2],
    read: impl Fn(&mut Reader<'_>) -> Result<T, CodecError>,
) -> Result<Vec<T>, MachineError> {
    let mut items = Vec::new();
    let mut fault = None;
    backend.scan(start, end, &mut |_, value| {
        let mut reader = Reader::new(value);
        match read(&mut reader).and_then(|item| reader.finish().map(|()| item)) {
            Ok(item) => {
                items.push(item);
                ControlFlow::Continue(())
            }
            Err(source) => {
                fault = Some(damaged(record, source));
                ControlFlow::Break(())
            }
        }
    })?;
    fault.map_or(Ok(items), Err)
}

fn damaged(record: &'static str, source: CodecError) -> MachineError {
    MachineError::Record { record, source }
}

/// Records what differs from the state that is recorded.
pub(crate) fn put_auth(batch: &mut Batch, auth: &AuthStore, recorded: &AuthStore) {
    let mut head = Vec::new();
    write_head(&mut head, auth);
    batch.put(AUTH_KEY, head);
    let (users, roles) = auth.changed_since(recorded);
    for name in users {
        let user = auth.user(&name);
        put(
            batch,
            USER_PREFIX,
            &name,
            user.map(|user| encoded(user, write_user)),
        );
    }
    for name in roles {
        let role = auth.role(&name);
        put(
            batch,
            ROLE_PREFIX,
            &name,
            role.map(|role| encoded(role, write_role)),
        );
    }
}

fn put(batch: &mut Batch, prefix: &[u8], name: &str, value: Option<Vec<u8>>) {
    let key = [prefix, name.as_bytes()].concat();
    match value {
        Some(value) => batch.put(key, value),
        None => batch.delete(key),
    }
}

fn encoded<T>(item: &T, write: impl Fn(&mut Vec<u8>, &T)) -> Vec<u8> {
    let mut buffer = Vec::new();
    write(&mut buffer, item);
    buffer
}

/// The whole auth state as bytes.
pub(crate) fn encode_auth(auth: &AuthStore) -> Vec<u8> {
    let mut buffer = Vec::new();
    write_head(&mut buffer, auth);
    buffer.unsigned(auth.users().len() as u64);
    auth.users().for_each(|user| write_user(&mut buffer, user));
    buffer.unsigned(auth.roles().len() as u64);
    auth.roles().for_each(|role| write_role(&mut buffer, role));
    buffer
}

pub(crate) fn decode_auth(bytes: &[u8]) -> Result<AuthStore, CodecError> {
    let mut reader = Reader::new(bytes);
    let (enabled, revision) = read_head(&mut reader)?;
    let users = reader.list(read_user)?;
    let roles = reader.list(read_role)?;
    reader.finish()?;
    Ok(AuthStore::from_parts(enabled, revision, users, roles))
}

fn write_head(buffer: &mut Vec<u8>, auth: &AuthStore) {
    buffer.flag(auth.is_enabled());
    buffer.unsigned(auth.revision().get());
}

fn read_head(reader: &mut Reader<'_>) -> Result<(bool, AuthRevision), CodecError> {
    Ok((reader.flag()?, AuthRevision::new(reader.unsigned()?)))
}
