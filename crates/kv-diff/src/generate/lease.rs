use kv_proto::etcdserverpb as etcd;

use super::Generator;
use crate::op::Op;

impl Generator {
    pub(super) fn lease_op(&mut self) -> Op {
        match self.below(400) {
            0..110 => Op::Grant(etcd::LeaseGrantRequest {
                id: self.chosen_id(),
                // None of them ends while a script runs.
                ttl: self.pick(&[600, 3600, 100_000, 9_000_000_000, 9_000_000_001]),
            }),
            110..140 => Op::GrantAndRevoke(etcd::LeaseGrantRequest {
                id: self.chosen_id(),
                ttl: self.pick(&[-1, 0, 1, 2, 3, 60, i64::MIN, i64::MAX, 9_000_000_001]),
            }),
            140..210 => Op::Revoke(self.lease()),
            210..270 => Op::KeepAlive(self.some(3, Self::lease)),
            270..350 => Op::TimeToLive(etcd::LeaseTimeToLiveRequest {
                id: self.lease(),
                keys: self.chance(70),
            }),
            350..398 => Op::Leases,
            _ => Op::Expire(self.some(3, Self::key)),
        }
    }

    fn chosen_id(&mut self) -> i64 {
        match self.below(10) {
            0..5 => 0,
            5..9 => self.number(1001, 1004),
            _ => -5,
        }
    }
}
