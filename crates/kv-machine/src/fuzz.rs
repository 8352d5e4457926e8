use bytes::Bytes;
use kv_backend::{BackendHome, MemoryHome};
use kv_fuzz::{Memory, Target};
use kv_mvcc::{
    Compare, CompareResult, CompareTarget, DeleteRequest, Op, PutLease, PutRequest, PutValue, RangeRequest,
    StoreOptions, TxnRequest,
};
use kv_types::{KeyRange, LeaseId, LogId, LogIndex, MemberId, RequestId, Revision, Term};

use crate::{Command, Effects, Machine, Proposal, Snapshot, SnapshotInstall, records};

const LOG_ID: LogId = LogId {
    term: Term::new(3),
    leader: MemberId::new(7),
    index: LogIndex::new(1),
};

fn target(name: &'static str, encodings: Vec<Vec<u8>>, memory: Memory) -> Target<'static> {
    Target {
        name,
        package: env!("CARGO_MANIFEST_DIR"),
        encodings,
        memory,
    }
}

fn put(key: &'static str, lease: Option<i64>) -> PutRequest {
    PutRequest {
        key: key.into(),
        value: PutValue::New(Bytes::from_static(b"value")),
        lease: PutLease::Set(lease.map(LeaseId::new)),
        prev_kv: true,
    }
}

fn txn() -> TxnRequest {
    let range = RangeRequest {
        limit: 3,
        min_mod: Some(Revision::new(2)),
        ..RangeRequest::new(KeyRange::all())
    };
    let delete = DeleteRequest {
        range: KeyRange::from_wire("a".into(), "b".into()),
        prev_kv: true,
    };
    TxnRequest {
        compare: vec![Compare {
            range: KeyRange::single("key".into()),
            target: CompareTarget::Value(Bytes::from_static(b"v")),
            result: CompareResult::NotEqual,
        }],
        success: vec![Op::Put(put("k", Some(9))), Op::Range(range)],
        failure: vec![Op::Delete(delete)],
    }
}

fn commands() -> Vec<Command> {
    let lease = LeaseId::new(9);
    vec![
        Command::LeaseGrant {
            id: lease,
            ttl_seconds: 60,
        },
        Command::Put(put("key", Some(9))),
        Command::Txn(txn()),
        Command::Compact(Revision::new(2)),
        Command::LeaseExpire {
            id: lease,
            leader: MemberId::new(7),
            term: Term::new(3),
        },
        Command::Publish {
            member: MemberId::new(7),
            name: "m".into(),
            client_urls: vec!["http://a:1".into()],
        },
        Command::LeaseRevoke(lease),
    ]
}

fn encode(proposals: &[Proposal]) -> Vec<u8> {
    let mut payload = Vec::new();
    proposals
        .iter()
        .for_each(|proposal| proposal.encode(&mut payload));
    payload
}

fn payload() -> Vec<u8> {
    let proposals = (1..).zip(commands()).map(|(id, command)| Proposal {
        id: RequestId::new(id),
        caller: None,
        command,
    });
    encode(&proposals.collect::<Vec<_>>())
}

fn open(home: &MemoryHome) -> Machine {
    Machine::open(home.open().unwrap(), StoreOptions::default()).unwrap()
}

#[test]
fn payloads() {
    let memory = Memory {
        fixed: 16 << 10,
        per_byte: 600,
    };
    target("payload", vec![payload()], memory).run(|input| {
        if let Ok(proposals) = Proposal::decode_all(input) {
            assert_eq!(Proposal::decode_all(&encode(&proposals)).as_ref(), Ok(&proposals));
        }
    });
}

/// What can be read can be applied.
#[test]
fn entries() {
    let memory = Memory {
        fixed: 1 << 20,
        per_byte: 4000,
    };
    target("entry", vec![payload()], memory).run(|input| {
        if Proposal::decode_all(input).is_ok() {
            let mut machine = open(&MemoryHome::default());
            machine.apply(LOG_ID, input, &mut Effects::default()).unwrap();
        }
    });
}

#[test]
fn state_records() {
    let memory = Memory {
        fixed: 16 << 10,
        per_byte: 400,
    };
    let mut machine = open(&MemoryHome::default());
    machine
        .apply(LOG_ID, &payload(), &mut Effects::default())
        .unwrap();
    let state = records::encode_state(Some(LOG_ID), &machine.cluster);
    target("state", vec![state], memory).run(|input| {
        if let Ok(state) = records::decode_state(input) {
            let again = records::encode_state(state.applied, &state.cluster);
            assert_eq!(records::decode_state(&again).unwrap(), state);
        }
    });
}

/// A header and a chunk of rows, each behind its length.
#[test]
fn snapshots() {
    let memory = Memory {
        fixed: 1 << 20,
        per_byte: 4000,
    };
    let mut machine = open(&MemoryHome::default());
    machine
        .apply(LOG_ID, &payload(), &mut Effects::default())
        .unwrap();
    let mut checkpoint = machine.plan_checkpoint().unwrap();
    checkpoint.write().unwrap();
    let snapshot = Snapshot::of(&checkpoint);
    let mut encoding = Vec::new();
    for number in 0..snapshot.frames() {
        let frame = snapshot.frame(number).unwrap().unwrap();
        encoding.extend(u16::try_from(frame.len()).unwrap().to_le_bytes());
        encoding.extend(frame);
    }
    target("snapshot", vec![encoding], memory).run(|input| {
        let mut rest = input;
        let Some(mut install) = frame(&mut rest).and_then(|header| {
            let backend = MemoryHome::default().open().unwrap();
            SnapshotInstall::begin(backend, StoreOptions::default(), &header).ok()
        }) else {
            return;
        };
        while let Some(chunk) = frame(&mut rest) {
            if install.frame(&chunk).is_err() {
                return;
            }
        }
        if let Ok(machine) = install.finish() {
            let _ = machine.view().hash_kv(None);
        }
    });
}

fn frame(rest: &mut &[u8]) -> Option<Bytes> {
    let length = u16::from_le_bytes(*rest.split_off(..2)?.first_chunk()?);
    rest.split_off(..usize::from(length)).map(Bytes::copy_from_slice)
}
