use bytes::Bytes;
use kv_proto::etcdserverpb as etcd;
use kv_proto::etcdserverpb::request_op::Request;
use kv_proto::v3lockpb as pb;
use kv_server::Server;
use tonic::Status;

use super::queue::wait_for_older;
use super::{found, get, is_created_at, key_of, oldest, op, plain, prefix, range, revision, session, txn};
use crate::services::kv;

/// Waits until the caller owns the name. A call that is given up leaves nothing behind.
pub(crate) async fn lock(server: Server, request: pb::LockRequest) -> Result<pb::LockResponse, Status> {
    let lease = session(&server, request.lease).await?;
    let prefix = prefix(&request.name);
    let key = key_of(&prefix, lease);
    let entered = txn(&server, enter(&prefix, &key, lease)).await?;
    let created = if entered.succeeded {
        revision(entered.header.as_ref())
    } else {
        found(&entered, 0).map_or(0, |kv| kv.create_revision)
    };
    let is_owner = found(&entered, 1).is_none_or(|owner| owner.create_revision == created);
    if is_owner {
        return Ok(pb::LockResponse {
            header: entered.header,
            key,
        });
    }
    let mut withdrawal = Withdrawal {
        server: Some(server.clone()),
        key: key.clone(),
    };
    wait_for_older(&server, &prefix, created - 1).await?;
    let mine = range(&server, get(key.clone())).await?;
    withdrawal.server = None;
    if mine.kvs.is_empty() {
        return Err(Status::unknown("mutex: session is expired"));
    }
    Ok(pb::LockResponse {
        header: mine.header,
        key,
    })
}

/// Puts the key, unless the lease has it already, and looks who owns the name.
fn enter(prefix: &Bytes, key: &Bytes, lease: i64) -> etcd::TxnRequest {
    let put = etcd::PutRequest {
        key: key.clone(),
        lease,
        ..Default::default()
    };
    let owner = op(Request::RequestRange(oldest(prefix)));
    etcd::TxnRequest {
        compare: vec![is_created_at(key.clone(), 0)],
        success: vec![op(Request::RequestPut(put)), owner.clone()],
        failure: vec![op(Request::RequestRange(get(key.clone()))), owner],
    }
}

/// Takes a key away when its call fails or is given up.
struct Withdrawal {
    /// Absent once the key is to stay.
    server: Option<Server>,
    key: Bytes,
}

impl Drop for Withdrawal {
    fn drop(&mut self) {
        let Some(server) = self.server.take() else {
            return;
        };
        let request = etcd::DeleteRangeRequest {
            key: self.key.clone(),
            ..Default::default()
        };
        // If it fails, the lease takes the key away.
        tokio::spawn(async move { kv::delete_range(server, request).await.map(drop) });
    }
}

/// Deletes the key, whether it is there or not.
pub(crate) async fn unlock(server: Server, request: pb::UnlockRequest) -> Result<pb::UnlockResponse, Status> {
    let request = etcd::DeleteRangeRequest {
        key: request.key,
        ..Default::default()
    };
    let deleted = kv::delete_range(server, request).await.map_err(plain)?;
    Ok(pb::UnlockResponse {
        header: deleted.header,
    })
}
