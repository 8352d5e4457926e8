use kv_mvcc::{DeleteResult, KeyValue, OpResult, PutResult, RangeResult, TxnResult};
use kv_proto::etcdserverpb as etcd;
use kv_proto::etcdserverpb::response_op::Response;
use kv_proto::mvccpb;
use kv_server::Header;
use kv_types::{LeaseId, Revision};

/// The header of a response.
pub(crate) fn header(header: Header) -> etcd::ResponseHeader {
    etcd::ResponseHeader {
        cluster_id: header.cluster_id.get(),
        member_id: header.member_id.get(),
        revision: header.revision.get(),
        raft_term: header.raft_term.get(),
    }
}

/// The header of an operation inside a transaction says the revision alone.
fn inner_header(revision: Revision) -> etcd::ResponseHeader {
    etcd::ResponseHeader {
        revision: revision.get(),
        ..Default::default()
    }
}

/// A key with its value as it is sent.
pub(crate) fn key_value(kv: KeyValue) -> mvccpb::KeyValue {
    mvccpb::KeyValue {
        key: kv.key,
        create_revision: kv.create_revision.get(),
        mod_revision: kv.mod_revision.get(),
        version: kv.version.get(),
        value: kv.value,
        lease: LeaseId::to_wire(kv.lease),
    }
}

fn count(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Answers a range.
pub(crate) fn range_response(header: etcd::ResponseHeader, result: RangeResult) -> etcd::RangeResponse {
    etcd::RangeResponse {
        header: Some(header),
        kvs: result.kvs.into_iter().map(key_value).collect(),
        more: result.more,
        count: count(result.count),
    }
}

/// Answers a put.
pub(crate) fn put_response(header: etcd::ResponseHeader, result: PutResult) -> etcd::PutResponse {
    etcd::PutResponse {
        header: Some(header),
        prev_kv: result.prev_kv.map(key_value),
    }
}

/// Answers a deletion.
pub(crate) fn delete_response(
    header: etcd::ResponseHeader,
    result: DeleteResult,
) -> etcd::DeleteRangeResponse {
    etcd::DeleteRangeResponse {
        header: Some(header),
        deleted: count(result.deleted),
        prev_kvs: result.prev_kvs.into_iter().map(key_value).collect(),
    }
}

/// Answers a transaction.
pub(crate) fn txn_response(header: etcd::ResponseHeader, result: TxnResult) -> etcd::TxnResponse {
    etcd::TxnResponse {
        header: Some(header),
        succeeded: result.succeeded,
        responses: result.responses.into_iter().map(response_op).collect(),
    }
}

fn response_op(result: OpResult) -> etcd::ResponseOp {
    let response = match result {
        OpResult::Range(range) => {
            Response::ResponseRange(range_response(inner_header(range.revision), range))
        }
        OpResult::Put(put) => Response::ResponsePut(put_response(inner_header(put.revision), put)),
        OpResult::Delete(delete) => {
            Response::ResponseDeleteRange(delete_response(inner_header(delete.revision), delete))
        }
        OpResult::Txn(txn) => Response::ResponseTxn(txn_response(etcd::ResponseHeader::default(), txn)),
    };
    etcd::ResponseOp {
        response: Some(response),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_inside_a_transaction_say_only_their_revision() {
        let put = || {
            OpResult::Put(PutResult {
                prev_kv: None,
                revision: Revision::new(7),
            })
        };
        let nested = TxnResult {
            succeeded: true,
            responses: vec![put()],
            revision: Revision::new(7),
        };
        let txn = TxnResult {
            succeeded: true,
            responses: vec![put(), OpResult::Txn(nested)],
            revision: Revision::new(7),
        };
        let header = etcd::ResponseHeader {
            cluster_id: 1,
            member_id: 2,
            revision: 7,
            raft_term: 3,
        };
        let put = etcd::ResponseOp {
            response: Some(Response::ResponsePut(etcd::PutResponse {
                header: Some(etcd::ResponseHeader {
                    revision: 7,
                    ..Default::default()
                }),
                prev_kv: None,
            })),
        };
        let nested = etcd::ResponseOp {
            response: Some(Response::ResponseTxn(etcd::TxnResponse {
                header: Some(etcd::ResponseHeader::default()),
                succeeded: true,
                responses: vec![put.clone()],
            })),
        };
        let expected = etcd::TxnResponse {
            header: Some(header),
            succeeded: true,
            responses: vec![put, nested],
        };
        assert_eq!(txn_response(header, txn), expected);
    }
}
