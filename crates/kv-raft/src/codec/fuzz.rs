use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use bytes::Bytes;
use kv_fuzz::{Memory, Target};

use super::*;
use crate::types::{
    AppendRequest, Command, Entry, LeaderId, LogId, Membership, Node, Payload, StoredMembership,
    TransferRequest, Vote, VoteRequest, VoteResponse,
};

fn run(name: &str, encodings: Vec<Bytes>, check: impl Fn(Bytes)) {
    let target = Target {
        name,
        package: env!("CARGO_MANIFEST_DIR"),
        encodings: encodings.iter().map(|bytes| bytes.to_vec()).collect(),
        memory: Memory {
            fixed: 16 << 10,
            per_byte: 400,
        },
    };
    target.run(|input| check(Bytes::copy_from_slice(input)));
}

/// What can be read is read again from what is written of it.
fn survives<T: PartialEq + Debug>(
    input: &Bytes,
    decode: impl Fn(Bytes) -> Result<T, Malformed>,
    encode: impl Fn(&T) -> Bytes,
) {
    if let Ok(value) = decode(input.clone()) {
        let again = decode(encode(&value));
        assert!(
            again.as_ref().is_ok_and(|again| *again == value),
            "{value:?} became {again:?}"
        );
    }
}

const LEADER: LeaderId = LeaderId {
    term: 3,
    node_id: 0xabc,
};

const VOTE: Vote = Vote {
    leader_id: LEADER,
    committed: true,
};

fn log_id(index: u64) -> LogId {
    LogId::new(LEADER, index)
}

fn membership() -> Membership {
    let nodes = BTreeMap::from([
        (
            0xabc,
            Node {
                urls: vec!["http://a:1".into()],
                learner: false,
            },
        ),
        (5, Node::default()),
    ]);
    Membership::new(vec![BTreeSet::from([0xabc])], nodes).unwrap()
}

fn entries() -> Vec<Entry> {
    let payloads = [
        Payload::Blank,
        Payload::Normal(Command(Bytes::from_static(b"put"))),
        Payload::Membership(membership()),
    ];
    (10..)
        .zip(payloads)
        .map(|(index, payload)| Entry {
            log_id: log_id(index),
            payload,
        })
        .collect()
}

#[test]
fn log_entries() {
    run("entry", entries().iter().map(encode_entry).collect(), |input| {
        survives(&input, |bytes| decode_entry(10, bytes), encode_entry);
    });
}

#[test]
fn log_records() {
    let stored = StoredMembership::new(Some(log_id(9)), membership());
    let encodings = vec![
        encode_vote(&VOTE),
        encode_log_id(&log_id(9)),
        encode_stored_membership(&stored),
    ];
    run("record", encodings, |input| {
        survives(&input, decode_vote, encode_vote);
        survives(&input, decode_log_id, encode_log_id);
        survives(&input, decode_stored_membership, encode_stored_membership);
    });
}

#[test]
fn append_messages() {
    let request = AppendRequest {
        vote: VOTE,
        prev_log_id: Some(log_id(9)),
        entries: entries(),
        leader_commit: Some(log_id(8)),
    };
    let encodings = vec![
        encode_append(&request),
        encode_append_result(&Ok(Some(log_id(9)))),
    ];
    run("append", encodings, |input| {
        if let Ok(request) = decode_append(input.clone()) {
            let again = decode_append(encode_append(&request)).unwrap();
            assert_eq!(again.vote, request.vote);
            assert_eq!(again.prev_log_id, request.prev_log_id);
            assert_eq!(again.leader_commit, request.leader_commit);
            assert_eq!(again.entries, request.entries);
        }
        survives(&input, decode_append_result, encode_append_result);
    });
}

#[test]
fn votes_and_transfers() {
    let encodings = vec![
        encode_vote_request(&VoteRequest::new(VOTE, Some(log_id(9)))),
        encode_vote_response(&VoteResponse::new(VOTE, Some(log_id(9)), true)),
        encode_transfer(&TransferRequest::new(VOTE, 5, Some(log_id(9)))),
        encode_transfer_response(&Ok(())),
    ];
    run("vote", encodings, |input| {
        survives(&input, decode_vote_request, encode_vote_request);
        survives(&input, decode_vote_response, encode_vote_response);
        survives(&input, decode_transfer, encode_transfer);
        survives(&input, decode_transfer_response, encode_transfer_response);
    });
}

#[test]
fn calls_of_peers() {
    let encodings = vec![
        encode_propose(&LEADER, b"proposal"),
        encode_proposed(Proposed::Committed(9)),
        encode_read_index_request(),
        encode_read_index(ReadIndex::At(9)),
        encode_ask(b"question"),
        encode_answer(Some(b"answer")),
    ];
    run("call", encodings, |input| {
        survives(&input, decode_propose, |(leader, proposal)| {
            encode_propose(leader, proposal)
        });
        survives(&input, decode_proposed, |proposed| encode_proposed(*proposed));
        survives(&input, decode_read_index_request, |()| {
            encode_read_index_request()
        });
        survives(&input, decode_read_index, |answer| encode_read_index(*answer));
        survives(&input, decode_ask, |question| encode_ask(question));
        survives(&input, decode_answer, |answer| encode_answer(answer.as_deref()));
    });
}

#[test]
fn snapshot_messages() {
    let meta = crate::SnapshotMeta {
        id: "a-1".into(),
        log_id: crate::types::to_log_id(&log_id(9)),
        membership: Bytes::from_static(b"members"),
    };
    let frame = SnapshotMessage::Frame {
        number: 2,
        crc: 7,
        bytes: Bytes::from_static(b"rows"),
    };
    let encodings = vec![
        encode_snapshot_message(&SnapshotMessage::Offer {
            vote: VOTE,
            meta,
            frames: 3,
        }),
        encode_snapshot_message(&frame),
        encode_snapshot_answer(&SnapshotAnswer::Wanted(2)),
    ];
    run("snapshot", encodings, |input| {
        survives(&input, decode_snapshot_message, encode_snapshot_message);
        survives(&input, decode_snapshot_answer, encode_snapshot_answer);
    });
}
