//! Lock and Election: what clients can do themselves with keys, leases and watches, done here for those that cannot.
//!
//! Layout and steps are those of the Go client's `concurrency` package, so that both kinds of clients take part in one
//! election. Every step is made with the caller's credentials.

pub(crate) mod election;
pub(crate) mod lock;
mod queue;

use kv_proto::etcdserverpb as etcd;
use kv_proto::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};
use kv_proto::etcdserverpb::range_request::{SortOrder, SortTarget};
use kv_proto::etcdserverpb::request_op::Request;
use kv_proto::etcdserverpb::response_op::Response;
use kv_proto::mvccpb::KeyValue;
use kv_server::Server;
use tonic::Status;

use super::{kv, lease};
use bytes::Bytes;

/// The time to live of a lease that is granted for a caller without one, in seconds. Nobody renews it.
const LEASE_SECONDS: i64 = 60;

/// Errors of these services carry their text only, as etcd's do.
fn plain(status: Status) -> Status {
    Status::unknown(status.message())
}

/// The lease to use: the caller's, or a new one.
async fn session(server: &Server, lease: i64) -> Result<i64, Status> {
    if lease != 0 {
        return Ok(lease);
    }
    let request = etcd::LeaseGrantRequest {
        ttl: LEASE_SECONDS,
        id: 0,
    };
    Ok(lease::grant(server.clone(), request).await.map_err(plain)?.id)
}

/// Where all who compete for a name have their keys.
fn prefix(name: &[u8]) -> Bytes {
    [name, b"/"].concat().into()
}

/// The key of who competes with a lease.
fn key_of(prefix: &[u8], lease: i64) -> Bytes {
    let sign = if lease < 0 { "-" } else { "" };
    let digits = format!("{sign}{:x}", lease.unsigned_abs());
    [prefix, digits.as_bytes()].concat().into()
}

/// The first key after all with a prefix.
fn prefix_end(prefix: &[u8]) -> Bytes {
    // A prefix ends with a slash, which has a successor.
    let mut end = prefix.to_vec();
    end.last_mut().into_iter().for_each(|last| *last += 1);
    end.into()
}

fn is_created_at(key: Bytes, revision: i64) -> etcd::Compare {
    etcd::Compare {
        result: CompareResult::Equal.into(),
        target: CompareTarget::Create.into(),
        key,
        target_union: Some(TargetUnion::CreateRevision(revision)),
        ..Default::default()
    }
}

fn op(request: Request) -> etcd::RequestOp {
    etcd::RequestOp {
        request: Some(request),
    }
}

fn get(key: Bytes) -> etcd::RangeRequest {
    etcd::RangeRequest {
        key,
        ..Default::default()
    }
}

/// The oldest key with a prefix: its holder is the owner, or leads.
fn oldest(prefix: &Bytes) -> etcd::RangeRequest {
    etcd::RangeRequest {
        key: prefix.clone(),
        range_end: prefix_end(prefix),
        limit: 1,
        sort_order: SortOrder::Ascend.into(),
        sort_target: SortTarget::Create.into(),
        ..Default::default()
    }
}

async fn txn(server: &Server, request: etcd::TxnRequest) -> Result<etcd::TxnResponse, Status> {
    kv::txn(server.clone(), request).await.map_err(plain)
}

async fn range(server: &Server, request: etcd::RangeRequest) -> Result<etcd::RangeResponse, Status> {
    kv::range(server.clone(), request).await.map_err(plain)
}

/// What the range found that is the operation at a place of a transaction.
fn found(response: &etcd::TxnResponse, place: usize) -> Option<&KeyValue> {
    match &response.responses.get(place)?.response {
        Some(Response::ResponseRange(range)) => range.kvs.first(),
        _ => None,
    }
}

fn revision(header: Option<&etcd::ResponseHeader>) -> i64 {
    header.map_or(0, |header| header.revision)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_those_of_the_go_client() {
        let prefix = prefix(b"name");
        assert_eq!(&key_of(&prefix, 0x7f_3a09)[..], b"name/7f3a09");
        assert_eq!(&key_of(&prefix, -1)[..], b"name/-1");
        assert_eq!(&prefix_end(&prefix)[..], b"name0");
    }

    #[test]
    fn failures_keep_their_text_and_lose_their_code() {
        let status = plain(Status::not_found("etcdserver: requested lease not found"));
        assert_eq!(
            (status.code() as i32, status.message()),
            (2, "etcdserver: requested lease not found")
        );
    }
}
