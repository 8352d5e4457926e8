//! Users, roles and permissions as part of the state.

use kv_auth::{AuthChange, AuthError, Caller, Password, Permission, PermissionKind};
use kv_types::AuthRevision;

use super::*;
use crate::{Authenticated, TokenEffect};

fn user_add(name: &str) -> Command {
    Command::Auth(AuthChange::UserAdd {
        name: name.into(),
        password: Password::Hash("hash".into()),
    })
}

fn grant_role(user: &str, role: &str) -> Command {
    Command::Auth(AuthChange::UserGrantRole {
        user: user.into(),
        role: role.into(),
    })
}

fn role_add(name: &str) -> Command {
    Command::Auth(AuthChange::RoleAdd { name: name.into() })
}

fn range(key: &str, end: &str) -> KeyRange {
    KeyRange::from_wire(key.to_owned().into(), end.to_owned().into())
}

fn grant(role: &str, kind: PermissionKind, key: &str, end: &str) -> Command {
    Command::Auth(AuthChange::RoleGrantPermission {
        role: role.into(),
        permission: Permission {
            kind,
            range: range(key, end),
        },
    })
}

fn apply_all(machine: &mut Machine, commands: impl IntoIterator<Item = Command>) {
    for command in commands {
        let index = machine.applied().map_or(1, |applied| applied.index.next().get());
        apply(machine, index, command);
    }
}

/// As `user` at the revision there is now.
fn apply_as(machine: &mut Machine, user: &str, command: Command) -> Outcome {
    let revision = machine.auth().revision();
    apply_at(machine, user, revision, command)
}

fn apply_at(machine: &mut Machine, user: &str, revision: AuthRevision, command: Command) -> Outcome {
    let index = machine.applied().map_or(1, |applied| applied.index.next().get());
    let caller = Some(Caller {
        user: user.into(),
        revision,
    });
    propose(machine, index, caller, command)
}

#[track_caller]
fn check_denied(outcome: &Outcome, want: AuthError) {
    assert!(
        matches!(outcome, Outcome::Denied(denial) if *denial == want),
        "{outcome:?}"
    );
}

/// Root; and `u` who reads `r`, writes `w`, and may do both with `b` to `c`. Enabled.
fn setup() -> Vec<Command> {
    vec![
        user_add("root"),
        grant_role("root", "root"),
        user_add("u"),
        role_add("role"),
        grant("role", PermissionKind::Read, "r", ""),
        grant("role", PermissionKind::Write, "w", ""),
        grant("role", PermissionKind::ReadWrite, "b", "c"),
        grant_role("u", "role"),
        Command::Auth(AuthChange::Enable),
    ]
}

fn enabled() -> Machine {
    let mut machine = open(&MemoryHome::new());
    apply_all(&mut machine, setup());
    machine
}

fn txn(success: Vec<Op>) -> Command {
    Command::Txn(TxnRequest {
        success,
        ..TxnRequest::default()
    })
}

fn put_op(key: &str) -> Op {
    match put(key, "v", None) {
        Command::Put(put) => Op::Put(put),
        other => panic!("{other:?}"),
    }
}

fn delete(key: &str, end: &str, prev_kv: bool) -> DeleteRequest {
    DeleteRequest {
        range: range(key, end),
        prev_kv,
    }
}

#[test]
fn commands_are_judged_when_they_are_applied() {
    let mut machine = enabled();
    let prev_kv = |key: &str| match put(key, "v", None) {
        Command::Put(put) => Command::Put(PutRequest { prev_kv: true, ..put }),
        other => other,
    };
    let read = |key: &str| Op::Range(RangeRequest::new(range(key, "")));
    let nested = |op: Op| {
        Op::Txn(Box::new(TxnRequest {
            failure: vec![op],
            ..TxnRequest::default()
        }))
    };
    let compare = |key: &str| {
        Command::Txn(TxnRequest {
            compare: vec![Compare {
                range: range(key, ""),
                target: CompareTarget::Create(Revision::ZERO),
                result: CompareResult::Equal,
            }],
            ..TxnRequest::default()
        })
    };
    for (command, allowed) in [
        (put("w", "v", None), true),
        (put("b1", "v", None), true),
        (put("r", "v", None), false),
        (prev_kv("b1"), true),
        (prev_kv("w"), false),
        (Command::Delete(delete("b", "c", true)), true),
        (Command::Delete(delete("w", "", false)), true),
        (Command::Delete(delete("w", "", true)), false),
        (Command::Delete(delete("b", "d", false)), false),
        (Command::Delete(delete("\0", "\0", false)), false),
        (txn(vec![put_op("w"), read("r")]), true),
        (txn(vec![put_op("w"), read("w")]), false),
        (txn(vec![put_op("w"), nested(put_op("b1"))]), true),
        (txn(vec![put_op("w"), nested(put_op("x"))]), false),
        (txn(vec![nested(Op::Delete(delete("b", "\0", false)))]), false),
        (compare("r"), true),
        (compare("w"), false),
        (user_add("v"), false),
    ] {
        let outcome = apply_as(&mut machine, "u", command.clone());
        let denied = matches!(outcome, Outcome::Denied(AuthError::PermissionDenied));
        assert_eq!(denied, !allowed, "{command:?}: {outcome:?}");
        let outcome = apply_as(&mut machine, "root", command.clone());
        assert!(!matches!(outcome, Outcome::Denied(_)), "{command:?}: {outcome:?}");
    }
}

