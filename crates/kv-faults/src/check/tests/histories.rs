//! A small history that is right, to be spoiled.

use std::time::Duration;

use bytes::Bytes;
use kv_proto::mvccpb::{Event, KeyValue};

use crate::check::{Truth, Violation, check};
use crate::history::{
    Answer, Compare, Found, History, Keys, LeaseAnswer, LeaseOperation, LeaseRequest, Op, Operation, Outcome,
    Read, Seen, Time, Transaction, Watched,
};

pub(super) const LEASE: i64 = 7;
const FIRST: i64 = 10;

pub(super) fn ms(millis: u64) -> Time {
    Duration::from_millis(millis)
}

pub(super) fn kv(key: &str, value: &str, create: i64, modified: i64, version: i64) -> KeyValue {
    KeyValue {
        key: Bytes::copy_from_slice(key.as_bytes()),
        value: Bytes::copy_from_slice(value.as_bytes()),
        create_revision: create,
        mod_revision: modified,
        version,
        lease: 0,
    }
}

fn leased(key: &str, modified: i64) -> KeyValue {
    KeyValue {
        lease: LEASE,
        ..kv(key, &format!("{key} leased"), modified, modified, 1)
    }
}

fn put_event(kv: &KeyValue, before: Option<&KeyValue>) -> Event {
    Event {
        r#type: 0,
        kv: Some(kv.clone()),
        prev_kv: before.cloned(),
    }
}

pub(super) fn delete_event(before: &KeyValue, revision: i64) -> Event {
    let kv = KeyValue {
        key: before.key.clone(),
        mod_revision: revision,
        ..KeyValue::default()
    };
    Event {
        r#type: 1,
        kv: Some(kv),
        prev_kv: Some(before.clone()),
    }
}

pub(super) fn put(key: &str, value: &str) -> Op {
    Op::Put {
        key: Bytes::copy_from_slice(key.as_bytes()),
        value: Bytes::copy_from_slice(value.as_bytes()),
        lease: 0,
    }
}

fn put_leased(key: &str) -> Op {
    Op::Put {
        key: Bytes::copy_from_slice(key.as_bytes()),
        value: format!("{key} leased").into(),
        lease: LEASE,
    }
}

pub(super) fn one(key: &str) -> Keys {
    Keys::one(Bytes::copy_from_slice(key.as_bytes()))
}

pub(super) fn lone(op: Op) -> Transaction {
    Transaction::of(op)
}

pub(super) fn answered(
    call: u64,
    at: u64,
    transaction: Transaction,
    revision: i64,
    found: Vec<Found>,
) -> Operation {
    Operation {
        member: None,
        call: ms(call),
        transaction,
        read: Read::Linearizable,
        outcome: Outcome::Answered {
            at: ms(at),
            answer: Answer {
                revision,
                succeeded: true,
                found,
            },
        },
    }
}

pub(super) fn unknown(call: u64, transaction: Transaction) -> Operation {
    Operation {
        member: None,
        call: ms(call),
        transaction,
        read: Read::Linearizable,
        outcome: Outcome::Unknown,
    }
}

/// The state at the start and the changes of a round, and its history.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) state: Vec<KeyValue>,
    pub(super) events: Vec<Event>,
    pub(super) history: History,
}

/// Positions in the history's operations; the first is a put.
pub(super) const READ: usize = 1;
pub(super) const SWAP: usize = 2;
pub(super) const DELETE: usize = 3;
pub(super) const OLD_READ: usize = 4;
pub(super) const LATE: usize = 5;
pub(super) const HANG: usize = 6;
pub(super) const LAST_READ: usize = 7;

