use kv_proto::etcdserverpb as etcd;

use super::Generator;
use crate::op::Op;
use crate::symbol;

impl Generator {
    pub(super) fn watch_op(&mut self) -> Op {
        match self.below(100) {
            0..50 => Op::Watch(self.watch()),
            50..70 => Op::CancelWatch(self.number(-1, 8)),
            70..75 => Op::EmptyWatchRequest,
            _ => Op::SyncWatches,
        }
    }

    fn watch(&mut self) -> etcd::WatchCreateRequest {
        let (key, range_end) = self.interval();
        let start_revision = match self.below(100) {
            0..45 => 0,
            45..70 => symbol::current(-self.number(-1, 20)),
            70..85 => symbol::compacted(self.number(-2, 3)),
            85..90 => symbol::current(self.number(1, 6)),
            90..95 => -1,
            _ => 1,
        };
        etcd::WatchCreateRequest {
            key,
            range_end,
            start_revision,
            progress_notify: self.chance(10),
            filters: self.some(1, |draw| draw.pick(&[0, 1, 0, 1, 7])),
            prev_kv: self.chance(50),
            watch_id: if self.chance(20) { self.number(1, 5) } else { 0 },
            fragment: self.chance(20),
        }
    }
}
