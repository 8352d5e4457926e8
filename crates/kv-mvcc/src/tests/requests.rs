//! Random requests over few keys, so that they meet.

use bytes::Bytes;
use kv_types::{KeyRange, LeaseId, RangeEnd, Revision, Version};
use proptest::option;
use proptest::prelude::*;

use crate::*;

/// The leases that exist are those below this one.
pub(super) const NO_LEASE: i64 = 4;

pub(super) fn any_key() -> impl Strategy<Value = Bytes> {
    "[a-c]{1,2}".prop_map(Bytes::from)
}

fn value() -> impl Strategy<Value = Bytes> {
    prop_oneof!["[x-z]{0,2}", "[x-z]{200}"].prop_map(Bytes::from)
}

pub(super) fn interval() -> impl Strategy<Value = KeyRange> {
    let end = prop_oneof![
        Just(RangeEnd::Single),
        Just(RangeEnd::Unbounded),
        any_key().prop_map(RangeEnd::Before),
        Just(RangeEnd::Before(Bytes::from_static(b"d"))),
    ];
    (any_key(), end).prop_map(|(start, end)| KeyRange { start, end })
}

fn revision() -> impl Strategy<Value = Revision> {
    (-1..60i64).prop_map(Revision::new)
}

fn sort_order() -> impl Strategy<Value = SortOrder> {
    prop_oneof![
        Just(SortOrder::None),
        Just(SortOrder::Ascend),
        Just(SortOrder::Descend)
    ]
}

fn sort_target() -> impl Strategy<Value = SortTarget> {
    prop_oneof![
        3 => Just(SortTarget::Key),
        1 => Just(SortTarget::Version),
        1 => Just(SortTarget::Create),
        1 => Just(SortTarget::Mod),
        1 => Just(SortTarget::Value),
    ]
}

prop_compose! {
    pub(super) fn range_request()(
        range in interval(),
        limit in prop_oneof![Just(0), 0..5u64],
        revision in option::of(revision()),
        (sort_order, sort_target) in (sort_order(), sort_target()),
        (keys_only, count_only) in (any::<bool>(), prop::bool::weighted(0.2)),
        (min_mod, max_mod) in (option::weighted(0.2, revision()), option::weighted(0.2, revision())),
        (min_create, max_create) in (option::weighted(0.2, revision()), option::weighted(0.2, revision())),
    ) -> RangeRequest {
        RangeRequest {
            range, limit, revision, sort_order, sort_target, keys_only, count_only,
            min_mod, max_mod, min_create, max_create,
        }
    }
}

prop_compose! {
    pub(super) fn put_request()(
        key in any_key(),
        value in prop_oneof![6 => value().prop_map(PutValue::New), 1 => Just(PutValue::Keep)],
        lease in prop_oneof![
            4 => Just(PutLease::Set(None)),
            3 => (1..NO_LEASE).prop_map(|id| PutLease::Set(LeaseId::from_wire(id))),
            1 => Just(PutLease::Keep),
            1 => Just(PutLease::Set(LeaseId::from_wire(NO_LEASE))),
        ],
        prev_kv in any::<bool>(),
    ) -> PutRequest {
        PutRequest { key, value, lease, prev_kv }
    }
}

prop_compose! {
    pub(super) fn delete_request()(range in interval(), prev_kv in any::<bool>()) -> DeleteRequest {
        DeleteRequest { range, prev_kv }
    }
}

fn compare() -> impl Strategy<Value = Compare> {
    let target = prop_oneof![
        (0..4i64).prop_map(|given| CompareTarget::Version(Version::new(given))),
        (0..30i64).prop_map(|given| CompareTarget::Create(Revision::new(given))),
        (0..30i64).prop_map(|given| CompareTarget::Mod(Revision::new(given))),
        value().prop_map(CompareTarget::Value),
        (0..NO_LEASE).prop_map(CompareTarget::Lease),
        Just(CompareTarget::Unknown),
    ];
    let result = prop_oneof![
        Just(CompareResult::Equal),
        Just(CompareResult::Greater),
        Just(CompareResult::Less),
        Just(CompareResult::NotEqual),
        Just(CompareResult::Always),
    ];
    (interval(), target, result).prop_map(|(range, target, result)| Compare {
        range,
        target,
        result,
    })
}

/// Transactions, also such that the edge would refuse for writing a key twice: the order decides then.
pub(super) fn txn_request() -> impl Strategy<Value = TxnRequest> {
    let op = prop_oneof![
        3 => range_request().prop_map(Op::Range),
        3 => put_request().prop_map(Op::Put),
        2 => delete_request().prop_map(Op::Delete),
    ];
    let flat = txn_of(op.clone().boxed());
    let nested = flat.prop_map(|txn| Op::Txn(Box::new(txn)));
    txn_of(prop_oneof![5 => op, 1 => nested].boxed())
}

fn txn_of(op: BoxedStrategy<Op>) -> impl Strategy<Value = TxnRequest> {
    let ops = prop::collection::vec(op, 0..4);
    (prop::collection::vec(compare(), 0..3), ops.clone(), ops).prop_map(|(compare, success, failure)| {
        TxnRequest {
            compare,
            success,
            failure,
        }
    })
}

pub(super) fn read_only_txn_request() -> impl Strategy<Value = TxnRequest> {
    txn_of(range_request().prop_map(Op::Range).boxed())
}
