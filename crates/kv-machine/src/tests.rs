//! The machine as a whole: equal logs give equal states, whatever happens in between.

mod auth;

use bytes::Bytes;
use kv_auth::{AuthChange, AuthStore, Caller, Password, Permission, PermissionKind};
use kv_backend::{BackendHome, MemoryHome};
use kv_mvcc::{
    Compare, CompareResult, CompareTarget, DeleteRequest, KeyValue, Op, PutLease, PutRequest, PutValue,
    RangeRequest, StoreOptions, TxnRequest,
};
use kv_types::{AuthRevision, KeyRange, LeaseId, LogId, LogIndex, MemberId, RequestId, Revision, Term};
use proptest::prelude::*;

use crate::{Command, Effects, LeaseCommandError, Machine, Outcome, Proposal, Snapshot, SnapshotInstall};

fn open(home: &MemoryHome) -> Machine {
    Machine::open(home.open().unwrap(), StoreOptions::default()).unwrap()
}

fn log_id(index: u64) -> LogId {
    LogId {
        term: Term::new(1),
        leader: MemberId::new(1),
        index: LogIndex::new(index),
    }
}

/// Applies the command as entry `index`, through its encoding.
fn apply(machine: &mut Machine, index: u64, command: Command) -> Outcome {
    propose(machine, index, None, command)
}

fn propose(machine: &mut Machine, index: u64, caller: Option<Caller>, command: Command) -> Outcome {
    let mut payload = Vec::new();
    Proposal {
        id: RequestId::new(index),
        caller,
        command,
    }
    .encode(&mut payload);
    let mut effects = Effects::default();
    machine.apply(log_id(index), &payload, &mut effects).unwrap();
    machine.take_changes();
    let (id, outcome) = effects.outcomes.pop().unwrap();
    assert_eq!(id, RequestId::new(index));
    outcome
}

fn put(key: &str, value: &str, lease: Option<i64>) -> Command {
    Command::Put(PutRequest {
        key: Bytes::copy_from_slice(key.as_bytes()),
        value: PutValue::New(Bytes::copy_from_slice(value.as_bytes())),
        lease: PutLease::Set(lease.map(LeaseId::new)),
        prev_kv: false,
    })
}

/// Everything that can be seen of a state.
#[derive(Debug, PartialEq)]
struct Seen {
    applied: Option<LogId>,
    kvs: Vec<KeyValue>,
    revision: Revision,
    compacted: Option<Revision>,
    hash: u32,
    leases: Vec<(LeaseId, i64, Vec<Bytes>)>,
    members: Vec<crate::Member>,
    auth: AuthStore,
}

fn see(machine: &Machine) -> Seen {
    let view = machine.view();
    let all = view.range(&RangeRequest::new(KeyRange::all())).unwrap();
    let lessor = machine.lessor();
    let keys = |id| lessor.keys(id).unwrap().cloned().collect();
    Seen {
        applied: machine.applied(),
        kvs: all.kvs,
        revision: view.revision(),
        compacted: view.compacted(),
        hash: view.hash_kv(None).unwrap().hash,
        leases: lessor.iter().map(|(id, ttl)| (id, ttl, keys(id))).collect(),
        members: machine.members(),
        auth: AuthStore::clone(machine.auth()),
    }
}

fn checkpoint(machine: &mut Machine) -> Snapshot {
    let mut checkpoint = machine.plan_checkpoint().unwrap();
    checkpoint.write().unwrap();
    let snapshot = Snapshot::of(&checkpoint);
    drop(machine.finish_checkpoint(checkpoint));
    snapshot
}

fn install(snapshot: &Snapshot) -> Machine {
    let backend = MemoryHome::new().open().unwrap();
    let header = snapshot.frame(0).unwrap().unwrap();
    let mut install = SnapshotInstall::begin(backend, StoreOptions::default(), &header).unwrap();
    for number in 1..snapshot.frames() {
        install.frame(&snapshot.frame(number).unwrap().unwrap()).unwrap();
    }
    assert_eq!(snapshot.frame(snapshot.frames()).unwrap(), None);
    install.finish().unwrap()
}

#[test]
fn a_revoked_lease_takes_its_keys_along_in_one_revision() {
    let mut machine = open(&MemoryHome::new());
    apply(
        &mut machine,
        1,
        Command::LeaseGrant {
            id: LeaseId::new(7),
            ttl_seconds: 60,
        },
    );
    apply(&mut machine, 2, put("b", "1", Some(7)));
    apply(&mut machine, 3, put("a", "1", Some(7)));
    apply(&mut machine, 4, put("b", "2", None));
    let outcome = apply(&mut machine, 5, Command::LeaseRevoke(LeaseId::new(7)));
    assert!(matches!(outcome, Outcome::LeaseRevoke(Ok(()))));
    let seen = see(&machine);
    assert_eq!((seen.kvs.len(), seen.revision), (1, Revision::new(5)));
    let outcome = apply(&mut machine, 6, Command::LeaseRevoke(LeaseId::new(7)));
    assert!(matches!(
        outcome,
        Outcome::LeaseRevoke(Err(LeaseCommandError::NotFound))
    ));
}

#[test]
fn an_expiry_of_another_leader_does_nothing() {
    let mut machine = open(&MemoryHome::new());
    let id = LeaseId::new(7);
    apply(&mut machine, 1, Command::LeaseGrant { id, ttl_seconds: 60 });
    let LogId { term, leader, .. } = log_id(1);
    let expire = |leader, term| Command::LeaseExpire { id, leader, term };
    apply(&mut machine, 2, expire(leader, Term::new(term.get() + 1)));
    // A term may have two leaders.
    apply(&mut machine, 3, expire(MemberId::new(leader.get() + 1), term));
    assert_eq!(machine.lessor().len(), 1);
    apply(&mut machine, 4, expire(leader, term));
    assert!(machine.lessor().is_empty());
}

