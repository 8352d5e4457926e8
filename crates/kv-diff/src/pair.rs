use std::path::PathBuf;

use anyhow::Result;

use crate::answer::Answer;
use crate::op::Op;
use crate::side::Side;
use crate::symbol::Clock;

/// The two programs.
#[derive(Clone, Debug)]
pub(crate) struct Programs {
    pub(crate) etcd: PathBuf,
    pub(crate) kvd: PathBuf,
}

/// A real etcd and kvd that have been told the same.
#[derive(Debug)]
pub(crate) struct Pair {
    etcd: Side,
    kvd: Side,
    clock: Clock,
}

/// Two answers that should be one.
#[derive(Debug)]
pub(crate) struct Difference {
    /// The step, by its place in the script.
    pub(crate) step: usize,
    pub(crate) etcd: Answer,
    pub(crate) kvd: Answer,
}

impl Pair {
    pub(crate) async fn start(programs: &Programs) -> Result<Self> {
        let (etcd, kvd) = tokio::try_join!(
            Side::start(&programs.etcd, &["--unsafe-no-fsync"]),
            Side::start(&programs.kvd, &[]),
        )?;
        let clock = Clock {
            current: 1,
            compacted: 0,
        };
        Ok(Self { etcd, kvd, clock })
    }

    /// Runs a script to its end, or to the first difference.
    pub(crate) async fn run(&mut self, script: &[Op]) -> Result<(), Box<Difference>> {
        for (step, op) in script.iter().enumerate() {
            // What a watcher has seen when it ends, or when history goes, must not depend on how fast it reads.
            if matches!(op, Op::Compact(_) | Op::CancelWatch(_)) && self.etcd.watches() {
                self.step(step, &Op::SyncWatches).await?;
            }
            self.step(step, op).await?;
        }
        Ok(())
    }

    async fn step(&mut self, step: usize, op: &Op) -> Result<(), Box<Difference>> {
        let (etcd, kvd) = tokio::join!(
            self.etcd.perform(op.clone(), &self.clock),
            self.kvd.perform(op.clone(), &self.clock),
        );
        if etcd != kvd || matches!(etcd, Answer::Silence | Answer::Unfit(_)) {
            return Err(Box::new(Difference { step, etcd, kvd }));
        }
        if let (Op::Compact(request), Answer::Compact(_)) = (op, &etcd) {
            let mut revision = request.revision;
            self.clock.resolve(&mut revision);
            self.clock.compacted = self.clock.compacted.max(revision);
        }
        let told = etcd.revision().unwrap_or(0);
        self.clock.current = self.clock.current.max(told);
        Ok(())
    }
}
