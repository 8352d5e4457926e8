use kv_proto::etcdserverpb as etcd;
use kv_proto::etcdserverpb::request_op::Request;
use kv_server::{RequestError, Server};
use kv_types::Revision;
use tonic::Status;

use crate::convert;
use crate::error::status;

pub(crate) async fn range(
    server: Server,
    request: etcd::RangeRequest,
) -> Result<etcd::RangeResponse, Status> {
    let serializable = request.serializable;
    if !serializable && server.is_learner() {
        return Err(status(RequestError::Learner));
    }
    let result = server
        .range(convert::range(request)?, serializable)
        .await
        .map_err(status)?;
    let header = convert::header(server.header_at(result.revision));
    Ok(convert::range_response(header, result))
}

pub(crate) async fn put(server: Server, request: etcd::PutRequest) -> Result<etcd::PutResponse, Status> {
    let result = server.put(convert::put(request)?).await.map_err(status)?;
    let header = convert::header(server.header_at(result.revision));
    Ok(convert::put_response(header, result))
}

pub(crate) async fn delete_range(
    server: Server,
    request: etcd::DeleteRangeRequest,
) -> Result<etcd::DeleteRangeResponse, Status> {
    let result = server
        .delete_range(convert::delete(request)?)
        .await
        .map_err(status)?;
    let header = convert::header(server.header_at(result.revision));
    Ok(convert::delete_response(header, result))
}

pub(crate) async fn txn(server: Server, request: etcd::TxnRequest) -> Result<etcd::TxnResponse, Status> {
    let serializable = is_serializable(&request);
    let request = convert::txn(request, server.limits().txn_ops_max)?;
    let result = server.txn(request, serializable).await.map_err(status)?;
    let header = convert::header(server.header_at(result.revision));
    Ok(convert::txn_response(header, result))
}

/// Whether a transaction may be answered from local state: if each operation is a serializable range. One
/// without operations is, too, as in etcd.
fn is_serializable(request: &etcd::TxnRequest) -> bool {
    request
        .success
        .iter()
        .chain(&request.failure)
        .all(|op| matches!(&op.request, Some(Request::RequestRange(range)) if range.serializable))
}

pub(crate) async fn compact(
    server: Server,
    request: etcd::CompactionRequest,
) -> Result<etcd::CompactionResponse, Status> {
    let revision = Revision::new(request.revision);
    let current = server.compact(revision, request.physical).await.map_err(status)?;
    Ok(etcd::CompactionResponse {
        header: Some(convert::header(server.header_at(current))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_is_serializable_if_all_its_operations_are() {
        let range = |serializable| etcd::RequestOp {
            request: Some(Request::RequestRange(etcd::RangeRequest {
                serializable,
                ..Default::default()
            })),
        };
        let put = etcd::RequestOp {
            request: Some(Request::RequestPut(etcd::PutRequest::default())),
        };
        let case = |success: Vec<etcd::RequestOp>, failure: Vec<etcd::RequestOp>| {
            is_serializable(&etcd::TxnRequest {
                compare: Vec::new(),
                success,
                failure,
            })
        };
        assert!(case(vec![], vec![]));
        assert!(case(vec![range(true)], vec![range(true)]));
        assert!(!case(vec![range(true)], vec![range(false)]));
        assert!(!case(vec![range(true), put], vec![]));
    }
}
