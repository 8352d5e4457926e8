use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use kv_machine::{MachineError, Snapshot};
use kv_mvcc::RowsSizes;
use kv_raft::host;
use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::replica::Replica;

/// Rows that no checkpoint holds may take this much memory before one is made: little beside what is stored, as a
/// checkpoint looks at every block, and little in memory.
fn checkpoint_bytes(stored_bytes: u64) -> u64 {
    (stored_bytes / 64).clamp(CHECKPOINT_BYTES_MIN, CHECKPOINT_BYTES_MAX)
}

const CHECKPOINT_BYTES_MIN: u64 = 2 * 1024 * 1024;
const CHECKPOINT_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// A checkpoint is made at the latest this long after a change, so that a restart has little to apply again.
const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(30);

/// After a failed checkpoint (a full disk, say) the next is tried this much later.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Keys looked at in one step of garbage collection, and so the longest that apply waits for it.
const GARBAGE_KEYS: usize = 512;

/// Pause between two steps of garbage collection, so that they do not take the machine from the apply path.
const GARBAGE_PAUSE: Duration = Duration::from_micros(200);

/// How often a simulation looks for work.
const POLL_PAUSE: Duration = Duration::from_millis(50);

/// Why a snapshot could not be made.
pub(crate) type SnapshotAnswer = Result<Snapshot, String>;

/// What the maintenance thread is asked to do.
#[derive(Default)]
struct Wanted {
    /// Who waits for a checkpoint, and a snapshot of it.
    snapshots: Vec<oneshot::Sender<SnapshotAnswer>>,
    /// Something was applied since the thread last looked.
    applied: bool,
    /// Someone waits for rows to leave memory.
    full: bool,
    stop: bool,
}

/// Asks the maintenance thread for work.
#[derive(Default)]
pub(crate) struct Maintenance {
    wanted: Mutex<Wanted>,
    changed: Condvar,
}

impl Maintenance {
    /// Entries were applied.
    pub(crate) fn applied(&self, sizes: RowsSizes, compacted: bool) {
        let urgent = sizes.recent_bytes >= checkpoint_bytes(sizes.live_bytes) || compacted;
        let mut wanted = self.wanted.lock();
        let first = !wanted.applied;
        wanted.applied = true;
        wanted.full |= urgent;
        if first || urgent {
            self.changed.notify_one();
        }
    }

    /// Asks for a checkpoint of what is applied now, pinned for reading. The answer does not come if the thread
    /// ends before.
    pub(crate) fn snapshot(&self) -> oneshot::Receiver<SnapshotAnswer> {
        let (sender, receiver) = oneshot::channel();
        let mut wanted = self.wanted.lock();
        if !wanted.stop {
            wanted.snapshots.push(sender);
            self.changed.notify_one();
        }
        receiver
    }

    /// Whether the thread was told to end.
    pub(crate) fn is_stopped(&self) -> bool {
        self.wanted.lock().stop
    }

    /// Ends the thread after what it does now.
    pub(crate) fn stop(&self) {
        let mut wanted = self.wanted.lock();
        wanted.stop = true;
        // Nobody would answer them: whoever waits must not wait for ever.
        wanted.snapshots.clear();
        self.changed.notify_one();
    }

    /// Waits for work.
    fn next(&self, deadline: Option<Instant>) -> Work {
        let mut wanted = self.wanted.lock();
        loop {
            if let Some(work) = wanted.take(deadline) {
                return work;
            }
            match deadline {
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    self.changed.wait_for(&mut wanted, left);
                }
                None => self.changed.wait(&mut wanted),
            }
        }
    }

    /// As [`Maintenance::next`], without blocking the thread.
    async fn next_polled(&self, deadline: Option<Instant>) -> Work {
        loop {
            if let Some(work) = self.wanted.lock().take(deadline) {
                return work;
            }
            tokio::time::sleep(POLL_PAUSE).await;
        }
    }
}

impl Wanted {
    /// What is to be done now, if anything is.
    fn take(&mut self, deadline: Option<Instant>) -> Option<Work> {
        if self.stop {
            return Some(Work::Stop);
        }
        let due = deadline.is_some_and(|deadline| Instant::now() >= deadline);
        if self.full || due || !self.snapshots.is_empty() {
            self.full = false;
            self.applied = false;
            return Some(Work::Checkpoint(std::mem::take(&mut self.snapshots)));
        }
        (deadline.is_none() && self.applied).then_some(Work::Changed)
    }
}

