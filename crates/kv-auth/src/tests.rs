//! The store as a whole, as etcd's answers are.

use bytes::Bytes;
use kv_types::{AuthRevision, KeyRange};

use crate::{Access, AuthChange, AuthError, AuthStore, Caller, Password, Permission, PermissionKind, ROOT};

fn range(key: &str, end: &str) -> KeyRange {
    KeyRange::from_wire(
        Bytes::copy_from_slice(key.as_bytes()),
        Bytes::copy_from_slice(end.as_bytes()),
    )
}

fn user_add(name: &str) -> AuthChange {
    AuthChange::UserAdd {
        name: name.into(),
        password: Password::Hash(format!("hash of {name}")),
    }
}

fn role_add(name: &str) -> AuthChange {
    AuthChange::RoleAdd { name: name.into() }
}

fn grant_role(user: &str, role: &str) -> AuthChange {
    AuthChange::UserGrantRole {
        user: user.into(),
        role: role.into(),
    }
}

fn grant(role: &str, kind: PermissionKind, key: &str, end: &str) -> AuthChange {
    AuthChange::RoleGrantPermission {
        role: role.into(),
        permission: Permission {
            kind,
            range: range(key, end),
        },
    }
}

fn store(changes: impl IntoIterator<Item = AuthChange>) -> AuthStore {
    let mut store = AuthStore::default();
    for change in changes {
        store
            .apply(change.clone())
            .unwrap_or_else(|error| panic!("{change:?}: {error}"));
    }
    store
}

/// Root, and `u` who reads `k` by way of role `r`; enabled.
fn enabled() -> AuthStore {
    store([
        user_add(ROOT),
        grant_role(ROOT, ROOT),
        user_add("u"),
        role_add("r"),
        grant("r", PermissionKind::Read, "k", ""),
        grant_role("u", "r"),
        AuthChange::Enable,
    ])
}

fn caller(store: &AuthStore, user: &str) -> Option<Caller> {
    Some(Caller {
        user: user.into(),
        revision: store.revision(),
    })
}

fn reads(store: &AuthStore, user: &str, key: &str, end: &str) -> Result<(), AuthError> {
    store.check_keys(caller(store, user).as_ref(), Access::Read, &range(key, end))
}

#[test]
fn auth_is_enabled_only_with_a_root_that_has_the_role() {
    let mut store = AuthStore::default();
    assert_eq!(store.apply(AuthChange::Enable), Err(AuthError::RootUserNotExist));
    store.apply(user_add(ROOT)).unwrap();
    assert_eq!(store.apply(AuthChange::Enable), Err(AuthError::RootRoleNotExist));
    // The role need not be there to be granted.
    store.apply(grant_role(ROOT, ROOT)).unwrap();
    let before = store.revision();
    store.apply(AuthChange::Enable).unwrap();
    store.apply(AuthChange::Enable).unwrap();
    assert_eq!((store.is_enabled(), store.revision()), (true, before));
    store.apply(AuthChange::Disable).unwrap();
    store.apply(AuthChange::Disable).unwrap();
    assert_eq!((store.is_enabled(), store.revision()), (false, before.next()));
}

#[test]
fn each_refusal_has_its_reason_and_changes_nothing() {
    let revoke = |user: &str, role: &str| AuthChange::UserRevokeRole {
        user: user.into(),
        role: role.into(),
    };
    let revoke_permission = |role: &str, key: &str, end: &str| AuthChange::RoleRevokePermission {
        role: role.into(),
        range: range(key, end),
    };
    let delete = |name: &str| AuthChange::UserDelete { name: name.into() };
    let delete_role = |name: &str| AuthChange::RoleDelete { name: name.into() };
    let password = |name: &str| AuthChange::UserChangePassword {
        name: name.into(),
        hash: "h".into(),
    };
    let read = PermissionKind::Read;
    let cases = [
        (user_add(""), AuthError::UserEmpty),
        (user_add("u"), AuthError::UserAlreadyExists),
        (delete("x"), AuthError::UserNotFound),
        (delete(ROOT), AuthError::InvalidManagement),
        (password("x"), AuthError::UserNotFound),
        (grant_role("x", "r"), AuthError::UserNotFound),
        (grant_role("u", "x"), AuthError::RoleNotFound),
        (revoke("x", "r"), AuthError::UserNotFound),
        (revoke("u", "x"), AuthError::RoleNotGranted),
        (revoke(ROOT, ROOT), AuthError::InvalidManagement),
        (role_add(""), AuthError::RoleEmpty),
        (role_add("r"), AuthError::RoleAlreadyExists),
        (delete_role("x"), AuthError::RoleNotFound),
        (delete_role(ROOT), AuthError::InvalidManagement),
        (grant("x", read, "k", ""), AuthError::RoleNotFound),
        (grant("r", read, "", ""), AuthError::InvalidManagement),
        (grant("r", read, "b", "a"), AuthError::InvalidManagement),
        (grant("x", read, "b", "b"), AuthError::InvalidManagement),
        (revoke_permission("x", "k", ""), AuthError::RoleNotFound),
        (revoke_permission("r", "k", "l"), AuthError::PermissionNotGranted),
    ];
    for (change, want) in cases {
        let mut store = enabled();
        assert_eq!(store.apply(change.clone()), Err(want), "{change:?}");
        assert_eq!(store, enabled(), "{change:?}");
    }
}

