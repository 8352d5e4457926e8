//! Random scripts. One seed gives one script, whatever the servers answer.

mod keys;
mod kv;
mod lease;
mod malformed;
mod watch;

use kv_tests::Random;

use crate::op::Op;

/// Draws the parts of a script.
#[derive(Debug)]
pub(crate) struct Generator(Random);

impl Generator {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Random::new(seed))
    }

    /// A script of so many steps.
    pub(crate) fn script(&mut self, steps: usize) -> Vec<Op> {
        let first = [Op::Reset];
        let steps = (0..steps).map(|_| self.op());
        let mut script: Vec<Op> = first.into_iter().chain(steps).collect();
        script.push(Op::SyncWatches);
        script
    }

    fn op(&mut self) -> Op {
        match self.below(1000) {
            0..240 => Op::Range(self.range()),
            240..280 => Op::RangeStream(self.range()),
            280..480 => Op::Put(self.put()),
            480..560 => Op::Delete(self.delete()),
            560..770 => Op::Txn(self.txn(0)),
            770..785 => Op::Compact(self.compaction()),
            785..885 => self.lease_op(),
            885..955 => self.watch_op(),
            955..975 => self.cluster_op(),
            _ => self.malformed(),
        }
    }

    fn cluster_op(&mut self) -> Op {
        match self.below(8) {
            0..3 => Op::MemberList(self.chance(50)),
            3..5 => Op::Status,
            5..7 => Op::Alarms(self.pick(&[0, 0, 1, 2])),
            _ => Op::HashKv(self.revision()),
        }
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.0.below(bound)
    }

    /// True so many times of a hundred.
    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// A number from `low` to `high`, both included.
    fn number(&mut self, low: i64, high: i64) -> i64 {
        let span = u64::try_from(high - low).unwrap_or(0) + 1;
        low + i64::try_from(self.below(span)).unwrap_or(0)
    }

    fn pick<T: Clone>(&mut self, choices: &[T]) -> T {
        let index = self.below(choices.len() as u64);
        choices[usize::try_from(index).unwrap_or(0)].clone()
    }

    fn some<T>(&mut self, most: u64, mut make: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..self.below(most + 1)).map(|_| make(self)).collect()
    }
}