#[test]
fn an_entry_of_an_unknown_kind_stops_the_machine_without_a_change() {
    let mut machine = open(&MemoryHome::new());
    let before = see(&machine);
    let result = machine.apply(log_id(1), &[1, 99], &mut Effects::default());
    assert!(
        result
            .unwrap_err()
            .to_string()
            .contains("is not a command of this version")
    );
    assert_eq!(see(&machine), before);
}

fn command() -> impl Strategy<Value = Command> {
    let key = "[a-d]{1,2}";
    prop_oneof![
        4 => (key, "[x-z]{0,3}", prop::option::of(1..4i64)).prop_map(|(key, value, lease)| put(&key, &value, lease)),
        2 => (key, key).prop_map(|(start, end)| {
            let range = KeyRange::from_wire(start.into(), end.into());
            Command::Delete(DeleteRequest { range, prev_kv: false })
        }),
        1 => (1..20i64).prop_map(|revision| Command::Compact(Revision::new(revision))),
        2 => (1..4i64, 1..99i64).prop_map(|(id, ttl_seconds)| Command::LeaseGrant { id: LeaseId::new(id), ttl_seconds }),
        1 => (1..4i64).prop_map(|id| Command::LeaseRevoke(LeaseId::new(id))),
        3 => auth_change().prop_map(Command::Auth),
    ]
}

fn auth_change() -> impl Strategy<Value = AuthChange> {
    let name = || "(root|u|v)";
    let range = || ("[a-d]", "[a-d]?").prop_map(|(key, end)| KeyRange::from_wire(key.into(), end.into()));
    let kind = (0..4i32).prop_map(PermissionKind::from_wire);
    let password = prop_oneof![Just(Password::None), "[a-z]{3}".prop_map(Password::Hash)];
    prop_oneof![
        1 => Just(AuthChange::Enable),
        1 => Just(AuthChange::Disable),
        3 => (name(), password).prop_map(|(name, password)| AuthChange::UserAdd { name, password }),
        1 => name().prop_map(|name| AuthChange::UserDelete { name }),
        1 => (name(), "[a-z]{3}").prop_map(|(name, hash)| AuthChange::UserChangePassword { name, hash }),
        3 => (name(), name()).prop_map(|(user, role)| AuthChange::UserGrantRole { user, role }),
        1 => (name(), name()).prop_map(|(user, role)| AuthChange::UserRevokeRole { user, role }),
        3 => name().prop_map(|name| AuthChange::RoleAdd { name }),
        1 => name().prop_map(|name| AuthChange::RoleDelete { name }),
        3 => (name(), kind, range()).prop_map(|(role, kind, range)| {
            AuthChange::RoleGrantPermission { role, permission: Permission { kind, range } }
        }),
        1 => (name(), range()).prop_map(|(role, range)| AuthChange::RoleRevokePermission { role, range }),
    ]
}

/// Root most of the time.
fn caller() -> impl Strategy<Value = Option<Caller>> {
    prop::option::weighted(0.9, ("(root|root|root|u)", 1..40u64)).prop_map(|caller| {
        caller.map(|(user, revision)| Caller {
            user,
            revision: AuthRevision::new(revision),
        })
    })
}

proptest! {
    /// One member applies everything in one go; the other is restarted from checkpoints at any place, with the
    /// log applied again from there; a third takes a snapshot of the second.
    #[test]
    fn equal_logs_give_equal_states_across_restarts_and_snapshots(
        commands in prop::collection::vec((caller(), command(), 0..10u8), 1..60),
    ) {
        let mut steady = open(&MemoryHome::new());
        let home = MemoryHome::new();
        let mut restarted = open(&home);
        let mut log: Vec<(Option<Caller>, Command)> = Vec::new();
        for (caller, command, event) in commands {
            log.push((caller.clone(), command.clone()));
            let index = log.len() as u64;
            propose(&mut steady, index, caller.clone(), command.clone());
            propose(&mut restarted, index, caller, command);
            match event {
                0 => drop(checkpoint(&mut restarted)),
                1 => {
                    let view = restarted.view();
                    if let Some(plan) = view.plan_garbage(3) {
                        restarted.store_mut().finish_garbage(plan);
                    }
                }
                2 => {
                    restarted = open(&home);
                    let from = restarted.applied().map_or(0, |applied| applied.index.get());
                    for index in from + 1..=log.len() as u64 {
                        let (caller, command) = log[usize::try_from(index - 1).unwrap()].clone();
                        propose(&mut restarted, index, caller, command);
                    }
                }
                _ => {}
            }
        }
        prop_assert_eq!(see(&restarted), see(&steady));
        let snapshot = checkpoint(&mut restarted);
        let installed = install(&snapshot);
        prop_assert_eq!(see(&installed), see(&steady));
    }

    #[test]
    fn any_payload_is_read_or_refused(payload: Vec<u8>) {
        let _ = Proposal::decode_all(&payload);
    }

    #[test]
    fn proposals_survive_their_encoding(commands in prop::collection::vec((caller(), command()), 0..5)) {
        let proposals: Vec<Proposal> = commands
            .into_iter()
            .enumerate()
            .map(|(id, (caller, command))| Proposal { id: RequestId::new(id as u64), caller, command })
            .collect();
        let mut payload = Vec::new();
        proposals.iter().for_each(|proposal| proposal.encode(&mut payload));
        prop_assert_eq!(Proposal::decode_all(&payload), Ok(proposals));
    }
}
