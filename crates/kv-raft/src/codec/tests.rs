use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use openraft::raft::{StreamAppendError, TransferLeaderError};
use proptest::prelude::*;

use super::*;
use crate::types::{
    AppendRequest, Command, Entry, LeaderId, LogId, Membership, Node, Payload, StoredMembership,
    TransferRequest, Vote, VoteRequest, VoteResponse,
};

fn leader_ids() -> impl Strategy<Value = LeaderId> {
    (any::<u64>(), any::<u64>()).prop_map(|(term, node_id)| LeaderId { term, node_id })
}

fn log_ids() -> impl Strategy<Value = LogId> {
    (leader_ids(), 0..u64::MAX - 10).prop_map(|(leader, index)| LogId::new(leader, index))
}

fn votes() -> impl Strategy<Value = Vote> {
    (leader_ids(), any::<bool>()).prop_map(|(leader_id, committed)| Vote { leader_id, committed })
}

fn memberships() -> impl Strategy<Value = Membership> {
    let node = (prop::collection::vec(".{0,20}", 0..3), any::<bool>());
    let nodes = prop::collection::btree_map(any::<u64>(), node, 1..6);
    (nodes, any::<prop::sample::Index>()).prop_map(|(nodes, split)| {
        let ids: Vec<u64> = nodes.keys().copied().collect();
        let voters = BTreeSet::from_iter(ids[..=split.index(ids.len())].iter().copied());
        let nodes: BTreeMap<u64, Node> = nodes
            .into_iter()
            .map(|(id, (urls, learner))| (id, Node { urls, learner }))
            .collect();
        Membership::new(vec![voters, BTreeSet::from([ids[0]])], nodes).unwrap()
    })
}

fn payloads() -> impl Strategy<Value = Payload> {
    prop_oneof![
        Just(Payload::Blank),
        prop::collection::vec(any::<u8>(), 0..40)
            .prop_map(|command| Payload::Normal(Command(command.into()))),
        memberships().prop_map(Payload::Membership),
    ]
}

/// Encodes, decodes, and cuts off the encoded form everywhere.
fn check<T: PartialEq + std::fmt::Debug, E: std::fmt::Debug>(
    value: &T,
    encoded: &Bytes,
    decode: impl Fn(Bytes) -> Result<T, E>,
    ends_somewhere: bool,
) {
    assert_eq!(&decode(encoded.clone()).unwrap(), value);
    for length in 0..encoded.len() {
        let cut = decode(encoded.slice(..length));
        assert!(
            cut.is_err() || ends_somewhere,
            "{length} bytes of {encoded:?} made {cut:?}"
        );
    }
    let mut newer = encoded.to_vec();
    newer[0] = 2;
    assert!(
        decode(newer.into()).is_err(),
        "a layout of a newer version is refused"
    );
}

