use kv_proto::etcdserverpb as etcd;
use kv_proto::etcdserverpb::compare::TargetUnion;
use kv_proto::etcdserverpb::request_op::Request;

use super::Generator;
use crate::symbol;

/// Transactions nest no deeper.
const DEPTH_MAX: u32 = 3;
/// How many operations a transaction may have.
const OPS_MAX: usize = 128;

impl Generator {
    pub(super) fn range(&mut self) -> etcd::RangeRequest {
        let (key, range_end) = self.interval();
        let mut request = etcd::RangeRequest {
            key,
            range_end,
            revision: self.revision(),
            serializable: self.chance(30),
            keys_only: self.chance(15),
            count_only: self.chance(8),
            ..Default::default()
        };
        if self.chance(45) {
            request.limit = match self.below(20) {
                0 => -1,
                1 => i64::MAX,
                2 => i64::MIN,
                _ => self.number(1, 9),
            };
        }
        if self.chance(35) {
            request.sort_order = self.pick(&[0, 1, 1, 1, 2, 2, 2, 3, -1]);
            request.sort_target = self.pick(&[0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 4, 5, -1]);
        }
        for bound in [
            &mut request.min_mod_revision,
            &mut request.max_mod_revision,
            &mut request.min_create_revision,
            &mut request.max_create_revision,
        ] {
            if self.chance(6) {
                *bound = self.revision();
            }
        }
        request
    }

    pub(super) fn put(&mut self) -> etcd::PutRequest {
        let ignore_value = self.chance(8);
        let ignore_lease = self.chance(8);
        let keeps_value = ignore_value && self.chance(80);
        let has_lease = self.chance(if ignore_lease { 20 } else { 30 });
        etcd::PutRequest {
            key: self.key(),
            value: if keeps_value {
                Default::default()
            } else {
                self.value()
            },
            lease: if has_lease { self.lease() } else { 0 },
            prev_kv: self.chance(30),
            ignore_value,
            ignore_lease,
        }
    }

    pub(super) fn delete(&mut self) -> etcd::DeleteRangeRequest {
        let (key, range_end) = match self.chance(60) {
            true => (self.key(), Default::default()),
            false => self.interval(),
        };
        etcd::DeleteRangeRequest {
            key,
            range_end,
            prev_kv: self.chance(40),
        }
    }

    pub(super) fn compaction(&mut self) -> etcd::CompactionRequest {
        let revision = match self.below(100) {
            0..60 => symbol::current(-self.number(0, 20)),
            _ => self.revision(),
        };
        etcd::CompactionRequest {
            revision,
            physical: self.chance(15),
        }
    }

    pub(super) fn txn(&mut self, depth: u32) -> etcd::TxnRequest {
        let reads_only = self.chance(20);
        let mut request = etcd::TxnRequest {
            compare: self.some(3, Self::compare),
            success: self.some(4, |draw| draw.operation(depth, reads_only)),
            failure: self.some(3, |draw| draw.operation(depth, reads_only)),
        };
        if self.chance(2) {
            self.fill(&mut request, depth);
        }
        request
    }

    /// Makes a transaction about as long as is allowed.
    fn fill(&mut self, request: &mut etcd::TxnRequest, depth: u32) {
        let length = OPS_MAX + usize::try_from(self.number(0, 4)).unwrap_or(0) - 3;
        match self.below(3) {
            0 => request.compare.resize_with(length, || self.compare()),
            1 => request
                .success
                .resize_with(length, || self.operation(depth, false)),
            _ => request
                .failure
                .resize_with(length, || self.operation(depth, true)),
        }
    }

    fn operation(&mut self, depth: u32, reads_only: bool) -> etcd::RequestOp {
        let request = match self.below(100) {
            _ if reads_only => Some(Request::RequestRange(self.range())),
            0..30 => Some(Request::RequestRange(self.range())),
            30..66 => Some(Request::RequestPut(self.put())),
            66..84 => Some(Request::RequestDeleteRange(self.delete())),
            84..99 if depth < DEPTH_MAX => Some(Request::RequestTxn(self.txn(depth + 1))),
            84..99 => Some(Request::RequestRange(self.range())),
            _ => None,
        };
        etcd::RequestOp { request }
    }

    fn compare(&mut self) -> etcd::Compare {
        let target = self.pick(&[0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 4, 5]);
        let union = if self.chance(90) {
            target
        } else {
            self.pick(&[0, 1, 2, 3, 4, 5])
        };
        let revision = symbol::current(-self.number(-1, 15));
        let target_union = match union {
            0 => Some(TargetUnion::Version(self.number(0, 3))),
            1 => Some(TargetUnion::CreateRevision(self.pick(&[0, 0, revision]))),
            2 => Some(TargetUnion::ModRevision(self.pick(&[0, 0, revision]))),
            // Of an unknown target etcd counts the value towards the size of the request, and kvd does not.
            3 if target == 5 => None,
            3 => Some(TargetUnion::Value(self.value())),
            4 => Some(TargetUnion::Lease(self.lease())),
            _ => None,
        };
        let (key, range_end) = match self.chance(75) {
            true => (self.key(), Default::default()),
            false => self.interval(),
        };
        etcd::Compare {
            result: self.pick(&[0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, -1]),
            target,
            key,
            range_end,
            target_union,
        }
    }
}
