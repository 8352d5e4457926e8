use kv_proto::etcdserverpb as etcd;
use kv_proto::etcdserverpb::request_op::Request;
use kv_server::Server;

use crate::convert;

/// What an answer of a single key is taken for before it is read.
const SINGLE_BYTES: u64 = 1024;

/// What a request is going to take, before anything is done for it.
pub(crate) trait Cost {
    /// About how many bytes its answer has.
    fn answer_bytes(&self, server: &Server) -> u64;
}

impl Cost for etcd::RangeRequest {
    fn answer_bytes(&self, server: &Server) -> u64 {
        if self.range_end.is_empty() || self.count_only {
            return SINGLE_BYTES;
        }
        // One that is refused costs nothing.
        convert::range(self.clone()).map_or(0, |request| server.view().cost(&request).bytes)
    }
}

impl Cost for etcd::DeleteRangeRequest {
    fn answer_bytes(&self, server: &Server) -> u64 {
        if !self.prev_kv {
            return 0;
        }
        let range = etcd::RangeRequest {
            key: self.key.clone(),
            range_end: self.range_end.clone(),
            ..Default::default()
        };
        range.answer_bytes(server)
    }
}

impl Cost for etcd::TxnRequest {
    fn answer_bytes(&self, server: &Server) -> u64 {
        let branch = |ops| {
            // One with more operations is refused.
            let mut left = server.limits().txn_ops_max;
            ops_bytes(ops, server, &mut left)
        };
        branch(&self.success).max(branch(&self.failure))
    }
}

/// About how many bytes the answers to these operations have, `left` of them at most.
fn ops_bytes(ops: &[etcd::RequestOp], server: &Server, left: &mut usize) -> u64 {
    let mut bytes: u64 = 0;
    for op in ops {
        let Some(less) = left.checked_sub(1) else { break };
        *left = less;
        bytes = bytes.saturating_add(match &op.request {
            Some(Request::RequestRange(range)) => range.answer_bytes(server),
            Some(Request::RequestDeleteRange(delete)) => delete.answer_bytes(server),
            Some(Request::RequestTxn(txn)) => {
                ops_bytes(&txn.success, server, left).max(ops_bytes(&txn.failure, server, left))
            }
            Some(Request::RequestPut(_)) | None => 0,
        });
    }
    bytes
}
