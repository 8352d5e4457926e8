//! What clients ask for.

use bytes::{BufMut, Bytes, BytesMut};
use kv_mvcc::{
    Compare, CompareResult, CompareTarget, DeleteRequest, Op, PutLease, PutRequest, PutValue, RangeRequest,
    TxnRequest,
};
use kv_types::{KeyRange, LeaseId, RangeEnd, Revision};
use kv_wal::faulty::Random;

use crate::chance;

/// Keys that clients share.
const KEYS: u64 = 12;

/// A shared key.
pub(crate) fn key(random: &mut Random) -> Bytes {
    Bytes::from(format!("k/{:02}", random.below(KEYS)))
}

/// Some or all of the shared keys.
pub(crate) fn range(random: &mut Random) -> KeyRange {
    match random.below(3) {
        0 => KeyRange::single(key(random)),
        1 => KeyRange::all(),
        _ => KeyRange {
            start: key(random),
            end: RangeEnd::Before("l".into()),
        },
    }
}

/// A value that begins with a token, which no other has.
pub(crate) fn value(random: &mut Random, token: u64) -> Bytes {
    let padding = match random.below(20) {
        0 => chance::within(random, 500..3000),
        _ => random.below(60),
    };
    let mut value = BytesMut::new();
    value.put_u64(token);
    value.put_bytes(0x2e, usize::try_from(padding).unwrap_or(0));
    value.freeze()
}

pub(crate) fn put(key: Bytes, value: Bytes, lease: Option<LeaseId>) -> PutRequest {
    PutRequest {
        key,
        value: PutValue::New(value),
        lease: PutLease::Set(lease),
        prev_kv: true,
    }
}

pub(crate) fn delete(range: KeyRange) -> DeleteRequest {
    DeleteRequest { range, prev_kv: true }
}

/// Puts two keys if the first is as it was last seen, and reads them otherwise.
pub(crate) fn txn(keys: [Bytes; 2], seen: Revision, value: &Bytes) -> TxnRequest {
    let compare = Compare {
        range: KeyRange::single(keys[0].clone()),
        target: CompareTarget::Mod(seen),
        result: CompareResult::Equal,
    };
    let read = |key: &Bytes| Op::Range(RangeRequest::new(KeyRange::single(key.clone())));
    let [first, second] = keys;
    let failure = vec![read(&first), read(&second)];
    let mut success = vec![Op::Put(put(first.clone(), value.clone(), None))];
    if first != second {
        success.push(Op::Put(put(second, value.clone(), None)));
    }
    TxnRequest {
        compare: vec![compare],
        success,
        failure,
    }
}