#[test]
fn permissions_of_all_roles_add_up_and_are_replaced_by_range() {
    let mut store = enabled();
    for change in [
        role_add("s"),
        grant("s", PermissionKind::ReadWrite, "l", "n"),
        grant("s", PermissionKind::Write, "n", "p"),
        grant_role("u", "s"),
    ] {
        store.apply(change).unwrap();
    }
    let write = |store: &AuthStore, key: &str, end: &str| {
        store.check_keys(caller(store, "u").as_ref(), Access::Write, &range(key, end))
    };
    assert_eq!(reads(&store, "u", "k", ""), Ok(()));
    assert_eq!(write(&store, "l", "p"), Ok(()));
    assert_eq!(reads(&store, "u", "l", "p"), Err(AuthError::PermissionDenied));
    assert_eq!(write(&store, "k", ""), Err(AuthError::PermissionDenied));
    store.apply(grant("s", PermissionKind::Read, "n", "p")).unwrap();
    assert_eq!(reads(&store, "u", "l", "p"), Ok(()));
    assert_eq!(write(&store, "l", "p"), Err(AuthError::PermissionDenied));
    assert_eq!(store.role("s").unwrap().permissions.len(), 2);
    store
        .apply(grant("s", PermissionKind::Unknown(9), "a", ""))
        .unwrap();
    assert_eq!(reads(&store, "u", "a", ""), Err(AuthError::PermissionDenied));
}

/// The etcd record: a watch of everything from a key on was checked as if it were the key alone.
#[test]
fn a_grant_on_one_key_says_nothing_of_later_keys() {
    let store = enabled();
    assert_eq!(reads(&store, "u", "k", ""), Ok(()));
    for end in ["\0", "l", "k\0\0", "zz"] {
        assert_eq!(
            reads(&store, "u", "k", end),
            Err(AuthError::PermissionDenied),
            "{end:?}"
        );
    }
}

#[test]
fn rights_end_with_the_role_the_grant_and_the_user() {
    let denied = Err(AuthError::PermissionDenied);
    for change in [
        AuthChange::RoleDelete { name: "r".into() },
        AuthChange::UserRevokeRole {
            user: "u".into(),
            role: "r".into(),
        },
        AuthChange::RoleRevokePermission {
            role: "r".into(),
            range: range("k", ""),
        },
        AuthChange::UserDelete { name: "u".into() },
    ] {
        let mut store = enabled();
        let before = caller(&store, "u");
        store.apply(change.clone()).unwrap();
        assert_eq!(reads(&store, "u", "k", ""), denied, "{change:?}");
        let old = store.check_keys(before.as_ref(), Access::Read, &range("k", ""));
        assert_eq!(old, Err(AuthError::OldRevision), "{change:?}");
    }
}

#[test]
fn nobody_is_asked_while_auth_is_off_and_everybody_while_it_is_on() {
    let mut store = enabled();
    let all = range("\0", "\0");
    assert_eq!(store.check_root(None), Err(AuthError::UserEmpty));
    assert_eq!(
        store.check_keys(None, Access::Read, &all),
        Err(AuthError::UserEmpty)
    );
    let nobody = Caller {
        user: "u".into(),
        revision: AuthRevision::default(),
    };
    assert_eq!(
        store.check_keys(Some(&nobody), Access::Read, &range("k", "")),
        Err(AuthError::UserEmpty)
    );
    assert_eq!(
        store.check_root(caller(&store, "x").as_ref()),
        Err(AuthError::UserNotFound)
    );
    assert_eq!(
        store.check_root(caller(&store, "u").as_ref()),
        Err(AuthError::PermissionDenied)
    );
    assert_eq!(store.check_root(caller(&store, ROOT).as_ref()), Ok(()));
    assert_eq!(reads(&store, ROOT, "\0", "\0"), Ok(()));
    store.apply(AuthChange::Disable).unwrap();
    assert_eq!(store.check_root(None), Ok(()));
    assert_eq!(store.check_keys(None, Access::Write, &all), Ok(()));
}

#[test]
fn a_store_put_together_from_its_parts_is_the_same() {
    let store = enabled();
    let again = AuthStore::from_parts(
        store.is_enabled(),
        store.revision(),
        store.users().cloned(),
        store.roles().cloned(),
    );
    assert_eq!(again, store);
}

#[test]
fn what_changed_is_known_by_name() {
    let before = enabled();
    let mut after = before.clone();
    assert_eq!(after.changed_since(&before), (vec![], vec![]));
    after.apply(grant("r", PermissionKind::Write, "w", "")).unwrap();
    after.apply(user_add("new")).unwrap();
    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
    assert_eq!(
        after.changed_since(&before),
        (names(&["new", "u"]), names(&["r"]))
    );
    after.apply(AuthChange::UserDelete { name: "u".into() }).unwrap();
    after.apply(AuthChange::RoleDelete { name: "r".into() }).unwrap();
    assert_eq!(
        after.changed_since(&before),
        (names(&["new", "u"]), names(&["r"]))
    );
}

#[test]
fn hashes_are_not_shown() {
    assert!(!format!("{:?}", enabled()).contains("hash of"));
    assert!(!format!("{:?}", user_add("u")).contains("hash of"));
}
