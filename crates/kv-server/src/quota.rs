//! What requests count against the quota, in bytes, as etcd reckons it.

use kv_mvcc::{Op, PutRequest, PutValue, TxnRequest};

/// What a put counts beside its key and value.
const PUT_OVERHEAD: u64 = 256;

/// What a lease counts.
pub(crate) const LEASE_COST: u64 = 64;

pub(crate) fn put_cost(request: &PutRequest) -> u64 {
    let value = match &request.value {
        PutValue::New(value) => value.len(),
        PutValue::Keep => 0,
    };
    PUT_OVERHEAD + (request.key.len() + value) as u64
}

/// The dearer branch, nested transactions included; 0 if nothing is put.
pub(crate) fn txn_cost(request: &TxnRequest) -> u64 {
    let branch = |ops: &[Op]| ops.iter().map(op_cost).sum::<u64>();
    branch(&request.success).max(branch(&request.failure))
}

fn op_cost(op: &Op) -> u64 {
    match op {
        Op::Range(_) | Op::Delete(_) => 0,
        Op::Put(request) => put_cost(request),
        Op::Txn(request) => txn_cost(request),
    }
}

#[cfg(test)]
mod tests {
    use kv_mvcc::PutLease;

    use super::*;

    #[test]
    fn a_transaction_costs_its_dearer_branch() {
        let put = |bytes| {
            let value = PutValue::New(vec![0; bytes].into());
            Op::Put(PutRequest {
                key: "k".into(),
                value,
                lease: PutLease::Keep,
                prev_kv: false,
            })
        };
        let nested = TxnRequest {
            success: vec![put(9)],
            ..TxnRequest::default()
        };
        let txn = TxnRequest {
            compare: vec![],
            success: vec![put(1), Op::Txn(nested.into())],
            failure: vec![put(99)],
        };
        assert_eq!(txn_cost(&txn), 256 + 2 + 256 + 10);
        assert_eq!(txn_cost(&TxnRequest::default()), 0);
    }
}