#[test]
fn whoever_was_judged_by_an_older_revision_is_refused() {
    let mut machine = enabled();
    let before = machine.auth().revision();
    apply_as(&mut machine, "root", role_add("other"));
    let outcome = apply_at(&mut machine, "u", before, put("w", "v", None));
    check_denied(&outcome, AuthError::OldRevision);
    let outcome = apply_at(&mut machine, "root", before, put("w", "v", None));
    check_denied(&outcome, AuthError::OldRevision);
    let index = machine.applied().unwrap().index.next().get();
    check_denied(
        &apply(&mut machine, index, put("w", "v", None)),
        AuthError::UserEmpty,
    );
}

#[test]
fn a_lease_is_as_guarded_as_the_keys_on_it() {
    let mut machine = enabled();
    let lease = LeaseId::new(7);
    let granted = Command::LeaseGrant {
        id: lease,
        ttl_seconds: 60,
    };
    apply_as(&mut machine, "u", granted);
    apply_as(&mut machine, "root", put("secret", "v", Some(7)));
    let denied = AuthError::PermissionDenied;
    check_denied(&apply_as(&mut machine, "u", put("w", "v", Some(7))), denied);
    check_denied(&apply_as(&mut machine, "u", Command::LeaseRevoke(lease)), denied);
    let in_txn = match put("w", "v", Some(7)) {
        Command::Put(put) => txn(vec![Op::Put(put)]),
        other => panic!("{other:?}"),
    };
    check_denied(&apply_as(&mut machine, "u", in_txn), denied);
    let outcome = apply_as(&mut machine, "root", Command::LeaseRevoke(lease));
    assert!(matches!(outcome, Outcome::LeaseRevoke(Ok(()))));
}

#[test]
fn a_user_is_let_in_only_at_the_revision_the_password_was_checked_at() {
    let mut machine = enabled();
    let at = |machine: &Machine| machine.auth().revision();
    let enter = |machine: &mut Machine, user: &str, revision| {
        let index = machine.applied().unwrap().index.next();
        let command = Command::Authenticate {
            user: user.into(),
            revision,
            token_prefix: "abc".into(),
        };
        let mut payload = Vec::new();
        let (id, caller) = (RequestId::new(1), None);
        Proposal { id, caller, command }.encode(&mut payload);
        let mut effects = Effects::default();
        machine
            .apply(log_id(index.get()), &payload, &mut effects)
            .unwrap();
        let (_, outcome) = effects.outcomes.pop().unwrap();
        match outcome {
            Outcome::Authenticate(result) => (result, effects.tokens, index.get()),
            other => panic!("{other:?}"),
        }
    };
    let revision = at(&machine);
    let (result, tokens, index) = enter(&mut machine, "u", revision);
    let token = format!("abc.{index}");
    assert_eq!(
        tokens,
        [TokenEffect::Assigned {
            token: token.clone(),
            user: "u".into()
        }]
    );
    assert_eq!(result, Ok(Authenticated { revision, token }));
    assert_eq!(enter(&mut machine, "x", revision).0, Err(AuthError::AuthFailed));
    apply_as(
        &mut machine,
        "root",
        Command::Auth(AuthChange::UserChangePassword {
            name: "u".into(),
            hash: "new".into(),
        }),
    );
    assert_eq!(enter(&mut machine, "u", revision).0, Err(AuthError::OldRevision));
    apply_as(&mut machine, "root", Command::Auth(AuthChange::Disable));
    let revision = at(&machine);
    assert_eq!(enter(&mut machine, "u", revision).0, Err(AuthError::NotEnabled));
}

/// etcd issue 14571: a member that came up from a snapshot judged by permissions it had not loaded, refused what
/// the others applied, and had other data from then on.
#[test]
fn etcd_14571_members_from_checkpoints_and_snapshots_judge_as_the_others_do() {
    let home = MemoryHome::new();
    let mut steady = open(&home);
    apply_all(&mut steady, setup());
    let snapshot = checkpoint(&mut steady);
    let mut members = [steady, open(&home), install(&snapshot)];
    for (user, key) in [
        ("u", "w"),
        ("u", "b5"),
        ("u", "r"),
        ("root", "x"),
        ("nobody", "w"),
    ] {
        let outcomes: Vec<String> = members
            .iter_mut()
            .map(|member| format!("{:?}", apply_as(member, user, put(key, "v", None))))
            .collect();
        assert_eq!(outcomes[0], outcomes[1], "{user} {key}");
        assert_eq!(outcomes[0], outcomes[2], "{user} {key}");
    }
    assert_eq!(see(&members[0]), see(&members[1]));
    assert_eq!(see(&members[0]), see(&members[2]));
    assert_eq!(see(&members[0]).kvs.len(), 3);
}
