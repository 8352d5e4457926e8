use std::collections::HashSet;

use bytes::Bytes;
use kv_mvcc::{Compare, CompareResult, CompareTarget, DeleteRequest, Op, PutRequest, TxnRequest};
use kv_proto::etcdserverpb as etcd;
use kv_proto::etcdserverpb::compare::TargetUnion;
use kv_proto::etcdserverpb::request_op::Request;
use kv_types::{KeyRange, Revision, Version};

use super::intervals::Intervals;
use super::request;
use crate::Refusal;

/// Checks and converts a transaction with everything nested in it.
pub(crate) fn txn(request: etcd::TxnRequest, ops_max: usize) -> Result<TxnRequest, Refusal> {
    let txn = convert(request, ops_max)?;
    Writes::of(&txn.success)?;
    Writes::of(&txn.failure)?;
    Ok(txn)
}

/// What a transaction uses of `ops_max` is not left for the ones nested in it, so nesting ends with it.
fn convert(request: etcd::TxnRequest, ops_max: usize) -> Result<TxnRequest, Refusal> {
    let used = request
        .compare
        .len()
        .max(request.success.len())
        .max(request.failure.len());
    let left = ops_max.checked_sub(used).ok_or(Refusal::TooManyOperations)?;
    let branch = |ops: Vec<etcd::RequestOp>| -> Result<Vec<Op>, Refusal> {
        ops.into_iter().map(|request| op(request, left)).collect()
    };
    Ok(TxnRequest {
        compare: request
            .compare
            .into_iter()
            .map(compare)
            .collect::<Result<_, _>>()?,
        success: branch(request.success)?,
        failure: branch(request.failure)?,
    })
}

fn op(op: etcd::RequestOp, ops_max: usize) -> Result<Op, Refusal> {
    Ok(match op.request.ok_or(Refusal::NoOperation)? {
        Request::RequestRange(range) => Op::Range(request::range(range)?),
        Request::RequestPut(put) => Op::Put(request::put(put)?),
        Request::RequestDeleteRange(delete) => Op::Delete(request::delete(delete)?),
        Request::RequestTxn(nested) => Op::Txn(Box::new(convert(nested, ops_max)?)),
    })
}

/// A union member that does not belong to the target, or none, counts as zero or empty.
fn compare(compare: etcd::Compare) -> Result<Compare, Refusal> {
    use etcd::compare::{CompareResult as Result_, CompareTarget as Target};

    if compare.key.is_empty() {
        return Err(Refusal::KeyNotProvided);
    }
    let target = match (Target::try_from(compare.target), compare.target_union) {
        (Ok(Target::Version), Some(TargetUnion::Version(version))) => {
            CompareTarget::Version(Version::new(version))
        }
        (Ok(Target::Version), _) => CompareTarget::Version(Version::ZERO),
        (Ok(Target::Create), Some(TargetUnion::CreateRevision(revision))) => {
            CompareTarget::Create(Revision::new(revision))
        }
        (Ok(Target::Create), _) => CompareTarget::Create(Revision::ZERO),
        (Ok(Target::Mod), Some(TargetUnion::ModRevision(revision))) => {
            CompareTarget::Mod(Revision::new(revision))
        }
        (Ok(Target::Mod), _) => CompareTarget::Mod(Revision::ZERO),
        (Ok(Target::Value), Some(TargetUnion::Value(value))) => CompareTarget::Value(value),
        (Ok(Target::Value), _) => CompareTarget::Value(Bytes::new()),
        (Ok(Target::Lease), Some(TargetUnion::Lease(lease))) => CompareTarget::Lease(lease),
        (Ok(Target::Lease), _) => CompareTarget::Lease(0),
        (Err(_), _) => CompareTarget::Unknown,
    };
    let result = match Result_::try_from(compare.result) {
        Ok(Result_::Equal) => CompareResult::Equal,
        Ok(Result_::Greater) => CompareResult::Greater,
        Ok(Result_::Less) => CompareResult::Less,
        Ok(Result_::NotEqual) => CompareResult::NotEqual,
        Err(_) => CompareResult::Always,
    };
    Ok(Compare {
        range: KeyRange::from_wire(compare.key, compare.range_end),
        target,
        result,
    })
}