proptest! {
    #[test]
    fn records_come_back_as_they_were(
        log_id in log_ids(), vote in votes(), membership in memberships(), payload in payloads(),
    ) {
        check(&log_id, &encode_log_id(&log_id), decode_log_id, false);
        check(&vote, &encode_vote(&vote), decode_vote, false);
        let stored = StoredMembership::new(Some(log_id), membership);
        check(&stored, &encode_stored_membership(&stored), |bytes| match bytes.is_empty() {
            true => Err(Malformed { what: "nothing", offset: 0 }),
            false => decode_stored_membership(bytes),
        }, false);
        let command = matches!(payload, Payload::Normal(_));
        let entry = Entry { log_id, payload };
        check(&entry, &encode_entry(&entry), |bytes| decode_entry(log_id.index(), bytes), command);
    }

    #[test]
    fn messages_come_back_as_they_were(
        vote in votes(), other in votes(), log_id in log_ids(), last in prop::option::of(log_ids()),
        payloads in prop::collection::vec(payloads(), 0..5), flag: bool, number: u64,
        text in prop::collection::vec(any::<u8>(), 0..40), leader in leader_ids(),
    ) {
        let entries: Vec<Entry> = (log_id.index() + 1..)
            .zip(payloads)
            .map(|(index, payload)| Entry { log_id: LogId::new(vote.leader_id, index), payload })
            .collect();
        let request = AppendRequest { vote, prev_log_id: Some(log_id), entries, leader_commit: last };
        let decoded = decode_append(encode_append(&request)).unwrap();
        prop_assert_eq!(decoded.vote, request.vote);
        prop_assert_eq!(decoded.prev_log_id, request.prev_log_id);
        prop_assert_eq!(decoded.leader_commit, request.leader_commit);
        prop_assert_eq!(&decoded.entries, &request.entries);
        for result in [Ok(last), Err(StreamAppendError::Conflict(log_id)), Err(StreamAppendError::HigherVote(vote))] {
            check(&result, &encode_append_result(&result), decode_append_result, false);
        }
        let mut request = VoteRequest::new(vote, last);
        request.leadership_transfer = flag;
        check(&request, &encode_vote_request(&request), decode_vote_request, false);
        let response = VoteResponse::new(vote, last, flag);
        check(&response, &encode_vote_response(&response), decode_vote_response, false);
        let request = TransferRequest::new(vote, number, last);
        check(&request, &encode_transfer(&request), decode_transfer, false);
        let refusals = [
            Ok(()),
            Err(TransferLeaderError::VoteChanged { expected: vote, actual: other }),
            Err(TransferLeaderError::LogNotFlushed { expected: last, actual: Some(log_id) }),
        ];
        for response in refusals {
            check(&response, &encode_transfer_response(&response), decode_transfer_response, false);
        }
        let proposal = (leader, Bytes::from(text.clone()));
        check(&proposal, &encode_propose(&leader, &text), decode_propose, true);
        for proposed in [Proposed::Committed(number), Proposed::NotTaken, Proposed::Unknown] {
            check(&proposed, &encode_proposed(proposed), decode_proposed, false);
        }
        for answer in [ReadIndex::At(number), ReadIndex::NotLeading, ReadIndex::NotConfirmed] {
            check(&answer, &encode_read_index(answer), decode_read_index, false);
        }
        check(&(), &encode_read_index_request(), decode_read_index_request, false);
        let question = Bytes::from(text.clone());
        check(&question, &encode_ask(&text), decode_ask, true);
        check(&Some(question.clone()), &encode_answer(Some(&text)), decode_answer, true);
        check(&None, &encode_answer(None), decode_answer, false);
        let meta = crate::SnapshotMeta {
            id: "a-1".into(),
            log_id: crate::types::to_log_id(&log_id),
            membership: question.clone(),
        };
        let offer = SnapshotMessage::Offer { vote, meta, frames: number };
        check(&offer, &encode_snapshot_message(&offer), decode_snapshot_message, false);
        let frame = SnapshotMessage::Frame { number, crc: 7, bytes: question };
        check(&frame, &encode_snapshot_message(&frame), decode_snapshot_message, true);
        let answers = [
            SnapshotAnswer::Wanted(number),
            SnapshotAnswer::Received(number),
            SnapshotAnswer::Installing,
            SnapshotAnswer::Done(vote),
        ];
        for answer in answers {
            check(&answer, &encode_snapshot_answer(&answer), decode_snapshot_answer, false);
        }
    }

    #[test]
    fn no_bytes_make_a_decoder_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..200), valid_start: bool) {
        if valid_start && bytes.len() > 1 {
            bytes[0] = 1;
            bytes[1] %= 4;
        }
        let bytes = Bytes::from(bytes);
        let _ = decode_entry(1, bytes.clone());
        let _ = decode_vote(bytes.clone());
        let _ = decode_log_id(bytes.clone());
        let _ = decode_stored_membership(bytes.clone());
        let _ = decode_append(bytes.clone());
        let _ = decode_append_result(bytes.clone());
        let _ = decode_vote_request(bytes.clone());
        let _ = decode_vote_response(bytes.clone());
        let _ = decode_transfer(bytes.clone());
        let _ = decode_transfer_response(bytes.clone());
        let _ = decode_propose(bytes.clone());
        let _ = decode_proposed(bytes.clone());
        let _ = decode_read_index(bytes.clone());
        let _ = decode_ask(bytes.clone());
        let _ = decode_answer(bytes.clone());
        let _ = decode_snapshot_message(bytes.clone());
        let _ = decode_snapshot_answer(bytes);
    }
}

fn node(urls: &[&str]) -> Node {
    Node {
        urls: urls.iter().map(ToString::to_string).collect(),
        learner: false,
    }
}

/// What an earlier build has written must be read by every later one.
#[test]
fn records_of_format_1_are_read() {
    let leader = LeaderId {
        term: 3,
        node_id: 0xabc,
    };
    let log_id = LogId::new(leader, 9);
    let nodes = BTreeMap::from([(0xabc, node(&["http://a:1"])), (5, node(&[]))]);
    let membership = Membership::new(vec![BTreeSet::from([0xabc])], nodes).unwrap();
    let entry = |payload| Entry { log_id, payload };
    let command = entry(Payload::Normal(Command(Bytes::from_static(b"put"))));
    let fixtures = [
        (
            encode_entry(&entry(Payload::Blank)),
            "01010300000000000000bc0a000000000000",
        ),
        (
            encode_entry(&command),
            "01020300000000000000bc0a000000000000707574",
        ),
        (
            encode_entry(&entry(Payload::Membership(membership.clone()))),
            "01030300000000000000bc0a0000000000000100000001000000bc0a00000000000002000000050000000000000000000000\
             bc0a000000000000010000000a000000687474703a2f2f613a31",
        ),
        (
            encode_vote(&Vote {
                leader_id: leader,
                committed: true,
            }),
            "01010300000000000000bc0a000000000000",
        ),
        (
            encode_log_id(&log_id),
            "010300000000000000bc0a0000000000000900000000000000",
        ),
        (
            encode_stored_membership(&StoredMembership::new(Some(log_id), membership.clone())),
            "01010300000000000000bc0a00000000000009000000000000000100000001000000bc0a00000000000002000000\
             050000000000000000000000bc0a000000000000010000000a000000687474703a2f2f613a31",
        ),
    ];
    for (encoded, fixture) in fixtures {
        let hex: String = encoded.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, fixture);
    }
}