enum Work {
    /// End.
    Stop,
    /// Something changed: a checkpoint is due after the interval.
    Changed,
    /// Make one now, and tell these.
    Checkpoint(Vec<oneshot::Sender<SnapshotAnswer>>),
}

/// Starts the thread that keeps memory, disk and log bounded: it writes checkpoints, drops what compaction
/// left over, and packs blocks anew. The apply path never waits for it but for short steps under the machine's
/// lock. In a simulation it is a task.
pub(crate) fn start(replica: Arc<Replica>) -> std::io::Result<Option<JoinHandle<()>>> {
    if host::is_simulated() {
        tokio::spawn(run_simulated(replica));
        return Ok(None);
    }
    std::thread::Builder::new()
        .name("maintenance".into())
        .spawn(move || run(&replica))
        .map(Some)
}

fn run(replica: &Replica) {
    let mut deadline = None;
    loop {
        let pause = match replica.maintenance.next(deadline) {
            Work::Stop => return,
            Work::Changed => {
                deadline = Some(Instant::now() + CHECKPOINT_INTERVAL);
                continue;
            }
            Work::Checkpoint(waiting) => maintain(replica, waiting, &mut deadline),
        };
        std::thread::sleep(pause);
    }
}

async fn run_simulated(replica: Arc<Replica>) {
    let mut deadline = None;
    loop {
        let pause = match replica.maintenance.next_polled(deadline).await {
            Work::Stop => return,
            Work::Changed => {
                deadline = Some(Instant::now() + CHECKPOINT_INTERVAL);
                continue;
            }
            Work::Checkpoint(waiting) => maintain(&replica, waiting, &mut deadline),
        };
        tokio::time::sleep(pause).await;
    }
}

/// Does what is due, tells who waits, and says when the next is due and how long to pause before.
fn maintain(
    replica: &Replica,
    waiting: Vec<oneshot::Sender<SnapshotAnswer>>,
    deadline: &mut Option<Instant>,
) -> Duration {
    collect_garbage(replica);
    let result = checkpoint(replica);
    let (next, pause) = match &result {
        Ok(Written { more: false, .. }) => (None, Duration::ZERO),
        Ok(Written { more: true, .. }) => (Some(Instant::now()), Duration::ZERO),
        Err(error) => {
            replica.checkpoint_failed(error);
            (Some(Instant::now()), RETRY_PAUSE)
        }
    };
    *deadline = next;
    let answer = result
        .map(|written| written.snapshot)
        .map_err(|error| error.to_string());
    for waiter in waiting {
        // Whoever asked may have gone.
        let _ = waiter.send(answer.clone());
    }
    pause
}

/// Drops the versions that a compaction left over, some keys at a time.
pub(crate) fn collect_garbage(replica: &Replica) {
    loop {
        let _maintaining = replica.maintaining.lock();
        let view = replica.machine().view();
        let Some(plan) = view.plan_garbage(GARBAGE_KEYS) else {
            break;
        };
        drop(view);
        replica.machine().store_mut().finish_garbage(plan);
        if !host::is_simulated() {
            std::thread::sleep(GARBAGE_PAUSE);
        }
    }
    replica.publish();
}

/// Makes a checkpoint at once, and a snapshot of it: for a simulation, in which nobody can wait for the thread.
pub(crate) fn snapshot_in_place(replica: &Replica) -> SnapshotAnswer {
    let written = checkpoint(replica);
    written
        .map(|written| written.snapshot)
        .map_err(|error| error.to_string())
}

/// A checkpoint that is durable.
pub(crate) struct Written {
    pub(crate) snapshot: Snapshot,
    /// Another one right away would return more space.
    pub(crate) more: bool,
}

/// Writes a checkpoint of what is applied now.
pub(crate) fn checkpoint(replica: &Replica) -> Result<Written, MachineError> {
    let _maintaining = replica.maintaining.lock();
    let start = Instant::now();
    let mut checkpoint = replica.machine().plan_checkpoint()?;
    checkpoint.write()?;
    let snapshot = Snapshot::of(&checkpoint);
    let finished = replica.machine().finish_checkpoint(checkpoint);
    replica.publish();
    let more = finished.more();
    drop(finished);
    replica.checkpoint_done(&snapshot, start.elapsed());
    Ok(Written { snapshot, more })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_waits_for_a_snapshot_that_a_stopped_thread_would_make() {
        let maintenance = Maintenance::default();
        let before = maintenance.snapshot();
        maintenance.stop();
        assert!(before.blocking_recv().is_err());
        assert!(maintenance.snapshot().blocking_recv().is_err());
    }
}
