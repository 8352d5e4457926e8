use kv_fuzz::{Memory, Target};
use kv_proto::etcdserverpb as etcd;
use kv_proto::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};
use kv_proto::etcdserverpb::request_op::Request;
use kv_proto::etcdserverpb::watch_request::RequestUnion;
use prost::Message;

use crate::convert;
use crate::watch::watch_create;

/// Operations of a transaction.
const TXN_OPS_MAX: usize = 16;

/// What any request may take beside its bytes, and for each: an operation without content is two of them.
const MEMORY: Memory = Memory {
    fixed: 64 << 10,
    per_byte: 600,
};

fn run(name: &str, encodings: Vec<Vec<u8>>, check: impl Fn(&[u8])) {
    let target = Target {
        name,
        package: env!("CARGO_MANIFEST_DIR"),
        encodings,
        memory: MEMORY,
    };
    target.run(check);
}

/// Decodes, and checks that what was understood is all that is encoded again.
fn decode<M: Message + Default + PartialEq>(input: &[u8]) -> Option<M> {
    let message = M::decode(input).ok()?;
    let again = message.encode_to_vec();
    assert!(M::decode(&again[..]).is_ok_and(|decoded| decoded == message));
    Some(message)
}

fn range() -> etcd::RangeRequest {
    etcd::RangeRequest {
        key: "a".into(),
        range_end: "b".into(),
        limit: 3,
        revision: 7,
        sort_order: 1,
        sort_target: 2,
        keys_only: true,
        min_mod_revision: 1,
        max_create_revision: 9,
        ..Default::default()
    }
}

fn put() -> etcd::PutRequest {
    etcd::PutRequest {
        key: "key".into(),
        value: vec![7; 40].into(),
        lease: -3,
        prev_kv: true,
        ..Default::default()
    }
}

fn delete() -> etcd::DeleteRangeRequest {
    etcd::DeleteRangeRequest {
        key: "c".into(),
        range_end: vec![0].into(),
        prev_kv: true,
    }
}

fn txn() -> etcd::TxnRequest {
    let op = |request| etcd::RequestOp {
        request: Some(request),
    };
    let inner = etcd::TxnRequest {
        success: vec![op(Request::RequestRange(range()))],
        failure: vec![op(Request::RequestDeleteRange(delete()))],
        ..Default::default()
    };
    etcd::TxnRequest {
        compare: vec![etcd::Compare {
            result: CompareResult::Greater.into(),
            target: CompareTarget::Mod.into(),
            key: "key".into(),
            range_end: "kez".into(),
            target_union: Some(TargetUnion::ModRevision(5)),
        }],
        success: vec![op(Request::RequestPut(put())), op(Request::RequestTxn(inner))],
        failure: vec![op(Request::RequestRange(range()))],
    }
}

#[test]
fn range_requests() {
    run("range", vec![range().encode_to_vec()], |input| {
        if let Some(request) = decode::<etcd::RangeRequest>(input) {
            let is_empty = request.key.is_empty();
            assert!(!is_empty || convert::range(request).is_err());
        }
    });
}

#[test]
fn put_requests() {
    run("put", vec![put().encode_to_vec()], |input| {
        if let Some(request) = decode::<etcd::PutRequest>(input)
            && let Ok(checked) = convert::put(request.clone())
        {
            assert!(!checked.key.is_empty());
            assert_eq!(checked.key, request.key);
        }
    });
}

#[test]
fn delete_requests() {
    run("delete", vec![delete().encode_to_vec()], |input| {
        if let Some(request) = decode::<etcd::DeleteRangeRequest>(input) {
            let is_empty = request.key.is_empty();
            assert!(!is_empty || convert::delete(request).is_err());
        }
    });
}

#[test]
fn transactions() {
    run("txn", vec![txn().encode_to_vec()], |input| {
        if let Some(request) = decode::<etcd::TxnRequest>(input)
            && let Ok(checked) = convert::txn(request, TXN_OPS_MAX)
        {
            assert!(checked.success.len() <= TXN_OPS_MAX && checked.failure.len() <= TXN_OPS_MAX);
        }
    });
}

#[test]
fn watch_requests() {
    let create = etcd::WatchRequest {
        request_union: Some(RequestUnion::CreateRequest(etcd::WatchCreateRequest {
            key: "a".into(),
            range_end: "b".into(),
            start_revision: -4,
            filters: vec![0, 1],
            watch_id: 9,
            fragment: true,
            ..Default::default()
        })),
    };
    run("watch", vec![create.encode_to_vec()], |input| {
        if let Some(etcd::WatchRequest {
            request_union: Some(RequestUnion::CreateRequest(create)),
        }) = decode(input)
        {
            assert!(!watch_create(create).range.start.is_empty());
        }
    });
}

#[test]
fn lease_requests() {
    let grant = etcd::LeaseGrantRequest { ttl: 60, id: -1 };
    run("lease", vec![grant.encode_to_vec()], |input| {
        decode::<etcd::LeaseGrantRequest>(input);
        decode::<etcd::LeaseRevokeRequest>(input);
        decode::<etcd::LeaseKeepAliveRequest>(input);
        decode::<etcd::LeaseTimeToLiveRequest>(input);
    });
}