/// 11: put x=2. 12: swap x from 2 to 3. 13: delete g/a and g/b. 14: put y=9, without an answer. 15: keys on a lease.
/// 16: the lease ends.
pub(super) fn good() -> Case {
    let x = [
        kv("x", "1", 5, 5, 1),
        kv("x", "2", 5, 11, 2),
        kv("x", "3", 5, 12, 3),
    ];
    let groups = [kv("g/a", "a", 6, 6, 1), kv("g/b", "b", 7, 7, 1)];
    let y = kv("y", "9", 14, 14, 1);
    let hung = [leased("l/a", 15), leased("l/b", 15)];
    let events = vec![
        put_event(&x[1], Some(&x[0])),
        put_event(&x[2], Some(&x[1])),
        delete_event(&groups[0], 13),
        delete_event(&groups[1], 13),
        put_event(&y, None),
        put_event(&hung[0], None),
        put_event(&hung[1], None),
        delete_event(&hung[0], 16),
        delete_event(&hung[1], 16),
    ];
    let swap = Transaction {
        compares: vec![Compare::Value("x".into(), "2".into())],
        success: vec![put("x", "3")],
        failure: vec![Op::Get(one("x"))],
    };
    let hang = Transaction {
        success: vec![put_leased("l/a"), put_leased("l/b")],
        ..Transaction::default()
    };
    let mut old_read = answered(
        70,
        80,
        lone(Op::Get(one("x"))),
        13,
        vec![Found::Got(vec![x[1].clone()])],
    );
    old_read.read = Read::At(11);
    let operations = vec![
        answered(
            10,
            20,
            lone(put("x", "2")),
            11,
            vec![Found::Put(Some(x[0].clone()))],
        ),
        answered(
            30,
            40,
            lone(Op::Get(one("x"))),
            11,
            vec![Found::Got(vec![x[1].clone()])],
        ),
        answered(35, 50, swap, 12, vec![Found::Put(Some(x[1].clone()))]),
        answered(
            55,
            65,
            lone(Op::Delete(Keys::prefix("g/"))),
            13,
            vec![Found::Deleted(groups.to_vec())],
        ),
        old_read,
        unknown(85, lone(put("y", "9"))),
        answered(150, 160, hang, 15, vec![Found::Put(None), Found::Put(None)]),
        answered(9000, 9010, lone(Op::Get(one("y"))), 16, vec![Found::Got(vec![y])]),
    ];
    Case {
        state: [&x[..1], &groups].concat(),
        history: History {
            operations,
            leases: leases(),
            watches: vec![watch(&events)],
        },
        events,
    }
}

fn leases() -> Vec<LeaseOperation> {
    let operation = |request, call, revision| LeaseOperation {
        id: LEASE,
        request,
        call: ms(call),
        answer: Some(LeaseAnswer { ttl: 3, revision }),
    };
    vec![
        operation(LeaseRequest::Grant, 120, 14),
        operation(LeaseRequest::KeepAlive, 2000, 15),
    ]
}

/// Everything, in two responses before the end of the lease, and one with it.
fn watch(events: &[Event]) -> Watched {
    let came = |at, revision, events: &[Event]| Seen::Events {
        at: ms(at),
        revision,
        events: events.to_vec(),
    };
    Watched {
        name: "watch".to_owned(),
        keys: Keys::all(),
        prev_kv: true,
        from: FIRST + 1,
        seen: vec![
            came(45, 11, &events[..1]),
            came(68, 13, &events[1..4]),
            Seen::Progress {
                at: ms(69),
                revision: 13,
            },
            Seen::Resumed { from: 14 },
            came(170, 15, &events[4..7]),
            came(5200, 16, &events[7..]),
        ],
        caught_up: true,
    }
}

impl Case {
    /// What is seen to be wrong.
    pub(super) fn violations(&self) -> Vec<Violation> {
        let mut truth = Truth::new(FIRST, self.state.clone());
        match truth.extend(self.events.clone()) {
            Ok(()) => check(&truth, &self.history, Vec::new()).violations,
            Err(violation) => vec![violation],
        }
    }

    pub(super) fn answer(&mut self, operation: usize) -> &mut Answer {
        match &mut self.history.operations[operation].outcome {
            Outcome::Answered { answer, .. } => answer,
            other => panic!("operation {operation} is {other:?}"),
        }
    }

    /// The events of one response of the watch.
    pub(super) fn came(&mut self, response: usize) -> &mut Vec<Event> {
        match &mut self.history.watches[0].seen[response] {
            Seen::Events { events, .. } => events,
            other => panic!("response {response} is {other:?}"),
        }
    }
}