/// What a branch writes, with everything nested in it.
///
/// The rule that no key may be written twice is etcd's to the letter, holes included (see `checkIntervals` in
/// `server/etcdserver/api/v3rpc/key.go`): a deletion without an end is not looked at, nor is one in a nested
/// transaction against the puts of an earlier sibling.
#[derive(Default)]
struct Writes {
    puts: HashSet<Bytes>,
    deletes: Intervals,
}

impl Writes {
    fn of(ops: &[Op]) -> Result<Self, Refusal> {
        let mut writes = Self::default();
        for op in ops {
            if let Op::Delete(delete) = op {
                writes.delete(delete);
            }
        }
        for op in ops {
            if let Op::Txn(nested) = op {
                writes.nest(Self::of(&nested.success)?, Self::of(&nested.failure)?)?;
            }
        }
        for op in ops {
            if let Op::Put(PutRequest { key, .. }) = op {
                writes.put(key.clone())?;
            }
        }
        Ok(writes)
    }

    fn delete(&mut self, delete: &DeleteRequest) {
        let start = delete.range.start.clone();
        let end = if delete.range.is_single() {
            Bytes::from([&start[..], &[0]].concat())
        } else {
            // The wire form of "no end" lies below every start: nothing is inserted.
            Bytes::copy_from_slice(delete.range.wire_end())
        };
        self.deletes.insert(start, end);
    }

    fn put(&mut self, key: Bytes) -> Result<(), Refusal> {
        if self.deletes.contains(&key) || !self.puts.insert(key) {
            return Err(Refusal::DuplicateKey);
        }
        Ok(())
    }

    /// Only one of the two branches will run, so they may put the same keys.
    fn nest(&mut self, success: Self, failure: Self) -> Result<(), Refusal> {
        for key in failure.puts.difference(&success.puts).chain(&success.puts) {
            self.put(key.clone())?;
        }
        self.deletes.extend(success.deletes);
        self.deletes.extend(failure.deletes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(key: &'static str) -> etcd::RequestOp {
        let put = etcd::PutRequest {
            key: Bytes::from_static(key.as_bytes()),
            ..Default::default()
        };
        etcd::RequestOp {
            request: Some(Request::RequestPut(put)),
        }
    }

    fn delete(key: &'static str, end: &'static str) -> etcd::RequestOp {
        let delete = etcd::DeleteRangeRequest {
            key: Bytes::from_static(key.as_bytes()),
            range_end: Bytes::from_static(end.as_bytes()),
            prev_kv: false,
        };
        etcd::RequestOp {
            request: Some(Request::RequestDeleteRange(delete)),
        }
    }

    fn nested(success: Vec<etcd::RequestOp>, failure: Vec<etcd::RequestOp>) -> etcd::RequestOp {
        let txn = etcd::TxnRequest {
            compare: Vec::new(),
            success,
            failure,
        };
        etcd::RequestOp {
            request: Some(Request::RequestTxn(txn)),
        }
    }

    #[track_caller]
    fn check(ops: Vec<etcd::RequestOp>, expected: Result<(), Refusal>) {
        for failure in [false, true] {
            let mut request = etcd::TxnRequest::default();
            *(if failure {
                &mut request.failure
            } else {
                &mut request.success
            }) = ops.clone();
            assert_eq!(txn(request, 128).map(|_| ()), expected);
        }
    }

    const DUPLICATE: Result<(), Refusal> = Err(Refusal::DuplicateKey);

    #[test]
    fn one_level_must_not_write_a_key_twice() {
        check(vec![put("a"), put("b")], Ok(()));
        check(vec![put("a"), put("a")], DUPLICATE);
        check(vec![put("a"), delete("a", "")], DUPLICATE);
        check(vec![delete("a", "c"), put("b")], DUPLICATE);
        check(vec![delete("a", "c"), put("c")], Ok(()));
        check(vec![delete("c", "a"), put("b")], Ok(()));
        check(vec![delete("a", "c"), delete("b", "d")], Ok(()));
    }

    #[test]
    fn a_deletion_without_an_end_is_not_looked_at() {
        check(vec![delete("a", "\0"), put("b")], Ok(()));
    }

    #[test]
    fn nested_writes_count_for_the_level_above() {
        check(vec![nested(vec![put("a")], vec![put("a")])], Ok(()));
        check(vec![nested(vec![put("a")], vec![]), put("a")], DUPLICATE);
        check(vec![nested(vec![], vec![put("a")]), put("a")], DUPLICATE);
        check(vec![nested(vec![], vec![delete("a", "b")]), put("a")], DUPLICATE);
        check(vec![delete("a", "b"), nested(vec![put("a")], vec![])], DUPLICATE);
        check(
            vec![nested(vec![put("a")], vec![]), nested(vec![], vec![put("a")])],
            DUPLICATE,
        );
        check(
            vec![nested(vec![nested(vec![put("a")], vec![])], vec![]), put("a")],
            DUPLICATE,
        );
        check(vec![nested(vec![put("a"), put("a")], vec![])], DUPLICATE);
    }

    #[test]
    fn siblings_are_compared_in_one_direction_only() {
        check(
            vec![
                nested(vec![delete("a", "")], vec![]),
                nested(vec![put("a")], vec![]),
            ],
            DUPLICATE,
        );
        check(
            vec![
                nested(vec![put("a")], vec![]),
                nested(vec![delete("a", "")], vec![]),
            ],
            Ok(()),
        );
    }

    #[test]
    fn the_limit_is_shared_with_what_is_nested() {
        let puts = |n: usize| -> Vec<_> {
            (0..n)
                .map(|i| etcd::RequestOp {
                    request: Some(Request::RequestPut(etcd::PutRequest {
                        key: format!("k{i}").into(),
                        ..Default::default()
                    })),
                })
                .collect()
        };
        let too_many = Err(Refusal::TooManyOperations);
        check(puts(128), Ok(()));
        check(puts(129), too_many);
        check(vec![nested(puts(127), vec![])], Ok(()));
        check(vec![nested(puts(128), vec![])], too_many);
        check(vec![nested(vec![nested(puts(127), vec![])], vec![])], too_many);
        let compares = vec![
            etcd::Compare {
                key: Bytes::from_static(b"k"),
                ..Default::default()
            };
            129
        ];
        let request = etcd::TxnRequest {
            compare: compares,
            ..Default::default()
        };
        assert_eq!(txn(request, 128), Err(Refusal::TooManyOperations));
    }

    #[test]
    fn every_operation_is_checked_wherever_it_is() {
        check(vec![nested(vec![], vec![put("")])], Err(Refusal::KeyNotProvided));
        check(vec![etcd::RequestOp::default()], Err(Refusal::NoOperation));
        let request = etcd::TxnRequest {
            compare: vec![etcd::Compare::default()],
            ..Default::default()
        };
        assert_eq!(txn(request, 128), Err(Refusal::KeyNotProvided));
    }

    #[test]
    fn a_comparison_without_its_value_compares_with_nothing() {
        let case = |target: i32, union: Option<TargetUnion>, result: i32| {
            let wire = etcd::Compare {
                result,
                target,
                key: Bytes::from_static(b"k"),
                target_union: union,
                range_end: Bytes::new(),
            };
            let converted = compare(wire).unwrap();
            (converted.target, converted.result)
        };
        let value = Bytes::from_static(b"v");
        let equal = CompareResult::Equal;
        assert_eq!(case(0, None, 0), (CompareTarget::Version(Version::ZERO), equal));
        assert_eq!(
            case(0, Some(TargetUnion::Lease(3)), 0),
            (CompareTarget::Version(Version::ZERO), equal)
        );
        assert_eq!(
            case(2, Some(TargetUnion::ModRevision(3)), 1).0,
            CompareTarget::Mod(Revision::new(3))
        );
        assert_eq!(
            case(3, Some(TargetUnion::Value(value.clone())), 3).0,
            CompareTarget::Value(value)
        );
        assert_eq!(case(3, None, 0), (CompareTarget::Value(Bytes::new()), equal));
        assert_eq!(case(4, None, 2), (CompareTarget::Lease(0), CompareResult::Less));
        assert_eq!(case(9, None, 9), (CompareTarget::Unknown, CompareResult::Always));
    }
}
